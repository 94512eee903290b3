"""Client certificates as an identity: whose certificate a CA of ours has signed may transfer and update what rules say."""
import json
import os
import re
import socket
import ssl
import struct
import threading

import dns.message
import dns.query
import dns.rcode
import dns.tsigkeyring
import dns.update
import pytest

from conftest import PATIENCE, SECRET, ZONEGATED, eventually, free_port, run
from test_tls import TLS_CONFIG, connect, context, frame, make_ca, make_certificate, openssl, read_messages

CERT_CONFIG = TLS_CONFIG.replace("key: server.key}", "key: server.key, client-ca: clients.pem}").replace("""    update-policy:
      - grant dhcp. zonesub ANY
    allow-transfer: [key dhcp., 127.0.0.1]
""", """    update-policy:
      - deny cert:bad.hosts.example.test. zonesub ANY
      - grant cert:*.hosts.example.test. self . A AAAA
      - grant cert:acme.example.test. name _acme-challenge.example.test. TXT
      - grant dhcp. name signed.example.test. A
    allow-transfer: ["!cert:bad.secondaries.example.test", "cert:*.secondaries.example.test", cert:ns2.example.test]
""")
KEYRING = dns.tsigkeyring.from_text({"dhcp.": SECRET})


def client(folder, name, subject="/CN=nobody", names="", days="2", ca="clients", extra=""):
    """NAME.pem and NAME.key of a client."""
    openssl(folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", name + ".key", "-out", name + ".csr",
            "-subj", subject)
    with open(os.path.join(folder, "ext"), "w") as f:
        f.write(("subjectAltName=%s\n" % names if names else "") + extra)
    openssl(folder, "x509", "-req", "-in", name + ".csr", "-CA", ca + ".pem", "-CAkey", ca + ".key", "-set_serial", "7", "-days", days,
            "-extfile", "ext", "-out", name + ".pem")


def rename_ca(folder, name):
    os.rename(os.path.join(folder, "ca.pem"), os.path.join(folder, name + ".pem"))
    os.rename(os.path.join(folder, "ca.key"), os.path.join(folder, name + ".key"))


@pytest.fixture
def mutual(make_gateway):
    """A gateway that asks clients for certificates of clients.pem."""

    def make(config=CERT_CONFIG):
        g = make_gateway(config, start=False)
        g.tls = free_port()
        g.text = config.replace("TLSP", str(g.tls))
        g.write_config(g.text)
        for ca in ("strangers", "clients"):
            make_ca(g.dir)
            rename_ca(g.dir, ca)
        make_ca(g.dir)
        make_certificate(g.dir)
        return g.start()
    return make


def with_certificate(g, name):
    c = context(g)
    c.load_cert_chain(os.path.join(g.dir, name + ".pem"), os.path.join(g.dir, name + ".key"))
    return c


def transfers(g, name=None):
    """What dig and kdig say to an AXFR over TLS: how many records, None where TLS itself failed."""
    seen = []
    for program in ("dig", "kdig"):
        certificate = ["+tls-certfile=%s/%s.pem" % (g.dir, name), "+tls-keyfile=%s/%s.key" % (g.dir, name)] if name else []
        retry = ["+tries=1", "+time=%d" % PATIENCE] if program == "dig" else ["+retry=0", "+timeout=%d" % PATIENCE]
        r = run(program, "@127.0.0.1", "-p", g.tls, "+tls-ca=" + os.path.join(g.dir, "ca.pem"), *certificate, *retry, "example.test.", "AXFR", check=False)
        records = len([x for x in r.stdout.splitlines() if re.match(r"\S+\s+\d+\s+IN\s", x)])
        refused = ("Transfer failed" if program == "dig" else "REFUSED") in r.stdout + r.stderr
        seen.append(records if records else 0 if refused else None)
    return seen


def update(g, name, owner, rrtype="A", rdata="192.0.2.77", key=False):
    signed = {"keyring": KEYRING, "keyname": "dhcp.", "keyalgorithm": "hmac-sha256"} if key else {}
    u = dns.update.Update("example.test.", **signed)
    u.add(owner + ".example.test.", 300, rrtype, rdata)
    r = dns.query.tls(u, "127.0.0.1", port=g.tls, ssl_context=with_certificate(g, name) if name else context(g),
                      server_hostname="gw.example.test", timeout=PATIENCE)
    return dns.rcode.to_text(r.rcode())


