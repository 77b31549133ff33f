"""What ingest and query jobs of the Bulk API 2.0 have in common: their record, states and CSV dialects."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from typing import Any

from zgoda.twins.exchange import Reply
from zgoda.twins.salesforce.api import Api
from zgoda.twins.salesforce.errors import CallError, not_found

_DELIMITERS = {"BACKQUOTE": "`", "CARET": "^", "COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "TAB": "\t"}
_LINE_ENDS = {"LF": "\n", "CRLF": "\r\n"}
CSV = "text/csv; charset=UTF-8"
SETTLED = ("JobComplete", "Failed", "Aborted")


@dataclass
class Job:
    """One job. `results` holds (id, created, values) of successes, `failures` (id, error, values)."""

    id: str
    kind: str
    operation: str
    object: str
    created: str
    version: str
    delimiter: str = "COMMA"
    line_end: str = "LF"
    key: str | None = None
    query: str = ""
    state: str = "Open"
    modified: str = ""
    upload: bytes = b""
    header: list[str] = field(default_factory=list[str])
    results: list[tuple[str, bool, list[str]]] = field(default_factory=list[tuple[str, bool, list[str]]])
    failures: list[tuple[str, str, list[str]]] = field(default_factory=list[tuple[str, str, list[str]]])
    waiting: list[list[str]] = field(default_factory=list[list[str]])
    ids: list[str] = field(default_factory=list[str])
    error: str | None = None

    def settle(self, api: Api, state: str) -> None:
        self.state = state
        self.modified = api.org.now()


def job_of(api: Api, id: str, kind: str) -> Job:
    """Raises CallError NOT_FOUND."""
    job = api.jobs.get(id)
    if job is None or job.kind != kind:
        raise not_found("The requested resource does not exist")
    return job


def dialect_of(body: dict[str, Any]) -> tuple[str, str]:
    """Column delimiter and line ending by the vendor's names. Raises CallError."""
    delimiter, line_end = str(body.get("columnDelimiter", "COMMA")), str(body.get("lineEnding", "LF"))
    if delimiter not in _DELIMITERS or line_end not in _LINE_ENDS:
        raise CallError(400, "INVALIDJOB", "unknown columnDelimiter or lineEnding")
    return delimiter, line_end


def read_csv(job: Job, content: bytes) -> list[list[str]]:
    """Rows of an upload. Raises CallError for bytes that are no UTF-8."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CallError(400, "INVALIDENCODING", "the file must be UTF-8") from error
    csv.field_size_limit(10_000_000)
    return [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=_DELIMITERS[job.delimiter]) if row]


def csv_reply(job: Job, rows: list[list[str]], headers: dict[str, str] | None = None) -> Reply:
    out = io.StringIO()
    writer = csv.writer(
        out, delimiter=_DELIMITERS[job.delimiter], lineterminator=_LINE_ENDS[job.line_end], quoting=csv.QUOTE_ALL
    )
    writer.writerows(rows)
    return Reply(200, out.getvalue().encode(), CSV, headers or {})


def described_job(api: Api, job: Job) -> dict[str, Any]:
    """The job as GET shows it."""
    shown: dict[str, Any] = {
        "id": job.id, "operation": job.operation, "object": job.object, "createdById": api.org.integration_user,
        "createdDate": job.created, "systemModstamp": job.modified or job.created, "state": job.state,
        "concurrencyMode": "Parallel", "contentType": "CSV", "apiVersion": float(job.version.removeprefix("v")),
        "lineEnding": job.line_end, "columnDelimiter": job.delimiter,
    }  # fmt: skip
    if job.kind == "ingest":
        shown["jobType"] = "V2Ingest"
        shown["contentUrl"] = f"services/data/{job.version}/jobs/ingest/{job.id}/batches"
        if job.key:
            shown["externalIdFieldName"] = job.key
        if job.state not in ("Open", "UploadComplete"):
            shown["numberRecordsProcessed"] = len(job.results) + len(job.failures)
            shown["numberRecordsFailed"] = len(job.failures)
            shown["retries"] = 0
            shown["totalProcessingTime"] = 1
    else:
        shown["jobType"] = "V2Query"
        if job.state == "JobComplete":
            shown["numberRecordsProcessed"] = len(job.ids)
    if job.error:
        shown["errorMessage"] = job.error
    return shown
