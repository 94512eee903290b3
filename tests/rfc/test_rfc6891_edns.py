"""EDNS as the DNS flag days ask for it, in the manner of ISC's compliance tester: every kind of version, option, flag, opcode and
size in all combinations, over UDP and TCP; each gets the answer that the RFCs say, and none gets silence."""
import itertools
import select
import socket
import struct
import time

import dns.edns
import dns.message
import dns.rcode
import pytest

from conftest import CONFIG, LONG, PATIENCE, ZONE, run

QR, AA, TC, RD, RA, Z, AD, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0040, 0x0020, 0x0010
DO = 0x8000
NSID, SUBNET, EXPIRE, COOKIE, KEEPALIVE, PADDING, CHAIN, EDE, ZONEVERSION = 3, 8, 9, 10, 11, 12, 13, 15, 19
BIG = ZONE + "".join('big TXT "%03d %s"\n' % (i, "x" * 100) for i in range(20))
TYPES = {"SOA": 6, "A": 1, "TXT": 16, "TYPE666": 666}


def option(code, data=b""):
    return struct.pack("!HH", code, len(data)) + data


OPTIONS = {
    "none": b"",
    "unknown": option(100, b"abc"),
    "unknown-empty": option(65001),
    "unknown-large": option(300, bytes(200)),
    "nsid": option(NSID),
    "nsid-with-data": option(NSID, b"x"),
    "cookie": option(COOKIE, b"8octets!"),
    "cookie-of-others": option(COOKIE, b"8octets!" + bytes(range(16))),
    "subnet": option(SUBNET, struct.pack("!HBB", 1, 24, 0) + b"\xc0\x00\x02"),
    "subnet-v6": option(SUBNET, struct.pack("!HBB", 2, 56, 0) + bytes(7)),
    "subnet-zero": option(SUBNET, struct.pack("!HBB", 1, 0, 0)),
    "subnet-wrong": option(SUBNET, b"\xff"),
    "expire": option(EXPIRE),
    "padding": option(PADDING, bytes(30)),
    "keepalive": option(KEEPALIVE),
    "chain": option(CHAIN, b"\x07example\x04test\x00"),
    "ede": option(EDE, b"\x00\x00"),
    "zoneversion": option(ZONEVERSION),
    "dau": option(5, b"\x08\x0d"),
    "reserved": option(0, b"zz") + option(65535, b"zz"),
    "twice": option(NSID) + option(NSID),
}
OPTIONS["all"] = b"".join(OPTIONS[x] for x in ("unknown", "nsid", "cookie", "subnet", "expire", "padding", "keepalive", "chain", "zoneversion"))


def name_to_wire(name):
    return b"".join(bytes([len(x)]) + x.encode() for x in name.split(".")) + b"\0"


