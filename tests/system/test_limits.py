"""Who may ask, and how many connections a client may have."""
import re
import socket
import struct
import sys
import time

import dns.edns
import dns.message
import dns.query
import dns.rcode
import dns.tsigkeyring
import pytest

from conftest import CONFIG, PATIENCE, SECRET, ZONE, eventually, run

KEYRING = dns.tsigkeyring.from_text({"dhcp.": SECRET})


def ask(g, name="ns1.example.test.", rrtype="A", source=None, key=False, tcp=False):
    q = dns.message.make_query(name, rrtype, use_edns=0)
    if key:
        q.use_tsig(KEYRING, keyname="dhcp.", algorithm="hmac-sha256")
    r = (dns.query.tcp if tcp else dns.query.udp)(q, "127.0.0.1", port=g.port, timeout=PATIENCE, source=source)
    ede = [o.code for o in r.options if isinstance(o, dns.edns.EDEOption)]
    return dns.rcode.to_text(r.rcode()), len(r.answer), ede


def test_allow_query(make_gateway):
    config = CONFIG.replace("    allow-transfer:", "    allow-query: ['!127.0.0.3', 127.0.0.2/31, key dhcp.]\n    allow-transfer:") + (
        "  - {name: open.test.}\n  - {name: closed.test., allow-query: []}\n")
    g = make_gateway(config)
    for tcp in (False, True):
        assert ask(g, tcp=tcp) == ("REFUSED", 0, [18])
        assert ask(g, tcp=tcp, source="127.0.0.2") == ("NOERROR", 1, [])
        assert ask(g, tcp=tcp, source="127.0.0.3") == ("REFUSED", 0, [18])
        assert ask(g, tcp=tcp, key=True) == ("NOERROR", 1, [])
    assert ask(g, "nowhere.example.test.") == ("REFUSED", 0, [18]), "not even what is not there"
    assert ask(g, "open.test.", "SOA")[0] == "NOERROR" and ask(g, "closed.test.", "SOA", key=True)[0] == "REFUSED"
    # Transfers and updates have rules of their own.
    assert "XFR size" in g.dig("example.test.", "AXFR")
    g.nsupdate("update add new.example.test. 60 A 192.0.2.1")
    g.write_config(CONFIG)
    g.ctl("reload")
    assert ask(g) == ("NOERROR", 1, []) and ask(g, "new.example.test.")[1] == 1
    g.write_config(config)
    g.ctl("reload")
    assert ask(g) == ("REFUSED", 0, [18])
    g.write_config(config.replace("127.0.0.2/31", "nowhere"))
    r = g.ctl("reload", check=False)
    assert r.returncode == 1 and "allow-query: 'nowhere' is not an address" in r.stderr and ask(g, source="127.0.0.2")[0] == "NOERROR"


def metric(g, name):
    return int(re.search(r"^zonegate_%s (\d+)$" % name, run("curl", "-s", "http://127.0.0.1:%d/metrics" % g.http).stdout, re.M).group(1))


def alive(s):
    """Does it still answer?"""
    wire = dns.message.make_query("ns1.example.test.", "A").to_wire()
    try:
        s.settimeout(PATIENCE)
        s.sendall(struct.pack("!H", len(wire)) + wire)
        return len(s.recv(512)) > 12
    except OSError:
        return False


def connect(g, source="127.0.0.1"):
    return socket.create_connection(("127.0.0.1", g.port), PATIENCE, source_address=(source, 0))


@pytest.mark.parametrize("threads", [1])
def test_connections_of_a_client_and_of_all(make_gateway, threads):
    config = CONFIG.replace("  identity: gw1\n", "  identity: gw1\n  threads: %d\n  tcp-clients: 12\n  tcp-clients-address: 5\n  tcp-idle: 60s\n" % threads)
    g = make_gateway(config)
    five = [connect(g) for _ in range(5)]
    assert all(alive(s) for s in five)
    assert not alive(connect(g)), "a sixth from one address is closed"
    other = [connect(g, "127.0.0.2") for _ in range(5)]
    assert all(alive(s) for s in other) and all(alive(s) for s in five)
    # Beyond all that may be, the one that has been idle longest makes room (RFC 7766 6.2.3).
    third = [connect(g, "127.0.0.%d" % i) for i in range(3, 6)]
    assert all(alive(s) for s in third)
    assert [alive(s) for s in other + five].count(False) == 1 and not alive(other[0])
    assert not alive(connect(g)) and all(alive(s) for s in other[1:] + five + third), "who may not have another sends nobody away"
    # Who goes makes room for itself.
    before = metric(g, "tcp_connections")
    third[0].close()
    five[0].close()
    eventually(lambda: metric(g, "tcp_connections") == before - 2)
    assert alive(connect(g))
    assert g.short("ns1.example.test") == ["127.0.0.1"], "UDP has nothing to do with it"


