"""After a create whose answer was lost: is the party there?"""

from __future__ import annotations

from typing import Any

from zgoda.connectors.tryton.directory import PARTY
from zgoda.connectors.tryton.kinds import Kind
from zgoda.connectors.tryton.names import join
from zgoda.connectors.tryton.options import options
from zgoda.connectors.tryton.parties import MECHANISM_COLUMNS, MECHANISMS, PHONES, first_mechanism
from zgoda.connectors.tryton.rpc import rows
from zgoda.kit.spec import Lookup, Row, Session
from zgoda.model.values import fold_phone


async def find(kind: Kind, session: Session, lookups: list[Lookup]) -> dict[str, str]:
    """The newest live party of that very name with the very e-mail, telephones and web page that were sent.

    A lookup that names nothing but a name finds a party without any of those only.
    """
    names = {lookup.key: _name(lookup.values, session) for lookup in lookups}
    wanted = sorted({name for name in names.values() if name})
    if not wanted:
        return {}
    domain: list[Any] = [["name", "in", wanted], *kind.only(options(session))]
    candidates = (await rows(session, PARTY, domain, None, ("name", *MECHANISM_COLUMNS)))[::-1]
    found: dict[str, str] = {}
    taken: set[int] = set()
    for lookup in lookups:
        for record in candidates:
            if record["id"] not in taken and record.get("name") == names[lookup.key] and _alike(record, lookup.values):
                taken.add(record["id"])
                found[lookup.key] = str(record["id"])
                break
    return found


def _name(values: Row, session: Session) -> str | None:
    if "name" in values:
        return values["name"] if isinstance(values["name"], str) else None
    return join(values.get("given_name"), values.get("family_name"), options(session).name_order)


def _alike(record: Row, values: Row) -> bool:
    held = {type: (first_mechanism(record, type) or {}).get("value") for type in MECHANISMS}
    return all(_same(type, held[type], values.get(type)) for type in MECHANISMS)


def _same(type: str, held: Any, sent: Any) -> bool:
    """Servers that check numbers write them in their own way and may add the country; addresses may change case."""
    there, ours = str(held or "").strip().casefold(), str(sent or "").strip().casefold()
    if type not in PHONES or not there or not ours:
        return there == ours
    short, long = sorted((fold_phone(there), fold_phone(ours).lstrip("+")), key=len)
    return long.endswith(short.lstrip("+").lstrip("0"))
