#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Video calls between native clients through a real daemon: what is seen is read from the pictures themselves."""
import os
import sys

import numpy as np

from call_cli import Cli, ask, client_env, heard, run, speech
from daemon import Daemon

import picture  # of test/harness

SIZE = (320, 176)
TALK_S = 4


def pair(daemon, folder, caller, callee, talk_s=TALK_S):
    """A call with these options at its ends: the figures about video of both, None where there are none."""
    env = client_env(daemon)
    with Cli(env, "listen", "--answer", "--calls", "1", *callee, cwd=folder) as bob:
        with Cli(env, "call", bob.expect("ready")["peer"], "--duration", str(talk_s), *caller, cwd=folder) as alice:
            alice.expect("connected")
            ended = [end.expect("ended", 30) for end in (alice, bob)]
            assert [end.finish(30) for end in (alice, bob)] == [(0, "")] * 2, f"{alice}{bob}"
    return [event["stats"].get("video") for event in ended]


def sees(path, stats, least_fps=20):
    found = picture.check(path)
    assert found["pictures"] >= least_fps * TALK_S * 0.8 and not found["backward"] and not found["unclear"], found
    assert stats["fpsReceived"] >= least_fps and stats["firstVideoMs"] < 3000, stats


def pattern(*more):
    return ("--video-in", "pattern", "--video-size", "320x176@30", *more)


def both_ways(daemon, folder):
    """VP8 both ways, with sound: each sees and hears the other"""
    said, told = speech(folder, 1, TALK_S), speech(folder, 2, TALK_S)
    a, b = pair(daemon, folder, pattern("--video-out", "a.y4m", "--audio-in", said, "--audio-out", "a.wav"),
                pattern("--video-out", "b.y4m", "--audio-in", told, "--audio-out", "b.wav"))
    for name, stats in (("a", a), ("b", b)):
        assert (stats["codecSent"], stats["codecReceived"]) == ("VP8", "VP8"), stats
        sees(f"{folder}/{name}.y4m", stats)
    heard(told, f"{folder}/a.wav")
    heard(said, f"{folder}/b.wav")


def h264(daemon, folder):
    """H.264, as the caller prefers"""
    a, b = pair(daemon, folder, pattern("--video-out", "a.y4m", "--video-codec", "H264"), pattern("--video-out", "b.y4m"))
    for name, stats in (("a", a), ("b", b)):
        assert (stats["codecSent"], stats["codecReceived"]) == ("H264", "H264"), stats
        sees(f"{folder}/{name}.y4m", stats)


def callee_prefers(daemon, folder):
    """H.264, as the callee prefers"""
    a, _ = pair(daemon, folder, pattern("--video-out", "a.y4m"), pattern("--video-codec", "H264"))
    assert a["codecReceived"] == "H264", a
    sees(f"{folder}/a.y4m", a)


def one_way(daemon, folder):
    """one sends, the other only looks"""
    a, b = pair(daemon, folder, pattern(), ("--video-out", "b.y4m"))
    assert "codecReceived" not in a and a["framesShown"] == 0 and a["framesSent"] > 60, a
    assert "codecSent" not in b and b["framesSent"] == 0, b
    sees(f"{folder}/b.y4m", b)


def without(daemon, folder):
    """who has no video hears all the same"""
    said = speech(folder, 3, TALK_S)
    figures = pair(daemon, folder, pattern("--audio-in", said, "--video-out", "a.y4m"), ("--audio-out", "b.wav"))
    assert figures == [None, None], figures
    heard(said, f"{folder}/b.wav")


def relayed(daemon, folder):
    """through the relay alone"""
    a, _ = pair(daemon, folder, pattern("--video-out", "a.y4m", "--ice-transport", "relay"), pattern())
    sees(f"{folder}/a.y4m", a)


def write_y4m(path, frames, header=b"YUV4MPEG2 W%d H%d F25:1 C420jpeg\n" % SIZE):
    width, height = SIZE
    with open(path, "wb") as file:
        file.write(header)
        for i in range(frames):
            luma = np.full((height, width), 40 + 20 * (i % 8), np.uint8)
            file.write(b"FRAME\n" + luma.tobytes() + bytes([128]) * (width * height // 2))


def begins_small(daemon, folder):
    """pictures that begin small and grow: the file has the large ones, and the small ones before them"""
    _, b = pair(daemon, folder, ("--video-in", "pattern", "--video-size", "960x540@30"), ("--video-out", "b.y4m"))
    sizes = {luma.shape for luma in picture.read(f"{folder}/b.y4m")}
    assert (b["widthReceived"], sizes) == (960, {(540, 960)}), (b, sizes)
    sees(f"{folder}/b.y4m", b)
    assert os.listdir(folder) == ["b.y4m"]


def from_file(daemon, folder):
    """a file of 25 pictures a second, played again from its beginning"""
    write_y4m(f"{folder}/in.y4m", 20)
    a, b = pair(daemon, folder, ("--video-in", "in.y4m"), ("--video-out", "out.y4m"))
    assert 80 <= a["framesSent"] <= 110 and b["widthReceived"] == SIZE[0], (a, b)
    levels = {round(luma.mean() / 20) * 20 for luma in picture.read(f"{folder}/out.y4m")}
    assert levels >= {60, 100, 140, 180}, levels


def bad_input(daemon, folder):
    """files and words that will not do: said before anybody is called"""
    write_y4m(f"{folder}/deep.y4m", 1, b"YUV4MPEG2 W320 H176 F25:1 C420p10\n")
    with open(f"{folder}/cut.y4m", "wb") as file:
        file.write(b"YUV4MPEG2 W320 H176")
    for args, word in ((("--video-in", "none.y4m"), "none.y4m"), (("--video-in", "deep.y4m"), "deep.y4m"),
                       (("--video-in", "cut.y4m"), "cut.y4m"), (("--video-in", "/dev/zero"), "/dev/zero"),
                       (("--video-in", "pattern", "--video-size", "3x3"), "--video-size"),
                       (("--video-in", "pattern", "--video-codec", "AV1"), "--video-codec"),
                       (("--video-out", "no/such/place.y4m"), "no/such/place.y4m")):
        status, _, err = ask(client_env(daemon), "call", "8:echo123", *args, cwd=folder)
        assert status != 0 and word in err, (args, status, err)
    assert sorted(os.listdir(folder)) == ["cut.y4m", "deep.y4m"]


def disk_full(daemon, folder):
    """an output file that cannot grow ends nothing but itself"""
    a, _ = pair(daemon, folder, ("--video-out", "/dev/full"), pattern())
    assert a["framesShown"] > 60, a


TESTS = [both_ways, h264, callee_prefers, one_way, without, relayed, begins_small, from_file, bad_input, disk_full]


def main():
    with Daemon() as daemon:
        status = run(TESTS, lambda folder: (daemon, folder), at_once=2)
        if status:
            sys.stderr.write(daemon.log_text())
    return status


if __name__ == "__main__":
    sys.exit(main())
