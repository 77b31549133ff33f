"""Who is who: changing keys, spelling, blank keys, first syncs, merges and stale ids (T-17 … T-22, T-27)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.toy import Toy
from tests.engine.world import PERSON, calm, hub_of, only, ops, rows, states, tell
from zgoda.db.database import Pool
from zgoda.identity.match import DEFAULT_RULES, IdentityRules
from zgoda.kit.errors import Refusal, RefusalKind
from zgoda.kit.spec import Write
from zgoda.model.clock import FakeClock
from zgoda.sync.preview import preview
from zgoda.sync.repair import approve_first_sync
from zgoda.sync.report import status


async def people(pool: Pool) -> int:
    """How many people the hub knows."""
    [(count,)] = await rows(pool, "SELECT count(*) FROM golden WHERE entity = 'person' AND joined_into IS NULL")
    return count


@pytest.mark.parametrize("where", ["crm", "ma", "shop"])
async def test_a_changed_address_updates_in_place(pool: Pool, where: str) -> None:
    """T-17: whichever system changes the address (twice, once to one that only differs in case), every other one gets
    an update of the very record it has: no create, nobody at both addresses."""
    clock = FakeClock()
    toys = {name: Toy(name, clock) for name in ("crm", "ma", "shop")}
    toys["crm"].create("people", email="old@example.org", first="A", last="B")
    async with hub_of(pool, clock, toys) as hub:
        await calm(hub, clock, 2)
        held = {name: only(toy) for name, toy in toys.items()}
        for address in ("new@example.org", "NEW@example.org", "newest@example.net"):
            toys[where].edit("people", held[where], email=address)
            await tell(hub, toys)
            await calm(hub, clock, 2, full=address == "newest@example.net")
        assert [{id: row["email"] for id, row in toy.rows["people"].items()} for toy in toys.values()] == [
            {held[name]: "newest@example.net"} for name in toys
        ]
        assert [ops(toy).count("create") for toy in toys.values()] == [0, 1, 1]
        assert await people(pool) == 1


async def test_swapped_addresses_stay_with_their_people(pool: Pool) -> None:
    """T-17: two people exchange their addresses within one poll: records are tied by ids, so the addresses change place
    on the other side and nobody is matched, merged or created anew."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    ann = crm.create("people", email="ann@example.org", first="Ann", last="X", title="one")
    bob = crm.create("people", email="bob@example.org", first="Bob", last="Y", title="two")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        await calm(hub, clock, 2)
        ids = {name: only(ma, first=name) for name in ("Ann", "Bob")}
        crm.edit("people", ann, email="bob@example.org")
        crm.edit("people", bob, email="ann@example.org")
        await calm(hub, clock, 3, full=True)
        assert ma.row("people", ids["Ann"])["email"] == "bob@example.org"
        assert ma.row("people", ids["Bob"])["email"] == "ann@example.org"
        assert (len(ma.rows["people"]), len(crm.rows["people"]), crm.writes) == (2, 2, [])
        assert await rows(pool, "SELECT count(*) FROM suspicion") == [(0,)]


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_reused_address_belongs_to_its_new_owner(pool: Pool, at_once: bool) -> None:
    """T-17: Ann leaves, her mailbox goes to Zoe (in the same poll, or later): Zoe is a new person on every side and
    nothing of Ann's becomes hers."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    ann = crm.create("people", email="desk7@example.org", first="Ann", last="X", title="Chief")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        await calm(hub, clock, 2)
        there = only(ma)
        crm.edit("people", ann, email="ann@private.example")
        if not at_once:
            await calm(hub, clock, 2)
        crm.create("people", email="desk7@example.org", first="Zoe", last="Z")
        await calm(hub, clock, 3)
        assert ma.row("people", there)["email"] == "ann@private.example"
        zoe = only(ma, email="desk7@example.org")
        assert (zoe != there, ma.row("people", zoe)["first"], ma.row("people", zoe).get("title")) == (True, "Zoe", None)
        assert await people(pool) == 2


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("Ada.Lovelace@EXAMPLE.org", "ada.lovelace@example.org"),
        ("  ada@example.org ", "ADA@Example.Org"),
        ("ada@żółw.example", "Ada@xn--w-uga1v8h.example"),
        ("ada@Bücher.example", "ada@bücher.example"),
    ],
)
async def test_the_spelling_of_an_address_does_not_matter(pool: Pool, typed: str, stored: str) -> None:
    """T-18: case, spaces and the two forms of an international domain are one address: the records are matched, both
    systems keep theirs as typed, and neither is written."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    here = crm.create("people", email=typed, first="Ada", last="L", title="T")
    there = ma.create("people", email=stored, first="Ada", last="L", title="T")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        await calm(hub, clock, 3, full=True)
        assert (crm.row("people", here)["email"], ma.row("people", there)["email"]) == (typed, stored)
        assert (crm.attempts, ma.attempts, await people(pool)) == ([], [], 1)
        ma.edit("people", there, title="Countess")
        await calm(hub, clock, 2)
        assert crm.row("people", here) == {"email": typed, "first": "Ada", "last": "L", "title": "Countess"}


