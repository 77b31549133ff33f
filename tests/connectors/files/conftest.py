"""A folder of files and the connector on it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from zgoda.connectors.files import CONNECTOR
from zgoda.kit.connection import Connection, open_connection
from zgoda.kit.mapping import Mapping
from zgoda.kit.spec import Page, Reading, Receipt, Session, Stream, Write
from zgoda.model.clock import FakeClock
from zgoda.model.entities import ENTITIES

READ: dict[str, Any] = {"entity": "person", "id": "number", "files": "people*.csv", "columns": ["email", "given_name"]}
OURS: dict[str, Any] = {
    "entity": "person",
    "id": "id",
    "write_to": "out/people.csv",
    "columns": ["email", "given_name", "family_name", "keywords", "score"],
}


@dataclass
class Desk:
    """The connector as the engine uses it, and the folder as people do."""

    folder: Path
    connection: Connection
    clock: FakeClock

    @property
    def session(self) -> Session:
        return self.connection.session

    def stream(self, name: str = "people") -> Stream:
        return self.connection.streams[name]

    def mapping(self, name: str = "people") -> Mapping:
        stream = self.stream(name)
        return Mapping(stream.mapping, ENTITIES[stream.entity], CONNECTOR.dialect)

    def reading(self, name: str, more: dict[str, Any]) -> Reading:
        return Reading(**{"fields": self.mapping(name).vendor_fields, **more})

    async def all(self, name: str = "people", **reading: Any) -> list[Page]:
        read = self.stream(name).read_all
        assert read is not None
        return [page async for page in read(self.session, self.reading(name, reading))]

    async def changes(self, name: str = "people", **reading: Any) -> list[Page]:
        read = self.stream(name).read_changes
        assert read is not None
        return [page async for page in read(self.session, self.reading(name, reading))]

    async def ids(self, *ids: str, name: str = "people") -> Page:
        read = self.stream(name).read_ids
        assert read is not None
        return await read(self.session, self.reading(name, {}), list(ids))

    async def write(self, *writes: Write, name: str = "people") -> dict[str, Receipt]:
        write = self.stream(name).write
        assert write is not None
        receipts = await write(self.session, list(writes))
        assert sorted(receipt.key for receipt in receipts) == sorted(one.key for one in writes)
        return {receipt.key: receipt for receipt in receipts}

    def put(self, name: str, content: str | bytes, *, age_s: float = 60.0) -> Path:
        """Write a file that is `age_s` old by the hub's clock; each writing is a second younger than the one before."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        self.clock.advance(1)
        moment = (self.clock.now() - timedelta(seconds=age_s)).timestamp()
        os.utime(path, (moment, moment))
        return path


def rows_of(pages: list[Page]) -> dict[str, dict[str, Any]]:
    return {row["@id"]: row for page in pages for row in page.rows}


Opener = Callable[..., Awaitable[Desk]]


@pytest.fixture
async def desk_of(tmp_path: Path) -> AsyncIterator[Opener]:
    async with AsyncExitStack() as stack:

        async def opened(tables: dict[str, Any], **settings: Any) -> Desk:
            clock = FakeClock()
            given = {"folder": str(tmp_path), "tables": tables, **settings}
            connection = await stack.enter_async_context(open_connection("drop", CONNECTOR, given, clock))
            return Desk(tmp_path, connection, clock)

        yield opened


@pytest.fixture
async def desk(desk_of: Opener) -> Desk:
    """Others' files that are read."""
    return await desk_of({"people": READ})


@pytest.fixture
async def ours(desk_of: Opener) -> Desk:
    """A file that the hub keeps."""
    return await desk_of({"people": OURS})