def test_who_may_transfer(mutual):
    g = mutual()
    client(g.dir, "ns2", names="DNS:NS2.Example.test")
    client(g.dir, "two", names="DNS:a.example.test,DNS:x.secondaries.example.test,IP:127.0.0.1")
    client(g.dir, "cn", subject="/O=x/CN=ns2.example.test")
    client(g.dir, "ekuclient", names="DNS:ns2.example.test", extra="extendedKeyUsage=clientAuth\n")
    for name in ("ns2", "two", "cn", "ekuclient"):
        assert transfers(g, name) == [6, 6], name
    # Good certificates of others, and names that are nobody's.
    client(g.dir, "other", names="DNS:ns3.example.test")
    client(g.dir, "cnhidden", subject="/CN=ns2.example.test", names="DNS:ns3.example.test")
    client(g.dir, "star", names="DNS:*.secondaries.example.test")
    client(g.dir, "parent", names="DNS:secondaries.example.test")
    client(g.dir, "bad", names="DNS:x.secondaries.example.test,DNS:bad.secondaries.example.test")
    client(g.dir, "odd", subject="/CN=ns2.example.test\\\\000.x")
    client(g.dir, "email", subject="/CN=x", names="email:ns2@example.test,URI:dns:ns2.example.test")
    for name in ("other", "cnhidden", "star", "parent", "bad", "odd", "email", None):
        assert transfers(g, name) == [0, 0], name
    # Certificates that are not good end the handshake; the log says whose and why.
    client(g.dir, "stranger", names="DNS:ns2.example.test", ca="strangers")
    client(g.dir, "expired", names="DNS:ns2.example.test", days="-1")
    client(g.dir, "ekuserver", names="DNS:ns2.example.test", extra="extendedKeyUsage=serverAuth\n")
    openssl(g.dir, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "self.key", "-out", "self.pem",
            "-days", "2", "-subj", "/CN=ns2.example.test")
    for name in ("stranger", "expired", "ekuserver"):
        assert transfers(g, name) == [None, None], name
    # kdig does not show one whose CA we do not name (RFC 8446 4.2.4).
    assert transfers(g, "self") == [None, 0]
    for reason in ("unable to get local issuer certificate", "certificate has expired", "unsuitable certificate purpose", "self-signed certificate"):
        eventually(lambda: reason in g.log(), said=lambda: reason)   # the client knows it first
    assert "client_certificate" in g.log()
    # Without TLS nobody is anybody; and TLS without a certificate is as it was.
    assert "Transfer failed" in g.dig("example.test.", "AXFR")
    assert "127.0.0.1" in run("kdig", "@127.0.0.1", "-p", g.tls, "+tls", "+short", "ns1.example.test").stdout


def test_who_may_update(mutual):
    g = mutual()
    client(g.dir, "w1", names="DNS:w1.hosts.example.test")
    client(g.dir, "bad", names="DNS:bad.hosts.example.test")
    client(g.dir, "acme", names="DNS:acme.example.test")
    assert update(g, "w1", "w1.hosts") == "NOERROR"
    assert update(g, "w1", "w1.hosts", "TXT", "x") == "REFUSED"
    assert update(g, "w1", "w2.hosts") == "REFUSED"
    assert update(g, "bad", "bad.hosts") == "REFUSED"
    assert update(g, "acme", "_acme-challenge", "TXT", "token") == "NOERROR"
    assert update(g, "acme", "www") == "REFUSED"
    assert update(g, None, "w1.hosts", rdata="192.0.2.78") == "REFUSED"
    # A key and a certificate: each rule finds its own.
    assert update(g, "w1", "signed", key=True) == "NOERROR"
    assert update(g, "w1", "w1.hosts", rdata="192.0.2.79", key=True) == "NOERROR"
    assert update(g, None, "w1.hosts", rdata="192.0.2.80", key=True) == "REFUSED"
    assert g.short("w1.hosts.example.test") == ["192.0.2.77", "192.0.2.79"]
    # Who it was.
    with open(os.path.join(g.dir, "audit.log")) as f:
        lines = [json.loads(x) for x in f]
    assert [x["key"] for x in lines if x["rcode"] == "NOERROR"] == ["cert:w1.hosts.example.test.", "cert:acme.example.test.", "dhcp.", "dhcp."]
    assert {x.get("key") for x in lines if x["rcode"] == "REFUSED"} == {"cert:w1.hosts.example.test.", "cert:bad.hosts.example.test.",
                                                                      "cert:acme.example.test.", "dhcp.", None}
    log = [json.loads(x) for x in g.ctl("--json", "log", "example.test.").stdout.splitlines()]
    assert [x["change"]["origin"].get("key") for x in log[1:]] == ["cert:w1.hosts.example.test.", "cert:acme.example.test.", "dhcp.", "dhcp."]
    g.restart()
    assert g.short("w1.hosts.example.test") == ["192.0.2.77", "192.0.2.79"]


