"""Catalog zones (RFC 9432): Knot and BIND as secondaries of one that the gateway produces follow additions and removals by themselves;
of one that it consumes the members come and go with nsupdate, and a broken one keeps its last good members."""
import os
import time

import pytest

from conftest import LONG, PATIENCE, free_port, run
from system.peers import PrimaryKnot, SecondaryBind, SecondaryKnot, soa_of, soa_serial_of, targets
from system.test_secondaries import fetch_zone

PRODUCE = """
server: {listen: [127.0.0.1@PORT], state-dir: state, control-socket: zonegate.sock, http: 127.0.0.1@HTTP}
log: {level: info}
keys:
  - file: dhcp.key
zones:
  - name: catalog.test.
    catalog: produce
    allow-transfer: [TRANSFER]
    notify: [NOTIFY]
  - {name: one.test., update-policy: [grant dhcp. zonesub ANY]}
  - {name: two.test.}
  - {name: secret.test., catalog: none}
"""
CONSUME = """
server: {listen: [127.0.0.1@PORT], state-dir: state, control-socket: zonegate.sock, http: 127.0.0.1@HTTP}
log: {level: info}
keys:
  - file: dhcp.key
zones:
  - name: cat.test.
    catalog: consume
    update-policy: [grant dhcp. zonesub ANY]
    allow-transfer: [127.0.0.1]
    members:
      update-policy: [grant dhcp. zonesub A AAAA TXT]
      ns: [ns1.example.net.]
  - {name: own.test., allow-transfer: [127.0.0.1]}
"""


def eventually(what, seconds=2 * PATIENCE):
    end = time.monotonic() + seconds
    while True:
        try:
            value = what()
        except AssertionError:
            if time.monotonic() > end:
                raise
            value = False
        if value:
            return value
        assert time.monotonic() < end, what
        time.sleep(0.05)


def members(port, catalog="catalog.test.", signed=False):
    """The member zones, by RFC 9432's own reading, of what is transferred."""
    zone = fetch_zone(catalog, port, signed)
    assert [str(r) for r in zone.find_rdataset("version", "TXT")] == ['"2"']
    assert [str(r) for r in zone.find_rdataset("@", "NS")] == ["invalid."]
    found = {}
    for name, rdataset in zone.iterate_rdatasets("PTR"):
        assert len(name) == 2 and name[1] == b"zones" and len(rdataset) == 1
        found[str(rdataset[0].target.derelativize(zone.origin))] = name[0]
    return found


class CatalogBind(SecondaryBind):
    options = "min-refresh-time 1; min-retry-time 1; allow-transfer { any; };"

    def zones(self):
        primaries = self.primaries()
        return """zone "catalog.test" { type secondary; primaries { %s }; file "catalog"; %s };
""" % (primaries, 'allow-notify { key "dhcp."; };' if self.signed else "")

    def config(self):
        self.options = CatalogBind.options + ' catalog-zones { zone "catalog.test" default-masters { %s } in-memory yes min-update-interval 0; };' % self.primaries()
        return super().config()


class CatalogKnot(SecondaryKnot):
    def zones(self):
        return self.head() + """template:
  - id: member
    storage: "%s"
    master: gateway
    acl: [notify, transfer]
  - id: closed
    storage: "%s"
    master: gateway
    acl: [notify]
zone:
  - domain: catalog.test.
    storage: "%s"
    master: gateway
    acl: [notify, transfer]
    catalog-role: interpret
    catalog-template: [member, closed]
""" % (self.dir, self.dir, self.dir)


@pytest.fixture
def start(make_gateway, folder, run_all):
    def go(signed, files=None):
        primary = type("Primary", (), {"port": free_port()})
        secondaries = [kind(folder, primary, signed) for kind in (CatalogBind, CatalogKnot)]
        config = PRODUCE.replace("TRANSFER", "key dhcp." if signed else "127.0.0.1").replace("NOTIFY", targets(secondaries, signed))
        g = make_gateway(config, port=primary.port, files=files)
        run_all(secondaries)
        return g, secondaries
    return go


def serves(server, zone, serial):
    return soa_serial_of(zone, server.port, 2) == serial    # it may not be there yet


def is_gone(server, zone):
    """It says that it has no such zone; to say nothing is something else."""
    answer = soa_of(zone, server.port, 2)
    return answer is not None and not answer.answer


