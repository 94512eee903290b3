"""zonegatectl import ZONE --from ADDRESS@PORT: a zone of BIND, Knot, NSD or PowerDNS moves in with one command, or not at all."""
import os
import socket
import struct
import subprocess
import threading
import time

import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.tsig
import dns.tsigkeyring
import dns.zone
import pytest

from conftest import CONFIG, LONG, PATIENCE, SECRET, ZONE, ZONEGATECTL, eventually, free_port, keyfile, run
from system.peers import PrimaryBind, PrimaryKnot, PrimaryNsd, PrimaryPdns
from test_tls import make_ca, make_certificate

OTHER_SECRET = "YW5vdGhlciBzZWNyZXQgb2YgdGhlIHNhbWUgc2l6ZSE="
KEYRING = dns.tsigkeyring.from_text({"dhcp.": SECRET})

# Every shape of data that a user's zone may have, as BIND writes it.
RICH = """$ORIGIN move.test.
$TTL 3600
@	SOA	ns1 hostmaster.move.test. 2026112203 7200 900 1209600 300
@	NS	ns1
@	NS	ns2.elsewhere.test.
@	MX	10 mail
@	TXT	"v=spf1 -all" "second string"
@	CAA	0 issue "ca.test"
ns1	A	192.0.2.1
ns1	AAAA	2001:db8::1
mail	300 A	192.0.2.2
mail	300 A	192.0.2.3
WWW	CNAME	Mail.move.test.
*.wild	60 TXT	"a wildcard"
_sip._tcp	SRV	1 2 5060 mail
svc	HTTPS	1 . alpn=h2,h3 ipv4hint=192.0.2.9
a\\.dot	A	192.0.2.4
sub	NS	ns.sub
sub	DS	12345 13 2 0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF
ns.sub	A	192.0.2.5
alias	DNAME	other.test.
host	SSHFP	4 2 0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF
host	NAPTR	100 10 "u" "E2U+sip" "!^.*$!sip:info@move.test!" .
host	LOC	52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m
host	TYPE65280	\\# 4 DEADBEEF
long	TXT	""" + " ".join('"%s"' % (chr(97 + i) * 255) for i in range(12)) + "\n"


def rrs(text, more):
    zone = dns.zone.from_text(text, relativize=False)
    return list(zone.iterate_rdatas()) + [None] * more


def big_zone(count):
    return RICH + "".join("h%d\tA\t10.%d.%d.%d\n" % (i, i >> 16, i >> 8 & 255, i & 255) for i in range(count))


@pytest.fixture
def primary(folder):
    started = []

    def start(kind, zone=RICH, allow="key", tls=False):
        started.append(kind(folder, "move.test.", zone, allow))
        if tls:
            pem = started[-1].pem = started[-1].dir
            make_ca(pem)
            make_certificate(pem)
            os.chmod(os.path.join(pem, "server.key"), 0o644)
        return started[-1].serve()
    yield start
    for p in started:
        p.stop()


@pytest.fixture
def moving(make_gateway):
    """A gateway with an empty zone move.test."""
    def make(**kw):
        config = CONFIG + "  - {name: move.test., allow-transfer: [127.0.0.1], allow-update: [key dhcp.]}\n"
        return make_gateway(config, files=dict(kw.pop("files", {}), **{"other.key": keyfile(secret=OTHER_SECRET)}), **kw)
    return make


def zone_of(port, signed=False):
    """All records as text, the SOA's serial left out."""
    zone = dns.zone.Zone("move.test.", relativize=False)
    query, _ = dns.xfr.make_query(zone, serial=None, **({"keyring": KEYRING, "keyname": "dhcp.", "keyalgorithm": "hmac-sha256"} if signed else {}))
    dns.query.inbound_xfr("127.0.0.1", zone, query, port=port, timeout=PATIENCE, lifetime=2 * PATIENCE)
    return sorted("%s %d %s %s" % (name.to_text().lower(), rdataset.ttl, dns.rdatatype.to_text(rdataset.rdtype), rdata.to_text())
                  for name, rdataset in zone.iterate_rdatasets() for rdata in rdataset
                  if rdataset.rdtype != dns.rdatatype.SOA), zone.get_soa().serial


