"""Opportunities and employments: models that hold plain values, with a few that need translating."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, Final, TypeAlias

from zgoda.connectors.tryton.directory import MAIL_LIST, company_context
from zgoda.connectors.tryton.employer import RELATION_TYPE
from zgoda.connectors.tryton.kinds import ABSENT, ANY, LOCK, Domain, Found, Kind, Virtual, stamped
from zgoda.connectors.tryton.options import Options, options
from zgoda.connectors.tryton.parties import place_of
from zgoda.connectors.tryton.reads import page_of, records_by_id
from zgoda.connectors.tryton.rpc import ids, parent
from zgoda.connectors.tryton.values import vendor_value
from zgoda.connectors.tryton.writes import (
    Step,
    Unfit,
    carry_out,
    expected_locks,
    looked_up,
    record_number,
    settled,
    typed,
)
from zgoda.kit.convert import Unconvertible
from zgoda.kit.errors import RefusalKind
from zgoda.kit.spec import Lookup, Reading, Receipt, Removed, Row, Session, Write

OPPORTUNITY: Final = "sale.opportunity"
RELATION: Final = "party.relation.all"

Words: TypeAlias = Callable[[Session, Row, Row], Awaitable[Row]]
"""Session, values of a write, current record (empty on create) -> values in Tryton's words. Raises `Unfit`."""


def _party(stream: str) -> Virtual:
    """The party of an opportunity if it is of this stream; if it is of another, this field is not known."""

    def value(record: Row, told: Options) -> Any:
        party = parent(record, "party")
        if not party:
            return None
        return str(party["id"]) if place_of(party, told) == stream else ABSENT

    return Virtual(("party.categories.name",), value)


def _percent(record: Row, told: Options) -> str | None:
    chance = record.get("conversion_probability")
    return str(Decimal(str(chance)) * 100) if isinstance(chance, int | float) else None


OPPORTUNITIES: Final = Kind(
    stream="opportunities",
    model=OPPORTUNITY,
    module="sale_opportunity",
    virtual={
        "person": _party("people"),
        "organization": _party("organizations"),
        "currency": Virtual(("currency.code",), lambda record, told: parent(record, "currency").get("code")),
        "probability": Virtual(("conversion_probability",), _percent),
        "is_won": Virtual(("state",), lambda record, told: record.get("state") == "won"),
        "employee": Virtual(
            ("employee.party.name",), lambda record, told: parent(parent(record, "employee"), "party").get("name")
        ),
    },
)


def _of_type(told: Options) -> Domain:
    return [["type.name", "=", told.employment_relation], ANY]


def _reverse(record: Row, told: Options) -> Removed | None:
    """Every relation shows twice, there and back; the one that was made has the even id. Other types do not count."""
    if record["id"] % 2 == 0 and parent(record, "type").get("name") == told.employment_relation:
        return None
    return Removed(id=str(record["id"]))


async def _new_relations(session: Session, kind: Kind, reading: Reading, since: str, after: int) -> Found:
    start = stamped(since, options(session).overlap_s)[2]
    return await page_of(kind, session, reading, [["create_date", ">=", start], ANY], after)


async def _edited_relations(session: Session, kind: Kind, reading: Reading, since: str, after: int) -> Found:
    """A feed of its own, as relations stand no OR (see `any_of`)."""
    start = stamped(since, options(session).overlap_s)[2]
    return await page_of(kind, session, reading, [["write_date", ">=", start], ["create_date", "<", start], ANY], after)


EMPLOYMENTS: Final = Kind(
    stream="employments",
    model=RELATION,
    module="party_relationship",
    virtual={
        "person": Virtual(("from_",), lambda record, told: str(record["from_"]) if record.get("from_") else None),
        "organization": Virtual(("to",), lambda record, told: str(record["to"]) if record.get("to") else None),
    },
    # a view of relations there and back; its stamps can be searched, but are read as the present moment
    base=("type.name",),
    archives=True,
    only=_of_type,
    feeds=(_new_relations, _edited_relations),
    removed=_reverse,
    logged="party.relation",
    record_id=lambda logged_id: 2 * logged_id,
)


