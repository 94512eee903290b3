"""What an operator looks at and does: metrics, health, audit, reload under load, signals, the status page."""
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

import dns.message
import dns.query
import pytest

from conftest import CONFIG, ONCE, PATIENCE, TOP, ZONE, ZONEGATECTL, ZONEGATED, eventually, free_port, keyfile, run


def http(gateway, path):
    try:
        with urllib.request.urlopen("http://127.0.0.1:%d%s" % (gateway.http, path), timeout=PATIENCE) as r:
            return r.status, r.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()


def metric(text, name, **labels):
    """The value of one sample of the Prometheus text format."""
    for line in text.splitlines():
        m = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
        if m and m.group(1) == name:
            have = dict(re.findall(r'(\w+)="([^"]*)"', m.group(2) or ""))
            if all(have.get(k) == v for k, v in labels.items()):
                return float(m.group(3))
    return None


def test_metrics_count_what_happened(gateway):
    gateway.nsupdate("update add www.example.test. 300 A 192.0.2.7", *ONCE)
    gateway.nsupdate("update add www.example.test. 300 A 192.0.2.7", *ONCE, key=None, check=False)
    for _ in range(3):
        gateway.dig("www.example.test.")
    gateway.dig("www.example.test.", "+tcp")
    gateway.dig("nobody.example.test.")
    _, text = http(gateway, "/metrics")
    assert metric(text, "zonegate_queries_total", transport="udp", rcode="NOERROR") >= 3
    assert metric(text, "zonegate_queries_total", transport="tcp", rcode="NOERROR") == 1
    assert metric(text, "zonegate_queries_total", transport="udp", rcode="NXDOMAIN") == 1
    assert metric(text, "zonegate_updates_total", zone="example.test.", rcode="NOERROR") == 1
    assert metric(text, "zonegate_updates_total", zone="example.test.", rcode="REFUSED") == 1
    assert metric(text, "zonegate_update_duration_seconds_count") >= 1
    assert metric(text, "zonegate_commit_duration_seconds_count", store="local") >= 1
    assert metric(text, "zonegate_commit_batch_size_count", store="local") >= 1
    assert metric(text, "zonegate_zone_serial", zone="example.test.") == gateway.serial()
    assert metric(text, "zonegate_zone_version", zone="example.test.") == 2
    assert metric(text, "zonegate_zone_records", zone="example.test.") == 6
    assert metric(text, "zonegate_store_connected", store="local") == 1
    assert metric(text, "zonegate_build_info", version=run(ZONEGATED, "-V").stdout.split()[1]) == 1
    for line in text.splitlines():
        assert line.startswith("#") or re.fullmatch(r"zonegate_\w+(\{.*\})? \S+", line), line


def test_the_manual_names_every_metric(gateway):
    with open(os.path.join(TOP, "contrib", "man", "zonegated.8")) as f:
        manual = set(re.findall(r"^\.It Cm ([a-z_]+)", f.read(), re.M))
    named = re.findall(r"^# TYPE zonegate_([a-z_]+)", http(gateway, "/metrics")[1], re.M)
    assert len(named) > 30 and set(named) <= manual, set(named) - manual


def test_batches_are_counted_by_their_size(gateway):
    for i in range(3):
        gateway.nsupdate("update add a%d.example.test. 300 A 192.0.2.7" % i, *ONCE)
    _, text = http(gateway, "/metrics")
    buckets = {le: metric(text, "zonegate_commit_batch_size_bucket", store="local", le=le) for le in ("1", "2", "4", "1024", "8388608", "+Inf")}
    assert set(buckets.values()) == {4}, "the loading and three updates, one after the other: %s" % buckets
    assert metric(text, "zonegate_commit_batch_size_sum", store="local") == metric(text, "zonegate_commit_batch_size_count", store="local") == 4


def test_tsig_failures_are_counted_by_reason(gateway):
    with open(os.path.join(gateway.dir, "other.key"), "w") as f:
        f.write(keyfile("other."))
    gateway.nsupdate("update add www.example.test. 300 A 192.0.2.7", *ONCE, key="other.key", check=False)
    assert metric(http(gateway, "/metrics")[1], "zonegate_tsig_failures_total", reason="badkey") == 1


def test_health(gateway):
    assert http(gateway, "/healthz")[0] == 200 and http(gateway, "/readyz")[0] == 200
    code, page = http(gateway, "/")
    assert code == 200 and "example.test." in page
    assert http(gateway, "/nothing")[0] == 404


