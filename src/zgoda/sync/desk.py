"""The desk: everything one batch needs, fetched in a handful of queries, and everything it decided, saved likewise.

Golden records are locked in id order when they are laid on the desk; their lock is the lane that keeps order per thing.
Nothing here decides anything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, TypeAlias

import msgspec

from zgoda.db.database import Transaction, batch, ids
from zgoda.db.named import queries
from zgoda.model.golden import Claim, Golden, Inflight, Link
from zgoda.privacy.consent import Word
from zgoda.sync.merge import Dispute

SQL = queries("sync")

Key = tuple[int, str]
"""A record at a vendor: (source id, vendor id)."""


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the inbox."""

    source: int
    vendor_id: str
    kind: str
    body: dict[str, Any]
    fingerprint: int | None
    read_us: int
    backfill: bool
    run: int | None = None
    due_us: int = 0
    tries: int = 0


Channel: TypeAlias = tuple[int, str, bool]
"""A way a golden record can be told something: source, vendor id (empty: a create), and whether it is an opt-out."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a golden record's history: field -> [old, new, rule]."""

    golden_id: int
    source: int | None
    vendor_id: str | None
    kind: str
    fields: dict[str, list[Any]]
    said_us: int | None
    run: int | None


class Desk:
    """The working set of one batch of one entity. Objects on it are this transaction's own copies of locked rows."""

    def __init__(self, entity: str, now: datetime) -> None:
        self.entity = entity
        self.now = now
        self.goldens: dict[int, Golden] = {}
        self.links: dict[Key, Link] = {}
        self.links_of: dict[int, list[Link]] = defaultdict(list)
        self.by_key: dict[str, set[int]] = defaultdict(set)
        self.keys_of: dict[int, set[str]] = defaultdict(set)
        self.known_refs: dict[Key, int] = {}
        self.open: dict[int, dict[Channel, tuple[int, str]]] = defaultdict(dict)
        self.exclusions: dict[tuple[int, int], str] = {}
        self.points: dict[str, dict[tuple[str, str], Word]] = defaultdict(dict)
        self.opted_out_keys: set[str] = set()
        self.creating: set[int] = set()
        self.fresh_ids: Iterator[int] = iter(())
        self.changed_goldens: set[int] = set()
        self.changed_links: set[Key] = set()
        self.to_plan: dict[int, bool] = {}
        self.causes: dict[int, tuple[int, int | None]] = {}
        self.changes: list[Change] = []
        self.conflicts: list[dict[str, Any]] = []
        self.deferred: list[Item] = []
        self.orphans: list[dict[str, Any]] = []
        self.suspicions: list[dict[str, Any]] = []
        self.back_again: list[dict[str, Any]] = []
        self.new_links: list[dict[str, Any]] = []
        self.tied: set[Key] = set()
        self.new_points: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.deliveries: list[dict[str, Any]] = []
        self.superseded: list[dict[str, Any]] = []
        self.excluded: list[dict[str, Any]] = []
        self.admitted: list[dict[str, Any]] = []
        self.references: list[dict[str, Any]] = []
        self.joinings: list[dict[str, Any]] = []
        self.settled: list[dict[str, Any]] = []
        self.stored: list[dict[str, Any]] = []
        self.replan: set[int] = set()
        self.again: list[dict[str, Any]] = []
        self.restore: set[int] = set()
        self.ask_before_delete: dict[int, str] = {}
        self.tripped: dict[int, str] = {}
        self.tripped_optouts: dict[int, str] = {}

    def new_golden(self) -> Golden:
        """A golden record nobody knew, with an id of its own."""
        golden = Golden(id=next(self.fresh_ids), entity=self.entity, fields={}, claims={}, is_new=True)
        self.goldens[golden.id] = golden
        self.touch(golden)
        return golden

    def tie(self, golden: Golden, key: Key) -> Link:
        """A new link of a golden record."""
        link = Link(source=key[0], vendor_id=key[1], golden_id=golden.id, base={})
        self.links[key] = link
        self.links_of[golden.id].append(link)
        self.new_links.append({"s": key[0], "i": key[1]})
        self.tied.add(key)
        self.changed_links.add(key)
        return link

    def touch(self, golden: Golden, link: Link | None = None) -> None:
        """Mark for saving."""
        self.changed_goldens.add(golden.id)
        if link is not None:
            self.touch_link(link)

    def touch_link(self, link: Link) -> None:
        """Mark for saving, where the golden record stays as it is."""
        self.changed_links.add((link.source, link.vendor_id))

    def dispute(self, golden: Golden, dispute: Dispute, run: int | None) -> None:
        self.conflicts.append(
            {
                "golden_id": golden.id,
                "field": dispute.field,
                "kept": dispute.kept,
                "kept_source": dispute.kept_by,
                "lost": dispute.lost,
                "lost_source": dispute.lost_by,
                "rule": dispute.rule,
                "state": "open" if dispute.open else "settled",
                "run": run,
            }
        )

    def set_keys(self, golden: Golden, keys: Iterable[str]) -> None:
        """Give a golden record the identifying keys it has now."""
        wanted = set(keys)
        before = self.keys_of[golden.id]
        if wanted != before:
            for key in before - wanted:
                self.by_key[key].discard(golden.id)
            for key in wanted - before:
                self.by_key[key].add(golden.id)
            self.keys_of[golden.id] = wanted


