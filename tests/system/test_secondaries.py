"""BIND, NSD and Knot as secondaries, by NOTIFY and IXFR, plain and signed, while the zone changes in every way and the gateway is stopped,
killed and restarted: they have the same zone as the gateway at every point at which they are compared, and none of them takes a whole zone
after its first."""
import os
import random
import re
import socket
import threading
import time

import dns.flags
import dns.message
import dns.opcode
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.rrset
import dns.tsigkeyring
import dns.update
import dns.xfr
import dns.zone
import pytest

from conftest import CONFIG, LONG, PATIENCE, SECRET, ZONE, eventually, free_port, run
from system.peers import SecondaryBind, SecondaryKnot, SecondaryNsd, SecondaryPdns, soa_serial_of, targets

ORIGIN = "example.test."
KEYS = dns.tsigkeyring.from_text({"dhcp.": SECRET})
KEY = {"keyring": KEYS, "keyname": "dhcp.", "keyalgorithm": "hmac-sha256"}
UPDATES = 100000 if LONG else 360
POINTS = 100 if LONG else 9


def whole_zones(secondary):
    """How many times it took the whole zone; None: its log does not say."""
    pattern = {"bind": "got nonincremental response", "knot": "AXFR, incoming.*(?:finished|receiving)"}.get(secondary.name)
    return len(re.findall(pattern, secondary.log())) if pattern else None


def first_whole_zones(secondaries):
    """name: whole_zones() after the first, which a secondary serves before it says so."""
    for s in secondaries:
        eventually(lambda: whole_zones(s) is None or whole_zones(s) >= 1, said=s.log)
    return {s.name: whole_zones(s) for s in secondaries}


def increments(secondary):
    """How many times it took differences."""
    return len(re.findall({"bind": "got incremental response", "knot": "IXFR, incoming.*finished"}[secondary.name], secondary.log()))


def has_increments(secondary, least):
    """What it serves it may not have logged yet."""
    eventually(lambda: increments(secondary) >= least, said=lambda: secondary.log()[-3000:])


SECONDARIES = (SecondaryBind, SecondaryNsd, SecondaryKnot)


def fetch(zone, port, signed=False, udp=False):
    """Bring a dnspython zone up to date: AXFR if it is empty, else IXFR. dnspython applies differences strictly and checks each message."""
    query, _ = dns.xfr.make_query(zone, **({"keyring": KEYS, "keyname": "dhcp.", "keyalgorithm": "hmac-sha256"} if signed else {}))
    mode = dns.query.UDPMode.TRY_FIRST if udp else dns.query.UDPMode.NEVER
    dns.query.inbound_xfr("127.0.0.1", zone, query, port=port, lifetime=2 * PATIENCE, udp_mode=mode)


def records(zone):
    return sorted((str(name), rrset.ttl, dns.rdatatype.to_text(rrset.rdtype), str(rdata).lower())
                  for name, rrset in zone.iterate_rdatasets() for rdata in rrset)


def zone_of(port, signed=False):
    return records(fetch_zone(ORIGIN, port, signed))


def fetch_zone(name, port, signed=False):
    zone = dns.zone.Zone(name)
    fetch(zone, port, signed)
    return zone


def metric(gateway, name):
    text = run("curl", "-s", "http://127.0.0.1:%d/metrics" % gateway.http).stdout
    return int(float(re.search(r"^zonegate_%s(?:\{[^}]*\})? (\S+)$" % name, text, re.M).group(1)))


