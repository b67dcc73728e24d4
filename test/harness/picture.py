# SPDX-License-Identifier: Apache-2.0
"""What was seen: Y4M files of the moving picture that `callflow --video-in pattern` sends, which carries its number as 32
black or white fields in its top row."""
import numpy

FIELDS, FPS = 32, 30


def read(path):
    """The luma planes of a Y4M file, one after the other."""
    with open(path, "rb") as file:
        words = file.readline().decode().split()
        if not words or words[0] != "YUV4MPEG2":
            raise ValueError(f"{path}: no Y4M file")
        width, height = (int(next(w[1:] for w in words if w[0] == key)) for key in "WH")
        size = width * height
        while file.readline().startswith(b"FRAME"):
            data = file.read(size + size // 2)
            if len(data) < size + size // 2:
                return
            yield numpy.frombuffer(data, numpy.uint8, size).reshape(height, width)


def number(luma):
    """The number in a picture, and how clearly it can be read: 0 (not at all) to 1."""
    height, width = luma.shape
    row = luma[height // 32:height // 10].mean(axis=0)
    edges = [width * i // FIELDS for i in range(FIELDS + 1)]
    fields = numpy.array([row[a + (b - a) // 4:b - (b - a) // 4].mean() for a, b in zip(edges, edges[1:])])
    clear = numpy.minimum(1, numpy.abs(fields - 125.5) / 60).min()
    return int("".join("1" if field > 125.5 else "0" for field in fields), 2), float(clear)


def check(path):
    """What a file shows: pictures (different ones), those out of order, those that cannot be read, and the longest time
    that one stood still, in seconds."""
    seen, still, longest, backward, unclear, last = 0, 0, 0, 0, 0, None
    for luma in read(path):
        n, clear = number(luma)
        if clear < 0.2:
            unclear += 1
            continue
        if n == last:
            still += 1
            longest = max(longest, still)
            continue
        backward += last is not None and n < last
        seen, still, last = seen + 1, 1, n
    return {"pictures": seen, "backward": backward, "unclear": unclear, "longestStillS": round(longest / FPS, 2)}
