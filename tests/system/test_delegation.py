"""contrib/examples/bind-delegation.zone: a real BIND holds the parent, with NS and glue; its resolver follows them to us."""
import os
import subprocess
import time

from conftest import PATIENCE, TOP

CONFIG = """
server:
  listen: [127.0.0.2@53]
  state-dir: state
  control-socket: zonegate.sock
keys:
  - file: dhcp.key
zones:
  - name: dyn.corp.test.
    file: dyn.zone
    update-policy:
      - grant dhcp. zonesub A
"""
DYN = "$ORIGIN dyn.corp.test.\n$TTL 300\n@ SOA gw1 hostmaster 1 3600 600 604800 300\n@ NS gw1\ngw1 A 127.0.0.2\nwww A 192.0.2.80\n"


def test_a_resolver_follows_the_delegation(net, make_gateway):
    inside = net.inside(net.server)
    g = make_gateway(CONFIG, {"dyn.zone": DYN}, wrap=inside)
    with open(os.path.join(TOP, "contrib", "examples", "bind-delegation.zone")) as f:
        parent = f.read()
    with open(os.path.join(g.dir, "corp.zone"), "w") as f:
        f.write(parent)
    with open(os.path.join(g.dir, "named.conf"), "w") as f:
        f.write('options { directory "%s"; listen-on { 127.0.0.1; }; listen-on-v6 { none; }; recursion yes; allow-recursion { any; }; dnssec-validation no;'
                ' pid-file "%s/named.pid"; session-keyfile "%s/session.key"; };\ncontrols { };\nzone "corp.test" { type primary; file "corp.zone"; };\n' % ((g.dir,) * 3))
    log = open(os.path.join(g.dir, "named.log"), "w")
    named = subprocess.Popen(inside + ["named", "-g", "-c", os.path.join(g.dir, "named.conf")], stdout=log, stderr=log)

    def dig(*a):
        return net.run(net.server, "dig", "@127.0.0.1", "+short", "+tries=1", "+time=%d" % PATIENCE, *a, check=False).stdout.split()
    try:
        end = time.monotonic() + PATIENCE
        while dig("ns1.corp.test.") != ["127.0.0.1"]:
            assert time.monotonic() < end, open(os.path.join(g.dir, "named.log")).read()[-2000:]
            time.sleep(0.1)
        assert dig("www.dyn.corp.test.") == ["192.0.2.80"]
        net.run(net.server, "nsupdate", "-k", os.path.join(g.dir, "dhcp.key"),
                input="server 127.0.0.2\nzone dyn.corp.test.\nupdate add new.dyn.corp.test. 300 A 192.0.2.81\nsend\n")
        assert dig("new.dyn.corp.test.") == ["192.0.2.81"]
    finally:
        named.terminate()
        named.wait(PATIENCE)
