#!/usr/bin/env python3
"""Include arrows: a file includes its own folder and lower layers; each library is included by one module; modules do
not include each other in circles; nothing is included by "../" or by a bare name."""

from fnmatch import fnmatch

import sources

# Folder: what it may include besides itself.
LAYERS = {
	"base": [],
	"wire": ["base"],
	"keys": ["base", "wire"],
	"zone": ["base", "wire"],
	"store": ["base", "wire", "zone"],
	"answer": ["base", "wire", "zone"],
	"update": ["base", "wire", "keys", "zone", "store/store.h"],
	"transfer": ["base", "wire", "keys", "zone", "store/store.h"],
	"serve": ["base", "wire", "keys", "zone", "answer", "update", "transfer"],
	"control": ["base", "wire", "keys", "zone", "store", "answer", "update", "transfer", "serve"],
}

# Header of a library: the files that may include it. The first pattern that fits decides.
LIBRARIES = [
	("ldns/*", ["wire/present.c"]),
	("openssl/ssl*.h", ["serve/tls*.c"]),
	("openssl/err.h", ["serve/tls*.c"]),
	("openssl/x509*.h", ["serve/tls*.c"]),
	("openssl/*", ["base/digest.c"]),
	("lmdb.h", ["store/kv.c"]),
	("librdkafka/*", ["store/kafka*.c"]),
	("curl/*", ["store/http.c"]),
	("urcu*", ["base/rcu.h"]),
	("jansson.h", ["store/etcd*.[ch]", "store/kafka_snapshot.c", "control/*.c"]),
	("yaml.h", ["control/config*.c"]),
	("microhttpd.h", ["control/http.c"]),
	("fstrm.h", ["serve/dnstap.c"]),
	("bpf/*", ["serve/xdp_filter.c"]),
	("xdp/*", ["serve/xdp_socket.c"]),
	("xxhash.h", ["base/hash.c", "zone/tree.c"]),
]


def folder_of(name):
	return name.split("/")[0] if "/" in name else None


def check_own(report, path, line, included):
	name = sources.short(path)
	if "../" in included or "/" not in included:
		report.complain(path, line, f'"{included}": write it from gateway/ or from the top, as "wire/name.h"')
		return
	folder, target = folder_of(name), folder_of(included)
	if target not in LAYERS:
		report.complain(path, line, f'"{included}": no such layer')
	elif folder is not None and target != folder:
		allowed = LAYERS[folder]
		if target not in allowed and included not in allowed:
			report.complain(path, line, f'"{included}": {folder}/ may not include it')


def check_library(report, path, line, included):
	for pattern, allowed in LIBRARIES:
		if fnmatch(included, pattern):
			if not any(fnmatch(sources.short(path), place) for place in allowed):
				report.complain(path, line, f"<{included}>: only in {', '.join(allowed)}")
			return


def check_circles(report, edges):
	"""edges: module to {module: (path, line)}. Complains once for each include that closes a circle."""
	done, open_path = set(), []

	def visit(name):
		open_path.append(name)
		for target, (path, line) in sorted(edges.get(name, {}).items()):
			if target in open_path:
				circle = open_path[open_path.index(target):] + [target]
				report.complain(path, line, "a circle of includes: " + " -> ".join(circle))
			elif target not in done:
				visit(target)
		open_path.pop()
		done.add(name)

	for name in sorted(edges):
		if name not in done:
			visit(name)


def main():
	report, edges = sources.Report(), {}
	paths = sources.files("gateway", "keys")
	for path in paths:
		for line, kind, included in sources.includes(path):
			if kind == "<":
				check_library(report, path, line, included)
				continue
			check_own(report, path, line, included)
			module, target = sources.module(path), sources.module(included)
			if module != target:
				edges.setdefault(module, {})[target] = (path, line)
	tests = sources.files("tests")
	for path in tests:
		for line, kind, included in sources.includes(path):
			if kind == '"' and "../" in included:
				report.complain(path, line, f'"{included}": no "../"')
	check_circles(report, edges)
	report.finish(len(paths) + len(tests), "files")


if __name__ == "__main__":
	main()
