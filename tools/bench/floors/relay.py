"""The floor of a webhook's way: store the hint, answer, read the record, write it to the other side.

    python -m tools.bench.floors.relay STORE SOURCE_URL TARGET_URL PORT

Durable as the product is: a hint is committed (many at a time) before its sender is answered and forgotten only after
the write; the intent is stored before the call. `compare.load` has made the store.
"""

from __future__ import annotations

import asyncio
import sys

import aiohttp
import msgspec
import psycopg
import uvloop
from aiohttp import web
from tools.bench.floors.compare import carry

MOST = 100

SCHEMA = "CREATE TABLE IF NOT EXISTS hint (seq bigserial PRIMARY KEY, vendor_id text NOT NULL)"
KEEP = "INSERT INTO hint (vendor_id) SELECT * FROM jsonb_array_elements_text(%s::jsonb)"
WAITING = "SELECT seq, vendor_id FROM hint ORDER BY seq LIMIT %s"
FORGET = "DELETE FROM hint WHERE seq = ANY(%s)"


class Relay:
    """Takes hints in groups and carries the records they name."""

    def __init__(self, store: str, urls: list[str]) -> None:
        self._store = store
        self._urls = urls
        self._new: list[tuple[str, asyncio.Future[None]]] = []
        self._come = asyncio.Event()
        self._kept = asyncio.Event()

    async def hook(self, request: web.Request) -> web.Response:
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._new.append((msgspec.json.decode(await request.read())["id"], kept))
        self._come.set()
        await kept
        return web.Response()

    async def keep(self) -> None:
        """Group commit: whatever came while the last group was written is the next one."""
        async with await psycopg.AsyncConnection.connect(self._store, autocommit=True) as connection:
            while True:
                await self._come.wait()
                self._come.clear()
                group, self._new = self._new, []
                await connection.execute(KEEP, (msgspec.json.encode([id for id, _ in group]).decode(),))
                for _, kept in group:
                    kept.set_result(None)
                self._kept.set()

    async def carry(self) -> None:
        async with (
            aiohttp.ClientSession() as client,
            await psycopg.AsyncConnection.connect(self._store, autocommit=True) as connection,
        ):
            while True:
                hints = await (await connection.execute(WAITING, (MOST,))).fetchall()
                if not hints:
                    await self._kept.wait()
                    self._kept.clear()
                    continue
                asked = msgspec.json.encode({"ids": list(dict.fromkeys(id for _, id in hints))})
                async with client.post(f"{self._urls[0]}/people/ids", data=asked) as answer:
                    rows = msgspec.json.decode(await answer.read())["rows"]
                await carry(connection, client, self._urls, 0, rows)
                await connection.execute(FORGET, ([seq for seq, _ in hints],))


async def serve(store: str, source: str, target: str, port: int) -> None:
    async with await psycopg.AsyncConnection.connect(store, autocommit=True) as connection:
        await connection.execute(SCHEMA)
    relay = Relay(store, [source, target])
    app = web.Application()
    app.add_routes([web.post("/webhooks/a", relay.hook)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    async with asyncio.TaskGroup() as tasks:
        working = [tasks.create_task(relay.keep()), tasks.create_task(relay.carry())]
        await web.TCPSite(runner, "127.0.0.1", port).start()
        print("listening", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        for work in working:
            work.cancel()
    await runner.cleanup()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
