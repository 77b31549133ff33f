"""The one way out: claim what is due, remember the intent, call, and settle each receipt.

    recover what a crash or a lost answer left open -> claim (intent saved) -> connector.write -> settle

All writes to vendors pass `claim`, which asks the gate. No network call happens inside a transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Container
from typing import Any

import msgspec

from zgoda.db.database import Database, Transaction, batch, ids
from zgoda.kit.connection import Connection
from zgoda.kit.errors import ConnectorError, NeedsAttention, Quota, Temporary
from zgoda.kit.pace import Lane
from zgoda.kit.spec import Lookup, Receipt, Write
from zgoda.model.clock import Chance, Clock
from zgoda.model.entities import FieldType
from zgoda.model.golden import Link, to_us
from zgoda.model.values import Values
from zgoda.privacy.gate import Denied, Permission, kill_switches, verdict
from zgoda.sync.brake import allowance
from zgoda.sync.desk import SQL, Desk, lay_lanes, lay_links, save
from zgoda.sync.lost_fields import lose, lost_in
from zgoda.sync.merge import expect_write
from zgoda.sync.plan import is_optout
from zgoda.sync.settle import Outcome, Parcel, park, settle_parcel
from zgoda.sync.setup import Setup, Source


class Delivered(msgspec.Struct, frozen=True, kw_only=True):
    """What one round did. `claimed` 0 means nothing was due (or the gate let nothing pass); `recovered` are writes with
    a lost answer that were looked into."""

    claimed: int = 0
    recovered: int = 0
    applied: int = 0
    refused: int = 0
    postponed: int = 0
    attention: NeedsAttention | None = None
    retry_after_s: float | None = None


async def deliver(
    db: Database,
    setup: Setup,
    clock: Clock,
    chance: Chance,
    connection: Connection,
    source: Source,
    *,
    limit: int,
    lanes: Lane,
    under_way: set[int],
) -> Delivered:
    """One round for one stream, at most `limit` records: consent and live edits, or the backfill.

    The caller holds the connection's lease. `under_way` is shared by the rounds of one process.
    """
    recovered = await recover(db, setup, clock, connection, source, under_way)
    parcels, denied = await _claim(db, setup, clock, source, limit, lanes, under_way)
    if not parcels:
        return Delivered(recovered=recovered, postponed=denied)
    try:
        outcomes = await _send(connection, source, parcels)
        delivered = await _settle(db, setup, clock, chance, source, outcomes, denied)
        if delivered.attention is not None and (lost := lost_in(delivered.attention, source)):
            await lose(db, clock, source, lost, str(delivered.attention))
            return msgspec.structs.replace(delivered, attention=None)
        return delivered
    finally:
        under_way.difference_update(parcel.delivery_id for parcel in parcels)


async def recover(
    db: Database, setup: Setup, clock: Clock, connection: Connection, source: Source, under_way: set[int]
) -> int:
    """Writes whose outcome nobody knows: creates are looked up before they are repeated, changes are read again."""
    async with db.transaction() as tx:
        rows = await tx.rows(SQL["lost_deliveries"], {"source": source.id})
        # asked while the rows are locked: a round beside us settles its own before it lets go of them
        parcels = [_parcel(row) for row in rows if row[0] not in under_way]
    if not parcels:
        return 0
    creates = [parcel for parcel in parcels if parcel.op == "create"]
    async with db.transaction() as tx:
        vendor_ids = await _parents(tx, setup, source, creates)
    found = await _look_up(connection, source, creates, vendor_ids)
    outcomes = [
        Outcome(parcel=parcel, receipt=Receipt(key=str(parcel.delivery_id), id=found[str(parcel.delivery_id)]))
        if str(parcel.delivery_id) in found
        else Outcome(parcel=parcel, lost=True)
        for parcel in parcels
    ]
    can_look = source.stream.find is not None, source.stream.read_ids is not None
    async with db.transaction() as tx:
        desk = await _lay(tx, setup, clock, source, outcomes)
        for outcome in outcomes:
            settle_parcel(desk, source, outcome, now_us=to_us(desk.now), backoff_us=0, can_look=can_look)
        await _save(tx, desk)
    return len(parcels)


async def _look_up(
    connection: Connection, source: Source, creates: list[Parcel], vendor_ids: dict[tuple[int, str], str]
) -> dict[str, str]:
    find = connection.streams[source.stream.name].find
    if find is None or not creates:
        return {}
    lookups: list[Lookup] = []
    for parcel in creates:
        outgoing, _ = _with_vendor_ids(source, parcel.patch, vendor_ids)
        parcel.row, _ = source.mapping.write(outgoing, creating=True)
        parcel.echo = source.mapping.echo(parcel.row, parcel.patch)
        lookups.append(Lookup(key=str(parcel.delivery_id), values=parcel.row))
    return await find(connection.in_lane(Lane.LIVE), lookups)


async def _claim(
    db: Database, setup: Setup, clock: Clock, source: Source, limit: int, lanes: Lane, under_way: set[int]
) -> tuple[list[Parcel], int]:
    """Law 1: in one transaction, take what is due, check it at the gate, and save what we are about to write."""
    async with db.transaction() as tx:
        desk = Desk(source.entity.name, clock.now())
        now_us = to_us(desk.now)
        standing = await _standing(tx, source)
        limit, lanes = await _canary(tx, setup, source, standing.canary, limit, lanes)
        least = Lane.BACKFILL if lanes is Lane.BACKFILL else Lane.CONSENT
        due: dict[str, Any] = {"source": source.id, "now_us": now_us, "limit": limit, "creates": standing.creates}
        due |= {"least": int(least), "most": int(lanes)}
        first: dict[int, int] = {}
        for delivery_id, golden_id in await tx.rows(SQL["due_deliveries"], due):
            first.setdefault(golden_id, delivery_id)
        if not first:
            return [], 0
        await lay_lanes(tx, desk, first, source.id, fields=True)
        rows = await tx.rows(SQL["claim_deliveries"], {"ids": ids(first.values()), "now": desk.now})
        parcels = sorted(map(_parcel, rows), key=lambda parcel: (parcel.lane, parcel.delivery_id))
        vendor_ids = await _parents(tx, setup, source, parcels)
        sent: list[Parcel] = []
        marks: list[dict[str, Any]] = []
        for parcel in parcels:
            mark = _prepare(desk, source, parcel, vendor_ids, standing, now_us)
            if mark["state"] == "inflight":
                sent.append(parcel)
            if mark["state"] != "inflight" or mark["left_out"]:
                marks.append(mark)
        if marks:
            await tx.run(SQL["mark_deliveries"], {"batch": batch(marks), "now": desk.now})
        await save(tx, desk, {})
        under_way.update(parcel.delivery_id for parcel in sent)
    return sent, len(parcels) - len(sent)


class _Standing(msgspec.Struct, frozen=True):
    """What holds for a stream at the moment of claiming. `lost` are the canonical fields it has no place for now;
    `creates`: whether all its records are known, so that one we do not know is not there."""

    permission: Permission
    canary: str
    lost: dict[str, str]
    creates: bool


async def _standing(tx: Transaction, source: Source) -> _Standing:
    row = await tx.row(SQL["standing_of_source"], {"source": source.id})
    assert row is not None, f"{source.name} is not registered"
    status, approved, switches, canary, lost, was_read = row
    permission = Permission(
        connection=source.connection,
        killed=any(switches.get(name) for name in kill_switches(source.connection, "out")),
        approved=approved,
        paused=status != "active" or bool(switches.get(f"pause:{source.name}")),
    )
    gone = {m.field: f"{m.vendor} is gone there or hidden from us" for m in source.mapping.maps if m.vendor in lost}
    return _Standing(permission, canary, gone, creates=was_read or source.stream.read_all is None)


async def _canary(
    tx: Transaction, setup: Setup, source: Source, stage: str, limit: int, lanes: Lane
) -> tuple[int, Lane]:
    """How many records may go while the canary looks; only consent when it has stopped."""
    if stage == "all":
        return limit, lanes
    canary = await tx.row(SQL["load_canary"], {"source": source.id})
    assert canary is not None
    stage, _since, done, failed, waiting, on_the_way = canary
    allowed, next_stage, _why = allowance(stage, done, failed, waiting + on_the_way, setup.brakes)
    if next_stage != stage:
        await tx.run(SQL["save_canary"], {"source": source.id, "stage": next_stage})
    return (limit, Lane.CONSENT) if next_stage == "stopped" else (min(limit, max(allowed - on_the_way, 0)), lanes)


def _parcel(row: tuple[Any, ...]) -> Parcel:
    id, golden_id, vendor_id, op, patch, prior, lane, tries, version, created_us, refused, left_out = row
    return Parcel(
        delivery_id=id,
        golden_id=golden_id,
        vendor_id=vendor_id or "",
        op=op,
        patch=patch,
        prior=prior,
        lane=lane,
        tries=tries,
        golden_version=version,
        created_us=created_us,
        refused=refused or {},
        left_out=left_out or {},
    )


async def _parents(tx: Transaction, setup: Setup, source: Source, parcels: list[Parcel]) -> dict[tuple[int, str], str]:
    """Golden ids in reference fields to the vendor's ids: (golden id, stream) -> vendor id."""
    refs = {name for name, field in source.entity.fields.items() if field.type is FieldType.REF}
    wanted = {parcel.patch[name] for parcel in parcels for name in refs & parcel.patch.keys()} - {None}
    if not wanted:
        return {}
    siblings = {peer.id: peer.stream.name for peer in setup.of_connection(source.connection)}
    rows = await tx.rows(SQL["vendor_ids_of"], {"ids": ids(sorted(wanted)), "sources": list(siblings)})
    return {(golden_id, siblings[parent]): vendor_id for golden_id, parent, vendor_id in rows}


