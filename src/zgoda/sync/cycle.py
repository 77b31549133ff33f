"""The engine's loops: pull, reconcile and deliver side by side, until there is nothing left to do (or for ever).

Each connection is read and written by one loop of its own, so that one that hangs or is throttled delays no other, and
its pace is kept in one place. Reconciling has one loop per entity kind's order: parents before children.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import msgspec

from zgoda.db.database import Database
from zgoda.kit.connection import Connection
from zgoda.kit.errors import Attention, ConnectorError, NeedsAttention
from zgoda.kit.pace import Lane
from zgoda.model.clock import Chance, Clock
from zgoda.model.golden import to_us
from zgoda.privacy.gate import kill_switches
from zgoda.sync.deliver import Delivered, deliver
from zgoda.sync.desk import SQL
from zgoda.sync.pull import Pulled, pull_all, pull_changes, pull_hints
from zgoda.sync.reconcile import reconcile
from zgoda.sync.setup import Setup, Source

Tell = Callable[[str, Source | None, int], None]
"""Progress: what (`read`, `reconciled`, `delivered`), where, how many so far."""


class Hub(msgspec.Struct, frozen=True, kw_only=True):
    """The engine and its ports."""

    db: Database
    setup: Setup
    clock: Clock
    chance: Chance
    connections: Mapping[str, Connection]
    under_way: set[int] = msgspec.field(default_factory=set[int])
    """Deliveries some round of this process is waiting for: not to be mistaken for lost ones."""


class Cycle(msgspec.Struct, kw_only=True):
    """What a cycle did, and what stopped parts of it."""

    read: int = 0
    fresh: int = 0
    removed: int = 0
    missing: int = 0
    new: int = 0
    edits: int = 0
    conflicts: int = 0
    applied: int = 0
    refused: int = 0
    troubles: dict[str, str] = msgspec.field(default_factory=dict[str, str])


ROUND = 1000
"""Records in one round of deliveries: it costs some twenty statements, however few it carries."""


ROUNDS = (Lane.LIVE, Lane.BACKFILL, Lane.BACKFILL)
"""Rounds of deliveries to one system side by side: while one waits for the vendor, the other claims and settles."""


def _nobody(what: str, source: Source | None, count: int) -> None:
    return


async def run_cycle(
    hub: Hub, *, full: bool, run: int | None, deliveries: bool = True, tell: Tell | None = None
) -> Cycle:
    """Read every source (in full, or what changed), reconcile, and deliver until all is quiet."""
    cycle = Cycle()
    told = tell or _nobody
    loops = _Loops(hub.clock)
    async with asyncio.TaskGroup() as tasks:
        for connection in hub.connections.values():
            tasks.create_task(loops.once(_pull(hub, connection, cycle, told, full=full, run=run)))
        tasks.create_task(loops.until_quiet("reconcile", lambda: reconcile_all(hub, cycle, told, run=run)))
        for connection in hub.connections.values():
            name = f"deliver {connection.name}"
            if deliveries:
                for number, lanes in enumerate(ROUNDS):
                    step = partial(_deliver, hub, connection, cycle, told, lanes)
                    tasks.create_task(loops.until_quiet(f"{name} {number}", step))
            tasks.create_task(
                loops.until_quiet(f"hints {connection.name}", lambda c=connection: _hints(hub, c, cycle, run))
            )
    return cycle


class _Loops:
    """Runs loops until all of them found nothing to do since the last time anyone did something."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._work = 0
        self._idle: dict[str, int] = {}
        self._names: set[str] = set()
        self._running_once = 0
        self._wake = asyncio.Event()

    async def once(self, work: Awaitable[None]) -> None:
        self._running_once += 1
        try:
            await work
        finally:
            self._running_once -= 1
            self._did()

    async def until_quiet(self, name: str, step: Callable[[], Awaitable[int]]) -> None:
        self._names.add(name)
        try:
            while True:
                seen = self._work
                if await step():
                    self._did()
                    continue
                self._idle[name] = seen
                if self._all_quiet() or await self._wait(seen):
                    return
        finally:
            # also when it failed: nobody must wait for a loop that is no more
            self._names.discard(name)
            self._wake.set()

    def _did(self) -> None:
        self._work += 1
        self._wake.set()

    def _all_quiet(self) -> bool:
        return not self._running_once and all(self._idle.get(name) == self._work for name in self._names)

    async def _wait(self, seen: int) -> bool:
        """Until somebody did something, or everybody is quiet (then true)."""
        while self._work == seen and not self._all_quiet():
            self._wake.clear()
            await self._wake.wait()
        return self._work == seen


async def _pull(hub: Hub, connection: Connection, cycle: Cycle, tell: Tell, *, full: bool, run: int | None) -> None:
    for source in hub.setup.of_connection(connection.name):
        if switch := await stopped(hub, connection):
            cycle.troubles[connection.name] = f"not read: the switch {switch!r} is on"
            return
        stream = connection.streams[source.stream.name]
        whole = full or stream.read_changes is None or await _sweep_due(hub, source)
        if whole and stream.read_all is None:
            continue
        try:
            if whole:
                pulled = await pull_all(
                    hub.db, hub.clock, connection, source, run=run, told=lambda s, count: tell("read", s, count)
                )
            else:
                pulled = await pull_changes(hub.db, hub.clock, connection, source, run=run)
        except ConnectorError as error:
            cycle.troubles[source.name] = str(error)
            if await note_trouble(hub, source, error):
                return
            continue
        _count(cycle, pulled, source)


