#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""libnice, unmodified: its STUN client, and its agents through the relay by UDP and by TCP."""
import os
import shutil
import subprocess
import sys
import tempfile

from interop_daemon import behind_nat, daemon, enter_network, need, skip

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "interop", "nice.c")
TESTS = [
    ("messages over the relay by UDP", ["udp", "alice", "secret"], 0),
    ("messages over the relay by TCP", ["tcp", "alice", "secret"], 0),
    ("a wrong password gets no relay", ["udp", "alice", "guess"], 1),
    ("messages over the relay, allocations left behind", ["udp", "alice", "secret", "keep"], 0),
    ("the STUN service tells the address outside", ["stun"], 0),
]


def words(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split()


def main():
    need("cc", "pkg-config", "ip", "nft", "unshare")
    if subprocess.run(["pkg-config", "--exists", "nice"], check=False).returncode:
        skip("libnice is not installed")
    enter_network()
    folder = tempfile.mkdtemp(prefix="cf-nice-")
    failed = 0
    try:
        program = os.path.join(folder, "interop-nice")
        subprocess.run(["cc", "-std=c11", "-O1", "-o", program, SOURCE, *words("pkg-config", "--cflags", "--libs", "nice")],
                       check=True, timeout=120)
        with daemon() as ready:
            host, _, port = ready["stun"].rpartition(":")
            behind_nat(port)
            print(f"1..{len(TESTS)}")
            for number, (name, arguments, wanted) in enumerate(TESTS, 1):
                result = subprocess.run([program, host, port, *arguments], capture_output=True, text=True,
                                        timeout=60, check=False)
                good = result.returncode == wanted
                failed += not good
                print(f"{'ok' if good else 'not ok'} {number} - {name}")
                for line in (result.stdout + result.stderr).splitlines():
                    print("# " + line.lstrip("# "), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
