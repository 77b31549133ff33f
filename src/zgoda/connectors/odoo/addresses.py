"""Odoo ties mailing contacts, opt-outs and people together by nothing but the e-mail address."""

from __future__ import annotations

import re
from typing import Any, Final

from zgoda.connectors.odoo.columns import optional_columns
from zgoda.connectors.odoo.rpc import search_read
from zgoda.kit.spec import Row, Session

_CHUNK: Final = 100


def address_of(text: Any) -> str:
    """The address in a text like `Anna <Anna@example.org>`, lower case, found the way Odoo finds it; else empty."""
    found = re.search(r"[^ ,;<@]+@[^> ,;]+", text) if isinstance(text, str) else None
    return found[0].lower() if found else ""


async def by_address(
    session: Session, model: str, column: str, addresses: set[str], fields: list[str], only: tuple[Any, ...] = ()
) -> list[tuple[str, Row]]:
    """(address, record) of all records, archived ones too, whose column holds one of the addresses in any spelling."""
    normalised = "email_normalized" in await optional_columns(session, model)
    found: list[tuple[str, Row]] = []
    wanted = sorted(addresses)
    for start in range(0, len(wanted), _CHUNK):
        chunk = wanted[start : start + _CHUNK]
        domain = [["email_normalized", "in", chunk]] if normalised else _spellings(column, chunk)
        for row in await search_read(session, model, [*only, *domain], [column, *fields]):
            address = address_of(row.get(column))
            if address in addresses:
                found.append((address, row))
    return found


async def people_by_address(session: Session, addresses: set[str]) -> dict[str, int]:
    """The person each address belongs to: of several the one that is in use and oldest."""
    only = (["is_company", "=", False], ["type", "=", "contact"], ["active", "=", True])
    people: dict[str, int] = {}
    for address, row in await by_address(session, "res.partner", "email", addresses, [], only):
        people.setdefault(address, row["id"])
    return people


def _spellings(column: str, addresses: list[str]) -> list[Any]:
    """A domain that finds every spelling and some strangers. Backslash is the only sign that could hide a record."""
    terms = [[column, "ilike", address.replace("\\", "\\\\")] for address in addresses]
    return ["|"] * (len(terms) - 1) + terms
