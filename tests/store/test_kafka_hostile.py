"""What is in the topics and should not be, and what should be there and is not."""
import json
import os
import re
import shutil
import signal
import time

import pytest

from conftest import LONG, TOP, ZONE, eventually, run
from kafka_cluster import CONFIG, Cluster, Kafka, add_a, change, same, shared

pytest.importorskip("confluent_kafka")
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

LARGE = 20 * 1000 * 1000
ZONES = ("example.test.", "other.test.")
TWO = CONFIG + CONFIG[CONFIG.index("  - name: example.test."):].replace("example.test", "other.test")


class Bus(Cluster):
    """Two zones in one partition, which takes records of 20 MB."""

    def __init__(self, config=TWO, **settings):
        super().__init__(shared(), config)
        self.admin = AdminClient({"bootstrap.servers": self.kafka.bootstrap})
        self.make_topics(**settings)

    def make_topics(self, **settings):
        for name, policy in (("updates", "delete"), ("snapshots", "compact")):
            topic = NewTopic("%s.%s" % (self.topic, name), 1, 1, config={"cleanup.policy": policy, "max.message.bytes": str(2 * LARGE), **settings})
            for future in self.admin.create_topics([topic]).values():
                future.result(120)

    def gateway(self, more="", **kw):
        return super().gateway(more=more, files={"other.test.zone": ZONE.replace("example.test", "other.test")}, **kw)

    def producer(self):
        return Producer({"bootstrap.servers": self.kafka.bootstrap, "acks": "all", "partitioner": "murmur2", "message.max.bytes": 2 * LARGE,
                         "queue.buffering.max.kbytes": 200000})

    def expire(self):
        """All that the updates topic holds is over."""
        from confluent_kafka import TopicPartition
        if hasattr(self.admin, "delete_records"):
            for future in self.admin.delete_records([TopicPartition(self.topic + ".updates", 0, -1)]).values():
                future.result(120)
            return
        path = os.path.join(self.made[0].dir, "delete.json")
        with open(path, "w") as f:
            json.dump({"partitions": [{"topic": self.topic + ".updates", "partition": 0, "offset": -1}], "version": 1}, f)
        self.kafka.tool("org.apache.kafka.tools.DeleteRecordsCommand", "--offset-json-file", path)


@pytest.fixture
def bus():
    b = Bus()
    yield b
    b.close()


def place(g, zone):
    last = json.loads(g.ctl("log", zone, "--json").stdout.splitlines()[-1])
    return last["version"], last["id"]


def add(g, name, zone, check=True):
    patience = ("-t", "4") if not check else ()
    return g.nsupdate("update add %s.%s 300 A 192.0.2.1" % (name, zone), "-v", *patience, zone=zone, check=check)


def versions(g):
    return {s["name"]: s["version"] for s in (json.loads(x) for x in g.ctl("zones", "--json").stdout.splitlines())}


def test_garbage_is_named_once_and_harms_nobody(bus):
    one, two = bus.gateway(), bus.gateway()
    for zone in ZONES:
        add(one, "before", zone)
        eventually(lambda: two.short("before." + zone))
    version, newest = place(one, "example.test.")
    good = change(version, newest, [add_a("good")])
    garbage = [b"\xff\x00garbage", b"", b"[]", b"{}", b"null", b'{"zone":"example.test."}', b"x" * LARGE, b'{"a":"' + b"y" * LARGE + b'"}',
               good[:-1], good + "}", good.replace("example.test.", "other.test."), good.replace('"base":2', '"base":-1'),
               good.replace("192.0.2.1", "192.0.2.256"), good.replace('"A"', '"NOSUCH"'), good.replace('"good"', '"%s"' % ("a" * 64)),
               change(version, "f" * 32, [add_a("forged")]), change(version + 1000, "e" * 32, [add_a("forged")]),
               change(version, newest, [{"op": "DEL", "record": "nothing", "type": "A"}]),
               change(version, newest, [add_a("half"), {"op": "ADD", "record": "half", "type": "CNAME", "ttl": 1, "content": "x."}]),
               change(version, newest, [{"op": "DEL", "record": "@", "type": "SOA"}]),
               change(version, newest, [{"op": "DEL", "record": "@", "type": "NS"}])]
    named = lambda g: re.findall(r"zone=example\.test\. position=(\d+)", g.log())
    for i, value in enumerate(garbage):     # not all at once: the log says ten things a second
        bus.add(value)
        eventually(lambda: len(named(one)) > i and len(named(two)) > i)
        time.sleep(0.11)
    bus.add(b"x" * LARGE, b"nobody's", key="unserved.test.")
    bus.add(b"nobody's", key=b"\xff\x00")
    for zone in ZONES:
        add(two, "after", zone)
        eventually(lambda: one.short("after." + zone))
    assert versions(one) == versions(two) == {zone: 3 for zone in ZONES}
    for g in (one, two):
        assert len(named(g)) == len(set(named(g))) == len(garbage), (named(g), g.log()[-3000:])
        assert "zone=other.test. position" not in g.log()
        assert g.short("forged.example.test.") == g.short("good.example.test.") == g.short("half.example.test.") == []
    three = bus.gateway()
    eventually(lambda: versions(three) == versions(one))
    for attempt in range(100):                          # until one is in its history, which begins a moment later than it serves
        add(three, "last%d" % attempt, "example.test.")
        eventually(lambda: one.short("last%d.example.test." % attempt))
        if three.ctl("log", "example.test.", "--raw").stdout:
            break
    assert place(three, "example.test.") == place(one, "example.test.")


