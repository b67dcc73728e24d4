# SPDX-License-Identifier: Apache-2.0
"""A daemon in a network of its own, for the tests with other people's programs. Not a test by itself.

Browsers offer no loopback addresses, so a test moves into a fresh network namespace with one interface; the
namespace goes with its last process.
"""
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("CALLFLOW_BUILD", os.path.join(ROOT, "build"))
ADDRESS = "10.77.0.1"
OUTSIDE = "10.77.0.2"  # what the daemon sees of clients behind the NAT


def skip(why):
    print(f"1..0 # skip {why}")
    sys.exit(0)


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            skip(f"{program} is not installed")


def enter_network():
    """Runs this program anew inside a network namespace; returns inside it."""
    if os.environ.get("CF_INTEROP_INSIDE") != "1":
        as_root = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]
        os.environ["CF_INTEROP_INSIDE"] = "1"
        os.execvp(as_root[0], [*as_root, sys.executable, *sys.argv])
    for words in ("link set lo up", "link add lan0 type veth peer name lan1",
                  "link set lan0 up", "link set lan1 up",
                  f"addr add {ADDRESS}/24 dev lan0", f"addr add {OUTSIDE}/32 dev lo", "route add default dev lan0"):
        subprocess.run(["ip", *words.split()], check=True)


def behind_nat(port):
    """What goes to this UDP port comes from OUTSIDE from now on, so that STUN has something to tell."""
    for words in ("add table ip interop", "add chain ip interop post { type nat hook postrouting priority 100 ; }",
                  f"add rule ip interop post ip saddr {ADDRESS} udp dport {port} snat to {OUTSIDE}"):
        subprocess.run(["nft", words], check=True)


@contextlib.contextmanager
def daemon():
    """Yields the ready line of a daemon on ADDRESS as a dictionary. After, the daemon must end well, allocations or not."""
    state = tempfile.mkdtemp(prefix="cf-interop-")
    settings = [f"listen.https={ADDRESS}:0", f"listen.stun=[{ADDRESS}:0]", f"listen.turn_tls=[{ADDRESS}:0]",
                "relay.users={alice: secret}", "relay.allow_peers=[10.77.0.0/24]"]
    command = [os.path.join(BUILD, "callflowd"), "--dev", "--json", "--state", state, "--public-address", ADDRESS]
    with open(os.path.join(state, "log"), "w+", encoding="utf-8") as log:
        process = subprocess.Popen([*command, *(word for s in settings for word in ("--set", s))],
                                   stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            line = process.stdout.readline()
            if not line:
                log.seek(0)
                print("1..1\nnot ok 1 - the daemon starts\n# " + log.read().replace("\n", "\n# "))
                sys.exit(1)
            yield json.loads(line)
        finally:
            for _ in range(2):  # the second: whatever still goes on
                if process.poll() is None:
                    process.terminate()
                    time.sleep(0.1)
            try:
                code = process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                code = process.wait()
            if code not in (0, -15):
                log.seek(0)
                print(f"not ok 0 - the daemon ended with {code}\n# " + log.read()[-3000:].replace("\n", "\n# "))
            shutil.rmtree(state, ignore_errors=True)