def test_an_idle_connection_is_closed(make_gateway):
    g = make_gateway(CONFIG.replace("  identity: gw1\n", "  identity: gw1\n  tcp-idle: 500ms\n"))
    with connect(g) as s, connect(g) as half:
        assert alive(s)
        half.sendall(b"\0")
        for idle in (s, half):
            idle.settimeout(PATIENCE)
            start = time.monotonic()
            assert idle.recv(1) == b"" and time.monotonic() - start < 9, "by default it would be 10 s"


IN_NETWORKS = """
import socket, sys
kept, answered = [], []
for source in sys.argv[2:]:
    s = socket.socket(socket.AF_INET6)
    s.settimeout(60)
    s.bind((source, 0))
    s.connect(("2001:db8::53", int(sys.argv[1])))
    try:
        s.sendall(bytes.fromhex("001200070000000100000000000000" + "0006" + "0001" + "00")[:20])
        answered.append(len(s.recv(512)) > 2)
    except OSError:
        answered.append(False)
    kept.append(s)
print(answered)
"""


def test_an_ipv6_client_is_its_network(make_gateway, net):
    """Who has a /64 has as many addresses as it likes."""
    for address in ["2001:db8::53/128"] + ["2001:db8:1:1::%d/128" % i for i in range(1, 8)] + ["2001:db8:1:2::1/128"]:
        if net.run(net.server, "ip", "-6", "addr", "add", address, "dev", "lo", "nodad", check=False).returncode:
            pytest.skip("no IPv6 here")
    config = CONFIG.replace("127.0.0.1@PORT", "127.0.0.1@PORT, '2001:db8::53@PORT'").replace(
        "  identity: gw1\n", "  identity: gw1\n  threads: 1\n  tcp-clients-address: 5\n")
    g = make_gateway(config, wrap=net.inside(net.server))
    sources = ["2001:db8:1:1::%d" % i for i in range(1, 8)] + ["2001:db8:1:2::1"]
    out = net.run(net.server, sys.executable, "-c", IN_NETWORKS, g.port, *sources).stdout
    assert out == "[True, True, True, True, True, False, False, True]\n"


# ---- transfers that nobody takes ----

def stalled_transfer(g):
    """Its receiver has read something of it, and reads no more."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.settimeout(PATIENCE)
    s.connect(("127.0.0.1", g.port))
    wire = dns.message.make_query("example.test.", "AXFR").to_wire()
    s.sendall(struct.pack("!H", len(wire)) + wire)
    read = 0
    while read < 512:
        more = len(s.recv(512 - read))
        assert more
        read += more
    return s


def large(make_gateway, options):
    zone = ZONE + "".join("host%d TXT %s\n" % (i, "y" * 250) for i in range(40000))
    config = CONFIG.replace("  identity: gw1\n", "  identity: gw1\n  threads: 1\n" + options) + "  - {name: small.test., allow-transfer: [127.0.0.1]}\n"
    return make_gateway(config, {"example.test.zone": zone})


def test_a_stop_cuts_transfers_that_are_stalled(make_gateway):
    g = large(make_gateway, "  tcp-idle: 1h\n")
    stalled = [stalled_transfer(g) for _ in range(3)]
    assert metric(g, "transfers") == 3
    start = time.monotonic()
    g.stop()
    assert time.monotonic() - start < 9.5, "no 10 s, which an UPDATE gets"
    for s in stalled:
        s.close()


def test_a_transfer_ends_after_its_time(make_gateway):
    """One who reads just enough not to be idle does not keep an old version for ever."""
    g = large(make_gateway, "  tcp-idle: 500ms\n  tcp-transfer: 2s\n")
    s = stalled_transfer(g)
    got, end = 512, time.monotonic() + 2 * PATIENCE
    while metric(g, "transfers") > 0:
        assert time.monotonic() < end
        time.sleep(0.1)
        try:
            got += len(s.recv(20000))
        except ConnectionError:
            pass
    assert got < 40000 * 250, "that was not the end of the zone"
    s.close()
    assert "XFR size: 3 records" in g.dig("small.test.", "AXFR")
    eventually(lambda: metric(g, "transfers") == 0)
