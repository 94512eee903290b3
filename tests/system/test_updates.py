"""Rules of updates.md that need a real gateway: retransmissions, races for one name, policy, large and strange messages."""
import itertools
import os
import socket
import struct
import threading
import time

import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.tsigkeyring
import dns.update
import pytest

from conftest import CONFIG, LONG, PATIENCE, SECRET, keyfile

KEYS = dns.tsigkeyring.from_text({"dhcp.": SECRET})


def signed(zone="example.test.", **kw):
    return dns.update.UpdateMessage(zone, keyring=KEYS, keyalgorithm="hmac-sha256", **kw)


def rcode_of(answer):
    return dns.rcode.to_text(answer[3] & 15)


def over_udp(gateway, wire, times=1):
    """The same bytes, from a new socket each time."""
    answers = []
    for _ in range(times):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(PATIENCE)
            s.sendto(wire, ("127.0.0.1", gateway.port))
            answers.append(s.recv(65535))
    return answers


def over_tcp(gateway, wire):
    with socket.create_connection(("127.0.0.1", gateway.port), PATIENCE) as s:
        s.sendall(struct.pack("!H", len(wire)) + wire)
        size = struct.unpack("!H", s.recv(2, socket.MSG_WAITALL))[0]
        return s.recv(size, socket.MSG_WAITALL)


def test_a_repeated_message_gets_the_firsts_answer(gateway):
    """nsupdate resends the same bytes: its prerequisite must not fail because of its own update."""
    u = signed()
    u.absent("once")
    u.add("once", 300, "A", "192.0.2.7")
    wire = u.to_wire()
    serial = gateway.serial()
    assert [rcode_of(x) for x in over_udp(gateway, wire, 3)] == ["NOERROR"] * 3
    assert rcode_of(over_tcp(gateway, wire)) == "NOERROR", "on another transport too"
    assert gateway.serial() == serial + 1, "it was run once"
    other = signed()
    other.absent("once")
    other.add("once", 300, "A", "192.0.2.8")
    assert rcode_of(over_udp(gateway, other.to_wire())[0]) == "YXDOMAIN", "another message is another UPDATE"


def test_copies_at_the_same_time(gateway):
    for i in range(10):
        u = signed()
        u.absent("both%d" % i)
        u.add("both%d" % i, 300, "A", "192.0.2.7")
        wire, got = u.to_wire(), []
        threads = [threading.Thread(target=lambda f=f: got.append(f())) for f in (lambda: over_udp(gateway, wire)[0], lambda: over_tcp(gateway, wire))]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert [rcode_of(x) for x in got] == ["NOERROR"] * 2


def test_unsigned_copies(make_gateway):
    g = make_gateway(CONFIG.replace("    update-policy:\n      - grant dhcp. zonesub ANY\n", "    allow-update: [127.0.0.0/8]\n"))
    u = dns.update.UpdateMessage("example.test.")
    u.absent("once")
    u.add("once", 300, "A", "192.0.2.7")
    assert [rcode_of(x) for x in over_udp(g, u.to_wire(), 2)] == ["NOERROR"] * 2


def test_a_copy_after_a_restart_fails_by_no_update_of_its_own(gateway):
    u = signed()
    u.absent("once")
    u.add("once", 300, "A", "192.0.2.7")
    wire = u.to_wire()
    assert rcode_of(over_udp(gateway, wire)[0]) == "NOERROR"
    gateway.kill()
    gateway.start()
    assert rcode_of(over_udp(gateway, wire)[0]) in ("NOERROR", "YXDOMAIN")
    assert gateway.short("once.example.test.") == ["192.0.2.7"]


