"""contrib/zonegated.service under a real systemd, PID 1 of namespaces of its own over a copy of this system: readiness, rights, reload, stop."""
import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

from conftest import ONCE, PATIENCE, TOP, ZONE, ZONEGATECTL, ZONEGATED, eventually, keyfile, run

SYSTEMD = "/lib/systemd/systemd"
BOOT = """set -e
mount -t tmpfs -o mode=755 tmpfs "$1/mem"
mkdir "$1/mem/upper" "$1/mem/work"
mount -t overlay overlay -o lowerdir=/,upperdir="$1/mem/upper",workdir="$1/mem/work" "$1/root"
cd "$1/root"
mount -t proc proc proc
for place in run tmp dev; do mount -t tmpfs -o mode=755 tmpfs $place; done
chmod 1777 tmp
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
for device in null zero full random urandom tty; do touch dev/$device; mount --bind /dev/$device dev/$device; done
mkdir dev/pts dev/shm old
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
cp -r "$1/files/." .
chown root:$(awk -F: '$1 == "zonegate" { print $4 }' etc/passwd) etc/zonegate etc/zonegate/*
: >etc/machine-id
ip link set lo up
pivot_root . old
umount -l /old
exec env -i container=zonegate-test PATH=/usr/sbin:/usr/bin:/sbin:/bin %s --system --unit=test.target --log-target=console --show-status=no
""" % SYSTEMD
# As the unit's own comment says.
CONFIG = """
server:
  listen: [127.0.0.1@53]
  state-dir: /var/lib/zonegate
  control-socket: /run/zonegate/zonegate.sock
  http: 127.0.0.1@8053
  dnstap: {socket: /run/dnstap/tap.sock}
keys:
  - file: dhcp.key
log: {audit: /var/log/zonegate/audit.log}
zones:
  - {name: example.test., file: example.test.zone, update-policy: [grant dhcp. zonesub ANY]}
"""
RECEIVER = """[Service]
User=zonegate
RuntimeDirectory=dnstap
ExecStart=/usr/bin/fstrm_capture -t protobuf:dnstap.Dnstap -u /run/dnstap/tap.sock -w /run/dnstap/capture
"""


def sanitized():
    if not os.path.exists(ZONEGATED):
        return False
    with open(ZONEGATED, "rb") as f:
        text = f.read()
    return b"libasan.so" in text or b"libtsan.so" in text


pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces and mounts need root"),
    pytest.mark.skipif(not os.path.exists(SYSTEMD), reason="systemd is not installed"),
    pytest.mark.skipif(sanitized(), reason="sanitizers need what the unit's sandbox forbids"),
]


