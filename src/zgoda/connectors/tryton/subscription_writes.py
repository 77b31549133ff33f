"""Writing subscriptions: who is put on a mailing list, taken off it, or opts out of it."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from zgoda.connectors.tryton.consent import main_address, withdrawn
from zgoda.connectors.tryton.directory import MAIL, PARTY
from zgoda.connectors.tryton.kinds import ANY, LOCK, Kind
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
from zgoda.kit.errors import RefusalKind
from zgoda.kit.spec import Lookup, Receipt, Row, Session, Write

_COLUMNS: Final = ("email", "list_", "active", LOCK)


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What a batch has to know: the address each write is about (by its key, where it names a person), the records by
    address and list, and the addresses whose people have withdrawn."""

    addresses: dict[str, str]
    there: dict[tuple[str, Any], Row]
    withdrawn: set[str]


async def write(kind: Kind, session: Session, writes: list[Write]) -> list[Receipt]:
    """Put people on lists and take them off.

    A record that is there already is used, but an opt-out is not undone by a mere create, and not deleted. Who has
    withdrawn from all e-mail marketing is not put on a list (again), as Tryton would mail them: a new record is
    archived at once. A record that gets another person (after a merge) gets that person's address; if the person is on
    the list already, it is taken off.
    """
    numbers = [int(w.id) for w in writes if w.op != "create" and w.id.isascii() and w.id.isdecimal()]
    current = {str(one["id"]): one for one in await _records(session, [["id", "in", numbers]])} if numbers else {}
    known = await _known(session, writes, [str(one.get("email")) for one in current.values()])
    steps: list[Step] = []
    for w in writes:
        try:
            steps.append(_create(w, known) if w.op == "create" else _change(w, current.get(w.id), known))
        except Unfit as unfit:
            steps.append(settled(w, unfit))
    receipts = await carry_out(session, MAIL, steps)
    off = {w.key for w in writes if w.values.get("status") == "unsubscribed"}
    off |= {key for key, email in known.addresses.items() if email in known.withdrawn}
    return await _archive_new(session, off, steps, receipts)


async def find(session: Session, lookups: list[Lookup]) -> dict[str, str]:
    """By address and list, which are unique together."""
    asked = [Write(key=lookup.key, op="create", values=lookup.values) for lookup in lookups]
    addresses = await _addresses(session, asked)
    there = {
        (one.get("email"), one.get("list_")): str(one["id"])
        for one in await _records(session, [["email", "in", sorted(set(addresses.values()))]])
    }
    wanted = {w.key: (addresses.get(w.key), _number(w.values.get("list"))) for w in asked}
    return {key: there[pair] for key, pair in wanted.items() if pair in there}


async def _known(session: Session, writes: list[Write], held: list[str]) -> Known:
    addresses = await _addresses(session, writes)
    wanted = sorted({email for email in addresses.values() if email})
    records = await _records(session, [["email", "in", wanted]]) if wanted else []
    return Known(
        addresses=addresses,
        there={(str(one.get("email")), one.get("list_")): one for one in records},
        withdrawn=await withdrawn(session, sorted({*wanted, *held})),
    )


def _create(w: Write, known: Known) -> Step:
    email, list_id = known.addresses.get(w.key, ""), _number(w.values.get("list"))
    if list_id is None:
        raise Unfit("bad_value", "list")
    if not email:
        raise Unfit("no_email", "person")
    held = known.there.get((email, list_id))
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


def _change(w: Write, held: Row | None, known: Known) -> Step:
    number = record_number(w)
    if held is None:
        if w.op == "delete":
            return Step(write=w, receipt=Receipt(key=w.key, id=w.id))
        raise Unfit("missing_record", kind=RefusalKind.GONE)
    if any(held.get(LOCK) != stamp for stamp in expected_locks(w).values()):
        raise Unfit("changed", kind=RefusalKind.STALE)
    if w.op == "delete":
        return _off(w, number, held)
    if others := w.values.keys() - {"status", "person"}:
        raise Unfit("unknown_field", *sorted(others))
    values: Row = {"active": _wishes_on(w, held, known)} if "status" in w.values else {}
    email = known.addresses.get(w.key, "") if "person" in w.values else held.get("email")
    if not email:
        raise Unfit("no_email", "person")
    if email == held.get("email"):
        return Step(write=w, number=number, values=values)
    if (email, held.get("list_")) in known.there:
        return _off(w, number, held)
    return Step(write=w, number=number, values=values | {"email": email} | _silenced(email, known))


def _off(w: Write, number: int, held: Row) -> Step:
    """Taken off the list; an opt-out stays, as it is the only place where Tryton remembers it."""
    if not held.get("active"):
        return Step(write=w, receipt=Receipt(key=w.key, id=w.id))
    return Step(write=Write(key=w.key, op="delete", id=w.id, expected=w.expected), number=number)


def _wishes_on(w: Write, held: Row, known: Known) -> bool:
    match w.values.get("status"):
        case "subscribed" if held.get("email") in known.withdrawn and not held.get("active"):
            raise Unfit("withdrawn", "status")
        case "subscribed":
            return True
        case "unsubscribed":
            return False
        case _:
            raise Unfit("bad_value", "status")


def _silenced(email: str, known: Known) -> Row:
    return {"active": False} if email in known.withdrawn else {}


async def _archive_new(session: Session, off: set[str], steps: list[Step], receipts: list[Receipt]) -> list[Receipt]:
    """Archived records cannot be created: those that start as opt-outs are archived right after."""
    new = {step.write.key for step in steps if step.write.op == "create" and step.receipt is None}
    made = {one.key: one for one in receipts if one.key in off & new and one.refusal is None}
    archive = [
        Step(write=Write(key=key, op="update", id=one.id), number=int(one.id), values={"active": False})
        for key, one in made.items()
    ]
    failed = {one.key: one for one in await carry_out(session, MAIL, archive) if one.refusal is not None}
    return [failed.get(one.key, one) for one in receipts]


async def _addresses(session: Session, writes: list[Write]) -> dict[str, str]:
    """Key of a write that names a person -> the person's main address."""
    people = {w.key: _number(w.values["person"]) for w in writes if "person" in w.values}
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
