"""An open connection: a connector, its session, and the pace they share."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec

from zgoda.kit.http import ConnectionHttp, Http
from zgoda.kit.pace import Lane, Pacer
from zgoda.kit.spec import Connector, Session, Stream
from zgoda.model.clock import Clock


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """A named, open connection to one system."""

    name: str
    connector: Connector
    session: Session
    pacer: Pacer
    streams: Mapping[str, Stream]

    def in_lane(self, lane: Lane) -> Session:
        """The same session, whose calls queue in a lane."""
        http: Http = self.session.http.in_lane(lane)
        return msgspec.structs.replace(self.session, http=http)


def streams_of(connector: Connector, settings: Mapping[str, Any]) -> tuple[Stream, ...]:
    """A connector's streams, for connectors whose streams depend on the settings too."""
    return connector.streams(settings) if callable(connector.streams) else connector.streams


@asynccontextmanager
async def open_connection(
    name: str,
    connector: Connector,
    settings: Mapping[str, Any],
    clock: Clock,
    *,
    used_today: int = 0,
    halted: Callable[[], bool] | None = None,
) -> AsyncGenerator[Connection]:
    """Open a connection; `settings` have their secrets resolved. No call is made before the first use, except what the
    connector's own `open` needs."""
    given = {setting.name: setting.default for setting in connector.settings if setting.default is not None}
    given.update(settings)
    limits = connector.limits(given)
    pacer = Pacer(limits, clock, used_today=used_today)
    client = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=max(limits.concurrent, 1) * 2), auto_decompress=True
    )
    try:
        http = ConnectionHttp(
            client, str(given.get("base_url") or ""), pacer, clock, halted=halted, used_today=connector.used_today
        )
        session = await connector.open(http, given, clock)
        streams = streams_of(connector, given)
        yield Connection(
            name=name,
            connector=connector,
            session=session,
            pacer=pacer,
            streams={stream.name: stream for stream in streams},
        )
        if connector.close is not None:
            await connector.close(session)
    finally:
        await client.close()
