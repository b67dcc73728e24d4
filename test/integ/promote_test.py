#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""People called into a call, between real programs: a call between two becomes a group call without a gap that one hears, several are
called at once, who does not come is told, and people are muted and removed."""
import sys

import numpy as np

from call_cli import Cli, audio, client_env, new_token, new_user, run, usage
from daemon import Daemon

RATE = 48000
HEARD, STRANGE = 0.6, 0.2
LONGEST_SILENCE_MS = 200


class Person:
    """A user, and the program that runs for it."""

    def __init__(self, daemon, folder, name):
        self.env, self.folder, self.name = client_env(daemon), folder, name
        self.user = new_user(self.env)
        self.env["CALLFLOW_TOKEN"] = new_token(self.env, self.user)
        self.cli = None

    def start(self, *args):
        self.cli = Cli(self.env, *args, "--display-name", self.name, cwd=self.folder)
        return self

    def say(self, line):
        self.cli.process.stdin.write(line + "\n")
        self.cli.process.stdin.flush()

    def told(self, user, state):
        """Passes over events until this user is told to be so."""
        while True:
            event = self.cli.expect("participant")
            if event["rawId"] == user and event["state"] == state:
                return event

    def moved(self, cause):
        """Passes over events until the call goes another way by this: "promoted", to the media processor; "demoted", to the other one."""
        while (event := self.cli.expect("path"))["cause"] != cause:
            pass
        return event

    def end_well(self, wait_s=30):
        status, err = self.cli.finish(wait_s)
        assert (status, err) == (0, ""), (status, err, str(self.cli))


def murmur(path, seed, seconds):
    """A sound without pauses that a speech codec takes as it is: noise in the band of voices, a little louder and softer."""
    rng, n = np.random.default_rng(seed), seconds * RATE
    spectrum = np.fft.rfft(rng.standard_normal(n))
    hz = np.fft.rfftfreq(n, 1 / RATE)
    spectrum[(hz < 200) | (hz > 3000)] = 0
    sound = np.fft.irfft(spectrum, n)
    sound *= 1 + 0.3 * np.sin(2 * np.pi * 3 * np.arange(n) / RATE)
    audio.write(path, 0.1 * sound / np.std(sound), RATE)
    return path


def longest_silence_ms(path):
    """The longest stretch without a sound between the first and the last one."""
    sound, rate = audio.read(path)
    frame = rate // 100
    loud = np.array([np.sqrt(np.mean(np.square(sound[i:i + frame]))) for i in range(0, len(sound) - frame, frame)])
    is_loud = np.flatnonzero(loud > 0.1 * np.median(loud[loud > 0]))
    return int(10 * (np.max(np.diff(is_loud)) - 1))


def two_become_three(daemon, folder):
    """a third is called into a call between two, and leaves: the same call, no silence of more than 200 ms either time, each hears each"""
    alice, bob, carol = (Person(daemon, folder, name) for name in ("Alice", "Bob", "Carol"))
    for seed, person in enumerate((alice, bob)):
        murmur(f"{folder}/{person.name}.in.wav", seed, 14)
    carol.start("listen", "--answer", "--audio-out", f"{folder}/Carol.wav", "--duration", "5")
    bob.start("listen", "--answer", "--audio-in", f"{folder}/Bob.in.wav", "--audio-out", f"{folder}/Bob.wav")
    bob.cli.expect("ready")
    carol.cli.expect("ready")
    alice.start("call", bob.user, "--audio-in", f"{folder}/Alice.in.wav", "--audio-out", f"{folder}/Alice.wav")
    call = alice.cli.expect("connected")
    assert call["path"]["kind"] == "direct", call
    bob.cli.expect("connected")
    alice.say(f"add {carol.user}")
    assert carol.cli.expect("ringing")["callId"] == call["callId"]
    for person in (alice, bob):
        moved = person.moved("promoted")
        assert (moved["path"]["kind"], moved["callId"]) == ("media-processor", call["callId"]), moved
    assert carol.cli.expect("connected")["path"]["kind"] == "media-processor"
    for person in (alice, bob):
        moved = person.moved("demoted")
        assert (moved["path"]["kind"], moved["callId"]) == ("direct", call["callId"]), moved
    for person in (alice, bob):
        person.end_well()
    carol.end_well()
    silences = {person.name: longest_silence_ms(f"{folder}/{person.name}.wav") for person in (alice, bob)}
    print(f"# longest silence: {silences} ms")
    assert max(silences.values()) <= LONGEST_SILENCE_MS, silences
    for person in (alice, bob):
        found = audio.check(f"{folder}/{person.name}.in.wav", f"{folder}/Carol.wav")
        assert found["correlation"] > 0.3, (person.name, found)
    legs = usage(client_env(daemon), call["callId"], "leg")
    assert len(legs) == 3 and all(leg["ended"] for leg in legs), legs


def muted_and_removed(daemon, folder):
    """members mute others and take them out; who is called back comes back; who is left alone is done"""
    alice, bob, carol = (Person(daemon, folder, name) for name in ("Alice", "Bob", "Carol"))
    for person in (bob, carol):
        person.start("listen", "--answer", "--calls", "2")
        person.cli.expect("ready")
    alice.start("call", bob.user, carol.user)
    waiting = {bob.user, carol.user}
    while waiting:
        event = alice.cli.expect("participant")
        waiting -= {event["rawId"]} if event["state"] == "connected" else set()
    for person in (bob, carol):
        person.cli.expect("connected")
    alice.say("mute-others")
    for person in (bob, carol):
        assert person.cli.expect("muted")["by"] == alice.user
    alice.say(f"remove {carol.user}")
    ended = carol.cli.expect("ended")
    assert (ended["code"], ended["subcode"]) == (0, 5300), ended
    alice.told(carol.user, "disconnected")
    bob.say(f"add {carol.user}")
    alice.told(carol.user, "ringing")
    alice.told(carol.user, "connected")
    carol.cli.expect("connected")
    bob.cli.interrupt()
    alice.told(bob.user, "disconnected")
    carol.cli.interrupt()
    assert alice.cli.expect("ended")["code"] == 0
    alice.end_well()


def who_does_not_come(daemon, folder):
    """people who are not there, decline, or are removed while it rings: everybody is told, and the call goes on"""
    alice, bob, carol, dave = (Person(daemon, folder, name) for name in ("Alice", "Bob", "Carol", "Dave"))
    bob.start("listen", "--answer", "--calls", "1")
    carol.start("listen")
    for person in (bob, carol):
        person.cli.expect("ready")
    alice.start("call", bob.user)
    call = alice.cli.expect("connected")["callId"]
    alice.say(f"add {dave.user}")
    gone = alice.told(dave.user, "disconnected")
    assert (gone["code"], gone["subcode"]) == (480, 10037), gone
    alice.moved("promoted")
    alice.say(f"add {carol.user}")
    carol.cli.expect("ringing")
    bob.say(f"remove {carol.user}")
    assert carol.cli.expect("ended")["code"] == 487
    assert alice.told(carol.user, "disconnected")["code"] == 487
    bob.say("nonsense")
    alice.say("hangup")
    assert alice.cli.expect("ended")["callId"] == call
    assert bob.cli.expect("ended")["code"] == 0
    alice.end_well()
    status, err = bob.cli.finish()
    assert status == 0 and "try help" in err, (status, err)
    carol.cli.interrupt()


TESTS = [two_become_three, muted_and_removed, who_does_not_come]


def main():
    with Daemon() as daemon:
        status = run(TESTS, lambda folder: (daemon, folder))
        if status:
            sys.stderr.write(daemon.log_text())
    return status


if __name__ == "__main__":
    sys.exit(main())
