# SPDX-License-Identifier: Apache-2.0
"""The checks of tools/lint: each is a function that takes the root of a tree and yields problems as text."""
import os
import re

SKIP = re.compile(r"^(\.git|build.*|var|node_modules|__pycache__)$")


def files(root, *endings, under=("",)):
    """Paths relative to root, below the folders `under`, whose names end with one of `endings` (all, without)."""
    for top in under:
        for folder, folders, names in os.walk(os.path.join(root, top)):
            folders[:] = sorted(f for f in folders if not SKIP.match(f))
            for name in sorted(names):
                if not endings or name.endswith(endings):
                    yield os.path.relpath(os.path.join(folder, name), root)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
        return file.read()


def code_only(text):
    """C text with comments and literals blanked out; lines keep their numbers."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    return re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", blank, text, flags=re.S)
