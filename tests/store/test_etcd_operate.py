"""etcd that is away, behind a proxy, or not as the configuration says: what an operator sees, and what is served."""
import contextlib
import http.client
import http.server
import os
import re
import shutil
import socket
import socketserver
import threading
import time

import pytest
from conftest import eventually, free_port, run
from test_etcd import axfr, config, etcd, kept, make_etcd, update  # noqa: F401 (fixtures)
from test_etcd_native import with_users

pytestmark = pytest.mark.skipif(not shutil.which("etcd"), reason="no etcd here (Debian: etcd-server)")


def page(gateway, path):
    done = run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1:%d%s" % (gateway.http, path), check=False)
    return done.stdout


def test_without_etcd_and_without_a_copy_it_gets_ready_and_the_zone_comes_with_etcd(etcd, make_gateway):
    text = config(etcd, zone_file=False).replace("stores:\n", "stores:\n  local: {type: embedded}\n")
    text += "  - name: here.test.\n    store: local\n    file: example.test.zone\n"
    gateway = make_gateway(text.replace("name: example.test.\n", "name: example.test.\n    store: registry\n    file: example.test.zone\n"),
                           {"example.test.zone": "$TTL 60\n@ SOA ns1 h 1 2 3 4 5\n@ NS ns1\nns1 A 192.0.2.1\n"}, start=False)
    etcd.command("kill", etcd.dir)
    gateway.start()  # waits for "ready"
    assert gateway.short("ns1.here.test.") == ["192.0.2.1"]
    assert "SERVFAIL" in gateway.dig("ns1.example.test.")
    assert "zones not served" in gateway.log()
    eventually(lambda: "store not connected" in gateway.log())
    assert page(gateway, "/healthz") == "200" and page(gateway, "/readyz") == "503"
    refused = gateway.ctl("add", "other.test.", "--store", "registry", check=False)
    assert refused.returncode == 1 and "store registry cannot be reached" in refused.stderr
    history = gateway.ctl("log", "example.test.", check=False)
    assert history.returncode == 1 and "store registry is not connected" in history.stderr
    etcd.command("start", etcd.dir)
    eventually(lambda: gateway.short("ns1.example.test.") == ["192.0.2.1"])
    eventually(lambda: page(gateway, "/readyz") == "200")


def test_the_history_is_read_from_the_local_copy_while_etcd_is_away(etcd, make_gateway):
    gateway = make_gateway(config(etcd, patience=None))
    update(gateway, "update add beginning.example.test. 60 A 192.0.2.1")
    with open(os.path.join(gateway.dir, "state", "data.mdb"), "rb") as f:
        eventually(lambda: f.seek(0) or b"beginning" in f.read())   # the copy has begun, with version 2 at the latest
    for i in range(4):
        update(gateway, "update add a%d.example.test. 60 A 192.0.2.1" % i)
    asked = (["log", "example.test.", "--since", "2"], ["--json", "log", "example.test.", "--since", "2"],
             ["dump", "example.test.", "--at", "4"], ["diff", "example.test.", "3", "5"])

    def answers():
        return [gateway.ctl(*x).stdout for x in asked]
    known = answers()
    kept(gateway)
    etcd.command("kill", etcd.dir)
    eventually(lambda: "not connected" in gateway.ctl("status").stdout)
    assert answers() == known
    gateway.restart()
    assert answers() == known
    gateway.ctl("log", "--verify", "example.test.")
    etcd.command("start", etcd.dir)
    eventually(lambda: gateway.nsupdate("update add later.example.test. 60 A 192.0.2.1", "-v", key=None, check=False).returncode == 0, 60)
    # While etcd is just starting it may be away once more, and the copy was begun anew.
    eventually(lambda: gateway.ctl(*asked[0], check=False).stdout.startswith(known[0]), 60)
    eventually(lambda: gateway.ctl("log", "--verify", "example.test.", check=False).returncode == 0, 60)


class Proxy(http.server.BaseHTTPRequestHandler):
    """HTTP/1.1 only; streams as it comes."""
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        upstream = http.client.HTTPConnection(self.server.upstream)
        upstream.request("POST", self.path, body, {"Content-Type": self.headers["Content-Type"]})
        answer = upstream.getresponse()
        self.server.paths.append(self.path)
        self.send_response(answer.status)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while True:
            some = answer.read1(65536)
            self.wfile.write(b"%x\r\n%s\r\n" % (len(some), some))
            if not some:
                return

    def log_message(self, *_):
        pass


def test_through_a_proxy_that_knows_no_http2_all_goes_as_json(etcd, make_gateway):
    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    proxy.daemon_threads = True
    proxy.upstream, proxy.paths = etcd.url.split("//")[1], []
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    try:
        two = make_gateway(config(etcd, name="gw2"))
        gateway = make_gateway(config(etcd).replace(etcd.url, "http://127.0.0.1:%d" % proxy.server_port))
        for i in range(20):
            update(gateway, "update add a%d.example.test. 60 A 192.0.2.1" % i)
            update(two, "update add b%d.example.test. 60 A 192.0.2.1" % i)
        eventually(lambda: axfr(gateway) == axfr(two))
        assert proxy.paths.count("/v3/kv/txn") >= 20 and "/v3/watch" in proxy.paths
    finally:
        proxy.shutdown()
        proxy.server_close()


