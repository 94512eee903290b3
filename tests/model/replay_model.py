#!/usr/bin/env python3
"""The one rule of reading: replay_change against a model of it, over random logs.

The model is written from the text of the rule alone: fates, versions, ids, serials and content must be the same.
usage: replay_model.py [RUNS [SEED]]; REPLAY_DRIVER names the driver (default: tests/model/replay_driver beside the build).
"""
import hashlib, json, os, random, subprocess, sys

WINDOW = 8192
MOD = 1 << 32


def greater(a, b):
    return a != b and (a - b) % MOD < MOD // 2


class Zone:
    def __init__(self):
        self.version, self.serial, self.all = 0, 0, 0
        self.ids = {0: bytes(16)}
        self.content, self.soa = {}, False      # (name, type) -> (ttl, set of texts)
        self.recent = {}
        self.frozen = self.removed = False

    def effects(self, change):
        """Content after the ops, and the serial that they set; None where one does not apply."""
        content, soa, serial = {k: (t, set(v)) for k, (t, v) in self.content.items()}, self.soa, None
        for op in change["ops"]:
            key = (op["record"], op["type"])
            here = [t for n, t in content if n == key[0]]
            if key[1] == "SOA":
                wanted = int(op["content"][0].split()[2] if op["op"] == "SET" else op["content"].split()[2])
                ok = self.version == 0 or greater(wanted, self.serial)
                if op["op"] == "DEL" or soa and (op["op"] == "ADD" or not ok):
                    return None
                soa, serial = True, wanted if ok else serial
                continue
            if op["op"] == "DEL":
                if key not in content or "content" in op and op["content"] not in content[key][1]:
                    return None
                left = content[key][1] - {op["content"]} if "content" in op else set()
                if key == ("@", "NS") and not left:
                    return None
                content[key] = (content[key][0], left)
                if not left:
                    del content[key]
                continue
            if key not in content and (key[1] == "CNAME" and here or "CNAME" in here):
                return None
            if op["op"] == "ADD":
                ttl, old = content.get(key, (0, set()))
                if op["content"] in old or key[1] == "CNAME" and old:
                    return None
                content[key] = (op["ttl"], old | {op["content"]})
            else:
                if key[1] == "CNAME" and len(op["content"]) != 1:
                    return None
                content[key] = (op["ttl"], set(op["content"]))
        return (content, serial) if soa else None

    def judge(self, change, record):
        base = change["base"]
        if base > self.version:
            return "diverged"
        if self.version - base > WINDOW:
            return "skipped"
        if self.ids[base].hex() != change["base_id"]:
            return "diverged"
        names = [op["record"] for op in change.get("ops", [])] + change.get("reads", [])
        if change.get("exclusive") and base != self.version or self.all > base:
            return "skipped"
        if self.removed and not change.get("exclusive") or any(self.recent.get(n, 0) > base for n in names):
            return "skipped"
        content, set_serial = self.content, None
        if "ops" in change:
            after = self.effects(change)
            if after is None:
                return "skipped"
            content, set_serial = after
        self.apply(change, record, content, set_serial)
        return "applied"

    def apply(self, change, record, content, set_serial):
        again = self.removed
        self.version += 1
        self.ids[self.version] = hashlib.sha256(self.ids[self.version - 1] + record).digest()[:16]
        candidate = change.get("serial")
        if set_serial is not None:
            self.serial = set_serial
        elif candidate and greater(candidate, self.serial):
            self.serial = candidate
        else:
            self.serial = (self.serial + 1) % MOD or 1
        for op in change.get("ops", []):
            self.recent[op["record"]] = self.version
        if "frozen" in change:
            self.frozen = change["frozen"]
        self.content, self.soa = content, self.soa or "ops" in change
        if change.get("removed"):
            self.content, self.soa = {}, False
        if change.get("removed") or again:
            self.removed, self.frozen = bool(change.get("removed")), False
        if "frozen" in change or change.get("removed") or again:
            self.all = self.version

    def lines(self):
        return "".join(sorted("%s %s %d %s;" % (n, t, ttl, x) for (n, t), (ttl, texts) in self.content.items() for x in texts))


