# SPDX-License-Identifier: Apache-2.0
"""`netlab selftest`: is each network what its name says? Quick, needs no product, and can fail."""
import itertools
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import nat
import probe
from expect import grade, meets
from lab import Lab, tool
from report import Report

IP_MTU_DISCOVER, IP_PMTUDISC_DO = 10, 2  # linux/in.h; Python has no names for them

# For each type: (mapping, filtering) as RFC 4787 names them; TCP ports and how a connection to each goes
UDP = {
    "public": ("same", "endpoint"), "full": ("same", "endpoint"), "restricted": ("same", "address"),
    "port-restricted": ("same", "port"), "symmetric": ("per-destination", "port"),
    "cgn-cone": ("same", "port"), "cgn-symmetric": ("per-destination", "port"),
    "udp-blocked": ("none", "none"), "only-443": ("none", "none"),
    "udp-rejected": ("none", "none"),
}
TCP = {
    "udp-blocked": {443: "open", 8443: "open", 3478: "open", 5349: "silence"},
    "only-443": {443: "open", 8443: "silence", 3478: "silence"},
    "udp-rejected": {443: "open", 5349: "refused"},
    "only-443-rejected": {443: "open", 8443: "refused"},
    "symmetric": {443: "open", 5349: "open"}, "cgn-cone": {443: "open"},
}


def types(report, lab, server):
    """Mapping, filtering and ports of each type, and every pair of the nine: does it punch as expected?"""
    sites = {end: {n: lab.site(f"{end}{i}", w) for i, (n, w) in enumerate(nat.NINE.items())} for end in "ab"}
    extra = {n: lab.site(f"x{i}", nat.NETWORKS[n]) for i, n in enumerate(sorted({*UDP, *TCP, "answers"} - {*nat.NINE}))}
    for name, want in UDP.items():
        site = sites["a"].get(name) or extra[name]
        mapping, filtering, seen, port = probe.udp_behaviour(lab, server, site.client)
        report.check(f"{name}: UDP mapping {want[0]}, filtering by {want[1]}", (mapping, filtering) == want,
                     f"got {mapping}, {filtering}")
        if seen:
            report.check(f"{name}: outside address {site.wan}", seen[0] == site.wan, f"got {seen}")
            report.check(f"{name}: outside port {'kept' if name == 'public' else 'differs'}",
                         (seen[1] == port) == (name == "public"), f"{port} shown as {seen[1]}")
    for name, ports in TCP.items():
        for port, want in ports.items():
            got = probe.tcp_connects(lab, (sites["a"].get(name) or extra[name]).client, port)
            report.check(f"{name}: TCP {port} {want}", got == want, f"got {got}")
    pairs = list(itertools.combinations_with_replacement(nat.NINE, 2))
    with ThreadPoolExecutor(8) as pool:  # most of the time goes into waiting for what must not come
        for (one, two), got in zip(pairs, pool.map(
                lambda pair: probe.punch(lab, sites["a"][pair[0]].client, sites["b"][pair[1]].client), pairs)):
            report.check(f"{one} and {two}: {'meet' if meets(one, two) else 'need the relay'}",
                         got == meets(one, two), "they met" if got else "they did not meet")
    answers(report, lab, server, sites["a"]["public"], extra["answers"])


def answers(report, lab, server, stranger, site):
    """A router that answers: ICMP to a stranger's UDP, and a mapping spoilt by a check that comes too early."""
    with probe.Udp(lab, stranger.client) as knock, probe.Udp(lab, stranger.client) as early, \
            probe.Udp(lab, stranger.client) as late, probe.Udp(lab, site.client) as near:
        outside = server.outside(near)
        report.check("answers: outside address and port are translated",
                     outside and outside[0] == site.wan and outside[1] != near.port, f"got {outside}")
        for far, kept in ((late, True), (early, False)):
            if not kept:
                far.send(outside)
            near.send((stranger.wan, far.port))
            got = far.receive()
            report.check(f"answers: mapping {'kept' if kept else 'spoilt by an early check'}",
                         got and (got[1] == outside) == kept, f"{outside}, then {got}")
        knock.socket.connect(outside)
        knock.send(outside)
        try:
            got = knock.receive()
        except ConnectionRefusedError:
            got = "ICMP"
        report.check("answers: ICMP to unexpected UDP", got == "ICMP", f"got {got}")


