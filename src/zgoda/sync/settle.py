"""What one receipt means for the record it is about: the table of outcomes."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from zgoda.kit.errors import ConnectorError, Halted, NeedsAttention, Quota, Refusal, RefusalKind, Temporary
from zgoda.kit.spec import Op, Receipt
from zgoda.model.golden import Golden, Inflight, Link
from zgoda.model.values import Values
from zgoda.sync.desk import Desk
from zgoda.sync.merge import accept_receipt
from zgoda.sync.setup import Source

MAX_TRIES: Final = 10
MAX_AGE_US: Final = 72 * 3600 * 1_000_000
HALTED_US: Final = 60 * 1_000_000


class Parcel(msgspec.Struct, kw_only=True):
    """A claimed delivery. `patch` is canonical and final, `row` the vendor's form of it.

    `refused` are fields the system would not have in an earlier attempt to create the record, `left_out` all those that
    do not go this time: field -> reason (None: it will follow when its parent exists there).
    """

    delivery_id: int
    golden_id: int
    vendor_id: str
    op: Op
    patch: Values
    prior: Values
    lane: int
    tries: int
    golden_version: int
    created_us: int
    row: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    echo: Values = msgspec.field(default_factory=dict[str, Any])
    stamp: str = ""
    refused: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    left_out: dict[str, str | None] = msgspec.field(default_factory=dict[str, str | None])


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a parcel: a receipt, an error of the whole call, or nothing at all (`lost`)."""

    parcel: Parcel
    receipt: Receipt | None = None
    error: ConnectorError | None = None
    lost: bool = False


def settle_parcel(
    desk: Desk, source: Source, outcome: Outcome, *, now_us: int, backoff_us: int, can_look: tuple[bool, bool]
) -> None:
    """Give one parcel its state, and the link and the golden record what follows from it.

    `can_look`: whether the vendor can be asked for a create we may have made, and for single records.
    """
    parcel = outcome.parcel
    golden = desk.goldens.get(parcel.golden_id)
    if golden is None:
        _done(desk, parcel, "superseded", "the record was joined with another")
    elif outcome.lost:
        _settle_lost(desk, source, parcel, golden, now_us, can_look)
    elif outcome.receipt is not None and outcome.receipt.refusal is not None:
        _settle_refusal(desk, source, parcel, golden, outcome.receipt.refusal, now_us, backoff_us)
    elif outcome.receipt is not None:
        _settle_success(desk, source, parcel, golden, outcome.receipt, now_us)
    else:
        assert outcome.error is not None
        _settle_error(desk, source, parcel, outcome.error, now_us, backoff_us)


def _settle_success(desk: Desk, source: Source, parcel: Parcel, golden: Golden, receipt: Receipt, now_us: int) -> None:
    if parcel.op == "delete":
        link = desk.links.get((source.id, parcel.vendor_id))
        if link is not None:
            link.gone, link.inflight, link.read_us = True, None, now_us
            desk.touch_link(link)
        _done(desk, parcel, "applied", None)
        return
    link = _tie(desk, source, parcel, golden, receipt, now_us)
    if link is None:
        return
    accept_receipt(link, parcel.patch, now_us)
    park(link, golden, parcel)
    # a new record holds nothing but what we sent: if it is read back like that, there is nothing to look at
    plain = parcel.op == "create" and receipt.created and not source.stream.version and not parcel.echo
    link.fingerprint = source.mapping.fingerprint_of_new(parcel.row) if plain else None
    link.stamp = receipt.version or ""
    desk.touch_link(link)
    _done(desk, parcel, "applied", None, vendor_id=link.vendor_id)
    if receipt.stored is not None:
        _read_receipt(desk, source, link, receipt.stored, now_us)


def park(link: Link, golden: Golden, parcel: Parcel) -> None:
    """Fields that could not be carried stay behind with their reasons; the others went."""
    for name, reason in parcel.left_out.items():
        if reason is not None:
            link.faults[name] = reason
            link.agreed[name] = golden.fields.get(name)


def _tie(desk: Desk, source: Source, parcel: Parcel, golden: Golden, receipt: Receipt, now_us: int) -> Link | None:
    """The link a receipt is about; after a create a new one, unless the vendor gave us somebody else's record."""
    link = desk.links.get((source.id, receipt.id or parcel.vendor_id))
    if link is None and parcel.op == "update":
        link = _rename(desk, source, parcel, receipt)
    if link is None:
        link = desk.tie(golden, (source.id, receipt.id))
        link.inflight = Inflight(patch=parcel.patch, prior={}, since_us=now_us, echo=parcel.echo)
        return link
    if link.golden_id != golden.id:
        desk.suspicions.append({"g": golden.id, "o": link.golden_id, "why": f"{source.name} holds them as one record"})
        _done(desk, parcel, "dead", "the system already has this record, tied to another golden record: review")
        return None
    return link