def some_op(rnd, zone):
    name, ttl = rnd.choice("abcd"), rnd.randint(1, 3)
    kind, rtype = rnd.choice(["ADD", "ADD", "SET", "DEL", "DEL"]), rnd.choice(["A", "A", "CNAME"])
    text = lambda: "192.0.2.%d" % rnd.randint(1, 3) if rtype == "A" else "x%d.example.test." % rnd.randint(1, 2)
    if rnd.random() < .05:
        serial = (zone.serial + rnd.choice([-1, 0, 1, 5, 1 << 30, (1 << 31) - 1, 1 << 31])) % MOD
        return {"op": "SET", "record": "@", "type": "SOA", "ttl": 60, "content": ["ns1.example.test. h.example.test. %d 1 1 1 1" % serial]}
    op = {"op": kind, "record": name, "type": rtype}
    if kind == "SET":
        op.update(ttl=ttl, content=sorted({text() for _ in range(rnd.randint(1, 3))}))
    elif kind == "ADD":
        op.update(ttl=ttl, content=text())
    elif rnd.random() < .5:
        op.update(content=text())
    return op


def first(zone):
    return [{"op": "ADD", "record": "@", "type": "SOA", "ttl": 60, "content": "ns1.example.test. h.example.test. %d 1 1 1 1" % zone.serial},
            {"op": "ADD", "record": "@", "type": "NS", "ttl": 60, "content": "ns1.example.test."}]


def some_change(rnd, zone, reach):
    base = max(0, zone.version - rnd.choice([0, 0, 0, 0, 1, 1, 2, rnd.randint(0, reach)]))
    if rnd.random() < .02:
        base = zone.version + rnd.randint(1, 3)
    base_id = zone.ids.get(base, bytes(16)).hex()
    if rnd.random() < .02:
        base_id = "ff" + base_id[2:]
    change = {"zone": "example.test.", "base": base, "base_id": base_id, "time": "2026-11-21T22:50:01.%06dZ" % rnd.randrange(10**6), "origin": {}}
    kind = rnd.random()
    if kind < .03:
        change["frozen"] = rnd.random() < .5
    elif kind < .05:
        change["removed"] = True
    else:
        change["reads"] = [rnd.choice("abcd") for _ in range(rnd.choice([0, 0, 1]))]
        change["ops"] = [some_op(rnd, zone) for _ in range(rnd.choice([1, 1, 1, 2, 3]))]
        if zone.removed or zone.version == 0:
            change["ops"] = first(zone) + change["ops"][:1]
        if rnd.random() < .1 or zone.removed and rnd.random() < .9:
            change["exclusive"] = True
        if rnd.random() < .2:
            change["serial"] = (zone.serial + rnd.choice([0, 1, 7, 1 << 29, 1 << 31])) % MOD or 1
    return change


def run(driver, seed, count, reach, quiet):
    rnd, zone, records, wanted = random.Random(seed), Zone(), [], []
    zone.serial = 0
    for _ in range(count):
        if records and rnd.random() < .03:
            record = rnd.choice(records)        # a duplicate
        else:
            record = json.dumps(some_change(rnd, zone, reach), separators=(",", ":")).encode()
        records.append(record)
        fate = zone.judge(json.loads(record), record)
        wanted.append("%s %d %s %d %d %d | %s" % (fate, zone.version, zone.ids[zone.version].hex(), zone.serial, zone.frozen, zone.removed,
                                                   "" if quiet else zone.lines()))
    out = subprocess.run([driver] + ["quiet"] * quiet, input=b"\n".join(records) + b"\n", stdout=subprocess.PIPE, check=True).stdout
    for i, (line, want) in enumerate(zip(out.decode().splitlines(), wanted)):
        if line != want:
            sys.exit("seed %d record %d: %s\n  replay: %s\n  model:  %s" % (seed, i, records[i].decode(), line, want))
    if len(out.splitlines()) != count:
        sys.exit("seed %d: the driver ended early" % seed)
    return sum(w.startswith("applied") for w in wanted)


def main():
    driver = os.environ.get("REPLAY_DRIVER", "tests/model/replay_driver")
    runs, seed = (int(sys.argv[1]) if len(sys.argv) > 1 else 40), (int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    applied = sum(run(driver, seed + i, 150, 12, False) for i in range(runs))
    applied += run(driver, seed, 20000, 10000, True)      # past the window
    print("%d logs, %d changes applied: the same" % (runs + 1, applied))


if __name__ == "__main__":
    main()
