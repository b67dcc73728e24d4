#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Video of the native client: what a 720p call costs who sends and who receives it, on loopback."""
import json
import os
import statistics
import subprocess
import sys
import tempfile

import numpy

import part

sys.path.insert(0, str(part.ROOT / "test" / "integ"))
os.environ.setdefault("CALLFLOW_BUILD", str(part.BUILD))
from daemon import Daemon  # noqa: E402

WIDTH, HEIGHT, FPS, FRAMES = 1280, 720, 30, 60
CLI = part.BUILD / "callflow"


def write_file(path):
    """Two seconds of a picture that drifts, with something of a grain: neither a still nor noise."""
    grain = numpy.random.default_rng(1).integers(0, 6, (HEIGHT, WIDTH + 4 * FRAMES))
    ground = (numpy.add.outer(numpy.arange(HEIGHT) // 3, numpy.arange(WIDTH + 4 * FRAMES) // 2) % 160 + 40 + grain).astype(numpy.uint8)
    colour = (numpy.add.outer(numpy.arange(HEIGHT // 2), numpy.arange(WIDTH // 2)) % 64 + 96).astype(numpy.uint8).tobytes()
    with open(path, "wb") as file:
        file.write(b"YUV4MPEG2 W%d H%d F%d:1 C420jpeg\n" % (WIDTH, HEIGHT, FPS))
        for i in range(FRAMES):
            file.write(b"FRAME\n" + numpy.ascontiguousarray(ground[:, 4 * i:4 * i + WIDTH]).tobytes() + colour * 2)


def ended(output):
    return next(event["stats"]["video"] for event in map(json.loads, output) if event["event"] == "ended")


def finish(program):
    """(its figures, CPU seconds)"""
    output = program.stdout.read().splitlines()
    _, status, used = os.wait4(program.pid, 0)
    program.returncode = os.waitstatus_to_exitcode(status)
    if program.returncode:
        raise RuntimeError(f"callflow ended with {program.returncode}")
    return ended(output), used.ru_utime + used.ru_stime


def call(daemon, path, codec, seconds):
    """A call in one direction: CPU of sender and receiver in percent of a core, and what was sent and seen."""
    env = {"PATH": os.environ["PATH"], "CALLFLOW_CONNECTION_STRING": daemon.ready["connectionString"], "CALLFLOW_CA": daemon.ca}

    def start(*words):
        return subprocess.Popen([CLI, *words, "--json"], env=env, stdout=subprocess.PIPE, text=True)
    callee = start("listen", "--answer", "--calls", "1", "--video-out", "/dev/null")
    peer = json.loads(callee.stdout.readline())["peer"]
    caller = start("call", peer, "--video-in", path, "--video-codec", codec, "--duration", str(seconds))
    (sent, out_s), (seen, in_s) = finish(caller), finish(callee)
    if sent["widthSent"] != WIDTH or seen["fpsReceived"] < FPS * 0.9:
        part.progress(f"{codec}: {sent['widthSent']} wide, {seen['fpsReceived']:.1f} pictures a second")
    return 100 * out_s / seconds, 100 * in_s / seconds, sent["bytesSent"] * 8 / seconds / 1e6, seen["fpsReceived"]


def main():
    args = part.options(__doc__)
    rounds, seconds = (1, 5) if args.quick else (5, 20)
    with tempfile.TemporaryDirectory(prefix="callflow-bench-") as folder, Daemon() as daemon:
        path = os.path.join(folder, "in.y4m")
        write_file(path)
        for codec in ("VP8", "H264"):
            if args.only not in codec:
                continue
            found = []
            for i in range(rounds):
                part.progress(f"{codec}, round {i + 1} of {rounds}")
                found.append(call(daemon, path, codec, seconds))
            out, back, rate, fps = (statistics.median(values) for values in zip(*found))
            note = f"{WIDTH} x {HEIGHT}, {fps:.1f} pictures a second seen, {rate:.1f} Mbit/s"
            part.row("video", f"{codec}: who sends", "% of a core", out, note=note)
            part.row("video", f"{codec}: who receives", "% of a core", back, note="decoded; the pictures go to /dev/null")
    return 0


if __name__ == "__main__":
    sys.exit(main())
