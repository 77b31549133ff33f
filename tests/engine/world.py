"""Builds a hub over toy systems, the way the composition root does over real ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from tests.engine.toy import Toy
from zgoda.db.database import Pool
from zgoda.identity.match import DEFAULT_RULES, IdentityRules
from zgoda.kit.connection import open_connection
from zgoda.kit.mapping import Map, field_of
from zgoda.kit.mapping import Mapping as FieldMapping
from zgoda.kit.spec import Connector
from zgoda.model.clock import Clock, SeededChance
from zgoda.model.entities import ENTITIES, FieldType
from zgoda.sync.cycle import Hub
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

COMPANY = (Map(vendor="name", field="name"), Map(vendor="domain", field="domain"))

EMPLOYEE = (*PERSON, Map(vendor="company_id", field="works_for", refers_to=("companies",)))


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
    **rules: Any,
) -> AsyncIterator[Hub]:
    """A hub that syncs people (and companies) between toys. `rules` go to every people source; `rules["a"]`-style
    per-system rules are given as `per={"a": {...}}`."""
    per: Mapping[str, Mapping[str, Any]] = rules.pop("per", {})
    kinds = [("companies", "organization", COMPANY)] if companies else []
    kinds.append(("people", "person", EMPLOYEE if companies and people is PERSON else people))
    connectors = {
        name: toy.connector(*[(s, e, _maps(name, s, m, per)) for s, e, m in kinds]) for name, toy in toys.items()
    }
    ids = await source_ids(pool, connectors)
    sources = {
        ids[(name, stream.name)]: _source(
            ids[(name, stream.name)], name, connector, stream.name, {**rules, **per.get(name, {})}
        )
        for name, connector in connectors.items()
        for stream in connector.streams  # pyright: ignore[reportGeneralTypeIssues]
    }
    setup = Setup(
        sources=sources,
        entities=parents_first({e: ENTITIES[e] for e in {s.entity.name for s in sources.values()}}),
        fields=field_rules(sources, policies or {}),
        identity={e: DEFAULT_RULES.get(e, IdentityRules()) for e in ENTITIES},
        order=order or tuple(toys),
        brakes=brakes or Brakes(),
        merge_window_s=merge_window_s,
    )
    async with AsyncExitStack() as stack:
        connections = {
            name: await stack.enter_async_context(
                open_connection(name, connector, {"base_url": "http://127.0.0.1:9"}, clock)
            )
            for name, connector in connectors.items()
        }
        yield Hub(db=pool, setup=setup, clock=clock, chance=SeededChance(1), connections=connections)


def _maps(name: str, stream: str, maps: tuple[Map, ...], per: Mapping[str, Mapping[str, Any]]) -> tuple[Map, ...]:
    return per.get(name, {}).get("maps", maps) if stream == "people" else maps


def _source(id: int, name: str, connector: Connector, stream_name: str, rules: Mapping[str, Any]) -> Source:
    stream = next(s for s in connector.streams if s.name == stream_name)  # pyright: ignore[reportGeneralTypeIssues]
    entity = ENTITIES[stream.entity]
    chosen = {key: value for key, value in rules.items() if key != "maps"}
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


async def source_ids(pool: Pool, connectors: Mapping[str, Connector]) -> dict[tuple[str, str], int]:
    async with pool.transaction() as tx:
        for name, connector in connectors.items():
            for stream in connector.streams:  # pyright: ignore[reportGeneralTypeIssues]
                await tx.run(
                    "INSERT INTO source (connection, stream, entity) VALUES (%(c)s, %(s)s, %(e)s) ON CONFLICT DO NOTHING",
                    {"c": name, "s": stream.name, "e": stream.entity},
                )
            await tx.run(
                "INSERT INTO connection_state (connection, approved_at) VALUES (%(c)s, now()) ON CONFLICT DO NOTHING",
                {"c": name},
            )
        rows = await tx.rows("SELECT connection, stream, id FROM source")
    return {(c, s): id for c, s, id in rows}
