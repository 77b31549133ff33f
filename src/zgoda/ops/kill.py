"""The kill switch as a file: works when the console, the API and the database do not.

`.zgoda/KILL` in the project folder stops everything; a line in it narrows it to one connection. Every call to a vendor
looks at it right before it is sent.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

FILE: Final = Path(".zgoda") / "KILL"
EVERYTHING: Final = "*"


def switch_file(folder: Path, only: str | None, *, on: bool) -> None:
    """Write or take back the switch. Idempotent."""
    path = folder / FILE
    scopes = set(stopped(folder))
    scopes = scopes | {only or EVERYTHING} if on else scopes - {only or EVERYTHING}
    if not on and only is None:
        scopes = set[str]()
    if scopes:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(sorted(scopes)) + "\n", encoding="utf-8")
    else:
        path.unlink(missing_ok=True)


def stopped(folder: Path) -> frozenset[str]:
    """The scopes that are stopped: connection names, or `*`. An empty file stops everything."""
    try:
        text = (folder / FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return frozenset()
    return frozenset(line.strip() for line in text.splitlines() if line.strip()) or frozenset({EVERYTHING})


def is_stopped(folder: Path, connection: str) -> bool:
    scopes = stopped(folder)
    return EVERYTHING in scopes or connection in scopes