async def deal_words(session: Session, values: Row, record: Row) -> Row:
    """An opportunity has one party: the organisation if there is one, else the person."""
    special = {"person", "organization", "currency", "probability"}
    row = await typed(session, OPPORTUNITY, {name: value for name, value in values.items() if name not in special})
    if "currency" in values:
        row["currency"] = await looked_up(session, "currency.currency", "code", values["currency"], "currency")
    if values.get("probability") is not None:
        row["conversion_probability"] = float(Decimal(str(values["probability"])) / 100)
    holder = place_of(parent(record, "party"), options(session)) if parent(record, "party") else ""
    if values.get("organization") is not None or ("organization" in values and holder == "organizations"):
        row["party"] = _number(values, "organization")
    elif "person" in values and holder != "organizations":
        row["party"] = _number(values, "person")
    return row


async def employment_words(session: Session, values: Row, record: Row) -> Row:
    row = await typed(session, RELATION, {n: v for n, v in values.items() if n not in ("person", "organization")})
    row |= {column: _number(values, name) for name, column in _ENDS.items() if name in values}
    if not record:
        name = options(session).employment_relation
        row["type"] = await looked_up(session, RELATION_TYPE, "name", name, "type")
    return row


async def list_words(session: Session, values: Row, record: Row) -> Row:
    """A second list with the name of the consent list would make its members consent."""
    if values.get("name") == options(session).consent_list:
        raise Unfit("consent_list", "name")
    return await typed(session, MAIL_LIST, values)


async def write(kind: Kind, words: Words, session: Session, writes: list[Write]) -> list[Receipt]:
    """Write records of a plain model. Models that archive are archived on delete, the others deleted."""
    numbers = [int(w.id) for w in writes if w.op != "create" and w.id.isascii() and w.id.isdecimal()]
    wanted = (*kind.base, *_CURRENT.get(kind.model, ()))
    current = {str(record["id"]): record for record in await records_by_id(kind, session, numbers, wanted)}
    steps = [await _step(kind, words, session, w, current.get(w.id)) for w in writes]
    context = await company_context(session) if kind.model == OPPORTUNITY else None
    return await carry_out(session, kind.model, steps, context=context)


async def find(kind: Kind, words: Words, session: Session, lookups: list[Lookup]) -> dict[str, str]:
    """The newest record that holds every value that was sent; none for a lookup without values."""
    found: dict[str, str] = {}
    taken: set[int] = set()
    for lookup in lookups:
        try:
            values = await words(session, lookup.values, {})
        except Unfit:
            continue
        domain: Domain = [[name, "=", value] for name, value in values.items()]
        domain += [ANY] if domain and kind.model == RELATION else []
        matching = [id for id in await ids(session, kind.model, domain) if id not in taken] if domain else []
        if matching:
            taken.add(matching[-1])
            found[lookup.key] = str(matching[-1])
    return found


async def _step(kind: Kind, words: Words, session: Session, w: Write, record: Row | None) -> Step:
    try:
        if w.op == "create":
            return Step(write=w, values=await words(session, w.values, {}))
        number = record_number(w)
        if record is None or not record.get("active", True):
            if w.op == "delete":
                return Step(write=w, receipt=Receipt(key=w.key, id=w.id))
            raise Unfit("missing_record", kind=RefusalKind.GONE)
        if any(record.get(LOCK) != stamp for stamp in expected_locks(w).values()):
            raise Unfit("changed", kind=RefusalKind.STALE)
        if w.op == "delete":
            return Step(write=w, number=number, values={"active": False} if "active" in kind.base else {})
        return Step(write=w, number=number, values=await words(session, w.values, record))
    except Unfit as unfit:
        return settled(w, unfit)


def _number(values: Row, name: str) -> int | None:
    try:
        number: int | None = vendor_value("many2one", values.get(name))
    except Unconvertible:
        raise Unfit("bad_value", name) from None
    return number


_ENDS: Final = {"person": "from_", "organization": "to"}
_CURRENT: Final[dict[str, tuple[str, ...]]] = {OPPORTUNITY: ("party.categories.name",)}
