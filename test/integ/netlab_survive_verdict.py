#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of the verdicts on calls that something happens to: gaps, paths and the meter. Needs neither root nor the product."""
import os
import sys

sys.dont_write_bytecode = True
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "netlab"))
import expect  # noqa: E402
import survive  # noqa: E402
from lab import Site  # noqa: E402
from nat import NAT  # noqa: E402
from report import Report  # noqa: E402

DIRECT, RELAYED = ("reflexive", 0, "udp"), ("relayed", 1, "tcp")


class Stub:
    """A program that started at 100 s, connected 1 s later, and then had these paths: [(seconds of the call, path)]."""

    def __init__(self, *paths):
        self.started = 100.0
        self.events = [self.event("connected" if i == 0 else "path", at, *path)
                       for i, (at, path) in enumerate([(0, DIRECT), *paths])]

    @staticmethod
    def event(name, at, kind, relays, transport):
        return {"event": name, "at": 1.0 + at, "path": {"kind": kind, "relays": relays, "transport": transport, "why": "-",
                                                        "local": {"type": "?"}, "remote": {"type": "?"}}}


def verdict(heard_a=(), heard_b=(), paths=(), outage=0, path=expect.DIRECT, bar_ms=survive.BAR_MS):
    """What is said of a call of 10 s with one step at 3 s."""
    step = survive.Step(3, "it rains", None, path, bar_ms)
    trial = survive.trial("x", "port-restricted", "port-restricted", expect.DIRECT, 10, step)
    result = survive.Outcome("x", "")
    programs = Stub(*paths), Stub(*paths)
    moments = [(104.0, outage), (111.0, 0)]
    survive.judge(trial, (Site("a", NAT), Site("b", NAT)), programs, moments, {"a": list(heard_a), "b": list(heard_b)}, result)
    return result


def gaps(report):
    report.check("an undisturbed call passes", not verdict().problems)
    report.check("a short gap passes, and is told", verdict([(3000, 800)]).steps[0]["gapMsA"] == 800)
    report.check("a gap below the bar is no problem", not verdict([(3000, 990)], [(3000, 990)]).problems)
    report.check("a gap above it at a fails", verdict([(3000, 1000)]).problems)
    report.check("a gap above it at b fails", verdict((), [(5000, 1200)]).problems)
    report.check("a gap that begins a moment before the step belongs to it", verdict([(2900, 1500)]).problems[0].startswith("it rains"))
    report.check("a gap before anything happened fails, however short", "before" in verdict([(1000, 300)]).problems[0])
    report.check("what had no path at all is taken off", verdict([(3000, 3700)], outage=3).steps[0]["gapMsA"] == 700)
    report.check("but no more than that", verdict([(3000, 4100)], outage=3).problems)
    report.check("the longest gap counts", verdict([(3000, 100), (5000, 1300), (8000, 50)]).steps[0]["gapMsA"] == 1300)
    report.check("a stricter bar", verdict([(3000, 400)], bar_ms=250).problems)


def paths(report):
    report.check("the path at the end of the step counts", not verdict(paths=[(3.5, RELAYED), (6, DIRECT)]).problems)
    report.check("a path that stays on the relay fails", verdict(paths=[(3.5, RELAYED)]).problems)
    report.check("a path that comes back too late fails", verdict(paths=[(3.5, RELAYED), (9.9, DIRECT)]).problems)
    report.check("a relay where one is needed", not verdict(paths=[(3.5, RELAYED)], path=expect.RELAY_TCP).problems)
    report.check("a path that did not move although it was cut fails", verdict(path=expect.RELAY_TCP).problems)
    report.check("when paths changed is told", verdict(paths=[(3.5, RELAYED), (6, DIRECT)]).steps[0]["pathsMs"] == [500, 500, 3000, 3000])


def meter(report):
    def judged(rows, packets):
        result = survive.Outcome("x", "")
        survive.judge_meter(rows, packets, result)
        return result.problems

    row = {"kind": "relay", "user": "8:acs:x", "transport": "udp", "ended": True}
    report.check("a silent server and a closed row pass", not judged([row], 10))
    report.check("packets at the server fail", judged([row], 200))
    report.check("an open row fails", judged([row | {"ended": False}], 10))
    report.check("an open row of a leg is right", not judged([row | {"ended": False, "kind": "leg"}], 10))


def table(report):
    trials = survive.all_trials()
    report.check("names are unique", len({trial.name for trial in trials}) == len(trials))
    report.check("the telling ones are fewer", 0 < len(survive.choose(None, True)) < len(trials))
    report.check("steps follow each other and end before the call", all(
        0 < one.at_s < two for t in trials for one, two in zip(t.steps, [*(s.at_s for s in t.steps[1:]), t.talk_s - 1])))
    try:
        survive.choose(["flood"], False)
    except LookupError:
        report.check("an unknown trial is refused", True)
    else:
        report.check("an unknown trial is refused", False)
    report.check("a file that is missing is a problem", sound_problem())


def sound_problem():
    result = survive.Outcome("x", "")
    return survive.lost("/nonexistent", "/nonexistent", "a", result) == [] and result.problems


def main():
    report = Report()
    for part in (gaps, paths, meter, table):
        part(report)
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
