"""The bench's vendor as a connector, registered beside the product's own so that `zgoda` itself runs it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, cast

import msgspec
from tools.bench.people import MAPPING

from zgoda import app
from zgoda.kit.errors import Refusal, RefusalKind
from zgoda.kit.http import Http, expect
from zgoda.kit.pace import Limits, Rate
from zgoda.kit.spec import (
    Connector,
    Delivery,
    Hint,
    Identity,
    Lookup,
    Page,
    Reading,
    Receipt,
    Session,
    Setting,
    Stream,
    VendorObject,
    Write,
)
from zgoda.model.clock import Clock


class _Result(msgspec.Struct):
    """The vendor's word on one write."""

    key: str
    id: str
    error: str = ""
    stored: dict[str, Any] | None = None


class _Results(msgspec.Struct):
    results: list[_Result]


def register() -> None:
    """Make the connector known to this process's composition root."""
    cast("dict[str, Connector]", app.CONNECTORS)[CONNECTOR.key] = CONNECTOR


async def read_all(session: Session, reading: Reading) -> AsyncIterator[Page]:
    cursor = reading.cursor or {"after": 0}
    after: int | None = cursor["after"]
    while after is not None:
        answer = await _get(session, "people", after)
        serial, after = cursor.setdefault("serial", answer["serial"]), answer["next"]
        here = {"serial": serial} if after is None else {"after": after, "serial": serial}
        yield Page(rows=answer["rows"], cursor=here, total=answer["total"])


async def read_changes(session: Session, reading: Reading) -> AsyncIterator[Page]:
    more, after = True, (reading.cursor or {"serial": 0})["serial"]
    while more:
        answer = await _get(session, "people/changes", after)
        more, after = answer["more"], answer["next"]
        yield Page(rows=answer["rows"], cursor={"serial": after})


async def read_ids(session: Session, reading: Reading, ids: list[str]) -> Page:
    answer = await session.http.request("POST", "people/ids", json={"ids": ids}, of="read")
    return Page(rows=expect(answer).json()["rows"])


async def find(session: Session, lookups: list[Lookup]) -> dict[str, str]:
    asked = {lookup.key: lookup.values.get("email") for lookup in lookups}
    emails = [email for email in asked.values() if email]
    answer = await session.http.request("POST", "people/find", json={"emails": emails}, of="read")
    known = expect(answer).json()
    return {key: known[email] for key, email in asked.items() if email in known}


async def write(session: Session, writes: list[Write]) -> list[Receipt]:
    told = [{"key": w.key, "op": w.op, "id": w.id, "values": w.values} for w in writes]
    answer = expect(await session.http.request("POST", "people", json={"writes": told}, of="write"))
    return [_receipt(result) for result in msgspec.json.decode(answer.body, type=_Results).results]


def _receipt(result: _Result) -> Receipt:
    if result.error:
        return Receipt(key=result.key, refusal=Refusal(kind=RefusalKind.GONE, code="GONE", message=result.error))
    return Receipt(key=result.key, id=result.id, stored=result.stored)


async def _get(session: Session, path: str, after: int) -> Any:
    params = {"after": after, "limit": session.settings["page"]}
    return expect(await session.http.request("GET", path, params=params, of="read")).json()


def receive(settings: Any, delivery: Delivery) -> list[Hint]:
    return [Hint(stream="people", id=msgspec.json.decode(delivery.body)["id"])]


async def _open(http: Http, settings: Any, clock: Clock) -> Session:
    return Session(http=http, settings=settings, clock=clock)


async def _check(session: Session) -> Identity:
    return Identity(account=session.settings["base_url"], user="bench")


async def _discover(session: Session, stream: Stream) -> VendorObject:
    return VendorObject(stream=stream.name, fields=())


def _limits(settings: Any) -> Limits:
    rates = {"read": settings["reads_per_s"], "write": settings["writes_per_s"]}
    return Limits(
        rates=tuple(Rate(calls=calls, per_s=1.0, of=of) for of, calls in rates.items() if calls),
        concurrent=settings["concurrent"],
    )


CONNECTOR = Connector(
    key="bench",
    title="Bench",
    role="generic",
    settings=(
        Setting(name="base_url", meaning="Where it listens", required=True),
        Setting(name="page", meaning="Records a page", default=100),
        Setting(name="reads_per_s", meaning="Reads it allows, 0 for any number", default=0),
        Setting(name="writes_per_s", meaning="Writes it allows, 0 for any number", default=0),
        Setting(name="concurrent", meaning="Calls at a time", default=8),
    ),
    streams=(
        Stream(
            name="people",
            entity="person",
            mapping=MAPPING,
            modified="modified",
            stamp_step_s=0.000001,
            can=frozenset({"create", "update"}),
            batch=100,
            read_all=read_all,
            read_changes=read_changes,
            read_ids=read_ids,
            write=write,
            find=find,
        ),
    ),
    open=_open,
    check=_check,
    discover=_discover,
    limits=_limits,
    receive=receive,
)
