"""An opportunity's contact follows its primary contact role."""

from __future__ import annotations

from typing import Any

from tests.twins.client import Client
from zgoda.model.clock import FakeClock
from zgoda.twins import SalesforceTwin


def _add(twin: SalesforceTwin, object: str, **values: Any) -> str:
    return twin.edit("create", object=object, values=values)["id"]


def _deal(twin: SalesforceTwin, **values: Any) -> str:
    return _add(twin, "Opportunity", Name="Deal", StageName="Prospecting", CloseDate="2026-05-01", **values)


def _contact_of(twin: SalesforceTwin, deal: str) -> str | None:
    return twin.records("Opportunity", where={"Id": deal})[0].get("ContactId")


def _roles(twin: SalesforceTwin, deal: str) -> dict[str, bool]:
    """Contact and whether it is the primary one, of all roles that are there."""
    roles = twin.records("OpportunityContactRole", where={"OpportunityId": deal})
    return {role["ContactId"]: role.get("IsPrimary", False) for role in roles if not role.get("IsDeleted")}


async def test_naming_a_contact_at_creation_makes_the_primary_role(sf: SalesforceTwin, sf_api: Client) -> None:
    ann, bob = (_add(sf, "Contact", LastName=name) for name in ("Ann", "Bob"))
    deal = _deal(sf, ContactId=ann)
    assert _roles(sf, deal) == {ann: True}
    refused = await sf_api("PATCH", f"/sobjects/Opportunity/{deal}", {"ContactId": bob})
    assert (refused.status, refused.json[0]["errorCode"]) == (400, "INVALID_FIELD_FOR_INSERT_UPDATE")


async def test_the_newest_primary_role_wins_and_moves_the_stamp(
    sf: SalesforceTwin, sf_api: Client, clock: FakeClock
) -> None:
    ann, bob = (_add(sf, "Contact", LastName=name) for name in ("Ann", "Bob"))
    deal = _deal(sf, ContactId=ann)
    before = sf.records("Opportunity", where={"Id": deal})[0]
    clock.advance(60)
    made = await sf_api(
        "POST",
        "/sobjects/OpportunityContactRole",
        {"OpportunityId": deal, "ContactId": bob, "IsPrimary": True, "Role": "Decision Maker"},
    )
    assert made.status == 201
    assert _roles(sf, deal) == {ann: False, bob: True}
    after = sf.records("Opportunity", where={"Id": deal})[0]
    assert after["ContactId"] == bob
    assert after["SystemModstamp"] > before["SystemModstamp"]
    assert after["LastModifiedDate"] == before["LastModifiedDate"]
    await sf_api("PATCH", f"/sobjects/OpportunityContactRole/{made.json['id']}", {"IsPrimary": False})
    assert _contact_of(sf, deal) is None


async def test_a_role_that_is_not_primary_says_nothing(sf: SalesforceTwin) -> None:
    ann = _add(sf, "Contact", LastName="Ann")
    deal = _deal(sf)
    role = _add(sf, "OpportunityContactRole", OpportunityId=deal, ContactId=ann)
    assert _contact_of(sf, deal) is None
    sf.edit("update", object="OpportunityContactRole", id=role, values={"IsPrimary": True})
    assert _contact_of(sf, deal) == ann


async def test_a_deleted_role_is_gone_for_good_and_the_contact_with_it(
    sf: SalesforceTwin, sf_api: Client, clock: FakeClock
) -> None:
    ann = _add(sf, "Contact", LastName="Ann")
    deal = _deal(sf, ContactId=ann)
    role = sf.records("OpportunityContactRole", where={"OpportunityId": deal})[0]["Id"]
    clock.advance(60)
    assert (await sf_api("DELETE", f"/sobjects/OpportunityContactRole/{role}")).status == 204
    assert _contact_of(sf, deal) is None
    query = f"SELECT Id FROM OpportunityContactRole WHERE OpportunityId = '{deal}'"
    assert (await sf_api("GET", "/queryAll", query={"q": query})).json["totalSize"] == 0
    window = {"start": "2026-03-01T12:00:00Z", "end": "2026-03-01T12:05:00Z"}
    feed = (await sf_api("GET", "/sobjects/OpportunityContactRole/deleted", query=window)).json
    assert [gone["id"] for gone in feed["deletedRecords"]] == [role]


async def test_contacts_that_go_come_back_or_merge_take_the_deal_along(sf: SalesforceTwin) -> None:
    ann, bob = (_add(sf, "Contact", LastName=name) for name in ("Ann", "Bob"))
    deal = _deal(sf, ContactId=ann)
    sf.edit("delete", object="Contact", id=ann)
    assert _contact_of(sf, deal) is None
    assert _roles(sf, deal) == {}
    sf.edit("undelete", id=ann)
    assert _contact_of(sf, deal) == ann
    assert _roles(sf, deal) == {ann: True}
    sf.edit("merge", object="Contact", id=bob, losers=[ann])
    assert _contact_of(sf, deal) == bob
    assert _roles(sf, deal) == {bob: True}


async def test_a_deal_brought_back_still_has_its_contact(sf: SalesforceTwin) -> None:
    ann = _add(sf, "Contact", LastName="Ann")
    deal = _deal(sf, ContactId=ann)
    sf.edit("delete", object="Opportunity", id=deal)
    sf.edit("undelete", id=deal)
    assert _contact_of(sf, deal) == ann
    assert _roles(sf, deal) == {ann: True}


async def test_a_converted_lead_is_the_primary_contact_of_its_deal(sf: SalesforceTwin) -> None:
    lead = _add(sf, "Lead", LastName="Ann", Company="Acme")
    done = sf.edit("convert_lead", id=lead)
    assert _contact_of(sf, done["ConvertedOpportunityId"]) == done["ConvertedContactId"]


async def test_an_invented_world_agrees_with_itself(sf: SalesforceTwin) -> None:
    sf.fill(300)
    deals = sf.records("Opportunity")
    assert any("ContactId" in deal for deal in deals)
    for deal in deals:
        assert _roles(sf, deal["Id"]) == ({deal["ContactId"]: True} if "ContactId" in deal else {})


async def test_what_is_taken_back_leaves_no_role(sf: SalesforceTwin, sf_api: Client) -> None:
    ann = _add(sf, "Contact", LastName="Ann")
    good = {"attributes": {"type": "Opportunity"}, "Name": "x", "StageName": "Prospecting", "CloseDate": "2026-05-01"}
    body = {"allOrNone": True, "records": [{**good, "ContactId": ann}, {**good, "Name": None}]}
    answer = await sf_api("POST", "/composite/sobjects", body)
    assert [result["success"] for result in answer.json] == [False, False]
    assert sf.records("OpportunityContactRole") == []
