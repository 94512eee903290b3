"""Three gateways as one: what clients on all of them see, while gateways and brokers are killed, frozen, cut off."""
import contextlib
import ctypes
import os
import random
import re
import time

import pytest

from conftest import LONG, eventually, run
from histories import Clients, Timeline, now, probes, replayed
from kafka_cluster import IMPATIENT, Cluster, Kafka, dump, newest_id, same, shared, state, zone_of


def served(g):
    """{name: value} of the TXT records that a gateway serves."""
    return {m[1]: m[2] for m in re.finditer(r'^([rc]\d+)\.example\.test\.\s+\d+\s+IN\s+TXT\s+"(.*)"$', dump(g), re.M)}


def settle(gateways):
    """What a gateway still had on its way when its clients gave up is in the log before what it is given now."""
    for i, g in enumerate(gateways):
        text = "server 127.0.0.1 %d\nzone example.test.\nupdate add end%d.example.test. 300 A 192.0.2.1\nsend\n" % (g.port, i)
        eventually(lambda: run(*g.wrap, "nsupdate", "-v", "-k", os.path.join(g.dir, "dhcp.key"), input=text, check=False).returncode == 0, 120)


def check_all(cluster, gateways, clients, events, down=()):
    """Every promise of contrib/kafka/README.md that a history can break."""
    settle(gateways)
    version = same(gateways)
    assert len({newest_id(g) for g in gateways}) == 1
    zone, applied = replayed(cluster)
    assert (zone.version, zone.id, zone.serial) == (version, newest_id(gateways[0]), state(gateways[0])["serial"])
    timeline = Timeline(applied)
    timeline.check_updates(events)
    timeline.check_reads(events, [(g, begin) for g, begin, _ in down])
    timeline.check_end(served(gateways[0]))
    text = clients.linearizable()
    silent = probes(events, down)
    assert not silent, "%d queries were not answered: %s; down: %s" % (len(silent), silent[:20], down)
    print("version %d, %d records were skipped" % (version, zone.skipped))
    return {what: int(n) for n, what in re.findall(r"(\d+) (\w+)", text)}


def addresses(gateways):
    return ["127.0.0.1:%d" % g.port for g in gateways]


def test_what_clients_of_three_gateways_see_is_one_register_for_each_name(folder):
    """Long: three brokers, 20,000 updates on 200 names."""
    kafka = Kafka("-n", "3") if LONG else shared()
    cluster = Cluster(kafka, replication=3 if LONG else 1)
    try:
        gateways = [cluster.gateway() for _ in range(3)]
        clients = Clients(addresses(gateways), folder, names=200 if LONG else 30, updates=20000 if LONG else 1000, clients=24,
                          patience="60s")
        events = clients.finish(1800)
        count = check_all(cluster, gateways, clients, events)
        assert zone_of(gateways[0]) == zone_of(gateways[1]) == zone_of(gateways[2])
        assert count["NOERROR"] > (5000 if LONG else 200) and count["uncertain"] == 0, count    # how many lose a race is the machine's
    finally:
        cluster.close()
        if LONG:
            kafka.close()


def test_a_gateway_and_the_broker_killed_lose_and_double_nothing(folder):
    cluster = Cluster(shared(), IMPATIENT)

    def work():
        """Until the clients have changed the zone some more."""
        begin = state(gateways[0])["version"]
        eventually(lambda: state(gateways[0])["version"] > begin + 80, 120)
    try:
        gateways = [cluster.gateway() for _ in range(3)]
        clients = Clients(addresses(gateways), folder, names=30, updates=10 ** 6, clients=24, rate=100)
        work()
        begin = now()
        gateways[2].kill()
        time.sleep(0.5)
        gateways[2].start()
        down = [(2, begin, now())]
        work()
        cluster.kafka("kill")
        time.sleep(3)                               # longer than a query may take
        cluster.kafka("start")
        work()
        events = clients.finish()
        assert check_all(cluster, gateways, clients, events, down)["NOERROR"] > 100
    finally:
        cluster.close()


