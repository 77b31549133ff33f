"""The floor of an initial sync under a vendor's limits: pages and writes side by side, each as early as allowed.

Durable as `copy`: the intent is stored before the call, the result after it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import aiohttp
import msgspec
import psycopg
from tools.bench.floors.copy import SCHEMA, SETTLE, TAKE, TOO_MANY, take_rows, to_json, write

GUARD_S = 0.02
"""Calls do not take the same time on their way; a window counted on arrival may be this much shorter."""

WRITERS = 4


class Pace:
    """At most `calls` in any second, as the vendor counts."""

    def __init__(self, calls: int) -> None:
        self._calls = calls
        self._starts: deque[float] = deque(maxlen=calls)
        self._order = asyncio.Lock()

    async def turn(self) -> None:
        async with self._order:
            if len(self._starts) == self._calls:
                await asyncio.sleep(max(0.0, self._starts[0] + 1.0 + GUARD_S - time.monotonic()))
            self._starts.append(time.monotonic())


async def copy_both_ways(
    store: str, urls: Mapping[str, str], *, reads_per_s: int, writes_per_s: int, two_way: bool
) -> int:
    """Copy what each side (or only the first) held at the beginning to the other. Returns how many records."""
    here, there = urls.values()
    async with (
        aiohttp.ClientSession() as client,
        await psycopg.AsyncConnection.connect(store, autocommit=True) as admin,
    ):
        await admin.execute(SCHEMA)
        ways = [(0, here, there), (1, there, here)] if two_way else [(0, here, there)]
        return sum(
            await asyncio.gather(
                *(
                    _copy(store, client, number, source, target, Pace(reads_per_s), Pace(writes_per_s))
                    for number, source, target in ways
                )
            )
        )


async def _copy(
    store: str, client: aiohttp.ClientSession, number: int, source: str, target: str, reads: Pace, writes: Pace
) -> int:
    pages: asyncio.Queue[list[dict[str, Any]] | None] = asyncio.Queue()
    async with await psycopg.AsyncConnection.connect(store, autocommit=True) as connection:
        order = asyncio.Lock()
        async with asyncio.TaskGroup() as tasks:
            read = tasks.create_task(_read(client, source, number, pages, reads, connection, order))
            for _ in range(WRITERS):
                tasks.create_task(_write(client, target, number, pages, writes, connection, order))
    return read.result()


async def _read(
    client: aiohttp.ClientSession,
    url: str,
    number: int,
    pages: asyncio.Queue[list[dict[str, Any]] | None],
    pace: Pace,
    connection: psycopg.AsyncConnection[Any],
    order: asyncio.Lock,
) -> int:
    """What the source held when the first page came; what we write there meanwhile is left out."""
    taken, total = 0, 1
    while taken < total:
        await pace.turn()
        async with client.get(f"{url}/people?after={taken}&limit=100") as answer:
            if answer.status == TOO_MANY:
                continue
            found = msgspec.json.decode(await answer.read())
        total = found["total"] if taken == 0 else total
        records = take_rows(found["rows"][: total - taken], 1_000_000_000 * number + taken)
        async with order:
            await connection.execute(TAKE, {"batch": to_json(records), "source": number})
        taken += len(records)
        pages.put_nowait(records)
    for _ in range(WRITERS):
        pages.put_nowait(None)
    return taken


async def _write(
    client: aiohttp.ClientSession,
    url: str,
    number: int,
    pages: asyncio.Queue[list[dict[str, Any]] | None],
    pace: Pace,
    connection: psycopg.AsyncConnection[Any],
    order: asyncio.Lock,
) -> None:
    while (records := await pages.get()) is not None:
        await pace.turn()
        while not (results := await write(client, url, records)):
            await pace.turn()
        async with order:
            await connection.execute(SETTLE, {"batch": to_json(results), "target": 1 - number})
