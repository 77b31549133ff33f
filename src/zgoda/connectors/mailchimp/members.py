"""Members of the audience as people: reading.

The stream's id is `contact_id`: a member's `id` is the MD5 of the address and changes with it, while `contact_id` stays
and is accepted wherever a path takes the hash. Archived members are `Removed`; permanently deleted ones just vanish.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from itertools import pairwise
from typing import Any

import msgspec

from zgoda.connectors.mailchimp import interests, permissions
from zgoda.connectors.mailchimp.exchange import (
    audience_path,
    call,
    confirm_audience,
    decoded,
    hash_of,
    member_path,
    side_by_side,
)
from zgoda.connectors.mailchimp.walk import PAGE_ROWS, SECOND, Ask, Place, Sheet, resume, walk, whole, whole_seconds
from zgoda.kit.convert import Unconvertible, parse_instant
from zgoda.kit.errors import Temporary
from zgoda.kit.spec import Lookup, Page, Reading, Removed, Row, Session

ID = "contact_id"
STAMP = "last_changed"


class _Members(msgspec.Struct):
    members: list[Row]
    total_items: int


class _Total(msgspec.Struct):
    total_items: int


async def read_all(session: Session, reading: Reading) -> AsyncIterator[Page]:
    """Everybody but the archived, several pages at once."""
    answer = await call(
        session, "GET", audience_path(session, "/members"), params={"count": 1, "fields": "total_items"}
    )
    total = decoded(answer, _Total).total_items
    async for page in read_changes(session, reading):
        yield msgspec.structs.replace(page, total=total)


async def read_changes(session: Session, reading: Reading) -> AsyncIterator[Page]:
    now = session.clock.now()
    place = resume(reading.cursor, whole(now))
    count = min(reading.page_size or PAGE_ROWS, PAGE_ROWS)
    async for rows, cursor in walk(asking(session, reading.fields), place, now=now, count=count):
        await _translate(session, rows, reading.fields)
        yield Page(rows=rows, cursor=cursor)


async def read_deletes(session: Session, reading: Reading) -> AsyncIterator[Page]:
    """Archived members, by the stamp archiving gave them."""
    now = session.clock.now()
    place = resume(reading.cursor, Place())
    count = min(reading.page_size or PAGE_ROWS, PAGE_ROWS)
    async for rows, cursor in walk(asking(session, (), status="archived"), place, now=now, count=count):
        yield Page(removed=[Removed(id=row[ID], at=stamp_of(row)) for row in rows], cursor=cursor)


async def read_ids(session: Session, reading: Reading, ids: list[str]) -> Page:
    """Also takes the hashes a webhook's hint carries; the rows then come under their contact_id."""
    fields = tuple(dict.fromkeys((ID, STAMP, "status", *reading.fields)))
    found = await side_by_side([one(session, id, fields) for id in ids])
    if found and all(row is None for row in found):
        await confirm_audience(session)
    page = Page()
    for id, row in zip(ids, found, strict=True):
        if row is None:
            page.removed.append(Removed(id=id))
        elif row.get("status") == "archived":
            page.removed.append(Removed(id=row[ID], at=stamp_of(row)))
        else:
            page.rows.append(row if "status" in reading.fields else {k: v for k, v in row.items() if k != "status"})
    await _translate(session, page.rows, reading.fields)
    return page


async def find(session: Session, lookups: list[Lookup]) -> dict[str, str]:
    """By address, which is unique within an audience. Archived members do not count: a create may revive them."""
    sent = [(look.key, email) for look in lookups if isinstance(email := look.values.get("email_address"), str)]
    found = await side_by_side([one(session, hash_of(email), (ID, "status")) for _, email in sent])
    if found and all(row is None for row in found):
        await confirm_audience(session)
    return {key: row[ID] for (key, _), row in zip(sent, found, strict=True) if row and row.get("status") != "archived"}


async def one(session: Session, member: str, fields: tuple[str, ...]) -> Row | None:
    """One member by contact_id or hash; None if Mailchimp does not know it."""
    params = {"fields": ",".join(permissions.asked(fields))}
    answer = await call(session, "GET", member_path(session, member), params=params, allowed=(404,))
    if answer.status == 404:
        return None
    row = decoded(answer, dict[str, Any])
    id_of(row)
    return row


def asking(session: Session, fields: tuple[str, ...], **filters: str) -> Ask:
    """The question the walk asks: members by stamp, oldest first, with no more fields than wanted."""
    wanted = permissions.asked((ID, STAMP, *fields))
    fixed: dict[str, str | int] = {
        "fields": ",".join([*(f"members.{name}" for name in wanted), "total_items"]),
        "sort_field": STAMP,
        "sort_dir": "ASC",
        **filters,
    }

    async def ask(since: datetime, until: datetime | None, offset: int, count: int) -> Sheet:
        params = {**fixed, "since_last_changed": whole_seconds(since), "offset": offset, "count": count}
        if until is not None:
            params["before_last_changed"] = whole_seconds(until)
        answer = await call(session, "GET", audience_path(session, "/members"), params=params)
        found = decoded(answer, _Members)
        marks = [(stamp_of(row), id_of(row)) for row in found.members]
        if any(a[0] > b[0] for a, b in pairwise(marks)):
            raise Temporary(f"{answer.where}: the members are not in the order that was asked for")
        if marks and (marks[0][0] < since - SECOND or (until is not None and marks[-1][0] > until + SECOND)):
            raise Temporary(f"{answer.where}: members from outside the time that was asked for")
        if not found.members and offset < found.total_items:
            raise Temporary(f"{answer.where}: an empty page before the end")
        return Sheet(found.members, marks, found.total_items)

    return ask


async def _translate(session: Session, rows: list[Row], fields: tuple[str, ...]) -> None:
    """What no dotted path can address becomes what one can."""
    permissions.to_boxes(rows, fields)
    if "interests" in fields:
        await interests.to_labels(session, rows)


def id_of(row: Row) -> str:
    if not isinstance(id := row.get(ID), str) or not id:
        raise Temporary("a member without contact_id")
    return id


def stamp_of(row: Row) -> datetime:
    try:
        return parse_instant(row.get(STAMP))
    except Unconvertible:
        raise Temporary("a member without a usable last_changed") from None
