"""What many clients of many gateways saw, by the program tests/clients/histories, and whether it can be true."""
import atexit
import functools
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

from conftest import SECRET, TOP, run
from kafka_cluster import ZONES_PY


@functools.cache
def program():
    go = os.path.join(TOP, "tests", "servers", "go")
    r = run(go, check=False, timeout=1800)
    if r.returncode:
        pytest.skip("no Go here: " + r.stderr[-300:])
    folder = tempfile.mkdtemp(prefix="zg-histories-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = os.path.join(folder, "histories")
    run(go, os.path.join(TOP, "tests", "clients", "histories"), path, timeout=1800)
    return path


class Clients:
    """Clients at work until they have made all updates, or until finish."""

    def __init__(self, addresses, folder, wrap=(), **options):
        self.program, self.history = program(), os.path.join(folder, "history.jsonl")
        self.process = subprocess.Popen([*wrap, self.program, "run", "-gateways", ",".join(addresses), "-secret", SECRET, "-out", self.history]
                                        + [x for name, value in options.items() for x in ("-" + name, str(value))])

    def running(self):
        return self.process.poll() is None

    def finish(self, wait=0):
        """The history, once all is done or `wait` seconds are over."""
        try:
            self.process.wait(wait or 0.001)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGINT)
        assert self.process.wait(600) == 0
        with open(self.history) as f:
            return [json.loads(line) for line in f]

    def close(self):
        if self.running():
            self.process.kill()
            self.process.wait()

    def linearizable(self):
        """By porcupine, each name by itself."""
        r = run(self.program, "check", self.history, check=False, timeout=7200)
        assert r.returncode == 0, (r.stdout + r.stderr)[-6000:]
        print(r.stdout.strip())
        return r.stdout


def zones_py():
    spec = importlib.util.spec_from_file_location("zones", ZONES_PY)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def replayed(cluster, name="example.test."):
    """The whole log by the rule of contrib/consumers/zones.py: the zone as it comes to be, and (version, change) of what was applied."""
    from confluent_kafka import Consumer, TopicPartition
    zones, topic, applied = zones_py(), cluster.topic + ".updates", []
    consumer = Consumer({"bootstrap.servers": cluster.kafka.bootstrap, "group.id": "test", "enable.auto.commit": False, "auto.offset.reset": "error"})
    zone = zones.Zone(name)
    for partition in consumer.list_topics(topic, 60).topics[topic].partitions:
        at, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), 60)
        assert at == 0, "the log does not begin at its beginning"
        consumer.assign([TopicPartition(topic, partition, at)])
        while at < end:
            m = consumer.poll(60)
            assert m is not None and not m.error(), m and m.error()
            at = m.offset() + 1
            if m.key() != name.encode():
                continue
            try:
                zone.apply(m.value(), None)
                applied.append((zone.version, json.loads(m.value())))
            except zones.Skip:
                zone.skipped += 1
    consumer.close()
    return zone, applied


class Timeline:
    """The values that each name had, and since which version, from the applied changes."""

    def __init__(self, applied):
        self.names, self.versions = {}, {}
        for version, change in applied:
            for op in change.get("ops", []):
                if op["type"] != "TXT":
                    continue
                content = op.get("content", "")
                value = "" if op["op"] == "DEL" else (content if isinstance(content, str) else content[0]).strip('"')
                values = self.names.setdefault(op["record"], [])
                if values and values[-1][0] == version:     # delete and add in one change
                    values.pop()
                values.append((version, value))
        for name, values in self.names.items():
            for version, value in values:
                self.versions.setdefault((name, value), []).append(version)

    def seen(self, name, value, since):
        """The first version, not before `since`, in which the name has the value; None."""
        values = [(0, "")] + self.names.get(name, [])
        for i, (version, v) in enumerate(values):
            until = values[i + 1][0] if i + 1 < len(values) else float("inf")
            if v == value and until > since:
                return max(version, since)
        return None

    def check_updates(self, events):
        """What was answered NOERROR is there, once; what was denied is not there."""
        for e in events:
            if not e.get("value") or e["kind"] == "query":
                continue
            versions = self.versions.get((e["name"], e["value"]), [])
            if e["name"][0] == "r":                         # each value is written by one update
                assert len(versions) <= 1, "applied twice: %s %s" % (e, versions)
                if e["result"] in ("NXRRSET", "YXDOMAIN") and e["tries"] == 1 or e["result"] == "unsent":
                    assert not versions, "denied, and in the log: %s %s" % (e, versions)
            if e["result"] == "NOERROR":
                assert len(versions) == 1, "answered NOERROR, and not in the log once: %s %s" % (e, versions)
        for name, values in self.names.items():
            if name[0] == "c":
                assert [v for _, v in values] == [str(i + 1) for i in range(len(values))], "%s does not count: %s" % (name, values)

    def check_reads(self, events, restarts=()):
        """A gateway never goes back: what it serves is never older than what it has shown or acknowledged. restarts: (gateway, time)."""
        for gateway in {e["gateway"] for e in events}:
            mine = [e for e in events if e["gateway"] == gateway and (e["kind"] == "query" and e["result"] in ("NOERROR", "NXDOMAIN")
                                                                      or e["kind"] != "is" and e.get("tries") == 1 and e["result"] == "NOERROR")]
            ends = sorted(mine, key=lambda e: e["end"])
            ended, since, epoch = 0, 0, 0
            times = sorted(t for g, t in restarts if g == gateway)
            for e in sorted(mine, key=lambda e: e["begin"]):
                while ended < len(ends) and ends[ended]["end"] < e["begin"]:
                    since = max(since, ends[ended].get("version", 0))
                    ended += 1
                while times and e["begin"] > times[0]:      # after kill -9 it may begin with an older copy
                    epoch, since = times.pop(0), 0
                if e["kind"] == "query":
                    e["version"] = self.seen(e["name"], e.get("value", ""), since)
                    assert e["version"] is not None, "gateway %d showed what was over at version %d: %s" % (gateway, since, e)
                elif e["kind"] != "delete":
                    e["version"] = self.versions[e["name"], e["value"]][0]
                if e["end"] < epoch:
                    e["version"] = 0

    def check_end(self, zone):
        """Names and values as a gateway has them at the end, {name: value}."""
        mine = {name: values[-1][1] for name, values in self.names.items() if values[-1][1]}
        assert mine == zone


def probes(events, down):
    """Queries that were not answered, though the gateway was up. down: (gateway, from, to) in nanoseconds."""
    return [e for e in events if e["kind"] == "probe" and e["result"] != "NOERROR"
            and not any(g == e["gateway"] and begin <= e["end"] and e["begin"] <= end for g, begin, end in down)]


def now():
    return time.monotonic_ns()
