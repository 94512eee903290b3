"""AF_XDP (server.xdp) between two network namespaces and a veth pair: what is taken from the wire, what is left to the kernel, and that
nothing of it is noticed but the speed."""
import contextlib
import ctypes
import os
import random
import re
import shutil
import socket
import struct
import subprocess
import time
import urllib.request

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from conftest import BUILD, CONFIG, LONG, ONCE, PATIENCE, ZONE, ZONEGATED, Gateway, eventually, keyfile, run

OURS, THEIRS, OURS6, THEIRS6 = "198.18.7.1", "198.18.7.2", "fd77::1", "fd77::2"
SECOND = "198.18.7.5"
SERVER = CONFIG.replace("  listen: [127.0.0.1@PORT]\n", "  listen: [LISTEN]\n  xdp: [INTERFACE]\n  threads: 2\n") \
    .replace("http: 127.0.0.1@HTTP", "http: 127.0.0.1@8053")
CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def why_not():
    if not os.path.exists(ZONEGATED):
        return None
    if "\nlibbpf " not in run(ZONEGATED, "-V").stdout:
        return "this build has no AF_XDP (configure --enable-xdp)"
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return "network namespaces take root and iproute2"
    name = "zgt%d" % os.getpid()
    try:
        made = run("ip", "netns", "add", name, check=False).returncode == 0 and \
            run("ip", "-n", name, "link", "add", "w0", "type", "veth", "peer", "name", "w1", check=False).returncode == 0
        if not made:
            return "no network namespaces or veth pairs here"
        with inside(name):
            try:
                socket.socket(44, socket.SOCK_RAW).close()
            except OSError as e:
                return "this kernel has no AF_XDP: %s" % e
    finally:
        run("ip", "netns", "del", name, check=False)
    return None


