# SPDX-License-Identifier: Apache-2.0
"""Clients of the service as cheap as they can be: blocking sockets, HTTP/1.1 or HTTP/2 by hand, and callflowd as the kernel sees it."""
import json
import os
import select
import socket
import ssl
import sys
import time

import part

sys.path.insert(0, str(part.ROOT / "test" / "integ"))
os.environ.setdefault("CALLFLOW_BUILD", str(part.BUILD))
from daemon import Daemon  # noqa: E402
from signed import signature  # noqa: E402

CALLING = "/calling/2026-11-01"
WAIT_S = 60
PATIENCE_S = 60
DATA, HEADERS, SETTINGS, WINDOW_UPDATE = 0, 1, 4, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1


class Connection:
    """One TLS connection. request() gives the JSON of the answer; events() those that came on its stream."""

    def __init__(self, service):
        # From many addresses of the loopback: one address may have 1000 connections.
        n = len(service.connections) // 500
        source = f"127.0.{n // 250}.{1 + n % 250}"
        sock = socket.create_connection(service.address, timeout=WAIT_S, source_address=(source, 0))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.service, self.sock = service, service.tls[self.ALPN].wrap_socket(sock, server_hostname=service.address[0])
        self.data, self.text = bytearray(), ""
        service.connections.append(self)

    def read(self):
        got = self.sock.recv(65536)
        if not got:
            raise RuntimeError("the service closed the connection")
        self.data += got

    def request(self, method, path, token, body=None, more=None, raw=None):
        self.send(method, path, token, raw if raw is not None else json.dumps(body).encode() if body else b"", more)
        return self.answer()

    def take_events(self):
        """What is complete of the text of a stream: [(type, data)]"""
        *whole, self.text = self.text.split("\n\n")
        found = []
        for block in whole:
            fields = dict(line.split(": ", 1) for line in block.split("\n") if line and line[0] != ":" and ": " in line)
            if "event" in fields:
                found.append((fields["event"], json.loads(fields["data"])))
        return found

    def wait_event(self, name):
        """Reads until an event of that name has come; others are passed over."""
        while True:
            for kind, data in self.take_events():
                if kind == name:
                    return data
            self.read_stream()


def checked(text):
    answer = json.loads(text) if text else None
    if answer and "error" in answer:
        raise RuntimeError(f"refused: {text[:200]}")
    return answer


class Http1(Connection):
    ALPN = "http/1.1"
    NAME = "HTTP/1.1"

    def send(self, method, path, token, body=b"", more=None):
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.service.host}", f"Content-Length: {len(body)}",
                 "Content-Type: application/json", *(f"{k}: {v}" for k, v in (more or {}).items())]
        if token:
            lines.append(f"Authorization: Bearer {token}")
        self.sock.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def head(self):
        while b"\r\n\r\n" not in self.data:
            self.read()
        head, _, rest = bytes(self.data).partition(b"\r\n\r\n")
        self.data = bytearray(rest)
        return head.decode().lower()

    def answer(self):
        head = self.head()
        length = int(head.split("content-length:")[1].split("\r\n")[0]) if "content-length:" in head else 0
        while len(self.data) < length:
            self.read()
        text = bytes(self.data[:length])
        del self.data[:length]
        return checked(text)

    def stream(self, path, token):
        self.send("GET", path, token)
        if " 200 " not in self.head().split("\r\n")[0]:
            raise RuntimeError("no stream")

    def read_stream(self):
        while True:  # chunks
            size, found, rest = bytes(self.data).partition(b"\r\n")
            n = int(size, 16) if found else 0
            if found and len(rest) >= n + 2:
                break
            self.read()
        self.text += rest[:n].decode()
        self.data = bytearray(rest[n + 2:])


