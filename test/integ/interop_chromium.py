#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Chromium, unmodified, through the relay in every way there is to it, and in a call with the echo bot."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

from interop_daemon import behind_nat, daemon, enter_network, need, skip

WEB = os.path.join(os.path.dirname(os.path.abspath(__file__)), "web")


def trust(home, ca):
    """The browser of this home trusts the authority: TURN over TLS is verified as a web page is."""
    store = os.path.join(home, ".pki", "nssdb")
    os.makedirs(store)
    for words in (["-N", "--empty-password"], ["-A", "-t", "C,,", "-n", "callflow-dev", "-i", ca]):
        subprocess.run(["certutil", "-d", f"sql:{store}", *words], check=True, timeout=60)


def main():
    need("chromium", "node", "certutil", "ip", "nft", "unshare")
    if not os.path.isdir(os.path.join(WEB, "node_modules", "playwright-core")):
        skip("npm packages of test/integ/web are not installed")
    enter_network()
    home = tempfile.mkdtemp(prefix="cf-home-")
    try:
        with daemon() as ready:
            behind_nat(ready["stun"].rpartition(":")[2])
            trust(home, ready["ca"])
            env = {**os.environ, "HOME": home, "CHROMIUM": shutil.which("chromium")}
            command = ["node", os.path.join(WEB, "interop.mjs"), json.dumps(ready), *sys.argv[1:]]
            return subprocess.run(command, env=env, timeout=500, check=False).returncode
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
