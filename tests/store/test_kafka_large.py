"""A large zone on Kafka: import, snapshot, start from nothing, compaction, a crash in the middle of a snapshot."""
import json
import os
import subprocess
import threading
import time

import pytest

from conftest import LONG, ZONEGATECTL, ZONE, eventually, run
from kafka_cluster import CONFIG, Cluster, shared

confluent_kafka = pytest.importorskip("confluent_kafka")
import confluent_kafka.admin

COUNT = 1000000 if LONG else 20000
WAIT = 900 if LONG else 300
BIG_CONFIG = CONFIG + """
  - name: big.test.
    file: big.test.zone
    update-timeout: 30s
    update-policy:
      - grant dhcp. zonesub ANY
"""
# One partition, so that what the large zone does comes before what the small one does; compaction at once.
SNAPSHOTS = {"cleanup.policy": "compact", "segment.ms": "1000", "segment.bytes": "1048576", "min.cleanable.dirty.ratio": "0.01",
             "delete.retention.ms": "100", "max.compaction.lag.ms": "1000"}


def big(seed):
    """Of 40 chunks in the short form, of 120 in the long one."""
    head = ZONE.replace("example.test", "big.test")
    if LONG:
        return head + "".join("h%d A 10.%d.%d.%d\n" % (i, i >> 16 & 255, i >> 8 & 255, (i + seed) & 255) for i in range(COUNT))
    return head + "".join("h%d TXT %s\n" % (i, " ".join('"%d %s"' % (seed, "x" * 200) for _ in range(4))) for i in range(COUNT))


def make_topic(kafka, name, settings, partitions=1):
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": kafka.bootstrap})
    (made,) = admin.create_topics([confluent_kafka.admin.NewTopic(name, partitions, 1, config=settings)]).values()
    made.result(120)


@pytest.fixture
def kafka_topics():
    """Gateways on topics of one partition; the updates topic as asked for."""
    made = []

    def make(updates):
        c = Cluster(shared(), BIG_CONFIG)
        made.append(c)
        make_topic(c.kafka, c.topic + ".updates", updates)
        make_topic(c.kafka, c.topic + ".snapshots", SNAPSHOTS)
        return c
    yield make
    for c in made:
        try:
            for g in c.made:
                g.stop(wait=WAIT)               # its copy of the zone is written to the end
        finally:
            c.close()


@pytest.fixture
def cluster(kafka_topics):
    return kafka_topics({})


def gateway(c):
    return c.gateway(more="", files={"big.test.zone": big(0)}, wait=WAIT)


def version(g, zone="big.test."):
    return next(x["version"] for x in map(json.loads, g.ctl("zones", "--json").stdout.splitlines()) if x["name"] == zone)


def content(g):
    return g.ctl("dump", "big.test.", timeout=WAIT).stdout


def chunks(c):
    """What the snapshots topic holds of the large zone: (id, number), size of the value or -1, in the topic's order; manifests have no id."""
    out = run("kcat", "-m", "60", "-b", c.kafka.bootstrap, "-C", "-t", c.topic + ".snapshots", "-e", "-q", "-f", "%k %S\n", timeout=WAIT).stdout
    found = []
    for line in out.splitlines():
        key, size = line.rsplit(" ", 1)
        if key.startswith("big.test."):
            found.append((tuple(key.split("/")[1:]), int(size)))
    return found


def manifest(c):
    out = run("kcat", "-m", "60", "-b", c.kafka.bootstrap, "-C", "-t", c.topic + ".snapshots", "-e", "-q", "-f", "%k %s\n", timeout=WAIT).stdout
    return [json.loads(x.split(" ", 1)[1]) for x in out.splitlines() if x.startswith("big.test. {")][-1]


def import_zone(g, seed):
    path = os.path.join(g.dir, "import.zone")
    with open(path, "w") as f:
        f.write(big(seed))
    g.ctl("import", "big.test.", path, timeout=WAIT)


