"""ZONEMD (RFC 8976) in transfers, zonemd: true: secondaries that verify it follow by AXFR and IXFR, and others' programs agree with each zone that
is given."""
import os
import re
import shutil
import time

import dns.flags
import dns.message
import dns.query
import dns.xfr
import dns.zone

from conftest import CONFIG, LONG, PATIENCE, ZONE, eventually, run
from system.peers import SecondaryBind, SecondaryKnot, SecondaryNsd
from test_secondaries import ORIGIN, Changes, fetch, has_increments, metric, records, start_secondaries, whole_zones  # noqa: F401

DIGESTED = CONFIG.replace("    allow-transfer", "    zonemd: true\n    allow-transfer")
UPDATES = 2000 if LONG else 200


class VerifyingKnot(SecondaryKnot):
    """What does not verify is not served."""

    def zones(self):
        return super().zones().replace("    master: gateway\n", "    master: gateway\n    zonemd-verify: on\n")


def digest(port, zone=ORIGIN):
    """The ZONEMD that a server answers: serial, scheme, algorithm, digest; None: it has none."""
    answer = dns.query.udp(dns.message.make_query(zone, "ZONEMD"), "127.0.0.1", port=port, timeout=PATIENCE)
    assert answer.flags & dns.flags.AA and answer.rcode() == 0
    return (answer.answer[0][0].serial, answer.answer[0][0].scheme, answer.answer[0][0].hash_algorithm, answer.answer[0][0].digest) if answer.answer else None


def wait_for_digest(g, zone=ORIGIN):
    """Until the newest version has its digest."""
    end = time.monotonic() + PATIENCE
    while True:
        found = digest(g.port, zone)
        if found and found[0] == g.serial(zone):
            return found
        assert time.monotonic() < end, "no digest of serial %d: %s" % (g.serial(zone), found)
        time.sleep(0.01)


def transfer(g, zone=ORIGIN):
    found = dns.zone.Zone(zone, relativize=False)
    fetch(found, g.port)
    return found


def serial_of(zone):
    return zone.find_rdataset(zone.origin, "SOA")[0].serial


def verify(g, zone):
    """dnspython's own computation, and ldns's, which reads what dig writes."""
    zone.verify_digest()
    if not shutil.which("ldns-verify-zone"):
        return
    path = os.path.join(g.dir, "transferred")
    with open(path, "w") as f:
        f.write(g.dig(zone.origin, "AXFR", "+onesoa"))
    r = run("ldns-verify-zone", "-ZZ", path, check=False)
    # It goes on to DNSSEC, which this zone does not have.
    assert "digest" not in r.stdout + r.stderr and "No DNSKEY" in r.stdout + r.stderr, r.stdout + r.stderr


def increment(g, zone):
    """IXFR, strictly: what is taken away must be there."""
    query, _ = dns.xfr.make_query(zone)
    dns.query.inbound_xfr("127.0.0.1", zone, query, port=g.port, lifetime=2 * PATIENCE, udp_mode=dns.query.UDPMode.NEVER)


def test_a_transfer_has_the_digest_of_its_version(make_gateway):
    g = make_gateway(DIGESTED)
    first = wait_for_digest(g)
    zone = transfer(g)
    verify(g, zone)
    zonemd = zone.find_rdataset(zone.origin, "ZONEMD")
    assert (serial_of(zone), zonemd[0].serial, zonemd[0].digest) == (1, 1, first[3])
    assert zonemd.ttl == zone.find_rdataset(zone.origin, "SOA").ttl
    # The same as in a dump, which goes another way.
    text = re.sub(r"\s+", "", g.ctl("dump", ORIGIN, "--zonemd").stdout).lower()
    assert first[3].hex() in text
    g.nsupdate("update add new.example.test. 300 A 192.0.2.7")
    second = wait_for_digest(g)
    assert second[0] == 2 and second[3] != first[3]
    increment(g, zone)
    assert serial_of(zone) == 2 and metric(g, "ixfr_whole_total") == 0
    zone.verify_digest()
    assert zone.find_rdataset(zone.origin, "ZONEMD")[0].digest == second[3]
    # By UDP too.
    g.nsupdate("update add more.example.test. 300 A 192.0.2.7")
    wait_for_digest(g)
    query, _ = dns.xfr.make_query(zone)
    dns.query.inbound_xfr("127.0.0.1", zone, query, port=g.port, lifetime=2 * PATIENCE, udp_mode=dns.query.UDPMode.ONLY)
    assert serial_of(zone) == 3
    verify(g, zone)


