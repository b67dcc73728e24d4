# SPDX-License-Identifier: Apache-2.0
"""`netlab nat`: does `callflow nat` name each network as it is made, and foretell the paths that calls take there?"""
import os
import shutil
import tempfile

import calls
import expect
import nat
from calls import Desk, Program
from lab import SERVER, SERVER6
from report import Report

ANSWER_S = 40
EIM, APD = "endpoint-independent", "address-and-port-dependent"
# Type, mapping, filtering: by a service with two addresses; what one with a single address says instead of them.
NAMES = {
    "public": ("none", "none", EIM),
    "full": ("full cone", EIM, EIM),
    "restricted": ("restricted cone", EIM, "address-dependent"),
    "port-restricted": ("port-restricted cone", EIM, APD),
    "symmetric": ("symmetric", APD, APD),
    "cgn-cone": ("port-restricted cone", EIM, APD),
    "cgn-symmetric": ("symmetric", APD, APD),
    "udp-blocked": ("UDP blocked", "unknown", "unknown"),
    "only-443": ("UDP blocked", "unknown", "unknown"),
    "lossy": ("port-restricted cone", EIM, APD),
    "slow-symmetric": ("symmetric", APD, APD),
    "udp-rejected": ("UDP blocked", "unknown", "unknown"),
}
ONE_ADDRESS = {"full cone": "cone", "restricted cone": "cone", EIM: "port-independent", "address-dependent": "port-independent"}
# Peers as `callflow nat` calls them, and a network of ours that is one.
PEERS = {"public": "public", "cone": "restricted", "port-restricted": "port-restricted", "symmetric": "symmetric",
         "udp-blocked": "udp-blocked", "only-443": "only-443"}
TELLING = ("public", "restricted", "cgn-cone", "symmetric", "only-443")


class Office(Desk):
    """A lab with a service that has one or two IPv4 addresses."""

    def __init__(self, build, folder, two):
        super().__init__(build, folder)
        self.addresses = (*SERVER[:2 if two else 1], SERVER6)

    def ask(self, site):
        """What `callflow nat` says there."""
        _, token = self.user()
        server = SERVER[0] if site.network.v4 else f"[{SERVER6}]"
        env = {"CALLFLOW_ENDPOINT": f"https://{server}:443", "CALLFLOW_CA": self.ready["ca"], "CALLFLOW_TOKEN": token}
        program = Program(self.lab, site.client, [os.path.join(self.build, "callflow"), "nat", "--json"], env,
                          os.path.join(self.folder, f"nat-{site.client}.log"))
        if program.finish(ANSWER_S) != 0:
            raise RuntimeError(f"callflow nat: {' | '.join(program.last_words())}")
        return program.find("nat")


def wanted(name, two):
    words = NAMES[name]
    return words if two else tuple(ONE_ADDRESS.get(word, word) for word in words)


def check_names(report, name, site, said, two):
    family = said.get("ipv4", {})
    got = tuple(family.get(key) for key in ("type", "mapping", "filtering"))
    want = wanted(name, two)
    if not two and name == "public":
        want = ("none", "none", "port-independent")
    label = f"{name}, {'two addresses' if two else 'one address'}"
    report.check(f"{label}: {', '.join(want)}", got == want, f"got {', '.join(map(str, got))}")
    if want[0] != "UDP blocked":
        report.check(f"{label}: outside address {site.wan}", family.get("mapped", {}).get("address") == site.wan, f"{family}")
        report.check(f"{label}: no hairpin", family["hairpin"] == ("unknown" if name == "public" else "no"), family["hairpin"])


def check_calls(report, name, said):
    """Paths as `netlab pairs` demands them of real calls."""
    for peer, network in PEERS.items():
        path, told = expect.path(name, network), said["calls"][peer]
        good = told["relays"] in path.relays and told["transport"] in path.transports and told["path"] in path.kinds
        report.check(f"{name} calls {peer}: {path}", good, f"{told}")


def check_hairpin(report, desk):
    """Behind a carrier's NAT that leads packets back in."""
    carrier = desk.lab.carrier("loop", "full", nat.NAT, hairpin=True)
    site = desk.lab.site("h", nat.Network(home="full"), carrier)
    said = desk.ask(site)["ipv4"]
    report.check("hairpin: yes", said["hairpin"] == "yes", f"{said}")


def visit(report, build, folder, names, two):
    desk = Office(build, folder, two)
    try:
        desk.serve(True)
        for i, name in enumerate(names):
            site = desk.lab.site(f"n{i}", nat.NETWORKS[name])
            said = desk.ask(site)
            check_names(report, name, site, said, two)
            if two:
                check_calls(report, name, said)
        if two:
            check_hairpin(report, desk)
        for problem in desk.stop().problems:
            report.check("callflowd ends in order", False, problem)
    except (RuntimeError, OSError, KeyError) as error:
        report.check(f"{'two addresses' if two else 'one address'}", False, repr(error))
    finally:
        desk.close()


def run(build, telling):
    report = Report()
    folder = tempfile.mkdtemp(prefix="netlab-")
    names = TELLING if telling else tuple(NAMES)
    try:
        for two in (True, False):
            visit(report, build, folder, names, two)
    finally:
        calls.close_all()
        shutil.rmtree(folder, ignore_errors=True)
    return report.end()
