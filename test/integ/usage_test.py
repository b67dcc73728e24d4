#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Usage is what was on the wire: in a network namespace of its own, nftables and a packet socket count what a relay of
callflowd carries, and the row is equal to the packet and the byte. Then what the command line makes of the rows."""
import contextlib
import csv
import io
import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading

from api_test import CALLING, Service
from call_cli import CLI, ask, client_env, wait_until
from daemon import Daemon, need
from stun import (BINDING, CHANNEL, CHANNEL_BIND, DATA, INDICATION, LIFETIME, PEER, REFRESH, REQUEST, SEND, SUCCESS, Allocation,
                  attribute, message, read, xor_address)

TRAVERSAL = "/networkTraversal/:issueRelayConfiguration?api-version=2022-03-01-preview"
NUMBER = 0x4001
SIZES = [1, 2, 3, 4, 160, 161, 1199, 1200] * 4
SO_RCVBUFFORCE = 33
INSIDE = "CALLFLOW_USAGE_NAMESPACE"


def in_namespace():
    """Starts this program again in a network namespace with nothing but loopback."""
    if os.environ.get(INSIDE):
        return
    flags = ["--net"] if os.geteuid() == 0 else ["--net", "--map-root-user"]
    probe = subprocess.run(["unshare", *flags, "ip", "link", "set", "lo", "up"], capture_output=True, check=False)
    need(probe.returncode == 0, "no network namespace to be had")
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", *flags, "sh", "-c", 'ip link set lo up; exec "$@"', "sh", sys.executable, *sys.argv])


class Counters:
    """nftables counters of UDP payloads that arrive, by name."""
    HEADERS = 28

    def __init__(self, rules):
        lines = "".join(f"counter {name} {{}}\n" for name, _ in rules)
        chain = "".join(f"{match} counter name {name}\n" for name, match in rules)
        self.load(f"add table inet usage; delete table inet usage; table inet usage {{\n{lines}chain in {{"
                  f"type filter hook input priority 0;\n{chain}}}\n}}\n")

    @staticmethod
    def load(text):
        subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)

    def get(self):
        out = subprocess.run(["nft", "-j", "list", "counters"], capture_output=True, text=True, check=True).stdout
        found = (entry["counter"] for entry in json.loads(out)["nftables"] if "counter" in entry)
        return {c["name"]: (c["packets"], c["bytes"] - self.HEADERS * c["packets"]) for c in found}


class Sniffer:
    """Both directions of the TCP connections of a port, as a packet socket sees them."""

    def __init__(self, port):
        self.port, self.segments = port, {"in": {}, "out": {}}
        self.starts = {}
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        # On a busy machine this thread comes late, and what does not fit until then would not be counted.
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        self.socket.bind(("lo", 0))
        self.socket.settimeout(0.1)
        self.over = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            try:
                data, address = self.socket.recvfrom(65536 * 2)
            except socket.timeout:
                if self.over:
                    return
                continue
            if address[2] != socket.PACKET_OUTGOING and data[12:14] == b"\x08\0" and data[23] == socket.IPPROTO_TCP:
                self.take(data[14:])

    def take(self, packet):
        packet = packet[:struct.unpack_from("!H", packet, 2)[0]]
        tcp = packet[(packet[0] & 15) * 4:]
        source, target, sequence = struct.unpack_from("!HHI", tcp)
        side = "in" if target == self.port else "out" if source == self.port else None
        if not side:
            return
        if tcp[13] & 2:
            self.starts[side] = sequence + 1
        elif payload := tcp[(tcp[12] >> 4) * 4:]:
            self.segments[side][sequence] = payload

    def stream(self, side):
        out, at = b"", self.starts[side]
        while (part := self.segments[side].get(at & 0xFFFFFFFF)) is not None:
            out += part
            at += len(part)
        return out

    def stop(self):
        self.over = True
        self.thread.join()
        self.socket.close()


def frames(stream):
    """TURN messages of a stream (RFC 8656 section 12.5), padding included."""
    at = 0
    while at < len(stream):
        length = struct.unpack_from("!H", stream, at + 2)[0]
        size = 20 + length if stream[at] < 0x40 else 4 + length + -length % 4
        yield stream[at:at + size]
        at += size


def relayed(messages):
    """(number, bytes) of those that carry relayed data."""
    kinds = (SEND | INDICATION, DATA | INDICATION)
    sizes = [len(m) for m in messages if m[0] >= 0x40 or struct.unpack_from("!H", m)[0] in kinds]
    return len(sizes), sum(sizes)


class Leg:
    """A client's side of a relay over one transport."""

    def __init__(self, daemon, transport, server, source="127.0.0.1"):
        self.stream = transport != "udp"
        url = next(u for u in server["urls"] if u.startswith("turns:" if transport == "tls" else "turn:") and
                   (transport == "udp") == u.endswith("udp"))
        host, port = url.split(":", 1)[1].split("?")[0].rsplit(":", 1)
        self.address = (host, int(port))
        self.sniffer = Sniffer(int(port)) if transport == "tcp" else None
        if transport == "udp":
            self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.sock.bind((source, 0))
            self.sock.connect(self.address)
        else:
            self.sock = socket.create_connection(self.address, 10)
        if transport == "tls":
            self.sock = ssl.create_default_context(cafile=daemon.ca).wrap_socket(self.sock, server_hostname=host)
        self.sock.settimeout(10)
        self.sent, self.received = [], []
        self.allocation = Allocation(self, server, self.stream)

    def sendall(self, data):
        self.sent.append(data)
        self.sock.sendall(data)

    def recv(self, size):
        return self.sock.recv(size)

    def exactly(self, size):
        data = b""
        while len(data) < size:
            part = self.sock.recv(size - len(data))
            assert part, "closed"
            data += part
        return data

    def message(self):
        if not self.stream:
            data = self.sock.recv(4096)
        else:
            head = self.exactly(4)
            length = struct.unpack_from("!H", head, 2)[0]
            data = head + self.exactly(16 + length if head[0] < 0x40 else length + -length % 4)
        self.received.append(data)
        return data

    def channel(self, data):
        pad = bytes(-len(data) % 4) if self.stream else b""
        self.sendall(struct.pack("!HH", NUMBER, len(data)) + data + pad)

    def on_wire(self):
        """Client side as the packet socket saw it, or for TLS as it went into the encryption."""
        if not self.sniffer:
            return relayed(self.sent), relayed(self.received)
        self.sniffer.stop()
        return relayed(frames(self.sniffer.stream("in"))), relayed(frames(self.sniffer.stream("out")))


