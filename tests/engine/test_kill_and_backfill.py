"""What a backfill may not start, and the switch that stops everything (I-25, I-27)."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest

from tests.engine.gatekeeper import GatedToy
from tests.engine.toy import Toy
from tests.engine.world import calm, hub_of, only, ops, rows, states
from zgoda.db.database import Pool
from zgoda.kit.connection import open_connection
from zgoda.kit.errors import ConnectorError
from zgoda.kit.pace import Lane, Limits, Rate
from zgoda.model.clock import FakeClock
from zgoda.ops.kill import is_stopped, switch_file
from zgoda.sync.brake import Brakes
from zgoda.sync.cycle import Hub, run_cycle
from zgoda.sync.repair import set_switch, undo
from zgoda.sync.report import status

UNBRAKED = Brakes(change_floor=100_000)


async def lanes(pool: Pool) -> set[int]:
    return {lane for (lane,) in await rows(pool, "SELECT DISTINCT lane FROM delivery")}


async def test_what_follows_from_a_backfill_is_marked_as_such(pool: Pool) -> None:
    """I-25: a first sync and a resync with changes: every write they cause travels in the backfill lane, which is what
    tells it from a live event; an edit read from the change feed does not."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    ids = [crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X") for i in range(200)]
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, brakes=UNBRAKED) as hub:
        await calm(hub, clock, 2, full=True)
        assert len(ma.writes) == 200
        assert await lanes(pool) == {Lane.BACKFILL}
        for id in ids[:20]:
            crm.edit_unstamped("people", id, title="resync")
        await calm(hub, clock, 2, full=True)
        assert len(ma.find("people", title="resync")) == 20
        assert await lanes(pool) == {Lane.BACKFILL}
        crm.edit("people", ids[0], title="live")
        await calm(hub, clock, 2)
        assert await lanes(pool) == {Lane.LIVE, Lane.BACKFILL}


async def test_an_undone_run_is_a_backfill_too(pool: Pool) -> None:
    """I-25: putting back what a run changed starts nothing either."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    here = crm.create("people", email="a@example.org", first="A", last="B", title="old")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        await calm(hub, clock, 2, full=True)
        crm.edit_unstamped("people", here, title="mistake")
        clock.advance(60)
        await run_cycle(hub, full=True, run=7)
        assert ma.row("people", only(ma))["title"] == "mistake"
        assert (await undo(hub.db, hub.setup, clock, 7)).restored == 1
        await calm(hub, clock, 2)
        assert crm.row("people", here)["title"] == ma.row("people", only(ma))["title"] == "old"
        assert await lanes(pool) == {Lane.BACKFILL}


def halt(hub: Hub, folder: Path, toy: GatedToy, clock: FakeClock) -> object:
    """The toy's connection again, with the switch file looked at as the composition root does."""
    connector = hub.connections[toy.name].connector
    return open_connection(
        toy.name, connector, {"base_url": toy.url}, clock, halted=partial(is_stopped, folder, toy.name)
    )


async def test_the_switch_file_stops_reads_and_writes_at_once(pool: Pool, tmp_path: Path) -> None:
    """I-27: with console, API and database switches out of the game, a file stops every request from the next one on,
    in the middle of a backfill, reads and tokens included; it is still there after a restart; taking it away, nothing
    is missing and nothing is double."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), GatedToy("ma", clock)
    for i in range(400):
        crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X")
    async with ma.serving(), hub_of(pool, clock, {"crm": crm, "ma": ma}, brakes=UNBRAKED) as plain:
        async with halt(plain, tmp_path, ma, clock) as connection:  # type: ignore[attr-defined]
            connections = {**plain.connections, "ma": connection}
            hub = Hub(db=plain.db, setup=plain.setup, clock=clock, chance=plain.chance, connections=connections)
            thrown: list[int] = []

            def throw(writes: list[object]) -> None:
                if len(ma.writes) >= 100 and not thrown:
                    switch_file(tmp_path, None, on=True)
                    thrown.append(len(ma.calls))

            ma.after_write = throw  # type: ignore[assignment]
            await calm(hub, clock, 1)
            assert thrown
            assert len(ma.calls) - thrown[0] < Limits().concurrent, "only what was on the wire already"
            quiet = len(ma.calls), ma.token_calls
            await calm(hub, clock, 5, step_s=3600)
            assert (len(ma.calls), ma.token_calls) == quiet
        async with halt(plain, tmp_path, ma, clock) as connection:  # type: ignore[attr-defined]
            hub = Hub(
                db=plain.db,
                setup=plain.setup,
                clock=clock,
                chance=plain.chance,
                connections={**connections, "ma": connection},
            )
            await calm(hub, clock, 2)
            assert (len(ma.calls), ma.token_calls) == quiet, "a restart does not lift it"
            switch_file(tmp_path, None, on=False)
            await calm(hub, clock, 4, step_s=1800)
            assert len(ma.rows["people"]) == 400
            assert ops(ma).count("create") == 400


async def test_the_switch_costs_no_tries(pool: Pool, tmp_path: Path) -> None:
    """I-27: a day with the switch file on: not one delivery dies of it; afterwards everything goes by itself."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), GatedToy("ma", clock)
    here = crm.create("people", email="a@example.org", first="A", last="B")
    async with ma.serving(), hub_of(pool, clock, {"crm": crm, "ma": ma}) as plain:
        await calm(plain, clock, 2)
        async with halt(plain, tmp_path, ma, clock) as connection:  # type: ignore[attr-defined]
            connections = {**plain.connections, "ma": connection}
            hub = Hub(db=plain.db, setup=plain.setup, clock=clock, chance=plain.chance, connections=connections)
            switch_file(tmp_path, "ma", on=True)
            crm.edit("people", here, title="kept")
            await calm(hub, clock, 48, step_s=1800)
            assert (await status(pool, hub.setup)).dead == 0
            switch_file(tmp_path, "ma", on=False)
            await calm(hub, clock, 2, step_s=1800)
            assert ma.row("people", only(ma))["title"] == "kept"


