"""`python -m zgoda.twins.reference docs/twins.md` writes the table of faults anew (part of `make docs`)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from zgoda.twins.catalogue import CATALOGUE, FaultKind

HEAD: Final = "| fault | what happens | options |\n|---|---|---|\n"


def with_faults(text: str) -> str:
    """The page with the table as the catalogue has it now."""
    before, head, rest = text.partition(HEAD)
    if not head:
        raise ValueError("the page has no table of faults")
    after = rest[rest.index("\n\n") :]
    return before + head + "\n".join(map(_row, CATALOGUE.values())) + after


def _row(kind: FaultKind) -> str:
    only = f" ({kind.vendors[0].capitalize()} only)" if len(kind.vendors) == 1 else ""
    return f"| `{kind.name}` | {kind.explanation}{only} | {', '.join(kind.options)} |"


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(with_faults(page.read_text(encoding="utf-8")), encoding="utf-8")
