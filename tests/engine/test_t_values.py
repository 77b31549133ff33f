"""Values and mapping: placeholders, clears, unset values, choices, sets, dates (T-30 … T-37)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from tests.engine.toy import Toy
from tests.engine.world import PERSON, calm, hub_of, only, ops, states
from zgoda.db.database import Pool
from zgoda.kit.convert import Dialect
from zgoda.kit.errors import Refusal, RefusalKind
from zgoda.kit.mapping import Map
from zgoda.kit.spec import Write
from zgoda.model.clock import FakeClock
from zgoda.settings.explain import explain_policy
from zgoda.sync.repair import forget_faults
from zgoda.sync.report import status

WITH_PLACEHOLDER = tuple(
    Map(vendor="last", field="family_name", placeholder="Unknown") if row.field == "family_name" else row
    for row in PERSON
)

SCORED = (*PERSON, Map(vendor="score", field="score"))


def with_nulls(nulls: str) -> tuple[Map, ...]:
    return tuple(
        Map(vendor="title", field="job_title", nulls=nulls) if row.field == "job_title" else row  # type: ignore[arg-type]
        for row in PERSON
    )


def gender(**more: object) -> tuple[Map, ...]:
    return (*PERSON, Map(vendor="sex", field="gender", **more))  # type: ignore[arg-type]


async def test_placeholder_lives_only_in_the_create(pool: Pool) -> None:
    """T-30: a required field that is blank gets its placeholder in the create alone. It comes back neither by polls nor
    by full reads, and no name that was there is ever overwritten with it."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    crm.create("people", email="nameless@example.org", first="Nora", last=None)
    named = crm.create("people", email="named@example.org", first="Ned", last="Named")
    known = crm.create("people", email="known@example.org", first="Kay", last=None)
    there = ma.create("people", email="known@example.org", first="Kay", last="Known")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, per={"ma": {"maps": WITH_PLACEHOLDER}}) as hub:
        await calm(hub, clock, full=True)
        created = {row["email"]: row.get("last") for _, op, _, row in ma.writes if op == "create"}
        assert created == {"nameless@example.org": "Unknown", "named@example.org": "Named"}
        assert ma.row("people", there)["last"] == "Known"
        assert crm.row("people", known)["last"] == "Known"
        assert crm.find("people", last="Unknown") == []

        nameless_there = only(ma, email="nameless@example.org")
        ma.edit("people", nameless_there, title="Boss")
        crm.edit("people", named, last=None)
        await calm(hub, clock, 4, full=True)
        await calm(hub, clock, 2)
        nameless = only(crm, email="nameless@example.org")
        assert crm.row("people", nameless)["title"] == "Boss"
        assert crm.row("people", nameless)["last"] is None
        assert all(row.get("last") != "Unknown" for _, _, _, row in crm.writes)
        assert [op for _, op, _, row in ma.writes if row.get("last") == "Unknown"] == ["create"]

        crm.edit("people", nameless, last="Nowak")
        await calm(hub, clock, 2)
        assert ma.row("people", nameless_there)["last"] == "Nowak"


@pytest.mark.parametrize("side", ["crm", "ma"])
@pytest.mark.parametrize("nulls", ["propagate", "ignore", "fill"])
async def test_the_three_null_policies_both_ways(pool: Pool, nulls: str, side: str) -> None:
    """T-31: `propagate` carries a clear to the other side, `ignore` never does and does not undo it either, `fill`
    only ever fills blanks. Each is tried with the clear in either system."""
    clock = FakeClock()
    toys = {"crm": Toy("crm", clock), "ma": Toy("ma", clock)}
    toys["crm"].create("people", email="a@example.org", first="A", last="B", title="old")
    toys["crm"].create("people", email="c@example.org", first="C", last="D", title=None)
    async with hub_of(pool, clock, toys, people=with_nulls(nulls)) as hub:
        await calm(hub, clock, 2)
        here, there = toys[side], toys["ma" if side == "crm" else "crm"]
        mine, theirs = only(here, email="a@example.org"), only(there, email="a@example.org")
        before = len(here.writes)

        here.edit("people", mine, title=None)
        await calm(hub, clock, 4, full=True)
        assert there.row("people", theirs)["title"] == (None if nulls == "propagate" else "old")
        assert here.row("people", mine)["title"] is None, "a clear is not undone where it was made"
        assert len(here.writes) == before

        blank_here, blank_there = only(here, email="c@example.org"), only(there, email="c@example.org")
        here.edit("people", blank_here, title="first")
        await calm(hub, clock, 2)
        assert there.row("people", blank_there)["title"] == "first", "blanks are filled by every policy"
        clock.advance(600)
        here.edit("people", blank_here, title="second")
        await calm(hub, clock, 3)
        assert there.row("people", blank_there)["title"] == ("first" if nulls == "fill" else "second")
        assert here.row("people", blank_here)["title"] == "second"


