"""Consent and preferences: opt-outs that must travel, win, and stay (T-52 … T-57, T-59)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.toy import Toy
from tests.engine.world import LISTS, PERSON, SUBSCRIBER, calm, hub_of, only, ops, rows, tell
from zgoda.db.database import Pool
from zgoda.kit.errors import Refusal, RefusalKind
from zgoda.kit.mapping import Map
from zgoda.kit.spec import Write
from zgoda.model.clock import FakeClock
from zgoda.model.values import Values
from zgoda.sync.brake import Brakes
from zgoda.sync.policy import Prefer
from zgoda.sync.repair import pause
from zgoda.sync.report import list_deliveries

SPEAKS_BOTH: dict[str, Any] = {"crm": {"maps": PERSON}, "ma": {"maps": SUBSCRIBER}}
"""The CRM has a check box "opted out", the marketing system a status with a stamp as evidence."""


def customers_only(values: Values) -> bool:
    return values.get("job_title") == "customer"


@pytest.mark.parametrize("filtered", ["where it is said", "where it must arrive"])
async def test_an_opt_out_knows_no_filter(pool: Pool, filtered: str) -> None:
    """T-52: a linked person leaves the filter of one system and then opts out. The opt-out reaches every linked system
    in the very next round, whichever side the filter is on; other fields stay filtered."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    here = crm.create("people", email="a@example.org", first="A", last="B", title="customer", opted_out=False)
    said_in, arrives = (ma, crm) if filtered == "where it is said" else (crm, ma)
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, per={"ma": {"admits": customers_only}}) as hub:
        await calm(hub, clock, 2)
        crm.edit("people", here, title="left")
        ma.edit("people", only(ma), title="left")
        await calm(hub, clock, 3, full=True)
        said_in.edit("people", only(said_in), opted_out=True, first="Renamed")
        await tell(hub, {"crm": crm, "ma": ma})
        await calm(hub, clock, 1)
        assert arrives.row("people", only(arrives))["opted_out"] is True
        assert arrives.row("people", only(arrives))["first"] == "A"


async def test_an_opt_out_passes_a_pause_and_a_backlog(pool: Pool) -> None:
    """T-52: an operator has paused the marketing system and 300 edits wait for it: the opt-out goes through at once,
    alone, and with the connection running again it goes before everything else."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    ids = [
        crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X", title="t", opted_out=False)
        for i in range(200)
    ]
    brakes = Brakes(change_floor=10_000)
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, brakes=brakes) as hub:
        await calm(hub, clock, 2)
        await pause(hub.db, clock, "ma", "maintenance")
        for id in ids:
            crm.edit("people", id, title="waiting")
        await calm(hub, clock, 1)
        crm.edit("people", ids[150], opted_out=True)
        await calm(hub, clock, 2)
        assert ma.row("people", only(ma, email="p150@example.org"))["opted_out"] is True
        assert len(ma.find("people", title="waiting")) <= 1


async def test_an_opt_out_passes_a_brake(pool: Pool) -> None:
    """T-52: a mass change is held for a person to look at; one of these people opts out meanwhile: that goes through at
    once, the rest stays held."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    ids = [
        crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X", title="t", opted_out=False)
        for i in range(60)
    ]
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, brakes=Brakes(change_floor=10)) as hub:
        await calm(hub, clock, 2)
        for id in ids:
            crm.edit("people", id, title="mistake")
        await calm(hub, clock, 2)
        assert ma.find("people", title="mistake") == []
        crm.edit("people", ids[7], opted_out=True)
        await calm(hub, clock, 2)
        assert ma.row("people", only(ma, email="p7@example.org"))["opted_out"] is True
        assert ma.find("people", title="mistake") == []