def test_a_counter_by_compare_and_set_loses_nothing(gateway):
    """Eight clients count in one TXT record: each NOERROR is one step, no step is lost or doubled."""
    gateway.nsupdate("update add counter.example.test. 0 TXT 0")
    steps, lock, each = [], threading.Lock(), 40 if LONG else 8
    ids = itertools.count()     # two clients' messages with the same value and id would be one message, sent again

    def client():
        done = 0
        while done < each:
            value = int(gateway_txt(gateway))
            u = signed(id=next(ids))
            u.present("counter", "TXT", str(value))
            u.replace("counter", 0, "TXT", str(value + 1))
            answer = dns.query.udp(u, "127.0.0.1", PATIENCE, gateway.port)
            if answer.rcode() == dns.rcode.NOERROR:
                done += 1
                with lock:
                    steps.append(value + 1)
            else:
                assert answer.rcode() == dns.rcode.NXRRSET

    threads = [threading.Thread(target=client) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(steps) == list(range(1, 8 * each + 1))
    assert gateway_txt(gateway) == str(8 * each)


def gateway_txt(gateway):
    q = dns.message.make_query("counter.example.test.", "TXT")
    return dns.query.udp(q, "127.0.0.1", PATIENCE, gateway.port).answer[0][0].strings[0].decode()


def test_noerror_means_served(gateway):
    """No query that is sent after the answer sees the zone without the change."""
    for i in range(200):
        u = signed()
        u.replace("now", 0, "A", "10.0.%d.%d" % (i >> 8, i & 255))
        assert dns.query.udp(u, "127.0.0.1", PATIENCE, gateway.port).rcode() == dns.rcode.NOERROR
        q = dns.message.make_query("now.example.test.", "A")
        assert dns.query.udp(q, "127.0.0.1", PATIENCE, gateway.port).answer[0][0].address == "10.0.%d.%d" % (i >> 8, i & 255)


POLICY = CONFIG.replace("      - grant dhcp. zonesub ANY", """      - deny dhcp. subdomain closed.example.test. ANY
      - grant dhcp. name one.example.test. A
      - grant dhcp. subdomain below.example.test. TXT
      - grant dhcp. wildcard *.wild.example.test. A
      - grant self.example.test. self . A
      - grant limited. zonesub PTR(1)
      - grant dhcp. zonesub AAAA from 192.0.2.0/24""")


@pytest.mark.parametrize("key,name,rrtype,rdata,expected", [
    ("dhcp.", "one", "A", "192.0.2.1", "NOERROR"), ("dhcp.", "one", "TXT", "x", "REFUSED"), ("dhcp.", "two", "A", "192.0.2.1", "REFUSED"),
    ("dhcp.", "below", "TXT", "x", "NOERROR"), ("dhcp.", "a.below", "TXT", "x", "NOERROR"), ("dhcp.", "a.wild", "A", "192.0.2.1", "NOERROR"),
    ("dhcp.", "wild", "A", "192.0.2.1", "REFUSED"), ("dhcp.", "x.closed", "A", "192.0.2.1", "REFUSED"),
    ("self.example.test.", "self", "A", "192.0.2.1", "NOERROR"), ("self.example.test.", "other", "A", "192.0.2.1", "REFUSED"),
    ("dhcp.", "any", "AAAA", "2001:db8::1", "REFUSED"),
])
def test_policy(make_gateway, key, name, rrtype, rdata, expected):
    g = make_gateway(POLICY, {"dhcp.key": "".join(keyfile(k) for k in ("dhcp.", "self.example.test.", "limited."))})
    u = dns.update.UpdateMessage("example.test.", keyring=dns.tsigkeyring.from_text({key: SECRET}), keyalgorithm="hmac-sha256")
    u.add(name, 300, rrtype, rdata)
    assert dns.rcode.to_text(dns.query.udp(u, "127.0.0.1", PATIENCE, g.port).rcode()) == expected


def test_a_record_over_a_limit_refuses_the_message(make_gateway):
    g = make_gateway(POLICY, {"dhcp.key": "".join(keyfile(k) for k in ("dhcp.", "self.example.test.", "limited."))})
    ring = dns.tsigkeyring.from_text({"limited.": SECRET})
    for target, expected in (("a", "NOERROR"), ("b", "REFUSED")):
        u = dns.update.UpdateMessage("example.test.", keyring=ring, keyalgorithm="hmac-sha256")
        u.add("p", 300, "PTR", target)
        assert dns.rcode.to_text(dns.query.udp(u, "127.0.0.1", PATIENCE, g.port).rcode()) == expected
    assert g.short("p.example.test.", "PTR") == ["a.example.test."]


def test_badtime_is_signed_and_carries_the_servers_time(gateway):
    import dns.rdtypes.ANY.TSIG
    import dns.tsig
    u = dns.update.UpdateMessage("example.test.")
    u.add("late", 300, "A", "192.0.2.1")
    wire, key, then = u.to_wire(), dns.tsig.Key("dhcp.", SECRET, "hmac-sha256"), int(time.time()) - 4000
    empty = dns.rdtypes.ANY.TSIG.TSIG(255, 250, dns.tsig.HMAC_SHA256, then, 300, b"", u.id, 0, b"")
    rdata = dns.tsig.sign(wire, key, empty, then)[0].to_wire()
    wire = wire[:10] + struct.pack("!H", 1) + wire[12:] + dns.name.from_text("dhcp.").to_wire() + struct.pack("!HHIH", 250, 255, 0, len(rdata)) + rdata
    answer = over_udp(gateway, wire)[0]
    assert rcode_of(answer) == "NOTAUTH"
    error, other = struct.unpack("!HH", answer[-10:-6])
    assert error == 18 and other == 6
    server_time = int.from_bytes(answer[-6:], "big")
    assert abs(server_time - time.time()) < PATIENCE
    mac_size = struct.unpack("!H", answer[-10 - 2 - 32 - 2:][:2])[0]
    assert mac_size == 32, "BADTIME is signed"


def test_opt_and_lease_options_are_taken(gateway):
    for option in (dns.edns.GenericOption(2, struct.pack("!I", 3600)), dns.edns.GenericOption(65001, b"x")):
        u = signed()
        u.use_edns(0, payload=1232, options=[option])
        u.replace("leased", 300, "A", "192.0.2.7")
        answer = dns.query.udp(u, "127.0.0.1", PATIENCE, gateway.port)
        assert answer.rcode() == dns.rcode.NOERROR and answer.edns == 0


def test_several_updates_on_one_connection(gateway):
    with socket.create_connection(("127.0.0.1", gateway.port), PATIENCE) as s:
        for i in range(50):
            u = signed(id=i)    # at random, two of the fifty would be the same in one run of fifty
            u.add("t%d" % i, 300, "A", "192.0.2.%d" % i)
            wire = u.to_wire()
            s.sendall(struct.pack("!H", len(wire)) + wire)
        answered = set()
        for _ in range(50):
            answer = s.recv(struct.unpack("!H", s.recv(2, socket.MSG_WAITALL))[0], socket.MSG_WAITALL)
            assert rcode_of(answer) == "NOERROR"
            answered.add(struct.unpack("!H", answer[:2])[0])
    assert answered == set(range(50))


def test_the_audit_names_what_was_ignored(gateway):
    gateway.nsupdate("update add ns1.example.test. 300 CNAME ns2.example.test.")
    with open(os.path.join(gateway.dir, "audit.log")) as f:
        assert "CNAME" in f.readlines()[-1]
