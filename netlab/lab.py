# SPDX-License-Identifier: Apache-2.0
"""A small Internet of network namespaces: a core router, a server, and sites behind NATs of every kind.

A Lab owns its namespaces, links and processes and takes them all away when it closes, also when the program ends
by an error or a signal. Names carry the process id and a number, so labs live side by side. Nothing outside
these namespaces is touched. Site-wide rules are in nat.py; who calls whom is in calls.py.
"""
import atexit
import contextlib
import ctypes
import fcntl
import ipaddress
import itertools
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
from dataclasses import dataclass, field

import nat

SERVER = ["31.7.0.10", "31.7.0.11"]
SERVER6 = "2a05:7::10"
CLOUD = ["10.7.0.10", "10.7.0.11"]  # the same two, behind a 1:1 NAT
PREFIX = "cfnet"
CLONE_NEWNET = 0x40000000
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
HERE = os.path.dirname(os.path.abspath(__file__))
libc = ctypes.CDLL(None, use_errno=True)
labs = []
ending = threading.Event()
numbers = itertools.count(1)


def tool(*argv, text=""):
    """Runs a tool to its end; a failure carries what the tool said."""
    # In a session of its own: a Ctrl-C for us must not cut short what clears up.
    done = subprocess.run(argv, input=text, capture_output=True, text=True, timeout=20, check=False,
                          start_new_session=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip()}\n{text}")
    return done.stdout


@dataclass
class Site:
    """One client and the boxes in front of it. Box names are namespaces of the lab."""
    client: str
    network: nat.Network
    host: str | None = None      # the client's own IPv4 address
    host6: str | None = None
    wan: str | None = None       # the outside IPv4 address of its outermost NAT (its own when public)
    port: tuple = ()             # where the client's cable ends: namespace and interface
    device: str = "eth0"         # the client's interface
    home: str | None = None
    carrier: str | None = None
    boxes: list = field(default_factory=list)


@dataclass
class Carrier:
    """A carrier's NAT that several homes share."""
    box: str
    wan: str


