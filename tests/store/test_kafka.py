"""Zones on Kafka: real brokers, several gateways, other people's programs."""
import glob
import json
import os
import random
import re
import shutil
import subprocess
import tempfile
import threading
import time

import pytest

from conftest import BUILD, LONG, TOP, ZONE, ZONEGATED, Gateway, keyfile, run

dns = pytest.importorskip("dns")
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsigkeyring
import dns.update
import dns.zone
from conftest import SECRET

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
    update-policy:
      - grant dhcp. zonesub ANY
    allow-transfer: [key dhcp., 127.0.0.1]
"""
CREATE = "create-topics: {partitions: 3, replication: %d}"


class Kafka:
    def __init__(self, *options):
        self.dir = tempfile.mkdtemp(prefix="zg-kafka-")
        r = run(KAFKA, "start", self.dir, *options, check=False, timeout=300)
        if r.returncode:
            self.close()
            pytest.skip("no Kafka here: %s" % (r.stdout + r.stderr)[-300:])
        self.bootstrap = run(KAFKA, "bootstrap", self.dir).stdout.strip()

    def tool(self, name, *arguments):
        return run(KAFKA, "tool", self.dir, name, "--bootstrap-server", self.bootstrap, *arguments, timeout=90).stdout

    def __call__(self, command, *arguments):
        return run(KAFKA, command, self.dir, *arguments, timeout=90).stdout

    def close(self):
        run(KAFKA, "clean", self.dir, check=False)


@pytest.fixture(scope="module")
def kafka():
    k = Kafka()
    yield k
    k.close()


class Cluster:
    """Gateways on topics of their own."""

    def __init__(self, kafka, config=CONFIG, replication=1):
        self.kafka, self.config, self.made = kafka, config, []
        self.topic = "t%d.%d" % (os.getpid(), random.randrange(10 ** 9))
        self.replication = replication

    def gateway(self, start=True, more=None, files=None, **kw):
        path = tempfile.mkdtemp(prefix="zg-")
        config = self.config.replace("IDENTITY", "gw%d" % (len(self.made) + 1)).replace("TOPIC", self.topic)
        config = config.replace("BROKERS", ", ".join('"%s"' % b for b in self.kafka.bootstrap.split(",")))
        config = config.replace("MORE", more if more is not None else CREATE % self.replication)
        g = Gateway(path, config, {"dhcp.key": keyfile(), "example.test.zone": ZONE, **(files or {})})
        self.made.append(g)
        return g.start(**kw) if start else g

    def close(self):
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
        p.flush(20)
        assert not errors, errors


@pytest.fixture
def cluster(kafka):
    c = Cluster(kafka)
    yield c
    c.close()


def until(what, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("not within %d s" % seconds)


def zone_of(g):
    """The zone as AXFR gives it, as sorted text."""
    z = dns.zone.from_xfr(dns.query.xfr("127.0.0.1", "example.test.", port=g.port, relativize=False), relativize=False)
    return sorted("%s %s" % (n, rds) for n, node in z.nodes.items() for rds in node for rds in str(rds).splitlines())


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
    version = until(equal)[0]
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


def test_the_suite_of_all_stores(kafka):
    program = os.path.join(BUILD, "tests", "unit", "test_kafka")
    if not os.path.exists(program):
        pytest.skip("tests/unit/test_kafka is not built")
    r = run(program, check=False, timeout=120, env=dict(os.environ, KAFKA_BROKERS=kafka.bootstrap))
    assert r.returncode == 0, r.stdout + r.stderr


def test_an_update_at_one_gateway_is_served_by_the_other(cluster):
    one, two = cluster.gateway(), cluster.gateway()
    for i, (at, other) in enumerate([(one, two), (two, one)] * 3):
        at.nsupdate("update add w%d.example.test. 300 A 192.0.2.%d" % (i, i + 1))
        until(lambda: other.short("w%d.example.test." % i) == ["192.0.2.%d" % (i + 1)], 5)
    assert same([one, two]) == 7
    assert zone_of(one) == zone_of(two)
    assert newest_id(one) == newest_id(two)
    log = one.ctl("log", "example.test.", "--raw").stdout.splitlines()
    assert len(log) == 7 and json.loads(log[3])["origin"]["key"] == "dhcp."
    one.ctl("log", "--verify", "example.test.")
    metrics = run("curl", "-s", "http://127.0.0.1:%d/metrics" % one.http).stdout
    assert 'zonegate_snapshot_age_seconds{zone="example.test."}' in metrics
    assert 'zonegate_snapshot_retention_margin_seconds{store="bus"}' in metrics


def test_other_programs_rebuild_the_zone_from_the_topics(cluster):
    pytest.importorskip("confluent_kafka")
    one = cluster.gateway()
    one.nsupdate("update add a.example.test. 300 A 192.0.2.1\nupdate add t.example.test. 60 TXT \"with \\\"quotes\\\" and \\\\ too\"")
    one.ctl("snapshot", "example.test.")
    one.nsupdate("update delete a.example.test. A\nupdate add b.example.test. 300 A 192.0.2.2\nupdate add b.example.test. 300 A 192.0.2.3")
    with tempfile.TemporaryDirectory() as out:
        r = run("/usr/bin/python3", ZONES_PY, "-b", cluster.kafka.bootstrap, "-u", cluster.topic + ".updates", "-s", cluster.topic + ".snapshots",
                "-o", out, "--once")
        assert "version %d serial" % state(one)["version"] in r.stdout and newest_id(one) in r.stdout, r.stdout + r.stderr
        z = dns.zone.from_file(os.path.join(out, "example.test.zone"), "example.test.", relativize=False)
        text = sorted("%s %s" % (n, x) for n, node in z.nodes.items() for rds in node for x in str(rds).splitlines())
        assert text == zone_of(one)
    if shutil.which("kcat"):
        r = run("kcat", "-b", cluster.kafka.bootstrap, "-C", "-t", cluster.topic + ".updates", "-e", "-q", "-f", "%k %s\\n")
        assert [json.loads(x.split(" ", 1)[1])["base"] for x in r.stdout.splitlines()] == [0, 1, 2]


def test_a_change_by_another_producer_is_applied(cluster):
    pytest.importorskip("confluent_kafka")
    one, two = cluster.gateway(), cluster.gateway()
    until(lambda: state(two)["version"] == 1)
    base, base_id = place(one)
    cluster.add(change(base, base_id, [add_a("py", "192.0.2.77")]))
    for g in (one, two):
        until(lambda: g.short("py.example.test.") == ["192.0.2.77"])
    cluster.add(change(base, base_id, [{"op": "SET", "record": "py", "type": "A", "ttl": 5, "content": ["192.0.2.78"]}]))   # lost the race
    one.nsupdate("update add after.example.test. 300 A 192.0.2.1")
    assert one.short("py.example.test.") == ["192.0.2.77"]
    assert same([one, two]) == 3


def test_garbage_in_the_topics_harms_nothing(cluster):
    pytest.importorskip("confluent_kafka")
    one, two = cluster.gateway(), cluster.gateway()
    base, base_id = place(one)
    cluster.add(b"\xff\x00garbage", b"", b"[]", b"{}", b'{"zone":"other.test.","base":0}', b"x" * 900000,
                change(base, "f" * 32, [add_a("forged")]), change(base + 1000, "e" * 32, [add_a("forged")]),
                change(base, base_id, [{"op": "DEL", "record": "nothing", "type": "A"}]),
                change(base, base_id, [add_a("good"), {"op": "ADD", "record": "good", "type": "CNAME", "ttl": 1, "content": "x."}]))
    cluster.add(b"\xff", b"{", topic="snapshots")
    cluster.add(b"\xff", topic="snapshots", key="example.test./0123/0")
    cluster.add(change(0, "0" * 32, [{"op": "REPLACE", "record": "x", "type": "A"}]), key="unserved.test.")
    one.nsupdate("update add a.example.test. 300 A 192.0.2.1")
    until(lambda: two.short("a.example.test.") == ["192.0.2.1"])
    assert same([one, two]) == 2
    assert one.short("forged.example.test.") == one.short("good.example.test.") == []
    three = cluster.gateway()
    assert same([one, two, three]) == 2
    cluster.add(change(2, newest_id(one), [{"op": "REPLACE", "record": "x", "type": "A"}]))
    until(lambda: "not understood" in two.log())
    assert two.short("a.example.test.") == ["192.0.2.1"]


def test_a_gateway_starts_from_nothing_from_its_copy_and_without_brokers(cluster):
    one, two = cluster.gateway(), cluster.gateway()
    for i in range(30):
        one.nsupdate("update add n%d.example.test. 300 A 192.0.2.1" % i)
        if i == 10:
            one.ctl("snapshot", "example.test.")
    same([one, two])
    two.stop()
    one.nsupdate("update delete n3.example.test. A")
    two.start()
    assert same([one, two]) == 32                       # from its copy
    assert len(one.ctl("log", "example.test.", "--raw").stdout.splitlines()) == 32
    assert "n4.example.test." not in one.ctl("dump", "example.test.", "--at", "5").stdout
    kept = two.ctl("log", "example.test.", "--raw").stdout.splitlines()
    assert kept and '"DEL"' in kept[-1]                 # from where its copy began
    three = cluster.gateway()
    assert same([one, two, three]) == 32                # from nothing
    two.stop()
    cluster.kafka("stop")
    try:
        two.start(wait=20)
        assert two.short("n4.example.test.") == ["192.0.2.1"] and two.short("n3.example.test.") == []
        assert one.short("n4.example.test.") == ["192.0.2.1"]
        r = two.nsupdate("update add late.example.test. 300 A 192.0.2.1", "-t", "3", "-u", "1", "-r", "0", check=False)
        assert r.returncode
        two.restart(wait=20)
    finally:
        cluster.kafka("start")
    until(lambda: one.nsupdate("update add back.example.test. 300 A 192.0.2.9", check=False).returncode == 0, 40)
    until(lambda: two.short("back.example.test.") == ["192.0.2.9"], 30)
    until(lambda: two.nsupdate("update add back2.example.test. 300 A 192.0.2.9", check=False).returncode == 0, 40)
    same([one, two, three])


def test_history_rollback_import_freeze_and_removal_reach_all_gateways(cluster):
    one, two = cluster.gateway(), cluster.gateway()
    one.nsupdate("update add a.example.test. 300 A 192.0.2.1")
    one.nsupdate("update add b.example.test. 300 A 192.0.2.1")
    one.ctl("rollback", "example.test.", "2")
    until(lambda: two.short("b.example.test.") == [])
    big = ZONE + "".join("h%d A 192.0.2.%d\n" % (i, i % 250) for i in range(30000))
    with open(os.path.join(one.dir, "big.zone"), "w") as f:
        f.write(big)
    one.ctl("import", "example.test.", os.path.join(one.dir, "big.zone"))
    until(lambda: two.short("h29999.example.test.") == ["192.0.2.%d" % (29999 % 250)])
    assert two.short("a.example.test.") == []
    three = cluster.gateway()
    same([one, two, three])
    two.ctl("freeze", "example.test.")
    assert "REFUSED" in until(lambda: one.nsupdate("update add c.example.test. 300 A 192.0.2.1", check=False).stderr)
    one.restart()
    assert "REFUSED" in one.nsupdate("update add c.example.test. 300 A 192.0.2.1", check=False).stderr
    one.ctl("thaw", "example.test.")
    two.nsupdate("update add c.example.test. 300 A 192.0.2.1")
    same([one, two, three])


def test_a_removed_zone_stays_removed_until_it_is_made_again(cluster):
    one, two = (cluster.gateway(files={"dyn.zone": ZONE.replace("example.test", "dyn.test")}) for _ in range(2))
    add = ("add", "dyn.test.", "--store", "bus", "--file", "dyn.zone", "--policy", "grant dhcp. zonesub ANY")
    for g in (one, two):
        g.ctl(*add)
        until(lambda: g.short("ns1.dyn.test.") == ["127.0.0.1"])
    one.nsupdate("update add a.dyn.test. 300 A 192.0.2.1", zone="dyn.test.")
    until(lambda: two.short("a.dyn.test.") == ["192.0.2.1"])
    one.ctl("remove", "dyn.test.")
    until(lambda: two.short("a.dyn.test.") == [])
    manifest = run("kcat", "-b", cluster.kafka.bootstrap, "-C", "-t", cluster.topic + ".snapshots", "-e", "-q", "-f", "%k %s\n").stdout
    assert '"removed":true' in [x for x in manifest.splitlines() if x.startswith("dyn.test. ")][-1]
    one.ctl(*add)
    until(lambda: one.short("ns1.dyn.test.") == ["127.0.0.1"])
    assert one.short("a.dyn.test.") == [] and one.serial("dyn.test.") > 2
    until(lambda: two.short("ns1.dyn.test.") == ["127.0.0.1"])


def update(g, key, *, timeout=6, **kw):
    """One UPDATE over TCP; the rcode's name, or None where there was no answer."""
    u = dns.update.Update("example.test.", keyring=dns.tsigkeyring.from_text({"dhcp.": SECRET}), keyalgorithm="hmac-sha256")
    key(u)
    try:
        return dns.rcode.to_text(dns.query.tcp(u, "127.0.0.1", port=g.port, timeout=timeout).rcode())
    except Exception:
        return None


