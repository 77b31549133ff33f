"""Bulk API 2.0 ingest: a job is opened, CSV uploaded, the job closed and worked off while clients poll it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zgoda.model.clock import Clock
from zgoda.twins.exchange import Call, Reply, empty_reply, json_reply
from zgoda.twins.salesforce.api import Api, body_of, version_of
from zgoda.twins.salesforce.errors import CallError
from zgoda.twins.salesforce.fields import ObjectSpec
from zgoda.twins.salesforce.jobs import SETTLED, Job, csv_reply, described_job, dialect_of, job_of, read_csv
from zgoda.twins.salesforce.records import Writer
from zgoda.twins.salesforce.saving import Operation, Outcome, save, upsert

_NULL = "#N/A"
_OPERATIONS: dict[str, Operation] = {
    "insert": "create", "update": "update", "delete": "delete", "hardDelete": "hard_delete",
}  # fmt: skip
_ROWS_AT_ONCE = 500


def open_job(api: Api, call: Call) -> Reply:
    body = body_of(call)
    operation = str(body.get("operation", ""))
    if operation not in _OPERATIONS and operation != "upsert":
        raise CallError(400, "INVALIDJOB", f"Unknown operation: {operation}")
    spec = api.org.find_spec(str(body.get("object", "")))
    if spec is None:
        raise CallError(400, "INVALIDENTITY", f"InvalidEntity : Entity not found: {body.get('object')}")
    key = str(body["externalIdFieldName"]) if body.get("externalIdFieldName") else None
    if operation == "upsert":
        _check_key(spec, key)
    delimiter, line_end = dialect_of(body)
    job = Job(
        api.org.new_id("750"), "ingest", operation, spec.name, api.org.now(), version_of(call), delimiter, line_end, key
    )
    api.jobs[job.id] = job
    return json_reply(200, described_job(api, job))


def upload(api: Api, call: Call, job: str) -> Reply:
    """PUT the CSV; once per job."""
    found = job_of(api, job, "ingest")
    if found.state != "Open" or found.upload:
        raise CallError(
            400,
            "INVALIDJOBSTATE",
            f"Found multiple contents for job: <{job}>, please 'Close' / 'Abort' / 'Delete' the current Job",
        )
    limit = api.org.around.limits.bulk_bytes
    if limit is not None and len(call.body) > limit:
        raise CallError(400, "EXCEEDED_MAX_SIZE_REQUEST", "the upload is larger than the largest file allowed")
    found.upload = call.body
    return empty_reply(201)


def change_state(api: Api, call: Call, job: str) -> Reply:
    """PATCH to UploadComplete starts the work, to Aborted ends it."""
    found = job_of(api, job, "ingest")
    state = body_of(call).get("state")
    if state == "Aborted" and found.state not in SETTLED:
        found.settle(api, "Aborted")
    elif state == "UploadComplete" and found.state == "Open":
        found.settle(api, "UploadComplete")
        writer = api.writer(call)
        api.org.around.spawn(_work(api, found, writer))
    else:
        raise CallError(400, "INVALIDJOBSTATE", f"the job is {found.state} and cannot become {state}")
    return json_reply(200, described_job(api, found))


def show_job(api: Api, call: Call, job: str) -> Reply:
    return json_reply(200, described_job(api, job_of(api, job, "ingest")))


def list_jobs(api: Api, call: Call) -> Reply:
    kind = "query" if "/jobs/query" in call.path else "ingest"
    records = [described_job(api, job) for job in api.jobs.values() if job.kind == kind]
    return json_reply(200, {"done": True, "records": records, "nextRecordsUrl": None})


def delete_job(api: Api, call: Call, job: str) -> Reply:
    kind = "query" if "/jobs/query" in call.path else "ingest"
    if job_of(api, job, kind).state not in SETTLED:
        raise CallError(400, "INVALIDJOBSTATE", "only a job that has ended can be deleted")
    del api.jobs[job]
    return empty_reply(204)


def successful(api: Api, call: Call, job: str) -> Reply:
    found = job_of(api, job, "ingest")
    rows = [[id, str(created).lower(), *values] for id, created, values in found.results]
    return csv_reply(found, [["sf__Id", "sf__Created", *found.header], *rows])


def failed(api: Api, call: Call, job: str) -> Reply:
    found = job_of(api, job, "ingest")
    rows = [[id, error, *values] for id, error, values in found.failures]
    return csv_reply(found, [["sf__Id", "sf__Error", *found.header], *rows])


def unprocessed(api: Api, call: Call, job: str) -> Reply:
    found = job_of(api, job, "ingest")
    return csv_reply(found, [found.header, *found.waiting])


async def _work(api: Api, job: Job, writer: Writer) -> None:
    """Write the rows a few hundred at a time, so that polls see the job in progress and others get their turn."""
    clock: Clock = api.pace
    await clock.sleep(0)
    try:
        rows = read_csv(job, job.upload)
        spec = api.org.spec(job.object)
    except CallError as error:
        job.error = error.message
        job.settle(api, "Failed")
        return
    job.upload = b""
    job.header, job.waiting = (rows[0], rows[1:]) if rows else ([], [])
    if unknown := [name for name in job.header if not _known(spec, name)]:
        job.error = f"InvalidBatch : Field name not found : {unknown[0]}"
        job.settle(api, "Failed")
        return
    if job.state != "Aborted":
        job.settle(api, "InProgress")
    one = _writer_of_rows(api, job, spec, writer)
    while job.waiting and job.state == "InProgress":
        part, job.waiting = job.waiting[:_ROWS_AT_ONCE], job.waiting[_ROWS_AT_ONCE:]
        for values in part:
            _note(job, one(values), values)
        api.flush()
        await clock.sleep(0)
    if job.state == "InProgress":
        job.settle(api, "JobComplete")


def _writer_of_rows(api: Api, job: Job, spec: ObjectSpec, writer: Writer) -> Callable[[list[str]], Outcome]:
    key = spec.field(job.key) if job.key else None

    def one(cells: list[str]) -> Outcome:
        record = _record(job.header, cells)
        id = str(record.pop("Id", "") or "")
        if job.operation == "upsert" and key is not None:
            value = id if key.name == "Id" else record.pop(key.name, None)
            return upsert(api.org, writer, spec, key, value, record)
        return save(api.org, writer, _OPERATIONS[job.operation], spec, id, record)

    return one


def _record(header: list[str], cells: list[str]) -> dict[str, Any]:
    """A CSV row as values: an empty cell leaves the field alone, #N/A clears it, `Account.Key__c` names a parent."""
    record: dict[str, Any] = {}
    for name, cell in zip(header, cells, strict=False):
        if cell == "":
            continue
        relation, dot, key = name.partition(".")
        if dot:
            record[relation.removesuffix("__r") if relation.endswith("__r") else relation] = {key: cell}
        else:
            record["Id" if name.lower() == "id" else name] = None if cell == _NULL else cell
    return record


def _note(job: Job, outcome: Outcome, values: list[str]) -> None:
    if outcome.error is None:
        job.results.append((outcome.id, outcome.created, values))
    else:
        fields = ",".join(outcome.error.fields)
        job.failures.append((outcome.id, f"{outcome.error.code}:{outcome.error.message}:{fields} --", values))


def _known(spec: ObjectSpec, name: str) -> bool:
    relation, dot, _ = name.partition(".")
    return spec.relation(relation) is not None if dot else spec.field(name) is not None


def _check_key(spec: ObjectSpec, key: str | None) -> None:
    field = spec.field(key) if key else None
    if field is None or not field.key:
        raise CallError(
            400, "INVALIDJOB", f"InvalidJob : Field name provided, {key} does not match an External ID for {spec.name}"
        )
