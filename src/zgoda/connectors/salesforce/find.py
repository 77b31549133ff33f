"""After a create whose answer was lost: did it happen?"""

from __future__ import annotations

import hashlib
from datetime import date
from typing import Any, Final

import msgspec

from zgoda.connectors.salesforce.call import discreet_query
from zgoda.connectors.salesforce.objects import SObject, record_of
from zgoda.connectors.salesforce.soql import literal, select
from zgoda.kit.convert import Unconvertible, read_date
from zgoda.kit.spec import Lookup, Row, Session

PER_QUERY: Final = 25
_DAYS: Final = frozenset({"CloseDate", "ActivityDate", "Birthdate"})


def interaction_key(values: Row) -> str:
    """An external id for an interaction, made of what was sent, so that it is the same in every try."""
    return hashlib.blake2b(msgspec.json.encode(values, order="deterministic"), digest_size=16).hexdigest()


async def find(sobject: SObject, session: Session, lookups: list[Lookup]) -> dict[str, str]:
    """The ids of the records that the lost creates made, by the lookups' keys.

    By the external id where there is one, else by the object's telling fields among the records our own user created;
    the newest match counts, and no record counts twice. Lookups without enough values to tell are not found.
    """
    user = session.resources.user
    ours = f"CreatedById = {literal(user)}" if user else ""
    found: dict[str, str] = {}
    taken: set[str] = set()
    telling = [(lookup.key, values) for lookup in lookups if (values := _telling(sobject, session, lookup.values))]
    for first in range(0, len(telling), PER_QUERY):
        part = telling[first : first + PER_QUERY]
        names = tuple(dict.fromkeys(name for _, values in part for name in values))
        where = " OR ".join(f"({_equals(values)})" for _, values in part)
        text = select(("Id", *names), sobject.name, where=[where, ours], order="CreatedDate DESC, Id DESC")
        for record in (await discreet_query(session, text, sobject=sobject, asked=names)).records:
            id = str(record["Id"])
            for key, values in part:
                if key not in found and id not in taken and _same(record, values):
                    found[key] = id
                    taken.add(id)
    return found


def _telling(sobject: SObject, session: Session, values: Row) -> dict[str, str]:
    """The values to look for; empty if they would not tell one record from another."""
    key_field = session.settings.get("interaction_key_field")
    if sobject.keyed and key_field:
        return {str(key_field): interaction_key(values)}
    record = record_of(sobject, values)
    for names in sobject.sought_by:
        wanted = {name: record.get(name) for name in names}
        if all(_fit(name, value) for name, value in wanted.items()):
            return {name: str(value) for name, value in wanted.items()}
    return {}


def _fit(name: str, value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(read_date(value) if name in _DAYS else value.strip())
    except Unconvertible:
        return False


def _equals(values: dict[str, str]) -> str:
    return " AND ".join(
        f"{name} = {literal(date.fromisoformat(value) if name in _DAYS else value)}" for name, value in values.items()
    )


def _same(record: Row, values: dict[str, str]) -> bool:
    """As the vendor compares: without regard to case or outer space. Ids come in two lengths."""
    return all(_fold(record.get(name), name) == _fold(value, name) for name, value in values.items())


def _fold(value: Any, name: str) -> str:
    text = str(value or "").strip()
    return text[:15] if name.endswith("Id") else text.casefold()
