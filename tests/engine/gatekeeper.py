"""A toy behind a real HTTP server that asks for tokens, counts calls and says when it is enough.

The toy's rows stay in memory; every call of its connector first asks leave over the wire, through the very port, pace
and authentication that vendors' connectors use.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import web

from tests.engine.toy import Toy
from zgoda.kit.auth import oauth
from zgoda.kit.http import Http, expect
from zgoda.kit.mapping import Map
from zgoda.kit.pace import Limits
from zgoda.kit.spec import Connector, Page, Reading, Receipt, Session, Stream, Write
from zgoda.model.clock import Clock


class GatedToy(Toy):
    """`calls` are (what, second on the clock) as the server counted them; `quota` is what it allows in all (0: no
    limit). Tokens live `token_s`; `says_expires_in` whether it tells so; `revoked` refuses new ones."""

    def __init__(self, name: str, clock: Clock, *, limits: Limits | None = None, **character: Any) -> None:
        super().__init__(name, clock, **character)
        self.limits = limits or Limits(concurrent=4)
        self.quota = 0
        self.token_s = 1800.0
        self.says_expires_in = True
        self.revoked = False
        self.calls: list[tuple[str, float]] = []
        self.token_calls = 0
        self.refused = 0
        self._token_until_s = -1.0

    def count(self, what: str) -> int:
        return sum(called == what for called, _ in self.calls)

    def connector(self, *streams: tuple[str, str, tuple[Map, ...]]) -> Connector:
        plain = super().connector(*streams)
        gated = tuple(_gated(stream) for stream in plain.streams)  # pyright: ignore[reportGeneralTypeIssues]
        return msgspec.structs.replace(plain, streams=gated, limits=lambda settings: self.limits)

    async def _open(self, http: Http, settings: Any, clock: Clock) -> Session:
        auth = oauth(f"{self.url}/token", lambda: {"grant_type": "client_credentials"}, holds_s=1800.0)
        return Session(http=http.with_auth(auth), settings=settings, clock=clock)

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[None]:
        """Answer on a free port for as long as the block lasts."""
        app = web.Application()
        app.router.add_post("/token", self._give_token)
        app.router.add_post("/call/{what}", self._admit)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield
        finally:
            await runner.cleanup()

    async def _give_token(self, request: web.Request) -> web.Response:
        self.token_calls += 1
        if self.revoked:
            return web.json_response({"error": "invalid_grant"}, status=400)
        self._token_until_s = self.clock.monotonic_s() + self.token_s
        told = {"expires_in": self.token_s} if self.says_expires_in else {}
        return web.json_response({"access_token": f"t{self.token_calls}", **told})

    async def _admit(self, request: web.Request) -> web.Response:
        right = request.headers.get("Authorization") == f"Bearer t{self.token_calls}"
        if self.revoked or not right or self.clock.monotonic_s() >= self._token_until_s:
            self.refused += 1
            return web.json_response({"error": "expired"}, status=401)
        self.calls.append((request.match_info["what"], self.clock.monotonic_s()))
        if self.quota and len(self.calls) > self.quota:
            return web.json_response({"error": "quota"}, status=429)
        return web.json_response({})


def _gated(stream: Stream) -> Stream:
    """The same stream; each page and each write asks at the server first."""
    read_all, read_changes, read_ids, write = stream.read_all, stream.read_changes, stream.read_ids, stream.write
    assert read_all
    assert read_changes
    assert read_ids
    assert write

    async def ask(session: Session, what: str) -> None:
        expect(await session.http.request("POST", f"/call/{what}", json={}))

    async def gated_all(session: Session, reading: Reading) -> AsyncIterator[Page]:
        await ask(session, "read_all")
        async for page in read_all(session, reading):
            yield page

    async def gated_changes(session: Session, reading: Reading) -> AsyncIterator[Page]:
        await ask(session, "read_changes")
        async for page in read_changes(session, reading):
            yield page

    async def gated_ids(session: Session, reading: Reading, ids: list[str]) -> Page:
        await ask(session, "read_ids")
        return await read_ids(session, reading, ids)

    async def gated_write(session: Session, writes: list[Write]) -> list[Receipt]:
        await ask(session, "write")
        return await write(session, writes)

    return msgspec.structs.replace(
        stream, read_all=gated_all, read_changes=gated_changes, read_ids=gated_ids, write=gated_write
    )
