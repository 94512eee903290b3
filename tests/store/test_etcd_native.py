"""Layout zonegate on real etcd servers: large changes, etcd away, members that fail, certificates and passwords."""
import os
import shutil
import subprocess
import time

import pytest
from conftest import LONG, ZONE, ZONEGATECTL, eventually, run
from test_etcd import axfr, b64, config, etcd, kept, make_etcd, served_with_a_lease, update  # noqa: F401

pytestmark = pytest.mark.skipif(not shutil.which("etcd"), reason="no etcd here (Debian: etcd-server)")


def no_journal(etcd):
    return not etcd.keys("/zonegate/zones/example.test./journal")


def test_names_that_an_import_wrote_can_be_updated_at_once_and_after_a_restart(etcd, make_gateway):
    zone = ZONE + "".join("n%d A 10.0.0.%d\n" % (i, i % 250) for i in range(400))
    one = make_gateway(config(etcd), {"example.test.zone": zone})
    two = make_gateway(config(etcd, name="gw2"))
    eventually(lambda: no_journal(etcd))
    three = make_gateway(config(etcd, name="gw3"))
    for i, gateway in enumerate((one, two, three)):
        update(gateway, "update delete n%d.example.test. A\nupdate add n%d.example.test. 60 A 192.0.2.1" % (i, i))
        assert gateway.short("n%d.example.test." % i) == ["192.0.2.1"]
    eventually(lambda: axfr(one) == axfr(two) == axfr(three))
    assert "journal" not in one.log()


def many(count, letter):
    return "\n".join("update add %s%d.example.test. 60 A 192.0.2.1" % (letter, i) for i in range(count))


def names_of(gateway, *letters):
    """How many names begin so, of one version."""
    lines = axfr(gateway)
    return tuple(sum(x.startswith(letter) for x in lines) for letter in letters)


def import_names(gateway, count, letter):
    """A change of any number of names (an UPDATE has room for about 3,000), under way."""
    path = os.path.join(gateway.dir, letter + ".zone")
    with open(path, "w") as f:
        f.write(ZONE + "".join("%s%d 60 A 192.0.2.1\n" % (letter, i) for i in range(count)))
    return subprocess.Popen([ZONEGATECTL, "-c", gateway.config_path, "import", "example.test.", path], stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)


@pytest.mark.parametrize("count", [pytest.param(5000, marks=pytest.mark.skipif(not LONG, reason="5,000 names: tests/run --long")), 600])
def test_killed_while_thousands_of_names_change_it_is_all_or_nothing_everywhere(etcd, make_gateway, count):
    one, two = make_gateway(config(etcd)), make_gateway(config(etcd, name="gw2"))
    begun = time.monotonic()
    assert import_names(one, count, "x").wait() == 0
    seconds = time.monotonic() - begun
    assert names_of(one, "x") == (count,)  # answered: served
    before = "x"
    for i in range(4 if LONG else 2):  # at different moments of it
        letter = "abcd"[i]
        eventually(lambda: no_journal(etcd))
        sender = import_names(one, count, letter)
        time.sleep(seconds * (i + 1) / 3)
        one.kill()
        sender.wait()
        eventually(lambda: no_journal(etcd))  # the other gateway completes it
        assert names_of(two, letter, before) in ((count, 0), (0, count))
        one.start()
        eventually(lambda: no_journal(etcd) and axfr(one) == axfr(two))
        new, old = names_of(two, letter, before)
        assert (new, old) in ((count, 0), (0, count))
        before = letter if new else before
        if not new:  # an import freezes the zone while it is made, for a time
            two.ctl("thaw", "example.test.", check=False)
            eventually(lambda: " frozen" not in one.ctl("zones").stdout)
        update(one, "update add after%d.example.test. 60 A 192.0.2.1\nupdate delete after%d.example.test." % (i, i))
    kept = etcd.keys("/zonegate/zones/example.test./names/")
    assert len({x.split()[0] for x in axfr(one)}) == len(kept)
    eventually(lambda: axfr(one) == axfr(two))