FOLDS_TOO_FAR = pytest.mark.xfail(strict=True, reason="addresses are compared by full case folding: ß is ss, K is k")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ada@example.org", "ada+news@example.org"),
        ("ada.l@gmail.com", "adal@gmail.com"),
        ("ada@example.org", "ada@examp1e.org"),
        ("ada@example.org", "ada@еxample.org"),
        pytest.param("strasse@example.org", "straße@example.org", marks=FOLDS_TOO_FAR),
        pytest.param("kim@example.org", "\u212aim@example.org", marks=FOLDS_TOO_FAR),
        ("ınes@example.org", "ines@example.org"),
    ],
)
async def test_another_address_is_another_address(pool: Pool, one: str, other: str) -> None:
    """T-18: plus-tags and dots are their owner's, and letters that only look or fold alike (ß and ss, the Kelvin sign
    and k, a Cyrillic е) make another mailbox: such records are not matched, even under one name."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    crm.create("people", email=one, first="Ada", last="L")
    ma.create("people", email=other, first="Ada", last="L")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        await calm(hub, clock, 2)
        assert await people(pool) == 2
        assert {row["email"] for row in crm.rows["people"].values()} == {one, other}


@pytest.mark.parametrize("unkeyed", ["hold", "create"])
async def test_an_import_run_five_times_creates_once(pool: Pool, unkeyed: str) -> None:
    """T-19: people without an address, with a broken one and with one the other side throws away: five full runs, the
    last with everything we knew of the reads forgotten, make nothing new. What nothing identifies waits for a review
    (or is created once, where the project says so)."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    crm.create("people", first="No", last="Body")
    crm.create("people", email="half@gma", first="Half", last="Typed", phone="+48 22 1234567")
    crm.create("people", email="not an address", first="Not", last="One")
    crm.create("people", email="thrown@example.org", first="Thrown", last="Away")
    ma.rewrite = lambda field, value: None if value == "thrown@example.org" else value
    person = DEFAULT_RULES["person"]
    rules = {"person": IdentityRules(keys=person.keys, create_unkeyed=unkeyed == "create")}
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, identity=rules) as hub:
        for run in range(5):
            if run == 4:
                async with pool.transaction() as tx:
                    await tx.run("DELETE FROM feed")
                    await tx.run("UPDATE link SET fingerprint = NULL")
            await calm(hub, clock, 1, full=True)
        expected = ["Thrown", "No"] if unkeyed == "create" else ["Thrown"]
        assert sorted(row["first"] for row in ma.rows["people"].values()) == sorted(expected)
        assert (len(crm.rows["people"]), await people(pool)) == (4, 4)
        reasons = {why for state, why in (await states(pool, hub, "ma")).values() if state == "excluded"}
        assert "the e-mail address is not valid" in reasons
        assert ("nothing identifies it: review" in reasons) is (unkeyed == "hold")


