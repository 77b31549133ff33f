"""Durations and shares as people write them."""

from __future__ import annotations

import re
from typing import Final

UNITS_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
LONGEST_S: Final = 10 * 365 * 86400.0
DURATION: Final = r"^([0-9]{1,9}(?:\.[0-9]{1,6})?) ?(ms|s|m|h|d|w)$"
PERCENT: Final = r"^([0-9]{1,3}(?:\.[0-9]{1,6})?) ?%$"


def read_duration(raw: object) -> float | None:
    """Seconds of `60s`, `5m`, `2h`, `1d`; None if it is no duration of at most ten years. A bare number has no unit
    and is none, except zero."""
    if raw == 0 and not isinstance(raw, bool):
        return 0.0
    found = re.fullmatch(DURATION, raw) if isinstance(raw, str) else None
    if found is None:
        return None
    seconds = float(found[1]) * UNITS_S[found[2]]
    return seconds if seconds <= LONGEST_S else None


def read_share(raw: object) -> float | None:
    """A part of the whole, 0 to 1, from `5%` or `0.05`; None if it is none."""
    if isinstance(raw, int | float) and not isinstance(raw, bool):
        share = float(raw)
    elif isinstance(raw, str) and (found := re.fullmatch(PERCENT, raw)):
        share = float(found[1]) / 100
    else:
        return None
    return share if 0 <= share <= 1 else None
