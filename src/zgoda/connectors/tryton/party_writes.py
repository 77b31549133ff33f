"""Writing people and organisations: one record is one transaction, sub-records included."""

from __future__ import annotations

from typing import Any, Final, cast

from zgoda.connectors.tryton.consent import CONSENT, Wish, hold, main_address, scenarios, stop_runs
from zgoda.connectors.tryton.directory import PARTY, columns_of, id_made
from zgoda.connectors.tryton.employer import EMPLOYER, EMPLOYER_COLUMNS, FIRST_DAY, employ
from zgoda.connectors.tryton.kinds import LOCK, Kind, locks
from zgoda.connectors.tryton.names import join, split
from zgoda.connectors.tryton.options import NameOrder, options
from zgoda.connectors.tryton.parties import (
    ADDRESS,
    ADDRESS_COLUMNS,
    MECHANISM_COLUMNS,
    MECHANISMS,
    first_address,
    first_mechanism,
)
from zgoda.connectors.tryton.reads import records_by_id
from zgoda.connectors.tryton.writes import (
    Step,
    Unfit,
    carry_out,
    expected_locks,
    looked_up,
    record_number,
    refused,
    settled,
    typed,
)
from zgoda.kit.errors import Refusal, RefusalKind
from zgoda.kit.spec import Receipt, Row, Session, Write

_CURRENT: Final = (
    *(LOCK, "name", "active", "replaced_by", "contact_mechanisms._timestamp", "addresses._timestamp"),
    *(*MECHANISM_COLUMNS, *ADDRESS_COLUMNS.values()),
)
_NAMES: Final = ("given_name", "family_name")
_STREET_PARTS: Final = (
    *("street_name", "building_name", "building_number", "unit_number", "floor_number", "room_number"),
    *("post_box", "private_bag", "post_office"),
)
"""Tryton takes `street` only while none of these is filled (modules/party/address.py)."""


async def write(kind: Kind, session: Session, writes: list[Write]) -> list[Receipt]:
    """Consent first, then the parties: if the second fails, a withdrawal is in force already."""
    current = await _current(kind, session, writes)
    steps = [await _prepared(kind, session, w, current.get(w.id)) for w in writes]
    wishes = [wish for step in steps if (wish := _wish(step, current.get(step.write.id)))]
    refusals = await hold(session, wishes)
    opted_out = {wish.key for wish in wishes if wish.state == "withdrawn"}
    if opted_out:
        await stop_runs(session, [step.number for step in steps if step.number and step.write.key in opted_out])
        steps = await _unsubscribed(session, steps, opted_out)
    return await carry_out(session, PARTY, [_or_refused(step, refusals) for step in steps])


async def _current(kind: Kind, session: Session, writes: list[Write]) -> dict[str, Row]:
    """The parties as they are, by id; a write needs to know which sub-records to change."""
    numbers = [int(w.id) for w in writes if w.op != "create" and w.id.isascii() and w.id.isdecimal()]
    columns = (*_CURRENT, *EMPLOYER_COLUMNS, FIRST_DAY) if any(EMPLOYER in w.values for w in writes) else _CURRENT
    return {str(record["id"]): record for record in await records_by_id(kind, session, numbers, columns)}


async def _prepared(kind: Kind, session: Session, w: Write, record: Row | None) -> Step:
    try:
        if w.op == "create":
            return Step(write=w, values=await _values(kind, session, w.values, {}))
        number = record_number(w)
        if record is None:
            raise Unfit("missing_record", kind=RefusalKind.GONE)
        if not record.get("active"):
            return _archived(w, record)
        expected, held = expected_locks(w), locks(kind, record)
        if any(held.get(name) != stamp for name, stamp in expected.items()):
            raise Unfit("changed", kind=RefusalKind.STALE)
        if w.op == "delete":
            return Step(write=w, number=number, values={"active": False})
        return Step(write=w, number=number, values=await _values(kind, session, w.values, record))
    except Unfit as unfit:
        return settled(w, unfit)


def _archived(w: Write, record: Row) -> Step:
    """A party that is archived already: deleted as wished, or gone (perhaps into another)."""
    if w.op == "delete":
        return Step(write=w, receipt=Receipt(key=w.key, id=w.id))
    survivor = record.get("replaced_by")
    return settled(w, Unfit("archived", kind=RefusalKind.GONE, moved_to=str(survivor) if survivor else ""))


