# SPDX-License-Identifier: Apache-2.0
"""What a network is like, and the nftables rules that make it so.

A Network describes one side: the NAT at home, the carrier's NAT in front of it, what the firewall lets out and
how it says no. `rules()` turns one NAT box into an nftables script. RFC 4787 gives the words: all cones map
endpoint-independently, the symmetric one maps per destination; they differ in whom they let back in.
"""
from dataclasses import dataclass, replace

PORTS = "20000-31999"  # outside ports: below every ephemeral port, so no mapping ever keeps the inside port
PRIVATE = "{ 10.0.0.0/8, 100.64.0.0/10, 172.16.0.0/12, 192.168.0.0/16, 169.254.0.0/16 }"


@dataclass(frozen=True)
class Network:
    """One side of a call. Without a home NAT the client sits on the Internet with a public address."""
    home: str | None = "port-restricted"
    carrier: str | None = None
    tcp_only: tuple = ()      # when set: TCP to these ports is all that goes out
    no: str = "drop"          # how the firewall says no to what it does not let out: drop, reject
    answers: bool = False     # the router answers unexpected packets itself, instead of dropping them
    v4: bool = True
    v6: bool = False
    loss: int = 0             # percent, each way
    delay_ms: int = 0         # each way
    rate_kbps: int = 0        # each way; 0: as fast as it goes
    mtu: int = 0              # of the line outside, when not 1500
    second: str | None = None  # a second interface of the client that leads nowhere, with this address
    lan: str | None = None    # the private /24 or /16 at home, and below it the client's place in it
    host: int = 23


NAT = Network()
NINE = {
    "public": Network(home=None),
    "full": Network(home="full"),
    "restricted": Network(home="restricted"),
    "port-restricted": NAT,
    "symmetric": Network(home="symmetric"),
    "cgn-cone": Network(carrier="port-restricted"),
    "cgn-symmetric": Network(carrier="symmetric"),
    "udp-blocked": Network(tcp_only=(443, 8443, 3478)),
    "only-443": Network(tcp_only=(443,)),
}
NETWORKS = NINE | {
    "ipv6": Network(v4=False, v6=True),
    "dual": Network(v6=True),
    "dual-symmetric": Network(home="symmetric", v6=True),
    "answers": Network(answers=True),
    "answers-symmetric": Network(home="symmetric", answers=True),
    "udp-rejected": Network(tcp_only=(443, 8443, 3478), no="reject"),
    "only-443-rejected": Network(tcp_only=(443,), no="reject"),
    "same-range": Network(lan="192.168.1.0/24"),
    "same-range-symmetric": Network(home="symmetric", lan="192.168.1.0/24"),
    "narrow": Network(mtu=1280),
    "narrow-only-443": Network(mtu=1280, tcp_only=(443,)),
    "docker": Network(second="172.17.0.1/16"),
    "docker-symmetric": Network(home="symmetric", second="172.17.0.1/16"),
    "slow": Network(delay_ms=150),
    "slow-symmetric": Network(home="symmetric", delay_ms=150),
    "thin": Network(delay_ms=20, rate_kbps=500, loss=5),
    "thin-symmetric": Network(home="symmetric", delay_ms=20, rate_kbps=500, loss=5),
    "narrow-band": Network(delay_ms=20, rate_kbps=300),
    "lossy": Network(loss=5),
    "lossy-symmetric": Network(home="symmetric", loss=5),
    "lossy-only-443": replace(Network(tcp_only=(443,)), loss=5),
}

# Whom a NAT lets back in: full takes anyone who knows the mapping, restricted anyone at an address the client
# has sent to. The rest is left to conntrack, which knows flows by address and port on both ends.
WAY_BACK = {
    "full": 'iifname "wan" dnat ip to udp dport map @mapped',
    "restricted": 'iifname "wan" udp dport . ip saddr @sent dnat ip to udp dport map @mapped',
}
# A hairpin leads a packet from inside to an outside address of this NAT back in, with an outside source.
HAIRPIN_IN = 'iifname "lan*" ip daddr {wan} dnat ip to udp dport map @mapped'
HAIRPIN_OUT = 'iifname "lan*" oifname "lan*" ct status dnat meta l4proto udp snat ip to {wan}:{ports}'

TRANSLATE = """
table ip nat {{
	map mapped {{ typeof udp dport : ip daddr . udp dport; flags dynamic,timeout; timeout 2m; }}
	set sent {{ typeof udp dport . ip saddr; flags dynamic,timeout; timeout 30s; }}
	chain in {{
		type nat hook prerouting priority dstnat;
		{way_back}
		{hairpin_in}
	}}
	chain out {{
		type nat hook postrouting priority srcnat;
		{hairpin_out}
		oifname "wan" meta l4proto {{ tcp, udp }} snat ip to {wan}:{ports} {random}
		oifname "wan" snat ip to {wan}
	}}
	chain learn {{ # the packet is translated by now: note which inside socket owns its outside port
		type filter hook postrouting priority srcnat + 1;
		oifname "wan" ct direction original update @mapped {{ udp sport : ct original ip saddr . ct original proto-src }}
		oifname "wan" ct direction reply update @mapped {{ udp sport : ct reply ip saddr . ct reply proto-src }}
		oifname "wan" update @sent {{ udp sport . ip daddr }}
	}}
}}
"""

GUARD = """
table inet guard {{
	chain events {{ }}
	chain forward {{
		type filter hook forward priority filter; policy drop;
		jump events
		{loss}
		ct state established,related accept
		ct status dnat accept
		iifname "side" oifname "lan*" accept
		iifname "lan*" oifname "side" accept
		iifname "lan*" oifname "wan" jump outward
	}}
	chain outward {{
		{inland}
		{allowed}
		{no}
	}}
	chain input {{
		type filter hook input priority filter; policy {unexpected};
		ct state established,related accept
		icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, nd-router-advert }} accept
		iifname "lan*" meta l4proto {{ icmp, ipv6-icmp }} accept
	}}
}}
"""

REJECT = """meta l4proto tcp reject with tcp reset
		reject with icmpx type admin-prohibited"""


def rules(kind, wan, network, hairpin=False):
    """The nftables script of one NAT box of `kind` whose outside address is `wan` (None: IPv6 alone)."""
    ports = "{ " + ", ".join(map(str, network.tcp_only)) + " }"
    guard = GUARD.format(
        loss=f"numgen random mod 100 < {network.loss} drop" if network.loss else "",
        inland=f"oifname \"wan\" ip daddr {PRIVATE} {'drop' if network.no == 'drop' else 'reject'}",
        allowed=f"tcp dport {ports} accept" if network.tcp_only else "accept",
        no="drop" if network.no == "drop" else REJECT,
        unexpected="accept" if network.answers else "drop")
    if wan is None:
        return guard
    fill = {"wan": wan, "ports": PORTS}
    return guard + TRANSLATE.format(
        way_back=WAY_BACK.get(kind, ""),
        hairpin_in=HAIRPIN_IN.format(**fill) if hairpin else "",
        hairpin_out=HAIRPIN_OUT.format(**fill) if hairpin else "",
        random="fully-random" if kind == "symmetric" else "", **fill)
