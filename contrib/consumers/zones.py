#!/usr/bin/env python3
"""Rebuild zones from the two topics of a zonegate store on Kafka, write them as master files, and follow.

  zones.py -b HOST:PORT [-u dns.updates] [-s dns.snapshots] -o DIRECTORY [--once] [ZONE...]

Needs confluent-kafka only. Without ZONE: every zone of the topics. --once: up to the end of the log as of now, then exit.
This is the log's rule of reading in one page; it keeps no state of its own and starts from the newest snapshots each time.
"""
import argparse
import hashlib
import json
import os
import sys
import time

from confluent_kafka import Consumer, KafkaError, TopicPartition

WINDOW = 8192


class Unknown(Exception):
    """An op that this program does not know: the zone goes no further."""


class Skip(Exception):
    """A change that does not apply at its place: skipped as a whole."""


def greater(a, b):
    """Serial arithmetic (RFC 1982)."""
    return a != b and 0 < (a - b) % 2 ** 32 < 2 ** 31


class Zone:
    def __init__(self, name):
        self.name, self.version, self.id, self.serial, self.all = name, 0, "0" * 32, 0, 0
        self.frozen, self.until, self.removed, self.stopped = False, None, False, False
        self.records = {}                     # (owner, type): [ttl, [content]]
        self.names, self.ids = {}, {0: "0" * 32}
        self.partition, self.next, self.skipped = None, 0, 0

    def load(self, manifest, parts):
        """A snapshot: the manifest, and its chunks' values (or itself, for a small zone)."""
        for key in ("version", "id", "serial", "all", "frozen", "partition"):
            setattr(self, key, manifest[key])
        self.until, self.removed = manifest.get("until"), manifest.get("removed", False)
        self.next, ids = manifest["offset"] + 1, []
        for part in parts:
            for r in part.get("records", []) if isinstance(part.get("records"), list) else []:
                self.records.setdefault((r["record"], r["type"]), [r["ttl"], []])[1].extend(r["content"])
            self.names.update(part.get("names", {}))
            ids += part.get("ids", [])
        self.ids = {self.version - len(ids) + 1 + i: x for i, x in enumerate(ids)}

    def fits(self, change):
        """The one rule of reading: apply unless a name that it reads or touches has changed since its base."""
        base = change["base"]
        if base > self.version or self.ids.get(base, change["base_id"]) != change["base_id"]:
            raise Skip("made on another history")
        if self.version - base > WINDOW:
            raise Skip("made too long ago")
        if self.all > base or (change.get("exclusive") and base != self.version):
            raise Skip("the zone has changed since")
        if self.removed and not change.get("exclusive"):
            raise Skip("the zone was removed")
        for name in [op["record"] for op in change.get("ops", [])] + change.get("reads", []):
            if self.names.get(name.lower(), 0) > base:
                raise Skip(name + " has changed since")

    def one_op(self, records, op):
        key, there = (op["record"].lower(), op["type"]), records.get((op["record"].lower(), op["type"]))
        if op["op"] == "DEL":
            if not there or ("content" in op and op["content"] not in there[1]):
                raise Skip("DEL finds nothing")
            left = [c for c in there[1] if "content" in op and c != op["content"]]
            if op["type"] == "SOA" or (key == ("@", "NS") and not left):
                raise Skip("SOA and the last NS stay")
            records.pop(key)
            if left:
                records[key] = [there[0], left]
            return
        if not there:
            types = {t for o, t in records if o == key[0]}
            if (types and op["type"] == "CNAME") or "CNAME" in types:
                raise Skip("CNAME beside other data")
        if op["op"] == "SET":
            records[key] = [op["ttl"], list(op["content"])]
        else:
            if there and (op["content"] in there[1] or op["type"] in ("CNAME", "SOA", "DNAME")):
                raise Skip("ADD of what is there")
            records[key] = [op["ttl"], (there[1] if there else []) + [op["content"]]]

    def apply(self, raw, content):
        """One record of the log. content(snapshot): the records that a snapshot change refers to."""
        change = json.loads(raw)
        if not isinstance(change, dict) or change.get("zone") != self.name or not {"base", "base_id", "time"} <= change.keys():
            raise Skip("no change")
        if any(op.get("op") not in ("ADD", "SET", "DEL") for op in change.get("ops", [])):
            raise Unknown(change["ops"])
        self.fits(change)
        records, soa = dict(self.records), None
        for op in change.get("ops", []):
            self.one_op(records, op)
            if op["type"] == "SOA":
                soa = soa_serial((op["content"] if op["op"] == "ADD" else op["content"][0]))
                if self.version and ("@", "SOA") in self.records and not greater(soa, self.serial):
                    raise Skip("the SOA's serial is no longer greater")
        if "snapshot" in change:
            records = content(change["snapshot"])
            soa = soa_serial(records[("@", "SOA")][1][0])
        if change.get("removed"):
            records = {}
        again = self.removed
        self.version += 1
        self.id = hashlib.sha256(bytes.fromhex(self.id) + raw).hexdigest()[:32]
        self.ids[self.version] = self.id
        self.ids.pop(self.version - WINDOW - 1, None)
        for op in change.get("ops", []):
            self.names[op["record"].lower()] = self.version
        if again or "snapshot" in change or "frozen" in change or change.get("removed"):
            self.all = self.version
        if "frozen" in change:
            self.frozen, self.until = change["frozen"], change.get("until")
        if again or change.get("removed"):
            self.removed, self.frozen, self.until = bool(change.get("removed")), False, None
        if soa is not None and (self.version == 1 or greater(soa, self.serial)):
            self.serial = soa
        elif greater(change.get("serial", self.serial), self.serial):
            self.serial = change["serial"]
        else:
            self.serial = self.serial % (2 ** 32 - 1) + 1
        self.records = records

    def write(self, directory):
        """A master file, replaced in one step."""
        os.makedirs(directory, exist_ok=True)
        lines = []
        for (owner, rtype), (ttl, contents) in self.records.items():
            for c in contents:
                if rtype == "SOA":
                    c = " ".join(c.split()[:2] + [str(self.serial)] + c.split()[3:])
                full = self.name if owner == "@" else owner + "." + self.name.lstrip(".")
                lines.append((rtype != "SOA", owner != "@", full, "%s %d IN %s %s\n" % (full, ttl, rtype, c)))
        path = os.path.join(directory, (self.name.rstrip(".").replace("/", "_") or "root") + ".zone")
        if not lines:
            return os.path.exists(path) and os.remove(path)
        with open(path + ".new", "w") as f:
            f.writelines(line for *_, line in sorted(lines))
            f.flush()
            os.fsync(f.fileno())
        os.replace(path + ".new", path)


