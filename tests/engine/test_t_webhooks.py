"""Acceptance A, T-11 to T-15: webhooks that race, come late, come twice or never; formulas; half-typed values."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from msgspec import structs

from tests.engine.toy import Toy
from tests.engine.working import pass_time, running
from tests.engine.world import PERSON, calm, hub_of, only, ops, rows, states, tell
from zgoda.db.database import Pool
from zgoda.kit.mapping import Map
from zgoda.kit.spec import Page, Reading, Receipt, Session, Stream, VendorField, VendorObject, Write
from zgoda.model.clock import Clock, FakeClock
from zgoda.sync.cycle import Cycle, Hub, reconcile_all, run_cycle
from zgoda.sync.intake import take_hints
from zgoda.sync.preview import preview
from zgoda.sync.propose_mapping import proposals
from zgoda.sync.pull import pull_hints
from zgoda.sync.setup import Brakes

FREE = Brakes(change_floor=100_000, delete_floor=100_000, canary=100_000, oscillations=100_000)


class Blind(Toy):
    """A vendor whose list of changes is empty whatever happens: only its webhooks and full reads tell."""

    def _stream(self, name: str, entity: str, maps: tuple[Map, ...]) -> Stream:
        async def read_changes(session: Session, reading: Reading) -> AsyncIterator[Page]:
            yield Page()

        async def read_deletes(session: Session, reading: Reading) -> AsyncIterator[Page]:
            yield Page()

        stream = super()._stream(name, entity, maps)
        return structs.replace(stream, read_changes=read_changes, read_deletes=read_deletes)


class Slow(Toy):
    """A vendor whose answers take their time: `meanwhile` runs between the deed and the answer."""

    def __init__(self, name: str, clock: Clock) -> None:
        super().__init__(name, clock)
        self.meanwhile: Callable[[], Awaitable[None]] | None = None

    def _stream(self, name: str, entity: str, maps: tuple[Map, ...]) -> Stream:
        stream = super()._stream(name, entity, maps)
        do = stream.write
        assert do is not None

        async def write(session: Session, writes: list[Write]) -> list[Receipt]:
            receipts = await do(session, writes)
            if self.meanwhile is not None:
                await self.meanwhile()
            return receipts

        return structs.replace(stream, write=write)


async def _inbox_is_empty(pool: Pool) -> bool:
    return await rows(pool, "SELECT 1 FROM inbox WHERE due_us = 0 LIMIT 1") == []


@pytest.mark.timeout(60)
async def test_simultaneous_create_and_update_webhooks_make_no_twins(pool: Pool) -> None:
    """T-11: 1,000 records are created and at once updated in one system; both webhooks of each arrive at the same time
    from many requests, while polls see the record too, and the other system tells about our creates before it answers
    them: 1,000 records there, 1,000 creates, all with the updated value, and nothing comes back."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Slow("ma", clock)
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, brakes=FREE) as hub:
        await calm(hub, clock, 1)
        for i in range(1000):
            id = crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X")
            crm.edit("people", id, title=f"T{i}")
        assert len(crm.webhooks) == 2000

        async def told_before_answered() -> None:
            await tell(hub, {"ma": ma})
            for _ in range(20):
                await asyncio.sleep(0)

        ma.meanwhile = told_before_answered
        hooks = [(hub.setup.find("crm", stream), hint) for stream, hint in crm.webhooks]
        crm.webhooks.clear()
        random.Random(1).shuffle(hooks)
        requests = [take_hints(hub.db, clock, hooks[i : i + 50]) for i in range(0, 2000, 50)]  # type: ignore[arg-type]
        clock.advance(1)
        await asyncio.gather(run_cycle(hub, full=False, run=None), *requests)
        for _ in range(3):
            await calm(hub, clock, 1)
            await tell(hub, {"crm": crm, "ma": ma})
        assert len(ma.rows["people"]) == 1000
        assert ops(ma) == ["create"] * 1000
        assert {row["email"]: row["title"] for row in ma.rows["people"].values()} == {
            f"p{i}@example.org": f"T{i}" for i in range(1000)
        }
        assert crm.writes == []
        assert await rows(pool, "SELECT count(*) FROM golden WHERE joined_into IS NULL") == [(1000,)]
        assert await rows(pool, "SELECT count(*), count(DISTINCT golden_id) FROM link") == [(2000, 1000)]


