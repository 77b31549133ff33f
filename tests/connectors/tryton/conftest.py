"""One real Tryton for all tests here; every test works on records of its own."""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from tests.connectors.tryton.line import Line, line_to
from tools import real

from zgoda.connectors.tryton import CONNECTOR
from zgoda.kit.connection import Connection, open_connection
from zgoda.kit.mapping import Mapping
from zgoda.kit.spec import Page, Reading, Receipt, Session, Stream, Write
from zgoda.model.clock import SystemClock
from zgoda.model.entities import ENTITIES

ANY = ["active", "in", [True, False]]
EMPLOYED = "Employee of"
_numbers = itertools.count(1)


@dataclass
class Hub:
    """The connector as the engine uses it, over a line that can be disturbed."""

    connection: Connection
    line: Line

    @property
    def session(self) -> Session:
        return self.connection.session

    def stream(self, name: str) -> Stream:
        return self.connection.streams[name]

    def fields(self, name: str) -> tuple[str, ...]:
        return self.mapping(name).vendor_fields

    def mapping(self, name: str) -> Mapping:
        stream = self.stream(name)
        return Mapping(stream.mapping, ENTITIES[stream.entity], CONNECTOR.dialect)

    async def all(self, name: str, **reading: Any) -> list[Page]:
        stream = self.stream(name)
        assert stream.read_all is not None
        return await collect(stream.read_all(self.session, self.reading(name, reading)))

    async def changes(self, name: str, **reading: Any) -> list[Page]:
        stream = self.stream(name)
        assert stream.read_changes is not None
        return await collect(stream.read_changes(self.session, self.reading(name, reading)))

    async def deletes(self, name: str, **reading: Any) -> list[Page]:
        stream = self.stream(name)
        assert stream.read_deletes is not None
        return await collect(stream.read_deletes(self.session, self.reading(name, reading)))

    async def by_id(self, name: str, *ids: str) -> Page:
        stream = self.stream(name)
        assert stream.read_ids is not None
        return await stream.read_ids(self.session, self.reading(name, {}), list(ids))

    async def row(self, name: str, id: str) -> dict[str, Any]:
        [row] = (await self.by_id(name, id)).rows
        return row

    async def write(self, name: str, *writes: Write) -> dict[str, Receipt]:
        stream = self.stream(name)
        assert stream.write is not None
        receipts = await stream.write(self.session, list(writes))
        assert sorted(receipt.key for receipt in receipts) == sorted(write.key for write in writes)
        return {receipt.key: receipt for receipt in receipts}

    async def create(self, name: str, /, **values: Any) -> str:
        receipt = (await self.write(name, Write(key="new", op="create", values=values)))["new"]
        assert receipt.refusal is None, receipt
        return receipt.id

    async def update(self, name: str, id: str, /, *, expected: str = "", **values: Any) -> Receipt:
        return (await self.write(name, Write(key="u", op="update", id=id, values=values, expected=expected)))["u"]

    def reading(self, name: str, more: dict[str, Any]) -> Reading:
        return Reading(**{"fields": self.fields(name), **more})


async def collect(pages: AsyncIterator[Page]) -> list[Page]:
    return [page async for page in pages]


def rows_of(pages: list[Page]) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for page in pages for row in page.rows}


def removed_in(pages: list[Page]) -> dict[str, Any]:
    return {gone.id: gone for page in pages for gone in page.removed}


@pytest.fixture(scope="session")
def server() -> Generator[real.Server]:
    with real.tryton() as running:
        yield running


@pytest.fixture(scope="session")
def calls(server: real.Server) -> real.TrytonCalls:
    """What a user does in Tryton, behind the connector's back."""
    calls = real.TrytonCalls(server.url, server.database, server.user, server.password)
    there, back = calls.call("model.party.relation.type.create", [{"name": EMPLOYED}, {"name": "Employs"}], {})
    calls.call("model.party.relation.type.write", [there], {"reverse": back}, [back], {"reverse": there}, {})
    if not calls.call("model.res.user.get_preferences", True, {}).get("company"):
        _found_company(calls)
    return calls


def _found_company(calls: real.TrytonCalls) -> None:
    """Opportunities need a company with a currency."""
    [currency] = calls.call("model.currency.currency.create", [{"name": "Euro", "code": "EUR", "symbol": "€"}], {})
    [house] = calls.call("model.party.party.create", [{"name": "Example House"}], {})
    [company] = calls.call("model.company.company.create", [{"party": house, "currency": currency}], {})
    owner = {"companies": [["add", [company]]], "company": company}
    calls.call("model.res.user.write", [calls.user_id], owner, {})


@pytest.fixture
def unique() -> str:
    """A word that no other test uses."""
    return f"x{next(_numbers):04d}"


@pytest.fixture
async def open_hub(server: real.Server) -> AsyncGenerator[Callable[..., Awaitable[Hub]]]:
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> Hub:
            line = await stack.enter_async_context(line_to(server.url))
            held = {
                "base_url": line.url,
                "database": server.database,
                "user": server.user,
                "password": server.password,
                "overlap_s": 0,
                **settings,
            }
            connection = await stack.enter_async_context(open_connection("erp", CONNECTOR, held, SystemClock()))
            return Hub(connection=connection, line=line)

        yield start


@pytest.fixture
async def hub(open_hub: Callable[..., Awaitable[Hub]]) -> Hub:
    return await open_hub()
