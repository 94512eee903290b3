"""Two thousand malformed messages: FORMERR or silence, never a crash, and memory does not grow."""
import random
import socket
import struct

import dns.message
import dns.query
import dns.tsigkeyring
import dns.update

from conftest import LONG, PATIENCE, SECRET


def mutations(seed, count):
    """Valid messages with fields overwritten: counts, lengths, pointers, types, cut short or with a tail."""
    rng = random.Random(seed)
    ring = dns.tsigkeyring.from_text({"dhcp.": SECRET})
    valid = []
    for signed in (True, False):
        u = dns.update.UpdateMessage("example.test.", **({"keyring": ring, "keyalgorithm": "hmac-sha256"} if signed else {}))
        u.present("ns1", "A")
        u.add("www", 300, "A", "192.0.2.1")
        u.add("www", 300, "MX", "10 ns1")
        u.delete("old")
        valid.append(u.to_wire())
    for q in (dns.message.make_query("www.example.test.", "A"), dns.message.make_query("example.test.", "SOA", use_edns=0, payload=1232)):
        valid.append(q.to_wire())
    for i in range(count):
        m = bytearray(rng.choice(valid))
        kind = i % 6
        if kind == 0:       # counts that lie
            struct.pack_into("!H", m, rng.choice((4, 6, 8, 10)), rng.choice((0, 2, 7, 255, 65535)))
        elif kind == 1:     # a compression loop or a pointer forward
            at = rng.randrange(12, len(m) - 1)
            struct.pack_into("!H", m, at, 0xC000 | rng.choice((at, at + 1, 12, len(m) - 1, 0x3FFF)))
        elif kind == 2:     # cut short
            del m[rng.randrange(1, len(m)):]
        elif kind == 3:     # a tail
            m += bytes(rng.randrange(256) for _ in range(rng.randrange(1, 40)))
        elif kind == 4:     # every octet in turn
            m[i // 6 % len(m)] = rng.randrange(256)
        else:
            for _ in range(4):
                m[rng.randrange(len(m))] = rng.randrange(256)
        yield bytes(m)


def test_udp(gateway):
    before = {x.split()[0] + x.split()[3] for x in gateway.ctl("dump", "example.test.").stdout.splitlines()}
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(0.02)

    def send(seed, count):
        rcodes = {}
        for m in mutations(seed, count):
            s.sendto(m, ("127.0.0.1", gateway.port))
            try:
                answer = s.recv(65535)
                assert len(answer) >= 12 and answer[2] & 0x80, "an answer is a response"
                rcodes[answer[3] & 15] = rcodes.get(answer[3] & 15, 0) + 1
            except socket.timeout:
                pass
        return rcodes
    send(1, 500)
    rss = gateway.rss_bytes()
    rcodes = send(2, 20000 if LONG else 2000)
    assert rcodes.get(1, 0) > 100, "FORMERR is the usual answer: %s" % rcodes
    assert gateway.rss_bytes() < rss + 4 * 2 ** 20, "memory grows"
    # A mutation of the id, or of a letter's case in the key's name, leaves the signature good: then all of the UPDATE is there.
    after = gateway.ctl("dump", "example.test.").stdout.splitlines()
    assert {x.split()[0] + x.split()[3] for x in after} - before in (set(), {"www.example.test.A", "www.example.test.MX"})
    assert gateway.short("ns1.example.test.") == ["127.0.0.1"]


def test_tcp(gateway):
    for i, m in enumerate(mutations(3, 600)):
        with socket.create_connection(("127.0.0.1", gateway.port), PATIENCE) as s:
            s.sendall(struct.pack("!H", len(m) if i % 7 else rng_length(i)) + m)
            s.settimeout(0.02)
            try:
                s.recv(65535)
            except OSError:
                pass
    assert gateway.short("ns1.example.test.") == ["127.0.0.1"]


def rng_length(i):
    return (i * 7919) & 0xFFFF


def test_a_query_over_tcp_in_single_octets(gateway):
    q = dns.message.make_query("ns1.example.test.", "A").to_wire()
    with socket.create_connection(("127.0.0.1", gateway.port), PATIENCE) as s:
        for octet in struct.pack("!H", len(q)) + q:
            s.sendall(bytes([octet]))
        s.settimeout(PATIENCE)
        assert s.recv(2)


def test_idle_connections_do_not_stop_others(gateway):
    idle = [socket.create_connection(("127.0.0.1", gateway.port), PATIENCE) for _ in range(100)]
    q = dns.message.make_query("ns1.example.test.", "A")
    assert dns.query.tcp(q, "127.0.0.1", PATIENCE, gateway.port).answer
    for s in idle:
        s.close()
