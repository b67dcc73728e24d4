# SPDX-License-Identifier: Apache-2.0
"""Group calls whose members sit behind different NATs: each talks in a turn of its own, and all others must hear it."""
import os
import time
from dataclasses import dataclass

import numpy as np

import calls
import nat
from calls import AT_ONCE_S, CALL_S, END_S, Program, audio, last_path
from lab import SERVER, SERVER6

TURN_S, STEP_S, BEGIN_S = 2, 3, 4   # how long each talks, from one turn to the next, and when the first one begins
HEARD, STRANGE = 0.5, 0.25
GROUP = "29228d3e-040e-4656-a70e-890ab4e173e5"
NO_RELAY = {"relays": {0}, "transports": {"udp"}}
OVER_TCP = {"relays": {1}, "transports": {"tcp", "tls"}}
# What each kind of network has to end up with: the media processor takes UDP, and the relay makes UDP of TCP.
EXPECTED = {"udp-blocked": OVER_TCP, "only-443": OVER_TCP}


@dataclass(frozen=True)
class Gathering:
    name: str
    networks: tuple
    relay: bool = True
    lost: tuple = ()          # who must fail, at once and with the reason, when there is no relay
    telling: bool = True

    @property
    def path(self):
        return f"{len(self.networks) - len(self.lost)} hear each other" + (f", {len(self.lost)} told why not" if self.lost else "")


def all_cases():
    yield Gathering("six", ("public", "port-restricted", "symmetric", "udp-blocked", "only-443", "ipv6"))
    yield Gathering("three-homes", ("full", "restricted", "cgn-symmetric"), telling=False)
    yield Gathering("without-relay", ("public", "symmetric", "udp-blocked"), relay=False, lost=("udp-blocked",))


class Hall(calls.Desk):
    def place(self, case):
        start = time.monotonic()
        result = calls.Result(case.name, case.path)
        folder = os.path.join(self.folder, case.name)
        os.makedirs(folder, exist_ok=True)
        sites = [self.lab.site(f"m{i}", nat.NETWORKS[name]) for i, name in enumerate(case.networks)]
        try:
            self.gather(case, sites, folder, result)
        except (RuntimeError, OSError, KeyError, ValueError) as error:
            result.problems.append(str(error) or repr(error))
        self.lab.remove(*reversed(sites))
        if self.daemon.child.poll() is not None:
            result.problems.append(f"callflowd has ended, status {self.daemon.child.poll()}")
        result.seconds = round(time.monotonic() - start, 1)
        return result

    def member(self, i, site, folder, talk_s):
        """One member, who is silent but for its turn."""
        said, path = audio.generate(300 + i, TURN_S, 48000), os.path.join(folder, f"sent{i}.wav")
        sound = np.zeros(talk_s * 48000)
        begin = (BEGIN_S + i * STEP_S) * 48000
        sound[begin:begin + len(said)] = said
        audio.write(os.path.join(folder, f"said{i}.wav"), said, 48000)
        audio.write(path, sound, 48000)
        _, token = self.user()
        server = SERVER[0] if site.network.v4 else f"[{SERVER6}]"
        env = {"CALLFLOW_ENDPOINT": f"https://{server}:443", "CALLFLOW_CA": self.ready["ca"], "CALLFLOW_TOKEN": token}
        return Program(self.lab, site.client, [os.path.join(self.build, "callflow"), "join", GROUP, "--json", "--audio-in", path,
                                               "--audio-out", os.path.join(folder, f"heard{i}.wav"), "--duration", str(talk_s)],
                       env, os.path.join(folder, f"{site.client}.log"))

    def gather(self, case, sites, folder, result):
        talk_s = BEGIN_S + len(sites) * STEP_S + 2
        members = [self.member(i, site, folder, talk_s) for i, site in enumerate(sites)]
        statuses = [one.finish(CALL_S + talk_s) for one in members]
        result.setupMs = max((one.find("connected").get("setupMs", 0) for one in members), default=None)
        told = []
        for i, (name, one, status) in enumerate(zip(case.networks, members, statuses)):
            if name in case.lost:
                judge_lost(name, one, status, result)
                continue
            told.append(judge_path(name, one, status, result))
            judge_sound(case, i, folder, result)
        result.got = ", ".join(told)
        if result.problems:
            result.log = [f"{name}: {line}" for name, one in zip(case.networks, members) for line in one.last_words()]


def judge_path(name, one, status, result):
    path, expected = last_path(one), EXPECTED.get(name, NO_RELAY)
    if not path or status != 0:
        result.problems.append(f"{name} was not in the call: {one.find('ended').get('reason', 'no word why')}, status {status}")
    elif path["kind"] != "media-processor" or path["relays"] not in expected["relays"] or path["transport"] not in expected["transports"]:
        result.problems.append(f"{name} has a {path['kind']} path over {path['transport']} with {path['relays']} relays: {path['why']}")
    return f"{name} {path.get('transport')} {path.get('relays')}"


def judge_sound(case, i, folder, result):
    """Did this one hear all others, and not itself?"""
    for k, other in enumerate(case.networks):
        if other in case.lost:
            continue
        try:
            found = audio.check(os.path.join(folder, f"said{k}.wav"), os.path.join(folder, f"heard{i}.wav"))["correlation"]
        except (OSError, EOFError, ValueError, audio.wave.Error) as error:
            result.problems.append(f"{case.networks[i]} heard nothing: {error}")
            return
        if found < HEARD if i != k else found > STRANGE:
            result.problems.append(f"{case.networks[i]} {'did not hear' if i != k else 'heard itself:'} {other}, correlation {found}")


def judge_lost(name, one, status, result):
    """Without UDP and without the relay there is no way in: that is said at once, and why."""
    ended = one.find("ended")
    took, reason = ended.get("at"), ended.get("reason", "")
    if one.find("connected") or not ended or status == 0:
        result.problems.append(f"{name} was not refused: {ended}")
    elif took > AT_ONCE_S + END_S / 10:
        result.problems.append(f"{name} was told behind {took:.1f} s")
    if "UDP to the media processor is blocked" not in reason or "relay is disabled" not in reason:
        result.problems.append(f"{name} is not told why: {reason!r}")


def choose(only, telling):
    chosen = [case for case in all_cases() if (case.name in only if only else case.telling or not telling)]
    if only and len(chosen) < len(only):
        raise LookupError("no such case; `netlab group --list` names them")
    return chosen


def run(chosen, build, jobs, as_json, keep):
    return calls.run(chosen, build, jobs, as_json, keep, Hall)
