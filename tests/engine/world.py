"""Builds a hub over toy systems, the way the composition root does over real ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, LiteralString, cast

from tests.engine.toy import Toy
from zgoda.db.database import Pool
from zgoda.identity.match import DEFAULT_RULES, IdentityRules
from zgoda.kit.connection import open_connection
from zgoda.kit.mapping import Map, field_of
from zgoda.kit.mapping import Mapping as FieldMapping
from zgoda.kit.spec import Connector, Hint
from zgoda.model.clock import Clock, FakeClock, SeededChance
from zgoda.model.entities import ENTITIES, FieldType
from zgoda.sync.budget import remember_spent, spent_today
from zgoda.sync.cycle import Cycle, Hub, run_cycle
from zgoda.sync.intake import take_hints
from zgoda.sync.merge import FieldRule
from zgoda.sync.policy import MostRecent, Policy, Union
from zgoda.sync.setup import Brakes, Setup, Source, parents_first

PERSON = (
    Map(vendor="email", field="email"),
    Map(vendor="first", field="given_name"),
    Map(vendor="last", field="family_name"),
    Map(vendor="phone", field="telephone"),
    Map(vendor="title", field="job_title"),
    Map(vendor="tags", field="keywords"),
    Map(
        vendor="opted_out",
        field="consent:email:marketing",
        values=((True, "withdrawn"), (False, "unknown")),
        otherwise="default",
        default_in="unknown",
        default_out=False,
    ),
)

COMPANY = (
    Map(vendor="name", field="name"),
    Map(vendor="domain", field="domain"),
    Map(vendor="tax", field="tax_id"),
)

EMPLOYEE = (*PERSON, Map(vendor="company_id", field="works_for", refers_to=("companies",)))

LIST = (Map(vendor="name", field="name"),)

MEMBER = (
    Map(vendor="person_id", field="person", refers_to=("people",)),
    Map(vendor="list_id", field="list", refers_to=("lists",)),
    Map(vendor="status", field="status"),
)

ACTIVITY = (
    Map(vendor="person_id", field="person", refers_to=("people",)),
    Map(vendor="kind", field="kind"),
    Map(vendor="at", field="occurred_at"),
    Map(vendor="subject", field="subject"),
)

SUBSCRIBER = (
    *(row for row in PERSON if row.field != "consent:email:marketing"),
    Map(
        vendor="subscribed",
        field="consent:email:marketing",
        values=(("yes", "granted"), ("no", "withdrawn"), ("never asked", "unknown")),
        otherwise="hold",
        evidence="subscribed_at",
    ),
)
"""People of a system that keeps opt-ins with their evidence."""

LISTS = (("lists", "list", LIST), ("members", "membership", MEMBER))
"""Streams for `more`: lists and who is in them."""

ACTIVITIES = (("activities", "interaction", ACTIVITY),)

Kind = tuple[str, str, tuple[Map, ...]]
"""A stream: its name, its entity, its mapping."""


@asynccontextmanager
async def hub_of(
    pool: Pool,
    clock: Clock,
    toys: Mapping[str, Toy],
    *,
    people: tuple[Map, ...] = PERSON,
    companies: bool = False,
    policies: Mapping[str, Policy] | None = None,
    order: tuple[str, ...] = (),
    merge_window_s: float = 0.0,
    brakes: Brakes | None = None,
    identity: Mapping[str, IdentityRules] | None = None,
    more: tuple[Kind, ...] = (),
    approved: bool = True,
    seed: int = 1,
    **rules: Any,
) -> AsyncIterator[Hub]:
    """A hub that syncs people (and companies, and `more` streams) between toys.

    `rules` go to every source; rules of one system are given as `per={"crm": {...}}`, of one stream as
    `per={"crm/people": {...}}`. There, `maps` replaces the mapping of people, and `kinds` all streams of a system.
    """
    per: Mapping[str, Mapping[str, Any]] = rules.pop("per", {})
    kinds: list[Kind] = [("companies", "organization", COMPANY)] if companies else []
    kinds.append(("people", "person", EMPLOYEE if companies and people is PERSON else people))
    kinds += more
    connectors = {
        name: toy.connector(*[(s, e, _maps(name, s, m, per)) for s, e, m in per.get(name, {}).get("kinds", kinds)])
        for name, toy in toys.items()
    }
    ids = await source_ids(pool, connectors, approved=approved)
    sources = {
        ids[(name, stream.name)]: _source(
            ids[(name, stream.name)],
            name,
            connector,
            stream.name,
            {**rules, **per.get(name, {}), **per.get(f"{name}/{stream.name}", {})},
        )
        for name, connector in connectors.items()
        for stream in connector.streams  # pyright: ignore[reportGeneralTypeIssues]
    }
    setup = Setup(
        sources=sources,
        entities=parents_first({e: ENTITIES[e] for e in {s.entity.name for s in sources.values()}}),
        fields=field_rules(sources, policies or {}),
        identity={e: DEFAULT_RULES.get(e, IdentityRules()) for e in ENTITIES} | dict(identity or {}),
        order=order or tuple(toys),
        brakes=brakes or Brakes(),
        merge_window_s=merge_window_s,
    )
    used = await spent_today(pool, clock)
    async with AsyncExitStack() as stack:
        connections = {
            name: await stack.enter_async_context(
                open_connection(name, connector, {"base_url": toys[name].url}, clock, used_today=used.get(name, 0))
            )
            for name, connector in connectors.items()
        }
        yield Hub(db=pool, setup=setup, clock=clock, chance=SeededChance(seed), connections=connections)
        await remember_spent(pool, clock, connections)


def _maps(name: str, stream: str, maps: tuple[Map, ...], per: Mapping[str, Mapping[str, Any]]) -> tuple[Map, ...]:
    return per.get(name, {}).get("maps", maps) if stream == "people" else maps


def _source(id: int, name: str, connector: Connector, stream_name: str, rules: Mapping[str, Any]) -> Source:
    stream = next(s for s in connector.streams if s.name == stream_name)  # pyright: ignore[reportGeneralTypeIssues]
    entity = ENTITIES[stream.entity]
    chosen = {key: value for key, value in rules.items() if key not in ("maps", "kinds")}
    may = chosen.pop("may", frozenset({"create", "update", "delete"}))
    return Source(
        id=id,
        connection=name,
        stream=stream,
        entity=entity,
        mapping=FieldMapping(stream.mapping, entity, connector.dialect),
        may=may,
        **chosen,
    )


def field_rules(sources: Mapping[int, Source], policies: Mapping[str, Policy]) -> dict[str, dict[str, FieldRule]]:
    found: dict[str, dict[str, FieldRule]] = {}
    for source in sources.values():
        rules = found.setdefault(source.entity.name, {})
        for name in source.mapping.by_field:
            field = field_of(source.entity, name)
            default: Policy = Union() if field.type is FieldType.SET else MostRecent()
            rules[name] = FieldRule(field=field, policy=policies.get(name, default))
    return found


async def source_ids(
    pool: Pool, connectors: Mapping[str, Connector], *, approved: bool = True
) -> dict[tuple[str, str], int]:
    async with pool.transaction() as tx:
        for name, connector in connectors.items():
            for stream in connector.streams:  # pyright: ignore[reportGeneralTypeIssues]
                await tx.run(
                    "INSERT INTO source (connection, stream, entity) VALUES (%(c)s, %(s)s, %(e)s) ON CONFLICT DO NOTHING",
                    {"c": name, "s": stream.name, "e": stream.entity},
                )
            await tx.run(
                "INSERT INTO connection_state (connection, approved_at) "
                "VALUES (%(c)s, CASE WHEN %(approved)s THEN now() END) ON CONFLICT DO NOTHING",
                {"c": name, "approved": approved},
            )
        rows = await tx.rows("SELECT connection, stream, id FROM source")
    return {(c, s): id for c, s, id in rows}


async def calm(hub: Hub, clock: FakeClock, rounds: int = 3, *, step_s: float = 60.0, full: bool = False) -> list[Cycle]:
    """Let time pass and the hub work, some rounds long."""
    cycles: list[Cycle] = []
    for _ in range(rounds):
        clock.advance(step_s)
        cycles.append(await asyncio.wait_for(run_cycle(hub, full=full, run=None), 20))
    return cycles


async def tell(hub: Hub, toys: Mapping[str, Toy], *, keep: Callable[[int], bool] = lambda number: True) -> int:
    """Hand the hub the webhooks its systems have sent since the last time (those that `keep` lets through)."""
    hints: list[tuple[Source, Hint]] = []
    for name, toy in toys.items():
        for number, (stream, hint) in enumerate(toy.webhooks):
            source = hub.setup.find(name, stream)
            if source is not None and keep(number):
                hints.append((source, hint))
        toy.webhooks.clear()
    await take_hints(hub.db, hub.clock, hints)
    return len(hints)


async def rows(pool: Pool, sql: str, **params: Any) -> list[tuple[Any, ...]]:
    """What the database says."""
    async with pool.report() as tx:
        return await tx.rows(cast("LiteralString", sql), params)


async def states(pool: Pool, hub: Hub, connection: str, stream: str = "people") -> dict[int, tuple[str, str]]:
    """Golden id -> (state, reason) in one stream; fails if a record has two states there."""
    source = hub.setup.find(connection, stream)
    assert source is not None
    found = await rows(pool, "SELECT golden_id, state, reason FROM record_state WHERE source = %(s)s", s=source.id)
    assert len({golden_id for golden_id, _, _ in found}) == len(found), "a record has two states"
    return {golden_id: (state, reason or "") for golden_id, state, reason in found}


def ops(toy: Toy, stream: str = "people") -> list[str]:
    """What the hub did in one stream of a system, in order."""
    return [op for there, op, _, _ in toy.writes if there == stream]


def only(toy: Toy, stream: str = "people", **values: Any) -> str:
    """The id of the one record that has these values."""
    found = toy.find(stream, **values)
    assert len(found) == 1, f"{len(found)} records of {toy.name}/{stream} have {values}"
    return found[0]