def _prepare(
    desk: Desk,
    source: Source,
    parcel: Parcel,
    vendor_ids: dict[tuple[int, str], str],
    standing: _Standing,
    now_us: int,
) -> dict[str, Any]:
    """The vendor's row for a parcel, with the intent noted on the link; or why it does not go now."""
    golden = desk.goldens.get(parcel.golden_id)
    link = _link_of(desk, source, parcel)
    if golden is None or (parcel.op != "create" and link is None):
        return _mark(parcel, "superseded", "the record is not tied there any more")
    judged = verdict(standing.permission, parcel.op, parcel.patch, golden.fields)
    if isinstance(judged, Denied):
        return _mark(parcel, "pending" if judged.wait else "filtered", judged.reason, due_us=now_us + 5_000_000)
    outgoing, missing = _with_vendor_ids(
        source, _without(parcel.patch, {**parcel.refused, **standing.lost}), vendor_ids
    )
    if missing & _identifying(source):
        return _mark(parcel, "pending", "waits for its parent to exist there", due_us=now_us + 1_000_000)
    parcel.row, faults = source.mapping.write(outgoing, creating=parcel.op == "create")
    unable = {
        fault.field: fault.reason + (f" (missing there: {fault.option})" if fault.option else "") for fault in faults
    }
    lost = {name: reason for name, reason in standing.lost.items() if name in parcel.patch}
    parcel.left_out = {**dict.fromkeys(missing), **parcel.refused, **lost, **unable}
    silenced = [name for name in parcel.left_out if is_optout(name, golden.fields.get(name))]
    if parcel.op == "create" and silenced:
        return _mark(parcel, "dead", f"not created: the opt-out ({', '.join(silenced)}) cannot be told there")
    parcel.patch = _without(parcel.patch, parcel.left_out)
    parcel.echo = source.mapping.echo(parcel.row, parcel.patch)
    if link is not None:
        parcel.stamp = link.stamp
        park(link, golden, parcel)
        desk.touch_link(link)
        if parcel.op == "update":
            if not parcel.patch:
                return _mark(parcel, "filtered", "no field could be carried over")
            expect_write(link, parcel.patch, parcel.echo, now_us)
    return _mark(parcel, "inflight", None)


