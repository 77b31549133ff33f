"""Named SQL: every query stands in its room's `queries.sql`, with a name and one line of purpose.

-- name: take_inbox
-- The oldest rows of some sources that are due, locked for this transaction.
SELECT …
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import LiteralString, cast


@cache
def queries(room: str) -> dict[str, LiteralString]:
    """The queries of a room (`"sync"` reads `zgoda/sync/queries.sql`), by name."""
    text = (files("zgoda") / room / "queries.sql").read_text(encoding="utf-8")
    found: dict[str, LiteralString] = {}
    for part in re.split(r"^-- name: ", text, flags=re.MULTILINE)[1:]:
        name, _, rest = part.partition("\n")
        purpose, _, sql = rest.partition("\n")
        if not purpose.startswith("-- ") or name in found:
            raise ValueError(f"{room}/queries.sql: {name!r} needs one line of purpose and a name of its own")
        # our own shipped file, not input: the driver may treat it as a literal
        found[name.strip()] = cast("LiteralString", sql.strip().removesuffix(";"))
    return found
