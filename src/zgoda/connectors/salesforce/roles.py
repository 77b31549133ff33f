"""The main contact of a deal: `Opportunity.ContactId` is readable and can be given on create, but changes only through
the records of `OpportunityContactRole`, of which one per deal is primary."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from zgoda.connectors.salesforce.call import query
from zgoda.connectors.salesforce.objects import SObject
from zgoda.connectors.salesforce.soql import is_id, literal, select
from zgoda.connectors.salesforce.writes import write
from zgoda.kit.errors import ConnectorError, Refusal, RefusalKind, Temporary
from zgoda.kit.spec import Receipt, Row, Session, Write

ROLE = SObject(name="OpportunityContactRole", stream="opportunities")


async def write_deals(sobject: SObject, session: Session, writes: list[Write]) -> list[Receipt]:
    """Write deals, then the roles of those updates that change the main contact."""
    moved = {w.key: w for w in writes if w.op == "update" and "ContactId" in w.values}
    plain = [_without_contact(w) if w.key in moved else w for w in writes]
    only_moved = [w for w in plain if w.key in moved and not w.values and is_id(w.id)]
    receipts = [Receipt(key=w.key, id=w.id) for w in only_moved]
    skipped = {w.key for w in only_moved}
    if rest := [w for w in plain if w.key not in skipped]:
        receipts += await write(sobject, session, rest)
    written = {r.key for r in receipts if r.refusal is None}
    refusals = await _write_roles(session, [w for w in moved.values() if w.key in written])
    return [msgspec.structs.replace(r, refusal=refusals[r.key]) if r.key in refusals else r for r in receipts]


async def _write_roles(session: Session, deals: list[Write]) -> dict[str, Refusal]:
    """The refusals by the deals' keys. The deal itself is written by now, so nothing is raised."""
    if not deals:
        return {}
    try:
        roles = await _roles(session, [w.id for w in deals])
        receipts = await write(ROLE, session, [change for w in deals for change in _changes(w, roles)])
    except ConnectorError as error:
        later = Refusal(kind=RefusalKind.TEMPORARY, code=type(error).__name__, message="main contact not written")
        return {w.key: later for w in deals}
    return {
        receipt.key.partition("/")[2]: msgspec.structs.replace(receipt.refusal, fields=("ContactId",), moved_to="")
        for receipt in receipts
        if receipt.refusal
    }


async def _roles(session: Session, deals: list[str]) -> list[Row]:
    condition = f"OpportunityId IN ({', '.join(literal(id) for id in deals)})"
    text = select(("Id", "OpportunityId", "ContactId", "IsPrimary"), ROLE.name, where=[condition], order="Id ASC")
    found = await query(session, text, sobject=ROLE)
    if not found.done:
        raise Temporary("the deals have too many contact roles for one answer")
    return found.records


def _changes(w: Write, roles: list[Row]) -> Iterator[Write]:
    """What to do to the roles of one deal. A contact that is primary no more keeps its role."""
    contact = str(w.values["ContactId"] or "")
    wanted = contact[:15]
    for number, role in enumerate(role for role in roles if str(role.get("OpportunityId"))[:15] == w.id[:15]):
        primary = bool(wanted) and str(role.get("ContactId"))[:15] == wanted
        if primary is not role.get("IsPrimary"):
            yield Write(key=f"{number}/{w.key}", op="update", id=str(role["Id"]), values={"IsPrimary": primary})
        wanted = "" if primary else wanted
    if wanted:
        values = {"OpportunityId": w.id, "ContactId": contact, "IsPrimary": True}
        yield Write(key=f"new/{w.key}", op="create", values=values)


def _without_contact(w: Write) -> Write:
    values = {name: value for name, value in w.values.items() if name != "ContactId"}
    return msgspec.structs.replace(w, values=values)
