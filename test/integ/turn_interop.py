#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""coturn's clients against the daemon: STUN, and data through the relay in every way they know."""
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DAEMON = os.path.join(os.environ.get("CALLFLOW_BUILD", os.path.join(ROOT, "build")), "callflowd")
PROGRAMS = ("turnutils_stunclient", "turnutils_uclient", "turnutils_peer")


def free_port():
    """turnutils_peer cannot choose a port by itself."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return str(sock.getsockname()[1])


PEER_PORT = free_port()
MESSAGES = 10

WAYS = [
    ("channels over UDP", []),
    ("Send and Data over UDP", ["-s"]),
    ("channels over TCP", ["-t"]),
    ("Send and Data over TCP", ["-t", "-s"]),
    ("relay to relay over UDP", ["-y"]),
    ("relay to relay over TCP", ["-y", "-t"]),
    ("DONT-FRAGMENT", ["-g"]),
    ("channels over DTLS", ["-S"]),
    ("Send and Data over DTLS", ["-S", "-s"]),
    ("relay to relay over DTLS", ["-y", "-S"]),
    ("channels over TLS on the plain port", ["-t", "-S"]),
]
# Not relay to relay: their client takes a TLS record for one message, and loses the second in it.
TLS_WAYS = [("channels over TLS", ["-t", "-S"]), ("Send and Data over TLS", ["-t", "-S", "-s"])]


def run(*args):
    return subprocess.run(args, capture_output=True, text=True, timeout=60, check=False)


def relay(ways, server):
    host, port = server
    result = run("turnutils_uclient", "-u", "interop", "-w", "secret", "-p", port, "-e", "127.0.0.1", "-r", PEER_PORT,
                 "-n", str(MESSAGES), "-m", "1", "-l", "170", *ways, host)
    text = result.stdout + result.stderr
    lost = re.search(r"Total lost packets (\d+)", text)
    got = re.findall(r"start_mclient: tot_send_msgs=(\d+), tot_recv_msgs=(\d+)", text)
    good = lost and lost.group(1) == "0" and got and int(got[-1][1]) >= MESSAGES
    return None if good else text[-600:]


def stun(server):
    host, port = server
    text = run("turnutils_stunclient", "-p", port, host)
    text = text.stdout + text.stderr
    return None if "reflexive addr: 127.0.0.1" in text else text[-600:]


def wrong_password(server):
    host, port = server
    result = run("turnutils_uclient", "-u", "interop", "-w", "guess", "-p", port, "-e", "127.0.0.1", "-r", PEER_PORT,
                 "-n", "1", "-m", "1", host)
    text = result.stdout + result.stderr
    return None if "Cannot complete Allocation" in text and "success" not in text else text[-600:]


def metered(ready):
    """The rows of usage say which allocations came over DTLS."""
    env = {"CALLFLOW_CONNECTION_STRING": ready["connectionString"], "CALLFLOW_CA": ready["ca"]}
    result = subprocess.run([os.path.join(os.path.dirname(DAEMON), "callflow"), "usage", "--transport", "dtls", "--json"], env=env,
                            capture_output=True, text=True, timeout=30, check=False)
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    return None if rows and all(row["transport"] == "dtls" for row in rows) else result.stdout + result.stderr


def main():
    missing = [p for p in PROGRAMS if not shutil.which(p)]
    if missing or not os.path.exists(DAEMON):
        print(f"1..0 # skip {', '.join(missing) or DAEMON} is not there")
        return 0
    state = tempfile.mkdtemp(prefix="cf-interop-")
    config = os.path.join(state, "callflow.yaml")
    with open(config, "w", encoding="utf-8") as file:
        file.write("relay:\n  users:\n    interop: secret\n  allow_peers: [127.0.0.0/8]\nworkers: 2\n"
                   "listen:\n  https: 127.0.0.1:0\n  stun: 127.0.0.1:0\n  turn_tls: 127.0.0.1:0\n")
    daemon = subprocess.Popen([DAEMON, "--dev", "--json", "--state", state, "--config", config], stdout=subprocess.PIPE, text=True)
    peer = None
    failed = 0
    try:
        line = daemon.stdout.readline()
        if not line:
            print("1..1\nnot ok 1 - the daemon starts")
            return 1
        ready = json.loads(line)
        host, _, port = ready["stun"].rpartition(":")
        server = (host, port)
        peer = subprocess.Popen(["turnutils_peer", "-p", PEER_PORT, "-L", "127.0.0.1"],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        tests = [("Binding", lambda: stun(server)), ("wrong password", lambda: wrong_password(server))]
        tests += [(name, lambda ways=ways: relay(ways, server)) for name, ways in WAYS]
        for url in ready["turn"]:
            if url.startswith("turns:"):
                secure = url.removeprefix("turns:").partition("?")[0].rsplit(":", 1)
                tests += [(f"{name}, {'shared' if url.split('?')[0][6:] in ready['endpoint'] else 'own'} port",
                           lambda ways=ways, secure=secure: relay(ways, secure)) for name, ways in TLS_WAYS]
        tests += [("usage over DTLS", lambda: metered(ready))]
        print(f"1..{len(tests)}")
        for number, (name, test) in enumerate(tests, 1):
            problem = test()
            failed += problem is not None
            print(f"{'not ok' if problem else 'ok'} {number} - {name}", flush=True)
            if problem:
                print("\n".join("# " + text for text in problem.splitlines()))
    finally:
        if peer:
            peer.kill()
        daemon.terminate()  # clients that left without a word keep it draining: a second one ends it
        try:
            daemon.wait(timeout=1)
        except subprocess.TimeoutExpired:
            daemon.terminate()
        try:
            daemon.wait(timeout=10)
        except subprocess.TimeoutExpired:
            daemon.kill()
            failed += 1
            print("# the daemon did not end")
        shutil.rmtree(state, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
