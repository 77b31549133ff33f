"""The walk over a list that people change while it is read: nothing is missed.

Whatever the page size, the number of rows in one second, the way bounds are meant, the moment of a crash, and the rows
that move or vanish between two pages.
"""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zgoda.connectors.mailchimp.walk import BEGINNING, Place, Sheet, resume, walk, whole

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)


class Audience:
    """A list sorted by stamp and paged by offset, as Mailchimp has it; people work on it between any two calls."""

    def __init__(self, seed: int, size: int, seconds: int, *, inclusive: bool, edits: int) -> None:
        self.chance = random.Random(seed)
        self.now = NOW
        self.inclusive = inclusive
        self.edits = edits
        self.calls = 0
        ago = [timedelta(hours=2, seconds=self.chance.randrange(seconds)) for _ in range(size)]
        self.rows = {f"c{number}": (NOW - back, 0) for number, back in enumerate(ago)}

    async def ask(self, since: datetime, until: datetime | None, offset: int, count: int) -> Sheet:
        await asyncio.sleep(0)
        self.calls += 1
        self._work()
        window = sorted((stamp, id) for id, (stamp, _) in self.rows.items() if self._inside(stamp, since, until))
        part = window[offset : offset + count]
        return Sheet([{"id": id, "version": self.rows[id][1]} for _, id in part], part, len(window))

    def _inside(self, stamp: datetime, since: datetime, until: datetime | None) -> bool:
        if self.inclusive:
            return since <= stamp and (until is None or stamp <= until)
        return since < stamp and (until is None or stamp < until)

    def _work(self) -> None:
        """Mostly on the oldest rows: those shift all others."""
        for _ in range(self.chance.randrange(self.edits + 1)):
            oldest = sorted(self.rows, key=self.rows.__getitem__)[: max(1, len(self.rows) // 4)]
            if not oldest:
                return
            id = self.chance.choice(oldest)
            if self.chance.random() < 0.1:
                del self.rows[id]
            else:
                self.rows[id] = (self.now, self.rows[id][1] + 1)
        self.now += timedelta(seconds=self.chance.choice([0, 0, 1, 2]))


async def _read(
    audience: Audience, held: dict[str, int], cursor: dict[str, Any] | None, count: int, *, stop_after: int = -1
) -> dict[str, Any] | None:
    place = resume(cursor, whole(audience.now))
    async for rows, reached in walk(audience.ask, place, now=audience.now, count=count):
        held.update((row["id"], row["version"]) for row in rows)
        cursor = reached
        stop_after -= 1
        if stop_after == 0:
            break
    return cursor


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    size=st.integers(0, 250),
    seconds=st.sampled_from([1, 3, 50, 5000]),
    inclusive=st.booleans(),
    edits=st.sampled_from([0, 1, 3, 8]),
    count=st.sampled_from([1, 2, 3, 7, 20, 50, 100]),
    crashes=st.lists(st.integers(1, 6), max_size=8),
)
def test_nothing_is_missed(
    seed: int, size: int, seconds: int, inclusive: bool, edits: int, count: int, crashes: list[int]
) -> None:
    async def run() -> None:
        audience = Audience(seed, size, seconds, inclusive=inclusive, edits=edits)
        held: dict[str, int] = {}
        cursor = None
        for pages in crashes:
            cursor = await _read(audience, held, cursor, count, stop_after=pages)
        cursor = await _read(audience, held, cursor, count)
        audience.edits = 0
        await _read(audience, held, cursor, count)
        assert {id: version for id, (_, version) in audience.rows.items()} == {id: held.get(id) for id in audience.rows}

    asyncio.run(run())


@pytest.mark.parametrize("inclusive", [True, False])
@pytest.mark.parametrize("place", [Place(), whole(NOW)], ids=["changes", "full"])
async def test_25000_rows_of_one_second_are_read_once_each_and_the_walk_ends(inclusive: bool, place: Place) -> None:
    audience = Audience(1, 25_000, 1, inclusive=inclusive, edits=0)
    ids: list[str] = []
    async for rows, _ in walk(audience.ask, place, now=NOW, count=1000):
        ids += [row["id"] for row in rows]
    assert len(ids) == 25_000
    assert set(ids) == audience.rows.keys()
    assert audience.calls <= 60


async def test_an_old_import_is_not_read_again() -> None:
    audience = Audience(1, 3_000, 1, inclusive=True, edits=0)
    cursor = await _read(audience, {}, None, 1000)
    again: dict[str, int] = {}
    await _read(audience, again, cursor, 1000)
    assert again == {}


def test_a_walk_without_cursor_starts_before_mailchimp_existed() -> None:
    assert resume(None, whole(NOW)).since == BEGINNING
