#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Group calls: the mixer beside Janus' AudioBridge, forwarding beside its VideoRoom, with the same members on both; and how cost grows."""
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import part

SECONDS = 8
START_S = 20
PACKETS = 30 * 7 + 50  # a second, to a viewer: 2 Mbit/s of pictures, and sound
TICKS = os.sysconf("SC_CLK_TCK")
PLUGINS = {"audio": "libjanus_audiobridge.so", "video": "libjanus_videoroom.so"}
ADDRESS = "10.99.0.1"


def alone():
    """Runs on in a network of its own, with one address that is not the loopback's: Janus takes no other."""
    if os.environ.get("CALLFLOW_BENCH_ALONE"):
        return
    script = f"ip link set lo up && ip link add bench0 type veth peer name bench1 && ip addr add {ADDRESS}/24 dev bench0 && ip link set bench0 up && ip link set bench1 up && exec \"$@\""
    os.environ["CALLFLOW_BENCH_ALONE"] = "1"
    os.execvp("unshare", ["unshare", "--net", "sh", "-c", script, "sh", sys.executable, *sys.argv])


class Server:
    """A program with a folder of its own; what it has used."""
    output = None  # into the log

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="callflow-bench-")
        with open(os.path.join(self.folder, "log"), "wb") as log:
            self.process = subprocess.Popen(self.command(), cwd=self.folder, stdout=self.output or log, stderr=log)
        try:
            self.wait()
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def cpu_s(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def resident(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read())[1])


class Callflow(Server):
    output = subprocess.PIPE

    def command(self):
        return [part.BUILD / "callflowd", "--dev", "--state", self.folder, "--json", "--set", "workers=1", "--set", "listen.https=127.0.0.1:8443"]

    def wait(self):
        self.ready = json.loads(self.process.stdout.readline())

    def load(self, kind, members, talkers, seconds, calls=1):
        video = ["--video", "1"] if kind == "video" else []
        return [part.BUILD / "callflow", "load", "--json", "--connection-string", self.ready["connectionString"], "--ca", self.ready["ca"], "--calls",
                calls, "--members", members, "--talkers", talkers, "--duration", seconds, "--rate", "30", "--listen", "0", *video]

    came = {"event": "progress", "doing": "all have come"}


class Janus(Server):
    """With the one plugin and the one transport that are wanted."""

    def __init__(self, kind):
        self.kind = kind
        super().__init__()

    def command(self):
        library = next(f"/usr/lib/{name}/janus" for name in os.listdir("/usr/lib") if os.path.isdir(f"/usr/lib/{name}/janus"))
        self.socket = os.path.join(self.folder, "api")
        files = {
            "janus.jcfg": f'general: {{ configs_folder = "{self.folder}"\n plugins_folder = "{self.folder}/plugins"\n transports_folder = '
                          f'"{self.folder}/transports"\n events_folder = "{self.folder}"\n loggers_folder = "{self.folder}"\n session_timeout = 0\n'
                          'debug_level = 2 }\nmedia: { rtp_port_range = "20000-40000" }\nnat: { }\n',
            "janus.transport.pfunix.jcfg": f'general: {{ enabled = true\n json = "compact"\n path = "{self.socket}" }}\nadmin: {{ admin_enabled = false }}\n',
            "janus.plugin.audiobridge.jcfg": 'room-1234: { description = "bench"\n sampling_rate = 48000\n record = false }\n',
            "janus.plugin.videoroom.jcfg": 'room-1234: { description = "bench"\n publishers = 6\n bitrate = 4000000\n fir_freq = 0\n videocodec = "vp8"\n'
                                           'audiocodec = "opus" }\n',
        }
        for name, text in files.items():
            with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
                file.write(text)
        for folder, name in (("plugins", PLUGINS[self.kind]), ("transports", "libjanus_pfunix.so")):
            os.mkdir(os.path.join(self.folder, folder))
            os.symlink(f"{library}/{folder}/{name}", os.path.join(self.folder, folder, name))
        return ["janus", "-C", os.path.join(self.folder, "janus.jcfg"), "-F", self.folder]

    def wait(self):
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
                if os.path.exists(self.socket) and sock.connect_ex(self.socket) == 0:
                    return
            time.sleep(0.1)
        raise RuntimeError("Janus does not start")

    def load(self, kind, members, talkers, seconds, calls=1):
        return [part.PROGRAMS / "janus_load", self.socket, kind, members, talkers, seconds]

    came = {"event": "running"}


