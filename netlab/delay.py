#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A long or narrow cable: moves Ethernet frames between two TAP devices, each frame some milliseconds late and no
faster than the cable carries.

The kernel of a test machine often has no netem. Usage: delay.py FD FD MILLISECONDS [KBIT/S], with the descriptors of
two TAP devices that netlab has opened in two network namespaces. Each direction has the rate for itself, and a queue of
QUEUE_S as a home router would have. Ends when either device goes away.
"""
import heapq
import os
import select
import sys
import time

LIMIT = 4096   # frames under way; more are dropped, as a full queue would
QUEUE_S = 0.3  # what would wait longer before a narrow cable is dropped


class Direction:
    """Where frames come out, and until when the narrow place is busy with those before."""

    def __init__(self, out, late, rate):
        self.out, self.late, self.rate, self.busy = out, late, rate, 0.0

    def due(self, frame, now):
        """When the frame comes out; None: the queue is full."""
        if not self.rate:
            return now + self.late
        begins = max(now, self.busy)
        if begins - now > QUEUE_S:
            return None
        self.busy = begins + len(frame) * 8 / self.rate
        return self.busy + self.late


def main():
    first, second = int(sys.argv[1]), int(sys.argv[2])
    late, rate = int(sys.argv[3]) / 1000, int(sys.argv[4]) * 1000 if len(sys.argv) > 4 else 0
    ways = {first: Direction(second, late, rate), second: Direction(first, late, rate)}
    under_way, n = [], 0  # (due, number, out, frame)
    while True:
        wait = max(0, under_way[0][0] - time.monotonic()) if under_way else None
        for tap in select.select([first, second], [], [], wait)[0]:
            frame = os.read(tap, 65536)
            due = ways[tap].due(frame, time.monotonic())
            if due and len(under_way) < LIMIT:
                heapq.heappush(under_way, (due, n, ways[tap].out, frame))
                n += 1
        while under_way and under_way[0][0] <= time.monotonic():
            _, _, out, frame = heapq.heappop(under_way)
            try:
                os.write(out, frame)
            except OSError:
                pass  # the far device is down: a pulled cable loses frames


if __name__ == "__main__":
    try:
        main()
    except (OSError, KeyboardInterrupt):
        pass
