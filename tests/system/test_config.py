"""The configuration with something wrong: one clear line, exit 1; a running gateway stays as it was."""
import os
import re

import pytest

from conftest import CONFIG, ZONE, ZONEGATED, keyfile, run

FULL = """\
server:
  listen: [127.0.0.1@PORT]
  threads: 1
  identity: gw1
  state-dir: state
  control-socket: zonegate.sock
  http: 127.0.0.1@HTTP
  udp-size: 1232
  tcp-clients: 1000
  tcp-clients-address: 100
  tcp-idle: 10s
  tcp-transfer: 2h
log:
  level: info
  format: text
  audit: audit.log
keys:
  - file: dhcp.key
  - name: acme.
    algorithm: hmac-sha512
    secret: bWFkZQ==
stores:
  local:
    type: embedded
    keep-history: 90d
zones:
  - name: example.test.
    store: local
    file: example.test.zone
    serial: increment
    update-policy:
      - grant dhcp. zonesub ANY
    allow-transfer: [key acme., 127.0.0.1]
    notify: [127.0.0.1@5301]
    soa:
      mname: ns1.example.test.
      rname: hostmaster.example.test.
    ns: [ns1.example.test.]
    strict: false
    update-timeout: 2s
    on-store-failure:
      udp: drop
      tcp: servfail
"""
KEYS = [(number, match.group(1)) for number, line in enumerate(FULL.splitlines(), 1)
        for match in [re.match(r"[ -]*([a-z-]+):", line)] if match and match.group(1) != "local"]
OUT_OF_RANGE = [
    ("threads: 1", "threads: 257"), ("threads: 1", "threads: -1"), ("threads: 1", "threads: many"),
    ("@PORT", "@65536"), ("@PORT", "@0"), ("@HTTP", "@99999"),
    ("udp-size: 1232", "udp-size: 511"), ("udp-size: 1232", "udp-size: 65536"),
    ("tcp-clients: 1000", "tcp-clients: 0"), ("tcp-clients-address: 100", "tcp-clients-address: 0"),
    ("tcp-idle: 10s", "tcp-idle: 2h"), ("tcp-idle: 10s", "tcp-idle: 10"),
    ("tcp-transfer: 2h", "tcp-transfer: 999ms"), ("tcp-transfer: 2h", "tcp-transfer: 2d"),
    ("level: info", "level: loud"), ("format: text", "format: xml"),
    ("hmac-sha512", "hmac-sha3"), ("bWFkZQ==", "'*'"),
    ("type: embedded", "type: paper"), ("keep-history: 90d", "keep-history: 0s"), ("keep-history: 90d", "keep-history: 90"),
    ("name: example.test.", "name: example..test."), ("store: local", "store: remote"),
    ("serial: increment", "serial: random"), ("zonesub ANY", "zonesubs ANY"), ("grant dhcp.", "grant nobody."),
    ("key acme.", "key nobody."), ("@5301", "@0"), ("mname: ns1.example.test.", "mname: ''"),
    ("ns: [ns1.example.test.]", "ns: ns1.example.test."), ("strict: false", "strict: no"),
    ("update-timeout: 2s", "update-timeout: 1ms"), ("update-timeout: 2s", "update-timeout: 2h"),
    ("udp: drop", "udp: crash"), ("tcp: servfail", "tcp: refused"),
]


def check(gateway):
    return run(ZONEGATED, "-c", gateway.config_path, "-t", check=False)


def assert_one_line(result, start):
    lines = result.stderr.splitlines()
    assert result.returncode == 1 and len(lines) == 1, (result.returncode, result.stderr)
    assert lines[0].startswith(start), lines[0]


def line_of(text, part):
    return text[:text.index(part)].count("\n") + 1


@pytest.fixture
def stopped(make_gateway):
    return make_gateway(config=FULL, start=False)


def test_the_whole_of_it_is_right(stopped):
    result = check(stopped)
    assert result.returncode == 0 and not result.stderr


def test_each_key_misspelt(stopped):
    for number, key in KEYS:
        lines = FULL.splitlines()
        lines[number - 1] = lines[number - 1].replace(key + ":", key + "x:", 1)
        stopped.write_config("\n".join(lines) + "\n")
        result = check(stopped)
        assert_one_line(result, "%s:%d: " % (stopped.config_path, number))
        assert '"%sx"' % key in result.stderr, result.stderr


