"""RFC 2136 3.2: prerequisites, each sentence of it, asked by dnspython over UDP of a real gateway."""
import socket
import struct
import time

import dns.name
import dns.query
import dns.rcode
import dns.rdataclass
import dns.rdata
import dns.rdatatype
import dns.rdtypes.ANY.TSIG
import dns.tsig
import dns.tsigkeyring
import dns.update
import pytest

from conftest import PATIENCE, SECRET

KEYS = dns.tsigkeyring.from_text({"dhcp.": SECRET})
ANY, NONE, IN = dns.rdataclass.ANY, dns.rdataclass.NONE, dns.rdataclass.IN


def message(zone="example.test.", **kw):
    m = dns.update.UpdateMessage(zone, **kw)
    m.use_tsig(KEYS, algorithm="hmac-sha256")
    return m


def put(m, section, name, ttl, rdclass, rdtype, text=None):
    """A record as it is given, whatever dnspython would make of it."""
    rdtype, name = dns.rdatatype.from_text(rdtype), dns.name.from_text(name)
    if text is None:
        rrset = m.find_rrset(m.sections[section], name, rdclass, rdtype, dns.rdatatype.NONE, None, True, True)
        rrset.ttl = ttl
    else:
        rrset = m.find_rrset(m.sections[section], name, IN, rdtype, dns.rdatatype.NONE, None if rdclass == IN else rdclass, True, True)
        rrset.add(dns.rdata.from_text(IN, rdtype, text), ttl)
    return m


def rcode(gateway, m):
    return dns.rcode.to_text(dns.query.udp(m, "127.0.0.1", PATIENCE, gateway.port).rcode())


@pytest.fixture(scope="module")
def filled(request):
    from conftest import CONFIG, Gateway, ZONE, keyfile
    import tempfile
    import shutil
    path = tempfile.mkdtemp(prefix="zg-")
    zone = ZONE + "www A 192.0.2.1\nwww A 192.0.2.2\nwww TXT \"Mixed Case\"\nalias CNAME WWW\nsrv.deep A 192.0.2.3\n"
    g = Gateway(path, CONFIG, {"dhcp.key": keyfile(), "example.test.zone": zone}).start()
    yield g
    g.stop()
    shutil.rmtree(path)


# (sentence, [(name, class, type, rdata)], rcode)
CASES = [
    ("2.4.1 RRset exists (value independent): it does", [("www", ANY, "A", None)], "NOERROR"),
    ("2.4.1 it does not", [("www", ANY, "AAAA", None)], "NXRRSET"),
    ("2.4.1 at a name that does not exist", [("nobody", ANY, "A", None)], "NXRRSET"),
    ("2.4.2 RRset exists (value dependent): exactly these", [("www", IN, "A", "192.0.2.1"), ("www", IN, "A", "192.0.2.2")], "NOERROR"),
    ("2.4.2 in any order", [("www", IN, "A", "192.0.2.2"), ("www", IN, "A", "192.0.2.1")], "NOERROR"),
    ("2.4.2 fewer than there are", [("www", IN, "A", "192.0.2.1")], "NXRRSET"),
    ("2.4.2 more than there are", [("www", IN, "A", "192.0.2.%d" % i) for i in (1, 2, 3)], "NXRRSET"),
    ("2.4.2 another value", [("www", IN, "A", "192.0.2.1"), ("www", IN, "A", "192.0.2.9")], "NXRRSET"),
    ("2.4.2 TXT is compared byte for byte", [("www", IN, "TXT", '"Mixed Case"')], "NOERROR"),
    ("2.4.2 TXT in another case is another value", [("www", IN, "TXT", '"mixed case"')], "NXRRSET"),
    ("2.4.2 names in RDATA ignore case", [("alias", IN, "CNAME", "www.EXAMPLE.test.")], "NOERROR"),
    ("2.4.3 RRset does not exist: right", [("www", NONE, "AAAA", None)], "NOERROR"),
    ("2.4.3 it does", [("www", NONE, "A", None)], "YXRRSET"),
    ("2.4.4 name is in use: it is", [("www", ANY, "ANY", None)], "NOERROR"),
    ("2.4.4 owner names ignore case", [("WwW", ANY, "ANY", None)], "NOERROR"),
    ("2.4.4 it is not", [("nobody", ANY, "ANY", None)], "NXDOMAIN"),
    ("2.4.4 an empty non-terminal owns no RR", [("deep", ANY, "ANY", None)], "NXDOMAIN"),
    ("2.4.5 name is not in use: right", [("nobody", NONE, "ANY", None)], "NOERROR"),
    ("2.4.5 an empty non-terminal is not in use", [("deep", NONE, "ANY", None)], "NOERROR"),
    ("2.4.5 it is", [("www", NONE, "ANY", None)], "YXDOMAIN"),
    ("3.2.5 value-dependent ones come last: Kea's replace of a vanished name",
     [("nobody", IN, "DHCID", "AAEBOSD+XR3Os/0LozeXVqcNc7FwCfQdWL3b/NaiUDlW2No="), ("nobody", ANY, "ANY", None)], "NXDOMAIN"),
    ("several that hold", [("www", ANY, "A", None), ("nobody", NONE, "ANY", None)], "NOERROR"),
    ("the first that fails decides", [("nobody", ANY, "ANY", None), ("www", NONE, "A", None)], "NXDOMAIN"),
]


