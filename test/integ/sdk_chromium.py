#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The web SDK in Chromium: calls between browsers, with native clients and the echo bot, and what goes wrong in them."""
import sys

from browser import bundle_sdk, run_script

if __name__ == "__main__":
    sys.exit(run_script("sdk.mjs", sys.argv[1:], lambda _, home: [bundle_sdk(home)]))