def bridge(g, name):
    """A TCP port whose octets go to the gateway over TLS with a certificate: for clients that do not speak TLS themselves."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept():
        while True:
            try:
                a, _ = listener.accept()
            except OSError:
                return
            size = struct.unpack("!H", a.recv(2, socket.MSG_WAITALL))[0]
            message = a.recv(size, socket.MSG_WAITALL)
            b = connect(g, with_certificate(g, name))
            b.sendall(struct.pack("!H", size) + message)
            a.sendall(b"".join(struct.pack("!H", len(m)) + m for m in read_messages(b, 1)))
            a.close()
            b.close()
    threading.Thread(target=accept, daemon=True).start()
    return listener


@pytest.mark.parametrize("program", ["nsupdate", "knsupdate"])
def test_nsupdate_over_tls(mutual, program):
    """Debian 12's have no TLS of their own (BIND 9.19 and Knot 3.3 have)."""
    g = mutual()
    client(g.dir, "w1", names="DNS:w1.hosts.example.test")
    with bridge(g, "w1") as listener:
        for owner, code in (("w1", 0), ("w2", 2)):
            commands = "server 127.0.0.1 %d\nzone example.test.\nupdate add %s.hosts.example.test. 60 A 192.0.2.9\nsend\n" % (listener.getsockname()[1], owner)
            r = run(program, "-v", input=commands, check=False)
            assert (r.returncode == 0) == (code == 0), r
    assert g.short("w1.hosts.example.test") == ["192.0.2.9"] and g.short("w2.hosts.example.test") == []


def axfr_on(s):
    s.sendall(frame("example.test.", "AXFR"))
    m = dns.message.from_wire(read_messages(s, 1)[0])
    return dns.rcode.to_text(m.rcode())


def test_a_session_keeps_who_it_is_until_trust_changes(mutual):
    g = mutual()
    client(g.dir, "ns2", names="DNS:ns2.example.test")
    c, session = with_certificate(g, "ns2"), None
    for i in range(4):
        s = connect(g, c, session)
        assert s.session_reused == (i > 0) and axfr_on(s) == "NOERROR"
        session = s.session
        s.close()
        if i == 2:
            g.ctl("reload")
    # Another CA is trusted now: the session does not carry the old trust over.
    open_one = connect(g, c, session)
    g.write_config(g.text.replace("clients.pem", "strangers.pem"))
    g.ctl("reload")
    assert axfr_on(open_one) == "NOERROR", "a connection stays what it was"
    with pytest.raises((ssl.SSLError, AssertionError, ConnectionError)):
        axfr_on(connect(g, c, open_one.session))
    # And without a CA nobody is asked: the configuration says that the rules would be void.
    g.write_config(g.text.replace(", client-ca: clients.pem", ""))
    r = g.ctl("reload", check=False)
    assert r.returncode == 1 and ":%d: cert: needs client-ca in server.tls" % line_of(g.text, "deny cert:bad") in r.stderr, r.stderr


def test_certificates_may_be_required(mutual):
    g = mutual(CERT_CONFIG.replace("client-ca: clients.pem}", "client-ca: clients.pem, client-required: true}"))
    client(g.dir, "any", names="DNS:any.example.test")
    query = ["kdig", "@127.0.0.1", "-p", g.tls, "+tls", "+timeout=%d" % PATIENCE, "+retry=0", "+short", "ns1.example.test"]
    assert run(*query, "+tls-certfile=%s/any.pem" % g.dir, "+tls-keyfile=%s/any.key" % g.dir).stdout == "127.0.0.1\n"
    assert "127.0.0.1" not in run(*query, check=False).stdout
    eventually(lambda: "no certificate" in g.log())     # the client knows it first
    assert g.short("ns1.example.test") == ["127.0.0.1"], "plain DNS is another matter"


def line_of(text, what):
    return text[:text.index(what)].count("\n") + 1


def test_mistakes_are_said_with_their_line(mutual):
    g = mutual()
    g.stop()
    for old, new, says in (
            ("client-ca: clients.pem", "client-ca: missing.pem", "missing.pem: No such file or directory"),
            ("client-ca: clients.pem", "client-ca: server.key", "server.key: no certificates in PEM form"),
            ("client-ca: clients.pem", "client-required: true", "tls: client-required needs client-ca"),
            ("client-ca: clients.pem", "client-required: maybe", "maybe"),
            ("grant cert:acme.example.test. name", "grant cert:a..b name", "update-policy: 'cert:a..b' is not the name of a certificate"),
            ("cert:acme.example.test. name _acme-challenge.example.test. TXT", "cert:a tcp-self . PTR", "update-policy: a rule of type tcp-self"),
            ("cert:ns2.example.test]", "'cert:a b']", "allow-transfer: 'a b' is not the name of a certificate")):
        assert old in g.text
        g.write_config(g.text.replace(old, new))
        r = run(ZONEGATED, "-c", g.config_path, "-t", check=False, cwd=g.dir)
        assert r.returncode == 1 and says in r.stderr, (says, r.stderr)
        assert "missing.pem" in new or "server.key" in new or "zonegate.yaml:%d: " % line_of(g.text, old) in r.stderr, r.stderr
    g.write_config(g.text)
    run(ZONEGATED, "-c", g.config_path, "-t", cwd=g.dir)
