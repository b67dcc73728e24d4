#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""10,000 slow or idle connections, floods of frames and of datagrams: honest requests and calls go on, nothing is kept."""
import contextlib
import os
import resource
import selectors
import socket
import ssl
import struct
import sys
import tempfile
import time

from attack import Target, allocation, closed, run
import stun
from api_test import Service
from call_cli import Cli, client_env, heard, speech

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
PER_SOURCE = 500
WAIT_S = 120


def sources(n):
    """Addresses of loopback, so that no single one reaches its own limit."""
    return [f"127.1.{i // 250}.{i % 250 + 1}" for i in range(n)]


def honest(target):
    """A stranger's STUN question, a signed request, and a call to the echo bot that is heard."""
    with target.udp() as sock:
        sock.send(stun.message(stun.BINDING))
        assert stun.read(sock.recv(200))[0] == stun.BINDING | stun.SUCCESS
    Service(target).user()
    assert allocation(target).refresh(0) == 0
    with tempfile.TemporaryDirectory() as folder:
        sent = speech(folder, 3, 2)
        with Cli(client_env(target), "call", "8:echo123", "--audio-in", sent, "--audio-out", folder + "/got.wav", "--duration", "2") as call:
            call.expect("connected")
            status, err = call.finish()
        assert status == 0, err
        heard(sent, folder + "/got.wav")


def open_many(target, n, to, first):
    """n connections, without waiting for one before the next; each has sent its first bytes."""
    socks, wait = [], selectors.DefaultSelector()
    for i in range(n):
        sock = socket.socket()
        sock.setblocking(False)
        sock.bind((sources(n // PER_SOURCE + 1)[i // PER_SOURCE], 0))
        with contextlib.suppress(BlockingIOError):
            sock.connect(to)
        wait.register(sock, selectors.EVENT_WRITE)
        socks.append(sock)
        if i % 500 == 499 or i == n - 1:
            while wait.get_map():
                ready = wait.select(20)
                assert ready, "connections are not taken"
                for key, _ in ready:
                    wait.unregister(key.fileobj)
                    with contextlib.suppress(OSError):
                        key.fileobj.send(first)
    return socks


def hello():
    """A good ClientHello, whole."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def ten_thousand(target):
    """Idle ones, halves of a ClientHello, handshakes left alone, halves of a STUN message; then they are cut by themselves."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    before, whole = target.files(), hello()
    socks = open_many(target, 3000, target.https, b"")
    socks += open_many(target, 2500, target.https, whole[:100])
    socks += open_many(target, 1500, target.https, whole)
    socks += open_many(target, 1500, target.stun, stun.message(stun.BINDING)[:10])
    socks += open_many(target, 1500, target.turn_tls, b"")
    assert len(socks) == 10000
    honest(target)
    end = time.monotonic() + WAIT_S
    while target.files() > before + 100 and time.monotonic() < end:
        time.sleep(0.2)
    left = target.files() - before
    for sock in socks:
        sock.close()
    assert left <= 100, f"{left} of 10,000 dead connections are still open after {WAIT_S} s"


def slow_heads_and_bodies(target):
    """A byte now and then is no progress: deadlines are for the whole head and the whole body."""
    slow = [b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ",
            b"POST /identities HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"]
    socks = []
    for first in slow:
        for i in range(20):
            sock = target.tls(source=sources(1)[0])
            sock.sendall(first)
            socks.append(sock)
    end = time.monotonic() + WAIT_S
    alive = list(socks)
    while alive and time.monotonic() < end:
        for sock in list(alive):
            try:
                sock.settimeout(0.001)
                sock.send(b"a")
                if sock.recv(1000).startswith(b"HTTP/1.1 408"):
                    alive.remove(sock)
            except TimeoutError:
                pass
            except OSError:
                alive.remove(sock)
        time.sleep(0.5)
    for sock in socks:
        sock.close()
    assert not alive, f"{len(alive)} of {len(socks)} slow requests are still open after {WAIT_S} s"


def frame(kind, flags, stream, payload=b""):
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload


FLOODS = {
    "ping": frame(6, 0, 0, bytes(8)),
    "settings": frame(4, 0, 0, b""),
    "window update": frame(8, 0, 0, struct.pack("!I", 1)),
    "priority": frame(2, 0, 1, struct.pack("!IB", 0, 1)),
    "empty data": frame(0, 0, 1),
    "unknown frames": frame(0xEE, 0, 0, b"x"),
    "reset of nothing": frame(3, 0, 1, bytes(4)),
}


def frame_floods(target):
    """CVE-2019-9511 to -9518 and kin: a client that makes work and asks for nothing is sent away."""
    left = []
    for name, data in FLOODS.items():
        with target.tls(alpn=("h2",)) as sock:
            sock.settimeout(20)
            sock.sendall(PREFACE + frame(4, 0, 0))
            try:
                for _ in range(100):
                    sock.sendall(data * 1000)
                if not closed(sock, 10):
                    left.append(name)
            except OSError:
                pass
    assert not left, f"never sent away: {', '.join(left)}"


def datagram_flood(target):
    """Noise at line speed while a call talks: the call is heard."""
    noise = [os.urandom(n) for n in (1, 20, 100, 600, 1200)]
    with target.udp() as sock, tempfile.TemporaryDirectory() as folder:
        sent = speech(folder, 4, 3)
        with Cli(client_env(target), "call", "8:echo123", "--ice-transport", "relay", "--audio-in", sent, "--audio-out",
                 folder + "/got.wav", "--duration", "3") as call:
            call.expect("connected")
            end = time.monotonic() + 2
            while time.monotonic() < end:
                for data in noise * 4:
                    with contextlib.suppress(OSError):
                        sock.send(data)
                time.sleep(0.001)
            status, err = call.finish()
        assert status == 0, err
        heard(sent, folder + "/got.wav")


TESTS = [slow_heads_and_bodies, frame_floods, datagram_flood, ten_thousand]

if __name__ == "__main__":
    sys.exit(run(TESTS, Target))
