"""Resyncs that only send differences, records that leave a filter, and two instances side by side (T-70 … T-72)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import pytest

from tests.engine.toy import Toy
from tests.engine.world import calm, hub_of, only, ops, rows, states
from zgoda.app import Store, check_accounts
from zgoda.db.database import Pool
from zgoda.kit.errors import NeedsAttention
from zgoda.kit.spec import Identity, Session
from zgoda.model.clock import FakeClock
from zgoda.model.entities import ENTITIES
from zgoda.model.values import Values
from zgoda.settings.filters import Filter
from zgoda.sync.preview import preview
from zgoda.sync.report import list_deliveries

NOT_LEFT = Filter('job_title != "left"', ENTITIES["person"])


async def test_a_resync_sends_differences_only_and_says_which(pool: Pool) -> None:
    """T-70: 60 records, of which behind the hub's back 3 changed, 2 went and 1 came: the plan of a full resync names
    exactly these by system, kind and field; the resync does exactly what the plan said, and a second one does nothing."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock, tombstones=False), Toy("ma", clock)
    ids = [crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X", title="old") for i in range(60)]
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, on_delete="propagate") as hub:
        await calm(hub, clock, 3)
        for id in ids[:3]:
            crm.edit_unstamped("people", id, title="new")
        for id in ids[50:52]:
            crm.delete("people", id)
        crm.create("people", email="n@example.org", first="N", last="New")
        clock.advance(86_400)
        plan = await preview(pool, hub, full=True)
        counts = {s.connection: (s.creates, s.updates, s.deletes) for s in plan.streams}
        assert counts == {"crm": (0, 0, 0), "ma": (1, 3, 2)}
        [there] = [stream for stream in plan.streams if stream.connection == "ma"]
        assert {f.field: f.count for f in there.fields}["job_title"] == 3
        assert len(ma.writes) == 60
        await calm(hub, clock, 2, full=True)
        assert sorted(ops(ma)[60:]) == ["create", "delete", "delete", "update", "update", "update"]
        assert all(row == {"title": "new"} for _, op, _, row in ma.writes[60:] if op == "update")
        assert crm.writes == []
        assert (await preview(pool, hub, full=True)).changes == 0
        await calm(hub, clock, 3, full=True)
        assert len(ma.writes) == 66


async def test_a_resync_of_what_agrees_sends_nothing(pool: Pool) -> None:
    """T-70: five full resyncs of two systems that agree: no call that writes, so no automation there is started."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    for i in range(40):
        crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X", tags=["b", "a"])
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        await calm(hub, clock, 2)
        await calm(hub, clock, 5, full=True)
        assert (len(crm.attempts), len(ma.attempts)) == (0, 40)


@pytest.mark.parametrize(
    "on_leave",
    [
        "keep",
        "hold",
    ],
)
async def test_leaving_the_filter_deletes_nothing(pool: Pool, on_leave: str) -> None:
    """T-71: a record that no longer passes the filter is kept as it is or held for a person, by policy; it is deleted
    nowhere, its state says why, and coming back into the filter it is simply synced on."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    here = crm.create("people", email="a@example.org", first="A", last="B", title="customer")
    crm.create("people", email="b@example.org", first="Bea", last="B", title="customer")
    per = {"ma": {"admits": NOT_LEFT, "on_leave": on_leave}}
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, on_delete="propagate", per=per) as hub:
        await calm(hub, clock, 2)
        there = only(ma, email="a@example.org")
        crm.edit("people", here, title="left", first="Anna")
        await calm(hub, clock, 3, full=True)
        assert "delete" not in ops(ma) + ops(crm)
        assert ma.row("people", there)["first"] == "A"
        assert ma.row("people", there)["title"] == "customer"
        assert len(await list_deliveries(pool, hub.setup, ("held",), 10, 0)) == (on_leave == "hold")
        crm.edit("people", here, title="customer")
        await calm(hub, clock, 3)
        assert ma.row("people", there)["first"] == "Anna"
        assert len(ma.rows["people"]) == 2
        assert ops(ma).count("create") == 2


