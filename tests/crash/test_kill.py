"""kill -9 at any moment: everything that was answered NOERROR is there, nothing is half there, the serial never goes back."""
import itertools
import json
import os
import random
import subprocess
import threading
import time

import dns.exception
import dns.query
import dns.rcode
import dns.tsigkeyring
import dns.update
import pytest

from conftest import HASTY, LONG, PATIENCE, SECRET, ZONE, ZONEGATECTL, eventually, run

KEYS = dns.tsigkeyring.from_text({"dhcp.": SECRET})


class Writer(threading.Thread):
    """Sends pairs of records that belong together, remembers what was answered NOERROR."""

    def __init__(self, port, number, counter):
        super().__init__(daemon=True)
        self.port, self.number, self.counter = port, number, counter
        self.answered, self.sent, self.ended = [], [], False

    def run(self):
        while not self.ended:
            n = next(self.counter)
            u = dns.update.UpdateMessage("example.test.", keyring=KEYS, keyalgorithm="hmac-sha256")
            u.add("k%d" % n, 300, "A", "10.2.%d.%d" % (n >> 8 & 255, n & 255))
            u.add("k%d-too" % n, 300, "TXT", "pair-%d" % n)
            self.sent.append(n)
            try:
                if dns.query.udp(u, "127.0.0.1", 1, self.port).rcode() == dns.rcode.NOERROR:
                    self.answered.append(n)
            except (dns.exception.DNSException, OSError):
                time.sleep(0.005)


def test_kill_under_load(make_gateway):
    """200 times with --long."""
    g = make_gateway()
    rng = random.Random(7)
    counter = itertools.count()
    answered, last_serial = set(), 0
    for round_ in range(200 if LONG else 12):
        writers = [Writer(g.port, i, counter) for i in range(4)]
        for w in writers:
            w.start()
        if round_ == 0:     # so that there is something to lose
            eventually(lambda: any(w.answered for w in writers))
        time.sleep(rng.uniform(0.02, 0.25))
        serial = None
        try:
            serial = g.serial()
        except Exception:
            pass
        g.kill()
        for w in writers:
            w.ended = True
        for w in writers:
            w.join(PATIENCE)
        g.start()
        for w in writers:
            answered.update(w.answered)
        now = g.serial()
        assert now >= (serial or 0) >= 0 and now >= last_serial, "the serial went back"
        last_serial = now
        dump = g.ctl("dump", "example.test.").stdout
        names = {x.split(".")[0] for x in dump.splitlines() if x.startswith("k")}
        lost = [n for n in answered if "k%d" % n not in names]
        assert not lost, "answered and lost: %s" % lost[:5]
        half = [n for n in names if not n.endswith("-too") and n + "-too" not in names] + [n for n in names if n.endswith("-too") and n[:-4] not in names]
        assert not half, "half there: %s" % half[:5]
    assert answered
    g.ctl("log", "example.test.", "--verify")


def test_kill_during_a_large_import(make_gateway):
    records = 300000 if LONG else 60000
    g = make_gateway()
    path = os.path.join(g.dir, "large.zone")
    with open(path, "w") as f:
        f.write(ZONE)
        for i in range(records):
            f.write("h%d A 10.%d.%d.%d\n" % (i, i >> 16, i >> 8 & 255, i & 255))
    rng = random.Random(3)
    for round_ in range(20 if LONG else 5):
        p = subprocess.Popen([ZONEGATECTL, "-c", g.config_path, "import", "example.test.", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.05, 1.0))
        done = p.poll()
        g.kill()
        p.wait()
        g.start()
        zone = json.loads(g.ctl("zones", "--json").stdout.splitlines()[0])
        assert zone["records"] in (5, records + 5), "half an import: %s" % zone
        assert done != 0 or zone["records"] == records + 5, "an import that was acknowledged is gone"
        g.ctl("log", "example.test.", "--verify")
        if zone["records"] != 5:
            small = os.path.join(g.dir, "example.test.zone")
            g.ctl("import", "example.test.", small)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_full_disk(make_gateway):
    """Updates are answered as on-store-failure says, queries go on, nothing is lost, it recovers when there is room."""
    g = make_gateway(start=False)
    small = os.path.join(g.dir, "small")
    os.mkdir(small)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", small]).returncode:
        pytest.skip("cannot mount a tmpfs here")
    try:
        g.write_config(HASTY.replace("state-dir: state", "state-dir: small/state"))
        g.start()
        ring = KEYS

        def update(name, tcp, patience=PATIENCE):
            u = dns.update.UpdateMessage("example.test.", keyring=ring, keyalgorithm="hmac-sha256")
            u.add(name, 300, "TXT", *["x" * 250] * 8)
            try:
                return dns.rcode.to_text((dns.query.tcp if tcp else dns.query.udp)(u, "127.0.0.1", patience, g.port).rcode())
            except dns.exception.Timeout:
                return "timeout"
        assert update("first", True) == "NOERROR"
        filler = os.path.join(small, "filler")
        with open(filler, "wb", buffering=0) as f:
            try:
                while True:
                    f.write(bytes(4096))
            except OSError:
                pass
        answered, failed = [], 0
        for i in range(4000):
            answer = update("f%d" % i, True)
            if answer == "NOERROR":
                answered.append("f%d" % i)
            else:
                assert answer == "SERVFAIL", answer
                failed += 1
                break
        assert failed, "the disk was never full"
        assert update("udp", False, 5) == "timeout", "on-store-failure: drop on UDP"
        assert g.short("ns1.example.test.") == ["127.0.0.1"], "queries go on"
        os.unlink(filler)
        deadline = time.monotonic() + PATIENCE
        while update("again", True) != "NOERROR":
            assert time.monotonic() < deadline, "it does not recover:\n" + g.log()[-2000:]
        g.kill()
        g.start()
        dump = g.ctl("dump", "example.test.").stdout
        for name in ["first", "again"] + answered:
            assert "\n%s.example.test." % name in dump, name
        g.stop()
    finally:
        g.kill()
        run("umount", "-l", small, check=False)
