"""Zones on Kafka: real brokers, several gateways, other people's programs."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import pytest

from conftest import BUILD, LONG, PATIENCE, TOP, ZONE, ZONEGATED, eventually, run
from kafka_cluster import (CREATE, IMPATIENT, KAFKA, ZONES_PY, Cluster, Kafka, add_a, change, newest_id, place, same, shared, state, text_of,
                           zone_of)

import dns.zone


@pytest.fixture(scope="module")
def kafka():
    return shared()


@pytest.fixture
def cluster(kafka):
    c = Cluster(kafka)
    yield c
    c.close()


def metrics(g):
    return run("curl", "-s", "http://127.0.0.1:%d/metrics" % g.http).stdout


def test_the_suite_of_all_stores(kafka):
    program = os.path.join(BUILD, "tests", "unit", "test_kafka")
    if not os.path.exists(program):
        pytest.skip("tests/unit/test_kafka is not built")
    r = run(program, check=False, timeout=900, env=dict(os.environ, KAFKA_BROKERS=kafka.bootstrap))
    assert r.returncode == 0, r.stdout + r.stderr


def test_an_update_at_one_gateway_is_served_by_the_other(cluster):
    one, two = cluster.gateway(), cluster.gateway()
    for i, (at, other) in enumerate([(one, two), (two, one)] * 3):
        at.nsupdate("update add w%d.example.test. 300 A 192.0.2.%d" % (i, i + 1))
        eventually(lambda: other.short("w%d.example.test." % i) == ["192.0.2.%d" % (i + 1)])
    assert same([one, two]) == 7
    assert zone_of(one) == zone_of(two)
    assert newest_id(one) == newest_id(two)
    log = one.ctl("log", "example.test.", "--raw").stdout.splitlines()
    assert len(log) == 7 and json.loads(log[3])["origin"]["key"] == "dhcp."
    one.ctl("log", "--verify", "example.test.")
    eventually(lambda: 'zonegate_snapshot_age_seconds{zone="example.test."}' in metrics(one))     # once there is a snapshot
    eventually(lambda: 'zonegate_snapshot_retention_margin_seconds{store="bus"}' in metrics(one), 2 * PATIENCE)     # once a minute it looks


def test_a_zone_that_another_gateway_has_removed_can_be_removed_or_added_here(cluster):
    one, two = cluster.gateway(), cluster.gateway()

    def state(gateway, name):
        return {z["name"]: z["state"] for z in map(json.loads, gateway.ctl("zones", "--json").stdout.splitlines())}[name]
    for name in ("a.test.", "b.test.", "c.test."):
        for gateway in (one, two):
            gateway.ctl("add", name, "--store", "bus")
        one.ctl("remove", name)
        eventually(lambda: state(two, name) == "removed")
    two.ctl("remove", "a.test.")
    assert "a.test." not in two.ctl("zones").stdout
    two.ctl("add", "b.test.", "--store", "bus")
    eventually(lambda: state(two, "b.test.") == "ready")
    two.restart()
    eventually(lambda: state(two, "b.test.") == "ready" and state(two, "c.test.") == "removed")   # not made again by a restart
    assert "another gateway has removed" in two.ctl("check", "c.test.", check=False).stderr
    assert "SERVFAIL" in two.dig("c.test.", "SOA")
    one.ctl("add", "c.test.", "--store", "bus")
    eventually(lambda: state(two, "c.test.") == "ready")
    # load, remove; b and c once more: nobody has written a record that was to be skipped, but where both loaded at once.
    raw = [json.loads(line) for line in run("kcat", "-m", "60", "-b", cluster.kafka.bootstrap, "-C", "-t", cluster.topic + ".updates", "-e", "-q").stdout.splitlines()]
    assert [sum("removed" in c for c in raw if c["zone"] == name) for name in ("a.test.", "b.test.", "c.test.")] == [1, 1, 1]


def test_status_shows_brokers_partitions_and_positions(cluster):
    one = cluster.gateway()
    for i in range(3):
        one.nsupdate("update add s%d.example.test. 300 A 192.0.2.1" % i)
    out = run("kcat", "-m", "60", "-b", cluster.kafka.bootstrap, "-L", "-J").stdout     # what another client says of the same brokers
    brokers = {(b["id"], b["name"]) for b in json.loads(out)["brokers"]}

    def settled():
        store = json.loads(one.ctl("status", "--json").stdout)["stores"][0]
        return store if [p for p in store["partitions"] if p["position"] == p["end"] == 4] else None
    store = eventually(settled)
    assert {(b["id"], b["address"]) for b in store["brokers"]} == brokers
    assert [p["partition"] for p in store["partitions"]] == [0, 1, 2]
    (mine,) = [p for p in store["partitions"] if p["zones"]]
    assert mine == {"partition": mine["partition"], "leader": 1, "position": 4, "end": 4, "zones": 1, "silent": False}
    assert all(p["position"] is None for p in store["partitions"] if p != mine)
    text = one.ctl("status").stdout
    assert "broker 1: %s" % cluster.kafka.bootstrap in text
    assert "partition %d: leader 1, position 4, end 4, zones 1" % mine["partition"] in text
    eventually(lambda: all(x in metrics(one) for x in ('snapshot_age_seconds{zone="example.test."} ', 'retention_margin_seconds{store="bus"} ')),
               2 * PATIENCE)
    shown = metrics(one)
    for name in ('store_connected{store="bus"} 1', 'store_lag_records{store="bus"} 0', 'propagation_seconds_count{store="bus"} 4',
                 'update_conflicts_total{zone="example.test."} 0', 'snapshot_retention_margin_seconds{store="bus"} '):
        assert "\nzonegate_" + name in shown, name


def test_a_frozen_broker_is_said_of_its_partitions_alone():
    """Two brokers, so that the other cannot elect another leader: its partition goes on, and is what the store is connected to."""
    kafka = Kafka("-n", "2")
    cluster = Cluster(kafka)
    try:
        one = cluster.gateway(more="create-topics: {partitions: 2, replication: 1}")

        def store():
            (found,) = json.loads(one.ctl("status", "--json").stdout)["stores"]
            return found

        def silent(wanted):
            at = store()
            return at if [p["partition"] for p in at["partitions"] if p["silent"]] == wanted else None
        eventually(lambda: [p["zones"] for p in store()["partitions"] if p["leader"] in (1, 2) and p["end"] is not None] in ([0, 1], [1, 0]))
        (mine,) = [p for p in store()["partitions"] if p["zones"]]
        (other,) = [p for p in store()["partitions"] if not p["zones"]]
        assert mine["leader"] != other["leader"], store()
        kafka("freeze", other["leader"])
        try:
            eventually(lambda: silent([other["partition"]]))
            at = store()
            assert at["connected"] and at["trouble"].startswith("1 of 2 partitions do not answer"), at
            for i in range(20):
                one.nsupdate("update add f%d.example.test. 300 A 192.0.2.1" % i)
            text = one.ctl("status").stdout
            assert re.search(r"store bus: kafka, connected, ", text) and re.search("  partition %d: .*, silent\n" % other["partition"], text), text
            shown = metrics(one)
            assert '\nzonegate_store_connected{store="bus"} 1\n' in shown and '\nzonegate_store_silent_partitions{store="bus"} 1\n' in shown
            assert "warning partitions do not answer store=bus silent=1 of=2" in one.log() and "store not connected" not in one.log()
        finally:
            kafka("thaw", other["leader"])
        at = eventually(lambda: silent([]))
        assert at["connected"] and eventually(lambda: store()["trouble"] is None)
    finally:
        cluster.close()
        kafka.close()


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
        assert text_of(z) == zone_of(one)
    if shutil.which("kcat"):
        r = run("kcat", "-m", "60", "-b", cluster.kafka.bootstrap, "-C", "-t", cluster.topic + ".updates", "-e", "-q", "-f", "%k %s\\n")
        assert [json.loads(x.split(" ", 1)[1])["base"] for x in r.stdout.splitlines()] == [0, 1, 2]


def test_a_change_by_another_producer_is_applied(cluster):
    pytest.importorskip("confluent_kafka")
    one, two = cluster.gateway(), cluster.gateway()
    eventually(lambda: state(two)["version"] == 1)
    base, base_id = place(one)
    cluster.add(change(base, base_id, [add_a("py", "192.0.2.77")]))
    for g in (one, two):
        eventually(lambda: g.short("py.example.test.") == ["192.0.2.77"])
    cluster.add(change(base, base_id, [{"op": "SET", "record": "py", "type": "A", "ttl": 5, "content": ["192.0.2.78"]}]))   # lost the race
    one.nsupdate("update add after.example.test. 300 A 192.0.2.1")
    assert one.short("py.example.test.") == ["192.0.2.77"]
    assert same([one, two]) == 3


def test_a_change_by_a_producer_in_java_is_applied(cluster):
    """Twice on the same version: of another name, so both are applied."""
    one, two = cluster.gateway(), cluster.gateway()
    eventually(lambda: state(two)["version"] == 1)
    base, base_id = place(one)
    jars = run(KAFKA, "jars", *(["-v", os.environ["KAFKA_VERSION"]] if "KAFKA_VERSION" in os.environ else []), timeout=900).stdout.strip()

    def add_record(owner, kind, content):
        out = run("java", "-cp", jars + "/*", os.path.join(os.path.dirname(ZONES_PY), "AddRecord.java"), cluster.kafka.bootstrap,
                  cluster.topic + ".updates", "example.test.", base, base_id, owner, 300, kind, content, "client.id=java", timeout=300).stdout
        return re.fullmatch(r"partition (\d+) offset (\d+)\n", out).groups()
    first = add_record("Java", "TXT", '"with \\"quotes\\" and \\\\ too"')
    assert first[1] == "1"                              # in the zone's partition, after what loaded its file
    assert add_record("other", "A", "192.0.2.2") == (first[0], "2")
    for g in (one, two):
        eventually(lambda: g.short("other.example.test.") == ["192.0.2.2"])
        assert g.short("java.example.test.", "TXT") == ['"with \\"quotes\\" and \\\\ too"']
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
    eventually(lambda: two.short("a.example.test.") == ["192.0.2.1"])
    assert same([one, two]) == 2
    assert one.short("forged.example.test.") == one.short("good.example.test.") == []
    three = cluster.gateway()
    assert same([one, two, three]) == 2
    cluster.add(change(2, newest_id(one), [{"op": "REPLACE", "record": "x", "type": "A"}]))
    eventually(lambda: "not understood" in two.log())
    assert two.short("a.example.test.") == ["192.0.2.1"]


def test_a_gateway_starts_from_nothing_from_its_copy_and_without_brokers(cluster):
    one = cluster.gateway()
    cluster.config = IMPATIENT      # an update on its way keeps a stop waiting for as long as it may take
    two = cluster.gateway()
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
        two.start()
        assert two.short("n4.example.test.") == ["192.0.2.1"] and two.short("n3.example.test.") == []
        assert one.short("n4.example.test.") == ["192.0.2.1"]
        r = two.nsupdate("update add late.example.test. 300 A 192.0.2.1", "-t", "3", "-u", "1", "-r", "0", check=False)
        assert r.returncode
        two.restart()
    finally:
        cluster.kafka("start")
    eventually(lambda: one.nsupdate("update add back.example.test. 300 A 192.0.2.9", check=False).returncode == 0, 120)
    eventually(lambda: two.short("back.example.test.") == ["192.0.2.9"])
    eventually(lambda: two.nsupdate("update add back2.example.test. 300 A 192.0.2.9", check=False).returncode == 0, 120)
    same([one, two, three])


def test_history_rollback_import_freeze_and_removal_reach_all_gateways(cluster):
    one, two = cluster.gateway(), cluster.gateway()
    one.nsupdate("update add a.example.test. 300 A 192.0.2.1")
    one.nsupdate("update add b.example.test. 300 A 192.0.2.1")
    one.ctl("rollback", "example.test.", "2")
    eventually(lambda: two.short("b.example.test.") == [])
    big = ZONE + "".join("h%d A 192.0.2.%d\n" % (i, i % 250) for i in range(30000))
    with open(os.path.join(one.dir, "big.zone"), "w") as f:
        f.write(big)
    one.ctl("import", "example.test.", os.path.join(one.dir, "big.zone"))
    eventually(lambda: two.short("h29999.example.test.") == ["192.0.2.%d" % (29999 % 250)])
    assert two.short("a.example.test.") == []
    three = cluster.gateway()
    same([one, two, three])
    two.ctl("freeze", "example.test.")
    eventually(lambda: state(one)["frozen"])
    assert "REFUSED" in one.nsupdate("update add c.example.test. 300 A 192.0.2.1", check=False).stderr
    one.restart()
    assert "REFUSED" in one.nsupdate("update add c.example.test. 300 A 192.0.2.1", check=False).stderr
    one.ctl("thaw", "example.test.")
    eventually(lambda: not state(two)["frozen"])
    two.nsupdate("update add c.example.test. 300 A 192.0.2.1")
    same([one, two, three])


def test_a_removed_zone_stays_removed_until_it_is_made_again(cluster):
    one, two = (cluster.gateway(files={"dyn.zone": ZONE.replace("example.test", "dyn.test")}) for _ in range(2))
    add = ("add", "dyn.test.", "--store", "bus", "--file", "dyn.zone", "--policy", "grant dhcp. zonesub ANY")
    for g in (one, two):
        g.ctl(*add)
        eventually(lambda: g.short("ns1.dyn.test.") == ["127.0.0.1"])
    one.nsupdate("update add a.dyn.test. 300 A 192.0.2.1", zone="dyn.test.")
    eventually(lambda: two.short("a.dyn.test.") == ["192.0.2.1"])
    one.ctl("remove", "dyn.test.")
    eventually(lambda: two.short("a.dyn.test.") == [])

    def manifest():
        out = run("kcat", "-m", "60", "-b", cluster.kafka.bootstrap, "-C", "-t", cluster.topic + ".snapshots", "-e", "-q", "-f", "%k %s\n").stdout
        return ([x for x in out.splitlines() if x.startswith("dyn.test. ")] or [""])[-1]
    eventually(lambda: '"removed":true' in manifest())
    one.ctl(*add)
    eventually(lambda: one.short("ns1.dyn.test.") == ["127.0.0.1"])
    assert one.short("a.dyn.test.") == [] and one.serial("dyn.test.") > 2
    eventually(lambda: two.short("ns1.dyn.test.") == ["127.0.0.1"])


def test_what_expired_before_a_snapshot_is_said_and_not_served(cluster):
    one = cluster.gateway()
    eventually(lambda: "info snapshot zone=example.test. version=1 " in one.log())
    for i in range(5):
        one.nsupdate("update add n%d.example.test. 300 A 192.0.2.1" % i)
    topic = cluster.topic + ".updates"
    with open(os.path.join(one.dir, "delete.json"), "w") as f:
        json.dump({"partitions": [{"topic": topic, "partition": p, "offset": -1} for p in range(3)], "version": 1}, f)
    one.stop()
    cluster.kafka.tool("org.apache.kafka.tools.DeleteRecordsCommand", "--offset-json-file", os.path.join(one.dir, "delete.json"))
    two = cluster.gateway(check=False)
    eventually(lambda: "changes after version 1 are missing" in two.log())
    assert "SERVFAIL" in two.dig("example.test.", "SOA")
    one.start()                                       # its own copy has everything
    assert one.short("n4.example.test.") == ["192.0.2.1"]


def test_topics_are_checked_in_words_that_can_be_acted_on(cluster):
    one = cluster.gateway(more="", check=False)
    eventually(lambda: "kafka-topics.sh" in one.log() and "--create" in one.log())
    one.kill()
    topics = "org.apache.kafka.tools.TopicCommand"
    cluster.kafka.tool(topics, "--create", "--topic", cluster.topic + ".updates", "--partitions", "1", "--config", "retention.ms=600000")
    cluster.kafka.tool(topics, "--create", "--topic", cluster.topic + ".snapshots", "--partitions", "1", "--config", "cleanup.policy=delete")
    one.start(check=False)
    eventually(lambda: "cleanup.policy=compact" in one.log())
    one.kill()
    cluster.kafka.tool("kafka.admin.ConfigCommand", "--alter", "--entity-type", "topics", "--entity-name", cluster.topic + ".snapshots",
                       "--add-config", "cleanup.policy=compact")
    r = subprocess.run([ZONEGATED, "-c", one.config_path], cwd=one.dir, stderr=subprocess.PIPE, text=True, timeout=120)
    assert r.returncode == 1 and "snapshot-every" in r.stderr, r.stderr
    two = cluster.gateway(more="snapshot-every: {changes: 5, interval: 1m}")
    for i in range(12):
        two.nsupdate("update add n%d.example.test. 300 A 192.0.2.1" % i)
    eventually(lambda: len(re.findall("info snapshot ", two.log())) >= 2, 120)


def test_properties_are_checked_at_start(cluster):
    one = cluster.gateway(start=False, more="properties: {no.such.thing: 1}")
    r = subprocess.run([ZONEGATED, "-c", one.config_path], cwd=one.dir, stderr=subprocess.PIPE, text=True, timeout=120)
    assert r.returncode == 1 and "no.such.thing" in r.stderr
    two = cluster.gateway(start=False, more="properties: {acks: 1}")
    r = subprocess.run([ZONEGATED, "-c", two.config_path], cwd=two.dir, stderr=subprocess.PIPE, text=True, timeout=120)
    assert r.returncode == 1 and "acks" in r.stderr
    three = cluster.gateway(start=False, more="properties: {sasl.password.file: /dev/null}")
    r = subprocess.run([ZONEGATED, "-c", three.config_path], cwd=three.dir, stderr=subprocess.PIPE, text=True, timeout=20)
    assert r.returncode == 1 and "sasl.password.file: cannot read /dev/null: it is empty" in r.stderr


def test_tls_and_sasl_on_a_real_broker():
    """Mutual TLS, PLAIN over TLS, and what is refused: nobody's certificate, another's password, SCRAM where this librdkafka cannot; ACLs."""
    k = Kafka("-t", "-c", "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer", "-c",
              "allow.everyone.if.no.acl.found=true", "-c", "super.users=User:ANONYMOUS")
    plain = k.bootstrap
    tls = os.path.join(k.dir, "tls")
    sasl = "security.protocol: sasl_ssl, sasl.mechanisms: %s, sasl.username: gateway, sasl.password.file: secret"
    certificate = "security.protocol: ssl, ssl.certificate.location: %s/client.pem, ssl.key.location: %s/client.key" % (tls, tls)
    scram_works = k("status").strip().endswith("version=3.9.2")         # librdkafka 2.0.2 and Kafka 4: fixed in 2.6.1
    cases = [("ssl", certificate, "secret", None), ("sasl", sasl % "PLAIN", "secret", None), ("ssl", "security.protocol: ssl", "secret", "broker"),
             ("sasl", sasl % "PLAIN", "wrong", "_AUTHENTICATION"),
             ("sasl", sasl % "SCRAM-SHA-512", "secret", None if scram_works else "SCRAM of this librdkafka does not work with Kafka 4")]
    try:
        for listener, more, secret, said in cases:
            k.bootstrap = run(KAFKA, "bootstrap", k.dir, listener).stdout.strip()
            c = Cluster(k)
            try:
                g = c.gateway(more=CREATE % 1 + "\n    properties: {ssl.ca.location: %s/ca.pem, %s}" % (tls, more), files={"secret": secret + "\n"},
                              check=not said)
                if said:
                    eventually(lambda: said in g.log())
                    assert "wrong" not in g.log() and g.proc.poll() is None, g.log()
                    eventually(lambda: "no answer from %s" % k.bootstrap in g.ctl("check", "example.test.", check=False).stderr)
                    store = lambda: json.loads(g.ctl("status", "--json").stdout)["stores"][0]
                    eventually(lambda: not store()["connected"] and k.bootstrap + "/" in (store()["trouble"] or ""))
                    assert len(re.findall(" broker store=bus", g.log())) < 8, g.log()     # each kind of error once
                    continue
                g.nsupdate("update add a.example.test. 300 A 192.0.2.1")
                assert g.short("a.example.test.") == ["192.0.2.1"]
                other = c.gateway(more="properties: {ssl.ca.location: %s/ca.pem, %s}" % (tls, more), files={"secret": secret + "\n"})
                assert other.short("a.example.test.") == ["192.0.2.1"]
            finally:
                c.close()
        k.bootstrap = run(KAFKA, "bootstrap", k.dir, "sasl").stdout.strip()
        permissions(k, plain, "properties: {ssl.ca.location: %s/ca.pem, %s}" % (tls, sasl % "PLAIN"))
    finally:
        k.close()


def permissions(k, plain, properties):
    """What is not allowed is said with the page that says what is needed; what is allowed then works without a restart."""
    c = Cluster(k)
    tool = "org.apache.kafka.tools.AclCommand" if not os.environ.get("KAFKA_VERSION", "4").startswith("3") else "kafka.admin.AclCommand"
    topics = [c.topic + ".updates", c.topic + ".snapshots"]

    def allow(who, *operations):
        run(KAFKA, "tool", k.dir, tool, "--bootstrap-server", plain, "--add", "--force", "--allow-principal", "User:" + who,
            *[x for o in operations for x in ("--operation", o)], *[x for t in topics for x in ("--topic", t)], timeout=240)
    for topic, policy in zip(topics, ("delete", "compact")):
        run(KAFKA, "tool", k.dir, "org.apache.kafka.tools.TopicCommand", "--bootstrap-server", plain, "--create", "--topic", topic,
            "--partitions", "1", "--config", "cleanup.policy=" + policy, timeout=240)
    allow("somebody", "All")
    try:
        g = c.gateway(more=properties, files={"secret": "secret\n"}, check=False)
        eventually(lambda: "Topic authorization failed (the ACLs of contrib/kafka/README.md are wanted)" in g.log())
        assert "Topic authorization failed" in g.ctl("check", "example.test.", check=False).stderr
        allow("gateway", "Describe", "DescribeConfigs", "Read")
        eventually(lambda: "change not written zone=example.test. reason=\"Broker: Topic authorization failed\"" in g.log(), 90)
        allow("gateway", "Write")
        eventually(lambda: g.short("ns1.example.test.") == ["127.0.0.1"], 90)
        eventually(lambda: g.nsupdate("update add a.example.test. 300 A 192.0.2.1", check=False).returncode == 0, 120)
        assert g.ctl("check", "example.test.").returncode == 0
    finally:
        c.close()


@pytest.mark.skipif(not LONG, reason="long: all of this again, on the older line")
def test_all_of_this_on_kafka_3_9():
    r = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", os.path.dirname(__file__), "-k", "kafka"], text=True,
                       stdout=subprocess.PIPE, timeout=3600, env=dict(os.environ, KAFKA_VERSION="3.9.2", ZONEGATE_LONG=""))
    assert r.returncode == 0 and re.search(r"[1-9]\d* passed", r.stdout), r.stdout[-6000:]


def test_a_zone_is_said_to_be_new_where_the_log_has_lost_its_beginning(cluster):
    """contrib/kafka/new-zone: refused for a zone that is known; then the zone is loaded from its file, once, by whoever is first."""
    new_zone = [os.path.join(TOP, "contrib", "kafka", "new-zone"), cluster.kafka.bootstrap, cluster.topic + ".updates", cluster.topic + ".snapshots"]
    one = cluster.gateway(more="create-topics: {partitions: 1, replication: 1}")
    for i in range(3):
        one.nsupdate("update add n%d.example.test. 300 A 192.0.2.1" % i)
    eventually(lambda: "info snapshot " in one.log())
    cluster.add(b"nobody's", key="unserved.test.")
    with open(os.path.join(one.dir, "delete.json"), "w") as f:
        json.dump({"partitions": [{"topic": cluster.topic + ".updates", "partition": 0, "offset": 2}], "version": 1}, f)
    cluster.kafka.tool("org.apache.kafka.tools.DeleteRecordsCommand", "--offset-json-file", os.path.join(one.dir, "delete.json"))
    files = {"new.example.zone": ZONE.replace("example.test", "new.example")}
    with open(one.config_path) as f:
        config = f.read()
    for name, text in files.items():
        with open(os.path.join(one.dir, name), "w") as f:
            f.write(text)
    one.write_config(config + "  - name: new.example.\n    file: new.example.zone\n    update-policy: [grant dhcp. zonesub ANY]\n")
    one.ctl("reload")
    eventually(lambda: "it cannot be told whether it is new (contrib/kafka/new-zone says so)" in one.log())
    assert "SERVFAIL" in one.dig("new.example.", "SOA")
    assert run(*new_zone, "example.test.", check=False).returncode == 1
    run(*new_zone, "New.Example")
    one.restart()
    eventually(lambda: one.short("ns1.new.example.") == ["127.0.0.1"])
    assert one.short("n2.example.test.") == ["192.0.2.1"]
    one.nsupdate("update add a.new.example. 300 A 192.0.2.1", zone="new.example.")
    eventually(lambda: len(re.findall("info snapshot zone=new.example", one.log())) == 1)
    assert run(*new_zone, "new.example.", check=False).returncode == 1      # it is not new any more
    two = cluster.gateway(more="", files=files, start=False)
    two.write_config(config.replace("@%d" % one.port, "@%d" % two.port).replace("@%d" % one.http, "@%d" % two.http) +
                     "  - name: new.example.\n    file: new.example.zone\n    update-policy: [grant dhcp. zonesub ANY]\n")
    two.start()
    eventually(lambda: two.short("a.new.example.") == ["192.0.2.1"])
    assert two.serial("new.example.") == one.serial("new.example.")


SILENT = """
class KafkaError:
    _PARTITION_EOF = -191

TopicPartition = lambda *place: place

class Record:
    key = value = lambda self: b"another."
    error = lambda self: None
    offset = lambda self: 6

class Consumer:
    partitions = [0]
    __init__ = lambda self, _: None
    def list_topics(self, topic, seconds):
        self.topics = {topic: self}
        return self
    def get_watermark_offsets(self, partition, seconds):
        return 0, 7
    def assign(self, partitions):
        self.topic = partitions[0][0]
    def poll(self, seconds):
        return Record() if self.topic == "updates" else None

class Producer:
    __init__ = lambda self, _: None
    produce = lambda self, *record, **_: print(record)
    flush = lambda self, _: 0
"""


def test_where_snapshots_cannot_be_read_no_zone_is_said_to_be_new(folder):
    """With a library to whom one topic's broker does not answer."""
    with open(os.path.join(folder, "confluent_kafka.py"), "w") as f:
        f.write(SILENT)
    r = run("/usr/bin/python3", os.path.join(TOP, "contrib", "kafka", "new-zone"), "broker", "updates", "snapshots", "new.example.", check=False,
            env=dict(os.environ, PYTHONPATH=folder))
    assert (r.returncode, r.stdout, r.stderr) == (1, "", "new-zone: no answer\n"), r
