"""What the engine knows about itself: states, queues, conflicts, held and dead deliveries. Read-only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from zgoda.db.database import Pool
from zgoda.model.golden import from_us
from zgoda.sync.desk import SQL
from zgoda.sync.setup import Setup


class StreamStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How one stream stands: records by state, the queue before it, its last reads, and vendor fields that are paused
    because they are gone there (with the reason)."""

    connection: str
    stream: str
    entity: str
    states: dict[str, int]
    reasons: dict[str, int]
    waiting_in: int
    canary: str
    brake: str
    lost_fields: dict[str, str]
    last_read: datetime | None
    last_full_read: datetime | None


class ConnectionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How one connection stands. `approved`: its first sync may run."""

    connection: str
    status: str
    reason: str
    since: datetime | None
    approved: bool


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The whole hub at a glance."""

    connections: tuple[ConnectionStatus, ...]
    streams: tuple[StreamStatus, ...]
    switches: dict[str, Any]
    open_conflicts: int
    held: int
    dead: int
    suspicions: int
    orphans: int


async def status(pool: Pool, setup: Setup) -> Status:
    """Count everything. Reads whole tables: for people, not for loops."""
    async with pool.report() as tx:
        states = await tx.rows(SQL["state_counts"])
        queues = dict(await tx.rows(SQL["inbox_counts"]))
        feeds = {(source, kind): (read, done) for source, kind, read, done in await tx.rows(SQL["feed_times"])}
        sources = {id: (canary, brake) for id, canary, brake in await tx.rows(SQL["source_brakes"])}
        lost = await tx.rows(SQL["all_lost_fields"])
        connections = await tx.rows(SQL["connection_states"])
        switches = dict(await tx.rows(SQL["load_switches"]))
        conflicts, held, dead, suspicions, orphans = await tx.row(SQL["trouble_counts"]) or (0, 0, 0, 0, 0)
    known = {row[0]: row for row in connections}
    return Status(
        connections=tuple(
            _connection(name, known.get(name)) for name in dict.fromkeys(s.connection for s in setup.sources.values())
        ),
        streams=tuple(
            StreamStatus(
                connection=source.connection,
                stream=source.stream.name,
                entity=source.entity.name,
                states=_totals((state, count) for id, state, _why, count in states if id == source.id),
                reasons={
                    f"{state}: {why}": count
                    for id, state, why, count in states
                    if id == source.id and state != "in sync" and why
                },
                waiting_in=queues.get(source.id, 0),
                canary=sources.get(source.id, ("", ""))[0],
                brake=sources.get(source.id, ("", ""))[1] or "",
                lost_fields={vendor: why for id, vendor, why in lost if id == source.id},
                last_read=_latest(feeds.get((source.id, "changes")), feeds.get((source.id, "all"))),
                last_full_read=feeds.get((source.id, "all"), (None, None))[1],
            )
            for source in setup.sources.values()
        ),
        switches=switches,
        open_conflicts=conflicts,
        held=held,
        dead=dead,
        suspicions=suspicions,
        orphans=orphans,
    )


def _totals(counts: Iterable[tuple[str, int]]) -> dict[str, int]:
    totals: Counter[str] = Counter()
    for state, count in counts:
        totals[state] += count
    return dict(totals)


def _connection(name: str, row: tuple[Any, ...] | None) -> ConnectionStatus:
    if row is None:
        return ConnectionStatus(connection=name, status="active", reason="", since=None, approved=False)
    return ConnectionStatus(connection=name, status=row[1], reason=row[2], since=row[3], approved=row[4] is not None)


def _latest(*feeds: tuple[datetime | None, datetime | None] | None) -> datetime | None:
    return max((feed[0] for feed in feeds if feed and feed[0]), default=None)


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery that needs a person: held or dead. `who` names the record as far as an operator needs it."""

    id: int
    connection: str
    stream: str
    golden_id: int
    who: str
    op: str
    state: str
    reason: str
    patch: dict[str, Any]
    prior: dict[str, Any]
    tries: int
    since: datetime


async def list_deliveries(pool: Pool, setup: Setup, states: tuple[str, ...], limit: int, after: int) -> list[Listed]:
    """Deliveries in some states, oldest first, a page at a time (`after` is the last id seen)."""
    async with pool.report() as tx:
        rows = await tx.rows(SQL["list_deliveries"], {"states": list(states), "limit": limit, "after": after})
    return [
        Listed(
            id=id,
            connection=setup.sources[source].connection if source in setup.sources else f"#{source}",
            stream=setup.sources[source].stream.name if source in setup.sources else "",
            golden_id=golden_id,
            who=name_of(fields),
            op=op,
            state=state,
            reason=reason or "",
            patch=patch,
            prior=prior,
            tries=tries,
            since=created_at,
        )
        for id, source, golden_id, fields, op, state, reason, patch, prior, tries, created_at in rows
    ]


class ListedConflict(msgspec.Struct, frozen=True, kw_only=True):
    """A disagreement: what stands, what lost, why; `state` open means nobody decided yet."""

    id: int
    golden_id: int
    who: str
    field: str
    kept: Any
    kept_by: str
    lost: Any
    lost_by: str
    rule: str
    state: str
    at: datetime


async def list_conflicts(pool: Pool, setup: Setup, *, only_open: bool, limit: int, after: int) -> list[ListedConflict]:
    """Conflicts, newest last, a page at a time."""
    systems = {0: "hub"} | {id: source.connection for id, source in setup.sources.items()}
    async with pool.report() as tx:
        params = {"states": ["open"] if only_open else ["open", "settled", "decided"], "limit": limit, "after": after}
        rows = await tx.rows(SQL["list_conflicts"], params)
    return [
        ListedConflict(
            id=id,
            golden_id=golden_id,
            who=name_of(fields),
            field=field,
            kept=kept,
            kept_by=systems.get(kept_source, ""),
            lost=lost,
            lost_by=systems.get(lost_source, ""),
            rule=rule,
            state=state,
            at=at,
        )
        for id, golden_id, fields, field, kept, kept_source, lost, lost_source, rule, state, at in rows
    ]


class Because(msgspec.Struct, frozen=True, kw_only=True):
    """Why a field is what it is: the value, who said it, when, by which rule, what lost, and where it went."""

    field: str
    value: Any
    said_by: str
    said_at: datetime | None
    rule: str
    lost: tuple[ListedConflict, ...]
    held_by: dict[str, Any]
    notes: dict[str, str]


class History(msgspec.Struct, frozen=True, kw_only=True):
    """One change of the record."""

    at: datetime
    by: str
    kind: str
    fields: dict[str, list[Any]]


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery: what a system was told and what became of it."""

    id: int
    connection: str
    op: str
    fields: tuple[str, ...]
    state: str
    reason: str
    at: datetime | None