def _link_of(desk: Desk, source: Source, parcel: Parcel) -> Link | None:
    if parcel.vendor_id:
        return desk.links.get((source.id, parcel.vendor_id))
    return None


def _with_vendor_ids(source: Source, patch: Values, vendor_ids: dict[tuple[int, str], str]) -> tuple[Values, set[str]]:
    """The patch with references as the vendor's ids; references nobody has there yet are left out."""
    outgoing: Values = {}
    missing: set[str] = set()
    for name, value in patch.items():
        row = source.mapping.by_field[name]
        if not row.refers_to or value is None:
            outgoing[name] = value
            continue
        found = next((vendor_ids[key] for s in row.refers_to if (key := (value, s)) in vendor_ids), None)
        if found is None:
            missing.add(name)
        else:
            outgoing[name] = found
    return outgoing, missing


def _identifying(source: Source) -> set[str]:
    if source.entity.name in ("membership", "campaign_member", "employment"):
        return {name for name, field in source.entity.fields.items() if field.type is FieldType.REF}
    if source.entity.name == "interaction":
        return {"person"}
    return set()


def _without(patch: Values, left_out: Container[str]) -> Values:
    return {name: value for name, value in patch.items() if name not in left_out}


def _mark(parcel: Parcel, state: str, reason: str | None, *, due_us: int = 0) -> dict[str, Any]:
    return {
        "id": parcel.delivery_id,
        "state": state,
        "reason": reason,
        "left_out": parcel.left_out or None,
        "due_us": due_us,
    }


