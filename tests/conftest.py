"""What every system test needs: a real zonegated in a folder of its own, real clients, free ports."""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("ZONEGATE_BUILD", TOP)
ZONEGATED = os.path.join(BUILD, "zonegated")
ZONEGATECTL = os.path.join(BUILD, "zonegatectl")
LONG = bool(os.environ.get("ZONEGATE_LONG"))
sys.path.insert(0, os.path.join(TOP, "tests"))

ZONE = """$ORIGIN example.test.
$TTL 300
@	SOA	ns1 hostmaster 1 3600 600 604800 300
@	NS	ns1
@	NS	ns2
ns1	A	127.0.0.1
ns2	A	127.0.0.1
"""
PATIENCE = 60   # seconds for what must happen: on a machine that is slow, or stands still for a while
ONCE = ("-r", "0", "-u", str(PATIENCE))     # nsupdate(*ONCE): for those who count messages
SECRET = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


_next_port = 20000 + os.getpid() % 2000 * 8


def free_port():
    """A port that nobody has, UDP and TCP, below the ephemeral range."""
    global _next_port
    while True:
        _next_port = 20000 + (_next_port + 1 - 20000) % 12000
        socks = []
        try:
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                s = socket.socket(socket.AF_INET, kind)
                socks.append(s)
                s.bind(("127.0.0.1", _next_port))
            return _next_port
        except OSError:
            continue
        finally:
            for s in socks:
                s.close()


def eventually(what, seconds=PATIENCE, said=lambda: "in vain"):
    """Its first value that is true."""
    end = time.monotonic() + seconds
    while not (value := what()):
        assert time.monotonic() < end, said()
        time.sleep(0.02)
    return value


def run(*command, check=True, timeout=3 * PATIENCE, **kw):
    """A command to its end; output and exit status."""
    r = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                       timeout=timeout, **kw)
    if check and r.returncode:
        raise AssertionError("%s: exit %d\n%s%s" % (" ".join(map(str, command)), r.returncode, r.stdout, r.stderr))
    return r


class Gateway:
    """One zonegated. config: YAML text; PORT, HTTP and DIR in it are replaced."""

    def __init__(self, folder, config, files=None, port=None, http=None, wrap=()):
        self.dir = str(folder)
        self.port = port or free_port()
        self.http = http or free_port()
        self.proc = None
        self.wrap = list(wrap)
        self.config_path = os.path.join(self.dir, "zonegate.yaml")
        for name, text in (files or {}).items():
            path = os.path.join(self.dir, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w" if isinstance(text, str) else "wb") as f:
                f.write(text)
        self.write_config(config)

    def write_config(self, config):
        with open(self.config_path, "w") as f:
            f.write(config.replace("PORT", str(self.port)).replace("HTTP", str(self.http)).replace("DIR", self.dir))

    @property
    def log_path(self):
        return os.path.join(self.dir, "zonegated.log")

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def start(self, wait=PATIENCE, check=True, env=None):
        log = open(self.log_path, "ab")
        seen = log.tell()
        self.proc = subprocess.Popen(self.wrap + [ZONEGATED, "-c", self.config_path], stdin=subprocess.DEVNULL, stdout=log,
                                     stderr=log, cwd=self.dir, env=dict(os.environ, **(env or {})))
        log.close()
        end = time.monotonic() + wait
        while check:
            with open(self.log_path, "rb") as f:
                f.seek(seen)
                if re.search(rb"\binfo ready\b|\"ready\"", f.read()):    # not "the zone is not ready"
                    break
            if self.proc.poll() is not None:
                raise AssertionError("zonegated ended with %s:\n%s" % (self.proc.returncode, self.log()[-3000:]))
            if time.monotonic() > end:
                self.kill()
                raise AssertionError("not ready after %s s:\n%s" % (wait, self.log()[-3000:]))
            time.sleep(0.01)
        return self

    def stop(self, wait=PATIENCE):
        """Clean stop; a crash or a sanitizer's finding fails the test."""
        if self.proc is None:
            return
        if self.proc.poll() is None:
            self.proc.send_signal(signal.SIGTERM)
        try:
            code = self.proc.wait(wait)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()
            raise AssertionError("zonegated does not stop:\n%s" % self.log()[-3000:])
        finally:
            self.proc = None
        text = self.log()
        assert "Sanitizer" not in text and "runtime error" not in text, text[-6000:]
        assert code == 0, "zonegated ended with %s:\n%s" % (code, text[-3000:])

    def kill(self):
        """kill -9."""
        if self.proc is not None:
            self.proc.kill()
            self.proc.wait()
            self.proc = None

    def restart(self, **kw):
        self.stop()
        return self.start(**kw)

    def ctl(self, *arguments, check=True, timeout=3 * PATIENCE):
        return run(ZONEGATECTL, "-c", self.config_path, *arguments, check=check, timeout=timeout)

    def dig(self, *arguments, check=True, timeout=3 * PATIENCE):
        return run("dig", "@127.0.0.1", "-p", self.port, "+norec", "+tries=1", "+time=%d" % PATIENCE, *arguments, check=check, timeout=timeout).stdout

    def short(self, name, rrtype="A", *more):
        """The sorted RDATA that dig shows."""
        return sorted(x for x in self.dig("+short", name, rrtype, *more).splitlines() if x)

    def nsupdate(self, text, *options, key="dhcp.key", check=True, zone="example.test."):
        """It sends the same message again and again; ONCE among the options: it waits."""
        commands = "server 127.0.0.1 %d\n" % self.port + ("zone %s\n" % zone if zone else "") + text + "\nsend\n"
        key_options = ["-k", os.path.join(self.dir, key)] if key else []
        return run("nsupdate", *key_options, "-r", "15", *options, input=commands, check=check)

    def serial(self, zone="example.test."):
        return int(self.dig("+short", zone, "SOA").split()[2])

    def rss_bytes(self):
        with open("/proc/%d/status" % self.proc.pid) as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1)) * 1024