class History:
    """Counters by compare-and-set, as clients see them; each has to be a register that is linearizable."""

    def __init__(self, gateways, names, per_client, clients):
        self.gateways, self.names, self.per_client = gateways, names, per_client
        self.events, self.lock = [], threading.Lock()
        self.threads = [threading.Thread(target=self.client, args=(i,)) for i in range(clients)]

    def client(self, number):
        rnd = random.Random(number)
        seen = {}
        for i in range(self.per_client):
            name, g = rnd.choice(self.names), rnd.choice(self.gateways)
            if g.proc is None:
                continue
            old = seen.get(name, 0)
            begun = time.monotonic()

            def fill(u):
                if old:
                    u.present(name, "TXT", str(old))
                    u.replace(name, 60, "TXT", str(old + 1))
                else:
                    u.absent(name)
                    u.add(name, 60, "TXT", "1")
            result = update(g, fill)
            ended = time.monotonic()
            with self.lock:
                self.events.append((name, old, result, begun, ended))
            if result == "NOERROR":
                seen[name] = old + 1
            else:
                try:
                    m = dns.query.udp(dns.message.make_query(name + ".example.test.", "TXT"), "127.0.0.1", port=g.port, timeout=2)
                    seen[name] = max([int(str(r).strip('"')) for rs in m.answer for r in rs] or [0])
                except Exception:
                    pass

    def run(self, while_running=None):
        for t in self.threads:
            t.start()
        if while_running:
            while_running()
        for t in self.threads:
            t.join()

    def check(self, final):
        """final(name): the counter as served at the end. Each step is taken once at most, in an order that time allows."""
        count = {"NOERROR": 0, "lost": 0, "unknown": 0}
        for name in self.names:
            mine = [e for e in self.events if e[0] == name]
            steps = {}
            for _, old, result, begun, ended in mine:
                if result == "NOERROR":
                    assert old not in steps, "%s: step %d was taken twice" % (name, old)
                    steps[old] = (begun, ended)
                count["NOERROR" if result == "NOERROR" else "lost" if result in ("NXRRSET", "YXDOMAIN", "YXRRSET") else "unknown"] += 1
                assert result in ("NOERROR", "NXRRSET", "YXDOMAIN", "YXRRSET", "SERVFAIL", None), (name, old, result)
            end, unknown = final(name), {old for _, old, result, *_ in mine if result in ("SERVFAIL", None)}
            for step in range(end):
                assert step in steps or step in unknown, "%s: nobody took step %d of %d" % (name, step, end)
            assert not [s for s in steps if s >= end], "%s: an acknowledged step is lost (%d, %s)" % (name, end, sorted(steps)[-3:])
            order = sorted(steps)
            for i, n in enumerate(order):
                assert all(steps[m][1] >= steps[n][0] for m in order[i + 1:]), "%s: a later step ended before step %d began" % (name, n)
            for _, old, result, begun, ended in mine:      # told that the value was another: then it must have been
                if result in ("NXRRSET", "YXDOMAIN", "YXRRSET") and old not in unknown and old - 1 not in unknown:
                    is_it = (max(steps[old - 1][1], 0) if old - 1 in steps else 0 if old == 0 else None)
                    stays = steps[old][0] if old in steps else (float("inf") if old == end else 0)
                    assert is_it is None or not (is_it < begun and ended < stays), "%s: %d was there, and was denied" % (name, old)
        return count


