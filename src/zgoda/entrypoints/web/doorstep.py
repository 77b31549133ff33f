"""Where webhooks wait until they are durable: what arrives while one group is being written is the next group.

A transaction and its flush to disk cost the same for one hint as for a hundred, so a burst of webhooks is answered as
fast as the disk allows instead of one flush after the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from zgoda.db.database import Database
from zgoda.kit.spec import Hint
from zgoda.model.clock import Clock
from zgoda.sync.intake import take_hints
from zgoda.sync.setup import Source

Known = tuple[Source, Hint]


class Doorstep:
    """Takes hints of many requests together."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._waiting: list[tuple[Sequence[Known], asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def take(self, hints: Sequence[Known]) -> None:
        """Returns when these hints are durable; raises if they could not be stored."""
        if not hints:
            return
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((hints, stored))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        await stored

    async def _write(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting, []
                await self._write_group(group)
        finally:
            self._writer = None

    async def _write_group(self, group: list[tuple[Sequence[Known], asyncio.Future[None]]]) -> None:
        try:
            await take_hints(self._db, self._clock, [hint for hints, _ in group for hint in hints])
        except Exception as error:
            for _, stored in group:
                if not stored.done():
                    stored.set_exception(error)
            return
        for _, stored in group:
            if not stored.done():
                stored.set_result(None)