class Case:
    """One request and what its answer must be."""

    def __init__(self, edns=None, size=1232, flags=0, eflags=0, options="none", opcode=0, qtype="SOA", name="example.test"):
        self.edns, self.size, self.flags, self.eflags, self.options = edns, size, flags, eflags, options
        self.opcode, self.qtype, self.name = opcode, qtype, name

    def __repr__(self):
        return "edns=%s size=%d flags=%#x eflags=%#x options=%s opcode=%d %s %s" % (
            self.edns, self.size, self.flags, self.eflags, self.options, self.opcode, self.name, self.qtype)

    def wire(self, number):
        opt = b""
        if self.edns is not None:
            rdata = OPTIONS[self.options]
            opt = b"\0" + struct.pack("!HHBBHH", 41, self.size, 0, self.edns, self.eflags, len(rdata)) + rdata
        return struct.pack("!HHHHHH", number, self.flags | self.opcode << 11, 1, 0, 0, int(bool(opt))) + name_to_wire(self.name) + struct.pack(
            "!HH", TYPES[self.qtype], 1) + opt

    def check(self, wire, tcp):
        header = struct.unpack("!HHHHHH", wire[:12])
        flags, rcode = header[1], header[1] & 15
        # RFC 1035 4.1.1, RFC 6895 2: QR, the same opcode, RD copied (RFC 4035 3.1.6: CD too), no RA, no Z; AD says nothing here.
        assert flags & QR and flags >> 11 & 15 == self.opcode and not flags & (RA | Z | AD)
        assert flags & (RD | CD) == self.flags & (RD | CD) or self.opcode not in (0, 4, 5)
        assert not flags & TC or not tcp
        if not tcp:
            assert len(wire) <= max(512, min(1232, self.size if self.edns is not None else 512))
        if self.opcode not in (0, 4, 5):
            assert rcode == dns.rcode.NOTIMP and not flags & AA and header[3:5] == (0, 0)
            return
        assert header[2] == 1 and wire[12:].startswith(name_to_wire(self.name) + struct.pack("!HH", TYPES[self.qtype], 1))
        # dnspython does not read an answer to an UPDATE for another type than SOA: as a query it has the same form.
        m = dns.message.from_wire(wire[:2] + bytes([wire[2] & 0x87]) + wire[3:])
        # RFC 6891 6.1.1: an OPT for an OPT, and only then; 6.1.3: of version 0.
        assert (m.edns == 0) == (self.edns is not None) and m.edns in (-1, 0)
        if self.edns is not None:
            # 6.1.4: unknown flags are not echoed, DO is (RFC 3225 3).
            assert m.ednsflags & 0xffff == self.eflags & DO
            assert m.payload >= 512
        if self.edns:
            assert m.rcode() == dns.rcode.BADVERS and not m.answer and not m.authority
            return
        self.check_options(m, tcp)
        self.check_answer(m, tcp)

    def check_options(self, m, tcp):
        sent = OPTIONS[self.options] if self.edns is not None else b""
        codes = {o.otype: o for o in m.options}
        asked, at = set(), 0
        while at < len(sent):
            code, size = struct.unpack("!HH", sent[at:at + 4])
            asked.add(code)
            at += 4 + size
        assert len(m.options) == len(codes), "no option twice"
        # Only what was asked for and what we know (6.1.2); an EDE may come by itself (RFC 8914 3).
        assert set(codes) <= {NSID, COOKIE, EDE, KEEPALIVE, ZONEVERSION} and set(codes) - {EDE} <= asked
        assert (NSID in codes) == (NSID in asked) and (COOKIE in codes) == (COOKIE in asked)
        assert KEEPALIVE not in codes or tcp
        assert (ZONEVERSION in codes) == (ZONEVERSION in asked and self.opcode == 0)
        if NSID in codes:
            assert codes[NSID].to_wire() == b"gw1"
        if COOKIE in codes:
            assert len(codes[COOKIE].to_wire()) == 24 and codes[COOKIE].to_wire()[:8] == b"8octets!"

    def check_answer(self, m, tcp):
        if self.opcode == 4:
            assert m.rcode() in (dns.rcode.REFUSED, dns.rcode.NOTAUTH)
        elif self.opcode == 5:
            assert m.rcode() == (dns.rcode.REFUSED if self.qtype == "SOA" and self.name == "example.test" else
                                 dns.rcode.NOTAUTH if self.qtype == "SOA" else dns.rcode.FORMERR)
        elif self.name == "nowhere.example.test":
            assert m.rcode() == dns.rcode.NXDOMAIN and m.flags & AA and m.authority and not m.answer
        elif self.name == "big.example.test":
            assert m.rcode() == dns.rcode.NOERROR and m.flags & AA
            assert bool(m.answer) == tcp and bool(m.flags & TC) != tcp, "20 records of 104 octets fit nowhere but on TCP"
        elif self.qtype == "TYPE666":
            assert m.rcode() == dns.rcode.NOERROR and m.flags & AA and not m.answer and m.authority
        else:
            assert m.rcode() == dns.rcode.NOERROR and m.flags & AA and m.answer


