#!/usr/bin/env python3
"""Habits: a function has at most 70 lines; a header begins with what it is for and says which threads may call it; no
call that does not know how much room there is; an allocation is looked at in the function that makes it."""

import re

import sources

MOST_LINES = 70
UNBOUNDED = re.compile(r"\b(strcpy|stpcpy|strcat|sprintf|vsprintf|gets|strtok|alloca|atoi|atol|atoll|system|popen|mktemp|tmpnam)\s*\(")
ALLOCATION = re.compile(r"([\w>.\-\[\]*]+)\s*=\s*(?:\([^()]*\)\s*)?(?:malloc|calloc|realloc|aligned_alloc|strdup|strndup)\s*\(")
COMMENT = re.compile(r"/\*.*?\*/", re.S)

# FILE: {variable or member: why it is not looked at where it is made}.
ALLOCATED = {
	"control/jobs.c": {"reason": "without it the zone's state alone is said"},
	"store/etcd_client.c": {"path": "start looks at it", "body": "start looks at it", "authorization": "without it the request is refused, and a token is asked for again"},
	"store/kafka.c": {"text": "add_zone looks at it"},
	"store/follower_events.c": {"reason": "without it the state alone is said"},
	"store/follower.c": {"reason": "without it the state alone is said"},
}


def functions(lines):
	"""(line number, name, lines between its braces) of each function: its braces stand in the first column."""
	name, start = None, 0
	for number, line in enumerate(lines, 1):
		match = re.match(r"([A-Za-z_]\w*)\(", line)
		if match:
			name = match.group(1)
		if line == "{":
			start = number
		elif line == "}" and start:
			yield start, name, lines[start:number - 1]
			start = 0


def blank(match):
	return re.sub(r"[^\n]", " ", match.group(0))


def is_looked_at(variable, text):
	"""Where it stands next: in a condition, as an argument of must or invariant, or as what is returned."""
	name = r"[\w>.\-\[\]]*\b%s\b" % re.escape(variable)
	use = re.search(r"(?<![\w.>])" + name, text)
	if not use:
		return False
	end = text.find("\n", use.end())
	text = text[max(text.rfind(mark, 0, use.start()) for mark in ";{}") + 1:end if end >= 0 else len(text)]
	return re.search(r"!\s*\(?\*?%s|\b(if|while|must|invariant|require)\s*\([^;{]*%s|%s\s*\)?\s*(==|!=|\?|&&|\|\|)|(&&|\|\||return|=)\s*\*?%s" %
	                 (name, name, name, name), text)


def end_of_call(text, at):
	"""Behind the parenthesis that closes the one before `at`."""
	depth = 1
	while depth and at < len(text):
		depth += {"(": 1, ")": -1}.get(text[at], 0)
		at += 1
	return at


def check_allocations(report, path, start, body):
	text = "\n".join(body)
	excused = ALLOCATED.get(sources.short(path), {})
	for match in ALLOCATION.finditer(text):
		variable = re.findall(r"\w+", re.sub(r"\[[^\]]*\]", "", match.group(1)))[-1]
		line = text[text.rfind("\n", 0, match.start()) + 1:match.start()]
		if variable in excused or line.endswith("("):  # "(x = malloc(…)) == NULL"
			continue
		if not is_looked_at(variable, text[end_of_call(text, match.end()):]):
			report.complain(path, start + 1 + text.count("\n", 0, match.start()), f"nobody looks at whether {variable} was allocated")


def main():
	report, count = sources.Report(), 0
	for path in sources.files("gateway", "keys"):
		text = sources.read(path)
		if path.endswith(".h") and not (text.startswith("/*\n") and re.search("Threads[:,]", text)):
			report.complain(path, 1, 'a header begins with what it is for, and a line "Threads:"')
		lines = COMMENT.sub(blank, text).splitlines()
		for number, line in enumerate(lines, 1):
			match = UNBOUNDED.search(line)
			if match:
				report.complain(path, number, f"{match.group(1)}: it knows no bounds, or asks for more than is needed")
		for start, name, body in functions(lines):
			count += 1
			if len(body) > MOST_LINES:
				report.complain(path, start, f"{name}: {len(body)} lines; {MOST_LINES} are enough for any function")
			check_allocations(report, path, start, body)
	report.finish(count, "functions")


main()
