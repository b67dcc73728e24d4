# SPDX-License-Identifier: Apache-2.0
"""Docs that must stay true: links to files, and the maps from RFC sections to functions and tests."""
import os
import re

from checks import files, read

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.M | re.S)
# A file and what must stand in it: `test/unit/sdp/desc.c:malformed`, or sdp/desc.c: `malformed`, `limits`.
FILE = re.compile(r"(?<![\w/.-])([\w-]+(?:[/.][\w-]+)*\.(?:c|h|py|sh|ts|mjs))(?::(\w+))?`?(?::\s*(`\w+`(?:, `\w+`)*))?")
FOLDER = re.compile(r"`((?:src|test|fuzz|netlab)/[\w/-]*)`")
FUNCTION = re.compile(r"`((?:cf|callflow)_\w+)(?:\(\))?`")
EXCUSE = re.compile(r"not done|no test", re.I)


def anchors(text):
    """The anchors that a page's headings make."""
    heads = re.findall(r"^#+\s+(.*?)\s*$", FENCE.sub("", text), re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in heads}


def links(root):
    """links between pages lead somewhere"""
    for path in files(root, ".md"):
        for match in LINK.finditer(FENCE.sub("", read(root, path))):
            target = match.group(1) or match.group(2)
            if re.match(r"[a-z]+:", target):
                continue
            file, _, anchor = target.partition("#")
            full = os.path.normpath(os.path.join(os.path.dirname(path), file)) if file else path
            if not os.path.exists(os.path.join(root, full)):
                yield f"{path}: link to {target}, which does not exist"
            elif anchor and full.endswith(".md") and anchor not in anchors(read(root, full)):
                yield f"{path}: link to {target}: no such heading"


def find(root, name, folders):
    """The file that a map means, which may leave out a folder that the page names, or test/unit/."""
    for folder in ("", "test/", "test/unit/", *sorted(folders, reverse=True), "src/"):
        if os.path.isfile(os.path.join(root, folder, name)):
            return os.path.join(folder, name)
    return None


def tests_of(root, line, folders, usual):
    """(test files that a line names, problems). Bare names in the last cell stand in the files that the page names."""
    tests, problems = [], []
    for name, one, more in FILE.findall(line):
        file = find(root, name, folders)
        if not file:
            problems.append(f"{name} does not exist")
            continue
        if file.startswith(("test/", "fuzz/", "netlab/")):
            tests.append(file)
        problems += [f"{file} has no {word}" for word in filter(None, [one, *re.findall(r"\w+", more)])
                     if not re.search(rf"\b{word}\b", read(root, file))]
    if not tests and line.startswith("|"):
        for word in re.findall(r"`([a-z]\w+)`", line.strip().strip("|").split("|")[-1]):
            tests += [file for file in usual if re.search(rf"\b{word}\b", read(root, file))]
    return tests, problems


def map_problems(root, path, code):
    text, named = read(root, path), set()
    folders = FOLDER.findall(text)
    prose = "\n".join(line for line in text.splitlines() if not line.startswith("|"))
    usual = tests_of(root, prose, folders, [])[0]
    for number, line in enumerate(text.splitlines(), 1):
        tests, problems = tests_of(root, line, folders, usual)
        named.update(tests)
        problems += [f"there is no {function}" for function in FUNCTION.findall(line) if function not in code]
        is_row = line.startswith("|") and not re.match(r"\|[\s|:-]*$|\| *(section|rule)", line)
        if is_row and not tests and not EXCUSE.search(line):
            problems.append("names neither a test, nor `not done` or `no test`")
        yield from (f"{path}:{number}: {problem}" for problem in problems)
    if not named:
        yield f"{path}: names no test"


def rfc(root):
    """docs/rfc and docs/hostile-input.md: functions and tests that the maps name exist"""
    code = set()
    for path in files(root, ".c", ".h", under=("src", "include")):
        code.update(re.findall(r"\b(?:cf|callflow)_\w+", read(root, path)))
    for path in files(root, ".md", under=("docs",)):
        if path == "docs/hostile-input.md" or (path.startswith("docs/rfc/") and not path.endswith("README.md")):
            yield from map_problems(root, path, code)


def packages(root):
    """docs/dependencies.md names every package that tools/packages.txt installs"""
    page = set(re.findall(r"[a-z0-9][\w.+-]*", read(root, "docs/dependencies.md")))
    for line in read(root, "tools/packages.txt").splitlines():
        if line.strip() and line.split()[1] not in page:
            yield f"tools/packages.txt: docs/dependencies.md does not name {line.split()[1]}"
