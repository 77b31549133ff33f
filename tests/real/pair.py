"""A real Tryton and a real Odoo kept in agreement by the hub, with a wire before each that remembers what is written."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, LiteralString, cast

from tools import real
from tools.real.odoo_office import OdooOffice
from tools.real.scenery import COUNTRIES, write_project
from tools.real.tryton_office import ORGANIZATION, TrytonOffice

from zgoda.app import Store, Synced, check_accounts, open_hub, open_store, read_project, sync_once
from zgoda.db import embedded
from zgoda.sync.cycle import Hub, run_cycle
from zgoda.sync.repair import approve_first_sync
from zgoda.sync.report import find_records, status

ROUNDS = 8
_NUMBERS = itertools.count(1)

ROOT = """\
name: pair
order: [crm, marketing]
merge_window: 1s
brakes: {change_floor: 5000, delete_floor: 5000, delete_ceiling: 5000}
"""

CRM_MAPPING = """\
organizations:
  fields:
    - {field: legal_name, vendor: code}
people:
  may: [create, update, delete]
  on_delete: propagate
  fields:
    - {field: mobile, nulls: ignore}
    - {field: url, nulls: fill}
subscriptions:
  may: [create, update, delete]
  on_delete: propagate
opportunities:
  fields:
    - field: stage
      vendor: state
      direction: in
      values: {lead: New, opportunity: Qualified, converted: Proposition, won: Won, lost: Lost, cancelled: Lost}
"""

MARKETING_MAPPING = """\
companies:
  fields:
    - {field: legal_name, vendor: ref}
people:
  filter: locality != "Elsewhere"
  may: [create, update, delete]
  on_delete: restore
  fields:
    - {field: mobile, nulls: ignore}
    - {field: url, nulls: fill}
subscriptions:
  may: [create, update, delete]
  on_delete: propagate
"""


POLICIES = "default: {most_recent: {tolerance: 0s, then: rank}}\n"


@dataclass(frozen=True)
class Who:
    """Somebody nobody else in these tests is."""

    number: int = 0

    @property
    def name(self) -> str:
        return f"Given{self.number} Family{self.number}"

    @property
    def email(self) -> str:
        return f"who{self.number}@pair.example"


def somebody() -> Who:
    return Who(next(_NUMBERS))


@dataclass(frozen=True)
class Pair:
    """The two offices, the mail sink, the wires between hub and servers, and the project's folder."""

    crm: TrytonOffice
    marketing: OdooOffice
    sink: real.Sink
    crm_wire: real.Wire
    marketing_wire: real.Wire
    folder: Path

    def both(self, who: Who, **contact: str) -> tuple[int, int]:
        """The same person in both systems, made by hand."""
        party = self.crm.add_person(who.name, email=who.email, **contact)
        return party, self.marketing.add_person(who.name, email=who.email, **contact)

    def partner(self, who: Who) -> dict[str, Any]:
        [found] = [row for row in self.marketing.with_address(who.email) if row["active"]]
        return found

    def party(self, who: Who) -> dict[str, Any]:
        [found] = self.crm.find("party.party", [["contact_mechanisms.value", "=", who.email]])
        return self.crm.party(found["id"])

    def contact(self, party: int, kind: str) -> str | None:
        rows = self.crm.party(party)["contact_mechanisms."]
        return next((row["value"] for row in rows if row["type"] == kind), None)

    def quiet(self) -> None:
        """Forget what was written so far."""
        self.crm_wire.clear()
        self.marketing_wire.clear()

    def written(self) -> tuple[int, int]:
        """How many writing calls went to each."""
        return len(self.crm_wire.writes), len(self.marketing_wire.writes)


@dataclass(frozen=True)
class Day:
    """The hub at work on the pair."""

    pair: Pair
    store: Store
    hub: Hub

    async def sync(self, *, full: bool = False) -> Synced:
        return await sync_once(self.store, self.hub, full=full)

    async def calm(self, *, full: bool = False) -> list[Synced]:
        """Sync until nobody is told anything, nothing changes and nothing waits."""
        runs: list[Synced] = []
        for _ in range(ROUNDS):
            runs.append(await self.sync(full=full))
            full = False
            waiting = sum(s.waiting_in for s in (await status(self.store.pool, self.store.setup)).streams)
            cycle = runs[-1].cycle
            assert cycle.troubles == {}
            if not (cycle.applied or cycle.new or cycle.edits or waiting):
                break
            await self.store.clock.sleep(1.0 if waiting else 0.05)
        else:
            raise AssertionError(f"not calm after {ROUNDS} rounds: {runs[-1]}")
        return runs

    async def meet(self) -> None:
        """Let the hub see what people have just made in both systems before it tells anybody, then be calm."""
        await run_cycle(self.hub, full=False, run=None, deliveries=False)
        await self.calm()

    async def golden(self, text: str, entity: str = "person") -> int:
        [found] = [id for id, kind, _ in await find_records(self.store.pool, text) if kind == entity]
        return found

    async def rows(self, sql: str, **params: Any) -> list[tuple[Any, ...]]:
        async with self.store.pool.report() as tx:
            return await tx.rows(cast("LiteralString", sql), params)

    async def state(self, golden_id: int, stream: str) -> tuple[str, str]:
        """(state, reason) of a record in `connection/stream`."""
        [source] = [source.id for source in self.store.setup.sources.values() if source.name == stream]
        [found] = await self.rows(
            "SELECT state, coalesce(reason, '') FROM record_state WHERE golden_id = %(g)s AND source = %(s)s",
            g=golden_id,
            s=source,
        )
        return found[0], found[1]


@contextmanager
def running_pair(folder: Path) -> Iterator[Pair]:
    """Both servers, empty but for what they come with, and a project folder for them; nothing is synced yet."""
    with (
        real.smtp_sink() as sink,
        real.tryton(sink.port) as crm,
        real.odoo(sink.port) as marketing,
        real.wire_to(crm.url) as crm_wire,
        real.wire_to(marketing.url) as marketing_wire,
    ):
        sales = TrytonOffice(crm)
        for code, name in COUNTRIES.items():
            sales.create("country.country", code=code, name=name)
        sales.named("party.category", ORGANIZATION)
        write_project(folder, replace(crm, url=crm_wire.url), replace(marketing, url=marketing_wire.url))
        (folder / "zgoda.yaml").write_text(ROOT)
        (folder / "policies.yaml").write_text(POLICIES)
        account = folder / "connections" / "crm.yaml"
        account.write_text(account.read_text().replace("overlap_s: 5", "overlap_s: 1"))
        (folder / "mappings" / "crm.yaml").write_text(CRM_MAPPING)
        (folder / "mappings" / "marketing.yaml").write_text(MARKETING_MAPPING)
        yield Pair(sales, OdooOffice(marketing), sink, crm_wire, marketing_wire, folder)
        embedded.stop(folder / ".zgoda" / "db")


@asynccontextmanager
async def working_day(pair: Pair) -> AsyncIterator[Day]:
    """The hub, started anew on what it knows; the first time with an approved first sync."""
    async with open_store(read_project(pair.folder)) as store, open_hub(store) as hub:
        day = Day(pair, store, hub)
        if any(not one.approved for one in (await status(store.pool, store.setup)).connections):
            await check_accounts(store, hub)
            await approve_first_sync(store.pool, store.clock, list(hub.connections))
            await day.calm(full=True)
        yield day
