"""Layouts of other people in real etcd servers, helix and skydns: what they say, who else writes there, and what of it is history."""
import json
import os
import random
import shutil
import subprocess
import threading
import time

import dns.message
import dns.query
import pytest
from conftest import LONG, TOP, eventually, free_port, run
from test_etcd import COREDNS, HELIX, axfr, b64, config, etcd, make_etcd, metrics, update  # noqa: F401 (fixtures)
from test_etcd import pytestmark  # noqa: F401

LAYOUTS = ["v2 helix", "v3 helix", "v3 skydns"]
ONE, TWO = (LAYOUTS, LAYOUTS) if LONG else (["v3 skydns"], ["v2 helix", "v3 helix"])


def store(layout):
    api, layout = layout.split()
    return ", api: %s, layout: %s" % (api, layout)


def put(etcd, layout, name, address):
    """As another program does: an address of a name in example.com."""
    if layout == "v2 helix":
        etcd.v2("PUT", "/helix/com/example/%s/A" % name, value=address)
    elif layout == "v3 helix":
        etcd.put("/helix/com/example/%s/A" % name, address)
    else:
        etcd.put("/skydns/com/example/%s" % name, json.dumps({"host": address}))


def log(gateway, zone="example.com."):
    return [json.loads(line) for line in gateway.ctl("--json", "log", zone).stdout.splitlines()]


def wrote(entry):
    """Names whose addresses a change set; skydns has records of the names above, and of our own keys below, too."""
    return {op["record"] for op in entry["change"]["ops"] if op["type"] == "A" and len(op["record"]) == 1} - {"@"}


# ---- history ----

@pytest.mark.parametrize("layout", TWO)
def test_what_others_put_is_history_as_an_update_is(etcd, make_gateway, layout):
    gateway = make_gateway(config(etcd, store(layout), HELIX))
    eventually(lambda: gateway.ctl("log", "example.com.", check=False).returncode == 0)
    first = gateway.serial("example.com.")
    put(etcd, layout, "a", "192.0.2.1")
    eventually(lambda: gateway.short("a.example.com.") == ["192.0.2.1"])
    update(gateway, "update add b.example.com. 300 A 192.0.2.2", "example.com.")
    put(etcd, layout, "a", "192.0.2.3")
    eventually(lambda: gateway.short("a.example.com.") == ["192.0.2.3"])
    changes = log(gateway)
    assert [wrote(x) for x in changes[-3:]] == [{"a"}, {"b"}, {"a"}]
    assert [x["change"]["origin"].get("store", False) for x in changes[-3:]] == [True, False, True]
    versions = [x["version"] for x in changes]
    assert versions == list(range(versions[0], versions[0] + len(versions)))
    gateway.ctl("log", "--verify", "example.com.")
    then = gateway.ctl("dump", "example.com.", "--at", versions[-2]).stdout
    assert "192.0.2.1" in then and "192.0.2.2" in then and "192.0.2.3" not in then
    difference = gateway.ctl("diff", "example.com.", versions[-3], versions[-1]).stdout.splitlines()
    found = {x[0] + x.split()[-1] for x in difference if x.split()[-2] == "A" and x[1] in "ab"}
    assert found == {"-192.0.2.1", "+192.0.2.3", "+192.0.2.2"}
    answer = gateway.dig("+noall", "+answer", "+onesoa", "example.com.", "IXFR=%d" % first, "+tcp")
    assert "192.0.2.3" in answer
    gateway.ctl("rollback", "example.com.", versions[-2])
    assert gateway.short("a.example.com.") == ["192.0.2.1"]
    if layout == "v3 helix":
        assert etcd.keys("/helix/")["/helix/com/example/a/A"] == "192.0.2.1"


@pytest.mark.parametrize("layout", ONE)
def test_history_goes_on_after_a_restart_with_what_came_meanwhile_as_one_change(etcd, make_gateway, layout):
    gateway = make_gateway(config(etcd, store(layout), HELIX))
    eventually(lambda: gateway.ctl("log", "example.com.", check=False).returncode == 0)
    put(etcd, layout, "a", "192.0.2.1")
    eventually(lambda: gateway.short("a.example.com.") == ["192.0.2.1"])
    before = log(gateway)
    gateway.stop()
    put(etcd, layout, "b", "192.0.2.2")
    put(etcd, layout, "c", "192.0.2.3")
    gateway.start()
    eventually(lambda: gateway.short("b.example.com.") == ["192.0.2.2"])
    after = log(gateway)
    assert after[:len(before)] == before and len(after) == len(before) + 1
    assert wrote(after[-1]) == {"b", "c"}
    other = make_gateway(config(etcd, store(layout), HELIX, name="gw2"))
    assert axfr(other, "example.com.") == axfr(gateway, "example.com.")


