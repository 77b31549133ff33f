"""Salesforce's error codes sorted by how one recovers.

Two shapes exist: a list of `{errorCode, message, fields}` for a whole call, and `{statusCode, message, fields}` inside
the result of one record (REST API guide, "Status Codes and Error Responses" and "sObject Collections"). Messages quote
values, so they are searched for an id or a field name but never passed on.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any, Final, cast

import msgspec

from zgoda.connectors.salesforce.objects import SObject, named_by_us
from zgoda.connectors.salesforce.soql import is_id
from zgoda.kit.errors import Attention, NeedsAttention, Quota, Refusal, RefusalKind, Temporary
from zgoda.kit.http import Answer, expect
from zgoda.kit.spec import Op

_CODE = re.compile(r"[A-Z][A-Z0-9_]{1,79}")
_FIELD = re.compile(r"[A-Za-z]\w{0,79}(\.\w{1,80}){0,5}", re.ASCII)
_MISSING_COLUMN = re.compile(r"No such column '([\w.]+)'|relationship '(\w+)'", re.ASCII)
_NAMED_RECORD = re.compile(r"\b([A-Za-z0-9]{18}|[A-Za-z0-9]{15})\b", re.ASCII)

_LATER: Final = frozenset(
    {
        "UNABLE_TO_LOCK_ROW",
        "SERVER_UNAVAILABLE",
        "REQUEST_RUNNING_TOO_LONG",
        "QUERY_TIMEOUT",
        "UNKNOWN_EXCEPTION",
        "PROCESSING_HALTED",
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
        "STORAGE_LIMIT_EXCEEDED",
        "REQUEST_LIMIT_EXCEEDED",
    }
)
_FORBIDDEN: Final = frozenset(
    {
        "INSUFFICIENT_ACCESS",
        "INSUFFICIENT_ACCESS_OR_READONLY",
        "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
        "INVALID_FIELD_FOR_INSERT_UPDATE",
    }
)
_GONE: Final = frozenset(
    {"ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY", "NOT_FOUND", "CANNOT_UPDATE_CONVERTED_LEAD"}
)
_TWIN: Final = frozenset({"DUPLICATE_VALUE", "DUPLICATES_DETECTED", "DUPLICATE_EXTERNAL_ID"})


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One error of an answer. `text` is the vendor's and may quote values: for looking into, never for showing."""

    code: str
    fields: tuple[str, ...] = ()
    twin: str = ""
    text: str = ""


def faults_in(body: Any) -> list[Fault]:
    """The errors of a decoded answer, of either shape; what cannot be understood is left out."""
    if not isinstance(body, list):
        return []
    return [_fault(cast("dict[str, Any]", item)) for item in cast("list[Any]", body) if isinstance(item, dict)]


def accept(answer: Answer, sobject: SObject | None = None, asked: tuple[str, ...] = ()) -> Answer:
    """The answer of a whole call if it succeeded, else the error by recovery."""
    if answer.ok:
        return answer
    for fault in faults_of(answer):
        _raise_for(fault, answer, sobject, asked)
    return expect(answer)


