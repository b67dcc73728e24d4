#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The runner of the bench, with small parts of its own: what it shows, what it writes, and that what breaks is told."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROW = {"part": "good", "case": "a case", "unit": "us", "ours": 0.25, "peer": "other 1.0", "theirs": 1.0, "ratio": 0.25, "bar": 0.33, "note": "n"}
passed = failed = 0


def expect(name, ok, seen=""):
    global passed, failed
    passed, failed = passed + bool(ok), failed + (not ok)
    if not ok:
        print(f"FAIL {name}: {seen}")


def part(folder, name, rows, code=0):
    """A part that prints these rows (its arguments in the note when it is empty) and exits with code."""
    lines = [row if isinstance(row, str) else json.dumps({**row, "part": name}) for row in rows]
    path = folder / f"{name}.py"
    path.write_text(f"#!{sys.executable}\nimport sys\nfor line in {lines!r}:\n"
                    "    print(line.replace('ARGS', ' '.join(sys.argv[1:])))\n"
                    f"sys.exit({code})\n", encoding="utf-8")
    path.chmod(0o755)


def bench(folder, *arguments):
    return subprocess.run([ROOT / "bench" / "bench", "--parts", folder, "--page", folder / "page.md", *arguments],
                          capture_output=True, text=True, timeout=60, check=False)


def shows(folder):
    part(folder, "good", [ROW, {**ROW, "case": "slow", "ratio": 0.5, "note": "ARGS"},
                          {**ROW, "case": "alone", "peer": None, "theirs": None, "ratio": None, "bar": 40, "ours": 41},
                          {**ROW, "case": "marked", "ratio": 9, "bar": 6, "barOf": "ours", "ours": 5}])
    (folder / "helper.py").write_text("no part: not executable", encoding="utf-8")
    done = bench(folder)
    lines = {line.split("  ")[0]: line.split() for line in done.stdout.splitlines()}
    expect("a good part", done.returncode == 0, done)
    expect("a bar that is met", "yes" in lines["a case"], done.stdout)
    expect("a bar that is missed does not break", "NO" in lines["slow"], done.stdout)
    expect("a bar without a peer is for our figure", "NO" in lines["alone"] and "abs" in lines["alone"], done.stdout)
    expect("a bar marked so as well", "yes" in lines["marked"] and "abs" in lines["marked"], done.stdout)
    expect("--quick reaches the part", "--quick" in bench(folder, "good", "--quick").stdout)
    rows = [json.loads(line) for line in bench(folder, "--json").stdout.splitlines()]
    expect("--json gives the rows", rows[0] == ROW and len(rows) == 4, rows)
    expect("nothing is written unasked", not (folder / "page.md").exists())


def writes(folder):
    page = folder / "page.md"
    part(folder, "good", [ROW])
    part(folder, "second", [{**ROW, "case": "what stays"}])
    expect("both are written", bench(folder, "--write").returncode == 0 and page.read_text().count("\n## ") == 2)
    part(folder, "good", [{**ROW, "case": "a new | case"}])
    expect("one is written again", bench(folder, "good", "--quick", "--write").returncode == 0)
    text = page.read_text()
    expect("the other stays", text.count("\n## ") == 2 and "what stays" in text and "a new / case" in text and "a case" not in text, text)
    expect("with its command", "`make bench ARGS='--quick good'`" in text and "`make bench`" in text, text)
    expect("and the bar", "| 0.25 | 1 (other 1.0) | 0.25 | 0.33 | yes |" in text, text)


def breaks(folder):
    part(folder, "good", [ROW])
    before = {"exit": ([ROW], 3), "nothing": ([], 0), "text": ([ROW, "not json"], 0), "list": ([ROW, "[1]"], 0),
              "short": ([{"case": "x"}], 0), "kind": ([{**ROW, "ours": "1"}], 0), "bool": ([{**ROW, "bar": True}], 0),
              "name": ([json.dumps({**ROW, "part": "other"})], 0), "of": ([{**ROW, "barOf": "theirs"}], 0)}
    for name, (rows, code) in before.items():
        part(folder, name, rows, code)
        done = bench(folder, name, "good", "--write")
        expect(f"{name} is told", done.returncode == 1 and f"{name} broke" in done.stderr, done)
        text = (folder / "page.md").read_text()
        expect(f"{name} is not written, the good one is", f"## {name}" not in text and "## good" in text, text)
    done = bench(folder, "missing")
    expect("an unknown part", done.returncode == 1 and "no part named missing" in done.stderr, done)


def main():
    for case in (shows, writes, breaks):
        with tempfile.TemporaryDirectory() as folder:
            case(pathlib.Path(folder))
    expect("the real parts can be run", any(os.access(path, os.X_OK) for path in (ROOT / "bench").glob("*.py")))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
