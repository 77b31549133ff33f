"""The org's schema against describe results recorded from a real org."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.twins.client import Client
from zgoda.twins import SalesforceTwin

EVIDENCE: dict[str, Any] = json.loads((Path(__file__).parents[1] / "evidence/salesforce-describes.json").read_text())
RECORDED = sorted(set(EVIDENCE) - {"global"})
FLAGS = dict(zip("cundxiqrf", (
    "createable", "updateable", "nillable", "defaultedOnCreate", "externalId", "idLookup", "unique",
    "restrictedPicklist", "calculated",
), strict=True))  # fmt: skip
# Documented standard fields that the recorded users had no right to see.
NOT_RECORDED = {"HasOptedOutOfEmail", "HasOptedOutOfFax", "DoNotCall"}
# Formulas here, plain copies there.
FORMULAS = {("Case", "ContactEmail"), ("Case", "ContactPhone")}


async def _described(api: Client, object: str) -> dict[str, Any]:
    answer = await api("GET", f"/sobjects/{object}/describe")
    assert answer.status == 200
    return answer.json


@pytest.mark.parametrize("object", RECORDED)
async def test_fields_are_those_a_real_org_describes(sf_api: Client, object: str) -> None:
    recorded = EVIDENCE[object]
    described = await _described(sf_api, object)
    assert described["keyPrefix"] == recorded["keyPrefix"]
    assert described["labelPlural"] == recorded["labelPlural"]
    assert (described["mergeable"], described["undeletable"]) == (recorded["mergeable"], recorded["undeletable"])
    for field in described["fields"]:
        name = field["name"]
        if name.endswith("__c") or name in NOT_RECORDED:
            continue
        flags = "".join(flag for flag, key in FLAGS.items() if field[key])
        if (object, name) in FORMULAS:
            flags = flags.replace("f", "")
        ours = [field["type"], field["length"], flags, field["relationshipName"] or "", field["soapType"]]
        assert ours == recorded["fields"][name], name


@pytest.mark.parametrize("object", RECORDED)
async def test_describes_have_the_keys_of_real_ones(sf_api: Client, object: str) -> None:
    described = await _described(sf_api, object)
    assert set(EVIDENCE["Contact"]["field_keys"]) == set(described["fields"][0])
    assert set(EVIDENCE["Contact"]["keys"]) <= set(described)


async def test_the_global_describe_lists_every_object(sf_api: Client) -> None:
    answer = await sf_api("GET", "/sobjects")
    assert set(EVIDENCE["global"]["keys"]) == set(answer.json)
    names = {item["name"] for item in answer.json["sobjects"]}
    assert names == {
        "Account", "Contact", "Lead", "Opportunity", "OpportunityContactRole", "Task", "Event", "Case", "Campaign",
        "CampaignMember", "User", "Individual", "ContactPointTypeConsent", "EmailMessage", "Organization",
    }  # fmt: skip
    assert set(EVIDENCE["global"]["object_keys"]) <= set(answer.json["sobjects"][0])
    again = await sf_api("GET", "/sobjects", headers={"If-Modified-Since": answer.headers["Last-Modified"]})
    assert again.status == 304


async def test_custom_fields_are_of_every_kind_a_mapping_meets(sf_api: Client) -> None:
    fields = {f["name"]: f for f in (await _described(sf_api, "Contact"))["fields"] if f["custom"]}
    kinds = {f["type"] for f in fields.values()}
    assert {"multipicklist", "currency", "date", "datetime", "double", "boolean", "picklist", "string"} <= kinds
    assert fields["Hub_Id__c"]["externalId"]
    assert fields["Hub_Id__c"]["unique"]
    assert fields["Account_Tier__c"]["calculated"]
    assert not fields["Account_Tier__c"]["updateable"]
    assert [v["value"] for v in fields["Interests__c"]["picklistValues"]][:2] == ["Product news", "Events"]


async def test_schema_faults_change_what_is_described_and_read(sf: SalesforceTwin, sf_api: Client) -> None:
    """F-35: a field removed, renamed, of another type; a picklist with a new value."""
    sf.edit("create", object="Contact", values={"LastName": "Nowak", "Title": "CEO", "Department": "IT"})
    sf.arm("field_removed", object="Contact", field="Title")
    sf.arm("field_renamed", object="Contact", field="Department", to="Division")
    sf.arm("field_retyped", object="Contact", field="Birthdate", type="string")
    sf.arm("picklist_value_added", object="Contact", field="Language__c", value="Klingon")
    fields = {f["name"]: f for f in (await _described(sf_api, "Contact"))["fields"]}
    assert "Title" not in fields
    assert "Department" not in fields
    assert fields["Birthdate"]["type"] == "string"
    assert "Klingon" in [v["value"] for v in fields["Language__c"]["picklistValues"]]
    answer = await sf_api("GET", "/query", query={"q": "SELECT Title FROM Contact"})
    assert (answer.status, answer.json[0]["errorCode"]) == (400, "INVALID_FIELD")
    assert (await sf_api.query("SELECT Division FROM Contact"))[0]["Division"] == "IT"
    answer = await sf_api("POST", "/sobjects/Contact", {"LastName": "K", "Language__c": "Klingon"})
    assert answer.status == 201
    sf.clear_faults()
    assert (await sf_api.query("SELECT Title FROM Contact WHERE LastName = 'Nowak'"))[0]["Title"] == "CEO"
