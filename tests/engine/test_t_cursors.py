"""Acceptance A, T-07 to T-10 and T-16: positions in feeds. The vendors here page, cap, gap and lie like real ones."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import structs

from tests.engine.toy import Toy
from tests.engine.working import pass_time, running
from tests.engine.world import LISTS, calm, hub_of, only, ops, rows
from zgoda.db.database import Pool
from zgoda.kit.errors import Temporary
from zgoda.kit.mapping import Map
from zgoda.kit.spec import Page, Reading, Removed, Session, Stream
from zgoda.model.clock import Clock, FakeClock
from zgoda.sync.cycle import run_cycle
from zgoda.sync.setup import Brakes


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Puts the process into a time zone, as an administrator would, and takes it out again."""

    def enter(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield enter
    monkeypatch.undo()
    os.environ.pop("TZ", None)
    time.tzset()


async def _found_in(pool: Pool, start: datetime, name: str) -> list[tuple[str, Any]]:
    """Two days of edits by systems that spell their stamps in two zones; what each poll of the hub found."""
    clock = FakeClock(start)
    crm = Toy(f"crm-{name}", clock, offset_h=13.0)
    ma = Toy(f"ma-{name}", clock, offset_h=-11.0, step_s=1.0)
    ids = [crm.create("people", email=f"p{i}@{name}.example.org", first=f"P{i}", last="X") for i in range(4)]
    found: list[tuple[str, Any]] = []
    async with hub_of(pool, clock, {crm.name: crm, ma.name: ma}) as hub:
        await calm(hub, clock, 1)
        there = [only(ma, email=f"p{i}@{name}.example.org") for i in range(4)]
        for step in range(9):
            clock.advance(5 * 3600 + 11 * 60)
            editor, other, id = ((ma, crm, there), (crm, ma, ids))[step % 2]
            editor.edit("people", id[step % 4], title=f"edit {step}")
            await calm(hub, clock, 1)
            found.append((f"edit {step}", (other.find("people", title=f"edit {step}") != [], len(other.writes))))
        written = [Counter(ops(toy)) for toy in (crm, ma)]
        await calm(hub, clock, 1, full=True)
        assert [Counter(ops(toy)) for toy in (crm, ma)] == written, "polling had missed something"
    return found


SPRING, AUTUMN = datetime(2026, 3, 28, 3, 0, tzinfo=UTC), datetime(2026, 10, 24, 3, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "names"),
    [(SPRING, ("XYZ-13", "XYZ+11", "Europe/Warsaw")), (AUTUMN, ("Europe/Warsaw",))],
)
async def test_hub_finds_the_same_in_every_time_zone(
    pool: Pool, zone: Any, start: datetime, names: tuple[str, ...]
) -> None:
    """T-07: the hub's machine in UTC, UTC+13, UTC-11, and in Warsaw over both changes of the clocks: every poll finds
    the same edits, and a full compare finds nothing more."""
    zone("UTC0")
    expected = await _found_in(pool, start, "z")
    assert [there for _, (there, _) in expected] == [True] * 9
    for number, name in enumerate(names):
        zone(name)
        assert time.localtime(start.timestamp()).tm_gmtoff != 0, "the zone did not take"
        assert await _found_in(pool, start, f"z{number}") == expected, name


class Searching(Toy):
    """A vendor whose list call sorts by stamp and id, gives pages of at most 2,000 and refuses an offset past 10,000.

    The connector goes on from the last (stamp, id) it was given; `asked` counts how often each record was served.
    """

    page = 2_000
    window = 10_000

    def __init__(self, name: str, clock: Clock) -> None:
        super().__init__(name, clock)
        self.asked: Counter[str] = Counter()
        self.calls = 0
        self.cut_at_call = 0
        self._sorted: list[tuple[str, str]] = []

    def search(self, stream: str, after: tuple[str, str], offset: int, limit: int) -> list[dict[str, Any]]:
        """The vendor's own call: what comes after (stamp, id), from an offset on."""
        if offset + limit > self.window:
            raise AssertionError("Result window is too large, from + size must be less than or equal to: [10000]")
        self.calls += 1
        if self.calls == self.cut_at_call:
            raise Temporary("the line was cut")
        table = self.rows.get(stream, {})
        if len(self._sorted) != len(table):
            self._sorted = sorted((row["modified"], id) for id, row in table.items())
        found = self._after(after)[offset : offset + min(limit, self.page)]
        self.asked.update(id for _, id in found)
        return [table[id] for _, id in found]

    def _after(self, after: tuple[str, str]) -> list[tuple[str, str]]:
        import bisect

        return self._sorted[bisect.bisect_right(self._sorted, after) :]

    async def _read(self, stream: str, reading: Reading, since: str) -> AsyncIterator[Page]:
        cursor = reading.cursor or {}
        after, offset = (cursor.get("stamp", ""), cursor.get("id", "")), 0
        base = after
        total = len(self.rows.get(stream, {}))
        while True:
            found = self.search(stream, base, offset, self.page)
            if found:
                after = (found[-1]["modified"], found[-1]["id"])
            shown = [{name: row.get(name) for name in (*reading.fields, "id", "modified")} for row in found]
            yield Page(rows=shown, cursor={"stamp": after[0], "id": after[1]}, total=None if since else total)
            if len(found) < self.page:
                return
            offset += len(found)
            if offset + self.page > self.window:
                base, offset = after, 0


