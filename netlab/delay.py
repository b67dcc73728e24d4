#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A delay line: moves Ethernet frames between two TAP devices, each frame some milliseconds late.

The kernel of a test machine often has no netem. Usage: delay.py FD FD MILLISECONDS, with the descriptors of two
TAP devices that netlab has opened in two network namespaces. Ends when either device goes away.
"""
import collections
import os
import select
import sys
import time

LIMIT = 4096  # frames under way in one direction; more are dropped, as a full queue would


def main():
    first, second = int(sys.argv[1]), int(sys.argv[2])
    late = int(sys.argv[3]) / 1000
    other = {first: second, second: first}
    under_way = collections.deque()  # (due, out, frame): one delay for all, so the order of arrival is that of leaving
    while True:
        wait = max(0, under_way[0][0] - time.monotonic()) if under_way else None
        for tap in select.select([first, second], [], [], wait)[0]:
            frame = os.read(tap, 65536)
            if len(under_way) < LIMIT:
                under_way.append((time.monotonic() + late, other[tap], frame))
        while under_way and under_way[0][0] <= time.monotonic():
            _, out, frame = under_way.popleft()
            try:
                os.write(out, frame)
            except OSError:
                pass  # the far device is down: a pulled cable loses frames


if __name__ == "__main__":
    try:
        main()
    except (OSError, KeyboardInterrupt):
        pass
