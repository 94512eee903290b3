"""BIND, NSD, Knot and PowerDNS as the tests start them, each in a folder of its own: as secondaries of a gateway, and as primaries
that a zone is taken from."""
import os
import shutil
import subprocess
import time

import dns.exception
import dns.message
import dns.query
import pytest

from conftest import PATIENCE, SECRET, free_port, keyfile


def soa_of(zone, port, timeout=PATIENCE):
    """The answer to a SOA query; None: there is none."""
    try:
        return dns.query.udp(dns.message.make_query(zone, "SOA"), "127.0.0.1", port=port, timeout=timeout)
    except (dns.exception.DNSException, OSError):
        return None


def soa_serial_of(zone, port, timeout=PATIENCE):
    """None: no answer, or none with a SOA."""
    answer = soa_of(zone, port, timeout)
    return answer.answer[0][0].serial if answer and answer.answer else None


class Server:
    """name and program say which it is; config() and command() how it is started. Roles below add the zone."""

    def prepare(self, folder):
        if not shutil.which(self.program) and not os.path.exists("/usr/sbin/" + self.program):
            pytest.skip("%s is not installed" % self.program)
        self.dir = os.path.join(folder, self.name)
        self.port = free_port()
        self.log_path = os.path.join(self.dir, "log")
        self.proc = None
        os.makedirs(self.dir)
        os.chmod(self.dir, 0o777)

    def write(self, name, text):
        with open(os.path.join(self.dir, name), "w") as f:
            f.write(text)

    def start(self):
        self.write(self.conf, self.config())
        with open(self.log_path, "ab") as log:
            self.proc = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.dir)
        return self

    def stop(self):
        if self.proc and self.proc.poll() is None:
            self.proc.terminate()
            try:
                self.proc.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
        self.proc = None

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def wait_for(self, zone, serial=None, seconds=2 * PATIENCE):
        """Until it serves this serial; None: any."""
        end, seen = time.monotonic() + seconds, None
        while time.monotonic() < end:
            seen = soa_serial_of(zone, self.port, 1)
            if seen is not None and serial in (None, seen):
                return
            assert self.proc.poll() is None, self.log()[-3000:]
            time.sleep(0.02)
        raise AssertionError("%s has serial %s, not %s:\n%s" % (self.name, seen, serial, self.log()[-3000:]))


class Bind(Server):
    name, program, conf = "bind", "named", "conf"
    options = listeners = ""  # more of them

    def command(self):
        return ["named", "-f", "-n", "1", "-c", os.path.join(self.dir, self.conf)]

    def config(self):
        return keyfile() + """options { directory "%s"; listen-on port %d { 127.0.0.1; }; %s listen-on-v6 { none; }; pid-file "pid"; recursion no;
notify no; dnssec-validation no; session-keyfile "session.key"; %s };
logging { channel all { stderr; severity debug 3; print-category yes; }; category default { null; }; category xfer-in { all; };
category notify { all; }; category general { all; }; };
controls { };
%s""" % (self.dir, self.port, self.listeners, self.options, self.zones())


class Nsd(Server):
    name, program, conf = "nsd", "nsd", "conf"
    options = ""

    def command(self):
        return ["nsd", "-d", "-c", os.path.join(self.dir, self.conf)]

    def config(self):
        paths = "".join('    %s: "%s/%s"\n' % (key, self.dir, file) for key, file in (
            ("zonesdir", ""), ("pidfile", "pid"), ("xfrdfile", "xfrd.state"), ("xfrdir", ""), ("zonelistfile", "zone.list")))
        return """server:
    ip-address: 127.0.0.1@%d
    server-count: 1
    username: ""
    database: ""
    verbosity: 3
%s%skey:
    name: dhcp.
    algorithm: hmac-sha256
    secret: "%s"
remote-control:
    control-enable: no
%s""" % (self.port, paths, self.options, SECRET, self.zones())


class Knot(Server):
    name, program, conf = "knot", "knotd", "conf"

    def command(self):
        return ["knotd", "-c", os.path.join(self.dir, self.conf)]

    def config(self):
        return """server:
    listen: 127.0.0.1@%d
    rundir: "%s"
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
    tcp-io-timeout: 20000
log:
  - target: stderr
    any: info
database:
    storage: "%s"
key:
  - id: dhcp.
    algorithm: hmac-sha256
    secret: "%s"
%s""" % (self.port, self.dir, self.dir, SECRET, self.zones())