async def test_an_opt_out_does_not_die_with_its_company(pool: Pool) -> None:
    """T-52: opt-out and a new title are read together; the other side rejects the record because of the title without
    saying which field it means. The opt-out lands all the same."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    a = crm.create("people", email="a@example.org", first="A", last="B", title="t", opted_out=False)
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        await calm(hub, clock, 2)
        ma.refuse = lambda w: Refusal(kind=RefusalKind.REJECTED, code="BAD") if "title" in w.values else None
        crm.edit("people", a, title="Too long", opted_out=True)
        await calm(hub, clock, 4)
        assert ma.row("people", only(ma))["opted_out"] is True


async def test_an_opted_out_person_is_created_opted_out(pool: Pool) -> None:
    """T-53: somebody who opted out in the CRM, and somebody whose address is opted out there, never exist as mailable
    on the other side, not even for the moment between two writes."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    crm.create("people", email="out@example.org", first="O", last="Ut", opted_out=True)
    crm.create("people", email="in@example.org", first="I", last="N", opted_out=False)
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, per=SPEAKS_BOTH) as hub:
        await calm(hub, clock, 3)
        created = {row["email"]: row for _, op, _, row in ma.writes if op == "create"}
        assert created["out@example.org"]["subscribed"] == "no"
        assert created["in@example.org"].get("subscribed") != "yes", "a missing opt-out is no opt-in"
        assert ops(ma) == ["create", "create"]


async def test_a_create_whose_consent_cannot_be_told_does_not_happen(pool: Pool) -> None:
    """T-53: where the other side cannot be told of the opt-out in the create itself (it refuses the field, or its map
    has no word for it), the person is not created mailable: they are held back with the reason."""
    clock = FakeClock()
    crm, ma, shop = Toy("crm", clock), Toy("ma", clock), Toy("shop", clock)

    def refuses(write: Write) -> Refusal | None:
        if write.op == "create" and "opted_out" in write.values:
            return Refusal(kind=RefusalKind.REJECTED, code="READ_ONLY", fields=("opted_out",))
        return None

    ma.refuse = refuses
    wordless = tuple(
        row
        if row.field != "consent:email:marketing"
        else Map(vendor="subscribed", field="consent:email:marketing", values=(("yes", "granted"),), otherwise="hold")
        for row in SUBSCRIBER
    )
    crm.create("people", email="out@example.org", first="O", last="Ut", opted_out=True)
    async with hub_of(pool, clock, {"crm": crm, "ma": ma, "shop": shop}, per={"shop": {"maps": wordless}}) as hub:
        await calm(hub, clock, 3)
        assert ma.rows.get("people", {}) == {}
        assert shop.rows.get("people", {}) == {}


async def test_unticking_is_no_new_opt_out(pool: Pool) -> None:
    """T-54: the box "opted out" is ticked and unticked: the tick is the opt-out, the untick neither a second one nor an
    opt-in; a person who never ticked and whose box changes from blank to "no" stays as they are."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    a = crm.create("people", email="a@example.org", first="A", last="B", opted_out=None)
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, per=SPEAKS_BOTH) as hub:
        ma.create(
            "people", email="a@example.org", first="A", last="B", subscribed="yes", subscribed_at="2025-06-01T10:00:00Z"
        )
        await calm(hub, clock, 2)
        crm.edit("people", a, opted_out=False)
        await calm(hub, clock, 3)
        assert ma.row("people", only(ma))["subscribed"] == "yes"
        crm.edit("people", a, opted_out=True)
        await calm(hub, clock, 2)
        assert ma.row("people", only(ma))["subscribed"] == "no"
        said = len([row for _, _, _, row in ma.writes if "subscribed" in row])
        crm.edit("people", a, opted_out=False)
        await calm(hub, clock, 3)
        assert ma.row("people", only(ma))["subscribed"] == "no"
        assert len([row for _, _, _, row in ma.writes if "subscribed" in row]) == said
        history = await rows(
            pool, "SELECT c.fields->'consent:email:marketing' FROM change c WHERE c.fields ? 'consent:email:marketing'"
        )
        assert [entry[0][1] for entry in history].count("withdrawn") == 1


@pytest.mark.parametrize("policy", [None, Prefer(system="ma")])
async def test_an_opt_out_wins_over_any_policy(pool: Pool, policy: Prefer | None) -> None:
    """T-55: the marketing system is master of the record and says "yes" with evidence of June; the CRM's later opt-out
    stands all the same, on both sides, also when the master repeats its old yes. Only a grant with evidence newer than
    the opt-out lifts it, everywhere."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    a = crm.create("people", email="a@example.org", first="A", last="B", opted_out=False)
    b = ma.create(
        "people", email="a@example.org", first="A", last="B", subscribed="yes", subscribed_at="2025-06-01T10:00:00Z"
    )
    policies = {"consent:email:marketing": policy, "email": policy} if policy else {}
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, per=SPEAKS_BOTH, policies=policies) as hub:
        await calm(hub, clock, 3)
        crm.edit("people", a, opted_out=True)
        await calm(hub, clock, 2)
        assert ma.row("people", b)["subscribed"] == "no"
        clock.advance(3600)
        ma.edit("people", b, subscribed="yes")
        await calm(hub, clock, 4, full=True)
        assert ma.row("people", b)["subscribed"] == "no", "the old evidence proves nothing new"
        assert crm.row("people", a)["opted_out"] is True
        clock.advance(3600)
        ma.edit("people", b, subscribed="yes", subscribed_at=clock.now().isoformat())
        await calm(hub, clock, 4)
        assert crm.row("people", a)["opted_out"] is False
        assert ma.row("people", b)["subscribed"] == "yes"


