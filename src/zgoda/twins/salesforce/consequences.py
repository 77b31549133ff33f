"""What Salesforce changes in other records by itself when one is stored.

An opportunity's ContactId cannot be edited: it follows the primary contact role, and naming a contact when the
opportunity is created makes such a role. Whether that moves the opportunity's stamps is unverified: here only
SystemModstamp, as with other changes nobody made by hand.
Source: https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/, Opportunity and
OpportunityContactRole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from zgoda.twins.salesforce.table import Row

if TYPE_CHECKING:
    from zgoda.twins.salesforce.org import Org

ROLE, OPPORTUNITY = "OpportunityContactRole", "Opportunity"


def follow(org: Org, object: str, before: Row | None, row: Row) -> None:
    """Do what follows from a row just stored in place of `before`."""
    rule = _RULES.get(object)
    if rule is not None:
        rule(org, before, row)


def primary_role(org: Org, opportunity: Row, contact: str) -> Row:
    """The role that goes with an opportunity's contact, not stored yet."""
    audit = {name: opportunity[name] for name in ("CreatedDate", "LastModifiedDate", "SystemModstamp")}
    user = opportunity["CreatedById"]
    return {
        "Id": org.new_id("00K"), "OpportunityId": opportunity["Id"], "ContactId": contact, "IsPrimary": True,
        "CreatedById": user, "LastModifiedById": user, **audit,
    }  # fmt: skip


def _opportunity_stored(org: Org, before: Row | None, row: Row) -> None:
    if before is None and (contact := row.get("ContactId")):
        org.put(ROLE, primary_role(org, row, contact))


def _role_stored(org: Org, before: Row | None, row: Row) -> None:
    """An opportunity has at most one primary role; the newest word wins."""
    roles, opportunities = org.tables[ROLE], org.tables[OPPORTUNITY]
    opportunity = opportunities.rows.get(row["OpportunityId"])
    if opportunity is None or opportunity.get("IsDeleted"):
        return
    live = [roles.rows[id] for id in roles.children("OpportunityId", opportunity["Id"])]
    primary = [role for role in live if role.get("IsPrimary")]
    if row.get("IsPrimary") and not row.get("IsDeleted"):
        for other in primary:
            if other["Id"] != row["Id"]:
                now = org.now()
                org.put(ROLE, {**other, "IsPrimary": False, "LastModifiedDate": now, "SystemModstamp": now})
        primary = [row]
    _point_at(org, opportunities.rows[opportunity["Id"]], primary[0]["ContactId"] if primary else None)


def _point_at(org: Org, opportunity: Row, contact: str | None) -> None:
    if opportunity.get("ContactId") == contact:
        return
    kept = {name: value for name, value in opportunity.items() if name != "ContactId"}
    pointing = {} if contact is None else {"ContactId": contact}
    changed = {**kept, **pointing, "SystemModstamp": org.now()}
    org.put(OPPORTUNITY, changed)
    org.changed(OPPORTUNITY, changed)


_RULES: dict[str, Callable[[Org, Row | None, Row], None]] = {
    OPPORTUNITY: _opportunity_stored,
    ROLE: _role_stored,
}