@pytest.mark.parametrize("good,bad", OUT_OF_RANGE)
def test_each_value_out_of_range(stopped, good, bad):
    stopped.write_config(FULL.replace(good, bad, 1))
    assert_one_line(check(stopped), "%s:%d: " % (stopped.config_path, line_of(FULL, good)))


@pytest.mark.parametrize("missing,part", [("dhcp.key", "file: dhcp.key"), ("example.test.zone", "file: example.test.zone")])
def test_a_missing_file(stopped, missing, part):
    os.unlink(os.path.join(stopped.dir, missing))
    result = check(stopped)
    assert_one_line(result, "%s:%d: " % (stopped.config_path, line_of(FULL, part)))
    assert missing in result.stderr and "No such file" in result.stderr


FILES = """\
server:
  listen: [127.0.0.1@PORT]
  tls:
    certificate: server.pem
    key: server.key
    client-ca: clients.pem
  cookie-secret: cookies
stores:
  registry:
    type: etcd
    endpoints: ["http://127.0.0.1:1"]
    tls:
      ca: ca.pem
    auth: {user: gw,
      password-file: pw}
"""


@pytest.mark.parametrize("missing", ["server.pem", "server.key", "clients.pem", "cookies", "ca.pem", "pw"])
def test_a_missing_file_of_tls_cookies_or_etcd(make_gateway, missing):
    names = ["server.pem", "server.key", "clients.pem", "cookies", "ca.pem", "pw"]
    files = {name: "" for name in names[:names.index(missing)] + names[names.index(missing) + 1:]}
    stopped = make_gateway(config=FILES, files=files, start=False)
    result = check(stopped)
    assert_one_line(result, "%s:%d: " % (stopped.config_path, line_of(FILES, missing)))
    assert missing in result.stderr and "No such file" in result.stderr


def test_a_certificate_that_is_none(make_gateway):
    stopped = make_gateway(config=FILES, files={name: "" for name in ("server.pem", "server.key", "clients.pem", "cookies", "ca.pem", "pw")},
                           start=False)
    assert_one_line(check(stopped), "%s:3: tls: %s" % (stopped.config_path, os.path.join(stopped.dir, "server.pem")))


@pytest.mark.parametrize("line", ["socket.timeout: 1", "socket.timeout.ms: soon", "acks: 1", "sasl.password.file: /nonexistent"])
def test_a_property_that_librdkafka_does_not_take(make_gateway, line):
    kafka = "stores:\n  bus:\n    type: kafka\n    brokers: [127.0.0.1:1]\n    properties:\n      client.id: x\n      %s\n" % line
    stopped = make_gateway(config=kafka, start=False)
    result = check(stopped)
    assert_one_line(result, stopped.config_path + ":7: ")
    assert line.split(":")[0] in result.stderr


def test_kafkas_files_are_looked_for_beside_the_configuration(make_gateway):
    kafka = "stores:\n  bus:\n    type: kafka\n    brokers: [127.0.0.1:1]\n    properties:\n      sasl.password.file: secret\n"
    stopped = make_gateway(config=kafka, files={"secret": "x" * 1000}, start=False)
    assert check(stopped).returncode == 0, check(stopped).stderr
    with open(os.path.join(stopped.dir, "secret"), "w") as f:
        f.write("x" * 2000)
    result = check(stopped)
    assert_one_line(result, stopped.config_path + ":6: ")
    assert os.path.join(stopped.dir, "secret") + ": its first line is too long" in result.stderr, "it is not cut"


def test_a_user_that_is_not_there(make_gateway):
    stopped = make_gateway(config="server:\n  threads: 1\n  user: no-such-user\n", start=False)
    assert_one_line(check(stopped), stopped.config_path + ":3: ")


def test_a_bad_key(stopped):
    path = os.path.join(stopped.dir, "dhcp.key")
    with open(path, "w") as f:
        f.write(keyfile(secret="not base64!"))
    assert_one_line(check(stopped), "%s:" % path)


