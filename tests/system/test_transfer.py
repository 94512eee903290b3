"""AXFR: with and without a key, each message signed; a large zone; what dumps say is what named-checkzone reads."""
import os

import dns.query
import dns.rdatatype
import dns.tsigkeyring
import dns.xfr
import dns.zone
import pytest

from conftest import CONFIG, LONG, SECRET, ZONE, run


def transfer(gateway, keyring=None):
    return list(dns.query.xfr("127.0.0.1", "example.test.", port=gateway.port, keyring=keyring, keyname="dhcp." if keyring else None,
                              keyalgorithm="hmac-sha256", relativize=False, lifetime=120))


def test_axfr_by_address_and_by_key(make_gateway):
    g = make_gateway(CONFIG.replace("allow-transfer: [key dhcp., 127.0.0.1]", "allow-transfer: [key dhcp.]"))
    assert "Transfer failed" in g.dig("example.test.", "AXFR")
    out = g.dig("example.test.", "AXFR", "-k", os.path.join(g.dir, "dhcp.key"), "+noall", "+answer")
    lines = [x.split() for x in out.splitlines() if x and not x.startswith(";") and "TSIG" not in x.split()]
    assert lines[0][3] == lines[-1][3] == "SOA" and len(lines) == 6


def test_axfr_is_refused_where_nobody_is_allowed(make_gateway):
    g = make_gateway(CONFIG.replace("    allow-transfer: [key dhcp., 127.0.0.1]\n", ""))
    assert "Transfer failed" in g.dig("example.test.", "AXFR")


@pytest.mark.parametrize("signed", [False, True])
def test_a_large_zone(make_gateway, signed):
    records = 1000000 if LONG else 100000
    zone = ZONE + "".join("h%d A 10.%d.%d.%d\n" % (i, i >> 16, i >> 8 & 255, i & 255) for i in range(records))
    g = make_gateway(files={"example.test.zone": zone})
    seen, messages = 0, 0
    for m in transfer(g, dns.tsigkeyring.from_text({"dhcp.": SECRET}) if signed else None):
        messages += 1
        seen += sum(len(r) for r in m.answer)
        if signed:
            assert m.had_tsig, "every message is signed"
    assert seen == records + 6 and messages > 10
    g.nsupdate("update add after.example.test. 300 A 192.0.2.1")
    assert g.short("after.example.test.") == ["192.0.2.1"]
    path = os.path.join(g.dir, "dump.zone")
    with open(path, "w") as f:
        f.write(g.ctl("dump", "example.test.", timeout=300).stdout)
    assert "OK" in run("named-checkzone", "example.test", path, timeout=300).stdout
    g.restart()
    assert g.short("h%d.example.test." % (records - 1)) and g.short("after.example.test.") == ["192.0.2.1"]
