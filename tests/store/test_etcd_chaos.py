"""Three members, three gateways, clients on all, layout zonegate: linearizable for each name whatever happens to etcd."""
import json
import os
import shutil
import signal
import time
import urllib.error
import urllib.request

import pytest
from conftest import LONG, SECRET, eventually
from histories import Clients
from test_etcd import axfr, b64, config, etcd, make_etcd, update  # noqa: F401

KEYS = "keys:\n  - {name: dhcp., algorithm: hmac-sha256, secret: %s}\n" % SECRET
pytestmark = pytest.mark.skipif(not shutil.which("etcd"), reason="no etcd here (Debian: etcd-server)")


def v3(url, path, **body):
    request = urllib.request.Request(url + "/v3/" + path, json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def pid(etcd, member):
    with open(os.path.join(etcd.dir, str(member), "pid")) as f:
        return int(f.read().split()[0])


def leader(etcd):
    """The member that leads, from 1, once one does."""
    def leading():
        for i, url in enumerate(etcd.endpoints):
            try:
                status = v3(url, "maintenance/status")
            except (urllib.error.URLError, OSError):
                continue  # it is slow to come back
            if status.get("leader") == status["header"]["member_id"]:
                return i + 1
        return None
    return eventually(leading)


def all_alike(gateways):
    """Zones and serials are equal, and each gateway's log is a whole chain."""
    eventually(lambda: len({tuple(axfr(g)) for g in gateways}) == 1, 120)  # the SOA is in it
    for g in gateways:
        g.ctl("log", "--verify", "example.test.")


def three(etcd, make_gateway, store=""):
    """Each names another member first."""
    gateways = []
    for i in range(3):
        etcd.endpoints = etcd.endpoints[1:] + etcd.endpoints[:1]
        gateways.append(make_gateway(KEYS + config(etcd, store, name="gw%d" % (i + 1), patience=None)))
    return gateways


def clients_of(gateways, folder, **options):
    """They go on until finish."""
    return Clients(["127.0.0.1:%d" % g.port for g in gateways], folder, updates=10 ** 6, **options)


def work(gateways, changes=30):
    """Until the clients have changed the zone some more, as the last gateway serves it, which nobody kills."""
    begin = gateways[-1].serial()
    eventually(lambda: gateways[-1].serial() >= begin + changes, 120)


def answered(clients, least):
    """Stops them; what they saw is linearizable, and they did see something."""
    events = clients.finish()
    clients.linearizable()
    assert sum(e["result"] == "NOERROR" for e in events if e["kind"] not in ("query", "probe")) > least


def kill_and_restart(etcd, member, away=2.0):
    etcd.command("kill", etcd.dir, str(member))
    time.sleep(away)
    etcd.command("start", etcd.dir, "-i", str(member))


def freeze(etcd, member, seconds):
    os.kill(pid(etcd, member), signal.SIGSTOP)
    time.sleep(seconds)
    os.kill(pid(etcd, member), signal.SIGCONT)


def compact(etcd):
    def done():
        try:
            revision = v3(etcd.endpoints[0], "kv/range", key=b64("/x"))["header"]["revision"]
            return v3(etcd.endpoints[0], "kv/compaction", revision=revision, physical=True)
        except (urllib.error.URLError, OSError):
            return None  # no leader for a moment
    eventually(done)


def test_clients_of_three_gateways_while_a_member_is_killed(make_etcd, make_gateway, folder):
    etcd = make_etcd("-n", "3")
    gateways = three(etcd, make_gateway)
    clients = clients_of(gateways, folder, names=12, clients=6, rate=100)
    work(gateways)
    kill_and_restart(etcd, leader(etcd), 1)
    work(gateways)
    answered(clients, 20)
    all_alike(gateways)


@pytest.mark.skipif(not LONG, reason="a minute of failures: tests/run --long")
@pytest.mark.parametrize("version", ["apt", "v3.5.21", "go"])
def test_clients_of_three_gateways_whatever_happens_to_etcd(make_etcd, make_gateway, folder, version):
    etcd = make_etcd("-n", "3", "-v", version)
    gateways = three(etcd, make_gateway)
    clients = clients_of(gateways, folder, names=12, clients=9)
    for round_ in range(2):
        kill_and_restart(etcd, leader(etcd))
        compact(etcd)
        freeze(etcd, leader(etcd), 4)
        for url in etcd.endpoints:
            try:
                v3(url, "maintenance/defragment")
            except (urllib.error.URLError, OSError):
                pass  # it is slow to come back
        kill_and_restart(etcd, round_ + 1)
        victim = gateways[round_]
        victim.kill()
        compact(etcd)
        victim.start(check=False)
        work(gateways)
    answered(clients, 100)
    all_alike(gateways)