async def test_25000_records_of_one_stamp_are_read_once_and_the_cursor_ends(pool: Pool) -> None:
    """T-08: a bulk load gave 25,000 records one and the same stamp; the poll after it is cut in the middle and goes on
    where it was; each record is served and known once; then the feed is at rest."""
    clock = FakeClock()
    crm = Searching("crm", clock)
    crm.create("people", email="first@example.org", first="First", last="X")
    async with hub_of(pool, clock, {"crm": crm}) as hub:
        await calm(hub, clock, 2)
        crm.asked.clear()
        clock.advance(60)
        stamp = clock.now().isoformat().replace("+00:00", "Z")
        for i in range(25_000):
            id = f"x{i:05d}"
            crm.rows["people"][id] = {"id": id, "modified": stamp, "email": f"b{i}@example.org", "last": f"L{i}"}
        crm.cut_at_call = crm.calls + 8
        cycle = (await calm(hub, clock, 1))[0]
        assert list(cycle.troubles) == ["crm/people"]
        known = await rows(pool, "SELECT count(*) FROM link")
        assert 1 < known[0][0] < 25_001
        cycle = (await calm(hub, clock, 1))[0]
        assert not cycle.troubles
        assert await rows(pool, "SELECT count(*), count(DISTINCT golden_id) FROM link") == [(25_001, 25_001)]
        assert crm.asked == Counter({f"x{i:05d}": 1 for i in range(25_000)})
        # at the end: an empty page a poll, and the very next edit is seen
        calls = crm.calls
        await calm(hub, clock, 3)
        assert crm.calls == calls + 3
        assert crm.asked.total() == 25_000
        crm.edit("people", "x00017", title="Boss")
        crm._sorted = []  # pyright: ignore[reportPrivateUsage]
        await calm(hub, clock, 1)
        assert await rows(pool, "SELECT count(*) FROM golden WHERE fields->>'job_title' = 'Boss'") == [(1,)]


@pytest.mark.timeout(120)
async def test_backfill_of_100000_past_a_search_cap_of_10000(pool: Pool) -> None:
    """T-09: pages of 2,000, no offset past 10,000, the line cut twice: all 100,000 are known, each was served once and
    none is taken for deleted. (Lists, for they have one field: the paging is what counts here. Takes some 20 s.)"""
    clock = FakeClock()
    crm = Searching("crm", clock)
    table = crm.rows.setdefault("lists", {})
    for i in range(100_000):
        moment = clock.now() + timedelta(milliseconds=i // 7)
        stamp = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        table[f"x{i:06d}"] = {"id": f"x{i:06d}", "modified": stamp, "name": f"List {i}"}
    crm.cut_at_call = 13
    async with hub_of(pool, clock, {"crm": crm}, per={"crm": {"kinds": [LISTS[0]]}}) as hub:
        clock.advance(600)
        cut = await run_cycle(hub, full=False, run=None)
        assert list(cut.troubles) == ["crm/lists"]
        crm.cut_at_call = crm.calls + 21
        await calm(hub, clock, 2)
        assert await rows(pool, "SELECT count(*), count(DISTINCT golden_id) FROM link WHERE NOT gone") == [
            (100_000, 100_000)
        ]
        assert crm.asked == Counter(dict.fromkeys(table, 1))
        assert await rows(pool, "SELECT complete_at IS NOT NULL FROM feed WHERE kind = 'all'") == [(True,)]
        assert (await calm(hub, clock, 1))[0].fresh == 0


def _backdated(toy: Toy, id: str, **values: Any) -> None:
    """An edit by an import that sets the "last modified" of its own file: years before any position in the feed."""
    toy.edit("people", id, **values)
    toy.rows["people"][id]["modified"] = "2001-02-03T04:05:06Z"
    toy.webhooks.clear()


async def test_user_settable_stamp_makes_the_hub_compare_in_full(pool: Pool) -> None:
    """T-10: where the connector says its stamp can be set by users, the running hub reads everything again after
    `sweep_s` and finds what the stamp hid; a late stamp does not make the edit lose either."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock, trusted=False), Toy("ma", clock)
    a = crm.create("people", email="a@example.org", first="A", last="B", title="old")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, sweep_s=3600.0) as hub:
        await calm(hub, clock, 1)
        there = only(ma, email="a@example.org")
        _backdated(crm, a, title="set by hand")
        async with running(hub):
            await pass_time(
                clock, lambda: ma.row("people", there)["title"] == "set by hand", step_s=60, at_most_s=2 * 3600
            )
        assert (len(ma.writes), len(crm.writes)) == (2, 0)


async def test_sync_from_cron_compares_in_full_where_the_stamp_is_not_to_be_trusted(pool: Pool) -> None:
    """T-10: a hub that is not kept running but synced once an hour must compare in full no less."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock, trusted=False), Toy("ma", clock)
    a = crm.create("people", email="a@example.org", first="A", last="B", title="old")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, sweep_s=6 * 3600.0) as hub:
        await calm(hub, clock, 1)
        _backdated(crm, a, title="set by hand")
        await calm(hub, clock, 8, step_s=3600.0)
        assert ma.row("people", only(ma, email="a@example.org"))["title"] == "set by hand"


