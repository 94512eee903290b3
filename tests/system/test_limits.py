"""Who may ask, and how many connections a client may have."""
import socket
import struct
import time

import dns.edns
import dns.message
import dns.query
import dns.rcode
import dns.tsigkeyring
import pytest

from conftest import CONFIG, SECRET

KEYRING = dns.tsigkeyring.from_text({"dhcp.": SECRET})


def ask(g, name="ns1.example.test.", rrtype="A", source=None, key=False, tcp=False):
    q = dns.message.make_query(name, rrtype, use_edns=0)
    if key:
        q.use_tsig(KEYRING, keyname="dhcp.", algorithm="hmac-sha256")
    r = (dns.query.tcp if tcp else dns.query.udp)(q, "127.0.0.1", port=g.port, timeout=10, source=source)
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


def alive(s):
    """Does it still answer?"""
    wire = dns.message.make_query("ns1.example.test.", "A").to_wire()
    try:
        s.settimeout(5)
        s.sendall(struct.pack("!H", len(wire)) + wire)
        return len(s.recv(512)) > 12
    except OSError:
        return False


def connect(g, source="127.0.0.1"):
    return socket.create_connection(("127.0.0.1", g.port), 5, source_address=(source, 0))


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
    third[0].close()
    five[0].close()
    time.sleep(0.1)
    assert alive(connect(g))
    assert g.short("ns1.example.test") == ["127.0.0.1"], "UDP has nothing to do with it"


def test_an_idle_connection_is_closed(make_gateway):
    g = make_gateway(CONFIG.replace("  identity: gw1\n", "  identity: gw1\n  tcp-idle: 500ms\n"))
    with connect(g) as s, connect(g) as half:
        assert alive(s)
        half.sendall(b"\0")
        for idle in (s, half):
            idle.settimeout(5)
            start = time.monotonic()
            assert idle.recv(1) == b"" and time.monotonic() - start < 4
