"""The clients that people have: nsupdate, knsupdate, dnspython; every common type; keys as tsig-keygen makes them."""
import os
import random

import dns.query
import dns.rcode
import dns.tsigkeyring
import dns.update
import pytest

from conftest import CONFIG, PATIENCE, SECRET, ZONEGATECTL, keyfile, run

TYPES = [
    ("A", "192.0.2.1"), ("AAAA", "2001:db8::1"), ("NS", "ns1.example.test."), ("CNAME", "www.example.test."), ("MX", "10 mail.example.test."),
    ("TXT", '"hello world" "two"'), ("PTR", "host.example.test."), ("SRV", "0 5 5060 sip.example.test."), ("CAA", '0 issue "ca.example.net"'),
    ("TLSA", "3 1 1 " + "AB" * 32), ("SSHFP", "4 2 " + "CD" * 32), ("NAPTR", '100 10 "U" "E2U+sip" "!^.*$!sip:info@example.test!" .'),
    ("SVCB", "1 svc.example.test. alpn=\"h2,h3\" port=8443 ipv4hint=192.0.2.1"), ("HTTPS", "1 . alpn=\"h2\""), ("DS", "12345 8 2 " + "12" * 32),
    ("DNAME", "other.example.test."), ("LOC", "52 22 23.000 N 4 53 32.000 E -2.00m 1m 10000m 10m"), ("URI", '10 1 "https://www.example.test/"'),
    ("HINFO", '"PC" "Linux"'), ("RP", "admin.example.test. text.example.test."), ("OPENPGPKEY", "mQENBFVHm5sBCADH"), ("CERT", "PGP 0 0 mQENBFVHm5sBCADH"),
    ("DHCID", "AAEBOSD+XR3Os/0LozeXVqcNc7FwCfQdWL3b/NaiUDlW2No="), ("TYPE65280", "\\# 4 0A000001"),
]


@pytest.mark.parametrize("rrtype,rdata", TYPES, ids=[t for t, _ in TYPES])
def test_every_common_type_by_nsupdate(gateway, rrtype, rdata):
    gateway.nsupdate("update add x.example.test. 300 %s %s" % (rrtype, rdata))
    # NS below the apex is a zone cut: the record stands in the referral's authority section.
    lines = [x for x in gateway.dig("+noall", "+authority" if rrtype == "NS" else "+answer", "x.example.test.", rrtype).splitlines() if x]
    assert len(lines) == 1, lines
    with open(os.path.join(gateway.dir, "one.zone"), "w") as f:
        f.write(gateway.ctl("dump", "example.test.").stdout)
    shown = run("named-checkzone", "-D", "-s", "full", "example.test", os.path.join(gateway.dir, "one.zone")).stdout
    expected = run("named-rrchecker", "-p", input="IN %s %s" % (rrtype, rdata)).stdout.split(None, 2)[2].split() if rrtype != "TYPE65280" else ["\\#", "4", "0A000001"]
    mine = [x for x in shown.splitlines() if x.lower().startswith("x.example.test.") and " IN " in x.replace("\t", " ")]
    assert mine and mine[0].split(None, 4)[4].split() == expected
    gateway.nsupdate("update delete x.example.test. %s %s" % (rrtype, rdata))
    assert "NXDOMAIN" in gateway.dig("x.example.test.", rrtype)


@pytest.mark.parametrize("algorithm", ["hmac-md5", "hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512"])
def test_keys_as_tsig_keygen_makes_them(make_gateway, algorithm):
    key = run("tsig-keygen", "-a", algorithm, "dhcp.").stdout
    g = make_gateway(files={"dhcp.key": key})
    g.nsupdate("update add www.example.test. 300 A 192.0.2.7")
    assert g.short("www.example.test.") == ["192.0.2.7"]
    assert g.short("www.example.test.", "A", "-k", os.path.join(g.dir, "dhcp.key")) == ["192.0.2.7"]


def test_keygen_makes_what_nsupdate_takes(make_gateway):
    g = make_gateway(start=False)
    for algorithm in (None, "hmac-sha512"):
        key = run(ZONEGATECTL, "keygen", *(["-a", algorithm] if algorithm else []), "dhcp.").stdout
        with open(os.path.join(g.dir, "dhcp.key"), "w") as f:
            f.write(key)
        g.start()
        g.nsupdate("update add www.example.test. 300 A 192.0.2.7")
        g.stop()


def test_replace_delete_and_each_prerequisite_by_nsupdate(gateway):
    gateway.nsupdate("prereq nxdomain www.example.test.\nupdate add www.example.test. 300 A 192.0.2.1")
    assert "YXDOMAIN" in gateway.nsupdate("prereq nxdomain www.example.test.\nupdate add www.example.test. 300 A 192.0.2.2", check=False).stderr
    gateway.nsupdate("prereq yxdomain www.example.test.\nupdate add www.example.test. 300 A 192.0.2.2")
    assert "NXDOMAIN" in gateway.nsupdate("prereq yxdomain no.example.test.\nupdate add no.example.test. 300 A 192.0.2.2", check=False).stderr
    gateway.nsupdate("prereq yxrrset www.example.test. A 192.0.2.1\nprereq yxrrset www.example.test. A 192.0.2.2\nupdate delete www.example.test. A\nupdate add www.example.test. 60 A 192.0.2.3")
    assert gateway.short("www.example.test.") == ["192.0.2.3"]
    assert "NXRRSET" in gateway.nsupdate("prereq yxrrset www.example.test. AAAA\nupdate delete www.example.test.", check=False).stderr
    assert "YXRRSET" in gateway.nsupdate("prereq nxrrset www.example.test. A\nupdate delete www.example.test.", check=False).stderr
    gateway.nsupdate("prereq nxrrset www.example.test. AAAA\nupdate delete www.example.test.")
    assert "NXDOMAIN" in gateway.dig("www.example.test.")