def test_differences_from_any_serial_verify(make_gateway):
    """One place falls behind now and then; each transfer gives a zone with its own digest, whatever has changed meanwhile."""
    g = make_gateway(DIGESTED)
    wait_for_digest(g)
    changes, zone = Changes(g, 8976), transfer(g)
    for number in range(UPDATES // 2):
        changes.one()
        if number % 10 == 0:
            wait_for_digest(g)      # so that there is something to take, however slowly digests come
        if number % 10 == 0 or changes.random.random() < 0.5:
            increment(g, zone)
            zone.verify_digest()
    wait_for_digest(g)
    increment(g, zone)
    verify(g, zone)
    assert records(zone) == records(transfer(g)) and serial_of(zone) == g.serial()
    assert metric(g, "ixfr_whole_total") == 0 and metric(g, "ixfr_incremental_total") > 5


def test_knot_verifies_and_bind_and_nsd_follow(make_gateway, start_secondaries):
    """Every zone that Knot serves has been verified; nobody takes the whole zone after the first."""
    g, running = start_secondaries(make_gateway_of(make_gateway), signed=False, kinds=(VerifyingKnot, SecondaryBind, SecondaryNsd))
    changes = Changes(g, 1)
    for _ in range(8):
        changes.many(UPDATES // 8)
        wait_for_digest(g)
        for s in running:
            s.wait(g.serial())
            assert digest(s.port) == digest(g.port), s.name
    for s in running:
        assert records(transfer_from(s.port)) == records(transfer(g))
        if whole_zones(s) is not None:
            has_increments(s, 6)
            assert whole_zones(s) == 1, s.log()[-3000:]

    def verified():
        """An IXFR that comes before the digest is answered with what Knot has already."""
        knot = running[0].log()
        return knot.count("ZONEMD, verification successful") == knot.count(", zone updated,") > 5
    eventually(verified)    # the second line comes after the zone is served


def make_gateway_of(make):
    """start_secondaries writes the zone's settings itself: the digest goes in beside them."""
    def made(config, **kw):
        return make(config.replace("    allow-transfer", "    zonemd: true\n    allow-transfer"), **kw)
    return made


def transfer_from(port):
    zone = dns.zone.Zone(ORIGIN, relativize=False)
    fetch(zone, port)
    return zone


def test_turned_on_and_off_by_a_reload(make_gateway):
    """Who has a serial without its digest gets the whole zone once; who has one loses it with the next change."""
    g = make_gateway(CONFIG)
    assert digest(g.port) is None
    zone = transfer(g)
    g.write_config(DIGESTED)
    g.ctl("reload")
    assert wait_for_digest(g)[0] == 1
    g.nsupdate("update add a.example.test. 300 A 192.0.2.7")
    wait_for_digest(g)
    increment(g, zone)
    zone.verify_digest()
    assert metric(g, "ixfr_whole_total") == 1
    g.nsupdate("update add b.example.test. 300 A 192.0.2.7")
    wait_for_digest(g)
    increment(g, zone)
    zone.verify_digest()
    assert metric(g, "ixfr_whole_total") == 1
    g.write_config(CONFIG)
    g.ctl("reload")
    g.nsupdate("update add c.example.test. 300 A 192.0.2.7")
    increment(g, zone)
    assert serial_of(zone) == 4 and zone.get_rdataset(zone.origin, "ZONEMD") is None and digest(g.port) is None
    assert metric(g, "ixfr_whole_total") == 1


def test_a_restart_knows_the_digest_of_the_newest_serial_only(make_gateway):
    g = make_gateway(DIGESTED)
    wait_for_digest(g)
    behind = transfer(g)
    g.nsupdate("update add a.example.test. 300 A 192.0.2.7")
    wait_for_digest(g)
    newest = transfer(g)
    g.restart()
    wait_for_digest(g)
    g.nsupdate("update add b.example.test. 300 A 192.0.2.7")
    wait_for_digest(g)
    increment(g, newest)
    assert metric(g, "ixfr_whole_total") == 0
    increment(g, behind)
    assert metric(g, "ixfr_whole_total") == 1
    for zone in (newest, behind):
        assert serial_of(zone) == 3
        zone.verify_digest()


def test_an_update_of_the_digest_is_refused_and_one_in_a_file_left_out(make_gateway):
    theirs = "@ 300 ZONEMD 1 1 1 " + "00" * 48 + "\n"
    g = make_gateway(DIGESTED, files={"example.test.zone": ZONE + theirs})
    assert wait_for_digest(g)[3] != bytes(48) and "ZONEMD" not in g.ctl("dump", ORIGIN).stdout
    assert "left out" in g.log()
    r = g.nsupdate("update add example.test. 300 ZONEMD 1 1 1 " + "00" * 48, check=False)
    assert "REFUSED" in r.stderr
    with open(os.path.join(g.dir, "audit.log")) as f:
        assert "ZONEMD of the zone is made by the gateway" in f.read()
    g.nsupdate("update add below.example.test. 300 ZONEMD 1 1 1 " + "00" * 48)      # elsewhere it is a record as any
    path = os.path.join(g.dir, "other.zone")
    with open(path, "w") as f:
        f.write(ZONE + theirs + "more A 192.0.2.9\n")
    g.ctl("import", ORIGIN, path)
    wait_for_digest(g)
    verify(g, transfer(g))


def test_one_that_was_there_before_gives_way_in_transfers(make_gateway):
    g = make_gateway(CONFIG, files={"example.test.zone": ZONE + "@ 300 ZONEMD 1 1 1 " + "00" * 48 + "\n"})
    zone = transfer(g)
    g.write_config(DIGESTED)
    g.ctl("reload")
    end = time.monotonic() + PATIENCE
    while "SERVFAIL" in g.dig(ORIGIN, "AXFR", check=False) or "Transfer failed" in g.dig(ORIGIN, "AXFR", check=False):
        assert time.monotonic() < end
    verify(g, transfer(g))
    # Taken away by an update, the one that is computed is answered as well.
    g.nsupdate("update delete example.test. ZONEMD")
    assert wait_for_digest(g)[3] != bytes(48)
    increment(g, zone)
    zone.verify_digest()