async def test_a_yes_without_evidence_is_no_yes(pool: Pool) -> None:
    """T-55: a system that says "subscribed" without a stamp brings no grant into being elsewhere."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    ma.create("people", email="a@example.org", first="A", last="B", subscribed="yes", subscribed_at=None)
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, people=SUBSCRIBER) as hub:
        await calm(hub, clock, 3, full=True)
        assert crm.row("people", only(crm)).get("subscribed") != "yes"
        assert await rows(pool, "SELECT fields->>'consent:email:marketing' FROM golden") == [("unknown",)]


async def test_changing_the_address_keeps_the_person_out(pool: Pool) -> None:
    """T-56: an opted-out person gets a new address: they stay out with it on every side. The old address stays out too,
    for whoever has it next, and a newcomer with it is created opted out."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    a = crm.create("people", email="old@example.org", first="A", last="B", opted_out=True)
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, per=SPEAKS_BOTH) as hub:
        await calm(hub, clock, 2)
        crm.edit("people", a, email="new@example.org")
        await calm(hub, clock, 2)
        there = only(ma, email="new@example.org")
        assert ma.row("people", there)["subscribed"] == "no"
        crm.create("people", email="OLD@example.org", first="Zoe", last="Zed", opted_out=False)
        await calm(hub, clock, 3)
        assert ma.row("people", only(ma, first="Zoe"))["subscribed"] == "no"
        crm.create("people", email="new@example.org", first="Yan", last="Yew", opted_out=False)
        await calm(hub, clock, 3)
        assert [row["subscribed"] for row in ma.rows["people"].values() if row["first"] == "Yan"] in ([], ["no"])
        assert "yes" not in [row.get("subscribed") for _, _, _, row in ma.writes]


async def test_moving_to_an_opted_out_address_takes_the_person_out(pool: Pool) -> None:
    """T-56: a mailable person is given an address that is opted out: from then on they are not mailable there."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    crm.create("people", email="out@example.org", first="O", last="Ut", opted_out=True)
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, per=SPEAKS_BOTH) as hub:
        await calm(hub, clock, 2)
        b = ma.create(
            "people",
            email="in@example.org",
            first="I",
            last="N",
            subscribed="yes",
            subscribed_at="2025-06-01T10:00:00Z",
        )
        await calm(hub, clock, 2)
        crm.edit("people", only(crm, email="in@example.org"), email="out@example.org")
        await calm(hub, clock, 3)
        assert ma.row("people", b)["subscribed"] == "no"


async def test_leaving_a_list_is_no_opt_out(pool: Pool) -> None:
    """T-57: memberships are deleted, the whole list is emptied, the list itself goes: no consent is written anywhere,
    and an opt-out takes nobody off a list."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    wanted = crm.create("lists", name="News")
    people = [
        crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X", opted_out=False) for i in range(15)
    ]
    members = [crm.create("members", person_id=p, list_id=wanted, status="active") for p in people]
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, more=LISTS, on_delete="propagate") as hub:
        await calm(hub, clock, 3)
        crm.edit("people", people[14], opted_out=True)
        await calm(hub, clock, 2)
        assert len(ma.rows["members"]) == 15
        consents = [row for s, _, _, row in ma.writes if s == "people" and row.get("opted_out")]
        for member in members[:3]:
            crm.delete("members", member)
        await calm(hub, clock, 2)
        assert len(ma.rows["members"]) == 12
        crm.delete("lists", wanted)
        await calm(hub, clock, 3)
        assert [row for s, _, _, row in ma.writes if s == "people" and row.get("opted_out")] == consents
        assert sum(row["opted_out"] is True for row in ma.rows["people"].values()) == 1
        assert len(crm.rows["people"]) == len(ma.rows["people"]) == 15


