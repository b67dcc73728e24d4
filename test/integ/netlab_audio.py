#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of test/harness/audio.py against what a call does to sound: Opus, loss, delay, drift, gaps, and nothing."""
import ctypes
import os
import sys

import numpy as np

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import audio  # noqa: E402

opus = ctypes.CDLL("libopus.so.0")
opus.opus_encoder_create.restype = opus.opus_decoder_create.restype = ctypes.c_void_p
OPUS_APPLICATION_VOIP, OPUS_SET_BITRATE = 2048, 4002
FRAME = 960
passed = failed = 0


def through_opus(sound, bitrate=24000, lose=0):
    """48 kHz in and out, 20 ms a packet; every `lose`-th packet is concealed."""
    error = ctypes.c_int()
    encoder = ctypes.c_void_p(opus.opus_encoder_create(48000, 1, OPUS_APPLICATION_VOIP, ctypes.byref(error)))
    decoder = ctypes.c_void_p(opus.opus_decoder_create(48000, 1, ctypes.byref(error)))
    opus.opus_encoder_ctl(encoder, OPUS_SET_BITRATE, ctypes.c_int(bitrate))
    packet, pcm, heard = (ctypes.c_ubyte * 1500)(), (ctypes.c_int16 * FRAME)(), []
    samples = (sound * 32767).astype(np.int16)
    for n in range(len(samples) // FRAME):
        frame = samples[n * FRAME:(n + 1) * FRAME].tobytes()
        size = opus.opus_encode(encoder, frame, FRAME, packet, 1500)
        lost = lose and n % lose == lose - 1
        opus.opus_decode(decoder, None if lost else packet, 0 if lost else size, pcm, FRAME, 0)
        heard.append(np.frombuffer(pcm, np.int16).copy())
    opus.opus_encoder_destroy(encoder)
    opus.opus_decoder_destroy(decoder)
    return np.concatenate(heard) / 32768


def unheard(sent, heard):
    return audio.unheard(audio.resample(sent, 48000), audio.resample(heard, 48000))


def stretches():
    """How long what was said was not heard, and where."""
    sent = audio.generate(4, 12, 48000)
    plain = through_opus(sent)
    for bitrate in (12000, 24000):
        for seed in range(4, 8):
            voice = audio.generate(seed, 12, 48000)
            got = unheard(voice, through_opus(voice, bitrate))
            test(f"voice {seed} at {bitrate} is heard all along", max([n for _, n in got], default=0) <= 160, got)
    for hole in (0.2, 0.4, 1.0, 3.0):
        holed = plain.copy()
        holed[192000:192000 + int(48000 * hole)] = 0
        got = max(unheard(sent, holed), key=lambda stretch: stretch[1], default=(0, 0))
        test(f"a hole of {hole} s is measured", abs(got[1] - hole * 1000) < 180 and abs(got[0] - 4000) < 250, got)
    stepped = np.concatenate((silence(0.3), plain[:192000], silence(1.2), plain[240000:]))
    got = max(unheard(sent, stepped), key=lambda stretch: stretch[1], default=(0, 0))
    test("a hole behind which everything comes later", abs(got[1] - 1000) < 180, got)
    other = plain.copy()
    other[192000:288000] = through_opus(audio.generate(9, 12, 48000))[192000:288000]
    got = max(unheard(sent, other), key=lambda stretch: stretch[1], default=(0, 0))
    test("another voice is not what was said", got[1] >= 600, got)
    late = np.concatenate((plain[96000:], silence(1)))
    got = unheard(sent, late)
    test("what came before the first word heard does not count", max([n for _, n in got], default=0) <= 160, got)
    test("silence is nothing", unheard(sent, silence(12)) is None, None)


def silence(seconds):
    return np.zeros(int(48000 * seconds))


def compare(sent, heard, rate=48000):
    return audio.compare(audio.resample(sent, 48000), audio.resample(heard, rate))


def test(name, ok, result):
    global passed, failed
    passed, failed = passed + bool(ok), failed + (not ok)
    print(f"{'ok  ' if ok else 'FAIL'} {name}: {result}")


def main():
    sent = audio.generate(1, 6, 48000)
    other = audio.generate(2, 6, 48000)
    plain = through_opus(sent)
    got = compare(sent, sent)
    test("the sound itself", got["correlation"] > 0.99 and got["lagMs"] == 0 and got["gapsMs"] == 0, got)
    for bitrate in (12000, 24000, 48000):
        got = compare(sent, through_opus(sent, bitrate))
        test(f"Opus at {bitrate}", got["correlation"] > 0.7 and got["gapsMs"] == 0 and abs(got["levelDb"]) < 3, got)
    got = compare(sent, through_opus(sent, lose=20))
    test("Opus, 5 % concealed", got["correlation"] > 0.6, got)
    got = compare(sent, np.concatenate((silence(0.5), plain)))
    test("half a second late", got["correlation"] > 0.7 and abs(got["lagMs"] - 506) < 5, got)
    got = compare(sent, plain[48000:48000 * 4])
    test("the first second lost, cut short", got["correlation"] > 0.7 and abs(got["lagMs"] + 994) < 5
         and abs(got["matchedMs"] - 3000) < 400, got)
    got = compare(sent, audio.resample(plain, 48000, 48010))
    test("a drift of 200 ppm", got["correlation"] > 0.6 and got["gapsMs"] == 0, got)
    stepped = np.concatenate((plain[:96000], silence(0.04), plain[96000:192000], plain[193920:]))
    got = compare(sent, stepped)
    test("jitter-buffer steps of 40 ms", got["correlation"] > 0.7, got)
    got = compare(sent, audio.resample(plain, 48000, 16000), 16000)
    test("heard at 16 kHz", got["correlation"] > 0.7 and got["gapsMs"] == 0, got)
    holed = plain.copy()
    holed[100000:100000 + 19200] = 0
    got = compare(sent, holed)
    test("a hole of 400 ms", 200 <= got["gapsMs"] <= 420, got)
    got = compare(sent, plain * 0.1)
    test("20 dB softer", got["correlation"] > 0.7 and abs(got["levelDb"] + 20) < 3 and got["gapsMs"] == 0, got)
    for name, heard in (("another voice", through_opus(other)), ("silence", silence(6)), ("nothing", silence(0)),
                        ("noise", np.random.default_rng(3).normal(0, 0.1, 288000))):
        got = compare(sent, heard)
        test(f"{name} is not taken for it", got["correlation"] < 0.4, got)
    worst = max(compare(audio.generate(a, 6, 48000), audio.generate(a + 50, 6, 48000))["correlation"]
                for a in range(12))
    test("no two seeds resemble each other", worst < 0.4, worst)
    got = compare(sent, np.concatenate((plain[:48000 * 2], silence(4))))
    test("heard for a third of the time", got["correlation"] < 0.4 or got["gapsMs"] > 1000, got)
    stretches()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
