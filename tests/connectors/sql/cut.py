"""A cable to a server's socket that can be cut at a certain word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Cable:
    """Passes bytes on. When the client says the word, the server still hears it, but no answer comes back; `over` is
    set once the server is done with it."""

    target: str
    port: int = 0
    cut_at: bytes = b""
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def cut(self, at: bytes) -> None:
        self.cut_at = at
        self.over.clear()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_unix_connection(self.target)
        back = asyncio.create_task(_pass_on(server_reader, writer))
        cut = False
        while not cut and (data := await reader.read(65536)):
            server_writer.write(data)
            await server_writer.drain()
            cut = bool(self.cut_at) and self.cut_at in data
        if cut:
            self.cut_at = b""
            back.cancel()
            with suppress(asyncio.CancelledError):
                await back
            writer.close()
            await server_reader.read(65536)
        server_writer.close()
        while await server_reader.read(65536) if cut else False:
            pass
        with suppress(OSError, asyncio.CancelledError):
            await back
        writer.close()
        if cut:
            self.over.set()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def cable_to(target: str) -> AsyncIterator[Cable]:
    cable = Cable(target)
    server = await asyncio.start_server(cable.carry, "127.0.0.1", 0)
    cable.port = server.sockets[0].getsockname()[1]
    try:
        yield cable
    finally:
        server.close()
