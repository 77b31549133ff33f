"""Groups ("interests") of an audience: Mailchimp keeps `{interest id: true/false}`, the hub a set of labels.

A label that two categories share is written `Category: Label`, so that it stays one thing.
"""

from __future__ import annotations

from collections import Counter
from typing import Any
from urllib.parse import quote

import msgspec

from zgoda.connectors.mailchimp.exchange import as_dict, as_list, audience_path, call, decoded, side_by_side
from zgoda.connectors.mailchimp.walk import by_offset
from zgoda.kit.spec import Row, Session


class _Categories(msgspec.Struct):
    categories: list[Row]
    total_items: int


class _Interests(msgspec.Struct):
    interests: list[Row]
    total_items: int


class UnknownLabel(ValueError):
    """A label the audience does not have. The label is not in the message: people choose it."""


class Labels:
    """The audience's labels by interest id, loaded when first needed and again when an unknown id turns up."""

    def __init__(self) -> None:
        self.by_id: dict[str, str] = {}

    async def known(self, session: Session, ids: set[str]) -> dict[str, str]:
        if not ids <= self.by_id.keys():
            self.by_id = await load(session)
        return self.by_id


async def to_labels(session: Session, rows: list[Row]) -> None:
    """Turns each row's `interests` into a sorted list of labels, in place."""
    held = [as_dict(row.get("interests")) for row in rows]
    labels = await _labels(session).known(session, {id for interests in held for id in interests})
    for row, interests in zip(rows, held, strict=True):
        row["interests"] = sorted(labels[id] for id, chosen in interests.items() if chosen is True and id in labels)


async def to_ids(session: Session, wanted: Any) -> dict[str, bool]:
    """The vendor's form of a set of labels; every other interest is switched off."""
    names = {str(name) for name in as_list(wanted)}
    cache = _labels(session)
    if not cache.by_id or not names <= set(cache.by_id.values()):
        cache.by_id = await load(session)
    if not names <= set(cache.by_id.values()):
        raise UnknownLabel("an interest that the audience does not have")
    return {id: label in names for id, label in cache.by_id.items()}


async def load(session: Session) -> dict[str, str]:
    """All interests of the audience: id -> label. One call, and one more for each category."""
    path = audience_path(session, "/interest-categories")

    async def categories(offset: int, count: int) -> tuple[list[Row], int]:
        params: dict[str, str | int] = {"fields": "categories.id,categories.title,total_items"}
        answer = await call(session, "GET", path, params=params | {"offset": offset, "count": count})
        found = decoded(answer, _Categories)
        return found.categories, found.total_items

    async def interests(category: str) -> dict[str, str]:
        params: dict[str, str | int] = {"fields": "interests.id,interests.name,total_items"}
        names: dict[str, str] = {}

        async def ask(offset: int, count: int) -> tuple[list[Row], int]:
            inside = params | {"offset": offset, "count": count}
            found = decoded(
                await call(session, "GET", f"{path}/{quote(category, safe='')}/interests", params=inside), _Interests
            )
            return found.interests, found.total_items

        async for part in by_offset(ask):
            names.update((str(row.get("id")), str(row.get("name"))) for row in part.rows)
        return names

    titles = {str(row.get("id")): str(row.get("title")) async for part in by_offset(categories) for row in part.rows}
    groups = await side_by_side([interests(category) for category in titles])
    uses = Counter(name for group in groups for name in set(group.values()))
    return {
        id: name if uses[name] == 1 else f"{title}: {name}"
        for title, group in zip(titles.values(), groups, strict=True)
        for id, name in group.items()
    }


def _labels(session: Session) -> Labels:
    assert isinstance(session.resources, Labels)
    return session.resources