def _rename(desk: Desk, source: Source, parcel: Parcel, receipt: Receipt) -> Link | None:
    """Some systems give a record a new id when its address changes: the tie moves with it."""
    link = desk.links.pop((source.id, parcel.vendor_id), None)
    if link is None or not receipt.id:
        return link
    old = msgspec.structs.replace(link, gone=True, moved_to=receipt.id, inflight=None)
    desk.links[(source.id, old.vendor_id)] = old
    desk.changed_links.add((source.id, old.vendor_id))
    link.vendor_id = receipt.id
    desk.links[(source.id, receipt.id)] = link
    return link


def _read_receipt(desk: Desk, source: Source, link: Link, stored: dict[str, Any], now_us: int) -> None:
    """The answer shows what the vendor made of our write: as a rule just that, else it is looked at like any row."""
    mapped = source.mapping.read(stored)
    assert link.inflight is not None
    if not mapped.faults and not mapped.refs and _as_sent(link, mapped.values):
        link.agreed.update({name: link.inflight.patch[name] for name in link.inflight.echo})
        link.base = mapped.values
        link.inflight = None
        link.fingerprint = source.mapping.fingerprint(stored)
        return
    line = {"source": source.id, "vendor_id": link.vendor_id, "kind": "row", "body": stored}
    desk.stored.append(
        {
            **line,
            "fingerprint": source.mapping.fingerprint(stored),
            "read_us": now_us + 1,
            "backfill": True,
            "run": None,
            "due_us": 0,
            "tries": 0,
        }
    )


def _as_sent(link: Link, values: Values) -> bool:
    """Our fields as we sent them, the others as they were (or blank where we had never seen them)."""
    assert link.inflight is not None
    expected = {**link.base, **link.inflight.echo}
    return all(value == expected.get(name) for name, value in values.items()) and link.base.keys() <= values.keys()


def _settle_refusal(
    desk: Desk, source: Source, parcel: Parcel, golden: Golden, refusal: Refusal, now_us: int, backoff_us: int
) -> None:
    link = desk.links.get((source.id, parcel.vendor_id)) if parcel.vendor_id else None
    _forget(desk, link)
    reason = _words(refusal)
    match refusal.kind:
        case RefusalKind.TEMPORARY:
            _again(desk, parcel, reason, now_us, backoff_us)
        case RefusalKind.STALE:
            _done(desk, parcel, "superseded", "changed there meanwhile; read again")
            _look_again(desk, source, parcel.vendor_id, golden, now_us)
        case RefusalKind.GONE:
            if parcel.op == "delete":
                _settle_success(desk, source, parcel, golden, Receipt(key="", id=parcel.vendor_id), now_us)
                return
            _done(desk, parcel, "superseded", reason)
            _inbox(desk, source, parcel.vendor_id, "gone", {"merged_into": refusal.moved_to}, now_us)
        case RefusalKind.EXISTS if refusal.moved_to:
            _adopt(desk, source, parcel, golden, refusal, now_us)
        case RefusalKind.EXISTS | RefusalKind.REJECTED | RefusalKind.RIGHTS:
            _reject(desk, source, parcel, golden, link, refusal, now_us)


def _adopt(desk: Desk, source: Source, parcel: Parcel, golden: Golden, refusal: Refusal, now_us: int) -> None:
    """A create met a record that is there already: tie it and read it, unless it belongs to somebody else."""
    known = desk.links.get((source.id, refusal.moved_to))
    if known is None:
        desk.tie(golden, (source.id, refusal.moved_to))
        _done(desk, parcel, "superseded", "it was there already; tied and read")
        _look_again(desk, source, refusal.moved_to, golden, now_us)
        return
    _done(desk, parcel, "dead", "the system says it exists already: review")
    desk.suspicions.append({"g": golden.id, "o": known.golden_id, "why": f"{source.name} holds them as one record"})