def cases():
    header_flags = [0, RD, AD, CD, AA, TC, RA, Z, RD | AD | CD | Z | AA | TC | RA]
    versions = [None, 0, 1, 2, 100, 255]
    sizes = [0, 1, 511, 512, 513, 1232, 1400, 4096, 65535]
    eflags = [0, DO, 0x0040, 0x7fff, 0xffff]
    # Each kind with each other kind, all else plain.
    yield from (Case(edns=v, flags=f, opcode=o) for v in versions for f in header_flags for o in range(16))
    yield from (Case(edns=v, eflags=e, options=o) for v in (0, 1, 255) for e in eflags for o in OPTIONS)
    yield from (Case(edns=v, size=s, options=o) for v in (0, 1) for s in sizes for o in OPTIONS)
    yield from (Case(edns=0, size=s, eflags=e, name="big.example.test", qtype="TXT", options=o) for s in sizes for e in (0, DO) for o in OPTIONS)
    yield from (Case(edns=v, options=o, qtype=q, name=n) for v in (None, 0, 1) for o in OPTIONS for q in ("A", "TYPE666") for n in
                (("ns1.example.test", "nowhere.example.test") if q == "A" else ("example.test",)))
    yield from (Case(edns=0, options=o, opcode=c, qtype=q) for o in OPTIONS for c in (4, 5, 6, 15) for q in ("SOA", "A"))
    if LONG:
        for v, f, e, o, s, (n, q), c in itertools.product(versions, header_flags, eflags, OPTIONS, sizes[1::3], (
                ("example.test", "SOA"), ("nowhere.example.test", "A"), ("big.example.test", "TXT")), (0, 4, 5, 9)):
            if v is not None or (e == 0 and o == "none" and s == 1):
                yield Case(edns=v, flags=f, eflags=e, options=o, size=s, name=n, qtype=q, opcode=c)


