"""dnstap: what fstrm_capture receives and dnstap-read shows is what was asked and answered, by whom, when and how; a reader that comes, goes
or sleeps is nobody's trouble but its own."""
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import dns.message
import dns.name
import dns.query
import dns.tsigkeyring
import dns.update
import pytest

from conftest import CONFIG, ONCE, PATIENCE, SECRET, ZONEGATED, eventually, free_port, run

KEYS = dns.tsigkeyring.from_text({"dhcp.": SECRET})
CERTIFICATE = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=gw",
               "-keyout", "server.key", "-out", "server.pem"]

pytestmark = pytest.mark.skipif(not shutil.which("fstrm_capture") or not shutil.which("dnstap-read"),
                                reason="fstrm_capture or dnstap-read is not installed")


def config(sink, tls_port=None, listen="127.0.0.1@PORT", more=""):
    text = CONFIG.replace("  identity: gw1\n", "  identity: gw1\n  dnstap: {%s%s}\n" % (sink, more)).replace("[127.0.0.1@PORT]", "[%s]" % listen)
    if tls_port:
        text = text.replace("  state-dir", '  listen-tls: [127.0.0.1@%d]\n  tls: {certificate: server.pem, key: server.key}\n  state-dir' % tls_port)
    return text


def state_of(pid):
    with open("/proc/%d/stat" % pid) as f:
        return f.read().rsplit(")", 1)[1].split()[0]


