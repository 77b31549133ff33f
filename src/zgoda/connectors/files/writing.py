"""Writes and look-ups on the file that is ours. One call rewrites the file once, so large batches are cheap."""

from __future__ import annotations

import asyncio
from threading import Lock

from zgoda.connectors.files.reading import ID, read_all
from zgoda.connectors.files.rewriting import made_id, rewrite
from zgoda.connectors.files.rows import id_of
from zgoda.kit.spec import Lookup, Reading, Receipt, Session, Write


async def write(stream: str, session: Session, writes: list[Write]) -> list[Receipt]:
    """One receipt each; the file is replaced once, or not at all."""
    lock: Lock = session.resources[stream]

    def one_at_a_time() -> list[Receipt]:
        with lock:
            return rewrite(session.settings, stream, writes)

    async with session.http.admit("write"):
        return await asyncio.to_thread(one_at_a_time)


async def find(stream: str, session: Session, lookups: list[Lookup]) -> dict[str, str]:
    """The rows that creates with a lost answer have made: their id is known beforehand."""
    table = session.settings.tables[stream]
    wanted: dict[str, str] = {}
    for lookup in lookups:
        write = Write(key=lookup.key, op="create", values=lookup.values)
        wanted[id_of(table, lookup.values) or made_id(write)] = lookup.key
    found: dict[str, str] = {}
    async for page in read_all(stream, session, Reading(fields=())):
        found |= {wanted[row[ID]]: row[ID] for row in page.rows if row[ID] in wanted}
    return found