class Changes:
    """Random updates of every kind; the same for a given seed."""

    def __init__(self, gateway, seed):
        self.gateway, self.random, self.sent = gateway, random.Random(seed), 0

    def name(self):
        return "n%d" % self.random.randrange(40)

    def rdata(self):
        r = self.random
        kind = r.choice(("A", "A", "AAAA", "TXT", "MX", "SRV"))
        text = {"A": "10.0.0.%d", "AAAA": "2001:db8::%x", "TXT": '"text %d"', "MX": "10 mx%d", "SRV": "1 2 %d target"}[kind]
        return kind, text % r.randrange(1, 30)

    def add(self, u):
        u.add(self.name(), self.random.choice((60, 60, 60, 300)), *self.rdata())

    def delete(self, u):
        r = self.random
        if r.random() < 0.4:
            u.delete(self.name())
        elif r.random() < 0.5:
            u.delete(self.name(), self.rdata()[0])
        else:
            u.delete(self.name(), *self.rdata())

    def cname_swap(self, u):
        name = self.name()
        if self.random.random() < 0.5:
            u.delete(name)
            u.add(name, 120, "CNAME", "target%d" % self.random.randrange(9))
        else:
            u.delete(name, "CNAME")
            u.add(name, 120, "A", "10.1.0.%d" % self.random.randrange(1, 250))

    def ttl(self, u):
        u.add("ttl", self.random.randrange(1, 86400), "A", "10.2.0.%d" % self.random.randrange(1, 5))

    def glue(self, u):
        child = "child%d" % self.random.randrange(4)
        if self.random.random() < 0.3:
            u.delete(child)
            u.delete("ns." + child)
        else:
            u.replace(child, 600, "NS", "ns." + child, "ns2.elsewhere.test.")
            u.replace("ns." + child, 600, "A", "10.3.0.%d" % self.random.randrange(1, 250))

    def soa(self, u):
        serial = (self.gateway.serial() + self.random.choice((1, 5, 1000))) & 0xffffffff
        u.add("@", 300, "SOA", "ns1 hostmaster %d %d 600 604800 %d" % (serial, self.random.randrange(3600, 9999),
                                                                       self.random.randrange(60, 900)))

    def apex(self, u):
        u.replace("@", 300, "TXT", '"apex %d"' % self.random.randrange(99))

    def one(self, timeout=PATIENCE):
        u = dns.update.Update(ORIGIN, **KEY)
        for _ in range(self.random.choice((1, 1, 1, 2, 5))):
            self.random.choice((self.add, self.add, self.add, self.delete, self.delete, self.cname_swap, self.ttl, self.glue, self.apex))(u)
        if self.random.random() < 0.03:
            self.soa(u)
        answer = dns.query.udp(u, "127.0.0.1", port=self.gateway.port, timeout=timeout)
        assert answer.rcode() == dns.rcode.NOERROR, answer
        self.sent += 1

    def many(self, count):
        for _ in range(count):
            self.one()

    def until(self, stopped):
        """As fast as they are answered, whatever becomes of the gateway."""
        while not stopped.is_set():
            try:
                self.one(0.5)
            except (dns.exception.DNSException, OSError, AssertionError, ValueError, IndexError):
                time.sleep(0.01)

    def rollback(self):
        version = metric(self.gateway, "zone_version")
        self.gateway.ctl("rollback", ORIGIN, str(max(1, version - self.random.randrange(1, 12))))


@pytest.fixture
def start_secondaries(folder, run_all):
    def start(make_gateway, signed, kinds=SECONDARIES, zone=ZONE):
        port = free_port()
        primary = type("Primary", (), {"port": port})
        secondaries = [kind(folder, primary, signed) for kind in kinds]
        config = CONFIG.replace("    allow-transfer: [key dhcp., 127.0.0.1]\n", "    allow-transfer: [%s]\n    notify: [%s]\n"
                                % ("key dhcp." if signed else "127.0.0.1", targets(secondaries, signed)))
        g = make_gateway(config, files={"example.test.zone": zone}, port=port)
        run_all(secondaries, g.serial())
        return g, secondaries
    return start


def compare(gateway, secondaries, signed):
    """All have the gateway's serial, soon, and the same records."""
    serial = gateway.serial()
    for s in secondaries:
        s.wait(serial)
    ours = zone_of(gateway.port, signed)
    for s in secondaries:
        theirs = zone_of(s.port)
        assert theirs == ours, "%s: only there %s, only here %s" % (s.name, sorted(set(theirs) - set(ours)), sorted(set(ours) - set(theirs)))


