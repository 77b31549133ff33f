"""A real Odoo 11 for all these tests, users with and without rights, and a desk from which a test reads and writes."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from tools import real

from zgoda.connectors.odoo import CONNECTOR
from zgoda.kit.http import Answer, ConnectionHttp
from zgoda.kit.mapping import Mapped, Mapping
from zgoda.kit.pace import Lane, Pacer
from zgoda.kit.spec import Cursor, Page, Reading, Receipt, Row, Session, Stream, Write
from zgoda.model.clock import SystemClock
from zgoda.model.entities import ENTITIES

HUB_GROUPS = ("base.group_user", "base.group_partner_manager", "sales_team.group_sale_salesman_all_leads")
_NUMBERS = itertools.count(1)


@dataclass
class Office:
    """The server and its mail sink, an administrator who looks behind the connector's back, and everybody's logins."""

    server: real.Server
    sink: real.Sink
    admin: real.OdooCalls
    logins: dict[str, tuple[str, str]]

    def settings(self, user: str = "hub", **more: Any) -> dict[str, Any]:
        login, password = self.logins[user]
        where = {"base_url": self.server.url, "database": self.server.database}
        return {**where, "login": login, "api_key": password, **more}

    def make(self, model: str, **values: Any) -> int:
        return self.admin.call(model, "create", values)

    def see(self, model: str, id: int, *fields: str) -> dict[str, Any]:
        return self.admin.call(model, "read", [id], list(fields))[0]

    def change(self, model: str, ids: int | list[int], **values: Any) -> None:
        self.admin.call(model, "write", ids if isinstance(ids, list) else [ids], values)


@pytest.fixture(scope="session")
def office() -> Iterator[Office]:
    with real.smtp_sink() as sink, real.odoo(smtp_port=sink.port) as server:
        yield furnish(server, sink)


def furnish(server: real.Server, sink: real.Sink) -> Office:
    admin = real.OdooCalls(server.url, server.database, server.user, server.password)
    named = {f"{row['module']}.{row['name']}": row["res_id"] for row in groups_of(admin)}
    wanted = [named[name] for name in HUB_GROUPS] + [named["mass_mailing.group_mass_mailing_user"]]
    for login, groups in (("hub", wanted), ("visitor", [named["base.group_user"]])):
        values = {"name": login.title(), "login": login, "password": f"{login}-secret", "email": f"{login}@hub.test"}
        admin.call("res.users", "create", values | {"groups_id": [[6, 0, groups]]}, context={"no_reset_password": True})
    logins = {"hub": ("hub", "hub-secret"), "visitor": ("visitor", "visitor-secret"), "admin": ("admin", "admin")}
    return Office(server, sink, admin, logins)


def groups_of(admin: real.OdooCalls) -> list[dict[str, Any]]:
    return admin.call("ir.model.data", "search_read", [["model", "=", "res.groups"]], ["module", "name", "res_id"])


@dataclass
class Desk:
    """A session and its streams; `sent` are the bodies of all requests, `fields` may narrow what is read."""

    session: Session
    streams: dict[str, Stream]
    sent: list[Any]
    http: ConnectionHttp
    keys: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def mapping(self, stream: str) -> Mapping:
        found = self.streams[stream]
        return Mapping(found.mapping, ENTITIES[found.entity], CONNECTOR.dialect)

    async def pages(
        self,
        stream: str,
        how: str = "read_all",
        cursor: Cursor | None = None,
        size: int = 200,
        stop: int = 0,
        **more: Any,
    ) -> list[Page]:
        fields = more.get("fields") or self.mapping(stream).vendor_fields
        reading = Reading(fields=fields, cursor=cursor, page_size=size)
        found: list[Page] = []
        async for page in getattr(self.streams[stream], how)(self.session, reading):
            found.append(page)
            if stop and len(found) == stop:
                break
        return found

    async def start(self, stream: str) -> Cursor:
        """The cursor at which changes begin from now on."""
        return (await self.pages(stream))[-1].cursor or {}

    async def rows(self, stream: str, *ids: int | str) -> list[Row]:
        return (await self.page(stream, *ids)).rows

    async def page(self, stream: str, *ids: int | str) -> Page:
        reading = Reading(fields=self.mapping(stream).vendor_fields)
        read_ids = self.streams[stream].read_ids
        assert read_ids is not None
        return await read_ids(self.session, reading, [str(id) for id in ids])

    async def record(self, stream: str, id: int | str) -> Mapped:
        """One record in canonical terms."""
        (row,) = await self.rows(stream, id)
        return self.mapping(stream).read(row)

    def values(self, stream: str, creating: bool, **canonical: Any) -> Row:
        """Vendor values of canonical ones; `consent` stands for consent to marketing by e-mail."""
        if "consent" in canonical:
            canonical["consent:email:marketing"] = canonical.pop("consent")
        row, faults = self.mapping(stream).write(canonical, creating=creating)
        assert not faults
        return row

    def created(self, stream: str, **canonical: Any) -> Write:
        return Write(key=f"create-{next(_NUMBERS)}", op="create", values=self.values(stream, True, **canonical))

    def updated(self, stream: str, id: int | str, **canonical: Any) -> Write:
        values = self.values(stream, False, **canonical)
        return Write(key=f"update-{next(_NUMBERS)}", op="update", id=str(id), values=values)

    def deleted(self, id: int | str) -> Write:
        return Write(key=f"delete-{next(_NUMBERS)}", op="delete", id=str(id))

    async def write(self, stream: str, *writes: Write) -> list[Receipt]:
        write = self.streams[stream].write
        assert write is not None
        receipts = {receipt.key: receipt for receipt in await write(self.session, list(writes))}
        assert len(receipts) == len(writes)
        return [receipts[one.key] for one in writes]

    async def add(self, stream: str, **canonical: Any) -> str:
        (receipt,) = await self.write(stream, self.created(stream, **canonical))
        assert receipt.refusal is None
        return receipt.id

    async def put(self, stream: str, id: int | str, **canonical: Any) -> Receipt:
        (receipt,) = await self.write(stream, self.updated(stream, id, **canonical))
        return receipt


class Witness(ConnectionHttp):
    """The real port, which also notes what is sent."""

    sent: list[Any]

    async def request(self, method: str, path: str, **more: Any) -> Answer:
        self.sent.append(more.get("json"))
        return await super().request(method, path, **more)

    def with_auth(self, auth: Any) -> ConnectionHttp:
        copy = Witness(self._client, self._base_url, self._pacer, self._clock, auth=auth, lane=Lane.LIVE)
        copy.sent = self.sent
        return copy


Opener = Callable[..., Any]


@pytest.fixture
async def opener() -> AsyncIterator[Opener]:
    """Opens desks for given settings; what they hold open is closed with the test."""
    async with aiohttp.ClientSession() as client:

        async def open_desk(settings: dict[str, Any]) -> Desk:
            clock = SystemClock()
            http = Witness(client, settings["base_url"], Pacer(CONNECTOR.limits(settings), clock), clock)
            http.sent = []
            session = await CONNECTOR.open(http, settings, clock)
            assert callable(CONNECTOR.streams)
            streams = {stream.name: stream for stream in CONNECTOR.streams(settings)}
            return Desk(session, streams, http.sent, http)

        yield open_desk


@pytest.fixture
async def desk(office: Office, opener: Opener) -> Desk:
    return await opener(office.settings())


@pytest.fixture
def mark() -> str:
    """A word no other test uses."""
    return f"m{os.getpid()}x{next(_NUMBERS)}"


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[web.Application], Any]]:
    """Runs web applications on the loopback address until the test ends; gives their address."""
    runners: list[web.AppRunner] = []

    async def start(app: web.Application) -> str:
        runner = web.AppRunner(app)
        await runner.setup()
        runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    yield start
    for runner in runners:
        await runner.cleanup()
