#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Ended at once while a relay allocation lives: the exit is clean, and the bill is written."""
import hashlib
import hmac
import os
import socket
import struct
import sys

from daemon import Daemon
from api_test import CALLING, Service

MAGIC = 0x2112A442
ALLOCATE, ALLOCATED, REFUSED = 0x0003, 0x0103, 0x0113
USERNAME, INTEGRITY, REALM, NONCE, TRANSPORT = 0x0006, 0x0008, 0x0014, 0x0015, 0x0019


def attribute(kind, value):
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


def header(length, transaction):
    return struct.pack("!HHI", ALLOCATE, length, MAGIC) + transaction


def exchange(sock, attributes, key=None):
    """One Allocate request (RFC 8656 section 7.1): type of the answer, and its attributes."""
    transaction = os.urandom(12)
    if key:
        signed = header(len(attributes) + 24, transaction) + attributes
        attributes += attribute(INTEGRITY, hmac.new(key, signed, hashlib.sha1).digest())
    sock.send(header(len(attributes), transaction) + attributes)
    answer = sock.recv(2000)
    at, found = 20, {}
    while at < len(answer):
        kind, length = struct.unpack_from("!HH", answer, at)
        found[kind] = answer[at + 4:at + 4 + length]
        at += 4 + length + -length % 4
    return struct.unpack_from("!H", answer)[0], found


def allocate(sock, server):
    asked = attribute(TRANSPORT, b"\x11\0\0\0")
    kind, challenge = exchange(sock, asked)
    assert kind == REFUSED
    user, realm = server["username"].encode(), challenge[REALM]
    key = hashlib.md5(b":".join([user, realm, server["credential"].encode()])).digest()
    asked += attribute(USERNAME, user) + attribute(REALM, realm) + attribute(NONCE, challenge[NONCE])
    kind, _ = exchange(sock, asked, key)
    assert kind == ALLOCATED, hex(kind)


def main():
    print("1..1")
    with Daemon() as daemon, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        service = Service(daemon)
        user, _ = service.user()
        target = "/networkTraversal/:issueRelayConfiguration?api-version=2022-03-01-preview"
        servers = service.send("POST", target, {"id": user}).json["iceServers"]
        host, port = daemon.ready["stun"].rsplit(":", 1)
        sock.settimeout(10)
        sock.connect((host, int(port)))
        allocate(sock, next(s for s in servers if s.get("username")))
        status = daemon.stop()
        text = daemon.log_text()
        daemon.start()
        rows = Service(daemon).send("GET", f"{CALLING}/usage").json["value"]
        good = status == 0 and any(row["kind"] == "relay" and row["ended"] for row in rows)
        print(f"{'ok' if good else 'not ok'} 1 - the bill of an allocation that the end cut off")
        if not good:
            print(f"# exit status {status}, rows {rows}")
            sys.stderr.write(text)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
