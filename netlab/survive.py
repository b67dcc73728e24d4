# SPDX-License-Identifier: Apache-2.0
"""Calls that something happens to: what a network, a cable or the server does in the middle of one, and how long nothing
was heard for it.

A trial is one call of some 10 to 20 s and its steps. For each step both ends' recordings are searched for the longest
stretch of what the other said that was not heard. What the lab itself made impossible (a cable that was out for 3 s,
a relay that was down) is taken off; the rest has a bar, and so has the path at the end of the step.
"""
import itertools
import os
import random
import time
from dataclasses import dataclass, field, replace

import calls
import expect
from calls import END_S, Desk, audio
from cases import Case
from nat import NETWORKS

BAR_MS = 1000             # longest stretch unheard, beyond what was impossible
UNDISTURBED_MS = 250      # what the measure itself may be wrong by, where nothing happened
QUIET_S, QUIET_PACKETS = 2, 60  # a relayed call moves 200 packets a second at the server
SETTLE_S = 0.3            # before the next step, or the end
ALL_DIRECT = expect.DIRECT
ANY_RELAY = expect.Path(frozenset({1, 2}), frozenset({"udp", "tcp", "tls"}), frozenset({"relayed"}))


@dataclass(frozen=True)
class Step:
    """Something that happens `at_s` seconds into the call; act(stage) gives the seconds without any possible path."""
    at_s: float
    what: str
    act: object
    path: expect.Path         # what must be in use when the next step comes
    bar_ms: int = BAR_MS


@dataclass(frozen=True)
class Trial(Case):
    talk_s: float = 10
    steps: tuple = ()


@dataclass
class Stage:
    """What a step may act on."""
    desk: Desk
    a: object
    b: object
    annex: object = None
    subnets: object = field(default_factory=lambda: itertools.count(77))


@dataclass
class Outcome(calls.Result):
    steps: list = field(default_factory=list)
    serverPackets: int | None = None


# ---- what happens

def reboot(end):
    return lambda stage: stage.desk.lab.reboot_nat(getattr(stage, end))


def cut(on):
    return lambda stage: stage.desk.lab.cut_udp(stage.a, on)


def unblock(stage):
    stage.desk.lab.block_direct(stage.a, False)


def cable(seconds):
    def act(stage):
        start = time.monotonic()
        stage.desk.lab.unplug(stage.a)
        time.sleep(max(0, start + seconds - time.monotonic()))
        stage.desk.lab.unplug(stage.a, False)
        return time.monotonic() - start
    return act


def new_subnet(stage):
    stage.desk.lab.readdress(stage.a, f"192.168.{next(stage.subnets)}.0/24")


def new_interface(stage):
    stage.desk.lab.roam(stage.a, stage.annex)


def restart(stage):
    return stage.desk.restart()


def restart_beside(stage):
    """The server is no part of a direct path: no allowance for its absence."""
    stage.desk.restart()


# ---- the trials

def trial(name, a, b, path, talk_s, *steps, **more):
    return Trial(name, NETWORKS[a], NETWORKS[b], path, talk_s=talk_s, steps=steps, **more)


def reboots(kind, path, **more):
    return trial(f"nat-reboot-{kind}", kind, "port-restricted", path, 16, Step(2, "a's NAT reboots", reboot("a"), path),
                 Step(5.5, "b's NAT reboots", reboot("b"), path), **more)


def all_trials():
    """All of them. The ones that tell most run in `make test`."""
    pair = "port-restricted", "port-restricted"
    return [
        reboots("full", ALL_DIRECT),
        reboots("port-restricted", ALL_DIRECT, telling=True),
        reboots("symmetric", expect.RELAY_UDP),
        trial("udp-cut", *pair, ALL_DIRECT, 18, Step(2, "UDP is cut", cut(True), expect.RELAY_TCP),
              Step(6, "UDP is back", cut(False), ALL_DIRECT), telling=True),
        trial("cable", *pair, ALL_DIRECT, 21, Step(2, "the cable is out for 3 s", cable(3), ALL_DIRECT),
              Step(8, "the cable is out for 1.3 s", cable(1.3), ALL_DIRECT)),
        trial("new-subnet", *pair, ALL_DIRECT, 13, Step(2, "a's address changes", new_subnet, ALL_DIRECT)),
        trial("new-interface", *pair, ALL_DIRECT, 13, Step(2, "a's interface changes", new_interface, ALL_DIRECT), telling=True),
        trial("new-subnet-relayed", "symmetric", "symmetric", expect.RELAY_UDP, 9,
              Step(2, "a's address changes", new_subnet, expect.RELAY_UDP), Step(5, "b's NAT reboots", reboot("b"), expect.RELAY_UDP)),
        trial("relay-restart", "symmetric", "symmetric", expect.RELAY_UDP, 9,
              Step(2, "the relay is killed and started again", restart, expect.RELAY_UDP), telling=True),
        trial("server-restart", *pair, ALL_DIRECT, 7,
              Step(2, "the server is killed and started again", restart_beside, ALL_DIRECT, UNDISTURBED_MS)),
        trial("direct-returns", *pair, expect.RELAY_UDP, 16, Step(3, "the firewall opens", unblock, ALL_DIRECT),
              house="blocked"),
    ]