def unchanged(g, serial):
    assert g.serial("move.test.") == serial
    assert g.short("mail.move.test") == []


@pytest.mark.parametrize("kind", [PrimaryBind, PrimaryKnot, PrimaryNsd, PrimaryPdns])
def test_a_users_zone_moves_in(moving, primary, kind):
    p = primary(kind)
    g = moving()
    out = g.ctl("import", "move.test.", "--from", "127.0.0.1@%d" % p.port, "--key", "dhcp.").stdout
    assert "move.test. is at version 2" in out
    theirs, ours = zone_of(p.port, True), zone_of(g.port)
    assert theirs[0] == ours[0] and len(ours[0]) > 20
    assert ours[1] == theirs[1] == 2026112203, "the serial is kept where it is greater"
    # Again: nothing to change; in between an update: the content is theirs again, the serial goes up.
    assert "nothing to change" in g.ctl("import", "move.test.", "--from", "127.0.0.1@%d" % p.port, "--key-file", os.path.join(g.dir, "dhcp.key")).stdout
    g.nsupdate("update add new.move.test. 60 A 192.0.2.77", zone="move.test.")
    assert g.serial("move.test.") == 2026112204
    assert g.ctl("--json", "import", "move.test.", "--from", "127.0.0.1@%d" % p.port, "--key", "DHCP").stdout.startswith('{"name":"move.test."')
    assert zone_of(g.port) == (theirs[0], 2026112205)
    assert "from=127.0.0.1@%d" % p.port in g.log() and "import" in g.ctl("log", "move.test.").stdout
    g.restart()
    assert zone_of(g.port) == (theirs[0], 2026112205)


@pytest.mark.parametrize("kind, signed", [(PrimaryBind, False), (PrimaryKnot, True), (PrimaryNsd, True)] + ([(PrimaryBind, True), (PrimaryKnot, False), (PrimaryNsd, False)] if LONG else []))
def test_a_zone_of_many_messages(moving, primary, kind, signed):
    """NSD signs one message in a hundred (RFC 8945 5.3.1), BIND and Knot each."""
    count = 1000000 if LONG else 60000
    p = primary(kind, big_zone(count), "key" if signed else "any")
    g = moving()
    g.ctl("import", "move.test.", "--from", "127.0.0.1@%d" % p.port, *(["--key", "dhcp."] if signed else []), timeout=300)
    assert g.short("h%d.move.test" % (count - 1)) == ["10.%d.%d.%d" % ((count - 1) >> 16, (count - 1) >> 8 & 255, (count - 1) & 255)]
    assert "records %d " % len(rrs(RICH, count)) in g.ctl("zones").stdout
    answers = [run("dig", "@127.0.0.1", "-p", port, "move.test.", "AXFR", "+noall", "+answer", "-k", os.path.join(g.dir, "dhcp.key"), timeout=300).stdout
               for port in ((g.port, p.port) if signed else ())]
    lines = [sorted(x.lower() for x in text.splitlines() if "TSIG" not in x and not x.startswith(";")) for text in answers]
    assert not signed or lines[0] == lines[1]


def test_updates_go_on_meanwhile(moving, primary):
    """What was imported is one version, whole, wherever in the log it came to stand; no update that was accepted is half in it."""
    count = 30000
    p = primary(PrimaryNsd, big_zone(count), "any")
    g = moving()
    done, sent = threading.Event(), [0]

    def update():
        while not done.is_set():
            sent[0] += 1
            g.nsupdate("update add u%d.move.test. 60 A 192.0.2.77" % sent[0], zone="move.test.")
    threads = [threading.Thread(target=update) for _ in range(2)]
    for t in threads:
        t.start()
    try:
        for _ in range(4 if LONG else 2):
            out = g.ctl("import", "move.test.", "--from", "127.0.0.1@%d" % p.port, timeout=300).stdout
            version = int(out.split()[-1])
            dump = g.ctl("dump", "move.test.", "--at", str(version), timeout=300).stdout.splitlines()
            assert len([x for x in dump if x.split()[0].startswith("h") and "10." in x]) >= count and not [x for x in dump if x.startswith("u")]
            # Something changes before the next one: of so many that two threads begin, one is answered.
            after = sent[0]
            eventually(lambda: sent[0] >= after + 4 or not all(t.is_alive() for t in threads))
            assert all(t.is_alive() for t in threads)
    finally:
        done.set()
        for t in threads:
            t.join()
    assert g.ctl("log", "move.test.", "--verify").returncode == 0


