#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""SRTP beside libsrtp2: CPU per packet of protect and unprotect."""
import subprocess
import sys

import part

BAR = 1 / 3


def main():
    args = part.options(__doc__)
    command = [part.PROGRAMS / "srtp", "50" if args.quick else "2000"]
    part.progress("protect and unprotect, ours and libsrtp2's in turn")
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        part.progress(done.stderr.strip())
        return 1
    for line in done.stdout.splitlines():
        profile, direction, size, ours, theirs, version = line.split("\t")
        case = f"{direction}, {profile}, {size} B"
        if args.only in case:
            part.row("srtp", case, "us CPU per packet", float(ours), version, float(theirs), bar=round(BAR, 3))
    return 0


if __name__ == "__main__":
    sys.exit(main())