def ask_udp(port, batch):
    """All at once; those without an answer after a while once more. Answers by number."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        s.connect(("127.0.0.1", port))
        answers = {}
        for _ in range(PATIENCE):
            for number, case in enumerate(batch):
                if number not in answers:
                    s.send(case.wire(number))
            end = time.monotonic() + 5
            while len(answers) < len(batch) and select.select([s], [], [], max(0, min(1, end - time.monotonic())))[0]:
                wire = s.recv(65535)
                answers[struct.unpack("!H", wire[:2])[0]] = wire
            if len(answers) == len(batch):
                break
    return answers


def ask_tcp(port, batch):
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as s:
        s.sendall(b"".join(struct.pack("!H", len(w)) + w for w in (c.wire(i) for i, c in enumerate(batch))))
        data, answers = b"", {}
        while len(answers) < len(batch):
            more = s.recv(1 << 20)
            assert more, "the connection ended after %d of %d answers" % (len(answers), len(batch))
            data += more
            while len(data) >= 2 and len(data) >= 2 + struct.unpack("!H", data[:2])[0]:
                size = struct.unpack("!H", data[:2])[0]
                answers[struct.unpack("!H", data[2:4])[0]] = data[2:2 + size]
                data = data[2 + size:]
    return answers


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_every_combination_is_answered_as_the_rfcs_say(make_gateway, transport):
    g = make_gateway(files={"example.test.zone": BIG})
    every, count = cases(), 0
    while batch := list(itertools.islice(every, 200)):
        answers = (ask_tcp if transport == "tcp" else ask_udp)(g.port, batch)
        silent = [c for i, c in enumerate(batch) if i not in answers]
        assert not silent, silent[:5]
        for number, case in enumerate(batch):
            try:
                case.check(answers[number], transport == "tcp")
            except AssertionError as e:
                raise AssertionError("%r over %s: %s\n%s" % (case, transport, e, answers[number].hex()))
        count += len(batch)
    assert count > 2000


def raw(g, wire):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(PATIENCE)
        s.sendto(wire, ("127.0.0.1", g.port))
        return s.recv(65535)


QUESTION = name_to_wire("example.test") + struct.pack("!HH", 6, 1)
OPT = b"\0" + struct.pack("!HHBBHH", 41, 1232, 0, 0, 0, 0)


@pytest.mark.parametrize("what, wire, rcode", [
    ("two OPTs (RFC 6891 6.1.1)", struct.pack("!HHHHHH", 7, 0, 1, 0, 0, 2) + QUESTION + OPT + OPT, dns.rcode.FORMERR),
    ("an OPT with a name (6.1.2)", struct.pack("!HHHHHH", 7, 0, 1, 0, 0, 1) + QUESTION + b"\x01x" + OPT, dns.rcode.FORMERR),
    ("an OPT in the answer section", struct.pack("!HHHHHH", 7, 0, 1, 1, 0, 0) + QUESTION + OPT, dns.rcode.FORMERR),
    ("an option that is longer than the OPT", struct.pack("!HHHHHH", 7, 0, 1, 0, 0, 1) + QUESTION + OPT[:-2] + b"\0\x04" + struct.pack("!HH", 3, 9), dns.rcode.FORMERR),
    ("half an option", struct.pack("!HHHHHH", 7, 0, 1, 0, 0, 1) + QUESTION + OPT[:-2] + b"\0\x03\0\x03\0", dns.rcode.FORMERR),
    ("a cookie of 7 octets (RFC 7873 5.2.2)", struct.pack("!HHHHHH", 7, 0, 1, 0, 0, 1) + QUESTION + OPT[:-2] + b"\0\x0b" + option(COOKIE, b"1234567"), dns.rcode.FORMERR),
    ("a cookie of 9 octets", struct.pack("!HHHHHH", 7, 0, 1, 0, 0, 1) + QUESTION + OPT[:-2] + b"\0\x0d" + option(COOKIE, b"123456789"), dns.rcode.FORMERR),
    ("a cookie of 41 octets", struct.pack("!HHHHHH", 7, 0, 1, 0, 0, 1) + QUESTION + OPT[:-2] + b"\0\x2d" + option(COOKIE, bytes(41)), dns.rcode.FORMERR),
    ("no question (RFC 9619 4)", struct.pack("!HHHHHH", 7, 0, 0, 0, 0, 0), dns.rcode.FORMERR),
    ("no question, an OPT", struct.pack("!HHHHHH", 7, 0, 0, 0, 0, 1) + OPT, dns.rcode.FORMERR),
    ("two questions", struct.pack("!HHHHHH", 7, 0, 2, 0, 0, 0) + QUESTION + QUESTION, dns.rcode.FORMERR),
    ("octets behind the end", struct.pack("!HHHHHH", 7, 0, 1, 0, 0, 1) + QUESTION + OPT + b"x", dns.rcode.FORMERR),
    ("a type OPT asked for", struct.pack("!HHHHHH", 7, 0, 1, 0, 0, 0) + QUESTION[:-4] + struct.pack("!HH", 41, 1), dns.rcode.FORMERR),
], ids=lambda x: x if isinstance(x, str) else "")
def test_what_is_malformed_is_said_to_be(still, what, wire, rcode):
    answer = raw(still, wire)
    assert answer[:2] == wire[:2] and answer[2] & 0x80 and answer[3] & 15 == rcode, (what, answer.hex())


def test_a_query_for_a_cookie_alone(still):
    """RFC 7873 5.4: no question, a COOKIE option; dig calls it +header-only."""
    wire = struct.pack("!HHHHHH", 7, 0, 0, 0, 0, 1) + OPT[:-2] + b"\0\x0c" + option(COOKIE, b"8octets!")
    m = dns.message.from_wire(raw(still, wire))
    assert m.rcode() == dns.rcode.NOERROR and not m.question and not m.answer and [o.otype for o in m.options] == [COOKIE]
    assert struct.unpack("!H", raw(still, wire + b"x")[2:4])[0] & 15 == dns.rcode.FORMERR
    out = run("dig", "@127.0.0.1", "-p", still.port, "+header-only", "+cookie=0123456789abcdef", "+tries=1", "+time=%d" % PATIENCE).stdout
    assert "status: NOERROR" in out and "(good)" in out


def test_zoneversion_says_which_zone_and_which_serial(make_gateway):
    """RFC 9660 3.2: answers, referrals, NXDOMAIN and NODATA alike; nobody else's zone; payload in a query is ignored."""
    config = CONFIG + "  - {name: sub.example.test., file: sub.zone}\n"
    sub = "$ORIGIN sub.example.test.\n$TTL 60\n@ SOA ns1 h 4000000000 1 1 1 1\n@ NS ns1\nns1 A 127.0.0.1\n"
    g = make_gateway(config, files={"sub.zone": sub, "example.test.zone": ZONE + "cut NS ns.cut\nns.cut A 192.0.2.1\nsub NS ns1.sub\nns1.sub A 127.0.0.1\n"})

    def version(name, rrtype="A", options=option(ZONEVERSION), **kw):
        q = dns.message.make_query(name, rrtype, **kw)
        q.use_edns(0, 0, 1232, options=[dns.edns.GenericOption(ZONEVERSION, options[4:])])
        m = dns.message.from_wire(raw(g, q.to_wire()))
        found = [o.to_wire() for o in m.options if o.otype == ZONEVERSION]
        return struct.unpack("!BBI", found[0]) if found else None
    for name in ("example.test.", "ns1.example.test.", "nowhere.example.test.", "x.cut.example.test."):
        assert version(name) == (2, 0, 1), name
    assert version("ns1.sub.example.test.") == (3, 0, 4000000000) == version("none.sub.example.test.", "TXT")
    assert version("sub.example.test.", "DS") == (2, 0, 1), "the parent answers"
    assert version("ns1.example.test.", options=option(ZONEVERSION, b"\x01\x00abcd")) == (2, 0, 1)
    assert version("www.elsewhere.test.") is None and version("id.server.", "TXT", rdclass="CH") is None
    g.nsupdate("update add new.example.test. 60 A 192.0.2.1")
    assert version("new.example.test.") == (2, 0, 2)
    # Signed, and over TCP.
    out = g.dig("ns1.example.test.", "+ednsopt=19", "-k", g.dir + "/dhcp.key")
    assert "02 00 00 00 00 02" in out, out
    assert "02 00 00 00 00 02" in g.dig("ns1.example.test.", "+ednsopt=19", "+tcp")


