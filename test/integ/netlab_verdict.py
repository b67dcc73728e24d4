#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of netlab's verdicts: what a program reports is not taken on trust. Needs neither root nor the product."""
import contextlib
import io
import os
import queue
import sys
import tempfile

sys.dont_write_bytecode = True
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "netlab"))
import calls  # noqa: E402
import cases  # noqa: E402
import expect  # noqa: E402
import nat  # noqa: E402
from lab import Site  # noqa: E402
from report import Report  # noqa: E402


class Stub:
    """A program that has said what it is given, and has ended."""

    def __init__(self, *events, status=0):
        self.events, self.status = list(events), status
        self.child = self

    find = calls.Program.find

    def wait(self, name, _):
        return self.find(name)

    def finish(self, _):
        return self.status

    def terminate(self):
        pass


def connected(kind, relays, transport="udp", remote="192.168.1.24", event="connected"):
    return {"event": event, "setupMs": 90, "iceMs": 40,
            "path": {"kind": kind, "relays": relays, "transport": transport, "why": "-",
                     "local": {"type": "host"}, "remote": {"type": "host", "address": remote}}}


def problems(path, a, b):
    """What judge_path says against two programs, on a path that is expected."""
    case = cases.Case("x", nat.NAT, nat.NAT, path)
    result = calls.Result("x", "")
    sites = Site("a", nat.NAT, host="192.168.1.23"), Site("b", nat.NAT, host="192.168.1.24")
    calls.judge_path(case, sites, (a, b), result)
    return result.problems


def paths(report):
    good = Stub(connected("reflexive", 0))
    report.check("a reflexive path is direct", problems(expect.DIRECT, good, good) == [])
    report.check("a relay where none is needed fails",
                 problems(expect.DIRECT, good, Stub(connected("relayed", 1))) != [])
    report.check("one end that did not connect fails", problems(expect.DIRECT, good, Stub()) != [])
    report.check("a path over TCP fails where UDP works",
                 problems(expect.DIRECT, good, Stub(connected("reflexive", 0, "tcp"))) != [])
    relayed = Stub(connected("relayed", 1))
    report.check("one UDP relay", problems(expect.RELAY_UDP, relayed, relayed) == [])
    report.check("two relays fail where one does",
                 problems(expect.RELAY_UDP, Stub(connected("relayed", 2)), relayed) != [])
    report.check("no relay fails where one is said to be needed", problems(expect.RELAY_UDP, good, good) != [])
    over_tls = Stub(connected("relayed", 1, "tls"))
    report.check("one end's relay over TLS", problems(expect.RELAY_TCP, relayed, over_tls) == [])
    report.check("UDP fails where nobody has it", problems(expect.RELAY_TCP, relayed, relayed) != [])
    host = Stub(connected("direct", 0)), Stub(connected("direct", 0, remote="192.168.1.23"))
    report.check("host to host", problems(expect.HOST, *host) == [])
    report.check("host to host must be the very hosts", problems(expect.HOST, host[0], host[0]) != [])
    report.check("hairpin fails where host to host is possible", problems(expect.HOST, good, good) != [])
    later = Stub(connected("relayed", 1), connected("reflexive", 0, event="path"))
    report.check("the last path counts", problems(expect.DIRECT, later, later) == [])


def failures(report):
    def verdict(*events, status=1):
        result = calls.Result("x", "")
        calls.Desk.judge_failure(None, Stub(*events, status=status), Stub(), result)
        return result.problems

    ended = {"event": "ended", "at": 0.5, "reason": "no direct path, and the relay is off"}
    report.check("an end at once, with a reason", verdict(ended) == [])
    report.check("an end too late fails", verdict(ended | {"at": 3.5}) != [])
    report.check("an end without a reason fails", verdict(ended | {"reason": "failed"}) != [])
    report.check("a failed call that exits with 0 fails", verdict(ended, status=0) != [])
    report.check("no end at all fails", verdict() != [])
    report.check("a call that connects after all fails", verdict(connected("relayed", 1), ended) != [])


def sounds(report, folder):
    names = {name: os.path.join(folder, name) for name in ("sent", "other", "short", "holed")}
    sent = calls.audio.generate(1, 8, 48000)
    holed = sent[:48000 * 4].copy()
    holed[60000:90000] = 0
    for name, sound in (("sent", sent), ("other", calls.audio.generate(2, 4, 48000)), ("short", sent[:48000 * 2]),
                        ("holed", holed)):
        calls.audio.write(names[name], sound, 48000)
    for heard, ok in (("sent", True), ("other", False), ("short", False), ("holed", False), ("missing", False)):
        result = calls.Result("x", "")
        calls.judge_sound(cases.all_cases()[0], "b", names["sent"], names.get(heard, "/nonexistent"), result)
        report.check(f"sound {heard}: {'passes' if ok else 'fails'}", (not result.problems) == ok, str(result.problems))


def table(report):
    names = [case.name for case in cases.all_cases()]
    report.check("the 45 pairs come first", [c.name for c in cases.nine()] == names[:45])
    report.check("a pair is found in either order", cases.choose(["only-443-public"], False)[0].name == "public-only-443")
    try:
        found = cases.choose(["public-moon"], False)
    except LookupError:
        found = None
    report.check("an unknown pair is refused", found is None)
    direct = [c.name for c in cases.nine() if c.path.relays == {0}]
    report.check("of the 45, 21 are direct, 7 need a UDP relay, 14 a TCP one, 3 two",
                 [len(direct), *(len([c for c in cases.nine() if c.path == p])
                                 for p in (expect.RELAY_UDP, expect.RELAY_TCP, expect.TWO_RELAYS))] == [21, 7, 14, 3],
                 str(direct))


def missing_programs(report, folder):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        status = calls.run(cases.all_cases()[:2], folder, 1, False, None)
    report.check("without the programs a run fails", status == 1 and out.getvalue().endswith("0 passed, 2 failed\n"))


def a_lab_that_breaks(report, folder):
    class Broken:
        def __init__(self, *_):
            raise OSError("no such luck")

    real, calls.Desk = calls.Desk, Broken
    todo, done = queue.Queue(), queue.Queue()
    todo.put(cases.all_cases()[0])
    calls.work(todo, done, folder, folder)
    calls.Desk = real
    report.check("a lab that cannot be built fails its case", done.get().problems == ["no such luck"])


def main():
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        paths(report)
        failures(report)
        sounds(report, folder)
        table(report)
        missing_programs(report, folder)
        a_lab_that_breaks(report, folder)
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
