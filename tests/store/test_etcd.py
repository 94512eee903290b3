"""The etcd store on real etcd servers: its own layout, HelixDNS's, SkyDNS's as CoreDNS reads it."""
import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest
from conftest import LONG, TOP, eventually, free_port, run

SERVERS = os.path.join(TOP, "tests", "servers", "etcd")
pytestmark = pytest.mark.skipif(not shutil.which("etcd"), reason="no etcd here (Debian: etcd-server)")


class Etcd:
    def __init__(self, folder, *options):
        self.dir = os.path.join(folder, "etcd")
        for attempt in range(3):  # its second port may be another's
            self.port = free_port()
            if run(SERVERS, "start", self.dir, "-p", self.port, *options, check=attempt == 2, timeout=1800).returncode == 0:
                break
            run(SERVERS, "clean", self.dir)
        self.endpoints = run(SERVERS, "endpoints", self.dir).stdout.strip().split(",")
        self.url = self.endpoints[0]

    def command(self, *arguments):
        run(SERVERS, *arguments, timeout=300)

    def v3(self, path, **body):
        request = urllib.request.Request(self.url + "/v3/" + path, json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def put(self, key, value, lease=0):
        return self.v3("kv/put", key=b64(key), value=b64(value), lease=str(lease))

    def delete(self, key):
        return self.v3("kv/deleterange", key=b64(key))

    def keys(self, prefix):
        end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        found = self.v3("kv/range", key=b64(prefix), range_end=b64(end))
        return {base64.b64decode(kv["key"]).decode(): base64.b64decode(kv.get("value", "")).decode() for kv in found.get("kvs", [])}

    def lease(self, seconds):
        return self.v3("lease/grant", TTL=str(seconds))["ID"]

    def v2(self, method, key, **form):
        request = urllib.request.Request(self.url + "/v2/keys" + key, urllib.parse.urlencode(form).encode() if form else None, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)


def kept(gateway):
    """What a gateway keeps of etcd's zones it writes lazily: every second, and content once nothing comes. Until its file is at rest."""
    begin, path = time.time(), os.path.join(gateway.dir, "state", "data.mdb")
    eventually(lambda: time.time() > max(begin + 3.5, os.stat(path).st_mtime + 2))


def b64(text):
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def make_etcd(folder):
    made = []

    def make(*options):
        made.append(Etcd(folder, *options))
        return made[-1]
    yield make
    for etcd in made:
        etcd.command("clean", etcd.dir)


@pytest.fixture
def etcd(make_etcd):
    return make_etcd()


def config(etcd, store="", zones=("example.test.",), more="", zone_file=True, name="gw1", patience="30s"):
    """patience: how long an update may take; None, for the default, where etcd is away and its fate is to be told soon."""
    more += "    update-timeout: %s\n" % patience if patience else ""
    endpoints = ", ".join(etcd.endpoints)
    text = """
server:
  listen: [127.0.0.1@PORT]
  state-dir: state
  control-socket: zonegate.sock
  http: 127.0.0.1@HTTP
  identity: %s
stores:
  registry: {type: etcd, endpoints: [%s]%s}
zones:
""" % (name, endpoints, store)
    for zone in zones:
        text += "  - name: %s\n    allow-update: [127.0.0.1]\n    allow-transfer: [127.0.0.1]\n%s" % (zone, more)
        if zone_file and zone == "example.test.":
            text += "    file: example.test.zone\n"
    return text


def update(gateway, text, zone="example.test.", check=True):
    return gateway.nsupdate(text, "-v", key=None, zone=zone, check=check)


def axfr(gateway, zone="example.test."):
    return sorted(set(x for x in gateway.dig("+onesoa", "+noall", "+answer", zone, "AXFR").splitlines() if x))


# ---- layout zonegate ----

def test_an_update_at_one_gateway_is_served_by_the_other(etcd, make_gateway):
    one, two = make_gateway(config(etcd)), make_gateway(config(etcd, name="gw2"))
    update(one, "update add www.example.test. 60 A 192.0.2.1")
    eventually(lambda: two.short("www.example.test.") == ["192.0.2.1"])
    update(two, "prereq yxdomain www.example.test.\nupdate delete www.example.test. A\nupdate add www.example.test. 60 A 192.0.2.2")
    eventually(lambda: one.short("www.example.test.") == ["192.0.2.2"])
    assert axfr(one) == axfr(two)
    assert one.serial() == two.serial()
    assert json.loads(etcd.keys("/zonegate/zones/example.test./names/test/example/www").popitem()[1]) == {
        "A": {"ttl": 60, "content": ["192.0.2.2"]}}
    one.ctl("log", "--verify", "example.test.")


def test_a_prerequisite_sees_what_the_other_gateway_has_acknowledged(etcd, make_gateway):
    one, two = make_gateway(config(etcd)), make_gateway(config(etcd, name="gw2"))
    for i in range(20):
        update(one, "update add n%d.example.test. 60 A 192.0.2.1" % i)
        done = update(two, "prereq nxdomain n%d.example.test.\nupdate add n%d.example.test. 60 A 192.0.2.2" % (i, i), check=False)
        assert "YXDOMAIN" in done.stderr
    assert axfr(one) == axfr(two)


def test_a_restart_finds_zone_serial_and_history(etcd, make_gateway):
    gateway = make_gateway(config(etcd))
    for i in range(5):
        update(gateway, "update add a%d.example.test. 60 TXT \"%d\"" % (i, i))
    before, log = axfr(gateway), gateway.ctl("--json", "log", "example.test.").stdout
    gateway.restart()
    assert axfr(gateway) == before
    assert gateway.ctl("--json", "log", "example.test.").stdout == log


def test_gateways_race_for_a_name_and_nothing_is_lost(etcd, make_gateway):
    gateways = [make_gateway(config(etcd, name="gw%d" % i)) for i in range(2)]
    failed = []

    def work(gateway, letter):
        for i in range(15):
            done = update(gateway, "update add hot.example.test. 60 TXT \"%s%d\"" % (letter, i), check=False)
            if done.returncode:
                failed.append(done.stderr)
    threads = [threading.Thread(target=work, args=(g, letter)) for g, letter in zip(gateways, "ab")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    wanted = sorted('"%s%d"' % (letter, i) for letter in "ab" for i in range(15))
    for gateway in gateways:
        eventually(lambda: gateway.short("hot.example.test.", "TXT", "+tcp") == wanted)
    assert gateways[0].serial() == gateways[1].serial() == 31


def big(count):
    return "\n".join("update add n%d.example.test. 60 A 10.0.%d.%d" % (i, i >> 8, i & 255) for i in range(count))


def test_a_change_of_thousands_of_names_is_one(etcd, make_gateway):
    one, two = make_gateway(config(etcd)), make_gateway(config(etcd, name="gw2"))
    one.nsupdate(big(1500), "-v", key=None)
    eventually(lambda: two.serial() == 2)
    eventually(lambda: "/zonegate/zones/example.test./journal" not in etcd.keys("/zonegate/zones/example.test./journal"))
    assert axfr(one) == axfr(two)
    assert len(etcd.keys("/zonegate/zones/example.test./names/")) == 1500 + 3
    update(two, "update add after.example.test. 60 A 192.0.2.1")
    two.restart()
    assert len(axfr(two)) == 1500 + 5 + 1


def test_a_gateway_killed_in_a_large_change_leaves_all_or_nothing(etcd, make_gateway):
    one, two = make_gateway(config(etcd)), make_gateway(config(etcd, name="gw2"))
    for i in range(3):
        sender = subprocess.Popen(["nsupdate", "-v"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        sender.stdin.write("server 127.0.0.1 %d\nzone example.test.\n%s\nsend\n" % (one.port, big(1500).replace(" n", " k%dn" % i)))
        sender.stdin.close()
        time.sleep(0.12 + 0.06 * i)
        one.kill()
        sender.wait()
        one.start()
        counts = lambda: [sum(x.startswith("k%dn" % i) for x in axfr(g)) for g in (one, two)]
        assert set(counts()) <= {0, 1500}
        eventually(lambda: not etcd.keys("/zonegate/zones/example.test./journal") and axfr(one) == axfr(two))
        assert counts() in ([0, 0], [1500, 1500])
        update(one, "update add after%d.example.test. 60 A 192.0.2.1" % i)
        eventually(lambda: axfr(one) == axfr(two))


def test_etcd_away_and_back(etcd, make_gateway):
    gateway = make_gateway(config(etcd, patience=None))
    update(gateway, "update add www.example.test. 60 A 192.0.2.1")
    etcd.command("kill", etcd.dir)
    assert gateway.short("www.example.test.") == ["192.0.2.1"]
    assert update(gateway, "update add two.example.test. 60 A 192.0.2.1", check=False).returncode
    eventually(lambda: 'zonegate_store_connected{store="registry"} 0' in metrics(gateway))
    etcd.command("start", etcd.dir)
    eventually(lambda: update(gateway, "update add three.example.test. 60 A 192.0.2.3", check=False).returncode == 0)
    assert gateway.short("three.example.test.") == ["192.0.2.3"]


def metrics(gateway):
    with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % gateway.http, timeout=60) as answer:
        return answer.read().decode()


def test_etcd_that_comes_later_than_the_gateway(etcd, make_gateway):
    gateway = make_gateway(config(etcd), start=False)  # has its ports before etcd gives back its own
    etcd.command("kill", etcd.dir)
    gateway.start(check=False)
    time.sleep(0.5)
    etcd.command("start", etcd.dir)
    eventually(lambda: "NOERROR" in gateway.dig("example.test.", "SOA", check=False))


def test_a_compaction_loses_nothing(etcd, make_gateway):
    one, two = make_gateway(config(etcd)), make_gateway(config(etcd, name="gw2"))
    os.kill(two.proc.pid, signal.SIGSTOP)
    for i in range(30):
        update(one, "update add c%d.example.test. 60 A 192.0.2.1" % i)
    revision = etcd.v3("kv/range", key=b64("/x"))["header"]["revision"]
    etcd.v3("kv/compaction", revision=revision)
    os.kill(two.proc.pid, signal.SIGCONT)
    eventually(lambda: axfr(two) == axfr(one))
    update(two, "update add after.example.test. 60 A 192.0.2.1")
    eventually(lambda: axfr(two) == axfr(one))


# ---- helix ----

HELIX = ("example.com.", "56.34.12.in-addr.arpa.")


def test_helix_v2_as_helixdns_documents_it(etcd, make_gateway):
    gateway = make_gateway(config(etcd, ", api: v2, layout: helix", HELIX))
    etcd.v2("PUT", "/helix/com/example/foo/A", value="123.123.123.123")
    eventually(lambda: gateway.dig("+noall", "+answer", "foo.example.com.").split() ==
             ["foo.example.com.", "5", "IN", "A", "123.123.123.123"])
    etcd.v2("PUT", "/helix/com/example/foo/AAAA", value="2001:db8::1")
    etcd.v2("PUT", "/helix/com/example/alias/CNAME", value="foo.example.com.")
    etcd.v2("PUT", "/helix/arpa/in-addr/12/34/56/78/PTR", value="foo.example.com.")
    etcd.v2("PUT", "/helix/com/example/sip/SRV", value='[{"Priority":10,"Weight":60,"Port":5060,"Target":"foo.example.com."}]')
    etcd.v2("PUT", "/helix/com/example/SOA", value=json.dumps(
        {"Ns": "ns1.example.com.", "Mbox": "admin.example.com.", "Serial": 3, "Refresh": 3600, "Retry": 600, "Expire": 86400, "Minttl": 60}))
    eventually(lambda: gateway.short("example.com.", "SOA") == ["ns1.example.com. admin.example.com. 3 3600 600 86400 60"])
    assert gateway.short("foo.example.com.", "AAAA") == ["2001:db8::1"]
    assert gateway.short("alias.example.com.", "CNAME") == ["foo.example.com."]
    eventually(lambda: gateway.short("78.56.34.12.in-addr.arpa.", "PTR") == ["foo.example.com."])     # a zone that was listed by itself
    assert gateway.short("sip.example.com.", "SRV") == ["10 60 5060 foo.example.com."]
    assert len(axfr(gateway, "example.com.")) == 6
    etcd.v2("PUT", "/helix/com/example/late/A", value="1.2.3.4")
    eventually(lambda: gateway.serial("example.com.") == 4)
    other = make_gateway(config(etcd, ", api: v2, layout: helix", HELIX, name="gw2"))
    assert axfr(other, "example.com.") == axfr(gateway, "example.com.")


def test_helix_v2_keys_with_an_end(etcd, make_gateway):
    """Until one is seen in its last second, which a busy machine may miss."""
    gateway = make_gateway(config(etcd, ", api: v2, layout: helix", HELIX))
    for attempt in range(8):
        tmp, folder, ttls, inside = "tmp%d" % attempt, "dir%d" % attempt, [], []
        etcd.v2("PUT", "/helix/com/example/%s/A" % tmp, value="1.2.3.4", ttl="5")
        etcd.v2("PUT", "/helix/com/example/%s" % folder, dir="true", ttl="5")
        etcd.v2("PUT", "/helix/com/example/%s/A" % folder, value="1.2.3.5")
        with contextlib.suppress(urllib.error.HTTPError):  # all of it is over
            if "ttl" not in etcd.v2("GET", "/helix/com/example/%s?dir=true" % folder)["node"]:  # it was over, and is made anew
                etcd.v2("DELETE", "/helix/com/example/%s?recursive=true" % folder)

        def over():
            there = json.dumps(etcd.v2("GET", "/helix/com/example?recursive=true"))
            line = gateway.dig("+noall", "+answer", tmp + ".example.com.").split()
            ttls.extend(int(x) for x in line[1:2])
            assert line[4:] in ([], ["1.2.3.4"])
            inside.extend(gateway.short(folder + ".example.com."))
            return all("/%s/A" % x not in there and "NXDOMAIN" in gateway.dig(x + ".example.com.") for x in (tmp, folder))
        eventually(over)
        assert ttls == sorted(ttls, reverse=True) and set(ttls) <= {1, 2, 3, 4, 5} and set(inside) <= {"1.2.3.5"}
        if 1 in ttls and max(ttls) > 1 and inside:
            return
    pytest.fail("none was seen in its last second")


@pytest.mark.parametrize("api", ["v2", "v3"])
def test_helix_is_written_by_updates(etcd, make_gateway, api):
    one, two = (make_gateway(config(etcd, ", api: %s, layout: helix" % api, HELIX, name=name)) for name in ("gw1", "gw2"))
    update(one, "update add a.example.com. 5 A 192.0.2.1", "example.com.")
    update(two, "prereq yxdomain a.example.com.\nupdate add a.example.com. 5 A 192.0.2.2\nupdate add m.example.com. 5 MX 10 a.example.com.\n"
           "update add t.example.com. 5 TXT \"a b\" c", "example.com.")
    eventually(lambda: axfr(one, "example.com.") == axfr(two, "example.com."))
    assert one.short("a.example.com.") == ["192.0.2.1", "192.0.2.2"]
    assert one.serial("example.com.") == two.serial("example.com.")
    update(one, "update delete a.example.com.\nupdate delete m.example.com.", "example.com.")
    eventually(lambda: "NXDOMAIN" in two.dig("a.example.com."))
    refused = update(two, "prereq yxdomain a.example.com.\nupdate add x.example.com. 5 A 192.0.2.2", "example.com.", check=False)
    assert "NXDOMAIN" in refused.stderr
    if api == "v3":
        assert etcd.keys("/helix/") == {"/helix/com/example/t/TXT": '["\\"a b\\" \\"c\\""]'}
    else:
        assert etcd.v2("GET", "/helix/com/example/t/TXT")["node"]["value"] == '["\\"a b\\" \\"c\\""]'
        with pytest.raises(urllib.error.HTTPError):
            etcd.v2("GET", "/helix.journal/example.com.")
    three = make_gateway(config(etcd, ", api: %s, layout: helix" % api, HELIX, name="gw3"))
    assert [x for x in axfr(three, "example.com.") if "SOA" not in x] == [x for x in axfr(one, "example.com.") if "SOA" not in x]


def test_what_is_wrong_is_named_and_harms_no_other(etcd, make_gateway):
    gateway = make_gateway(config(etcd, ", layout: helix", HELIX))
    etcd.put("/helix/com/example/bad/A", "999.1.2.3")
    etcd.put("/helix/com/example/foo/A", "1.2.3.4")
    etcd.put("/helix/com/example/foo/CNAME", "bar.example.com.")
    etcd.put("/helix/com/example/broken/SRV", "[{")
    etcd.put("/helix/com/example/nothing", "1.2.3.4")
    eventually(lambda: gateway.short("foo.example.com.") == ["1.2.3.4"])
    wrong = eventually(lambda: (lambda text: text if text.count("not served") == 4 else None)(gateway.ctl("check", "example.com.").stdout))
    for key in ("bad/A", "foo/CNAME", "broken/SRV", "nothing"):
        assert "/helix/com/example/" + key in wrong and "/helix/com/example/" + key in gateway.log()
    assert gateway.log().count("key=/helix/com/example/bad/A") == 1
    etcd.put("/helix/com/example/bad/A", "9.9.9.9")
    eventually(lambda: gateway.short("bad.example.com.") == ["9.9.9.9"])
    assert "bad/A" not in gateway.ctl("check", "example.com.").stdout


def served_with_a_lease(etcd, gateway):
    """The name of a record that is served and has an end: of a short lease where the machine is quick enough to see it."""
    for seconds in (3, 9, 27, 81):
        name, key = "tmp%d.example.com." % seconds, "/helix/com/example/tmp%d/A" % seconds
        try:
            etcd.put(key, "192.0.2.1", etcd.lease(seconds))
        except urllib.error.HTTPError:
            continue  # the lease was over
        line = eventually(lambda: gateway.dig("+noall", "+answer", name).split() or key not in etcd.keys("/helix/") and ["over"])
        if line != ["over"]:
            assert line[4] == "192.0.2.1" and 1 <= int(line[1]) <= min(5, seconds)
            return name
    pytest.fail("no record was seen before its end")


def test_helix_v3_leases(etcd, make_gateway):
    gateway = make_gateway(config(etcd, ", layout: helix", HELIX))
    name = served_with_a_lease(etcd, gateway)
    eventually(lambda: "NXDOMAIN" in gateway.dig(name), 120)


# ---- skydns ----

SERVICES = {
    "/skydns/com/example/foo/bar/x1": '{"host":"10.0.0.1","port":8080,"priority":20,"weight":10}',
    "/skydns/com/example/foo/bar/x2": '{"host":"10.0.0.2","port":8080,"priority":20,"weight":30}',
    "/skydns/com/example/foo/x3": '{"host":"svc.example.org","port":80}',
    "/skydns/com/example/six/x": '{"host":"2001:db8::1","targetstrip":1}',
    "/skydns/com/example/words/x": '{"text":"hi there"}',
    "/skydns/com/example/mail/a": '{"host":"10.0.0.9","mail":true,"priority":5}',
    "/skydns/com/example/mail/b": '{"host":"mx.example.org","mail":true}',
    "/skydns/com/example/grp/a": '{"host":"10.1.0.1","group":"g1"}',
    "/skydns/com/example/grp/b/c": '{"host":"10.1.0.2","group":"g2"}',
}
QUESTIONS = [("a", "A"), ("a6", "AAAA"), ("a", "AAAA"), ("c", "A"), ("c", "CNAME"), ("t", "TXT"), ("m", "MX"), ("_x._tcp", "SRV"), ("a", "SRV"),
             ("foo", "SRV"), ("bar.foo", "A"), ("bar.foo", "SRV"), ("x1.bar.foo", "A"), ("x1.bar.foo", "SRV"), ("six", "AAAA"),
             ("six", "SRV"), ("words", "TXT"), ("mail", "MX"), ("grp", "A")]
COREDNS = "github.com/coredns/coredns@v1.15.0"  # of the next one nobody knows


def test_skydns_answers_as_coredns_does(etcd, make_gateway, folder):
    try:
        coredns = run(os.path.join(TOP, "tests", "servers", "go"), COREDNS, timeout=1800).stdout.strip()
    except (AssertionError, OSError, subprocess.TimeoutExpired) as e:
        pytest.skip("no CoreDNS: %s" % e)
    gateway = make_gateway(config(etcd, ", layout: skydns", HELIX))
    update(gateway, "update add a.example.com. 300 A 1.2.3.4\nupdate add a.example.com. 300 A 1.2.3.5\nupdate add a6.example.com. 300 AAAA 2001:db8::2\n"
           "update add c.example.com. 300 CNAME a.example.com.\nupdate add t.example.com. 300 TXT hello\n"
           "update add m.example.com. 300 MX 10 mail.example.org.\nupdate add _x._tcp.example.com. 300 SRV 20 100 8080 a.example.com.", "example.com.")
    update(gateway, "update add 7.56.34.12.in-addr.arpa. 300 PTR a.example.com.", "56.34.12.in-addr.arpa.")
    assert "REFUSED" in update(gateway, 'update add x.example.com. 300 CAA 0 issue "x"', "example.com.", check=False).stderr
    for key, value in SERVICES.items():
        etcd.put(key, value)
    etcd.put("/skydns/com/example/wrong", '{"host":"300.1.1.1"}')
    eventually(lambda: "wrong" in gateway.ctl("check", "example.com.").stdout)  # it has seen all of them
    port = free_port()
    with open(os.path.join(folder, "Corefile"), "w") as f:
        f.write(".:%d {\n bind 127.0.0.1\n etcd example.com 56.34.12.in-addr.arpa {\n path /skydns\n endpoint %s\n }\n}\n" % (port, etcd.url))
    server = subprocess.Popen([coredns, "-conf", os.path.join(folder, "Corefile")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        theirs = lambda name, kind: sorted(run("dig", "@127.0.0.1", "-p", port, "+noall", "+answer", "+time=10", name, kind, check=False).stdout.splitlines())
        eventually(lambda: any("1.2.3.4" in x for x in theirs("a.example.com.", "A")))
        for name, kind in QUESTIONS:
            name += ".example.com."
            ours = sorted(gateway.dig("+noall", "+answer", name, kind).splitlines())
            if (name, kind) != ("a.example.com.", "AAAA"):
                assert ours, (name, kind)
                eventually(lambda: theirs(name, kind) == ours, said=lambda: (name, kind, ours))  # it gives etcd five seconds, then SERVFAIL
        assert theirs("7.56.34.12.in-addr.arpa.", "PTR") == gateway.dig("+noall", "+answer", "7.56.34.12.in-addr.arpa.", "PTR").splitlines()
    finally:
        server.terminate()
        server.wait()
    update(gateway, "update delete a.example.com.\nupdate delete c.example.com.\nupdate delete t.example.com. TXT", "example.com.")
    assert not [k for k in etcd.keys("/skydns/") if k.split("/")[4] in ("a", "c", "t")]
    assert "wrong" in gateway.ctl("check", "example.com.").stdout


# ---- the connection ----

def test_a_password_and_a_wrong_one(etcd, make_gateway, folder):
    etcd.v3("auth/user/add", name="root", password="r")
    etcd.v3("auth/user/grant", user="root", role="root") if etcd.v3("auth/role/add", name="root") is not None else None
    etcd.v3("auth/user/add", name="gw", password="secret")
    etcd.v3("auth/role/add", name="dns")
    etcd.v3("auth/role/grant", name="dns", perm={"permType": "READWRITE", "key": b64("/zonegate"), "range_end": b64("/zonegatf")})
    etcd.v3("auth/user/grant", user="gw", role="dns")
    etcd.v3("auth/enable")
    store = ", auth: {user: gw, password-file: pw}"
    gateway = make_gateway(config(etcd, store), files={"pw": "secret\n"})
    update(gateway, "update add www.example.test. 60 A 192.0.2.1")
    for password, word in (("guess\n", "auth.password-file"), ("x" * 300, "its first line is too long")):
        wrong = make_gateway(config(etcd, store, name="gw2"), files={"pw": password}, start=False)
        wrong.start(check=False)
        eventually(lambda: word in wrong.log() if os.path.exists(wrong.log_path) else False)


def test_certificates(make_etcd, make_gateway):
    etcd = make_etcd("-t")
    tls = os.path.join(etcd.dir, "tls")
    good = ", tls: {ca: %s/ca.pem, certificate: %s/client.pem, key: %s/client.key}" % (tls, tls, tls)
    gateway = make_gateway(config(etcd, good))
    update(gateway, "update add www.example.test. 60 A 192.0.2.1")
    for store, word in ((", tls: {ca: %s/client.pem}" % tls, "tls.ca"), (", tls: {ca: %s/ca.pem}" % tls, "tls.certificate")):
        wrong = make_gateway(config(etcd, store, name="gw2").replace("level: info", "level: debug").replace("zones:\n", "log: {level: debug}\nzones:\n"),
                             start=False)
        wrong.start(check=False)
        eventually(lambda: word in wrong.log() if os.path.exists(wrong.log_path) else False)
        wrong.kill()


@pytest.mark.skipif(not LONG, reason="three members: tests/run --long")
def test_three_members_of_which_one_dies_and_one_hangs(make_etcd, make_gateway):
    etcd = make_etcd("-n", "3")
    gateways = [make_gateway(config(etcd, name="gw%d" % i, patience=None)) for i in range(3)]
    acknowledged, stop = [], threading.Event()

    def work(number):
        i = 0
        while not stop.is_set():
            name = "w%d-%d.example.test." % (number, i)
            if update(gateways[number], "update add %s 60 A 192.0.2.1" % name, check=False).returncode == 0:
                acknowledged.append(name)
            i += 1
    threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for member in ("1", "2", "3"):
        etcd.command("kill", etcd.dir, member)
        time.sleep(3)
        etcd.command("start", etcd.dir, "-i", member)
        pid = int(open(os.path.join(etcd.dir, member, "pid")).read().split()[0])
        os.kill(pid, signal.SIGSTOP)
        time.sleep(4)
        os.kill(pid, signal.SIGCONT)
        time.sleep(1)
    stop.set()
    for thread in threads:
        thread.join()
    eventually(lambda: len({tuple(axfr(g)) for g in gateways}) == 1)
    served = {x.split()[0] for x in axfr(gateways[0])}
    assert acknowledged and not set(acknowledged) - served