class Delayer(socketserver.BaseRequestHandler):
    """Passes octets on; what HTTP/1.1 asks is answered late, what the first connection asks too."""

    def handle(self):
        first = self.server.connections == 0
        self.server.connections += 1
        begin = self.request.recv(65536)
        self.server.plain += not begin.startswith(b"PRI * HTTP/2")
        with socket.create_connection(self.server.upstream) as upstream:
            upstream.sendall(begin)
            threading.Thread(target=self.pump, args=(self.request, upstream), daemon=True).start()
            if first or not begin.startswith(b"PRI * HTTP/2"):
                time.sleep(0.7)  # longer than from one probe to the next, shorter than a probe's time limit
            self.pump(upstream, self.request)

    @staticmethod
    def pump(source, sink):
        try:
            while some := source.recv(65536):
                sink.sendall(some)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def test_a_list_does_not_go_on_a_connection_of_http1_that_waits_for_its_answer(etcd, make_gateway):
    host, port = etcd.url.split("//")[1].split(":")
    make_gateway(config(etcd, name="gw2"))
    proxy = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Delayer)
    proxy.daemon_threads = True
    proxy.upstream, proxy.connections, proxy.plain = (host, int(port)), 0, 0
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    try:
        gateway = make_gateway(config(etcd).replace(etcd.url, "http://127.0.0.1:%d" % proxy.server_address[1]))
        assert proxy.plain  # one was under way
        assert "timed out" not in gateway.log()
        update(gateway, "update add a.example.test. 60 A 192.0.2.1")
    finally:
        proxy.shutdown()
        proxy.server_close()


def inodes_of(pid):
    """What its descriptors are; one may be closed while they are read."""
    found = set()
    for fd in os.listdir("/proc/%d/fd" % pid):
        with contextlib.suppress(FileNotFoundError):
            found.add(os.readlink("/proc/%d/fd/%s" % (pid, fd)))
    return found


def test_requests_share_the_connection_of_the_watch(etcd, make_gateway):
    gateway = make_gateway(config(etcd))
    for i in range(30):
        update(gateway, "update add a%d.example.test. 60 A 192.0.2.1" % i)
    port = "%04X" % int(etcd.url.rsplit(":", 1)[1])
    inodes = inodes_of(gateway.proc.pid)
    with open("/proc/net/tcp") as f:
        mine = [x.split() for x in f if "socket:[%s]" % (x.split() + [""] * 10)[9] in inodes]
    assert len([x for x in mine if x[2].endswith(":" + port)]) == 1


def test_a_change_that_is_too_large_for_other_peoples_layouts_is_refused_with_what_to_do(etcd, make_gateway):
    gateway = make_gateway(config(etcd, ", layout: helix", ["example.com."]))
    path = os.path.join(gateway.dir, "big.zone")
    with open(path, "w") as f:
        f.write("$ORIGIN example.com.\n$TTL 300\n@ SOA ns1 h 5 3600 600 604800 300\n@ NS ns1\nns1 A 127.0.0.1\n")
        f.writelines('t%d TXT "%s"\n' % (i, "x" * 200) for i in range(5000))
    refused = gateway.ctl("import", "example.com.", path, check=False)
    assert refused.returncode == 1 and "more than 900 kB" in refused.stderr and "layout zonegate" in refused.stderr
    update(gateway, "update add a.example.com. 60 A 192.0.2.1", "example.com.")


def test_what_is_wrong_with_the_connection_is_said_once_with_what_to_look_at(etcd, make_gateway):
    with_users(etcd)
    user = ", auth: {user: gw, password-file: pw}"
    wrong = {"auth.password-file": config(etcd, user), "set auth.user": config(etcd), "http or https": config(etcd, user).replace("http://", "https://"),
             "Failed to connect": config(etcd, user).replace(etcd.url, "http://127.0.0.1:%d" % free_port())}
    for words, text in wrong.items():
        gateway = make_gateway(text, {"pw": "guess\n"}, start=False)
        gateway.start(check=False)
        eventually(lambda: os.path.exists(gateway.log_path) and words in gateway.log())
        time.sleep(1.5)
        said = [re.sub("[0-9]", "", x.split("reason=")[1]) for x in gateway.log().splitlines() if words in x]
        assert len(said) == len(set(said)) <= 2, gateway.log()  # a server that closes is met in reading, or in writing
        assert "not connected" in gateway.ctl("status").stdout
        gateway.kill()


CATALOG = """  - {name: catalog.test., store: registry, catalog: produce, allow-transfer: [127.0.0.1]}
"""


def test_zones_that_could_not_be_listed_are_listed_later_whatever_comes_meanwhile(etcd, make_gateway):
    text = config(etcd, zones=()).replace("stores:\n", "stores:\n  local: {type: embedded}\n") + CATALOG
    gateway = make_gateway(text)
    added = []

    def add():
        added.append("n%d.test." % len(added))
        gateway.ctl("add", added[-1], "--store", "local")

    def listed():
        return {x.split()[-1] for x in axfr(gateway, "catalog.test.") if x.split()[3] == "PTR"}
    add()
    eventually(lambda: listed() == set(added), 60)
    etcd.command("kill", etcd.dir)
    add()
    eventually(lambda: "not brought up to date" in gateway.log(), 60)
    etcd.command("start", etcd.dir)
    while added[-1] not in listed():  # others come all the time, until one of them is listed
        add()
        time.sleep(0.3)
        assert len(added) < 600
    eventually(lambda: listed() == set(added), 60)
