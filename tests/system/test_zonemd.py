"""ZONEMD (RFC 8976) in dumps: the RFC's own digests, and others' programs agree."""
import re
import shutil

import dns.zone
import pytest

from conftest import run

CONFIG = """
server: {listen: [127.0.0.1@PORT], state-dir: state, control-socket: zonegate.sock}
zones:
  - {name: example., file: example.zone, allow-update: [127.0.0.1]}
"""
# RFC 8976 A.1, and A.2 without what is no part of the zone.
HEAD = "$ORIGIN example.\nexample. 86400 IN SOA ns1 admin 2018031900 1800 900 604800 86400\n 86400 IN NS ns1\n 86400 IN NS ns2\n"
SIMPLE = HEAD + "ns1 3600 IN A 203.0.113.63\nns2 3600 IN AAAA 2001:db8::63\n"
SIMPLE_DIGEST = "c68090d90a7aed716bc459f9340e3d7c1370d4d24b7e2fc3a1ddc0b9a87153b9a9713b3c9ae5cc27777f98b8e730044c"
COMPLEX = HEAD + """ns1 3600 IN A 203.0.113.63
NS2 3600 IN AAAA 2001:db8::63
occluded.sub 7200 IN TXT "I'm occluded but must be digested"
sub 7200 IN NS ns1
duplicate 300 IN TXT "I must be digested just once"
duplicate 300 IN TXT "I must be digested just once"
UPPERCASE 3600 IN TXT "canonicalize uppercase owner names"
* 777 IN PTR dont-forget-about-wildcards
mail 3600 IN MX 20 MAIL1
mail 3600 IN MX 10 Mail2.Example.
sortme 3600 IN AAAA 2001:db8::5:61
sortme 3600 IN AAAA 2001:db8::3:62
sortme 3600 IN AAAA 2001:db8::4:63
sortme 3600 IN AAAA 2001:db8::1:65
sortme 3600 IN AAAA 2001:db8::2:64
non-apex 900 IN ZONEMD 2018031900 1 1 616c6c6f77656420627574206e6f7265642e20616c6c6f77656420627574206967676e6f7265642e20616c6c6f776564
"""
TYPES = """
@ 60 IN ZONEMD 1 1 1 %s
a 60 IN CNAME Target.Example.
b 60 IN SRV 1 2 3 Target.Example.
c 60 IN NAPTR 1 2 "S" "SIP+D2U" "" _sip._UDP.Example.
d 60 IN HTTPS 1 Svc.Example. alpn=h2
e 60 IN RP Admin.Example. Txt.Example.
f 60 IN TXT "Case Kept"
g 60 IN DNAME Other.Example.
h 60 IN TYPE65280 \\# 3 414243
i 60 IN CAA 0 issue "CA.example"
j 60 IN AFSDB 1 Afs.Example.
""" % ("00" * 48)


def zonemd(text):
    found = re.findall(r"^example\. (\d+) IN ZONEMD (\d+) (\d+) (\d+) ([0-9A-Fa-f ]+)$", text, re.M)
    assert len(found) == 1, text
    return tuple(int(x) for x in found[0][:4]) + (found[0][4].replace(" ", "").lower(),)


def verify(g, text):
    """dnspython's own computation, and ldns's."""
    dns.zone.from_text(text, "example.", relativize=False).verify_digest()
    path = g.dir + "/dump.zone"
    with open(path, "w") as f:
        f.write(text)
    if shutil.which("ldns-verify-zone"):
        # It goes on to DNSSEC, which this zone does not have.
        r = run("ldns-verify-zone", "-ZZ", path, check=False)
        assert "digest" not in r.stdout + r.stderr and "No DNSKEY" in r.stdout + r.stderr, r.stdout + r.stderr
    r = run("named-checkzone", "example.", path, check=False)
    assert r.returncode == 0, r.stdout


def test_the_rfcs_simple_zone_has_its_digest(make_gateway):
    g = make_gateway(CONFIG, files={"example.zone": SIMPLE})
    text = g.ctl("dump", "example.", "--zonemd").stdout
    assert zonemd(text) == (86400, 2018031900, 1, 1, SIMPLE_DIGEST)
    assert "ZONEMD" not in g.ctl("dump", "example.").stdout
    verify(g, text)


@pytest.mark.parametrize("algorithm", ["sha384", "sha512"])
def test_others_agree_on_a_zone_with_every_kind_of_record(make_gateway, algorithm):
    g = make_gateway(CONFIG, files={"example.zone": COMPLEX + TYPES})
    text = g.ctl("dump", "example.", "--zonemd", "--zonemd-hash", algorithm).stdout
    ttl, serial, scheme, number, digest = zonemd(text)
    assert (ttl, serial, scheme, number) == (86400, 2018031900, 1, 1 if algorithm == "sha384" else 2)
    assert len(digest) == (96 if algorithm == "sha384" else 128)
    verify(g, text)
    # An earlier version has its own; one record more changes it.
    g.nsupdate("update add new.example. 60 A 192.0.2.1", key=None, zone="example.")
    now = g.ctl("dump", "example.", "--zonemd", "--zonemd-hash", algorithm).stdout
    assert zonemd(now)[1] == 2018031901 and zonemd(now)[4] != digest
    verify(g, now)
    assert zonemd(g.ctl("dump", "example.", "--at", "1", "--zonemd", "--zonemd-hash", algorithm).stdout)[4] == digest


def test_a_digest_that_was_altered_is_found(make_gateway):
    """What the checks above are worth."""
    g = make_gateway(CONFIG, files={"example.zone": COMPLEX})
    text = g.ctl("dump", "example.", "--zonemd").stdout.replace("203.0.113.63", "203.0.113.64")
    with pytest.raises(dns.zone.DigestVerificationFailure):
        dns.zone.from_text(text, "example.", relativize=False).verify_digest()


def test_what_it_cannot_do_is_said(make_gateway):
    g = make_gateway(CONFIG, files={"example.zone": SIMPLE})
    r = g.ctl("dump", "example.", "--zonemd-hash", "md5", check=False)
    assert r.returncode == 1 and "sha384 or sha512" in r.stderr
    assert g.ctl("--json", "dump", "example.", "--zonemd", check=False).returncode == 1