class Why(msgspec.Struct, frozen=True, kw_only=True):
    """Everything known about one golden record."""

    golden_id: int
    entity: str
    who: str
    records: dict[str, str]
    states: dict[str, str]
    fields: tuple[Because, ...]
    history: tuple[History, ...]
    told: tuple[Told, ...]


async def find_records(pool: Pool, text: str, limit: int = 20) -> list[tuple[int, str, str]]:
    """Golden records by id, vendor id, e-mail address or name: (id, entity, name)."""
    async with pool.report() as tx:
        rows = await tx.rows(SQL["find_records"], {"text": text.strip(), "limit": limit})
    return [(id, entity, name_of(fields)) for id, entity, fields in rows]


async def why(pool: Pool, setup: Setup, golden_id: int, field: str | None = None) -> Why | None:
    """Answer for one record, or for one field of it."""
    async with pool.report() as tx:
        params = {"id": golden_id}
        golden = await tx.row(SQL["one_golden"], params)
        if golden is None:
            return None
        params = {"id": golden[0]}
        links = await tx.rows(SQL["links_of_one"], params)
        changes = await tx.rows(SQL["changes_of"], params)
        conflicts = await tx.rows(SQL["conflicts_of"], params)
        told = await tx.rows(SQL["deliveries_of"], params)
        states = await tx.rows(SQL["states_of"], params)
    systems = {0: "hub"} | {id: source.name for id, source in setup.sources.items()}
    golden_id, entity, fields, claims = golden
    lost = [
        ListedConflict(
            id=id,
            golden_id=golden_id,
            who="",
            field=name,
            kept=kept,
            kept_by=systems.get(kept_source, ""),
            lost=lost_value,
            lost_by=systems.get(lost_source, ""),
            rule=rule,
            state=state,
            at=at,
        )
        for id, name, kept, kept_source, lost_value, lost_source, rule, state, at in conflicts
    ]
    return Why(
        golden_id=golden_id,
        entity=entity,
        who=name_of(fields),
        records={systems.get(source, ""): vendor_id for source, vendor_id, _b, _f, gone, _x in links if not gone},
        states={systems.get(source, ""): f"{state}: {reason}" if reason else state for source, state, reason in states},
        fields=tuple(
            _because(name, value, claims, lost, links, systems)
            for name, value in sorted(fields.items())
            if field is None or name == field
        ),
        history=tuple(
            History(at=at, by=systems.get(source, "hub"), kind=kind, fields=entries)
            for source, kind, entries, at in changes
            if field is None or field in entries or kind != "edit"
        ),
        told=tuple(
            Told(
                id=id,
                connection=systems.get(source, ""),
                op=op,
                fields=tuple(sorted(patch)),
                state=state,
                reason=reason or "",
                at=settled or created,
            )
            for id, source, op, patch, state, reason, created, settled in told
            if field is None or field in patch
        ),
    )


def _because(
    name: str,
    value: Any,
    claims: dict[str, list[Any]],
    lost: list[ListedConflict],
    links: list[tuple[Any, ...]],
    systems: dict[int, str],
) -> Because:
    claim = claims.get(name) or claims.get("*") or [0, 0, ""]
    return Because(
        field=name,
        value=value,
        said_by=systems.get(claim[0], ""),
        said_at=from_us(claim[1]) if claim[1] else None,
        rule=claim[2] or "the only one who said anything",
        lost=tuple(conflict for conflict in lost if conflict.field == name),
        held_by={systems.get(s, ""): base[name] for s, _id, base, _f, gone, _x in links if name in base and not gone},
        notes={systems.get(s, ""): faults[name] for s, _id, _b, faults, _g, _x in links if faults and name in faults},
    )


def name_of(fields: dict[str, Any]) -> str:
    """What people call a record."""
    person = " ".join(part for part in (fields.get("given_name"), fields.get("family_name")) if part)
    return str(fields.get("name") or person or fields.get("email") or fields.get("subject") or "")
