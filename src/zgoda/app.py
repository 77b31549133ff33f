"""The composition root: the only place that knows the vendors and puts the hub's parts together."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import msgspec

from zgoda.connectors import files, mailchimp, odoo, salesforce, sql, tryton
from zgoda.db.database import Pool, batch
from zgoda.db.embedded import ensure_running
from zgoda.db.migrate import migrate
from zgoda.kit.connection import Connection, open_connection
from zgoda.kit.errors import Attention, ConnectorError, NeedsAttention
from zgoda.kit.spec import Connector, Identity
from zgoda.model.clock import Chance, Clock, SystemChance, SystemClock
from zgoda.ops.collector import calm_collector
from zgoda.ops.kill import is_stopped
from zgoda.settings.compilation import compile_setup
from zgoda.settings.load import load_project
from zgoda.settings.opening import connection_settings, read_secret_file, store_url
from zgoda.settings.project import Project
from zgoda.sync.budget import remember_spent, spent_today
from zgoda.sync.cycle import Cycle, Hub, Tell, run_cycle
from zgoda.sync.desk import SQL
from zgoda.sync.setup import Setup

CONNECTORS: Mapping[str, Connector] = {
    module.CONNECTOR.key: module.CONNECTOR for module in (salesforce, mailchimp, tryton, odoo, sql, files)
}


class Store(msgspec.Struct, frozen=True, kw_only=True):
    """An open store and the setup compiled for it."""

    project: Project
    pool: Pool
    setup: Setup
    clock: Clock
    chance: Chance


def read_project(folder: Path) -> Project:
    """The checked project. Raises `ProjectError` with every fault."""
    return load_project(folder, CONNECTORS)


@asynccontextmanager
async def open_store(
    project: Project, *, clock: Clock | None = None, chance: Chance | None = None, pool_size: int = 8
) -> AsyncGenerator[Store]:
    """Start or join the store, bring its schema up to date and compile the setup."""
    url = store_url(project, os.environ, read_secret_file)
    if not url:
        folder = project.store.folder or project.folder / ".zgoda" / "db"
        url = (await asyncio.to_thread(ensure_running, folder)).url
    clock = clock or SystemClock()
    async with Pool(url, size=pool_size) as pool:
        await migrate(pool)
        setup = await _compile(project, pool, clock)
        yield Store(project=project, pool=pool, setup=setup, clock=clock, chance=chance or SystemChance())


async def _compile(project: Project, pool: Pool, clock: Clock) -> Setup:
    rows = [{"c": c, "s": s, "e": e} for c, s, e in project.sources()]
    async with pool.transaction() as tx:
        await tx.run(SQL["register_sources"], {"batch": batch(rows)})
        known = await tx.rows(SQL["load_sources"])
    setup = compile_setup(project, CONNECTORS, {(c, s): id for c, s, id, _ in known})
    versions = [{"id": source.id, "v": source.mapping.version} for source in setup.sources.values()]
    async with pool.transaction() as tx:
        await tx.run(SQL["save_mapping_versions"], {"batch": batch(versions), "now": clock.now()})
    return setup


@asynccontextmanager
async def open_hub(store: Store, only: Iterable[str] | None = None) -> AsyncGenerator[Hub]:
    """Open the connections (all, or only some) and give the engine its ports."""
    names = list(only) if only is not None else list(store.project.connections)
    calm_collector()
    used = await spent_today(store.pool, store.clock)
    async with AsyncExitStack() as stack:
        connections = {
            name: await stack.enter_async_context(connect(store.project, name, store.clock, used.get(name, 0)))
            for name in names
        }
        try:
            yield Hub(db=store.pool, setup=store.setup, clock=store.clock, chance=store.chance, connections=connections)
        finally:
            await remember_spent(store.pool, store.clock, connections)


@asynccontextmanager
async def connect(project: Project, name: str, clock: Clock, used_today: int = 0) -> AsyncGenerator[Connection]:
    """One open connection, its secrets resolved now and kept nowhere else."""
    settings = connection_settings(project, name, os.environ, read_secret_file)
    connector = CONNECTORS[project.connections[name].connector]
    halted = partial(is_stopped, project.folder, name)
    async with open_connection(name, connector, settings, clock, used_today=used_today, halted=halted) as connection:
        yield connection


async def check_accounts(store: Store, hub: Hub) -> dict[str, Identity | ConnectorError]:
    """Ask every system who we are there. A connection that suddenly means another account is refused: ids of two
    accounts must never mix."""
    found: dict[str, Identity | ConnectorError] = {}
    for name, connection in hub.connections.items():
        try:
            identity = await connection.connector.check(connection.session)
        except ConnectorError as error:
            found[name] = error
            continue
        async with store.pool.transaction() as tx:
            row = await tx.row(SQL["claim_account"], {"connection": name, "account": identity.account})
        if row and row[0] != identity.account:
            message = f"this is account {identity.account!r}, but its records were synced with account {row[0]!r}"
            found[name] = NeedsAttention(
                Attention.ACCOUNT, message, do="use another connection name for another account"
            )
        else:
            found[name] = identity
    return found


class Synced(msgspec.Struct, frozen=True, kw_only=True):
    """A finished sync: its number, its result (derived from its rows), and what it did."""

    run: int
    result: str
    cycle: Cycle


async def sync_once(store: Store, hub: Hub, *, full: bool, tell: Tell | None = None, kind: str = "sync") -> Synced:
    """One run: read, reconcile, deliver until quiet."""
    async with store.pool.transaction() as tx:
        row = await tx.row(SQL["start_run"], {"kind": kind, "now": store.clock.now()})
    run = row[0] if row else 0
    cycle = await run_cycle(hub, full=full, run=run, tell=tell)
    async with store.pool.transaction() as tx:
        report = msgspec.json.encode(cycle).decode()
        params = {"id": run, "now": store.clock.now(), "report": report, "troubled": bool(cycle.troubles)}
        ended = await tx.row(SQL["end_run"], params)
    return Synced(run=run, result=ended[0] if ended else "", cycle=cycle)
