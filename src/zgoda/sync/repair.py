"""What people do: approve or reject what is held, send dead letters again, decide conflicts, undo a run, flip switches.

Every one of these only changes what is planned or known; the writes that follow go through the gate like all others.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from zgoda.db.database import Database, Transaction, batch, ids
from zgoda.model.clock import Clock
from zgoda.model.golden import Claim, to_us
from zgoda.sync.desk import SQL, Change, Desk, lay_goldens, save
from zgoda.sync.setup import Setup

PERSON: Final = 0
"""The source id that stands for a person at the hub."""


async def approve(db: Database, clock: Clock, delivery_ids: list[int], by: str = "") -> int:
    """Let held deliveries go. Returns how many were held."""
    async with db.transaction() as tx:
        rows = await tx.rows(SQL["approve_held"], {"ids": ids(delivery_ids)})
        await _log(tx, clock, [_decision(g, s, f"held {op} approved", by) for g, s, op in rows])
    return len(rows)


async def reject(db: Database, clock: Clock, delivery_ids: list[int], by: str = "") -> int:
    """Refuse held deliveries: the system keeps what it has, until the record changes again. A rejected deletion means
    the record lives on."""
    async with db.transaction() as tx:
        rows = await tx.rows(SQL["reject_held"], {"ids": ids(delivery_ids), "now": clock.now()})
        revived = [golden_id for golden_id, _source, op, _patch in rows if op == "delete"]
        await tx.run(SQL["revive_golden"], {"ids": ids(revived)})
        agreed = [
            {"g": golden_id, "s": source, "patch": patch} for golden_id, source, op, patch in rows if op == "update"
        ]
        if agreed:
            await tx.run(SQL["agree_to_differ"], {"batch": batch(agreed)})
        await _log(tx, clock, [_decision(g, s, f"held {op} rejected", by) for g, s, op, _patch in rows])
    return len(rows)


async def redeliver(db: Database, clock: Clock, delivery_ids: list[int] | None, by: str = "") -> int:
    """Try dead and failing deliveries again, now; None means all of them. They are judged by the gate of now."""
    async with db.transaction() as tx:
        if delivery_ids is None:
            rows = await tx.rows(SQL["redeliver_all"])
        else:
            rows = await tx.rows(SQL["redeliver_some"], {"ids": ids(delivery_ids)})
        golden_ids = sorted({golden_id for golden_id, _source, _op in rows})
        await tx.run(SQL["put_replan"], {"ids": ids(golden_ids), "backfill": False})
        await _log(tx, clock, [_decision(g, s, f"{op} tried again", by) for g, s, op in rows])
    return len(rows)


async def forget_faults(db: Database, golden_ids: list[int] | None) -> int:
    """Give parked fields another chance (the vendor's schema or rights were mended); None means everywhere."""
    async with db.transaction() as tx:
        params = {"ids": ids(golden_ids or []), "all": golden_ids is None}
        rows = await tx.rows(SQL["forget_faults"], params)
        found = sorted({golden_id for (golden_id,) in rows})
        await tx.run(SQL["put_replan"], {"ids": ids(found), "backfill": False})
    return len(rows)


class Unknown(Exception):
    """There is no such thing to decide about."""


async def decide(db: Database, setup: Setup, clock: Clock, conflict_id: int, take: str, by: str) -> Any:
    """Settle an open conflict: `kept` or `lost` names the side to take. Returns the value that stands now."""
    async with db.transaction() as tx:
        row = await tx.row(SQL["one_conflict"], {"id": conflict_id})
        if row is None:
            raise Unknown(f"there is no open conflict {conflict_id}")
        golden_id, field, kept, lost = row
        value = kept if take == "kept" else lost
        await _set_field(tx, setup, clock, golden_id, field, value, f"decided by {by or 'a person'}")
        await tx.run(SQL["close_conflict"], {"id": conflict_id, "by": by})
        return value


async def _set_field(tx: Any, setup: Setup, clock: Clock, golden_id: int, field: str, value: Any, rule: str) -> None:
    entity = await tx.row(SQL["entity_of"], {"id": golden_id})
    desk = Desk(entity[0], clock.now())
    await lay_goldens(tx, desk, [golden_id])
    golden = desk.goldens[golden_id]
    old = golden.fields.get(field)
    golden.fields[field] = value
    golden.claims[field] = Claim(PERSON, to_us(desk.now), rule)
    golden.version += 1
    desk.touch(golden)
    for link in desk.links_of[golden_id]:
        if link.agreed.pop(field, None) is not None:
            desk.changed_links.add((link.source, link.vendor_id))
    if old != value:
        desk.changes.append(_change(golden_id, {field: [old, value, rule]}))
    await save(tx, desk, {golden_id: set(desk.keys_of[golden_id])})
    await tx.run(SQL["put_replan"], {"ids": ids([golden_id]), "backfill": False})


def _decision(golden_id: int, source: int, what: str, by: str) -> Change:
    """An entry of the history for what a person decided about a record in one system."""
    rule = f"{what}, by {by or 'a person'}"
    return msgspec.structs.replace(_change(golden_id, {"*": [None, None, rule]}), source=source)


async def _log(tx: Transaction, clock: Clock, decisions: list[Change]) -> None:
    if decisions:
        await tx.run(SQL["save_changes"], {"batch": batch(decisions), "now": clock.now()})


def _change(golden_id: int, fields: dict[str, list[Any]]) -> Change:
    return Change(
        golden_id=golden_id, source=None, vendor_id=None, kind="decision", fields=fields, said_us=None, run=None
    )


class Undone(msgspec.Struct, frozen=True, kw_only=True):
    """What undoing a run did: fields put back, fields somebody changed since (left alone), created records to delete
    (held for approval), and deletions, which cannot be undone by writing."""

    restored: int
    left: int
    to_delete: int
    deleted: int


async def undo(db: Database, setup: Setup, clock: Clock, run: int) -> Undone:
    """Put back what a run changed, by compensating changes that are checked first and delivered like all others."""
    async with db.transaction() as tx:
        changes = await tx.rows(SQL["changes_of_run"], {"run": run})
        created = await tx.rows(SQL["creates_of_run"], {"run": run})
        deleted = await tx.row(SQL["deletes_of_run"], {"run": run})
        restored = left = 0
        for entity in {entity for _id, entity, _fields in changes}:
            mine = [(golden_id, fields) for golden_id, e, fields in changes if e == entity]
            back, stay = await _put_back(tx, clock, entity, mine, run)
            restored, left = restored + back, left + stay
        deletable = [row for row in created if row[1] in setup.sources and "delete" in setup.sources[row[1]].may]
        if deletable:
            lines = [{"g": g, "s": s, "v": v} for g, s, v in deletable]
            params = {"batch": batch(lines), "now": clock.now(), "reason": f"created by run {run}: delete again?"}
            await tx.run(SQL["hold_deletes"], params)
    return Undone(restored=restored, left=left, to_delete=len(deletable), deleted=deleted[0] if deleted else 0)


async def _put_back(
    tx: Any, clock: Clock, entity: str, changes: list[tuple[int, dict[str, list[Any]]]], run: int
) -> tuple[int, int]:
    """Newest first, so that a field changed twice in the run ends at what it was before."""
    desk = Desk(entity, clock.now())
    await lay_goldens(tx, desk, {golden_id for golden_id, _ in changes})
    restored = left = 0
    for golden_id, fields in changes:
        golden = desk.goldens.get(golden_id)
        if golden is None:
            left += len(fields)
            continue
        put_back: dict[str, list[Any]] = {}
        for name, (old, new, _rule) in fields.items():
            if name == "*" or golden.fields.get(name) != new:
                left += name != "*"
                continue
            golden.fields[name] = old
            golden.claims[name] = Claim(PERSON, to_us(desk.now), f"undo of run {run}")
            put_back[name] = [new, old, f"undo of run {run}"]
        if put_back:
            restored += len(put_back)
            golden.version += 1
            desk.touch(golden)
            desk.changes.append(_change(golden_id, put_back))
    await save(tx, desk, {golden_id: set(keys) for golden_id, keys in desk.keys_of.items()})
    await tx.run(SQL["put_replan"], {"ids": ids(sorted(desk.changed_goldens)), "backfill": True})
    return restored, left


async def recreate(db: Database, clock: Clock, golden_id: int, source: int, by: str = "") -> bool:
    """Create a record again in a system where it was deleted or rejected. False when it is alive there."""
    async with db.transaction() as tx:
        rows = await tx.rows(SQL["forget_gone_link"], {"id": golden_id, "source": source})
        await tx.run(SQL["revive_golden"], {"ids": ids([golden_id])})
        await tx.run(SQL["put_replan"], {"ids": ids([golden_id]), "backfill": False})
        await _log(tx, clock, [_decision(golden_id, source, "to be created again", by) for _ in rows])
    return bool(rows)


async def set_switch(db: Database, clock: Clock, name: str, value: Any, by: str) -> None:
    """Flip a switch: `kill`, `kill:CONNECTION`, `kill:CONNECTION:in` (or `:out`), `pause:CONNECTION/STREAM`.

    A false value removes it.
    """
    async with db.transaction() as tx:
        if value:
            params = {"name": name, "value": msgspec.json.encode(value).decode(), "now": clock.now(), "by": by}
            await tx.run(SQL["set_switch"], params)
        else:
            await tx.run(SQL["drop_switch"], {"name": name})


async def pause(db: Database, clock: Clock, connection: str, reason: str) -> None:
    """Stop a connection until `resume`; opt-outs still go, the rest is kept."""
    async with db.transaction() as tx:
        await tx.run(SQL["pause_connection"], {"connection": connection, "reason": reason, "now": clock.now()})


async def resume(db: Database, clock: Clock, connection: str, source_ids: list[int]) -> None:
    """Let a connection go on: after a pause, after its credentials were mended, after a stopped canary or brake."""
    async with db.transaction() as tx:
        await tx.run(SQL["resume_connection"], {"connection": connection, "now": clock.now()})
        await tx.run(SQL["lift_pauses"], {"connection": connection})
        await tx.run(SQL["restart_canary"], {"sources": source_ids, "now": clock.now()})
        for source in source_ids:
            await tx.run(SQL["release_brake"], {"source": source})


async def approve_first_sync(db: Database, clock: Clock, connections: list[str]) -> None:
    """A person has looked at the plan."""
    async with db.transaction() as tx:
        await tx.run(SQL["approve_connections"], {"connections": connections, "now": clock.now()})