def rules(leg, peer):
    port, relayed_port = leg.address[1], leg.allocation.relayed[1]
    data = "@th,64,16 & 0xc000 == 0x4000"  # ChannelData
    return [("client_in", f"udp dport {port} {data}"), ("client_in_ind", f"udp dport {port} @th,64,16 == {SEND | INDICATION}"),
            ("client_out", f"udp sport {port} {data}"), ("client_out_ind", f"udp sport {port} @th,64,16 == {DATA | INDICATION}"),
            ("peer_in", f"udp sport {peer} udp dport {relayed_port}"), ("peer_out", f"udp sport {relayed_port} udp dport {peer}")]


def bounce(leg, peer, others):
    """Data both ways, by Send indication and by channel; and what costs nothing."""
    address = peer.getsockname()
    assert leg.allocation.permit(address[0]) == 0
    for by_channel in (False, True):
        if by_channel:
            kind, _ = leg.allocation.exchange(leg.allocation.request(
                CHANNEL_BIND, attribute(CHANNEL, struct.pack("!HH", NUMBER, 0)), attribute(PEER, xor_address(*address))))
            assert kind == CHANNEL_BIND | SUCCESS
        for size in SIZES:
            data = os.urandom(size)
            leg.channel(data) if by_channel else leg.allocation.send(*address, data)
            got, source = peer.recvfrom(4096)
            assert got == data and source == leg.allocation.relayed
            peer.sendto(data, source)
            assert data in leg.message()
    leg.sendall(struct.pack("!HH", NUMBER + 1, 4) + b"none")  # a channel that nobody bound
    leg.sent.pop()
    kind, _ = leg.allocation.exchange(message(BINDING | REQUEST))
    assert kind == BINDING | SUCCESS
    others.sendto(message(BINDING | REQUEST), leg.address)
    assert leg.allocation.refresh(600) == 0


