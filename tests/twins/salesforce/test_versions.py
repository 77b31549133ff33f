"""API versions, the org's own record, and feeds with too many ids."""

from __future__ import annotations

import pytest

from tests.twins.client import Client
from zgoda.model.clock import FakeClock
from zgoda.twins import SalesforceTwin

WINDOW = {"start": "2026-03-01T11:00:00Z", "end": "2026-03-01T12:05:00Z"}


async def test_every_listed_version_works(sf: SalesforceTwin, sf_api: Client) -> None:
    listed = (await sf_api("GET", f"{sf.base_url}/services/data/")).json
    assert [listed[0]["version"], listed[-1]["version"]] == ["31.0", "68.0"]
    assert [listed[0]["label"], listed[-1]["label"]] == ["Summer '14", "Winter '27"]
    for version in listed:
        assert (await sf_api("GET", f"{sf.base_url}{version['url']}/limits")).status == 200


@pytest.mark.parametrize("version", ["v69.0", "v99.0", "v62", "62.0", "v62.1", "vx", "v6.0", "v062.0.1"])
async def test_an_unknown_version_is_an_unknown_address(sf: SalesforceTwin, sf_api: Client, version: str) -> None:
    answer = await sf_api("GET", f"{sf.base_url}/services/data/{version}/limits")
    assert (answer.status, answer.json[0]["errorCode"]) == (404, "NOT_FOUND")
    assert answer.json[0]["message"] == "The requested resource does not exist"


@pytest.mark.parametrize("version", ["v7.0", "v20.0", "v30.0"])
async def test_a_retired_version_is_gone(sf: SalesforceTwin, sf_api: Client, version: str) -> None:
    url = f"{sf.base_url}/services/data/{version}/query"
    assert (await sf_api("GET", url, query={"q": "SELECT Id FROM User"})).status == 410


async def test_composite_parts_have_versions_too(sf_api: Client) -> None:
    parts = [{"method": "GET", "url": f"/services/data/{v}/limits", "referenceId": v[:3]} for v in ("v59.0", "v99.0")]
    answer = await sf_api("POST", "/composite", {"compositeRequest": parts})
    assert [part["httpStatusCode"] for part in answer.json["compositeResponse"]] == [200, 404]


async def test_the_org_is_a_record(sf: SalesforceTwin, sf_api: Client) -> None:
    query = "SELECT Id, Name, InstanceName, IsSandbox, OrganizationType FROM Organization"
    found = (await sf_api("GET", "/query", query={"q": query})).json
    assert found["totalSize"] == 1
    assert found["records"][0]["Id"] == sf.connection()["organization_id"]
    assert found["records"][0]["IsSandbox"] is False
    assert (await sf_api("POST", "/sobjects/Organization", {"Name": "Mine"})).status == 400
    assert (await sf_api("DELETE", f"/sobjects/Organization/{found['records'][0]['Id']}")).status != 204
    described = (await sf_api("GET", "/sobjects/Organization/describe")).json
    assert not any(field["createable"] for field in described["fields"])


@pytest.mark.parametrize("feed", ["updated", "deleted"])
async def test_a_feed_with_too_many_ids_refuses(sf: SalesforceTwin, sf_api: Client, feed: str) -> None:
    sf.arm("too_many_ids", times=1, object="Contact")
    for object, status in (("Account", 200), ("Contact", 400), ("Contact", 200)):
        answer = await sf_api("GET", f"/sobjects/{object}/{feed}", query=WINDOW)
        assert answer.status == status
        if status == 400:
            assert answer.json[0]["errorCode"] == "EXCEEDED_ID_LIMIT"


async def test_a_log_of_deletions_that_was_purged_early_says_so(
    sf: SalesforceTwin, sf_api: Client, clock: FakeClock
) -> None:
    """F-38."""
    old, new = (sf.edit("create", object="Contact", values={"LastName": name})["id"] for name in ("old", "new"))
    sf.edit("delete", object="Contact", id=old)
    clock.advance(5400)
    sf.edit("delete", object="Contact", id=new)
    clock.advance(120)
    window = {"start": "2026-03-01T11:00:00Z", "end": "2026-03-01T13:32:00Z"}
    sf.arm("feed_gap", times=1, hours=1)
    feed = (await sf_api("GET", "/sobjects/Contact/deleted", query=window)).json
    assert feed["earliestDateAvailable"] == "2026-03-01T12:32:00.000+0000"
    assert [gone["id"] for gone in feed["deletedRecords"]] == [new]
    whole = (await sf_api("GET", "/sobjects/Contact/deleted", query=window)).json
    assert {gone["id"] for gone in whole["deletedRecords"]} == {old, new}
    assert whole["earliestDateAvailable"] < window["start"]


async def test_narrower_windows_get_under_the_limit(sf: SalesforceTwin, sf_api: Client, clock: FakeClock) -> None:
    sf.limit("off", feed_ids=3)
    for name in ("a", "b", "c", "d", "e"):
        sf.edit("create", object="Contact", values={"LastName": name})
        clock.advance(60)
    whole = await sf_api("GET", "/sobjects/Contact/updated", query=WINDOW)
    assert (whole.status, whole.json[0]["errorCode"]) == (400, "EXCEEDED_ID_LIMIT")
    ids: list[str] = []
    for start, end in (("12:00", "12:02"), ("12:02", "12:05")):
        window = {"start": f"2026-03-01T{start}:00Z", "end": f"2026-03-01T{end}:00Z"}
        ids += (await sf_api("GET", "/sobjects/Contact/updated", query=window)).json["ids"]
    assert len(set(ids)) == 5
    assert sf.limit("real").feed_ids == 600_000
