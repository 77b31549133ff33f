"""The floor of a copy: read pages, store base and ledger in batches of 1,000, write out, store what came of it.

Durable as the product is: the intent is committed before the call, the result after it, and a position is saved with
what was read up to it. No merge, no policies, no identity, no consent, no history.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import msgspec
import psycopg

BATCH = 1000
CHUNK = 100
TOO_MANY = 429

SCHEMA = """
    CREATE TABLE base (source smallint, vendor_id text, record bigint, body jsonb, PRIMARY KEY (source, vendor_id));
    CREATE TABLE ledger (record bigint PRIMARY KEY, state text NOT NULL, body jsonb NOT NULL, vendor_id text);
    CREATE TABLE feed (source smallint PRIMARY KEY, position bigint)"""

TAKE = """
    WITH read AS (SELECT * FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (id text, record bigint, body jsonb)),
    known AS (INSERT INTO base SELECT %(source)s, id, record, body FROM read
        ON CONFLICT (source, vendor_id) DO UPDATE SET body = excluded.body WHERE base.body <> excluded.body
        RETURNING 1)
    INSERT INTO ledger SELECT record, 'inflight', body FROM read"""

SAVE_POSITION = """
    INSERT INTO feed VALUES (%(source)s, %(position)s)
    ON CONFLICT (source) DO UPDATE SET position = excluded.position"""

SETTLE = """
    WITH done AS (
        UPDATE ledger l SET state = 'applied', vendor_id = r.id
        FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (key bigint, id text) WHERE l.record = r.key
        RETURNING l.record, l.vendor_id, l.body)
    INSERT INTO base SELECT %(target)s, vendor_id, record, body FROM done"""


async def copy(store: str, urls: Mapping[str, str], *, page: int) -> int:
    """Copy everything from the first vendor to the second. Returns how many records."""
    source, target = urls.values()
    copied = 0
    async with (
        aiohttp.ClientSession() as client,
        await psycopg.AsyncConnection.connect(store, autocommit=True) as connection,
    ):
        await connection.execute(SCHEMA)
        async for rows, position in _batches(client, source, page):
            records = take_rows(rows, copied)
            async with connection.transaction():
                await connection.execute(TAKE, {"batch": to_json(records), "source": 0})
                await connection.execute(SAVE_POSITION, {"source": 0, "position": position})
            chunks = [records[start : start + CHUNK] for start in range(0, len(records), CHUNK)]
            answers = await asyncio.gather(*(write(client, target, chunk) for chunk in chunks))
            results = [result for answer in answers for result in answer]
            await connection.execute(SETTLE, {"batch": to_json(results), "target": 1})
            copied += len(records)
    return copied


def take_rows(rows: list[dict[str, Any]], first: int) -> list[dict[str, Any]]:
    """Numbered records: what the vendor holds without its id and stamp."""
    records = [{"id": row.pop("id"), "record": first + number, "body": row} for number, row in enumerate(rows)]
    for row in rows:
        del row["modified"]
    return records


async def _batches(
    client: aiohttp.ClientSession, url: str, page: int
) -> AsyncIterator[tuple[list[dict[str, Any]], int]]:
    rows: list[dict[str, Any]] = []
    after: int | None = 0
    while after is not None:
        async with client.get(f"{url}/people?after={after}&limit={page}") as answer:
            found = msgspec.json.decode(await answer.read())
        rows += found["rows"]
        after = found["next"]
        if rows and (after is None or len(rows) >= BATCH):
            yield rows, after or 0
            rows = []


async def write(client: aiohttp.ClientSession, url: str, chunk: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Create a chunk. Returns record numbers with the ids they got; nothing if the vendor said 429."""
    writes = [{"key": str(record["record"]), "op": "create", "values": record["body"]} for record in chunk]
    async with client.post(f"{url}/people", data=msgspec.json.encode({"writes": writes})) as answer:
        if answer.status == TOO_MANY:
            return []
        answer.raise_for_status()
        results = msgspec.json.decode(await answer.read())["results"]
    return [{"key": int(result["key"]), "id": result["id"]} for result in results]


def to_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