class Eventful(Toy):
    """A vendor with change data capture: numbered events kept for a while, one for many records if they were changed
    alike, gap events without values, and one overflow event for a transaction of more than `most` changes.

    As the vendor asks its clients to, the connector reads the records a gap event names, and tells the hub when an event
    or the place of its cursor says nothing about which records changed.
    """

    most = 50

    def __init__(self, name: str, clock: Clock) -> None:
        super().__init__(name, clock)
        self.events: list[tuple[str, str, tuple[str, ...], dict[str, Any]]] = []
        self.forgotten = 0
        self.full_reads: Counter[str] = Counter()

    def happens(self, stream: str, kind: str, *ids: str, **values: Any) -> None:
        self.events.append((stream, kind, ids, values))

    def _stream(self, name: str, entity: str, maps: tuple[Map, ...]) -> Stream:
        stream = super()._stream(name, entity, maps)
        whole = stream.read_all
        assert whole is not None

        async def read_all(session: Session, reading: Reading) -> AsyncIterator[Page]:
            self.full_reads[name] += 1
            replay = self.forgotten + len(self.events)
            async for page in whole(session, reading):
                yield structs.replace(page, cursor={"replay": replay})

        async def read_changes(session: Session, reading: Reading) -> AsyncIterator[Page]:
            at = (reading.cursor or {}).get("replay", 0)
            latest = {"replay": self.forgotten + len(self.events)}
            if at < self.forgotten:
                yield Page(cursor=latest, gap=True)
                return
            for number, event in enumerate(self.events[at - self.forgotten :], at + 1):
                if event[0] == name:
                    yield structs.replace(self._page(event, reading), cursor={"replay": number})
            yield Page(cursor=latest)

        return structs.replace(stream, read_all=read_all, read_changes=read_changes, read_deletes=None)

    def _page(self, event: tuple[str, str, tuple[str, ...], dict[str, Any]], reading: Reading) -> Page:
        stream, kind, ids, values = event
        if kind == "GAP_OVERFLOW":
            return Page(gap=True)
        if kind in ("DELETE", "GAP_DELETE"):
            return Page(removed=[Removed(id=id) for id in ids])
        table = self.rows[stream]
        if kind.startswith("GAP_"):
            return Page(rows=[self._shown(table[id], reading) for id in ids if id in table])
        asked = {*reading.fields, "id", "modified"}
        return Page(rows=[{"id": id, **{k: v for k, v in values.items() if k in asked}} for id in ids])