async def test_an_empty_file_stops_everything_and_a_name_only_that(tmp_path: Path) -> None:
    """I-27: what an operator can do with `touch` and an editor: an empty file is everything, a name is one connection;
    names are taken back one by one."""
    (tmp_path / ".zgoda").mkdir()
    (tmp_path / ".zgoda" / "KILL").write_text("", encoding="utf-8")
    assert is_stopped(tmp_path, "crm")
    switch_file(tmp_path, None, on=False)
    assert not is_stopped(tmp_path, "crm")
    switch_file(tmp_path, "crm", on=True)
    switch_file(tmp_path, "ma", on=True)
    assert [is_stopped(tmp_path, name) for name in ("crm", "ma", "shop")] == [True, True, False]
    switch_file(tmp_path, "crm", on=False)
    assert [is_stopped(tmp_path, name) for name in ("crm", "ma", "shop")] == [False, True, False]


@pytest.mark.parametrize("scope", ["kill", "kill:ma"])
async def test_the_switch_in_the_store_stops_writes(pool: Pool, scope: str) -> None:
    """I-27: the switch in the database holds every write of its scope, opt-outs too, keeps the queue as it is, and
    survives a restart; the other connections of a narrower scope go on."""
    clock = FakeClock()
    toys = {name: Toy(name, clock) for name in ("crm", "ma", "shop")}
    crm, ma, shop = toys.values()
    here = crm.create("people", email="a@example.org", first="A", last="B", opted_out=False)
    async with hub_of(pool, clock, toys) as hub:
        await calm(hub, clock, 2)
        await set_switch(hub.db, clock, scope, True, "tester")
        crm.edit("people", here, title="waits", opted_out=True)
        await calm(hub, clock, 6, step_s=600)
    async with hub_of(pool, clock, toys) as hub:
        await calm(hub, clock, 2)
        assert len(ma.attempts) == 1
        assert len(shop.find("people", title="waits")) == (scope == "kill:ma")
        # what is not read yet cannot wait: with everything stopped the edit is still unknown
        known = ["pending"] if scope == "kill:ma" else ["in sync"]
        assert [state for state, _ in (await states(pool, hub, "ma")).values()] == known
        await set_switch(hub.db, clock, scope, False, "tester")
        await calm(hub, clock, 2)
        assert ma.find("people", title="waits", opted_out=True)
        assert shop.find("people", title="waits", opted_out=True)


async def test_the_switch_in_the_store_stops_reads_too(pool: Pool) -> None:
    """I-27: "no outbound request" means reads as well."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), GatedToy("ma", clock)
    crm.create("people", email="a@example.org", first="A", last="B")
    async with ma.serving(), hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        await calm(hub, clock, 2)
        await set_switch(hub.db, clock, "kill", True, "tester")
        before = len(ma.calls)
        await calm(hub, clock, 3)
        assert len(ma.calls) == before


async def test_one_direction_alone(pool: Pool) -> None:
    """I-27: scope "direction": nothing more is taken from the marketing system, while it still gets what the CRM says."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    here = crm.create("people", email="a@example.org", first="A", last="B")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        await calm(hub, clock, 2)
        await set_switch(hub.db, clock, "kill:ma:in", True, "tester")
        ma.edit("people", only(ma), title="from ma")
        crm.edit("people", here, last="from crm")
        await calm(hub, clock, 2)
        assert crm.row("people", here).get("title") is None
        assert ma.row("people", only(ma))["last"] == "from crm"


async def test_nothing_is_sent_while_waiting_for_a_turn(tmp_path: Path) -> None:
    """I-27: a call that waits for its turn when the switch is thrown is not sent when its turn comes."""
    clock = FakeClock()
    ma = GatedToy("ma", clock, limits=Limits(rates=(Rate(calls=1, per_s=60.0),)))
    async with ma.serving():
        connector = ma.connector(("people", "person", ()))
        halted = partial(is_stopped, tmp_path, "ma")
        async with open_connection("ma", connector, {"base_url": ma.url}, clock, halted=halted) as connection:
            calls = [
                asyncio.ensure_future(connection.session.http.request("POST", "/call/write", json={})) for _ in range(3)
            ]
            for _ in range(20):
                await asyncio.sleep(0.005)
            clock.advance(61)
            for _ in range(20):
                await asyncio.sleep(0.005)
            sent = len(ma.calls) + ma.token_calls
            switch_file(tmp_path, None, on=True)
            for _ in range(8):
                clock.advance(61)
                await asyncio.sleep(0.01)
            answers = await asyncio.gather(*calls, return_exceptions=True)
            assert len(ma.calls) + ma.token_calls == sent
            assert any(isinstance(answer, ConnectorError) for answer in answers)