def measure(make, kind, members, talkers, calls=1):
    """CPU seconds of a second while all are there, memory of a member, and what the members say."""
    with make() as server:
        before = server.resident()
        command = [str(word) for word in server.load(kind, members, talkers, SECONDS + 3, calls)]
        told = None
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as load:
            for line in load.stdout:
                event = json.loads(line)
                if server.came.items() <= event.items():
                    time.sleep(2)  # the sound of coming has gone
                    cpu, at = server.cpu_s(), time.monotonic()
                    time.sleep(SECONDS)
                    used = (server.cpu_s() - cpu) / (time.monotonic() - at)
                    memory = (server.resident() - before) / (members * calls)
                elif event["event"] == "load":
                    told = event
        if not told or told["joined"] != members * calls:
            raise RuntimeError(f"{type(server).__name__}, {members} members: {told}")
    if told.get("videoLostPercent", 0) > 0.5 or told.get("videoLost", 0) > 0.005 * told["videoPackets"]:
        raise RuntimeError(f"{type(server).__name__} loses packets: {told}")
    part.progress(f"  {type(server).__name__}: {used:.3f} s a second, {memory:.0f} KB a member, {told}")
    return used, memory, told


def mixing(case, members, talkers, bar):
    part.progress(case)
    ours, memory, _ = measure(Callflow, "audio", members, talkers)
    theirs, their_memory, _ = measure(lambda: Janus("audio"), "audio", members, talkers)
    each = 1e6 / 50 / members
    part.row("groups", case, "us CPU per member and 20 ms", ours * each, "Janus AudioBridge", theirs * each, bar=bar,
             note=f"{memory:.0f} KB a member, Janus {their_memory:.0f}")


def forwarding(case, viewers, bar):
    part.progress(case)
    ours, memory, told = measure(Callflow, "video", viewers + 1, 1)
    theirs, their_memory, theirs_told = measure(lambda: Janus("video"), "video", viewers + 1, 1)
    packets = viewers * PACKETS
    part.row("groups", case, "us CPU per packet out", ours * 1e6 / packets, "Janus VideoRoom", theirs * 1e6 / packets, bar=bar,
             note=f"{memory:.0f} KB a viewer, Janus {their_memory:.0f}; delay p50 {told['delayP50Us']} us, Janus {theirs_told['delayP50Us']} us")


def growth(case, calls, members, talkers):
    part.progress(case)
    ours, memory, _ = measure(Callflow, "audio", members, talkers, calls)
    part.row("groups", case, "us CPU per member and 20 ms", ours * 1e6 / 50 / (members * calls), note=f"{memory:.0f} KB a member")


def main():
    alone()
    args = part.options(__doc__)
    cases = [(f"mixer, {n} members, 3 talk", lambda case, n=n: mixing(case, n, 3, 0.1 if n == 100 else None)) for n in (10, 50, 100, 200)]
    cases += [(f"mixer, {n} members, all talk", lambda case, n=n: mixing(case, n, n, 0.5)) for n in (10, 30)]
    cases += [(f"forwarding to {n} viewers, 720p and sound", lambda case, n=n: forwarding(case, n, 0.15)) for n in (10, 30, 60, 150)]
    # As many as one worker takes before it tells newcomers to come later.
    cases += [(f"growth: {c} call{'s' * (c > 1)} of {n}, {t} talk{'s' * (t == 1)}", lambda case, c=c, n=n, t=t: growth(case, c, n, t))
              for c, n, t in ((1, 10, 3), (1, 50, 3), (1, 100, 3), (1, 200, 3), (1, 350, 3), (5, 10, 3), (10, 10, 3), (1, 4, 1), (10, 4, 1), (30, 4, 1))]
    for case, run in cases[::4] if args.quick else cases:
        if args.only in case:
            run(case)
    return 0


if __name__ == "__main__":
    sys.exit(main())