@pytest.mark.parametrize("layout", LAYOUTS if LONG else LAYOUTS[1:2])
def test_last_known_zones_are_served_where_etcd_is_away_at_start(etcd, make_gateway, layout):
    gateway = make_gateway(config(etcd, store(layout), HELIX[:1], patience=None))
    eventually(lambda: gateway.ctl("log", "example.com.", check=False).returncode == 0)
    put(etcd, layout, "a", "192.0.2.1")
    eventually(lambda: gateway.short("a.example.com.") == ["192.0.2.1"])
    gateway.stop()
    etcd.command("kill", etcd.dir)
    gateway.start()
    assert gateway.short("a.example.com.") == ["192.0.2.1"]
    refused = gateway.nsupdate("update add b.example.com. 300 A 192.0.2.2", "-v", key=None, zone="example.com.", check=False)
    assert "SERVFAIL" in refused.stderr
    etcd.command("start", etcd.dir)
    eventually(lambda: update(gateway, "update add b.example.com. 300 A 192.0.2.2", "example.com.", check=False).returncode == 0)
    assert gateway.short("b.example.com.") == ["192.0.2.2"]


@pytest.mark.parametrize("layout", TWO)
def test_a_freeze_holds_on_all_gateways_and_over_a_restart(etcd, make_gateway, layout):
    one, two = (make_gateway(config(etcd, store(layout), HELIX, name=name)) for name in ("gw1", "gw2"))
    one.ctl("freeze", "example.com.")
    eventually(lambda: "frozen" in two.ctl("zones").stdout)
    assert "REFUSED" in update(two, "update add a.example.com. 300 A 192.0.2.1", "example.com.", check=False).stderr
    two.restart()
    three = make_gateway(config(etcd, store(layout), HELIX, name="gw3"))
    for gateway in one, two, three:
        assert "REFUSED" in update(gateway, "update add a.example.com. 300 A 192.0.2.1", "example.com.", check=False).stderr
    two.ctl("thaw", "example.com.")
    for gateway in one, two, three:
        eventually(lambda: update(gateway, "update add a.example.com. 300 A 192.0.2.1", "example.com.", check=False).returncode == 0)
    eventually(lambda: len({g.serial("example.com.") for g in (one, two, three)}) == 1)


# ---- large changes, and others who write at the same time ----

def many(count, letter="n"):
    return "\n".join("update add %s%d.example.com. 300 A 10.0.%d.%d" % (letter, i, i >> 8, i & 255) for i in range(count))


@pytest.mark.parametrize("layout", TWO)
def test_an_update_of_2000_records_is_one_change_to_all_readers(etcd, make_gateway, layout):
    one, two = (make_gateway(config(etcd, store(layout), HELIX[:1], name=name, patience="5m")) for name in ("gw1", "gw2"))
    seen, stop = set(), threading.Event()

    def watch():
        while not stop.is_set():
            seen.add(sum(x.startswith("n") for x in axfr(two, "example.com.")))
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        done = one.nsupdate(many(2000), "-v", key=None, zone="example.com.")
        assert not done.stderr
        eventually(lambda: len([x for x in axfr(two, "example.com.") if " A\t" in x or "\tA\t" in x]) >= 2000)
    finally:
        stop.set()
        watcher.join()
    seen.add(sum(x.startswith("n") for x in axfr(two)))     # the last that was watched may have begun before
    assert len(seen - {0}) == 1, seen
    if layout != "v2 helix":  # one revision: all other readers see it whole, too
        end = "/skydnt" if "skydns" in layout else "/helix0"
        kvs = etcd.v3("kv/range", key=b64(end[:-1]), range_end=b64(end))["kvs"]
        assert len(kvs) == 2000 and len({kv["mod_revision"] for kv in kvs}) == 1
    one.nsupdate("\n".join("update delete n%d.example.com." % i for i in range(2000)), "-v", key=None, zone="example.com.")
    eventually(lambda: len(axfr(two, "example.com.")) == 2)