async def lay_links(tx: Transaction, desk: Desk, keys: Iterable[Key]) -> dict[Key, int]:
    """Vendor ids to golden ids, without locks."""
    asked = [{"s": source, "i": vendor_id} for source, vendor_id in dict.fromkeys(keys)]
    if not asked:
        return {}
    return {(s, i): g for s, i, g in await tx.rows(SQL["find_links"], {"batch": batch(asked)})}


async def lay_keys(tx: Transaction, desk: Desk, keys: Iterable[str]) -> set[int]:
    """Identifying keys to golden ids; remembered on the desk."""
    asked = list(dict.fromkeys(keys))
    if not asked:
        return set()
    found: set[int] = set()
    for key, golden_id in await tx.rows(SQL["find_keys"], {"entity": desk.entity, "batch": batch(asked)}):
        desk.by_key[key].add(golden_id)
        found.add(golden_id)
    return found


async def lay_goldens(tx: Transaction, desk: Desk, golden_ids: Iterable[int]) -> None:
    """Lock golden records and lay them on the desk with their links, keys, open deliveries and exclusions."""
    wanted = sorted(set(golden_ids) - desk.goldens.keys())
    if not wanted:
        return
    listed = {"ids": ids(wanted)}
    for id, entity, fields, claims, keys, flips, version, gone in await tx.rows(SQL["lock_golden"], listed):
        desk.goldens[id] = Golden(
            id=id,
            entity=entity,
            fields=fields,
            claims={name: Claim(*claim) for name, claim in claims.items()},
            flips=msgspec.convert(flips or {}, dict[str, tuple[int, int]]),
            version=version,
            gone=gone,
        )
        desk.keys_of[id].update(keys)
        for key in keys:
            desk.by_key[key].add(id)
    for row in await tx.rows(SQL["load_links_of"], listed):
        link = _link(row)
        desk.links[(link.source, link.vendor_id)] = link
        desk.links_of[link.golden_id].append(link)
    for id, source, golden_id, vendor_id, optout, state in await tx.rows(SQL["load_open_deliveries"], listed):
        desk.open[golden_id][(source, vendor_id, optout)] = (id, state)
    for source, golden_id, reason in await tx.rows(SQL["load_exclusions"], listed):
        desk.exclusions[(source, golden_id)] = reason


async def lay_lanes(tx: Transaction, desk: Desk, golden_ids: Iterable[int], source: int, *, fields: bool) -> None:
    """Lock golden records for talking to one system: with their links there and, if asked, their fields. They must not
    be saved: what else they hold is not on the desk."""
    wanted = sorted(set(golden_ids) - desk.goldens.keys())
    if not wanted:
        return
    listed = {"ids": ids(wanted), "source": source, "fields": fields}
    for id, known in await tx.rows(SQL["lock_lanes"], listed):
        desk.goldens[id] = Golden(id=id, entity=desk.entity, fields=known or {}, claims={})
    for row in await tx.rows(SQL["load_links_there"], listed):
        link = _link(row)
        desk.links[(link.source, link.vendor_id)] = link
        desk.links_of[link.golden_id].append(link)


async def lay_fresh_ids(tx: Transaction, desk: Desk, count: int) -> None:
    if count:
        desk.fresh_ids = iter([id for (id,) in await tx.rows(SQL["new_golden_ids"], {"count": count})])


