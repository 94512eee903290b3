"""What is written in Go: a program on miekg/dns; a certificate by lego from pebble, an ACME server that asks our gateway."""
import json
import os
import subprocess
import time

import pytest

from conftest import CONFIG, SECRET, TOP, free_port, keyfile, run

PEBBLE = "github.com/letsencrypt/pebble/v2/cmd/pebble@v2.10.1"


def go(*arguments):
    r = run(os.path.join(TOP, "tests", "servers", "go"), *arguments, check=False, timeout=900)
    if r.returncode:
        pytest.skip("no Go here: " + r.stderr[-300:])
    return r.stdout.strip().splitlines()[-1]


def test_miekg_dns(gateway):
    binary = os.path.join(gateway.dir, "miekg")
    run(go(), "build", "-o", binary, ".", cwd=os.path.join(TOP, "tests", "clients", "miekg"), timeout=600)
    for network in ("udp", "tcp"):
        assert run(binary, "127.0.0.1:%d" % gateway.port, "dhcp.", SECRET, network, check=False).stdout == "ok\n"


def test_a_certificate_by_dns_01(make_gateway):
    pebble = go(PEBBLE)
    g = make_gateway(CONFIG.replace("  - file: dhcp.key", "  - file: acme.key").replace(
        "      - grant dhcp. zonesub ANY", "      - grant acme. name _acme-challenge.www.example.test. TXT").replace(
        "    allow-transfer: [key dhcp., 127.0.0.1]\n", ""), {"acme.key": keyfile("acme.")})
    directory, management = free_port(), free_port()
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", "pebble.key", "-out", "pebble.pem", cwd=g.dir)
    with open(os.path.join(g.dir, "pebble.json"), "w") as f:
        json.dump({"pebble": {"listenAddress": "127.0.0.1:%d" % directory, "managementListenAddress": "127.0.0.1:%d" % management,
                              "certificate": "pebble.pem", "privateKey": "pebble.key", "httpPort": 5002, "tlsPort": 5001}}, f)
    log = open(os.path.join(g.dir, "pebble.log"), "w")
    p = subprocess.Popen([pebble, "-config", "pebble.json", "-strict", "-dnsserver", "127.0.0.1:%d" % g.port], cwd=g.dir, stdout=log, stderr=log,
                         env=dict(os.environ, PEBBLE_VA_NOSLEEP="1"))
    try:
        with open(os.path.join(TOP, "contrib", "examples", "lego.sh")) as f:
            script = f.read().replace("127.0.0.1:5300", "127.0.0.1:%d" % g.port)
        with open(os.path.join(g.dir, "lego.sh"), "w") as f:
            f.write(script)
        end = time.monotonic() + 10
        while run("curl", "-sk", "https://127.0.0.1:%d/dir" % directory, check=False).returncode:
            assert time.monotonic() < end and p.poll() is None
            time.sleep(0.1)
        # The propagation check would ask the name servers at port 53.
        r = run("sh", "lego.sh", "--server", "https://127.0.0.1:%d/dir" % directory, "--dns.disable-cp", "--path", os.path.join(g.dir, "lego"),
                cwd=g.dir, check=False, timeout=120, env=dict(os.environ, LEGO_CA_CERTIFICATES=os.path.join(g.dir, "pebble.pem")))
        assert r.returncode == 0, r.stdout + r.stderr + open(os.path.join(g.dir, "pebble.log")).read()[-2000:]
    finally:
        p.terminate()
        p.wait(10)
    names = run("openssl", "x509", "-noout", "-ext", "subjectAltName", "-in", os.path.join(g.dir, "lego", "certificates", "www.example.test.crt")).stdout
    assert "www.example.test" in names
    ops = [op["op"] for x in g.ctl("--json", "log", "example.test.", "--since", "1").stdout.splitlines() for op in json.loads(x)["change"]["ops"]]
    assert "DEL" in ops and set(ops) & {"ADD", "SET"}, "the challenge came and went"
    assert g.short("_acme-challenge.www.example.test.", "TXT") == []
