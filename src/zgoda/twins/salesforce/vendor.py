"""The Salesforce org as a vendor of the twin kit: routing, sessions, refusals, records for the control API."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import partial
from itertools import islice
from typing import Any
from urllib.parse import unquote_plus

import msgspec

from zgoda.twins.exchange import Call, Reply, json_reply
from zgoda.twins.limits import Limits
from zgoda.twins.routes import Handler, Routes, WrongMethod
from zgoda.twins.salesforce import (
    bulk_ingest,
    bulk_query,
    collection_calls,
    composite_calls,
    describe,
    limit_calls,
    query_calls,
    replication,
    row_calls,
)
from zgoda.twins.salesforce.api import Api
from zgoda.twins.salesforce.edits import Edits
from zgoda.twins.salesforce.errors import CallError, error_reply, not_found
from zgoda.twins.salesforce.fill import fill_org
from zgoda.twins.salesforce.ids import full_id
from zgoda.twins.salesforce.oauth import REVOKE_PATH, TOKEN_PATH, Credentials, Sessions
from zgoda.twins.salesforce.org import Org
from zgoda.twins.salesforce.outbound import OutboundMessages, Subscription
from zgoda.twins.salesforce.schema import OBJECTS
from zgoda.twins.salesforce.table import Row, Table
from zgoda.twins.salesforce.values import instant
from zgoda.twins.salesforce.versions import check_version, versions
from zgoda.twins.vendor import EditRefused, PageShape, Refusal, Surroundings
from zgoda.twins.world import World

_BASE = "/services/data/{version}"
_FROM = re.compile(r"\bfrom\s+(\w+)(?!.*\bfrom\b[^)]*$)", re.IGNORECASE | re.DOTALL)

_REFUSALS: dict[Refusal, tuple[int, str, str]] = {
    "daily": (403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."),
    "window": (403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded."),
    "connections": (403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests (Concurrent API Requests) Limit exceeded."),
    "overload": (503, "SERVER_UNAVAILABLE", "There was insufficient capacity to process this request."),
    "session_expired": (401, "INVALID_SESSION_ID", "Session expired or invalid"),
    "rights_missing": (403, "INSUFFICIENT_ACCESS", "The user has no access to this resource."),
    "server_error": (500, "UNKNOWN_EXCEPTION", "An unexpected error occurred."),
    "unavailable": (503, "SERVER_UNAVAILABLE", "The server is temporarily unavailable."),
    "not_found": (404, "NOT_FOUND", "The requested resource does not exist"),
    "uri_too_long": (414, "URI_TOO_LONG", "The URI is too long."),
}

_TABLE: tuple[tuple[str, str, Handler], ...] = (
    ("GET", _BASE, limit_calls.resources),
    ("GET", f"{_BASE}/limits", limit_calls.limits),
    ("GET", f"{_BASE}/limits/recordCount", limit_calls.record_count),
    ("GET", f"{_BASE}/query", query_calls.query),
    ("GET", f"{_BASE}/queryAll", query_calls.query_all),
    ("GET", f"{_BASE}/query/{{locator}}", query_calls.query_more),
    ("GET", f"{_BASE}/queryAll/{{locator}}", query_calls.query_more),
    ("GET", f"{_BASE}/sobjects", describe.describe_all),
    ("GET", f"{_BASE}/sobjects/{{object}}", describe.about),
    ("POST", f"{_BASE}/sobjects/{{object}}", row_calls.create_row),
    ("GET", f"{_BASE}/sobjects/{{object}}/describe", describe.describe_one),
    ("GET", f"{_BASE}/sobjects/{{object}}/updated", replication.updated),
    ("GET", f"{_BASE}/sobjects/{{object}}/deleted", replication.deleted),
    ("GET", f"{_BASE}/sobjects/{{object}}/{{id}}", row_calls.read_row),
    ("PATCH", f"{_BASE}/sobjects/{{object}}/{{id}}", row_calls.update_row),
    ("DELETE", f"{_BASE}/sobjects/{{object}}/{{id}}", row_calls.delete_row),
    ("GET", f"{_BASE}/sobjects/{{object}}/{{key}}/{{value}}", row_calls.read_by_key),
    ("PATCH", f"{_BASE}/sobjects/{{object}}/{{key}}/{{value}}", row_calls.upsert_row),
    ("DELETE", f"{_BASE}/sobjects/{{object}}/{{key}}/{{value}}", row_calls.delete_by_key),
    ("POST", f"{_BASE}/composite/sobjects", collection_calls.create_many),
    ("PATCH", f"{_BASE}/composite/sobjects", collection_calls.update_many),
    ("DELETE", f"{_BASE}/composite/sobjects", collection_calls.delete_many),
    ("PATCH", f"{_BASE}/composite/sobjects/{{object}}/{{key}}", collection_calls.upsert_many),
    ("GET", f"{_BASE}/composite/sobjects/{{object}}", collection_calls.retrieve_many),
    ("POST", f"{_BASE}/composite/sobjects/{{object}}", collection_calls.retrieve_many),
    ("GET", f"{_BASE}/jobs/ingest", bulk_ingest.list_jobs),
    ("POST", f"{_BASE}/jobs/ingest", bulk_ingest.open_job),
    ("GET", f"{_BASE}/jobs/ingest/{{job}}", bulk_ingest.show_job),
    ("PATCH", f"{_BASE}/jobs/ingest/{{job}}", bulk_ingest.change_state),
    ("DELETE", f"{_BASE}/jobs/ingest/{{job}}", bulk_ingest.delete_job),
    ("PUT", f"{_BASE}/jobs/ingest/{{job}}/batches", bulk_ingest.upload),
    ("GET", f"{_BASE}/jobs/ingest/{{job}}/successfulResults", bulk_ingest.successful),
    ("GET", f"{_BASE}/jobs/ingest/{{job}}/failedResults", bulk_ingest.failed),
    ("GET", f"{_BASE}/jobs/ingest/{{job}}/unprocessedrecords", bulk_ingest.unprocessed),
    ("GET", f"{_BASE}/jobs/query", bulk_ingest.list_jobs),
    ("POST", f"{_BASE}/jobs/query", bulk_query.open_query),
    ("GET", f"{_BASE}/jobs/query/{{job}}", bulk_query.show_query),
    ("PATCH", f"{_BASE}/jobs/query/{{job}}", bulk_query.abort_query),
    ("DELETE", f"{_BASE}/jobs/query/{{job}}", bulk_ingest.delete_job),
    ("GET", f"{_BASE}/jobs/query/{{job}}/results", bulk_query.query_results),
)


def _again(target: str, following: str | None) -> str:
    """The first page of a query has no address of its own, but its cursor knows one."""
    return re.sub(r"-\d+$", "-0", following) if following and "q=" in target else target


class SalesforceVendor:
    """One org behind the REST and Bulk 2.0 APIs."""

    name = "salesforce"
    page = PageShape(
        items=lambda body: next((key for key in ("records", "ids", "deletedRecords") if key in body), None),
        total="totalSize", next="nextRecordsUrl", done="done",
        again=_again,
    )  # fmt: skip

    def __init__(self, around: Surroundings, credentials: Credentials) -> None:
        self.around = around
        self.org = Org(around)
        self.sessions = Sessions(self.org, credentials)
        self.outbound = OutboundMessages(self.org)
        self.api = Api(self.org, flush=self.outbound.flush)
        self._edits = Edits(self.api, self.sessions, self.outbound)
        nested: list[tuple[str, str, Handler]] = [
            ("POST", f"{_BASE}/composite", partial(composite_calls.composite, dispatch=self._dispatch)),
            ("POST", f"{_BASE}/composite/batch", partial(composite_calls.composite_batch, dispatch=self._dispatch)),
        ]
        self._routes = Routes((*_TABLE, *nested))

    def presets(self) -> Mapping[str, Limits]:
        """Documented: 100,000 calls a day, 25 of over 20 s at once, 200 a collection; 16 kB of URI is unverified."""
        real = Limits(
            daily_requests=100_000, long_requests=25, page_size=2000, batch_size=200, read_batch_size=2000,
            nested_requests=25, query_offset=2000, uri_bytes=16_384, open_cursors=10, bulk_bytes=150 * 1024 * 1024,
            feed_ids=600_000,
        )  # fmt: skip
        return {"real": real, "off": Limits()}

    def answer(self, call: Call) -> Reply:
        if self.is_token_call(call):
            return self.sessions.answer(call)
        if call.path.rstrip("/") == "/services/data":
            return versions(self.api, call)
        caller = self.sessions.caller(call)
        if caller is None:
            return self.refusal("session_expired", call)
        call.caller = caller
        reply = self._dispatch(call)
        reply.headers["Sforce-Limit-Info"] = limit_calls.limit_info(self.api)
        self.outbound.flush()
        return reply

    def object_of(self, call: Call) -> str:
        parts = call.path.split("/")
        if len(parts) > 4 and parts[4] in ("query", "queryAll"):
            locator = parts[5] if len(parts) > 5 else ""
            cursor = self.api.cursors.get(locator.rpartition("-")[0])
            if cursor is not None:
                return cursor.selection.spec.name
            found = _FROM.search(unquote_plus(call.query.get("q", "")))
            return self._known_name(found[1]) if found else ""
        for place in (5, 6):
            if len(parts) > place and parts[place - 1] == "sobjects":
                return self._known_name(parts[place])
        if len(parts) > 6 and parts[4] == "jobs" and (job := self.api.jobs.get(parts[6])) is not None:
            return job.object
        return ""

    def is_token_call(self, call: Call) -> bool:
        return call.path.rstrip("/") in (TOKEN_PATH, REVOKE_PATH)

    def refusal(self, name: Refusal, call: Call) -> Reply:
        if name == "invalid_grant":
            return json_reply(400, {"error": "invalid_grant", "error_description": "authentication failure"})
        return error_reply(*_REFUSALS[name])

    def connection(self) -> dict[str, Any]:
        credentials = self.sessions.credentials
        return {
            "token_url": self.around.base_url + TOKEN_PATH,
            "client_id": credentials.client_id,
            "client_secret": credentials.client_secret,
            "username": credentials.username,
            "refresh_token": self.sessions.refresh_token,
            "organization_id": self.org.id,
        }

    def counts(self) -> dict[str, int]:
        return self.org.counts()

    def records(self, object: str, after: str, limit: int, where: Mapping[str, str]) -> list[Row]:
        """Rows as stored, deleted ones too; `where` compares as text without regard to case.

        An id, a key field or a reference in `where` leads straight to the rows; other fields look at all above `after`.
        """
        spec = self.org.find_spec(object)
        if spec is None:
            raise EditRefused("INVALID_TYPE", f"there is no object {object!r}; there are {', '.join(OBJECTS)}")
        table = self.org.tables[spec.name]
        rows = (table.rows[id] for id in _looked_through(table, after, where))
        return list(islice((row for row in rows if _matches(row, where)), limit))

    def edit(self, op: str, fields: dict[str, Any]) -> dict[str, Any]:
        return self._edits.do(op, fields)

    def load(self, object: str, rows: Iterable[Row]) -> int:
        """Rows need no Id; stamps that are missing are now."""
        spec = OBJECTS.get(object)
        if spec is None:
            raise EditRefused("INVALID_TYPE", f"there is no object {object!r}")
        now, user = self.org.now(), self.org.sales_user
        audit = {"CreatedDate": now, "LastModifiedDate": now, "CreatedById": user, "LastModifiedById": user}

        def finished(row: Row) -> Row:
            full = {name: value for name, value in row.items() if value is not None}
            at = instant(str(full["SystemModstamp"])) if "SystemModstamp" in full else now
            return {**audit, **full, "Id": full.get("Id") or self.org.new_id(spec.prefix), "SystemModstamp": at}

        return self.org.tables[object].load(finished(row) for row in rows)

    def fill(self, world: World) -> None:
        fill_org(self.org, world)

    def reset(self) -> None:
        self.org.reset()
        self.api.cursors.clear()
        self.api.jobs.clear()

    def snapshot(self) -> dict[str, Any]:
        return {
            "org": self.org.snapshot(),
            "sessions": self.sessions.snapshot(),
            "outbound": msgspec.to_builtins(self.outbound.subscriptions),
        }

    def restore(self, saved: dict[str, Any]) -> None:
        self.org.restore(saved["org"])
        self.sessions.restore(saved["sessions"])
        self.outbound.subscriptions = msgspec.convert(saved["outbound"], list[Subscription])

    def _dispatch(self, call: Call) -> Reply:
        try:
            found = self._routes.find(call.method, call.path)
            if found is None:
                raise not_found()
            check_version(found.values["version"])
            values = {name: value for name, value in found.values.items() if name != "version"}
            return found.handler(self.api, call, **values)
        except CallError as error:
            return error.reply()
        except WrongMethod:
            return error_reply(405, "METHOD_NOT_ALLOWED", f"HTTP Method '{call.method}' not allowed.")

    def _known_name(self, name: str) -> str:
        spec = self.org.find_spec(name)
        return spec.name if spec else ""


def _looked_through(table: Table, after: str, where: Mapping[str, str]) -> Iterable[str]:
    """Ids that may be meant, in order."""
    for name, value in where.items():
        found: Iterable[str] | None = None
        if name == "Id":
            found = [id] if (id := full_id(value)) in table.rows else []
        elif value and table.keyed(name):
            found = table.with_key(name, value)
        elif value and table.points(name):
            found = table.pointing(name, full_id(value) or value)
        if found is not None:
            return sorted(id for id in found if id > after)
    return table.ids.irange(minimum=after, inclusive=(False, True))


def _matches(row: Row, where: Mapping[str, str]) -> bool:
    return all(str(row.get(name, "")).lower() == value.lower() for name, value in where.items())
