#!/usr/bin/env python3
"""Pages: doc/house.md names every file of every layer, and no other, and has the arrows of includes.py; each function that
README's "Where things happen" names is in the file that it names; a source without a header says what it is for."""

import os
import re

import sources
from includes import LAYERS

HOUSE, README = "doc/house.md", "README.md"


def line_of(text, at):
	return text.count("\n", 0, at) + 1


def place(layer):
	return "keys" if layer == "keys" else "gateway/" + layer


def check_files(report, house):
	for layer in LAYERS:
		folder = place(layer)
		start = house.find(f"### {folder}/ ")
		if start < 0:
			report.complain(HOUSE, 1, f"no section ### {folder}/")
			continue
		section = house[start:house.find("\n#", start + 1)]
		named = set()
		for match in re.finditer(r"^\| `([^`]+)` \|", section, re.M):
			stem, ending = match.group(1).rsplit(".", 1)
			named |= {f"{stem}.{letter}" for letter in ending.strip("[]")}
		there = {os.path.basename(path) for path in sources.files(folder)}
		for name in sorted(there - named):
			report.complain(HOUSE, line_of(house, start), f"{folder}/{name} is not named")
		for name in sorted(named - there):
			report.complain(HOUSE, line_of(house, start), f"{folder}/{name} is no file")


def check_arrows(report, house):
	for layer, allowed in LAYERS.items():
		row = re.search(r"^\| `%s/` \|[^|]*\|([^|]*)\|" % re.escape(place(layer)), house, re.M)
		if not row or re.findall(r"`([^`]+)`", row.group(1)) != allowed:
			report.complain(HOUSE, line_of(house, row.start()) if row else 1, f"{place(layer)}/ may include {', '.join(allowed) or 'nothing'}")


def check_tour(report, readme):
	"""Each `path` and the `function`s behind it, up to the next path."""
	start = readme.find("## Where things happen")
	for match in re.finditer(r"^\| .*\? \| (.*) \|$", readme[start:readme.find("\n## ", start + 1)], re.M):
		path = None
		for word in re.findall(r"`([^`]+)`", match.group(1)):
			line = line_of(readme, start + match.start())
			if "." in word:
				path = word if "/" in word else os.path.join(os.path.dirname(path), word)
				if not os.path.exists(os.path.join(sources.ROOT, path)):
					report.complain(README, line, f"{path} is no file")
					break
			elif not re.search(r"^(static inline .*|)%s\(" % word, sources.read(path), re.M):
				report.complain(README, line, f"{word} is not in {path}")


def main():
	report = sources.Report()
	house, readme = sources.read(HOUSE), sources.read(README)
	check_files(report, house)
	check_arrows(report, house)
	check_tour(report, readme)
	paths = sources.files("gateway", "keys", endings=(".c",))
	for path in paths:
		if not sources.exists(sources.short(path)[:-1] + "h") and not sources.read(path).startswith("/*") and path.count("/") > 1:
			report.complain(path, 1, "no header and no first line say what it is for")
	report.finish(len(paths), "sources")


main()