STORM_EVENTS, STORM_S = 6, 8


def storm(seed):
    """One thing after another, drawn by lot; the same ones for the same seed."""
    lot, is_cut, steps = random.Random(seed), False, []
    things = {"a's NAT reboots": reboot("a"), "b's NAT reboots": reboot("b"), "the cable is out for 1 s": cable(1),
              "a's address changes": new_subnet, "the server is killed and started again": restart, "UDP": None}
    for i in range(STORM_EVENTS):
        what = lot.choice(list(things))
        act = things[what]
        if not act:
            is_cut = not is_cut
            what, act = ("UDP is cut", cut(True)) if is_cut else ("UDP is back", cut(False))
        steps.append(Step(2 + i * STORM_S, what, act, expect.RELAY_TCP if is_cut else ALL_DIRECT))
    return trial(f"storm-{seed}", "port-restricted", "port-restricted", ALL_DIRECT, 2 + STORM_EVENTS * STORM_S, *steps)


def choose(only, telling, seeds=()):
    if seeds:
        return [storm(seed) for seed in seeds]
    trials = all_trials()
    names = {trial.name: trial for trial in trials}
    if only:
        unknown = [name for name in only if name not in names]
        if unknown:
            raise LookupError(f"no trial {unknown[0]}; `netlab survive --list` names them")
        return [names[name] for name in only]
    return [trial for trial in trials if trial.telling or not telling]


# ---- the verdict

class Until:
    """A program as it was at a point in time."""

    def __init__(self, program, when):
        self.events = [e for e in program.events if program.started + e["at"] <= when]

    find = calls.Program.find


def spoken_at(program, when):
    """Milliseconds of what this program says that are out at a point in time: it begins on connecting."""
    connected = next((e for e in program.events if e.get("event") == "connected"), None)
    return (when - program.started - connected["at"]) * 1000 if connected else 0


def longest(stretches, since, till):
    """The longest stretch that begins in this part of the sound."""
    return max((length for start, length in stretches if since <= start < till), default=0)


def judge_gaps(step, moments, heard, outage_ms, outcome):
    """The step's gaps at both ends, those of `heard` {end: stretches}, between two moments {end: ms of the sound}."""
    gaps = {}
    for end, stretches in heard.items():
        since, till = (moment[end] for moment in moments)
        gap = longest(stretches, since - SETTLE_S * 1000, till - SETTLE_S * 1000)
        gaps[end] = max(0, round(gap - outage_ms))
        if gaps[end] >= step.bar_ms:
            outcome.problems.append(f"{step.what}: {end} heard nothing for {gap} ms"
                                    + (f", {round(outage_ms)} of them without any path" if outage_ms else ""))
    return gaps


def judge_step_path(trial_, step, sites, programs, when, outcome):
    """The path in use at the end of a step; a text of it."""
    seen = [Until(program, when) for program in programs]
    found = calls.Result("", "")
    calls.judge_path(replace(trial_, path=step.path), sites, seen, found)
    outcome.problems += [f"{step.what}: {problem}" for problem in found.problems]
    return found.got


def judge_meter(rows, packets, outcome):
    """After a step back to a direct path nothing goes through the relay, and nobody pays for it."""
    outcome.serverPackets = packets
    if packets >= QUIET_PACKETS:
        outcome.problems.append(f"the path is direct, and {packets} packets in {QUIET_S} s still pass the server")
    outcome.problems += [f"the path is direct, and {row['user']} still pays for a relay over {row['transport']}"
                         for row in rows if row["kind"] == "relay" and not row["ended"]]


