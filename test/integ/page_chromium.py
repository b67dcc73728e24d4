#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The call page in Chromium, as people use it."""
import sys

from browser import run_script

if __name__ == "__main__":
    sys.exit(run_script("page.mjs", sys.argv[1:]))
