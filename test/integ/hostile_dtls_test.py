#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Hostile DTLS against the relay: ClientHellos put together by hand (RFC 6347), from people who want it to keep state."""
import os
import struct
import sys
import time

from attack import Target, all_of, run

HELLO_VERIFY, SERVER_HELLO = 3, 2
PER_SOURCE = 256    # sessions of one source: RELAY_DTLS_PER_SOURCE
PATIENCE_S = 20     # handshakes have 10 s


def client_hello(random, cookie=b"", sequence=0):
    """One datagram: a ClientHello for DTLS 1.2 with P-256, ECDSA and RSA."""
    suites = bytes.fromhex("c02bc02fc02cc030cca9cca8")
    extensions = (b"\0\x0a\0\4\0\2\0\x17" + b"\0\x0b\0\2\1\0" + b"\0\x0d\0\x0a\0\x08" + bytes.fromhex("0403050308040401")
                  + b"\0\x17\0\0" + b"\xff\x01\0\1\0")
    body = (b"\xfe\xfd" + random + b"\0" + bytes([len(cookie)]) + cookie + struct.pack("!H", len(suites)) + suites + b"\1\0"
            + struct.pack("!H", len(extensions)) + extensions)
    length = struct.pack("!I", len(body))[1:]
    handshake = b"\1" + length + struct.pack("!H", 1 if cookie else 0) + b"\0\0\0" + length + body
    return b"\x16\xfe\xff" + struct.pack("!HHIH", 0, 0, sequence, len(handshake)) + handshake


def kinds(datagrams):
    """The types of the handshake messages that begin these datagrams."""
    return [datagram[13] for datagram in datagrams if datagram[0] == 0x16]


def cookie_of(datagram):
    assert datagram[13] == HELLO_VERIFY, datagram
    return datagram[28:28 + datagram[27]]


class Knock:
    """A socket that has said hello and got its cookie."""

    def __init__(self, target, source=None):
        self.sock = target.udp(source=source)
        self.random = os.urandom(32)
        self.sock.send(client_hello(self.random))
        self.cookie = cookie_of(self.sock.recv(2048))

    def enter(self):
        """Whether a handshake begins with the cookie."""
        self.sock.send(client_hello(self.random, self.cookie, 1))
        self.sock.settimeout(2)
        try:
            return self.sock.recv(2048)[13] == SERVER_HELLO
        except TimeoutError:
            return False


def nothing_before_the_cookie(target):
    """A hello gets less back than it sent, and no handshake; so does a hello with a cookie of another address, or a made-up one."""
    one, other = Knock(target), Knock(target)
    for cookie in (b"", other.cookie, bytes(len(one.cookie)), one.cookie[:-1], one.cookie + b"\0", bytes(255)):
        hello = client_hello(one.random, cookie, 2)
        one.sock.send(hello)
        answers = all_of(one.sock)
        assert kinds(answers) == [HELLO_VERIFY] and sum(map(len, answers)) < len(hello), (cookie, answers)
    assert one.enter()


def floods_of_hellos_cost_no_memory(target):
    """Thousands of addresses that never come back with their cookie."""
    with open(f"/proc/{target.process.pid}/statm", encoding="ascii") as file:
        before = int(file.read().split()[1])
    for _ in range(40):
        socks = [target.udp() for _ in range(100)]
        for sock in socks:
            sock.send(client_hello(os.urandom(32)))
        for sock in socks:
            assert kinds([sock.recv(2048)]) == [HELLO_VERIFY]
            sock.close()
    with open(f"/proc/{target.process.pid}/statm", encoding="ascii") as file:
        pages = int(file.read().split()[1]) - before
    assert pages < 4000, f"{pages} pages more after 4,000 hellos"  # a session takes a dozen


def garbage_after_the_cookie(target):
    """A handshake that goes on with garbage, fragments that contradict each other, old records: the next one is served."""
    for garbage in (os.urandom(200), b"\x16\xfe\xfd" + bytes(10) + b"\xff\xff" + os.urandom(400),
                    b"\x16\xfe\xfd" + struct.pack("!HHIH", 0, 0, 2, 25) + b"\x10\xff\xff\xff\0\2\0\0\0\0\0\x0d" + bytes(13),
                    b"\x14\xfe\xfd" + struct.pack("!HHIH", 0, 0, 3, 1) + b"\1", b"\x17\xfe\xfd" + struct.pack("!HHIH", 1, 0, 0, 50) + bytes(50)):
        knock = Knock(target)
        assert knock.enter()
        for _ in range(5):
            knock.sock.send(garbage)
        all_of(knock.sock, 0.1)
    assert Knock(target).enter()


def sources_are_limited(target):
    """One source has so many sessions; others are served meanwhile; and handshakes that nobody finishes go."""
    knocks = [Knock(target, "127.0.0.77") for _ in range(PER_SOURCE + 20)]
    begun = sum(knock.enter() for knock in knocks[:PER_SOURCE])
    assert begun == PER_SOURCE, begun
    assert not any(knock.enter() for knock in knocks[PER_SOURCE:PER_SOURCE + 2])
    assert Knock(target, "127.0.0.78").enter()
    end = time.monotonic() + PATIENCE_S
    while not Knock(target, "127.0.0.77").enter():
        assert time.monotonic() < end, "unfinished handshakes stay"


TESTS = [nothing_before_the_cookie, floods_of_hellos_cost_no_memory, garbage_after_the_cookie, sources_are_limited]

if __name__ == "__main__":
    sys.exit(run(TESTS, lambda: Target(["workers=1"])))