def test_a_large_import_at_another_gateway_does_not_stop_small_zones(cluster):
    one, two = gateway(cluster), gateway(cluster)
    meanwhile = 0
    for seed in range(1, 9):                                    # the moment is short where the gateway is quick and we are slow
        before = version(one)
        importing = threading.Thread(target=import_zone, args=(one, seed))
        importing.start()
        end = time.monotonic() + WAIT
        while version(two) == before and time.monotonic() < end:
            written = version(one) > before
            two.nsupdate("update add n%d.example.test. 300 A 192.0.2.1" % time.monotonic_ns())
            meanwhile += written and version(two) == before     # behind the import in the log, and answered before it is there
        importing.join()
        eventually(lambda: version(two) == version(one), WAIT)
        if meanwhile:
            break
    assert meanwhile, "the small zone waited for the large one"
    assert content(one) == content(two)
    one.nsupdate("update add after.big.test. 300 A 192.0.2.9", zone="big.test.")
    eventually(lambda: two.short("after.big.test.") == ["192.0.2.9"], WAIT)


def test_a_snapshot_is_taken_where_nothing_was_read_since_the_start(cluster):
    one = cluster.gateway(more="", files={"big.test.zone": ZONE.replace("example.test", "big.test")})
    eventually(lambda: [x for x in chunks(cluster) if not x[0]])
    one.nsupdate("update add a.big.test. 300 A 192.0.2.9", zone="big.test.")
    one.restart()
    two = cluster.gateway(more="", files={"big.test.zone": ""})
    for g in (two, one):                                                  # from its snapshot, and from its copy
        g.restart()
        before = manifest(cluster)["snapshot"]
        g.ctl("snapshot", "big.test.")
        assert manifest(cluster)["snapshot"] != before and manifest(cluster)["version"] == 2


def test_history_begins_where_the_copy_began_and_says_so(cluster):
    one = cluster.gateway(more="", files={"big.test.zone": ZONE.replace("example.test", "big.test")})
    for i in range(4):
        one.nsupdate("update add n%d.big.test. 300 A 192.0.2.9" % i, zone="big.test.")
    one.ctl("snapshot", "big.test.")
    one.nsupdate("update add z.big.test. 300 A 192.0.2.9", zone="big.test.")
    two = cluster.gateway(more="", files={"big.test.zone": ""})
    assert two.ctl("log", "big.test.").stdout == "the history of big.test. begins at version 6, nothing has changed since\n"
    assert two.ctl("log", "big.test.", "--raw").stdout == ""
    r = two.ctl("log", "big.test.", "--since", "1", check=False)
    assert r.returncode == 1 and "not all changes of big.test. since 1 are kept: the first is version 7" in r.stderr, r.stderr
    assert "begins at version 6 (where this gateway's copy" in two.ctl("dump", "big.test.", "--at", "2", check=False).stderr
    two.nsupdate("update delete z.big.test. A", zone="big.test.")
    eventually(lambda: "begins at version 6" in two.ctl("dump", "big.test.", "--at", "2", check=False).stderr)
    for command in (("dump", "big.test.", "--at", "2"), ("diff", "big.test.", "2", "7"), ("rollback", "big.test.", "2")):
        r = two.ctl(*command, check=False)
        assert r.returncode == 1 and "one that has run longer may have it" in r.stderr, r.stderr
    verified = json.loads(two.ctl("log", "big.test.", "--verify", "--json").stdout)
    assert verified == {**json.loads(one.ctl("log", "big.test.", "--verify", "--json").stdout), "changes": verified["changes"]}
    assert one.ctl("dump", "big.test.", "--at", "2").returncode == 0
    one.ctl("rollback", "big.test.", "2")                                 # who has it brings it back for all
    eventually(lambda: version(two) == 8 and two.short("n1.big.test.") == [])


