"""Certificates, keys and the zone list change while queries, updates and transfers run over every transport: none is lost."""
import os
import signal
import socket
import ssl
import struct
import threading
import time

import dns.message
import dns.query
import dns.rcode
import dns.tsigkeyring
import dns.update

from conftest import LONG, PATIENCE, SECRET, eventually, keyfile
from test_tls import TLS_CONFIG, connect, context, frame, make_certificate, read_messages, tls  # noqa: F401

KEYRING = dns.tsigkeyring.from_text({"dhcp.": SECRET})
ROUNDS = 200 if LONG else 8


class Load:
    """Threads that each ask, wait for the answer and ask again; `lost` gets what was not answered as it should be."""

    def __init__(self, g):
        self.g, self.done, self.lost, self.asked = g, threading.Event(), [], {}

    def run(self, name, function):
        def loop():
            try:
                with function() as ask:
                    while not self.done.is_set():
                        ask()
                        self.asked[name] = self.asked.get(name, 0) + 1
            except Exception as e:
                self.lost.append((name, self.asked.get(name, 0), repr(e)))
        thread = threading.Thread(target=loop)
        thread.start()
        return thread


class Socket:
    """with Socket(s, ask): ask()"""

    def __init__(self, s, ask):
        self.s, self.ask = s, ask

    def __enter__(self):
        return lambda: self.ask(self.s)

    def __exit__(self, *_):
        self.s.close()


def udp(g):
    wire = frame()[2:]

    def ask(s):
        s.send(wire)
        answer = s.recv(4096)
        assert answer[:2] == wire[:2] and answer[3] & 15 == 0 and answer[6:8] == b"\0\1"
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(PATIENCE)
    s.connect(("127.0.0.1", g.port))
    return Socket(s, ask)


def pipelined(s):
    def ask(s):
        s.sendall(frame() * 20)
        assert all(x[3] & 15 == 0 and x[6:8] == b"\0\1" for x in read_messages(s, 20))
    return Socket(s, ask)


def tcp(g):
    s = socket.create_connection(("127.0.0.1", g.port), PATIENCE)
    return pipelined(s)


def signed_updates(g):
    number = [0]

    def ask(_):
        number[0] += 1
        u = dns.update.Update("example.test.", keyring=KEYRING, keyname="dhcp.", keyalgorithm="hmac-sha256")
        u.replace("load", 60, "TXT", "%d" % number[0])
        assert dns.query.tcp(u, "127.0.0.1", port=g.port, timeout=PATIENCE).rcode() == dns.rcode.NOERROR
    return Socket(socket.socket(), ask)


def new_connections(g):
    def ask(_):
        s = connect(g)
        s.sendall(frame())
        assert read_messages(s, 1)[0][3] & 15 == 0
        s.close()
    return Socket(socket.socket(), ask)


def transfers(g):
    def ask(_):
        messages = dns.query.xfr("127.0.0.1", "example.test.", port=g.port, keyring=KEYRING, keyname="dhcp.", keyalgorithm="hmac-sha256", lifetime=PATIENCE)
        assert sum(len(m.answer) for m in messages) >= 4
    return Socket(socket.socket(), ask)


def test_nothing_is_lost_while_everything_is_reloaded(tls):  # noqa: F811
    g = tls()
    with open(g.config_path) as f:
        config = f.read()
    load = Load(g)
    work = {"udp": lambda: udp(g), "tcp": lambda: tcp(g), "tls": lambda: pipelined(connect(g)), "tls-new": lambda: new_connections(g),
            "update": lambda: signed_updates(g), "transfer": lambda: transfers(g)}
    threads = [load.run(name, function) for name, function in work.items()]
    serials = set()
    number = 1
    while number <= ROUNDS or not all(load.asked.get(name, 0) > 3 for name in work):   # as many as it takes that each asks meanwhile
        number += 1
        assert number < 100 * ROUNDS, load.asked
        make_certificate(g.dir, serial=number)
        with open(os.path.join(g.dir, "extra.key"), "w") as f:
            f.write(keyfile("extra%d." % number))
        zones = "".join("  - {name: z%d.test.}\n" % i for i in range(number % 5 * 20))
        g.write_config(config.replace("keys:\n", "keys:\n  - file: extra.key\n").replace("zones:\n", "zones:\n" + zones))
        if number % 3:
            g.ctl("reload")
        else:
            g.proc.send_signal(signal.SIGHUP)
        g.ctl("add", "added%d.test." % number, "--store", "local")
        assert g.short("added%d.test" % number, "NS") != []
        g.ctl("remove", "added%d.test." % number)
        der = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", g.tls)))
        serials.add(der)
        assert not load.lost, load.lost
    eventually(lambda: "extra%d." % number in g.ctl("keys").stdout)     # the last reload may have been by a signal
    load.done.set()
    for t in threads:
        t.join(2 * PATIENCE)
    assert not load.lost, load.lost
    assert len(serials) >= number // 2
    assert g.short("load.example.test", "TXT") == ['"%d"' % load.asked["update"]]


def application_records(raw):
    """How many records of application data there are among the octets of a TLS stream (RFC 8446 5.1)."""
    count = at = 0
    while at + 5 <= len(raw):
        kind, _, size = struct.unpack("!BHH", raw[at:at + 5])
        count += kind == 23
        at += 5 + size
    return count


def test_answers_that_are_ready_together_share_records(tls):  # noqa: F811
    g = tls()
    c = context(g)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    t = c.wrap_bio(incoming, outgoing, server_hostname="gw.example.test")
    raw, plain = bytearray(), b""
    with socket.create_connection(("127.0.0.1", g.tls), PATIENCE) as s:
        def step(function, *arguments):
            nonlocal raw
            while True:
                try:
                    result = function(*arguments)
                    s.sendall(outgoing.read())
                    return result
                except ssl.SSLWantReadError:
                    s.sendall(outgoing.read())
                    data = s.recv(1 << 20)
                    assert data
                    raw += data
                    incoming.write(data)
        step(t.do_handshake)
        step(t.write, frame())
        while len(plain) < 2 or len(plain) < 2 + struct.unpack("!H", plain[:2])[0]:
            plain += step(t.read, 65536)
        one = len(plain)
        before = application_records(raw)
        step(t.write, frame() * 200)
        got = 0
        while got < 200 * one:
            got += len(step(t.read, 65536))
    records = application_records(raw) - before
    assert got == 200 * one and records <= 2 + 200 * one // 16384 + 2, "%d records for 200 answers" % records
