"""Brakes: what may happen unasked, and when a person has to look first. The rules are pure, the counts are kept in the
transaction that makes the changes.

A mass change or mass delete is nearly always a mistake (a renamed column, a wrong filter, an empty page). When a limit
is passed, everything of that window from that source is held, not only what came after.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from zgoda.db.database import Transaction, batch
from zgoda.model.golden import to_us
from zgoda.privacy.consent import is_consent
from zgoda.sync.desk import SQL, Desk
from zgoda.sync.plan import is_optout
from zgoda.sync.setup import Brakes, Setup

MANY_VALUES = 200

FEW = 2
"""So many failures prove nothing, however few records were tried."""


class Counts(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What one source changed within a window. `values` counts how many records got one and the same value."""

    records: int = 0
    fields: dict[str, int] = msgspec.field(default_factory=dict[str, int])
    cleared: int = 0
    values: dict[str, int] = msgspec.field(default_factory=dict[str, int])
    deletes: int = 0
    optouts: int = 0


def trips(counts: Counts, known: int, brakes: Brakes) -> str:
    """Why this window is too much to let pass unasked; empty if it is not (proof.md I-23, I-24)."""
    if too_many := deletes_trip(counts.deletes, known, brakes):
        return too_many
    floor = brakes.change_floor
    if counts.records > max(floor, brakes.change_share * known):
        return f"{counts.records} of {known} records changed at once"
    for field, count in counts.fields.items():
        if count > max(floor, brakes.field_share * known):
            return f"{field} changed in {count} of {known} records at once"
    if counts.cleared > max(floor, brakes.clear_share * known):
        return f"{counts.cleared} of {known} records had a value cleared at once"
    for value, count in counts.values.items():
        if count > max(floor, brakes.one_value_share * known):
            return f"one and the same {value.partition('=')[0]} came into {count} of {known} records at once"
    return ""


def optouts_trip(counts: Counts, known: int, brakes: Brakes) -> str:
    """A few opt-outs are told at once, always. Thousands within an hour are a mistake (a box ticked for a whole list),
    and some vendors let nobody undo them: what is told waits for a person, what we know does not."""
    if counts.optouts > max(brakes.change_floor, brakes.optout_share * known):
        return f"{counts.optouts} of {known} people opted out at once"
    return ""


def deletes_trip(deletes: int, known: int, brakes: Brakes) -> str:
    limit = min(brakes.delete_ceiling, max(brakes.delete_floor, brakes.delete_share * known))
    if deletes > limit or (known >= brakes.delete_floor and deletes > brakes.delete_of_known * known):
        return f"{deletes} of {known} records would be deleted at once"
    return ""


def allowance(stage: str, done: int, failed: int, waiting: int, brakes: Brakes) -> tuple[int, str, str]:
    """The canary: how many more records may go now, the stage after this look, and why it stopped, if it did.

    After a new or changed mapping: a few records, then a share, then all; each step only if errors stayed few.
    """
    total = done + failed + waiting
    size = {"first": brakes.canary, "second": max(brakes.canary, int(brakes.canary_share * total))}.get(stage)
    if size is None:
        return (0, stage, "stopped") if stage == "stopped" else (1_000_000, "all", "")
    if done + failed < size:
        return size - done - failed, stage, ""
    if failed > max(FEW, brakes.canary_errors * (done + failed)):
        return 0, "stopped", f"{failed} of the first {done + failed} records failed"
    return (1_000_000, "all", "") if stage == "second" else allowance("second", done, failed, waiting, brakes)


async def weigh_brakes(tx: Transaction, desk: Desk, setup: Setup) -> None:
    """Count this batch's live changes per source and note on the desk which sources have to be held.

    First syncs are not counted (they were planned and approved). An opt-out is held only when opt-outs themselves are
    too many.
    """
    by_source = _count(desk)
    if not by_source:
        return
    now_us = to_us(desk.now)
    window_us = int(setup.brakes.change_window_s * 1e6)
    rows = await tx.rows(SQL["load_brakes"], {"sources": list(by_source)})
    kept = {source: (since_us, counts, tripped) for source, since_us, counts, tripped in rows}
    saved: list[dict[str, Any]] = []
    for source, counts in by_source.items():
        since_us, before, tripped = kept.get(source, (now_us, None, None))
        if now_us - since_us > window_us and not tripped:
            since_us, before = now_us, None
        total = _sum(counts, msgspec.convert(before, Counts) if before else Counts())
        known = None
        if not tripped and (total.records > setup.brakes.change_floor or total.deletes):
            known = await tx.row(SQL["known_count"], {"source": source})
            tripped = trips(total, known[0] if known else 0, setup.brakes) or None
        mass_optout = ""
        if total.optouts > setup.brakes.change_floor:
            known = known or await tx.row(SQL["known_count"], {"source": source})
            mass_optout = optouts_trip(total, known[0] if known else 0, setup.brakes)
        if tripped:
            desk.tripped[source] = f"brake: {tripped}"
        if mass_optout:
            desk.tripped_optouts[source] = f"brake: {mass_optout}"
        if reason := desk.tripped_optouts.get(source) or desk.tripped.get(source):
            held = {"source": source, "since_us": since_us, "reason": reason, "optouts": bool(mass_optout)}
            await tx.run(SQL["hold_window"], held)
        saved.append({"source": source, "since_us": since_us, "counts": total, "tripped": tripped})
    await tx.run(SQL["save_brakes"], {"batch": batch(saved)})


def _count(desk: Desk) -> dict[int, Counts]:
    by_source: dict[int, Counts] = {}
    for change in desk.changes:
        if change.source is None or change.kind in ("new", "tie"):
            continue
        counts = by_source.setdefault(change.source, Counts())
        if change.kind == "gone":
            counts.deletes += 1
            continue
        counts.optouts += any(is_optout(name, entry[1]) for name, entry in change.fields.items())
        fields = {name: entry for name, entry in change.fields.items() if not is_consent(name)}
        if not fields:
            continue
        counts.records += 1
        _count_fields(counts, fields)
    return by_source


def _count_fields(counts: Counts, fields: Mapping[str, list[Any]]) -> None:
    fieldwise, values = Counter(counts.fields), Counter(counts.values)
    for name, (_old, new, _rule) in fields.items():
        fieldwise[name] += 1
        if new is None:
            counts.cleared += 1
        else:
            values[f"{name}={_digest(new)}"] += 1
    counts.fields, counts.values = dict(fieldwise), dict(values)


def _digest(value: Any) -> str:
    """Values are counted without being kept: they are personal data."""
    return hashlib.blake2b(msgspec.json.encode(value), digest_size=6).hexdigest()


def _sum(a: Counts, b: Counts) -> Counts:
    return Counts(
        records=a.records + b.records,
        fields=dict(Counter(a.fields) + Counter(b.fields)),
        cleared=a.cleared + b.cleared,
        values=dict(_most((Counter(a.values) + Counter(b.values)).items())),
        deletes=a.deletes + b.deletes,
        optouts=a.optouts + b.optouts,
    )


def _most(values: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    return sorted(values, key=lambda item: -item[1])[:MANY_VALUES]