@pytest.mark.parametrize("signed", [False, True], ids=["plain", "tsig"])
def test_secondaries_follow_additions_and_removals_by_themselves(start, signed):
    g, secondaries = start(signed)
    for s in secondaries:
        for zone in ("one.test.", "two.test."):
            eventually(lambda: serves(s, zone, g.serial(zone)))
        eventually(lambda: is_gone(s, "secret.test."))
    assert set(members(g.port, signed=signed)) == {"one.test.", "two.test."}
    # What is added at run time comes to them, and its changes too: it has the transfer settings of the catalog.
    g.ctl("add", "three.test.", "--store", "local", "--policy", "grant dhcp. zonesub ANY")
    g.nsupdate("update add www.three.test. 60 A 192.0.2.3", zone="three.test.")
    for s in secondaries:
        eventually(lambda: serves(s, "three.test.", g.serial("three.test.")))
        assert run("dig", "@127.0.0.1", "-p", s.port, "+short", "www.three.test.", "A").stdout == "192.0.2.3\n"
    g.nsupdate("update add a.one.test. 60 A 192.0.2.1", zone="one.test.")
    for s in secondaries:
        eventually(lambda: serves(s, "one.test.", g.serial("one.test.")))
    # In the middle of a refresh: BIND says yes to the NOTIFY that comes while that fails, and forgets it; the next one counts.
    g.ctl("remove", "three.test.")
    g.kill()
    g.start()
    for s in secondaries:
        eventually(lambda: is_gone(s, "three.test."))
        eventually(lambda: serves(s, "two.test.", g.serial("two.test.")))
    # Out of the configuration, and another into it.
    config = open(g.config_path).read()
    g.write_config(config.replace("{name: two.test.}", "{name: four.test.}"))
    g.ctl("reload")
    for s in secondaries:
        eventually(lambda: is_gone(s, "two.test."))
        eventually(lambda: serves(s, "four.test.", g.serial("four.test.")))
    eventually(lambda: set(members(g.port, signed=signed)) == {"one.test.", "four.test."})