@pytest.mark.parametrize("kind", [PrimaryBind, PrimaryNsd])
def test_over_tls(moving, primary, kind):
    p = primary(kind, tls=True)
    g = moving()
    source = ["import", "move.test.", "--from", "127.0.0.1@%d" % p.tls, "--key", "dhcp."]
    ca = ["--tls-ca", os.path.join(p.dir, "ca.pem")]
    # Another CA, another name.
    os.mkdir(os.path.join(g.dir, "other"))
    make_ca(os.path.join(g.dir, "other"))
    for options, reason in (
            (["--tls-ca", os.path.join(g.dir, "other", "ca.pem")], "certificate is not good"),
            (ca + ["--tls-hostname", "other.test"], "certificate is not good: hostname mismatch"),
            (["--tls-ca", os.path.join(g.dir, "dhcp.key")], "no certificate in PEM form")):
        r = g.ctl(*source, *options, check=False)
        assert r.returncode == 1 and reason in r.stderr, r.stderr
    unchanged(g, 1)
    assert "version 2" in g.ctl(*source, *ca).stdout
    assert "nothing to change" in g.ctl(*source, *ca, "--tls-hostname", "gw.example.test").stdout
    assert "nothing to change" in g.ctl(*source, "--tls").stdout
    assert zone_of(g.port)[0] == zone_of(p.port, True)[0]


@pytest.mark.parametrize("kind", [PrimaryBind, PrimaryKnot, PrimaryNsd, PrimaryPdns])
def test_what_their_servers_say_no_to(moving, primary, kind):
    p = primary(kind)
    g = moving(files={"sha1.key": keyfile(algorithm="hmac-sha1"), "unknown.key": keyfile("unknown."),
                      "two.key": keyfile("a.") + keyfile("b.")})

    def refused(zone, *options):
        r = g.ctl("import", zone, "--from", "127.0.0.1@%d" % p.port, *options, check=False)
        assert r.returncode == 1 and r.stdout == "" and "127.0.0.1@%d" % p.port in r.stderr, r
        return r.stderr
    file = lambda name: ("--key-file", os.path.join(g.dir, name))
    assert "REFUSED" in refused("move.test.") or kind is not PrimaryBind
    refused("move.test.")
    # PowerDNS says NOTAUTH without a TSIG: which of the two it is only its log knows.
    bad = "the server has no zone move.test., or not for us (NOTAUTH)" if kind is PrimaryPdns else None
    assert (bad or "another secret for the key dhcp. (BADSIG)") in refused("move.test.", *file("other.key"))
    assert (bad or "does not know the key unknown.") in refused("move.test.", *file("unknown.key"))
    assert "does not know the key dhcp., or not with this algorithm" in refused("move.test.", *file("sha1.key")) or kind is not PrimaryKnot
    # Theirs has no such zone.
    reason = refused("example.test.", "--key", "dhcp.")
    assert "the server has no zone example.test." in reason or "refuses" in reason
    unchanged(g, 1)
    # What is wrong on this side.
    for arguments, reason in ((("move.test.", "--key", "nokey."), "no key nokey. in the configuration"),
                              (("move.test.", *file("two.key")), "more than one key"),
                              (("move.test.", *file("example.test.zone")), "example.test.zone:1:"),
                              (("none.test.",), "no zone none.test. here"),
                              (("move.test.", "--tls-hostname", "x"), "--tls-ca")):
        r = g.ctl("import", arguments[0], "--from", "127.0.0.1@%d" % p.port, *arguments[1:], check=False)
        assert r.returncode == 1 and reason in r.stderr, r.stderr
    for source in ("localhost@53", "127.0.0.1@0", "127.0.0.1@x", "", "@53"):
        assert "is no ADDRESS[@PORT]" in g.ctl("import", "move.test.", "--from=" + source, check=False).stderr
    assert "refused" in g.ctl("import", "move.test.", "--from", "127.0.0.1@%d" % free_port(), check=False).stderr.lower()
    for wrong in (["import", "move.test."], ["import", "move.test.", "x", "--from", "127.0.0.1"], ["import", "move.test.", "x", "--tls"],
                  ["import", "move.test.", "--from", "127.0.0.1", "--key", "a", "--key-file", "b"]):
        assert g.ctl(*wrong, check=False).returncode == 2, wrong