def faults_of(answer: Answer) -> list[Fault]:
    with suppress(msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return faults_in(msgspec.json.decode(answer.body))
    return []


def refusal(sobject: SObject, op: Op, faults: list[Fault]) -> Refusal:
    """Why one record was not written. Several errors of a record are one refusal: the first decides."""
    if not faults:
        return Refusal(kind=RefusalKind.TEMPORARY, code="UNKNOWN", message="refused without a reason")
    first = faults[0]
    fields = named_by_us(sobject, tuple(dict.fromkeys(f for fault in faults for f in fault.fields)))
    kind = _kind(first, op)
    moved_to = first.twin if kind is RefusalKind.EXISTS else ""
    return Refusal(kind=kind, code=first.code, message=_MESSAGES[kind], fields=fields, moved_to=moved_to)


def _kind(fault: Fault, op: Op) -> RefusalKind:
    ours = op != "create" and set(fault.fields) <= {"Id", "id"}
    match fault.code:
        case code if code in _LATER:
            return RefusalKind.TEMPORARY
        case code if code in _FORBIDDEN:
            return RefusalKind.RIGHTS
        case code if code in _GONE and ours:
            return RefusalKind.GONE
        case code if code in _TWIN and op == "create":
            return RefusalKind.EXISTS
        case _:
            return RefusalKind.REJECTED


def _raise_for(fault: Fault, answer: Answer, sobject: SObject | None, asked: tuple[str, ...]) -> None:
    where = f"{answer.where}: {fault.code}"
    stream = sobject.stream if sobject else ""
    match fault.code:
        case "REQUEST_LIMIT_EXCEEDED":
            concurrent = fault.text.startswith("Concurrent")
            raise Quota(where, retry_after_s=answer.retry_after_s, daily=not concurrent)
        case "INVALID_SESSION_ID" | "INVALID_AUTH_HEADER":
            raise NeedsAttention(Attention.CREDENTIALS, where, do="renew the credentials, then `zgoda resume`")
        case "API_DISABLED_FOR_ORG" | "API_CURRENTLY_DISABLED" | "INVALID_LOGIN":
            raise NeedsAttention(Attention.ACCOUNT, where, do="enable the API for this user and edition", stream=stream)
        case "INVALID_FIELD" | "INVALID_TYPE" | "MALFORMED_QUERY":
            fields = _named_fields(fault, sobject, asked)
            do = "grant the integration user access to it (field-level security) or take it out of the mapping"
            raise NeedsAttention(Attention.SCHEMA, where, do=do, fields=fields, stream=stream)
        case "INVALID_REPLICATION_DATE":
            raise NeedsAttention(Attention.SETTINGS, where, do="check this machine's clock", stream=stream)
        case code if code in _FORBIDDEN:
            raise NeedsAttention(Attention.RIGHTS, where, do="extend the user's permission set", stream=stream)
        case code if code in _LATER:
            executed = answer.status >= 500 and answer.method != "GET"
            raise Temporary(where, retry_after_s=answer.retry_after_s, executed=executed)
        case _:
            return


def _named_fields(fault: Fault, sobject: SObject | None, asked: tuple[str, ...]) -> tuple[str, ...]:
    """The fields a query's error means: only such as were asked for, so that no other text gets out."""
    named = [*fault.fields, *(column or relation for column, relation in _MISSING_COLUMN.findall(fault.text))]
    hit = tuple(path for path in asked if any(path == n or path.startswith(f"{n}.") for n in named))
    return named_by_us(sobject, hit) if sobject else hit


def _fault(item: dict[str, Any]) -> Fault:
    code = item.get("errorCode") or item.get("statusCode")
    raw_fields = item.get("fields")
    listed = cast("list[Any]", raw_fields) if isinstance(raw_fields, list) else []
    text = item.get("message")
    known = code if isinstance(code, str) and _CODE.fullmatch(code) else "UNKNOWN"
    return Fault(
        code=known,
        fields=tuple(f for f in listed if isinstance(f, str) and _FIELD.fullmatch(f)),
        twin=_twin(item, known, text if isinstance(text, str) else ""),
        text=text if isinstance(text, str) else "",
    )


def _twin(item: dict[str, Any], code: str, text: str) -> str:
    """The id of the record that was there first, where the answer names exactly one.

    A duplicate rule's answer spells its key `duplicateResut` (sic); a unique field names the record in its message.
    """
    found: set[str] = set()
    if code == "DUPLICATES_DETECTED":
        found.update(_matched(item.get("duplicateResut") or item.get("duplicateResult")))
    elif code in _TWIN:
        found.update(id for id in _NAMED_RECORD.findall(text.rpartition("id:")[2]) if "id:" in text)
    return found.pop() if len(found) == 1 else ""


def _matched(result: Any) -> set[str]:
    try:
        matches = msgspec.convert(result, _DuplicateResult).matchResults
    except msgspec.ValidationError:
        return set()
    return {r.record.Id for match in matches for r in match.matchRecords if is_id(r.record.Id)}


class _Matched(msgspec.Struct):
    Id: str


class _MatchRecord(msgspec.Struct):
    record: _Matched


class _MatchResult(msgspec.Struct):
    matchRecords: list[_MatchRecord]  # noqa: N815 - the vendor's spelling


class _DuplicateResult(msgspec.Struct):
    matchResults: list[_MatchResult]  # noqa: N815 - the vendor's spelling


_MESSAGES: Final = {
    RefusalKind.TEMPORARY: "not written now",
    RefusalKind.RIGHTS: "not allowed for this record or field",
    RefusalKind.GONE: "there is no such record any more",
    RefusalKind.EXISTS: "there is such a record already",
    RefusalKind.REJECTED: "the values were refused",
    RefusalKind.STALE: "changed meanwhile",
}