@contextlib.contextmanager
def inside(name):
    """This thread in a network namespace; sockets made there stay there."""
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    other = os.open("/run/netns/" + name, os.O_RDONLY)
    try:
        assert libc.setns(other, CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        yield
    finally:
        libc.setns(own, CLONE_NEWNET)
        os.close(own)
        os.close(other)


REASON = why_not()
pytestmark = pytest.mark.skipif(REASON is not None, reason=REASON or "")


class Wire:
    """Two namespaces, a veth pair between them: `w0` is the gateway's end, `w1` the client's."""

    def __init__(self, queues=1):
        self.server, self.client = "zgs%d" % os.getpid(), "zgc%d" % os.getpid()
        for name in (self.server, self.client):
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        many = ["numrxqueues", queues, "numtxqueues", queues]
        run("ip", "-n", self.server, "link", "add", "w0", *many, "type", "veth", "peer", "name", "w1", *many, "netns", self.client)
        for name, end, addresses in ((self.server, "w0", (OURS, OURS6, SECOND)), (self.client, "w1", (THEIRS, THEIRS6))):
            for address in addresses:
                more = ["nodad"] if ":" in address else []
                run("ip", "-n", name, "address", "add", address + ("/64" if more else "/24"), "dev", end, *more)
            run("ip", "-n", name, "link", "set", end, "up")
        self.mac = {end: run("ip", "-n", name, "-br", "link", "show", end).stdout.split()[2] for name, end in
                    ((self.server, "w0"), (self.client, "w1"))}
        self.gateway = None

    def start(self, listen="%s@53, \"%s@53\"" % (OURS, OURS6), interface="w0", config=SERVER, wait=True):
        folder = self.folder
        self.gateway = Gateway(folder, config.replace("LISTEN", listen).replace("INTERFACE", interface),
                               files={"dhcp.key": keyfile(), "example.test.zone": ZONE + LARGE}, wrap=["ip", "netns", "exec", self.server])
        if wait:
            self.gateway.start()
        return self.gateway

    def exec(self, *command, **kw):
        return run("ip", "netns", "exec", self.client, *command, **kw)

    def counter(self, name):
        with inside(self.server):
            text = urllib.request.urlopen("http://127.0.0.1:8053/metrics", timeout=PATIENCE).read().decode()
        return int(re.search(r"^zonegate_%s (\d+)$" % name, text, re.M).group(1))

    def taken(self):
        return self.counter("xdp_messages_total")

    def ask(self, address=OURS, name="ns1.example.test.", rrtype="A", tcp=False, port=53, timeout=PATIENCE, **kw):
        query = dns.message.make_query(name, rrtype, **kw)
        with inside(self.client):
            sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET,
                                 socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
            with sock:
                sock.settimeout(timeout)
                where = socket.getaddrinfo(address, port)[0][4]
                if tcp:
                    sock.connect(where)
                    return dns.query.tcp(query, address, port=port, timeout=timeout, sock=sock)
                return dns.query.udp(query, address, port=port, timeout=timeout)

    def attached(self):
        return "xdp" in run("ip", "-n", self.server, "link", "show", "w0").stdout

    def close(self):
        for name in (self.server, self.client):
            run("ip", "netns", "del", name, check=False)


LARGE = "large\tTXT\t" + " ".join('"%s"' % (chr(97 + i) * 250) for i in range(9)) + "\n"


@pytest.fixture
def wire(folder, request):
    w = Wire(*getattr(request, "param", ()))
    w.folder = folder
    try:
        yield w
        if w.gateway:
            w.gateway.stop()
    finally:
        if w.gateway:
            w.gateway.kill()
        w.close()


# ---- frames made by hand ----

def add_up(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def udp(source, target, payload, ports=(40000, 53), checksum=None, length=None):
    pack = [socket.inet_pton(socket.AF_INET6 if ":" in a else socket.AF_INET, a) for a in (source, target)]
    header = struct.pack("!HHHH", *ports, 8 + len(payload) if length is None else length, 0)
    right = add_up(pack[0] + pack[1] + struct.pack("!HH", 17, 8 + len(payload)) + header + payload) ^ 0xffff or 0xffff
    return header[:6] + struct.pack("!H", right if checksum is None else checksum) + payload


def ipv4(source, target, body, protocol=17, fragment=0, options=b"", total=None, ident=7):
    head = struct.pack("!BBHHHBBH4s4s", 0x45 + len(options) // 4, 0, 20 + len(options) + len(body) if total is None else total, ident,
                       fragment, 64, protocol, 0, socket.inet_aton(source), socket.inet_aton(target)) + options
    return head[:10] + struct.pack("!H", add_up(head) ^ 0xffff) + head[12:] + body


def ipv6(source, target, body, next_header=17):
    return struct.pack("!IHBB", 6 << 28, len(body), next_header, 64) + socket.inet_pton(socket.AF_INET6, source) + \
        socket.inet_pton(socket.AF_INET6, target) + body


class Raw:
    """The client's end: frames out, and the UDP payloads that come back to port 40000."""

    def __init__(self, wire):
        self.wire = wire
        with inside(wire.client):
            self.packet = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            self.packet.bind(("w1", 0))
            self.udp4 = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.udp4.bind((THEIRS, 40000))
            self.udp6 = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            self.udp6.bind((THEIRS6, 40000))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for s in (self.packet, self.udp4, self.udp6):
            s.close()

    def send(self, packet, kind=None, target=None, source=None, tag=b""):
        kind = kind or (0x0800 if packet[:1] and packet[0] >> 4 == 4 else 0x86dd)
        self.packet.send(mac(target or self.wire.mac["w0"]) + mac(source or self.wire.mac["w1"]) + tag + struct.pack("!H", kind) + packet)

    def answer(self, timeout=PATIENCE, v6=False):
        """The ID of the next answer; None: there is none."""
        s = self.udp6 if v6 else self.udp4
        s.settimeout(timeout)
        try:
            return struct.unpack("!H", s.recv(4096)[:2])[0]
        except socket.timeout:
            return None

    def heard(self, *packets, **kw):
        """Which of the packets (id, packet) are answered, after one more that certainly is."""
        for packet in packets:
            self.send(packet, **kw)
        self.send(ipv4(THEIRS, OURS, udp(THEIRS, OURS, query(0xffff))))
        ids = []
        while not ids or ids[-1] not in (0xffff, None):
            ids.append(self.answer())
        assert ids[-1] == 0xffff, "the gateway no longer answers"
        return ids[:-1]


def query(ident, name="ns1.example.test.", rrtype="A"):
    q = dns.message.make_query(name, rrtype)
    q.id = ident
    return q.to_wire()


# ---- what users see ----

@pytest.mark.parametrize("mode", ["native", "generic"])
def test_queries_are_taken_from_the_wire_and_all_else_is_the_kernels(wire, mode):
    g = wire.start(interface="{interface: w0, mode: %s}" % mode)
    assert "info xdp interface=w0 mode=%s" % mode in g.log()
    for count, address in enumerate((OURS, OURS6, OURS, OURS6), 1):
        assert wire.ask(address).answer[0][0].to_text() == "127.0.0.1"
        assert wire.taken() == count
    assert wire.ask(OURS, tcp=True).rcode() == 0 and wire.ask(OURS6, tcp=True).rcode() == 0
    with inside(wire.server):
        other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        other.bind((OURS, 5353))
        second = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        second.bind((SECOND, 53))
    with inside(wire.client):
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for server, where in ((other, (OURS, 5353)), (second, (SECOND, 53))):
        client.sendto(b"not for the gateway", where)
        server.settimeout(PATIENCE)
        assert server.recv(100) == b"not for the gateway"
    wire.exec("ping", "-c", "1", "-W", str(PATIENCE), OURS)
    wire.exec("ping", "-c", "1", "-W", str(PATIENCE), OURS6)
    assert wire.taken() == 4 and wire.counter("xdp_malformed_total") == 0
    assert wire.counter("queries_total{transport=\"udp\",rcode=\"NOERROR\"}".replace("{", r"\{").replace("}", r"\}")) == 4


def test_updates_come_by_it_and_are_answered(wire):
    g = wire.start()
    before = wire.taken()
    for i in range(20):
        text = "server %s\nzone example.test.\nupdate add u%d.example.test. 60 A 192.0.2.%d\nsend\n" % (OURS if i % 2 else OURS6, i, i)
        wire.exec("nsupdate", *ONCE, "-k", os.path.join(g.dir, "dhcp.key"), input=text)
        assert wire.ask(name="u%d.example.test." % i).answer[0][0].to_text() == "192.0.2.%d" % i
    # nsupdate asks for the SOA first where no zone is given; here it is: an update and a query of ours each.
    assert wire.taken() == before + 40
    assert "requestor=%s@" % THEIRS in g.log() and "requestor=%s@" % THEIRS6 in g.log()
    refused = wire.exec("nsupdate", input="server %s\nzone example.test.\nupdate add no.example.test. 60 A 192.0.2.1\nsend\n" % OURS, check=False)
    assert refused.returncode != 0 and "REFUSED" in refused.stderr


def test_a_wildcard_of_listen_is_each_address_of_the_interface(wire):
    wire.start(listen='0.0.0.0@53, "::@53"')
    link_local = re.search(r"inet6 (fe80::\S+)/64", run("ip", "-n", wire.server, "address", "show", "w0").stdout).group(1)
    for count, address in enumerate((OURS, SECOND, OURS6), 1):    # dnspython refuses an answer from another address
        assert wire.ask(address).rcode() == 0
        assert wire.taken() == count
    dig = ("dig", "@%s%%w1" % link_local, "+short", "+tries=1", "+time=2", "ns1.example.test.")
    eventually(lambda: wire.exec(*dig, check=False).stdout == "127.0.0.1\n")     # duplicate address detection
    assert wire.ask(tcp=True).rcode() == 0


def test_answers_that_no_frame_holds_are_cut_by_the_kernel(wire):
    wire.start(config=SERVER.replace("  threads: 2\n", "  threads: 1\n  udp-size: 4096\n"))
    for address in (OURS, OURS6):
        small = wire.ask(address, "large.example.test.", "TXT", use_edns=0, payload=1400)
        assert small.flags & dns.flags.TC and not small.answer
        large = wire.ask(address, "large.example.test.", "TXT", use_edns=0, payload=4096)
        assert not large.flags & dns.flags.TC and len(large.to_wire()) > 2200
    assert wire.taken() == 4


@pytest.mark.parametrize("wire", [(2,)], indirect=True)
def test_each_queue_has_a_worker(wire):
    g = wire.start()
    assert "queues=2" in g.log()
    count = 400
    with inside(wire.client):
        socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
    for i, s in enumerate(socks):
        s.settimeout(PATIENCE)
        s.sendto(query(i), (OURS, 53))
        assert struct.unpack("!H", s.recv(512)[:2])[0] == i
    assert wire.taken() == count
    for s in socks:
        s.close()


def test_a_reload_loses_nothing_and_a_stop_leaves_the_interface_as_it_was(wire):
    g = wire.start()
    assert wire.attached()
    with inside(wire.client):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(PATIENCE)
    s.connect((OURS, 53))
    asked = 0
    for reloads in range(1, 4):     # one after the other: of signals that wait, two are one
        g.proc.send_signal(1)
        least, end = asked + 100, time.monotonic() + PATIENCE
        while asked < least or len(re.findall(r"\binfo reload\b", g.log())) < reloads:
            s.send(query(asked & 0xffff))
            assert struct.unpack("!H", s.recv(512)[:2])[0] == asked & 0xffff
            asked += 1
            assert time.monotonic() < end, g.log()
    g.write_config(SERVER.replace("LISTEN", OURS + "@53").replace("INTERFACE", "{interface: w0, mode: generic}"))
    assert "key=xdp" not in g.log()
    g.proc.send_signal(1)
    eventually(lambda: "the new value needs a restart key=xdp" in g.log())
    assert wire.ask().rcode() == 0
    g.stop()
    assert not wire.attached()


def test_an_interface_that_was_down_is_served_again(wire):
    wire.start()
    assert wire.ask().rcode() == 0
    run("ip", "-n", wire.server, "link", "set", "w0", "down")
    run("ip", "-n", wire.server, "link", "set", "w0", "up")
    eventually(lambda: all("state UP" in run("ip", "-n", name, "link", "show", end).stdout for name, end in
                           ((wire.server, "w0"), (wire.client, "w1"))))     # before, what is sent is lost
    run("ip", "-n", wire.server, "address", "replace", OURS6 + "/64", "dev", "w0", "nodad")    # which went with the link
    before = wire.taken()
    for address in (OURS, OURS6):
        assert wire.ask(address).rcode() == 0
    assert wire.taken() == before + 2


def test_killed_it_leaves_no_program_behind(wire):
    g = wire.start()
    assert wire.attached()
    g.kill()
    eventually(lambda: not wire.attached())
    g.start()
    assert wire.ask().rcode() == 0 and wire.taken() == 1


def test_an_interface_that_goes_away_leaves_the_others_served(wire):
    g = wire.start(listen='0.0.0.0@53')
    assert wire.ask().rcode() == 0
    run("ip", "-n", wire.server, "link", "del", "w0")
    with inside(wire.server):
        assert dns.query.udp(dns.message.make_query("ns1.example.test.", "A"), "127.0.0.1", timeout=PATIENCE).rcode() == 0
    def cpu():
        with open("/proc/%d/stat" % g.proc.pid) as f:
            return sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13]))
    before = cpu()
    time.sleep(1)
    assert cpu() - before < 30, "a thread that turns in circles takes 100 ticks a second"
    g.ctl("status")