def test_a_zone_is_added_with_its_content(gateway, primary):
    g, p = gateway, primary(PrimaryNsd)
    source = ("--from", "127.0.0.1@%d" % p.port)
    for wrong, reason in ((("--key-file", os.path.join(g.dir, "example.test.zone")), "zone:1:"), ((), "refuse"), (("--key", "none."), "no key none.")):
        r = g.ctl("add", "move.test.", "--store", "local", *source, *wrong, check=False)
        assert r.returncode == 1 and reason in r.stderr.lower(), r
        assert "move.test." not in g.ctl("zones").stdout and "status: REFUSED" in g.dig("move.test.", "SOA")
    assert g.ctl("add", "move.test.", *source, check=False).returncode == 2
    assert g.ctl("add", "move.test.", "--store", "local", "--file", "x", *source, check=False).returncode == 1
    out = g.ctl("add", "move.test.", "--store", "local", "--policy", "grant dhcp. zonesub ANY", *source, "--key", "dhcp.").stdout
    assert "move.test. is at version" in out and g.serial("move.test.") == 2026112203
    g.nsupdate("update add new.move.test. 60 A 192.0.2.77", zone="move.test.")
    g.restart()
    assert g.short("new.move.test") == ["192.0.2.77"] and g.short("mail.move.test") == ["192.0.2.2", "192.0.2.3"]


# ---- a server that does what it should not ----

SOA = dns.rrset.from_text("move.test.", 3600, "IN", "SOA", "ns1.move.test. hostmaster.move.test. 7 7200 900 1209600 300")
NEXT_SOA = dns.rrset.from_text("move.test.", 3600, "IN", "SOA", "ns1.move.test. hostmaster.move.test. 8 7200 900 1209600 300")
NS = dns.rrset.from_text("move.test.", 3600, "IN", "NS", "ns1.move.test.")


def addresses(first, count=300):
    return [dns.rrset.from_text("m%d.move.test." % i, 60, "IN", "A", "192.0.2.1") for i in range(first, first + count)]