def soa_serial(content):
    return int(content.split()[2])


class Reader:
    def __init__(self, args):
        self.args, self.zones, self.chunks = args, {}, {}
        self.consumer = Consumer({"bootstrap.servers": args.brokers, "group.id": "zones.py", "enable.auto.commit": False,
                                  "auto.offset.reset": "error", "enable.partition.eof": True, **dict(p.split("=", 1) for p in args.X)})

    def bounds(self, topic):
        meta = self.consumer.list_topics(topic, 10).topics[topic]
        return {p: self.consumer.get_watermark_offsets(TopicPartition(topic, p), 10) for p in meta.partitions}

    def read(self, topic, starts, ends):
        """Records of some partitions, up to these ends (None: for ever; then None comes where it is quiet)."""
        left = {p for p in starts if not ends or starts[p] < ends[p]}
        self.consumer.assign([TopicPartition(topic, p, starts[p]) for p in left])
        while left:
            m = self.consumer.poll(1.0)
            if m is None or (m.error() and m.error().code() != KafkaError._PARTITION_EOF):
                if m is not None and m.error().code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
                    sys.exit("zones.py: a part of the log is missing: %s" % m.error())
                yield None
                continue
            if not m.error() and (not ends or m.offset() < ends[m.partition()]):
                yield m
            if m.error():
                yield None
            if ends and m.offset() + (not m.error()) >= ends[m.partition()]:
                left.discard(m.partition())

    def wanted(self, zone):
        return zone.endswith(".") and (not self.args.zones or zone in self.args.zones)

    def snapshots(self):
        """The newest whole snapshot of each zone."""
        bounds, manifests = self.bounds(self.args.snapshots), {}
        for m in self.read(self.args.snapshots, {p: b[0] for p, b in bounds.items()}, {p: b[1] for p, b in bounds.items()}):
            if m is None or not m.key():
                continue
            key = m.key().decode()
            self.chunks[key] = m.value()      # a later value of a key replaces the one before; None: it is gone
            if self.wanted(key):
                manifests[key] = m.value()
        for name, value in manifests.items():
            if value:
                self.zones[name] = self.whole(Zone(name), json.loads(value))

    def parts(self, name, snapshot, count, digest):
        values = [self.chunks.get("%s/%s/%d" % (name, snapshot, i)) for i in range(count)]
        if None in values or hashlib.sha256(b"".join(values)).hexdigest() != digest:
            sys.exit("zones.py: %s: snapshot %s is not whole" % (name, snapshot))
        return [json.loads(v) for v in values]

    def whole(self, zone, manifest):
        zone.load(manifest, self.parts(zone.name, manifest["snapshot"], manifest["chunks"], manifest["sha256"]) if manifest["chunks"]
                  else [manifest])
        return zone

    def content(self, name, snapshot):
        if "%s/%s/0" % (name, snapshot["id"]) not in self.chunks:   # an import that came while we were reading
            consumer, self.consumer = self.consumer, Reader(self.args).consumer
            bounds = self.bounds(self.args.snapshots)
            for m in self.read(self.args.snapshots, {p: b[0] for p, b in bounds.items()}, {p: b[1] for p, b in bounds.items()}):
                if m is not None and m.key():
                    self.chunks[m.key().decode()] = m.value()
            self.consumer.close()
            self.consumer = consumer
        zone = Zone(name)
        zone.load(dict(version=0, id="0" * 32, serial=0, all=0, frozen=False, partition=0, offset=-1),
                  self.parts(name, snapshot["id"], snapshot["chunks"], snapshot["sha256"]))
        return zone.records

    def one(self, m):
        """A record of the updates topic; the zone's name if it has changed."""
        name = (m.key() or b"").decode("utf-8", "replace")
        if not self.wanted(name):
            return None
        zone = self.zones.setdefault(name, Zone(name))
        if zone.stopped or m.offset() < zone.next or zone.partition not in (None, m.partition()):
            return None
        zone.next = m.offset() + 1
        try:
            zone.apply(m.value() or b"", lambda snapshot: self.content(name, snapshot))
            return name
        except Unknown as e:
            zone.stopped = True
            print("%s: offset %d: not understood, the zone stays as it is: %s" % (name, m.offset(), e), file=sys.stderr)
        except (Skip, ValueError, KeyError, TypeError, AttributeError, IndexError) as e:
            zone.skipped += 1
            print("%s: offset %d: skipped: %s" % (name, m.offset(), e), file=sys.stderr)
        return None

    def run(self):
        self.snapshots()
        bounds, starts = self.bounds(self.args.updates), {}
        for p, (low, _) in bounds.items():
            nexts = [z.next for z in self.zones.values() if z.partition == p]
            known = nexts and all(z in self.zones for z in self.args.zones)
            starts[p] = max(low, min(nexts)) if known and self.args.zones else low
            if [n for n in nexts if n < low]:
                sys.exit("zones.py: partition %d begins at %d: changes after a snapshot are missing" % (p, low))
        changed, written = set(self.zones), 0
        for m in self.read(self.args.updates, starts, {p: b[1] for p, b in bounds.items()} if self.args.once else None):
            if m is not None:
                changed.add(self.one(m))
            if m is None or time.monotonic() - written > 1:
                self.write(changed)
                changed, written = set(), time.monotonic()
        self.write(changed)

    def write(self, changed):
        for name in changed - {None}:
            self.zones[name].write(self.args.directory)
            print("%s version %d serial %d id %s" % (name, self.zones[name].version, self.zones[name].serial, self.zones[name].id), flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("-b", dest="brokers", required=True)
    p.add_argument("-u", dest="updates", default="dns.updates")
    p.add_argument("-s", dest="snapshots", default="dns.snapshots")
    p.add_argument("-o", dest="directory", required=True)
    p.add_argument("-X", action="append", default=[], metavar="PROPERTY=VALUE", help="as for librdkafka: security.protocol=ssl …")
    p.add_argument("--once", action="store_true")
    p.add_argument("zones", nargs="*")
    Reader(p.parse_args()).run()


if __name__ == "__main__":
    main()