@pytest.mark.skipif(not LONG, reason="long: the margin is looked at every minute")
def test_a_snapshot_is_taken_early_where_the_log_is_cut_by_its_size(kafka_topics):
    c = kafka_topics({"retention.bytes": "2097152", "segment.bytes": "1048576"})
    one = c.gateway(more="snapshot-every: {changes: 1000000, interval: 1h}", files={"big.test.zone": ZONE.replace("example.test", "big.test")})
    eventually(lambda: [x for x in chunks(c) if not x[0]])
    for i in range(400):
        one.nsupdate("update add t%d.big.test. 300 TXT %s" % (i, " ".join('"%s"' % ("y" * 250) for _ in range(40))), "-v", zone="big.test.")
    eventually(lambda: manifest(c)["version"] > 300, 200)
    two = c.gateway(more="", files={"big.test.zone": ""})
    eventually(lambda: version(two) == version(one), WAIT)
    assert content(two) == content(one)


def test_old_chunks_go_once_a_new_snapshot_is_there(cluster):
    one = gateway(cluster)
    eventually(lambda: [x for x in chunks(cluster) if not x[0]], WAIT)
    first = manifest(cluster)
    assert first["records"] == COUNT + 5 and first["chunks"] > 20
    for i in range(5):
        one.nsupdate("update add c%d.big.test. 300 A 192.0.2.9" % i, zone="big.test.")
    one.ctl("snapshot", "big.test.", timeout=WAIT)
    second = manifest(cluster)
    assert second["snapshot"] != first["snapshot"] and second["version"] == version(one) and second["records"] == COUNT + 10
    assert dict(chunks(cluster)).get((first["snapshot"], "0"), -1) == -1  # a tombstone is its last value, until that is cleaned away

    def compacted():
        one.ctl("snapshot", "example.test.")                              # the segments go on
        return not [x for x in chunks(cluster) if x[0] and x[0][0] == first["snapshot"] and x[1] >= 0]
    eventually(compacted, WAIT)
    assert sorted(int(n) for (i, n), size in [x for x in chunks(cluster) if x[0]] if i == second["snapshot"] and size > 0) == list(
        range(second["chunks"]))
    for i in range(5):
        one.nsupdate("update delete c%d.big.test. A" % i, zone="big.test.")
    two = gateway(cluster)                                                # from nothing, after compaction
    eventually(lambda: version(two) == version(one), WAIT)
    assert content(two) == content(one)


def kill_in_snapshot(c, g, whole):
    """kill -9 once the first chunk of a new snapshot is in the topic; true if its manifest is not."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": c.kafka.bootstrap, "group.id": "none", "enable.auto.commit": False})
    topic = c.topic + ".snapshots"
    end = consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, 0), timeout=60)[1]
    consumer.assign([confluent_kafka.TopicPartition(topic, 0, end)])
    consumer.poll(1)
    asking = subprocess.Popen([ZONEGATECTL, "-c", g.config_path, "snapshot", "big.test."], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        m = consumer.poll(0.5)
        if m and not m.error() and m.key().startswith(b"big.test./"):
            break
    g.kill()
    asking.wait()
    consumer.close()
    return manifest(c)["snapshot"] == whole["snapshot"]


def test_a_crash_in_the_middle_of_a_snapshot_leaves_the_older_one(cluster):
    one = gateway(cluster)
    eventually(lambda: [x for x in chunks(cluster) if not x[0]], WAIT)
    for attempt in range(20):
        whole = manifest(cluster)
        one.nsupdate("update add k%d.big.test. 300 A 192.0.2.9" % attempt, zone="big.test.")
        known, at = content(one), version(one)
        if kill_in_snapshot(cluster, one, whole):
            break
        one.start(wait=WAIT)
    else:
        pytest.fail("the snapshot was always quicker")
    there = chunks(cluster)
    assert [n for (i, n), size in [x for x in there if x[0]] if i == whole["snapshot"] and size > 0]
    assert [i for (i, n), size in [x for x in there if x[0]] if i != whole["snapshot"] and size > 0], "no chunk of the broken one"
    two = gateway(cluster)
    eventually(lambda: version(two) == at, WAIT)
    assert content(two) == known
    one.start(wait=WAIT)
    eventually(lambda: version(one) == at, WAIT)
    assert content(one) == known
    one.ctl("snapshot", "big.test.", timeout=WAIT)
    assert manifest(cluster)["version"] == at