@pytest.mark.parametrize("layout", TWO)
def test_gateways_and_another_program_write_the_same_names_and_nothing_is_lost(etcd, make_gateway, layout):
    gateways = [make_gateway(config(etcd, store(layout), HELIX[:1], name="gw%d" % i)) for i in range(2)]
    stop, failed, last = threading.Event(), [], {}

    def other():
        i = 0
        while not stop.is_set():
            put(etcd, layout, "other%d" % (i % 3), "192.0.2.%d" % (i % 250))
            last["other%d" % (i % 3)] = "192.0.2.%d" % (i % 250)
            i += 1
            time.sleep(0.005)

    def gateway(number):
        for i in range(20):
            done = update(gateways[number], "update add hot.example.com. 300 TXT \"%d-%d\"" % (number, i), "example.com.", check=False)
            if done.returncode:
                failed.append(done.stderr)
    threads = [threading.Thread(target=gateway, args=(n,)) for n in range(2)]
    writer = threading.Thread(target=other)
    for thread in threads + [writer]:
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    writer.join()
    assert not failed
    wanted = sorted('"%d-%d"' % (n, i) for n in range(2) for i in range(20))
    for g in gateways:
        eventually(lambda: g.short("hot.example.com.", "TXT", "+tcp") == wanted)
        for name, address in last.items():
            eventually(lambda: g.short(name + ".example.com.") == [address])
    eventually(lambda: axfr(gateways[0], "example.com.") == axfr(gateways[1], "example.com."))
    gateways[0].ctl("log", "--verify", "example.com.")


