"""Layout zonegate on real etcd servers: large changes, etcd away, members that fail, certificates and passwords."""
import shutil

import pytest
from conftest import ZONE
from test_etcd import axfr, config, etcd, make_etcd, update, wait_for  # noqa: F401

pytestmark = pytest.mark.skipif(not shutil.which("etcd"), reason="no etcd here (Debian: etcd-server)")


def no_journal(etcd):
    return not etcd.keys("/zonegate/zones/example.test./journal")


def test_names_that_an_import_wrote_can_be_updated_at_once_and_after_a_restart(etcd, make_gateway):
    zone = ZONE + "".join("n%d A 10.0.0.%d\n" % (i, i % 250) for i in range(400))
    one = make_gateway(config(etcd), {"example.test.zone": zone})
    two = make_gateway(config(etcd, name="gw2"))
    wait_for(lambda: no_journal(etcd))
    three = make_gateway(config(etcd, name="gw3"))
    for i, gateway in enumerate((one, two, three)):
        update(gateway, "update delete n%d.example.test. A\nupdate add n%d.example.test. 60 A 192.0.2.1" % (i, i))
        assert gateway.short("n%d.example.test." % i) == ["192.0.2.1"]
    wait_for(lambda: axfr(one) == axfr(two) == axfr(three))
    assert "journal" not in one.log()