def counter(g, name):
    return max([int(x.strip('"')) for x in g.short(name + ".example.test.", "TXT")] or [0])


def test_three_gateways_are_one_register_for_each_name_while_one_is_killed(cluster):
    gateways = [cluster.gateway() for _ in range(3)]
    names = ["c%d" % i for i in range(20 if not LONG else 200)]
    history = History(gateways, names, 2500 if LONG else 60, 8)

    def killing():
        for i in range(3 if LONG else 1):
            time.sleep(1.0)
            gateways[2].kill()
            time.sleep(0.5)
            gateways[2].start()
    history.run(killing)
    same(gateways)
    assert len({newest_id(g) for g in gateways[:2]}) == 1
    count = history.check(lambda name: counter(gateways[0], name))
    assert count["NOERROR"] > 100, count


def test_a_broker_that_restarts_loses_and_doubles_nothing(cluster):
    gateways = [cluster.gateway() for _ in range(2)]
    history = History(gateways, ["r%d" % i for i in range(12)], 60, 6)

    def restarting():
        time.sleep(0.7)
        cluster.kafka("kill")
        time.sleep(0.5)
        cluster.kafka("start")
    history.run(restarting)
    until(lambda: gateways[0].nsupdate("update add end.example.test. 300 A 192.0.2.1", check=False).returncode == 0, 40)
    same(gateways)
    assert history.check(lambda name: counter(gateways[0], name))["NOERROR"] > 30