def keyfile(name="dhcp.", algorithm="hmac-sha256", secret=SECRET):
    return 'key "%s" {\n\talgorithm %s;\n\tsecret "%s";\n};\n' % (name, algorithm, secret)


CONFIG = """
server:
  listen: [127.0.0.1@PORT]
  state-dir: state
  control-socket: zonegate.sock
  http: 127.0.0.1@HTTP
  identity: gw1
log: {level: info, audit: audit.log}
keys:
  - file: dhcp.key
zones:
  - name: example.test.
    file: example.test.zone
    update-timeout: 30s
    update-policy:
      - grant dhcp. zonesub ANY
    allow-transfer: [key dhcp., 127.0.0.1]
"""
HASTY = CONFIG.replace("update-timeout: 30s", "update-timeout: 2s")     # as it is by default


@pytest.fixture
def folder():
    """A short path (Unix sockets) that is gone afterwards."""
    path = tempfile.mkdtemp(prefix="zg-")
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def run_all():
    """run_all(servers, serial=None): servers of system/peers.py run, and serve that serial; stopped at the end."""
    running = []

    def start(servers, serial=None):
        for s in servers:
            running.append(s.start())
        for s in servers if serial is not None else ():
            s.wait(serial)
    yield start
    for s in running:
        s.stop()


@pytest.fixture
def make_gateway():
    """make_gateway(config=…, files=…): started, stopped at the end."""
    made = []

    def make(config=CONFIG, files=None, start=True, **kw):
        path = tempfile.mkdtemp(prefix="zg-")
        all_files = {"dhcp.key": keyfile(), "example.test.zone": ZONE}
        all_files.update(files or {})
        g = Gateway(path, config, all_files, **kw)
        made.append(g)
        return g.start() if start else g
    yield make
    try:
        for g in made:
            g.stop()
    finally:
        for g in made:
            g.kill()
            shutil.rmtree(g.dir, ignore_errors=True)


@pytest.fixture
def gateway(make_gateway):
    """The usual one: zone example.test., key dhcp. may do everything."""
    return make_gateway()


class Net:
    """Two namespaces and a cable: a server (192.0.2.1, loopback) and a place for clients."""

    def __init__(self):
        self.server, self.client = "zgs%d" % os.getpid(), "zgc%d" % os.getpid()
        for ns in (self.server, self.client):
            run("ip", "netns", "add", ns)
        run("ip", "link", "add", "zgv0", "netns", self.server, "type", "veth", "peer", "name", "zgv1", "netns", self.client)
        self.run(self.server, "ip", "addr", "add", "192.0.2.1/24", "dev", "zgv0")
        for ns, dev in ((self.server, "lo"), (self.server, "zgv0"), (self.client, "lo"), (self.client, "zgv1")):
            self.run(ns, "ip", "link", "set", dev, "up")

    def inside(self, ns):
        return ["nsenter", "--net=/run/netns/" + ns]

    def run(self, ns, *command, **kw):
        return run(*self.inside(ns), *command, **kw)

    def close(self):
        for ns in (self.server, self.client):
            run("ip", "netns", "del", ns, check=False)


@pytest.fixture
def net():
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    try:
        n = Net()
    except AssertionError as e:
        pytest.skip("no network namespaces here: %s" % e)
    yield n
    n.close()
