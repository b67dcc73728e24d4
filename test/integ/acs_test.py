#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the unmodified npm clients of Azure Communication Services (test/integ/acs) against a callflowd."""
import os
import shutil
import subprocess
import sys

from daemon import ROOT, Daemon, need

FOLDER = ROOT / "test" / "integ" / "acs"

need(shutil.which("node"), "there is no node")
need((FOLDER / "node_modules" / "@azure").exists(), "npm ci was not run in test/integ/acs")
with Daemon() as daemon:
    env = {**os.environ, "CALLFLOW_CONNECTION_STRING": daemon.ready["connectionString"], "NODE_EXTRA_CA_CERTS": daemon.ca}
    code = subprocess.run(["node", "interop.js"], cwd=FOLDER, env=env, timeout=60).returncode
    if code:
        sys.stderr.write(daemon.log_text())
sys.exit(code)