async def lay_points(tx: Transaction, desk: Desk, points: Iterable[str]) -> None:
    """What was last said about addresses and numbers."""
    asked = list(dict.fromkeys(points))
    if not asked:
        return
    for channel, purpose, point, status, said_us, proof_us in await tx.rows(
        SQL["load_consent_points"], {"batch": batch(asked)}
    ):
        desk.points[point][(channel, purpose)] = Word(status=status, at_us=said_us, proof_us=proof_us)


async def save(tx: Transaction, desk: Desk, old_keys: dict[int, set[str]]) -> None:
    """Write everything the batch decided, one statement a table, nothing for nothing."""
    now = {"now": desk.now}
    goldens = [desk.goldens[id] for id in sorted(desk.changed_goldens)]
    await _each(tx, "save_golden", [_golden_row(golden, desk.keys_of[golden.id]) for golden in goldens], now)
    await _each(tx, "save_links", [_link_row(desk.links[key]) for key in sorted(desk.changed_links)])
    gained, lost = _key_rows(desk, old_keys)
    await _each(tx, "drop_keys", lost)
    await _each(tx, "save_keys", gained)
    await _each(tx, "save_joinings", desk.joinings, now)
    await _each(tx, "bury_losers", desk.joinings)
    await _each(tx, "repoint_children", desk.joinings, now)
    await _each(tx, "mark_again", desk.again)
    await _each(tx, "save_references", desk.references)
    await _each(tx, "drop_references", [row for row in desk.references if row["t"] is None])
    await _each(tx, "save_changes", desk.changes, now)
    await _each(tx, "save_conflicts", desk.conflicts, now)
    await _each(tx, "supersede_deliveries", desk.superseded, now)
    await _each(tx, "save_deliveries", desk.deliveries, now)
    await _each(tx, "save_exclusions", desk.excluded)
    await _each(tx, "drop_exclusions", desk.admitted)
    await _each(tx, "save_orphans", desk.orphans)
    await _each(tx, "save_suspicions", desk.suspicions, now)
    await _each(tx, "save_consent_points", list(desk.new_points.values()))
    await _each(tx, "cancel_gone", desk.back_again)
    await _each(tx, "put_inbox", [*desk.deferred, *desk.stored])
    await _each(tx, "release_orphans", desk.new_links)
    await _each(tx, "replan_sharers", sorted(desk.opted_out_keys))


async def _each(tx: Transaction, name: str, rows: list[Any], more: dict[str, Any] | None = None) -> None:
    if rows:
        await tx.run(SQL[name], {"batch": batch(rows), **(more or {})})


def _link(row: tuple[Any, ...]) -> Link:
    (source, vendor_id, golden_id, base, agreed, inflight, faults, fingerprint, stamp, modified_us, read_us) = row[:11]
    return Link(
        source=source,
        vendor_id=vendor_id,
        golden_id=golden_id,
        base=base,
        agreed=agreed or {},
        inflight=Inflight(**inflight) if inflight else None,
        faults=faults or {},
        fingerprint=fingerprint,
        stamp=stamp or "",
        modified_us=modified_us,
        read_us=read_us,
        excluded=row[11] or "",
        gone=row[12],
        moved_to=row[13] or "",
    )


def _link_row(link: Link) -> dict[str, Any]:
    return {
        "source": link.source,
        "vendor_id": link.vendor_id,
        "golden_id": link.golden_id,
        "base": link.base,
        "agreed": link.agreed or None,
        "inflight": link.inflight,
        "faults": link.faults or None,
        "fingerprint": link.fingerprint,
        "stamp": link.stamp or None,
        "modified_us": link.modified_us,
        "read_us": link.read_us,
        "excluded": link.excluded or None,
        "gone": link.gone,
        "moved_to": link.moved_to or None,
    }


def _golden_row(golden: Golden, keys: set[str]) -> dict[str, Any]:
    return {
        "id": golden.id,
        "entity": golden.entity,
        "fields": golden.fields,
        "claims": golden.claims,
        "keys": sorted(keys),
        "flips": golden.flips or None,
        "version": golden.version,
        "gone": golden.gone,
    }


def _key_rows(desk: Desk, old_keys: dict[int, set[str]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    gained: list[dict[str, Any]] = []
    lost: list[dict[str, Any]] = []
    for golden_id in desk.changed_goldens:
        before, after = old_keys.get(golden_id, set()), desk.keys_of[golden_id]
        gained += [{"e": desk.entity, "k": key, "g": golden_id} for key in after - before]
        lost += [{"e": desk.entity, "k": key, "g": golden_id} for key in before - after]
    return gained, lost
