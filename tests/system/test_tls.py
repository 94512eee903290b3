"""DNS over TLS, transfer over TLS, cookies, rate limiting, keepalive and padding, with the clients that people have."""
import contextlib
import os
import re
import select
import signal
import socket
import ssl
import struct
import subprocess
import threading
import time
import urllib.request

import dns.edns
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsigkeyring
import dns.update
import pytest

from conftest import CONFIG, LONG, PATIENCE, SECRET, ZONE, ZONEGATED, eventually, free_port, run

TLS_CONFIG = CONFIG.replace("  identity: gw1\n", "  identity: gw1\n  listen-tls: [127.0.0.1@TLSP]\n"
                            "  tls: {certificate: server.pem, key: server.key}\n")
KEYRING = dns.tsigkeyring.from_text({"dhcp.": SECRET})


def openssl(folder, *arguments, **kw):
    return run("openssl", *arguments, cwd=folder, **kw)


def make_ca(folder):
    openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
            "-days", "2", "-subj", "/CN=test CA")


def make_certificate(folder, name="server", serial=1):
    openssl(folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", name + ".key", "-out", name + ".csr",
            "-subj", "/CN=gw.example.test")
    with open(os.path.join(folder, "ext"), "w") as f:
        f.write("subjectAltName=DNS:gw.example.test,IP:127.0.0.1\n")
    openssl(folder, "x509", "-req", "-in", name + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-set_serial", str(serial), "-days", "2",
            "-extfile", "ext", "-out", name + ".pem")


@pytest.fixture
def tls(make_gateway):
    """A gateway with TLS: g.tls is its port."""
    def make(config=TLS_CONFIG, **kw):
        g = make_gateway(config, start=False, **kw)
        g.tls = free_port()
        g.write_config(config.replace("TLSP", str(g.tls)))
        make_ca(g.dir)
        make_certificate(g.dir)
        return g.start()
    return make


def context(g, **kw):
    c = ssl.create_default_context(cafile=os.path.join(g.dir, "ca.pem"))
    c.set_alpn_protocols(["dot"])
    return c


def connect(g, c=None, session=None):
    s = (c or context(g)).wrap_socket(socket.create_connection(("127.0.0.1", g.tls), PATIENCE), server_hostname="gw.example.test", session=session)
    s.settimeout(PATIENCE)
    return s


def frame(name="ns1.example.test.", rrtype="A", **kw):
    wire = dns.message.make_query(name, rrtype, **kw).to_wire()
    return struct.pack("!H", len(wire)) + wire


def read_messages(s, count):
    data, found = b"", []
    while len(found) < count:
        more = s.recv(65536)
        assert more, "the connection ended after %d of %d answers" % (len(found), count)
        data += more
        while len(data) >= 2 and len(data) >= 2 + struct.unpack("!H", data[:2])[0]:
            size = struct.unpack("!H", data[:2])[0]
            found.append(data[2:2 + size])
            data = data[2 + size:]
    return found


def metric(g, name):
    text = urllib.request.urlopen("http://127.0.0.1:%d/metrics" % g.http, timeout=PATIENCE).read().decode()
    return int(re.search(r"^zonegate_%s (\d+)$" % re.escape(name), text, re.M).group(1))


def write_some(s, octets):
    """What a connection that does not block takes; the rest. (One thread for both ways: OpenSSL's connections are not for two.)"""
    with contextlib.suppress(ssl.SSLWantWriteError, ssl.SSLWantReadError):
        while octets:
            octets = octets[s.send(octets[:16384]):]
    return octets


def read_some(s):
    """What has come on a connection that does not block."""
    found = []
    with contextlib.suppress(ssl.SSLWantReadError):
        while more := s.recv(65536):
            found.append(more)
        raise AssertionError("the connection ended")
    return b"".join(found)


# ---- TLS ----

