"""Golden records, claims and links: what the hub knows, who said it, and what each system holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from zgoda.model.values import Values


class Claim(NamedTuple):
    """Who said a field's value (a source's id; 0 is a person at the hub), when (µs since 1970), by which rule.

    `proof_us` is the time of the evidence, for consents. Travels as a JSON array.
    """

    source: int
    at_us: int
    rule: str = ""
    proof_us: int | None = None


class Golden(msgspec.Struct, kw_only=True):
    """What holds for one thing, over all systems. `claims["*"]` stands for every field without a claim of its own.
    `flips` counts the changes of a field within a window: (count, start of the window in µs)."""

    id: int
    entity: str
    fields: Values
    claims: dict[str, Claim]
    version: int = 1
    gone: bool = False
    flips: dict[str, tuple[int, int]] = msgspec.field(default_factory=dict[str, tuple[int, int]])
    is_new: bool = False

    def claim(self, field: str) -> Claim:
        return self.claims.get(field) or self.claims.get("*") or NOBODY


NOBODY = Claim(0, 0)


class Inflight(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Our own write to a system, remembered until a read that began after it has shown what became of it.

    `patch` is what we sent, `prior` what the system held before, `echo` what our values will read as where the system
    cannot spell them; times in µs. `done_us` is set by the receipt.
    """

    patch: Values
    prior: Values
    since_us: int
    echo: Values = msgspec.field(default_factory=dict[str, Any])
    done_us: int | None = None


class Link(msgspec.Struct, kw_only=True):
    """One system's record of a golden one. See the table `link` for the meaning of each part."""

    source: int
    vendor_id: str
    golden_id: int
    base: Values
    agreed: Values = msgspec.field(default_factory=dict[str, Any])
    inflight: Inflight | None = None
    faults: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    fingerprint: int | None = None
    stamp: str = ""
    modified_us: int | None = None
    read_us: int = 0
    excluded: str = ""
    gone: bool = False
    moved_to: str = ""


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_us(moment: datetime) -> int:
    """Microseconds since 1970, exactly (floats would round)."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def from_us(us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=us)