def test_many_zones_reach_them_by_differences(start):
    count = 5000 if LONG else 150
    g, secondaries = start(False)
    for s in secondaries:
        eventually(lambda: serves(s, "two.test.", g.serial("two.test.")))
    config = open(g.config_path).read()
    g.write_config(config + "".join("  - {name: m%d.test.}\n" % i for i in range(count)))
    g.ctl("reload", timeout=300)
    for s in secondaries:
        for i in (0, count // 2, count - 1):
            eventually(lambda: serves(s, "m%d.test." % i, 1), 240)
    eventually(lambda: len(members(g.port)) == count + 2, 60)
    g.write_config(config)
    g.ctl("reload", timeout=300)
    for s in secondaries:
        eventually(lambda: is_gone(s, "m%d.test." % (count - 1)), 240)
        eventually(lambda: serves(s, "one.test.", g.serial("one.test.")))
    eventually(lambda: set(members(g.port)) == {"one.test.", "two.test."})


def groups(port):
    zone = fetch_zone("catalog.test.", port, False)
    return {str(name): [str(r) for r in rdataset] for name, rdataset in zone.iterate_rdatasets("TXT") if name[0] == b"group"}


def test_a_zones_group_is_what_knot_takes_its_template_by(start):
    """RFC 9432 4.3.2. Knot's template "closed" gives nobody a transfer; BIND 9.18 has no groups and serves all."""
    g, (bind, knot) = start(False)

    def gives(server, zone):
        out = run("dig", "@127.0.0.1", "-p", server.port, "+time=%d" % PATIENCE, zone, "AXFR", check=False).stdout
        assert "Transfer failed" in out or "XFR size" in out    # an answer
        return "XFR size" in out
    eventually(lambda: gives(knot, "two.test.") and gives(bind, "two.test."))
    assert groups(g.port) == {}
    config = open(g.config_path).read()
    g.write_config(config.replace("{name: two.test.}", "{name: two.test., catalog-group: closed}"))
    g.ctl("reload")
    node = members(g.port)["two.test."].decode()
    eventually(lambda: groups(g.port) == {"group.%s.zones" % node: ['"closed"']})
    eventually(lambda: not gives(knot, "two.test.") and serves(knot, "two.test.", g.serial("two.test.")))
    assert gives(bind, "two.test.") and gives(knot, "one.test.")
    g.write_config(config.replace("{name: two.test.}", '{name: two.test., catalog-group: "another; one"}'))
    g.ctl("reload")     # which Knot does not know: the first template again
    eventually(lambda: groups(g.port) == {"group.%s.zones" % node: ['"another; one"']})
    eventually(lambda: gives(knot, "two.test."))
    g.restart()
    assert groups(g.port) == {"group.%s.zones" % node: ['"another; one"']}
    g.write_config(config.replace("  - {name: two.test.}\n", ""))
    g.ctl("reload")
    eventually(lambda: groups(g.port) == {} and set(members(g.port)) == {"one.test."})


def test_a_produced_catalog_is_nobodys_to_write(start):
    g, _ = start(False)
    r = g.nsupdate("update add x.zones.catalog.test. 0 PTR evil.test.", zone="catalog.test.", check=False)
    assert r.returncode != 0 and "REFUSED" in r.stderr
    g.write_config(open(g.config_path).read().replace("catalog: produce", "catalog: produce\n    update-policy: [grant dhcp. zonesub ANY]"))
    assert "the gateway alone fills a catalog" in g.ctl("reload", check=False).stderr


# ---- consumed ----

def add(g, label, zone):
    g.nsupdate("update add %s.zones.cat.test. 0 PTR %s" % (label, zone), zone="cat.test.")


def delete(g, label):
    g.nsupdate("update delete %s.zones.cat.test. PTR" % label, zone="cat.test.")


def is_served(g, zone):
    """True, False (REFUSED)."""
    text = g.dig(zone, "SOA")
    return "status: NOERROR" in text and "ANSWER: 1" in text


def test_members_come_and_go_with_updates_of_the_catalog(make_gateway):
    g = make_gateway(CONSUME)
    add(g, "a", "alpha.test.")
    eventually(lambda: is_served(g, "alpha.test."))
    assert g.short("alpha.test.", "NS") == ["ns1.example.net."]
    # Its settings are those of `members`; transfer, which they don't say, is as the catalog's.
    g.nsupdate("update add www.alpha.test. 60 A 192.0.2.1", zone="alpha.test.")
    assert g.nsupdate("update add www.alpha.test. 60 MX 1 x.", zone="alpha.test.", check=False).returncode != 0
    assert "192.0.2.1" in g.dig("alpha.test.", "AXFR")
    zones = [line.split()[0] for line in g.ctl("zones").stdout.splitlines()]
    assert zones == ["alpha.test.", "cat.test.", "own.test."]
    r = g.ctl("remove", "alpha.test.", check=False)
    assert r.returncode == 1 and "is in the catalog zone cat.test." in r.stderr
    # Over a restart, with their content.
    add(g, "b", "beta.test.")
    eventually(lambda: is_served(g, "beta.test."))
    g.kill()
    g.start()
    assert is_served(g, "beta.test.") and g.short("www.alpha.test.") == ["192.0.2.1"]
    delete(g, "b")
    eventually(lambda: not is_served(g, "beta.test."))
    # RFC 9432 5.4: another node for the same zone begins it anew.
    g.nsupdate("update delete a.zones.cat.test. PTR\nupdate add c.zones.cat.test. 0 PTR alpha.test.", zone="cat.test.")
    eventually(lambda: is_served(g, "alpha.test.") and g.short("www.alpha.test.") == [])
    # A zone that is there by itself stays what it is.
    g.nsupdate("update add d.zones.cat.test. 0 PTR own.test.\nupdate add e.zones.cat.test. 0 PTR delta.test.", zone="cat.test.")
    eventually(lambda: is_served(g, "delta.test."))
    delete(g, "d")
    add(g, "f", "phi.test.")
    eventually(lambda: is_served(g, "phi.test."))
    assert is_served(g, "own.test.") and "a member is served already" in g.log()


def test_a_member_is_taken_up_when_the_zone_in_its_way_goes(make_gateway):
    g = make_gateway(CONSUME)
    g.ctl("add", "alpha.test.", "--store", "local")
    add(g, "a", "alpha.test.")
    eventually(lambda: "a member is served already" in g.log())
    assert g.short("alpha.test.", "NS") != ["ns1.example.net."]
    g.ctl("remove", "alpha.test.")
    eventually(lambda: g.short("alpha.test.", "NS") == ["ns1.example.net."])


TWO = CONSUME + """  - name: new.test.
    catalog: consume
    update-policy: [grant dhcp. zonesub ANY]
    allow-transfer: [127.0.0.1]
    members: {update-policy: [grant dhcp. zonesub MX]}
"""


def may_add(g, record):
    return g.nsupdate("update add " + record, zone="alpha.test.", check=False).returncode == 0


def test_a_member_changes_its_catalog_only_if_the_old_one_says_so(make_gateway):
    """RFC 9432 4.3.1, 5.2."""
    g = make_gateway(TWO)
    add(g, "a", "alpha.test.")
    eventually(lambda: is_served(g, "alpha.test."))
    assert may_add(g, "www.alpha.test. 60 A 192.0.2.1") and not may_add(g, "www.alpha.test. 60 MX 1 x.")
    g.nsupdate("update add a.zones.new.test. 0 PTR alpha.test.", zone="new.test.")
    eventually(lambda: "a member is served already, and not as its member zone=new.test." in g.log())
    assert not may_add(g, "www.alpha.test. 60 MX 1 x."), "not for the asking"
    g.nsupdate("update add coo.a.zones.cat.test. 0 PTR other.test.", zone="cat.test.")
    time.sleep(0.5)
    assert not may_add(g, "www.alpha.test. 60 MX 1 x."), "it was given to another"
    g.nsupdate("update delete coo.a.zones.cat.test. PTR\nupdate add coo.a.zones.cat.test. 0 PTR New.Test.", zone="cat.test.")
    eventually(lambda: may_add(g, "www.alpha.test. 60 MX 1 x."))
    assert g.short("www.alpha.test.") == ["192.0.2.1"], "with its content, for its node has the same name"
    assert not may_add(g, "w.alpha.test. 60 A 192.0.2.2"), "under the new catalog's rules"
    # What becomes of it in the old one is of no concern any more.
    seen = g.log().count("a member is served already")
    g.restart()
    delete(g, "a")
    add(g, "b", "beta.test.")
    eventually(lambda: is_served(g, "beta.test."))
    assert g.short("www.alpha.test.") == ["192.0.2.1"] and g.log().count("a member is served already") == seen
    g.nsupdate("update delete a.zones.new.test. PTR", zone="new.test.")
    eventually(lambda: not is_served(g, "alpha.test."))
    # Another name of its node: it begins anew.
    g.nsupdate("update add www.beta.test. 60 A 192.0.2.1", zone="beta.test.")
    g.nsupdate("update add coo.b.zones.cat.test. 0 PTR new.test.", zone="cat.test.")
    g.nsupdate("update add c.zones.new.test. 0 PTR beta.test.", zone="new.test.")
    eventually(lambda: is_served(g, "beta.test.") and g.short("www.beta.test.") == [])
    g.nsupdate("update add coo.b.zones.cat.test. 0 PTR other.test.", zone="cat.test.")
    eventually(lambda: broken(g, "a change of ownership names 2 catalogs"))


GROUPS = CONSUME + """  - name: grouped.test.
    catalog: consume
    update-policy: [grant dhcp. zonesub ANY]
    members: {update-policy: [grant dhcp. zonesub A]}
    groups:
      mail: {update-policy: [grant dhcp. zonesub MX], ns: [ns1.example.org.]}
      "ops; text": {update-policy: [grant dhcp. zonesub TXT], allow-transfer: [127.0.0.1]}
"""


def test_members_have_the_settings_of_their_group(make_gateway):
    g = make_gateway(GROUPS)

    def may():
        records = {"A": "192.0.2.1", "MX": "1 x.", "TXT": "x"}
        return [t for t, data in records.items() if may_add(g, "www.alpha.test. 60 %s %s" % (t, data))]

    def group(*texts):
        lines = ["update add group.a.zones.grouped.test. 0 TXT %s" % text for text in texts]
        g.nsupdate("\n".join(["update delete group.a.zones.grouped.test. TXT"] + lines), zone="grouped.test.")
    g.nsupdate("update add a.zones.grouped.test. 0 PTR alpha.test.\nupdate add group.a.zones.grouped.test. 0 TXT mail", zone="grouped.test.")
    eventually(lambda: is_served(g, "alpha.test."))
    assert may() == ["MX"] and g.short("alpha.test.", "NS") == ["ns1.example.org."]
    group('"ops; text"')
    eventually(lambda: may() == ["TXT"])        # with its content
    assert g.short("www.alpha.test.", "MX") == ["1 x."] and "1 x." in g.dig("alpha.test.", "AXFR")
    g.restart()
    assert may() == ["TXT"]
    group("nobody.knows")                       # RFC 9432 4.3.2: a value that is not understood is ignored
    eventually(lambda: may() == ["A"])
    group("nobody.knows", "mail", '"ops;" " text"')
    eventually(lambda: may() == ["MX"])
    group()
    eventually(lambda: may() == ["A"])
    # A reload that knows the group from now on.
    group("late")
    g.write_config(open(g.config_path).read().replace('"ops; text":', "late:"))
    g.ctl("reload")
    eventually(lambda: may() == ["TXT"])
    g.write_config(open(g.config_path).read().replace("late:", "early:"))
    g.ctl("reload")
    eventually(lambda: may() == ["A"])
    assert g.short("www.alpha.test.", "MX") == ["1 x."]


class CatalogOfKnot(PrimaryKnot):
    def zones(self):
        return super().zones().replace("    file: zone\n    semantic-checks: off\n", "    catalog-role: generate\n") + """  - domain: alpha.test.
    storage: "%s"
    file: member
    catalog-role: member
    catalog-zone: cat.test.
    catalog-group: mail
""" % self.dir


def test_groups_of_a_catalog_that_knot_has_made(make_gateway, folder):
    g = make_gateway(GROUPS.replace("cat.test.", "other.test.").replace("grouped.test.", "cat.test."))
    knot = CatalogOfKnot(folder, "cat.test.", "", "any")
    knot.write("member", "$ORIGIN alpha.test.\n@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns.example.\n")
    knot.start()
    try:
        eventually(lambda: g.ctl("import", "cat.test.", "--from", "127.0.0.1@%d" % knot.port, check=False).returncode == 0 and is_served(g, "alpha.test."))
        assert may_add(g, "www.alpha.test. 60 MX 1 x.") and not may_add(g, "www.alpha.test. 60 A 192.0.2.1")
    finally:
        knot.stop()


def broken(g, text):
    r = g.ctl("check", "cat.test.", check=False)
    return r.returncode == 1 and "the catalog is broken, its last members are kept" in r.stderr and text in r.stderr


def test_a_broken_catalog_keeps_its_last_good_members(make_gateway):
    g = make_gateway(CONSUME)
    add(g, "a", "alpha.test.")
    eventually(lambda: is_served(g, "alpha.test."))
    # RFC 9432 4.2.1: no version, another version.
    g.nsupdate("update delete version.cat.test. TXT\nupdate delete a.zones.cat.test. PTR", zone="cat.test.")
    eventually(lambda: broken(g, "there is no TXT record at version"))
    assert is_served(g, "alpha.test.")
    g.nsupdate("update add version.cat.test. 0 TXT 3", zone="cat.test.")
    eventually(lambda: broken(g, 'not "2"'))
    g.restart()
    assert is_served(g, "alpha.test.")
    g.nsupdate("update add a.zones.cat.test. 0 PTR alpha.test.\nupdate delete version.cat.test. TXT\nupdate add version.cat.test. 0 TXT 2",
               zone="cat.test.")
    eventually(lambda: g.ctl("check", "cat.test.", check=False).returncode == 0)
    # The same zone twice; two zones at a node.
    add(g, "b", "Alpha.test.")
    eventually(lambda: broken(g, "zone alpha.test. is listed twice"))
    delete(g, "b")
    add(g, "a", "other.test.")
    eventually(lambda: broken(g, "2 PTR records"))
    assert is_served(g, "alpha.test.") and not is_served(g, "other.test.")
    assert g.log().count("broken, its last members are kept") >= 4
    g.nsupdate("update delete a.zones.cat.test. PTR alpha.test.", zone="cat.test.")
    eventually(lambda: is_served(g, "other.test.") and not is_served(g, "alpha.test."))


def test_a_catalog_that_is_none_any_more_lets_its_members_go(make_gateway):
    g = make_gateway(CONSUME)
    add(g, "a", "alpha.test.")
    eventually(lambda: is_served(g, "alpha.test."))
    config = open(g.config_path).read()
    g.write_config(config.replace("grant dhcp. zonesub A AAAA TXT", "grant dhcp. zonesub MX"))
    g.ctl("reload")
    g.nsupdate("update add www.alpha.test. 60 MX 1 x.", zone="alpha.test.")
    g.write_config(config[:config.index("    members:")].replace("catalog: consume", "catalog: none"))
    g.ctl("reload")
    assert not is_served(g, "alpha.test.") and is_served(g, "cat.test.")
    g.restart()
    assert not is_served(g, "alpha.test.")


def test_one_gateway_follows_the_catalog_of_another(make_gateway):
    """Produced here, imported and consumed there: each zone of the one is a zone of the other."""
    a = make_gateway(PRODUCE.replace("TRANSFER", "127.0.0.1").replace("    notify: [NOTIFY]\n", ""))
    b = make_gateway(CONSUME.replace("    members:", "    members: {}\n    #").replace("\n      update-policy", "\n#").replace("\n      ns", "\n#"))
    eventually(lambda: len(members(a.port)) == 2)
    path = os.path.join(b.dir, "cat.zone")
    with open(path, "w") as f:
        f.write(a.ctl("dump", "catalog.test.").stdout.replace("catalog.test.", "cat.test."))
    b.ctl("import", "cat.test.", path)
    eventually(lambda: is_served(b, "one.test.") and is_served(b, "two.test."))