async def _values(kind: Kind, session: Session, values: Row, record: Row) -> Row:
    """The party's values with commands for its sub-records. `record` is empty for a new party."""
    special = {*_NAMES, *MECHANISMS, "address", "language", EMPLOYER, CONSENT}
    row = await typed(session, PARTY, {name: value for name, value in values.items() if name not in special})
    if any(name in values for name in _NAMES):
        row["name"] = _name(values, record, options(session).name_order)
    mechanisms = [
        command for type in MECHANISMS if type in values for command in _mechanism(type, values[type], record)
    ]
    if mechanisms:
        row["contact_mechanisms"] = mechanisms
    address = values.get("address")
    if isinstance(address, dict) and (commands := await _address(session, cast("Row", address), record)):
        row["addresses"] = commands
    if "language" in values:
        code = str(values["language"]).replace("-", "_") if values["language"] else None
        row["lang"] = await looked_up(session, "ir.lang", "code", code, "language")
    if EMPLOYER in values and (commands := await employ(session, values[EMPLOYER], record)):
        row["relations"] = commands
    category = _category(kind, session) if not record else ""
    if category:
        row["categories"] = [["add", [await id_made(session, "party.category", category)]]]
    return row


def _name(values: Row, record: Row, order: NameOrder) -> str | None:
    given, family = split(cast("str | None", record.get("name")), order)
    return join(values.get("given_name", given), values.get("family_name", family), order)


def _mechanism(type: str, value: Any, record: Row) -> list[Any]:
    held = first_mechanism(record, type)
    if value is None:
        return [["write", [held["id"]], {"active": False}]] if held else []
    if held is None:
        return [["create", [{"type": type, "value": str(value)}]]]
    return [] if held.get("value") == value else [["write", [held["id"]], {"value": str(value)}]]


async def _address(session: Session, parts: Row, record: Row) -> list[Any]:
    """Commands for the main address. Clearing its parts leaves an empty address, as Tryton's own screens do."""
    if unknown := parts.keys() - set(ADDRESS):
        raise Unfit("unknown_field", *(f"address.{name}" for name in sorted(unknown)))
    values: Row = {name: parts[name] for name in ("postal_code", "city") if name in parts}
    if "street" in parts:
        known = await columns_of(session, "party.address")
        values["street_unstructured" if "street_unstructured" in known else "street"] = parts["street"]
        values |= {name: None for name in _STREET_PARTS if name in known and first_address(record)}
    if "country" in parts:
        values["country"] = await looked_up(session, "country.country", "code", parts["country"], "address.country")
    if "subdivision" in parts:
        name = parts["subdivision"]
        values["subdivision"] = await looked_up(session, "country.subdivision", "name", name, "address.subdivision")
    held = first_address(record)
    if held is not None:
        return [["write", [held["id"]], values]]
    return [["create", [values]]] if any(value is not None for value in values.values()) else []


def _category(kind: Kind, session: Session) -> str:
    """The mark a new party gets so that it is read back into its stream."""
    told = options(session)
    return told.organization_category if kind.stream == "organizations" else told.person_category


def _wish(step: Step, record: Row | None) -> Wish | None:
    """Consent goes with the main address: the one being written, else the one that is there."""
    if step.receipt is not None or CONSENT not in step.write.values:
        return None
    sent = step.write.values.get("email", main_address(record or {}))
    state = step.write.values[CONSENT]
    return Wish(key=step.write.key, email=str(sent or "").strip().lower(), state=str(state or "unknown"))


async def _unsubscribed(session: Session, steps: list[Step], keys: set[str]) -> list[Step]:
    """The same steps; those who withdraw also leave every marketing scenario."""
    numbers = await scenarios(session)
    if not numbers:
        return steps
    leave: Row = {"marketing_scenario_unsubscribed": [["add", numbers]]}
    return [_with(step, leave) if step.write.key in keys else step for step in steps]


def _with(step: Step, more: Row) -> Step:
    return Step(write=step.write, number=step.number, values=step.values | more)


def _or_refused(step: Step, refusals: dict[str, Refusal]) -> Step:
    why = refusals.get(step.write.key)
    if why is None or step.receipt is not None:
        return step
    told = Refusal(kind=why.kind, code=why.code, message="the consent could not be held", fields=(CONSENT,))
    return Step(write=step.write, receipt=refused(step.write, told))