def test_clients_query_and_transfer(tls):
    g = tls()
    ca = os.path.join(g.dir, "ca.pem")
    kdig = ["kdig", "@127.0.0.1", "-p", g.tls, "+timeout=%d" % PATIENCE, "+retry=0"]
    for options in (["+tls"], ["+tls-ca=" + ca, "+tls-hostname=gw.example.test"], ["+tls-ca=" + ca, "+keepopen"]):
        out = run(*kdig, *options, "ns1.example.test", "A", "ns2.example.test", "A").stdout
        assert out.count("status: NOERROR") == 2 and out.count("127.0.0.1") >= 2, out
    # Another CA is an error of the client's.
    assert run(*kdig, "+tls-ca=/etc/ssl/certs/ca-certificates.crt", "ns1.example.test", check=False).returncode != 0
    dig = ["dig", "@127.0.0.1", "-p", g.tls, "+norec", "+tries=1", "+time=%d" % PATIENCE]
    assert "127.0.0.1" in run(*dig, "+tls", "+short", "ns1.example.test").stdout
    assert "127.0.0.1" in run(*dig, "+tls-ca=" + ca, "+tls-hostname=gw.example.test", "+short", "ns1.example.test").stdout
    # RFC 9103: AXFR and IXFR, plain and signed.
    key = os.path.join(g.dir, "dhcp.key")
    for command in (dig + ["+tls-ca=" + ca], dig + ["+tls", "-k", key], kdig + ["+tls-ca=" + ca], kdig + ["+tls", "-y", "hmac-sha256:dhcp.:" + SECRET]):
        out = run(*command, "example.test.", "AXFR").stdout
        assert len([x for x in out.splitlines() if re.match(r"\S+\s+\d+\s+IN\s", x)]) == 6, out
    assert metric(g, 'queries_total{transport="tls",rcode="NOERROR"}') >= 12


def test_update_over_tls(tls):
    g = tls()
    u = dns.update.Update("example.test.", keyring=KEYRING, keyname="dhcp.", keyalgorithm="hmac-sha256")
    u.add("new", 300, "A", "192.0.2.77")
    r = dns.query.tls(u, "127.0.0.1", port=g.tls, ssl_context=context(g), server_hostname="gw.example.test", timeout=PATIENCE)
    assert r.rcode() == dns.rcode.NOERROR and r.had_tsig
    assert g.short("new.example.test") == ["192.0.2.77"]
    assert '"transport":"tls"' in g.ctl("log", "example.test.", "--raw").stdout.replace(" ", "")
    with open(os.path.join(g.dir, "audit.log")) as f:
        assert '"tls"' in f.read()


def test_versions_ciphers_and_protocols(tls):
    g = tls()
    client = ["s_client", "-connect", "127.0.0.1:%d" % g.tls, "-CAfile", "ca.pem", "-verify_return_error"]
    for suite in ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"):
        out = openssl(g.dir, *client, "-tls1_3", "-ciphersuites", suite, "-alpn", "dot", input="", timeout=PATIENCE).stdout
        assert suite in out and "ALPN protocol: dot" in out and "Verify return code: 0 (ok)" in out
    for version in ("-tls1_2", "-tls1_1", "-tls1"):
        r = openssl(g.dir, *client, version, "-cipher", "ALL:@SECLEVEL=0", input="", check=False, timeout=PATIENCE)
        assert r.returncode != 0 and "alert protocol version" in r.stderr, r.stderr
    r = openssl(g.dir, *client, "-alpn", "h2", input="", check=False, timeout=PATIENCE)
    assert r.returncode != 0 and "no application protocol" in r.stderr
    eventually(lambda: metric(g, 'tls_handshakes_total{result="failed"}') >= 4)     # the client knows it first
    assert metric(g, 'tls_handshakes_total{result="failed"}') == 4


def test_sessions_are_resumed_also_after_a_reload(tls):
    g = tls()
    c, session = context(g), None
    for i in range(3):
        s = connect(g, c, session)
        assert s.session_reused == (i > 0)
        s.sendall(frame())
        read_messages(s, 1)
        session = s.session
        s.close()
        if i == 1:
            g.ctl("reload")
    assert metric(g, 'tls_handshakes_total{result="resumed"}') == 2