# ---- what strangers send ----

def test_frames_that_are_wrong_are_not_answered(wire):
    wire.start()
    q = query
    with Raw(wire) as raw:
        assert raw.heard(ipv4(THEIRS, OURS, udp(THEIRS, OURS, q(1))), ipv6(THEIRS6, OURS6, udp(THEIRS6, OURS6, q(2)))) == [1]
        assert raw.answer(v6=True) == 2
        good = udp(THEIRS, OURS, q(3))
        assert raw.heard(ipv4(THEIRS, OURS, udp(THEIRS, OURS, q(3), checksum=0))) == [3], "IPv4 may go without"
        wrong = [
            ipv4(THEIRS, OURS, udp(THEIRS, OURS, q(4), checksum=0x1234)),
            ipv4(THEIRS, OURS, good[:-1] + b"\x03"),                           # the class is another one
            ipv4(THEIRS, OURS, udp(THEIRS, OURS, q(5), checksum=0, length=200)),
            ipv4(THEIRS, OURS, udp(THEIRS, OURS, q(5), checksum=0, length=7)),
            ipv4(THEIRS, OURS, good, total=1000),
            ipv4(THEIRS, OURS, good)[:10] + b"\0\0" + ipv4(THEIRS, OURS, good)[12:],  # the header's checksum
            ipv4(OURS, OURS, udp(OURS, OURS, q(6))),
            ipv4("127.0.0.1", OURS, udp("127.0.0.1", OURS, q(7))),
            ipv4("224.0.0.1", OURS, udp("224.0.0.1", OURS, q(8))),
            ipv4(THEIRS, OURS, udp(THEIRS, OURS, q(9), ports=(0, 53))),
        ]
        before, bad = wire.taken(), wire.counter("xdp_malformed_total")
        assert raw.heard(*wrong) == []
        assert (wire.taken(), wire.counter("xdp_malformed_total")) == (before + 1, bad + len(wrong))
        assert raw.heard(ipv6(THEIRS6, OURS6, udp(THEIRS6, OURS6, q(10), checksum=0)), ipv6("::1", OURS6, udp("::1", OURS6, q(11)))) == []
        assert raw.answer(0.2, v6=True) is None
        # Not ours: another machine's, a group's.
        before = wire.taken()
        assert raw.heard(ipv4(THEIRS, OURS, udp(THEIRS, OURS, q(12))), target="02:00:00:00:00:99") == []
        assert raw.heard(ipv4(THEIRS, "198.18.7.77", udp(THEIRS, "198.18.7.77", q(13)))) == []
        assert wire.taken() == before + 2
        for size in range(20 + len(good)):
            raw.send(ipv4(THEIRS, OURS, good)[:size], kind=0x0800)
            raw.send(ipv6(THEIRS6, OURS6, udp(THEIRS6, OURS6, q(14)))[:size], kind=0x86dd)
        assert raw.heard() == []


