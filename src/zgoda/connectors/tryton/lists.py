"""Mailing lists and who is on them.

A subscription belongs to an address, not to a party: the person is the live party with that e-mail address (the oldest,
if several share it).
"""

from __future__ import annotations

from typing import Any, Final

from zgoda.connectors.tryton.consent import main_address, parties_by_address, status
from zgoda.connectors.tryton.directory import MAIL, MAIL_LIST, PARTY
from zgoda.connectors.tryton.kinds import ABSENT, ANY, LOCK, STAMP, Kind, Virtual
from zgoda.connectors.tryton.options import Options
from zgoda.connectors.tryton.parties import MECHANISM_COLUMNS
from zgoda.connectors.tryton.rpc import rows
from zgoda.connectors.tryton.values import whole
from zgoda.connectors.tryton.writes import (
    Step,
    Unfit,
    carry_out,
    expected_locks,
    record_number,
    settled,
)
from zgoda.kit.convert import parse_instant
from zgoda.kit.errors import RefusalKind
from zgoda.kit.spec import Lookup, Reading, Receipt, Removed, Row, Session, Write

_COLUMNS: Final = ("email", "list_", "active", LOCK)


def _archived(record: Row, told: Options) -> Removed | None:
    stamp = record.get(STAMP)
    if record.get("active"):
        return None
    return Removed(id=str(record["id"]), at=parse_instant(stamp) if isinstance(stamp, str) else None)


async def _add_people(session: Session, pairs: list[tuple[Row, Row]], reading: Reading) -> None:
    if "person" not in reading.fields:
        return
    addresses = list(dict.fromkeys(str(record.get("email")) for record, _ in pairs))
    people = await parties_by_address(session, addresses)
    for record, row in pairs:
        found = people.get(str(record.get("email")))
        row["person"] = str(found[0]) if found else None


LISTS: Final = Kind(
    stream="lists",
    model=MAIL_LIST,
    module="marketing_email",
    virtual={"is_static": Virtual((), lambda record, told: True)},
    base=(STAMP, LOCK, "active"),
    archives=True,
    removed=_archived,
)

SUBSCRIPTIONS: Final = Kind(
    stream="subscriptions",
    model=MAIL,
    module="marketing_email",
    virtual={
        "person": Virtual(("email",), lambda record, told: ABSENT),
        "list": Virtual(("list_",), lambda record, told: str(record.get("list_")) if record.get("list_") else None),
        "status": Virtual(
            ("active", "write_date"),
            lambda record, told: status(record, active="subscribed", archived="unsubscribed"),
        ),
    },
    archives=True,
    only=lambda told: [ANY],
    enrich=_add_people,
)


async def write_subscriptions(kind: Kind, session: Session, writes: list[Write]) -> list[Receipt]:
    """Put people on lists and take them off.

    A record that is there already is used, but an opt-out is not undone by a mere create, and not deleted: it is the
    only place where Tryton remembers it.
    """
    numbers = [int(w.id) for w in writes if w.op != "create" and w.id.isascii() and w.id.isdecimal()]
    current = {str(one["id"]): one for one in await _records(session, [["id", "in", numbers]])} if numbers else {}
    addresses = await _addresses(session, writes)
    wanted = sorted({email for email in addresses.values() if email})
    there = {
        (str(one.get("email")), one.get("list_")): one for one in await _records(session, [["email", "in", wanted]])
    }
    steps: list[Step] = []
    for w in writes:
        try:
            steps.append(_create(w, addresses, there) if w.op == "create" else _change(w, current.get(w.id)))
        except Unfit as unfit:
            steps.append(settled(w, unfit))
    receipts = await carry_out(session, MAIL, steps)
    return await _archive_new(session, writes, steps, receipts)


