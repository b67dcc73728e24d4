#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Chromium, unmodified, through the relay in every way there is to it, and in a call with the echo bot."""
import sys

from browser import run_script
from interop_daemon import behind_nat


def main():
    def nat(ready, _):
        behind_nat(ready["stun"].rpartition(":")[2])
        return []
    return run_script("interop.mjs", sys.argv[1:], nat)


if __name__ == "__main__":
    sys.exit(main())