async def test_what_gets_its_key_later_is_created_then_and_once(pool: Pool) -> None:
    """T-19: a record that waited for a review because nothing identified it is given an address: it goes out, once."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    nobody = crm.create("people", first="No", last="Body")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        await calm(hub, clock, 2, full=True)
        assert ma.attempts == []
        crm.edit("people", nobody, email="some@example.org")
        await calm(hub, clock, 3, full=True)
        assert ops(ma) == ["create"]
        assert ma.row("people", only(ma))["email"] == "some@example.org"


async def test_a_first_sync_is_a_plan_until_it_is_approved(pool: Pool) -> None:
    """T-20: before approval nothing at all is written, however often the hub runs; the plan counts creates, updates and
    duplicates; approved, the first sync does what it said, as a backfill (which starts no journey), never as live
    edits."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    for i in range(30):
        crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X", title="T")
    for i in range(5):
        crm.create("people", email=f"P{i}@example.org", first=f"P{i}", last="X", title="T")
        ma.create("people", email=f"p{20 + i}@example.org", first=f"P{20 + i}", last="X")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, approved=False) as hub:
        plan = await preview(pool, hub, full=True)
        await calm(hub, clock, 3, full=True)
        assert (crm.attempts, ma.attempts) == ([], [])
        by_name = {stream.connection: stream for stream in plan.streams}
        assert (by_name["ma"].creates, by_name["ma"].updates, plan.matched, plan.suspicions) == (25, 5, 5, 5)
        assert by_name["ma"].excluded == {"duplicate: same email twice in one system": 5}
        await approve_first_sync(hub.db, clock, ["crm", "ma"])
        await calm(hub, clock, 3)
        assert (ops(ma).count("create"), ops(ma).count("update"), crm.writes) == (25, 5, [])
        assert await rows(pool, "SELECT DISTINCT lane FROM delivery") == [(2,)]


async def test_a_first_sync_stops_itself_when_it_goes_wrong(pool: Pool) -> None:
    """T-20: approved or not, the first records go alone: where the other side refuses too many of them, the rest of the
    backfill stays at home."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    for i in range(200):
        crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X")
    ma.refuse = lambda write: Refusal(kind=RefusalKind.REJECTED, code="BAD")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        await calm(hub, clock, 4)
        assert 3 <= len(ma.attempts) <= 60


def moved(ma: Toy, moves: dict[str, str]) -> None:
    """From now on `ma` answers to writes of some ids that they are gone, and where to."""

    def refuse(write: Write) -> Refusal | None:
        if write.id not in moves:
            return None
        return Refusal(kind=RefusalKind.GONE, code="MOVED", moved_to=moves[write.id])

    ma.refuse = refuse


@pytest.mark.parametrize("on_delete", ["ask", "propagate", "unlink", "restore"])
async def test_a_stale_id_heals_or_parks(pool: Pool, on_delete: Any) -> None:
    """T-22: a record is gone without a word and the write to it says so: it is tried once, then parked with its reason,
    or created again once (where the project wants that, or a deletion meets an edit). Five more edits do not try the dead id again."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock, tombstones=False)
    here = crm.create("people", email="a@example.org", first="A", last="B")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, per={"ma": {"on_delete": on_delete}}) as hub:
        await calm(hub, clock, 2)
        dead = only(ma)
        ma.delete("people", dead)
        for number in range(6):
            crm.edit("people", here, title=f"T{number}")
            await calm(hub, clock, 2)
        tried = [write.id for write in ma.attempts if write.op == "update"].count(dead)
        assert tried == 1
        if on_delete in ("restore", "propagate"):
            assert ops(ma).count("create") == 2
            assert ma.row("people", only(ma))["title"] == "T5"
        else:
            assert len(ma.rows["people"]) == 0
            assert (await status(pool, hub.setup)).dead == 0
            [(state, reason)] = (await states(pool, hub, "ma")).values()
            assert (state, bool(reason)) == ("excluded", True)