async def find_subscriptions(session: Session, lookups: list[Lookup]) -> dict[str, str]:
    """By address and list, which are unique together."""
    asked = [Write(key=lookup.key, op="create", values=lookup.values) for lookup in lookups]
    addresses = await _addresses(session, asked)
    there = {
        (one.get("email"), one.get("list_")): str(one["id"])
        for one in await _records(session, [["email", "in", sorted(set(addresses.values()))]])
    }
    wanted = {w.key: (addresses.get(w.key), _number(w.values.get("list"))) for w in asked}
    return {key: there[pair] for key, pair in wanted.items() if pair in there}


def _create(w: Write, addresses: dict[str, str], there: dict[tuple[str, Any], Row]) -> Step:
    email, list_id = addresses.get(w.key, ""), _number(w.values.get("list"))
    if list_id is None:
        raise Unfit("bad_value", "list")
    if not email:
        raise Unfit("no_email", "person")
    held = there.get((email, list_id))
    if held is None:
        return Step(write=w, values={"email": email, "list_": list_id})
    receipt = Receipt(key=w.key, id=str(held["id"]), created=False)
    wishes_off = w.values.get("status") == "unsubscribed"
    if held.get("active") and wishes_off:
        kept = Write(key=w.key, op="update", id=str(held["id"]))
        return Step(write=kept, number=held["id"], values={"active": False})
    if not held.get("active") and not wishes_off:
        raise Unfit("opted_out", "status", kind=RefusalKind.EXISTS, moved_to=str(held["id"]))
    return Step(write=w, receipt=receipt)


def _change(w: Write, held: Row | None) -> Step:
    number = record_number(w)
    if held is None:
        if w.op == "delete":
            return Step(write=w, receipt=Receipt(key=w.key, id=w.id))
        raise Unfit("missing_record", kind=RefusalKind.GONE)
    if any(held.get(LOCK) != stamp for stamp in expected_locks(w).values()):
        raise Unfit("changed", kind=RefusalKind.STALE)
    if w.op == "delete":
        if not held.get("active"):
            raise Unfit("opt_out_kept", "status")
        return Step(write=w, number=number)
    if others := w.values.keys() - {"status"}:
        raise Unfit("unknown_field", *sorted(others))
    match w.values.get("status"):
        case "subscribed":
            return Step(write=w, number=number, values={"active": True})
        case "unsubscribed":
            return Step(write=w, number=number, values={"active": False})
        case _:
            raise Unfit("bad_value", "status")


async def _archive_new(
    session: Session, writes: list[Write], steps: list[Step], receipts: list[Receipt]
) -> list[Receipt]:
    """Archived records cannot be created: those that start as opt-outs are archived right after."""
    off = {w.key for w in writes if w.op == "create" and w.values.get("status") == "unsubscribed"}
    new = {step.write.key for step in steps if step.write.op == "create" and step.receipt is None}
    made = {one.key: one for one in receipts if one.key in off & new and one.refusal is None}
    archive = [
        Step(write=Write(key=key, op="update", id=one.id), number=int(one.id), values={"active": False})
        for key, one in made.items()
    ]
    failed = {one.key: one for one in await carry_out(session, MAIL, archive) if one.refusal is not None}
    return [failed.get(one.key, one) for one in receipts]


async def _addresses(session: Session, writes: list[Write]) -> dict[str, str]:
    """Key of a create -> the person's main address."""
    people = {w.key: _number(w.values.get("person")) for w in writes if w.op == "create"}
    numbers = sorted({number for number in people.values() if number is not None})
    if not numbers:
        return {}
    found = await rows(session, PARTY, [["id", "in", numbers]], None, MECHANISM_COLUMNS)
    address = {record["id"]: main_address(record) for record in found}
    return {key: address.get(number, "") for key, number in people.items() if number is not None}


async def _records(session: Session, domain: list[Any]) -> list[Row]:
    return await rows(session, MAIL, [*domain, ANY], None, _COLUMNS)


def _number(value: Any) -> int | None:
    try:
        return whole(value)
    except ValueError:
        return None
