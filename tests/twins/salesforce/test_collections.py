"""Collections, composite and batch calls: partial success in order, all or none, references."""

from __future__ import annotations

from typing import Any

import pytest

from tests.twins.client import Client, salesforce
from zgoda.twins import SalesforceTwin


def _contact(**values: Any) -> dict[str, Any]:
    return {"attributes": {"type": "Contact"}, **values}


async def test_creating_many_answers_in_order_with_each_record_s_own_fate(sf: SalesforceTwin, sf_api: Client) -> None:
    """F-25: HTTP 200, and the second of three failed."""
    answer = await sf_api("POST", "/composite/sobjects", {
        "records": [_contact(LastName="a"), _contact(FirstName="b"), {"attributes": {"type": "Account"}, "Name": "c"}],
    })  # fmt: skip
    assert answer.status == 200
    assert [r["success"] for r in answer.json] == [True, False, True]
    assert answer.json[0]["id"].startswith("003")
    assert answer.json[2]["id"].startswith("001")
    assert answer.json[1]["errors"] == [{
        "statusCode": "REQUIRED_FIELD_MISSING", "message": "Required fields are missing: [LastName]",
        "fields": ["LastName"],
    }]  # fmt: skip
    assert [w.outcome for w in sf.writes()] == ["ok", "REQUIRED_FIELD_MISSING", "ok"]


async def test_all_or_none_takes_everything_back(sf: SalesforceTwin, sf_api: Client) -> None:
    id = sf.edit("create", object="Contact", values={"LastName": "keep", "Title": "old"})["id"]
    stamp = sf.records("Contact")[0]["SystemModstamp"]
    answer = await sf_api("PATCH", "/composite/sobjects", {
        "allOrNone": True,
        "records": [_contact(Id=id, Title="new"), _contact(Id=id[:-3] + "AAA", Title="x"), _contact(LastName="no id")],
    })  # fmt: skip
    codes = [r["errors"][0]["statusCode"] for r in answer.json]
    assert codes[0] == "ALL_OR_NONE_OPERATION_ROLLED_BACK"
    assert codes[2] == "MISSING_ARGUMENT"
    assert (sf.records("Contact")[0]["Title"], sf.records("Contact")[0]["SystemModstamp"]) == ("old", stamp)
    assert sf.writes()[0].outcome == "ALL_OR_NONE_OPERATION_ROLLED_BACK"
    created = await sf_api("POST", "/composite/sobjects", {
        "allOrNone": True, "records": [_contact(LastName="x"), _contact()],
    })  # fmt: skip
    assert not any(r["success"] for r in created.json)
    assert len(sf.records("Contact")) == 1


async def test_upserting_many_by_key(sf: SalesforceTwin, sf_api: Client) -> None:
    first = _contact(LastName="a", Hub_Id__c="1")
    answer = await sf_api(
        "PATCH", "/composite/sobjects/Contact/Hub_Id__c", {"records": [first, _contact(LastName="b", Hub_Id__c="2")]}
    )
    assert [(r["success"], r["created"]) for r in answer.json] == [(True, True), (True, True)]
    again = await sf_api("PATCH", "/composite/sobjects/Contact/Hub_Id__c", {"records": [
        {**first, "Title": "CEO"}, first, _contact(LastName="c", Hub_Id__c=None),
         {"attributes": {"type": "Lead"}, "Hub_Id__c": "1"},
    ]})  # fmt: skip
    assert [r.get("created") for r in again.json] == [False, None, True, None]
    assert again.json[1]["errors"][0]["statusCode"] == "DUPLICATE_VALUE"
    assert again.json[3]["errors"][0]["statusCode"] == "INVALID_TYPE"
    assert len(sf.records("Contact")) == 3
    wrong = await sf_api("PATCH", "/composite/sobjects/Contact/Title", {"records": [first]})
    assert (wrong.status, wrong.json[0]["errorCode"]) == (400, "INVALID_FIELD")


async def test_a_key_of_several_records_is_refused(sf: SalesforceTwin, sf_api: Client) -> None:
    for _ in range(2):
        sf.edit("create", object="Contact", values={"LastName": "x", "Email": "same@a.example"})
    answer = await sf_api(
        "PATCH", "/composite/sobjects/Contact/Email", {"records": [_contact(Email="Same@a.example", Title="y")]}
    )
    assert answer.json[0]["errors"][0]["statusCode"] == "DUPLICATE_EXTERNAL_ID"


