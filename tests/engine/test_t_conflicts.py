"""Who wins, what is kept of the loser, and writes that vendors take without doing them (T-40 … T-42)."""

from __future__ import annotations

import pytest

from tests.engine.toy import Toy
from tests.engine.world import PERSON, calm, hub_of, only, states
from zgoda.db.database import Pool
from zgoda.kit.mapping import Map
from zgoda.model.clock import FakeClock
from zgoda.model.entities import LIFECYCLE
from zgoda.sync.policy import Ask, MostRecent, Prefer, Ratchet
from zgoda.sync.repair import decide
from zgoda.sync.report import list_conflicts, why

STAGED = (*PERSON, Map(vendor="stage", field="lifecycle_stage"))


async def test_the_losing_value_is_kept_with_its_reason(pool: Pool) -> None:
    """T-40: of two edits of one field the later stands in both systems; the other is in the record's history with who
    said it, who overruled it and why, and edits of other fields survive on both sides."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    here = crm.create("people", email="a@example.org", first="A", last="B", title="old")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        await calm(hub, clock, 2)
        there = only(ma)
        ma.edit("people", there, title="ma says", first="Anna")
        clock.advance(300)
        crm.edit("people", here, title="crm says", last="Bond")
        await calm(hub, clock, 3)
        for row in (crm.row("people", here), ma.row("people", there)):
            assert (row["title"], row["first"], row["last"]) == ("crm says", "Anna", "Bond")
        [lost] = await list_conflicts(pool, hub.setup, only_open=False, limit=10, after=0)
        assert (lost.kept, lost.kept_by, lost.lost, lost.lost_by) == ("crm says", "crm", "ma says", "ma")
        assert (lost.rule, lost.state) == ("most recent", "settled")
        told = await why(pool, hub.setup, lost.golden_id, "job_title")
        assert told is not None
        assert [conflict.lost for conflict in told.fields[0].lost] == ["ma says"]


@pytest.mark.parametrize("later_s", [0.5, 90.0, 86_400.0, 400 * 86_400.0])
async def test_a_master_stays_master_at_any_distance_in_time(pool: Pool, later_s: float) -> None:
    """T-40: an edit in the other system never wins against the master, however much later it is made; it is put right
    there and kept in the history. The master's own edits always travel."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    here = crm.create("people", email="a@example.org", first="A", last="B", title="master")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, policies={"job_title": Prefer(system="crm")}) as hub:
        await calm(hub, clock, 2)
        there = only(ma)
        clock.advance(later_s)
        ma.edit("people", there, title="rebel")
        await calm(hub, clock, 3)
        assert crm.row("people", here)["title"] == ma.row("people", there)["title"] == "master"
        assert crm.writes == []
        [lost] = await list_conflicts(pool, hub.setup, only_open=False, limit=10, after=0)
        assert (lost.lost, lost.rule) == ("rebel", "prefer crm")
        crm.edit("people", here, title="new master")
        clock.advance(later_s)
        ma.edit("people", there, title="rebel again")
        await calm(hub, clock, 3)
        assert crm.row("people", here)["title"] == ma.row("people", there)["title"] == "new master"


@pytest.mark.parametrize("skew_s", [-45.0, 45.0])
@pytest.mark.parametrize("first", ["crm", "ma"])
async def test_within_the_skew_rank_decides_not_the_clock(pool: Pool, first: str, skew_s: float) -> None:
    """T-41: two edits within the tolerance are settled by the rank of the systems, whichever came first and whichever
    clock is off, so that a drifting clock never makes one side win for ever."""
    clock = FakeClock()
    toys = {"crm": Toy("crm", clock), "ma": Toy("ma", clock, skew_s=skew_s)}
    ids = {"crm": toys["crm"].create("people", email="a@example.org", first="A", last="B", title="old")}
    async with hub_of(pool, clock, toys, policies={"job_title": MostRecent(tolerance_s=60, rank=("crm", "ma"))}) as hub:
        await calm(hub, clock, 2)
        ids["ma"] = only(toys["ma"])
        for name in (first, "ma" if first == "crm" else "crm"):
            toys[name].edit("people", ids[name], title=f"{name} says")
            clock.advance(1)
        await calm(hub, clock, 4)
        assert [toy.row("people", ids[name])["title"] for name, toy in toys.items()] == ["crm says", "crm says"]
        [lost] = await list_conflicts(pool, hub.setup, only_open=False, limit=10, after=0)
        assert (lost.lost, lost.rule) == ("ma says", "edited at the same time: rank of systems")


