"""BIND and NSD as secondaries over TLS (RFC 9103), with TSIG and with client certificates; Debian 12's Knot 3.2 has no TLS for
transfers (it came with 3.3): kdig stands for it."""
import os
import re

import pytest

from conftest import CONFIG, LONG, PATIENCE, SECRET, TOP, free_port, run
from system.peers import SecondaryBind, SecondaryNsd, targets
from test_client_certificates import client, rename_ca
from test_secondaries import ORIGIN, Changes, metric
from test_tls import make_ca, make_certificate

UPDATES = 20000 if LONG else 60
POINTS = 20 if LONG else 3


class TlsBind(SecondaryBind):
    """tls in primaries: SOA queries go the same way."""
    tls = " tls gateway"

    def primaries(self):
        return super().primaries().replace("port %d" % self.primary.port, "port %d" % self.primary.tls)

    def config(self):
        p = self.primary
        certificate = 'cert-file "%s/sec.pem"; key-file "%s/sec.key"; ' % (p.dir, p.dir) if p.mutual else ""
        return 'tls gateway { ca-file "%s/ca.pem"; remote-hostname "gw.example.test"; %s};\n' % (p.dir, certificate) + super().config()


class TlsNsd(SecondaryNsd):
    tls = " gateway"

    def config(self):
        self.options = SecondaryNsd.options + '    tls-cert-bundle: "%s/ca.pem"\n' % self.primary.dir
        return super().config()

    def zones(self):
        p = self.primary
        certificate = '    client-cert: "%s/sec.pem"\n    client-key: "%s/sec.key"\n' % (p.dir, p.dir) if p.mutual else ""
        return "tls-auth:\n    name: gateway\n    auth-domain-name: gw.example.test\n" + certificate + super().zones().replace(
            "request-xfr: 127.0.0.1@%d" % p.port, "request-xfr: 127.0.0.1@%d" % p.tls)


@pytest.fixture
def follow(make_gateway, folder, run_all):
    def start(signed, mutual):
        g = make_gateway(CONFIG, start=False)
        g.tls, g.mutual = free_port(), mutual
        make_ca(g.dir)
        rename_ca(g.dir, "clients")
        make_ca(g.dir)
        make_certificate(g.dir)
        client(g.dir, "sec", names="DNS:sec.example.test")
        for name in os.listdir(g.dir):
            os.chmod(os.path.join(g.dir, name), 0o644)
        os.chmod(g.dir, 0o755)
        secondaries = [kind(folder, g, signed) for kind in (TlsBind, TlsNsd)]
        who = "key dhcp." if signed else "cert:sec.example.test"
        config = CONFIG.replace("  identity: gw1\n", "  identity: gw1\n  listen-tls: [127.0.0.1@%d]\n"
                                "  tls: {certificate: server.pem, key: server.key%s}\n" % (g.tls, ", client-ca: clients.pem, client-required: true" if mutual else ""))
        g.write_config(config.replace("allow-transfer: [key dhcp., 127.0.0.1]", "allow-transfer: [%s]\n    notify: [%s]" % (who, targets(secondaries, signed))))
        g.start()
        run_all(secondaries, g.serial())
        return g, secondaries
    return start


def zone_by_kdig(port, *options):
    """What an AXFR has, SOA first and last, as kdig shows it."""
    out = run("kdig", "@127.0.0.1", "-p", port, "+timeout=%d" % PATIENCE, "+retry=0", *options, ORIGIN, "AXFR").stdout
    lines = [re.sub(r"\s+", " ", x).lower() for x in out.splitlines() if re.match(r"\S+\s+\d+\s+IN\s", x)]
    assert lines[0] == lines[-1] and " soa " in lines[0]
    return sorted(lines[1:])


@pytest.mark.parametrize("signed, mutual", [(True, False), (False, True), (True, True)], ids=["tsig", "certificate", "both"])
def test_secondaries_follow_over_tls(follow, signed, mutual):
    g, secondaries = follow(signed, mutual)
    changes = Changes(g, 23 + signed)
    certificate = ["+tls-certfile=%s/sec.pem" % g.dir, "+tls-keyfile=%s/sec.key" % g.dir] if mutual else []
    key = ["-y", "hmac-sha256:dhcp.:" + SECRET] if signed else []
    seen = whole = 0
    for point in range(POINTS):
        changes.many(UPDATES // POINTS)
        if point % 3 == 1:
            changes.rollback()
        serial = g.serial()
        for s in secondaries:
            s.wait(serial)
        ours = zone_by_kdig(g.tls, "+tls-ca=%s/ca.pem" % g.dir, "+tls-hostname=gw.example.test", *certificate, *key)
        assert len(ours) > 5
        for s in secondaries:
            assert zone_by_kdig(s.port) == ours, s.name
        seen += metric(g, "ixfr_incremental_total")
        whole += metric(g, "ixfr_whole_total")
        if point % 3 == 2:
            g.kill()
            g.start()
            changes.many(3)
            for s in secondaries:
                s.wait(g.serial())
    seen += metric(g, "ixfr_incremental_total")
    whole += metric(g, "ixfr_whole_total")
    assert seen >= 2 * POINTS and whole == 0, (seen, whole)
    # kdig takes differences too: one update is the old SOA, what went, the new SOA, what came, between two SOAs.
    serial = g.serial()
    g.nsupdate("update add kdig.example.test. 60 A 192.0.2.99")
    out = run("kdig", "@127.0.0.1", "-p", g.tls, "+tls", *certificate, *key, "+retry=0", "+timeout=%d" % PATIENCE, ORIGIN, "IXFR=%d" % serial).stdout
    assert len([x for x in out.splitlines() if re.search(r"\sIN\s+SOA\s", x)]) == 4 and "192.0.2.99" in out, out
    # Nothing of the zone went over plain TCP: there nobody may have it but who signs.
    queries = run("curl", "-s", "http://127.0.0.1:%d/metrics" % g.http).stdout
    assert re.search(r'queries_total\{transport="tls",rcode="NOERROR"\} [1-9]', queries)
    assert not re.search(r'queries_total\{transport="tcp",rcode="NOERROR"\} [1-9]', queries)


def test_the_examples_are_configurations(folder):
    examples = os.path.join(TOP, "contrib", "examples")
    run("named-checkconf", os.path.join(examples, "bind-secondary-tls.conf"))
    with open(os.path.join(examples, "nsd-secondary-tls.conf")) as f:
        text = f.read().replace("/etc/nsd", folder)
    for name in ("ca.pem", "ns2.pem", "ns2.key"):
        open(os.path.join(folder, name), "w").close()
    path = os.path.join(folder, "nsd.conf")
    with open(path, "w") as f:
        f.write(text.replace("server:\n", 'server:\n    username: ""\n    zonesdir: "%s"\n    pidfile: "%s/p"\n    xfrdfile: "%s/x"\n    xfrdir: "%s"\n'
                             '    zonelistfile: "%s/z"\n    database: ""\n' % ((folder,) * 5), 1))
    run("nsd-checkconf", path)
