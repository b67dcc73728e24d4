# SPDX-License-Identifier: Apache-2.0
"""What the tests with a browser share: its needs, a daemon in a network of its own, a home with the daemon's authority in it."""
import json
import os
import shutil
import subprocess
import tempfile

from interop_daemon import ROOT, daemon, enter_network, need, skip

WEB = os.path.join(os.path.dirname(os.path.abspath(__file__)), "web")


def trust(home, ca):
    """The browser of this home trusts the authority: TURN over TLS is verified as a web page is."""
    store = os.path.join(home, ".pki", "nssdb")
    os.makedirs(store)
    for words in (["-N", "--empty-password"], ["-A", "-t", "C,,", "-n", "callflow-dev", "-i", ca]):
        subprocess.run(["certutil", "-d", f"sql:{store}", *words], check=True, timeout=60)


def bundle_sdk(home):
    """The web SDK as one file."""
    path = os.path.join(home, "sdk.js")
    subprocess.run(["esbuild", os.path.join(ROOT, "web", "sdk", "src", "index.ts"), "--bundle", "--format=esm", "--target=es2020",
                    "--log-level=warning", f"--outfile={path}"], check=True, timeout=60)
    return path


def run_script(script, args, prepare=lambda ready, home: []):
    """The exit status of a script of test/integ/web with the daemon's ready line, what prepare() gives, and args."""
    need("chromium", "faketime", "firefox-esr", "node", "certutil", "esbuild", "ip", "nft", "unshare")
    if not os.path.isdir(os.path.join(WEB, "node_modules", "playwright-core")):
        skip("npm packages of test/integ/web are not installed")
    enter_network()
    home = tempfile.mkdtemp(prefix="cf-home-")
    try:
        with daemon() as ready:
            trust(home, ready["ca"])
            env = {**os.environ, "HOME": home, "CHROMIUM": shutil.which("chromium"), "FIREFOX": shutil.which("firefox-esr") or ""}
            command = ["node", os.path.join(WEB, script), json.dumps(ready), *prepare(ready, home), *args]
            return subprocess.run(command, env=env, timeout=500, check=False).returncode
    finally:
        shutil.rmtree(home, ignore_errors=True)
