# SPDX-License-Identifier: Apache-2.0
"""Who includes whom: rooms, third-party headers, private headers, purity. The rules stand in tools/floors.txt."""
import os
import re

from checks import code_only, files, read

INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)', re.M)


class Rules:
    def __init__(self, text):
        self.rooms, self.libraries, self.pure, self.words = {}, {}, set(), []
        for line in text.splitlines():
            if not line.strip() or line.startswith("#"):
                continue
            name, _, rest = line.partition(":")
            if name.startswith("<"):
                self.libraries[name[1:].rstrip(">")] = rest.split()
            elif name == "pure":
                self.pure = set(rest.split())
            elif name == "impure words":
                self.words = rest.split()
            else:
                self.rooms[name] = set(rest.split()) | {name}

    def room_of(self, path):
        """The room of "relay/io/x.h": the longest folder that has a line, else the first folder."""
        folder = os.path.dirname(path)
        while folder and folder not in self.rooms:
            folder = os.path.dirname(folder)
        return folder or path.split("/")[0]


def check_own(rules, path, room, include):
    target = rules.room_of(include)
    if room not in rules.rooms:
        yield f"{path}: the room {room} has no line in tools/floors.txt"
    elif target not in rules.rooms[room] and not include.startswith("callflow/"):
        yield f"{path}: room {room} may not include {include}"
    elif include.endswith("_priv.h") and target.split("/")[0] != room.split("/")[0]:
        yield f"{path}: {include} is private to its room"


def check_library(rules, path, room, include):
    for prefix, allowed in rules.libraries.items():
        if include.startswith(prefix) and not any((room + "/").startswith(a + "/") for a in allowed):
            yield f"{path}: <{include}> may be seen only in {', '.join(allowed)}"


def floors(root):
    """rooms include only what lies below them; libraries are seen in their rooms only"""
    rules = Rules(read(root, "tools/floors.txt"))
    impure = re.compile(r"(?<![\w.>])(" + "|".join(rules.words or ["(?!)"]) + r")\s*\(")
    for path in files(root, ".c", ".h", under=("src",)):
        text, inside = read(root, path), path[len("src/"):]
        room = rules.room_of(inside)
        for own, library in INCLUDE.findall(text):
            yield from check_own(rules, path, room, own) if own else check_library(rules, path, room, library)
        if room in rules.pure:
            for match in impure.finditer(code_only(text)):
                yield f"{path}: {match.group(1)}() in a pure room"
    for path in files(root, ".c", ".h", under=("examples", "include")):
        for own, _ in INCLUDE.findall(read(root, path)):
            if own and not own.startswith("callflow/"):
                yield f"{path}: includes {own}, which is not public"


def oom(root):
    """pure rooms that allocate have a test in which each allocation fails"""
    rules = Rules(read(root, "tools/floors.txt"))
    for room in sorted(rules.pure):
        def some(folder, word):
            return any(word in read(root, path) for path in files(root, ".c", under=(f"{folder}/{room}",)))
        if some("src", "cf_alloc(") and not some("test/unit", "cf_test_oom("):
            yield f"src/{room}: no test below test/unit/{room} walks through failing allocations (cf_test_oom())"