async def test_out_of_scope_is_told(pool: Pool) -> None:
    """T-71: the state of a record that left the filter is "excluded" with that reason, not "in sync"."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    here = crm.create("people", email="a@example.org", first="A", last="B", title="customer")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, per={"ma": {"admits": NOT_LEFT}}) as hub:
        await calm(hub, clock, 2)
        crm.edit("people", here, title="left", first="Anna")
        await calm(hub, clock, 3)
        assert list((await states(pool, hub, "ma")).values()) == [("excluded", "outside the filter")]


async def test_a_rule_is_previewed_with_counts(pool: Pool) -> None:
    """T-71: before a rule is in force its plan says how many records stay in, how many are out and why; nothing has
    been written by then."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    for i in range(30):
        crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X", title="left" if i < 12 else "customer")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, per={"ma": {"admits": NOT_LEFT}}) as hub:
        clock.advance(1)
        plan = await preview(pool, hub, full=True)
        [there] = [stream for stream in plan.streams if stream.connection == "ma"]
        assert (there.creates, there.excluded) == (18, {"outside the filter": 12})
        assert ma.attempts == []


async def test_a_rule_does_not_mind_the_case() -> None:
    """T-71: "Left" and "LEFT" are what somebody who writes "left" means; or at least the rule can say so itself."""
    written = (NOT_LEFT, Filter('job_title.lowerAscii() != "left"', ENTITIES["person"]))
    values: Values = {"job_title": "LEFT"}
    assert not all(admits(values) for admits in written)


async def test_two_instances_of_one_vendor_never_mix(pool: Pool) -> None:
    """T-72: two branches use the same product; both number their records from 1. Records with the same id and different
    people stay two, edits go to the right branch, and deletions too."""
    clock = FakeClock()
    north, south, ma = Toy("branch", clock), Toy("branch", clock), Toy("ma", clock)
    a = north.create("people", email="north@example.org", first="Nina", last="North")
    b = south.create("people", email="south@example.org", first="Sami", last="South")
    assert a == b
    may: Any = {"may": frozenset({"update", "delete"})}
    async with hub_of(
        pool, clock, {"north": north, "south": south, "ma": ma}, per={"north": may, "south": may}, on_delete="propagate"
    ) as hub:
        await calm(hub, clock, 3)
        assert len(ma.rows["people"]) == 2
        assert (len(north.rows["people"]), len(south.rows["people"])) == (1, 1)
        ma.edit("people", only(ma, email="south@example.org"), title="Boss")
        await calm(hub, clock, 3)
        assert north.row("people", a).get("title") is None
        assert south.row("people", b)["title"] == "Boss"
        assert (north.writes, [row for _, _, _, row in south.writes]) == ([], [{"title": "Boss"}])
        north.delete("people", a)
        await calm(hub, clock, 3)
        assert [row["email"] for row in ma.rows["people"].values()] == ["south@example.org"]
        assert len(south.rows["people"]) == 1
        assert await rows(
            pool,
            "SELECT count(DISTINCT (source, vendor_id)), count(DISTINCT vendor_id) FROM link WHERE source <> (SELECT id FROM source WHERE connection = 'ma')",
        ) == [(2, 1)]


@dataclass
class Account:
    """Which account stands behind a toy's address."""

    name: str


async def test_a_connection_that_means_another_account_is_refused(pool: Pool) -> None:
    """T-72: somebody points an existing connection at the second instance (a sandbox, another branch): it is refused by
    name, before a single record of the one can be taken for one of the other."""
    clock = FakeClock()
    behind = Account("production")

    class Moved(Toy):
        async def _check(self, session: Session) -> Identity:
            return Identity(account=behind.name, user="toy")

    crm, ma = Moved("crm", clock), Toy("ma", clock)
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        store = Store(project=cast("Any", None), pool=pool, setup=hub.setup, clock=clock, chance=hub.chance)
        first = await check_accounts(store, hub)
        assert all(isinstance(answer, Identity) for answer in first.values())
        behind.name = "sandbox"
        second = await check_accounts(store, hub)
        assert isinstance(second["crm"], NeedsAttention)
        assert "production" in str(second["crm"])
        assert isinstance(second["ma"], Identity)
