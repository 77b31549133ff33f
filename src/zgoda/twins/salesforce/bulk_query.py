"""Bulk API 2.0 query: a query whose result is fetched as pages of CSV."""

from __future__ import annotations

from typing import Any, cast

from zgoda.twins.exchange import Call, Reply, json_reply
from zgoda.twins.salesforce.api import Api, body_of, version_of
from zgoda.twins.salesforce.errors import CallError
from zgoda.twins.salesforce.jobs import SETTLED, Job, csv_reply, described_job, dialect_of, job_of
from zgoda.twins.salesforce.query_calls import records_of
from zgoda.twins.salesforce.querying import select
from zgoda.twins.salesforce.soql import parse

_DEFAULT_PAGE = 50_000


def open_query(api: Api, call: Call) -> Reply:
    """POST {operation: query | queryAll, query}. A bad query is refused at once."""
    body = body_of(call)
    operation, text = str(body.get("operation", "")), str(body.get("query", ""))
    if operation not in ("query", "queryAll"):
        raise CallError(400, "INVALIDJOB", f"Unknown operation: {operation}")
    query = parse(text)
    if any(item.children is not None or item.call == "COUNT" for item in query.select) or query.offset:
        raise CallError(400, "INVALIDJOB", "aggregates, nested queries and OFFSET are not supported in bulk queries")
    version = version_of(call)
    selection = select(api.org, query, version, operation == "queryAll")
    delimiter, line_end = dialect_of(body)
    job = Job(
        api.org.new_id("750"), "query", operation, selection.spec.name, api.org.now(), version, delimiter, line_end,
        query=text, state="UploadComplete", ids=selection.ids,
        header=[".".join(item.path) for item in query.select],
    )  # fmt: skip
    api.jobs[job.id] = job
    api.org.around.spawn(_work(api, job))
    return json_reply(200, described_job(api, job))


def show_query(api: Api, call: Call, job: str) -> Reply:
    return json_reply(200, described_job(api, job_of(api, job, "query")))


def abort_query(api: Api, call: Call, job: str) -> Reply:
    found = job_of(api, job, "query")
    if found.state not in SETTLED:
        found.settle(api, "Aborted")
    return json_reply(200, described_job(api, found))


def query_results(api: Api, call: Call, job: str) -> Reply:
    """GET …/results with `locator` and `maxRecords`; the Sforce-Locator header says `null` on the last page."""
    found = job_of(api, job, "query")
    if found.state != "JobComplete":
        raise CallError(400, "INVALIDJOBSTATE", f"the job is {found.state}")
    start, size = call.query.get("locator") or "0", call.query.get("maxRecords") or str(_DEFAULT_PAGE)
    if not start.isdigit() or not size.isdigit():
        raise CallError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
    end = int(start) + int(size)
    selection = select(api.org, parse(found.query), found.version, found.operation == "queryAll")
    selection.ids[:] = found.ids
    records = records_of(api, selection, int(start), end)
    paths = [name.split(".") for name in found.header]
    rows = [[_cell(record, path) for path in paths] for record in records]
    locator = str(end) if end < len(found.ids) else "null"
    headers = {"Sforce-Locator": locator, "Sforce-NumberOfRecords": str(len(rows))}
    return csv_reply(found, [found.header, *rows], headers)


async def _work(api: Api, job: Job) -> None:
    job.settle(api, "InProgress")
    await api.pace.sleep(0)
    if job.state == "InProgress":
        job.settle(api, "JobComplete")


def _cell(record: dict[str, Any], path: list[str]) -> str:
    value: Any = record
    for step in path:
        if not isinstance(value, dict):
            return ""
        inner = cast(dict[str, Any], value)
        value = next((v for k, v in inner.items() if k.lower() == step.lower()), None)
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
