"""Deleting, bringing back, merging, converting, and what change feeds say about it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.twins.client import Client
from zgoda.model.clock import FakeClock
from zgoda.twins import SalesforceTwin
from zgoda.twins.vendor import EditRefused

DAY = 86_400


def _add(twin: SalesforceTwin, object: str, **values: Any) -> str:
    return twin.edit("create", object=object, values=values)["id"]


def _row(twin: SalesforceTwin, object: str, id: str) -> dict[str, Any]:
    return twin.records(object, where={"Id": id})[0]


async def _window(api: Client, verb: str, start: str, end: str, object: str = "Contact") -> Any:
    return (await api("GET", f"/sobjects/{object}/{verb}", query={"start": start, "end": end})).json


async def test_deleting_takes_children_along_and_undeleting_brings_them_back(
    sf: SalesforceTwin, clock: FakeClock
) -> None:
    account = _add(sf, "Account", Name="Acme")
    child = _add(sf, "Account", Name="Daughter", ParentId=account)
    contact = _add(sf, "Contact", LastName="x", AccountId=account)
    task = _add(sf, "Task", Subject="Call", WhoId=contact)
    clock.advance(60)
    sf.edit("delete", object="Account", id=account)
    assert [
        _row(sf, o, i).get("IsDeleted") for o, i in (("Account", account), ("Contact", contact), ("Task", task))
    ] == [True] * 3
    assert "ParentId" not in _row(sf, "Account", child)
    sf.edit("undelete", id=account)
    for object, id in (("Account", account), ("Contact", contact), ("Task", task)):
        assert "IsDeleted" not in _row(sf, object, id)
    assert _row(sf, "Account", child)["ParentId"] == account


async def test_records_with_cases_cannot_be_deleted(sf: SalesforceTwin, sf_api: Client) -> None:
    contact = _add(sf, "Contact", LastName="x")
    _add(sf, "Case", Subject="Broken", ContactId=contact)
    answer = await sf_api("DELETE", f"/sobjects/Contact/{contact}")
    assert (answer.status, answer.json[0]["errorCode"]) == (400, "DELETE_FAILED")


async def test_merged_records_point_at_the_survivor_and_hand_over_their_children(
    sf: SalesforceTwin, sf_api: Client, clock: FakeClock
) -> None:
    """T-21, T-24, F-44: a merge looks like a delete and an update."""
    winner, loser = (_add(sf, "Contact", LastName=name) for name in ("Winner", "Loser"))
    spring, summer = (_add(sf, "Campaign", Name=name) for name in ("Spring", "Summer"))
    for campaign, contact in ((spring, winner), (spring, loser), (summer, loser)):
        _add(sf, "CampaignMember", CampaignId=campaign, ContactId=contact)
    task = _add(sf, "Task", Subject="Call", WhoId=loser)
    clock.advance(60)
    sf.edit("merge", object="Contact", id=winner, losers=[loser], values={"Title": "CEO"})
    gone = (await sf_api.query(f"SELECT IsDeleted, MasterRecordId FROM Contact WHERE Id = '{loser}'", "queryAll"))[0]
    assert (gone["IsDeleted"], gone["MasterRecordId"]) == (True, winner)
    assert _row(sf, "Contact", winner)["Title"] == "CEO"
    assert _row(sf, "Task", task)["WhoId"] == winner
    assert _row(sf, "Task", task)["SystemModstamp"] == "2026-03-01T12:01:00.000+0000"
    members = await sf_api.query("SELECT CampaignId, ContactId FROM CampaignMember")
    assert sorted((m["CampaignId"], m["ContactId"]) for m in members) == sorted([(spring, winner), (summer, winner)])
    with pytest.raises(EditRefused, match="UNDELETE_FAILED"):
        sf.edit("undelete", id=loser)


async def test_chained_merges_lead_from_any_old_id_to_the_last(sf: SalesforceTwin, sf_api: Client) -> None:
    """T-23: A into B, B into C."""
    a, b, c = (_add(sf, "Account", Name=name) for name in "ABC")
    contact = _add(sf, "Contact", LastName="x", AccountId=a)
    sf.edit("merge", object="Account", id=b, losers=[a])
    sf.edit("merge", object="Account", id=c, losers=[b])
    masters = {
        r["Id"]: r["MasterRecordId"] for r in await sf_api.query("SELECT Id, MasterRecordId FROM Account", "queryAll")
    }
    assert masters == {a: b, b: c, c: None}
    assert _row(sf, "Contact", contact)["AccountId"] == c
    for losers in ([], [c], [a]):
        with pytest.raises(EditRefused):
            sf.edit("merge", object="Account", id=c, losers=losers)
    with pytest.raises(EditRefused, match="INVALID_TYPE_FOR_OPERATION"):
        sf.edit("merge", object="Task", id="x", losers=["y"])


async def test_a_converted_lead_becomes_contact_account_and_deal(sf: SalesforceTwin, sf_api: Client) -> None:
    """T-26."""
    lead = _add(
        sf,
        "Lead",
        LastName="Nowak",
        FirstName="Ewa",
        Company="Acme",
        Email="ewa@acme.example",
        City="Łódź",
        HasOptedOutOfEmail=True,
    )
    campaign = _add(sf, "Campaign", Name="Spring")
    _add(sf, "CampaignMember", CampaignId=campaign, LeadId=lead)
    ids = sf.edit("convert_lead", id=lead)
    record = (await sf_api("GET", f"/sobjects/Lead/{lead}")).json
    assert record["IsConverted"] is True
    assert record["Status"] == "Closed - Converted"
    contact = _row(sf, "Contact", ids["ConvertedContactId"])
    assert (contact["Name"], contact["Email"], contact["MailingCity"]) == ("Ewa Nowak", "ewa@acme.example", "Łódź")
    assert contact["HasOptedOutOfEmail"] is True
    assert contact["AccountId"] == record["ConvertedAccountId"]
    assert _row(sf, "Opportunity", record["ConvertedOpportunityId"])["AccountId"] == record["ConvertedAccountId"]
    assert (await sf_api.query("SELECT ContactId FROM CampaignMember"))[0]["ContactId"] == contact["Id"]
    answer = await sf_api("PATCH", f"/sobjects/Lead/{lead}", {"Title": "x"})
    assert answer.json[0]["errorCode"] == "CANNOT_UPDATE_CONVERTED_LEAD"
    other = _add(sf, "Lead", LastName="Second", Company="Acme")
    ids = sf.edit(
        "convert_lead", id=other, account_id=contact["AccountId"], contact_id=contact["Id"], opportunity=False
    )
    assert ids["ConvertedContactId"] == contact["Id"]
    assert "ConvertedOpportunityId" not in ids


async def test_updated_and_deleted_windows(sf: SalesforceTwin, sf_api: Client, clock: FakeClock) -> None:
    first = _add(sf, "Contact", LastName="a")
    clock.advance(120)
    second = _add(sf, "Contact", LastName="b")
    clock.advance(30)
    sf.edit("delete", object="Contact", id=first)
    found = await _window(sf_api, "updated", "2026-03-01T12:01:59Z", "2026-03-01T12:10:00Z")
    assert found == {"ids": [second], "latestDateCovered": "2026-03-01T12:02:00.000+0000"}
    assert (await _window(sf_api, "updated", "2026-03-01T12:00:00Z", "2026-03-01T12:02:00Z"))["ids"] == []
    gone = await _window(sf_api, "deleted", "2026-03-01T12:02:40+00:00", "2026-03-01T12:10:00+00:00")
    assert gone["deletedRecords"] == [{"id": first, "deletedDate": "2026-03-01T12:02:30.000+0000"}]
    assert gone["earliestDateAvailable"] == "2026-02-14T12:02:30.000+0000"


@pytest.mark.parametrize(
    ("verb", "start", "end"),
    [
        ("updated", "2026-01-29T12:00:00Z", "2026-03-01T12:00:00Z"),
        ("deleted", "2026-02-13T12:00:00Z", "2026-03-01T12:00:00Z"),
        ("updated", "2026-03-01T12:00:00Z", "2026-03-01T12:00:30Z"),
        ("updated", "2026-03-02T12:00:00Z", "2026-03-03T12:00:00Z"),
    ],
)
async def test_windows_that_are_too_old_or_empty_are_refused(sf_api: Client, verb: str, start: str, end: str) -> None:
    assert (await _window(sf_api, verb, start, end))[0]["errorCode"] == "INVALID_REPLICATION_DATE"


async def test_the_bin_is_emptied_after_its_days_but_deletions_are_remembered(
    sf: SalesforceTwin, sf_api: Client, clock: FakeClock
) -> None:
    sf.edit("settings", values={"session_s": 30.0 * DAY})
    id = _add(sf, "Contact", LastName="a")
    sf.edit("delete", object="Contact", id=id)
    clock.advance(15 * DAY - 60)
    assert len(await sf_api.query("SELECT Id FROM Contact", "queryAll")) == 1
    clock.advance(120)
    gone = await _window(sf_api, "deleted", "2026-03-01T12:01:00Z", "2026-03-16T12:00:00Z")
    assert gone["deletedRecords"] == []
    assert await sf_api.query("SELECT Id FROM Contact", "queryAll") == []
    with pytest.raises(EditRefused):
        sf.edit("undelete", id=id)


async def test_purged_records_vanish_from_queries_but_not_from_the_delete_log(
    sf: SalesforceTwin, sf_api: Client
) -> None:
    id = _add(sf, "Contact", LastName="a")
    sf.edit("delete", object="Contact", id=id)
    sf.edit("purge", id=id)
    assert await sf_api.query("SELECT Id FROM Contact", "queryAll") == []
    gone = await _window(sf_api, "deleted", "2026-03-01T11:00:00Z", "2026-03-01T12:10:00Z")
    assert [record["id"] for record in gone["deletedRecords"]] == [id]
    _add(sf, "Contact", LastName="b")
    sf.edit("delete", object="Contact", id=_add(sf, "Contact", LastName="c"))
    sf.edit("empty_bin")
    assert len(sf.records("Contact")) == 1


async def test_edits_can_be_dated_back(sf: SalesforceTwin) -> None:
    id = sf.edit("create", object="Contact", values={"LastName": "x"}, at="2026-02-01T08:00:00Z")["id"]
    assert _row(sf, "Contact", id)["SystemModstamp"] == "2026-02-01T08:00:00.000+0000"
    with pytest.raises(EditRefused, match="UNKNOWN_OPERATION"):
        sf.edit("dance")
    with pytest.raises(EditRefused, match="MISSING_ARGUMENT"):
        sf.edit("create", values={})
