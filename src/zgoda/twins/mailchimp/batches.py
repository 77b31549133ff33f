"""POST /batches: many calls handed in at once, worked off in the background, results as a tar.gz for ten minutes."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast
from urllib.parse import urlencode

import msgspec

from zgoda.twins.exchange import Call, Reply, empty_reply, json_reply
from zgoda.twins.mailchimp.account import Account, moment_text
from zgoda.twins.mailchimp.batch import Batch
from zgoda.twins.mailchimp.bodies import body_of
from zgoda.twins.mailchimp.paging import cut_reply, page_of
from zgoda.twins.mailchimp.problems import invalid, not_found

RESULT_PATH = "/batch-results/"
_MOST_OPEN = 500
_RESULT_LIFE = timedelta(minutes=10)
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
Dispatch = Callable[[Call], Reply]


def start_batch(account: Account, call: Call, dispatch: Dispatch) -> Reply:
    operations = body_of(call).get("operations")
    if not isinstance(operations, list) or not operations:
        raise invalid("operations must be an array with at least one operation")
    limit = account.around.limits.nested_requests
    if limit is not None and len(cast(list[Any], operations)) > limit:
        raise invalid(f"a batch takes at most {limit} operations")
    if sum(batch.status != "finished" for batch in account.batches.values()) >= _MOST_OPEN:
        raise invalid("You have reached the limit of pending batches.")
    for operation in cast(list[dict[str, Any]], operations):
        if operation.get("method") not in _METHODS or not isinstance(operation.get("path"), str):
            raise invalid("every operation needs a method and a path")
    batch = Batch(
        id=account.new_id("batch"), operations=cast(list[dict[str, Any]], operations), submitted=account.now()
    )
    account.batches[batch.id] = batch
    account.around.spawn(_work(account, batch, call, dispatch))
    return json_reply(200, _shown(account, batch))


def list_batches(account: Account, call: Call) -> Reply:
    batches = list(account.batches.values())
    page = [_shown(account, batch) for batch in page_of(batches, call, account.around.limits.page_size)]
    return cut_reply(call, {"batches": page, "total_items": len(batches), "_links": []})


def show_batch(account: Account, call: Call, batch_id: str) -> Reply:
    return cut_reply(call, _shown(account, _batch(account, batch_id)))


def delete_batch(account: Account, call: Call, batch_id: str) -> Reply:
    del account.batches[_batch(account, batch_id).id]
    return empty_reply()


def download(account: Account, call: Call) -> Reply:
    """The result archive; its address needs no key and works only for a while."""
    batch = account.batches.get(call.path.removeprefix(RESULT_PATH).removesuffix("-response.tar.gz"))
    if batch is None or not batch.archive:
        return Reply(404, b"", "text/plain")
    if call.query.get("expires", "") < account.now():
        return Reply(403, b"Request has expired", "text/plain")
    return Reply(200, batch.archive, "application/gzip")


async def _work(account: Account, batch: Batch, call: Call, dispatch: Dispatch) -> None:
    results: list[dict[str, Any]] = []
    for status in ("preprocessing", "started"):
        batch.status = status
        await account.pace.sleep(0)
    for number, operation in enumerate(batch.operations):
        reply = dispatch(_sub_call(call, operation))
        batch.finished += 1
        batch.errored += reply.status >= 400
        results.append({
            "status_code": reply.status, "operation_id": operation.get("operation_id"),
            "response": (reply.body or b"").decode(),
        })  # fmt: skip
        if number % 100 == 99:
            await account.pace.sleep(0)
    batch.status = "finalizing"
    await account.pace.sleep(0)
    batch.archive = _packed(batch, results)
    batch.status, batch.completed = "finished", account.now()


def _sub_call(call: Call, operation: dict[str, Any]) -> Call:
    path = "/3.0/" + str(operation["path"]).removeprefix("/3.0").lstrip("/")
    params = {str(k): str(v) for k, v in cast(dict[str, Any], operation.get("params") or {}).items()}
    target = path + ("?" + urlencode(params) if params else "")
    body = operation.get("body") or ""
    content = body.encode() if isinstance(body, str) else msgspec.json.encode(body)
    return Call(str(operation["method"]), path, target, params, call.headers, content, call.n, call.caller)


def _packed(batch: Batch, results: list[dict[str, Any]]) -> bytes:
    content = msgspec.json.encode(results)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        folder = tarfile.TarInfo(batch.id + "/")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        entry = tarfile.TarInfo(f"{batch.id}/{batch.id}.json")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def _batch(account: Account, id: str) -> Batch:
    found = account.batches.get(id)
    if found is None:
        raise not_found()
    return found


def _shown(account: Account, batch: Batch) -> dict[str, Any]:
    url = ""
    if batch.archive:
        expires = urlencode({"expires": moment_text(account.around.time.now() + _RESULT_LIFE)})
        url = f"{account.around.base_url}{RESULT_PATH}{batch.id}-response.tar.gz?{expires}"
    return {
        "id": batch.id, "status": batch.status, "total_operations": len(batch.operations),
        "finished_operations": batch.finished, "errored_operations": batch.errored, "submitted_at": batch.submitted,
        "completed_at": batch.completed, "response_body_url": url, "_links": [],
    }  # fmt: skip
