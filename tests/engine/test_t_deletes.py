"""Deletions: tombstones, delete against edit, outages that look like deletions, isolation, creating again (T-46 … T-49)."""

from __future__ import annotations

import pytest

from tests.engine.toy import Toy
from tests.engine.world import calm, hub_of, only, ops, rows, states, tell
from zgoda.db.database import Pool
from zgoda.model.clock import FakeClock
from zgoda.sync.repair import approve, recreate, reject
from zgoda.sync.report import list_deliveries, why

DAY_S = 86_400.0


async def held(pool: Pool, hub: object) -> list[int]:
    return [listed.id for listed in await list_deliveries(pool, hub.setup, ("held",), 500, 0)]  # type: ignore[attr-defined]


@pytest.mark.parametrize("tombstones", [True, False])
async def test_a_deletion_travels_and_stays(pool: Pool, tombstones: bool) -> None:
    """T-46: a record deleted in one system is deleted in the others (where that is allowed) and comes back through no
    old page, late webhook, full read or third system."""
    clock = FakeClock()
    toys = {name: Toy(name, clock, tombstones=tombstones) for name in ("crm", "ma", "shop")}
    crm, ma, shop = toys.values()
    here = crm.create("people", email="a@example.org", first="A", last="B")
    for i in range(10):
        crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X")
    async with hub_of(pool, clock, toys, on_delete="propagate") as hub:
        await calm(hub, clock, 3)
        await tell(hub, toys)
        await calm(hub, clock, 2)
        before = {name: len(toy.writes) for name, toy in toys.items()}
        crm.delete("people", here)
        clock.advance(DAY_S)
        await calm(hub, clock, 3, full=True)
        for toy in (ma, shop):
            assert toy.find("people", email="a@example.org") == []
            assert len(toy.rows["people"]) == 10
        for _ in range(3):
            for toy in toys.values():
                toy.webhooks += [(s, hint) for s, hint in toy.webhooks]
            await tell(hub, toys)
            await calm(hub, clock, 2, full=True)
        assert {name: len(toy.rows["people"]) for name, toy in toys.items()} == {"crm": 10, "ma": 10, "shop": 10}
        assert {name: len(toy.writes) - before[name] for name, toy in toys.items()} == {"crm": 0, "ma": 1, "shop": 1}


@pytest.mark.parametrize(
    ("rules", "in_crm", "in_ma"),
    [
        pytest.param({"on_delete": "propagate", "delete_wins": True}, [], [], id="delete wins"),
        pytest.param({"on_delete": "propagate"}, ["edited"], ["edited"], id="edit wins and restores"),
        pytest.param({"on_delete": "restore"}, ["edited"], ["edited"], id="restore"),
        pytest.param({"on_delete": "unlink"}, [], ["edited"], id="unlink"),
    ],
)
async def test_delete_against_edit_follows_the_policy(
    pool: Pool, rules: dict[str, object], in_crm: list[str], in_ma: list[str]
) -> None:
    """T-46: deleted in one system while it was edited in the other: the named policy decides what both hold in the end,
    and it stays that way."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    here = crm.create("people", email="a@example.org", first="A", last="B", title="old")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, **rules) as hub:
        await calm(hub, clock, 3)
        ma.edit("people", only(ma), title="edited")
        crm.delete("people", here)
        await calm(hub, clock, 6)
        assert [row["title"] for row in crm.rows["people"].values()] == in_crm
        assert [row["title"] for row in ma.rows["people"].values()] == in_ma
        quiet = (len(crm.attempts), len(ma.attempts))
        await calm(hub, clock, 3, full=True)
        assert (len(crm.attempts), len(ma.attempts)) == quiet


@pytest.mark.parametrize("answer", ["yes", "no"])
async def test_ask_holds_the_deletion_for_a_person(pool: Pool, answer: str) -> None:
    """T-46: `ask` deletes nothing until a person says yes; no leaves the other system alone for good."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    here = crm.create("people", email="a@example.org", first="A", last="B")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, on_delete="ask") as hub:
        await calm(hub, clock, 2)
        crm.delete("people", here)
        await calm(hub, clock, 2)
        await calm(hub, clock, 2, full=True)
        assert ops(ma) == ["create"]
        [waiting] = await list_deliveries(pool, hub.setup, ("held",), 10, 0)
        assert (waiting.op, waiting.reason) == ("delete", "deleted in crm: delete here too?")
        await (approve if answer == "yes" else reject)(hub.db, clock, [waiting.id])
        await calm(hub, clock, 2)
        await calm(hub, clock, 2, full=True)
        assert len(ma.rows["people"]) == (0 if answer == "yes" else 1)
        assert await held(pool, hub) == []
        assert crm.rows["people"] == {}


