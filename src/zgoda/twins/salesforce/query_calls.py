"""GET /query, /queryAll and their further pages."""

from __future__ import annotations

from itertools import islice
from typing import Any

from zgoda.twins.exchange import Call, Reply, json_reply
from zgoda.twins.salesforce.api import Api, Cursor, version_of
from zgoda.twins.salesforce.errors import CallError
from zgoda.twins.salesforce.querying import Selection, select
from zgoda.twins.salesforce.soql import parse

_DEFAULT_PAGE, _SMALLEST_PAGE = 2000, 200


def query(api: Api, call: Call) -> Reply:
    """Live records only."""
    return _first_page(api, call, "query", deleted_too=False)


def query_all(api: Api, call: Call) -> Reply:
    """Records in the recycle bin as well."""
    return _first_page(api, call, "queryAll", deleted_too=True)


def query_more(api: Api, call: Call, locator: str) -> Reply:
    """The page a nextRecordsUrl points at. A cursor that is gone is 400 INVALID_QUERY_LOCATOR."""
    name, _, position = locator.rpartition("-")
    cursor = api.cursors.get(name)
    if cursor is None or not position.isdigit():
        raise CallError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
    return _page(api, cursor, name, int(position))


def _first_page(api: Api, call: Call, verb: str, deleted_too: bool) -> Reply:
    text = call.query.get("q", "")
    if not text:
        raise CallError(400, "MALFORMED_QUERY", "A query string has to be specified")
    version = version_of(call)
    selection = select(api.org, parse(text), version, deleted_too)
    if selection.count is not None:
        return json_reply(200, {"totalSize": selection.count, "done": True, "records": []})
    cursor = Cursor(selection, _batch_size(api, call), f"/services/data/{version}/{verb}")
    name = ""
    if len(selection.ids) > cursor.batch:
        name = api.org.new_id("01g")
        api.cursors[name] = cursor
        _close_oldest(api)
    return _page(api, cursor, name, 0)


def _page(api: Api, cursor: Cursor, name: str, start: int) -> Reply:
    ids, end = cursor.selection.ids, start + cursor.batch
    content: dict[str, Any] = {"totalSize": len(ids), "done": end >= len(ids)}
    if end < len(ids):
        content["nextRecordsUrl"] = f"{cursor.path}/{name}-{end}"
    content["records"] = records_of(api, cursor.selection, start, end)
    return json_reply(200, content)


def records_of(api: Api, selection: Selection, start: int, end: int) -> list[dict[str, Any]]:
    """Records of a part of a selection as they are now; those removed meanwhile are left out."""
    rows = api.org.tables[selection.spec.name].rows
    project = selection.project
    return [project(rows[id]) for id in islice(selection.ids, start, end) if id in rows]


def _batch_size(api: Api, call: Call) -> int:
    wanted = call.headers.get("Sforce-Query-Options", "").replace(" ", "").lower().partition("batchsize=")[2]
    largest = api.org.around.limits.page_size
    if not wanted.isdigit():
        return min(_DEFAULT_PAGE, largest or _DEFAULT_PAGE)
    smallest = min(_SMALLEST_PAGE, largest or 1)
    return min(max(int(wanted), smallest), largest or int(wanted) or smallest)


def _close_oldest(api: Api) -> None:
    most = api.org.around.limits.open_cursors
    while most is not None and len(api.cursors) > most:
        api.cursors.popitem(last=False)