class Http2(Connection):
    ALPN = "h2"
    NAME = "HTTP/2"

    def __init__(self, service):
        super().__init__(service)
        self.id, self.stream_id = -1, None
        self.sock.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + self.frame(SETTINGS, 0, 0, b""))

    @staticmethod
    def frame(kind, flags, stream, payload):
        return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload

    @staticmethod
    def field(name, value):
        """A literal that is not indexed (RFC 7541 section 6.2.2)."""
        def text(data):
            n = len(data)
            if n < 127:
                return bytes((n,)) + data
            n, out = n - 127, [127]
            while n >= 128:
                out.append(n % 128 + 128)
                n //= 128
            return bytes((*out, n)) + data
        return b"\x00" + text(name.encode()) + text(value.encode())

    def send(self, method, path, token, body=b"", more=None):
        fields = {":method": method, ":scheme": "https", ":path": path, ":authority": self.service.host,
                  "content-type": "application/json", **{k.lower(): v for k, v in (more or {}).items()}}
        if token:
            fields["authorization"] = f"Bearer {token}"
        block = b"".join(self.field(k, v) for k, v in fields.items())
        self.id += 2
        data = self.frame(HEADERS, END_HEADERS | (0 if body else END_STREAM), self.id, block)
        self.sock.sendall(data + (self.frame(DATA, END_STREAM, self.id, body) if body else b""))

    def next_frame(self):
        while len(self.data) < 9 or len(self.data) < 9 + int.from_bytes(self.data[:3], "big"):
            self.read()
        n = int.from_bytes(self.data[:3], "big")
        kind, flags, stream = self.data[3], self.data[4], int.from_bytes(self.data[5:9], "big")
        payload = bytes(self.data[9:9 + n])
        del self.data[:9 + n]
        if kind == SETTINGS and not flags & ACK:
            self.sock.sendall(self.frame(SETTINGS, ACK, 0, b""))
        if kind in (3, 7):
            raise RuntimeError(f"reset or goodbye: {payload}")
        if kind == DATA and n:
            grow = n.to_bytes(4, "big")
            self.sock.sendall(self.frame(WINDOW_UPDATE, 0, 0, grow)
                              + (b"" if flags & END_STREAM else self.frame(WINDOW_UPDATE, 0, stream, grow)))
        if kind == DATA and stream == self.stream_id:
            self.text += payload.decode()
        return kind, flags, stream, payload

    def answer(self):
        text, mine = b"", self.id
        while True:
            kind, flags, stream, payload = self.next_frame()
            if stream == mine and kind == DATA:
                text += payload
            if stream == mine and kind in (DATA, HEADERS) and flags & END_STREAM:
                return checked(text)

    def stream(self, path, token):
        self.send("GET", path, token)
        self.stream_id = self.id
        while True:
            kind, _, stream, payload = self.next_frame()
            if kind == HEADERS and stream == self.stream_id:
                if payload[:1] != b"\x88" and b"\x88" not in payload[:4]:  # :status 200, maybe behind a table's new size
                    raise RuntimeError("no stream")
                return

    def read_stream(self):
        self.next_frame()


class Service:
    """A callflowd, and how to reach it."""

    def __init__(self, daemon):
        self.daemon, self.host, self.pid = daemon, daemon.endpoint.removeprefix("https://"), daemon.process.pid
        address, _, port = self.host.rpartition(":")
        self.address, self.tls, self.connections = (address, int(port)), {}, []
        for alpn in (Http1.ALPN, Http2.ALPN):
            self.tls[alpn] = ssl.create_default_context(cafile=daemon.ca)
            self.tls[alpn].set_alpn_protocols([alpn])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for connection in self.connections:
            connection.sock.close()

    def user(self, connection):
        """(raw id, token)"""
        target, body = "/identities?api-version=2023-10-01", b'{"createTokenWithScopes":["voip"]}'
        for last in (False,) * PATIENCE_S + (True,):
            try:
                answer = connection.request("POST", target, None, raw=body,
                                            more=signature(self.host, self.daemon.key, "POST", target, body))
                return answer["identity"]["id"], answer["accessToken"]["token"]
            except RuntimeError as error:  # the service limits how many users are made in a time
                if last or "TooManyRequests" not in str(error):
                    raise
                time.sleep(1)
        return None

    def cpu_us(self):
        """CPU time of all its threads so far, to the microsecond."""
        return time.clock_gettime(~self.pid << 3 | 2) * 1e6  # clock_getcpuclockid()

    def rss(self):
        with open(f"/proc/{self.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Device:
    """A signed-in endpoint with its event stream."""

    def __init__(self, service, kind, requests, user):
        self.user, self.token = user
        self.requests = requests  # the connection for its requests
        self.id = requests.request("POST", f"{CALLING}/endpoints", self.token, {"displayName": "bench"})["endpointId"]
        self.events = kind(service)
        self.events.stream(f"{CALLING}/endpoints/{self.id}/events", self.token)

    def send(self, path, **body):
        self.requests.send("POST", f"{CALLING}/{path}", self.token, json.dumps({"endpointId": self.id, **body}).encode())

    def answer(self):
        return self.requests.answer()


def devices(service, kind, requests, n):
    """n of them, 16 a user."""
    users, made = [], []
    for i in range(n):
        if i % 16 == 0:
            users.append(service.user(requests))
        made.append(Device(service, kind, requests, users[-1]))
        if i % 1000 == 999:
            part.progress(f"  {i + 1} signed in")
    return made


def read_all(found):
    """Reads off what lies in the sockets (heartbeats), so that nothing waits in the service."""
    poll = select.poll()
    by_fd = {device.events.sock.fileno(): device.events for device in found}
    for fd in by_fd:
        poll.register(fd, select.POLLIN)
    for fd, _ in poll.poll(0):
        by_fd[fd].read()
        by_fd[fd].data.clear()


__all__ = ["CALLING", "Daemon", "Device", "Http1", "Http2", "Service", "devices", "read_all"]
