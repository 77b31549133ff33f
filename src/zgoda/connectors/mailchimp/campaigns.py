"""Campaigns of the audience, read only. They carry no stamp of change, so they are always read whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from zgoda.connectors.mailchimp.exchange import call, confirm_audience, decoded, side_by_side
from zgoda.connectors.mailchimp.walk import PAGE_ROWS, Part, by_offset
from zgoda.kit.spec import Page, Reading, Removed, Row, Session


class _Campaigns(msgspec.Struct):
    campaigns: list[Row]
    total_items: int


async def read_all(session: Session, reading: Reading) -> AsyncIterator[Page]:
    count = min(reading.page_size or PAGE_ROWS, PAGE_ROWS)
    async for part in listed(session, reading.fields, count=count):
        yield Page(rows=part.rows, total=part.total)


async def read_ids(session: Session, reading: Reading, ids: list[str]) -> Page:
    params = {"fields": ",".join(dict.fromkeys(("id", *reading.fields)))}

    async def ask(id: str) -> Row | None:
        answer = await call(session, "GET", f"campaigns/{quote(id, safe='')}", params=params, allowed=(404,))
        return decoded(answer, dict[str, Any]) if answer.ok else None

    rows = await side_by_side([ask(id) for id in ids])
    if rows and all(row is None for row in rows):
        await confirm_audience(session)
    gone = [Removed(id=id) for id, row in zip(ids, rows, strict=True) if row is None]
    return Page(rows=[row for row in rows if row is not None], removed=gone)


def listed(
    session: Session, fields: tuple[str, ...], *, count: int = PAGE_ROWS, filters: Mapping[str, str] | None = None
) -> AsyncIterator[Part]:
    """The audience's campaigns, oldest first: only deletions can shift them."""
    fixed: dict[str, str | int] = {
        "list_id": str(session.settings["audience"]),
        "fields": ",".join([*(f"campaigns.{name}" for name in dict.fromkeys(("id", *fields))), "total_items"]),
        "sort_field": "create_time",
        "sort_dir": "ASC",
        **(filters or {}),
    }

    async def ask(offset: int, count: int) -> tuple[list[Row], int]:
        answer = await call(session, "GET", "campaigns", params=fixed | {"offset": offset, "count": count})
        found = decoded(answer, _Campaigns)
        return found.campaigns, found.total_items

    return by_offset(ask, count=count)
