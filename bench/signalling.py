#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Signalling: CPU of callflowd per request and per call, memory of an idle endpoint, and how these grow."""
import resource
import statistics
import sys
import time

import part
import service as svc

SDP = "v=0\r\n" + "a=filler:" + "x" * 60 + "\r\n" * 12
CANDIDATE = {"candidate": "candidate:1 1 udp 2122260223 192.0.2.1 50000 typ host generation 0", "sdpMid": "0", "sdpMLineIndex": 0}
MEMORY_BAR_KB = 40
IDLE_S = 32
AT_ONCE = 16
CALLS_PER_ENDPOINT = 8


def row(case, unit, ours, **more):
    part.row("signalling", case, unit, ours, **more)


def place(pairs):
    """A call of each pair, all at once, up to the point where both sides have all they need: their ids."""
    for alice, bob in pairs:
        alice.send("calls", targets=[{"rawId": bob.user}], sdp=SDP)
    calls = [alice.answer()["callId"] for alice, _ in pairs]
    for (_, bob), call in zip(pairs, calls):
        bob.events.wait_event("incomingCall")
        bob.send(f"calls/{call}:accept", sdp=SDP)
    for alice, bob in pairs:
        bob.answer()
        alice.events.wait_event("callAccepted")
    for one, other in ((0, 1), (1, 0)):
        for ends, call in zip(pairs, calls):
            ends[one].send(f"calls/{call}:candidates", candidates=[CANDIDATE])
        for ends in pairs:
            ends[one].answer()
            ends[other].events.wait_event("remoteCandidates")
    return calls


def hang_up(pairs, calls):
    for (alice, _), call in zip(pairs, calls):
        alice.send(f"calls/{call}:hangup")
    for alice, bob in pairs:
        alice.answer()
        bob.events.wait_event("callEnded")


def cost(service, n, work, rounds=5):
    """CPU of the service per run of work(): the median of some rounds."""
    found = []
    for _ in range(rounds):
        start = service.cpu_us()
        for _ in range(n):
            work()
        found.append((service.cpu_us() - start) / n)
    return statistics.median(found)


def pairs_of(service, kind, n, requests=None):
    """n pairs, each with users of its own; each device with a connection of its own for requests, unless one is given."""
    def device():
        connection = requests or kind(service)
        return svc.Device(service, kind, connection, service.user(connection))
    return [(device(), device()) for _ in range(n)]


def requests_and_calls(args):
    for kind in (svc.Http1, svc.Http2):
        with svc.Daemon() as daemon, svc.Service(daemon) as service:
            part.progress(f"requests and calls, {kind.NAME}")
            pairs, n = pairs_of(service, kind, AT_ONCE), 4 if args.quick else 20
            hang_up(pairs, place(pairs))
            for at_once, how in ((1, "one at a time"), (AT_ONCE, f"{AT_ONCE} at once")):
                chosen = pairs[:at_once]
                us = cost(service, n * AT_ONCE // at_once, lambda: hang_up(chosen, place(chosen))) / at_once
                row(f"a call: 5 requests, 5 events, {how}, {kind.NAME}", "us CPU per call", us,
                    note=f"{1e6 / us:.0f} calls per second and core")
            alice = pairs[0][0]
            path = f"{svc.CALLING}/calls/{place(pairs[:1])[0]}"
            us = cost(service, n * 40, lambda: alice.requests.request("GET", path, alice.token))
            row(f"a request (GET of a call), {kind.NAME}, keep-alive", "us CPU per request", us)


def memory(args):
    n = 500 if args.quick else 5000
    for kind in (svc.Http1, svc.Http2):
        with svc.Daemon() as daemon, svc.Service(daemon) as service:
            part.progress(f"memory of {n} idle endpoints, {kind.NAME}")
            requests = kind(service)
            first = svc.devices(service, kind, requests, 50)
            start = service.rss()
            many = svc.devices(service, kind, requests, n)
            row(f"memory of an idle endpoint with its event stream, {kind.NAME} ({n})", "KB of RSS", (service.rss() - start) / n / 1024,
                bar=MEMORY_BAR_KB)
            if not args.quick and kind is svc.Http1:
                idle(service, first + many)


def idle(service, found):
    part.progress(f"{IDLE_S} s of idleness")
    svc.read_all(found)
    start, since = service.cpu_us(), time.monotonic()
    while time.monotonic() - since < IDLE_S:  # two heartbeats each
        time.sleep(1)
        svc.read_all(found)
    used = (service.cpu_us() - start) / (time.monotonic() - since)
    row(f"idleness of {len(found)} endpoints", "us CPU per second and endpoint", used / len(found))


def growth(args):
    """The cost of a call while so many other endpoints are signed in, and so many other calls go on."""
    steps = (10, 100) if args.quick else (10, 100, 1000, 10000)
    with svc.Daemon() as daemon, svc.Service(daemon) as service:
        others, calls, n_work = [], 0, 2 if args.quick else 10

        def a_call():  # with new connections: idle ones are closed by the service
            pairs = pairs_of(service, svc.Http1, AT_ONCE)
            return cost(service, n_work, lambda: hang_up(pairs, place(pairs))) / AT_ONCE
        for n in steps:
            part.progress(f"growth: {n}")
            others += svc.devices(service, svc.Http1, svc.Http1(service), n - len(others))
            row(f"growth: a call beside {n:,} idle endpoints", "us CPU per call", a_call())
        for n in steps:
            part.progress(f"growth: {n} calls")
            while calls < n:
                if calls % (10 * CALLS_PER_ENDPOINT) == 0:
                    busy = pairs_of(service, svc.Http1, 10)
                calls += len(place(busy[:n - calls]))
            row(f"growth: a call beside {n:,} others and {len(others):,} endpoints", "us CPU per call", a_call())


def main():
    args = part.options(__doc__)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with part.awake():
        for case in (requests_and_calls, memory, growth):
            if args.only in case.__name__:
                case(args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
