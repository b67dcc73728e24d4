#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Group calls between real programs through a real daemon: each hears the others and never itself, who comes and goes is told, and
nothing that strangers or broken members do disturbs the rest."""
import os
import signal
import socket
import struct
import sys
import threading
import time
import uuid
import zlib

import numpy as np

from call_cli import Cli, ask, audio, client_env, new_token, new_user, run, usage, wait_until
from daemon import Daemon

import picture  # of test/harness

# How well a turn of speech is recognised that was heard, and what sounds of strangers have in common.
HEARD, STRANGE = 0.6, 0.2
TURN_S = 3


def member(daemon, folder, group, *args, user=None):
    """A user of its own in the group, or another device of one."""
    env = client_env(daemon)
    user = user or new_user(env)
    cli = Cli({**env, "CALLFLOW_TOKEN": new_token(env, user)}, "join", group, *args, cwd=folder)
    cli.user = user
    return cli


def said(folder, seed, at_s, all_s):
    """A file that is silent but for one turn of speech."""
    turn, path = audio.generate(seed, TURN_S, 48000), f"{folder}/sent{seed}.wav"
    sound = np.zeros(all_s * 48000)
    sound[at_s * 48000:(at_s + TURN_S) * 48000] = turn
    audio.write(f"{folder}/said{seed}.wav", turn, 48000)
    audio.write(path, sound, 48000)
    return path


def recognised(folder, seed, got):
    return audio.check(f"{folder}/said{seed}.wav", got)["correlation"]


def check_heard(folder, seeds, names):
    """Each of these members has heard the turns of all others, and not its own."""
    for i, name in enumerate(names):
        for k, seed in enumerate(seeds):
            found = recognised(folder, seed, f"{folder}/{name}.wav")
            assert found > HEARD if i != k else found < STRANGE, f"{name} of {names[k]}: {found}"


def end_well(*members, wait_s=40):
    for one in members:
        status, err = one.finish(wait_s)
        assert (status, err) == (0, ""), (status, err, str(one))


def participant(cli, user, state, muted=None):
    """Passes over events until this user is told to be so."""
    while True:
        event = cli.expect("participant")
        if event["rawId"] == user and event["state"] == state and muted in (None, event["isMuted"]):
            return event


class Noise(threading.Thread):
    """A stranger who sends to the media port: garbage, RTP, DTLS, and checks that name nobody."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.address, self.over, self.sent = address, False, 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(0)
        self.answers = 0
        self.start()

    @staticmethod
    def check():
        """A STUN Binding request with a made-up user name, and a right fingerprint (RFC 8489)."""
        name = b"abcd:efgh"
        attrs = struct.pack("!HH", 6, len(name)) + name + bytes(-len(name) % 4) + struct.pack("!HHI", 0x24, 4, 1)
        attrs += struct.pack("!HH", 8, 20) + os.urandom(20)
        head = struct.pack("!HHI", 1, len(attrs) + 8, 0x2112A442) + os.urandom(12)
        return head + attrs + struct.pack("!HHI", 0x8028, 4, zlib.crc32(head + attrs) ^ 0x5354554E)

    def run(self):
        kinds = [lambda: os.urandom(200), lambda: b"\x80\x6f" + os.urandom(100), lambda: b"\x16\xfe\xfd" + os.urandom(80),
                 lambda: b"\x80\xc8" + os.urandom(60), self.check, lambda: b""]
        while not self.over and self.sent < 20000:
            for kind in kinds:
                self.socket.sendto(kind(), self.address)
                self.sent += 1
            try:
                while self.socket.recv(2048):
                    self.answers += 1
            except BlockingIOError:
                pass
            time.sleep(0.002)

    def stop(self):
        self.over = True
        self.join()
        self.socket.close()