async def test_deleting_and_retrieving_many(sf: SalesforceTwin, sf_api: Client) -> None:
    ids = [sf.edit("create", object="Contact", values={"LastName": name})["id"] for name in "abc"]
    got = await sf_api(
        "POST",
        "/composite/sobjects/Contact",
        {"ids": [ids[1], ids[0][:15], "003000000000000AAA"], "fields": ["LastName"]},
    )
    assert [r and r["LastName"] for r in got.json] == ["b", "a", None]
    answer = await sf_api(
        "DELETE", "/composite/sobjects", query={"ids": f"{ids[0]},bad,{ids[0]}", "allOrNone": "false"}
    )
    assert [r["success"] for r in answer.json] == [True, False, False]
    assert [r["errors"][0]["statusCode"] for r in answer.json[1:]] == ["MALFORMED_ID", "ENTITY_IS_DELETED"]
    got = await sf_api("GET", "/composite/sobjects/Contact", query={"ids": ",".join(ids), "fields": "Id"})
    assert [r and r["Id"] for r in got.json] == [None, ids[1], ids[2]]


@pytest.mark.parametrize(
    ("method", "path", "content", "code"),
    [
        ("POST", "/composite/sobjects", {"records": [_contact(LastName="x")] * 201}, "EXCEEDED_ID_LIMIT"),
        ("PATCH", "/composite/sobjects", {"records": [_contact(LastName="x")] * 201}, "EXCEEDED_ID_LIMIT"),
        (
            "POST",
            "/composite/sobjects/Contact",
            {"ids": ["003000000000000AAA"] * 2001, "fields": ["Id"]},
            "EXCEEDED_ID_LIMIT",
        ),
        ("POST", "/composite", {"compositeRequest": [{}] * 26}, "LIMIT_EXCEEDED"),
        ("POST", "/composite/batch", {"batchRequests": [{}] * 26}, "LIMIT_EXCEEDED"),
        ("POST", "/composite/sobjects", {"records": "x"}, "JSON_PARSER_ERROR"),
    ],
)
async def test_real_limits_of_many(method: str, path: str, content: Any, code: str) -> None:
    async with SalesforceTwin(limits="real") as twin, salesforce(twin) as api:
        answer = await api(method, path, content)
        assert (answer.status, answer.json[0]["errorCode"]) == (400, code)
        assert twin.writes() == []


async def test_composite_parts_refer_to_earlier_ones(sf: SalesforceTwin, sf_api: Client) -> None:
    base = "/services/data/v59.0"
    answer = await sf_api("POST", "/composite", {"compositeRequest": [
        {"referenceId": "acme", "method": "POST", "url": f"{base}/sobjects/Account", "body": {"Name": "Acme"}},
        {"referenceId": "ewa", "method": "POST", "url": f"{base}/sobjects/Contact",
         "body": {"LastName": "Nowak", "AccountId": "@{acme.id}"}},
        {"referenceId": "read", "method": "GET",
         "url": f"{base}/query?q=SELECT+Id+FROM+Contact+WHERE+AccountId='@{{acme.id}}'"},
        {"referenceId": "row", "method": "GET",
         "url": f"{base}/sobjects/Contact/@{{read.records[0].Id}}?fields=LastName"},
        {"referenceId": "lost", "method": "GET", "url": f"{base}/sobjects/Contact/@{{nobody.id}}"},
    ]})  # fmt: skip
    parts = {part["referenceId"]: part for part in answer.json["compositeResponse"]}
    assert [part["httpStatusCode"] for part in parts.values()] == [201, 201, 200, 200, 400]
    assert parts["acme"]["httpHeaders"]["Location"].endswith(parts["acme"]["body"]["id"])
    assert parts["row"]["body"]["LastName"] == "Nowak"
    assert parts["lost"]["body"][0]["errorCode"] == "PROCESSING_HALTED"
    assert sf.state()["requests"] == 1


async def test_a_composite_call_can_be_all_or_none(sf: SalesforceTwin, sf_api: Client) -> None:
    answer = await sf_api("POST", "/composite", {"allOrNone": True, "compositeRequest": [
        {"referenceId": "a", "method": "POST", "url": "/services/data/v59.0/sobjects/Account",
         "body": {"Name": "Acme"}},
        {"referenceId": "b", "method": "POST", "url": "/services/data/v59.0/sobjects/Contact", "body": {}},
    ]})  # fmt: skip
    first, second = answer.json["compositeResponse"]
    assert first["body"][0]["errorCode"] == "PROCESSING_HALTED"
    assert second["body"][0]["errorCode"] == "REQUIRED_FIELD_MISSING"
    assert sf.records("Account") == []


async def test_batches_are_independent(sf: SalesforceTwin, sf_api: Client) -> None:
    answer = await sf_api("POST", "/composite/batch", {"batchRequests": [
        {"method": "GET", "url": "v59.0/sobjects/Nope"},
        {"method": "POST", "url": "v59.0/sobjects/Account", "richInput": {"Name": "Acme"}},
    ]})  # fmt: skip
    assert answer.json["hasErrors"] is True
    assert [r["statusCode"] for r in answer.json["results"]] == [404, 201]
    assert len(sf.records("Account")) == 1