def test_what_expired_before_a_snapshot_is_said_and_not_served(cluster):
    one = cluster.gateway()
    for i in range(5):
        one.nsupdate("update add n%d.example.test. 300 A 192.0.2.1" % i)
    topic = cluster.topic + ".updates"
    with open(os.path.join(one.dir, "delete.json"), "w") as f:
        json.dump({"partitions": [{"topic": topic, "partition": p, "offset": -1} for p in range(3)], "version": 1}, f)
    until(lambda: "snapshot" in one.log())
    one.stop()
    cluster.kafka.tool("org.apache.kafka.tools.DeleteRecordsCommand", "--offset-json-file", os.path.join(one.dir, "delete.json"))
    two = cluster.gateway(check=False)
    until(lambda: "changes after version 1 are missing" in two.log(), 15)
    assert "SERVFAIL" in two.dig("example.test.", "SOA")
    one.start()                                       # its own copy has everything
    assert one.short("n4.example.test.") == ["192.0.2.1"]


def test_topics_are_checked_in_words_that_can_be_acted_on(cluster):
    one = cluster.gateway(more="", check=False)
    until(lambda: "kafka-topics.sh" in one.log() and "--create" in one.log())
    one.kill()
    topics = "org.apache.kafka.tools.TopicCommand"
    cluster.kafka.tool(topics, "--create", "--topic", cluster.topic + ".updates", "--partitions", "1", "--config", "retention.ms=600000")
    cluster.kafka.tool(topics, "--create", "--topic", cluster.topic + ".snapshots", "--partitions", "1", "--config", "cleanup.policy=delete")
    one.start(check=False)
    until(lambda: "cleanup.policy=compact" in one.log())
    one.kill()
    cluster.kafka.tool("kafka.admin.ConfigCommand", "--alter", "--entity-type", "topics", "--entity-name", cluster.topic + ".snapshots",
                       "--add-config", "cleanup.policy=compact")
    r = subprocess.run([ZONEGATED, "-c", one.config_path], cwd=one.dir, stderr=subprocess.PIPE, text=True, timeout=20)
    assert r.returncode == 1 and "snapshot-every" in r.stderr, r.stderr
    two = cluster.gateway(more="snapshot-every: {changes: 5, interval: 1m}")
    for i in range(12):
        two.nsupdate("update add n%d.example.test. 300 A 192.0.2.1" % i)
    until(lambda: len(re.findall("info snapshot ", two.log())) >= 2, 50)