def three_members(daemon, folder):
    """three members who talk in turns, while a stranger sends garbage to their port: each hears the others, never itself"""
    group, names = str(uuid.uuid4()), ["anna", "ben", "cleo"]
    sent = [said(folder, seed, 1 + 4 * seed, 12) for seed in range(3)]
    members = [member(daemon, folder, group, "--audio-in", sent[i], "--audio-out", f"{folder}/{name}.wav", "--duration", "13")
               for i, name in enumerate(names)]
    calls = [one.expect("connected") for one in members]
    path = calls[0]["path"]
    noise = Noise((path["remote"]["address"], path["remote"]["port"]))
    assert len({call["callId"] for call in calls}) == 1, calls
    for call in calls:
        path = call["path"]
        assert (path["kind"], path["transport"], path["relays"]) == ("media-processor", "udp", 0) and "media processor" in path["why"], path
    end_well(*members)
    noise.stop()
    assert noise.sent > 1000 and noise.answers == 0, (noise.sent, noise.answers)
    check_heard(folder, range(3), names)
    legs = usage(client_env(daemon), calls[0]["callId"], "leg")
    assert len(legs) == 3 and all(leg["ended"] and leg["durationMs"] > 10000 for leg in legs), legs


def come_and_go(daemon, folder):
    """who comes, is muted, goes and comes again is told; a user with two devices counts as two"""
    group = str(uuid.uuid4())
    first = member(daemon, folder, group, "--duration", "30", "--display-name", "Anna")
    first.expect("connected")
    second = member(daemon, folder, group, "--duration", "30", "--display-name", "Ben", "--mute")
    assert participant(first, second.user, "connected")["displayName"] == "Ben"
    assert participant(second, first.user, "connected")["displayName"] == "Anna"
    second.expect("connected")
    participant(first, second.user, "connected", True)
    third = member(daemon, folder, group, "--duration", "30", user=second.user)
    tablet = participant(first, second.user, "connected", False)["endpointId"]
    third.expect("connected")
    third.interrupt()
    end_well(third)
    assert participant(first, second.user, "disconnected")["endpointId"] == tablet
    second.interrupt()
    end_well(second)
    participant(first, second.user, "disconnected")
    again = member(daemon, folder, group, "--duration", "30", user=second.user)
    assert again.expect("connected")["callId"] == first.events[-1]["callId"]
    participant(first, second.user, "connected")
    first.interrupt()
    again.interrupt()
    end_well(first, again)


def for_everyone(daemon, folder):
    """one member ends the call for all, and the next one to join begins another"""
    group = str(uuid.uuid4())
    members = [member(daemon, folder, group, "--duration", "30") for _ in range(2)]
    members.append(member(daemon, folder, group, "--duration", "30", "--for-everyone"))
    calls = {one.expect("connected")["callId"] for one in members}
    assert len(calls) == 1, calls
    members[2].interrupt()
    end_well(*members)
    for one in members:
        ended = one.expect("ended")
        assert (ended["code"], ended["subcode"]) == (0, 0), ended
    later = member(daemon, folder, group, "--duration", "1")
    assert later.expect("connected")["callId"] not in calls
    end_well(later)


def through_the_relay(daemon, folder):
    """a member that may use nothing but the relay: heard, and its relay use is counted under the call"""
    group, names = str(uuid.uuid4()), ["direct", "relayed"]
    sent = [said(folder, seed, 1 + 4 * seed, 8) for seed in range(2)]
    members = [member(daemon, folder, group, "--audio-in", sent[i], "--audio-out", f"{folder}/{name}.wav", "--duration", "9",
                      *(["--ice-transport", "relay"] if i else [])) for i, name in enumerate(names)]
    calls = [one.expect("connected") for one in members]
    assert [call["path"]["relays"] for call in calls] == [0, 1], calls
    assert {call["path"]["kind"] for call in calls} == {"media-processor"}, calls
    end_well(*members)
    check_heard(folder, range(2), names)
    rows = wait_until(lambda: [row for row in usage(client_env(daemon), calls[0]["callId"], "relay") if row["ended"] and
                               row["clientInBytes"] > 5000], "relay usage")
    assert [row["user"] for row in rows] == [members[1].user], rows


