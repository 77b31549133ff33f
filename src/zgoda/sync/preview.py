"""What a sync would do, found out by doing it in an overlay and stopping before delivery."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from zgoda.db.database import Database, Pool
from zgoda.db.overlay import overlay
from zgoda.sync.cycle import Cycle, Hub, Tell, run_cycle
from zgoda.sync.desk import SQL

SHADOWED: Final = (
    "feed",
    "golden",
    "match_key",
    "reference",
    "link",
    "inbox",
    "orphan",
    "replan",
    "delivery",
    "change",
    "conflict",
    "exclusion",
    "suspicion",
    "joining",
    "consent_point",
    "sweep",
    "brake",
    "connection_state",
    "lost_field",
)


class FieldCount(msgspec.Struct, frozen=True, kw_only=True):
    """How often a field would be written, and by which rules."""

    field: str
    count: int
    rules: dict[str, int]


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One write in full: what would be there instead of what."""

    golden_id: int
    op: str
    patch: dict[str, Any]
    prior: dict[str, Any]


class StreamPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What one stream of one connection would get."""

    connection: str
    stream: str
    entity: str
    creates: int = 0
    updates: int = 0
    deletes: int = 0
    held: int = 0
    excluded: dict[str, int] = msgspec.field(default_factory=dict[str, int])
    fields: tuple[FieldCount, ...] = ()
    samples: tuple[Sample, ...] = ()


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A plan: nothing of it has happened. `id` is what `sync --approve` wants to hear."""

    id: int
    version: str
    read: int
    matched: int
    suspicions: int
    conflicts: dict[str, int]
    streams: tuple[StreamPlan, ...]
    troubles: dict[str, str]

    @property
    def changes(self) -> int:
        return sum(stream.creates + stream.updates + stream.deletes for stream in self.streams)


async def preview(pool: Pool, hub: Hub, *, full: bool, samples: int = 3, tell: Tell | None = None) -> Plan:
    """Plan a sync. Reads the systems, writes nothing anywhere but the plan's own line in `run`."""
    async with overlay(pool, SHADOWED) as shadow:
        shadowed = msgspec.structs.replace(hub, db=shadow)
        cycle = await run_cycle(shadowed, full=full, run=None, deliveries=False, tell=tell)
        plan = await _summary(shadow, hub, cycle, samples)
    report = msgspec.to_builtins(msgspec.structs.replace(plan, streams=_without_samples(plan.streams)))
    async with pool.transaction() as tx:
        row = await tx.row(SQL["save_plan"], {"now": hub.clock.now(), "report": msgspec.json.encode(report).decode()})
    return msgspec.structs.replace(plan, id=row[0] if row else 0)


async def _summary(db: Database, hub: Hub, cycle: Cycle, samples: int) -> Plan:
    async with db.transaction() as tx:
        ops = await tx.rows(SQL["plan_ops"])
        fields = await tx.rows(SQL["plan_fields"])
        excluded = await tx.rows(SQL["plan_excluded"])
        some = await tx.rows(SQL["plan_samples"], {"count": samples})
        conflicts = dict(await tx.rows(SQL["plan_conflicts"]))
        matched, suspicions = await tx.row(SQL["plan_matches"]) or (0, 0)
    streams: list[StreamPlan] = []
    for source in hub.setup.sources.values():
        counts = {(op, state): count for s, op, state, count in ops if s == source.id}
        streams.append(
            StreamPlan(
                connection=source.connection,
                stream=source.stream.name,
                entity=source.entity.name,
                creates=counts.get(("create", "pending"), 0),
                updates=counts.get(("update", "pending"), 0),
                deletes=counts.get(("delete", "pending"), 0),
                held=sum(count for (_op, state), count in counts.items() if state == "held"),
                excluded={why: count for s, why, count in excluded if s == source.id},
                fields=_fields([row for row in fields if row[0] == source.id]),
                samples=tuple(
                    Sample(golden_id=g, op=op, patch=patch, prior=prior)
                    for s, g, op, patch, prior in some
                    if s == source.id
                ),
            )
        )
    return Plan(
        id=0,
        version=hub.setup.version,
        read=cycle.read,
        matched=matched,
        suspicions=suspicions,
        conflicts=conflicts,
        streams=tuple(sorted(streams, key=lambda stream: (stream.connection, stream.stream))),
        troubles=cycle.troubles,
    )


def _fields(rows: list[tuple[Any, ...]]) -> tuple[FieldCount, ...]:
    by_field: dict[str, dict[str, int]] = {}
    for _source, field, rule, count in rows:
        by_field.setdefault(field, {})[rule or "first value"] = count
    counted = [FieldCount(field=f, count=sum(rules.values()), rules=rules) for f, rules in by_field.items()]
    return tuple(sorted(counted, key=lambda field: -field.count))


def _without_samples(streams: tuple[StreamPlan, ...]) -> tuple[StreamPlan, ...]:
    """Samples hold personal data and are not kept."""
    return tuple(msgspec.structs.replace(stream, samples=()) for stream in streams)