class Machine:
    def __init__(self, folder, config=CONFIG):
        self.dir, self.proc, self.pid = folder, None, None
        for name in ("root", "mem", "files"):
            os.makedirs(os.path.join(folder, name))
        with open("/etc/passwd") as f:
            self.write("etc/passwd", f.read() + "zonegate:x:64053:64053::/nonexistent:/usr/sbin/nologin\n")
        with open("/etc/group") as f:
            self.write("etc/group", f.read() + "zonegate:x:64053:\n")
        with open(os.path.join(TOP, "contrib", "zonegated.service")) as f:
            self.write("etc/systemd/system/zonegated.service", f.read())
        self.write("etc/systemd/system/receiver.service", RECEIVER)
        with open(os.path.join(TOP, "contrib", "zonegated-xdp.conf")) as f:
            self.write("xdp.conf", f.read())
        self.write("etc/systemd/system/test.target", "[Unit]\nRequires=basic.target\nAfter=basic.target\n")
        self.write("etc/zonegate/zonegate.yaml", config)
        self.write("etc/zonegate/example.test.zone", ZONE)
        self.write("etc/zonegate/dhcp.key", keyfile(), 0o640)
        os.chmod(os.path.join(folder, "files/etc/zonegate"), 0o750)
        for program in (ZONEGATED, ZONEGATECTL):
            place = self.place("usr/local/sbin")
            shutil.copy(program, place)

    def place(self, name):
        path = os.path.join(self.dir, "files", name)
        os.makedirs(path, exist_ok=True)
        return path

    def write(self, name, text, mode=0o644):
        path = os.path.join(self.place(os.path.dirname(name)), os.path.basename(name))
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)

    def boot(self):
        """Skips, with what was said, where this system cannot do it."""
        script, log = os.path.join(self.dir, "boot"), os.path.join(self.dir, "log")
        with open(script, "w") as f:
            f.write(BOOT)
        with open(log, "wb") as out:
            self.proc = subprocess.Popen(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--cgroup", "--uts", "--ipc", "--net",
                                          "--propagation", "private", "bash", script, self.dir], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.proc.poll() is None:
            self.pid = run("ps", "-o", "pid=", "--ppid", self.proc.pid, check=False).stdout.strip()
            with contextlib.suppress(subprocess.TimeoutExpired):    # one that has asked too early may wait for ever
                if self.pid and self.do("systemctl", "is-active", "test.target", check=False, timeout=10).stdout == "active\n":
                    return self
            time.sleep(0.1)
        with open(log) as f:
            pytest.skip("systemd does not start as PID 1 of namespaces here: " + f.read()[-300:])

    def do(self, *command, **kw):
        return run("nsenter", "-t", self.pid, "--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", *command, **kw)

    def show(self, what, unit="zonegated"):
        return self.do("systemctl", "show", "--value", "-p", what, unit).stdout.strip()

    def journal(self):
        return self.do("journalctl", "-o", "cat", "-u", "zonegated", check=False).stdout

    def says(self, text, times=1):
        """journald has a line when it comes to it."""
        eventually(lambda: self.journal().count(text) >= times, said=self.journal)

    def off(self):
        if self.proc:
            self.proc.send_signal(signal.SIGKILL)   # and with --kill-child all of it
            self.proc.wait()


@pytest.fixture
def machine():
    folder = tempfile.mkdtemp(prefix="zg-")
    machines = []

    def make(config=CONFIG):
        machines.append(Machine(folder, config))
        return machines[0].boot()
    yield make
    for m in machines:
        m.off()
    shutil.rmtree(folder, ignore_errors=True)


def test_the_unit_starts_serves_reloads_and_stops(machine):
    m = machine()
    m.do("systemctl", "start", "receiver")
    started = m.do("systemctl", "start", "zonegated", check=False)
    assert started.returncode == 0, m.journal()
    # Type=notify: start has come back, so the zone is served.
    assert m.show("ActiveState") == "active" and m.show("SubState") == "running"
    dig = ("dig", "+norec", "+tries=1", "+time=%d" % PATIENCE, "+short", "@127.0.0.1")
    assert m.do(*dig, "ns1.example.test").stdout == "127.0.0.1\n"
    update = "server 127.0.0.1\nzone example.test.\nupdate add new.example.test. 300 A 192.0.2.7\nsend\n"
    m.do("nsupdate", *ONCE, "-k", "/etc/zonegate/dhcp.key", input=update)
    assert m.do(*dig, "new.example.test").stdout == "192.0.2.7\n"

    # Who it is, and what it may.
    pid = m.show("MainPID")
    status = m.do("cat", "/proc/%s/status" % pid).stdout
    assert re.search(r"^Uid:\s+64053\s+64053\s+64053\s+64053$", status, re.M)
    assert int(re.search(r"^CapBnd:\s+(\S+)", status, re.M).group(1), 16) == 1 << 10, "CAP_NET_BIND_SERVICE and nothing else"
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.M) and re.search(r"^Seccomp:\s+2$", status, re.M)
    assert "Operation not permitted" not in m.journal() and "error" not in m.journal()

    # Everything that an operator does with it.
    ctl = ("zonegatectl", "-s", "/run/zonegate/zonegate.sock")
    m.do("cp", "/usr/local/sbin/zonegatectl", "/usr/bin/")
    assert "example.test." in m.do(*ctl, "zones").stdout
    assert "new.example.test." in m.do(*ctl, "dump", "example.test.").stdout
    eventually(lambda: "zonegate_dnstap_connected 1\n" in m.do("curl", "-s", "http://127.0.0.1:8053/metrics").stdout)
    m.says("info ready")
    before = m.journal().count("info reload")
    m.do("systemctl", "reload", "zonegated")
    assert m.show("ActiveState") == "active"
    m.says("info reload", before + 1)
    m.do("systemctl", "restart", "zonegated")
    assert m.show("MainPID") != pid and m.do(*dig, "new.example.test").stdout == "192.0.2.7\n", "what was answered is kept"
    assert '"verdict":"applied"' in m.do("cat", "/var/log/zonegate/audit.log").stdout
    m.do("systemctl", "stop", "zonegated")
    assert m.show("Result") == "success" and m.show("ExecMainStatus") == "0"
    m.says("info stopped")


