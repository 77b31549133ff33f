"""Several calls in one: /composite with references between its parts, /composite/batch without."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import parse_qsl

import msgspec

from zgoda.twins.exchange import Call, Reply, json_reply
from zgoda.twins.salesforce.api import Api, body_of
from zgoda.twins.salesforce.errors import CallError

Dispatch = Callable[[Call], Reply]
_REFERENCE = re.compile(r"@\{([^}]+)\}")
_HALTED = [{
    "errorCode": "PROCESSING_HALTED",
    "message": "The transaction was rolled back since another operation in the same transaction failed.",
}]  # fmt: skip


def composite(api: Api, call: Call, dispatch: Dispatch) -> Reply:
    """POST /composite. Later parts may use `@{ref.field}` of earlier answers; allOrNone undoes all when one fails."""
    body = body_of(call)
    parts = _parts(api, body, "compositeRequest")
    if not body.get("allOrNone"):
        results = _run(call, parts, dispatch)
    else:
        with api.org.attempt() as attempt:
            results = _run(call, parts, dispatch)
            if any(result["httpStatusCode"] >= 400 for result in results):
                api.org.roll_back(attempt)
                results = [_halted(result) for result in results]
    return json_reply(200, {"compositeResponse": results})


def composite_batch(api: Api, call: Call, dispatch: Dispatch) -> Reply:
    """POST /composite/batch. Urls are relative to /services/data/."""
    body = body_of(call)
    parts = _parts(api, body, "batchRequests")
    results: list[dict[str, Any]] = []
    for part in parts:
        url = "/services/data/" + str(part.get("url", "")).removeprefix("/services/data/").lstrip("/")
        reply = dispatch(_sub_call(call, str(part.get("method", "GET")), url, part.get("richInput"), {}))
        results.append({"statusCode": reply.status, "result": _decoded(reply)})
        if reply.status >= 400 and body.get("haltOnError"):
            break
    return json_reply(200, {"hasErrors": any(r["statusCode"] >= 400 for r in results), "results": results})


def _parts(api: Api, body: dict[str, Any], name: str) -> list[dict[str, Any]]:
    parts = body.get(name)
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in cast(list[Any], parts)):
        raise CallError(400, "JSON_PARSER_ERROR", f"{name} must be an array of objects")
    limit = api.org.around.limits.nested_requests
    if limit is not None and len(cast(list[Any], parts)) > limit:
        raise CallError(400, "LIMIT_EXCEEDED", f"cannot specify more than {limit} subrequests")
    return cast(list[dict[str, Any]], parts)


def _run(call: Call, parts: list[dict[str, Any]], dispatch: Dispatch) -> list[dict[str, Any]]:
    answers: dict[str, Any] = {}
    results: list[dict[str, Any]] = []
    for part in parts:
        reference = str(part.get("referenceId", ""))
        try:
            url, content = _filled(part.get("url", ""), answers), _filled(part.get("body"), answers)
            headers = cast(dict[str, str], part.get("httpHeaders") or {})
            reply = dispatch(_sub_call(call, str(part.get("method", "GET")), str(url), content, headers))
        except CallError as error:
            reply = error.reply()
        answer = _decoded(reply)
        if reply.status < 400:
            answers[reference] = answer
        results.append({
            "body": answer, "httpHeaders": reply.headers, "httpStatusCode": reply.status, "referenceId": reference,
        })  # fmt: skip
    return results


def _sub_call(call: Call, method: str, url: str, content: Any, headers: dict[str, str]) -> Call:
    path, _, query = url.partition("?")
    return Call(
        method=method.upper(),
        path=path,
        target=url,
        query=dict(parse_qsl(query, keep_blank_values=True)),
        headers={**dict(call.headers), "If-Modified-Since": "", "If-Unmodified-Since": "", **headers},
        body=b"" if content is None else msgspec.json.encode(content),
        n=call.n,
        caller=call.caller,
    )


def _filled(value: Any, answers: dict[str, Any]) -> Any:
    """References replaced by what earlier parts answered. Raises CallError for one that leads nowhere."""
    if isinstance(value, str):
        whole = _REFERENCE.fullmatch(value)
        if whole:
            return _looked_up(whole[1], answers)
        return _REFERENCE.sub(lambda found: str(_looked_up(found[1], answers)), value)
    if isinstance(value, dict):
        return {name: _filled(inner, answers) for name, inner in cast(dict[str, Any], value).items()}
    if isinstance(value, list):
        return [_filled(inner, answers) for inner in cast(list[Any], value)]
    return value


def _looked_up(path: str, answers: dict[str, Any]) -> Any:
    value: Any = answers
    for step in re.findall(r"[^.\[\]]+", path):
        try:
            value = cast(list[Any], value)[int(step)] if isinstance(value, list) else value[step]
        except (KeyError, IndexError, TypeError, ValueError):
            raise CallError(
                400,
                "PROCESSING_HALTED",
                f"Invalid reference specified. No value for {path} found in the referenced result.",
            ) from None
    return value


def _halted(result: dict[str, Any]) -> dict[str, Any]:
    return result if result["httpStatusCode"] >= 400 else {**result, "body": _HALTED, "httpStatusCode": 400}


def _decoded(reply: Reply) -> Any:
    return None if not reply.body else msgspec.json.decode(reply.body)
