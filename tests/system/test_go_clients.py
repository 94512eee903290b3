"""What is written in Go: a program on miekg/dns; certificates from pebble, an ACME server that asks our gateway; cert-manager's solver; ExternalDNS."""
import json
import os
import subprocess
import time

import pytest

from conftest import CONFIG, LONG, PATIENCE, SECRET, TOP, free_port, keyfile, run

GO = os.path.join(TOP, "tests", "servers", "go")
PEBBLE = "github.com/letsencrypt/pebble/v2/cmd/pebble@v2.10.1"
EXTERNAL_DNS = "sigs.k8s.io/external-dns@v0.15.1"


def go(*arguments, timeout=900):
    r = run(GO, *arguments, check=False, timeout=timeout)
    if r.returncode:
        pytest.skip("no Go here: " + r.stderr[-300:])
    return r.stdout.strip().splitlines()[-1]


def build(program, path):
    """What tests/clients/PROGRAM holds."""
    go()
    run(GO, os.path.join(TOP, "tests", "clients", program), path, timeout=1800)


def test_miekg_dns(gateway):
    binary = os.path.join(gateway.dir, "miekg")
    build("miekg", binary)
    for network in ("udp", "tcp"):
        assert run(binary, "127.0.0.1:%d" % gateway.port, "dhcp.", SECRET, network, check=False).stdout == "ok\n"


@pytest.fixture
def for_acme(make_gateway):
    """The gateway with the key of the ACME clients, which may do just what they must."""
    return make_gateway(CONFIG.replace("  - file: dhcp.key", "  - file: acme.key").replace(
        "      - grant dhcp. zonesub ANY", "      - grant acme. name _acme-challenge.www.example.test. TXT").replace(
        "    allow-transfer: [key dhcp., 127.0.0.1]\n", ""), {"acme.key": keyfile("acme.")})


@pytest.fixture
def acme(for_acme):
    """The same, and a pebble that asks it."""
    pebble = go(PEBBLE)
    g = for_acme
    directory, management = free_port(), free_port()
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", "pebble.key", "-out", "pebble.pem", cwd=g.dir)
    with open(os.path.join(g.dir, "pebble.json"), "w") as f:
        json.dump({"pebble": {"listenAddress": "127.0.0.1:%d" % directory, "managementListenAddress": "127.0.0.1:%d" % management,
                              "certificate": "pebble.pem", "privateKey": "pebble.key", "httpPort": 5002, "tlsPort": 5001}}, f)
    g.directory, g.pebble_log = "https://127.0.0.1:%d/dir" % directory, os.path.join(g.dir, "pebble.log")
    log = open(g.pebble_log, "w")
    p = subprocess.Popen([pebble, "-config", "pebble.json", "-strict", "-dnsserver", "127.0.0.1:%d" % g.port], cwd=g.dir, stdout=log, stderr=log,
                         env=dict(os.environ, PEBBLE_VA_NOSLEEP="1", PEBBLE_WFE_NONCEREJECT="0"))  # by default one nonce in twenty, as a trial
    end = time.monotonic() + PATIENCE
    while run("curl", "-sk", g.directory, check=False).returncode:
        assert time.monotonic() < end and p.poll() is None, open(g.pebble_log).read()
        time.sleep(0.1)
    yield g
    p.terminate()
    p.wait(PATIENCE)


def example(gateway, name):
    """A file of contrib/examples, with the gateway's port, in its folder."""
    with open(os.path.join(TOP, "contrib", "examples", name)) as f:
        text = f.read()
    path = os.path.join(gateway.dir, name)
    with open(path, "w") as f:
        f.write(text.replace("127.0.0.1:5300", "127.0.0.1:%d" % gateway.port).replace("= 5300", "= %d" % gateway.port))
    os.chmod(path, 0o700 if name.endswith(".sh") else 0o600)
    return path