class Lab:
    """Brokers and clients in one network namespace, each gateway in one of its own, with a cable to the brokers and one to the clients."""

    BROKERS = "10.77.0.1"

    def __init__(self, gateways):
        self.names = ["zgk%d" % os.getpid()] + ["zgk%dg%d" % (os.getpid(), i) for i in range(gateways)]
        self.kafka = self.cluster = None
        for name in self.names:
            run("ip", "netns", "add", name)
            run(*self.inside(name), "ip", "link", "set", "lo", "up")
        brokers = self.names[0]
        run(*self.inside(brokers), "ip", "addr", "add", self.BROKERS + "/32", "dev", "lo")
        for i, name in enumerate(self.names[1:]):
            for j, cable in enumerate(("brokers", "clients")):
                here, there, net = "%s%d" % (cable, i), cable, "10.77.%d." % (10 + 10 * j + i)
                run("ip", "link", "add", here, "netns", brokers, "type", "veth", "peer", "name", there, "netns", name)
                for ns, device, address in ((brokers, here, net + "1"), (name, there, net + "2")):
                    run(*self.inside(ns), "ip", "addr", "add", address + "/30", "dev", device)
                    run(*self.inside(ns), "ip", "link", "set", device, "up")
            run(*self.inside(name), "ip", "route", "add", self.BROKERS + "/32", "via", "10.77.%d.1" % (10 + i))

    def inside(self, name):
        return ["nsenter", "--net=/run/netns/" + name]

    @contextlib.contextmanager
    def among_brokers(self):
        """This thread, and those that it makes, in the namespace of the brokers."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/thread-self/ns/net") as home, open("/run/netns/" + self.names[0]) as brokers:
            assert libc.setns(brokers.fileno(), 0) == 0, os.strerror(ctypes.get_errno())
            try:
                yield
            finally:
                assert libc.setns(home.fileno(), 0) == 0

    def start(self):
        self.kafka = Kafka("-n", "3", "-a", self.BROKERS, wrap=self.inside(self.names[0]))
        self.cluster = Cluster(self.kafka, IMPATIENT.replace("listen: [127.0.0.1@PORT]", "listen: [0.0.0.0@PORT]"), replication=3)
        self.gateways = [self.cluster.gateway(wrap=self.inside(name)) for name in self.names[1:]]
        self.addresses = ["10.77.%d.2:%d" % (20 + i, g.port) for i, g in enumerate(self.gateways)]

    def cut(self, i, off):
        """Nothing passes between a gateway and the brokers, in either direction, and nobody is told."""
        for name, device in ((self.names[0], "brokers%d" % i), (self.names[1 + i], "brokers")):
            what = ["add", "dev", device, "root", "tbf", "rate", "8bit", "burst", "1", "limit", "1"] if off else ["del", "dev", device, "root"]
            run(*self.inside(name), "tc", "qdisc", *what)

    def close(self):
        try:
            if self.cluster:
                self.cluster.close()
        finally:
            if self.kafka:
                self.kafka.close()
            for name in self.names:
                run("ip", "netns", "del", name, check=False)


class Trouble:
    """What happens to gateways and brokers, chosen at random, until it is over. One thing at a time for each of them."""

    def __init__(self, lab, seed):
        self.lab, self.random, self.down, self.done = lab, random.Random(seed), [], []

    def kill_gateway(self):
        i = self.random.randrange(len(self.lab.gateways))
        g, begin = self.lab.gateways[i], now()
        g.kill()
        time.sleep(self.random.random() * 2)
        g.start()
        self.down.append((i, begin, now()))
        return i

    def kill_broker(self):
        broker = self.random.randint(1, 3)
        self.lab.kafka("kill", broker)
        time.sleep(self.random.random() * 6)
        self.lab.kafka("start", "-i", broker)
        return broker

    def freeze_broker(self):
        broker = self.random.randint(1, 3)
        self.lab.kafka("freeze", broker)
        time.sleep(self.random.choice((1, 4, 12)))
        self.lab.kafka("thaw", broker)
        return broker

    def freeze_most_brokers(self):
        brokers = self.random.sample((1, 2, 3), 2)
        for broker in brokers:
            self.lab.kafka("freeze", broker)
        time.sleep(self.random.choice((2, 8)))
        for broker in brokers:
            self.lab.kafka("thaw", broker)
        return brokers

    def cut_gateway(self):
        i = self.random.randrange(len(self.lab.gateways))
        self.lab.cut(i, True)
        time.sleep(self.random.choice((1, 5, 10)))
        self.lab.cut(i, False)
        return i

    def kill_gateway_and_broker(self):
        return self.kill_gateway(), self.kill_broker()

    def go_on(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            what = self.random.choice((self.kill_gateway, self.kill_broker, self.freeze_broker, self.freeze_most_brokers, self.cut_gateway))
            begin = now()
            whom = what()
            self.done.append("%d-%d %s %s" % (begin, now(), what.__name__, whom))
            time.sleep(self.random.random() * 3)


@pytest.mark.skipif(not LONG, reason="long: three brokers, minutes of trouble")
@pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")
def test_nothing_is_lost_or_doubled_while_gateways_and_brokers_fail(folder):
    seed = int(os.environ.get("ZONEGATE_SEED") or random.randrange(10 ** 6))
    lab = Lab(3)
    try:
        lab.start()
        clients = Clients(lab.addresses, folder, lab.inside(lab.names[0]), names=200, updates=10 ** 6, clients=32, rate=150, seed=seed)
        trouble = Trouble(lab, seed)
        try:
            trouble.go_on(int(os.environ.get("ZONEGATE_CHAOS_SECONDS") or 120))
            time.sleep(10)
            events = clients.finish()
        finally:
            clients.close()
            print("seed %d\n%s" % (seed, "\n".join(trouble.done)))
        with lab.among_brokers():
            count = check_all(lab.cluster, lab.gateways, clients, events, trouble.down)
        assert count["NOERROR"] > 2000, count
    finally:
        lab.close()
