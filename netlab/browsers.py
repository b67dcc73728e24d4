# SPDX-License-Identifier: Apache-2.0
"""Calls of browsers with the web SDK, and of browsers with the native client, through the same networks: video and sound."""
import os
import shutil
import sys
import time
from dataclasses import dataclass

import calls
import cases
import expect
from calls import READY_S, ROOT, TALK_S, Program, audio, path_text
from lab import SERVER, SERVER6

sys.path.insert(0, os.path.join(ROOT, "test", "integ"))
from browser import bundle_sdk, trust  # noqa: E402

WEB = os.path.join(ROOT, "test", "integ", "web")


@dataclass(frozen=True)
class Case(cases.Case):
    """Who sits at a and at b: chromium, firefox, native."""
    who: tuple = ("chromium", "chromium")
    event: str = ""           # what happens in the call's third second


# What happens, and how: browsers notice the loss of a path after some seconds, and find another one then.
EVENTS = {
    "nat-reboot": lambda desk, a: desk.lab.reboot_nat(a),
    "new-subnet": lambda desk, a: desk.lab.readdress(a, "192.168.77.0/24"),
    "udp-cut": lambda desk, a: desk.lab.cut_udp(a, True),
}
EVENT_AT_S, EVENT_TALK_S, EVENT_HEARD_MS = 3, 20, 8000

# Which networks, who, and whether it is part of the short run.
CHOICE = [
    ("lan-port-restricted", ("chromium", "chromium"), False),
    ("port-restricted-port-restricted", ("chromium", "chromium"), False),
    ("port-restricted-symmetric", ("chromium", "chromium"), True),
    ("symmetric-symmetric", ("chromium", "chromium"), False),
    ("port-restricted-udp-blocked", ("chromium", "chromium"), False),
    ("only-443-only-443", ("chromium", "chromium"), True),
    ("port-restricted-symmetric", ("chromium", "native"), False),
    ("symmetric-symmetric", ("native", "chromium"), True),
    ("only-443-only-443", ("chromium", "native"), False),
    ("port-restricted-port-restricted", ("firefox", "chromium"), True),
    ("symmetric-symmetric", ("firefox", "chromium"), False),
    ("port-restricted-udp-blocked", ("chromium", "firefox"), False),
]
CHANGES = [
    ("port-restricted-port-restricted", ("chromium", "chromium"), "nat-reboot"),
    ("port-restricted-port-restricted", ("chromium", "chromium"), "new-subnet"),
    ("port-restricted-port-restricted", ("chromium", "native"), "new-subnet"),
    ("port-restricted-port-restricted", ("chromium", "chromium"), "udp-cut"),
]


def all_cases():
    for name, who, telling in CHOICE:
        case = cases.choose([name], False)[0]
        yield Case(**{**case.__dict__, "name": f"{name}-{'-'.join(who)}", "who": who, "telling": telling})
    for name, who, event in CHANGES:
        case = cases.choose([name], False)[0]
        path = expect.RELAY_TCP if event == "udp-cut" else case.path
        yield Case(**{**case.__dict__, "name": f"{event}-{'-'.join(who)}", "who": who, "event": event, "path": path, "telling": False})


def choose(only, telling):
    chosen = [case for case in all_cases() if (not only or case.name in only) and (case.telling or not telling)]
    if not chosen:
        raise LookupError(f"no case {only[0]}; `netlab browsers --list` names them")
    return chosen


def missing():
    """What is not there that a browser needs, or nothing."""
    programs = [name for name in ("chromium", "firefox-esr", "node", "esbuild") if not shutil.which(name)]
    if not os.path.isdir(os.path.join(WEB, "node_modules", "playwright-core")):
        programs.append("the npm packages of test/integ/web")
    return ", ".join(programs)


def browser(desk, site, kind, token, words, folder):
    """A browser at a site that behaves as the CLI does."""
    server = SERVER[0] if site.network.v4 else f"[{SERVER6}]"
    home = os.path.join(folder, f"home-{site.client}")
    os.makedirs(home)
    trust(home, desk.ready["ca"])
    env = {"CALLFLOW_ENDPOINT": f"https://{server}:443", "CALLFLOW_TOKEN": token, "HOME": home,
           "CHROMIUM": shutil.which("chromium"), "FIREFOX": shutil.which("firefox-esr") or ""}
    argv = ["node", os.path.join(WEB, "caller.mjs"), *words, "--browser", kind, "--sdk", desk.sdk()]
    return Program(desk.lab, site.client, argv, env, os.path.join(folder, f"{site.client}.log"))


