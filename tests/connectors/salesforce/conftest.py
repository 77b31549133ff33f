"""A Salesforce twin and a connection to it, under one clock that moves only when told to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from zgoda.connectors.salesforce import CONNECTOR
from zgoda.kit.connection import Connection, open_connection
from zgoda.kit.mapping import Mapping
from zgoda.kit.spec import Page, Reading, Receipt, Stream, Write
from zgoda.model.clock import FakeClock
from zgoda.model.entities import ENTITIES
from zgoda.twins.salesforce import SalesforceTwin


class Desk:
    """A connection and what tests ask of it."""

    def __init__(self, connection: Connection, twin: SalesforceTwin, clock: FakeClock) -> None:
        self.connection = connection
        self.session = connection.session
        self.twin = twin
        self.clock = clock

    def stream(self, name: str) -> Stream:
        return self.connection.streams[name]

    def fields(self, name: str) -> tuple[str, ...]:
        return self.mapping(name).vendor_fields

    def mapping(self, name: str) -> Mapping:
        stream = self.stream(name)
        return Mapping(stream.mapping, ENTITIES[stream.entity], CONNECTOR.dialect)

    async def read(
        self, name: str, how: str, cursor: Any = None, *, size: int = 100, pages: int = 10_000
    ) -> list[Page]:
        """At most so many pages of `read_all`, `read_changes` or `read_deletes`."""
        reading = Reading(fields=self.fields(name), cursor=cursor, page_size=size)
        got: list[Page] = []
        generator = getattr(self.stream(name), how)(self.session, reading)
        async for page in generator:
            got.append(page)
            if len(got) == pages:
                await generator.aclose()
                break
        return got

    async def read_ids(self, name: str, ids: list[str]) -> Page:
        read_ids = self.stream(name).read_ids
        assert read_ids is not None
        return await read_ids(self.session, Reading(fields=self.fields(name)), ids)

    async def write(self, name: str, *writes: Write) -> dict[str, Receipt]:
        write = self.stream(name).write
        assert write is not None
        receipts = await write(self.session, list(writes))
        assert sorted(r.key for r in receipts) == sorted(w.key for w in writes)
        return {r.key: r for r in receipts}

    async def create(self, name: str, **values: Any) -> str:
        """A record made through the connector; its id."""
        receipt = (await self.write(name, Write(key="new", op="create", values=values)))["new"]
        assert receipt.refusal is None, receipt
        return receipt.id

    def record(self, object: str, id: str) -> dict[str, Any]:
        """The twin's own record."""
        return next(record for record in self.twin.records(object) if record["Id"] == id)


Opener = Callable[..., Awaitable[Desk]]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def twin(clock: FakeClock) -> AsyncIterator[SalesforceTwin]:
    async with SalesforceTwin(clock=clock, seed=1) as running:
        yield running


@pytest.fixture
async def opener(twin: SalesforceTwin, clock: FakeClock) -> AsyncIterator[Opener]:
    """Opens connections to the twin; settings may be changed."""
    async with AsyncExitStack() as stack:

        async def open_desk(**changed: Any) -> Desk:
            told = twin.connection()
            settings = {
                "base_url": told["url"],
                "client_id": told["client_id"],
                "client_secret": told["client_secret"],
                **changed,
            }
            connection = await stack.enter_async_context(open_connection("crm", CONNECTOR, settings, clock))
            return Desk(connection, twin, clock)

        yield open_desk


@pytest.fixture
async def desk(opener: Opener) -> Desk:
    return await opener()