@pytest.mark.skipif(not LONG, reason="other versions of etcd: tests/run --long")
@pytest.mark.parametrize("version", ["v3.5.21", "go"])
def test_other_versions_of_etcd(make_etcd, make_gateway, version):
    etcd = make_etcd("-v", version)
    one, two = make_gateway(config(etcd)), make_gateway(config(etcd, name="gw2"))
    update(one, "update add www.example.test. 60 A 192.0.2.1")
    done = update(two, "prereq nxdomain www.example.test.\nupdate add www.example.test. 60 A 192.0.2.2", check=False)
    assert "YXDOMAIN" in done.stderr
    one.nsupdate(many(1500, "x"), "-v", key=None)
    eventually(lambda: no_journal(etcd) and axfr(one) == axfr(two))
    revision = etcd.v3("kv/range", key=b64("/x"))["header"]["revision"]
    etcd.v3("kv/compaction", revision=revision)
    two.restart()
    update(two, "update delete www.example.test.\nupdate delete x7.example.test.")
    eventually(lambda: axfr(one) == axfr(two))
    assert len(etcd.keys("/zonegate/zones/example.test./names/")) == 1499 + 3
    one.ctl("log", "--verify", "example.test.")
    helix = make_gateway(config(etcd, ", layout: helix", ["example.com."], name="gw3"))
    name = served_with_a_lease(etcd, helix)
    update(helix, "update add a.example.com. 5 A 192.0.2.3", "example.com.")
    assert "/helix/com/example/a/A" in etcd.keys("/helix/")
    eventually(lambda: not helix.short(name), 120)


# ---- etcd away ----

def metric(gateway, text):
    return text in run("curl", "-s", "http://127.0.0.1:%d/metrics" % gateway.http).stdout


def refused_for_now(gateway):
    """As on-store-failure says: SERVFAIL on TCP, silence on UDP."""
    assert "SERVFAIL" in gateway.nsupdate("update add no.example.test. 60 A 192.0.2.9", "-v", key=None, check=False).stderr
    silent = gateway.nsupdate("update add no.example.test. 60 A 192.0.2.9", "-t", "1", "-r", "0", key=None, check=False)
    assert "timed out" in silent.stderr


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_with_etcd_away_at_start_the_last_known_zone_is_served_and_catches_up_later(etcd, make_gateway, how):
    one, two = make_gateway(config(etcd, patience=None)), make_gateway(config(etcd, name="gw2"))
    for i in range(5):
        update(one, "update add a%d.example.test. 60 TXT \"%d\"" % (i, i))
    known = axfr(one)
    kept(one)
    getattr(one, how)()
    update(two, "update delete a0.example.test.\nupdate add later.example.test. 60 A 192.0.2.7")
    etcd.command("kill", etcd.dir)
    one.start()  # waits for "ready"
    assert axfr(one) == known and one.serial() == 6
    assert "served as last known" in one.log()
    eventually(lambda: "store not connected" in one.log())
    assert metric(one, 'zonegate_store_connected{store="registry"} 0')
    refused_for_now(one)
    etcd.command("start", etcd.dir)
    eventually(lambda: axfr(one) == axfr(two) and one.serial() == 7, 120)
    eventually(lambda: update(one, "update add mine.example.test. 60 A 192.0.2.8", check=False).returncode == 0)
    eventually(lambda: axfr(one) == axfr(two))
    assert not one.short("no.example.test.")
    eventually(lambda: metric(one, 'zonegate_store_connected{store="registry"} 1'))  # it may be away once more while it starts
    one.ctl("log", "--verify", "example.test.")