def test_a_zone_that_cannot_be_served_does_not_hold_up_the_others(make_gateway):
    """Ready is when every zone that can be served is served: which cannot be, and why, is for the log, `zones` and `check`."""
    config = CONFIG + "  - {name: broken.test., file: broken.zone}\n"
    g = make_gateway(config, files={"broken.zone": ZONE.replace("example.test", "broken.test") + "x A 999.1.2.3\n"})
    assert http(g, "/readyz") == (200, "ready\n") and http(g, "/healthz")[0] == 200
    assert g.short("ns1.example.test.") == ["127.0.0.1"]
    assert "status: SERVFAIL" in g.dig("broken.test.", "SOA")
    assert "broken.zone:%d:" % (len(ZONE.splitlines()) + 1) in g.log() and "zone_not_loaded" in g.log()
    states = {z["name"]: z["state"] for z in map(json.loads, g.ctl("zones", "--json").stdout.splitlines())}
    assert states == {"example.test.": "ready", "broken.test.": "failed"}
    r = g.ctl("check", "broken.test.", check=False)
    assert r.returncode == 1 and "broken.zone:" in r.stderr


def test_not_ready_as_long_as_a_zone_is_awaited(make_gateway):
    """A store that has not answered since the start: what is in it may be served yet. The others are served meanwhile."""
    config = CONFIG.replace("zones:\n", "stores:\n  local: {type: embedded}\n  registry: {type: etcd, endpoints: ['http://127.0.0.1:%d']}\n"
                            "zones:\n  - {name: away.test., store: registry}\n" % free_port()).replace("    file:", "    store: local\n    file:")
    g = make_gateway(config, start=False)
    g.start(check=False)

    def answers():
        assert g.proc.poll() is None, g.log()
        try:
            return "zone=example.test." in g.log() and http(g, "/healthz")
        except urllib.error.URLError:
            return False    # the port opens when the zones are on their way
    eventually(answers, said=g.log)
    for _ in range(10):
        assert http(g, "/readyz") == (503, "not ready\n") and http(g, "/healthz")[0] == 200
        assert g.short("ns1.example.test.") == ["127.0.0.1"]
        assert "status: SERVFAIL" in g.dig("away.test.", "SOA")


def test_audit_has_a_line_for_each_update(gateway):
    gateway.nsupdate("update add www.example.test. 300 A 192.0.2.7", *ONCE)
    gateway.nsupdate("prereq nxdomain www.example.test.\nupdate add www.example.test. 300 A 192.0.2.8", *ONCE, check=False)
    gateway.nsupdate("update add www.example.test. 300 A 192.0.2.7", *ONCE, key=None, check=False)
    with open(os.path.join(gateway.dir, "audit.log")) as f:
        lines = [json.loads(x) for x in f]
    assert len(lines) == 3
    assert [x["rcode"] for x in lines] == ["NOERROR", "YXDOMAIN", "REFUSED"]
    assert lines[0]["key"] == "dhcp." and lines[0]["zone"] == "example.test." and lines[0]["version"] == 2
    assert not lines[2].get("key")


def test_the_audit_says_why_a_signature_is_not_good(make_gateway):
    gateway = make_gateway(files={"other.key": keyfile(name="other."), "wrong.key": keyfile(secret="d3JvbmcgYnV0IGxvbmcgZW5vdWdoIGZvciBhIGtleSE="),
                                  "sha1.key": keyfile(algorithm="hmac-sha1")})
    for key in ("other.key", "wrong.key", "sha1.key"):
        assert gateway.nsupdate("update add www.example.test. 300 A 192.0.2.7", *ONCE, key=key, check=False).returncode == 2
    gateway.nsupdate("prereq nxdomain ns1.example.test.\nupdate add www.example.test. 300 A 192.0.2.7", *ONCE, check=False)
    with open(os.path.join(gateway.dir, "audit.log")) as f:
        lines = [json.loads(line) for line in f]
    assert [(x["verdict"], x["key"], x["reason"]) for x in lines] == [
        ("badkey", "other.", "no key of this name and algorithm"),
        ("badsig", "dhcp.", "signed with another secret, or altered on the way"),
        ("badkey", "dhcp.", "no key of this name and algorithm"),
        ("prerequisite", "dhcp.", "prerequisite: ns1.example.test. is in use")]


def test_a_policy_refusal_names_rule_name_and_type(make_gateway):
    g = make_gateway(CONFIG.replace("      - grant dhcp. zonesub ANY", "      - deny dhcp. name secret.example.test. A\n      - grant dhcp. zonesub ANY"))
    r = g.nsupdate("update add secret.example.test. 300 A 192.0.2.7", check=False)
    assert "REFUSED" in r.stderr
    with open(os.path.join(g.dir, "audit.log")) as f:
        line = f.readlines()[-1]
    assert "secret.example.test." in line and "deny dhcp. name" in line