def _reject(
    desk: Desk, source: Source, parcel: Parcel, golden: Golden, link: Link | None, refusal: Refusal, now_us: int
) -> None:
    """Fields the vendor will not have stay behind with the reason, the rest goes; if none is named it is dead."""
    reason = _words(refusal)
    named = {
        row.field
        for row in source.mapping.maps
        if row.vendor in refusal.fields or row.vendor.partition(".")[0] in refusal.fields
    } & parcel.patch.keys()
    rest = {name: value for name, value in parcel.patch.items() if name not in named}
    if parcel.op == "create" and named and rest and parcel.tries + 1 < MAX_TRIES:
        parcel.refused |= dict.fromkeys(named, reason)
        desk.settled.append(_row(parcel, "pending", reason, due_us=now_us, tries=parcel.tries + 1))
        return
    if link is None or not named or parcel.op != "update":
        _done(desk, parcel, "dead", reason)
        return
    for name in named:
        link.faults[name] = reason
        link.agreed[name] = golden.fields.get(name)
    desk.touch_link(link)
    _done(desk, parcel, "superseded" if rest else "filtered", f"{', '.join(sorted(named))}: {reason}")
    if rest:
        desk.replan.add(golden.id)


def _settle_error(
    desk: Desk, source: Source, parcel: Parcel, error: ConnectorError, now_us: int, backoff_us: int
) -> None:
    match error:
        case Temporary(executed=True):
            # left in flight: `recover` finds out what happened before anything is repeated
            desk.settled.append(_row(parcel, "inflight", str(error), due_us=now_us + backoff_us))
            return
        case Halted():
            desk.settled.append(_row(parcel, "pending", str(error), due_us=now_us + HALTED_US))
        case Quota():
            pause_us = int((error.retry_after_s or 5.0) * 1e6)
            desk.settled.append(_row(parcel, "pending", str(error), due_us=now_us + pause_us))
        case NeedsAttention():
            desk.settled.append(_row(parcel, "pending", str(error)))
        case _:
            wait_us = max(backoff_us, int((getattr(error, "retry_after_s", None) or 0) * 1e6))
            _again(desk, parcel, str(error), now_us, wait_us)
    _forget(desk, desk.links.get((source.id, parcel.vendor_id)))


def _settle_lost(
    desk: Desk, source: Source, parcel: Parcel, golden: Golden, now_us: int, can_look: tuple[bool, bool]
) -> None:
    can_find, can_read = can_look
    if parcel.op == "create" and can_find:
        _again(desk, parcel, "the answer was lost; it was not created", now_us, 0)
    elif parcel.op == "create":
        desk.settled.append(_row(parcel, "held", "the answer was lost and the system cannot be asked: create again?"))
    elif can_read:
        _done(desk, parcel, "superseded", "the answer was lost; read again")
        _look_again(desk, source, parcel.vendor_id, golden, now_us)
    else:
        _again(desk, parcel, "the answer was lost; sent again", now_us, 0)


def _again(desk: Desk, parcel: Parcel, reason: str, now_us: int, wait_us: int) -> None:
    if parcel.tries + 1 >= MAX_TRIES or now_us - parcel.created_us > MAX_AGE_US:
        _done(desk, parcel, "dead", f"given up after {parcel.tries + 1} tries: {reason}")
        return
    desk.settled.append(_row(parcel, "failing", reason, due_us=now_us + wait_us, tries=parcel.tries + 1))


def _forget(desk: Desk, link: Link | None) -> None:
    """The write did not happen: the memory of it would only mislead."""
    if link is not None and link.inflight is not None and link.inflight.done_us is None:
        link.inflight = None
        desk.touch_link(link)


def _look_again(desk: Desk, source: Source, vendor_id: str, golden: Golden, now_us: int) -> None:
    _inbox(desk, source, vendor_id, "hint", {}, now_us)
    desk.replan.add(golden.id)


def _inbox(desk: Desk, source: Source, vendor_id: str, kind: str, body: dict[str, Any], now_us: int) -> None:
    desk.stored.append(
        {
            "source": source.id,
            "vendor_id": vendor_id,
            "kind": kind,
            "body": body,
            "fingerprint": None,
            "read_us": now_us,
            "backfill": False,
            "run": None,
            "due_us": 0,
            "tries": 1,
        }
    )


def _done(desk: Desk, parcel: Parcel, state: str, reason: str | None, *, vendor_id: str = "") -> None:
    desk.settled.append(_row(parcel, state, reason, vendor_id=vendor_id))


def _row(
    parcel: Parcel, state: str, reason: str | None, *, due_us: int = 0, tries: int | None = None, vendor_id: str = ""
) -> dict[str, Any]:
    return {
        "id": parcel.delivery_id,
        "state": state,
        "reason": reason,
        "due_us": due_us,
        "tries": parcel.tries if tries is None else tries,
        "vendor_id": vendor_id or parcel.vendor_id or None,
        "refused": parcel.refused or None,
    }


def _words(refusal: Refusal) -> str:
    named = f" ({', '.join(refusal.fields)})" if refusal.fields else ""
    return f"{refusal.code or refusal.kind.value}{named}: {refusal.message}".strip(": ")
