# SPDX-License-Identifier: Apache-2.0
"""Docs that must stay true: links to files, and the maps from RFC sections to functions and tests."""
import os
import re

from checks import files, read

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.M | re.S)
# `test/unit/sdp/desc.c:malformed`: a file, and what must stand in it.
PATH = re.compile(r"^((?:src|test|fuzz|netlab|apps|docs|tools)/[\w./-]+)(?::(\w+))?$")
FUNCTION = re.compile(r"^((?:cf|callflow)_\w+)(?:\(\))?$")


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


def map_problems(root, path, code):
    tested = False
    for number, line in enumerate(read(root, path).splitlines(), 1):
        for token in re.findall(r"`([^`]+)`", line):
            match = PATH.match(token)
            if match:
                file, name = match.groups()
                tested |= file.startswith(("test/", "fuzz/", "netlab/"))
                if not os.path.exists(os.path.join(root, file)):
                    yield f"{path}:{number}: {file} does not exist"
                elif name and not re.search(rf"\b{name}\b", read(root, file)):
                    yield f"{path}:{number}: {file} has no {name}"
            elif FUNCTION.match(token) and FUNCTION.match(token).group(1) not in code:
                yield f"{path}:{number}: there is no {token}"
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
        if len(cells) > 1 and not cells[-1]:
            yield f"{path}:{number}: neither a test nor `not done`"
    if not tested:
        yield f"{path}: names no test"


def rfc(root):
    """docs/rfc: functions and tests that the maps name exist"""
    code = set()
    for path in files(root, ".c", ".h", under=("src", "include")):
        code.update(re.findall(r"\b(?:cf|callflow)_\w+", read(root, path)))
    for path in files(root, ".md", under=("docs/rfc",)):
        if not path.endswith("README.md"):
            yield from map_problems(root, path, code)


def packages(root):
    """docs/dependencies.md names every package that tools/packages.txt installs"""
    page = set(re.findall(r"[a-z0-9][\w.+-]*", read(root, "docs/dependencies.md")))
    for line in read(root, "tools/packages.txt").splitlines():
        if line.strip() and line.split()[1] not in page:
            yield f"tools/packages.txt: docs/dependencies.md does not name {line.split()[1]}"
