"""What it may do: as root it becomes another user; the unit of contrib, as systemd's own tools judge it (test_systemd.py runs it)."""
import os
import pwd
import re
import shutil
import stat
import subprocess

import pytest

from conftest import CONFIG, TOP, ZONEGATED, run

UNIT = os.path.join(TOP, "contrib", "zonegated.service")


def privileged_port():
    import socket
    for port in range(600, 1000):
        socks = [socket.socket(socket.AF_INET, kind) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)]
        try:
            for s in socks:
                s.bind(("127.0.0.1", port))
            return port
        except OSError:
            continue
        finally:
            for s in socks:
                s.close()
    raise AssertionError("no free port under 1024")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_root_binds_a_low_port_and_becomes_the_user(make_gateway):
    user = pwd.getpwnam("nobody")
    config = CONFIG.replace("server:\n", "server:\n  user: nobody\n").replace("audit: audit.log", "audit: state/audit.log")
    g = make_gateway(config, start=False, port=privileged_port())
    os.chmod(g.dir, 0o755)
    os.chmod(os.path.join(g.dir, "dhcp.key"), 0o640)
    os.chown(os.path.join(g.dir, "dhcp.key"), 0, user.pw_gid)
    for round in range(2):
        g.start()
        with open("/proc/%d/status" % g.proc.pid) as f:
            status = f.read()
        for what, number in (("Uid", user.pw_uid), ("Gid", user.pw_gid)):
            assert re.search(r"^%s:\s+(.*)$" % what, status, re.M).group(1).split() == [str(number)] * 4, "real, effective, saved, file system"
        groups = re.search(r"^Groups:\s*(.*)$", status, re.M).group(1).split()
        assert set(groups) <= {str(user.pw_gid)}, "root's groups are gone"
        assert int(re.search(r"^CapEff:\s+(\S+)$", status, re.M).group(1), 16) == 0
        g.nsupdate("update add u%d.example.test. 300 A 192.0.2.7" % round)
        assert g.short("u0.example.test.") == ["192.0.2.7"]
        g.ctl("reload")
        assert "zonegate_build_info" in run("curl", "-s", "http://127.0.0.1:%d/metrics" % g.http).stdout
        control = os.stat(os.path.join(g.dir, "zonegate.sock"))
        assert stat.S_IMODE(control.st_mode) & 0o007 == 0 and control.st_uid == user.pw_uid, "whoever may write to it may change zones"
        state = os.path.join(g.dir, "state")
        for path in [state] + [os.path.join(state, name) for name in os.listdir(state)]:
            info = os.stat(path)
            assert info.st_uid == user.pw_uid and stat.S_IMODE(info.st_mode) & 0o007 == 0, path
        g.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_who_is_no_user_and_who_is_not_root_gets_one_clear_line(make_gateway):
    g = make_gateway(CONFIG.replace("server:\n", "server:\n  user: no-such-user\n"), start=False)
    r = subprocess.run([ZONEGATED, "-c", g.config_path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    assert r.returncode == 1 and "zonegate.yaml:3: user no-such-user: no such user" in r.stderr, r.stderr
    os.chmod(g.dir, 0o755)
    os.chmod(os.path.join(g.dir, "dhcp.key"), 0o644)
    g.write_config(CONFIG.replace("server:\n", "server:\n  user: daemon\n"))
    r = subprocess.run([ZONEGATED, "-c", g.config_path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, user="nobody",
                       extra_groups=[])
    assert r.returncode == 1 and "user daemon: only root can change to another user" in r.stderr, r.stderr


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_the_unit_is_understood_by_systemd_and_has_few_rights(folder):
    unit = os.path.join(folder, "zonegated.service")
    with open(UNIT) as f, open(unit, "w") as out:
        out.write(f.read().replace("/usr/local/sbin/zonegated", ZONEGATED))
    r = run("systemd-analyze", "verify", "--man=no", unit, check=False)
    complaints = [x for x in r.stderr.splitlines() if "zonegated.service" in x]
    assert not complaints, complaints
    r = run("systemd-analyze", "security", "--offline=true", "--no-pager", unit, check=False)
    if "Overall exposure" not in r.stdout:
        pytest.skip("systemd-analyze judges no unit offline here: " + (r.stderr or r.stdout)[:200])
    assert float(re.search(r"Overall exposure level for zonegated\.service: ([0-9.]+)", r.stdout).group(1)) < 2.5, r.stdout