async def test_a_blank_at_first_sight_clears_nothing(pool: Pool) -> None:
    """T-31: a system that never held a value says nothing about it, also under `propagate`."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    crm.create("people", email="a@example.org", first="A", last="B", title="kept")
    clock.advance(3600)
    ma.create("people", email="a@example.org", first="A", last="B", title=None)
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        await calm(hub, clock, 4, full=True)
        assert crm.row("people", only(crm))["title"] == ma.row("people", only(ma))["title"] == "kept"
        assert crm.writes == []
        assert ops(ma) == ["update"]


@pytest.mark.parametrize("nulls", ["propagate", "ignore", "fill"])
async def test_the_printed_table_is_what_happens(pool: Pool, nulls: str) -> None:
    """T-32: the truth table of a field, as people see it, says of a clear exactly what the engine then does."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    crm.create("people", email="a@example.org", first="A", last="B", title="old")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, people=with_nulls(nulls)) as hub:
        table = explain_policy(hub.setup, "person", "job_title")
        assert "cleared in ma" in str(table)
        assert nulls in str(table)
        row = next(o for o in table.outcomes if o.happening == "cleared in ma")
        await calm(hub, clock, 2)
        ma.edit("people", only(ma), title=None)
        await calm(hub, clock, 3)
        told = {} if not crm.writes else {"crm": crm.writes[-1][3]["title"]}
        assert told == dict(row.told)
        assert crm.row("people", only(crm))["title"] == (None if nulls == "propagate" else "old")


async def test_zero_for_not_set_is_blank(pool: Pool) -> None:
    """T-33: a system that writes 0 for "not set" says nothing, and a cleared value is spelled 0 only there."""
    clock = FakeClock()
    crm = Toy("crm", clock, dialect=Dialect(blank=(None, "", 0), write_blank=0))
    ma = Toy("ma", clock)
    crm.create("people", email="a@example.org", first="A", last="B", score=0, opted_out=False)
    ma.create("people", email="a@example.org", first="A", last="B", score=7, opted_out=False)
    crm.create("people", email="c@example.org", first="C", last="D", score=5, opted_out=False)
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, people=SCORED) as hub:
        await calm(hub, clock, 3, full=True)
        assert crm.row("people", only(crm, email="a@example.org"))["score"] == 7
        assert ma.row("people", only(ma, email="a@example.org"))["score"] == 7
        clock.advance(600)
        crm.edit("people", only(crm, email="c@example.org"), score=0)
        await calm(hub, clock, 3)
        assert ma.row("people", only(ma, email="c@example.org"))["score"] is None
        clock.advance(600)
        ma.edit("people", only(ma, email="a@example.org"), score=None)
        await calm(hub, clock, 3)
        assert crm.row("people", only(crm, email="a@example.org"))["score"] == 0


async def test_a_real_zero_survives_a_system_that_has_none(pool: Pool) -> None:
    """T-33: a zero that somebody typed elsewhere stays, though one system can only spell it as "not set"."""
    clock = FakeClock()
    crm = Toy("crm", clock, dialect=Dialect(blank=(None, "", 0), write_blank=0))
    ma = Toy("ma", clock)
    crm.create("people", email="a@example.org", first="A", last="B", score=7, opted_out=False)
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, people=SCORED) as hub:
        await calm(hub, clock, 2)
        clock.advance(600)
        ma.edit("people", only(ma), score=0)
        await calm(hub, clock, 3)
        assert ma.row("people", only(ma))["score"] == 0
        assert ops(ma) == ["create"], "the spelling of blank there does not come back as a clear"


