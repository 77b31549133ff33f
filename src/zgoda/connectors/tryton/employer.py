"""A person's employer, which Tryton keeps as a relation between two parties."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Final

from zgoda.connectors.tryton.directory import PARTY, columns_of
from zgoda.connectors.tryton.options import Options, options
from zgoda.connectors.tryton.rpc import call, children, parent
from zgoda.connectors.tryton.values import vendor_value, whole
from zgoda.connectors.tryton.writes import Unfit, looked_up
from zgoda.kit.errors import Temporary
from zgoda.kit.spec import Row, Session

EMPLOYER: Final = "works_for"
EMPLOYER_COLUMNS: Final = ("relations.to", "relations.active", "relations.type.name")
FIRST_DAY: Final = "relations.start_date"
RELATION_TYPE: Final = "party.relation.type"


def employer(record: Row, told: Options) -> str | None:
    """The organisation of the first relation of this type that holds today."""
    held = _relation(record, told)
    return str(held.get("to")) if held else None


async def employ(session: Session, value: Any, record: Row) -> list[Any]:
    """Commands for the party's relations. A former employment ends yesterday and stays in the history; one that had
    not begun by then is deleted."""
    if "relations" not in await columns_of(session, PARTY):
        raise Unfit("unknown_field", EMPLOYER)
    told = options(session)
    held = _relation(record, told)
    try:
        wanted = None if value is None else whole(value)
    except ValueError:
        raise Unfit("bad_value", EMPLOYER) from None
    if (held.get("to") if held else None) == wanted:
        return []
    commands = [await _end(session, held)] if held else []
    if wanted is not None:
        kind = await looked_up(session, RELATION_TYPE, "name", told.employment_relation, EMPLOYER)
        commands.append(["create", [{"to": wanted, "type": kind}]])
    return commands


def _relation(record: Row, told: Options) -> Row | None:
    for relation in children(record, "relations"):
        if relation.get("active") and parent(relation, "type").get("name") == told.employment_relation:
            return relation
    return None


async def _end(session: Session, held: Row) -> list[Any]:
    today = await call(session, "model.ir.date.today")
    if not isinstance(today, str):
        raise Temporary("the server did not tell what day it is")
    last = (date.fromisoformat(today) - timedelta(days=1)).isoformat()
    if str(held.get("start_date") or last) > last:
        return ["delete", [held["id"]]]
    return ["write", [held["id"]], {"end_date": vendor_value("date", last)}]
