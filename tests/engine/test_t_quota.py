"""Budgets, lanes and tokens, over the wire (T-66 … T-68)."""

from __future__ import annotations

import asyncio

import pytest

from tests.engine.gatekeeper import GatedToy
from tests.engine.toy import Toy
from tests.engine.world import calm, hub_of, only, ops, rows, states, tell
from zgoda.db.database import Pool
from zgoda.kit.pace import Limits, Rate
from zgoda.kit.spec import Page
from zgoda.model.clock import FakeClock
from zgoda.model.golden import to_us
from zgoda.sync.brake import Brakes
from zgoda.sync.cycle import run_cycle
from zgoda.sync.intake import Reading, take_page
from zgoda.sync.reconcile import reconcile
from zgoda.sync.repair import resume
from zgoda.sync.report import status

UNBRAKED = Brakes(change_floor=100_000)


async def test_the_day_has_lanes_and_ends_before_the_quota(pool: Pool) -> None:
    """T-66: a budget of 24 calls a day: the backfill stops at half of it, edits at three quarters, an opt-out still
    goes after that, and the system's own limit is never met. The next day the rest lands. Nothing describes schemas."""
    clock = FakeClock()
    limits = Limits(concurrent=1, daily=24, backfill_share=0.5, live_share=0.75)
    crm, ma = Toy("crm", clock), GatedToy("ma", clock, limits=limits)
    ma.quota = 24
    for i in range(300):
        crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X", opted_out=False)
    async with ma.serving(), hub_of(pool, clock, {"crm": crm, "ma": ma}, brakes=UNBRAKED) as hub:
        await calm(hub, clock, 2)
        assert 0 < len(ma.rows["people"]) < 300
        assert len(ma.calls) <= 13
        known = list(ma.rows["people"].values())
        for number in range(8):
            crm.edit("people", only(crm, email=known[number]["email"]), title=f"live {number}")
            await calm(hub, clock, 1)
        assert ma.find("people", title="live 0"), "an edit goes though the backfill's share is spent"
        assert len(ma.calls) <= 19
        spent = len(ma.calls)
        crm.edit("people", only(crm, email=known[20]["email"]), opted_out=True)
        await calm(hub, clock, 2)
        assert ma.find("people", email=known[20]["email"], opted_out=True), "an opt-out always has a call left"
        assert spent < len(ma.calls) <= 24
        clock.advance(86_400)
        for _ in range(3):
            await calm(hub, clock, 2)
            ma.quota += 24
            clock.advance(86_400)
        assert len(ma.rows["people"]) == 300


async def test_a_restart_does_not_forget_what_was_spent(pool: Pool) -> None:
    """T-66: the hub is started five times in a day: together it makes no more calls than the day's budget."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), GatedToy("ma", clock, limits=Limits(concurrent=1, daily=20))
    for i in range(900):
        crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X")
    async with ma.serving():
        for _ in range(5):
            async with hub_of(pool, clock, {"crm": crm, "ma": ma}, brakes=UNBRAKED) as hub:
                await calm(hub, clock, 1)
    assert len(ma.calls) <= 20


async def test_quiet_polls_cost_one_call_a_stream(pool: Pool) -> None:
    """T-66: polls in which nothing happened cost one call each, and no schema is described on the way."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), GatedToy("ma", clock)
    crm.create("people", email="a@example.org", first="A", last="B")
    async with ma.serving(), hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        await calm(hub, clock, 4)
        before = len(ma.calls)
        await calm(hub, clock, 10)
        assert [what for what, _ in ma.calls[before:]] == ["read_changes"] * 10


async def test_an_edit_overtakes_a_bulk_update(pool: Pool) -> None:
    """T-67: the other side takes one call a second and a backfill of 1,600 records (80 calls) is under way; an edit made
    in the middle of it lands within a few seconds on the same clock, while the backfill still has most of its way to
    go."""
    clock = FakeClock()
    crm = Toy("crm", clock)
    ma = GatedToy("ma", clock, limits=Limits(concurrent=2, rates=(Rate(calls=1, per_s=1.0),)))
    ma.token_s = 1e6
    crm.create("people", email="vip@example.org", first="V", last="Ip", title="old")
    async with ma.serving(), hub_of(pool, clock, {"crm": crm, "ma": ma}, brakes=UNBRAKED) as hub:
        first = asyncio.ensure_future(run_cycle(hub, full=True, run=None))
        while not first.done():
            await asyncio.sleep(0.005)
            clock.advance(0.5)
        for i in range(1600):
            crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X")
        run = asyncio.ensure_future(run_cycle(hub, full=True, run=None))
        edited_s = landed_s = left = 0.0
        while not run.done() and not landed_s:
            await asyncio.sleep(0.005)
            clock.advance(0.1)
            if not edited_s and len(ma.rows["people"]) > 300:
                crm.webhooks.clear()
                crm.edit("people", only(crm, email="vip@example.org"), title="urgent")
                edited_s = clock.monotonic_s()
                await tell(hub, {"crm": crm})
            elif edited_s and ma.find("people", title="urgent"):
                landed_s, left = clock.monotonic_s(), 1601 - len(ma.rows["people"])
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        assert edited_s
        assert landed_s
        assert landed_s - edited_s < 60
        assert left > 200


