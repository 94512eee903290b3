"""Master files: what is loaded and dumped is the same zone to BIND's named-compilezone, whose judgement counts."""
import os

from conftest import run

HEAD = "$TTL 1h30m\n@ IN SOA ns1 hostmaster ( 2026112201 ; serial\n 3600 600 ; a \"comment\" (\n 86400 60 )\n"
TYPES = HEAD + r"""
	NS	ns1
	IN NS ns2.other.test.
	300	IN MX 10 mail
ns1	A	192.0.2.1
	IN 60 AAAA	2001:db8::1
mail	A	192.0.2.9
www	CNAME	ns1
*.wild	IN TXT "hello; world" ( "second \"q\""
  third ) ; after
a.b.c.d	A 192.0.2.3
sub	NS	ns.sub
ns.sub	A	192.0.2.4
_sip._tcp SRV 10 20 5060 ns1
caa	CAA 0 issue "ca.test"
_443._tcp.www2 TLSA 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
ssh	SSHFP 1 1 0123456789abcdef0123456789abcdef01234567
naptr	NAPTR 100 10 "u" "E2U+sip" "!^.*$!sip:x@y!" .
svc	SVCB 1 ns1 alpn=h2,h3 port=443 ipv4hint=192.0.2.9
https	HTTPS 0 ns1
ds	DS 12345 8 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
ds	NS ns1
dn	DNAME other.test.
loc	LOC 51 30 12.748 N 0 7 39.612 W 0.00m 0.00m 0.00m 0.00m
uri	URI 10 1 "http://x/"
hinfo	HINFO "PC" "Linux"
rp	RP mbox.x txt.y
pgp	OPENPGPKEY AQIDBA==
cert	CERT 1 0 0 AQIDBA==
dhcid	DHCID AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=
t65280	TYPE65280 \# 4 01020304
ptr	PTR esc\.aped\032x
esc\.aped	TXT "\255\000 \\ "
$ORIGIN sub2.example.test.
x A 192.0.2.5
@ 2w A 192.0.2.6
$TTL 5
y A 192.0.2.7
"""


def compiled(path):
    """The records as BIND has them, but the SOA, whose serial may be ours."""
    done = run("named-compilezone", "-q", "-s", "full", "-k", "ignore", "-i", "none", "-m", "ignore", "-n", "ignore",
               "-o", path + ".compiled", "example.test", path)
    with open(path + ".compiled", encoding="latin-1") as f:
        return sorted(x for x in f.read().splitlines() if " SOA " not in x), done


def dumped(gateway, name):
    path = os.path.join(gateway.dir, name)
    with open(path, "w") as f:
        f.write(gateway.ctl("dump", "example.test.").stdout)
    return path


def test_every_common_type_comes_out_as_it_went_in(make_gateway):
    g = make_gateway(files={"example.test.zone": TYPES})
    dump = dumped(g, "dump.zone")
    assert compiled(dump)[0] == compiled(os.path.join(g.dir, "example.test.zone"))[0]
    assert "OK" in run("named-checkzone", "-i", "none", "example.test", dump).stdout


def test_a_dump_begins_with_the_soa_and_is_in_canonical_order(make_gateway):
    import dns.name
    g = make_gateway(files={"example.test.zone": TYPES})
    with open(dumped(g, "dump.zone")) as f:
        lines = f.read().splitlines()
    assert lines[0].split()[3] == "SOA"
    owners = [dns.name.from_text(x.split()[0]) for x in lines]
    assert owners == sorted(owners)


def test_a_dump_loads_again_and_gives_itself(make_gateway):
    g = make_gateway(files={"example.test.zone": TYPES})
    with open(dumped(g, "dump.zone")) as f:
        first = f.read()
    again = make_gateway(files={"example.test.zone": first})
    with open(dumped(again, "dump.zone")) as f:
        assert [x for x in f if " SOA " not in x] == [x for x in first.splitlines(True) if " SOA " not in x]
