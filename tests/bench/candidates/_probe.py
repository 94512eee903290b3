"""See probe.sh. Keeps the A records that came by IXFR and answers for them."""
import socket
import struct
import sys

port, primary, zone = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
ZONE = b"".join(bytes([len(x)]) + x.encode() for x in zone.split(".")) + b"\0"
SOA, A, IXFR = 6, 1, 251
addresses = {}


def name(m, at):
    """The name in wire form, and where it ends."""
    out, end = b"", None
    while m[at]:
        if m[at] >= 192:
            end = end or at + 2
            at = struct.unpack_from("!H", m, at)[0] & 0x3fff
            continue
        out += m[at:at + m[at] + 1]
        at += m[at] + 1
    return out.lower() + b"\0", end or at + 1


def answers(m):
    """(owner, type, rdata, for a SOA its serial)"""
    at = 12
    for _ in range(struct.unpack_from("!H", m, 4)[0]):
        at = name(m, at)[1] + 4
    for _ in range(struct.unpack_from("!H", m, 6)[0]):
        owner, at = name(m, at)
        rtype, _, _, size = struct.unpack_from("!HHIH", m, at)
        at += 10 + size
        yield owner, rtype, m[at - size:at], struct.unpack_from("!I", m, at - 20)[0] if rtype == SOA else 0


def question(rtype, serial=None):
    head = struct.pack("!6H", 1, 0, 1, 0, serial is not None, 0) + ZONE + struct.pack("!HH", rtype, 1)
    if serial is None:
        return head
    return head + b"\xc0\x0c" + struct.pack("!HHIH", SOA, 1, 0, 22) + b"\0\0" + struct.pack("!5I", serial, 0, 0, 0, 0)


def messages(tcp):
    while True:
        m = tcp.recv(2, socket.MSG_WAITALL)
        yield tcp.recv(struct.unpack("!H", m)[0], socket.MSG_WAITALL)


def ask_serial(tcp):
    m = question(SOA)
    tcp.sendall(struct.pack("!H", len(m)) + m)
    return next(answers(next(messages(tcp))))[3]


def take_differences(tcp, serial):
    """RFC 1995 4: the new SOA; for each difference the old SOA, what went, the new SOA, what came; the new SOA."""
    m = question(IXFR, serial)
    tcp.sendall(struct.pack("!H", len(m)) + m)
    newest, seen, soas, added = None, 0, 0, False
    for m in messages(tcp):
        for owner, rtype, rdata, number in answers(m):
            if rtype == SOA:
                newest = number if newest is None else newest
                seen += number == newest
                soas += 1
                added = soas % 2 == 1
            elif rtype == A and added:
                addresses[owner] = rdata
        if seen == 3 or (soas == 1 and newest == serial):
            return newest


def main():
    tcp = socket.create_connection(("127.0.0.1", primary))
    tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", port))
    serial = ask_serial(tcp)
    while True:
        m, client = udp.recvfrom(4096)
        flags = struct.unpack_from("!H", m, 2)[0]
        if flags & 0xf800 == 4 << 11:
            udp.sendto(m[:2] + struct.pack("!5H", 0xa400, 1, 0, 0, 0) + m[12:12 + len(ZONE) + 4], client)
            serial = take_differences(tcp, serial)
        elif not flags & 0x8000:
            owner, end = name(m, 12)
            rdata = addresses.get(owner)
            answer = b"\xc0\x0c" + struct.pack("!HHIH", A, 1, 0, 4) + rdata if rdata else b""
            udp.sendto(m[:2] + struct.pack("!5H", 0x8400, 1, bool(rdata), 0, 0) + m[12:end + 4] + answer, client)


main()