def test_a_zone_file_with_an_error_on_line_7(stopped):
    path = os.path.join(stopped.dir, "example.test.zone")
    lines = ZONE.splitlines()
    lines[6:] = ["bad A 999.0.2.1"]
    with open(path, "w") as f:
        f.write("\n".join(lines) + "\n")
    assert_one_line(check(stopped), "%s:7: " % path)


def test_no_configuration_at_all(stopped):
    os.unlink(stopped.config_path)
    assert_one_line(check(stopped), "%s:1: " % stopped.config_path)


def test_a_wrong_configuration_does_not_start(make_gateway):
    gateway = make_gateway(config=CONFIG.replace("state-dir", "state-dri"), start=False)
    result = run(ZONEGATED, "-c", gateway.config_path, check=False)
    assert_one_line(result, gateway.config_path + ":4: ")


@pytest.mark.parametrize("config,files,where", [
    (CONFIG.replace("zones:", "zonez:"), {}, "zonegate.yaml:11: "),
    (CONFIG + "  - name: new.test.\n    file: none.zone\n", {}, "zonegate.yaml:19: "),
    (CONFIG + "  - name: new.test.\n    file: new.zone\n", {"new.zone": ZONE + "x 300 IN A 1.2.3\n"}, "new.zone:"),
    (CONFIG.replace("zonesub ANY", "zonesub ANY\n      - grant nobody. zonesub ANY"), {}, "zonegate.yaml:17: "),
    (CONFIG, {"dhcp.key": 'key "dhcp." { algorithm hmac-sha256; };\n'}, "dhcp.key:"),
    (CONFIG + "\tx\n", {}, "zonegate.yaml:"),
])
def test_a_running_gateway_stays_as_it_was(gateway, config, files, where):
    gateway.write_config(config)
    for name, text in files.items():
        if name == "dhcp.key":
            os.rename(os.path.join(gateway.dir, name), os.path.join(gateway.dir, "old.key"))
        with open(os.path.join(gateway.dir, name), "w") as f:
            f.write(text)
    result = gateway.ctl("reload", check=False)
    assert result.returncode == 1 and where in result.stderr, result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert gateway.short("ns1.example.test.") == ["127.0.0.1"]
    old = os.path.join(gateway.dir, "old.key")
    gateway.nsupdate("update add still.example.test. 300 A 192.0.2.7", key="old.key" if os.path.exists(old) else "dhcp.key")
    assert gateway.short("still.example.test.") == ["192.0.2.7"]
    assert "REFUSED" in gateway.dig("new.test.", "SOA")
    # So does one that is told by a signal, and the next good one is taken.
    if os.path.exists(old):
        os.rename(old, os.path.join(gateway.dir, "dhcp.key"))
    gateway.write_config(CONFIG.replace("identity: gw1", "identity: gw2"))
    gateway.ctl("reload")
    assert "gw2" in gateway.dig("id.server.", "TXT", "CH")


def test_af_xdp_that_is_not_built_in_is_said_with_its_line(make_gateway):
    g = make_gateway("server: {listen: [127.0.0.1@PORT]}\n", start=False)
    if "\nlibbpf " in run(ZONEGATED, "-V").stdout:
        pytest.skip("AF_XDP is built in: test_xdp.py")
    g.write_config("server:\n  listen: [127.0.0.1@PORT]\n  xdp: [eth0]\n")
    assert_one_line(check(g), g.config_path + ":3: xdp: this build has no AF_XDP (configure --enable-xdp")


def test_a_configuration_that_comes_through_a_pipe_is_read_whole(make_gateway):
    g = make_gateway("server: {listen: [127.0.0.1@PORT], state-dir: DIR/state, control-socket: DIR/zonegate.sock}\n", start=False)
    with open(g.config_path) as f:
        text = f.read() + ("# %s\n" % ("x" * 98)) * 3000
    command = [ZONEGATED, "-t", "-c", "/dev/stdin"]
    assert run(*command, input=text, check=False, cwd=g.dir).returncode == 0
    result = run(*command, input=text + "zonez: []\n", check=False, cwd=g.dir)
    assert result.returncode == 1 and 'unknown key "zonez"' in result.stderr