async def test_an_edit_overtakes_what_was_read_before_it(pool: Pool) -> None:
    """T-67: 2,500 backfill rows have been read and wait; an edit read after them is decided in the very next batch."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    vip = crm.create("people", email="vip@example.org", first="V", last="Ip", title="old")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, brakes=UNBRAKED) as hub:
        await calm(hub, clock, 3)
        source = hub.setup.find("crm", "people")
        assert source is not None
        bulk = [
            {
                "id": f"bulk-{i}",
                "email": f"p{i}@example.org",
                "first": f"P{i}",
                "last": "X",
                "modified": "2026-01-01T00:00:00Z",
            }
            for i in range(2500)
        ]
        now_us = to_us(clock.now())
        await take_page(hub.db, clock, source, Page(rows=bulk), Reading(feed="ids", read_us=now_us, backfill=True))
        crm.edit("people", vip, title="urgent")
        row = dict(crm.rows["people"][vip])
        await take_page(hub.db, clock, source, Page(rows=[row]), Reading(feed="ids", read_us=now_us, backfill=False))
        await reconcile(hub.db, hub.setup, clock, "person")
        assert await rows(
            pool, "SELECT patch->>'job_title' FROM delivery WHERE op = 'update' AND state = 'pending'"
        ) == [("urgent",)]


@pytest.mark.parametrize("says_expires_in", [True, False])
async def test_tokens_are_renewed_before_they_end(pool: Pool, says_expires_in: bool) -> None:
    """T-68: over ten hours with tokens of half an hour, whether the system says so or not: new ones are fetched in time
    (no call is ever refused for an old one), one for all callers."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), GatedToy("ma", clock)
    ma.says_expires_in = says_expires_in
    here = crm.create("people", email="a@example.org", first="A", last="B")
    async with ma.serving(), hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        for number in range(40):
            crm.edit("people", here, title=f"t{number}")
            await calm(hub, clock, 1, step_s=900)
            assert ma.row("people", only(ma))["title"] == f"t{number}"
        assert ma.refused == 0
        assert 15 <= ma.token_calls <= 40


async def test_a_token_that_dies_early_is_replaced_once(pool: Pool) -> None:
    """T-68: a token that ends long before its time costs one refused call and one new token, not the sync."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), GatedToy("ma", clock)
    ma.says_expires_in, ma.token_s = False, 700
    here = crm.create("people", email="a@example.org", first="A", last="B")
    async with ma.serving(), hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        for number in range(6):
            crm.edit("people", here, title=f"t{number}")
            [cycle] = await calm(hub, clock, 1, step_s=900)
            assert cycle.troubles == {}
            assert ma.row("people", only(ma))["title"] == f"t{number}"
        assert ma.refused <= ma.token_calls


async def test_a_revoked_grant_pauses_tells_and_loses_nothing(pool: Pool) -> None:
    """T-68: the grant is revoked: the connection is paused with a reason that says what to do, the queue is kept, the
    token endpoint is not hammered, the others go on; after a new grant and `resume` everything is there."""
    clock = FakeClock()
    crm, ma, shop = Toy("crm", clock), GatedToy("ma", clock), Toy("shop", clock)
    ids = [crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X") for i in range(30)]
    async with ma.serving(), hub_of(pool, clock, {"crm": crm, "ma": ma, "shop": shop}, brakes=UNBRAKED) as hub:
        await calm(hub, clock, 2)
        ma.revoked = True
        for id in ids:
            crm.edit("people", id, title="kept")
        before = ma.token_calls
        cycles = await calm(hub, clock, 10, step_s=1800)
        assert "invalid_grant" in cycles[0].troubles["ma/people"]
        assert ma.token_calls - before <= 3 * 10
        [there] = [c for c in (await status(pool, hub.setup)).connections if c.connection == "ma"]
        assert there.status == "needs_attention"
        assert "invalid_grant" in there.reason
        assert len(shop.find("people", title="kept")) == 30
        assert {state for state, _ in (await states(pool, hub, "ma")).values()} == {"pending"}
        ma.revoked = False
        source = hub.setup.find("ma", "people")
        assert source is not None
        await resume(hub.db, clock, "ma", [source.id])
        await calm(hub, clock, 2)
        assert len(ma.find("people", title="kept")) == 30
        assert ops(ma).count("create") == 30
