#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Calls whose connections to the service are cut at every possible place: each is set up and ended all the same.

A proxy stands between one device and the daemon. A run without a cut tells how many pieces of data pass in a call; then
each of them is lost once, in three ways: the connection is reset before the piece passes (a request that never arrived, an
answer that was lost), closed behind it, or falls silent for good, as behind a NAT that has forgotten it.
"""
import contextlib
import ctypes
import socket
import struct
import sys
import threading
import time

from call_cli import client_env, new_token, new_user, run
from daemon import Daemon
from library_binding import Client, Type

libc = ctypes.CDLL(None)
RESET, CLOSE, SILENCE = WAYS = "reset", "closed", "silent"
UNHEARD_S = 10            # less than the heartbeat needs
LONG_S = 40               # a stream that has fallen silent is found dead by the heartbeat that does not come


def reset(end):
    """Aborts a TCP connection at once, whoever else waits for it: connect() to AF_UNSPEC (tcp(7) calls it dissolving)."""
    libc.connect(end.fileno(), struct.pack("=H14x", socket.AF_UNSPEC), 16)


class Proxy:
    """TCP to the daemon and back. Piece number `at` that passes, in either direction, meets its fate."""

    def __init__(self, endpoint, at=0, way=RESET):
        host, port = endpoint.removeprefix("https://").split(":")
        self.far, self.at, self.way, self.pieces = (host, int(port)), at, way, 0
        self.lock, self.ends, self.pairs = threading.Lock(), [], []
        self.server = socket.create_server(("127.0.0.1", 0))
        self.endpoint = "https://127.0.0.1:{}".format(self.server.getsockname()[1])
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.server.accept()
                pair = [near, socket.create_connection(self.far)]
                self.ends += pair
                self.pairs.append(pair)
                for one, two in (pair, pair[::-1]):
                    threading.Thread(target=self.pump, args=(one, two, pair), daemon=True).start()

    def silence(self):
        """From now on all its connections are silent; new ones are not."""
        for pair in self.pairs:
            pair.clear()

    def pump(self, one, two, pair):
        """Each connection's list of two sockets loses them when it falls silent."""
        with contextlib.suppress(OSError):
            while piece := one.recv(65536):
                with self.lock:
                    self.pieces += 1
                    hit = self.pieces == self.at
                if hit and self.way == SILENCE:
                    pair.clear()
                if hit and self.way == RESET:
                    for end in pair:
                        reset(end)
                if pair:
                    two.sendall(piece)
                if hit and self.way == CLOSE:
                    break
        for end in pair:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for end in (self.server, *self.ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def call(daemon, users, proxied, at=0, way=RESET):
    """A call between two devices, `proxied` (caller or callee) behind the proxy: set up, held, hung up. The pieces it took."""
    with Proxy(daemon.endpoint, at, way) as proxy:
        ends = [proxy.endpoint if end == proxied else daemon.endpoint for end in ("caller", "callee")]
        (_, token_a), (bob_id, token_b) = users
        with Client(ends[1], token_b, daemon.ca) as bob:
            bob.expect(Type.SIGNED_IN, LONG_S)
            with Client(ends[0], token_a, daemon.ca) as alice:
                alice.call(bob_id)
                bob.accept(bob.expect(Type.INCOMING, LONG_S)["call"])
                for client in (alice, bob):
                    client.expect(Type.CONNECTED, LONG_S)
                alice.hold(True)
                assert bob.expect(Type.HOLD, LONG_S)["on"] == 1
                before = len(alice.events) + len(bob.events)
                (alice if proxied == "caller" else bob).hangup()
                for client in (alice, bob):
                    ended = client.expect(Type.ENDED, LONG_S)
                    assert (ended["code"], ended["completed"]) == (0, 1), ended
                for client in (alice, bob):
                    kinds = [event["type"] for event in client.events if event["call"]]
                    for kind in (Type.INCOMING, Type.RINGING, Type.CONNECTED, Type.HOLD, Type.ENDED):
                        assert kinds.count(kind) <= 1, (before, kinds)
        return proxy.pieces


def forgotten_while_ringing(daemon):
    """the caller's NAT forgets its connections while the call rings: the callee's checks tell it to look for the answer"""
    env = client_env(daemon)
    alice_user, bob_user = new_user(env), new_user(env)
    with Proxy(daemon.endpoint) as proxy, Client(daemon.endpoint, new_token(env, bob_user), daemon.ca) as bob:
        bob.expect(Type.SIGNED_IN, LONG_S)
        with Client(proxy.endpoint, new_token(env, alice_user), daemon.ca) as alice:
            alice.call(bob_user)
            incoming = bob.expect(Type.INCOMING, LONG_S)
            alice.expect(Type.RINGING, LONG_S)
            time.sleep(2)     # what the caller has to say of its candidates is said
            proxy.silence()
            bob.accept(incoming["call"])
            for client in (alice, bob):
                client.expect(Type.CONNECTED, UNHEARD_S)


def every_place(daemon, proxied, way):
    env = client_env(daemon)
    users = [(user, new_token(env, user)) for user in (new_user(env), new_user(env))]
    pieces = call(daemon, users, proxied)
    assert pieces > 10, pieces
    failed = []
    for at in range(1, pieces + 1):
        try:
            call(daemon, users, proxied, at, way)
        except AssertionError as error:
            failed.append(f"piece {at} of {pieces}: {error}")
    assert not failed, "\n".join(failed)


def make(proxied, way):
    def test(daemon):
        every_place(daemon, proxied, way)
    test.__doc__ = f"the {proxied}'s connection {way} at every place: the call is set up, held and ended once"
    return test


def main():
    with Daemon() as daemon:
        places = [make(proxied, way) for proxied in ("caller", "callee") for way in WAYS]
        return run([*places, forgotten_while_ringing], lambda _: (daemon,), at_once=6)


if __name__ == "__main__":
    sys.exit(main())
