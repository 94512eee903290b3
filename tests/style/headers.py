#!/usr/bin/env python3
"""Headers: each compiles alone and has a guard named after its path."""

import os
import re
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor

import sources

CC = shlex.split(os.environ.get("STYLE_CC") or "cc")
FLAGS = shlex.split(os.environ.get("STYLE_CFLAGS") or "-std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Wconversion") + [
	"-Werror", "-I" + os.path.join(sources.ROOT, "gateway"), "-I" + sources.ROOT]


def compile_alone(path):
	command = CC + FLAGS + ["-fsyntax-only", "-x", "c", "-"]
	source = f'#include "{sources.short(path)}"\n'
	return path, subprocess.run(command, input=source, capture_output=True, text=True, check=False)


def guard(path):
	return "ZONEGATE_" + re.sub(r"[/.]", "_", sources.short(path)).upper()


def main():
	report = sources.Report()
	paths = sources.files("gateway", "keys", "tests", endings=(".h",))
	with ThreadPoolExecutor(2) as pool:
		for path, result in pool.map(compile_alone, paths):
			if result.returncode != 0:
				report.complain(path, 1, "does not compile alone:\n" + result.stderr)
	for path in sources.files("gateway", "keys", endings=(".h",)):
		text = sources.read(path)
		if f"#ifndef {guard(path)}\n#define {guard(path)}\n" not in text:
			report.complain(path, 1, f"no guard {guard(path)}")
	report.finish(len(paths), "headers")


main()
