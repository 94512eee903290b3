"""Attackers: spoofed floods, idle connections by the thousand, slow readers and slow writers. Others do not notice."""
import ipaddress
import math
import multiprocessing
import os
import re
import resource
import socket
import struct
import threading
import time
import urllib.request

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.query
import pytest

import test_tls
from conftest import CONFIG, LONG, PATIENCE, ZONE, ZONEGATED, eventually

IP_PKTINFO = 8                  # ip(7); not in this Python's socket
RATE, SLIP = 40, 2
IDLE_BYTES = 768                # the server's own memory for an idle TCP connection: zonegate.yaml(5) says 0.5 KiB
IDLE_TLS_BYTES = 20 << 10       # with TLS: 15 KiB
STALLED_BYTES = 640 << 10       # and for one that is not read from or never finishes its message


def with_server(text):
    return CONFIG.replace("  identity: gw1\n", "  identity: gw1\n" + text)


def metric(g, name):
    text = urllib.request.urlopen("http://127.0.0.1:%d/metrics" % g.http, timeout=PATIENCE).read().decode()
    return int(re.search(r"^zonegate_%s (\d+)$" % re.escape(name), text, re.M).group(1))


def factor():
    """What the bounds on memory are multiplied with: there are none with AddressSanitizer, which keeps what is freed."""
    with open(ZONEGATED, "rb") as f:
        return math.inf if b"__asan_init" in f.read() else 1


@pytest.fixture
def many_files():
    """File descriptors for as many connections as this form wants; the number that may be had."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard - 500
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def frame(name="ns1.example.test.", rrtype="A"):
    wire = dns.message.make_query(name, rrtype, use_edns=0).to_wire()
    return struct.pack("!H", len(wire)) + wire


def connect(g, source="127.0.0.1", receive_buffer=None):
    s = socket.socket()
    s.settimeout(PATIENCE)
    if receive_buffer:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    s.bind((source, 0))
    s.connect(("127.0.0.1", g.port))
    return s


def read_exactly(s, size):
    got = b""
    while len(got) < size:
        more = s.recv(size - len(got))
        if not more:
            raise EOFError
        got += more
    return got


def alive(s):
    """Does it answer?"""
    try:
        s.settimeout(PATIENCE)
        s.sendall(frame())
        return dns.message.from_wire(read_exactly(s, struct.unpack("!H", read_exactly(s, 2))[0])).answer != []
    except (OSError, EOFError):
        return False


def is_closed(s):
    s.setblocking(False)
    try:
        return s.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def others_are_served(g, times=20):
    """By UDP, by a new TCP connection each time, and by the kept one, each at the first try."""
    question = dns.message.make_query("ns1.example.test.", "A")
    with connect(g, "127.200.0.1") as kept:
        for _ in range(times):
            assert len(dns.query.udp(question, "127.0.0.1", port=g.port, timeout=PATIENCE, source="127.200.0.2").answer) == 1
            assert len(dns.query.tcp(question, "127.0.0.1", port=g.port, timeout=PATIENCE, source="127.200.0.3").answer) == 1
            assert alive(kept)


# ---- spoofed addresses ----

def spoof(port, networks, hosts, seconds, wire, pipe):
    """The same question from hosts of many /24s, for so long and until the pipe says so; what comes back to each network: octets and
    messages, whole and cut."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    s.bind(("0.0.0.0", 0))
    s.setblocking(False)
    sources = [[(socket.IPPROTO_IP, IP_PKTINFO, struct.pack("=i4s4s", 0, (n + h).to_bytes(4, "big"), bytes(4)))]
               for h in hosts for n in networks]
    sent, got = 0, {n: [0, 0, 0, 0] for n in networks}

    def drain():
        while True:
            try:
                answer, control, _, _ = s.recvmsg(4096, 128)
            except BlockingIOError:
                return
            to = int.from_bytes(control[0][2][8:12], "big") & 0xffffff00
            cut = answer[2] >> 1 & 1
            got[to][cut] += 1
            got[to][2] += len(answer)
            got[to][3] = max(got[to][3], len(answer) if cut else 0)
    start = time.monotonic()
    while time.monotonic() - start < seconds or not pipe.poll():
        for _ in range(50):
            try:
                s.sendmsg([wire], sources[sent % len(sources)], 0, ("127.0.0.1", port))
                sent += 1
            except BlockingIOError:
                break
        drain()
        time.sleep(0.002)
    before = -1
    while before != sum(sum(x[:2]) for x in got.values()):      # what is still on its way
        before = sum(sum(x[:2]) for x in got.values())
        time.sleep(0.3)
        drain()
    pipe.send((sent, got, time.monotonic() - start))
    pipe.close()


