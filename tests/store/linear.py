"""Clients of several gateways on a few names, and the question whether what they were told is linearizable (porcupine)."""
import json
import os
import random
import threading
import time

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.update
import pytest
from conftest import TOP, run

LINEAR = os.path.join(TOP, "tests", "clients", "linear")
OUTCOMES = {dns.rcode.NOERROR: "ok", dns.rcode.NXRRSET: "no", dns.rcode.YXRRSET: "no"}


def checker(folder):
    """The checker's path; no Go or no module: skipped."""
    go = run(os.path.join(TOP, "tests", "servers", "go"), check=False, timeout=900)
    if go.returncode:
        pytest.skip("no Go here: " + go.stderr[-300:])
    binary = os.path.join(folder, "linear")
    built = run(go.stdout.strip().splitlines()[-1], "build", "-o", binary, ".", cwd=LINEAR, check=False, timeout=600)
    if built.returncode:
        pytest.skip("porcupine cannot be built: " + built.stderr[-300:])
    return binary


class Clients:
    """CLIENTS threads, each at one gateway's port, that write, compare and swap, and read TXT at NAMES names until `stop`."""

    def __init__(self, ports, zone="example.test.", clients=6, names=4, pause=0.0, timeout=3.0):
        self.ports, self.zone, self.names, self.pause, self.timeout = ports, zone, names, pause, timeout
        self.history, self.stopped = [], threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(i,)) for i in range(clients)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.threads:
            thread.join()

    def look(self, port, name):
        """What the gateway serves; perhaps old, where another gateway has changed it."""
        try:
            answer = dns.query.udp(dns.message.make_query(name + "." + self.zone, "TXT"), "127.0.0.1", port=port, timeout=1)
            return answer.answer[0][0].strings[0].decode() if answer.answer else ""
        except (OSError, dns.exception.DNSException):
            return None

    def ask(self, port, client, number, op):
        update = dns.update.UpdateMessage(self.zone)
        update.absent("u%d-%d" % (client, number))  # no two messages are alike: retransmissions get the first one's answer
        if op["op"] != "write" and op["from"]:
            update.present(op["name"], "TXT", op["from"])
        elif op["op"] != "write":
            update.absent(op["name"], "TXT")
        if op["op"] != "read":
            update.delete(op["name"], "TXT")
            if op["to"]:
                update.add(op["name"], 60, "TXT", op["to"])
        try:
            return OUTCOMES.get(dns.query.tcp(update, "127.0.0.1", port=port, timeout=self.timeout).rcode(), "unknown")
        except (OSError, dns.exception.DNSException, EOFError):
            return "unknown"

    def work(self, client):
        port, chance, number = self.ports[client % len(self.ports)], random.Random(client), 0
        while not self.stopped.is_set():
            name, number = "r%d" % chance.randrange(self.names), number + 1
            op = {"client": client, "name": name, "op": chance.choice(["cas", "cas", "cas", "write", "read"]), "from": "", "to": ""}
            if op["op"] != "write":
                op["from"] = self.look(port, name)
            if op["op"] != "read":
                op["to"] = chance.choice(["", "v%d-%d" % (client, number)] + ["v%d-%d" % (client, number)] * 3)
            if op["from"] is None or (op["op"] == "cas" and op["from"] == op["to"]):
                continue
            op["call"] = time.monotonic_ns()
            op["outcome"] = self.ask(port, client, number, op)
            op["end"] = time.monotonic_ns()
            self.history.append(op)
            time.sleep(self.pause if op["outcome"] != "unknown" else 0.2)

    def check(self, binary, path):
        """Linearizable for each name; the number of operations that had an answer."""
        for i in range(self.names):  # what is there at the end, at every gateway
            for port in self.ports:
                served = self.look(port, "r%d" % i)
                self.history.append({"client": 1000, "name": "r%d" % i, "op": "read", "from": served, "to": "", "outcome": "ok",
                                     "call": time.monotonic_ns(), "end": time.monotonic_ns()})
        with open(path, "w") as f:
            f.writelines(json.dumps(op) + "\n" for op in self.history)
        done = run(binary, path, check=False, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr + open(path).read()[-2000:]
        return sum(op["outcome"] != "unknown" for op in self.history)
