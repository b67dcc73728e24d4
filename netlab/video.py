# SPDX-License-Identifier: Apache-2.0
"""Calls with video over cables that are too narrow and lose packets: what was seen, how many pictures a second, and for
how long they stood still."""
import os
import sys
from dataclasses import dataclass, field, replace

import calls
import cases
from calls import CALL_S, END_S
from cases import pair

sys.path.insert(0, os.path.join(calls.ROOT, "test", "harness"))
import picture  # noqa: E402

TALK_S = 20
SIZE = "640x360@30"


@dataclass(frozen=True)
class Bar:
    """What is still watchable, for both ends."""
    fps: float = 24            # pictures a second, at least
    frozen: float = 0.02       # of the call, at most
    still_s: float = 0.6       # the longest time without a new picture


@dataclass(frozen=True)
class Look(cases.Case):
    codec: str = "VP8"
    bar: Bar = field(default_factory=Bar)


@dataclass
class Seen(calls.Result):
    seenByA: dict = field(default_factory=dict)
    seenByB: dict = field(default_factory=dict)


THIN = Bar(fps=15, frozen=0.1, still_s=1.5)


def all_cases():
    for codec in ("VP8", "H264"):
        for a, b, bar, telling in (("public", "port-restricted", Bar(), False), ("thin", "port-restricted", THIN, True),
                                   ("thin-symmetric", "symmetric", THIN, False), ("narrow-band", "public", Bar(15, 0.1, 1.5), False),
                                   ("lossy", "public", Bar(20, 0.05, 1), False), ("slow", "lossy", Bar(15, 0.1, 1.5), False),
                                   ("only-443", "port-restricted", Bar(), False)):
            case = pair(a, b)
            yield Look(f"{codec.lower()}-{case.name}", case.a, case.b, case.path, telling=telling and codec == "VP8", codec=codec, bar=bar)


class Cinema(calls.Desk):
    def make_result(self, case):
        return Seen(case.name, f"{case.bar.fps:.0f} pictures a second")

    def talk(self, case, a, b, folder, result):
        files = {end: os.path.join(folder, f"seen-{end}.y4m") for end in "ab"}
        media = {end: ("--video-in", "pattern", "--video-size", SIZE, "--video-codec", case.codec, "--video-out", files[end])
                 for end in "ab"}
        caller, callee, sound = self.ends(replace(case, options=media["a"]), a, b, folder, TALK_S, media["b"])
        statuses = caller.finish(CALL_S), callee.finish(END_S)
        calls.judge_path(case, (a, b), (caller, callee), result)
        result.problems += [f"{end} exits with {status}" for end, status in zip("ab", statuses) if status != 0]
        result.seenByA = judge_pictures(case, "a", caller, files["a"], result)
        result.seenByB = judge_pictures(case, "b", callee, files["b"], result)
        result.got = " | ".join(f"{end}: {s.get('fps', 0):.1f}/s, {s.get('freezes', 0)} freezes, {s.get('freezeMs', 0)} ms, "
                                f"{s.get('kbps', 0)} kbit/s" for end, s in (("a", result.seenByA), ("b", result.seenByB)))
        for end, spoken in (("b", sound["a"]), ("a", sound["b"])):
            heard = calls.audio.check(spoken, os.path.join(folder, f"heard-{end}.wav"))
            setattr(result, f"heardBy{end.upper()}", heard)
            if heard["correlation"] < 0.4:
                result.problems.append(f"{end} heard something else, correlation {heard['correlation']}")
        if result.problems:
            result.log = [f"{end}: {line}" for end, p in (("a", caller), ("b", callee)) for line in p.last_words()]


def judge_pictures(case, end, program, path, result):
    """What this end saw, by its own figures and by the file that it left."""
    stats = program.find("ended").get("stats", {}).get("video", {})
    try:
        found = picture.check(path)
    except (OSError, ValueError) as error:
        result.problems.append(f"{end} saw nothing: {error}")
        return {}
    os.unlink(path)
    seen = found | {"fps": stats.get("framesShown", 0) / TALK_S, "freezes": stats.get("freezes"),
                    "freezeMs": stats.get("freezeMs"), "kbps": round(stats.get("bytesSent", 0) * 8 / TALK_S / 1000),
                    "sizeSent": f"{stats.get('widthSent')}x{stats.get('heightSent')}", "stats": stats}
    for bad, what in ((stats.get("codecReceived") != case.codec, f"decodes {stats.get('codecReceived')}"),
                      (seen["fps"] < case.bar.fps, f"sees {seen['fps']:.1f} pictures a second"),
                      (seen["freezeMs"] > case.bar.frozen * TALK_S * 1000, f"has frozen pictures for {seen['freezeMs']} ms"),
                      (found["longestStillS"] > case.bar.still_s, f"has no new picture for {found['longestStillS']} s"),
                      (found["pictures"] < 0.9 * case.bar.fps * TALK_S, f"has {found['pictures']} pictures in its file"),
                      (found["backward"], f"sees {found['backward']} pictures out of order"),
                      (found["unclear"] > 0.05 * found["pictures"], f"cannot read {found['unclear']} pictures")):
        if bad:
            result.problems.append(f"{end} {what}")
    return seen


def choose(only, telling):
    chosen = [case for case in all_cases() if (case.name in only if only else case.telling or not telling)]
    if only and len(chosen) < len(only):
        raise LookupError("no such case; `netlab video --list` names them")
    return chosen


def run(chosen, build, jobs, as_json, keep):
    return calls.run(chosen, build, jobs, as_json, keep, Cinema)
