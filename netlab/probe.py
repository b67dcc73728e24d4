# SPDX-License-Identifier: Apache-2.0
"""Proves the networks themselves, without the product: what a client behind each NAT really sees.

Sockets are opened inside the lab's namespaces and driven from here, so a whole question-and-answer is a few
lines. Whether a packet is dropped is not waited for: a marker sent after it on the same way tells.
"""
import errno
import select
import socket
import time

from lab import SERVER, SERVER6

WAIT = 0.4  # seconds; the longest round trip here without a delay line is a few milliseconds


class Udp:
    """A UDP socket in a namespace that remembers what came."""

    def __init__(self, lab, space, address="0.0.0.0", port=0):
        with lab.inside(space):
            self.socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, port))
        self.port = self.socket.getsockname()[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, to, text="?"):
        try:
            self.socket.sendto(text.encode(), to)
        except OSError as error:
            if error.errno not in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ECONNREFUSED, errno.EACCES,
                                   errno.EMSGSIZE):
                raise

    def receive(self, wait=WAIT):
        """The next datagram as (text, (address, port)), or None."""
        if not select.select([self.socket], [], [], wait)[0]:
            return None
        text, source = self.socket.recvfrom(2048)
        return text.decode(), source[:2]

    def until(self, text):
        """Everything that comes up to a marker: the texts, or None when even the marker does not come."""
        came = []
        while (got := self.receive()) is not None:
            if got[0] == text:
                return came
            came.append(got[0])
        return None


class Server:
    """STUN in spirit: two addresses, and two ports on the first."""

    def __init__(self, lab):
        self.main = Udp(lab, "srv", SERVER[0])
        self.port = Udp(lab, "srv", SERVER[0])
        self.address = Udp(lab, "srv", SERVER[1])
        self.six = Udp(lab, "srv", SERVER6)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for udp in (self.main, self.port, self.address, self.six):
            udp.socket.close()

    def outside(self, client, at=None, v6=False):
        """The address and port the client's socket shows to one of the server's sockets."""
        at = at or (self.six if v6 else self.main)
        client.send(at.socket.getsockname()[:2], "who am I")
        got = at.receive()
        return got and got[1]


def udp_behaviour(lab, server, space):
    """(mapping, filtering, outside address and port, inside port) of a client, in the words of RFC 4787."""
    with Udp(lab, space) as client:
        first = server.outside(client)
        if first is None:
            return "none", "none", None, client.port
        server.port.send(first, "other port")
        server.address.send(first, "other address")
        server.main.send(first, "marker")
        came = client.until("marker")
        filtering = "endpoint" if "other address" in came else "address" if "other port" in came else "port"
        rest = {server.outside(client, at) for at in (server.port, server.address)}
        mapping = "same" if rest == {first} else "per-destination" if len(rest | {first}) == 3 else "odd"
        return mapping, filtering, first, client.port


def tcp_connects(lab, space, port, address=SERVER[0]):
    """How a connection to the server goes: `open`, `refused` (someone said no) or `silence`."""
    with lab.inside("srv"):
        listener = socket.create_server((address, port))
    with lab.inside(space):
        client = socket.socket()
    with listener, client:
        client.settimeout(WAIT)
        try:
            client.connect((address, port))
            return "open"
        except TimeoutError:
            return "silence"
        except OSError:
            return "refused"


def punch(lab, one, two, v6=False):
    """True if two clients that know each other's outside addresses get through, as ICE does it: both send to
    what the server saw and to whatever source a packet came from. Neither is told the other's inside address."""
    any_address = "::" if v6 else "0.0.0.0"
    with Server(lab) as server, Udp(lab, one, any_address) as a, Udp(lab, two, any_address) as b:
        known = {a: server.outside(b, v6=v6), b: server.outside(a, v6=v6)}
        if None in known.values():
            return False
        heard = set()
        targets = {end: {at} for end, at in known.items()}
        quiet = time.monotonic() + WAIT
        while time.monotonic() < quiet and len(heard) < 2:
            for end in (a, b):
                for at in list(targets[end]):
                    end.send(at, "answer" if end in heard else "check")
            for end in (a, b):
                while (got := end.receive(0.01)) is not None:
                    targets[end].add(got[1])
                    heard.add(end)
        return len(heard) == 2