def test_pipelined_queries_in_any_packing(tls):
    g = tls()
    c = context(g)
    want = [frame("%s.example.test." % name) for name in ("ns1", "ns2", "nope")] * 400
    ids = sorted(x[2:4] for x in want)
    s = connect(g, c)
    s.sendall(b"".join(want))  # many messages a record, and messages across records
    assert sorted(x[:2] for x in read_messages(s, len(want))) == ids
    for one in want[:50]:      # a record each
        s.sendall(one)
    assert sorted(x[:2] for x in read_messages(s, 50)) == sorted(x[2:4] for x in want[:50])
    for byte in want[0]:       # an octet each
        s.sendall(bytes([byte]))
    assert read_messages(s, 1)[0][:2] == want[0][2:4]
    # One that does not read: the others do not notice, and then it gets all.
    slow, rest, data = connect(g, c), frame("ns1.example.test.", "A") * 30000, b""
    slow.setblocking(False)
    rest = write_some(slow, rest)
    time.sleep(0.3)
    s.sendall(want[0])
    read_messages(s, 1)
    while len(data) < 2 or len(data) < 30000 * (2 + struct.unpack("!H", data[:2])[0]):      # one question: answers of one length
        assert any(select.select([slow], [slow] if rest else [], [], PATIENCE)), "%d octets" % len(data)
        rest, data = write_some(slow, rest), data + read_some(slow)
    assert not rest and data == data[:len(data) // 30000] * 30000
    slow.close()
    s.close()


def test_a_large_zone_over_tls_to_a_slow_reader(tls):
    records = 200000 if LONG else 40000
    g = tls(files={"example.test.zone": ZONE + "".join("h%d A 10.0.%d.%d\n" % (i, i >> 8 & 255, i & 255) for i in range(records))})
    s = connect(g)
    wire = dns.message.make_query("example.test.", "AXFR").to_wire()
    s.sendall(struct.pack("!H", len(wire)) + wire)
    time.sleep(0.3)
    seen, data, soa = 0, b"", 0
    while soa < 2:
        more = s.recv(4096)
        assert more
        data += more
        while len(data) >= 2 and len(data) >= 2 + struct.unpack("!H", data[:2])[0]:
            size = struct.unpack("!H", data[:2])[0]
            m, data = dns.message.from_wire(data[2:2 + size], one_rr_per_rrset=True), data[2 + size:]
            seen += len(m.answer)
            soa += sum(r.rdtype == dns.rdatatype.SOA for r in m.answer)
    assert seen == records + 6


def test_a_new_certificate_while_queries_run(tls):
    g = tls()
    serial = lambda: int(openssl(g.dir, "x509", "-noout", "-serial", input=ssl.get_server_certificate(("127.0.0.1", g.tls))).stdout.split("=")[1], 16)
    done, asked, failed = threading.Event(), [0], []

    def ask():
        try:
            s = connect(g)
            while not done.is_set():
                s.sendall(frame())
                read_messages(s, 1)
                asked[0] += 1
            s.close()
        except Exception as e:
            failed.append(e)
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for t in threads:
        t.start()
    assert serial() == 1
    for number in (2, 3):
        make_certificate(g.dir, serial=number)
        if number == 2:
            g.ctl("reload")
        else:
            g.proc.send_signal(signal.SIGHUP)
        eventually(lambda: serial() == number)
    # A wrong one changes nothing, and says why.
    with open(os.path.join(g.dir, "server.pem"), "w") as f:
        f.write("not a certificate\n")
    r = g.ctl("reload", check=False)
    assert r.returncode == 1 and "server.pem: no certificate" in r.stderr + r.stdout
    assert serial() == 3
    done.set()
    for t in threads:
        t.join()
    assert not failed and asked[0] > 0


def test_mistakes_in_files_are_said_at_start_and_by_the_check(tls):
    g = tls()
    g.stop()
    openssl(g.dir, "genpkey", "-algorithm", "ED25519", "-out", "other.key")
    openssl(g.dir, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "other2.key")
    openssl(g.dir, "pkey", "-in", "server.key", "-aes256", "-passout", "pass:secret", "-out", "locked.key")
    with open(g.config_path) as f:
        text = f.read()
    for old, new, says in (
            ("server.pem", "missing.pem", "missing.pem: No such file or directory"), ("server.key", "missing.key", "missing.key: No such file or directory"),
            ("server.pem", "dhcp.key", "dhcp.key: no certificate in PEM form"), ("server.key", "server.pem", "server.pem: no key in PEM form"),
            ("server.key", "other.key", "other.key: not the key of the certificate"), ("server.key", "other2.key", "other2.key: not the key of the certificate"),
            ("server.key", "locked.key", "locked.key: the key has a pass phrase"), ("  tls: {certificate: server.pem, key: server.key}\n", "", ":8: listen-tls: tls: ")):
        with open(g.config_path, "w") as f:
            f.write(text.replace(old, new))
        for options in (["-t"], []):
            r = run(ZONEGATED, "-c", g.config_path, *options, check=False, cwd=g.dir, stdin=-3)
            assert r.returncode == 1 and says in r.stderr, (says, r.stderr)


def test_rubbish_and_silence_instead_of_a_handshake(tls):
    g = tls(TLS_CONFIG.replace("  identity: gw1\n", "  identity: gw1\n  tcp-idle: 3s\n", 1))
    silent = [socket.create_connection(("127.0.0.1", g.tls)) for _ in range(20)]
    for rubbish in (b"GET / HTTP/1.0\r\n\r\n", os.urandom(3000), frame(), b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(600)):
        with socket.create_connection(("127.0.0.1", g.tls), PATIENCE) as s:
            s.sendall(rubbish)
            s.settimeout(PATIENCE)
            try:
                while s.recv(4096):
                    pass
            except OSError:
                pass
    s = connect(g)
    s.sendall(frame())
    read_messages(s, 1)
    for one in silent:
        one.settimeout(PATIENCE)
        assert one.recv(1) == b""
        one.close()


def test_padding_and_keepalive(tls):
    g = tls()
    options = [dns.edns.GenericOption(12, b""), dns.edns.GenericOption(11, b"")]
    s = connect(g)
    for name in ("ns1", "ns2", "a-name-that-is-not-there-and-is-long", "x"):
        q = dns.message.make_query(name + ".example.test.", "A", use_edns=0, options=options)
        s.sendall(struct.pack("!H", len(q.to_wire())) + q.to_wire())
        wire = read_messages(s, 1)[0]
        assert len(wire) == 468
        assert [o.to_wire() for o in dns.message.from_wire(wire).options if o.otype == 11] == [struct.pack("!H", 100)]
    # Neither is for UDP; padding is not for what all can read (RFC 7830 6).
    r = dns.query.udp(q, "127.0.0.1", port=g.port, timeout=PATIENCE)
    assert not r.options
    r = dns.query.tcp(q, "127.0.0.1", port=g.port, timeout=PATIENCE)
    assert [o.otype for o in r.options] == [11]


# ---- cookies ----

def cookie_of(text):
    found = re.search(r"COOKIE: ([0-9a-f]+)", text)
    return found.group(1) if found else None


def ask_cookie(g, value, tcp=False, source=None, timeout=PATIENCE):
    q = dns.message.make_query("ns1.example.test.", "A", use_edns=0, options=[dns.edns.GenericOption(10, value)])
    r = (dns.query.tcp if tcp else dns.query.udp)(q, "127.0.0.1", port=g.port, timeout=timeout, source=source)
    return r.rcode(), b"".join(o.to_wire() for o in r.options if o.otype == 10)


def test_cookies(make_gateway):
    g = make_gateway()
    out = g.dig("+cookie", "ns1.example.test")
    assert "(good)" in out and len(cookie_of(out)) == 48
    client = bytes(range(8))
    rcode, first = ask_cookie(g, client)
    assert rcode == 0 and len(first) == 24 and first[:8] == client and first[8:12] == b"\x01\0\0\0"
    assert ask_cookie(g, first) == (0, first), "a fresh cookie comes back as it is"
    for wrong in (bytes(8) + first[8:], first[:-1] + bytes([first[-1] ^ 1]), client + bytes(8), client + bytes(32)):
        rcode, back = ask_cookie(g, wrong)
        assert rcode == 0 and len(back) == 24 and back[:8] == wrong[:8] and back[8:] != wrong[8:]
    for size in (0, 1, 7, 9, 15, 41, 60):
        assert ask_cookie(g, bytes(size)) == (dns.rcode.FORMERR, b"")
    assert not any(o.otype == 10 for o in dns.query.udp(dns.message.make_query("ns1.example.test.", "A", use_edns=0), "127.0.0.1", port=g.port, timeout=PATIENCE).options)
    assert ask_cookie(g, first, tcp=True) == (0, first)
    assert metric(g, 'cookies_total{verdict="good"}') == 2 and metric(g, 'cookies_total{verdict="bad"}') == 4
    g.ctl("reload")
    assert ask_cookie(g, first) == (0, first), "known after a reload"


def test_servers_with_one_secret_know_each_others_cookies(make_gateway):
    old, new = "e5e973e5a6b2a43f48e7dc849e37bfcf", "445536bcd2513298075a5d379663c962"
    config = CONFIG.replace("  identity: gw1\n", "  identity: gw1\n  cookie-secret: cookie.secret\n")
    a = make_gateway(config, files={"cookie.secret": "# from the example of RFC 9018 A.1\n%s\n" % old})
    b = make_gateway(config, files={"cookie.secret": "%s\n%s\n" % (new, old.upper())})
    _, cookie = ask_cookie(a, b"12345678")
    rcode, renewed = ask_cookie(b, cookie)
    assert renewed[8:] != cookie[8:] and metric(b, 'cookies_total{verdict="good"}') == 1, "a secret that is going out is still good"
    _, cookie = ask_cookie(b, b"12345678")
    assert ask_cookie(a, cookie)[1] != cookie
    a.stop()
    with open(os.path.join(a.dir, "cookie.secret"), "w") as f:
        f.write("%s\n%s\n" % (old, "00" * 15))
    r = run(ZONEGATED, "-c", a.config_path, "-t", check=False, cwd=a.dir)
    assert r.returncode == 1 and "cookie.secret:2: a secret is 32 hexadecimal digits" in r.stderr


def test_cookies_of_bind_and_knot_are_ours_and_ours_theirs(make_gateway):
    secret = "e5e973e5a6b2a43f48e7dc849e37bfcf"
    g = make_gateway(CONFIG.replace("  identity: gw1\n", "  identity: gw1\n  cookie-secret: cookie.secret\n"), files={"cookie.secret": secret + "\n"})
    bind, knot = [type("Other", (), {"port": free_port()}) for _ in range(2)]
    files = {"named.conf": """options { directory "%s"; listen-on port %d { 127.0.0.1; }; listen-on-v6 { none; }; pid-file none; recursion no; require-server-cookie yes;
        cookie-algorithm siphash24; cookie-secret "%s"; }; controls {};
        zone "example.test" { type primary; file "example.test.zone"; };""" % (g.dir, bind.port, secret),
             "knot.conf": """server:
  rundir: %s
  listen: 127.0.0.1@%d
database:
  storage: %s
mod-cookies:
  - id: c
    secret: 0x%s
zone:
  - domain: example.test
    storage: %s
    file: example.test.zone
    zonefile-sync: -1
    module: mod-cookies/c
""" % (g.dir, knot.port, g.dir, secret, g.dir)}
    for name, text in files.items():
        with open(os.path.join(g.dir, name), "w") as f:
            f.write(text)
    running = [subprocess.Popen(c, cwd=g.dir, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
               for c in (["named", "-g", "-c", "named.conf"], ["knotd", "-c", "knot.conf"])]
    try:
        for other in (bind, knot):
            end = time.monotonic() + PATIENCE
            while True:
                try:
                    _, theirs = ask_cookie(other, b"abcdefgh", timeout=1)
                    assert ask_cookie(other, theirs, timeout=1)[0] == 0     # BIND asks for a cookie before it has the zone
                    break
                except Exception:
                    assert time.monotonic() < end, "it does not answer"
                    time.sleep(0.1)
            assert ask_cookie(g, theirs) == (0, theirs), "theirs are known here"
            _, ours = ask_cookie(g, b"hgfedcba")
            rcode, back = ask_cookie(other, ours)
            assert rcode == 0 and back[:12] == ours[:12], "ours are known there"  # BIND asked for one
    finally:
        for p in running:
            p.terminate()
            p.wait(PATIENCE)


# ---- rate limiting ----

ROUND = 20


def flood(g, source, seconds, wire, rate=4000):
    """Queries from `source` as fast as `rate` allows; how many, the answers that come back, and how long it took. After each ROUND
    one with a cookie that is good, and its answer, which comes in any case: never so much is on its way that the system loses some."""
    _, cookie = ask_cookie(g, b"flooding", tcp=True, source=source)
    known = dns.message.make_query("ns1.example.test.", "A", use_edns=0, options=[dns.edns.GenericOption(10, cookie)],
                                   id=int.from_bytes(wire[:2], "big") ^ 1).to_wire()
    sent, answers, start = 0, [], time.monotonic()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((source, 0))
        s.connect(("127.0.0.1", g.port))
        s.settimeout(PATIENCE)
        while time.monotonic() - start < seconds or sent < 10 * ROUND:
            for _ in range(ROUND):
                s.send(wire)
            sent += ROUND
            s.send(known)
            while (answer := s.recv(4096))[:2] != known[:2]:
                answers.append(answer)
            time.sleep(ROUND / rate)
    return sent, answers, time.monotonic() - start


@pytest.mark.parametrize("threads", [1, 2])
def test_rate_limiting(make_gateway, threads):
    seconds, rate = (10, 50) if LONG else (2, 50)
    g = make_gateway(CONFIG.replace("  identity: gw1\n", "  identity: gw1\n  threads: %d\n  rate-limit: {rate: %d, slip: 3}\n" % (threads, rate)))
    wire = dns.message.make_query("ns1.example.test.", "A").to_wire()
    results, running = {}, []
    for source in ("127.1.1.1", "127.1.1.200", "127.9.9.9"):
        t = threading.Thread(target=lambda source=source: results.__setitem__(source, flood(g, source, seconds, wire)))
        t.start()
        running.append(t)
    # Real clients: by TCP always, by UDP with a cookie.
    _, cookie = ask_cookie(g, b"abcdefgh")
    for _ in range(300):
        assert ask_cookie(g, cookie) == (0, cookie)
    assert len(dns.query.tcp(dns.message.make_query("ns1.example.test.", "A"), "127.0.0.1", port=g.port, timeout=PATIENCE).answer) == 1
    for t in running:
        t.join()
    most = rate * (max(took for _, _, took in results.values()) + 1) + rate
    whole = lambda source: [x for x in results[source][1] if not x[2] & 2]
    cut = lambda source: [x for x in results[source][1] if x[2] & 2]
    assert results["127.9.9.9"][0] > 3 * most, "the flood is one"
    assert len(whole("127.9.9.9")) <= most and len(whole("127.1.1.1")) + len(whole("127.1.1.200")) <= most, "a /24 is one client"
    assert len(whole("127.9.9.9")) >= rate * seconds // threads // 2
    slipped = len(cut("127.9.9.9")) / (results["127.9.9.9"][0] - len(whole("127.9.9.9")))
    assert 0.3 < slipped < 0.37, slipped
    assert all(len(x) <= len(wire) + 11 for x in cut("127.9.9.9")), "no larger than the question"
    assert metric(g, 'rate_limited_total{action="drop"}') > metric(g, 'rate_limited_total{action="slip"}') > 0


def test_rate_limiting_changes_at_reload_and_is_off_by_default(make_gateway):
    g = make_gateway()
    wire = dns.message.make_query("nope.example.test.", "A").to_wire()
    sent, answers, _ = flood(g, "127.7.7.7", 0.5, wire)
    assert len(answers) == sent
    with open(g.config_path) as f:
        text = f.read()
    with open(g.config_path, "w") as f:
        f.write(text.replace("  identity: gw1\n", "  identity: gw1\n  rate-limit: {rate: 10, slip: 0}\n"))
    g.ctl("reload")
    sent, answers, took = flood(g, "127.7.7.7", 0.5, wire)
    assert len(answers) <= 10 * (took + 1) + 10 < sent
