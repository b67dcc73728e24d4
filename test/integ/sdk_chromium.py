#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The web SDK in Chromium: calls between browsers, with native clients and the echo bot, and what goes wrong in them."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

from interop_daemon import ROOT, daemon, enter_network, need, skip

WEB = os.path.join(os.path.dirname(os.path.abspath(__file__)), "web")


def main():
    need("chromium", "node", "esbuild", "ip", "unshare")
    if not os.path.isdir(os.path.join(WEB, "node_modules", "playwright-core")):
        skip("npm packages of test/integ/web are not installed")
    enter_network()
    home = tempfile.mkdtemp(prefix="cf-home-")
    try:
        bundle = os.path.join(home, "sdk.js")
        subprocess.run(["esbuild", os.path.join(ROOT, "web", "sdk", "src", "index.ts"), "--bundle", "--format=esm", "--target=es2020",
                        "--log-level=warning", f"--outfile={bundle}"], check=True, timeout=60)
        with daemon() as ready:
            env = {**os.environ, "HOME": home, "CHROMIUM": shutil.which("chromium")}
            command = ["node", os.path.join(WEB, "sdk.mjs"), json.dumps(ready), bundle, *sys.argv[1:]]
            return subprocess.run(command, env=env, timeout=500, check=False).returncode
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
