"""The floor of a re-sync: read both sides, find by fingerprint what changed, carry it over, durably.

`load` makes the state a first sync leaves (untimed), `compare` is the re-sync. Each side is told of the other's
changes; where both changed, nothing is decided (the bench changes different records on each side).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import msgspec
import psycopg
from tools.bench.people import FIELDS

BATCH = 5000
CHUNK = 100

SCHEMA = """
    CREATE TABLE base (
        source smallint, vendor_id text, email text, print bigint, body jsonb, PRIMARY KEY (source, vendor_id));
    CREATE TABLE ledger (source smallint, vendor_id text, state text, body jsonb)"""

LOAD = """
    INSERT INTO base SELECT %(source)s, i, e, f, b FROM jsonb_to_recordset(%(batch)s::jsonb)
        AS r (i text, e text, f bigint, b jsonb)"""

CHANGED = """
    SELECT r.i FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (i text, f bigint)
    LEFT JOIN base b ON b.source = %(source)s AND b.vendor_id = r.i WHERE b.print IS DISTINCT FROM r.f"""

TAKE = """
    WITH seen AS (UPDATE base b SET print = r.f, body = r.b
        FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (i text, f bigint, b jsonb)
        WHERE b.source = %(source)s AND b.vendor_id = r.i RETURNING b.email, b.body),
    other AS (SELECT b.vendor_id, s.body FROM base b JOIN seen s USING (email) WHERE b.source = %(target)s)
    INSERT INTO ledger SELECT %(target)s, vendor_id, 'inflight', body FROM other RETURNING vendor_id, body"""

SETTLE = """
    WITH done AS (UPDATE ledger SET state = 'applied' WHERE source = %(target)s AND vendor_id = ANY(%(ids)s)
        RETURNING vendor_id, body)
    UPDATE base b SET body = d.body, print = r.f
    FROM done d JOIN jsonb_to_recordset(%(batch)s::jsonb) AS r (i text, f bigint) ON r.i = d.vendor_id
    WHERE b.source = %(target)s AND b.vendor_id = d.vendor_id"""


async def load(store: str, urls: Mapping[str, str], *, page: int) -> int:
    """Remember both sides as they are. Returns how many records."""
    loaded = 0
    async with (
        aiohttp.ClientSession() as client,
        await psycopg.AsyncConnection.connect(store, autocommit=True) as connection,
    ):
        await connection.execute(SCHEMA)
        for source, url in enumerate(urls.values()):
            async for rows in _batches(client, url, page):
                kept = [{"i": row["id"], "e": row["email"], "f": _print(row), "b": _body(row)} for row in rows]
                await connection.execute(LOAD, {"source": source, "batch": _json(kept)})
                loaded += len(rows)
        await connection.execute("CREATE INDEX base_email ON base (email, source)")
        await connection.execute("ANALYZE base")
    return loaded


async def compare(store: str, urls: Mapping[str, str], *, page: int) -> int:
    """Read both sides and carry over what changed. Returns how many records were written."""
    written = 0
    async with (
        aiohttp.ClientSession() as client,
        await psycopg.AsyncConnection.connect(store, autocommit=True) as connection,
    ):
        for source, url in enumerate(urls.values()):
            async for rows in _batches(client, url, page):
                prints = {row["id"]: _print(row) for row in rows}
                asked = _json([{"i": id, "f": print} for id, print in prints.items()])
                cursor = await connection.execute(CHANGED, {"source": source, "batch": asked})
                changed = {id for (id,) in await cursor.fetchall()}
                taken = [row for row in rows if row["id"] in changed]
                if taken:
                    written += await carry(connection, client, list(urls.values()), source, taken)
    return written


async def carry(
    connection: psycopg.AsyncConnection[Any],
    client: aiohttp.ClientSession,
    urls: list[str],
    source: int,
    rows: list[dict[str, Any]],
) -> int:
    """Remember these rows of one side, with the intent, and write them to the other. Returns how many were written."""
    target = 1 - source
    taken = _json([{"i": row["id"], "f": _print(row), "b": _body(row)} for row in rows])
    cursor = await connection.execute(TAKE, {"batch": taken, "source": source, "target": target})
    found = await cursor.fetchall()
    chunks = [found[start : start + CHUNK] for start in range(0, len(found), CHUNK)]
    await asyncio.gather(*(_write(client, urls[target], chunk) for chunk in chunks))
    prints = _json([{"i": id, "f": _print(body)} for id, body in found])
    await connection.execute(SETTLE, {"target": target, "ids": [id for id, _ in found], "batch": prints})
    return len(found)


async def _batches(client: aiohttp.ClientSession, url: str, page: int) -> AsyncIterator[list[dict[str, Any]]]:
    rows: list[dict[str, Any]] = []
    after: int | None = 0
    while after is not None:
        async with client.get(f"{url}/people?after={after}&limit={page}") as answer:
            found = msgspec.json.decode(await answer.read())
        rows += found["rows"]
        after = found["next"]
        if rows and (after is None or len(rows) >= BATCH):
            yield rows
            rows = []


async def _write(client: aiohttp.ClientSession, url: str, chunk: list[tuple[str, dict[str, Any]]]) -> None:
    writes = [{"key": id, "op": "update", "id": id, "values": body} for id, body in chunk]
    async with client.post(f"{url}/people", data=msgspec.json.encode({"writes": writes})) as answer:
        answer.raise_for_status()


def _body(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("id", "modified")}


def _print(row: dict[str, Any]) -> int:
    """64 bits over what the vendor holds, but for its id and stamp."""
    raw = msgspec.msgpack.encode([row.get(name) for name in FIELDS])
    return int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest(), "big", signed=True)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
