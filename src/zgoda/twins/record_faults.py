"""Faults that strike single records while they are written, for all vendors alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from zgoda.twins.exchange import Call
from zgoda.twins.faults import Fault, Switchboard


@dataclass(slots=True)
class Struck:
    """What faults do to one write: values as the vendor will take them, and what else goes wrong."""

    values: dict[str, Any]
    refused: Fault | None = None
    locked: bool = False
    far_future: bool = False


def strike_record(faults: Switchboard, call: Call | None, object: str, values: dict[str, Any]) -> Struck:
    """Ask the switchboard about one record. `values` is left as it is; the outcome holds what to store instead."""
    struck = Struck(values)
    if not faults.any("record"):
        return struck
    struck.locked = faults.strike("record", call, object, ("row_lock",)) is not None
    struck.refused = faults.strike("record", call, object, ("record_invalid",))
    struck.far_future = faults.strike("record", call, object, ("stamp_far_future",)) is not None
    if fault := faults.strike("record", call, object, ("field_dropped",)):
        dropped = str(fault.option("field", "")).lower()
        struck.values = {k: v for k, v in struck.values.items() if k.lower() != dropped}
    if fault := faults.strike("record", call, object, ("values_rewritten",)):
        rewrite = _REWRITES[str(fault.option("how", "trim"))]
        only = fault.option("field", None)
        struck.values = {k: _rewritten(v, rewrite, fault) if only in (None, k) else v for k, v in struck.values.items()}
    return struck


def _rewritten(value: Any, rewrite: Callable[[str, Fault], str], fault: Fault) -> Any:
    if isinstance(value, str):
        return value if "@" in value else rewrite(value, fault)
    if isinstance(value, dict):
        return {k: _rewritten(v, rewrite, fault) for k, v in cast(dict[str, Any], value).items()}
    return value


def _restless(text: str, fault: Fault) -> str:
    """Another form at each write, so that a hub that insists never gets its way."""
    return text.upper() if fault.fired % 2 else text.lower()


def _phone(text: str, fault: Fault) -> str:
    digits = "".join(letter for letter in text if letter.isdigit())
    looks_like_one = len(digits) >= 7 and all(letter.isdigit() or letter in "+-() ./" for letter in text)
    return f"({digits[:3]}) {digits[3:6]}-{digits[6:]}" if looks_like_one else text


_REWRITES: dict[str, Callable[[str, Fault], str]] = {
    "trim": lambda text, _: " ".join(text.split()),
    "upper": lambda text, _: text.upper(),
    "lower": lambda text, _: text.lower(),
    "title": lambda text, _: text.title(),
    "phone": _phone,
    "restless": _restless,
}
