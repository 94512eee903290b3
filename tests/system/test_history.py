"""Who changed what: log, dump --at, diff, rollback, verify, freeze, import, export."""
import json
import os
import re
import socket
import subprocess
import time

import pytest

from conftest import CONFIG, LONG, PATIENCE, SECRET, ZONE, ZONEGATECTL, eventually, run


def data(dump):
    """A dump's records but for the SOA, as a sorted list."""
    return sorted(" ".join(x.split()) for x in dump.splitlines() if x and not x.startswith((";", "$")) and " SOA " not in " ".join(x.split()))


def changes(gateway, *arguments):
    return [json.loads(x) for x in gateway.ctl("--json", "log", "example.test.", *arguments).stdout.splitlines()]


def test_log_names_version_serial_key_client_and_ops(gateway):
    gateway.nsupdate("update add www.example.test. 300 A 192.0.2.7")
    entry = changes(gateway)[-1]
    assert entry["version"] == 2 and entry["serial"] == 2 and re.fullmatch("[0-9a-f]{32}", entry["id"])
    change = entry["change"]
    assert change["zone"] == "example.test." and change["base"] == 1
    assert change["origin"]["key"] == "dhcp." and change["origin"]["client"].startswith("127.0.0.1@")
    assert change["origin"]["gateway"] == "gw1" and change["origin"]["transport"] == "udp"
    assert change["ops"] == [{"op": "ADD", "record": "www", "type": "A", "ttl": 300, "content": "192.0.2.7"}]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", change["time"])
    text = gateway.ctl("log", "example.test.").stdout.splitlines()[-1]
    for word in ("dhcp.", "www", "192.0.2.7"):
        assert word in text


def test_raw_records_chain_to_the_ids(gateway):
    """events.md: id = first 16 bytes of SHA-256(id before as 16 bytes, the record's bytes)."""
    import hashlib
    for i in range(5):
        gateway.nsupdate("update add r%d.example.test. 300 A 192.0.2.7" % i)
    raw = gateway.ctl("log", "example.test.", "--raw").stdout.splitlines()
    entries = changes(gateway)
    assert len(raw) == len(entries) == 6
    before = bytes(16)
    for record, entry in zip(raw, entries):
        before = hashlib.sha256(before + record.encode()).digest()[:16]
        assert before.hex() == entry["id"]
        assert json.loads(record)["base"] == entry["version"] - 1


def test_dump_at_diff_and_rollback(gateway):
    states, times = {1: data(gateway.ctl("dump", "example.test.").stdout)}, {}
    for i in range(2, 8):
        time.sleep(0.02)
        gateway.nsupdate("update delete a%d.example.test.\nupdate add a%d.example.test. 300 A 192.0.2.%d\nupdate add shared.example.test. 300 TXT v%d" % (i - 2, i, i, i))
        states[i] = data(gateway.ctl("dump", "example.test.").stdout)
        times[i] = changes(gateway)[-1]["change"]["time"]
    for version, state in states.items():
        assert data(gateway.ctl("dump", "example.test.", "--at", str(version)).stdout) == state
    for version, when in times.items():
        assert data(gateway.ctl("dump", "example.test.", "--at", when).stdout) == states[version]
    diff = gateway.ctl("diff", "example.test.", "3", "6").stdout.splitlines()
    removed = sorted(" ".join(x[1:].split()) for x in diff if x.startswith("-") and "SOA" not in x)
    added = sorted(" ".join(x[1:].split()) for x in diff if x.startswith("+") and "SOA" not in x)
    assert removed == sorted(set(states[3]) - set(states[6])) and added == sorted(set(states[6]) - set(states[3]))
    serial = gateway.serial()
    gateway.ctl("rollback", "example.test.", "3")
    assert data(gateway.ctl("dump", "example.test.").stdout) == states[3]
    assert gateway.serial() > serial, "the serial still goes up"
    assert changes(gateway)[-1]["version"] == 8
    gateway.ctl("log", "example.test.", "--verify")


def test_since(gateway):
    for i in range(4):
        gateway.nsupdate("update add r%d.example.test. 300 A 192.0.2.7" % i)
    assert [e["version"] for e in changes(gateway, "--since", "3")] == [4, 5]
    when = changes(gateway)[2]["change"]["time"]
    assert [e["version"] for e in changes(gateway, "--since", when)] == [3, 4, 5]