def lost(g):
    """How many datagrams the system did not give the gateway, whose buffer was full (proc(5), /proc/net/udp)."""
    with open("/proc/net/udp") as f:
        return sum(int(x.split()[-1]) for x in f if x.split()[1].endswith(":%04X" % g.port))


def ask_with_cookie(g, source, cookie):
    """Asks again only where the question may have been lost before the gateway had it: the machine is too busy for the flood."""
    while True:
        before = lost(g)
        try:
            return ask_once_with_cookie(g, source, cookie, 5)
        except dns.exception.Timeout:
            if lost(g) == before:
                return ask_once_with_cookie(g, source, cookie, PATIENCE)


def ask_once_with_cookie(g, source, cookie, timeout):
    q = dns.message.make_query("big.example.test.", "TXT", use_edns=0, payload=1232,
                               options=[dns.edns.GenericOption(dns.edns.OptionType.COOKIE, cookie)])
    r = dns.query.udp(q, "127.0.0.1", port=g.port, timeout=timeout, source=source)
    return r, next(bytes(o.data) for o in r.options if o.otype == dns.edns.OptionType.COOKIE)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_spoofed_flood_gets_no_more_than_the_rate_and_who_has_a_cookie_gets_all(make_gateway, threads):
    seconds, count = (30, 40) if LONG else (3, 8)
    zone = ZONE + "big TXT " + " ".join('"%s"' % ("x" * 250) for _ in range(4)) + "\n"
    g = make_gateway(with_server("  threads: %d\n  rate-limit: {rate: %d, slip: %d}\n" % (threads, RATE, SLIP)),
                     {"example.test.zone": zone})
    networks = [int(ipaddress.ip_address("127.%d.%d.0" % (10 + i // 200, i % 200))) for i in range(count)]
    wire = dns.message.make_query("big.example.test.", "TXT", use_edns=0, payload=1232).to_wire()
    victim = str(ipaddress.ip_address(networks[0] + 1))
    first, cookie = ask_with_cookie(g, victim, b"8octets!")
    size = len(first.to_wire())
    assert size > 1000 > 15 * len(wire), "an attacker would want that one"
    near, far = multiprocessing.Pipe()
    flood = multiprocessing.get_context("fork").Process(target=spoof, args=(g.port, networks, range(1, 251), seconds, wire, far))
    flood.start()
    served, wanted = 0, 20 * seconds
    try:
        while not near.poll(0.01):
            if served == wanted:
                near.send("enough")
            r, _ = ask_with_cookie(g, victim, cookie)
            assert not r.flags & dns.flags.TC and len(r.answer) == 1
            served += 1
            # Who has none hears TC=1 or nothing, and asks by TCP.
            q = dns.message.make_query("big.example.test.", "TXT")
            assert len(dns.query.tcp(q, "127.0.0.1", port=g.port, timeout=PATIENCE, source=victim).answer) == 1
        sent, got, took = near.recv()
    finally:
        flood.terminate()   # where something has failed: else it has ended
        flood.join()
    assert served >= wanted
    most = RATE * (took + 1) + 1
    assert sent / count > 2 * most, "the flood is one"
    for whole, cut, octets, longest_cut in got.values():
        assert whole <= most
        assert whole >= RATE * seconds / threads / 2, "and the network is not cut off either"
        assert 0 < cut <= sent / count / SLIP + 250
        assert longest_cut <= len(wire), "TC=1 is no larger than the question"
        assert octets <= most * size + (sent / count / SLIP + 250) * len(wire)
    # A network that nobody uses is as well served as ever.
    r = dns.query.udp(dns.message.make_query("big.example.test.", "TXT", use_edns=0, payload=1232), "127.0.0.1", port=g.port,
                      timeout=PATIENCE, source="127.99.99.99")
    assert len(r.answer) == 1


# ---- idle connections ----

def crowd(g, count, each, network="127.50.0.0"):
    """count connections, `each` of one address; every fourth has asked something once."""
    base = int(ipaddress.ip_address(network))
    made = [connect(g, str(ipaddress.ip_address(base + 1 + i // each))) for i in range(count)]
    for s in made[::4]:
        s.sendall(frame())
    for s in made[::4]:
        read_exactly(s, struct.unpack("!H", read_exactly(s, 2))[0])
    return made


def wait_open(g, count, seconds=2 * PATIENCE):
    """Until as many are open: one is accepted, or seen to be closed, a little later than its client knows."""
    eventually(lambda: metric(g, "tcp_connections") == count, seconds, lambda: "%d connections are open" % metric(g, "tcp_connections"))


def close_all(sockets):
    for s in sockets:
        s.close()


def test_thousands_of_idle_connections_cost_others_nothing_and_little_memory(make_gateway, many_files):
    count = min(10000 if LONG else 3000, many_files)
    g = make_gateway(with_server("  threads: 2\n  tcp-clients: %d\n  tcp-clients-address: 100\n  tcp-idle: 1h\n" % (count * 2)))
    others_are_served(g)
    before = g.rss_bytes()
    made = crowd(g, count, 100)
    others_are_served(g)
    wait_open(g, count)
    each = (g.rss_bytes() - before) / count
    print("%d idle connections: %.0f octets each" % (count, each))
    assert each <= IDLE_BYTES * factor()
    assert not any(is_closed(s) for s in made), "none was closed"
    # All of a sudden they ask, and are idle again: it is the same.
    for s in made:
        s.setblocking(True)
        s.sendall(frame())
    assert all(alive(s) for s in made[:50])
    others_are_served(g)
    assert (g.rss_bytes() - before) / count <= IDLE_BYTES * factor()
    close_all(made)
    wait_open(g, 0)


tls = test_tls.tls


def test_idle_tls_connections_cost_others_nothing_and_bounded_memory(tls, many_files):
    count = min(5000 if LONG else 500, many_files)
    g = tls(test_tls.TLS_CONFIG.replace("  identity: gw1\n", "  identity: gw1\n  tcp-clients: 12000\n  tcp-clients-address: 6000\n  tcp-idle: 1h\n"))
    context = test_tls.context(g)

    def one():
        s = test_tls.connect(g, context)
        s.sendall(frame())
        read_exactly(s, struct.unpack("!H", read_exactly(s, 2))[0])
        return s
    made = [one() for _ in range(20)]
    others_are_served(g)
    before = g.rss_bytes()
    made += [one() for _ in range(count)]
    # Some never begin the handshake.
    silent = [socket.create_connection(("127.0.0.1", g.tls), 10) for _ in range(count // 5)]
    others_are_served(g)
    each = (g.rss_bytes() - before) / len(made + silent)
    print("%d idle TLS connections: %.0f octets each" % (count, each))
    assert each <= IDLE_TLS_BYTES * factor()
    wait_open(g, len(made + silent))
    close_all(made + silent)
    wait_open(g, 0)


def test_connections_beyond_the_limits_are_refused_or_take_the_place_of_the_idlest(make_gateway, many_files):
    count = min(10000 if LONG else 3000, many_files)
    g = make_gateway(with_server("  threads: 1\n  tcp-clients: 1000\n  tcp-clients-address: 100\n  tcp-idle: 1h\n"))
    others_are_served(g)
    before = g.rss_bytes()
    made = [connect(g, "127.50.%d.%d" % (i // 50 // 250, 1 + i // 50 % 250)) for i in range(count)]
    others_are_served(g, 5)
    assert metric(g, "tcp_connections") <= 1000
    assert [is_closed(s) for s in made].count(False) <= 1000
    assert g.rss_bytes() - before <= 1000 * IDLE_BYTES * factor()
    assert all(alive(s) for s in made[-900:]), "the latest are there"
    # One address cannot have more, nor send others away by trying.
    more = [connect(g, "127.60.0.1") for _ in range(1000)]
    others_are_served(g, 5)
    assert [alive(s) for s in more].count(True) <= 100
    assert [alive(s) for s in made[-800:]].count(False) <= 20
    assert metric(g, "tcp_refused_total") >= 900
    close_all(made + more)
    wait_open(g, 0)


def test_many_that_are_idle_are_all_closed(make_gateway):
    g = make_gateway(with_server("  threads: 2\n  tcp-clients: 2000\n  tcp-clients-address: 100\n  tcp-idle: 2s\n"))
    made = [connect(g, "127.50.0.%d" % (1 + i // 50)) for i in range(1000)]
    eventually(lambda: all(is_closed(s) for s in made))
    wait_open(g, 0)
    others_are_served(g, 5)
    close_all(made)


# ---- no file descriptor left ----

def cpu_s(pid):
    with open("/proc/%d/stat" % pid) as f:
        return sum(int(x) for x in f.read().rpartition(")")[2].split()[11:13]) / os.sysconf("SC_CLK_TCK")


def descriptors(g):
    return {int(x) for x in os.listdir("/proc/%d/fd" % g.proc.pid)}


def leave_no_descriptor(g):
    """The least number that is free is one too many; the limits before."""
    used = descriptors(g)
    before = resource.prlimit(g.proc.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(g.proc.pid, resource.RLIMIT_NOFILE, (min(set(range(len(used) + 1)) - used), before[1]))
    return before


def test_a_connection_waits_for_a_file_descriptor_and_others_are_served_by_udp(make_gateway):
    g = make_gateway(with_server("  threads: 1\n"))
    before = leave_no_descriptor(g)     # and nobody is connected who could make room
    with connect(g) as s:
        s.sendall(frame())
        eventually(lambda: "new connections wait reason=\"Too many open files\"" in g.log())
        start_s, used_s = time.monotonic(), cpu_s(g.proc.pid)
        while time.monotonic() - start_s < 3:
            assert g.short("ns1.example.test.")
            time.sleep(0.2)
        assert cpu_s(g.proc.pid) - used_s < (time.monotonic() - start_s) / 3, "it does not go round and round meanwhile"
        resource.prlimit(g.proc.pid, resource.RLIMIT_NOFILE, before)
        assert dns.message.from_wire(read_exactly(s, struct.unpack("!H", read_exactly(s, 2))[0])).answer
    others_are_served(g, 1)


def test_a_connection_that_ends_leaves_its_file_descriptor_to_one_that_waits(make_gateway):
    g = make_gateway(with_server("  threads: 1\n  tcp-idle: 1h\n"), {"example.test.zone": big_zone(80000)})
    quiet = descriptors(g)
    # A transfer that is not taken, and larger than what the kernel keeps, is at work: it does not make room.
    slow = connect(g, receive_buffer=4096)
    slow.sendall(frame("example.test.", "AXFR"))
    read_exactly(slow, 2)
    assert len(descriptors(g)) == len(quiet) + 1
    before = leave_no_descriptor(g)
    with connect(g) as s:
        s.sendall(frame())
        eventually(lambda: "new connections wait" in g.log())
        slow.close()
        assert dns.message.from_wire(read_exactly(s, struct.unpack("!H", read_exactly(s, 2))[0])).answer
    resource.prlimit(g.proc.pid, resource.RLIMIT_NOFILE, before)


# ---- slow readers and writers ----

def big_zone(records):
    return ZONE + "big TXT " + " ".join('"%s"' % ("x" * 250) for _ in range(200)) + "\n" + "".join(
        "host%d TXT %s\n" % (i, "y" * 200) for i in range(records))


def test_slow_readers_are_bounded_and_closed(make_gateway):
    count, records = (800, 50000) if LONG else (100, 20000)
    g = make_gateway(with_server("  threads: 2\n  tcp-clients: 4000\n  tcp-idle: 3s\n").replace(
        "allow-transfer: [key dhcp., 127.0.0.1]", "allow-transfer: [127.0.0.0/8]"), {"example.test.zone": big_zone(records)})
    others_are_served(g)
    before = g.rss_bytes()
    slow = []
    for i in range(count):
        s = connect(g, "127.70.0.%d" % (1 + i // 40), receive_buffer=4096)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        slow.append(s)
        if i % 2:
            s.sendall(frame("example.test.", "AXFR"))
            continue
        s.setblocking(False)
        try:
            s.send(frame("big.example.test.", "TXT") * 8000)   # 400 MB of answers, if one would send them
        except BlockingIOError:
            pass
    others_are_served(g)
    each = (g.rss_bytes() - before) / count
    print("%d slow readers: %.0f KiB each" % (count, each / 1024))
    assert each <= STALLED_BYTES * factor()
    # Transfers and updates of others go on.
    assert "XFR size: %d records" % (records + 7) in g.dig("example.test.", "AXFR")
    g.nsupdate("update add new.example.test. 60 A 192.0.2.1")
    assert g.short("new.example.test") == ["192.0.2.1"]
    wait_open(g, 0)
    assert g.rss_bytes() - before <= STALLED_BYTES * count * factor()
    # What was sent until then is there; the end is not (RFC 5936 2.2).
    for s in slow[1::20]:
        s.settimeout(PATIENCE)
        size = 0
        try:
            while more := s.recv(1 << 20):
                size += len(more)
        except ConnectionResetError:
            pass
        assert 0 < size < records * 200
    others_are_served(g)
    close_all(slow)


def drip(sockets, message, pause, stop):
    """One octet of the message on each, again and again."""
    at = 0
    while not stop.wait(pause) and at < len(message):
        for s in sockets:
            try:
                s.send(message[at:at + 1])
            except OSError:
                pass
        at += 1


def test_slow_writers_are_bounded_and_closed(make_gateway):
    count = 2000 if LONG else 200
    g = make_gateway(with_server("  threads: 2\n  tcp-clients: 9000\n  tcp-idle: 3s\n"))
    others_are_served(g)
    before = g.rss_bytes()
    slow = [connect(g, "127.80.0.%d" % (1 + i // 50)) for i in range(count)]
    stop = threading.Event()
    dripping = threading.Thread(target=drip, args=(slow, frame(), 1, stop))
    dripping.start()
    try:
        # Others announce the largest message and bring nearly all of it.
        half = [connect(g, "127.81.0.%d" % (1 + i // 50)) for i in range(count)]
        for s in half:
            s.sendall(struct.pack("!H", 65535) + bytes(65000))
        others_are_served(g)
        each = (g.rss_bytes() - before) / (2 * count)
        print("%d unfinished messages: %.0f KiB each" % (2 * count, each / 1024))
        assert each <= 66 * 1024 * factor()
        # Who is slow but gets there in time is answered.
        with connect(g) as s:
            wire = frame()
            for i in range(0, len(wire), 8):
                s.sendall(wire[i:i + 8])
                time.sleep(0.05)
            assert dns.message.from_wire(read_exactly(s, struct.unpack("!H", read_exactly(s, 2))[0])).answer
        # An octet now and then does not keep a connection: a whole message does (RFC 7766 6.2.3).
        wait_open(g, 0)
        assert all(is_closed(s) for s in slow + half)
    finally:
        stop.set()
        dripping.join()
    others_are_served(g)
    close_all(slow + half)


def test_slow_readers_in_every_place_do_not_keep_others_out(make_gateway):
    g = make_gateway(with_server("  threads: 1\n  tcp-clients: 40\n  tcp-idle: 16s\n").replace(
        "allow-transfer: [key dhcp., 127.0.0.1]", "allow-transfer: [127.0.0.0/8]"), {"example.test.zone": big_zone(20000)})
    slow = [connect(g, receive_buffer=4096) for _ in range(40)]
    for s in slow:
        s.sendall(frame("example.test.", "AXFR"))
    time.sleep(4.5)             # more than a quarter of tcp-idle
    others_are_served(g, 5)
    assert metric(g, "tcp_refused_total") == 0 and metric(g, "tcp_connections") >= 35, "no more than must make room"
    close_all(slow)