class Lab:
    """The namespaces of one lab. Names given to its methods are short: `a`, `a-home`, `srv`."""

    def __init__(self, cloud=False):
        self.name = f"{PREFIX}{os.getpid()}n{next(numbers)}"
        self.closed = ending.is_set()
        self.lock = threading.Lock()  # the main thread may close a lab that another one is building
        self.spaces = []
        self.children = []
        self.subnets = itertools.count(1)
        labs.append(self)
        self.space("core", forward=True)
        self.space("srv")
        if cloud:
            self.cloud()
            return
        self.link(("core", "srv"), ("srv", "eth0"))
        self.address("core", "srv", "31.7.0.1/24", "2a05:7::1/64")
        self.address("srv", "eth0", *(f"{a}/24" for a in SERVER), f"{SERVER6}/64")
        self.route("srv", "31.7.0.1", "2a05:7::1")

    def cloud(self):
        """Hangs the server behind a cloud's 1:1 NAT: it has the addresses of CLOUD, the world knows those of SERVER,
        and what it sends to these itself does not come back."""
        self.space("cloud", forward=True)
        self.link(("core", "srv"), ("cloud", "wan"))
        self.link(("cloud", "lan"), ("srv", "eth0"))
        self.address("core", "srv", "31.7.0.1/24")
        self.address("cloud", "wan", *(f"{a}/24" for a in SERVER))
        self.address("cloud", "lan", "10.7.0.1/24")
        self.address("srv", "eth0", *(f"{a}/24" for a in CLOUD))
        self.route("cloud", "31.7.0.1")
        self.route("srv", "10.7.0.1")
        inwards, outwards = (", ".join(f"{a} : {b}" for a, b in zip(one, two)) for one, two in ((SERVER, CLOUD), (CLOUD, SERVER)))
        self.nft("cloud", f"""
            table ip cloud {{
                chain inwards {{ type nat hook prerouting priority dstnat; iifname "wan" dnat ip to ip daddr map {{ {inwards} }}; }}
                chain outwards {{ type nat hook postrouting priority srcnat; oifname "wan" snat ip to ip saddr map {{ {outwards} }}; }}
                chain round {{ type filter hook input priority filter; iifname "lan" ip daddr {{ {", ".join(SERVER)} }} drop; }}
            }}""")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- namespaces, links, addresses

    def full(self, space):
        return f"{self.name}-{space}"

    def space(self, space, v6=True, forward=False):
        """A new namespace, loopback up, without the pauses of duplicate address detection."""
        with self.lock:
            if self.closed:
                raise RuntimeError("the lab is closed")
            self.spaces.append(space)
            tool("ip", "netns", "add", self.full(space))
        settings = {"ipv6/conf/{}/disable_ipv6": not v6, "ipv6/conf/{}/accept_dad": 0,
                    "ipv6/conf/{}/keep_addr_on_down": 1}
        with self.inside(space):
            for name in ("all", "default"):
                for key, value in settings.items():
                    sysctl(key.format(name), value)
            if forward:
                sysctl("ipv4/ip_forward", 1)
                sysctl("ipv6/conf/all/forwarding", 1)
                sysctl("bridge/bridge-nf-call-iptables", 0)  # a LAN's switch does not ask the router
                sysctl("bridge/bridge-nf-call-ip6tables", 0)
        self.ip(space, "link set lo up")

    def ip(self, space, *lines):
        return tool("ip", "-n", self.full(space), "-batch", "-", text="\n".join(lines) + "\n")

    def nft(self, space, script):
        return tool("ip", "netns", "exec", self.full(space), "nft", "-f", "-", text=script)

    def link(self, one, two, delay_ms=0, rate_kbps=0):
        """A cable between two (namespace, interface); a long or narrow one runs through a delay line."""
        if delay_ms or rate_kbps:
            fds = [self.tap(*one), self.tap(*two)]
            argv = [sys.executable, os.path.join(HERE, "delay.py"), *map(str, fds), str(delay_ms), str(rate_kbps)]
            self.start("core", argv, pass_fds=fds)
            for fd in fds:
                os.close(fd)
        else:
            self.ip(one[0], f"link add {one[1]} type veth peer name {two[1]} netns {self.full(two[0])}")
        for space, device in (one, two):
            self.ip(space, f"link set {device} up")

    def tap(self, space, device):
        with self.inside(space):
            fd = os.open("/dev/net/tun", os.O_RDWR)
            fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TAP | IFF_NO_PI))
        return fd

    def address(self, space, device, *addresses):
        self.ip(space, *(f"addr add {a} dev {device}" + (" nodad" if ":" in a else "") for a in addresses if a))

    def route(self, space, *gateways, to="default"):
        self.ip(space, *(f"route add {to} via {g}" for g in gateways if g))

    @contextlib.contextmanager
    def inside(self, space):
        """The calling thread is in this namespace for the block; sockets opened in it stay there."""
        back = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{self.full(space)}", os.O_RDONLY)
        try:
            enter(there)
            yield
        finally:
            enter(back)
            os.close(there)
            os.close(back)

    # ---- sites

    def site(self, name, network, carrier=None):
        """A client `name` with everything `network` says in front of it; behind `carrier` when given."""
        n = next(self.subnets)
        site = Site(client=name, network=network)
        self.space(name, v6=network.v6)
        if network.home is None:
            self.public(site, n)
            return site
        outside, gateway = ("core", f"site{n}"), f"5.{n}.0.1"
        if network.carrier:
            carrier = self.carrier(f"{name}-carrier", network.carrier, network)
            site.carrier = carrier.box
            site.boxes.append(carrier.box)
        if carrier:
            outside, gateway = (carrier.box, f"lan{n}"), f"100.64.{n}.1"
            site.carrier = carrier.box
        self.home(site, n, outside, gateway)
        site.wan = carrier.wan if carrier else f"5.{n}.0.2"
        return site

    def public(self, site, n):
        site.port = ("core", f"site{n}")
        self.link(site.port, (site.client, "eth0"), site.network.delay_ms, site.network.rate_kbps)
        self.address(*site.port, f"5.{n}.0.1/24")
        self.address(site.client, "eth0", f"5.{n}.0.2/24")
        self.route(site.client, f"5.{n}.0.1")
        site.host = site.wan = f"5.{n}.0.2"

    def home(self, site, n, outside, gateway):
        """The home router: its outside end at `outside`, its LAN a bridge, the client plugged in."""
        network, box = site.network, f"{site.client}-home"
        site.home = box
        site.boxes.append(box)
        self.space(box, v6=network.v6, forward=True)
        self.link(outside, (box, "wan"), network.delay_ms, network.rate_kbps)
        self.ip(box, "link add lan type bridge", "link set lan up")
        if network.mtu:
            self.ip(outside[0], f"link set {outside[1]} mtu {network.mtu}")
            self.ip(box, f"link set wan mtu {network.mtu}")
        wan = gateway.removesuffix(".1") + ".2"
        if network.v4:
            self.address(*outside, f"{gateway}/24")
            self.address(box, "wan", f"{wan}/24")
            self.route(box, gateway)
        if network.v6:
            self.address(*outside, f"2a05:{n}::1/64")
            self.address(box, "wan", f"2a05:{n}::2/64")
            self.route(box, f"2a05:{n}::1")
            self.route(outside[0], f"2a05:{n}::2", to=f"2a05:{n}:1::/64")
        self.nft(box, nat.rules(network.home, wan if network.v4 else None, network))
        lan = ipaddress.ip_network(network.lan or f"192.168.{100 + n}.0/24")
        self.plug(site, lan if network.v4 else None, f"2a05:{n}:1::" if network.v6 else None)

    def plug(self, site, lan, lan6, router=True):
        """Puts the client's cable into the LAN of its home; `router`: the LAN has no addresses yet."""
        bits, host = lan.prefixlen if lan else 0, site.network.host
        site.port = (site.home, f"port{host}")
        self.link(site.port, (site.client, site.device))
        self.ip(site.home, f"link set {site.port[1]} master lan")
        if lan:
            site.host = str(lan[host])
            self.address(site.client, site.device, f"{site.host}/{bits}")
        if lan6:
            site.host6 = f"{lan6}{host}"
            self.address(site.client, site.device, f"{site.host6}/64")
        gateways = [str(lan[1]) if lan else None, f"{lan6}1" if lan6 else None]
        if router:
            self.address(site.home, "lan", f"{gateways[0]}/{bits}" if lan else None,
                         f"{gateways[1]}/64" if lan6 else None)
        self.route(site.client, *gateways)
        if site.network.second:
            self.ip(site.client, "link add docker0 type veth peer name docker1",
                    "link set docker1 up", "link set docker0 up",
                    f"addr add {site.network.second} dev docker0")

    def carrier(self, name, kind, network, hairpin=False):
        """A carrier's NAT on the core, to be given to the sites behind it."""
        n = next(self.subnets)
        self.space(name, v6=False, forward=True)
        self.link(("core", f"site{n}"), (name, "wan"))
        self.address("core", f"site{n}", f"5.{n}.0.1/24")
        self.address(name, "wan", f"5.{n}.0.2/24")
        self.route(name, f"5.{n}.0.1")
        self.nft(name, nat.rules(kind, f"5.{n}.0.2", nat.Network(answers=network.answers), hairpin))
        return Carrier(name, f"5.{n}.0.2")

    def guest(self, name, host):
        """A second client in the LAN of `host`'s home."""
        guest = Site(client=name, network=nat.replace(host.network, host=host.network.host + 1),
                     home=host.home, carrier=host.carrier, wan=host.wan)
        self.space(name, v6=host.network.v6)
        lan = ipaddress.ip_network(host.network.lan or f"{host.host}/24", strict=False) if host.host else None
        lan6 = host.host6.rpartition(":")[0] + ":" if host.host6 else None
        self.plug(guest, lan, lan6, router=False)
        return guest

    def join(self, one, two):
        """A private line between two homes: each LAN is routed to the other, untranslated."""
        self.link((one.home, "side"), (two.home, "side"))
        for near, far, mine, its in ((one, two, "172.31.0.1", "172.31.0.2"), (two, one, "172.31.0.2", "172.31.0.1")):
            self.address(near.home, "side", f"{mine}/30")
            self.ip(near.home, f"route add {far.network.lan} via {its}")

    def remove(self, *sites):
        """Takes sites away with all that runs in them; their links go with the namespaces."""
        for space in [b for s in sites for b in [s.client, *s.boxes]]:
            self.end(space)

    # ---- events: what happens to a network during a call

    def reboot_nat(self, site):
        """Every NAT of the site forgets every flow and mapping."""
        for box in filter(None, (site.home, site.carrier)):
            self.nft(box, "flush map ip nat mapped\nflush set ip nat sent\n")
            with self.inside(box):
                flush_conntrack()

    def cut_udp(self, site, cut=True):
        """From now on UDP no longer passes the home router, in neither direction; or it does again."""
        self.nft(site.home, "add rule inet guard events meta l4proto udp drop\n" if cut
                 else "flush chain inet guard events\n")

    def unplug(self, site, out=True):
        """Pulls the client's cable, or puts it back. The client keeps its addresses and sees the carrier go."""
        space, device = site.port
        self.ip(space, f"link set {device} {'down' if out else 'up'}")

    def block_direct(self, site, block=True):
        """From now on the home router lets UDP through to the server and from it only; or to everyone again."""
        self.nft(site.home, "add rule inet guard events meta l4proto udp ip daddr != 31.7.0.0/24 "
                 "ip saddr != 31.7.0.0/24 drop\n" if block else "flush chain inet guard events\n")

    def readdress(self, site, lan=None):
        """The client moves to the next address in its LAN, or into the new subnet `lan`; the old one is gone."""
        old = ipaddress.ip_interface(self.ip_address(site))
        new = ipaddress.ip_interface(f"{old.ip + 1}/{old.network.prefixlen}")
        if lan:
            subnet = ipaddress.ip_network(lan)
            new = ipaddress.ip_interface(f"{subnet[site.network.host]}/{subnet.prefixlen}")
            self.address(site.home, "lan", f"{subnet[1]}/{subnet.prefixlen}")
        self.ip(site.client, f"addr del {old} dev {site.device}", f"addr add {new} dev {site.device}",
                f"route replace default via {new.network[1]}")
        site.host = str(new.ip)
        return site.host

    def annex(self, site):
        """A second home of the same kind, behind another NAT on another line, where roam() takes the client."""
        n = next(self.subnets)
        other = Site(client=f"{site.client}-annex", network=site.network, wan=f"5.{n}.0.2")
        self.space(other.client)
        self.home(other, n, ("core", f"site{n}"), f"5.{n}.0.1")
        site.boxes += [other.client, *other.boxes]
        return other

    def roam(self, site, other):
        """The client's interface goes; a new one, in its annex `other`, is all it has."""
        address, device = self.ip_address(other), "eth1"
        gateway = ipaddress.ip_interface(address).network[1]
        self.end_link(other)
        self.link(other.port, (site.client, device))
        self.ip(other.home, f"link set {other.port[1]} master lan")
        self.ip(site.client, f"link del {site.device}", f"addr add {address} dev {device}",
                f"route add default via {gateway}")
        site.device, site.host, site.wan, site.port = device, str(ipaddress.ip_interface(address).ip), other.wan, other.port
        site.home = other.home

    def end_link(self, site):
        """Unplugs a client's cable for good."""
        self.ip(site.client, f"link del {site.device}")

    def ip_address(self, site):
        shown = tool("ip", "-n", self.full(site.client), "-4", "addr", "show", site.device)
        return re.search(r"inet (\S+)", shown)[1]

    # ---- processes, and the end

    def command(self, space, argv):
        """How a program is run in a namespace; it dies with the thread that started it."""
        return ["ip", "netns", "exec", self.full(space), "setpriv", "--pdeathsig", "KILL", *argv]

    def start(self, space, argv, **options):
        child = subprocess.Popen(self.command(space, argv), **options)
        self.children.append(child)
        return child

    def end(self, space):
        for pid in tool("ip", "netns", "pids", self.full(space)).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        tool("ip", "netns", "del", self.full(space))
        with contextlib.suppress(ValueError):  # two threads may end a lab when a signal ends the program
            self.spaces.remove(space)

    def close(self):
        with self.lock:
            self.closed = True
        for space in list(reversed(self.spaces)):
            with contextlib.suppress(RuntimeError, subprocess.TimeoutExpired):
                self.end(space)
        for child in self.children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(5)
        if self in labs:
            labs.remove(self)