def _count(cycle: Cycle, pulled: Pulled, source: Source) -> None:
    cycle.read += pulled.rows
    cycle.fresh += pulled.fresh
    cycle.removed += pulled.removed
    cycle.missing += pulled.missing
    if pulled.lost:
        cycle.troubles[source.name] = f"paused, because gone there or hidden from us: {', '.join(pulled.lost)}"


async def _sweep_due(hub: Hub, source: Source) -> bool:
    """Whether everything is to be compared: it never was, or not for long."""
    async with hub.db.transaction() as tx:
        row = await tx.row(SQL["load_feed"], {"source": source.id, "kind": "all"})
    return not (row and row[2]) or (hub.clock.now() - row[2]).total_seconds() > source.sweep_s


async def stopped(hub: Hub, connection: Connection) -> str:
    """The switch that forbids to read a connection; empty if none does."""
    async with hub.db.transaction() as tx:
        row = await tx.row(SQL["stopped"], {"stops": kill_switches(connection.name, "in")})
    return row[0] if row else ""


async def reconcile_all(hub: Hub, cycle: Cycle, tell: Tell = _nobody, *, run: int | None) -> int:
    """Empty the inbox, parents before children. Returns how many lines were taken."""
    taken = 0
    async with hub.db.transaction() as tx:
        params = {"now_us": to_us(hub.clock.now())}
        waiting = {entity for (entity,) in await tx.rows(SQL["waiting_entities"], params)}
    for entity in hub.setup.entities:
        if entity.name not in waiting:
            continue
        while (done := await reconcile(hub.db, hub.setup, hub.clock, entity.name, run=run)).taken:
            taken += done.taken
            cycle.new += done.new
            cycle.edits += done.edits
            cycle.conflicts += done.conflicts
            tell("reconciled", None, done.taken)
    return taken


async def _hints(hub: Hub, connection: Connection, cycle: Cycle, run: int | None) -> int:
    rows = 0
    for source in await waiting_sources(hub, connection, "waiting_hints"):
        try:
            pulled = await pull_hints(hub.db, hub.clock, connection, source, run=run)
        except ConnectorError as error:
            cycle.troubles[source.name] = str(error)
            continue
        _count(cycle, pulled, source)
        rows += pulled.rows + pulled.removed
    return rows


async def _deliver(hub: Hub, connection: Connection, cycle: Cycle, tell: Tell, lanes: Lane) -> int:
    claimed = 0
    for source in await waiting_sources(hub, connection, "waiting_deliveries", lanes):
        done = await deliver_source(hub, connection, source, lanes)
        claimed += done.claimed + done.recovered
        cycle.applied += done.applied
        cycle.refused += done.refused
        if done.applied:
            tell("delivered", source, done.applied)
        if done.attention is not None:
            cycle.troubles[source.name] = str(done.attention)
            await note_trouble(hub, source, done.attention)
            return 0
    return claimed


async def waiting_sources(hub: Hub, connection: Connection, query: str, lanes: Lane = Lane.LIVE) -> list[Source]:
    """The streams of a connection for which something is waiting: one question for all of them."""
    sources = hub.setup.of_connection(connection.name)
    least = Lane.BACKFILL if lanes is Lane.BACKFILL else Lane.CONSENT
    params = {
        "sources": [source.id for source in sources],
        "now_us": to_us(hub.clock.now()),
        "least": int(least),
        "most": int(lanes),
        "stops": kill_switches(connection.name, "in"),
    }
    async with hub.db.transaction() as tx:
        waiting = {id for (id,) in await tx.rows(SQL[query], params)}
    return [source for source in sources if source.id in waiting]


async def deliver_source(hub: Hub, connection: Connection, source: Source, lanes: Lane) -> Delivered:
    """One round for a stream: consent and live edits (`LIVE`), or the backfill, which has a round of its own so that
    nothing urgent waits behind it."""
    limit = max(source.stream.batch, min(ROUND, 10 * source.stream.batch))
    try:
        return await deliver(
            hub.db,
            hub.setup,
            hub.clock,
            hub.chance,
            connection,
            source,
            limit=limit,
            lanes=lanes,
            under_way=hub.under_way,
        )
    except NeedsAttention as error:
        return Delivered(attention=error)
    except ConnectorError as error:
        # only looking up lost creates can raise here; they stay in flight and are looked up next time
        return Delivered(retry_after_s=getattr(error, "retry_after_s", None))


async def note_trouble(hub: Hub, source: Source, error: ConnectorError) -> bool:
    """Pause the smallest part that is concerned. True when the whole connection is."""
    if not isinstance(error, NeedsAttention):
        return False
    whole = error.kind in (Attention.CREDENTIALS, Attention.ACCOUNT) or (
        error.kind is Attention.SETTINGS and not error.stream
    )
    if not whole and error.kind in (Attention.RIGHTS, Attention.SCHEMA):
        reason = msgspec.json.encode(str(error)).decode()
        async with hub.db.transaction() as tx:
            params = {"name": f"pause:{source.name}", "value": reason, "now": hub.clock.now(), "by": "the hub"}
            await tx.run(SQL["set_switch"], params)
    if whole:
        async with hub.db.transaction() as tx:
            params = {"connection": source.connection, "reason": str(error), "now": hub.clock.now()}
            await tx.run(SQL["connection_needs_attention"], params)
    return whole