class SurvivalDesk(Desk):
    """A desk where things happen during the calls."""

    def restart(self):
        """kill -9, and again on the same state. Seconds from the kill until it was ready."""
        start = time.monotonic()
        self.daemon.child.kill()
        self.daemon.finish(END_S)
        self.serve(self.relay)
        return time.monotonic() - start

    def stop(self):
        """At once: allocations of clients whose network went away live on until they expire, and draining waits for them."""
        if self.daemon.child.poll() is None:
            self.daemon.child.terminate()
            time.sleep(SETTLE_S)
        return super().stop()

    def server_packets(self):
        """Packets that have passed the server's cable, both ways."""
        with self.lab.inside("srv"):
            with open("/proc/thread-self/net/dev", encoding="ascii") as file:
                fields = next(line for line in file if "eth0:" in line).split(":")[1].split()
        return int(fields[1]) + int(fields[9])

    def make_result(self, case):
        return Outcome(case.name, str(case.path))

    def talk(self, case, a, b, folder, result):
        stage = Stage(self, a, b, self.lab.annex(a) if case.name == "new-interface" else None)
        if case.house == "blocked":
            self.lab.block_direct(a)
        caller, callee, sound = self.ends(case, a, b, folder, case.talk_s)
        programs = caller, callee
        if not all(program.wait("connected", calls.CALL_S) for program in programs):
            calls.judge_path(case, (a, b), programs, result)
            return
        result.setupMs = caller.find("connected").get("setupMs")
        moments, rows, packets = self.act_out(case, stage, programs)
        statuses = caller.finish(calls.CALL_S), callee.finish(END_S)
        result.problems += [f"{end} exits with {'nothing, had to be killed' if s is None else s}"
                            for end, s in zip("ab", statuses) if s != 0]
        heard = {"b": lost(sound["a"], os.path.join(folder, "heard-b.wav"), "b", result),
                 "a": lost(sound["b"], os.path.join(folder, "heard-a.wav"), "a", result)}
        judge(case, (a, b), programs, moments, heard, result)
        if case.steps[-1].path == ALL_DIRECT:
            judge_meter(rows, packets, result)
        if result.problems:
            result.log = [f"{end}: {line}" for end, p in (("a", caller), ("b", callee)) for line in p.last_words()]

    def act_out(self, case, stage, programs):
        """Lets the steps happen. ([(time, seconds without a path)] and the end, usage rows, packets before the end)."""
        begin = max(program.started + program.find("connected")["at"] for program in programs)
        moments = []
        for step in case.steps:
            time.sleep(max(0, begin + step.at_s - time.monotonic()))
            now = time.monotonic()
            moments.append((now, step.act(stage) or 0))
        end = begin + case.talk_s - SETTLE_S
        time.sleep(max(0, end - QUIET_S - SETTLE_S - time.monotonic()))
        packets = self.server_packets()
        time.sleep(max(0, end - SETTLE_S - time.monotonic()))
        packets = self.server_packets() - packets
        call = programs[0].find("connected")["callId"]
        return [*moments, (end, 0)], self.command("usage", "--call", call, "--kind", "relay"), packets


def lost(sent, heard, end, result):
    try:
        stretches = audio.lost(sent, heard)
    except (OSError, EOFError, ValueError, audio.wave.Error) as error:
        result.problems.append(f"{end} heard nothing: {error}")
        return []
    if stretches is None:
        result.problems.append(f"{end} heard something else")
    return stretches or []


def judge(case, sites, programs, moments, heard, result):
    """All steps: gaps, outages, paths. `moments` are their times and the end's, each with the seconds of outage."""
    speaker = {"a": programs[1], "b": programs[0]}  # whom each end hears
    spoken = [{end: spoken_at(speaker[end], when) for end in "ab"} for when, _ in moments]
    for end in "ab":
        before = longest(heard[end], 0, spoken[0][end] - SETTLE_S * 1000)
        if before >= UNDISTURBED_MS:
            result.problems.append(f"{end} heard nothing for {before} ms before anything happened")
    for i, step in enumerate(case.steps):
        outage_ms = moments[i][1] * 1000
        gaps = judge_gaps(step, (spoken[i], spoken[i + 1]), heard, outage_ms, result)
        path = judge_step_path(case, step, sites, programs, moments[i + 1][0] - SETTLE_S, result)
        moved = [e["at"] + p.started - moments[i][0] for p in programs for e in p.events if e.get("event") == "path"]
        moved = [round(s * 1000) for s in moved if 0 <= s < moments[i + 1][0] - moments[i][0]]
        result.steps.append({"what": step.what, "gapMsA": gaps["a"], "gapMsB": gaps["b"], "outageMs": round(outage_ms),
                             "path": path, "pathsMs": sorted(moved)})


ROW = "{:24} {:38} {:>7} {:>7} {:>7}  {:56} {}"
HEADER = ROW.format("trial", "step", "outage", "gap a", "gap b", "path then: a's view | b's view", "last path after (ms)")


def row(result):
    lines = [ROW.format(result.pair, step["what"], step["outageMs"], step["gapMsA"], step["gapMsB"], step["path"],
                        step["pathsMs"][-1] if step["pathsMs"] else "-") for step in result.steps] if hasattr(result, "steps") else []
    lines += [f"{result.pair}: {'FAIL' if result.problems else 'ok'}"]
    lines += [f"    {problem}" for problem in result.problems]
    lines += [f"      {line}" for line in result.log]
    return "\n".join(lines)


def run(chosen, build, jobs, as_json, keep):
    return calls.run(chosen, build, jobs, as_json, keep, SurvivalDesk, HEADER, row)