def came_and_went(gateway):
    ops = [op["op"] for x in gateway.ctl("--json", "log", "example.test.", "--since", "1").stdout.splitlines() for op in json.loads(x)["change"]["ops"]]
    assert "DEL" in ops and set(ops) & {"ADD", "SET"}, ops
    assert gateway.short("_acme-challenge.www.example.test.", "TXT") == []


def test_a_certificate_by_lego(acme):
    # The propagation check would ask the name servers at port 53.
    r = run("sh", example(acme, "lego.sh"), "--server", acme.directory, "--dns.disable-cp", "--path", os.path.join(acme.dir, "lego"),
            cwd=acme.dir, check=False, timeout=300, env=dict(os.environ, LEGO_CA_CERTIFICATES=os.path.join(acme.dir, "pebble.pem")))
    assert r.returncode == 0, r.stdout + r.stderr + open(acme.pebble_log).read()[-2000:]
    names = run("openssl", "x509", "-noout", "-ext", "subjectAltName", "-in", os.path.join(acme.dir, "lego", "certificates", "www.example.test.crt")).stdout
    assert "www.example.test" in names
    came_and_went(acme)


def test_a_certificate_by_certbot(acme):
    folders = [x for kind in ("config", "work", "logs") for x in ("--%s-dir" % kind, os.path.join(acme.dir, "certbot", kind))]
    r = run("certbot", "certonly", "--non-interactive", "--agree-tos", "-m", "admin@example.test", "--server", acme.directory, "--dns-rfc2136",
            "--dns-rfc2136-credentials", example(acme, "certbot.ini"), "--dns-rfc2136-propagation-seconds", "1", "-d", "www.example.test", *folders,
            check=False, timeout=300, env=dict(os.environ, REQUESTS_CA_BUNDLE=os.path.join(acme.dir, "pebble.pem")))
    assert r.returncode == 0, r.stdout + r.stderr
    assert os.path.exists(os.path.join(acme.dir, "certbot", "config", "live", "www.example.test", "fullchain.pem"))
    came_and_went(acme)


@pytest.mark.skipif(not LONG, reason="cert-manager takes four minutes of CPU to build")
def test_a_challenge_by_cert_manager(for_acme):
    g = for_acme
    solver, name = os.path.join(g.dir, "solver"), "_acme-challenge.www.example.test."
    build("certmanager", solver)
    path = example(g, "cert-manager.yaml")
    for protocol in ("TCP", "UDP"):
        with open(path) as f:
            text = f.read()
        with open(path, "w") as f:
            f.write(text.replace("protocol: TCP", "protocol: " + protocol))
        # Two challenges at one name, as for a domain and its wildcard: each goes by itself.
        run(solver, path, "present", name, "example.test.", "one")
        run(solver, path, "present", name, "example.test.", "two")
        assert g.short(name, "TXT") == ['"one"', '"two"']
        run(solver, path, "cleanup", name, "example.test.", "one")
        assert g.short(name, "TXT") == ['"two"']
        run(solver, path, "cleanup", name, "example.test.", "two")
        assert g.short(name, "TXT") == []
        refused = run(solver, path, "present", "www.example.test.", "example.test.", "one", check=False)
        assert refused.returncode == 1 and "REFUSED" in refused.stderr, refused.stderr
    with open(os.path.join(g.dir, "audit.log")) as f:
        transports = [json.loads(x)["transport"] for x in f]
    assert set(transports) == {"tcp", "udp"}, transports