def test_chaos_names(make_gateway):
    """As BIND, Knot and NSD answer them; what is not configured is refused."""
    g = make_gateway()
    for name, text in (("id.server", "gw1"), ("hostname.bind", "gw1"), ("VERSION.bind", "zonegate 0.1.0"), ("version.server", "zonegate 0.1.0")):
        out = g.dig(name, "TXT", "CH")
        assert '"%s"' % text in out and "status: NOERROR" in out and " aa" in out, out
    assert "status: REFUSED" in g.dig("authors.bind", "TXT", "CH")
    for version, answers in (("version: none", None), ("version: 'ns 7'", "ns 7")):
        g.write_config(CONFIG.replace("  identity: gw1\n", "  %s\n" % version))
        g.ctl("reload")
        for name in ("version.bind", "version.server"):
            out = g.dig(name, "TXT", "CH")
            assert '"%s"' % answers in out if answers else "status: REFUSED" in out, out
        assert "status: REFUSED" in g.dig("id.server", "TXT", "CH") and "status: REFUSED" in g.dig("hostname.bind", "TXT", "CH")


@pytest.fixture(scope="module")
def still():
    """One gateway for what changes nothing."""
    import shutil
    import tempfile
    from conftest import Gateway, keyfile
    path = tempfile.mkdtemp(prefix="zg-")
    g = Gateway(path, CONFIG, {"dhcp.key": keyfile(), "example.test.zone": ZONE}).start()
    yield g
    g.stop()
    shutil.rmtree(path, ignore_errors=True)