async def test_ask_also_asks_when_the_other_side_was_edited(pool: Pool) -> None:
    """T-46: delete against edit under `ask`: the person decides. Nothing is deleted and nothing comes back before."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    here = crm.create("people", email="a@example.org", first="A", last="B", title="old")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, on_delete="ask") as hub:
        await calm(hub, clock, 3)
        ma.edit("people", only(ma), title="edited")
        crm.delete("people", here)
        await calm(hub, clock, 4)
        assert (crm.rows["people"], len(ma.rows["people"])) == ({}, 1)
        assert len(await held(pool, hub)) == 1


@pytest.mark.parametrize("outage", ["empty", "half", "cut", "wrong total"])
async def test_an_outage_is_no_mass_deletion(pool: Pool, outage: str) -> None:
    """T-47: an empty, halved, broken-off or mis-totalled full read of a system without tombstones deletes nothing
    unasked; when the records reappear, what was held is called off by itself."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock, tombstones=False), Toy("ma", clock)
    ids = [crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X") for i in range(120)]
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, on_delete="propagate") as hub:
        await calm(hub, clock, 2)
        match outage:
            case "empty":
                crm.hidden = set(ids)
            case "half":
                crm.hidden = set(ids[::2])
            case "cut":
                crm.cut_after = 1
            case _:
                crm.hidden, crm.claimed_total = set(ids[::2]), 120
        clock.advance(DAY_S)
        await calm(hub, clock, 3, full=True)
        assert ops(ma) == ["create"] * 120
        assert len(await held(pool, hub)) == (60 if outage == "half" else 0)
        crm.hidden, crm.cut_after, crm.claimed_total = set(), None, None
        await calm(hub, clock, 3, full=True)
        assert await held(pool, hub) == [], "a reappearing record cancels its pending deletion"
        assert len(ma.rows["people"]) == 120
        assert ops(ma) == ["create"] * 120
        assert ops(crm) == []


async def test_within_the_window_a_reappearing_record_was_never_gone(pool: Pool) -> None:
    """T-47: a deletion is believed late: a record that is there again before the window ends is not deleted anywhere."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    here = crm.create("people", email="a@example.org", first="A", last="B")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, on_delete="propagate", merge_window_s=600) as hub:
        await calm(hub, clock, 2)
        row = dict(crm.rows["people"][here])
        crm.delete("people", here)
        await calm(hub, clock, 2)
        crm.restore("people", row)
        await calm(hub, clock, 20)
        assert ops(ma) == ["create"]
        assert ops(crm) == []
        assert len(crm.rows["people"]) == len(ma.rows["people"]) == 1


async def test_one_deleted_record_breaks_nothing(pool: Pool) -> None:
    """T-48: of 40 edits one meets a record that is gone there: 39 land in the same round, the gone one is sorted out by
    its own policy, and the run goes on."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    ids = [crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X", title="old") for i in range(40)]
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, on_delete="unlink") as hub:
        await calm(hub, clock, 2)
        ma.delete("people", only(ma, email="p17@example.org"))
        for id in ids:
            crm.edit("people", id, title="new")
        [cycle] = await calm(hub, clock, 1)
        assert len(ma.find("people", title="new")) == 39
        assert cycle.troubles == {}
        await calm(hub, clock, 3)
        assert len(crm.rows["people"]) == 40
        assert crm.row("people", ids[17])["title"] == "new"
        there = await states(pool, hub, "ma")
        assert sorted(there.values()) == [("excluded", "deleted there")] + [("in sync", "")] * 39
        crm.edit("people", ids[17], title="newer")
        attempts = len(ma.attempts)
        await calm(hub, clock, 4)
        assert len(ma.attempts) == attempts, "what is gone is not written to again"


async def test_creating_again_is_a_decision_and_is_on_the_record(pool: Pool) -> None:
    """T-49: pushing a record that was deleted there does nothing by itself; the explicit action creates it again, once,
    ties it, and `why` shows both the deletion and the new create."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    here = crm.create("people", email="a@example.org", first="A", last="B", title="old")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, on_delete="unlink") as hub:
        await calm(hub, clock, 2)
        [golden_id] = await states(pool, hub, "ma")
        ma.delete("people", only(ma))
        await calm(hub, clock, 2)
        crm.edit("people", here, title="new")
        await calm(hub, clock, 3)
        assert ma.rows["people"] == {}
        source = hub.setup.find("ma", "people")
        assert source is not None
        assert await recreate(hub.db, clock, golden_id, source.id) is True
        await calm(hub, clock, 4, full=True)
        assert ops(ma) == ["create", "create"]
        assert ma.row("people", only(ma))["title"] == "new"
        assert await recreate(hub.db, clock, golden_id, source.id) is False
        await calm(hub, clock, 2)
        assert ops(ma) == ["create", "create"]
        ma.edit("people", only(ma), title="newest")
        await calm(hub, clock, 2)
        assert crm.row("people", here)["title"] == "newest"
        told = await why(pool, hub.setup, golden_id)
        assert told is not None
        assert [(t.op, t.state) for t in told.told if t.connection == "ma/people"][:2] == [("create", "applied")] * 2
        assert [entry.kind for entry in told.history if entry.by == "ma/people"][:1] == ["gone"]


async def test_the_decision_itself_is_logged(pool: Pool) -> None:
    """T-49: that somebody decided to create the record again is an entry of its history."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    crm.create("people", email="a@example.org", first="A", last="B", title="old")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, on_delete="unlink") as hub:
        await calm(hub, clock, 2)
        [golden_id] = await states(pool, hub, "ma")
        ma.delete("people", only(ma))
        await calm(hub, clock, 2)
        before = await rows(pool, "SELECT count(*) FROM change")
        source = hub.setup.find("ma", "people")
        assert source is not None
        await recreate(hub.db, clock, golden_id, source.id)
        assert await rows(pool, "SELECT count(*) FROM change") != before