class Desk(calls.Desk):
    """Both ends of a call, each a browser or the native client."""

    def stop(self):
        """A browser that could not say goodbye leaves allocations behind, for which a draining server waits."""
        self.daemon.child.terminate()
        time.sleep(0.5)
        return super().stop()

    def sdk(self):
        """The web SDK as one file."""
        path = os.path.join(self.folder, "sdk.js")
        return path if os.path.exists(path) else bundle_sdk(self.folder)

    def ends(self, case, a, b, folder, talk_s):
        sound = {}
        for seed, end in enumerate("ab", start=700):
            sound[end] = os.path.join(folder, f"{end}.wav")
            audio.write(sound[end], audio.generate(seed, talk_s + 8, 48000), 48000)
        (_, token_a), (user_b, token_b) = self.user(), self.user()
        callee = self.end(case.who[1], b, token_b, sound, folder, ["listen", "--answer"], ["listen"])
        if not callee.wait("ready", READY_S * 3):
            raise RuntimeError("b did not sign in: " + " | ".join(callee.last_words()))
        duration = ["--duration", str(talk_s)]
        caller = self.end(case.who[0], a, token_a, sound, folder, ["call", user_b, *duration], ["call", "--target", user_b, *duration])
        return caller, callee, sound

    def end(self, kind, site, token, sound, folder, native, web):
        files = ["--audio-in", sound[site.client], "--audio-out", os.path.join(folder, f"heard-{site.client}.wav")]
        if kind != "native":
            return browser(self, site, kind, token, [*web, *files], folder)
        server = SERVER[0] if site.network.v4 else f"[{SERVER6}]"
        env = {"CALLFLOW_ENDPOINT": f"https://{server}:443", "CALLFLOW_CA": self.ready["ca"], "CALLFLOW_TOKEN": token}
        return Program(self.lab, site.client, [os.path.join(self.build, "callflow"), *native, "--json", *files], env,
                       os.path.join(folder, f"{site.client}.log"))

    def talk(self, case, a, b, folder, result):
        caller, callee, sound = self.ends(case, a, b, folder, EVENT_TALK_S if case.event else TALK_S)
        if case.event and caller.wait("connected", calls.CALL_S):
            time.sleep(EVENT_AT_S)
            EVENTS[case.event](self, a)
        caller.wait("ended", calls.CALL_S)
        callee.wait("ended", calls.END_S)
        statuses = caller.finish(calls.END_S), callee.finish(calls.END_S)
        calls.judge_path(case, (a, b), (caller, callee), result)
        result.problems += [f"{end} exits with {s}" for end, s in zip("ab", statuses) if s != 0]
        for end, other, kind, other_kind, program in (("a", "b", *case.who, caller), ("b", "a", *reversed(case.who), callee)):
            heard = self.judge_sound(end, other_kind, sound[other], os.path.join(folder, f"heard-{end}.wav"), result)
            if case.event and heard.get("matchedMs", 0) < EVENT_HEARD_MS:
                result.problems.append(f"{end} heard {heard.get('matchedMs')} ms of {EVENT_TALK_S * 1000}")
            setattr(result, f"heardBy{end.upper()}", heard)
            if "native" not in (kind, other_kind) and not program.find("first-frame"):
                result.problems.append(f"{end} saw no picture")
        if result.problems:
            result.log = [f"{end}: {line}" for end, p in (("a", caller), ("b", callee)) for line in [path_text(p), *p.last_words()]]

    def judge_sound(self, end, speaker, sent, heard, result):
        """Browsers shape what they send, and Firefox has no made-up microphone but a tone: then that it is loud must do."""
        try:
            if speaker == "firefox":
                level = audio.np.abs(audio.read(heard)[0]).mean()
                found = {"correlation": 1.0 if level > 0.02 else 0.0}
            else:
                found = audio.check(sent, heard)
        except (OSError, EOFError, ValueError, audio.wave.Error) as error:
            result.problems.append(f"{end} heard nothing: {error}")
            return {}
        if found["correlation"] < 0.3:
            result.problems.append(f"{end} heard something else: {found}")
        return found


def run(chosen, *args):
    if missing():
        print(f"skipped: there is no {missing()}\n0 passed, 0 failed")
        return 0
    return calls.run(chosen, *args, make_desk=Desk)
