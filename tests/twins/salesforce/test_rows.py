"""Single records: created, read, changed, found by key, deleted; what values are taken, changed or refused."""

from __future__ import annotations

from email.utils import format_datetime
from typing import Any

import pytest

from tests.twins.client import Client
from zgoda.model.clock import FakeClock
from zgoda.twins import SalesforceTwin
from zgoda.twins.salesforce.ids import full_id, make_id


async def _create(api: Client, values: dict[str, Any], object: str = "Contact") -> str:
    answer = await api("POST", f"/sobjects/{object}", values)
    assert answer.status == 201, answer.body
    return answer.json["id"]


async def _read(api: Client, id: str, object: str = "Contact") -> dict[str, Any]:
    answer = await api("GET", f"/sobjects/{object}/{id}")
    assert answer.status == 200, answer.body
    return answer.json


async def _refusal(api: Client, values: dict[str, Any], object: str = "Contact") -> tuple[str, list[str]]:
    answer = await api("POST", f"/sobjects/{object}", values)
    assert answer.status == 400, answer.body
    return answer.json[0]["errorCode"], answer.json[0].get("fields", [])


def test_ids_have_the_suffix_that_repairs_their_case() -> None:
    for recorded in ("0035500001H9kZuAAJ", "0015500001QdZPKAA3", "0065500000KQ12XAAT", "0017e00001W4GYRAA3"):
        assert full_id(recorded[:15]) == recorded
        assert full_id(recorded.lower()) == recorded
    assert make_id("003", 1) < make_id("003", 2) < make_id("003", 62) < make_id("003", 100_000)
    assert full_id("0035500001H9kZ!") is None
    assert full_id("003") is None


async def test_a_record_lives_through_create_read_update_delete(
    sf: SalesforceTwin, sf_api: Client, clock: FakeClock
) -> None:
    answer = await sf_api(
        "POST", "/sobjects/Contact", {"LastName": "Nowak", "FirstName": "Ewa", "Email": "Ewa@Firma.Example"}
    )
    assert answer.status == 201
    assert answer.json == {"id": answer.json["id"], "success": True, "errors": []}
    assert answer.headers["Location"].endswith(answer.json["id"])
    id = answer.json["id"]
    record = await _read(sf_api, id)
    assert record["Name"] == "Ewa Nowak"
    assert record["CreatedDate"] == record["SystemModstamp"] == "2026-03-01T12:00:00.000+0000"
    assert record["IsDeleted"] is False
    clock.advance(61.7)
    assert (await sf_api("PATCH", f"/sobjects/Contact/{id}", {"FirstName": None, "Title": "CEO"})).status == 204
    record = await _read(sf_api, id)
    assert (record["Name"], record["FirstName"], record["Title"]) == ("Nowak", None, "CEO")
    assert record["SystemModstamp"] == "2026-03-01T12:01:01.000+0000"
    assert (await sf_api("DELETE", f"/sobjects/Contact/{id}")).status == 204
    gone = await sf_api("GET", f"/sobjects/Contact/{id}")
    assert (gone.status, gone.json[0]["errorCode"]) == (404, "ENTITY_IS_DELETED")
    assert await sf_api.query("SELECT Id FROM Contact") == []
    assert (await sf_api.query("SELECT Id, IsDeleted FROM Contact", "queryAll"))[0]["IsDeleted"] is True
    assert [w.operation for w in sf.writes()] == ["create", "update", "delete"]
    assert {w.id for w in sf.writes()} == {id}


