"""RFC 2136 3.4: the update section, each sentence of it."""
from test_rfc2136_3_2_prereq import ANY, IN, NONE, message, put, raw_rcode, rcode, with_ttl_1


def test_add_and_query(gateway):
    m = message()
    m.add("www", 300, "A", "192.0.2.7")
    before = gateway.serial()
    assert rcode(gateway, m) == "NOERROR"
    assert gateway.short("www.example.test.") == ["192.0.2.7"]
    assert gateway.serial() == before + 1, "3.6: one step for each update"


def test_add_what_is_there_changes_nothing(gateway):
    m = message()
    m.add("ns1", 300, "A", "127.0.0.1")
    before = gateway.serial()
    assert rcode(gateway, m) == "NOERROR"
    assert gateway.serial() == before


def test_add_of_a_duplicate_takes_the_ttl_for_the_whole_rrset(gateway):
    m = message()
    m.add("www", 300, "A", "192.0.2.1", "192.0.2.2")
    rcode(gateway, m)
    m = message()
    m.add("www", 60, "A", "192.0.2.1")
    assert rcode(gateway, m) == "NOERROR"
    lines = gateway.dig("+noall", "+answer", "www.example.test.").splitlines()
    assert sorted(line.split()[1] for line in lines) == ["60", "60"]


def test_delete_one_record(gateway):
    m = message()
    m.add("www", 300, "A", "192.0.2.1", "192.0.2.2")
    rcode(gateway, m)
    m = message()
    m.delete("www", "A", "192.0.2.1")
    assert rcode(gateway, m) == "NOERROR"
    assert gateway.short("www.example.test.") == ["192.0.2.2"]


def test_delete_an_rrset(gateway):
    m = message()
    m.add("www", 300, "A", "192.0.2.1", "192.0.2.2")
    m.add("www", 300, "TXT", '"stays"')
    rcode(gateway, m)
    m = message()
    m.delete("www", "A")
    assert rcode(gateway, m) == "NOERROR"
    assert gateway.short("www.example.test.") == []
    assert gateway.short("www.example.test.", "TXT") == ['"stays"']


def test_delete_a_name(gateway):
    m = message()
    m.add("www", 300, "A", "192.0.2.1")
    m.add("www", 300, "TXT", '"goes"')
    rcode(gateway, m)
    m = message()
    m.delete("www")
    assert rcode(gateway, m) == "NOERROR"
    assert "NXDOMAIN" in gateway.dig("www.example.test.", "TXT")


def test_delete_all_rrsets_at_the_apex_leaves_soa_and_ns(gateway):
    """3.4.2.3: for the zone's own name, SOA and NS are left."""
    m = message()
    m.add("@", 300, "MX", "10 ns1")
    rcode(gateway, m)
    m = message()
    m.delete("@")
    assert rcode(gateway, m) == "NOERROR"
    assert gateway.short("example.test.", "MX") == []
    assert gateway.short("example.test.", "NS") == ["ns1.example.test.", "ns2.example.test."]
    assert gateway.serial()


def test_the_soa_is_never_deleted(gateway):
    before = gateway.short("example.test.", "SOA")
    m = message()
    m.delete("@", "SOA")
    assert rcode(gateway, m) == "NOERROR"
    assert gateway.short("example.test.", "SOA") == before


def test_the_ns_rrset_of_the_apex_is_never_deleted(gateway):
    """3.4.2.3: an RRset deletion of NS at the apex is ignored."""
    m = message()
    m.delete("@", "NS")
    assert rcode(gateway, m) == "NOERROR"
    assert len(gateway.short("example.test.", "NS")) == 2


def test_the_last_ns_is_never_deleted(gateway):
    """3.4.2.4"""
    m = message()
    m.delete("@", "NS", "ns1")
    m.delete("@", "NS", "ns2")
    assert rcode(gateway, m) == "NOERROR"
    assert gateway.short("example.test.", "NS") == ["ns2.example.test."]


def test_dnscontrols_dummy_ns(gateway):
    """Add a dummy, delete the others, add new ones, delete the dummy: in one message."""
    m = message()
    m.add("@", 300, "NS", "dnscontrol.invalid.")
    m.delete("@", "NS", "ns1")
    m.delete("@", "NS", "ns2")
    m.add("@", 300, "NS", "ns3")
    m.delete("@", "NS", "dnscontrol.invalid.")
    assert rcode(gateway, m) == "NOERROR"
    assert gateway.short("example.test.", "NS") == ["ns3.example.test."]


