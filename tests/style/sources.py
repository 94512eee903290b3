"""What the style tests share: the project's C files, their includes, and how a complaint is made.

A test prints FILE:LINE: MESSAGE for each complaint and exits 1, or says how much it has read and exits 0.
"""

import os
import re
import sys

ROOT = os.environ.get("STYLE_ROOT") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def files(*folders, endings=(".c", ".h")):
	"""Paths relative to the root, sorted."""
	found = []
	for folder in folders:
		for place, subfolders, names in os.walk(os.path.join(ROOT, folder)):
			subfolders.sort()
			found += [os.path.relpath(os.path.join(place, name), ROOT) for name in names if name.endswith(endings)]
	return sorted(found)


def read(path):
	with open(os.path.join(ROOT, path), encoding="utf-8") as file:
		return file.read()


def includes(path):
	"""(line number, '<' or '"', what is included) of each include."""
	for number, line in enumerate(read(path).splitlines(), 1):
		match = INCLUDE.match(line)
		if match:
			yield number, match.group(1), match.group(2)


def short(path):
	"""As house rules name a file: without the leading gateway/."""
	return path.removeprefix("gateway/")


def module(path):
	"""FOLDER/FILE of FILE.c and FILE.h, and of FILE_part.c and FILE_part.h if there is a FILE.h: parts of one module."""
	name = short(path).rsplit(".", 1)[0]
	folder, stem = os.path.split(name)
	while "_" in stem:
		stem = stem.rsplit("_", 1)[0]
		if exists(os.path.join(folder, stem + ".h")):
			name = os.path.join(folder, stem)
	return name


def exists(name):
	"""Is there such a file, as an include or a house rule names it?"""
	return any(os.path.exists(os.path.join(ROOT, place, name)) for place in ("gateway", ""))


class Report:
	def __init__(self):
		self.count = 0

	def complain(self, path, line, message):
		print(f"{path}:{line}: {message}")
		self.count += 1

	def finish(self, read_count, what):
		print(f"{read_count} {what} read, {self.count} complaints")
		sys.exit(1 if self.count else 0)
