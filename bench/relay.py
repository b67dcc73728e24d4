#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The relay beside coturn: the same load on both in turn, several rounds, medians and their ratio."""
import argparse
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("CALLFLOW_BUILD", ROOT / "build"))
LOAD = pathlib.Path(os.environ.get("CALLFLOW_BENCH", BUILD / "bench")) / "relay_load"
USER, PASSWORD, REALM = "bench", "secret", "bench"
ADDRESS = "127.0.0.1"
PORTS = "49152-65535"
PATIENCE_S = 20

# name, unit, what relay_load prints, bar, workers, its options
UDP_160 = ["--clients", "200", "--window", "2", "--size", "160"]
PACED = ["--clients", "2000", "--rate", "10000", "--size", "160"]
STREAM = ["--clients", "100", "--window", "4", "--size", "160"]
TRAINS = ["--clients", "100", "--rate", "24000", "--burst", "8", "--size", "1200"]
CPU = "us CPU per packet"
CASES = [
    ("saturated, 160 B, UDP", 1, 0.8, UDP_160),
    ("saturated, 160 B, UDP", 2, 0.8, UDP_160),
    ("saturated, 1200 B, UDP", 1, 0.8, ["--clients", "200", "--window", "2", "--size", "1200"]),
    ("saturated, 1200 B, UDP", 2, 0.8, ["--clients", "200", "--window", "2", "--size", "1200"]),
    ("paced, 2,000 allocations, 10,000 packet/s, UDP", 1, 0.6, PACED),
    ("paced, 2,000 allocations, 10,000 packet/s, UDP", 2, 0.6, PACED),
    ("saturated, 160 B, TCP", 1, 0.6, [*STREAM, "--transport", "tcp"]),
    ("saturated, 160 B, TCP", 2, 0.6, [*STREAM, "--transport", "tcp"]),
    ("paced, 2,000 allocations, 10,000 packet/s, TCP", 1, 0.6, [*PACED, "--transport", "tcp"]),
    ("saturated, 160 B, TLS", 1, 0.6, [*STREAM, "--transport", "tls"]),
    ("saturated, 160 B, TLS", 2, 0.6, [*STREAM, "--transport", "tls"]),
    ("paced, 500 allocations, 10,000 packet/s, TLS", 1, 0.6, [*PACED, "--transport", "tls", "--clients", "500"]),
    ("bursts of 8, 1200 B, 24,000 packet/s, UDP", 1, 0.8, TRAINS),
    ("bursts of 8, 1200 B, 24,000 packet/s, UDP", 2, 0.8, TRAINS),
]
GROWTH = (10, 100, 1000, 10000)


def progress(text):
    print(text, file=sys.stderr, flush=True)


def free_port(kind):
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind((ADDRESS, 0))
        return sock.getsockname()[1]


class Server:
    """A relay on a port of its own, in a folder of its own."""

    def __init__(self, workers):
        self.folder = tempfile.mkdtemp(prefix="callflow-bench-")
        self.log = open(os.path.join(self.folder, "log"), "wb")
        self.process = None
        try:
            self.start(workers)
        except BaseException:
            self.stop()
            raise

    def launch(self, command, **options):
        self.process = subprocess.Popen([str(word) for word in command], cwd=self.folder, stderr=self.log, **options)

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def stop(self):
        if self.process and self.process.poll() is None:
            for _ in range(2):  # the second one ends what drains
                self.process.send_signal(signal.SIGTERM)
                time.sleep(0.05)
            try:
                self.process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Callflow(Server):
    def start(self, workers):
        config = self.write("callflow.yaml", f"""
relay:
  users:
    {USER}: {PASSWORD}
  allow_peers: [127.0.0.0/8]
  ports: {PORTS}
  quota_per_user: 100000
  quota_per_resource: 100000
  max_bps_per_allocation: 0
workers: {workers}
listen:
  https: {ADDRESS}:0
  stun: {ADDRESS}:0
  turn_tls: {ADDRESS}:0
""")
        self.launch([BUILD / "callflowd", "--dev", "--json", "--state", self.folder, "--config", config],
                    stdout=subprocess.PIPE)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("callflowd does not start")
        ready = json.loads(line)
        self.address = ready["stun"]
        self.tls_address = ready["turn"][-1].removeprefix("turns:").split("?")[0]