async def test_texts_are_trimmed_addresses_lowered_and_numbers_rounded(sf_api: Client) -> None:
    """Values come back otherwise than they were sent; an echo is not always equal to the write."""
    id = await _create(sf_api, {
        "LastName": "  Nowak ", "Email": "Ewa@Firma.Example", "Title": "   ", "Credit_Limit__c": 10.126,
        "Interests__c": "Offers;Events;Offers", "Score__c": "7", "Last_Survey__c": "2026-02-01T10:00:00+01:00",
        "Birthdate": "1980-05-06T00:00:00Z", "Newsletter__c": "true", "Description": 12,
    })  # fmt: skip
    record = await _read(sf_api, id)
    assert record["LastName"] == "Nowak"
    assert record["Email"] == "ewa@firma.example"
    assert record["Title"] is None
    assert record["Credit_Limit__c"] == 10.13
    assert record["Interests__c"] == "Events;Offers"
    assert record["Score__c"] == 7
    assert record["Last_Survey__c"] == "2026-02-01T09:00:00.000+0000"
    assert record["Birthdate"] == "1980-05-06"
    assert record["Newsletter__c"] is True
    assert record["Description"] == "12"


@pytest.mark.parametrize(
    ("values", "code", "fields"),
    [
        ({"FirstName": "x"}, "REQUIRED_FIELD_MISSING", ["LastName"]),
        ({"LastName": "  "}, "REQUIRED_FIELD_MISSING", ["LastName"]),
        ({"LastName": "x" * 81}, "STRING_TOO_LONG", ["LastName"]),
        ({"LastName": "x", "Email": "nobody"}, "INVALID_EMAIL_ADDRESS", ["Email"]),
        ({"LastName": "x", "Email": "a@@b.example"}, "INVALID_EMAIL_ADDRESS", ["Email"]),
        ({"LastName": "x", "Language__c": "Elvish"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", ["Language__c"]),
        ({"LastName": "x", "Nope": 1}, "INVALID_FIELD", []),
        ({"LastName": "x", "Name": "y"}, "INVALID_FIELD_FOR_INSERT_UPDATE", ["Name"]),
        (
            {"LastName": "x", "SystemModstamp": "2026-01-01T00:00:00Z"},
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            ["SystemModstamp"],
        ),
        ({"LastName": "x", "Account_Tier__c": "Gold"}, "INVALID_FIELD_FOR_INSERT_UPDATE", ["Account_Tier__c"]),
        ({"LastName": "x", "Birthdate": "soon"}, "JSON_PARSER_ERROR", ["Birthdate"]),
        ({"LastName": "x", "HasOptedOutOfEmail": "maybe"}, "JSON_PARSER_ERROR", ["HasOptedOutOfEmail"]),
        ({"LastName": "x", "Score__c": True}, "JSON_PARSER_ERROR", ["Score__c"]),
        ({"LastName": {"x": 1}}, "JSON_PARSER_ERROR", ["LastName"]),
        ({"LastName": "x", "AccountId": "abc"}, "MALFORMED_ID", ["AccountId"]),
        ({"LastName": "x", "AccountId": make_id("001", 999)}, "INVALID_CROSS_REFERENCE_KEY", ["AccountId"]),
        ({"LastName": "x", "AccountId": make_id("003", 1)}, "FIELD_INTEGRITY_EXCEPTION", ["AccountId"]),
        ({"LastName": "x", "Account": {"Hub_Id__c": "none"}}, "INVALID_FIELD", []),
    ],
)
async def test_refused_values(sf_api: Client, values: dict[str, Any], code: str, fields: list[str]) -> None:
    assert await _refusal(sf_api, values) == (code, fields)


async def test_unrestricted_picklists_take_any_value(sf_api: Client) -> None:
    id = await _create(sf_api, {"LastName": "x", "LeadSource": "Carrier pigeon"})
    assert (await _read(sf_api, id))["LeadSource"] == "Carrier pigeon"


async def test_references_to_deleted_records_are_refused(sf: SalesforceTwin, sf_api: Client) -> None:
    account = await _create(sf_api, {"Name": "Acme"}, "Account")
    sf.edit("delete", object="Account", id=account)
    assert await _refusal(sf_api, {"LastName": "x", "AccountId": account}) == ("ENTITY_IS_DELETED", ["AccountId"])


async def test_parents_can_be_named_by_their_key(sf_api: Client) -> None:
    account = await _create(sf_api, {"Name": "Acme", "Hub_Id__c": "acme-1"}, "Account")
    id = await _create(sf_api, {"LastName": "x", "Account": {"Hub_Id__c": "ACME-1"}})
    assert (await _read(sf_api, id))["AccountId"] == account


async def test_unique_fields_and_duplicate_rules(sf: SalesforceTwin, sf_api: Client) -> None:
    await _create(sf_api, {"LastName": "x", "Hub_Id__c": "h1", "Email": "x@a.example"})
    assert (await _refusal(sf_api, {"LastName": "y", "Hub_Id__c": "H1"}))[0] == "DUPLICATE_VALUE"
    await _create(sf_api, {"LastName": "x", "Email": "x@a.example"})
    sf.edit("settings", values={"duplicate_rules": {"Contact": ["Email", "LastName"]}})
    same = {"LastName": "X", "Email": "X@A.example"}
    assert (await _refusal(sf_api, same))[0] == "DUPLICATES_DETECTED"
    allowed = await sf_api(
        "POST", "/sobjects/Contact", same, headers={"Sforce-Duplicate-Rule-Header": "allowSave=true"}
    )
    assert allowed.status == 201
    await _create(sf_api, {"LastName": "Other", "Email": "x@a.example"})


async def test_keys_find_one_several_or_no_record(sf_api: Client) -> None:
    first = await _create(sf_api, {"LastName": "x", "Legacy_No__c": "7"})
    answer = await sf_api("GET", "/sobjects/Contact/Legacy_No__c/7")
    assert (answer.status, answer.json["Id"]) == (200, first)
    second = await _create(sf_api, {"LastName": "y", "Legacy_No__c": "7"})
    answer = await sf_api("GET", "/sobjects/Contact/Legacy_No__c/7")
    assert answer.status == 300
    assert answer.json == [f"/services/data/v59.0/sobjects/Contact/{id}" for id in (first, second)]
    assert (await sf_api("PATCH", "/sobjects/Contact/Legacy_No__c/7", {"Title": "x"})).status == 300
    assert (await sf_api("GET", "/sobjects/Contact/Legacy_No__c/8")).status == 404
    assert (await sf_api("GET", "/sobjects/Contact/Title/8")).status == 404


async def test_upsert_creates_then_updates(sf_api: Client) -> None:
    path = "/sobjects/Contact/Hub_Id__c/a%2Fb%20c"
    created = await sf_api("PATCH", path, {"LastName": "x"})
    assert (created.status, created.json["created"]) == (201, True)
    updated = await sf_api("PATCH", path, {"Title": "CEO"})
    assert (updated.status, updated.json["created"], updated.json["id"]) == (200, False, created.json["id"])
    assert (await sf_api.query("SELECT Hub_Id__c FROM Contact"))[0]["Hub_Id__c"] == "a/b c"


async def test_conditional_reads_and_writes_compare_seconds(sf_api: Client, clock: FakeClock) -> None:
    """F-30: the vendor's optimistic lock."""
    id = await _create(sf_api, {"LastName": "x"})
    then = format_datetime(clock.now(), usegmt=True)
    assert (await sf_api("GET", f"/sobjects/Contact/{id}", headers={"If-Modified-Since": then})).status == 304
    assert (
        await sf_api("PATCH", f"/sobjects/Contact/{id}", {"Title": "a"}, headers={"If-Unmodified-Since": then})
    ).status == 204
    clock.advance(5)
    assert (await sf_api("PATCH", f"/sobjects/Contact/{id}", {"Title": "b"})).status == 204
    refused = await sf_api("PATCH", f"/sobjects/Contact/{id}", {"Title": "c"}, headers={"If-Unmodified-Since": then})
    assert refused.status == 412
    assert (await _read(sf_api, id))["Title"] == "b"
    assert (await sf_api("GET", f"/sobjects/Contact/{id}", headers={"If-Modified-Since": then})).status == 200


async def test_system_changes_move_only_the_system_stamp_and_formulas_none(
    sf: SalesforceTwin, sf_api: Client, clock: FakeClock
) -> None:
    """T-10, T-14: LastModifiedDate is no cursor, and a formula changes without any stamp."""
    account = await _create(sf_api, {"Name": "Acme", "Tier__c": "Silver"}, "Account")
    id = await _create(sf_api, {"LastName": "x", "AccountId": account})
    clock.advance(60)
    sf.edit("touch", object="Contact", id=id)
    before = await _read(sf_api, id)
    assert before["SystemModstamp"] > before["LastModifiedDate"]
    clock.advance(60)
    sf.edit("update", object="Account", id=account, values={"Tier__c": "Gold"})
    after = await _read(sf_api, id)
    assert (before["Account_Tier__c"], after["Account_Tier__c"]) == ("Silver", "Gold")
    assert after["SystemModstamp"] == before["SystemModstamp"]


async def test_fields_follow_from_others(sf_api: Client) -> None:
    deal = await _create(
        sf_api,
        {"Name": "Deal", "StageName": "Negotiation/Review", "CloseDate": "2026-05-01", "Amount": 1000},
        "Opportunity",
    )
    record = await _read(sf_api, deal, "Opportunity")
    assert (record["Probability"], record["ExpectedRevenue"], record["IsClosed"]) == (90, 900, False)
    await sf_api("PATCH", f"/sobjects/Opportunity/{deal}", {"StageName": "Closed Won"})
    record = await _read(sf_api, deal, "Opportunity")
    assert (record["Probability"], record["IsClosed"], record["IsWon"]) == (100, True, True)
    task = await _create(sf_api, {"Subject": "Call", "Priority": "High"}, "Task")
    record = await _read(sf_api, task, "Task")
    assert (record["Status"], record["IsHighPriority"], record["IsClosed"]) == ("Not Started", True, False)
    case = await _create(sf_api, {"Subject": "Broken"}, "Case")
    assert (await _read(sf_api, case, "Case"))["CaseNumber"] == "00001001"


async def test_a_person_is_in_a_campaign_once(sf_api: Client) -> None:
    campaign = await _create(sf_api, {"Name": "Spring"}, "Campaign")
    contact = await _create(sf_api, {"LastName": "x"})
    await _create(sf_api, {"CampaignId": campaign, "ContactId": contact}, "CampaignMember")
    assert (await _refusal(sf_api, {"CampaignId": campaign, "ContactId": contact}, "CampaignMember"))[
        0
    ] == "DUPLICATE_VALUE"
    assert (await _refusal(sf_api, {"CampaignId": campaign}, "CampaignMember"))[0] == "REQUIRED_FIELD_MISSING"
    assert (await _read(sf_api, campaign, "Campaign"))["NumberOfContacts"] == 1


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/sobjects/Nope/describe", 404, "NOT_FOUND"),
        ("GET", "/nothing/here", 404, "NOT_FOUND"),
        ("PUT", "/sobjects/Contact", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/sobjects/Contact/003000000000000AAA", 404, "NOT_FOUND"),
        ("GET", "/sobjects/Contact/zz", 404, "NOT_FOUND"),
        ("DELETE", "/sobjects/Contact/003000000000000AAA", 404, "NOT_FOUND"),
        ("POST", "/sobjects/Contact", 400, "JSON_PARSER_ERROR"),
    ],
)
async def test_wrong_calls(sf_api: Client, method: str, path: str, status: int, code: str) -> None:
    answer = await sf_api(method, path, data=b"{not json" if method == "POST" else None)
    assert (answer.status, answer.json[0]["errorCode"]) == (status, code)


async def test_fields_of_a_read_can_be_chosen(sf_api: Client) -> None:
    id = await _create(sf_api, {"LastName": "x"})
    answer = await sf_api("GET", f"/sobjects/Contact/{id}", query={"fields": "LastName,Email"})
    assert set(answer.json) == {"attributes", "LastName", "Email"}
    assert (await sf_api("GET", f"/sobjects/Contact/{id}", query={"fields": "Nope"})).json[0][
        "errorCode"
    ] == "INVALID_FIELD"