def test_verify_finds_one_changed_byte(gateway):
    updates = 10000 if LONG else 300
    for start in range(0, updates, 100):
        gateway.nsupdate("\nsend\n".join("update add v%d.example.test. 300 TXT marker-%06d" % (i, i) for i in range(start, start + 100)))
    gateway.ctl("log", "example.test.", "--verify")
    gateway.stop()
    path = next(os.path.join(root, "data.mdb") for root, _, names in os.walk(os.path.join(gateway.dir, "state")) if "data.mdb" in names)
    with open(path, "r+b") as f:
        stored = f.read()
        at = stored.index(b'marker-000150')
        places = [m.start() for m in re.finditer(b'marker-000150', stored)]
        json_places = [p for p in places if b'"op":"ADD"' in stored[p - 120:p]]
        assert json_places, "the log holds the records as events.md gives them"
        for at in json_places:
            f.seek(at + 12)
            f.write(b"1")
    gateway.start()
    r = gateway.ctl("log", "example.test.", "--verify", check=False)
    assert r.returncode == 1 and "152" in r.stderr + r.stdout, "the version where the chain breaks: 150 + 1 for the load + 1"


def test_freeze_and_thaw_are_kept_over_restarts(gateway):
    gateway.ctl("freeze", "example.test.")
    for _ in range(2):
        r = gateway.nsupdate("update add www.example.test. 300 A 192.0.2.7", check=False)
        assert "REFUSED" in r.stderr
        gateway.restart()
    gateway.ctl("thaw", "example.test.")
    gateway.nsupdate("update add www.example.test. 300 A 192.0.2.7")


def test_import_and_export(gateway):
    path = os.path.join(gateway.dir, "new.zone")
    with open(path, "w") as f:
        f.write(ZONE.replace(" 1 3600", " 77 3600") + "new A 192.0.2.99\nns1 TXT kept\n")
    gateway.nsupdate("update add old.example.test. 300 A 192.0.2.1")
    gateway.ctl("import", "example.test.", path)
    assert gateway.short("new.example.test.") == ["192.0.2.99"]
    assert "NXDOMAIN" in gateway.dig("old.example.test.")
    assert gateway.serial() >= 77
    out = os.path.join(gateway.dir, "out.zone")
    gateway.ctl("export", "example.test.", out)
    run("named-checkzone", "example.test", out)
    assert data(open(out).read()) == data(gateway.ctl("dump", "example.test.").stdout)
    bad = os.path.join(gateway.dir, "bad.zone")
    with open(bad, "w") as f:
        f.write(ZONE + "x A 999.1.2.3\n")
    r = gateway.ctl("import", "example.test.", bad, check=False)
    assert r.returncode == 1 and ":%d:" % (len(ZONE.splitlines()) + 1) in r.stderr
    assert gateway.short("new.example.test.") == ["192.0.2.99"], "a refused import changes nothing"


def test_zones_at_run_time(gateway):
    with open(os.path.join(gateway.dir, "more.zone"), "w") as f:
        f.write(ZONE)
    gateway.ctl("add", "more.test.", "--store", "local", "--file", os.path.join(gateway.dir, "more.zone"), "--policy", "grant dhcp. zonesub ANY", check=False)
    zone = ZONE.replace("example.test.", "more.test.")
    with open(os.path.join(gateway.dir, "more.zone"), "w") as f:
        f.write(zone)
    gateway.ctl("remove", "more.test.", check=False)
    gateway.ctl("add", "more.test.", "--store", "local", "--file", os.path.join(gateway.dir, "more.zone"), "--policy", "grant dhcp. zonesub ANY")
    for _ in range(2):
        assert gateway.short("ns1.more.test.") == ["127.0.0.1"]
        gateway.nsupdate("update add www.more.test. 300 A 192.0.2.7", zone="more.test.")
        assert gateway.short("www.more.test.") == ["192.0.2.7"]
        gateway.restart()
    gateway.ctl("remove", "more.test.")
    assert "REFUSED" in gateway.dig("www.more.test.")
    gateway.restart()
    assert "REFUSED" in gateway.dig("www.more.test.")
    gateway.ctl("add", "more.test.", "--store", "local", "--file", os.path.join(gateway.dir, "more.zone"))
    assert gateway.short("www.more.test.") == [], "a removed zone's data is gone for a later add"
    assert gateway.short("ns1.more.test.") == ["127.0.0.1"]


