"""A Mailchimp twin and a connection to one of its audiences, under one clock that moves only when told to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from zgoda.connectors.mailchimp import CONNECTOR
from zgoda.kit.connection import open_connection
from zgoda.kit.mapping import Mapping
from zgoda.kit.spec import Page, Reading, Receipt, Session, Stream, Write
from zgoda.model.clock import FakeClock
from zgoda.model.entities import ENTITIES
from zgoda.twins.mailchimp import MailchimpTwin


class Desk:
    """A connection and what tests ask of it."""

    def __init__(self, session: Session, streams: dict[str, Stream], twin: MailchimpTwin, clock: FakeClock) -> None:
        self.session = session
        self.streams = streams
        self.twin = twin
        self.clock = clock

    def mapping(self, name: str) -> Mapping:
        stream = self.streams[name]
        return Mapping(stream.mapping, ENTITIES[stream.entity], CONNECTOR.dialect)

    async def read(
        self, name: str, how: str, cursor: Any = None, *, size: int = 100, pages: int = 10_000
    ) -> list[Page]:
        """At most so many pages of `read_all`, `read_changes` or `read_deletes`."""
        reading = Reading(fields=self.mapping(name).vendor_fields, cursor=cursor, page_size=size)
        got: list[Page] = []
        generator = getattr(self.streams[name], how)(self.session, reading)
        async for page in generator:
            got.append(page)
            if len(got) == pages:
                await generator.aclose()
                break
        return got

    async def read_ids(self, name: str, *ids: str) -> Page:
        read_ids = self.streams[name].read_ids
        assert read_ids is not None
        return await read_ids(self.session, Reading(fields=self.mapping(name).vendor_fields), list(ids))

    async def write(self, name: str, *writes: Write) -> dict[str, Receipt]:
        write = self.streams[name].write
        assert write is not None
        receipts = await write(self.session, list(writes))
        assert sorted(r.key for r in receipts) == sorted(w.key for w in writes)
        return {r.key: r for r in receipts}

    async def create(self, name: str, /, **values: Any) -> str:
        """A record made through the connector; its id."""
        receipt = (await self.write(name, Write(key="new", op="create", values=values)))["new"]
        assert receipt.refusal is None, receipt
        return receipt.id

    def user_adds(self, email: str, **values: Any) -> str:
        """A member somebody else made; its contact_id."""
        made = self.twin.edit("create", values={"email_address": email, "status": "subscribed", **values})
        return made["contact_id"]

    def member(self, contact_id: str) -> dict[str, Any]:
        """The twin's own record."""
        return next(row for row in self.members() if row["contact_id"] == contact_id)

    def members(self) -> list[dict[str, Any]]:
        return self.twin.records("members", limit=1_000_000)


def rows_of(pages: list[Page]) -> list[dict[str, Any]]:
    return [row for page in pages for row in page.rows]


Opener = Callable[..., Awaitable[Desk]]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def twin(clock: FakeClock) -> AsyncIterator[MailchimpTwin]:
    async with MailchimpTwin(clock=clock, seed=1) as running:
        yield running


@pytest.fixture
async def opener(twin: MailchimpTwin, clock: FakeClock) -> AsyncIterator[Opener]:
    """Opens connections to the twin; settings may be changed."""
    async with AsyncExitStack() as stack:

        async def open_desk(**changed: Any) -> Desk:
            told = twin.connection()
            settings = {
                "base_url": told["api_url"],
                "api_key": told["api_key"],
                "audience": told["list_id"],
                "webhook_secret": "wh-" + "s" * 30,
                **changed,
            }
            opened = await stack.enter_async_context(open_connection("news", CONNECTOR, settings, clock))
            return Desk(opened.session, dict(opened.streams), twin, clock)

        yield open_desk


@pytest.fixture
async def desk(opener: Opener) -> Desk:
    return await opener()
