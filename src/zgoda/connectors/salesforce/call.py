"""Calls under `/services/data/vNN.0`, and answers that are what they should be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar
from urllib.parse import quote

import msgspec

from zgoda.connectors.salesforce.objects import STAMP, SObject
from zgoda.connectors.salesforce.recovery import accept
from zgoda.connectors.salesforce.soql import is_id
from zgoda.kit.convert import Unconvertible, parse_instant
from zgoda.kit.errors import Temporary
from zgoda.kit.http import Answer
from zgoda.kit.spec import Row, Session

API_VERSION: Final = "67.0"
LARGEST_PAGE: Final = 2000
"""The vendor's default and largest page of a query."""

HEADERS: Final = {"Sforce-Call-Options": "client=Zgoda", "Sforce-Query-Options": f"batchSize={LARGEST_PAGE}"}
"""Names us in the vendor's change events, so that our own changes can be told from others'."""

T = TypeVar("T")


class QueryAnswer(msgspec.Struct, frozen=True):
    """What `/query` answers. `totalSize` counts what the query finds, its LIMIT included."""

    totalSize: int  # noqa: N815 - the vendor's spelling
    done: bool
    records: list[Row]


class Part(msgspec.Struct, frozen=True):
    """One sub-request's outcome in an answer of `/composite`."""

    referenceId: str  # noqa: N815 - the vendor's spelling
    httpStatusCode: int  # noqa: N815 - the vendor's spelling
    body: Any = None


class CompositeAnswer(msgspec.Struct, frozen=True):
    compositeResponse: list[Part]  # noqa: N815 - the vendor's spelling


def root(session: Session) -> str:
    return f"/services/data/v{session.settings.get('api_version') or API_VERSION}"


async def query(
    session: Session, text: str, *, sobject: SObject | None = None, asked: tuple[str, ...] = (), deleted: bool = False
) -> QueryAnswer:
    """Run a query; `deleted` includes the recycle bin. Only one answer is read, never its `nextRecordsUrl`: that
    cursor lives on the server for a while only, and ten of them per user at a time."""
    path = f"{root(session)}/{'queryAll' if deleted else 'query'}/"
    answer = await session.http.request("GET", path, params={"q": text}, headers=HEADERS, of="query")
    return _with_ids(decoded(accept(answer, sobject, asked), QueryAnswer), path)


async def discreet_query(session: Session, text: str, *, sobject: SObject, asked: tuple[str, ...]) -> QueryAnswer:
    """A query whose conditions hold personal data: it travels in a body, since request lines end up in logs."""
    path = f"{root(session)}/query/"
    part = {"method": "GET", "url": f"{path}?q={quote(text, safe='')}", "referenceId": "q"}
    answer = await send(session, "POST", "/composite", {"compositeRequest": [part]}, sobject=sobject)
    parts = decoded(answer, CompositeAnswer).compositeResponse
    if len(parts) != 1:
        raise Temporary(f"{answer.where}: {len(parts)} answers to one query")
    body, status = msgspec.json.encode(parts[0].body), parts[0].httpStatusCode
    inner = Answer(method="GET", path=path, status=status, headers=answer.headers, body=body)
    return _with_ids(decoded(accept(inner, sobject, asked), QueryAnswer), path)


async def send(
    session: Session,
    method: str,
    path: str,
    body: Any = None,
    *,
    sobject: SObject,
    params: Mapping[str, str | int] | None = None,
) -> Answer:
    """A call that changes something; `path` is below the version."""
    http = session.http
    answer = await http.request(method, root(session) + path, params=params, json=body, headers=HEADERS, of="write")
    return accept(answer, sobject)


def decoded(answer: Answer, shape: type[T]) -> T:
    """The answer as the expected shape; anything else is no answer."""
    try:
        return msgspec.convert(answer.json(), shape)
    except msgspec.ValidationError:
        executed = answer.method != "GET"
        raise Temporary(f"{answer.where}: the answer has an unexpected shape", executed=executed) from None


def place_of(record: Row) -> tuple[str, str]:
    """A record's stamp and id, checked."""
    stamp, id = record.get(STAMP), record.get("Id")
    try:
        parse_instant(stamp)
    except Unconvertible:
        raise Temporary("a record has no valid stamp") from None
    return str(stamp), str(id)


def _with_ids(found: QueryAnswer, path: str) -> QueryAnswer:
    if all(is_id(str(record.get("Id"))) for record in found.records):
        return found
    raise Temporary(f"{path}: a record has no valid id")
