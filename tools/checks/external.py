# SPDX-License-Identifier: Apache-2.0
"""Checks that other programs do: compiler, clang-format, clang-tidy, shellcheck, pyflakes, codespell, mandoc."""
import concurrent.futures
import hashlib
import os
import re
import subprocess

from checks import files, read

C_TREES = ("src", "apps", "include", "examples", "test", "fuzz", "bench")
FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-Iinclude", "-Isrc", "-Itest", "-Ibuild", "-DCF_VERSION=\"0\""]
JOBS = 2


def run(root, command):
    """The program's words when it fails, else nothing."""
    done = subprocess.run(command, cwd=root, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, check=False)
    return done.stdout.strip() or f"{command[0]} failed" if done.returncode else ""


def run_each(root, commands):
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        for words in pool.map(lambda command: run(root, command), commands):
            if words:
                yield words


def headers(root):
    """each header compiles alone"""
    paths = list(files(root, ".h", under=("src", "include", "test")))
    yield from run_each(root, [["gcc", *FLAGS, "-fsyntax-only", "-x", "c", "-include", path, "/dev/null"] for path in paths])


def form(root):
    """clang-format has nothing to change"""
    paths = list(files(root, ".c", ".h", under=C_TREES))
    chunks = [paths[i:i + 40] for i in range(0, len(paths), 40)]
    for words in run_each(root, [["clang-format", "--dry-run", "-Werror", *chunk] for chunk in chunks]):
        yield "\n".join(sorted(set(re.findall(r"^(\S+?):\d+:\d+: error", words, re.M)))) or words


def state_of(root, path):
    """A hash of all that clang-tidy's opinion of a file can depend on within the tree."""
    deps = subprocess.run(["gcc", *FLAGS, "-MM", path], cwd=root, text=True, capture_output=True, check=False)
    digest = hashlib.sha256(read(root, ".clang-tidy").encode())
    for name in sorted(set(re.sub(r"\\\n", " ", deps.stdout).split()[1:]) | {path}):
        digest.update(name.encode() + read(root, name).encode())
    return digest.hexdigest()


def clang_tidy(root, name, *options):
    """Problems of all sources; a file is looked at again only when it, its headers or .clang-tidy changed."""
    seen = os.path.join(root, "build-lint", name)
    os.makedirs(seen, exist_ok=True)

    def one(path):
        stamp = os.path.join(seen, state_of(root, path))
        if os.path.exists(stamp):
            return ""
        words = run(root, ["clang-tidy", "--quiet", "--warnings-as-errors=*", *options, path, "--", *FLAGS,
                           "-Wno-unknown-warning-option"])
        if not words:
            with open(stamp, "w", encoding="utf-8"):
                pass
        return "\n".join(line for line in words.splitlines() if not re.match(r"\d+ warnings? ", line))

    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        yield from filter(None, pool.map(one, files(root, ".c", under=("src", "apps", "examples"))))


def tidy(root):
    """clang-tidy is content"""
    yield from clang_tidy(root, "tidy")


def analyze(root):
    """clang's path-sensitive analyzer is content (slow: only when asked for)"""
    yield from clang_tidy(root, "analyze", "--checks=-*,clang-analyzer-core.*,clang-analyzer-unix.*,clang-analyzer-deadcode.*")


def shell(root):
    """shellcheck on every shell script"""
    paths = [p for p in files(root) if re.match(r"#!/bin/(ba)?sh|#!/usr/bin/env (ba)?sh", read(root, p)[:40])]
    if paths:
        yield from run_each(root, [["shellcheck", *paths]])


def python(root):
    """pyflakes on every Python program"""
    paths = [path for path in files(root) if path.endswith(".py") or read(root, path).startswith("#!/usr/bin/python3")]
    if paths:
        yield from run_each(root, [["pyflakes3", *paths]])


def spelling(root):
    """codespell finds nothing"""
    words = run(root, ["codespell", "-q", "3", "-I", "tools/codespell.ignore", "--skip",
                       "./.git,./build*,./var,node_modules,package-lock.json,./fuzz/seeds,./test/data,*.ignore"])
    if words:
        yield words


def man(root):
    """mandoc finds nothing in the man pages, and the configuration's page has the keys that there are"""
    paths = list(files(root, ".1", ".3", ".5", ".8", under=("docs/man",)))
    if paths:
        yield from run_each(root, [["mandoc", "-Tlint", "-Wwarning", path] for path in paths])
    if os.path.exists(os.path.join(root, "tools/man-config")):
        yield from run_each(root, [["tools/man-config", "--check"]])