def test_an_op_that_is_not_known_stops_its_zone_alone(bus):
    one, two = bus.gateway(), bus.gateway()
    for zone in ZONES:
        add(one, "before", zone)
    bus.add(change(*place(one, "example.test."), [{"op": "REPLACE", "record": "x", "type": "A"}]))
    for g in (one, two):
        eventually(lambda: "not understood" in g.log())
        assert g.short("before.example.test.") == ["192.0.2.1"]
        assert add(g, "after", "example.test.", check=False).returncode        # nobody can know what it would be made on
        add(g, "after-%d" % (g is two), "other.test.")
    eventually(lambda: versions(one)["other.test."] == versions(two)["other.test."] == 4)
    two.restart()
    eventually(lambda: versions(two) == versions(one))
    assert two.short("before.example.test.") == ["192.0.2.1"]
    add(two, "after", "other.test.")
    assert two.log().count("not understood") == 2       # once at each start


def test_garbage_among_the_snapshots_is_passed_by(bus):
    one = bus.gateway()
    for zone in ZONES:
        add(one, "a", zone)
        one.ctl("snapshot", zone)
    bus.add(b"\xff", b"{", b"[]", b'{"snapshot":"x"}', b"x" * LARGE, b'{"snapshot":7,"version":-1}', topic="snapshots")
    bus.add(b"\xff", b"x" * LARGE, topic="snapshots", key="example.test./0123/0")
    for key in ("example.test./0123/", "example.test./0123/99999999999", "//0", "/", ".", "other.test./%s/0" % ("9" * 200), b"\xff\xfe"):
        bus.add(b"{}", topic="snapshots", key=key)
    two = bus.gateway()
    eventually(lambda: versions(one) == versions(two))
    for zone in ZONES:
        add(two, "b", zone)
        one.ctl("snapshot", zone)
    three = bus.gateway()
    eventually(lambda: versions(three) == versions(one))


def test_what_expired_is_named_and_the_zone_is_served_again_once_a_snapshot_fits(bus):
    one = bus.gateway()
    two = bus.gateway()
    eventually(lambda: all("info snapshot zone=%s version=1 " % zone in one.log() + two.log() for zone in ZONES))
    for zone in ZONES:
        add(one, "n1", zone)
    eventually(lambda: versions(two) == versions(one))
    two.proc.send_signal(signal.SIGSTOP)            # it hears of nothing
    try:
        for i in range(2, 5):
            add(one, "n%d" % i, "example.test.")
        bus.expire()
        add(one, "n5", "example.test.")
        add(one, "n5", "other.test.")
    finally:
        two.proc.send_signal(signal.SIGCONT)
    three = bus.gateway()                           # from nothing: the snapshots are of version 1
    # two has read version 2 and three the snapshot of version 1; what is left of the log was made on version 5 and 2.
    eventually(lambda: "changes of versions 2 to 5, if not more, are missing" in three.log() and "changes of versions 2 to 2" in three.log())
    eventually(lambda: "changes of versions 2 to 5, if not more, are missing" in two.log())
    for g in (two, three):
        assert "SERVFAIL" in g.dig("example.test.", "SOA")
        assert add(g, "no", "example.test.", check=False).returncode
    assert one.short("n5.example.test.") == ["192.0.2.1"]
    for zone in ZONES:
        one.ctl("snapshot", zone)
    four = bus.gateway()
    eventually(lambda: versions(four) == versions(one))
    if LONG:                                        # once a minute they look
        eventually(lambda: versions(two) == versions(three) == versions(one), 200)
        assert two.short("n5.example.test.") == ["192.0.2.1"]
    else:
        three.restart()
    add(three, "n6", "example.test.")
    eventually(lambda: one.short("n6.example.test."))