@pytest.mark.parametrize("layout", TWO)
def test_of_updates_that_demand_an_unused_name_one_wins(etcd, make_gateway, layout):
    gateways = [make_gateway(config(etcd, store(layout), HELIX[:1], name="gw%d" % i)) for i in range(2)]
    for i in range(15):
        results = {}

        def work(n, kind, data):
            text = "prereq nxdomain n%d.example.com.\nupdate add n%d.example.com. 300 %s %s" % (i, i, kind, data)
            results[n] = update(gateways[n], text, "example.com.", check=False)
        threads = [threading.Thread(target=work, args=x) for x in ((0, "A", "192.0.2.1"), (1, "AAAA", "2001:db8::1"))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(r.returncode for r in results.values()) == [0, 2], [r.stderr for r in results.values()]
        assert sum("YXDOMAIN" in r.stderr for r in results.values()) == 1


@pytest.mark.parametrize("layout", LAYOUTS[:2] if LONG else LAYOUTS[1:2])
def test_a_zone_below_another_goes_its_own_way(etcd, make_gateway, layout):
    gateway = make_gateway(config(etcd, store(layout), ("example.com.", "sub.example.com.")))
    put(etcd, layout, "sub/www", "192.0.2.7")
    eventually(lambda: gateway.short("www.sub.example.com.") == ["192.0.2.7"])
    for i in range(3):
        update(gateway, "update add w%d.example.com. 300 A 192.0.2.%d" % (i, i), "example.com.")
        update(gateway, "update add w%d.sub.example.com. 300 A 192.0.2.%d" % (i, i), "sub.example.com.")
    refused = update(gateway, "update add x.sub.example.com. 300 A 192.0.2.1", "example.com.", check=False)
    assert "REFUSED" in refused.stderr and "sub.example.com. is served from the same keys" in gateway.log()
    update(gateway, "prereq nxdomain a.b.example.com.\nupdate add b.example.com. 300 A 192.0.2.1", "example.com.")
    assert "NXDOMAIN" in update(gateway, "prereq yxdomain no.example.com.\nupdate add no.example.com. 300 A 192.0.2.1", "example.com.",
                                check=False).stderr
    update(gateway, "update add new.sub.example.com. 300 A 192.0.2.9", "sub.example.com.")
    gateway.ctl("rollback", "example.com.", next(json.loads(x) for x in gateway.ctl("--json", "zones").stdout.splitlines()
                                                 if '"example.com."' in x)["version"] - 1)
    assert "NXDOMAIN" in gateway.dig("b.example.com.") and gateway.short("w2.example.com.") == ["192.0.2.2"]
    assert len(axfr(gateway, "sub.example.com.")) == 2 + 5


def test_a_journal_left_behind_is_completed_by_another_gateway(etcd, make_gateway):
    one, two = (make_gateway(config(etcd, store("v2 helix"), HELIX[:1], name=name)) for name in ("gw1", "gw2"))
    for i in range(3):
        sender = subprocess.Popen(["nsupdate", "-v"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        sender.stdin.write("server 127.0.0.1 %d\nzone example.com.\n%s\nsend\n" % (one.port, many(300, "k%dn" % i)))
        sender.stdin.close()
        time.sleep(0.05 + 0.05 * i)
        one.kill()
        sender.wait()
        counts = set()

        def settled():
            counts.add(sum(x.startswith("k%dn" % i) for x in axfr(two, "example.com.")))
            return not update(two, "update add after%d.example.com. 300 A 192.0.2.1" % i, "example.com.", check=False).returncode
        eventually(settled)
        one.start()
        eventually(lambda: axfr(one, "example.com.") == axfr(two, "example.com."))
        counts.add(sum(x.startswith("k%dn" % i) for x in axfr(two, "example.com.")))
        assert counts <= {0, 300}


# ---- SkyDNS's layout beside those who know it best ----

def built(module, timeout=1800):
    done = run(os.path.join(TOP, "tests", "servers", "go"), module, check=False, timeout=timeout)
    if done.returncode:
        pytest.skip("cannot be built here: " + done.stderr[-200:])
    return done.stdout.strip().splitlines()[-1]


@pytest.fixture
def coredns(etcd, folder):
    """Questions to a CoreDNS on the same keys."""
    port = free_port()
    with open(os.path.join(folder, "Corefile"), "w") as f:
        f.write(".:%d {\n bind 127.0.0.1\n etcd example.com 56.34.12.in-addr.arpa {\n path /skydns\n endpoint %s\n }\n}\n" % (port, etcd.url))
    server = subprocess.Popen([built(COREDNS), "-conf", os.path.join(folder, "Corefile")],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ask(*question):
        return run("dig", "@127.0.0.1", "-p", port, "+noall", "+answer", "+comments", "+time=3", "+tcp", *question, check=False).stdout
    eventually(lambda: "status: " in ask("example.com.", "SOA"))
    ask.port = port
    yield ask
    server.terminate()
    server.wait()


def asked(port, name, kind):
    response = dns.query.udp(dns.message.make_query(name, kind, use_edns=0), "127.0.0.1", port=port, timeout=60)
    return sorted(line for rrset in response.answer for line in rrset.to_text().splitlines())


def as_a_zone(lines):
    """What CoreDNS says, by the rules of zones: one TTL in an RRset, no CNAME beside a MX or SRV."""
    ttls = {}
    for line in lines:
        owner, ttl, _, kind, *_ = line.split()
        ttls.setdefault((owner, kind), []).append(int(ttl))
    for line in lines:
        owner, ttl, _, kind, *data = line.split()
        if owner[0] == "c" or kind != "CNAME":
            yield " ".join([owner, str(min(ttls[owner, kind])), "IN", kind, *data])


def random_service(chance, below, alias):
    kind = chance.choice(["name", "inside"] if alias else ["a", "a", "aaaa", "text", "mail", "srv"])
    value = {"a": {"host": "10.%d.%d.%d" % tuple(chance.randrange(250) for _ in range(3))},
             "aaaa": {"host": "2001:db8::%x" % chance.randrange(1, 65535)},
             "name": {"host": "h%d.example.org" % chance.randrange(5)},
             "inside": {"host": chance.choice(below) + ".example.com"},
             "text": {"text": "words %d" % chance.randrange(9)},
             "mail": {"host": "mx%d.example.org" % chance.randrange(3), "mail": True},
             "srv": {"host": "s%d.example.org" % chance.randrange(3), "port": chance.randrange(1, 9999)}}[kind]
    for member, values in (("port", [80, 443]), ("priority", [5, 10, 20]), ("weight", [1, 50, 200]), ("ttl", [30, 60]),
                           ("targetstrip", [1]), ("group", ["g1", "g2"])):
        if kind not in ("text", "name", "inside") and chance.random() < 0.3:
            value[member] = chance.choice(values)
    return value


@pytest.mark.parametrize("seed", range(8 if LONG else 1))
def test_random_services_are_answered_as_coredns_answers_them(etcd, make_gateway, coredns, seed):
    chance = random.Random(seed)
    gateway = make_gateway(config(etcd, store("v3 skydns"), HELIX[:1]))
    names = ["%s%d" % (letter, i) for letter in "ab" for i in range(4)]
    nodes = names + ["%s.%s" % (x, y) for x in ("x1", "x2", "deep.x3") for y in names]
    for node in chance.sample(nodes, 16) + ["c0", "c1", "c2"]:
        service = random_service(chance, names, node[0] == "c")
        etcd.put("/skydns/com/example/" + "/".join(reversed(node.split("."))), json.dumps(service))
    etcd.put("/skydns/com/example/last", '{"host":"192.0.2.1"}')
    eventually(lambda: gateway.short("last.example.com.") == ["192.0.2.1"])
    unlike, compared = [], 0
    for node in nodes + ["c0", "c1", "c2"]:
        for kind in ("A", "AAAA", "CNAME", "SRV", "TXT", "MX"):
            question = (node + ".example.com.", kind)
            ours, theirs = asked(gateway.port, *question), sorted(as_a_zone(asked(coredns.port, *question)))
            if node[0] == "c" and (kind not in ("A", "AAAA", "CNAME") or not theirs):
                continue  # an alias: CoreDNS has a SRV beside it, or nothing where it leads to nothing
            compared += bool(theirs)
            if ours != theirs:
                unlike.append((question, ours, theirs))
    assert compared > 20
    assert not unlike, json.dumps([unlike, etcd.keys("/skydns/")], indent=1)


@pytest.fixture
def external_dns(etcd, folder):
    """ExternalDNS by the arguments of contrib, with what stands for a cluster: wants(endpoints), then it writes."""
    if not LONG:
        pytest.skip("ExternalDNS takes ten minutes of CPU to build")
    program = built("sigs.k8s.io/external-dns@v0.15.1", 3600)
    connector, wanted = os.path.join(folder, "connector"), os.path.join(folder, "endpoints.json")
    run(os.path.join(TOP, "tests", "servers", "go"), os.path.join(TOP, "tests", "clients", "externaldns"), connector, timeout=600)
    source = subprocess.Popen([connector, wanted], stdout=subprocess.PIPE, text=True)
    address = source.stdout.readline().strip()
    with open(os.path.join(TOP, "contrib", "etcd", "external-dns.args")) as f:
        arguments = [x.strip() for x in f if x.startswith("--")]

    def wants(*endpoints):
        with open(wanted, "w") as f:
            json.dump([dict(zip(("DNSName", "RecordType", "Targets"), x)) for x in endpoints], f)
        done = run(program, *arguments, "--source=connector", "--connector-source-server=127.0.0.1:" + address, "--once", check=False, timeout=120,
                   env=dict(os.environ, ETCD_URLS=etcd.url))
        assert done.returncode == 0 and "level=error" not in done.stderr, done.stderr[-3000:]
    yield wants
    source.kill()
    source.wait()


def test_external_dns_writes_and_we_serve_and_update_beside_it(etcd, make_gateway, external_dns):
    gateway = make_gateway(config(etcd, store("v3 skydns"), HELIX[:1]))
    update(gateway, "update add manual.example.com. 300 A 192.0.2.99", "example.com.")
    external_dns(("www.example.com", "A", ["192.0.2.10", "192.0.2.11"]), ("alias.example.com", "CNAME", ["www.example.com"]))
    eventually(lambda: gateway.short("www.example.com.") == ["192.0.2.10", "192.0.2.11"])
    assert gateway.short("alias.example.com.", "CNAME") == ["www.example.com."]
    external_dns(("www.example.com", "A", ["192.0.2.12"]))
    eventually(lambda: gateway.short("www.example.com.") == ["192.0.2.12"])
    eventually(lambda: gateway.short("alias.example.com.", "CNAME") == [])
    assert gateway.short("manual.example.com.") == ["192.0.2.99"]
    assert "everything in the store is served" in gateway.ctl("check", "example.com.").stdout


# ---- what is wrong ----

WRONG = {"v2 helix": {"bad/A": "999.1.2.3", "six/AAAA": "2001:db8::g", "mixed/CNAME": "www.example.com.", "srv/SRV": '[{"Priority":', "mx/MX": "ten mail.",
                      "type/NOTYPE": "x", "sub/SOA": '{"Ns":"a."}', "%s/A" % ("x" * 64): "192.0.2.1", "/".join(["d"] * 130) + "/A": "192.0.2.1"},
         "v3 skydns": {"bad": '{"host":"300.1.1.1"}', "json": '{"host":', "list": "[]", "none": "{}", "port": '{"host":"a.example","port":99999}',
                       "mail": '{"host":"a.example","mail":"yes"}', "x" * 64: '{"host":"192.0.2.1"}', "/".join(["d"] * 130): '{"host":"192.0.2.1"}'}}
WRONG["v3 helix"] = WRONG["v2 helix"]


def put_raw(etcd, layout, path, value):
    if layout == "v2 helix":
        etcd.v2("PUT", "/helix/com/example/" + path, value=value)
    else:
        etcd.put("/%s/com/example/%s" % (layout.split()[1], path), value)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_cannot_be_served_is_listed_until_it_is_put_right(etcd, make_gateway, layout):
    gateway = make_gateway(config(etcd, store(layout), HELIX[:1]))
    put(etcd, layout, "mixed", "192.0.2.1")
    for path, value in WRONG[layout].items():
        put_raw(etcd, layout, path, value)
    put(etcd, layout, "good", "192.0.2.2")
    eventually(lambda: gateway.short("good.example.com.") == ["192.0.2.2"])
    listed = [x for x in gateway.ctl("check", "example.com.").stdout.splitlines() if "not served" in x]
    for path in WRONG[layout]:
        assert sum("/com/example/%s is not served: " % path in x for x in listed) == 1, (path, listed)
    assert len(listed) == len(WRONG[layout])
    assert gateway.short("mixed.example.com.") == ["192.0.2.1"]
    first = next(iter(WRONG[layout]))
    put_raw(etcd, layout, first, WRONG[layout][first])  # the same again is no news
    put(etcd, layout, "good", "192.0.2.3")
    eventually(lambda: gateway.short("good.example.com.") == ["192.0.2.3"])
    assert gateway.log().count("/com/example/%s reason" % first) == 1
    for path in WRONG[layout]:
        if layout == "v2 helix":
            etcd.v2("DELETE", "/helix/com/example/" + path)
        else:
            etcd.delete("/%s/com/example/%s" % (layout.split()[1], path))
    eventually(lambda: "everything in the store is served" in gateway.ctl("check", "example.com.").stdout)
    gateway.ctl("log", "--verify", "example.com.")


# ---- a resolver that follows a delegation ----

def test_a_resolver_follows_a_delegation_from_bind(etcd, make_gateway, folder):
    if os.geteuid() != 0 or not shutil.which("named"):
        pytest.skip("needs root (port 53) and named")
    parent, child = "127.0.0.1", "127.0.77.2"  # named listens at addresses of interfaces only
    if "status: " in run("dig", "@" + parent, "+tries=1", "+time=1", "example.com.", check=False).stdout:
        pytest.skip("another server is at port 53")
    text = config(etcd, store("v3 helix"), ("sub.example.com.",)).replace("127.0.0.1@PORT", "127.0.0.1@PORT, %s@53" % child)
    try:
        gateway = make_gateway(text)
    except AssertionError as e:
        pytest.skip("port 53 cannot be had: %s" % str(e)[-200:])
    port, servers = free_port(), []
    common = 'options { directory "%s"; listen-on port %d { %s; }; listen-on-v6 { none; }; pid-file none; %s };\ncontrols {};\n%s'
    files = {"zone": "$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A %s\nsub NS ns.sub\nns.sub A %s\n" % (parent, child),
             "parent.conf": common % (folder, 53, parent, "recursion no;", 'zone "example.com" { type primary; file "zone"; };\n'),
             "resolver.conf": common % (folder, port, "127.0.0.1", "recursion yes; dnssec-validation no;",
                                        'zone "example.com" { type static-stub; server-addresses { %s; }; };\n' % parent)}
    for name, content in files.items():
        with open(os.path.join(folder, name), "w") as f:
            f.write(content)
    with open(os.path.join(folder, "servers.log"), "w") as out:
        for name in ("parent.conf", "resolver.conf"):
            servers.append(subprocess.Popen(["named", "-g", "-c", os.path.join(folder, name)], stdout=out, stderr=out))
    try:
        update(gateway, "update add www.sub.example.com. 60 A 192.0.2.7\nupdate add sub.example.com. 60 NS ns.sub.example.com.\n"
               "update add ns.sub.example.com. 60 A " + child, "sub.example.com.")

        def resolved(name):
            return run("dig", "@127.0.0.1", "-p", port, "+short", "+tries=1", "+time=10", name, check=False).stdout.split()
        eventually(lambda: resolved("www.sub.example.com.") == ["192.0.2.7"])
        etcd.put("/helix/com/example/sub/later/A", "192.0.2.8")
        eventually(lambda: gateway.short("later.sub.example.com.") == ["192.0.2.8"])
        assert resolved("later.sub.example.com.") == ["192.0.2.8"]
        assert resolved("ns.example.com.") == [parent]
    finally:
        for server in servers:
            server.terminate()
        for server in servers:
            server.wait()


def test_a_name_in_skydns_is_delegated_by_what_is_below_ns_dns(etcd, make_gateway):
    gateway = make_gateway(config(etcd, store("v3 skydns"), HELIX[:1]))
    update(gateway, "update add sub.example.com. 60 NS ns.sub.example.com.\nupdate add sub.example.com. 60 NS ns.example.net.\n"
           "update add ns.sub.example.com. 60 A 192.0.2.7", "example.com.")
    etcd.put("/skydns/com/example/other/dns/ns/one", '{"host":"192.0.2.8"}')
    eventually(lambda: "one.ns.dns.other.example.com." in gateway.dig("x.other.example.com."))
    referral = [x.split() for x in gateway.dig("+noall", "+authority", "+additional", "www.sub.example.com.").splitlines()]
    assert sorted(x[3:] for x in referral) == [["A", "192.0.2.7"], ["NS", "ns.example.net."], ["NS", "ns.sub.example.com."]]
    referral = [x.split() for x in gateway.dig("+noall", "+authority", "+additional", "x.other.example.com.").splitlines()]
    assert sorted(x[3:] for x in referral) == [["A", "192.0.2.8"], ["NS", "one.ns.dns.other.example.com."]]
    assert "REFUSED" in update(gateway, "update add example.com. 60 NS ns.example.net.", "example.com.", check=False).stderr
    update(gateway, "update delete sub.example.com. NS ns.example.net.", "example.com.")
    assert "ns.example.net" not in gateway.dig("www.sub.example.com.")
    update(gateway, "update delete sub.example.com. NS\nupdate delete other.example.com. NS", "example.com.")
    assert gateway.short("ns.sub.example.com.") == ["192.0.2.7"]
    assert "NXDOMAIN" in gateway.dig("x.other.example.com.")


# ---- the examples ----

@pytest.mark.parametrize("name", ["helix", "skydns", "zonegate"])
def test_the_examples_are_true(etcd, make_gateway, name):
    with open(os.path.join(TOP, "contrib", "etcd", name + ".yaml")) as f:
        text = f.read().replace("127.0.0.1@5300", "127.0.0.1@PORT").replace("http://127.0.0.1:2379", etcd.url)
    gateway = make_gateway(text)
    if name == "helix":  # as in contrib/etcd/README.md
        run("curl", "-sf", "-XPUT", etcd.url + "/v2/keys/helix/com/example/foo/A", "-d", "value=123.123.123.123")
    elif name == "skydns":
        run("etcdctl", "--dial-timeout=60s", "--command-timeout=60s", "--endpoints", etcd.url, "put", "/skydns/com/example/foo", '{"host":"123.123.123.123","ttl":5}',
            env=dict(os.environ, ETCDCTL_API="3"))
    else:
        update(gateway, "update add foo.example.com. 5 A 123.123.123.123", "example.com.")
    eventually(lambda: gateway.dig("+noall", "+answer", "foo.example.com.").split()[-4:] == ["5", "IN", "A", "123.123.123.123"])
    assert gateway.short("example.com.", "NS") == ["ns1.example.com."]
