"""What a measurement stands on: a PostgreSQL server of its own with fsync on, fresh databases, vendors as processes."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import msgspec
import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from zgoda.db.embedded import ensure_running

_NUMBERS = itertools.count(1)


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """A running PostgreSQL: its URL and the process whose children do the work."""

    url: str
    pid: int

    @contextmanager
    def database(self) -> Generator[str]:
        """The URL of a fresh database, dropped afterwards. What earlier runs left dirty is written out before."""
        name = f"bench_{os.getpid()}_{next(_NUMBERS)}"
        with psycopg.connect(self.url, autocommit=True) as admin:
            admin.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
            admin.execute("CHECKPOINT")
        try:
            yield make_conninfo(self.url, dbname=name)
        finally:
            with psycopg.connect(self.url, autocommit=True) as admin:
                admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


@contextmanager
def stage(settings: dict[str, str] | None = None) -> Generator[Server]:
    """A server in a temporary folder, with the settings the product gives it."""
    with TemporaryDirectory(prefix="zgoda-bench-") as folder:
        os.chmod(folder, 0o755)  # the server may run under another account
        server = ensure_running(Path(folder) / "postgres", settings=settings or {})
        try:
            yield Server(url=server.url, pid=server.pid)
        finally:
            server.stop()


class Vendor(msgspec.Struct, frozen=True, kw_only=True):
    """A running vendor process and its part that is the bench's own (see `vendor`)."""

    url: str
    client: aiohttp.ClientSession

    async def facts(self) -> dict[str, Any]:
        return await self._get("facts")

    async def digest(self) -> str:
        """Of all its people, see `people.digest`."""
        return (await self._get("digest"))["digest"]

    async def times(self) -> dict[str, Any]:
        return await self._get("times")

    async def edit(self, *, start: int, every: int, title: str) -> int:
        return (await self._post("edit", {"start": start, "every": every, "title": title}))["edited"]

    async def tell(self, url: str, rate: float, count: int) -> None:
        await self._post("tell", {"url": url, "rate": rate, "count": count})

    async def forget(self) -> None:
        await self._post("forget", {})

    async def _get(self, what: str) -> Any:
        async with self.client.get(f"{self.url}/bench/{what}") as answer:
            return msgspec.json.decode(await answer.read())

    async def _post(self, what: str, body: dict[str, Any]) -> Any:
        async with self.client.post(f"{self.url}/bench/{what}", data=msgspec.json.encode(body)) as answer:
            return msgspec.json.decode(await answer.read())


@asynccontextmanager
async def vendor(*options: str) -> AsyncGenerator[Vendor]:
    """A vendor process with these options; it ends with the block."""
    async with process(["-m", "tools.bench.vendor", *options]) as (running, first_line):
        timeout = aiohttp.ClientTimeout(total=600)
        async with aiohttp.ClientSession(timeout=timeout) as client:
            yield Vendor(url=f"http://127.0.0.1:{int(first_line)}", client=client)
        assert running.stdin is not None
        running.stdin.close()


@asynccontextmanager
async def process(
    arguments: Sequence[str], environ: dict[str, str] | None = None
) -> AsyncGenerator[tuple[asyncio.subprocess.Process, str]]:
    """A Python process and its first line. It is asked to end by the end of its input, and killed if it does not."""
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, **(environ or {})},
        limit=1 << 26,
    )
    try:
        assert running.stdout is not None
        line = (await running.stdout.readline()).decode()
        if not line:
            raise RuntimeError(f"{' '.join(arguments[:2])} ended before it said anything")
        yield running, line
    finally:
        if running.returncode is None:
            assert running.stdin is not None
            running.stdin.close()
            try:
                await asyncio.wait_for(running.wait(), timeout=10)
            except TimeoutError:
                running.kill()
                await running.wait()