class Coturn(Server):
    def start(self, workers):
        port = free_port(socket.SOCK_DGRAM)
        tls_port = free_port(socket.SOCK_STREAM)
        cert, key = os.path.join(self.folder, "cert.pem"), os.path.join(self.folder, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-subj", "/CN=localhost", "-keyout", key, "-out", cert], check=True, capture_output=True)
        first, last = PORTS.split("-")
        config = self.write("turnserver.conf", f"""
listening-ip={ADDRESS}
relay-ip={ADDRESS}
listening-port={port}
tls-listening-port={tls_port}
min-port={first}
max-port={last}
relay-threads={workers}
lt-cred-mech
user={USER}:{PASSWORD}
realm={REALM}
cert={cert}
pkey={key}
allow-loopback-peers
no-cli
no-dtls
log-file=/dev/null
no-stdout-log
pidfile={self.folder}/pid
userdb={self.folder}/db
""")
        self.launch(["turnserver", "-c", config], stdout=subprocess.DEVNULL)
        self.address, self.tls_address = f"{ADDRESS}:{port}", f"{ADDRESS}:{tls_port}"
        deadline = time.monotonic() + PATIENCE_S
        for wanted in (port, tls_port):
            while True:
                with socket.socket() as sock:
                    if sock.connect_ex((ADDRESS, wanted)) == 0:
                        break
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise RuntimeError("coturn does not start")
                time.sleep(0.05)


def load(server, *options):
    address = server.tls_address if "tls" in options else server.address
    command = [str(LOAD), "--server", address, "--pid", str(server.process.pid), "--user", USER, "--password", PASSWORD, *options]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if result.returncode:
        raise RuntimeError(f"{type(server).__name__}: {' '.join(options)}: {result.stderr.strip()}")
    figures = json.loads(result.stdout)
    progress(f"  {type(server).__name__}: {figures}")
    return figures


def rounds(n, workers, *options, before=None):
    """Both servers in turn, n times: a list of figures of each."""
    figures = {Callflow: [], Coturn: []}
    for _ in range(n):
        for kind, found in figures.items():
            with kind(workers) as server:
                if before:
                    load(server, *before)
                found.append(load(server, *options))
    return figures[Callflow], figures[Coturn]


def median(figures, key):
    return statistics.median(figure[key] for figure in figures)


def coturn_name():
    text = subprocess.run(["turnserver", "--version"], capture_output=True, text=True, check=False).stdout.split()
    return f"coturn {text[0] if text else ''}".strip()


def report(case, unit, ours, theirs, bar, note="", **more):
    digits = 3 if max(abs(ours), abs(theirs)) < 100 else 0
    print(json.dumps({"part": "relay", "case": case, "unit": unit, "ours": round(ours, digits), "peer": PEER,
                      "theirs": round(theirs, digits), "ratio": round(ours / theirs, 3) if theirs else None, "bar": bar,
                      "note": note, **more}), flush=True)


def workers_text(workers):
    return "one worker" if workers == 1 else f"{workers} workers"


def traffic(case, workers, bar, options, args):
    name = f"{case}, {workers_text(workers)}"
    progress(name)
    ours, theirs = rounds(args.rounds, workers, *options, "--seconds", str(args.seconds))
    lost = [sum(figure["lost"] for figure in side) for side in (ours, theirs)]
    packets = [sum(figure["packets"] for figure in side) for side in (ours, theirs)]
    delays = [f"{median(side, 'delay_p50_us'):.0f}/{median(side, 'delay_p99_us'):.0f}" for side in (ours, theirs)]
    report(name, CPU, median(ours, "cpu_us_per_packet"), median(theirs, "cpu_us_per_packet"), bar,
           f"lost {lost[0]} of {packets[0]}, coturn {lost[1]} of {packets[1]}; delay p50/p99 {delays[0]} us, coturn {delays[1]} us")


def memory(args):
    """The second load of a server's life: what the first one left behind is part of the start."""
    n = 1000 if args.quick else 10000
    progress(f"memory of {n} allocations")
    ours, theirs = rounds(1 if args.quick else 2, 1, "--clients", str(n), before=["--clients", "100"])
    for what, key in (("held", "rss_bound"), ("not given back after release", "rss_released")):
        values = [statistics.median((figure[key] - figure["rss_start"]) / n / 1024 for figure in side) for side in (ours, theirs)]
        report(f"memory per allocation, {what} ({n:,})", "KB of RSS", *values, 6, barOf="ours")
    for key, what in (("allocate_us", "Allocate, with its challenge"), ("bind_us", "ChannelBind"), ("release_us", "Refresh to 0")):
        report(what, "us CPU per request", median(ours, key), median(theirs, key), None)


def bindings(args):
    progress("Binding requests")
    ours, theirs = rounds(args.rounds, 1, "--bindings", "20000" if args.quick else "200000")
    report("Binding", "us CPU per request", median(ours, "binding_us"), median(theirs, "binding_us"), None,
           f"lost {sum(f['lost'] for f in ours)}, coturn {sum(f['lost'] for f in theirs)}")


def growth(args):
    for n in GROWTH[:3] if args.quick else GROWTH:
        name = f"growth: 5,000 packet/s, {n:,} allocations, one worker"
        progress(name)
        ours, theirs = rounds(args.rounds, 1, "--clients", str(n), "--rate", "5000", "--seconds", str(args.seconds))
        report(name, CPU, median(ours, "cpu_us_per_packet"), median(theirs, "cpu_us_per_packet"), None)


PEER = "coturn"


def main():
    global PEER  # pylint: disable=global-statement
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round of each")
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    args = parser.parse_args()
    args.rounds, args.seconds = (1, 1) if args.quick else (5, 1)
    PEER = coturn_name()
    for case, workers, bar, options in CASES:
        if args.only in f"{case}, {workers_text(workers)}":
            traffic(case, workers, bar, options, args)
    for part in (memory, bindings, growth):
        if args.only in part.__name__:
            part(args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
