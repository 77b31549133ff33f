"""Calls under `/services/data/vNN.0`, and answers that are what they should be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

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


def root(session: Session) -> str:
    return f"/services/data/v{session.settings.get('api_version') or API_VERSION}"


async def query(
    session: Session, text: str, *, sobject: SObject | None = None, asked: tuple[str, ...] = (), deleted: bool = False
) -> QueryAnswer:
    """Run a query; `deleted` includes the recycle bin. Only one answer is read, never its `nextRecordsUrl`: that
    cursor lives on the server for a while only, and ten of them per user at a time."""
    path = f"{root(session)}/{'queryAll' if deleted else 'query'}/"
    answer = await session.http.request("GET", path, params={"q": text}, headers=HEADERS, of="query")
    found = decoded(accept(answer, sobject, asked), QueryAnswer)
    if any(not is_id(str(record.get("Id", ""))) for record in found.records):
        raise Temporary(f"{answer.where}: a record has no valid id")
    return found


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