async def test_a_lasting_skew_lets_both_sides_win(pool: Pool) -> None:
    """T-41: with a clock off by 50 s, uncontested edits of both sides still arrive, time after time."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock, skew_s=-50)
    here = crm.create("people", email="a@example.org", first="A", last="B", title="t0")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        await calm(hub, clock, 2)
        for number in range(6):
            toy, id = ((crm, here), (ma, only(ma)))[number % 2]
            toy.edit("people", id, title=f"t{number + 1}")
            await calm(hub, clock, 2, step_s=20)
            assert crm.row("people", here)["title"] == ma.row("people", only(ma))["title"] == f"t{number + 1}"


@pytest.mark.parametrize("policy", [MostRecent(tolerance_s=60, ask=True), Ask()])
@pytest.mark.parametrize("take", ["kept", "lost"])
async def test_a_person_is_asked_and_both_keep_their_own_until_then(
    pool: Pool, policy: MostRecent | Ask, take: str
) -> None:
    """T-41: where the policy says "ask", the question is queued once, nobody is overwritten, and the answer goes to
    both systems."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    here = crm.create("people", email="a@example.org", first="A", last="B", title="old")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, policies={"job_title": policy}) as hub:
        await calm(hub, clock, 2)
        there = only(ma)
        crm.edit("people", here, title="crm says")
        clock.advance(1)
        ma.edit("people", there, title="ma says")
        await calm(hub, clock, 4, full=True)
        assert (crm.row("people", here)["title"], ma.row("people", there)["title"]) == ("crm says", "ma says")
        [asked] = await list_conflicts(pool, hub.setup, only_open=True, limit=10, after=0)
        value = await decide(hub.db, hub.setup, clock, asked.id, take, "tester")
        await calm(hub, clock, 3)
        assert crm.row("people", here)["title"] == ma.row("people", there)["title"] == value
        assert value == getattr(asked, take)
        assert await list_conflicts(pool, hub.setup, only_open=True, limit=10, after=0) == []


async def test_a_status_does_not_move_back(pool: Pool) -> None:
    """T-42: an ordered field only moves forward. A step back is put right where it was made and kept in the history."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    here = crm.create("people", email="a@example.org", first="A", last="B", stage="opportunity")
    policies = {"lifecycle_stage": Ratchet(order=LIFECYCLE)}
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, people=STAGED, policies=policies) as hub:
        await calm(hub, clock, 2)
        there = only(ma)
        clock.advance(600)
        ma.edit("people", there, stage="lead")
        await calm(hub, clock, 3)
        assert crm.row("people", here)["stage"] == ma.row("people", there)["stage"] == "opportunity"
        assert crm.writes == []
        [lost] = await list_conflicts(pool, hub.setup, only_open=False, limit=10, after=0)
        assert (lost.lost, lost.rule) == ("lead", "ratchet: may not move back")
        ma.edit("people", there, stage="customer")
        await calm(hub, clock, 3)
        assert crm.row("people", here)["stage"] == "customer"


async def test_accepted_but_not_applied_is_an_error_with_a_name(pool: Pool) -> None:
    """T-42: a system that takes a write without doing it (its own status may not move back) is found out by reading
    back: the record is failing with that reason, the field is not written again and again, the value elsewhere stays,
    and the next real change is tried and clears the error."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    here = crm.create("people", email="a@example.org", first="A", last="B", stage="opportunity")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, people=STAGED) as hub:
        await calm(hub, clock, 3)
        there = only(ma)
        ma.drop_fields = {"stage"}
        crm.edit("people", here, stage="lead", title="Chief")
        await calm(hub, clock, 6, full=True)
        assert (ma.row("people", there)["stage"], ma.row("people", there)["title"]) == ("opportunity", "Chief")
        assert crm.row("people", here)["stage"] == "lead"
        assert crm.writes == []
        [(state, reason)] = (await states(pool, hub, "ma")).values()
        assert (state, reason) == ("failing", "lifecycle_stage: accepted but not applied")
        assert len([row for _, _, _, row in ma.writes if row.get("stage") == "lead"]) == 1
        ma.drop_fields = set()
        crm.edit("people", here, stage="customer")
        await calm(hub, clock, 3)
        assert ma.row("people", there)["stage"] == "customer"
        assert [state for state, _ in (await states(pool, hub, "ma")).values()] == ["in sync"]


async def test_a_create_that_lost_a_field_is_found_out_too(pool: Pool) -> None:
    """T-42: also the first write is read back."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    ma.drop_fields = {"stage"}
    crm.create("people", email="a@example.org", first="A", last="B", stage="lead")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, people=STAGED) as hub:
        await calm(hub, clock, 5, full=True)
        assert crm.row("people", only(crm))["stage"] == "lead"
        assert crm.writes == []
        [(state, reason)] = (await states(pool, hub, "ma")).values()
        assert (state, reason) == ("failing", "lifecycle_stage: accepted but not applied")
        assert len(ma.attempts) == 1
