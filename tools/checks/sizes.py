# SPDX-License-Identifier: Apache-2.0
"""Sizes of functions and files. Relies on the formatting that clang-format keeps: a function's braces stand in column 0."""
import re

from checks import files, read

FUNCTION_MAX, FUNCTION_P90, FUNCTION_MEDIAN = 100, 45, 20
FILE_MAX, FILE_NEVER = 700, 1200  # tests may grow up to the second
TREES = ("src", "apps", "include", "examples", "test", "fuzz", "bench")


def functions(text):
    """(name, lines between the braces) of each function."""
    lines, head, start = text.splitlines(), "", None
    for number, line in enumerate(lines):
        if line == "{":
            start = number
            name = re.findall(r"(\w+)\(", head)
            head = name[0] if name else "?"
        elif line == "}" and start is not None:
            yield head, number - start - 1
            start, head = None, ""
        elif start is None:
            head = "" if not line.strip() or line[0] in "#}/ *" or line.endswith(";") else head + " " + line


def measure(root):
    """[(lines, path, function)], [(lines, path)]"""
    funcs, sizes = [], []
    for path in files(root, ".c", ".h", under=TREES):
        text = read(root, path)
        sizes.append((text.count("\n"), path))
        funcs += [(n, path, name) for name, n in functions(text)]
    for path in files(root, ".py", ".sh", ".ts", under=("tools", "test", "netlab")):
        sizes.append((read(root, path).count("\n"), path))
    return sorted(funcs), sorted(sizes)


def allowances(root):
    rows = [line.split(None, 2) for line in read(root, "tools/size.allow").splitlines()]
    return {row[0]: int(row[1]) for row in rows if len(row) == 3 and not row[0].startswith("#")}


def sizes(root):
    """functions up to 100 lines (median 20, nine of ten 45 at most), files up to 700 (tests 1200)"""
    funcs, lengths = measure(root)
    allowed, used = allowances(root), set()
    for n, path, name in funcs:
        if n > FUNCTION_MAX:
            used.add(f"{path}:{name}")
            if n > allowed.get(f"{path}:{name}", 0):
                yield f"{path}: {name}() has {n} lines, {FUNCTION_MAX} at most"
    for n, path in lengths:
        most = FILE_NEVER if path.startswith("test/") else FILE_MAX
        if n > most:
            used.add(path)
            if n > allowed.get(path, 0) or n > FILE_NEVER:
                yield f"{path}: {n} lines, {most} at most"
    for entry in sorted(set(allowed) - used):
        yield f"tools/size.allow: {entry} is not needed any more"
    own = [n for n, path, _ in funcs if path.startswith(("src/", "apps/"))]
    if own and own[len(own) // 2] > FUNCTION_MEDIAN:
        yield f"half of the functions have more than {own[len(own) // 2]} lines, {FUNCTION_MEDIAN} at most"
    if own and own[len(own) * 9 // 10] > FUNCTION_P90:
        yield f"one function of ten has {own[len(own) * 9 // 10]} lines or more, {FUNCTION_P90} at most"
