"""A small vendor: people over HTTP, with limits that are enforced and everything counted.

    python -m tools.bench.vendor --people 10000 --first 0 --reads-per-s 19 --writes-per-s 10 --latency-ms 50

The first line on standard output is the port. What a hub may use is under `/people`; `/bench` belongs to the bench and
knows no limits. Rows are kept as JSON, so that serving a page costs next to nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter, deque
from datetime import UTC, datetime
from typing import Any

import aiohttp
import msgspec
import uvloop
from aiohttp import web
from tools.bench.people import digest, person

RETRY_S = 0.05


class Write(msgspec.Struct):
    """One record to create or update, as `POST /people` takes it."""

    key: str
    op: str
    values: dict[str, Any]
    id: str = ""


class Writes(msgspec.Struct):
    writes: list[Write]


class Told(msgspec.Struct, kw_only=True):
    """`POST /bench/tell`: edit `rate` people a second and tell `url` of each until it answers with success."""

    url: str
    rate: float
    count: int


class Book:
    """The vendor's records. The serial number of a change is its position in `log` plus one."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.rows: dict[str, bytes] = {}
        self.order: list[str] = []
        self.log: list[str] = []
        self.latest: dict[str, int] = {}
        self.by_email: dict[str, str] = {}

    def create(self, values: dict[str, Any]) -> str:
        id = f"{self.prefix}{len(self.order) + 1}"
        self.order.append(id)
        self._store(id, values)
        return id

    def edit(self, id: str, values: dict[str, Any]) -> None:
        self._store(id, {**self.row(id), **values})

    def row(self, id: str) -> dict[str, Any]:
        return msgspec.json.decode(self.rows[id])

    def _store(self, id: str, values: dict[str, Any]) -> None:
        self.log.append(id)
        self.latest[id] = len(self.log)
        row = {**values, "id": id, "modified": datetime.now(UTC).isoformat()}
        self.rows[id] = msgspec.json.encode(row)
        self.by_email[row.get("email") or ""] = id

    def page(self, after: int, limit: int) -> bytes:
        found = self.order[after : after + limit]
        more = after + limit < len(self.order)
        return self._answer(found, {"next": after + limit if more else None, "total": len(self.order)})

    def changes(self, after: int, limit: int) -> bytes:
        """Records whose last change has a serial above `after`."""
        found: list[str] = []
        serial = after
        while serial < len(self.log) and len(found) < limit:
            id = self.log[serial]
            serial += 1
            if self.latest[id] == serial:
                found.append(id)
        return self._answer(found, {"next": serial, "more": serial < len(self.log)})

    def _answer(self, ids: list[str], facts: dict[str, Any]) -> bytes:
        told = msgspec.json.encode({**facts, "serial": len(self.log)})
        return b'{"rows":[' + b",".join([self.rows[id] for id in ids]) + b"]," + told[1:]


class Limit:
    """At most `calls` arrivals in any second; None for no limit."""

    def __init__(self, calls: int | None) -> None:
        self._calls = calls
        self._arrivals: deque[float] = deque()

    def admits(self) -> bool:
        if self._calls is None:
            return True
        now = time.monotonic()
        while self._arrivals and self._arrivals[0] <= now - 1.0:
            self._arrivals.popleft()
        if len(self._arrivals) >= self._calls:
            return False
        self._arrivals.append(now)
        return True