class Pdns(Server):
    """With its SQLite backend, filled by pdnsutil."""
    name, program, conf = "pdns", "pdns_server", "pdns.conf"
    options = ""

    def command(self):
        return ["pdns_server", "--config-dir=" + self.dir]

    def config(self):
        return """launch=gsqlite3
gsqlite3-database=%s/pdns.db
local-address=127.0.0.1
local-port=%d
socket-dir=%s
daemon=no
guardian=no
disable-syslog=yes
loglevel=6
query-cache-ttl=0
cache-ttl=0
negquery-cache-ttl=0
zone-cache-refresh-interval=0
security-poll-suffix=
%s""" % (self.dir, self.port, self.dir, self.options)

    def util(self, *arguments):
        subprocess.run(["pdnsutil", "--config-dir=" + self.dir, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def start(self):
        if not os.path.exists(os.path.join(self.dir, "pdns.db")):
            if not shutil.which("sqlite3") or not shutil.which("pdnsutil"):
                pytest.skip("pdns-backend-sqlite3 or sqlite3 is not installed")
            self.write(self.conf, self.config())
            with open("/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql") as schema:
                subprocess.run(["sqlite3", os.path.join(self.dir, "pdns.db")], stdin=schema, check=True)
            self.util("import-tsig-key", "dhcp", "hmac-sha256", SECRET)
            self.fill()
        return super().start()


# ---- secondaries of a gateway ----

def targets(secondaries, signed):
    """What `notify` of the gateway's configuration has of them."""
    return ", ".join(("{address: 127.0.0.1@%d, key: dhcp.}" if signed else "127.0.0.1@%d") % s.port for s in secondaries)



class Secondary:
    """primary: has `port`. signed: NOTIFY and transfers, by the key dhcp."""

    def __init__(self, folder, primary, signed, zone="example.test."):
        self.prepare(folder)
        self.primary, self.signed, self.zone = primary, signed, zone

    def wait(self, serial, seconds=2 * PATIENCE):
        self.wait_for(self.zone, serial, seconds)


class SecondaryBind(Secondary, Bind):
    options = "serial-query-rate 1000; min-refresh-time 1; min-retry-time 1; max-ixfr-ratio unlimited;"
    tls = ""

    def primaries(self):
        return "127.0.0.1 port %d%s%s;" % (self.primary.port, ' key "dhcp."' if self.signed else "", self.tls)

    def zones(self):
        return """zone "%s" { type secondary; primaries { %s }; file "zone"; masterfile-format text; allow-transfer { any; };
%s };
""" % (self.zone, self.primaries(), 'allow-notify { key "dhcp."; };' if self.signed else "")


class SecondaryNsd(Secondary, Nsd):
    options = "    xfrd-reload-timeout: 0\n"
    tls = ""

    def zones(self):
        key = "dhcp." if self.signed else "NOKEY"
        return """zone:
    name: %s
    zonefile: "zone"
    allow-notify: 127.0.0.1 %s
    request-xfr: 127.0.0.1@%d %s%s
    provide-xfr: 127.0.0.1 NOKEY
""" % (self.zone, key, self.primary.port, key, self.tls)


class SecondaryKnot(Secondary, Knot):
    def head(self):
        """What a zone of a secondary needs: master gateway, acl [notify, transfer]."""
        key = "    key: dhcp.\n" if self.signed else ""
        return """remote:
  - id: gateway
    address: 127.0.0.1@%d
%sacl:
  - id: notify
    address: 127.0.0.1
    action: notify
%s  - id: transfer
    address: 127.0.0.1
    action: transfer
""" % (self.primary.port, key, key)

    def zones(self):
        return self.head() + """zone:
  - domain: %s
    storage: "%s"
    master: gateway
    acl: [notify, transfer]
""" % (self.zone, self.dir)


class SecondaryPdns(Secondary, Pdns):
    """Version 4.7 has IXFR for secondaries where the zone's metadata says so."""
    options = "secondary=yes\nallow-axfr-ips=127.0.0.1\nxfr-cycle-interval=600\n"

    def fill(self):
        zone = self.zone.rstrip(".")
        self.util("create-secondary-zone", zone, "127.0.0.1:%d" % self.primary.port)
        self.util("set-meta", zone, "IXFR", "1")
        if self.signed:
            self.util("activate-tsig-key", zone, "dhcp", "secondary")


# ---- primaries that a zone is taken from ----

class Primary:
    """allow: who may have the zone: "key" (dhcp.), "any", None (nobody). `text`: its master file."""

    def __init__(self, folder, zone, text, allow):
        self.prepare(folder)
        self.zone, self.allow = zone, allow
        self.write("zone", text)
        self.tls = free_port()

    def serve(self):
        self.start()
        try:
            self.wait_for(self.zone)
        except AssertionError:
            self.stop()
            raise
        return self


class PrimaryBind(Primary, Bind):
    options = "allow-transfer { none; };"
    pem = None  # a folder with server.pem and server.key: serve it over TLS too

    def config(self):
        if not self.pem:
            return super().config()
        self.listeners = "listen-on port %d tls local { 127.0.0.1; };" % self.tls
        return 'tls local { cert-file "%s/server.pem"; key-file "%s/server.key"; };\n' % (self.pem, self.pem) + super().config()

    def zones(self):
        allow = {"key": 'key "dhcp.";', "any": "any;", None: "none;"}[self.allow]
        return 'zone "%s" { type primary; file "zone"; check-names ignore; allow-transfer { %s }; };\n' % (self.zone, allow)


class PrimaryKnot(Primary, Knot):
    def zones(self):
        acl = {"key": "    key: dhcp.\n", "any": "", None: "    key: dhcp.\n    deny: on\n"}[self.allow]
        return """acl:
  - id: transfer
    address: 127.0.0.1
    action: transfer
%szone:
  - domain: %s
    storage: "%s"
    file: zone
    semantic-checks: off
    acl: transfer
""" % (acl, self.zone, self.dir)


class PrimaryNsd(Primary, Nsd):
    pem = None

    def config(self):
        if self.pem:
            self.options = """    ip-address: 127.0.0.1@%d
    tls-port: %d
    tls-service-key: "%s/server.key"
    tls-service-pem: "%s/server.pem"
""" % (self.tls, self.tls, self.pem, self.pem)
        return super().config()

    def zones(self):
        allow = {"key": "    provide-xfr: 127.0.0.1 dhcp.\n", "any": "    provide-xfr: 127.0.0.1 NOKEY\n", None: ""}[self.allow]
        return 'zone:\n    name: %s\n    zonefile: "zone"\n%s' % (self.zone, allow)


class PrimaryPdns(Primary, Pdns):
    options = "primary=yes\n"

    def config(self):
        return super().config() + "allow-axfr-ips=%s\n" % ("127.0.0.1" if self.allow == "any" else "")

    def fill(self):
        zone = self.zone.rstrip(".")
        self.util("load-zone", zone, os.path.join(self.dir, "zone"))
        if self.allow == "key":
            self.util("activate-tsig-key", zone, "dhcp", "primary")
