# SPDX-License-Identifier: Apache-2.0
"""What parts of the bench share: where the programs are, progress, and rows for the runner (see bench/bench)."""
import argparse
import json
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("CALLFLOW_BUILD", ROOT / "build-bench"))
PROGRAMS = BUILD / "bench"


def options(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    return parser.parse_args()


def progress(text):
    print(text, file=sys.stderr, flush=True)


def row(part, case, unit, ours, peer=None, theirs=None, bar=None, note="", **more):
    """One row; the ratio follows from both figures."""
    def short(value):
        return None if value is None else float(f"{value:.4g}")
    ratio = short(ours / theirs) if theirs else None
    print(json.dumps({"part": part, "case": case, "unit": unit, "ours": short(ours), "peer": peer, "theirs": short(theirs),
                      "ratio": ratio, "bar": bar, "note": note, **more}), flush=True)
