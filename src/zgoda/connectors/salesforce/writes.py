"""Writing: sObject Collections (200 records a call, each standing for itself), or rows under a lock where the stamp we
last saw must still hold.

The lock is `If-Unmodified-Since`, which works on single rows only (REST API guide, "Conditional Request Headers"), so
such updates travel 25 to a `/composite` call. It compares `LastModifiedDate`, whose step is a second.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from email.utils import format_datetime
from typing import Any, Final, TypeAlias

import msgspec

from zgoda.connectors.salesforce.call import CompositeAnswer, Part, decoded, root, send
from zgoda.connectors.salesforce.find import interaction_key
from zgoda.connectors.salesforce.objects import VERSION, SObject, record_of
from zgoda.connectors.salesforce.reads import end_marks, records_by_id, removal
from zgoda.connectors.salesforce.recovery import faults_in, refusal
from zgoda.connectors.salesforce.soql import is_id
from zgoda.kit.convert import Unconvertible, parse_instant
from zgoda.kit.errors import ConnectorError, Refusal, RefusalKind, Temporary
from zgoda.kit.http import Answer
from zgoda.kit.spec import Receipt, Row, Session, Write

COLLECTION: Final = 200
COMPOSITE: Final = 25

Send: TypeAlias = Callable[[SObject, Session, list[Write]], Awaitable[list[Receipt]]]


class _Result(msgspec.Struct, frozen=True):
    """One record's outcome in a collection."""

    success: bool
    id: str | None = None
    errors: list[Any] = []


async def write(sobject: SObject, session: Session, writes: list[Write]) -> list[Receipt]:
    """Write records; one receipt per write.

    Creates go first: if their answer is lost, nothing has been done yet and the error can be raised as it is. What
    comes after can be repeated safely, so a later failure is a refusal `temporary` for what was not sent or answered.
    """
    receipts = [unfit for w in writes if (unfit := _unfit(sobject, w))]
    refused = {receipt.key for receipt in receipts}
    calls = _calls(sobject, session, [w for w in writes if w.key not in refused])
    done = 0
    for number, (one_call, part) in enumerate(calls):
        try:
            receipts += await one_call(sobject, session, part)
            done += 1
        except ConnectorError as error:
            if not done:
                raise
            receipts += [_not_sent(w, error) for _, rest in calls[number:] for w in rest]
            break
    return await _settle_gone(sobject, session, writes, receipts)


def _unfit(sobject: SObject, w: Write) -> Receipt | None:
    """A write that cannot be asked for at all."""
    missing = tuple(name for name in sobject.needs if w.op == "create" and not w.values.get(name))
    if missing:
        why = Refusal(kind=RefusalKind.REJECTED, code="REQUIRED_FIELD_MISSING", message="needed here", fields=missing)
        return _refused(w, why)
    if w.op != "create" and not is_id(w.id):
        return _refused(w, Refusal(kind=RefusalKind.GONE, code="MALFORMED_ID", message="this is no Salesforce id"))
    return None


def _calls(sobject: SObject, session: Session, writes: list[Write]) -> list[tuple[Send, list[Write]]]:
    keyed = sobject.keyed and session.settings.get("interaction_key_field")
    plans: list[tuple[Send, int, list[Write]]] = [
        (_create_keyed if keyed else _create, COLLECTION, [w for w in writes if w.op == "create"]),
        (_update_locked, COMPOSITE, [w for w in writes if w.op == "update" and _http_date(w.expected)]),
        (_update, COLLECTION, [w for w in writes if w.op == "update" and not _http_date(w.expected)]),
        (_delete, COLLECTION, [w for w in writes if w.op == "delete"]),
    ]
    return [(one, part[i : i + size]) for one, size, part in plans for i in range(0, len(part), size)]


async def _create(sobject: SObject, session: Session, writes: list[Write]) -> list[Receipt]:
    records = [_typed(sobject, w) for w in writes]
    return await _collection(sobject, session, "POST", "/composite/sobjects", records, writes)


async def _create_keyed(sobject: SObject, session: Session, writes: list[Write]) -> list[Receipt]:
    """Creates with an external id made of the values, so that the same interaction is never written twice: a twin is
    the record itself. (An upsert would try to update it, which not all its fields allow.)"""
    field = str(session.settings["interaction_key_field"])
    unique = {interaction_key(w.values): w for w in reversed(writes)}
    records = [_typed(sobject, w) | {field: key} for key, w in unique.items()]
    first = list(unique.values())
    receipts = await _collection(sobject, session, "POST", "/composite/sobjects", records, first)
    made = {key: _itself(receipt) for key, receipt in zip(unique, receipts, strict=True)}
    return [msgspec.structs.replace(made[interaction_key(w.values)], key=w.key) for w in writes]


def _itself(receipt: Receipt) -> Receipt:
    twin = receipt.refusal.moved_to if receipt.refusal else ""
    return Receipt(key=receipt.key, id=twin, created=False) if twin else receipt


async def _update(sobject: SObject, session: Session, writes: list[Write]) -> list[Receipt]:
    records = [_typed(sobject, w) | {"Id": w.id} for w in writes]
    return await _collection(sobject, session, "PATCH", "/composite/sobjects", records, writes)