def serve(messages, sign=None, change=None, keep_open=False, question=True, flags=dns.flags.QR | dns.flags.AA, wrong_id=False):
    """A server for one connection. messages: lists of RRsets; sign: which of them have a TSIG; change: one whose octets are
    changed after it was signed."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer():
        connection, _ = listener.accept()
        connection.settimeout(PATIENCE)
        with connection, listener:
            size = struct.unpack("!H", connection.recv(2, socket.MSG_WAITALL))[0]
            query = dns.message.from_wire(connection.recv(size, socket.MSG_WAITALL), keyring=KEYRING)
            context = None
            for number, sets in enumerate(messages):
                m = dns.message.Message((query.id + 1) & 0xffff if wrong_id else query.id)
                m.flags = flags
                if question and number == 0:
                    m.question = query.question
                m.answer = list(sets)
                signed = sign is not None and number in sign
                if signed:
                    m.use_tsig(query.keyring, keyname="dhcp.", algorithm="hmac-sha256")
                    m.request_mac = query.mac if number == 0 else b""
                    wire = m.to_wire(multi=True, tsig_ctx=context)
                    context = m.tsig_ctx
                else:
                    wire = m.to_wire()
                    if context:
                        context.update(wire)
                if change == number:
                    at = wire.index(b"\xc0\x00\x02\x01")
                    wire = wire[:at + 3] + b"\x02" + wire[at + 4:]
                connection.sendall(struct.pack("!H", len(wire)) + wire)
            if keep_open:
                connection.recv(1)

    def run_answer():
        try:
            answer()
        except OSError:
            pass  # who has seen enough hangs up
    thread = threading.Thread(target=run_answer, daemon=True)
    thread.start()
    return listener.getsockname()[1], thread


GOOD = [[SOA, NS] + addresses(0)] + [addresses(300 * i) for i in range(1, 5)] + [addresses(1500) + [SOA]]


def test_one_signature_for_many_messages(moving):
    g = moving()
    port, thread = serve(GOOD, sign={0, 3, 5})
    assert "version 2" in g.ctl("import", "move.test.", "--from", "127.0.0.1@%d" % port, "--key", "dhcp.").stdout
    thread.join(PATIENCE)
    assert "serial 7 version 2 records 1802 " in g.ctl("zones").stdout
    # 99 without a signature are fine, one more is not (RFC 8945 5.3.1).
    small = [[SOA, NS]] + [addresses(i, 1) for i in range(99)]
    port, _ = serve(small + [[SOA]], sign={0, 100})
    g.ctl("import", "move.test.", "--from", "127.0.0.1@%d" % port, "--key", "dhcp.")
    port, _ = serve(small + [addresses(99, 1), [SOA]], sign={0, 101})
    assert "100 messages without a signature" in g.ctl("import", "move.test.", "--from", "127.0.0.1@%d" % port, "--key", "dhcp.", check=False).stderr
    assert "records 101 " in g.ctl("zones").stdout


BAD = {
    "a stream that ends early": (GOOD[:3], {}, "after 902 records, before the zone's end: nothing is imported"),
    "no record at all": ([[]], {}, "no records"),
    "no SOA at the start": ([[NS, SOA]], {}, "begins with move.test. NS instead of a SOA"),
    "a SOA alone": ([[SOA], [SOA]], {}, "no NS at move.test."),
    "an answer to IXFR": ([[SOA]], {"keep_open": False}, "before the zone's end"),
    "another serial at the end": ([[SOA, NS], [NEXT_SOA]], {}, "began with serial 7 and ends with 8"),
    "records behind the end": ([[SOA, NS], [SOA] + addresses(0, 1)], {}, "comes behind the zone's end"),
    "a name outside": ([[SOA, NS, dns.rrset.from_text("www.other.test.", 60, "IN", "A", "192.0.2.1"), SOA]], {}, "www.other.test. A is not in the zone"),
    "a second apex": ([[SOA, NS, dns.rrset.from_text("sub.move.test.", 60, "IN", "SOA", "a. b. 1 2 3 4 5"), SOA]], {}, "a SOA at sub.move.test."),
    "CNAME and other data": ([[SOA, NS, dns.rrset.from_text("x.move.test.", 60, "IN", "CNAME", "y."), dns.rrset.from_text("x.move.test.", 60, "IN", "A", "192.0.2.1"),
                               SOA]], {}, "CNAME and other data at x.move.test."),
    "another class": ([[SOA, NS, dns.rrset.from_text("x.move.test.", 60, "CH", "TXT", "x"), SOA]], {}, "x.move.test. TXT cannot be in a zone"),
    "another id": (GOOD, {"wrong_id": True}, "not an answer to our question"),
    "no response": (GOOD, {"flags": 0}, "not an answer to our question"),
    "a cut message": (GOOD, {"flags": dns.flags.QR | dns.flags.TC}, "is cut (TC=1)"),
    "SERVFAIL": ([[]], {"flags": dns.flags.QR | dns.rcode.SERVFAIL}, "does not transfer move.test.: SERVFAIL"),
    "no signature": (GOOD, {"key": True}, "not signed"),
    "no signature on the last": (GOOD, {"key": True, "sign": {0, 3}}, "the last message is not signed"),
    "a changed message that is signed": (GOOD, {"key": True, "sign": set(range(6)), "change": 2}, "signature of message 3 is wrong"),
    "a changed message that is not": (GOOD, {"key": True, "sign": {0, 3, 5}, "change": 1}, "signature of message 4 is wrong"),
    "a changed last message": (GOOD, {"key": True, "sign": {0, 5}, "change": 5}, "signature of message 6 is wrong"),
    "a changed first message": (GOOD, {"key": True, "sign": {0, 5}, "change": 0}, "signature of message 1 is wrong"),
}


@pytest.fixture(scope="module")
def still(tmp_path_factory):
    """One gateway for all that fails: none of it may change anything."""
    import tempfile
    from conftest import Gateway
    path = tempfile.mkdtemp(prefix="zg-")
    config = CONFIG + "  - {name: move.test., allow-transfer: [127.0.0.1]}\n"
    g = Gateway(path, config, {"dhcp.key": keyfile(), "example.test.zone": ZONE}).start()
    yield g
    g.stop()
    run("rm", "-rf", path)


@pytest.mark.parametrize("case", sorted(BAD))
def test_nothing_is_imported_of(still, case):
    messages, options, reason = BAD[case]
    options = dict(options)
    key = ["--key", "dhcp."] if options.pop("key", False) else []
    port, thread = serve(messages, **options)
    r = still.ctl("import", "move.test.", "--from", "127.0.0.1@%d" % port, *key, check=False)
    assert r.returncode == 1 and reason in r.stderr, r
    assert "move.test. serial 1 version 1 records 2 " in still.ctl("zones").stdout


def test_rubbish_and_silence(still):
    """Octets that are no message end it; a server that says nothing keeps nobody but its caller waiting."""
    for octets in (b"\x00\x05hello", b"\x00\x00", b"HTTP/1.1 400 Bad Request\r\n\r\n" * 999):
        listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=lambda: [c.sendall(octets) or c.close() for c in [listener.accept()[0]]], daemon=True).start()
        r = still.ctl("import", "move.test.", "--from", "127.0.0.1@%d" % listener.getsockname()[1], check=False)
        assert r.returncode == 1 and r.stderr, r
        listener.close()
    with socket.create_server(("127.0.0.1", 0)) as plain:
        threading.Thread(target=lambda: [c.recv(2048) and c.sendall(b"HTTP/1.1 400 Bad Request\r\n") or c.close() for c in [plain.accept()[0]]], daemon=True).start()
        r = still.ctl("import", "move.test.", "--from", "127.0.0.1@%d" % plain.getsockname()[1], "--tls", check=False)
        assert r.returncode == 1 and "no handshake" in r.stderr, r
    with socket.create_server(("127.0.0.1", 0)) as silent:
        waiting = subprocess.Popen(["zonegatectl"] + ["-c", still.config_path, "import", "move.test.", "--from", "127.0.0.1@%d" % silent.getsockname()[1]],
                                   executable=os.path.join(os.environ.get("ZONEGATE_BUILD", "."), "zonegatectl"), stderr=subprocess.PIPE)
        connection, _ = silent.accept()
        # Meanwhile everything else works, a reload too.
        still.ctl("reload")
        assert still.short("ns1.example.test") == ["127.0.0.1"]
        waiting.kill()
        waiting.communicate()
        connection.settimeout(PATIENCE)
        while connection.recv(4096):  # the query, then the end: nobody waits any more
            pass
        connection.close()
    assert "move.test. serial 1 version 1 records 2 " in still.ctl("zones").stdout


def test_a_zone_without_end_is_given_up_once_nobody_waits(still):
    with socket.create_server(("127.0.0.1", 0)) as endless:
        waiting = subprocess.Popen([ZONEGATECTL, "-c", still.config_path, "import", "move.test.", "--from", "127.0.0.1@%d" % endless.getsockname()[1]],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        connection, _ = endless.accept()
        with connection:
            query = dns.message.from_wire(connection.recv(2048)[2:])
            parts = []
            for sets in ([SOA, NS], addresses(0)):
                m = dns.message.Message(query.id)
                m.flags = dns.flags.QR | dns.flags.AA
                m.answer = list(sets)
                parts.append(struct.pack("!H", len(m.to_wire())) + m.to_wire())
            connection.settimeout(60)
            connection.sendall(parts[0] + parts[1])
            waiting.kill()
            waiting.wait()
            end = time.monotonic() + 60
            with pytest.raises(OSError):
                while time.monotonic() < end:
                    connection.sendall(parts[1] * 100)
    assert "move.test. serial 1 version 1 records 2 " in still.ctl("zones").stdout
