"""Keeping systems in agreement for as long as the process lives: polls, hints, deliveries and full compares in loops.

Each connection has its own loops under one lease, so several workers share the connections between them, and one that
hangs delays no other. A failing loop waits with growing pauses and says so; the others go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Final

import msgspec
import structlog

from zgoda.db.lease import Fenced, Lease
from zgoda.kit.connection import Connection
from zgoda.kit.errors import ConnectorError
from zgoda.kit.pace import Lane
from zgoda.sync.budget import remember_spent
from zgoda.sync.cycle import Cycle, Hub, deliver_source, note_trouble, reconcile_all, stopped, waiting_sources
from zgoda.sync.desk import SQL
from zgoda.sync.pull import pull_all, pull_changes, pull_hints
from zgoda.sync.setup import Source

log = structlog.get_logger()

FOLLOWED_BY: Final[Mapping[str, tuple[str, ...]]] = {
    "hints": ("reconcile",),
    "poll": ("reconcile",),
    "reconcile": ("live", "backfill"),
    "live": ("live", "reconcile", "hints"),
    "backfill": ("backfill", "reconcile", "hints"),
}
"""Which loops have something to do when one of a kind did something."""

IDLE_S = 1.0
LONGEST_PAUSE_S = 60.0


class Keeper:
    """Runs a hub until `stop` is set. `wake` makes loops look at once (a webhook came, an operator decided)."""

    def __init__(self, hub: Hub, holder: str, *, lease_s: float = 15.0) -> None:
        self._hub = hub
        self._holder = holder
        self._lease_s = lease_s
        self.stop = asyncio.Event()
        self._bells: dict[str, asyncio.Event] = {}
        self.progress: dict[str, datetime] = {}
        self.troubles: dict[str, str] = {}
        self.applied = 0

    def wake(self, *kinds: str) -> None:
        """Ring the bells of some kinds of loops (see `FOLLOWED_BY`), or of all."""
        for name, bell in self._bells.items():
            if not kinds or name.partition(" ")[0] in kinds:
                bell.set()

    async def run(self) -> None:
        """All loops, until `stop`; then they finish what they hold and give their leases back."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._leased("reconcile", {"reconcile": self._reconcile}))
            for connection in self._hub.connections.values():
                tasks.create_task(self._leased(f"connection {connection.name}", self._steps(connection)))

    def _steps(self, connection: Connection) -> Mapping[str, Callable[[Hub], Awaitable[int]]]:
        return {
            f"hints {connection.name}": lambda hub: self._hints(hub, connection),
            f"live {connection.name}": lambda hub: self._deliver(hub, connection, Lane.LIVE),
            f"backfill {connection.name}": lambda hub: self._deliver(hub, connection, Lane.BACKFILL),
            f"backfill {connection.name} too": lambda hub: self._deliver(hub, connection, Lane.BACKFILL),
            f"poll {connection.name}": lambda hub: self._poll(hub, connection),
        }

    async def _leased(self, name: str, steps: Mapping[str, Callable[[Hub], Awaitable[int]]]) -> None:
        lease = Lease(self._hub.db, self._hub.clock, name, self._holder, self._lease_s)
        while not self.stop.is_set():
            if not await lease.take():
                await self._pause(self._lease_s / 3)
                continue
            hub = msgspec.structs.replace(self._hub, db=lease.fence())
            lost = asyncio.Event()
            loops = [asyncio.create_task(self._loop(step, hub, work, lost)) for step, work in steps.items()]
            await self._hold(lease, lost)
            await asyncio.gather(*loops)
            if not lost.is_set():
                await lease.give_back()

    async def _hold(self, lease: Lease, lost: asyncio.Event) -> None:
        """Renew in time; when that fails, the loops under the lease stop. What was spent meanwhile is remembered."""
        while not self.stop.is_set() and not lost.is_set():
            await self._pause(self._lease_s / 3, lost)
            await remember_spent(self._hub.db, self._hub.clock, self._hub.connections)
            if self.stop.is_set() or lost.is_set():
                return
            if not await lease.take():
                log.warning("lease.lost", lease=lease.name)
                lost.set()

    async def _loop(self, name: str, hub: Hub, work: Callable[[Hub], Awaitable[int]], lost: asyncio.Event) -> None:
        pause_s = IDLE_S
        bell = self._bells.setdefault(name, asyncio.Event())
        while not self.stop.is_set() and not lost.is_set():
            bell.clear()  # before the work: who rings while we look is heard
            try:
                done = await work(hub)
            except Fenced:
                lost.set()
                return
            except (ConnectorError, OSError, TimeoutError) as error:
                self.troubles[name] = str(error)
                log.warning("loop.failed", loop=name, error=type(error).__name__)
                pause_s = min(LONGEST_PAUSE_S, pause_s * 2)
                await self._pause(pause_s, lost, bell)
                continue
            pause_s = IDLE_S
            self.troubles.pop(name, None)
            self.progress[name] = hub.clock.now()
            if not done:
                await self._pause(IDLE_S, lost, bell)
            else:
                self.wake(*FOLLOWED_BY[name.partition(" ")[0]])

    async def _pause(self, seconds: float, *others: asyncio.Event) -> None:
        """Until the time is over, one of these happens, or we have to stop."""
        events = (self.stop, *others)
        if any(event.is_set() for event in events):
            return
        waits = [asyncio.ensure_future(event.wait()) for event in events]
        waits.append(asyncio.ensure_future(self._hub.clock.sleep(seconds)))  # pyright: ignore[reportArgumentType]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _reconcile(self, hub: Hub) -> int:
        return await reconcile_all(hub, Cycle(), run=None)

    async def _hints(self, hub: Hub, connection: Connection) -> int:
        rows = 0
        for source in await waiting_sources(hub, connection, "waiting_hints"):
            pulled = await pull_hints(hub.db, hub.clock, connection, source, run=None)
            rows += pulled.rows + pulled.removed
        return rows

    async def _deliver(self, hub: Hub, connection: Connection, lanes: Lane) -> int:
        claimed = 0
        for source in await waiting_sources(hub, connection, "waiting_deliveries", lanes):
            done = await deliver_source(hub, connection, source, lanes)
            claimed += done.claimed + done.recovered
            self.applied += done.applied
            if done.attention is not None:
                await note_trouble(hub, source, done.attention)
                raise done.attention
        return claimed

    async def _poll(self, hub: Hub, connection: Connection) -> int:
        if await stopped(hub, connection):
            return 0
        for source in hub.setup.of_connection(connection.name):
            due = await self._due(hub, source)
            stream = connection.streams[source.stream.name]
            try:
                if due == "all" and stream.read_all is not None:
                    await pull_all(hub.db, hub.clock, connection, source, run=None)
                elif due == "changes" and stream.read_changes is not None:
                    await pull_changes(hub.db, hub.clock, connection, source, run=None)
                else:
                    continue
                self.wake("reconcile")
            except ConnectorError as error:
                if await note_trouble(hub, source, error):
                    raise
                self.troubles[source.name] = str(error)
        return 0

    async def _due(self, hub: Hub, source: Source) -> str:
        """What a stream wants read now: everything (never yet, or not for long), what changed, or nothing."""
        async with hub.db.transaction() as tx:
            rows = await tx.rows(SQL["feeds_of"], {"source": source.id})
            state = await tx.row(SQL["load_connection_state"], {"connection": source.connection})
        if state is not None and (state[1] != "active" or state[3] is None):
            return ""
        feeds = {kind: (read_at, complete_at) for kind, read_at, complete_at in rows}
        now = hub.clock.now()
        _, complete_at = feeds.get("all", (None, None))
        if complete_at is None or (now - complete_at).total_seconds() > source.sweep_s:
            return "all"
        read_at, _ = feeds.get("changes", (None, None))
        if read_at is None or (now - read_at).total_seconds() >= source.poll_s:
            return "changes" if source.stream.read_changes is not None else "all"
        return ""
