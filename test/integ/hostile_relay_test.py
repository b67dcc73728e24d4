#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Hostile STUN and TURN against the real daemon: over UDP, TCP and TLS."""
import os
import random
import socket
import struct
import sys

from attack import Target, all_of, allocation, closed, credentials, run
import stun
from stun import attribute, message

HEADERS = 28  # of IPv4 and UDP, which a forged packet pays too
RANDOM = random.Random(20)
SOFTWARE = attribute(stun.SOFTWARE, b"attack 1.0")
ASKED = attribute(stun.TRANSPORT, stun.UDP)
HELLO = bytes.fromhex("16feff0000000000000000006e0100006200000000000000620101")  # the head of a DTLS ClientHello


def strangers():
    """Datagrams of somebody who has proven nothing; a Binding request is allowed an answer of its own size."""
    yield "bare Allocate", message(stun.ALLOCATE, ASKED)
    yield "Allocate with SOFTWARE", message(stun.ALLOCATE, ASKED, SOFTWARE)
    yield "Allocate without anything", message(stun.ALLOCATE)
    yield "Allocate by a wrong user", message(stun.ALLOCATE, ASKED, attribute(stun.USERNAME, b"1:a:b:c"),
                                              attribute(stun.REALM, b"callflow"), attribute(stun.NONCE, b"x" * 20), key=b"k" * 16)
    yield "Refresh", message(stun.REFRESH, attribute(stun.LIFETIME, bytes(4)))
    yield "CreatePermission", message(stun.CREATE_PERMISSION, attribute(stun.PEER, stun.xor_address("1.2.3.4", 5)))
    yield "ChannelBind", message(stun.CHANNEL_BIND)
    yield "Send indication", message(stun.SEND | stun.INDICATION, attribute(stun.PAYLOAD, b"x" * 100))
    yield "Data indication", message(stun.DATA | stun.INDICATION, attribute(stun.PAYLOAD, b"x" * 100))
    yield "unknown method", message(0x7F)
    yield "unknown attributes", message(stun.ALLOCATE, *[attribute(kind, b"") for kind in range(0x50, 0x60)])
    yield "ChannelData", struct.pack("!HH", 0x4000, 100) + bytes(100)
    yield "success response", message(stun.BINDING | stun.SUCCESS)
    yield "RTP", b"\x80\x00" + os.urandom(170)
    yield "DTLS ClientHello", HELLO + os.urandom(97)
    yield "DTLS alert", bytes.fromhex("15feff00000000000000000002") + b"\x01\x00"
    yield "40 attributes", message(stun.ALLOCATE, *[attribute(0xC000 + i, b"") for i in range(40)])
    yield "noise", os.urandom(48)
    yield "one byte", b"\0"


def on_the_wire(*datagrams):
    return sum(HEADERS + len(datagram) for datagram in datagrams)


def no_amplification(target):
    """At most 1.75 times what was sent, in sum for each kind."""
    problems = []
    for name, datagram in strangers():
        with target.udp() as sock:
            for _ in range(40):
                sock.send(datagram)
            back, sent = on_the_wire(*all_of(sock)), 40 * on_the_wire(datagram)
        if back > 1.75 * sent:
            problems.append(f"{name}: {back} bytes for {sent}")
    assert not problems, "; ".join(problems)


def binding_is_small(target):
    """1.25 times, the good answer and the refusal of unknown attributes (RFC 8489 section 6.3.1)."""
    for attributes in [(), (SOFTWARE,), (attribute(0x7001, b""),), tuple(attribute(0x7001 + i, b"") for i in range(8))]:
        request = message(stun.BINDING, *attributes)
        with target.udp() as sock:
            sock.send(request)
            answers = all_of(sock)
        assert answers and on_the_wire(*answers) <= 1.25 * on_the_wire(request), f"{len(request)}: {answers}"


def challenge_is_usable(target):
    """The small answer is still one that a client can go on with."""
    assert allocation(target).refresh(0) == 0


def noise_is_survived(target):
    """Every prefix, and thousands of mutations, of good messages."""
    good = [data for _, data in strangers()]
    with target.udp() as sock:
        for data in good:
            for n in range(len(data)):
                sock.send(data[:n])
        for _ in range(4000):
            data = bytearray(RANDOM.choice(good))
            for _ in range(RANDOM.randint(1, 6)):
                data[RANDOM.randrange(len(data))] = RANDOM.randrange(256)
            sock.send(data)
        all_of(sock)
        sock.settimeout(5)
        sock.send(message(stun.BINDING))
        assert stun.read(sock.recv(200))[0] == stun.BINDING | stun.SUCCESS