def test_reload_without_losing_a_query(gateway):
    lost, sent, ended = [], [0], threading.Event()

    def ask():
        q = dns.message.make_query("ns1.example.test.", "A")
        while not ended.is_set():
            try:
                sent[0] += 1
                assert dns.query.udp(q, "127.0.0.1", PATIENCE, gateway.port).answer
            except Exception as e:
                lost.append(e)
    threads = [threading.Thread(target=ask) for _ in range(2)]
    for t in threads:
        t.start()
    with open(os.path.join(gateway.dir, "other.zone"), "w") as f:
        f.write(ZONE.replace("example.test.", "other.test."))
    more = CONFIG + "  - name: other.test.\n    file: other.zone\n"
    try:
        rounds = 0
        while rounds < 6 or sent[0] <= 50:      # as many as it takes to ask something meanwhile
            gateway.write_config(more if rounds % 2 == 0 else CONFIG)
            gateway.ctl("reload")
            want = ["127.0.0.1"] if rounds % 2 == 0 else []
            eventually(lambda: gateway.short("ns1.other.test.") == want)
            rounds += 1
            assert not lost and rounds < 1000, (lost, sent)
    finally:
        ended.set()
        for t in threads:
            t.join()
    assert not lost


def test_a_reload_names_what_waits_for_a_restart(make_gateway):
    away = "stores:\n  local: {type: embedded}\n  bus: {type: etcd, endpoints: ['http://127.0.0.1:1'], layout: zonegate}\nzones:"
    gateway = make_gateway(CONFIG.replace("zones:", away).replace("file: example", "store: local\n    file: example"))
    assert gateway.ctl("reload").stdout == ""
    config = open(gateway.config_path).read()
    gateway.write_config(config.replace("identity: gw1", "identity: gw2\n  threads: 3").replace("127.0.0.1:1'", "127.0.0.1:2'"))
    said = "threads: the new value needs a restart\nbus.endpoints: the new value needs a restart\n"
    assert gateway.ctl("reload").stdout == said
    assert "gw2" in gateway.dig("id.server.", "TXT", "CH"), "the rest is applied"
    assert "the new value needs a restart key=bus.endpoints" in gateway.log()


def test_a_new_key_after_reload_by_sighup(gateway):
    with open(os.path.join(gateway.dir, "dhcp.key"), "a") as f:
        f.write(keyfile("second."))
    gateway.write_config(CONFIG.replace("zonesub ANY", "zonesub ANY\n      - grant second. zonesub ANY"))
    gateway.proc.send_signal(signal.SIGHUP)
    with open(os.path.join(gateway.dir, "second.key"), "w") as f:
        f.write(keyfile("second."))
    eventually(lambda: gateway.nsupdate("update add www.example.test. 300 A 192.0.2.7", key="second.key", check=False).returncode == 0)
    keys = [json.loads(x) for x in gateway.ctl("--json", "keys").stdout.splitlines()]
    assert {k["name"] for k in keys} == {"dhcp.", "second."} and "secret" not in json.dumps(keys).replace("second", "")


def test_a_wrong_configuration_changes_nothing(gateway):
    gateway.write_config(CONFIG + "    nonsense: 1\n")
    r = gateway.ctl("reload", check=False)
    assert r.returncode == 1 and "zonegate.yaml:%d:" % (CONFIG.count("\n") + 1) in r.stderr and "nonsense" in r.stderr
    assert gateway.short("ns1.example.test.") == ["127.0.0.1"]


def test_stop(gateway):
    gateway.nsupdate("update add www.example.test. 300 A 192.0.2.7")
    gateway.ctl("stop")
    assert gateway.proc.wait(PATIENCE) == 0


@pytest.mark.parametrize("arguments,code", [(["-V"], 0), (["--version"], 0), (["-h"], 0), (["--help"], 0), ([], 2), (["-x"], 2), (["--x"], 2),
                                            (["-c", "/nonexistent"], 1), (["-t", "-c", "/nonexistent"], 1)])
def test_exit_codes(arguments, code):
    result = run(ZONEGATED, *arguments, check=False)
    assert result.returncode == code and bool(result.stdout) == (code == 0) and bool(result.stderr) == (code != 0)


@pytest.mark.parametrize("arguments,shown", [(["--help"], "rollback ZONE VERSION"), (["-h"], "dump ZONE"), (["dump", "--help"], "usage: zonegatectl dump"),
                                             (["--version"], "zonegatectl "), (["-V"], "zonegatectl ")])
def test_zonegatectl_says_how_it_is_called_without_a_gateway(arguments, shown):
    result = run(ZONEGATECTL, *arguments)
    assert shown in result.stdout and not result.stderr