def test_properties_are_checked_at_start(cluster):
    one = cluster.gateway(start=False, more="properties: {no.such.thing: 1}")
    r = subprocess.run([ZONEGATED, "-c", one.config_path], cwd=one.dir, stderr=subprocess.PIPE, text=True, timeout=20)
    assert r.returncode == 1 and "no.such.thing" in r.stderr
    two = cluster.gateway(start=False, more="properties: {acks: 1}")
    r = subprocess.run([ZONEGATED, "-c", two.config_path], cwd=two.dir, stderr=subprocess.PIPE, text=True, timeout=20)
    assert r.returncode == 1 and "acks" in r.stderr


def test_tls_and_sasl_on_a_real_broker():
    k = Kafka("-t")
    try:
        tls = os.path.join(k.dir, "tls")
        for listener, more in (
                ("ssl", "security.protocol: ssl, ssl.certificate.location: %s/client.pem, ssl.key.location: %s/client.key" % (tls, tls)),
                ("sasl", "security.protocol: sasl_ssl, sasl.mechanisms: PLAIN, sasl.username: gateway, sasl.password.file: secret")):
            k.bootstrap = run(KAFKA, "bootstrap", k.dir, listener).stdout.strip()
            c = Cluster(k)
            try:
                g = c.gateway(more=CREATE % 1 + "\n    properties: {ssl.ca.location: %s/ca.pem, %s}" % (tls, more), files={"secret": "secret\n"})
                g.nsupdate("update add a.example.test. 300 A 192.0.2.1")
                assert g.short("a.example.test.") == ["192.0.2.1"]
            finally:
                c.close()
    finally:
        k.close()


@pytest.mark.skipif(not LONG, reason="long: three brokers")
def test_three_brokers_killed_in_turn():
    k = Kafka("-n", "3")
    c = Cluster(k, replication=3)
    try:
        gateways = [c.gateway() for _ in range(3)]
        history = History(gateways, ["k%d" % i for i in range(40)], 400, 12)

        def killing():
            for broker in ("1", "2", "3"):
                time.sleep(3)
                k("kill", broker)
                time.sleep(5)
                k("start", "-i", broker)
        history.run(killing)
        same(gateways)
        assert history.check(lambda name: counter(gateways[0], name))["NOERROR"] > 1000
    finally:
        c.close()
        k.close()
