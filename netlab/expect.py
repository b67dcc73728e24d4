# SPDX-License-Identifier: Apache-2.0
"""What path a call between two networks must take."""
from dataclasses import dataclass

# How far a side can be reached: 0 by anyone who knows its mapping (or once its client has sent to their address),
# 1 by whom its client has sent to, port and all, 2 likewise but through another port for each, 3 by UDP not at all.
GRADES = {"public": 0, "full": 0, "restricted": 0, "port-restricted": 1, "cgn-cone": 1,
          "symmetric": 2, "cgn-symmetric": 2, "udp-blocked": 3, "only-443": 3}
UDP, TCP = frozenset({"udp"}), frozenset({"tcp", "tls"})


@dataclass(frozen=True)
class Path:
    """The paths that are right: how many relays, over what, and of which kind."""
    relays: frozenset
    transports: frozenset
    kinds: frozenset = frozenset({"direct", "reflexive"})
    fails: bool = False  # the call must end at once, with a reason

    def __str__(self):
        if self.fails:
            return "fails at once"
        relays = "-".join(map(str, sorted(self.relays)))
        over = "/".join(sorted(self.transports))
        kinds = "" if max(self.relays) else ", host to host" if self.kinds == {"direct"} else ""
        return f"{relays} relay, {over}" if max(self.relays) else f"direct, {over}{kinds}"


DIRECT = Path(frozenset({0}), UDP)
HOST = Path(frozenset({0}), UDP, frozenset({"direct"}))
RELAY_UDP = Path(frozenset({1}), UDP, frozenset({"relayed"}))
RELAY_TCP = Path(frozenset({1}), TCP, frozenset({"relayed"}))
TWO_RELAYS = Path(frozenset({2}), TCP, frozenset({"relayed"}))
AT_MOST_ONE = Path(frozenset({0, 1}), UDP, frozenset({"direct", "reflexive", "relayed"}))
FAILS = Path(frozenset(), frozenset(), fails=True)


def grade(name):
    """The grade of any network: variants (`slow-symmetric`) have that of the type they are made from."""
    for kind in sorted(GRADES, key=len, reverse=True):
        if name == kind or name.endswith("-" + kind):
            return GRADES[kind]
    return {"udp-rejected": 3, "only-443-rejected": 3}.get(name, 1)


def meets(one, two):
    """True if two networks can do without a relay."""
    return grade(one) + grade(two) < 3


def path(one, two):
    if one == two == "public":
        return HOST
    a, b = grade(one), grade(two)
    if a == b == 3:
        return TWO_RELAYS
    if 3 in (a, b):
        return RELAY_TCP
    return DIRECT if meets(one, two) else RELAY_UDP