@pytest.mark.parametrize("arguments,named", [(["frobnicate"], "frobnicate"), (["dump", "example.test.", "--foo"], "--foo"), (["--foo", "status"], "--foo")])
def test_zonegatectl_names_the_word_that_is_wrong(arguments, named):
    result = run(ZONEGATECTL, *arguments, check=False)
    assert result.returncode == 2 and named in result.stderr.splitlines()[0] and not result.stdout


SECOND = """
server:
  listen: [%s]
  state-dir: state
  control-socket: zonegate.sock
"""


@pytest.mark.parametrize("listen", ["127.0.0.1@PORT", "0.0.0.0@PORT"])
def test_a_port_that_another_gateway_has_is_not_shared_with_it(make_gateway, gateway, listen):
    second = make_gateway(config=SECOND % listen, port=gateway.port, start=False)
    result = run(ZONEGATED, "-c", second.config_path, check=False)
    assert result.returncode == 1 and "Address already in use" in result.stderr and str(gateway.port) in result.stderr
    assert gateway.short("ns1.example.test.") == ["127.0.0.1"]


def test_addresses_of_one_gateway_may_overlap(make_gateway):
    g = make_gateway(config=SECOND % "0.0.0.0@PORT, 127.0.0.1@PORT")
    assert "REFUSED" in g.dig("example.test.", "SOA")


def test_a_file_in_the_place_of_the_control_socket_is_left_alone(make_gateway):
    g = make_gateway(config=(SECOND % "127.0.0.1@PORT").replace("zonegate.sock", "zonegate.yaml"), start=False)
    result = run(ZONEGATED, "-c", g.config_path, check=False)
    assert result.returncode == 1 and "zonegate.yaml" in result.stderr
    assert os.path.getsize(g.config_path) > 0


def test_a_socket_left_behind_gives_way(gateway):
    gateway.kill()
    gateway.start()
    assert gateway.ctl("status").returncode == 0


def test_a_control_socket_below_a_long_path_has_its_whole_name(make_gateway):
    folder = "long/" + "f" * 120
    for name, code in (("s" * 60, 0), ("s" * 100, 1)):
        g = make_gateway(config=(SECOND % "127.0.0.1@PORT").replace("zonegate.sock", "DIR/%s/%s" % (folder, name)), start=False)
        os.makedirs(os.path.join(g.dir, folder))
        if code:
            result = run(ZONEGATED, "-c", g.config_path, check=False, timeout=20)
            assert result.returncode == 1 and "File name too long" in result.stderr
            assert os.listdir(os.path.join(g.dir, folder)) == []
        else:
            g.start()
            assert os.listdir(os.path.join(g.dir, folder)) == [name]
            g.ctl("status")
            g.stop()
            assert os.listdir(os.path.join(g.dir, folder)) == []


def test_zonegatectl_says_why_the_gateway_takes_no_more(gateway):
    path = os.path.join(gateway.dir, "ca.pem")
    with open(path, "w") as f:
        f.write("# a line of a certificate\n" * 50000)
    result = gateway.ctl("import", "example.test.", "--from", "127.0.0.1", "--tls-ca", path, check=False)
    assert result.returncode == 1 and "longer than 1 MiB" in result.stderr
    taken = []
    try:
        while (result := gateway.ctl("status", check=False)).returncode == 0:
            assert len(taken) < 640
            for _ in range(64):
                taken.append(socket.socket(socket.AF_UNIX))
                taken[-1].connect(os.path.join(gateway.dir, "zonegate.sock"))
        assert "too many control connections" in result.stderr
    finally:
        for s in taken:
            s.close()


def catches(pid, number):
    """Has the process a handler for the signal?"""
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(r"SigCgt:\s+(\w+)", f.read()).group(1), 16) >> (number - 1) & 1


@pytest.mark.parametrize("by", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_an_export_that_is_cut_off_leaves_no_file_behind(gateway, by):
    folder = os.path.join(gateway.dir, "out")
    os.mkdir(folder)
    gateway.proc.send_signal(signal.SIGSTOP)
    try:
        export = subprocess.Popen([ZONEGATECTL, "-c", gateway.config_path, "export", "example.test.", os.path.join(folder, "zone")],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                  # who runs the tests in the background, or by nohup, ignores some, and hands that down
                                  preexec_fn=lambda: signal.signal(getattr(signal, by), signal.SIG_DFL))
        eventually(lambda: export.poll() is not None or (os.listdir(folder) and catches(export.pid, getattr(signal, by))))
        assert export.poll() is None
        export.send_signal(getattr(signal, by))
        assert export.wait(PATIENCE) == -getattr(signal, by)
        assert os.listdir(folder) == []
    finally:
        gateway.proc.send_signal(signal.SIGCONT)
