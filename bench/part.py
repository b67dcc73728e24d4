# SPDX-License-Identifier: Apache-2.0
"""What parts of the bench share: where the programs are, progress, and rows for the runner (see bench/bench)."""
import argparse
import contextlib
import json
import multiprocessing
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


@contextlib.contextmanager
def awake():
    """Keeps all cores from going to sleep, at the lowest priority there is: on a virtual machine waking one up costs tens of
    microseconds, which are counted as the service's whenever it waits for the next request."""
    def spin():
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        while True:
            pass
    spinners = [multiprocessing.Process(target=spin, daemon=True) for _ in range(os.cpu_count())]
    for spinner in spinners:
        spinner.start()
    try:
        yield
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.join()


def row(part, case, unit, ours, peer=None, theirs=None, bar=None, note="", **more):
    """One row; the ratio follows from both figures."""
    def short(value):
        return None if value is None else float(f"{value:.4g}")
    ratio = short(ours / theirs) if theirs else None
    print(json.dumps({"part": part, "case": case, "unit": unit, "ours": short(ours), "peer": peer, "theirs": short(theirs),
                      "ratio": ratio, "bar": bar, "note": note, **more}), flush=True)