@pytest.mark.parametrize("signed", [False, True], ids=["plain", "tsig"])
def test_secondaries_follow_every_change_by_ixfr(make_gateway, start_secondaries, signed):
    g, secondaries = start_secondaries(make_gateway, signed)
    changes = Changes(g, 7 + signed)
    whole = first_whole_zones(secondaries)
    answered_whole = answered_incremental = 0
    for point in range(POINTS):
        changes.many(UPDATES // POINTS)
        if point % 3 == 1:
            changes.rollback()
        if point % 3 == 2:
            answered_whole += metric(g, "ixfr_whole_total")
            answered_incremental += metric(g, "ixfr_incremental_total")
            if point % 2:
                g.kill()
                g.start()
            else:   # when all is quiet: two connections that nobody takes, and BIND transfers nothing for ten minutes
                compare(g, secondaries, signed)
                g.restart()
            changes.many(5)
        compare(g, secondaries, signed)
    answered_whole += metric(g, "ixfr_whole_total")
    answered_incremental += metric(g, "ixfr_incremental_total")
    assert answered_whole == 0 and answered_incremental >= POINTS
    for s in secondaries:
        if whole_zones(s) is not None:
            assert whole_zones(s) == whole[s.name], s.log()[-3000:]
            has_increments(s, POINTS - 2)
    assert metric(g, "notify_refused_total") == 0


def test_differences_from_before_a_restart(make_gateway, start_secondaries):
    """A secondary that was away while the gateway changed, was killed while it changed, and came back, takes differences."""
    g, (knot,) = start_secondaries(make_gateway, False, kinds=(SecondaryKnot,))
    changes = Changes(g, 3)
    whole = first_whole_zones([knot])["knot"]
    for _ in range(10 if LONG else 3):
        knot.stop()
        changes.many(10)
        stopped = threading.Event()
        busy = threading.Thread(target=changes.until, args=(stopped,))
        busy.start()
        time.sleep(0.3)
        g.kill()
        g.start()
        time.sleep(0.2)
        stopped.set()
        busy.join()
        changes.many(1)     # one that had no answer in time is done before this one: compare() finds the zone at rest
        knot.start()
        compare(g, [knot], False)
    has_increments(knot, 3)
    assert whole_zones(knot) == whole, knot.log()[-3000:]


@pytest.mark.parametrize("udp", [False, True], ids=["tcp", "udp"])
@pytest.mark.parametrize("signed", [False, True], ids=["plain", "tsig"])
def test_a_strict_client_follows(make_gateway, signed, udp):
    """dnspython refuses a difference that deletes what is not there or adds what is."""
    g = make_gateway(CONFIG.replace("[key dhcp., 127.0.0.1]", "[key dhcp.]") if signed else CONFIG)
    changes, zone = Changes(g, 11), dns.zone.Zone(ORIGIN)
    fetch(zone, g.port, signed)
    for size in (1, 2, 7, 40, 3):
        changes.many(size)
        fetch(zone, g.port, signed, udp)
        assert records(zone) == zone_of(g.port, signed)
    g.kill()
    changes.gateway.start()
    changes.many(3)
    fetch(zone, g.port, signed, udp)
    assert records(zone) == zone_of(g.port, signed)
    assert metric(g, "ixfr_whole_total") == 0 and metric(g, "ixfr_incremental_total") >= 1


@pytest.mark.parametrize("signed", [False, True], ids=["plain", "tsig"])
def test_differences_of_a_large_zone(make_gateway, start_secondaries, signed):
    count = 1000000 if LONG else 8000
    zone = ZONE + "".join("h%d A 10.%d.%d.%d\n" % (i, i >> 16, i >> 8 & 255, i & 255) for i in range(count))
    g, secondaries = start_secondaries(make_gateway, signed, kinds=(SecondaryBind, SecondaryKnot), zone=zone)
    for i in range(4):
        u = dns.update.Update(ORIGIN, **KEY)
        for k in range(600):
            u.delete("h%d" % (i * 600 + k))
            u.add("big%d" % (i * 600 + k), 300, "TXT", '"%s"' % ("x" * 60))
        assert dns.query.tcp(u, "127.0.0.1", port=g.port, timeout=PATIENCE).rcode() == dns.rcode.NOERROR
        serial = g.serial()
        for s in secondaries:
            s.wait(serial)
        if i == 1:
            g.kill()
            g.start(wait=120)
    client = dns.zone.Zone(ORIGIN)
    fetch(client, g.port, signed)
    for s in secondaries:
        assert zone_of(s.port) == records(client)
        assert whole_zones(s) == (1 if s.name == "knot" else whole_zones(s))
        has_increments(s, 3)
    assert metric(g, "ixfr_whole_total") == 0


def test_import_freeze_and_rollback_reach_them(make_gateway, start_secondaries):
    g, secondaries = start_secondaries(make_gateway, False)
    path = os.path.join(g.dir, "other.zone")
    with open(path, "w") as f:
        f.write(ZONE.replace(" 1 3600", " 500 7200") + "".join("i%d 60 TXT \"%s\"\n" % (i, "y" * 200) for i in range(4600)))
    g.ctl("import", ORIGIN, path, timeout=120)
    compare(g, secondaries, False)
    g.ctl("freeze", ORIGIN)
    compare(g, secondaries, False)
    g.ctl("thaw", ORIGIN)
    compare(g, secondaries, False)
    g.ctl("rollback", ORIGIN, "1", timeout=120)
    compare(g, secondaries, False)
    g.restart()
    Changes(g, 5).many(10)
    compare(g, secondaries, False)


def test_ixfr_answers_in_the_forms_of_rfc_1995(gateway):
    first = gateway.serial()
    assert gateway.dig("+noall", "+answer", ORIGIN, "IXFR=%d" % first).count("SOA") == 1
    assert gateway.dig("+noall", "+answer", ORIGIN, "IXFR=%d" % (first + 5)).count("SOA") == 1
    gateway.nsupdate("update add a.example.test. 300 A 192.0.2.1")
    for transport in ("+tcp", "+notcp"):
        lines = [x.split() for x in gateway.dig(transport, "+noall", "+answer", ORIGIN, "IXFR=%d" % first).splitlines() if "IN" in x]
        assert [x[3] for x in lines] == ["SOA", "SOA", "SOA", "A", "SOA"]
    # What does not fit into a datagram: the SOA alone; a serial that is not known: all of it, over TCP.
    for i in range(20):
        gateway.nsupdate("update add t%d.example.test. 300 TXT %s" % (i, "z" * 200))
    assert gateway.dig("+notcp", "+ignore", "+noall", "+answer", ORIGIN, "IXFR=%d" % first).count("SOA") == 1
    whole = gateway.dig("+tcp", "+noall", "+answer", ORIGIN, "IXFR=%d" % (first - 1 & 0xffffffff))
    assert whole.count("SOA") == 2 and len(whole.splitlines()) == 27
    assert metric(gateway, "ixfr_whole_total") == 1


def test_notify_waits_for_one_and_not_for_the_others(make_gateway, start_secondaries):
    """A target that never answers costs the others nothing; one that comes late is told."""
    dead = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    dead.bind(("127.0.0.1", 0))
    g, secondaries = start_secondaries(make_gateway, False, kinds=(SecondaryKnot,))
    late = SecondaryNsd(os.path.join(secondaries[0].dir, "late"), g, False)
    config = open(g.config_path).read()
    g.write_config(config.replace("notify: [", "notify: [127.0.0.1@%d, 127.0.0.1@%d, " % (dead.getsockname()[1], late.port)))
    g.ctl("reload")
    Changes(g, 1).many(20)
    compare(g, secondaries, False)
    try:
        late.start()
        late.wait(g.serial())
        eventually(lambda: metric(g, "notify_waiting") == 1, 2 * PATIENCE)
    finally:
        late.stop()
    packets = set()
    dead.settimeout(PATIENCE)
    while len(packets) < 2:
        packets.add(dead.recv(600)[:2])
    dead.settimeout(1)
    try:
        while True:
            packets.add(dead.recv(600)[:2])
    except socket.timeout:
        pass
    assert len(packets) <= 12, "sent again, with longer and longer waits, and not once for each change"
    dead.close()


@pytest.mark.parametrize("signed", [False, True], ids=["plain", "tsig"])
def test_powerdns_follows(make_gateway, start_secondaries, signed):
    g, secondaries = start_secondaries(make_gateway, signed, kinds=(SecondaryPdns,))
    changes = Changes(g, 31 + signed)
    for size in (1, 5, 20):
        changes.many(size)
        compare(g, secondaries, signed)
    assert metric(g, "ixfr_incremental_total") >= 1 and metric(g, "ixfr_whole_total") == 0
    g.kill()
    g.start()
    changes.many(3)
    compare(g, secondaries, signed)
    assert metric(g, "notify_refused_total") == 0


@pytest.mark.skipif(not LONG, reason="eleven minutes: tests/run --long")
def test_bind_comes_back_after_the_ten_minutes_in_which_it_holds_us_unreachable(make_gateway, start_secondaries):
    """Two refused connections, and BIND 9.18 transfers nothing from this primary for ten minutes; NOTIFY does not change that, but one
    comes when they are over, long before RETRY."""
    g, (bind,) = start_secondaries(make_gateway, False, kinds=(SecondaryBind,), zone=ZONE.replace(" 3600 600 ", " 36000 36000 "))
    serial = g.serial()
    g.kill()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", g.port))
        s.settimeout(5)
        for number in range(1, 4):
            m = dns.message.make_query(ORIGIN, "SOA")
            m.flags = dns.opcode.to_flags(dns.opcode.NOTIFY) | dns.flags.AA
            s.sendto(m.to_wire(), ("127.0.0.1", bind.port))
            end = time.monotonic() + 20
            while bind.log().count("failed to connect: connection refused") < min(number, 2) and time.monotonic() < end:
                try:
                    wire, client = s.recvfrom(4096)
                except socket.timeout:
                    break
                q = dns.message.from_wire(wire)
                if q.opcode() == dns.opcode.QUERY and not q.flags & dns.flags.QR:
                    r = dns.message.make_response(q)
                    r.flags |= dns.flags.AA
                    r.answer.append(dns.rrset.from_text(ORIGIN, 300, "IN", "SOA", "ns1.test. host.test. %d 1 1 1 1" % (serial + 100)))
                    s.sendto(r.to_wire(), client)
                time.sleep(0.2)
    g.start()
    g.nsupdate("update add late.example.test. 60 A 192.0.2.1")
    time.sleep(20)
    assert soa_serial_of(ORIGIN, bind.port) == serial and "is unreachable (cached)" in bind.log(), bind.log()[-3000:]
    bind.wait(g.serial(), 700)
