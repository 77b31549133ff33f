"""Where Odoo keeps a refusal of marketing e-mail, seen as one yes-or-no per person (`opted_out`).

| version | places | kept by |
|---|---|---|
| to 11 | `res.partner.opt_out` | person |
| to 11 | `mail.mass_mailing.contact.opt_out`, `crm.lead.opt_out` | e-mail address |
| from 12 | `mail.blacklist` | e-mail address |
| from 12 | the opt-out of a list subscription | e-mail address and list |

Set in one place counts as withdrawn, and a withdrawal is set in every place: each of them alone stops only some of
Odoo's mailings, so a gap would be a mail to somebody who said no. Lifting clears the same places, else they would
contradict the hub for ever. With `list_opt_out: list_only` the opt-out of a single list is left to the `subscriptions`
stream alone. Nothing in Odoo says "granted": a box that is not ticked is no consent.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec

from zgoda.connectors.odoo.addresses import BOOK_HOLDS_S, address_of, by_address
from zgoda.connectors.odoo.columns import columns, first_of, optional_columns
from zgoda.connectors.odoo.records import stand, walk
from zgoda.connectors.odoo.rpc import call, reach, search_read
from zgoda.kit.spec import Cursor, Row, Session

FIRST_BLACKLIST: Final = 12


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A model that keeps refusals: `flag` is true where refused, `at` says since when."""

    model: str
    column: str
    flag: str = "opt_out"
    at: str = "write_date"


_UNTIL_11: Final = (
    Place(model="mailing.contact", column="email", at="unsubscription_date"),
    Place(model="crm.lead", column="email_from"),
)
_BLACKLIST: Final = Place(model="mail.blacklist", column="email", flag="active")
_SUBSCRIPTIONS: Final = Place(model="mailing.subscription", column="contact_id", at="opt_out_datetime")


async def places(session: Session) -> list[Place]:
    """The places this server has, besides the person's own box. Apps that are not installed keep nothing."""
    wanted = list(_UNTIL_11)
    if (await reach(session)).major >= FIRST_BLACKLIST:
        wanted = [_BLACKLIST]
        if session.settings.get("list_opt_out", "withdraws") == "withdraws":
            wanted.append(_SUBSCRIPTIONS)
    return [place for place in wanted if place.flag in await optional_columns(session, place.model)]


async def withdrawn(session: Session, addresses: set[str]) -> dict[str, str]:
    """The addresses that are refused somewhere, with the newest stamp (empty where none is kept)."""
    found: dict[str, str] = {}
    if addresses:
        for place in await places(session):
            for address, row in await _held(session, place, addresses, refused=True, held_s=BOOK_HOLDS_S):
                stamp = row.get((await columns(session, place.model))[place.at].name)
                found[address] = max(found.get(address, ""), stamp if isinstance(stamp, str) else "")
    return found


async def settle(session: Session, addresses: set[str], *, refused: bool) -> None:
    """Make every place say the same of these addresses."""
    if not addresses:
        return
    for place in await places(session):
        held = await _held(session, place, addresses, refused=not refused)
        if held:
            ids = [row["id"] for _, row in held]
            await call(session, place.model, "write", ids=ids, vals={place.flag: refused})
        if place is _BLACKLIST and refused:
            listed = {a for a, _ in await _held(session, place, addresses, refused=True)}
            missing = sorted(addresses - listed)
            if missing:
                await call(session, place.model, "create", vals_list=[{"email": address} for address in missing])


async def changed(session: Session, at: Cursor) -> AsyncIterator[tuple[set[str], Cursor]]:
    """Addresses whose refusal may have changed since the cursor; the first time only notes where to start."""
    for place in await places(session):
        position: Any = at.get(place.model)
        if position is None:
            at = {**at, place.model: await stand(session, place.model)}
            yield set(), at
            continue
        async for rows, moved in walk(session, place.model, [], [place.column], position):
            at = {**at, place.model: moved}
            yield await _addresses(session, place, rows), at


async def _held(
    session: Session, place: Place, addresses: set[str], *, refused: bool, held_s: float = 0.0
) -> list[tuple[str, Row]]:
    flag = [place.flag, "=", refused]
    at = (await columns(session, place.model))[place.at].name
    if place is _BLACKLIST:
        domain = [["email", "in", sorted(addresses)], flag]
        rows = await search_read(session, place.model, domain, ["email", at])
        return [(address_of(row.get("email")), row) for row in rows]
    if place is _SUBSCRIPTIONS:
        contacts = {row["id"]: address for address, row in await _contacts(session, addresses)}
        domain = [["contact_id", "in", sorted(contacts)], flag]
        rows = await search_read(session, place.model, domain, ["contact_id", at]) if contacts else []
        return [(contacts[first_of(row["contact_id"])], row) for row in rows]
    return await by_address(session, place.model, place.column, addresses, [at], (flag,), held_s=held_s)


async def _contacts(session: Session, addresses: set[str]) -> list[tuple[str, Row]]:
    return await by_address(session, "mailing.contact", "email", addresses, [])


async def _addresses(session: Session, place: Place, rows: list[Row]) -> set[str]:
    if place is _SUBSCRIPTIONS:
        ids = sorted({first_of(row.get("contact_id")) for row in rows} - {0})
        rows = await search_read(session, "mailing.contact", [["id", "in", ids]], ["email"]) if ids else []
        return {address_of(row.get("email")) for row in rows} - {""}
    return {address_of(row.get(place.column)) for row in rows} - {""}