async def _delete(sobject: SObject, session: Session, writes: list[Write]) -> list[Receipt]:
    params = {"ids": ",".join(w.id for w in writes), "allOrNone": "false"}
    answer = await send(session, "DELETE", "/composite/sobjects", params=params, sobject=sobject)
    return _receipts(sobject, answer, writes)


async def _update_locked(sobject: SObject, session: Session, writes: list[Write]) -> list[Receipt]:
    parts = [
        {
            "method": "PATCH",
            "url": f"{root(session)}/sobjects/{sobject.name}/{w.id}",
            "referenceId": f"w{number}",
            "httpHeaders": {"If-Unmodified-Since": _http_date(w.expected)},
            "body": record_of(sobject, w.values),
        }
        for number, w in enumerate(writes)
    ]
    body = {"allOrNone": False, "compositeRequest": parts}
    answer = await send(session, "POST", "/composite", body, sobject=sobject)
    results = {part.referenceId: part for part in decoded(answer, CompositeAnswer).compositeResponse}
    return [_part_receipt(sobject, w, results.get(f"w{number}")) for number, w in enumerate(writes)]


async def _collection(
    sobject: SObject, session: Session, method: str, path: str, records: list[Row], writes: list[Write]
) -> list[Receipt]:
    body = {"allOrNone": False, "records": records}
    return _receipts(sobject, await send(session, method, path, body, sobject=sobject), writes)


def _receipts(sobject: SObject, answer: Answer, writes: list[Write]) -> list[Receipt]:
    """Results come in the order of the records; a list of another length proves nothing."""
    results = decoded(answer, list[_Result])
    if len(results) != len(writes):
        raise Temporary(f"{answer.where}: {len(results)} results for {len(writes)} records", executed=True)
    return [_receipt(sobject, w, result) for w, result in zip(writes, results, strict=True)]


def _receipt(sobject: SObject, w: Write, result: _Result) -> Receipt:
    if not result.success:
        return _refused(w, refusal(sobject, w.op, faults_in(result.errors)))
    id = result.id or ""
    if not is_id(id) or (w.op != "create" and id[:15] != w.id[:15]):
        raise Temporary("a result names no record or another one", executed=True)
    return Receipt(key=w.key, id=id)


def _part_receipt(sobject: SObject, w: Write, part: Part | None) -> Receipt:
    if part is not None and 200 <= part.httpStatusCode < 300:
        return Receipt(key=w.key, id=w.id)
    if part is not None and part.httpStatusCode == 412:
        why = "changed meanwhile"
        return _refused(w, Refusal(kind=RefusalKind.STALE, code="PRECONDITION_FAILED", message=why, fields=(VERSION,)))
    return _refused(w, refusal(sobject, w.op, faults_in(part.body if part else None)))


async def _settle_gone(
    sobject: SObject, session: Session, writes: list[Write], receipts: list[Receipt]
) -> list[Receipt]:
    """Whether what the vendor calls deleted is our record or one it refers to, and where a merged one lives on.

    The codes are the same for both. If the look-up fails, the refusals become `temporary`: receipts are never lost.
    """
    ids = {w.key: w.id for w in writes}
    doubtful = [r for r in receipts if r.refusal and r.refusal.kind is RefusalKind.GONE and is_id(ids[r.key])]
    if not doubtful:
        return receipts
    try:
        known = await records_by_id(sobject, session, end_marks(sobject), [ids[r.key] for r in doubtful])
    except ConnectorError as error:
        later = {r.key: _not_sent(Write(key=r.key, op="update", id=ids[r.key]), error) for r in doubtful}
        return [later.get(r.key, r) for r in receipts]
    settled = {r.key: _settled(sobject, r, known.get(ids[r.key][:15])) for r in doubtful}
    return [settled.get(r.key, r) for r in receipts]


def _settled(sobject: SObject, receipt: Receipt, record: Row | None) -> Receipt:
    told = receipt.refusal
    if told is None:
        return receipt
    gone = removal(sobject, receipt.id, record)
    if gone is None:
        why = Refusal(kind=RefusalKind.REJECTED, code=told.code, message="it refers to a record that does not exist")
    else:
        why = msgspec.structs.replace(told, moved_to="" if gone.stream else gone.merged_into)
    return Receipt(key=receipt.key, id=receipt.id, refusal=why)


def _typed(sobject: SObject, w: Write) -> Row:
    given = sobject.born_with if w.op == "create" else {}
    return {"attributes": {"type": sobject.name}} | given | record_of(sobject, w.values)


def _refused(w: Write, why: Refusal) -> Receipt:
    return Receipt(key=w.key, id=w.id, refusal=why)


def _not_sent(w: Write, error: ConnectorError) -> Receipt:
    return _refused(w, Refusal(kind=RefusalKind.TEMPORARY, code=type(error).__name__, message="not written now"))


def _http_date(expected: str) -> str:
    """The stamp as an HTTP date (RFC 9110); empty if there is none."""
    try:
        moment: datetime = parse_instant(expected)
    except Unconvertible:
        return ""
    return format_datetime(moment.replace(microsecond=0), usegmt=True)