async def test_an_unsupported_choice_parks_one_field(pool: Pool) -> None:
    """T-34: a value the other side has no choice for is held with the reason; the rest of the record goes, creates and
    updates alike, and the field follows once the map knows it."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    known = (("M", "male"), ("F", "female"))
    crm.create("people", email="a@example.org", first="A", last="B", sex="diverse")
    maps = gender(values=known, otherwise="hold")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, people=gender(), per={"ma": {"maps": maps}}) as hub:
        await calm(hub, clock, 3)
        there = only(ma, email="a@example.org")
        assert ma.row("people", there).get("sex") is None
        [(state, reason)] = (await states(pool, hub, "ma")).values()
        assert state == "failing", "a create that lost a field on the way is not in sync"
        assert "gender" in reason
        here = only(crm)
        crm.edit("people", here, title="Chief")
        await calm(hub, clock, 2)
        assert ma.row("people", there)["title"] == "Chief"
        crm.edit("people", here, sex="female")
        await calm(hub, clock, 2)
        assert ma.row("people", there)["sex"] == "F"
        assert [state for state, _ in (await states(pool, hub, "ma")).values()] == ["in sync"]


async def test_a_choice_the_vendor_refuses_parks_one_field(pool: Pool) -> None:
    """T-34: the vendor itself refuses one value by name: the others land, the field waits with the vendor's words and
    goes when a person says that the choice exists now."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)

    def picky(write: Write) -> Refusal | None:
        if write.values.get("sex") == "diverse":
            return Refusal(kind=RefusalKind.REJECTED, code="BAD_OPTION", message="no such option", fields=("sex",))
        return None

    here = crm.create("people", email="a@example.org", first="A", last="B", sex="female")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, people=gender()) as hub:
        await calm(hub, clock, 2)
        ma.refuse = picky
        crm.edit("people", here, sex="diverse", title="Chief")
        await calm(hub, clock, 4)
        there = only(ma)
        assert (ma.row("people", there)["title"], ma.row("people", there)["sex"]) == ("Chief", "female")
        assert crm.row("people", here)["sex"] == "diverse"
        [(state, reason)] = (await states(pool, hub, "ma")).values()
        assert state == "failing"
        assert "BAD_OPTION" in reason
        assert "gender" in reason
        attempts = len(ma.attempts)
        await calm(hub, clock, 3)
        assert len(ma.attempts) == attempts, "a parked field is not tried again and again"
        ma.refuse = lambda write: None
        await forget_faults(hub.db, None)
        await calm(hub, clock, 2)
        assert ma.row("people", there)["sex"] == "diverse"


async def test_a_create_with_a_refused_choice_still_lands(pool: Pool) -> None:
    """T-34: also when the very first write of a record has a value the vendor refuses by name, the rest is created."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)

    def picky(write: Write) -> Refusal | None:
        if write.values.get("sex") == "diverse":
            return Refusal(kind=RefusalKind.REJECTED, code="BAD_OPTION", message="no such option", fields=("sex",))
        return None

    ma.refuse = picky
    crm.create("people", email="a@example.org", first="A", last="B", sex="diverse")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, people=gender()) as hub:
        await calm(hub, clock, 3)
        assert ma.find("people", email="a@example.org"), "one field must not keep the person out"
        assert ma.row("people", only(ma)).get("sex") is None
        [(state, reason)] = (await states(pool, hub, "ma")).values()
        assert (state, "gender" in reason) == ("failing", True)


@pytest.mark.parametrize(("otherwise", "sent"), [("default", "X"), ("keep", "diverse")])
async def test_unknown_choices_by_rule(pool: Pool, otherwise: str, sent: str) -> None:
    """T-34: `default` sends the chosen stand-in, `keep` the word itself; neither comes back over the original."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    maps = gender(values=(("M", "male"),), otherwise=otherwise, default_in="unknown", default_out="X")
    here = crm.create("people", email="a@example.org", first="A", last="B", sex="diverse")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, people=gender(), per={"ma": {"maps": maps}}) as hub:
        await calm(hub, clock, 4, full=True)
        assert ma.row("people", only(ma))["sex"] == sent
        assert crm.row("people", here)["sex"] == "diverse"
        assert crm.writes == []
        assert ops(ma) == ["create"]


async def test_create_option_says_which_option_is_wanted(pool: Pool) -> None:
    """T-34: `create` parks the field with the option that is missing, so that it can be created, and sends it once the
    map knows it."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    maps = gender(values=(("M", "male"),), otherwise="create")
    crm.create("people", email="a@example.org", first="A", last="B", sex="male")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, people=gender(), per={"ma": {"maps": maps}}) as hub:
        await calm(hub, clock, 2)
        crm.edit("people", only(crm), sex="diverse", title="Chief")
        await calm(hub, clock, 3)
        assert ma.row("people", only(ma))["title"] == "Chief"
        reasons = " ".join(reason for stream in (await status(pool, hub.setup)).streams for reason in stream.reasons)
        assert "diverse" in reasons, "the person at the desk must see which option to create"


async def test_options_by_stable_id(pool: Pool) -> None:
    """T-35: one system stores option ids, the other labels; each gets its own spelling, and an option that appears
    there without being in the map is held as drift instead of being stored as a bare id."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    by_id = gender(values=((101, "male"), (102, "female")), otherwise="hold")
    by_label = gender(values=(("Mr", "male"), ("Ms", "female")), otherwise="hold")
    here = crm.create("people", email="a@example.org", first="A", last="B", sex=102)
    async with hub_of(
        pool, clock, {"crm": crm, "ma": ma}, per={"crm": {"maps": by_id}, "ma": {"maps": by_label}}
    ) as hub:
        await calm(hub, clock, 2)
        there = only(ma)
        assert ma.row("people", there)["sex"] == "Ms"
        clock.advance(600)
        ma.edit("people", there, sex="Mr")
        await calm(hub, clock, 2)
        assert crm.row("people", here)["sex"] == 101
        written = len(ma.writes)
        crm.edit("people", here, sex=103)
        await calm(hub, clock, 3)
        assert ma.row("people", there)["sex"] == "Mr"
        assert len(ma.writes) == written
        assert crm.row("people", here)["sex"] == 103, "what is not understood is not overwritten"
        [(state, reason)] = (await states(pool, hub, "crm")).values()
        assert (state, reason.startswith("gender: ")) == ("failing", True)