def test_fragments_options_and_tags_go_on_to_the_kernel(wire):
    wire.start()
    with Raw(wire) as raw:
        whole = udp(THEIRS, OURS, query(1))
        before = wire.taken()
        fragments = [ipv4(THEIRS, OURS, whole[:24], fragment=0x2000), ipv4(THEIRS, OURS, whole[24:], fragment=3)]
        for fragment in fragments:
            raw.send(fragment)
        assert raw.answer() == 1, "put together by the kernel, and given to the socket"
        raw.send(ipv4(THEIRS, OURS, udp(THEIRS, OURS, query(2)), options=b"\x01\x01\x01\x00"))
        assert raw.answer() == 2
        hop_by_hop = b"\x11\x00\x01\x04\0\0\0\0"
        raw.send(ipv6(THEIRS6, OURS6, hop_by_hop + udp(THEIRS6, OURS6, query(3)), next_header=0))
        assert raw.answer(v6=True) == 3
        raw.send(ipv4(THEIRS, OURS, udp(THEIRS, OURS, query(4))), tag=b"\x81\x00\x00\x05")
        assert raw.heard() == []
        assert wire.taken() == before + 1, "the one after the tag"


def asked_until_answered(wire, address):
    """What was sent before may still be in the ring, which then has no room for the question."""
    for _ in range(PATIENCE // 2):
        with contextlib.suppress(dns.exception.Timeout):
            return wire.ask(address, timeout=2)
    return wire.ask(address)


def test_any_octets_in_a_frame_do_no_harm(wire):
    wire.start()
    rng = random.Random(20261122)
    good = [ipv4(THEIRS, OURS, udp(THEIRS, OURS, query(i), checksum=0)) for i in range(8)]
    good += [ipv6(THEIRS6, OURS6, udp(THEIRS6, OURS6, query(i))) for i in range(8)]
    with Raw(wire) as raw:
        raw.udp4.close()    # answers are of no interest: the kernel says so by ICMP
        raw.udp6.close()
        for i in range(100000 if LONG else 10000):
            packet = bytearray(rng.choice(good))
            kind = 0x0800 if packet[0] == 0x45 else 0x86dd
            for _ in range(rng.randrange(1, 5)):
                packet[rng.randrange(len(packet))] = rng.randrange(256)
            if kind == 0x0800 and rng.random() < 0.7:    # so that it gets further
                packet[10:12] = b"\0\0"
                packet[10:12] = struct.pack("!H", add_up(bytes(packet[:20])) ^ 0xffff)
            if rng.random() < 0.2:
                packet = packet[:rng.randrange(len(packet))]
            elif rng.random() < 0.1:
                packet += rng.randbytes(rng.randrange(1400))
            raw.send(bytes(packet[:1500]), kind=kind)
    for address in (OURS, OURS6):
        assert asked_until_answered(wire, address).answer[0][0].to_text() == "127.0.0.1"
    assert wire.taken() > 100 and wire.counter("xdp_malformed_total") > 100


# ---- what operators do wrong ----

def start_fails(wire, expected, prefix=(), **kw):
    g = wire.start(wait=False, **kw)
    os.chmod(g.dir, 0o755)
    for name in os.listdir(g.dir):
        os.chmod(os.path.join(g.dir, name), 0o644)
    r = subprocess.run(["ip", "netns", "exec", wire.server, *prefix, ZONEGATED, "-c", g.config_path], stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, text=True, timeout=PATIENCE, cwd=g.dir)
    wire.gateway = None
    assert r.returncode == 1 and re.search(expected, r.stderr), r.stderr
    assert not wire.attached()


def test_what_cannot_be_is_said_in_a_line(wire):
    start_fails(wire, r"zonegate\.yaml:4: xdp: w9: No such device", interface="w9")
    start_fails(wire, r"zonegate\.yaml:4: xdp: lo: not an Ethernet interface", interface="lo")
    start_fails(wire, r"zonegate\.yaml:4: xdp: \"w0@53\" is no interface; addresses and ports are those of listen", interface="w0@53")
    start_fails(wire, r"zonegate\.yaml:4: xdp: w0 is given twice", interface="w0, w0")
    start_fails(wire, r"zonegate\.yaml:4: mode: .*auto, native or generic", interface="{interface: w0, mode: fast}")
    if shutil.which("setpriv"):
        start_fails(wire, r"zonegate\.yaml:4: xdp: w0: .*it takes CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF",
                    prefix=["setpriv", "--bounding-set=-all,+net_bind_service,+dac_override", "--inh-caps=-all"])
    with open(os.path.join(wire.folder, "ours.yaml"), "w") as f:
        f.write("server: {xdp: [w0]}\n")
    assert run(ZONEGATED, "-c", f.name, "-t").returncode == 0, "whether it is there is for the start to find out"


def test_two_do_not_share_an_interface(wire):
    first = wire.start()
    other = subprocess.run(["ip", "netns", "exec", wire.server, ZONEGATED, "-c", first.config_path], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True, timeout=PATIENCE, cwd=first.dir)
    assert other.returncode == 1
    assert wire.attached() and wire.ask().rcode() == 0


def test_it_goes_on_as_another_user(wire):
    g = wire.start(config=SERVER.replace("server:\n", "server:\n  user: nobody\n").replace("audit: audit.log", "audit: state/audit.log"), wait=False)
    os.chmod(g.dir, 0o755)
    os.chmod(os.path.join(g.dir, "dhcp.key"), 0o644)
    g.start()
    with open("/proc/%d/status" % g.proc.pid) as f:
        assert int(re.search(r"^CapEff:\s+(\S+)$", f.read(), re.M).group(1), 16) == 0
    for count, address in enumerate((OURS, OURS6), 1):
        assert wire.ask(address).rcode() == 0
        assert wire.taken() == count


@pytest.mark.skipif(shutil.which("dnstap-read") is None, reason="dnstap-read is not installed")
def test_dnstap_has_both_ways(wire):
    tap = os.path.join(wire.folder, "tap")
    g = wire.start(config=SERVER.replace("  threads: 2\n", "  threads: 1\n  dnstap: {file: %s}\n" % tap))
    for address in (OURS, OURS6):
        assert wire.ask(address).rcode() == 0
    wire.exec("nsupdate", *ONCE, "-k", os.path.join(g.dir, "dhcp.key"), input="server %s\nzone example.test.\nupdate add a.example.test. 60 A 192.0.2.1\nsend\n" % OURS)
    g.stop()
    seen = [line.split() for line in run("dnstap-read", tap).stdout.splitlines()]    # date time type client -> server transport
    seen = sorted((w[2], w[3].rsplit(":", 1)[0].strip("[]"), w[4], w[5], w[6]) for w in seen)
    there4, there6 = "%s:53" % OURS, "[%s]:53" % OURS6
    assert [(kind, client) for kind, client, *_ in seen] == [
        ("AQ", THEIRS), ("AQ", THEIRS6), ("AR", THEIRS), ("AR", THEIRS6), ("UQ", THEIRS), ("UR", THEIRS)], seen
    assert {w[3].replace(OURS6 + ":53", there6) for w in seen} == {there4, there6}, seen
    assert {w[4] for w in seen} == {"UDP"}
