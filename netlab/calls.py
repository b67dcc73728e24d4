# SPDX-License-Identifier: Apache-2.0
"""Calls through the networks: the daemon, the two programs at the ends, and the verdict on what they report."""
import contextlib
import json
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from dataclasses import asdict, dataclass, field

import cases
from lab import SERVER, SERVER6, Lab, close_all

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.join(ROOT, "test", "harness"))
import audio  # noqa: E402

TALK_S = 4                # how long each call lasts
DAEMON_S, COMMAND_S, READY_S, CALL_S, END_S = 30, 15, 10, 45, 10  # how long anything may take
PATIENCE_S = 240          # more than the slowest case with all its steps at their limits
AT_ONCE_S = 3             # what has no path must say so by then
LISTEN = [f"{address}:{port}" for address in ("0.0.0.0", "[::]") for port in (443, 8443)]


class Program:
    """A program in a namespace that prints a JSON object per line: its events, its errors, its end."""

    def __init__(self, lab, space, argv, env, log):
        self.started = time.monotonic()
        self.events = []
        self.more = threading.Condition()
        self.log = log
        with open(log, "w", encoding="utf-8") as errors:
            self.child = lab.start(space, argv, env=os.environ | env, stdout=subprocess.PIPE, stderr=errors, text=True,
                                   errors="replace")
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.child.stdout:
            event = None
            with contextlib.suppress(ValueError):
                event = json.loads(line)
            with self.more:
                if isinstance(event, dict):
                    self.events.append(event | {"at": time.monotonic() - self.started})
                self.more.notify_all()
            with open(f"{self.log}.events", "a", encoding="utf-8") as file:
                file.write(f"{time.monotonic() - self.started:8.3f} {line}")
        with self.more:
            self.more.notify_all()

    def find(self, *names):
        """The last event of these names, or {}."""
        return next((e for e in reversed(self.events) if e.get("event") in names), {})

    def wait(self, name, seconds):
        """The first event of this name; {} when the time or the program is over before."""
        with self.more:
            self.more.wait_for(lambda: self.find(name) or not self.reader.is_alive() or self.child.poll() is not None,
                               seconds)
        return self.find(name)

    def finish(self, seconds):
        """The exit status, or None when it had to be killed."""
        try:
            status = self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait(END_S)
            status = None
        self.reader.join(END_S)
        return status

    def last_words(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return [line.rstrip() for line in file][-6:]


@dataclass
class Result:
    pair: str
    expected: str
    got: str = ""
    setupMs: float | None = None
    iceMs: float | None = None
    heardByA: dict = field(default_factory=dict)
    heardByB: dict = field(default_factory=dict)
    seconds: float = 0
    problems: list = field(default_factory=list)
    log: list = field(default_factory=list)


class Desk:
    """A lab with a daemon in it, where one case after the other is called."""
    settings = ()  # of the daemon, beside those of the lab

    addresses = (*SERVER[:1], SERVER6)  # that the daemon calls its own
    console = "srv"  # where the administrator sits

    def __init__(self, build, folder):
        self.build, self.folder = build, folder
        self.lab = self.make_lab()
        self.daemon = None
        self.relay = None
        self.ready = {}

    def make_lab(self):
        return Lab()

    def close(self):
        self.lab.close()

    def stop(self):
        """Asks the daemon to end, and gives the verdict on how it did."""
        result = Result(f"callflowd-ends-{'relay' if self.relay else 'no-relay'}", "exit status 0")
        if self.daemon.child.poll() is None:
            self.daemon.child.terminate()
        status = self.daemon.finish(END_S)
        result.got = f"exit status {status}" if status is not None else "had to be killed"
        if status != 0:
            result.problems.append(f"callflowd: {result.got}")
            result.log = self.daemon.last_words()
        self.daemon = None
        return result

    def serve(self, relay):
        """Starts a daemon with its relay on or off."""
        state = os.path.join(self.folder, f"{self.lab.name}-{'relay' if relay else 'no-relay'}")
        os.makedirs(state, exist_ok=True)
        argv = [os.path.join(self.build, "callflowd"), "--dev", "--json", "--state", state]
        for address in self.addresses:
            argv += ["--public-address", address]
        argv += ["--set", f"listen.https={json.dumps(LISTEN)}"]
        for setting in self.settings if relay else (*self.settings, "relay.enabled=false"):
            argv += ["--set", setting]
        self.daemon = Program(self.lab, "srv", argv, {}, os.path.join(state, "callflowd.log"))
        self.relay = relay
        self.ready = self.daemon.wait("ready", DAEMON_S)
        if not self.ready:
            raise RuntimeError("callflowd is not ready: " + " | ".join(self.daemon.last_words()))

    def command(self, *words):
        """Runs an administrator's command beside the daemon; the JSON objects it answers with."""
        env = {"CALLFLOW_CONNECTION_STRING": self.ready["connectionString"], "CALLFLOW_CA": self.ready["ca"]}
        log = os.path.join(self.folder, f"{self.lab.name}-{words[0]}.log")
        program = Program(self.lab, self.console, [os.path.join(self.build, "callflow"), *words, "--json"], env, log)
        if program.finish(COMMAND_S) != 0:
            raise RuntimeError(f"callflow {' '.join(words)}: {' | '.join(program.last_words())}")
        return program.events

    def user(self):
        """(id, token) of a new user."""
        user = self.command("user", "create")[0]["id"]
        return user, self.command("token", "issue", user)[0]["token"]

    def make_result(self, case):
        return Result(case.name, str(case.path))

    def place(self, case):
        """Places the call of a case and judges it."""
        start = time.monotonic()
        result = self.make_result(case)
        folder = os.path.join(self.folder, case.name)
        os.makedirs(folder, exist_ok=True)
        a, b, away = cases.build(self.lab, case)
        try:
            self.talk(case, a, b, folder, result)
        except (RuntimeError, OSError, KeyError, ValueError) as error:
            result.problems.append(str(error) or repr(error))
        away()
        if self.daemon.child.poll() is not None:
            result.problems.append(f"callflowd has ended, status {self.daemon.child.poll()}")
        result.seconds = round(time.monotonic() - start, 1)
        return result

    def ends(self, case, a, b, folder, talk_s, callee_options=()):
        """Starts the two programs of a call: (caller, callee, the file that each speaks)."""
        sound = {}
        for seed, end in enumerate("ab", start=zlib.crc32(case.name.encode()) % 100000):
            sound[end] = os.path.join(folder, f"{end}.wav")
            audio.write(sound[end], audio.generate(seed, talk_s + 4, 48000), 48000)
        (_, token_a), (user_b, token_b) = self.user(), self.user()

        def program(site, token, *words):
            server = SERVER[0] if site.network.v4 else f"[{SERVER6}]"
            env = {"CALLFLOW_ENDPOINT": f"https://{server}:443", "CALLFLOW_CA": self.ready["ca"],
                   "CALLFLOW_TOKEN": token}
            files = ["--audio-in", sound[site.client], "--audio-out", os.path.join(folder, f"heard-{site.client}.wav")]
            return Program(self.lab, site.client, [os.path.join(self.build, "callflow"), *words, "--json", *files], env,
                           os.path.join(folder, f"{site.client}.log"))

        callee = program(b, token_b, "listen", "--answer", *callee_options)
        if not callee.wait("ready", READY_S):
            raise RuntimeError("b did not sign in")
        caller = program(a, token_a, "call", user_b, "--duration", str(talk_s), *case.options)
        return caller, callee, sound

    def talk(self, case, a, b, folder, result):
        caller, callee, sound = self.ends(case, a, b, folder, TALK_S)
        if case.path.fails:
            self.judge_failure(caller, callee, result)
        else:
            statuses = caller.finish(CALL_S), callee.finish(END_S)
            judge_path(case, (a, b), (caller, callee), result)
            result.problems += [f"{end} exits with {'nothing, had to be killed' if s is None else s}"
                                for end, s in zip("ab", statuses) if s != 0]
            result.heardByB = judge_sound(case, "b", sound["a"], os.path.join(folder, "heard-b.wav"), result)
            result.heardByA = judge_sound(case, "a", sound["b"], os.path.join(folder, "heard-a.wav"), result)
        if result.problems:
            result.log = [f"{end}: {line}" for end, p in (("a", caller), ("b", callee)) for line in p.last_words()]

    def judge_failure(self, caller, callee, result):
        """No path is allowed: the call ends at once and says why."""
        ended = caller.wait("ended", CALL_S)
        status = caller.finish(END_S)
        callee.child.terminate()
        callee.finish(END_S)
        took = ended.get("at")
        reason = ended.get("reason", "")
        result.got = f"ended: {reason}" if ended else "nothing"
        result.setupMs = round(took * 1000) if ended else None
        if caller.find("connected"):
            result.problems.append(f"it connected: {path_text(caller)}")
        if not ended or took > AT_ONCE_S:
            result.problems.append(f"no end within {AT_ONCE_S} s")
        if not re.search("relay", reason, re.IGNORECASE):
            result.problems.append(f"the reason does not name the relay: {reason!r}")
        if status == 0:
            result.problems.append("a exits with 0")


def last_path(program):
    return program.find("connected", "path").get("path", {})


def path_text(program):
    path = last_path(program)
    ends = "-".join(path.get(end, {}).get("type", "?") for end in ("local", "remote"))
    return f"{path.get('kind')} {ends} {path.get('transport')} {path.get('relays')}"


def judge_path(case, sites, programs, result):
    """Both ends must report the expected path. Over which transport a relay is reached, only its user knows."""
    connected = programs[0].find("connected")
    result.setupMs, result.iceMs = connected.get("setupMs"), connected.get("iceMs")
    result.got = " | ".join(path_text(program) for program in programs)
    transports = set()
    for end, program, peer in zip("ab", programs, reversed(sites)):
        path = last_path(program)
        if not path:
            ended = program.find("ended")
            result.problems.append(f"{end} did not connect: {ended.get('reason', 'no word why')}")
            continue
        transports.add(path.get("transport"))
        if path.get("relays") not in case.path.relays:
            result.problems.append(f"{end} has {path.get('relays')} relays: {path.get('why')}")
        if path.get("kind") not in case.path.kinds:
            result.problems.append(f"{end} has a {path.get('kind')} path")
        if case.path.kinds == {"direct"} and path.get("remote", {}).get("address") not in (peer.host, peer.host6):
            result.problems.append(f"{end} does not talk to {peer.host or peer.host6}")
    weakest = next((t for t in ("tls", "tcp", "udp") if t in transports), None)
    if weakest and weakest not in case.path.transports:
        result.problems.append(f"goes over {weakest}")


def judge_sound(case, end, sent, heard, result):
    """Did this end hear what the other sent, whole and without holes?"""
    try:
        found = audio.check(sent, heard)
    except (OSError, EOFError, ValueError, audio.wave.Error) as error:
        result.problems.append(f"{end} heard nothing: {error}")
        return {}
    if found["correlation"] < (0.4 if case.strained else 0.5):
        result.problems.append(f"{end} heard something else, correlation {found['correlation']}")
    elif found["matchedMs"] < TALK_S * 1000 - 1000 - case.late_ms:
        result.problems.append(f"{end} heard {found['matchedMs']} ms of {TALK_S * 1000}")
    elif found["gapsMs"] > (400 if case.strained else 100):
        result.problems.append(f"{end} heard gaps of {found['gapsMs']} ms")
    return found


ROW = "{:46} {:26} {:66} {:>6} {:>5} {:>5} {:>5} {}"
HEADER = ROW.format("pair", "expected", "got: a's view | b's view", "setup", "ice", "a>b", "b>a", "verdict")


def row(result):
    def number(value):
        return "-" if value is None else f"{value:.2f}" if isinstance(value, float) and value <= 1 else f"{value:.0f}"
    got = result.got if len(result.got) <= 66 else result.got[:65] + "…"  # --json has all of it
    heard = [side.get("correlation") for side in (result.heardByB, result.heardByA)]
    lines = [ROW.format(result.pair, result.expected, got, number(result.setupMs), number(result.iceMs),
                        *map(number, heard), "FAIL" if result.problems else "ok")]
    lines += [f"    {problem}" for problem in result.problems]
    lines += [f"      {line}" for line in result.log]
    return "\n".join(lines)


def work(todo, done, build, folder, make_desk=None):
    """One worker: a desk, and from the queue one case after the other."""
    desk, make_desk = None, make_desk or Desk
    try:
        while True:
            case = todo.get_nowait()
            try:
                desk = desk or make_desk(build, folder)
                if desk.daemon and desk.relay != case.relay:
                    done.put(desk.stop())
                if not desk.daemon or desk.daemon.child.poll() is not None:
                    desk.serve(case.relay)
                done.put(desk.place(case))
            except Exception as error:  # pylint: disable=broad-except
                done.put(Result(case.name, str(case.path), problems=[str(error) or repr(error)]))
                if desk:
                    desk.close()
                desk = None  # a lab half built, or without a daemon, is of no more use
    except queue.Empty:
        if desk:
            done.put(desk.stop())
    finally:
        if desk:
            desk.close()
        done.put(None)


def run(chosen, build, jobs, as_json, keep, make_desk=None, header=HEADER, show=row):
    """Calls all chosen cases on so many labs side by side; prints each as it is done. The exit status."""
    for program in ("callflowd", "callflow"):
        if not os.access(os.path.join(build, program), os.X_OK):
            print(f"{os.path.join(build, program)} is missing: run make\n0 passed, {len(chosen)} failed")
            return 1
    folder = keep or tempfile.mkdtemp(prefix="netlab-")
    os.makedirs(folder, exist_ok=True)
    todo, done = queue.Queue(), queue.Queue()
    for case in chosen:
        todo.put(case)
    workers = [threading.Thread(target=work, args=(todo, done, build, folder, make_desk), daemon=True) for _ in range(jobs)]
    for worker in workers:
        worker.start()
    if not as_json:
        print(header, flush=True)
    passed = failed = 0
    try:
        while jobs:
            result = done.get(timeout=PATIENCE_S)
            if result is None:
                jobs -= 1
                continue
            passed, failed = passed + (not result.problems), failed + bool(result.problems)
            print(json.dumps(asdict(result) | {"ok": not result.problems}) if as_json else show(result), flush=True)
    except queue.Empty:
        print(f"nothing came for {PATIENCE_S} s")
        failed += 1
    finally:
        close_all()
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed or passed < len(chosen) else 0