@pytest.fixture
def cluster(make_gateway):
    """A gateway for ExternalDNS, and what stands for a cluster: g.wants(endpoints), then g.synchronize()."""
    if not LONG:
        pytest.skip("ExternalDNS takes ten minutes of CPU to build")
    external_dns = go(EXTERNAL_DNS, timeout=3600)
    g = make_gateway(CONFIG.replace("  - file: dhcp.key", "  - file: dhcp.key\n  - file: externaldns.key").replace(
        "      - grant dhcp. zonesub ANY", "      - grant dhcp. zonesub ANY\n      - grant externaldns. zonesub A AAAA CNAME TXT").replace(
        "allow-transfer: [key dhcp., 127.0.0.1]", "allow-transfer: [key externaldns.]"), {"externaldns.key": keyfile("externaldns.")})
    binary, wanted = os.path.join(g.dir, "connector"), os.path.join(g.dir, "endpoints.json")
    build("externaldns", binary)
    p = subprocess.Popen([binary, wanted], stdout=subprocess.PIPE, text=True)
    source = ["--source=connector", "--connector-source-server=127.0.0.1:%s" % p.stdout.readline().strip()]
    with open(os.path.join(TOP, "contrib", "examples", "external-dns.args")) as f:
        arguments = [x.strip().replace("=5300", "=%d" % g.port) for x in f if x.startswith("--")]

    def wants(*endpoints):
        with open(wanted, "w") as f:
            json.dump([dict(zip(("DNSName", "RecordType", "Targets"), x)) for x in endpoints], f)

    def synchronize():
        """One run; how many changes it made."""
        before = g.version()
        r = run(external_dns, *arguments, *source, "--once", "--log-level=debug", check=False, timeout=300)
        assert r.returncode == 0 and "level=error" not in r.stderr, r.stderr[-3000:]
        return g.version() - before
    g.version = lambda: json.loads(g.ctl("zones", "--json").stdout.splitlines()[0])["version"]
    g.wants, g.synchronize = wants, synchronize
    yield g
    p.kill()
    p.wait()


def test_external_dns_makes_changes_and_deletes_what_is_its_own(cluster):
    g = cluster
    owner = "heritage=external-dns,external-dns/owner=cluster1"
    g.nsupdate("update add manual.example.test. 300 A 192.0.2.99")
    g.wants(("www.example.test", "A", ["192.0.2.10", "192.0.2.11"]), ("api.example.test", "AAAA", ["2001:db8::10"]),
            ("alias.example.test", "CNAME", ["www.example.test"]), ("manual.example.test", "A", ["192.0.2.1"]))
    assert g.synchronize() >= 1
    assert g.short("www.example.test.") == ["192.0.2.10", "192.0.2.11"]
    assert g.short("api.example.test.", "AAAA") == ["2001:db8::10"]
    assert g.short("alias.example.test.", "CNAME") == ["www.example.test."]
    owners = [x for x in g.ctl("dump", "example.test.").stdout.splitlines() if owner in x]
    for name in ("www", "api", "alias"):
        assert any(name in x.split()[0] for x in owners), (name, owners)
    assert g.short("manual.example.test.") == ["192.0.2.99"], "what has no TXT of its own is not touched"
    assert g.synchronize() == 0, "nothing has changed"

    g.wants(("www.example.test", "A", ["192.0.2.11", "192.0.2.12"]), ("alias.example.test", "CNAME", ["api.example.test"]))
    assert g.synchronize() >= 1
    assert g.short("www.example.test.") == ["192.0.2.11", "192.0.2.12"]
    assert g.short("alias.example.test.", "CNAME") == ["api.example.test."]
    assert "NXDOMAIN" in g.dig("api.example.test.", "AAAA")
    assert g.synchronize() == 0

    g.wants()
    assert g.synchronize() >= 1
    left = [x.split()[0] for x in g.ctl("dump", "example.test.").stdout.splitlines() if x and not x.startswith((";", "$"))]
    assert not [x for x in left if x.startswith(("www", "alias", "api", "a-", "aaaa-", "cname-"))], left
    assert g.short("manual.example.test.") == ["192.0.2.99"]
    assert g.synchronize() == 0
    last = [json.loads(x) for x in g.ctl("--json", "log", "example.test.").stdout.splitlines()][-1]["change"]
    assert last["origin"]["key"] == "externaldns."