def test_a_zone_of_other_programs_keys_is_served_from_the_last_known_too(etcd, make_gateway):
    gateway = make_gateway(config(etcd, ", layout: helix", ["example.com."]))
    etcd.put("/helix/com/example/foo/A", "192.0.2.1")
    eventually(lambda: gateway.short("foo.example.com.") == ["192.0.2.1"])
    serial = gateway.serial("example.com.")
    kept(gateway)
    gateway.stop()
    etcd.command("kill", etcd.dir)
    gateway.start()
    assert gateway.short("foo.example.com.") == ["192.0.2.1"] and gateway.serial("example.com.") == serial
    etcd.command("start", etcd.dir)
    etcd.put("/helix/com/example/foo/A", "192.0.2.2")
    eventually(lambda: gateway.short("foo.example.com.") == ["192.0.2.2"], 120)
    assert gateway.serial("example.com.") == serial + 1


def test_an_etcd_that_comes_back_empty_is_not_written_over(etcd, make_gateway):
    gateway = make_gateway(config(etcd, patience=None))
    update(gateway, "update add www.example.test. 60 A 192.0.2.1")
    kept(gateway)
    gateway.stop()
    etcd.command("kill", etcd.dir)
    gateway.start()
    shutil.rmtree(os.path.join(etcd.dir, "1", "data"))
    etcd.command("start", etcd.dir)
    eventually(lambda: "zone is not in etcd any more" in gateway.log())
    assert gateway.short("www.example.test.") == ["192.0.2.1"]
    refused_for_now(gateway)
    assert not etcd.keys("/zonegate/zones/")


# ---- the connection ----

def with_users(etcd):
    """Authentication on: user gw may use the prefix only; returns the administrator's token."""
    etcd.v3("auth/user/add", name="root", password="r")
    etcd.v3("auth/role/add", name="root")
    etcd.v3("auth/user/grant", user="root", role="root")
    etcd.v3("auth/user/add", name="gw", password="secret")
    etcd.v3("auth/role/add", name="dns")
    etcd.v3("auth/role/grant", name="dns", perm={"permType": "READWRITE", "key": b64("/zonegate"), "range_end": b64("/zonegatf")})
    etcd.v3("auth/user/grant", user="gw", role="dns")
    etcd.v3("auth/enable")


def test_tokens_that_expire_are_asked_for_again_and_nothing_is_lost(make_etcd, make_gateway):
    etcd = make_etcd("-a", "--auth-token-ttl=2")
    with_users(etcd)
    store = ", auth: {user: gw, password-file: pw}"
    one, two = (make_gateway(config(etcd, store, name=name), {"pw": "secret\n"}) for name in ("gw1", "gw2"))
    for i in range(4):
        update(one, "update add t%d.example.test. 60 A 192.0.2.%d" % (i, i))
        eventually(lambda: two.short("t%d.example.test." % i) == ["192.0.2.%d" % i])
        time.sleep(3)
    assert one.serial() == two.serial() == 5
    assert axfr(one) == axfr(two)


def test_a_prefix_that_the_user_may_not_use_is_named(etcd, make_gateway):
    with_users(etcd)
    gateway = make_gateway(config(etcd, ", prefix: /other, auth: {user: gw, password-file: pw}"), {"pw": "secret\n"}, start=False)
    gateway.start(check=False)
    eventually(lambda: os.path.exists(gateway.log_path) and "readwrite on the prefix" in gateway.log())


def test_with_tls_a_member_that_dies_is_left_for_another(make_etcd, make_gateway):
    etcd = make_etcd("-t", "-n", "3")
    tls = os.path.join(etcd.dir, "tls")
    gateway = make_gateway(config(etcd, ", tls: {ca: %s/ca.pem, certificate: %s/client.pem, key: %s/client.key}" % (tls, tls, tls)))
    for member in ("1", "2"):
        update(gateway, "update add m%s.example.test. 60 A 192.0.2.1" % member)
        etcd.command("kill", etcd.dir, member)
        eventually(lambda: update(gateway, "update add k%s.example.test. 60 A 192.0.2.1" % member, check=False).returncode == 0)
        etcd.command("start", etcd.dir, "-i", member)
    assert sorted(x.split(".")[0] for x in axfr(gateway) if x[0] in "km") == ["k1", "k2", "m1", "m2"]
