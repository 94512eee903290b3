"""Layouts of other people in real etcd servers, helix and skydns: what they say, who else writes there, and what of it is history."""
import json
import os
import subprocess
import threading
import time

import pytest
from conftest import LONG, TOP, free_port, run
from test_etcd import HELIX, axfr, b64, config, etcd, make_etcd, metrics, update, wait_for  # noqa: F401 (fixtures)
from test_etcd import pytestmark  # noqa: F401

LAYOUTS = ["v2 helix", "v3 helix", "v3 skydns"]


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

@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_others_put_is_history_as_an_update_is(etcd, make_gateway, layout):
    gateway = make_gateway(config(etcd, store(layout), HELIX))
    wait_for(lambda: gateway.ctl("log", "example.com.", check=False).returncode == 0)
    first = gateway.serial("example.com.")
    put(etcd, layout, "a", "192.0.2.1")
    wait_for(lambda: gateway.short("a.example.com.") == ["192.0.2.1"])
    update(gateway, "update add b.example.com. 300 A 192.0.2.2", "example.com.")
    put(etcd, layout, "a", "192.0.2.3")
    wait_for(lambda: gateway.short("a.example.com.") == ["192.0.2.3"])
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


@pytest.mark.parametrize("layout", LAYOUTS)
def test_history_goes_on_after_a_restart_with_what_came_meanwhile_as_one_change(etcd, make_gateway, layout):
    gateway = make_gateway(config(etcd, store(layout), HELIX))
    wait_for(lambda: gateway.ctl("log", "example.com.", check=False).returncode == 0)
    put(etcd, layout, "a", "192.0.2.1")
    wait_for(lambda: gateway.short("a.example.com.") == ["192.0.2.1"])
    before = log(gateway)
    gateway.stop()
    put(etcd, layout, "b", "192.0.2.2")
    put(etcd, layout, "c", "192.0.2.3")
    gateway.start()
    assert gateway.short("b.example.com.") == ["192.0.2.2"]
    after = log(gateway)
    assert after[:len(before)] == before and len(after) == len(before) + 1
    assert wrote(after[-1]) == {"b", "c"}
    other = make_gateway(config(etcd, store(layout), HELIX, name="gw2"))
    assert axfr(other, "example.com.") == axfr(gateway, "example.com.")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_last_known_zones_are_served_where_etcd_is_away_at_start(etcd, make_gateway, layout):
    gateway = make_gateway(config(etcd, store(layout), HELIX[:1]))
    wait_for(lambda: gateway.ctl("log", "example.com.", check=False).returncode == 0)
    put(etcd, layout, "a", "192.0.2.1")
    wait_for(lambda: gateway.short("a.example.com.") == ["192.0.2.1"])
    gateway.stop()
    etcd.command("kill", etcd.dir)
    gateway.start()
    assert gateway.short("a.example.com.") == ["192.0.2.1"]
    refused = gateway.nsupdate("update add b.example.com. 300 A 192.0.2.2", "-v", key=None, zone="example.com.", check=False)
    assert "SERVFAIL" in refused.stderr
    etcd.command("start", etcd.dir)
    wait_for(lambda: update(gateway, "update add b.example.com. 300 A 192.0.2.2", "example.com.", check=False).returncode == 0, 15)
    assert gateway.short("b.example.com.") == ["192.0.2.2"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_freeze_holds_on_all_gateways_and_over_a_restart(etcd, make_gateway, layout):
    one, two = (make_gateway(config(etcd, store(layout), HELIX, name=name)) for name in ("gw1", "gw2"))
    one.ctl("freeze", "example.com.")
    wait_for(lambda: "frozen" in two.ctl("zones").stdout)
    assert "REFUSED" in update(two, "update add a.example.com. 300 A 192.0.2.1", "example.com.", check=False).stderr
    two.restart()
    three = make_gateway(config(etcd, store(layout), HELIX, name="gw3"))
    for gateway in one, two, three:
        assert "REFUSED" in update(gateway, "update add a.example.com. 300 A 192.0.2.1", "example.com.", check=False).stderr
    two.ctl("thaw", "example.com.")
    for gateway in one, two, three:
        wait_for(lambda: update(gateway, "update add a.example.com. 300 A 192.0.2.1", "example.com.", check=False).returncode == 0)
    wait_for(lambda: len({g.serial("example.com.") for g in (one, two, three)}) == 1)
