#!/usr/bin/env python3
"""Function prefixes: a function with external linkage in FOLDER/FILE.c is named FILE_something.

A module may have more than one file: in FOLDER/FILE_part.c the prefix may be FILE_ too, if there is FOLDER/FILE.h."""

import os
import re

import sources

# FOLDER/FILE.c: further prefixes or names, with the reason.
EXCEPTIONS = {
	"transfer/axfr.c": ["transfer_settings_"],  # of both ways of transfer
	"wire/edns.c": ["ede_"],  # Extended DNS Errors travel in OPT
	"wire/rrtype.c": ["rcode_", "opcode_"],  # one file for the tables of assigned numbers
	"zone/table.c": ["zone_"],  # the zones are what the table holds
}
PROGRAMS = ["zonegated.c", "zonegatectl.c"]

BLANKED = re.compile(
	r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|^[ \t]*#(?:[^\n]*\\\n)*[^\n]*', re.S | re.M)
ATTRIBUTE = re.compile(r"__attribute__\s*\(\(.*?\)\)|_Alignas\s*\(.*?\)", re.S)
NAME = re.compile(r"([A-Za-z_]\w*)\s*\(")


def blank(match):
	"""Lines stay where they are."""
	return re.sub(r"[^\n]", " ", match.group(0))


def definitions(text):
	"""(line, name) of each function with external linkage that is defined in the text."""
	text = BLANKED.sub(blank, text)
	depth, start = 0, 0
	for match in re.finditer(r"[{};]", text):
		mark = match.group(0)
		if mark == "{":
			head = text[start:match.start()]
			if depth == 0:
				yield from definition(head, text.count("\n", 0, start) + 1)
			depth += 1
		elif mark == "}":
			depth -= 1
		if depth == 0:
			start = match.end()


def definition(head, line):
	plain = ATTRIBUTE.sub(blank, head)
	name = NAME.search(plain)
	if not name or "=" in plain[:name.start()]:
		return
	if re.search(r"\b(static|typedef)\b", plain[:name.start()]):
		return
	yield line + plain.count("\n", 0, name.start(1)), name.group(1)


def prefixes(path):
	names = {os.path.basename(name) + "_" for name in (path.removesuffix(".c"), sources.module(path))}
	return sorted(names, key=len, reverse=True)


def main():
	report, count = sources.Report(), 0
	for path in sources.files("gateway", "keys", endings=(".c",)):
		name = sources.short(path)
		allowed = prefixes(path) + EXCEPTIONS.get(name, [])
		for line, function in definitions(sources.read(path)):
			count += 1
			if name in PROGRAMS and function == "main":
				continue
			if not any(function.startswith(prefix) for prefix in allowed):
				report.complain(path, line, f"{function}: its name does not begin with {' or '.join(allowed)}")
	report.finish(count, "functions")


main()
