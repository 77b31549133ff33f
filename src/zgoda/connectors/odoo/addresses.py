"""Odoo ties mailing contacts, opt-outs and people together by nothing but the e-mail address.

From Odoo 13 on it stores the address normalised. Before, a few addresses are searched in any spelling, which scans the
table once per address; for many, all addresses of the table are read into a book, 25,000 of them in a few seconds.
"""

from __future__ import annotations

import re
from typing import Any, Final

from zgoda.connectors.odoo.columns import optional_columns
from zgoda.connectors.odoo.rpc import reach, search_read
from zgoda.kit.spec import Row, Session

_CHUNK: Final = 500
_FEW: Final = 10
_BOOK_PAGE: Final = 10_000
BOOK_HOLDS_S: Final = 60.0
"""How long the pages of one read may share a book; every read starts without. What changes meanwhile is a change that
the next read meets, because that one starts where this one began."""


def address_of(text: Any) -> str:
    """The address in a text like `Anna <Anna@example.org>`, lower case, found the way Odoo finds it; else empty."""
    found = re.search(r"[^ ,;<@]+@[^> ,;]+", text) if isinstance(text, str) else None
    return found[0].lower() if found else ""


async def by_address(
    session: Session,
    model: str,
    column: str,
    addresses: set[str],
    fields: list[str],
    only: tuple[Any, ...] = (),
    *,
    held_s: float = 0.0,
) -> list[tuple[str, Row]]:
    """(address, record) of all records, archived ones too, whose column holds one of the addresses in any spelling.

    With `held_s` an answer may be that old.
    """
    wanted = sorted(addresses)
    if not wanted:
        return []
    if "email_normalized" in await optional_columns(session, model):
        rows: list[Row] = []
        for start in range(0, len(wanted), _CHUNK):
            domain = [*only, ["email_normalized", "in", wanted[start : start + _CHUNK]]]
            rows += await search_read(session, model, domain, [column, *fields])
    elif len(wanted) <= _FEW:
        rows = await search_read(session, model, [*only, *_spellings(column, wanted)], [column, *fields])
    else:
        book = await _book(session, model, column, fields, only, held_s)
        return [(address, row) for address in wanted for row in book.get(address, [])]
    return [(address, row) for row in rows if (address := address_of(row.get(column))) in addresses]


async def people_by_address(session: Session, addresses: set[str]) -> dict[str, int]:
    """The person each address belongs to: of several the one that is in use and oldest."""
    only = (["is_company", "=", False], ["type", "=", "contact"], ["active", "=", True])
    people: dict[str, int] = {}
    for address, row in await by_address(session, "res.partner", "email", addresses, [], only, held_s=BOOK_HOLDS_S):
        people.setdefault(address, row["id"])
    return people


def _spellings(column: str, addresses: list[str]) -> list[Any]:
    """A domain that finds every spelling and some strangers. Backslash is the only sign that could hide a record."""
    terms = [[column, "ilike", address.replace("\\", "\\\\")] for address in addresses]
    return ["|"] * (len(terms) - 1) + terms


async def _book(
    session: Session, model: str, column: str, fields: list[str], only: tuple[Any, ...], held_s: float
) -> dict[str, list[Row]]:
    """All records with an address, by address."""
    server = await reach(session)
    name, now_s = f"{model} {column} {fields} {only}", session.clock.monotonic_s()
    if held_s and name in server.books and now_s - server.books[name][0] < held_s:
        return server.books[name][1]
    book: dict[str, list[Row]] = {}
    after, rows = 0, [Row()]
    while rows:
        domain = [*only, [column, "like", "@"], ["id", ">", after]]
        rows = await search_read(session, model, domain, [column, *fields], limit=_BOOK_PAGE)
        for row in rows:
            book.setdefault(address_of(row.get(column)), []).append(row)
            after = row["id"]
    if held_s:
        server.books[name] = (now_s, book)
    return book
