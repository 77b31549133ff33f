"""Which acceptance (T-), invariant (I-) and fault (F-) ids are proven by a test, read from the tests themselves.

A test carries an id in its name (`test_t05_…`) or in its docstring (`T-05`, `I-16`).

    python -m tools.coverage_of_ids [--missing]
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from pathlib import Path

RANGES = {"T": range(1, 74), "I": range(1, 57), "F": range(1, 56)}
IN_NAME = re.compile(r"(?:^|_)([tif])(\d{2})(?=_|$)")
IN_TEXT = re.compile(r"\b([TIF])-(\d{2})\b")


def main(arguments: list[str]) -> int:
    found = collect(Path(__file__).resolve().parent.parent / "tests")
    for kind, numbers in RANGES.items():
        known = [f"{kind}-{n:02}" for n in numbers]
        proven = [id for id in known if id in found]
        print(f"{kind}: {len(proven)} of {len(known)} ids have a test")
        if "--missing" not in arguments:
            for id in proven:
                print(f"  {id}  {', '.join(sorted(found[id])[:3])}{' …' if len(found[id]) > 3 else ''}")
        print(f"  without: {', '.join(id for id in known if id not in found) or 'none'}")
    return 0


def collect(folder: Path) -> dict[str, set[str]]:
    """Id -> names of the tests that carry it."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted(folder.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test"):
                text = ast.get_docstring(node) or ""
                ids = [f"{kind.upper()}-{number}" for kind, number in IN_NAME.findall(node.name)]
                ids += [f"{kind}-{number}" for kind, number in IN_TEXT.findall(text)]
                for id in ids:
                    found[id].add(f"{path.relative_to(folder)}::{node.name}")
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