@pytest.mark.parametrize("sentence,prerequisites,expected", CASES, ids=[c[0] for c in CASES])
def test_prerequisite(filled, sentence, prerequisites, expected):
    m = message()
    for name, rdclass, rdtype, text in prerequisites:
        put(m, 1, name + ".example.test.", 0, rdclass, rdtype, text)
    before = filled.serial()
    assert rcode(filled, m) == expected
    assert filled.serial() == before, "a message without an update section writes nothing"


def raw_rcode(gateway, m, patch=lambda wire: wire):
    """Sign and send what dnspython would not write: its wire form, patched."""
    m.tsig = None
    wire = patch(m.to_wire())
    key, now = dns.tsig.Key("dhcp.", SECRET, "hmac-sha256"), int(time.time())
    empty = dns.rdtypes.ANY.TSIG.TSIG(ANY, dns.rdatatype.TSIG, dns.tsig.HMAC_SHA256, now, 300, b"", m.id, 0, b"")
    tsig = dns.tsig.sign(wire, key, empty, now)[0].to_wire()
    wire += dns.name.from_text("dhcp.").to_wire() + struct.pack("!HHIH", 250, 255, 0, len(tsig)) + tsig
    wire = wire[:10] + struct.pack("!H", 1) + wire[12:]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(PATIENCE)
        s.sendto(wire, ("127.0.0.1", gateway.port))
        return dns.rcode.to_text(s.recv(65535)[3] & 15)


def with_ttl_1(wire):
    """The last record, which has no RDATA, gets a TTL of 1."""
    assert wire.endswith(bytes(6))
    return wire[:-6] + bytes([0, 0, 0, 1, 0, 0])


def test_the_raw_way_itself_works(filled):
    assert raw_rcode(filled, put(message(), 1, "www.example.test.", 0, ANY, "A")) == "NOERROR"


def test_ttl_that_is_not_0_is_formerr(filled):
    """3.2.1: If the TTL is not zero, FORMERR."""
    for rdclass, rdtype in ((ANY, "A"), (NONE, "A"), (ANY, "ANY"), (NONE, "ANY")):
        assert raw_rcode(filled, put(message(), 1, "www.example.test.", 0, rdclass, rdtype), with_ttl_1) == "FORMERR"
    assert rcode(filled, put(message(), 1, "www.example.test.", 1, IN, "A", "192.0.2.1")) == "FORMERR"


def test_outside_the_zone_is_notzone(filled):
    assert rcode(filled, put(message(), 1, "www.example.org.", 0, ANY, "A")) == "NOTZONE"


def test_class_any_with_rdata_is_formerr(filled):
    for rdclass in (ANY, NONE):
        m = put(message(), 1, "www.example.test.", 0, rdclass, "A")
        assert raw_rcode(filled, m, lambda wire: wire[:-2] + b"\x00\x04\xc0\x00\x02\x01") == "FORMERR"


def test_another_zone_is_notauth(filled):
    assert rcode(filled, put(message("example.org."), 1, "www.example.org.", 0, ANY, "A")) == "NOTAUTH"


def test_prerequisites_guard_an_update(gateway):
    """Add only if absent, twice: the second is refused by its prerequisite and changes nothing."""
    for number, expected in enumerate(("NOERROR", "YXDOMAIN")):
        m = message(id=number)      # the same id would make it the same message
        put(m, 1, "once.example.test.", 0, NONE, "ANY")
        m.add("once", 300, "A", "192.0.2.7")
        assert rcode(gateway, m) == expected
    assert gateway.short("once.example.test.") == ["192.0.2.7"]