def test_zones_at_run_time_that_say_the_same_share_it_and_others_do_not(gateway):
    def may(zone, record):
        return gateway.nsupdate("update add www.%s %s" % (zone, record), zone=zone, check=False).returncode == 0

    def look(*zones):
        return [(may(zone, "300 A 192.0.2.7"), may(zone, "300 TXT x")) for zone in zones]
    for zone, types in (("one.test.", "A"), ("two.test.", "A"), ("text.test.", "TXT"), ("three.test.", "A"), ("none.test.", None)):
        gateway.ctl("add", zone, "--store", "local", *(["--policy", "grant dhcp. zonesub " + types] if types else []))
    a, txt, none = (True, False), (False, True), (False, False)
    assert look("one.test.", "two.test.", "text.test.", "three.test.", "none.test.") == [a, a, txt, a, none]
    gateway.ctl("remove", "one.test.")
    gateway.ctl("remove", "text.test.")
    gateway.ctl("reload")
    assert look("two.test.", "three.test.", "none.test.") == [a, a, none]
    gateway.restart()
    gateway.ctl("remove", "two.test.")
    gateway.ctl("add", "text.test.", "--store", "local", "--policy", "grant dhcp. zonesub TXT")
    gateway.ctl("reload")
    assert look("three.test.", "text.test.", "none.test.") == [a, txt, none]


def test_a_zone_that_waits_for_its_store_keeps_no_other_command_waiting(make_gateway):
    def removed_while_it_waits():
        adding = subprocess.Popen([ZONEGATECTL, "-c", g.config_path, "add", "slow.test.", "--store", "away"], stderr=subprocess.PIPE, text=True)
        while adding.poll() is None and "slow.test." not in g.ctl("zones").stdout:
            time.sleep(0.01)
        removed = g.ctl("remove", "slow.test.", check=False).returncode == 0
        said = adding.communicate(timeout=PATIENCE)[1]
        assert adding.returncode == 1
        return removed and "zone slow.test. was removed meanwhile" in said
    with socket.socket() as nobody:     # it has a port, and does not listen
        nobody.bind(("127.0.0.1", 0))
        away = "    store: local\nstores:\n  local: {type: embedded}\n  away: {type: etcd, endpoints: [http://127.0.0.1:%d]}\n"
        g = make_gateway(CONFIG + away % nobody.getsockname()[1])
        # It waits for some seconds: again where this machine was away as long.
        eventually(removed_while_it_waits)
        g.restart()
        assert "slow.test." not in g.ctl("zones").stdout


def test_a_zones_file_is_named_from_where_the_user_is(gateway, folder):
    os.mkdir(os.path.join(folder, "zones"))
    with open(os.path.join(folder, "zones", "here.zone"), "w") as f:
        f.write("$TTL 60\n@ SOA ns h 7 2 3 4 5\n@ NS ns\nns A 192.0.2.4\n")
    arguments = [ZONEGATECTL, "-c", gateway.config_path, "add", "here.test.", "--store", "local", "--file", "zones/here.zone"]
    run(*arguments, cwd=folder)
    assert gateway.short("ns.here.test.") == ["192.0.2.4"]
    result = run(*[a.replace("here", "nowhere") for a in arguments], cwd=folder, check=False)
    assert result.returncode == 1 and "zones/nowhere.zone: No such file" in result.stderr


def test_zones_and_status_in_json(gateway):
    zone = json.loads(gateway.ctl("zones", "--json").stdout.splitlines()[0])
    assert set(zone) >= {"name", "serial", "version", "records", "store", "state"}
    assert zone["name"] == "example.test." and zone["serial"] == 1 and zone["version"] == 1 and zone["records"] == 5 and zone["store"] == "local" and zone["state"] == "ready"
    status = json.loads(gateway.ctl("--json", "status").stdout.splitlines()[0])
    assert status["version"]


@pytest.mark.parametrize("arguments,code", [(["nonsense"], 2), ([], 2), (["dump"], 2), (["dump", "no.test."], 1), (["rollback", "example.test.", "99"], 1), (["snapshot", "example.test."], 1)])
def test_exit_codes(gateway, arguments, code):
    r = gateway.ctl(*arguments, check=False)
    assert r.returncode == code and r.stderr.strip(), (r.returncode, r.stderr)


def ixfr(gateway, serial):
    """The records of the answer to an IXFR by dig, the SOAs' serials among them."""
    lines = gateway.dig("example.test.", "ixfr=%d" % serial, "-y", "hmac-sha256:dhcp.:" + SECRET).splitlines()
    return [x.split() for x in lines if x and not x.startswith(";") and "TSIG" not in x]