class Vendor:
    """The handlers and what they counted. Times are `time.monotonic()`, which all processes of a machine share."""

    def __init__(self, book: Book, *, reads: Limit, writes: Limit, latency_s: float, echo: bool) -> None:
        self._book = book
        self._limits = {"read": reads, "write": writes}
        self._latency_s = latency_s
        self._echo = echo
        self.calls: Counter[str] = Counter()
        self.ops: Counter[str] = Counter()
        self.updates: list[tuple[str, dict[str, Any], float]] = []
        self.sent: dict[str, float] = {}
        self.tries = 0
        self.began: float | None = None
        self.ended = 0.0
        self._telling: set[asyncio.Task[None]] = set()

    def application(self) -> web.Application:
        app = web.Application(client_max_size=64 << 20)
        app.add_routes(
            [
                web.get("/people", self._read),
                web.get("/people/changes", self._changes),
                web.post("/people/ids", self._ids),
                web.post("/people/find", self._find),
                web.post("/people", self._write),
                web.get("/bench/facts", self._facts),
                web.get("/bench/digest", self._digest),
                web.get("/bench/times", self._times),
                web.post("/bench/edit", self._edit),
                web.post("/bench/tell", self._tell),
                web.post("/bench/forget", self._forget),
            ]
        )
        return app

    async def _read(self, request: web.Request) -> web.Response:
        refusal = await self._enter("read")
        return refusal or self._leave(self._book.page(*_position(request)))

    async def _changes(self, request: web.Request) -> web.Response:
        refusal = await self._enter("read")
        return refusal or self._leave(self._book.changes(*_position(request)))

    async def _ids(self, request: web.Request) -> web.Response:
        refusal = await self._enter("read")
        if refusal:
            return refusal
        wanted: list[str] = msgspec.json.decode(await request.read())["ids"]
        known = [self._book.rows[id] for id in wanted if id in self._book.rows]
        return self._leave(b'{"rows":[' + b",".join(known) + b"]}")

    async def _find(self, request: web.Request) -> web.Response:
        refusal = await self._enter("read")
        if refusal:
            return refusal
        wanted: list[str] = msgspec.json.decode(await request.read())["emails"]
        known = {email: self._book.by_email[email] for email in wanted if email in self._book.by_email}
        return self._leave(msgspec.json.encode(known))

    async def _write(self, request: web.Request) -> web.Response:
        refusal = await self._enter("write")
        if refusal:
            return refusal
        asked = msgspec.json.decode(await request.read(), type=Writes)
        return self._leave(msgspec.json.encode({"results": [self._apply(write) for write in asked.writes]}))

    def _apply(self, write: Write) -> dict[str, Any]:
        self.ops[write.op] += 1
        if write.op == "create":
            id = self._book.create(write.values)
        elif write.id in self._book.rows:
            id = write.id
            self._book.edit(id, write.values)
            self.updates.append((id, write.values, time.monotonic()))
        else:
            return {"key": write.key, "id": "", "error": "no such record"}
        stored = {"stored": msgspec.Raw(self._book.rows[id])} if self._echo else {}
        return {"key": write.key, "id": id, **stored}

    async def _enter(self, of: str) -> web.Response | None:
        """Count the call, refuse what is too much, and take the time a call takes."""
        if self.began is None:
            self.began = time.monotonic()
        self.calls[of] += 1
        if not self._limits[of].admits():
            self.calls["429"] += 1
            return web.Response(status=429, headers={"Retry-After": "1"})
        if self._latency_s:
            await asyncio.sleep(self._latency_s)
        return None

    def _leave(self, body: bytes) -> web.Response:
        self.ended = time.monotonic()
        return web.Response(body=body, content_type="application/json")

    # the bench's own part

    async def _facts(self, request: web.Request) -> web.Response:
        return _json(
            {
                "records": len(self._book.order),
                "emails": len(self._book.by_email),
                "calls": dict(self.calls),
                "ops": dict(self.ops),
                "began": self.began,
                "ended": self.ended,
                "telling": len(self._telling),
                "told": len(self.sent),
                "tries": self.tries,
            }
        )

    async def _digest(self, request: web.Request) -> web.Response:
        return _json({"digest": digest(self._book.row(id) for id in self._book.order)})

    async def _times(self, request: web.Request) -> web.Response:
        return _json({"sent": self.sent, "updates": self.updates})

    async def _edit(self, request: web.Request) -> web.Response:
        """People at work: every `every`-th record from `start` gets another title."""
        asked: dict[str, Any] = msgspec.json.decode(await request.read())
        chosen = self._book.order[asked["start"] :: asked["every"]]
        for id in chosen:
            self._book.edit(id, {"title": asked["title"]})
        return _json({"edited": len(chosen)})

    async def _forget(self, request: web.Request) -> web.Response:
        """Start counting anew."""
        self.calls.clear()
        self.ops.clear()
        self.updates.clear()
        self.sent.clear()
        self.began, self.ended, self.tries = None, 0.0, 0
        return _json({})

    async def _tell(self, request: web.Request) -> web.Response:
        asked = msgspec.json.decode(await request.read(), type=Told)
        task = asyncio.create_task(self._tell_all(asked))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)
        return _json({})

    async def _tell_all(self, asked: Told) -> None:
        async with aiohttp.ClientSession() as client, asyncio.TaskGroup() as tasks:
            began = time.monotonic()
            for number in range(asked.count):
                await asyncio.sleep(max(0.0, began + number / asked.rate - time.monotonic()))
                id, title = self._book.order[number % len(self._book.order)], f"edit {number}"
                self._book.edit(id, {"title": title})
                self.sent[title] = time.monotonic()
                tasks.create_task(self._tell_one(client, asked.url, id))

    async def _tell_one(self, client: aiohttp.ClientSession, url: str, id: str) -> None:
        """Until somebody takes it, as vendors do."""
        while True:
            self.tries += 1
            try:
                async with client.post(url, json={"id": id}) as answer:
                    if answer.status < 300:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(RETRY_S)


def _position(request: web.Request) -> tuple[int, int]:
    return int(request.query["after"]), int(request.query["limit"])


def _json(value: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")


async def serve(vendor: Vendor) -> None:
    runner = web.AppRunner(vendor.application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)  # ends with the bench
    await runner.cleanup()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--people", type=int, default=0)
    options.add_argument("--first", type=int, default=0)
    options.add_argument("--prefix", default="v")
    options.add_argument("--reads-per-s", type=int)
    options.add_argument("--writes-per-s", type=int)
    options.add_argument("--latency-ms", type=float, default=0.0)
    options.add_argument("--echo", action="store_true")
    given = options.parse_args()
    book = Book(given.prefix)
    for number in range(given.first, given.first + given.people):
        book.create(person(number))
    vendor = Vendor(
        book,
        reads=Limit(given.reads_per_s),
        writes=Limit(given.writes_per_s),
        latency_s=given.latency_ms / 1000,
        echo=given.echo,
    )
    uvloop.run(serve(vendor))


if __name__ == "__main__":
    main()