def quality(report, lab, server):
    """Delay and loss are what they say, each way."""
    slow = lab.site("slow", nat.NETWORKS["slow"])
    with probe.Udp(lab, slow.client) as client:
        # The first packet also pays for address resolution.
        client.send(server.main.socket.getsockname())
        source = server.main.receive(2)
        start = time.monotonic()
        client.send(server.main.socket.getsockname())
        server.main.receive(2)
        out = time.monotonic() - start
        server.main.send(source[1])
        client.receive(2)
        both = time.monotonic() - start
    report.check("slow: 150 ms out", 0.149 < out < 0.19, f"{out * 1000:.0f} ms")
    report.check("slow: 300 ms out and back", 0.299 < both < 0.38, f"{both * 1000:.0f} ms")
    lossy = lab.site("lossy", nat.NETWORKS["lossy"])
    with probe.Udp(lab, lossy.client) as client:
        for n in range(100):
            client.send(server.main.socket.getsockname(), str(n))
        while server.main.receive(0.05):
            pass
        came = 0
        for _ in range(20):  # small trains: no socket's buffer overflows
            for _ in range(100):
                client.send(server.main.socket.getsockname())
            while server.main.receive(0.02):
                came += 1
    loss = 100 - came / 20
    report.check("lossy: 5 % lost", 3 < loss < 7.5, f"{loss:.1f} %")  # four standard deviations of 2000
    lab.remove(slow, lossy)


def houses(report, lab, server):
    """The topologies beside two plain sites: one LAN, routed subnets, one carrier, IPv6."""
    one = lab.site("a", nat.NETWORKS["symmetric"])
    two = lab.guest("b", one)
    report.check("one LAN: host to host", reaches(lab, one.client, two.client, two.host))
    report.check("one LAN: both have the outside address", two.wan == one.wan == outside(lab, server, two))
    lab.remove(two, one)

    one, two = (lab.site(n, nat.Network(lan=s)) for n, s in (("a", "10.10.0.0/16"), ("b", "192.168.1.0/24")))
    lab.join(one, two)
    report.check("routed: host to host", reaches(lab, one.client, two.client, two.host, seen=one.host))
    report.check("routed: each has its own way out", outside(lab, server, one) == one.wan != two.wan)
    lab.remove(one, two)

    for hairpin in (True, False):
        shared = lab.carrier("carrier", "port-restricted", nat.NAT, hairpin=hairpin)
        one, two = (lab.site(n, nat.NAT, shared) for n in "ab")
        report.check(f"one carrier {'with' if hairpin else 'without'} hairpin",
                     probe.punch(lab, one.client, two.client) == hairpin)
        lab.remove(one, two)
        lab.end(shared.box)

    one, two = (lab.site(n, nat.NETWORKS[t]) for n, t in (("a", "ipv6"), ("b", "dual")))
    report.check("IPv6: two firewalls punched", probe.punch(lab, one.client, two.client, v6=True))
    report.check("IPv6: no stranger comes in", not reaches(lab, "srv", two.client, two.host6))
    report.check("dual stack: IPv4 works as well", outside(lab, server, two) == two.wan)
    report.check("IPv6 only: no IPv4", probe.udp_behaviour(lab, server, "a")[0] == "none")
    lab.remove(one, two)

    one, two = (lab.site(n, nat.NETWORKS["same-range"]) for n in "ab")
    report.check("same range: the same inside address", one.host == two.host == "192.168.1.23")
    report.check("same range: they meet outside", probe.punch(lab, "a", "b"))
    lab.remove(one, two)


