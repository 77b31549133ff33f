"""Tags (static segments) as lists, and who has which tag as memberships.

A membership is no record of its own at Mailchimp: its id is `contact_id:tag id`. It is read from the members' own
`tags`, one pass for all tags, and written by POST /members/{contact_id}/tags, which names a person for good; the
segment call takes 500 at a time but wants addresses, which may have changed meanwhile.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import msgspec

from zgoda.connectors.mailchimp.exchange import (
    as_dict,
    as_list,
    audience_path,
    believed,
    call,
    confirm_audience,
    decoded,
    member_path,
    one_by_one,
    problem_of,
    refused,
    side_by_side,
)
from zgoda.connectors.mailchimp.members import ID, STAMP, asking, one
from zgoda.connectors.mailchimp.walk import PAGE_ROWS, Part, by_offset, resume, walk, whole
from zgoda.kit.errors import RefusalKind
from zgoda.kit.http import Answer
from zgoda.kit.spec import Lookup, Page, Reading, Receipt, Removed, Row, Session, Write

TAGS = ("tags", "tags_count")


class _Segments(msgspec.Struct):
    segments: list[Row]
    total_items: int


class _Tags(msgspec.Struct):
    tags: list[Row]
    total_items: int


async def read_all(session: Session, reading: Reading) -> AsyncIterator[Page]:
    count = min(reading.page_size or PAGE_ROWS, PAGE_ROWS)
    async for part in _segments(session, ("id", "updated_at", "type", *reading.fields), count):
        yield Page(rows=[_segment(row) for row in part.rows], total=part.total)


async def read_ids(session: Session, reading: Reading, ids: list[str]) -> Page:
    fields = ",".join(dict.fromkeys(("id", "updated_at", "type", *reading.fields)))

    async def ask(id: str) -> Row | None:
        path = audience_path(session, f"/segments/{quote(id, safe='')}")
        answer = await call(session, "GET", path, params={"fields": fields}, allowed=(404,))
        return _segment(decoded(answer, dict[str, Any])) if answer.ok else None

    return await _page(session, ids, await side_by_side([ask(id) for id in ids]))


async def write(session: Session, writes: list[Write]) -> list[Receipt]:
    async def send(write: Write) -> Receipt:
        path = audience_path(session, f"/segments/{quote(write.id, safe='')}")
        body = {"name": write.values.get("name")}
        match write.op:
            case "create":
                new = {**body, "static_segment": list[str]()}
                answer = await call(session, "POST", audience_path(session, "/segments"), json=new, allowed=(400,))
            case "update":
                answer = await call(session, "PATCH", path, json=body, allowed=(400, 404))
            case "delete":
                answer = await call(session, "DELETE", path, allowed=(400, 404))
        if answer.ok and write.op == "delete":
            return Receipt(key=write.key, id=write.id)
        if not answer.ok:
            return _refusal(write, answer)
        row = _segment(decoded(answer, dict[str, Any]))
        return Receipt(key=write.key, id=row["id"], stored={k: row[k] for k in ("id", "name", "type") if k in row})

    return await believed(session, await one_by_one(writes, send))


async def find(session: Session, lookups: list[Lookup]) -> dict[str, str]:
    ids = {name: id for id, name in (await _names(session)).items()}
    return {look.key: ids[name] for look in lookups if (name := str(look.values.get("name"))) in ids}


async def read_memberships(session: Session, reading: Reading) -> AsyncIterator[Page]:
    """One pass over the members. Later ones see additions; what was taken off shows in a full read."""
    now = session.clock.now()
    place = resume(reading.cursor, whole(now))
    count = min(reading.page_size or PAGE_ROWS, PAGE_ROWS)
    async for members, cursor in walk(asking(session, TAGS), place, now=now, count=count):
        rows = await side_by_side([_memberships(session, member) for member in members])
        yield Page(rows=[row for some in rows for row in some], cursor=cursor)


async def read_membership_ids(session: Session, reading: Reading, ids: list[str]) -> Page:
    people = list(dict.fromkeys(id.partition(":")[0] for id in ids))
    members = await side_by_side([one(session, person, (ID, STAMP, "status", *TAGS)) for person in people])
    there = [member for member in members if member is not None and member.get("status") != "archived"]
    rows = await side_by_side([_memberships(session, member) for member in there])
    by_id = {row["id"]: row for some in rows for row in some}
    return await _page(session, ids, [by_id.get(id) for id in ids])


async def write_memberships(session: Session, writes: list[Write]) -> list[Receipt]:
    """One call for each person, whatever number of tags."""
    names = await _names(session)
    receipts: list[Receipt] = []
    by_person: dict[str, list[tuple[Write, str, str]]] = {}
    for write in writes:
        person, tag = _parts(write)
        if tag not in names:
            receipts.append(refused(write, RefusalKind.REJECTED, "unknown tag", "no such tag", fields=("list",)))
        else:
            by_person.setdefault(person, []).append((write, tag, names[tag]))

    async def send(first: Write) -> Receipt:
        person = _parts(first)[0]
        state = {"create": "active", "update": "active", "delete": "inactive"}
        body = {"tags": [{"name": name, "status": state[write.op]} for write, _, name in by_person[person]]}
        answer = await call(session, "POST", member_path(session, person, "/tags"), json=body, allowed=(400, 404))
        return Receipt(key=first.key) if answer.ok else _refusal(first, answer)

    people = list(by_person.values())
    answers = await one_by_one([some[0][0] for some in people], send, done=receipts)
    for some, answer in zip(people, answers, strict=True):
        for write, tag, _ in some:
            id = write.id or f"{_parts(write)[0]}:{tag}"
            receipts.append(Receipt(key=write.key, id=id, refusal=answer.refusal))
    return await believed(session, receipts)


async def find_memberships(session: Session, lookups: list[Lookup]) -> dict[str, str]:
    ids = {look.key: f"{look.values.get('person')}:{look.values.get('list')}" for look in lookups}
    found = await read_membership_ids(session, Reading(fields=()), list(ids.values()))
    there = {row["id"] for row in found.rows}
    return {key: id for key, id in ids.items() if id in there}


def _segments(session: Session, fields: tuple[str, ...], count: int) -> AsyncIterator[Part]:
    names = ",".join([*(f"segments.{name}" for name in dict.fromkeys(fields)), "total_items"])

    async def ask(offset: int, count: int) -> tuple[list[Row], int]:
        params: dict[str, str | int] = {"type": "static", "fields": names, "offset": offset, "count": count}
        found = decoded(await call(session, "GET", audience_path(session, "/segments"), params=params), _Segments)
        return found.segments, found.total_items

    return by_offset(ask, count=count)


async def _names(session: Session) -> dict[str, str]:
    parts = _segments(session, ("id", "name"), PAGE_ROWS)
    return {str(row.get("id")): str(row.get("name")) async for part in parts for row in part.rows}


async def _memberships(session: Session, member: Row) -> list[Row]:
    """A row per tag. A member's own list of tags may be cut short; then the rest is asked for."""
    tags = as_list(member.get("tags"))
    if isinstance(many := member.get("tags_count"), int) and many > len(tags):
        params: dict[str, str | int] = {"fields": "tags.id,total_items", "count": PAGE_ROWS}
        answer = await call(session, "GET", member_path(session, member[ID], "/tags"), params=params, allowed=(404,))
        tags = decoded(answer, _Tags).tags if answer.ok else []
    ids = [str(tag["id"]) for tag in map(as_dict, tags) if "id" in tag]
    return [{"id": f"{member[ID]}:{id}", "person": member[ID], "list": id} for id in ids]


async def _page(session: Session, ids: list[str], rows: list[Row | None]) -> Page:
    if ids and all(row is None for row in rows):
        await confirm_audience(session)
    gone = [Removed(id=id) for id, row in zip(ids, rows, strict=True) if row is None]
    return Page(rows=[row for row in rows if row is not None], removed=gone)


def _parts(write: Write) -> tuple[str, str]:
    person, _, tag = write.id.partition(":")
    return str(write.values.get("person") or person), str(write.values.get("list") or tag)


def _segment(row: Row) -> Row:
    return {**row, "id": str(row.get("id"))}


def _refusal(write: Write, answer: Answer) -> Receipt:
    title = problem_of(answer).title
    if answer.status == 404:
        return refused(write, RefusalKind.GONE, title, "no such record")
    return refused(write, RefusalKind.REJECTED, title, "not accepted")
