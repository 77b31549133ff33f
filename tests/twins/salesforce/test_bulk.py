"""Bulk API 2.0: jobs that are worked off while they are polled, and their CSV."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from tests.twins.client import Client
from zgoda.model.clock import SystemClock
from zgoda.twins import SalesforceTwin

ROWS = 30_000


async def _ingest(api: Client, csv_text: str, **job: Any) -> dict[str, Any]:
    """Open, upload, close and wait. Returns the job at its end."""
    opened = await api("POST", "/jobs/ingest", {"object": "Contact", "lineEnding": "LF", **job})
    assert opened.status == 200, opened.body
    assert opened.json["state"] == "Open"
    path = f"/jobs/ingest/{opened.json['id']}"
    uploaded = await api("PUT", f"{path}/batches", data=csv_text.encode(), headers={"Content-Type": "text/csv"})
    assert uploaded.status == 201
    assert (await api("PATCH", path, {"state": "UploadComplete"})).json["state"] == "UploadComplete"
    return await _ended(api, path)


async def _ended(api: Client, path: str) -> dict[str, Any]:
    for _ in range(200):
        job = (await api("GET", path)).json
        if job["state"] in ("JobComplete", "Failed", "Aborted"):
            return job
        await SystemClock().sleep(0.005)
    raise AssertionError(f"the job never ended: {job}")


async def _csv(api: Client, path: str) -> list[dict[str, str]]:
    answer = await api("GET", path)
    assert answer.status == 200
    return list(csv.DictReader(io.StringIO(answer.body.decode())))


async def test_an_insert_job_reports_each_row(sf: SalesforceTwin, sf_api: Client) -> None:
    account = sf.edit("create", object="Account", values={"Name": "Acme", "Hub_Id__c": "acme"})["id"]
    job = await _ingest(
        sf_api,
        'LastName,Email,Title,Account.Hub_Id__c\n"No, wak",A@b.example,,acme\n,c@d.example,x,\n',
        operation="insert",
    )
    assert (job["state"], job["numberRecordsProcessed"], job["numberRecordsFailed"]) == ("JobComplete", 2, 1)
    path = f"/jobs/ingest/{job['id']}"
    good, bad = await _csv(sf_api, f"{path}/successfulResults"), await _csv(sf_api, f"{path}/failedResults/")
    assert good[0]["sf__Created"] == "true"
    assert good[0]["LastName"] == "No, wak"
    assert bad[0]["sf__Error"].startswith("REQUIRED_FIELD_MISSING:")
    assert await _csv(sf_api, f"{path}/unprocessedrecords/") == []
    assert sf.records("Contact", where={"Id": good[0]["sf__Id"]})[0]["AccountId"] == account


async def test_update_upsert_and_delete_jobs(sf: SalesforceTwin, sf_api: Client) -> None:
    a, b = (
        sf.edit("create", object="Contact", values={"LastName": n, "Title": "t", "Hub_Id__c": n})["id"] for n in "ab"
    )
    job = await _ingest(sf_api, f"Id,Title,Department\n{a},#N/A,IT\n{b},,HR\nbad,x,x\n", operation="update")
    assert job["numberRecordsFailed"] == 1
    rows = {row["Id"]: row for row in sf.records("Contact")}
    assert ("Title" in rows[a], rows[a]["Department"]) == (False, "IT")
    assert (rows[b]["Title"], rows[b]["Department"]) == ("t", "HR")
    job = await _ingest(
        sf_api, "Hub_Id__c;LastName\r\na;Anna\r\nc;Cara\r\n", operation="upsert", externalIdFieldName="Hub_Id__c",
        columnDelimiter="SEMICOLON", lineEnding="CRLF",
    )  # fmt: skip
    answer = await sf_api("GET", f"/jobs/ingest/{job['id']}/successfulResults")
    assert answer.body.decode().splitlines()[0] == '"sf__Id";"sf__Created";"Hub_Id__c";"LastName"'
    assert b"\r\n" in answer.body
    assert {row["LastName"] for row in sf.records("Contact")} == {"Anna", "b", "Cara"}
    await _ingest(sf_api, f"Id\n{a}\n", operation="delete")
    await _ingest(sf_api, f"Id\n{b}\n", operation="hardDelete")
    assert [
        r["IsDeleted"] for r in await sf_api.query("SELECT Id, IsDeleted FROM Contact ORDER BY Id", "queryAll")
    ] == [True, False]


async def test_a_job_can_be_seen_in_progress_and_aborted(sf: SalesforceTwin, sf_api: Client) -> None:
    opened = (await sf_api("POST", "/jobs/ingest", {"object": "Contact", "operation": "insert"})).json
    path = f"/jobs/ingest/{opened['id']}"
    rows = "LastName\n" + "x\n" * ROWS
    await sf_api("PUT", f"{path}/batches", data=rows.encode())
    await sf_api("PATCH", path, {"state": "UploadComplete"})
    states = set[str]()
    for _ in range(200):
        states.add((await sf_api("GET", path)).json["state"])
        if "InProgress" in states:
            break
    assert "InProgress" in states
    aborted = await sf_api("PATCH", path, {"state": "Aborted"})
    assert aborted.json["state"] == "Aborted"
    await SystemClock().sleep(0.02)
    done, left = len(sf.records("Contact", limit=ROWS)), len(await _csv(sf_api, f"{path}/unprocessedrecords"))
    assert 0 < done < ROWS
    assert done + left == ROWS


@pytest.mark.parametrize(
    ("job", "code"),
    [
        ({"object": "Contact", "operation": "dance"}, "INVALIDJOB"),
        ({"object": "Nope", "operation": "insert"}, "INVALIDENTITY"),
        ({"object": "Contact", "operation": "upsert"}, "INVALIDJOB"),
        ({"object": "Contact", "operation": "upsert", "externalIdFieldName": "Title"}, "INVALIDJOB"),
        ({"object": "Contact", "operation": "insert", "columnDelimiter": "DOT"}, "INVALIDJOB"),
    ],
)
async def test_jobs_that_cannot_be_opened(sf_api: Client, job: dict[str, str], code: str) -> None:
    answer = await sf_api("POST", "/jobs/ingest", job)
    assert (answer.status, answer.json[0]["errorCode"]) == (400, code)


async def test_wrong_uploads_fail_the_job(sf_api: Client) -> None:
    job = await _ingest(sf_api, "LastName,Nope\nx,y\n", operation="insert")
    assert (job["state"], "Nope" in job["errorMessage"]) == ("Failed", True)
    opened = (await sf_api("POST", "/jobs/ingest", {"object": "Contact", "operation": "insert"})).json
    path = f"/jobs/ingest/{opened['id']}"
    assert (await sf_api("PUT", f"{path}/batches", data=b"LastName\nx\n")).status == 201
    assert (await sf_api("PUT", f"{path}/batches", data=b"LastName\nx\n")).status == 400
    assert (await sf_api("DELETE", path)).status == 400
    await sf_api("PATCH", path, {"state": "Aborted"})
    assert (await sf_api("DELETE", path)).status == 204
    assert (await sf_api("GET", path)).status == 404


async def test_query_jobs_give_pages_of_csv(sf: SalesforceTwin, sf_api: Client) -> None:
    account = sf.edit("create", object="Account", values={"Name": "Acme"})["id"]
    sf.load("Contact", ({"LastName": f"P{n:03}", "AccountId": account, "Score__c": 1.5} for n in range(250)))
    opened = await sf_api("POST", "/jobs/query", {
        "operation": "query",
        "query": "SELECT LastName, Account.Name, Title, HasOptedOutOfEmail FROM Contact ORDER BY LastName",
    })  # fmt: skip
    path = f"/jobs/query/{opened.json['id']}"
    job = await _ended(sf_api, path)
    assert (job["state"], job["numberRecordsProcessed"], job["object"]) == ("JobComplete", 250, "Contact")
    rows: list[dict[str, str]] = []
    locator, pages = "", 0
    while locator != "null":
        answer = await sf_api(
            "GET", f"{path}/results", query={"maxRecords": 100, **({"locator": locator} if locator else {})}
        )
        page = list(csv.DictReader(io.StringIO(answer.body.decode())))
        assert int(answer.headers["Sforce-NumberOfRecords"]) == len(page)
        rows += page
        locator, pages = answer.headers["Sforce-Locator"], pages + 1
    assert pages == 3
    assert [row["LastName"] for row in rows] == [f"P{n:03}" for n in range(250)]
    assert rows[0] == {"LastName": "P000", "Account.Name": "Acme", "Title": "", "HasOptedOutOfEmail": "false"}
    refused = await sf_api("POST", "/jobs/query", {"operation": "query", "query": "SELECT COUNT() FROM Contact"})
    assert refused.status == 400
    assert (await sf_api("GET", "/jobs/query")).json["records"][0]["id"] == job["id"]
