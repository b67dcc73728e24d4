# SPDX-License-Identifier: Apache-2.0
"""What may not stand in a text, and what has to."""
import re

from checks import code_only, files, read

BANNED = re.compile(r"(?<![\w.>])(strcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|atof|rand|srand|gets|alloca)\s*\(")
HEAP = re.compile(r"(?<![\w.>])(malloc|calloc|realloc|free|strdup|strndup|asprintf|vasprintf)\s*\(")
SPDX = "SPDX-License-Identifier: Apache-2.0"
# Texts that cannot carry a line of comment, or are somebody's data.
SPDX_FREE = re.compile(r"(^|/)(LICENSE|\.gitkeep|package(-lock)?\.json|[^/]*\.(md|allow|json|txt|dict|ignore|wav|sdp|png))$|"
                       r"^(\.(git|editor|clang).*|fuzz/seeds/.*|test/data/.*|tools/[^/]*\.txt)$")


def banned(root):
    """no function that invites overflows; no allocator but base/mem.c inside (the CLI sees the public header only)"""
    for path in files(root, ".c", ".h", under=("src", "apps", "include", "examples", "fuzz", "bench", "test")):
        text = read(root, path)
        lines = text.splitlines()
        patterns = [BANNED] + ([HEAP] if path.startswith(("src/", "apps/callflowd/")) and path != "src/base/mem.c" else [])
        for pattern in patterns:
            for match in pattern.finditer(code_only(text)):
                number = text.count("\n", 0, match.start())
                if "lint: allow " + match.group(1) not in lines[number]:
                    yield f"{path}:{number + 1}: {match.group(1)}() is banned"


def spdx(root):
    """every source names its licence in its first lines"""
    for path in files(root):
        if SPDX_FREE.search(path):
            continue
        if SPDX not in "\n".join(read(root, path).splitlines()[:3]):
            yield f"{path}: no {SPDX} in the first three lines"
