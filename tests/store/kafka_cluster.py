"""Gateways on real Kafka brokers: what the tests of the Kafka store share."""
import atexit
import json
import os
import random
import shutil
import sys
import tempfile
import time

import pytest

dns = pytest.importorskip("dns")
import dns.query
import dns.zone
from conftest import TOP, ZONE, ZONEGATED, Gateway, eventually, keyfile, run

KAFKA = os.path.join(TOP, "tests", "servers", "kafka")
ZONES_PY = os.path.join(TOP, "contrib", "consumers", "zones.py")
for need in ("java", "mvn"):
    if not shutil.which(need):
        pytest.skip("no %s here: packages of the tests: line of contrib/packages" % need, allow_module_level=True)

CONFIG = """
server:
  listen: [127.0.0.1@PORT]
  state-dir: state
  control-socket: zonegate.sock
  http: 127.0.0.1@HTTP
  identity: IDENTITY
log: {level: info}
keys:
  - file: dhcp.key
stores:
  bus:
    type: kafka
    brokers: [BROKERS]
    updates-topic: TOPIC.updates
    snapshots-topic: TOPIC.snapshots
    MORE
zones:
  - name: example.test.
    file: example.test.zone
    update-timeout: 30s
    update-policy:
      - grant dhcp. zonesub ANY
    allow-transfer: [key dhcp., 127.0.0.1]
"""
os.environ.setdefault("KAFKA_TIER", "1")    # brokers that start and end all the time
IMPATIENT = CONFIG.replace("    update-timeout: 30s\n", "")      # where stores are away: an update's fate is told soon
CREATE = "create-topics: {partitions: 3, replication: %d}"


def skip_under_thread_sanitizer():
    """GCC's does not know the C11 threads (thrd_create) that librdkafka runs on: it crashes in the first of them."""
    if "libtsan" in run("ldd", ZONEGATED).stdout:
        pytest.skip("librdkafka's C11 threads cannot run under the thread sanitizer")


class Kafka:
    """Brokers of tests/servers/kafka; `wrap`: a command that runs them elsewhere, in a network namespace."""

    def __init__(self, *options, wrap=()):
        skip_under_thread_sanitizer()
        self.dir, self.wrap = tempfile.mkdtemp(prefix="zg-kafka-"), list(wrap)
        r = run(*self.wrap, KAFKA, "start", self.dir, *options, check=False, timeout=900)
        if r.returncode:
            self.close()
            pytest.skip("no Kafka here: %s" % (r.stdout + r.stderr)[-300:])
        self.bootstrap = run(KAFKA, "bootstrap", self.dir).stdout.strip()

    def tool(self, name, *arguments):
        return run(*self.wrap, KAFKA, "tool", self.dir, name, "--bootstrap-server", self.bootstrap, *arguments, timeout=240).stdout

    def __call__(self, command, *arguments):
        return run(*self.wrap, KAFKA, command, self.dir, *arguments, timeout=240).stdout

    def close(self):
        run(KAFKA, "clean", self.dir, check=False)


def shared():
    """The one broker of all tests that do it no harm."""
    global _shared
    if not _shared:
        _shared = Kafka()
        atexit.register(_shared.close)
    return _shared


_shared = None


class Patient(Gateway):
    """One that says "ready" without a zone, as it does where brokers have not answered for five seconds, has started once it has the zone."""

    def start(self, check=True, wait=120, **kw):
        super().start(check=check, wait=wait, **kw)
        if check:
            eventually(lambda: '"loading"' not in self.ctl("zones", "--json").stdout, wait)
        return self


class Cluster:
    """Gateways on topics of their own."""

    def __init__(self, kafka, config=CONFIG, replication=1):
        self.kafka, self.config, self.made = kafka, config, []
        self.topic = "t%d.%d" % (os.getpid(), random.randrange(10 ** 9))
        self.replication = replication

    def gateway(self, start=True, more=None, files=None, wrap=(), **kw):
        path = tempfile.mkdtemp(prefix="zg-")
        config = self.config.replace("IDENTITY", "gw%d" % (len(self.made) + 1)).replace("TOPIC", self.topic)
        config = config.replace("BROKERS", ", ".join('"%s"' % b for b in self.kafka.bootstrap.split(",")))
        config = config.replace("MORE", more if more is not None else CREATE % self.replication)
        g = Patient(path, config, {"dhcp.key": keyfile(), "example.test.zone": ZONE, **(files or {})}, wrap=wrap)
        self.made.append(g)
        return g.start(**kw) if start else g

    def close(self):
        if sys.exc_info()[0]:                       # a test that fails shows what the gateways said
            for g in self.made:
                print("== %s\n%s" % (g.config_path, "".join(g.log().splitlines(True)[-100:])))
        try:
            for g in self.made:
                g.stop()
        finally:
            for g in self.made:
                g.kill()
                shutil.rmtree(g.dir, ignore_errors=True)

    def producer(self):
        from confluent_kafka import Producer
        return Producer({"bootstrap.servers": self.kafka.bootstrap, "acks": "all", "partitioner": "murmur2"})

    def add(self, *values, topic="updates", key="example.test."):
        p, errors = self.producer(), []
        for value in values:
            p.produce("%s.%s" % (self.topic, topic), value, key, on_delivery=lambda e, m: e and errors.append(e))
        assert p.flush(120) == 0 and not errors, errors


def text_of(zone):
    return sorted("%s %s" % (n, line) for n, node in zone.nodes.items() for rds in node for line in str(rds).splitlines())


def zone_of(g):
    """The zone as AXFR gives it, as sorted text."""
    return text_of(dns.zone.from_xfr(dns.query.xfr("127.0.0.1", "example.test.", port=g.port, relativize=False), relativize=False))


def dump(g):
    return g.ctl("dump", "example.test.").stdout


def state(g):
    (line,) = [json.loads(x) for x in g.ctl("zones", "--json").stdout.splitlines()]
    return line


def same(gateways):
    """All gateways come to the same version, serial, id and content."""
    def equal():
        all_of = [(s["version"], s["serial"]) for s in map(state, gateways)]
        return all_of[0] if all(x == all_of[0] for x in all_of) else None
    version = eventually(equal)[0]
    assert all(dump(g) == dump(gateways[0]) for g in gateways)
    return version


def newest_id(g):
    return json.loads(g.ctl("log", "example.test.", "--json").stdout.splitlines()[-1])["id"]


def change(base, base_id, ops, **more):
    return json.dumps({"zone": "example.test.", "base": base, "base_id": base_id, "time": "2026-11-21T22:50:01.123456Z",
                       "origin": {"gateway": "other"}, "reads": [], "ops": ops, **more}, separators=(",", ":"))


def place(g):
    last = json.loads(g.ctl("log", "example.test.", "--json").stdout.splitlines()[-1])
    return last["version"], last["id"]


def add_a(name, address="192.0.2.1"):
    return {"op": "ADD", "record": name, "type": "A", "ttl": 300, "content": address}
