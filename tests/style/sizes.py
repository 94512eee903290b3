#!/usr/bin/env python3
"""Sizes: no file over 900 lines, no line over 120 columns; nothing left "to do", no white space at the end of a line."""

import re

import sources

MOST_LINES = 900
MOST_COLUMNS = 120  # as .clang-format has it, which leaves comments alone
TAB_WIDTH = 8
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX)\b")


def main():
	report = sources.Report()
	paths = sources.files("gateway", "keys", "tests")
	for path in paths:
		lines = sources.read(path).splitlines()
		if len(lines) > MOST_LINES:
			report.complain(path, MOST_LINES + 1, f"{len(lines)} lines; {MOST_LINES} are enough for any file")
		for number, line in enumerate(lines, 1):
			columns = len(line.expandtabs(TAB_WIDTH))
			if columns > MOST_COLUMNS:
				report.complain(path, number, f"{columns} columns; {MOST_COLUMNS} are enough for any line")
			if UNFINISHED.search(line):
				report.complain(path, number, "unfinished")
			if line != line.rstrip():
				report.complain(path, number, "white space at the end")
	report.finish(len(paths), "files")


main()