async def test_shuffled_and_repeated_webhooks_converge_to_the_newest_state(pool: Pool) -> None:
    """T-12: every edit's webhook is delivered late, in any order, some three times, a "deleted" after the record came
    back: both systems end with the newest values, and no older value was ever written."""
    clock = FakeClock()
    crm, ma = Blind("crm", clock), Blind("ma", clock)
    toys = {"crm": crm, "ma": ma}
    ids = [crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X", title="0") for i in range(20)]
    dice = random.Random(12)
    async with hub_of(pool, clock, toys, brakes=FREE, on_delete="propagate", merge_window_s=600.0) as hub:
        await calm(hub, clock, 2)
        late: list[tuple[str, Any]] = []
        newest = dict.fromkeys(ids, "0")
        restored = ids[7]
        for step in range(1, 31):
            clock.advance(2)
            for id in dice.sample([id for id in ids if id in crm.rows["people"]], 4):
                crm.edit("people", id, title=str(step))
                newest[id] = str(step)
            if step == 10:
                row = dict(crm.rows["people"][restored])
                crm.delete("people", restored)
            if step == 12:
                crm.restore("people", row)
                newest[restored] = row["title"]
            late += [hook for hook in crm.webhooks for _ in range(dice.choice((1, 1, 3)))]
            crm.webhooks.clear()
            dice.shuffle(late)
            crm.webhooks, late = late[: len(late) // 2], late[len(late) // 2 :]
            await tell(hub, toys)
            if step % 3 == 0:
                await calm(hub, clock, 1, step_s=1)
        crm.webhooks = late
        await tell(hub, toys)
        await calm(hub, clock, 3)
        for number, id in enumerate(ids):
            assert ma.row("people", only(ma, email=f"p{number}@example.org"))["title"] == newest[id]
            assert crm.row("people", id)["title"] == newest[id]
        assert crm.writes == []
        assert "delete" not in ops(ma)
        for number in range(20):
            there = only(ma, email=f"p{number}@example.org")
            sent = [int(values["title"]) for _, _, id, values in ma.writes if id == there and "title" in values]
            assert sent == sorted(set(sent)), "an older value was written after a newer one"


async def test_old_page_that_arrives_after_a_newer_read_changes_nothing(pool: Pool) -> None:
    """T-12: a page of a slow poll shows the record as it was before the webhook's re-read, without stamps to compare."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock, trusted=False), Toy("ma", clock)
    a = crm.create("people", email="a@example.org", first="A", last="B", title="old")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        await calm(hub, clock, 2)
        there = only(ma, email="a@example.org")
        whole = crm._read  # pyright: ignore[reportPrivateUsage]
        meanwhile = asyncio.Event()

        async def slow(stream: str, reading: Reading, since: str) -> AsyncIterator[Page]:
            pages = [page async for page in whole(stream, reading, "")]
            await meanwhile.wait()
            for page in pages:
                yield page

        crm._read = slow  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
        clock.advance(60)
        poll = asyncio.create_task(run_cycle(hub, full=True, run=None))
        await asyncio.sleep(0.05)
        clock.advance(5)
        crm.edit("people", a, title="new")
        await tell(hub, {"crm": crm})
        [source] = hub.setup.of_connection("crm")
        await pull_hints(pool, clock, hub.connections["crm"], source, run=None)
        await reconcile_all(hub, Cycle(), run=None)
        assert await rows(pool, "SELECT 1 FROM golden WHERE fields->>'job_title' = 'new'") == [(1,)]
        clock.advance(5)
        meanwhile.set()
        await poll
        del crm._read
        await calm(hub, clock, 2)
        assert crm.row("people", a)["title"] == ma.row("people", there)["title"] == "new"
        assert [values for _, op, _, values in ma.writes if op == "update"] == [{"title": "new"}]
        assert crm.writes == []


async def test_lost_webhooks_are_repaired_and_counted(pool: Pool) -> None:
    """T-13: every fifth webhook is never delivered, and polling sees nothing; the reconciler finds exactly those
    edits, says how many, repairs them all, and then finds nothing."""
    clock = FakeClock()
    crm, ma = Blind("crm", clock), Blind("ma", clock)
    toys = {"crm": crm, "ma": ma}
    ids = [crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X") for i in range(100)]
    async with hub_of(pool, clock, toys, brakes=FREE) as hub:
        await calm(hub, clock, 1)
        # all is confirmed: our own creates were read back
        await calm(hub, clock, 1, full=True)
        crm.webhooks.clear()
        ma.webhooks.clear()
        there = [only(ma, email=f"p{i}@example.org") for i in range(100)]
        for i in range(100):
            (crm if i % 2 else ma).edit("people", (ids if i % 2 else there)[i], title=f"T{i}")
        clock.advance(1)
        await tell(hub, toys, keep=lambda number: number % 5 != 0)
        await calm(hub, clock, 1)
        lost = [
            i for i in range(100) if crm.row("people", ids[i]).get("title") != ma.row("people", there[i]).get("title")
        ]
        assert len(lost) == 20
        clock.advance(3600)
        foreseen = await preview(pool, hub, full=True)
        assert foreseen.changes == 20
        [cycle] = await calm(hub, clock, 1, full=True)
        assert [crm.row("people", ids[i])["title"] for i in range(100)] == [f"T{i}" for i in range(100)]
        assert [ma.row("people", there[i])["title"] for i in range(100)] == [f"T{i}" for i in range(100)]
        assert (cycle.edits, cycle.applied) == (20, 20)
        after = (await calm(hub, clock, 2, full=True))[1]
        assert (after.edits, after.applied, after.fresh) == (0, 0, 0)


async def test_drift_count_counts_lost_edits_only(pool: Pool) -> None:
    """T-13: what `zgoda drift` reports as "differed from what we knew" is the number of edits nobody told us of, not
    also our own writes that simply were not read back yet."""
    clock = FakeClock()
    crm, ma = Blind("crm", clock), Blind("ma", clock)
    ids = [crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X") for i in range(30)]
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        await calm(hub, clock, 2)
        for id in ids[:4]:
            crm.edit("people", id, title="lost")
        [cycle] = await calm(hub, clock, 1, full=True)
        assert (cycle.fresh, cycle.missing) == (4, 0)


async def test_formula_changes_are_found_by_the_scheduled_compare(pool: Pool) -> None:
    """T-14: a derived value changes without a stamp and without a webhook: the running hub's compare carries it over,
    and nothing is ever written into the formula."""
    clock = FakeClock()
    formula = (*PERSON, Map(vendor="score", field="score", direction="in", derived=True))
    plain = (*PERSON, Map(vendor="score", field="score"))
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    a = crm.create("people", email="a@example.org", first="A", last="B", score=10)
    rules: dict[str, Any] = {"per": {"crm": {"maps": formula}, "ma": {"maps": plain}}, "sweep_s": 7200.0}
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, **rules) as hub:
        await calm(hub, clock, 2)
        there = only(ma, email="a@example.org")
        assert ma.row("people", there)["score"] == 10
        crm.edit_unstamped("people", a, score=55)
        async with running(hub):
            took_s = await pass_time(clock, lambda: ma.row("people", there)["score"] == 55, step_s=120, at_most_s=9000)
        assert took_s > 3600, "an ordinary poll saw it; then this test shows nothing"
        ma.edit("people", there, score=1)
        await calm(hub, clock, 3, full=True)
        assert crm.writes == []
        assert crm.row("people", a)["score"] == 55


async def test_formula_changes_are_found_by_sync_from_cron(pool: Pool) -> None:
    """T-14: the same for a hub that is synced now and then instead of kept running."""
    clock = FakeClock()
    formula = (*PERSON, Map(vendor="score", field="score", direction="in", derived=True))
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    a = crm.create("people", email="a@example.org", first="A", last="B", score=10)
    async with hub_of(
        pool,
        clock,
        {"crm": crm, "ma": ma},
        people=(*PERSON, Map(vendor="score", field="score")),
        per={"crm": {"maps": formula}},
        sweep_s=7200.0,
    ) as hub:
        await calm(hub, clock, 1)
        crm.edit_unstamped("people", a, score=55)
        await calm(hub, clock, 4, step_s=3600.0)
        assert ma.row("people", only(ma, email="a@example.org"))["score"] == 55


async def test_formula_fields_are_flagged_when_mapped(pool: Pool) -> None:
    """T-14: whoever maps a vendor's fields sees which of them are formulas, mapped ones included."""
    clock = FakeClock()
    crm = Toy("crm", clock)
    async with hub_of(pool, clock, {"crm": crm}) as hub:
        [source] = hub.setup.sources.values()
        described = VendorObject(
            stream="people",
            fields=(VendorField(name="title", writable=False, calculated=True), VendorField(name="email")),
        )
        told = {field["name"]: field for field in proposals(source.stream, described, source)["fields"]}
        assert told["title"]["mapped"] == "job_title"
        assert (told["title"]["calculated"], told["email"]["calculated"]) == (True, False)


async def _type(hub: Hub, clock: FakeClock, toy: Toy, id: str, field: str, *texts: str) -> None:
    """Somebody types; the system saves and tells at every pause, three seconds apart."""
    for text in texts:
        toy.edit("people", id, **{field: text})
        await tell(hub, {toy.name: toy})
        await calm(hub, clock, 1, step_s=3)


async def test_quiet_period_carries_only_the_finished_value(pool: Pool) -> None:
    """T-15: half-typed values stay where they are; once it is quiet, one write carries the last of them. A consent
    withdrawn meanwhile does not wait."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    a = crm.create("people", email="a@example.org", first="A", last="B", opted_out=False)
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, per={"ma": {"quiet_s": 30.0}}) as hub:
        await calm(hub, clock, 3)
        there = only(ma, email="a@example.org")
        await _type(hub, clock, crm, a, "title", "C", "Ch", "Chief", "Chief of", "Chief of S")
        await _type(hub, clock, crm, a, "phone", "+48", "+48 22", "+48 22 123 45 67")
        await _type(hub, clock, crm, a, "title", "Chief of Staff")
        assert ops(ma) == ["create"]
        await calm(hub, clock, 12, step_s=3)
        assert [v for _, op, _, v in ma.writes if op == "update"] == [
            {"title": "Chief of Staff", "phone": "+48 22 123 45 67"}
        ]
        await _type(hub, clock, crm, a, "title", "Chief of Staff, ret")
        crm.edit("people", a, opted_out=True)
        await tell(hub, {"crm": crm})
        await calm(hub, clock, 1, step_s=3)
        assert ma.row("people", there)["opted_out"] is True


async def test_quiet_period_ends_even_if_somebody_never_stops(pool: Pool) -> None:
    """T-15: a value that keeps moving does not hold back the record for ever."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    a = crm.create("people", email="a@example.org", first="A", last="B")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, per={"ma": {"quiet_s": 30.0}}, brakes=FREE) as hub:
        await calm(hub, clock, 3)
        for number in range(60):
            await _type(hub, clock, crm, a, "title", f"T{number}")
            await calm(hub, clock, 1, step_s=17)
        assert len(ma.writes) > 1, "20 minutes of edits every 20 s, and nothing has left"


async def test_half_typed_key_creates_nobody(pool: Pool) -> None:
    """T-15: "name@gma" makes no record elsewhere, whatever other keys the person has; the finished address makes one."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        await calm(hub, clock, 1)
        a = crm.create("people", email="name@gma", first="Ann", last="Arbor")
        b = crm.create("people", email="bob@gma", first="Bob", last="Bobson", phone="+48 22 123 45 67")
        await calm(hub, clock, 3)
        assert ma.attempts == []
        assert Counter(state for state, _ in (await states(pool, hub, "ma")).values()) == {"excluded": 2}
        crm.edit("people", a, email="name@gmail.com")
        crm.edit("people", b, email="bob@gmail.com")
        await calm(hub, clock, 3)
        assert [(op, values["email"]) for _, op, _, values in ma.writes] == [
            ("create", "name@gmail.com"),
            ("create", "bob@gmail.com"),
        ]
        assert crm.writes == []