async def test_emptying_a_list_waits_for_approval(pool: Pool) -> None:
    """T-57: more memberships gone at once than the brake allows: none of them is deleted before a person says so."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    wanted = crm.create("lists", name="News")
    people = [crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X") for i in range(60)]
    members = [crm.create("members", person_id=p, list_id=wanted, status="active") for p in people]
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, more=LISTS, on_delete="propagate") as hub:
        await calm(hub, clock, 3)
        for member in members[:40]:
            crm.delete("members", member)
        await calm(hub, clock, 3)
        assert len(ma.rows["members"]) == 60
        assert len(await list_deliveries(pool, hub.setup, ("held",), 100, 0)) == 40


async def test_a_mass_opt_out_waits_for_approval(pool: Pool) -> None:
    """T-57: one system opts 150 of 200 people out within a minute (somebody ticked a column): such an irreversible
    bulk change needs approval before it is written to the others."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    ids = [
        crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X", opted_out=False) for i in range(200)
    ]
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        await calm(hub, clock, 2)
        for id in ids[:150]:
            crm.edit("people", id, opted_out=True)
        await calm(hub, clock, 3)
        assert len([row for _, op, _, row in ma.writes if op == "update"]) < 150


@pytest.mark.parametrize("outs", ["the first", "the duplicate"])
async def test_duplicates_share_the_stricter_word(pool: Pool, outs: str) -> None:
    """T-59: two records of one person in one system disagree: the other system holds the stricter word, whichever of
    the two says it and whenever it says it."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    first = crm.create("people", email="a@example.org", first="A", last="B", opted_out=False)
    twin = crm.create("people", email="A@example.org", first="A", last="B", opted_out=False)
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, per=SPEAKS_BOTH) as hub:
        await calm(hub, clock, 2)
        assert len(ma.rows["people"]) == 1
        crm.edit("people", first if outs == "the first" else twin, opted_out=True)
        await calm(hub, clock, 3)
        assert ma.row("people", only(ma))["subscribed"] == "no"
        assert [row["opted_out"] for row in crm.rows["people"].values()] == [True, True]


@pytest.mark.parametrize("out_first", [True, False])
@pytest.mark.parametrize("survivor_out", [True, False])
async def test_a_merge_keeps_the_stricter_word(pool: Pool, survivor_out: bool, out_first: bool) -> None:
    """T-59: after two people are merged in one system the survivor is out everywhere if either was, also when the
    merging system itself kept the laxer word."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    out = crm.create("people", email="out@example.org", first="Otto", last="Ut", opted_out=True) if out_first else ""
    lax = crm.create("people", email="in@example.org", first="Ines", last="N", opted_out=False)
    out = out or crm.create("people", email="out@example.org", first="Otto", last="Ut", opted_out=True)
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, per=SPEAKS_BOTH) as hub:
        await calm(hub, clock, 3)
        survivor, loser = (out, lax) if survivor_out else (lax, out)
        crm.merge("people", loser, survivor, opted_out=False)
        await calm(hub, clock, 4)
        assert crm.row("people", survivor)["opted_out"] is True
        assert {row["subscribed"] for row in ma.rows["people"].values()} == {"no"}
