#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Speech-like test sounds, and whether one was heard.

  audio.py gen OUT.wav --seed N --seconds S [--rate 48000]
  audio.py check SENT.wav HEARD.wav [--min 0.5]

`gen` makes syllables of voiced and unvoiced sound that no two seeds share (bare tones would drive a speech codec
into its worst corners, and resemble each other). `check` finds the sent sound in the heard one and prints JSON:
correlation (the median over windows of the sent sound, each aligned by itself: delay, drift and jitter-buffer
steps do not count as differences), lagMs (where sent begins in heard; negative: its beginning was lost), gapsMs
(holes where sound was sent and next to nothing heard), levelDb (heard over sent), matchedMs (how much of the sent
sound was recognised). The exit status is 1 when the correlation is below --min, or nothing could be compared.
"""
import argparse
import json
import sys
import wave

import numpy as np

RATE = 8000             # comparison happens here: every speech codec carries this band
WINDOW, HOP = 4800, 2400
WANDER = 2400           # samples a window may lie off the common lag
FRAME = 80              # 10 ms: the grain of gaps
RECOGNISED = 0.4
WORD, STEP = 640, 160   # 80 ms, and 20 ms: what is looked for when it counts how long nothing was heard
FAR = 16000             # samples that a change of path may shift what comes behind it
TREMBLE = 16            # samples a word may lie off the lags around it
UNHEARD = 0.25          # below this a word was not there: silence, or made up by the receiver


# ---- making sound

def syllable(rng, rate, length):
    """One syllable: pulses of a gliding voice, or noise, through three formants, faded in and out."""
    time = np.arange(length) / rate
    if rng.random() < 0.75:
        start, end = rng.uniform(90, 220, 2)
        phase = np.cumsum(np.linspace(start, end, length)) / rate
        source = (np.diff(np.floor(phase), prepend=0) > 0) * 8.0 + rng.normal(0, 0.1, length)
        formants = [(rng.uniform(300, 800), 80), (rng.uniform(900, 2300), 120), (rng.uniform(2300, 3400), 200)]
    else:
        source = rng.normal(0, 0.6, length)
        formants = [(rng.uniform(1200, 2500), 700), (rng.uniform(3000, 6000), 1500)]
    frequency = np.fft.rfftfreq(length, 1 / rate)
    gain = sum((width / 2) / np.hypot(frequency - centre, width / 2) for centre, width in formants)
    gain *= frequency / (frequency + 100)
    sound = np.fft.irfft(np.fft.rfft(source) * gain, length)
    fade = np.minimum(1, np.minimum(time, time[::-1]) / 0.025)
    return sound / (np.sqrt(np.mean(sound ** 2)) + 1e-9) * fade * rng.uniform(0.5, 1)


def generate(seed, seconds, rate):
    """Samples in -1 to 1, about -21 dB of full scale."""
    rng = np.random.default_rng(seed)
    sound = rng.normal(0, 0.01, int(seconds * rate))
    at = 0
    while at < len(sound):
        length = int(rng.uniform(0.12, 0.3) * rate)
        piece = syllable(rng, rate, length)[:len(sound) - at]
        sound[at:at + len(piece)] += piece
        at += length + int(rng.uniform(0.05, 0.2) * rate * (rng.random() < 0.25))
    return np.clip(sound * 0.09 / np.sqrt(np.mean(sound ** 2)), -0.9, 0.9)


# ---- files

def write(path, sound, rate):
    with wave.open(path, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((sound * 32767).astype("<i2").tobytes())


def read(path):
    """(mono samples in -1 to 1, rate) of a PCM file of 16, 24 or 32 bits."""
    with wave.open(path, "rb") as file:
        width, rate, channels = file.getsampwidth(), file.getframerate(), file.getnchannels()
        data = file.readframes(file.getnframes())
    if width == 3:
        bytes3 = np.frombuffer(data[:len(data) // 3 * 3], np.uint8).reshape(-1, 3)
        data = np.pad(bytes3, ((0, 0), (1, 0))).tobytes()
        width = 4
    if width not in (2, 4):
        raise ValueError(f"{path}: {8 * width} bits a sample, wants 16, 24 or 32")
    sound = np.frombuffer(data, f"<i{width}") / 2.0 ** (8 * width - 1)
    return sound[:len(sound) // channels * channels].reshape(-1, channels).mean(axis=1), rate


def resample(sound, rate, to=RATE):
    """By the spectrum: fine for whole files."""
    length = int(round(len(sound) * to / rate))
    if not length:
        return np.zeros(0)
    spectrum = np.fft.rfft(sound)[:length // 2 + 1]
    spectrum = np.pad(spectrum, (0, length // 2 + 1 - len(spectrum)))
    return np.fft.irfft(spectrum, length) * length / len(sound)


# ---- comparing

def match(window, sound):
    """(correlation, place) of the best place of a window in a longer sound."""
    size = len(sound) - len(window) + 1
    if size < 1:
        return 0.0, 0
    span = 1 << (len(sound) + len(window) - 1).bit_length()
    product = np.fft.irfft(np.fft.rfft(sound, span) * np.conj(np.fft.rfft(window, span)), span)[:size]
    sums = np.concatenate(([0], np.cumsum(sound ** 2)))
    energy = sums[len(window):] - sums[:-len(window)]
    floor = 1e-6 * len(window)  # -60 dB: silence correlates with nothing
    score = product / np.sqrt(np.maximum(energy, floor) * max(np.sum(window ** 2), floor))
    best = int(np.argmax(score))
    return float(score[best]), best


def common_lag(sent, heard):
    """The lag that the best recognised windows agree on, searching everywhere; None when too short."""
    starts = range(0, len(sent) - WINDOW + 1, max(HOP, (len(sent) - WINDOW) // 40 or 1))
    found = sorted(((score, at - start) for start in starts
                    for score, at in [match(sent[start:start + WINDOW], heard)]), reverse=True)
    return int(np.median([lag for _, lag in found[:max(3, len(found) // 4)]])) if found else None


def gaps(sent, heard, lags):
    """Samples of holes. `lags` maps a sample of sent to the lag there."""
    loud = np.sqrt(np.mean(sent ** 2)) * 0.15
    level = np.sqrt(np.mean(heard ** 2) / np.mean(sent ** 2))
    holes, run = 0, 0
    for start in range(FRAME, len(sent) - 2 * FRAME, FRAME):
        at = start + int(np.interp(start, *lags))
        around = sent[start - FRAME:start + 2 * FRAME].reshape(3, FRAME)
        quietest = np.sqrt(np.min(np.mean(around ** 2, axis=1)))
        there = heard[max(0, at):max(0, at + FRAME)]
        hole = len(there) == FRAME and quietest > loud and \
            np.sqrt(np.mean(there ** 2)) < 0.1 * quietest * level
        run = run + 1 if hole else 0
        holes += 2 if run == 2 else run > 2  # one frame alone is a matter of alignment
    return holes * FRAME


def lags_along(sent, heard, lag, wander=WANDER):
    """(scores of all windows, middles of the recognised ones in sent, their lags), searching around a common lag."""
    scores, places, lags = [], [], []
    for start in range(max(0, -lag), min(len(sent), len(heard) - lag) - WINDOW + 1, HOP):
        low = max(0, start + lag - wander)
        score, at = match(sent[start:start + WINDOW], heard[low:start + lag + WINDOW + wander])
        scores.append(score)
        if score > RECOGNISED:
            places.append(start + WINDOW // 2)
            lags.append(low + at - start)
    return scores, places, lags


def word_score(sent, heard, start, lags):
    """How well the word at `start` is found in heard at one of these lags."""
    word, best = sent[start:start + WORD], 0.0
    for low in {int(lag) + start - TREMBLE for lag in lags}:
        there = heard[max(0, low):max(0, low + WORD + 2 * TREMBLE)]
        if len(there) >= WORD:
            best = max(best, match(word, there)[0])
    return best


def unheard(sent, heard):
    """[(start, length), ...] in ms of the sent sound: every stretch of it that was not heard, pauses in it included.
    What lies before the beginning and behind the end of heard does not count. None when nothing was recognised."""
    lag = common_lag(sent, heard)
    _, places, lags = lags_along(sent, heard, lag, FAR) if lag is not None else ([], [], [])
    if not lags:
        return None
    places, lags = np.array(places), np.array(lags)
    loud, found, run = np.sqrt(np.mean(sent ** 2)) * 0.3, [], None
    for start in range(max(0, -lag), min(len(sent), len(heard) - lag) - WORD + 1, STEP):
        if np.sqrt(np.mean(sent[start:start + WORD] ** 2)) < loud:
            continue  # a pause: neither heard nor not
        near = lags[np.argsort(np.abs(places - start))[:4]]
        if word_score(sent, heard, start, near) >= UNHEARD:
            run = None
        elif run is None:
            run = [start, start]
            found.append(run)
        else:
            run[1] = start
    return [(first * 1000 // RATE, (last - first + WORD) * 1000 // RATE) for first, last in found]


def compare(sent, heard):
    """The numbers described above, for two sounds at RATE."""
    result = {"correlation": 0.0, "lagMs": None, "gapsMs": None, "levelDb": None, "matchedMs": 0}
    lag = common_lag(sent, heard)
    if lag is None or len(heard) < WINDOW or not np.any(heard):
        return result
    scores, places, lags = lags_along(sent, heard, lag)
    if not scores:
        return result
    result |= {"correlation": round(float(np.median(scores)), 3), "lagMs": round(lag * 1000 / RATE)}
    if lags:
        first, last = max(0, -lag), min(len(sent), len(heard) - lag)
        part, there = sent[first:last], heard[first + lag:last + lag]
        level = 10 * np.log10(np.mean(there ** 2) / np.mean(part ** 2))
        holes = gaps(part, there, (np.array(places) - first, np.array(lags) - lag))
        matched = min(len(lags) * HOP + WINDOW - HOP, last - first)
        result |= {"lagMs": round(float(np.median(lags)) * 1000 / RATE), "gapsMs": int(holes) * 1000 // RATE,
                   "levelDb": round(float(level), 1), "matchedMs": matched * 1000 // RATE}
    return result


def check(sent_path, heard_path):
    return compare(*(resample(*read(path)) for path in (sent_path, heard_path)))


def lost(sent_path, heard_path):
    """unheard() of two files."""
    return unheard(*(resample(*read(path)) for path in (sent_path, heard_path)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("gen")
    command.add_argument("out")
    command.add_argument("--seed", type=int, required=True)
    command.add_argument("--seconds", type=float, required=True)
    command.add_argument("--rate", type=int, default=48000)
    command = commands.add_parser("check")
    command.add_argument("sent")
    command.add_argument("heard")
    command.add_argument("--min", type=float, default=0.5)
    args = parser.parse_args()
    if args.command == "gen":
        write(args.out, generate(args.seed, args.seconds, args.rate), args.rate)
        return 0
    try:
        result = check(args.sent, args.heard)
    except (OSError, EOFError, ValueError, wave.Error) as error:
        print(f"audio.py: {args.heard}: {error}", file=sys.stderr)
        return 1
    print(json.dumps(result))
    return 0 if result["correlation"] >= args.min else 1


if __name__ == "__main__":
    sys.exit(main())