def enter(fd):
    if libc.setns(fd, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def sysctl(key, value):
    path = f"/proc/sys/net/{key}"
    if key.startswith("bridge/") and not os.path.exists(path):
        return  # this kernel keeps bridge and firewall apart already
    with open(path, "w", encoding="ascii") as file:
        file.write(str(int(value)))


def flush_conntrack():
    """The ctnetlink message that deletes without naming a flow: all of this namespace's go."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as netlink:  # NETLINK_NETFILTER
        netlink.settimeout(5)
        # nlmsghdr: length, IPCTNL_MSG_CT_DELETE, NLM_F_REQUEST | NLM_F_ACK, sequence, pid; nfgenmsg: any family
        netlink.send(struct.pack("=IHHIIBBH", 20, 1 << 8 | 2, 1 | 4, 1, 0, 0, 0, 0))
        error = struct.unpack_from("=i", netlink.recv(4096), 16)[0]
        if error:
            raise OSError(-error, "conntrack flush")


def close_all():
    """Closes every lab, and lets none be made any more."""
    ending.set()
    for lab in list(labs):
        lab.close()


def sweep():
    """Takes away what runs that were killed have left: namespaces whose process is gone."""
    for line in tool("ip", "netns", "list").splitlines():
        space = line.split()[0]
        owner = re.match(PREFIX + r"(\d+)n\d+-", space)
        if owner and not alive(owner[1]):
            tool("ip", "netns", "del", space)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def guard():
    """Called once by a program that makes labs: whatever ends it, nothing stays behind."""
    if os.geteuid() != 0:
        sys.exit("netlab: needs root: it makes network namespaces")
    sweep()
    atexit.register(close_all)
    for number in ENDINGS:
        signal.signal(number, end_by_signal)


def end_by_signal(number, _):
    for other in ENDINGS:
        signal.signal(other, signal.SIG_IGN)  # a second one must not stop the clearing up
    sys.exit(128 + number)