def inner_peers_are_refused(target):
    a = allocation(target)
    for host in ["10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "224.0.0.1", "255.255.255.255", "0.0.0.0",
                 "100.64.0.1", "240.0.0.1", "192.0.2.1", "198.18.0.1"]:
        assert a.permit(host) == 403, host
    a.refresh(0)


def nothing_without_permission(target):
    a = allocation(target)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as victim:
        victim.bind(("127.0.0.1", 0))
        victim.settimeout(0.3)
        a.send("127.0.0.1", victim.getsockname()[1], b"hello")
        try:
            assert not victim.recv(100)
        except TimeoutError:
            pass
        victim.sendto(b"unwanted", a.relayed)
        assert not all_of(a.sock), "the relay let a stranger's packet in"
    a.sock.settimeout(5)
    a.refresh(0)


def another_socket_cannot_use_it(target):
    """RFC 8656 section 5: the 5-tuple is the allocation's name; another one with the right key gets 437."""
    a = allocation(target)
    other = target.udp()
    mine, a.sock = a.sock, other
    nonce, a.nonce = a.nonce, a.exchange(message(stun.ALLOCATE, ASKED))[1][stun.NONCE]  # good from one address only
    code = a.refresh(600)
    assert code == 437, code
    a.sock, a.nonce = mine, nonce
    assert a.refresh(0) == 0


def another_user_cannot_use_it(target):
    a, b = allocation(target), credentials(target)
    import hashlib
    a.user = b["username"].encode()
    a.key = hashlib.md5(b":".join([a.user, a.realm, b["credential"].encode()])).digest()
    code = a.refresh(600)
    assert code == 441, code  # RFC 8656 section 5, Wrong Credentials


def streams(target):
    for sock in (target.tcp(), target.tls(target.turn_tls), target.tls(target.https, ("stun.turn",)), target.tcp(target.https)):
        yield sock


def frames_in_pieces(target):
    """TCP has no message borders: byte by byte, and many in one segment."""
    request = message(stun.BINDING)
    for sock in streams(target):
        with sock:
            for i in range(len(request)):
                sock.sendall(request[i:i + 1])
            assert sock.recv(100)[:2] == b"\x01\x01"
            sock.sendall(request * 20)
            got = b""
            while len(got) < 20 * 32:
                part = sock.recv(65536)
                assert part, "closed"
                got += part


def bad_frames_close(target):
    """What is neither STUN nor ChannelData on a stream cannot be passed over: the stream ends (RFC 8656 section 3.1)."""
    bad = [b"\x00\x01\x00\x03" + message(stun.BINDING)[4:],        # length not a multiple of 4
           b"\x00\x01\xff\xfc" + message(stun.BINDING)[4:] + bytes(64),  # longer than any message of ours
           b"\x80" * 64, b"\xff" * 64, b"\x00\x01\x00\x00" + bytes(16)]  # RTP, noise, no magic cookie
    for data in bad:
        for sock in (target.tcp(), target.tls(target.turn_tls)):
            with sock:
                sock.sendall(data)
                assert closed(sock, 20), data[:8]


def garbled_tls_is_cut(target):
    for to in (target.https, target.turn_tls):
        for data in [b"\x16\x03\x01\xff\xff" + bytes(100), b"\x16\x03\x01\x00\x04\x01\x00\x00\x00", b"GARBAGE\r\n\r\n" * 20,
                     b"\x15\x03\x01\x00\x02\x02\x28", b"\x80\x2e\x01\x03\x01" + bytes(60)]:
            with target.tcp(to) as sock:
                sock.sendall(data)
                assert closed(sock, 20), (to, data[:8])


def nothing_is_left(target):
    """Connections that were dropped anyhow leave no file open."""
    before = target.files()
    socks = [target.tcp() for _ in range(50)] + [target.tcp(target.https) for _ in range(50)]
    for sock in socks:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
    import time
    end = time.monotonic() + 10
    while target.files() > before and time.monotonic() < end:
        time.sleep(0.05)
    assert target.files() <= before, f"{target.files()} files open, {before} before"


TESTS = [no_amplification, binding_is_small, challenge_is_usable, noise_is_survived, inner_peers_are_refused,
         nothing_without_permission, another_socket_cannot_use_it, another_user_cannot_use_it, frames_in_pieces,
         bad_frames_close, garbled_tls_is_cut, nothing_is_left]

if __name__ == "__main__":
    sys.exit(run(TESTS, Target))