def pictures(daemon, folder):
    """members with pictures: each sees another one, VP8 and H.264 beside each other; who has no video is in it all the same"""
    group = str(uuid.uuid4())
    video = ("--video-in", "pattern", "--video-size", "320x176@30", "--duration", "8")
    members = [member(daemon, folder, group, *video, "--video-out", f"{name}.y4m", "--video-codec", codec)
               for name, codec in (("vp8", "VP8"), ("h264", "H264"))]
    plain = member(daemon, folder, group, "--duration", "8")
    for one in [*members, plain]:
        one.expect("connected")
    ended = [one.expect("ended", 30)["stats"]["video"] for one in members]
    end_well(*members, plain)
    assert [stats["codecSent"] for stats in ended] == ["VP8", "H264"], ended
    assert [stats["codecReceived"] for stats in ended] == ["H264", "VP8"], ended
    for stats, name in zip(ended, ("vp8", "h264")):
        found = picture.check(f"{folder}/{name}.y4m")
        assert found["pictures"] > 60 and not found["backward"] and not found["unclear"], found
        assert stats["packetsLost"] == 0, stats


def killed(daemon, folder):
    """a member that is killed: the others talk on, and are told that it has gone"""
    group = str(uuid.uuid4())
    first, second = (member(daemon, folder, group, "--duration", "90") for _ in range(2))
    victim = member(daemon, folder, group, "--duration", "90")
    for one in (first, second, victim):
        one.expect("connected")
    victim.process.send_signal(signal.SIGKILL)
    participant(first, victim.user, "connected")
    for one in (first, second):
        while True:
            event = one.expect("participant", 60)
            if event["state"] == "disconnected":
                break
        assert event["rawId"] == victim.user, event
        one.interrupt()
    end_well(first, second)


def refused(daemon, folder):
    """what is no group, and a token that may not join: a clear error"""
    env = client_env(daemon)
    status, _, err = ask({**env, "CALLFLOW_TOKEN": new_token(env, new_user(env))}, "join", "friends", cwd=folder)
    assert status == 1 and 'a UUID as its name, not "friends"' in err, (status, err)


def without_media_processor(_, folder):
    """a service without the media role: the join ends at once, and says why"""
    with Daemon(["roles=[signal, relay]"]) as daemon:
        one = member(daemon, folder, str(uuid.uuid4()))
        ended = one.expect("ended")
        assert ended["code"] == 501 and "media processor" in ended["reason"], ended
        assert one.finish()[0] == 1


def back(cli):
    """The call's media is back (the connection to the service has an event of its own)."""
    while "callId" not in (event := cli.expect("reconnected", 40)):
        pass
    return event


def restarted(_, folder):
    """the service is killed and comes back: its members come back by themselves, and hear each other again"""
    with Daemon() as daemon:
        group, names = str(uuid.uuid4()), ["anna", "ben"]
        sent = [said(folder, seed, 8 + 4 * seed, 16) for seed in range(2)]
        members = [member(daemon, folder, group, "--audio-in", sent[i], "--audio-out", f"{folder}/{name}.wav", "--duration", "18")
                   for i, name in enumerate(names)]
        before = [one.expect("connected")["callId"] for one in members]
        daemon.kill()
        daemon.start()
        up = time.monotonic()
        after = [back(one)["callId"] for one in members]
        took = time.monotonic() - up
        assert after[0] == after[1] != before[0] == before[1], (before, after)
        end_well(*members)
        check_heard(folder, range(2), names)
        print(f"# back {took:.1f} s behind the service")


def full(_, folder):
    """a call that is full, and a node that is full: refused with the reason"""
    with Daemon(["media.members_per_call=2", "media.members=3"]) as daemon:
        group = str(uuid.uuid4())
        members = [member(daemon, folder, group, "--duration", "20") for _ in range(2)]
        for one in members:
            one.expect("connected")
        ended = member(daemon, folder, group).expect("ended")
        assert ended["code"] == 409 and "CallFull" in ended["reason"], ended
        members.append(member(daemon, folder, str(uuid.uuid4()), "--duration", "20"))
        members[2].expect("connected")
        ended = member(daemon, folder, str(uuid.uuid4())).expect("ended")
        assert ended["code"] == 503 and "MediaProcessorBusy" in ended["reason"], ended
        for one in members:
            one.interrupt()
        end_well(*members)


TESTS = [full, three_members, come_and_go, for_everyone, through_the_relay, pictures, killed, refused, without_media_processor, restarted]


def main():
    with Daemon() as daemon:
        status = run(TESTS, lambda folder: (daemon, folder), at_once=3)
        if status:
            sys.stderr.write(daemon.log_text())
    return status


if __name__ == "__main__":
    sys.exit(main())