def odd_lines(report, lab, server):
    """A narrow line, and a second interface that is the same on both sides."""
    one = lab.site("a", nat.NETWORKS["narrow"])
    with probe.Udp(lab, one.client) as client:
        to = server.main.socket.getsockname()
        client.send(to, "?" * 1252)
        got = server.main.receive()
        report.check("narrow: 1280 bytes pass", got and len(got[0]) == 1252)
        client.socket.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
        client.send(to, "?" * 1253)
        report.check("narrow: no more than that", server.main.receive() is None)
    lab.remove(one)
    one, two = (lab.site(n, nat.NETWORKS["docker"]) for n in "ab")
    with probe.Udp(lab, "a") as client:
        client.send(("172.17.0.1", client.port), "echo")
        report.check("docker: who sends to the other's second address hears itself", client.receive() is not None)
    report.check("docker: they meet outside", probe.punch(lab, "a", "b"))
    lab.remove(one, two)


def events(report, lab, server):
    """What can happen during a call does happen."""
    site = lab.site("a", nat.NAT)
    to = server.main.socket.getsockname()
    with probe.Udp(lab, "a") as client:
        before = server.outside(client)
        lab.reboot_nat(site)
        server.main.send(before, "old mapping")
        after = server.outside(client)
        server.main.send(after, "marker")
        report.check("NAT reboot: a new mapping, the old one dead",
                     before != after and client.until("marker") == [], f"{before}, then {after}")
        lab.cut_udp(site)
        client.send(to)
        report.check("UDP cut: nothing passes", server.main.receive() is None)
        lab.cut_udp(site, False)
        report.check("UDP back: passes again", server.outside(client) == after)
        lab.unplug(site)
        client.send(to)
        report.check("cable out: nothing passes", server.main.receive() is None)
        lab.unplug(site, False)
        report.check("cable in: passes again", any(server.outside(client) for _ in range(5)))
    old = site.host
    new = lab.readdress(site)
    report.check("new address: it works, the old one is gone",
                 new != old and outside(lab, server, site) == site.wan and not reaches(lab, "a-home", "a", old))
    new = lab.readdress(site, "10.77.0.0/24")
    report.check("new subnet: it works", new == "10.77.0.23" and outside(lab, server, site) == site.wan, new)
    lab.remove(site)
    roaming(report, lab, server)


def roaming(report, lab, server):
    """A client that changes its interface, and one whose firewall knows the server only."""
    a, b = lab.site("a", nat.NAT), lab.site("b", nat.NETWORKS["full"])
    with probe.Udp(lab, "b") as far, probe.Udp(lab, "a") as near:
        there = server.outside(far, server.port)  # where nothing of earlier tests waits
        lab.block_direct(a)
        near.send(there, "direct")
        report.check("direct paths blocked: the server is reached, a peer is not",
                     server.outside(near, server.port) is not None and far.receive() is None)
        lab.block_direct(a, False)
        near.send(there, "direct")
        report.check("block lifted: the peer is reached", far.receive() is not None)
    old, annex = a.wan, lab.annex(a)
    lab.roam(a, annex)
    report.check("new interface: it works, from another outside address",
                 a.wan in [outside(lab, server, a) for _ in range(5)] and a.wan != old, a.wan)
    lab.remove(b, a)


def outside(lab, server, site):
    with probe.Udp(lab, site.client) as client:
        seen = server.outside(client)
        return seen and seen[0]


def reaches(lab, source, target, address, seen=None):
    """True if a datagram to `address` arrives at `target` (from the address `seen`, when given)."""
    any_address = "::" if ":" in address else "0.0.0.0"
    with probe.Udp(lab, source, any_address) as near, probe.Udp(lab, target, any_address) as far:
        near.send((address, far.port))
        got = far.receive()
        return got is not None and seen in (None, got[1][0])


def leftovers(name):
    return [line for line in tool("ip", "netns", "list").splitlines() if line.startswith(name)]


def run():
    report = Report()
    assert [grade(name) for name in nat.NINE] == [0, 0, 0, 1, 2, 1, 2, 3, 3]
    with Lab() as lab, probe.Server(lab) as server:
        for part in (types, quality, houses, odd_lines, events):
            part(report, lab, server)
    report.check("nothing left behind", not leftovers(lab.name + "-"))
    return report.end()
