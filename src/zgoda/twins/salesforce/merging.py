"""Merging duplicates and converting leads, which only people do: plain REST offers neither."""

from __future__ import annotations

from typing import Any

from zgoda.twins.salesforce.errors import RowError
from zgoda.twins.salesforce.org import Org
from zgoda.twins.salesforce.records import Writer, create, existing, update
from zgoda.twins.salesforce.removal import bin_row
from zgoda.twins.salesforce.schema import OBJECTS, children_of
from zgoda.twins.salesforce.table import Row

_MOST_LOSERS = 2
_LEAD_TO_CONTACT = (
    "LastName", "FirstName", "Salutation", "Title", "Phone", "MobilePhone", "Fax", "Email", "Description", "LeadSource",
    "HasOptedOutOfEmail", "DoNotCall", "IndividualId", "Hub_Id__c",
)  # fmt: skip
_ADDRESS = ("Street", "City", "State", "PostalCode", "Country")


def merge(org: Org, writer: Writer, object: str, winner_id: str, loser_ids: list[str], values: dict[str, Any]) -> Row:
    """Up to three records become one: children go to the winner, losers to the bin pointing at it. Raises RowError."""
    spec = OBJECTS[object]
    if not spec.mergeable:
        raise RowError("INVALID_TYPE_FOR_OPERATION", f"entity type {object} does not support merge")
    if not 1 <= len(loser_ids) <= _MOST_LOSERS:
        raise RowError("EXCEEDED_ID_LIMIT", "a merge takes one or two losing records")
    winner = existing(org, spec, winner_id)
    losers = [existing(org, spec, id) for id in loser_ids]
    if winner["Id"] in {loser["Id"] for loser in losers}:
        raise RowError("INVALID_ID_FIELD", "the winner cannot be among the losers")
    for loser in losers:
        _reparent(org, writer, object, loser["Id"], winner["Id"])
        bin_row(org, writer, object, loser, {"MasterRecordId": winner["Id"]})
    return update(org, writer, spec, winner["Id"], values)


def convert_lead(org: Org, writer: Writer, lead_id: str, fields: dict[str, Any]) -> dict[str, str]:
    """A lead becomes account, contact and, if wanted, opportunity. Raises RowError.

    `fields`: account_id and contact_id take existing records, opportunity (default true) makes a deal,
    opportunity_name names it. Returns the ids under the names of the lead's Converted… fields.
    """
    lead = existing(org, OBJECTS["Lead"], lead_id)
    if lead.get("IsConverted"):
        raise RowError("CANNOT_UPDATE_CONVERTED_LEAD", "the lead is converted already")
    account_id = fields.get("account_id") or create(org, writer, OBJECTS["Account"], _account_of(lead))["Id"]
    contact_id = fields.get("contact_id")
    if contact_id:
        existing(org, OBJECTS["Contact"], contact_id)
    else:
        contact_id = create(org, writer, OBJECTS["Contact"], {**_contact_of(lead), "AccountId": account_id})["Id"]
    converted = {"ConvertedAccountId": account_id, "ConvertedContactId": contact_id}
    if fields.get("opportunity", True):
        name = fields.get("opportunity_name") or f"{lead['Company']}-"
        opportunity = create(org, writer, OBJECTS["Opportunity"], {
            "Name": name, "AccountId": account_id, "StageName": "Prospecting", "CloseDate": org.now()[:10],
            "ContactId": contact_id,
        })  # fmt: skip
        converted["ConvertedOpportunityId"] = opportunity["Id"]
    _hand_over(org, lead["Id"], contact_id)
    now = writer.at or org.now()
    org.put("Lead", {
        **org.tables["Lead"].rows[lead["Id"]], **converted, "IsConverted": True, "Status": "Closed - Converted",
        "ConvertedDate": now[:10], "LastModifiedDate": now, "SystemModstamp": now, "LastModifiedById": writer.user,
    })  # fmt: skip
    org.changed("Lead", org.tables["Lead"].rows[lead["Id"]])
    return converted


def _reparent(org: Org, writer: Writer, object: str, loser: str, winner: str) -> None:
    """Give the loser's children to the winner; a campaign membership the winner has already is dropped instead."""
    now = writer.at or org.now()
    for child in children_of(object):
        table = org.tables[child.child]
        for child_id in table.children(child.field, loser):
            row = table.rows[child_id]
            if child.child == "CampaignMember" and _is_member(org, child.field, winner, row["CampaignId"]):
                bin_row(org, writer, child.child, row, {})
                continue
            if child_id != winner:
                org.put(child.child, {**row, child.field: winner, "SystemModstamp": now, "LastModifiedDate": now})


def _is_member(org: Org, field: str, id: str, campaign: str) -> bool:
    members = org.tables["CampaignMember"]
    return any(members.rows[member]["CampaignId"] == campaign for member in members.children(field, id))


def _hand_over(org: Org, lead_id: str, contact_id: str) -> None:
    """Activities and campaign memberships of a converted lead go on with the contact."""
    now = org.now()
    for object, field, target in (
        ("Task", "WhoId", "WhoId"), ("Event", "WhoId", "WhoId"), ("CampaignMember", "LeadId", "ContactId"),
    ):  # fmt: skip
        table = org.tables[object]
        for id in table.children(field, lead_id):
            org.put(object, {**table.rows[id], target: contact_id, "SystemModstamp": now})


def _account_of(lead: Row) -> Row:
    address = {f"Billing{part}": lead[part] for part in _ADDRESS if part in lead}
    kept = {name: lead[name] for name in ("Phone", "Website", "Industry", "NumberOfEmployees") if name in lead}
    return {"Name": lead["Company"], **kept, **address}


def _contact_of(lead: Row) -> Row:
    address = {f"Mailing{part}": lead[part] for part in _ADDRESS if part in lead}
    return {**{name: lead[name] for name in _LEAD_TO_CONTACT if name in lead}, **address}
