"""The same zone at BIND and here, the same random questions to both: what differs is known and named below."""
import os
import random
import shutil
import subprocess
import time

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from conftest import CONFIG, LONG, free_port, keyfile

CUTS = ["cut.a", "sub.cut2", "b.c.b"]
FIXED = """$ORIGIN example.test.
$TTL 3600
@ SOA ns hostmaster 1 7200 3600 1209600 900
@ NS ns
@ NS ns.other.test.
@ MX 10 mail.a
@ TXT "apex"
ns A 192.0.2.53
ns AAAA 2001:db8::53
mail.a A 192.0.2.25
d1 DNAME a
d1 A 192.0.2.9
d2.b DNAME nowhere.test.
lc CNAME lc
l1 CNAME l2
l2 CNAME l1
_s._tcp SRV 1 1 1 mail.a
_s._tcp SRV 1 1 2 ns.cut.a
web HTTPS 1 . alpn=h2
web A 192.0.2.90
alias HTTPS 0 web
"""
TYPES = ["A", "AAAA", "TXT", "MX", "CNAME", "NS", "SOA", "DS", "DNAME", "SRV", "HTTPS", "ANY", "TYPE65280"]


def make_zone(rnd):
    """Few labels, so that names meet: wildcards, empty non-terminals, chains, what is hidden below cuts and DNAMEs."""
    lines, types = [], {"ns": {"A"}, "mail.a": {"A"}}
    for cut in CUTS:
        lines += ["%s NS ns.%s" % (cut, cut), "%s NS ns" % cut, "ns.%s A 192.0.2.77" % cut, "ns.%s AAAA 2001:db8::77" % cut,
                  "%s DS 1 8 2 %s" % (cut, "0123456789ABCDEF" * 4)]
    lines += ["big A 192.0.2.%d" % i for i in range(60)]
    for _ in range(60):
        name = ".".join(rnd.choice(["a", "b", "c", "*", "sub", "w"]) for _ in range(rnd.randint(1, 4)))
        rrtype = rnd.choice(["A", "A", "TXT", "MX", "CNAME"])
        if name in CUTS or (name in types and "CNAME" in types[name] | {rrtype}):
            continue
        types.setdefault(name, set()).add(rrtype)
        lines.append("%s %s %s" % (name, rrtype, {"A": "192.0.2.%d" % rnd.randint(1, 254), "TXT": '"t%d"' % rnd.randint(0, 99),
                                                  "MX": "5 mx.%s" % name.lstrip("*."), "CNAME": rnd.choice(["a.b", "c.w", "x.d1", "cut.a", "a.test."])}[rrtype]))
    return FIXED + "\n".join(dict.fromkeys(lines)) + "\n"


def make_name(rnd, owners):
    labels = ["a", "b", "c", "*", "sub", "w", "x", "cut", "d1", "d2", "ns", "_s", "_tcp", "lc", "l1"]
    if rnd.random() < 0.5:
        name = rnd.choice(owners)
        name = "" if name == "@" else name + "."
        if rnd.random() < 0.4:
            name = rnd.choice(labels) + "." + name
    else:
        name = "".join(rnd.choice(labels) + "." for _ in range(rnd.randint(0, 4)))
    return name + "example.test."


def records(section):
    return sorted(line.lower() for rrset in section for line in rrset.to_text().split("\n"))


def differences(rrtype, theirs, ours):
    if theirs.flags & dns.flags.TC and not ours.answer:
        # BIND sends a part of an RRset that does not fit; we do not (RFC 2181 9).
        return [] if ours.flags & dns.flags.TC else ["tc"]
    for msg in (theirs, ours):
        for rrset in msg.authority:
            if rrset.rdtype == dns.rdatatype.SOA and rrtype == "SOA":
                rrset.ttl = 0  # BIND's zero-no-soa-ttl
    found = []
    if theirs.rcode() == dns.rcode.SERVFAIL and ours.rcode() == dns.rcode.NOERROR and theirs.answer:
        # A loop: BIND says SERVFAIL with the chain, we give the chain.
        theirs.set_rcode(dns.rcode.NOERROR)
    if theirs.rcode() != ours.rcode():
        found.append("rcode %s %s" % (dns.rcode.to_text(theirs.rcode()), dns.rcode.to_text(ours.rcode())))
    if theirs.flags != ours.flags:
        found.append("flags")
    if rrtype == "ANY" and ours.answer:
        # RFC 8482: any one RRset will do; over UDP they may choose another.
        if bool(theirs.answer) != bool(ours.answer):
            found.append("answer")
    elif records(theirs.answer) != records(ours.answer):
        found.append("answer")
    if records(theirs.authority) != records(ours.authority):
        found.append("authority")
    # We add addresses of name servers that are not below the cut.
    if not set(records(theirs.additional)) <= set(records(ours.additional)):
        found.append("additional")
    return found


@pytest.fixture
def named(folder):
    """named(zone text): its port."""
    if shutil.which("named") is None:
        pytest.skip("named is not installed")
    procs = []

    def start(text):
        port = free_port()
        with open(os.path.join(folder, "zone"), "w") as f:
            f.write(text)
        with open(os.path.join(folder, "named.conf"), "w") as f:
            f.write('options { directory "%s"; listen-on port %d { 127.0.0.1; }; listen-on-v6 { none; }; recursion no; minimal-responses yes;'
                    ' minimal-any yes; dnssec-validation no; answer-cookie no; pid-file "%s/pid"; session-keyfile "%s/key"; };\ncontrols { };\n'
                    'zone "example.test." { type primary; file "zone"; check-names ignore; check-integrity no; };\n' % (folder, port, folder, folder))
        with open(os.path.join(folder, "log"), "w") as log:
            procs.append(subprocess.Popen(["named", "-g", "-c", os.path.join(folder, "named.conf")], stdout=log, stderr=log))
        query, end = dns.message.make_query("example.test.", "SOA"), time.monotonic() + 15
        while True:
            try:
                if dns.query.udp(query, "127.0.0.1", port=port, timeout=1).answer:
                    return port
            except Exception:
                pass
            assert time.monotonic() < end, open(os.path.join(folder, "log")).read()[-2000:]
            time.sleep(0.1)
    yield start
    for proc in procs:
        proc.terminate()
        proc.wait(15)


@pytest.mark.parametrize("seed", range(20 if LONG else 2))
def test_answers_are_those_of_bind(seed, named, make_gateway):
    rnd = random.Random(seed)
    text = make_zone(rnd)
    owners = [line.split()[0] for line in text.splitlines()[2:]]
    port = named(text)
    gateway = make_gateway(CONFIG, {"example.test.zone": text, "dhcp.key": keyfile()})
    for _ in range(1500):
        name, rrtype = make_name(rnd, owners), rnd.choice(TYPES)
        query = dns.message.make_query(name, rrtype, use_edns=rnd.choice([-1, 0]), payload=1232)
        query.flags = 0
        ask = dns.query.tcp if rnd.random() < 0.2 else dns.query.udp
        theirs = ask(query, "127.0.0.1", port=port, timeout=5)
        ours = ask(query, "127.0.0.1", port=gateway.port, timeout=5)
        found = differences(rrtype, theirs, ours)
        assert not found, "%s %s: %s\n\nBIND: %s\n\nhere: %s" % (name, rrtype, found, theirs, ours)