def test_a_wrong_configuration_does_not_start_and_a_killed_one_comes_again(machine):
    m = machine()
    m.do("systemctl", "start", "zonegated")
    m.do("sh", "-c", "echo 'wrong: 1' >>/etc/zonegate/zonegate.yaml")
    m.do("systemctl", "reload", "zonegated")
    assert m.show("ActiveState") == "active"
    m.says("nothing has changed")
    assert m.do("systemctl", "restart", "zonegated", check=False).returncode != 0
    m.says("zonegate.yaml:")
    m.says("wrong")
    m.do("sed", "-i", "/wrong/d", "/etc/zonegate/zonegate.yaml")
    m.do("systemctl", "reset-failed", "zonegated")
    m.do("systemctl", "start", "zonegated")
    pid = m.show("MainPID")
    m.do("kill", "-9", pid)
    eventually(lambda: m.show("MainPID") not in (pid, "0") and m.show("ActiveState") == "active", said=m.journal)
    assert m.do("dig", "+short", "+norec", "@127.0.0.1", "ns1.example.test").stdout == "127.0.0.1\n"


@pytest.mark.skipif("\nlibbpf " not in subprocess.run([ZONEGATED, "-V"], stdout=subprocess.PIPE, text=True).stdout if os.path.exists(ZONEGATED) else True,
                    reason="this build has no AF_XDP")
def test_af_xdp_takes_the_rights_of_its_drop_in(machine):
    m = machine(CONFIG.replace("  state-dir", "  xdp: [w0]\n  state-dir").replace("127.0.0.1@53", "127.0.0.1@53, 198.18.7.1@53"))
    for words in ("link add w0 type veth peer name w1", "address add 198.18.7.1/24 dev w0", "link set w0 up", "link set w1 up"):
        m.do("ip", *words.split())
    assert m.do("systemctl", "start", "zonegated", check=False).returncode != 0
    m.says("zonegate.yaml:4: xdp: w0: ")
    m.says("CAP_NET_ADMIN")
    m.do("sh", "-c", "mkdir /etc/systemd/system/zonegated.service.d && cp /xdp.conf /etc/systemd/system/zonegated.service.d/")
    m.do("systemctl", "daemon-reload")
    m.do("systemctl", "reset-failed", "zonegated")
    assert m.do("systemctl", "start", "zonegated", check=False).returncode == 0, m.journal()
    eventually(lambda: re.search(r"info xdp interface=w0 mode=native .*addresses=1", m.journal()), said=m.journal)
    assert "xdp" in m.do("ip", "link", "show", "w0").stdout
    m.do("systemctl", "kill", "--signal=KILL", "zonegated")
    m.do("systemctl", "stop", "zonegated")
    eventually(lambda: "xdp" not in m.do("ip", "link", "show", "w0").stdout)
