"""Real leases: Kea with D2, and ISC dhcpd, in network namespaces; the names come and go with the leases (RFC 4703)."""
import json
import os
import re
import subprocess
import time

import pytest

from conftest import PATIENCE, TOP, eventually, run

EXAMPLES = os.path.join(TOP, "contrib", "examples")
REVERSE = "$ORIGIN 2.0.192.in-addr.arpa.\n$TTL 300\n@ SOA ns1.example.test. hostmaster.example.test. 1 3600 600 604800 300\n@ NS ns1.example.test.\n"


def example(name):
    with open(os.path.join(EXAMPLES, name)) as f:
        return f.read()


@pytest.fixture
def place(net, make_gateway):
    """The gateway of contrib/examples/zonegate-dhcp.yaml, within the server's namespace."""
    config = example("zonegate-dhcp.yaml").replace("5300", "PORT")
    g = make_gateway(config, {"2.0.192.in-addr.arpa.zone": REVERSE}, wrap=net.inside(net.server), start=False, port=53)
    g.start()
    g.net = net
    g.dig = lambda *a: net.run(net.server, "dig", "@127.0.0.1", "-p", g.port, "+norec", "+short", "+time=%d" % PATIENCE, *a).stdout.split("\n")
    return g


class Client:
    """udhcpc with a MAC address and a host name of its own."""

    def __init__(self, place, number, hostname):
        self.net, self.pid_file = place.net, os.path.join(place.dir, "udhcpc%d.pid" % number)
        self.dev = "zgm%d" % number
        ns = self.net.client
        self.net.run(ns, "ip", "link", "add", self.dev, "link", "zgv1", "address", "02:00:00:00:00:%02x" % number, "type", "macvlan", "mode", "bridge")
        self.net.run(ns, "ip", "link", "set", self.dev, "up")
        script = os.path.join(place.dir, "udhcpc.sh")
        with open(script, "w") as f:
            # The address must be there: a release is sent from it.
            f.write('#!/bin/sh\n[ "$1" = bound ] || exit 0\nbusybox ip addr add "$ip/24" dev "$interface"\necho "$ip" >%s/lease-$interface\n' % place.dir)
        os.chmod(script, 0o755)
        self.lease_file = os.path.join(place.dir, "lease-" + self.dev)
        self.proc = subprocess.Popen(self.net.inside(ns) + ["busybox", "udhcpc", "-i", self.dev, "-f", "-R", "-t", "10", "-T", "1", "-s", script,
                                                            "-x", "hostname:" + hostname, "-F", hostname], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def address(self, wait=2 * PATIENCE):
        end = time.monotonic() + wait
        while time.monotonic() < end:
            if os.path.exists(self.lease_file) and (text := open(self.lease_file).read()).endswith("\n"):
                return text.strip()
            time.sleep(0.1)
        raise AssertionError("no lease")

    def release(self):
        self.proc.terminate()
        self.proc.wait(PATIENCE)


def start(place, name, command, ready):
    log = os.path.join(place.dir, name + ".log")
    out = open(log, "w")
    p = subprocess.Popen(place.net.inside(place.net.server) + command, stdout=out, stderr=out, cwd=place.dir,
                         env=dict(os.environ, KEA_LOCKFILE_DIR=place.dir, KEA_PIDFILE_DIR=place.dir, KEA_CONTROL_SOCKET_DIR=place.dir))
    end = time.monotonic() + PATIENCE
    while not re.search(ready, open(log, errors="replace").read()):
        assert p.poll() is None and time.monotonic() < end, open(log, errors="replace").read()[-2000:]
        time.sleep(0.1)
    return p


def kea(place):
    v4 = example("kea-dhcp4.conf").replace('"eth0"', '"zgv0"').replace("/run/kea/kea4-ctrl-socket", os.path.join(place.dir, "k4"))
    version = run("kea-dhcp4", "-v").stdout.split()[0]
    if tuple(map(int, version.split(".")[:2])) < (2, 5):    # older Kea has this default and another name for it
        v4 = re.sub(r'\s*"ddns-conflict-resolution-mode": "check-with-dhcid",', ' "ddns-use-conflict-resolution": true,', v4)
    d2 = example("kea-dhcp-ddns.conf").replace("5300 ", "%d " % place.port).replace('"dns-server-timeout": 500', '"dns-server-timeout": 20000')
    for name, text in (("kea4.conf", v4), ("d2.conf", d2)):
        with open(os.path.join(place.dir, name), "w") as f:
            f.write(text)
    return [start(place, "d2", ["kea-dhcp-ddns", "-c", os.path.join(place.dir, "d2.conf")], "DHCP_DDNS_STARTED"),
            start(place, "kea4", ["kea-dhcp4", "-c", os.path.join(place.dir, "kea4.conf")], "DHCP4_STARTED")]


def dhcpd(place):
    with open(os.path.join(place.dir, "dhcpd.conf"), "w") as f:
        f.write(example("dhcpd.conf"))
    open(os.path.join(place.dir, "dhcpd.leases"), "w").close()
    return [start(place, "dhcpd", ["dhcpd", "-4", "-f", "-d", "-user", "root", "-group", "root", "-cf", os.path.join(place.dir, "dhcpd.conf"), "-lf", os.path.join(place.dir, "dhcpd.leases"),
                                   "-pf", os.path.join(place.dir, "dhcpd.pid"), "zgv0"], "Server starting service|Sending on")]


@pytest.mark.parametrize("server", [kea, dhcpd], ids=["kea", "dhcpd"])
def test_lease(place, server):
    servers = server(place)
    clients = []
    try:
        one = Client(place, 1, "laptop")
        clients.append(one)
        ip = one.address()
        reverse = ".".join(reversed(ip.split("."))) + ".in-addr.arpa."
        eventually(lambda: place.dig("laptop.example.test.", "A")[0] == ip)
        eventually(lambda: place.dig(reverse, "PTR")[0] == "laptop.example.test.")
        dhcid = place.dig("laptop.example.test.", "DHCID")[0]
        assert dhcid
        # RFC 4703: another client that claims the name does not get it.
        two = Client(place, 2, "laptop")
        clients.append(two)
        assert two.address() != ip
        time.sleep(2)
        assert place.dig("laptop.example.test.", "A")[0] == ip
        assert place.dig("laptop.example.test.", "DHCID")[0] == dhcid
        two.release()
        time.sleep(1)
        assert place.dig("laptop.example.test.", "A")[0] == ip, "its release does not take the name of the first"
        one.release()
        eventually(lambda: place.dig("laptop.example.test.", "A")[0] == "")
        eventually(lambda: place.dig("laptop.example.test.", "DHCID")[0] == "")
        eventually(lambda: place.dig(reverse, "PTR")[0] == "")
        keys = {json.loads(x)["change"]["origin"].get("key") for x in place.ctl("--json", "log", "example.test.", "--since", "1").stdout.splitlines()}
        assert keys == {"dhcp."}
    finally:
        for c in clients:
            if c.proc.poll() is None:
                c.proc.kill()
                c.proc.wait()
        for p in servers:
            p.terminate()
            p.wait(PATIENCE)