def test_nsupdate_finds_the_zone_itself(gateway):
    gateway.nsupdate("update add a.b.c.example.test. 300 A 192.0.2.1", zone=None)
    assert gateway.short("a.b.c.example.test.") == ["192.0.2.1"]


def test_2000_records_in_one_update_over_tcp(gateway):
    gateway.nsupdate("\n".join("update add h%d.example.test. 300 A 10.0.%d.%d" % (i, i >> 8, i & 255) for i in range(2000)), "-v")
    for i in random.Random(1).sample(range(2000), 50):
        assert gateway.short("h%d.example.test." % i) == ["10.0.%d.%d" % (i >> 8, i & 255)]
    last = gateway.ctl("--json", "log", "example.test.").stdout.splitlines()[-1]
    assert last.count('"op":"ADD"') + last.count('"op": "ADD"') == 2000, "one UPDATE is one change"


def test_wrong_key_and_wrong_secret(gateway):
    with open(os.path.join(gateway.dir, "other.key"), "w") as f:
        f.write(keyfile("other."))
    r = gateway.nsupdate("update add www.example.test. 300 A 192.0.2.7", key="other.key", check=False)
    assert r.returncode == 2 and "BADKEY" in r.stderr + r.stdout
    with open(os.path.join(gateway.dir, "wrong.key"), "w") as f:
        f.write(keyfile(secret="d3JvbmcgYnV0IGxvbmcgZW5vdWdoIHRvIGJlIGEga2V5"))
    r = gateway.nsupdate("update add www.example.test. 300 A 192.0.2.7", key="wrong.key", check=False)
    assert r.returncode == 2 and "BADSIG" in r.stderr + r.stdout
    assert "NXDOMAIN" in gateway.dig("www.example.test.")


def test_an_unsigned_update_is_refused_at_once(gateway):
    r = gateway.nsupdate("update add www.example.test. 300 A 192.0.2.7", key=None, check=False)
    assert "REFUSED" in r.stderr


def test_knsupdate(gateway):
    run("knsupdate", "-y", "hmac-sha256:dhcp.:" + SECRET,
        input="server 127.0.0.1 %d\nzone example.test.\nupdate add k.example.test. 300 A 192.0.2.8\nsend\n" % gateway.port)
    assert gateway.short("k.example.test.") == ["192.0.2.8"]
    run("knsupdate", "-v", "-y", "hmac-sha256:dhcp.:" + SECRET,
        input="server 127.0.0.1 %d\nzone example.test.\nupdate delete k.example.test. A\nsend\n" % gateway.port)
    assert gateway.short("k.example.test.") == []


@pytest.mark.parametrize("algorithm", ["hmac-sha256-128", "hmac-sha384-192", "hmac-sha512-256"])
def test_truncated_macs_by_dnspython(make_gateway, algorithm):
    g = make_gateway(files={"dhcp.key": keyfile(algorithm=algorithm)})
    ring = dns.tsigkeyring.from_text({"dhcp.": (algorithm, SECRET)})
    u = dns.update.UpdateMessage("example.test.", keyring=ring, keyalgorithm=algorithm)
    u.add("www", 300, "A", "192.0.2.7")
    for q in (dns.query.udp, dns.query.tcp):
        assert q(u, "127.0.0.1", PATIENCE, g.port).rcode() == dns.rcode.NOERROR


def test_cname_exclusivity_in_every_order(gateway):
    # A name for each: nsupdate's ids are random, and the same update with the same id is the first one sent again.
    for name, first, second in (("a", "A 192.0.2.1", "CNAME ns1.example.test."), ("b", "CNAME ns1.example.test.", "A 192.0.2.1"),
                                ("c", "TXT x", "CNAME ns1.example.test.")):
        gateway.nsupdate("update add %s.example.test. 300 %s" % (name, first))
        gateway.nsupdate("update add %s.example.test. 300 %s" % (name, second))
        dump = [x.split() for x in gateway.ctl("dump", "example.test.").stdout.splitlines()]
        assert [x[3] for x in dump if x[0] == name + ".example.test."] == [first.split()[0]]


def test_strict_refuses_with_a_reason_that_dig_shows(make_gateway):
    g = make_gateway(CONFIG + "    strict: true\n")
    g.nsupdate("update add c.example.test. 300 A 192.0.2.1")
    ring = dns.tsigkeyring.from_text({"dhcp.": SECRET})
    u = dns.update.UpdateMessage("example.test.", keyring=ring, keyalgorithm="hmac-sha256")
    u.use_edns(0, payload=1232)
    u.add("c", 300, "CNAME", "ns1")
    answer = dns.query.udp(u, "127.0.0.1", PATIENCE, g.port)
    assert answer.rcode() == dns.rcode.REFUSED
    assert any(o.otype == 15 and "CNAME" in str(o) for o in answer.options), answer.options


def test_a_burst_from_64_clients_is_all_there(gateway):
    import concurrent.futures

    def one(i):
        ring = dns.tsigkeyring.from_text({"dhcp.": SECRET})
        u = dns.update.UpdateMessage("example.test.", keyring=ring, keyalgorithm="hmac-sha256")
        u.add("b%d" % i, 300, "A", "10.1.%d.%d" % (i >> 8, i & 255))
        return (dns.query.tcp if i % 2 else dns.query.udp)(u, "127.0.0.1", PATIENCE, gateway.port).rcode()
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        assert set(pool.map(one, range(640))) == {dns.rcode.NOERROR}
    dump = gateway.ctl("dump", "example.test.").stdout
    assert sum(1 for x in dump.splitlines() if x.startswith("b")) == 640