def test_history_is_kept_as_long_as_it_is_said(make_gateway):
    """What is older goes, and every command says so; the rest holds, over restarts too."""
    config = CONFIG + "stores:\n  local: {type: embedded, keep-history: 1h}\n"
    g = make_gateway(config)
    states, times = {}, {}
    for i in range(2, 6):
        g.nsupdate("update delete shared.example.test.\nupdate add shared.example.test. 300 TXT v%d\nupdate add a%d.example.test. 300 A 192.0.2.%d" % (i, i, i))
        states[i], times[i] = data(g.ctl("dump", "example.test.").stdout), changes(g)[-1]["change"]["time"]
    old = time.time()
    time.sleep(10)
    for i in range(6, 9):
        g.nsupdate("update add a%d.example.test. 300 A 192.0.2.%d" % (i, i))
        states[i], times[i] = data(g.ctl("dump", "example.test.").stdout), changes(g)[-1]["change"]["time"]
    g.stop()
    # As long as what is old is too old, and nothing else: 8 s and more are left for the start.
    g.write_config(config.replace("1h", "%ds" % (time.time() - old - 0.5)))
    g.start()
    eventually(lambda: changes(g)[0]["version"] == 6, said=lambda: changes(g)[0])
    g.write_config(config)
    g.ctl("reload")

    assert [x["version"] for x in changes(g)] == [6, 7, 8]
    g.ctl("log", "example.test.", "--verify")
    for version in range(5, 9):
        assert data(g.ctl("dump", "example.test.", "--at", str(version)).stdout) == states[version]
        assert data(g.ctl("dump", "example.test.", "--at", times[version]).stdout) == states[version]
    between = "%s.%06dZ" % (times[5][:19], int(times[5][20:26]) + 1) if times[5][20:26] != "999999" else times[5]
    assert data(g.ctl("dump", "example.test.", "--at", between).stdout) == states[5], "the oldest version was there until the next one"
    for what in (["dump", "example.test.", "--at", "4"], ["diff", "example.test.", "3", "8"], ["rollback", "example.test.", "4"]):
        r = g.ctl(*what, check=False)
        assert r.returncode == 1 and "no longer kept" in r.stderr and "version 5" in r.stderr and not r.stdout, (what, r.stderr)
    r = g.ctl("dump", "example.test.", "--at", times[4], check=False)
    assert r.returncode == 1 and "no version" in r.stderr and not r.stdout
    assert [x["version"] for x in changes(g, "--since", "5")] == [6, 7, 8]
    assert [x["version"] for x in changes(g, "--since", times[6])] == [6, 7, 8]
    for since in ("4", times[3]):
        r = g.ctl("log", "example.test.", "--since", since, check=False)
        assert r.returncode == 1 and "version 6" in r.stderr and not r.stdout, "a part is not all"
    added = [x for x in g.ctl("diff", "example.test.", "5", "8").stdout.splitlines() if x.startswith("+") and " SOA " not in " ".join(x.split())]
    assert sorted(" ".join(x[1:].split()) for x in added) == sorted(set(states[8]) - set(states[5]))

    g.restart()  # the differences in memory went back further
    eventually(lambda: [x[6] for x in ixfr(g, 6) if x[3] == "SOA"] == ["8", "6", "7", "7", "8", "8"],
               said=lambda: "differences for what is kept: %s" % ixfr(g, 6))
    whole = ixfr(g, 3)
    assert [x[6] for x in whole if x[3] == "SOA"] == ["8", "8"] and len(whole) == len(states[8]) + 2, "the whole zone for an older serial"

    g.ctl("rollback", "example.test.", "5")
    assert data(g.ctl("dump", "example.test.").stdout) == states[5]
    g.nsupdate("update add after.example.test. 300 A 192.0.2.99")
    g.restart()
    assert g.short("after.example.test.") == ["192.0.2.99"]
    g.ctl("log", "example.test.", "--verify")
    assert data(g.ctl("dump", "example.test.", "--at", "9").stdout) == states[5]


@pytest.mark.skipif(not LONG, reason="the keeper looks once a minute")
def test_history_goes_while_updates_come(make_gateway):
    g = make_gateway(CONFIG + "    store: local\nstores:\n  local: {type: embedded, keep-history: 5s}\n")
    end, count = time.monotonic() + 75, 0
    while time.monotonic() < end:
        g.nsupdate("\nsend\n".join("update add n%d.example.test. 300 A 192.0.2.1\nupdate delete n%d.example.test." % (i, i - 50) for i in range(count, count + 20)))
        count += 20
        time.sleep(0.2)
    first = changes(g)[0]["version"]
    assert first > 100
    g.ctl("log", "example.test.", "--verify")
    before = g.ctl("dump", "example.test.", "--at", str(first)).stdout
    g.restart()
    g.ctl("log", "example.test.", "--verify")
    assert data(g.ctl("dump", "example.test.").stdout) == data(g.ctl("dump", "example.test.", "--at", str(count + 1)).stdout)
    assert changes(g)[0]["version"] > first or g.ctl("dump", "example.test.", "--at", str(first)).stdout == before