class Receiver:
    """fstrm_capture on a socket, into a file."""

    def __init__(self, folder):
        self.socket, self.folder, self.count, self.proc = os.path.join(folder, "tap.sock"), folder, 0, None

    def start(self):
        self.count += 1
        self.path = os.path.join(self.folder, "capture.%d" % self.count)
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        self.proc = subprocess.Popen(["fstrm_capture", "-t", "protobuf:dnstap.Dnstap", "-u", self.socket, "-w", self.path],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(lambda: os.path.exists(self.socket))
        return self

    def stop(self):
        """Everything that it has, as dnstap-read shows it. What is still in its socket it would lose: it sleeps when it has read all."""
        if self.proc:
            self.proc.send_signal(signal.SIGCONT)
            eventually(lambda: state_of(self.proc.pid) == "S")
            self.proc.terminate()
            self.proc.wait(PATIENCE)
        self.proc = None
        return shown(self.path)


@pytest.fixture
def receiver(folder):
    r = Receiver(folder)
    yield r
    if r.proc:
        r.proc.kill()
        r.proc.wait()


def shown(path):
    """What dnstap-read says of each message, and what its bytes say: dnstap-read knows no DOT, no zone, and of two times one."""
    entries = []
    for block in run("dnstap-read", "-y", path).stdout.split("---\n"):
        block = re.split(r"^  (?:query|response)_message_data:", block, maxsplit=1, flags=re.M)
        if len(block) == 2:
            fields = dict(re.findall(r"^ *([a-z_]+): (.+)$", block[0].replace("message:\n  type", "message_type"), re.M))
            entries.append(dict(fields, text=block[1]))
    raw = frames(path)
    assert len(raw) == len(entries)
    for entry, message in zip(entries, raw):
        entry["raw"] = message
    # Each thread's are in order; two threads' come as they are taken.
    return sorted(entries, key=lambda e: e["raw"]["response_time"] or e["raw"]["query_time"])


def fields_of(data):
    """Protocol Buffers: field number to value."""
    def varint():
        nonlocal at
        value = shift = 0
        while True:
            at, octet = at + 1, data[at]
            value |= (octet & 127) << shift
            shift += 7
            if octet < 128:
                return value
    at, found = 0, {}
    while at < len(data):
        field, kind = divmod(varint(), 8)
        assert field not in found and kind in (0, 2, 5)
        if kind == 0:
            found[field] = varint()
        else:
            size = varint() if kind == 2 else 4
            assert at + size <= len(data)
            found[field] = data[at:at + size] if kind == 2 else int.from_bytes(data[at:at + size], "little")
            at += size
    return found


TYPES = {1: "AUTH_QUERY", 2: "AUTH_RESPONSE", 13: "UPDATE_QUERY", 14: "UPDATE_RESPONSE"}


def frames(path):
    """Messages of a Frame Streams file, by the field numbers of dnstap.proto."""
    with open(path, "rb") as f:
        data = f.read()
    at, found = 0, []
    while at < len(data):
        size = int.from_bytes(data[at:at + 4], "big")
        at += 4
        if size == 0:       # a control frame follows
            at += 4 + int.from_bytes(data[at:at + 4], "big")
            continue
        outer = fields_of(data[at:at + size])
        at += size
        assert outer[15] == 1, "Dnstap.type MESSAGE"
        message = fields_of(outer[14])
        times = [message.get(a) and message[a] + message[b] / 1e9 for a, b in ((8, 9), (12, 13))]
        found.append({"type": TYPES[message[1]], "protocol": {1: "UDP", 2: "TCP", 3: "DOT"}[message[3]], "query_time": times[0],
                      "response_time": times[1], "zone": message.get(11), "wire": message.get(10) or message.get(14), "fields": message})
    return found


def ask(g, wire, source="127.0.0.1"):
    """Octets there and back by UDP."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(PATIENCE)
        s.bind((source, 0))
        s.sendto(wire, ("127.0.0.1", g.port))
        return s.recv(65535)


def metric(g, name):
    found = re.search(r"^zonegate_%s (\S+)$" % re.escape(name), run("curl", "-s", "http://127.0.0.1:%d/metrics" % g.http).stdout, re.M)
    return float(found.group(1)) if found else None


def connected(g):
    return lambda: metric(g, "dnstap_connected") == 1


def sent(g, count):
    return lambda: metric(g, 'dnstap_messages_total{result="sent"}') >= count


def stop_reading(g, receiver, count):
    """What was read, after the gateway has written as many and all else that it has."""
    eventually(sent(g, count))
    g.stop()
    return receiver.stop()


def test_each_message_is_copied_with_where_it_came_from(make_gateway, receiver):
    tls_port = free_port()
    g = make_gateway(config("socket: " + receiver.start().socket, tls_port, 'PORT', "").replace("[PORT]", '[127.0.0.1@PORT, "::1@PORT"]'), start=False)
    run(*CERTIFICATE, cwd=g.dir)
    g.start()
    eventually(connected(g))
    before = time.time()
    q = dns.message.make_query("ns1.example.test.", "A")
    octets = ask(g, q.to_wire(), "127.0.0.9")
    answers = {
        "udp": dns.message.from_wire(octets),
                "tcp": dns.query.tcp(q, "127.0.0.1", port=g.port),
        "udp6": dns.query.udp(q, "::1", port=g.port),
    }
    assert all(a.rcode() == 0 for a in answers.values())
    run("kdig", "+tls", "+retry=0", "+timeout=%d" % PATIENCE, "@127.0.0.1", "-p", tls_port, "ns1.example.test.", "A")
    update = dns.update.Update("example.test.", keyring=KEYS, keyname="dhcp.", keyalgorithm="hmac-sha256")
    update.add("new", 300, "A", "192.0.2.7")
    assert dns.query.udp(update, "127.0.0.1", port=g.port).rcode() == 0
    assert dns.query.tcp(update, "127.0.0.1", port=g.port).rcode() == 0
    unsigned = dns.update.Update("example.test.")
    unsigned.add("other", 300, "A", "192.0.2.7")
    assert dns.query.udp(unsigned, "127.0.0.1", port=g.port).rcode() == 5
    after = time.time()
    entries = stop_reading(g, receiver, 14)

    assert len(entries) == 14
    version = run(ZONEGATED, "-V").stdout.splitlines()[0].split()[-1]
    assert {(e["identity"], e["version"]) for e in entries} == {("gw1", "zonegate " + version)}
    seen = [(e["message_type"], e["socket_family"], e["raw"]["protocol"]) for e in entries]
    for family, protocol in (("INET", "UDP"), ("INET", "TCP"), ("INET6", "UDP"), ("INET", "DOT")):
        assert seen.count(("AUTH_QUERY", family, protocol)) == seen.count(("AUTH_RESPONSE", family, protocol)) == 1, seen
    assert seen.count(("UPDATE_QUERY", "INET", "UDP")) == seen.count(("UPDATE_RESPONSE", "INET", "UDP")) == 2
    assert seen.count(("UPDATE_QUERY", "INET", "TCP")) == seen.count(("UPDATE_RESPONSE", "INET", "TCP")) == 1
    for e in entries:
        raw = e["raw"]
        assert raw["type"] == e["message_type"]
        assert e["response_port"] == str(tls_port if raw["protocol"] == "DOT" else g.port)
        assert e["response_address"] == ('"::1"' if e["socket_family"] == "INET6" else '"127.0.0.1"')
        assert int(e["query_port"]) > 0
        assert raw["zone"] == (dns.name.from_text("example.test.").to_wire() if "UPDATE" in raw["type"] else None)
        # A query has its time, a response both; its message is the one it is about.
        response = raw["type"].endswith("RESPONSE")
        assert (raw["response_time"] is not None) == response and (14 in raw["fields"]) == response and (10 in raw["fields"]) != response
        assert before - 0.002 <= raw["query_time"] <= (raw["response_time"] or after) <= after + 0.002
    first = [e for e in entries if e["query_address"] == '"127.0.0.9"']
    assert [e["message_type"] for e in first] == ["AUTH_QUERY", "AUTH_RESPONSE"]
    assert first[0]["raw"]["wire"] == q.to_wire() and first[1]["raw"]["wire"] == octets
    assert "ns1.example.test. IN A" in first[0]["text"] and "status: NOERROR" in first[1]["text"]
    updates = [e for e in entries if e["message_type"] == "UPDATE_QUERY"]
    assert all("new.example.test." in e["text"] and "hmac-sha256" in e["text"] for e in updates[:2])
    answered = [e for e in entries if e["message_type"] == "UPDATE_RESPONSE"]
    assert ["REFUSED" in e["text"] for e in answered] == [False, False, True]


def test_only_what_was_asked_for_is_copied(make_gateway, receiver):
    g = make_gateway(config("socket: " + receiver.start().socket, more=", identity: none, version: v 1, messages: [auth response, update query]"))
    eventually(connected(g))
    g.dig("example.test.", "SOA")
    g.nsupdate("update add new.example.test. 300 A 192.0.2.7", *ONCE)
    entries = stop_reading(g, receiver, 2)
    assert {e["message_type"] for e in entries} == {"AUTH_RESPONSE", "UPDATE_QUERY"}
    assert all(e["version"] == "v 1" and "identity" not in e for e in entries)


def test_a_file_has_the_same_and_a_reload_begins_a_new_one_where_it_was_moved(make_gateway):
    g = make_gateway(config("file: tap.fstrm"))
    path = os.path.join(g.dir, "tap.fstrm")
    g.dig("ns1.example.test.", "A")
    g.ctl("reload")     # nothing has changed: the same file
    g.dig("ns2.example.test.", "A")
    eventually(sent(g, 4))
    os.rename(path, path + ".old")
    g.ctl("reload")
    g.dig("example.test.", "NS")
    g.restart()         # what is there is kept
    g.dig("example.test.", "SOA")
    g.stop()
    names = sorted(os.listdir(g.dir))
    kept = [x for x in names if re.fullmatch(r"tap\.fstrm\.\d+", x)]
    assert len(kept) == 1
    for name, count, asked in (("tap.fstrm.old", 4, "ns2.example.test. IN A"), (kept[0], 2, "example.test. IN NS"),
                               ("tap.fstrm", 2, "example.test. IN SOA")):
        entries = shown(os.path.join(g.dir, name))
        assert len(entries) == count and any(asked in e["text"] for e in entries), name


def test_a_receiver_that_goes_and_comes_is_found_again(make_gateway, receiver):
    g = make_gateway(config("socket: " + receiver.socket))     # not there yet
    assert "ns1.example.test." in g.dig("example.test.", "NS")
    receiver.start()
    eventually(connected(g))
    g.dig("ns1.example.test.", "A")
    eventually(sent(g, 4))
    first = receiver.stop()
    eventually(lambda: metric(g, "dnstap_connected") == 0)
    g.dig("ns2.example.test.", "A")
    receiver.start()
    eventually(sent(g, 6))
    second = stop_reading(g, receiver, 6)
    assert len(first) == 4, "what came before there was a reader is kept as long as there is room"
    assert len(second) == 2 and "ns2.example.test. IN A" in second[0]["text"]
    log = g.log()
    assert log.count("not connected, tried again each second") == 1 and log.count("the reader has gone") == 1
    assert log.count("info dnstap connected") == 2


def test_a_reload_turns_it_on_and_off_and_loses_no_query(make_gateway, receiver):
    plain, tapped = CONFIG, config("socket: " + receiver.start().socket)
    g = make_gateway(plain)
    assert metric(g, "dnstap_connected") is None
    queries = os.path.join(g.dir, "queries")
    with open(queries, "w") as f:
        f.write("ns1.example.test A\nns2.example.test A\nno.example.test A\n")
    load = subprocess.Popen(["dnsperf", "-s", "127.0.0.1", "-p", str(g.port), "-l", "2", "-c", "4", "-Q", "5000", "-t", str(PATIENCE), "-d", queries],
                            stdout=subprocess.PIPE, text=True) if shutil.which("dnsperf") else None
    for _ in range(3):
        for text in (tapped, plain):
            g.write_config(text)
            g.ctl("reload")
            g.dig("ns1.example.test.", "A")
            time.sleep(0.05)
    g.write_config(tapped)
    g.ctl("reload")
    eventually(connected(g))
    for _ in range(10):
        g.dig("ns1.example.test.", "A")
    if load:
        output = load.stdout.read()
        load.wait(PATIENCE)
        assert re.search(r"Queries lost:\s+0 ", output), output
    assert len(stop_reading(g, receiver, 20)) >= 20


@pytest.mark.parametrize("asleep", ["stopped", "silent"])
def test_a_receiver_that_does_not_read_costs_copies_not_answers(make_gateway, receiver, asleep):
    """It hangs before or after it has said that it will take the stream."""
    if asleep == "silent":
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(receiver.socket)
        listening.listen(5)
    else:
        receiver.start()
    g = make_gateway(config("socket: " + receiver.socket))
    if asleep == "stopped":
        eventually(connected(g))
        receiver.proc.send_signal(signal.SIGSTOP)
    query = dns.message.make_query("example.test.", "NS")
    query.use_edns(0, options=[dns.edns.GenericOption(65001, b"x" * 6000)])
    wire = query.to_wire(max_size=65535)
    count = 0
    while metric(g, 'dnstap_messages_total{result="dropped"}') == 0:
        took = []
        for _ in range(50):
            start = time.monotonic()
            assert ask(g, wire)[3] & 15 == 0
            took.append(time.monotonic() - start)
        assert sorted(took)[len(took) // 2] < 3, "nobody waits for the reader, whatever the machine does now and then"
        count += 50
        assert count < 20000
    g.stop()    # nor does that, but for a moment


@pytest.mark.parametrize("text, what", [
    ("{}", "dnstap: either socket or file is needed"),
    ("{socket: a, file: b}", "dnstap: either socket or file is needed"),
    ("{socket: %s}" % ("x" * 120), "dnstap: the path of the socket is over 107 octets"),
    ("{file: a, messages: [resolver]}", "resolver"),
    ("{file: a, messages: []}", "messages is empty"),
])
def test_a_wrong_setting_is_refused_with_its_line(make_gateway, text, what):
    g = make_gateway(CONFIG.replace("  identity: gw1\n", "  identity: gw1\n  dnstap: %s\n" % text), start=False)
    r = run(ZONEGATED, "-t", "-c", g.config_path, check=False)
    line = g.config_path and open(g.config_path).read().split("dnstap:")[0].count("\n") + 1
    assert r.returncode == 1 and "zonegate.yaml:%d: " % line in r.stderr and what in r.stderr, r.stderr
