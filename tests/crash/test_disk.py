"""A disk that is full, or fails: nothing that was answered NOERROR is lost, the rest is not answered so, queries go on."""
import json
import os
import subprocess

import dns.exception
import dns.query
import dns.rcode
import dns.tsigkeyring
import dns.update
import pytest

from conftest import HASTY, PATIENCE, SECRET, ZONEGATED

KEYS = dns.tsigkeyring.from_text({"dhcp.": SECRET})
HERE = os.path.dirname(os.path.abspath(__file__))


def update(g, n, ask=dns.query.tcp):
    """None: no answer."""
    u = dns.update.UpdateMessage("example.test.", keyring=KEYS, keyalgorithm="hmac-sha256")
    u.add("n%d" % n, 300, "TXT", *[os.urandom(100).hex() for _ in range(20)])
    try:
        return ask(u, "127.0.0.1", PATIENCE, g.port)
    except dns.exception.Timeout:
        return None


def update_until_it_fails(g, first, at_most=2000):
    """Those that were answered NOERROR, and the first other answer."""
    for n in range(first, first + at_most):
        r = update(g, n)
        if r is None or r.rcode() != dns.rcode.NOERROR:
            return list(range(first, n)), r
    raise AssertionError("%d updates, and the disk is not full" % at_most)


def all_served(g, numbers):
    return all(g.short("n%d.example.test" % n, "TXT") for n in numbers[:3] + numbers[-3:])


def store_of(g):
    return json.loads(g.ctl("--json", "status").stdout)["stores"][0]


def lines(g, word):
    return [line for line in g.log().splitlines() if word in line]


@pytest.fixture
def small_disk(make_gateway):
    """A gateway whose state is on a disk of 3 MiB; grow() makes room."""
    g = make_gateway(HASTY, start=False)
    state = os.path.join(g.dir, "state")
    os.mkdir(state)
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m,mode=755", "tmpfs", state],
                                           capture_output=True).returncode != 0:
        pytest.skip("a file system cannot be mounted here")
    g.grow = lambda: subprocess.run(["mount", "-o", "remount,size=64m", state], check=True)
    try:
        yield g.start()
    finally:
        g.stop()
        subprocess.run(["umount", "-l", state], check=True)


def test_on_a_full_disk_nothing_is_promised_and_nothing_lost(small_disk):
    g = small_disk
    answered, refusal = update_until_it_fails(g, 0)
    assert len(answered) > 20
    assert refusal.rcode() == dns.rcode.SERVFAIL, "over TCP somebody says so; over UDP the client tries the next server"
    assert all_served(g, answered)
    store = store_of(g)
    assert not store["connected"] and "No space left on device" in store["trouble"]
    assert "No space left on device" in g.ctl("status").stdout
    assert len(lines(g, "commit failed")) == 1, "once, not at each attempt"
    # Killed and started while there is still no room.
    g.kill()
    g.start()
    assert all_served(g, answered)
    assert update(g, 7000).rcode() == dns.rcode.SERVFAIL
    g.grow()
    assert update(g, 8000).rcode() == dns.rcode.NOERROR
    assert len(lines(g, "commit works again")) == 1
    assert store_of(g)["connected"] and store_of(g)["trouble"] is None
    assert "verified" in g.ctl("log", "example.test.", "--verify").stdout
    g.restart()
    assert all_served(g, answered) and all_served(g, [8000])


@pytest.fixture
def failing_disk(make_gateway, folder):
    """A gateway on a disk that fails as g.fail("sync") or g.fail("meta") says, until g.fail(None)."""
    with open(ZONEGATED, "rb") as f:
        if b"__asan_init" in f.read():
            pytest.skip("AddressSanitizer wants to be loaded first")
    library, path = os.path.join(folder, "faildisk.so"), os.path.join(folder, "fails")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, os.path.join(HERE, "faildisk.c"), "-ldl"], check=True)
    g = make_gateway(HASTY, start=False)

    def fail(what):
        if what is None:
            os.unlink(path)
            return
        with open(path, "w") as f:
            f.write("meta" if what == "meta" else "")
    g.fail = fail
    g.env = {"LD_PRELOAD": library, "FAILDISK": path}
    return g.start(env=g.env)


def test_a_sync_that_fails_is_not_a_commit(failing_disk):
    g = failing_disk
    assert update(g, 0).rcode() == dns.rcode.NOERROR
    g.fail("sync")
    assert update(g, 1).rcode() == dns.rcode.SERVFAIL
    assert g.short("n1.example.test", "TXT") == [], "not served before it is durable"
    assert all_served(g, [0])
    assert "Input/output error" in store_of(g)["trouble"]
    g.fail(None)
    assert update(g, 2).rcode() == dns.rcode.NOERROR
    g.kill()
    g.start(env=g.env)
    assert all_served(g, [0, 2])


def test_where_the_database_has_stopped_the_log_says_what_to_do(failing_disk):
    """LMDB takes no more transactions after it could not write its meta page."""
    g = failing_disk
    assert update(g, 0).rcode() == dns.rcode.NOERROR
    g.fail("meta")
    assert update(g, 1).rcode() == dns.rcode.SERVFAIL
    g.fail(None)
    assert update(g, 2).rcode() == dns.rcode.SERVFAIL
    assert all_served(g, [0]), "queries go on"
    assert "then restart zonegated" in store_of(g)["trouble"]
    g.kill()
    g.start(env=g.env)
    assert all_served(g, [0])
    assert update(g, 3).rcode() == dns.rcode.NOERROR