def test_a_copy_that_is_older_than_the_log_gives_way_to_a_snapshot(bus):
    one, two = bus.gateway(), bus.gateway()
    add(one, "n1", "example.test.")
    eventually(lambda: versions(two) == versions(one))
    two.stop()
    for i in range(2, 6):
        add(one, "n%d" % i, "example.test.")
    for zone in ZONES:
        one.ctl("snapshot", zone)
    bus.expire()
    two.start()
    eventually(lambda: "local copy does not fit" in two.log() and versions(two) == versions(one))
    assert two.short("n5.example.test.") == ["192.0.2.1"]


def test_a_zone_whose_topics_were_made_anew_is_not_taken_for_a_new_one(bus):
    """By a gateway that runs, and by one that starts; then by the steps of contrib/kafka/README.md its content comes back."""
    one, two = bus.gateway(), bus.gateway()
    add(one, "kept", "example.test.")
    eventually(lambda: versions(two) == versions(one))
    two.stop()
    for zone in ("example.test.", "other.test.", "example.test."):
        one.ctl("snapshot", zone)               # the next one reads what is there first: it knows of the zone's last snapshot
    for future in bus.admin.delete_topics([bus.topic + ".updates", bus.topic + ".snapshots"], operation_timeout=120).values():
        future.result(120)
    eventually(lambda: not json.loads(one.ctl("status", "--json").stdout)["stores"][0]["connected"])
    assert one.short("kept.example.test.") == ["192.0.2.1"]          # until there is another log
    bus.make_topics()
    said = "hold nothing of it, and this gateway has had version 2: topics made anew, or brokers of another cluster?"
    eventually(lambda: said in one.ctl("check", "example.test.", check=False).stderr, 90, said=one.log)
    two.start(check=False)
    eventually(lambda: said in two.ctl("check", "example.test.", check=False).stderr, 90)
    for g in (one, two):
        assert "SERVFAIL" in g.dig("example.test.", "SOA") and add(g, "no", "example.test.", check=False).returncode
    two.stop()
    with open(two.config_path) as f:
        config = f.read()
    two.write_config(config.replace(bus.kafka.bootstrap, "127.0.0.1:1"))
    two.start()
    two.ctl("export", "example.test.", os.path.join(two.dir, "saved.zone"))
    two.stop()
    two.write_config(config)
    for zone in ZONES:
        run(os.path.join(TOP, "contrib", "kafka", "new-zone"), "-f", bus.kafka.bootstrap, bus.topic + ".updates", bus.topic + ".snapshots", zone)
    two.start()
    eventually(lambda: two.short("ns1.example.test."))
    assert two.short("kept.example.test.") == []
    two.ctl("import", "example.test.", os.path.join(two.dir, "saved.zone"))
    assert two.short("kept.example.test.") == ["192.0.2.1"]
    one.restart()
    eventually(lambda: versions(one) == versions(two))
    assert one.short("kept.example.test.") == ["192.0.2.1"]


class Past:
    """A broker of one's own that can be put back to what it once held, as an unclean election or a restored disk does it."""

    def __init__(self):
        self.kafka = Kafka()
        self.data, self.copy = os.path.join(self.kafka.dir, "1", "data"), os.path.join(self.kafka.dir, "copy")

    def keep(self):
        self.kafka("stop")
        shutil.copytree(self.data, self.copy)
        self.kafka("start")

    def put_back(self):
        self.kafka("kill")
        shutil.rmtree(self.data)
        shutil.copytree(self.copy, self.data)
        self.kafka("start")


@pytest.mark.skipif(not LONG, reason="long: a broker of its own, four times")
def test_a_log_that_went_back_is_noticed_and_all_gateways_serve_what_it_holds():
    past = Past()
    cluster = Cluster(past.kafka)
    works = lambda g, name: eventually(lambda: add(g, name, "example.test.", check=False).returncode == 0, 120)
    try:
        one, two = cluster.gateway(), cluster.gateway()
        for i in range(3):
            add(one, "kept%d" % i, "example.test.")
        same([one, two])
        past.keep()
        works(one, "lost0")
        works(two, "lost1")
        works(one, "lost2")
        same([one, two])
        two.stop()
        past.put_back()
        eventually(lambda: one.short("lost0.example.test.") == [], 120)       # it has noticed by itself
        assert one.short("kept2.example.test.") == ["192.0.2.1"]
        works(one, "new0")
        works(one, "new1")
        two.start()                                              # its copy is of the other history
        eventually(lambda: "local copy does not fit" in two.log())
        works(two, "new2")
        three = cluster.gateway()
        same([one, two, three])
        assert two.short("lost1.example.test.") == [] and three.short("new1.example.test.") == ["192.0.2.1"]
        one.ctl("log", "--verify", "example.test.")
    finally:
        cluster.close()
        past.kafka.close()
