"""From what was read to what holds: one transaction over a batch of inbox lines of one entity.

    take the lines -> lay the desk -> take each row or departure -> plan for every system -> save

Decisions are made by `merge`, `resolve`, `weigh` and `plan`, which are pure; this room only brings them the records.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from zgoda.db.database import Database, Transaction, ids
from zgoda.identity.match import (
    Apart,
    Candidate,
    KeyRule,
    Match,
    contact_points,
    keys_of,
    point_keys,
    resolve,
)
from zgoda.kit.convert import Unconvertible, parse_instant
from zgoda.kit.mapping import MISSING, Mapped, path_getter
from zgoda.model.clock import Clock
from zgoda.model.entities import FieldType
from zgoda.model.golden import Claim, Golden, Link, to_us
from zgoda.model.values import CONSENT_PREFIX, Values
from zgoda.privacy.consent import Word, channel_of, is_consent, weigh
from zgoda.sync.brake import weigh_brakes
from zgoda.sync.depart import depart
from zgoda.sync.desk import (
    SQL,
    Change,
    Desk,
    Item,
    Key,
    lay_fresh_ids,
    lay_goldens,
    lay_keys,
    lay_links,
    lay_points,
    save,
)
from zgoda.sync.merge import UNCHANGED, Edit, Observation, begin, merge
from zgoda.sync.propose import propose
from zgoda.sync.setup import Setup, Source

BATCH = 1000

UNREADABLE = "cannot be read: "


class Reconciled(msgspec.Struct, frozen=True, kw_only=True):
    """What a batch did; `taken` 0 means the inbox has nothing due for this entity."""

    taken: int = 0
    new: int = 0
    edits: int = 0
    conflicts: int = 0
    planned: int = 0
    waiting: int = 0


async def reconcile(db: Database, setup: Setup, clock: Clock, entity: str, *, run: int | None = None) -> Reconciled:
    """One batch of one entity. Safe to kill at any point: everything or nothing of it has happened."""
    sources = {source.id: source for source in setup.of_entity(entity)}
    async with db.transaction() as tx:
        desk = Desk(entity, clock.now())
        items = await _take(tx, sources, to_us(desk.now))
        replans = await tx.rows(SQL["replans"], {"entity": entity, "limit": BATCH})
        if not items and not replans:
            return Reconciled()
        looks = [_look(sources[item.source], item) for item in items]
        await _lay(tx, desk, setup, looks, [golden_id for golden_id, _ in replans])
        await tx.run(SQL["drop_replan"], {"ids": ids(golden_id for golden_id, _ in replans)})
        old_keys = {golden_id: set(keys) for golden_id, keys in desk.keys_of.items()}
        if "occurred_at" in setup.fields[entity]:
            looks.sort(key=lambda look: look.values.get("occurred_at") or "")
        for look in looks:
            if look.item.kind == "gone":
                depart(desk, setup, look.source, look.item)
            else:
                _take_row(desk, setup, look)
        for golden_id, backfill in replans:
            _think_over(desk, golden_id, backfill)
        await weigh_brakes(tx, desk, setup)
        planned = propose(desk, setup, run)
        await save(tx, desk, old_keys)
        return Reconciled(
            taken=len(items) + len(replans),
            new=sum(golden.is_new for golden in desk.goldens.values()),
            edits=len(desk.changes),
            conflicts=len(desk.conflicts),
            planned=planned,
            waiting=len(desk.deferred) + len(desk.orphans),
        )


class Look(msgspec.Struct, kw_only=True):
    """A row of the inbox in canonical terms. `waits_for` are parents nobody has seen."""

    item: Item
    source: Source
    values: Values
    mapped: Mapped | None = None
    keys: list[tuple[str, KeyRule]] = msgspec.field(default_factory=list[tuple[str, KeyRule]])
    modified_us: int | None = None
    waits_for: list[Key] = msgspec.field(default_factory=list[Key])


async def _take(tx: Transaction, sources: Mapping[int, Source], now_us: int) -> list[Item]:
    rows = await tx.rows(SQL["take_inbox"], {"sources": list(sources), "now_us": now_us, "limit": BATCH})
    rows.sort()
    return [
        Item(
            source=source,
            vendor_id=vendor_id,
            kind=kind,
            body=body or {},
            fingerprint=fingerprint,
            read_us=read_us,
            backfill=backfill,
            run=run,
            tries=tries,
        )
        for _seq, source, vendor_id, kind, body, fingerprint, read_us, backfill, run, tries in rows
    ]


def _look(source: Source, item: Item) -> Look:
    if item.kind == "gone":
        return Look(item=item, source=source, values={})
    mapped = source.mapping.read(item.body)
    return Look(
        item=item, source=source, values=mapped.values, mapped=mapped, modified_us=_modified_us(source, item.body)
    )


def _modified_us(source: Source, row: dict[str, Any]) -> int | None:
    if not source.stream.modified or not source.stream.trusted_stamp:
        return None
    raw = path_getter(source.stream.modified)(row)
    try:
        return None if raw is MISSING or raw is None else to_us(parse_instant(raw))
    except Unconvertible:
        return None


async def _lay(tx: Transaction, desk: Desk, setup: Setup, looks: list[Look], replans: Iterable[int]) -> None:
    """Fetch everything the batch can touch: links, parents, sharers of keys, and what is still to be told."""
    own = [(look.item.source, look.item.vendor_id) for look in looks]
    own += [key for look in looks for key in _survivor_keys(setup, look)]
    parents = [key for look in looks for key in _parent_keys(setup, look)]
    found = await lay_links(tx, desk, [*own, *parents])
    desk.known_refs = found
    for look in looks:
        _resolve_refs(desk, setup, look)
        look.keys = keys_of(setup.identity[desk.entity], look.values)
    tied = {found[key] for key in own if key in found}
    sharers = await lay_keys(tx, desk, (key for look in looks for key, _ in look.keys))
    await lay_goldens(tx, desk, {*tied, *sharers, *replans})
    await lay_fresh_ids(tx, desk, sum((look.item.source, look.item.vendor_id) not in found for look in looks))
    if desk.entity == "person":
        known = [golden.fields for golden in desk.goldens.values()]
        await lay_points(
            tx,
            desk,
            (point for values in (*(look.values for look in looks), *known) for point in contact_points(values)),
        )
    unknown = {look.source.id for look in looks if (look.item.source, look.item.vendor_id) not in found}
    if unknown:
        rows = await tx.rows(SQL["creating_now"], {"sources": list(unknown)})
        desk.creating = {source for (source,) in rows}


def _survivor_keys(setup: Setup, look: Look) -> list[Key]:
    survivor = look.item.body.get("merged_into") if look.item.kind == "gone" else None
    if not survivor:
        return []
    stream = look.item.body.get("stream") or look.source.stream.name
    target = setup.find(look.source.connection, stream)
    return [(target.id, survivor)] if target else []


def _parent_keys(setup: Setup, look: Look) -> list[Key]:
    if look.mapped is None:
        return []
    return [key for streams, id in look.mapped.refs.values() for key in _candidates(setup, look.source, streams, id)]


def _candidates(setup: Setup, source: Source, streams: tuple[str, ...], id: str) -> list[Key]:
    found = [setup.find(source.connection, stream) for stream in streams]
    return [(parent.id, id) for parent in found if parent is not None]


def _resolve_refs(desk: Desk, setup: Setup, look: Look) -> None:
    """Vendor ids of parents to golden ids; parents in streams we do not sync are simply not known."""
    if look.mapped is None:
        return
    for field, (streams, id) in look.mapped.refs.items():
        candidates = _candidates(setup, look.source, streams, id)
        golden_id = next((desk.known_refs[key] for key in candidates if key in desk.known_refs), None)
        if golden_id is not None:
            look.values[field] = golden_id
        elif candidates:
            look.waits_for.append(candidates[0])


def _take_row(desk: Desk, setup: Setup, look: Look) -> None:
    """One row: find or make its golden record, merge, and note what follows."""
    key = (look.item.source, look.item.vendor_id)
    if look.waits_for:
        _wait(desk, look)
        if _needs_parent(setup, look):
            return
    link = desk.links.get(key)
    if link is None:
        link = _tie(desk, setup, look, key)
        if link is None:
            return
    elif link.gone:
        _return(desk, look, link)
    _merge_row(desk, setup, look, link)


def _wait(desk: Desk, look: Look) -> None:
    for parent_source, parent_id in look.waits_for:
        desk.orphans.append(
            {
                "parent_source": parent_source,
                "parent_id": parent_id,
                "source": look.item.source,
                "vendor_id": look.item.vendor_id,
                "body": look.item.body,
                "read_us": look.item.read_us,
                "backfill": look.item.backfill,
            }
        )


def _needs_parent(setup: Setup, look: Look) -> bool:
    """Whether a missing parent is part of what the record is (a membership without its list), not just a detail."""
    assert look.mapped is not None
    identifying = {field for rule in setup.identity[look.source.entity.name].keys for field, _ in rule.parts}
    return any(field in identifying and field not in look.values for field in look.mapped.refs)


def _tie(desk: Desk, setup: Setup, look: Look, key: Key) -> Link | None:
    """The link of a record nobody has seen: to the golden record it belongs to, or to a new one."""
    rules = setup.identity[desk.entity]
    admitted = look.source.admits is None or look.source.admits(look.values)
    resolution = resolve(rules, look.values, look.keys, lambda k: _sharers(desk, look.source, k))
    if isinstance(resolution, Match):
        golden = desk.goldens[resolution.golden_id]
        link = desk.tie(golden, key)
        if not admitted:
            link.excluded = "outside the filter"
        return link
    if look.source.id in desk.creating and look.item.tries < 30:
        desk.deferred.append(_later(look.item, desk))
        return None
    golden = desk.new_golden()
    link = desk.tie(golden, key)
    if isinstance(resolution, Apart):
        _suspect(desk, golden, link, resolution)
    if not admitted:
        link.excluded = "outside the filter"
    return link


def _sharers(desk: Desk, source: Source, key: str) -> list[Candidate]:
    return [
        Candidate(
            golden_id=golden_id,
            fields=desk.goldens[golden_id].fields,
            linked_here=any(
                link.source == source.id and not link.gone and not link.excluded for link in desk.links_of[golden_id]
            ),
        )
        for golden_id in sorted(desk.by_key.get(key, ()))
        if golden_id in desk.goldens and not _is_duplicate(desk, golden_id)
    ]


def _is_duplicate(desk: Desk, golden_id: int) -> bool:
    links = desk.links_of[golden_id]
    return bool(links) and all(link.excluded.startswith("duplicate") for link in links)


def _suspect(desk: Desk, golden: Golden, link: Link, apart: Apart) -> None:
    if apart.duplicate:
        link.excluded = f"duplicate: {apart.reason}"
    for other in apart.others:
        desk.suspicions.append({"g": golden.id, "o": other, "why": apart.reason})


def _later(item: Item, desk: Desk) -> Item:
    """Look again in a second: one of our own creates may be about to explain this record."""
    return msgspec.structs.replace(item, tries=item.tries + 1, due_us=to_us(desk.now) + 1_000_000)


def _return(desk: Desk, look: Look, link: Link) -> None:
    """A record that was gone is there again: its pending deletion is off, everywhere."""
    if look.item.read_us < link.read_us:
        return
    link.gone = False
    golden = desk.goldens[link.golden_id]
    golden.gone = False
    desk.touch(golden, link)


def _merge_row(desk: Desk, setup: Setup, look: Look, link: Link) -> None:
    golden = desk.goldens[link.golden_id]
    first = golden.is_new and not golden.claims
    values = _admitted_values(look, link)
    seen = Observation(
        values=values, read_us=look.item.read_us, modified_us=look.modified_us, proofs=_proofs(look.mapped)
    )
    fields_before = dict(golden.fields)
    if first:
        begin(golden, link, seen)
        merged = UNCHANGED
    else:
        merged = merge(golden, link, seen, setup.rules_for(look.source), lambda field: _peers(desk, setup, link, field))
    if merged.stale:
        return
    _note_faults(look, link)
    link.fingerprint = look.item.fingerprint if link.inflight is None else None
    link.stamp = _lock_of(look)
    desk.changed_links.add((link.source, link.vendor_id))
    desk.back_again.append({"s": link.source, "i": link.vendor_id, "read_us": look.item.read_us})
    edits = [*merged.edits, *_weigh_points(desk, golden)]
    for dispute in merged.disputes:
        desk.dispute(golden, dispute, look.item.run)
    if first or edits or golden.fields != fields_before:
        _note_change(desk, setup, look, golden, edits, first=first)
    # also without an edit: the system may have said something that has to be put right there
    live = bool(first or edits) and not look.item.backfill
    desk.to_plan[golden.id] = desk.to_plan.get(golden.id, True) and not live
    desk.causes.setdefault(golden.id, (look.source.id, look.item.run))


def _lock_of(look: Look) -> str:
    """What to send back for optimistic locking; empty where the vendor has none."""
    path = look.source.stream.version
    raw = path_getter(path)(look.item.body) if path else None
    return raw if isinstance(raw, str) else ""


def _admitted_values(look: Look, link: Link) -> Values:
    """All values, or only consent when the record is outside the filter (consent knows no filters)."""
    source = look.source
    if source.admits is not None:
        inside = source.admits(look.values)
        if inside and link.excluded == "outside the filter":
            link.excluded = ""
        elif not inside and not link.excluded:
            link.excluded = "outside the filter"
    if link.excluded == "outside the filter":
        return {name: value for name, value in look.values.items() if is_consent(name)}
    return look.values


def _proofs(mapped: Mapped | None) -> dict[str, int]:
    proofs: dict[str, int] = {}
    for name, stamp in (mapped.evidence if mapped else {}).items():
        try:
            proofs[name] = to_us(parse_instant(stamp))
        except Unconvertible:
            continue
    return proofs


def _peers(desk: Desk, setup: Setup, own: Link, field: str) -> dict[str, Any]:
    return {
        setup.sources[link.source].connection: link.base[field]
        for link in desk.links_of[own.golden_id]
        if link is not own and not link.gone and not link.excluded and field in link.base
    }


def _note_faults(look: Look, link: Link) -> None:
    if look.mapped is None:
        return
    kept = {name: why for name, why in link.faults.items() if not why.startswith(UNREADABLE)}
    kept.update({fault.field: UNREADABLE + fault.reason for fault in look.mapped.faults})
    link.faults = kept


def _note_change(desk: Desk, setup: Setup, look: Look, golden: Golden, edits: list[Edit], *, first: bool) -> None:
    if not first:
        golden.version += 1
    desk.touch(golden)
    if first or any(edit.field in setup.key_fields[desk.entity] for edit in edits):
        whole = first and golden.fields.keys() == look.values.keys()
        identifying = [key for key, _ in look.keys] if whole else None
        desk.set_keys(golden, setup.keys_for(desk.entity, golden.fields, identifying))
    for name, field in look.source.entity.fields.items():
        if field.type is FieldType.REF and (first or any(edit.field == name for edit in edits)):
            refers_to = golden.fields.get(name)
            if refers_to is not None or not first:
                desk.references.append({"g": golden.id, "f": name, "t": refers_to})
    if desk.entity == "person":
        _remember_points(desk, golden)
    if not first and not edits:
        return
    tied_now = (look.item.source, look.item.vendor_id) in desk.tied
    desk.changes.append(
        Change(
            golden_id=golden.id,
            source=look.source.id,
            vendor_id=look.item.vendor_id,
            kind="new" if first else "tie" if tied_now else "edit",
            fields={edit.field: [edit.old, edit.new, edit.rule] for edit in edits},
            said_us=look.modified_us,
            run=look.item.run,
        )
    )


def _think_over(desk: Desk, golden_id: int, backfill: bool) -> None:
    """A golden record whose deliveries are planned anew; an opt-out of its address may have come meanwhile."""
    golden = desk.goldens.get(golden_id)
    if golden is None:
        return
    desk.to_plan.setdefault(golden_id, backfill)
    edits = _weigh_points(desk, golden)
    if not edits:
        return
    golden.version += 1
    desk.touch(golden)
    desk.changes.append(
        Change(
            golden_id=golden_id,
            source=None,
            vendor_id=None,
            kind="edit",
            fields={edit.field: [edit.old, edit.new, edit.rule] for edit in edits},
            said_us=None,
            run=None,
        )
    )


def _weigh_points(desk: Desk, golden: Golden) -> list[Edit]:
    """An address that was opted out stays out, whoever has it now: newcomers and duplicates included."""
    if not desk.points:
        return []
    edits: list[Edit] = []
    words = [item for point in contact_points(golden.fields) for item in desk.points.get(point, {}).items()]
    for (channel, purpose), word in words:
        if word.status != "withdrawn":
            continue
        name = f"{CONSENT_PREFIX}{channel}:{purpose}"
        claim = golden.claim(name)
        held = Word(status=golden.fields.get(name), at_us=claim.at_us, proof_us=claim.proof_us)
        weighed = weigh(held, word)
        if weighed.status != held.status:
            edits.append(Edit(field=name, old=held.status, new=weighed.status, rule="this address is opted out"))
            golden.fields[name] = weighed.status
            golden.claims[name] = Claim(0, word.at_us, "this address is opted out", word.proof_us)
    return edits


def _remember_points(desk: Desk, golden: Golden) -> None:
    """Keep what was said about a person also by contact point; whoever shares an opted-out one is thought over."""
    said = [(name, golden.fields[name]) for name in golden.fields if is_consent(name)]
    for name, status in said:
        if status not in ("granted", "withdrawn"):
            continue
        channel, purpose = channel_of(name)
        claim = golden.claim(name)
        for point in contact_points(golden.fields):
            if ("@" in point) != (channel == "email"):
                continue
            known = desk.points[point].get((channel, purpose))
            if status == "granted" and (known is None or known.status == "granted"):
                continue
            if status == "withdrawn" and (known is None or known.status != "withdrawn"):
                desk.opted_out_keys.update(point_keys(point))
            desk.points[point][(channel, purpose)] = Word(status=status, at_us=claim.at_us, proof_us=claim.proof_us)
            desk.new_points[(channel, purpose, point)] = {
                "channel": channel,
                "purpose": purpose,
                "point": point,
                "status": status,
                "said_us": claim.at_us,
                "proof_us": claim.proof_us,
                "source": claim.source,
            }