def _people(crm: Eventful, count: int) -> list[str]:
    return [crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X") for i in range(count)]


async def test_gap_and_merged_events_are_read_again_one_by_one(pool: Pool) -> None:
    """T-16: one event for ten records with only the changed field, and GAP events that name records without values:
    everything arrives, each record is written once, and nothing else is read again."""
    clock = FakeClock()
    crm, ma = Eventful("crm", clock), Toy("ma", clock)
    ids = _people(crm, 20)
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, on_delete="propagate") as hub:
        await calm(hub, clock, 2)
        assert len(ma.writes) == 20
        for id in ids[:10]:
            crm.edit("people", id, title="Merged")
        crm.happens("people", "UPDATE", *ids[:10], title="Merged", modified=crm.rows["people"][ids[9]]["modified"])
        crm.edit("people", ids[15], last="Gap")
        crm.happens("people", "GAP_UPDATE", ids[15])
        new = crm.create("people", email="new@example.org", first="New", last="X")
        crm.happens("people", "GAP_CREATE", new)
        crm.delete("people", ids[19])
        crm.happens("people", "GAP_DELETE", ids[19])
        await calm(hub, clock, 3)
        assert len(ma.find("people", title="Merged")) == 10
        assert {"last": "Gap"} in [values for _, _, _, values in ma.writes]
        assert only(ma, email="new@example.org")
        assert ma.find("people", email="p19@example.org") == []
        assert Counter(ops(ma)) == {"create": 21, "update": 11, "delete": 1}
        assert all(v == {"title": "Merged"} or v == {"last": "Gap"} for _, op, _, v in ma.writes if op == "update")
        assert crm.full_reads == {"people": 1}
        assert crm.writes == []


async def test_overflow_and_lost_retention_read_that_stream_again(pool: Pool) -> None:
    """T-16: a transaction of more changes than the feed can tell, and a cursor older than the feed's memory: the stream
    (and no other) is read in full, edits and deletes in the gap are found, and the feed goes on from there."""
    clock = FakeClock()
    crm, ma = Eventful("crm", clock), Toy("ma", clock)
    ids = _people(crm, 150)
    crm.create("lists", name="Newsletter")
    calm_brakes = Brakes(change_floor=1000)
    async with hub_of(
        pool, clock, {"crm": crm, "ma": ma}, more=LISTS[:1], on_delete="propagate", brakes=calm_brakes
    ) as hub:
        await calm(hub, clock, 2)
        for number, id in enumerate(ids[:100]):
            crm.edit("people", id, title=f"T{number}")
        crm.delete("people", ids[140])
        crm.happens("people", "GAP_OVERFLOW")
        await calm(hub, clock, 3)
        assert [ma.row("people", only(ma, email=f"p{i}@example.org"))["title"] for i in range(100)] == [
            f"T{i}" for i in range(100)
        ]
        assert ma.find("people", email="p140@example.org") == []
        assert crm.full_reads == {"people": 2, "lists": 1}
        # three days away: the feed has forgotten what came in between
        crm.edit("people", ids[0], title="meanwhile")
        crm.happens("people", "UPDATE", ids[0], title="meanwhile")
        crm.forgotten += len(crm.events)
        crm.events.clear()
        await calm(hub, clock, 3, step_s=86_400.0)
        assert ma.row("people", only(ma, email="p0@example.org"))["title"] == "meanwhile"
        crm.edit("people", ids[1], title="live again")
        crm.happens("people", "UPDATE", ids[1], title="live again")
        reads = dict(crm.full_reads)
        await calm(hub, clock, 1)
        assert ma.row("people", only(ma, email="p1@example.org"))["title"] == "live again"
        assert crm.full_reads == reads


class Crashing:
    """A database whose client dies as it begins its nth transaction (and is dead from then on)."""

    def __init__(self, pool: Pool, at: int) -> None:
        self._pool, self._left = pool, at

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        self._left -= 1
        if self._left <= 0:
            raise Killed
        async with self._pool.transaction() as tx:
            yield tx


class Killed(Exception):
    """The process was killed."""


async def test_gap_survives_a_crash_at_every_step(pool: Pool) -> None:
    """T-16: the hub is killed before each of its transactions while it learns of the overflow; once it runs again, the
    gap is never forgotten."""
    clock = FakeClock()
    crm, ma = Eventful("crm", clock), Toy("ma", clock)
    ids = _people(crm, 3)
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        await calm(hub, clock, 1)
        there = only(ma, email="p1@example.org")
        for step in range(1, 60):
            crm.edit("people", ids[1], title=f"step {step}")
            crm.happens("people", "GAP_OVERFLOW")
            clock.advance(60)
            survived = True
            try:
                await run_cycle(structs.replace(hub, db=Crashing(pool, step)), full=False, run=None)
            except* Killed:
                survived = False
            await calm(hub, clock, 2, step_s=600.0)
            assert ma.row("people", there)["title"] == f"step {step}", f"killed before transaction {step}"
            if survived:
                return
        raise AssertionError("the crashes never ended")
