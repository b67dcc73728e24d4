#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Set-up through real NATs: from `call` to connected and to the first audio played, beside Chromium's reference and libnice here."""
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import part

sys.dont_write_bytecode = True
sys.path.insert(0, str(part.ROOT / "netlab"))
import calls  # noqa: E402
import cases  # noqa: E402
import lab  # noqa: E402

# Medians of Chromium 156 with coturn behind the same kinds of NAT, below 1 ms: createOffer to connected, to the first frame.
CHROMIUM = "Chromium 156 (reference)"
# What, the case of netlab, Chromium's two figures.
ROWS = [
    ("same LAN", "lan-port-restricted", 79, 197), ("routed subnets", "routed-port-restricted", 76, 217),
    ("cone with cone", "port-restricted-port-restricted", 177, 291), ("symmetric with symmetric", "symmetric-symmetric", 216, 392),
    ("UDP blocked with cone", "port-restricted-udp-blocked", 294, 391), ("only TCP 443 on both sides", "only-443-only-443", 265, 366),
    ("public with public", "public-public", None, None), ("full cone with symmetric", "full-symmetric", None, None),
    ("cone with symmetric", "port-restricted-symmetric", None, None), ("carrier's cone on both sides", "cgn-cone-cgn-cone", None, None),
    ("symmetric with only TCP 443", "symmetric-only-443", None, None), ("IPv6 with IPv6", "ipv6-ipv6", None, None),
]
USER, PASSWORD = "bench", "secret"
TALK_S = 2
NICE_S = 15


class Nice:
    """One libnice agent in a namespace; what it says goes to the other one."""

    def __init__(self, here, site, role, other):
        server = lab.SERVER[0] if site.network.v4 else lab.SERVER6
        argv = [str(part.PROGRAMS / "nice_peer"), role, server, "3478", "443", USER, PASSWORD]
        self.child = here.start(site.client, argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.child.stdout.readline()  # hello: it runs
        self.other, self.ready = other, threading.Event()
        self.at = None

    def tell(self, line):
        self.child.stdin.write(line)
        self.child.stdin.flush()

    def pass_on(self):
        for line in self.child.stdout:
            if line.startswith("ready"):
                self.at = self.at or time.monotonic()
                self.ready.set()
            if line.startswith(("ready", "failed")):  # failed with trickle: so far, for want of candidates
                continue
            try:
                self.other.tell(line)
            except OSError:
                return


def nice_ms(here, a, b):
    """From the start of gathering to the later READY, or None."""
    one = Nice(here, a, "controlling", None)
    two = Nice(here, b, "controlled", one)
    one.other = two
    threads = [threading.Thread(target=agent.pass_on, daemon=True) for agent in (one, two)]
    start = time.monotonic()
    for agent, thread in zip((one, two), threads):
        thread.start()
        agent.tell("go\n")
    done = all(agent.ready.wait(NICE_S) for agent in (one, two))
    took = (max(one.at, two.at) - start) * 1000 if done else None
    for agent, thread in zip((one, two), threads):
        agent.child.kill()
        agent.child.wait()
        thread.join()
    return took


class Desk(calls.Desk):
    # libnice's agents are ended without giving back their allocations: one user has many here.
    settings = (f'relay.users={{"{USER}":"{PASSWORD}"}}', "relay.quota_per_user=10000")

    def call(self, case, a, b, folder):
        """(setupMs, firstAudioMs) of the caller."""
        caller, callee, _ = self.ends(case, a, b, folder, TALK_S)
        status = caller.finish(calls.CALL_S)
        callee.child.terminate()
        callee.finish(calls.END_S)
        connected, ended = caller.find("connected"), caller.find("ended")
        if status or not connected:
            raise RuntimeError(f"{case.name}: {ended.get('reason', 'no end')}")
        return connected["setupMs"], ended["stats"]["firstAudioMs"]

    def measure(self, case, rounds):
        """Medians: ours to connected and to the first audio, libnice's to ready (None: it never was)."""
        folder = os.path.join(self.folder, case.name)
        os.makedirs(folder, exist_ok=True)
        ours, theirs = [], []
        with_nice = os.access(part.PROGRAMS / "nice_peer", os.X_OK)
        for _ in range(rounds):
            a, b, away = cases.build(self.lab, case)
            try:
                ours.append(self.call(case, a, b, folder))
                if with_nice:
                    theirs.append(nice_ms(self.lab, a, b))
            finally:
                away()
            part.progress(f"  ours {ours[-1]}, libnice {theirs[-1] if theirs else None}")
        setup, audio = (statistics.median(figures) for figures in zip(*ours))
        times = [figure for figure in theirs if figure]
        return setup, audio, statistics.median(times) if times else None, len(theirs) - len(times)


def nice_name():
    done = subprocess.run(["pkg-config", "--modversion", "nice"], capture_output=True, text=True, check=False)
    return f"libnice {done.stdout.strip()}".strip()


def rows(what, found, chromium):
    setup, audio, nice, failed = found
    for name, ours, theirs in (("connected", setup, chromium[0]), ("first audio played", audio, chromium[1])):
        part.row("setup", f"{what}: {name}", "ms", ours, CHROMIUM if theirs else None, theirs, bar=1 if theirs else None,
                 note="theirs: first frame" if theirs and name != "connected" else "")
    note = "theirs: ICE alone, no signalling service, no DTLS" + (f"; {failed} of its tries failed" if failed else "")
    if nice or failed:
        part.row("setup", f"{what}: connected", "ms", setup, nice_name(), nice, note=note)


def main():
    args = part.options(__doc__)
    if os.geteuid():
        sys.exit("setup: needs root: it makes network namespaces")
    lab.guard()
    folder = tempfile.mkdtemp(prefix="callflow-bench-")
    desk = Desk(str(part.BUILD), folder)
    chosen = [row for row in (ROWS[:6:5] if args.quick and not args.only else ROWS) if args.only in row[0]]
    try:
        desk.serve(True)
        for what, name, *chromium in chosen:
            part.progress(what)
            rows(what, desk.measure(cases.choose([name], False)[0], 1 if args.quick else 5), chromium)
        desk.stop()
    finally:
        desk.close()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