async def _send(connection: Connection, source: Source, parcels: list[Parcel]) -> list[Outcome]:
    """The calls, in chunks the vendor takes, side by side as far as its limits allow."""
    size = max(1, source.stream.batch)
    # what has failed twice goes alone: one poisonous record must not take its neighbours along
    suspects = [[parcel] for parcel in parcels if parcel.tries >= 2]
    others = [parcel for parcel in parcels if parcel.tries < 2]
    chunks = [others[start : start + size] for start in range(0, len(others), size)] + suspects
    answered = await asyncio.gather(*(_send_chunk(connection, source, chunk) for chunk in chunks))
    return [outcome for outcomes in answered for outcome in outcomes]


async def _send_chunk(connection: Connection, source: Source, chunk: list[Parcel]) -> list[Outcome]:
    write = connection.streams[source.stream.name].write
    assert write is not None, f"{source.name} cannot be written but was planned for"
    lane = Lane(min(parcel.lane for parcel in chunk))
    by_key = {str(parcel.delivery_id): parcel for parcel in chunk}
    writes = [
        Write(key=key, op=parcel.op, id=parcel.vendor_id, values=parcel.row, expected=parcel.stamp)
        for key, parcel in by_key.items()
    ]
    try:
        receipts = await write(connection.in_lane(lane), writes)
    except ConnectorError as error:
        return [Outcome(parcel=parcel, error=error) for parcel in chunk]
    outcomes = [
        Outcome(parcel=by_key.pop(receipt.key), receipt=receipt) for receipt in receipts if receipt.key in by_key
    ]
    # a connector that forgot a record did not say it was not written
    unanswered = Temporary("the answer did not mention this record", executed=True)
    return outcomes + [Outcome(parcel=parcel, error=unanswered) for parcel in by_key.values()]


async def _settle(
    db: Database, setup: Setup, clock: Clock, chance: Chance, source: Source, outcomes: list[Outcome], denied: int
) -> Delivered:
    """Laws 2 and 3: receipts advance the bases; every record ends in exactly one state, in one transaction."""
    async with db.transaction() as tx:
        desk = await _lay(tx, setup, clock, source, outcomes)
        for outcome in outcomes:
            backoff_us = int(backoff_s(outcome.parcel.tries, chance) * 1e6)
            settle_parcel(desk, source, outcome, now_us=to_us(desk.now), backoff_us=backoff_us, can_look=(True, True))
        await _save(tx, desk)
    errors = [outcome.error for outcome in outcomes if outcome.error is not None]
    waits = [error.retry_after_s for error in errors if isinstance(error, Quota | Temporary) and error.retry_after_s]
    applied = sum(outcome.receipt is not None and outcome.receipt.refusal is None for outcome in outcomes)
    return Delivered(
        claimed=len(outcomes),
        applied=applied,
        refused=len(outcomes) - applied - len(errors),
        postponed=denied + len(errors),
        attention=next((error for error in errors if isinstance(error, NeedsAttention)), None),
        retry_after_s=max(waits, default=None),
    )


def backoff_s(tries: int, chance: Chance) -> float:
    """Full jitter over a doubling ceiling: 2 s, 4 s, … 15 min."""
    return chance.fraction() * min(900.0, 2.0 * 2.0 ** min(tries, 10))


async def _lay(tx: Transaction, setup: Setup, clock: Clock, source: Source, outcomes: list[Outcome]) -> Desk:
    desk = Desk(source.entity.name, clock.now())
    receipts = [outcome.receipt for outcome in outcomes if outcome.receipt is not None]
    asked = {outcome.parcel.vendor_id for outcome in outcomes}
    named = [receipt.id for receipt in receipts if receipt.id and receipt.id not in asked]
    named += [receipt.refusal.moved_to for receipt in receipts if receipt.refusal and receipt.refusal.moved_to]
    strangers = await lay_links(tx, desk, [(source.id, vendor_id) for vendor_id in named])
    golden_ids = {*(outcome.parcel.golden_id for outcome in outcomes), *strangers.values()}
    smooth = all(
        outcome.receipt and not outcome.receipt.refusal and not outcome.parcel.left_out for outcome in outcomes
    )
    await lay_lanes(tx, desk, golden_ids, source.id, fields=not smooth)
    return desk


async def _save(tx: Transaction, desk: Desk) -> None:
    settled = await tx.rows(SQL["settle_deliveries"], {"batch": batch(desk.settled), "now": desk.now})
    await save(tx, desk, {})
    wanted = {*(golden_id for golden_id, again in settled if again), *desk.replan}
    if wanted:
        await tx.run(SQL["put_replan"], {"ids": ids(sorted(wanted)), "backfill": False})
    parents = {desk.links[(row["s"], row["i"])].golden_id for row in desk.new_links}
    if parents:
        await tx.run(SQL["replan_children"], {"ids": ids(sorted(parents))})
