# SPDX-License-Identifier: Apache-2.0
"""Every network that `netlab pairs` places a call through, and the path that the call must take there."""
import itertools
from dataclasses import dataclass, replace

import expect
import nat
from expect import AT_MOST_ONE, DIRECT, FAILS, HOST, RELAY_TCP, RELAY_UDP, TWO_RELAYS
from nat import NETWORKS


@dataclass(frozen=True)
class Case:
    """A call from a to b. `house` says how the two sites hang together."""
    name: str
    a: nat.Network
    b: nat.Network
    path: expect.Path
    house: str = "apart"      # apart, lan, routed, carrier, carrier-hairpin
    options: tuple = ()       # for the caller: callflow call ... OPTIONS
    relay: bool = True        # the daemon's relay.enabled
    telling: bool = False     # part of the short run

    @property
    def late_ms(self):
        """How long a question and its answer are under way."""
        return 2 * (self.a.delay_ms + self.b.delay_ms)

    @property
    def strained(self):
        """Packets are lost on purpose: the audio may have holes."""
        return bool(self.a.loss or self.b.loss)


TELLING = {
    "public-public", "full-symmetric", "restricted-symmetric", "port-restricted-port-restricted",
    "port-restricted-symmetric", "symmetric-symmetric", "cgn-cone-cgn-cone", "restricted-cgn-symmetric",
    "port-restricted-udp-blocked", "symmetric-only-443", "only-443-only-443",
}


def nine():
    """The 45 pairs."""
    for a, b in itertools.combinations_with_replacement(nat.NINE, 2):
        yield Case(f"{a}-{b}", NETWORKS[a], NETWORKS[b], expect.path(a, b), telling=f"{a}-{b}" in TELLING)


def pair(a, b, path=None, **more):
    return Case(f"{a}-{b}", NETWORKS[a], NETWORKS[b], path or expect.path(a, b), **more)


def close(house, name, path, more=None, **options):
    """Two sites of one type that lie close together."""
    network = NETWORKS[name]
    a, b = network, network
    if house == "routed":
        a, b = replace(network, lan="10.10.0.0/16"), replace(network, lan="192.168.1.0/24")
    return Case(f"{house}-{name}" + (f"-{more}" if more else ""), a, b, path, house=house, **options)


def further():
    """Networks beside the 45."""
    for name in ("port-restricted", "symmetric", "only-443"):
        yield close("lan", name, HOST, telling=name == "only-443")
        yield close("routed", name, HOST, telling=name == "symmetric")
    yield close("carrier", "port-restricted", RELAY_UDP)
    yield close("carrier-hairpin", "port-restricted", DIRECT, telling=True)

    yield pair("ipv6", "ipv6", HOST, telling=True)
    yield pair("ipv6", "dual", HOST)
    yield pair("dual", "dual", HOST)
    yield pair("dual-symmetric", "dual-symmetric", HOST, telling=True)
    yield pair("dual", "port-restricted", DIRECT)
    yield pair("dual", "symmetric", RELAY_UDP)
    yield pair("ipv6", "port-restricted", RELAY_UDP, telling=True)  # the relay joins what has no common family
    yield pair("ipv6", "only-443", RELAY_TCP)

    yield pair("same-range", "same-range", telling=True)
    yield pair("same-range", "same-range-symmetric")

    # A bridge of containers has the same address on every machine: who checks it talks to itself.
    yield pair("docker", "docker", telling=True)
    yield pair("docker", "docker-symmetric")

    yield pair("narrow", "narrow")
    yield pair("narrow-only-443", "symmetric")

    # Whose check comes first decides whether a mapping is spoilt: both ends are right where it can be.
    yield pair("answers", "answers", AT_MOST_ONE)
    yield pair("answers", "port-restricted", AT_MOST_ONE, telling=True)
    yield pair("answers", "public")
    yield pair("answers", "full")
    yield pair("answers", "symmetric")
    yield pair("answers-symmetric", "full")
    yield pair("answers-symmetric", "answers-symmetric")

    yield pair("udp-rejected", "port-restricted")
    yield pair("udp-rejected", "udp-blocked")
    yield pair("only-443-rejected", "public")
    yield pair("only-443-rejected", "only-443-rejected")

    yield pair("slow", "slow")
    yield pair("slow", "slow-symmetric")
    yield pair("slow", "only-443", RELAY_TCP)
    yield pair("lossy", "port-restricted", telling=True)
    yield pair("lossy", "lossy")  # twice 5 %
    yield pair("lossy-symmetric", "port-restricted")
    yield pair("lossy-only-443", "port-restricted", RELAY_TCP)


def limited():
    """One call without or with nothing but the relay, and a daemon whose relay is off."""
    for a, b in (("symmetric", "port-restricted"), ("only-443", "public"), ("udp-rejected", "full")):
        case = pair(a, b, FAILS)
        telling = a == "symmetric"
        yield replace(case, name=f"{case.name}-no-relay-call", options=("--ice-transport", "direct"), telling=telling)
        yield replace(case, name=f"{case.name}-no-relay", relay=False, telling=telling)
    for a, b in (("port-restricted", "port-restricted"), ("full", "symmetric")):
        case = pair(a, b)
        yield replace(case, name=f"{case.name}-no-relay-call", options=("--ice-transport", "direct"))
        yield replace(case, name=f"{case.name}-no-relay", relay=False, telling=a == "full")
    yield replace(pair("full", "restricted", RELAY_UDP), name="full-restricted-only-relay",
                  options=("--ice-transport", "relay"))
    yield replace(pair("udp-blocked", "only-443", TWO_RELAYS), name="udp-blocked-only-443-only-relay",
                  options=("--ice-transport", "relay"))


def all_cases():
    """All of them; those with the relay off last, so that a lab restarts its daemon once."""
    cases = [*nine(), *further(), *limited()]
    assert len({case.name for case in cases}) == len(cases)
    return sorted(cases, key=lambda case: not case.relay)


def choose(only, telling):
    """The cases named by `only` (either order of a pair), or the telling ones, or all."""
    cases = all_cases()
    if only:
        names = {case.name: case for case in cases}
        swapped = {f"{b}-{a}": f"{a}-{b}" for a in NETWORKS for b in NETWORKS}
        chosen = [names.get(name) or names.get(swapped.get(name)) for name in only]
        if None in chosen:
            raise LookupError(f"no case {only[chosen.index(None)]}; `netlab pairs --list` names them")
        return chosen
    return [case for case in cases if case.telling or not telling]


def build(lab, case):
    """Builds the networks of a case: the sites of a and b, and a function that takes them away."""
    shared = None
    if case.house in ("carrier", "carrier-hairpin"):
        shared = lab.carrier("carrier", "port-restricted", nat.NAT, hairpin=case.house == "carrier-hairpin")
    a = lab.site("a", case.a, shared)
    if case.house == "lan":
        b = lab.guest("b", a)
    else:
        b = lab.site("b", case.b, shared)
    if case.house == "routed":
        lab.join(a, b)

    def away():
        lab.remove(b, a)
        if shared:
            lab.end(shared.box)
    return a, b, away
