"""Fields a vendor does not know any more (removed, renamed, hidden from our user): only they are paused.

Reading goes on without them, so they count as "not known" and nothing is cleared; writes leave them out with the reason
on the record. Every full read asks for them again: when they are back, they are taken up where they were left.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from zgoda.db.database import Database, batch, ids
from zgoda.kit.errors import Attention, NeedsAttention
from zgoda.model.clock import Clock
from zgoda.sync.desk import SQL
from zgoda.sync.setup import Source

T = TypeVar("T")


async def reading_around(
    db: Database, clock: Clock, source: Source, read: Callable[[tuple[str, ...]], Awaitable[T]], *, hopeful: bool
) -> tuple[T, list[str]]:
    """Call `read` with the vendor fields to ask for, without those that are lost; returns its result and their names.

    `hopeful` asks for all of them first. Raises what `read` raises, unless it names fields it can go on without.
    """
    everything = source.mapping.vendor_fields
    before = await lost_of(db, source)
    lost = set[str]() if hopeful else set(before)
    while True:
        try:
            result = await read(tuple(name for name in everything if name not in lost))
        except NeedsAttention as error:
            named = lost_in(error, source) - lost
            if not named:
                raise
            lost |= named
            await lose(db, clock, source, named, str(error))
            continue
        back = set(before) - lost
        if back:
            await take_up(db, source, back)
        return result, sorted(lost)


def lost_in(error: NeedsAttention, source: Source) -> set[str]:
    """The mapped fields an error is about, if it is about nothing but fields. Without its id a record is nothing."""
    if error.kind not in (Attention.SCHEMA, Attention.RIGHTS):
        return set()
    return {
        name
        for name in source.mapping.vendor_fields
        if name != source.stream.id and (name in error.fields or name.partition(".")[0] in error.fields)
    }


async def lost_of(db: Database, source: Source) -> list[str]:
    async with db.transaction() as tx:
        return [name for (name,) in await tx.rows(SQL["lost_fields"], {"source": source.id})]


async def lose(db: Database, clock: Clock, source: Source, names: set[str], reason: str) -> None:
    """Pause some fields of a stream."""
    lines = [{"v": name} for name in sorted(names)]
    async with db.transaction() as tx:
        params = {"source": source.id, "batch": batch(lines), "reason": reason, "now": clock.now()}
        await tx.run(SQL["lose_fields"], params)


async def take_up(db: Database, source: Source, names: set[str]) -> None:
    """Fields that are back: what could not be told meanwhile is planned again."""
    fields = [{"f": row.field} for row in source.mapping.maps if row.vendor in names]
    async with db.transaction() as tx:
        await tx.run(SQL["find_fields_again"], {"source": source.id, "batch": batch([{"v": name} for name in names])})
        rows = await tx.rows(SQL["forget_field_faults"], {"source": source.id, "batch": batch(fields)})
        await tx.run(SQL["put_replan"], {"ids": ids(sorted({g for (g,) in rows})), "backfill": True})
