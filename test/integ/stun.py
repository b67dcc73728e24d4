# SPDX-License-Identifier: Apache-2.0
"""STUN and TURN messages put together by hand (RFC 8489, 8656), for tests that need wrong ones too."""
import hashlib
import hmac
import os
import socket
import struct
import zlib

MAGIC = 0x2112A442
BINDING, ALLOCATE, REFRESH, SEND, DATA, CREATE_PERMISSION, CHANNEL_BIND = 1, 3, 4, 6, 7, 8, 9
REQUEST, INDICATION, SUCCESS, ERROR = 0x000, 0x010, 0x100, 0x110
USERNAME, INTEGRITY, ERROR_CODE, REALM, NONCE = 0x0006, 0x0008, 0x0009, 0x0014, 0x0015
CHANNEL, LIFETIME, PEER, PAYLOAD, RELAYED, TRANSPORT = 0x000C, 0x000D, 0x0012, 0x0013, 0x0016, 0x0019
MAPPED, SOFTWARE, FINGERPRINT = 0x0020, 0x8022, 0x8028
UDP = b"\x11\0\0\0"


def attribute(kind, value):
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


def header(kind, length, transaction=None):
    return struct.pack("!HHI", kind, length, MAGIC) + (transaction or os.urandom(12))


def message(kind, *attributes, key=None, transaction=None, fingerprint=False):
    """A message; key: with MESSAGE-INTEGRITY."""
    transaction = transaction or os.urandom(12)
    body = b"".join(attributes)
    if key:
        signed = header(kind, len(body) + 24, transaction) + body
        body += attribute(INTEGRITY, hmac.new(key, signed, hashlib.sha1).digest())
    if fingerprint:
        crc = zlib.crc32(header(kind, len(body) + 8, transaction) + body) ^ 0x5354554E
        body += attribute(FINGERPRINT, struct.pack("!I", crc))
    return header(kind, len(body), transaction) + body


def read(data):
    """(type, {attribute: value}) of a message."""
    kind, length = struct.unpack_from("!HH", data)
    assert len(data) == 20 + length, "the length does not fit"
    at, found = 20, {}
    while at < len(data):
        name, size = struct.unpack_from("!HH", data, at)
        found.setdefault(name, data[at + 4:at + 4 + size])
        at += 4 + size + -size % 4
    return kind, found


def error_code(found):
    return found[ERROR_CODE][2] * 100 + found[ERROR_CODE][3] if ERROR_CODE in found else 0


def xor_address(host, port):
    plain = socket.inet_aton(host)
    return struct.pack("!BBH", 0, 1, port ^ (MAGIC >> 16)) + bytes(a ^ b for a, b in zip(plain, struct.pack("!I", MAGIC)))


def address_of(value):
    port = struct.unpack_from("!H", value, 2)[0] ^ (MAGIC >> 16)
    return socket.inet_ntoa(bytes(a ^ b for a, b in zip(value[4:8], struct.pack("!I", MAGIC)))), port


class Allocation:
    """An allocation over a connected socket (UDP, or a stream: recv gives whole messages there only when they are small
    and alone). server: {"username", "credential"}."""

    def __init__(self, sock, server, stream=False):
        self.sock, self.stream = sock, stream
        self.user = server["username"].encode()
        kind, challenge = self.exchange(message(ALLOCATE | REQUEST, attribute(TRANSPORT, UDP)))
        assert kind == ALLOCATE | ERROR, hex(kind)
        self.realm, self.nonce = challenge[REALM], challenge[NONCE]
        self.key = hashlib.md5(b":".join([self.user, self.realm, server["credential"].encode()])).digest()
        kind, found = self.exchange(self.request(ALLOCATE, attribute(TRANSPORT, UDP)))
        assert kind == ALLOCATE | SUCCESS, (hex(kind), error_code(found))
        self.relayed = address_of(found[RELAYED])

    def request(self, method, *attributes):
        return message(method | REQUEST, *attributes, attribute(USERNAME, self.user), attribute(REALM, self.realm),
                       attribute(NONCE, self.nonce), key=self.key)

    def receive(self):
        if not self.stream:
            return self.sock.recv(4096)
        head = b""
        while len(head) < 20:
            part = self.sock.recv(20 - len(head))
            assert part, "closed"
            head += part
        length = struct.unpack_from("!H", head, 2)[0]
        while len(head) < 20 + length:
            head += self.sock.recv(20 + length - len(head))
        return head

    def exchange(self, data):
        self.sock.sendall(data)
        return read(self.receive())

    def permit(self, host):
        kind, found = self.exchange(self.request(CREATE_PERMISSION, attribute(PEER, xor_address(host, 0))))
        return 0 if kind == CREATE_PERMISSION | SUCCESS else error_code(found)

    def send(self, host, port, data):
        self.sock.sendall(message(SEND | INDICATION, attribute(PEER, xor_address(host, port)), attribute(PAYLOAD, data)))

    def refresh(self, seconds):
        kind, found = self.exchange(self.request(REFRESH, attribute(LIFETIME, struct.pack("!I", seconds))))
        return 0 if kind == REFRESH | SUCCESS else error_code(found)