def finish(leg):
    kind, _ = leg.allocation.exchange(leg.allocation.request(REFRESH, attribute(LIFETIME, bytes(4))))
    assert kind == REFRESH | SUCCESS


def equal(daemon, service, transport):
    """the row is what was on the wire, client side and peer side, over"""
    user, token = service.user()
    server = next(s for s in service.send("POST", TRAVERSAL, {"id": user}).json["iceServers"] if s.get("username"))
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as peer, \
            contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as others:
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(10)
        leg = Leg(daemon, transport, server)
        counters = Counters(rules(leg, peer.getsockname()[1]))
        bounce(leg, peer, others)
        finish(leg)
        leg.sock.close()
        seen = counters.get()
    row, = wait_until(lambda: [r for r in service.send("GET", f"{CALLING}/usage?user={user}").json["value"] if r["ended"]], "row")
    assert row["transport"] == transport and row["kind"] == "relay", row
    n, payload = 2 * len(SIZES), 2 * sum(SIZES)
    assert seen["peer_in"] == seen["peer_out"] == (n, payload), seen
    client_in, client_out = leg.on_wire()
    if transport == "udp":
        plus = lambda a, b: (a[0] + b[0], a[1] + b[1])
        assert seen["client_in"][0] == len(SIZES) + 1, seen
        lost = (-1, -8)  # on the wire, but of no channel
        assert client_in == plus(plus(seen["client_in"], seen["client_in_ind"]), lost), (client_in, seen)
        assert client_out == plus(seen["client_out"], seen["client_out_ind"]), (client_out, seen)
    if transport == "tcp":
        client_in = (client_in[0] - 1, client_in[1] - 8)
    got = {side: (row[f"{side}Packets"], row[f"{side}Bytes"]) for side in ("clientIn", "clientOut", "peerIn", "peerOut")}
    want = {"clientIn": client_in, "clientOut": client_out, "peerIn": (n, payload), "peerOut": (n, payload)}
    assert got == want, (got, want)
    return user, token


def stun_is_free(daemon, service):
    """STUN is in no row"""
    before = service.send("GET", f"{CALLING}/usage").json["value"]
    host, port = daemon.ready["stun"].rsplit(":", 1)
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        sock.settimeout(10)
        sock.connect((host, int(port)))
        for _ in range(50):
            sock.send(message(BINDING | REQUEST))
            assert read(sock.recv(2000))[0] == BINDING | SUCCESS
    assert service.send("GET", f"{CALLING}/usage").json["value"] == before


def command(env, *args):
    status, out, err = ask(env, "usage", *args)
    assert status == 0, f"usage {' '.join(args)}: {status} {err}"
    return out


