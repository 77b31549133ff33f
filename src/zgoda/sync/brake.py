"""Brakes: what may happen unasked, and when a person has to look first. The rules are pure, the counts are kept in the
transaction that makes the changes.

A mass change or mass delete is nearly always a mistake (a renamed column, a wrong filter, an empty page). When a limit
is passed, everything of that window from that source is held, not only what came after.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Any

import msgspec

from zgoda.db.database import Transaction, batch
from zgoda.model.golden import to_us
from zgoda.privacy.consent import is_consent
from zgoda.sync.desk import SQL, Desk
from zgoda.sync.plan import is_optout
from zgoda.sync.setup import Brakes, Setup

MANY_VALUES = 200

SLOTS = 12

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


class Slot(msgspec.Struct, kw_only=True):
    """What one source changed from `since_us` on, for a twelfth of the window."""

    since_us: int
    counts: Counts


def slide(slots: list[Slot], counts: Counts, now_us: int, window_us: int) -> list[Slot]:
    """The slots that still reach into the window that ends now, with what happens now counted in."""
    width_us = window_us // SLOTS
    slots = [slot for slot in slots if slot.since_us + width_us > now_us - window_us]
    if slots and now_us < slots[-1].since_us + width_us:
        last = slots.pop()
        return [*slots, Slot(since_us=last.since_us, counts=_sum(last.counts, counts))]
    return [*slots, Slot(since_us=now_us, counts=counts)]


async def weigh_brakes(tx: Transaction, desk: Desk, setup: Setup) -> None:
    """Count this batch's live changes per source and note on the desk which sources have to be held.

    First syncs are not counted (they were planned and approved). An opt-out is held only when opt-outs themselves are
    too many.
    """
    by_source = _count(desk)
    if not by_source:
        return
    now_us, window_us = to_us(desk.now), int(setup.brakes.change_window_s * 1e6)
    rows = await tx.rows(SQL["load_brakes"], {"sources": list(by_source)})
    kept = {source: (msgspec.convert(slots, list[Slot]), tripped) for source, slots, tripped in rows}
    saved: list[dict[str, Any]] = []
    for source, counts in by_source.items():
        slots, tripped = kept.get(source, ([], None))
        slots = slide(slots, counts, now_us, window_us)
        total = reduce(_sum, (slot.counts for slot in slots))
        tripped, mass_optout = await _judge(tx, setup.brakes, source, total, tripped)
        if tripped:
            desk.tripped[source] = f"brake: {tripped}"
        if mass_optout:
            desk.tripped_optouts[source] = f"brake: {mass_optout}"
        if reason := desk.tripped_optouts.get(source) or desk.tripped.get(source):
            since_us = slots[0].since_us
            held = {"source": source, "since_us": since_us, "reason": reason, "optouts": bool(mass_optout)}
            await tx.run(SQL["hold_window"], held)
        saved.append({"source": source, "slots": slots, "tripped": tripped})
    await tx.run(SQL["save_brakes"], {"batch": batch(saved)})


async def _judge(
    tx: Transaction, brakes: Brakes, source: int, total: Counts, tripped: str | None
) -> tuple[str | None, str]:
    """Why the source's changes, and why its opt-outs, have to wait. A brake stays until a person lets it go."""
    floor = brakes.change_floor
    if not (total.optouts > floor or (not tripped and (total.records > floor or total.deletes))):
        return tripped, ""
    row = await tx.row(SQL["known_count"], {"source": source})
    known = row[0] if row else 0
    return tripped or trips(total, known, brakes) or None, optouts_trip(total, known, brakes)


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