async def test_sets_are_sets(pool: Pool) -> None:
    """T-36: three spellings of one set (list, `;`, `,`); another order, repetition or white space is no change, an
    added item travels in each system's own spelling."""
    clock = FakeClock()
    crm = Toy("crm", clock, dialect=Dialect(set_separator=";"))
    ma, shop = Toy("ma", clock), Toy("shop", clock, dialect=Dialect(set_separator=","))
    here = crm.create("people", email="a@example.org", first="A", last="B", tags="red;blue")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma, "shop": shop}) as hub:
        await calm(hub, clock, 2)
        assert ma.row("people", only(ma))["tags"] == ["blue", "red"]
        assert shop.row("people", only(shop))["tags"] == "blue,red"
        written = [len(toy.writes) for toy in (crm, ma, shop)]
        crm.edit("people", here, tags="blue; red ;blue")
        ma.edit("people", only(ma), tags=["red", "blue", "red"])
        shop.edit("people", only(shop), tags="red,blue")
        await calm(hub, clock, 4, full=True)
        assert [len(toy.writes) for toy in (crm, ma, shop)] == written
        ma.edit("people", only(ma), tags=["red", "blue", "green"])
        await calm(hub, clock, 2)
        assert set(crm.row("people", here)["tags"].split(";")) == {"red", "blue", "green"}
        assert set(shop.row("people", only(shop))["tags"].split(",")) == {"red", "blue", "green"}


async def test_an_item_with_the_separator_in_it_is_held(pool: Pool) -> None:
    """T-36: an item that the other side could not tell from two is held there, never split."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock, dialect=Dialect(set_separator=";"))
    here = crm.create("people", email="a@example.org", first="A", last="B", tags=["plain"])
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        await calm(hub, clock, 2)
        crm.edit("people", here, tags=["plain", "a;b"])
        await calm(hub, clock, 4, full=True)
        assert ma.row("people", only(ma))["tags"] == "plain"
        assert crm.row("people", here)["tags"] == ["plain", "a;b"]
        assert [state for state, _ in (await states(pool, hub, "ma")).values()] == ["failing"]


@pytest.mark.parametrize("offset_h", [-11.0, 0.0, 13.0])
async def test_days_and_instants_survive_the_round_trip(pool: Pool, offset_h: float) -> None:
    """T-37: a birthday is the same day and a meeting the same instant after going to the other side and back, when one
    side spells its times in UTC-11, UTC or UTC+13; a year 7473 or a day with a time on it is parked, never shifted."""
    clock = FakeClock()
    zone = timezone(timedelta(hours=offset_h))
    crm, ma = Toy("crm", clock, offset_h=offset_h), Toy("ma", clock, dialect=Dialect(instant="odoo"))
    maps = (*PERSON, Map(vendor="born", field="birth_date"))
    met = (
        Map(vendor="person_id", field="person", refers_to=("people",)),
        Map(vendor="kind", field="kind"),
        Map(vendor="at", field="occurred_at"),
    )
    more = (("activities", "interaction", met),)
    here = crm.create("people", email="a@example.org", first="A", last="B", born="1980-02-29")
    moment = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
    crm.create("activities", person_id=here, kind="call", at=moment.astimezone(zone).isoformat())
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, people=maps, more=more) as hub:
        await calm(hub, clock, 4, full=True)
        there = only(ma)
        assert ma.row("people", there)["born"] == "1980-02-29"
        [call] = ma.rows["activities"].values()
        assert call["at"] == "2026-03-29 00:30:00"
        assert crm.writes == []
        clock.advance(600)
        ma.edit("people", there, born="1980-12-31")
        await calm(hub, clock, 3, full=True)
        assert crm.row("people", here)["born"] == "1980-12-31"
        written = len(ma.writes)
        for wrong in ("7473-13-41", "1980-01-01T23:30:00-11:00", 315532800):
            crm.edit("people", here, born=wrong)
            await calm(hub, clock, 2)
            assert ma.row("people", there)["born"] == "1980-12-31"
            assert len(ma.writes) == written
            assert [state for state, _ in (await states(pool, hub, "crm")).values()] == ["failing"]