def formats(daemon, users):
    """callflow usage: tables, JSON, CSV, sums, as key and as user"""
    env = client_env(daemon)
    assert len(command(env).splitlines()) == 4
    rows = [json.loads(line) for line in command(env, "--json").splitlines()]
    text = subprocess.run([str(CLI), "usage", "--csv"], env=env, capture_output=True, check=True).stdout.decode()
    assert text.count("\r\n") == 4, text
    table = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [r["id"] for r in table] == [r["id"] for r in rows]
    assert all(str(r[name]) == t[name] for r, t in zip(rows, table) for name in r if name != "ended")
    sums = [json.loads(line) for line in command(env, "--json", "--by", "transport").splitlines()]
    assert [s["transport"] for s in sums] == ["tcp", "tls", "udp"]
    assert all(s["peerInBytes"] == 2 * sum(SIZES) for s in sums)
    total, = (json.loads(line) for line in command(env, "--json", "--by", "total", "--from", "-1h").splitlines())
    assert total["records"] == 3 and total["peerOutPackets"] == 6 * len(SIZES), total
    assert command(env, "--csv", "--by", "user", "--to", "-1h").startswith("user,records,relayMs,")
    user, token = users[0]
    own = {**{k: v for k, v in env.items() if k != "CALLFLOW_CONNECTION_STRING"}, "CALLFLOW_ENDPOINT": daemon.endpoint,
           "CALLFLOW_TOKEN": token}
    assert {json.loads(line)["user"] for line in command(own, "--json").splitlines()} == {user}
    for wrong in (["--from", "x"], ["--by", "colour"], ["--kind", "phone"]):
        status, _, err = ask(env, "usage", *wrong)
        assert status == 1 and "400 BadRequest" in err, (status, err)


def signed(daemon):
    """callflow usage: a signed export, checked, and again after it was altered"""
    env = client_env(daemon)
    file, keys = os.path.join(daemon.state, "export"), os.path.join(daemon.state, "keys")
    assert ask(env, "usage", "--export", file, "--from", "-1h")[0] == 0
    with open(keys, "w", encoding="utf-8") as out:
        out.write(command(env, "--public-key"))
    assert oct(os.stat(os.path.join(daemon.state, "usage-keys")).st_mode)[-3:] == "600"
    assert "good: 3 rows" in command(env, "--verify", file)
    assert "period was not over" in command({"PATH": env["PATH"]}, "--verify", file, "--key", keys)
    with open(file, encoding="utf-8") as lines:
        text = lines.read()
    with open(file, "w", encoding="utf-8") as out:
        out.write(text.replace('"transport":"tls"', '"transport":"udp"'))
    status, _, err = ask(env, "usage", "--verify", file)
    assert status == 1 and "was altered" in err, (status, err)


def many(daemon, service):
    """more rows than a page come all, and once"""
    user, _ = service.user()
    server = next(s for s in service.send("POST", TRAVERSAL, {"id": user}).json["iceServers"] if s.get("username"))
    for i in range(230):  # from many addresses: challenges are limited by source
        leg = Leg(daemon, "udp", server, f"127.0.1.{i + 1}")
        finish(leg)
        leg.sock.close()
    def all_ended():
        rows = [json.loads(line) for line in command(client_env(daemon), "--json", "--user", user).splitlines()]
        return rows if sum(row["ended"] for row in rows) == 230 else None

    rows = wait_until(all_ended, "rows")
    assert len(rows) == len({r["id"] for r in rows}) == 230


def main():
    in_namespace()
    users, failed, n = [], 0, 0
    with Daemon() as daemon:
        service = Service(daemon)
        tests = [*((f"{equal.__doc__} {t}", lambda t=t: users.append(equal(daemon, service, t))) for t in ("udp", "tcp", "tls")),
                 (stun_is_free.__doc__, lambda: stun_is_free(daemon, service)), (formats.__doc__, lambda: formats(daemon, users)),
                 (signed.__doc__, lambda: signed(daemon)), (many.__doc__, lambda: many(daemon, service))]
        print(f"1..{len(tests)}")
        for n, (name, test) in enumerate(tests, 1):
            try:
                test()
                print(f"ok {n} - {name}", flush=True)
            except Exception as error:  # pylint: disable=broad-except
                failed += 1
                print(f"not ok {n} - {name}\n# {type(error).__name__}: {error}", flush=True)
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