async def test_a_merged_id_leads_to_the_survivor_once(pool: Pool) -> None:
    """T-22: the answer says the record was merged into another (which nobody had told us): the next write goes to that
    one, with what was to be said, and the old id is not used again."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock, tombstones=False)
    here = crm.create("people", email="a@example.org", first="A", last="B", title="old")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        await calm(hub, clock, 2)
        dead = only(ma)
        alive = ma.create("people", email="a@example.org", first="A", last="B", title="old")
        del ma.rows["people"][dead]
        moved(ma, {dead: alive})
        for number in range(5):
            crm.edit("people", here, title=f"T{number}")
            await calm(hub, clock, 2)
            assert ma.row("people", alive)["title"] == f"T{number}"
        assert [write.id for write in ma.attempts if write.op == "update"].count(dead) == 1
        assert (ops(ma).count("create"), await people(pool)) == (1, 1)


@pytest.mark.parametrize("moves", [{"self": "self"}, {"self": "other", "other": "self"}, {"self": "nowhere"}])
async def test_an_answer_that_leads_in_circles_ends(pool: Pool, moves: dict[str, str]) -> None:
    """T-22: the system says the record moved to itself, to another that moved back, or to one that is not there: each
    id is tried once, and the record ends parked, not in a loop."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock, tombstones=False)
    here = crm.create("people", email="a@example.org", first="A", last="B")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        await calm(hub, clock, 2)
        ids = {"self": only(ma), "other": "ma-people-98", "nowhere": "ma-people-99"}
        del ma.rows["people"][ids["self"]]
        moved(ma, {ids[old]: ids[new] for old, new in moves.items()})
        for number in range(6):
            crm.edit("people", here, title=f"T{number}")
            await calm(hub, clock, 2)
        tried = [write.id for write in ma.attempts if write.op == "update"]
        assert len(tried) == len(set(tried))
        assert {state for state, _ in (await states(pool, hub, "ma")).values()} == {"excluded"}


@pytest.mark.parametrize("address", ["office@acme.example", "Biuro+pl@acme.example", "reception@hotel.example"])
async def test_a_role_address_identifies_nobody_alone(pool: Pool, address: str) -> None:
    """T-27: several people write from one role address: none of them is merged with another; only the same name at the
    same role address is the same person."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    crm.create("people", email=address, first="Anna", last="Nowak")
    crm.create("people", email=address, first="Jan", last="Kos")
    ma.create("people", email=address, first="", last="")
    ma.create("people", email=address, first="Jan", last="Kos", title="Boss")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        await calm(hub, clock, 3)
        assert crm.row("people", only(crm, first="Jan"))["title"] == "Boss"
        assert await people(pool) == 3


async def test_a_blocked_value_identifies_nobody(pool: Pool) -> None:
    """T-27: an address the project has blocked (a shared mailbox) ties nobody, not even under one name; the same two
    records under any other address would be one."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    for address in ("family@example.org", "own@example.org"):
        crm.create("people", email=address, first="A", last="Smith")
        ma.create("people", email=address, first="A", last="Smith")
    blocked = IdentityRules(keys=DEFAULT_RULES["person"].keys, blocked=frozenset({"family@example.org"}))
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, identity={"person": blocked}) as hub:
        await calm(hub, clock, 2)
        shared = "SELECT count(*) FROM golden WHERE fields->>'email' = %(e)s"
        assert await rows(pool, shared, e="family@example.org") == [(2,)]
        assert await rows(pool, shared, e="own@example.org") == [(1,)]


async def test_strangers_at_one_mailbox_stay_apart(pool: Pool) -> None:
    """T-27: a couple shares a mailbox and a telephone; a third system knows the mailbox without a name. Nobody is
    merged: where more than one person could be meant nobody is, and the suspicion waits for a person."""
    clock = FakeClock()
    toys = {name: Toy(name, clock) for name in ("crm", "ma", "shop")}
    shared: dict[str, Any] = {"email": "home@example.org", "phone": "+48 22 1234567"}
    toys["crm"].create("people", **shared, first="Anna", last="Nowak", opted_out=True)
    toys["ma"].create("people", **shared, first="Jan", last="Kos", title="Jan's")
    async with hub_of(pool, clock, toys, people=PERSON) as hub:
        await calm(hub, clock, 3)
        toys["shop"].create("people", email="home@example.org", title="nobody's")
        await calm(hub, clock, 3)
        titles = {row["first"]: row.get("title") for row in toys["crm"].rows["people"].values() if row.get("first")}
        assert titles == {"Anna": None, "Jan": "Jan's"}
        assert (await status(pool, hub.setup)).suspicions >= 2
        assert await people(pool) == 3