def test_cname_beside_other_data_is_ignored(gateway):
    """3.4.2.2"""
    m = message()
    m.add("ns1", 300, "CNAME", "ns2")
    before = gateway.serial()
    assert rcode(gateway, m) == "NOERROR"
    assert gateway.short("ns1.example.test.", "CNAME") == []
    assert gateway.serial() == before


def test_other_data_beside_a_cname_is_ignored(gateway):
    m = message()
    m.add("alias", 300, "CNAME", "ns1")
    rcode(gateway, m)
    m = message()
    m.add("alias", 300, "A", "192.0.2.1")
    assert rcode(gateway, m) == "NOERROR"
    assert gateway.short("alias.example.test.", "CNAME") == ["ns1.example.test."]


def test_a_cname_replaces_a_cname(gateway):
    for target in ("ns1", "ns2"):
        m = message()
        m.add("alias", 300, "CNAME", target)
        assert rcode(gateway, m) == "NOERROR"
    assert gateway.short("alias.example.test.", "CNAME") == ["ns2.example.test."]


def test_cname_in_the_place_of_deleted_data_and_back(gateway):
    m = message()
    m.add("swap", 300, "A", "192.0.2.1")
    rcode(gateway, m)
    m = message()
    m.delete("swap")
    m.add("swap", 300, "CNAME", "ns1")
    assert rcode(gateway, m) == "NOERROR"
    assert gateway.short("swap.example.test.", "CNAME") == ["ns1.example.test."]
    m = message()
    m.delete("swap", "CNAME")
    m.add("swap", 300, "A", "192.0.2.2")
    assert rcode(gateway, m) == "NOERROR"
    assert gateway.short("swap.example.test.") == ["192.0.2.2"]


def test_soa_is_replaced_by_a_greater_serial_only(gateway):
    serial = gateway.serial()
    m = message()
    m.add("@", 300, "SOA", "ns1 hostmaster %d 1 2 3 4" % (serial + 100))
    assert rcode(gateway, m) == "NOERROR"
    assert gateway.serial() == serial + 100
    m = message()
    m.add("@", 300, "SOA", "ns1 hostmaster %d 9 9 9 9" % serial)
    assert rcode(gateway, m) == "NOERROR"
    assert gateway.serial() == serial + 100


def test_order_within_the_message_counts(gateway):
    m = message()
    m.add("www", 300, "A", "192.0.2.1")
    m.delete("www", "A")
    m.add("www", 300, "A", "192.0.2.2")
    assert rcode(gateway, m) == "NOERROR"
    assert gateway.short("www.example.test.") == ["192.0.2.2"]


def test_all_or_nothing(gateway):
    """3.4.1: a record outside the zone refuses the message, with what came before it."""
    m = message()
    m.add("good", 300, "A", "192.0.2.1")
    put(m, 2, "www.example.org.", 300, IN, "A", "192.0.2.1")
    assert rcode(gateway, m) == "NOTZONE"
    assert "NXDOMAIN" in gateway.dig("good.example.test.")


def test_form_of_deletions(gateway):
    """2.5.2, 2.5.3, 3.4.1.2: TTL must be 0."""
    for rdclass, rdtype in ((ANY, "A"), (ANY, "ANY")):
        assert raw_rcode(gateway, put(message(), 2, "www.example.test.", 0, rdclass, rdtype), with_ttl_1) == "FORMERR"


def test_meta_types_are_formerr(gateway):
    assert rcode(gateway, put(message(), 2, "www.example.test.", 0, ANY, "AXFR")) == "FORMERR"
    assert rcode(gateway, put(message(), 2, "www.example.test.", 0, ANY, "MAILA")) == "FORMERR"
    assert rcode(gateway, put(message(), 2, "www.example.test.", 0, NONE, "ANY")) == "FORMERR"


def test_rrsig_and_nsec_are_never_updated(gateway):
    m = message()
    m.add("www", 300, "NSEC", "ns1.example.test. A")
    assert rcode(gateway, m) == "REFUSED"


def test_history_of_what_was_acknowledged_survives_a_restart(gateway):
    for i in range(20):
        m = message()
        m.add("h%d" % i, 300, "A", "192.0.2.%d" % i)
        assert rcode(gateway, m) == "NOERROR"
    serial = gateway.serial()
    gateway.restart()
    assert gateway.serial() == serial
    for i in range(20):
        assert gateway.short("h%d.example.test." % i) == ["192.0.2.%d" % i]
