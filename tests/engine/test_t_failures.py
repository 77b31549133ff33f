"""Failing rows: run results, one state a record, isolation, retries by class, row locks (T-62 … T-65, T-69)."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

import pytest

from tests.engine.toy import Toy
from tests.engine.world import LISTS, calm, hub_of, only, ops, rows, states
from zgoda.app import Store, Synced, sync_once
from zgoda.db.database import Pool
from zgoda.db.database import ids as batch_ids
from zgoda.kit.errors import Attention, ConnectorError, NeedsAttention, Quota, Refusal, RefusalKind, Temporary
from zgoda.kit.spec import Write
from zgoda.model.clock import FakeClock
from zgoda.sync.brake import Brakes
from zgoda.sync.cycle import Hub
from zgoda.sync.desk import SQL
from zgoda.sync.reconcile import reconcile
from zgoda.sync.repair import redeliver, resume
from zgoda.sync.report import list_deliveries, status

STATES = {"in sync", "pending", "excluded", "failing", "held", "erased"}


async def synced(hub: Hub, *, full: bool = False) -> Synced:
    """One run as the command line makes it."""
    store = Store(
        project=cast("Any", None), pool=cast("Pool", hub.db), setup=hub.setup, clock=hub.clock, chance=hub.chance
    )
    return await sync_once(store, hub, full=full)


def refusing(
    *ids: str, kind: RefusalKind = RefusalKind.REJECTED, code: str = "BAD_ROW"
) -> Callable[[Write], Refusal | None]:
    """Records (by e-mail) the system refuses."""

    def refuse(write: Write) -> Refusal | None:
        if write.values.get("email") in ids or write.id in ids:
            return Refusal(kind=kind, code=code, message="the provider's own words")
        return None

    return refuse


async def test_a_run_is_as_good_as_its_rows(pool: Pool) -> None:
    """T-62: a run all of whose rows fail is no green run; later runs neither skip nor forget these rows; they stay
    failing with the provider's words until one of them really lands."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    addresses = [f"p{i}@example.org" for i in range(5)]
    for address in addresses:
        crm.create("people", email=address, first=address[:2], last="X")
    ma.refuse = refusing(*addresses)
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        clock.advance(1)
        first = await synced(hub)
        assert first.result == "failing rows"
        assert (first.cycle.applied, first.cycle.refused) == (0, 5)
        for _ in range(3):
            clock.advance(60)
            await synced(hub)
            assert set((await states(pool, hub, "ma")).values()) == {("failing", "BAD_ROW: the provider's own words")}
        ma.refuse = refusing(*addresses[1:])
        await redeliver(hub.db, clock, None)
        clock.advance(60)
        last = await synced(hub)
        assert (last.cycle.applied, last.cycle.refused) == (1, 4)
        assert Counter(state for state, _ in (await states(pool, hub, "ma")).values()) == {"failing": 4, "in sync": 1}
        ma.refuse = lambda write: None
        await redeliver(hub.db, clock, None)
        clock.advance(60)
        assert (await synced(hub)).result == "ok"


async def test_a_later_run_is_not_green_while_rows_are_failing(pool: Pool) -> None:
    """T-62: the next run, which did nothing new, does not say "ok" while 5 records are still failing."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    crm.create("people", email="p@example.org", first="P", last="X")
    ma.refuse = refusing("p@example.org")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        clock.advance(1)
        assert (await synced(hub)).result == "failing rows"
        clock.advance(60)
        assert (await synced(hub)).result == "failing rows"


async def test_every_record_has_one_state_and_a_reason(pool: Pool) -> None:
    """T-63: in sync, pending, excluded and why, failing and why, held: one of them for every record in every system,
    in one world that has them all, and the counts of `status` add up to all records."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    names = ("fine", "filtered", "refused", "locked", "deleted", "unkeyed")
    ids = {
        name: crm.create(
            "people", email=None if name == "unkeyed" else f"{name}@example.org", first=name, last="X", title="t"
        )
        for name in names
    }
    crm.create("people", email="fine@example.org", first="fine", last="X", title="twin")
    bad, locked = (
        refusing("refused@example.org"),
        refusing("locked@example.org", kind=RefusalKind.TEMPORARY, code="LOCK"),
    )
    ma.refuse = lambda write: bad(write) or locked(write)
    per = {"ma": {"admits": lambda values: values.get("given_name") != "filtered"}}
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, on_delete="ask", per=per) as hub:
        await calm(hub, clock, 2)
        crm.delete("people", ids["deleted"])
        await calm(hub, clock, 2)
        people = dict(await rows(pool, "SELECT id, fields->>'given_name' FROM golden ORDER BY id"))
        there = await states(pool, hub, "ma")
        assert set(there) == set(people), "every record has a state in every system"
        assert {state for state, _ in there.values()} <= STATES
        assert all(reason for state, reason in there.values() if state in ("excluded", "failing", "held"))
        by_name: dict[str, set[str]] = {}
        for golden_id, (state, _) in there.items():
            by_name.setdefault(people[golden_id], set()).add(state)
        assert by_name == {
            "fine": {"in sync", "excluded"},
            "filtered": {"excluded"},
            "refused": {"failing"},
            "locked": {"failing"},
            "deleted": {"held"},
            "unkeyed": {"excluded"},
        }
        told = next(s for s in (await status(pool, hub.setup)).streams if s.connection == "ma")
        assert sum(told.states.values()) == len(people)


async def test_one_bad_row_of_two_hundred(pool: Pool) -> None:
    """T-64: 199 of 200 land in the first round; the bad one has its reason and is tried no more."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    for i in range(200):
        crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X")
    ma.refuse = refusing("p77@example.org")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        [cycle] = await calm(hub, clock, 1)
        assert len(ma.rows["people"]) == 199
        assert (cycle.applied, cycle.refused) == (199, 1)
        await calm(hub, clock, 5, full=True)
        assert len(ma.attempts) == 200
        assert Counter(s for s, _ in (await states(pool, hub, "ma")).values()) == {"in sync": 199, "failing": 1}


async def test_a_poison_row_that_fails_the_whole_call(pool: Pool) -> None:
    """T-64: a row on which the system's server trips (500 for the whole call of 20): its 19 neighbours land all the
    same within a few rounds, and only the poison row is left over."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    for i in range(200):
        crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X")

    def trip(writes: list[Write]) -> None:
        if any(write.values.get("email") == "p77@example.org" for write in writes):
            raise Temporary("the server failed")

    ma.before_call = trip
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        await calm(hub, clock, 12, step_s=900)
        assert len(ma.rows["people"]) == 199
        assert Counter(s for s, _ in (await states(pool, hub, "ma")).values()) == {"in sync": 199, "failing": 1}


async def test_data_rights_and_gone_are_not_retried_by_themselves(pool: Pool) -> None:
    """T-65: what will never work as it is (data, permission, gone) is written once, kept with its reason, and waits for
    a person; other changes of the record are a new try."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    kinds = {RefusalKind.REJECTED: 1, RefusalKind.RIGHTS: 1}
    for kind in kinds:
        crm.create("people", email=f"{kind.value}@example.org", first=kind.value, last="X")
    ma.refuse = lambda write: next(
        (Refusal(kind=k, code=k.name) for k in kinds if write.values.get("email", "").startswith(k.value)), None
    )
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        await calm(hub, clock, 30, step_s=3600)
        assert len(ma.attempts) == 2
        assert [d.state for d in await list_deliveries(pool, hub.setup, ("dead",), 10, 0)] == ["dead", "dead"]
        crm.edit("people", only(crm, first="rejected"), last="Y")
        await calm(hub, clock, 3)
        assert len(ma.attempts) == 3


@pytest.mark.parametrize(
    ("error", "most"),
    [
        pytest.param(Temporary("down"), 10, id="transient"),
        pytest.param(Quota("too many", retry_after_s=600), 400, id="quota"),
    ],
)
async def test_transient_and_quota_are_retried_with_an_end(pool: Pool, error: ConnectorError, most: int) -> None:
    """T-65: only transient failures and quotas are tried again by themselves: transient ones with growing pauses and at
    most 10 times, quotas as often as the system itself said; nothing is lost: after the end of the trouble it lands."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    crm.create("people", email="a@example.org", first="A", last="B")
    calls: list[float] = []

    def fail(writes: list[Write]) -> None:
        calls.append(clock.monotonic_s())
        raise error

    ma.before_call = fail
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        await calm(hub, clock, 100, step_s=60)
        assert 2 <= len(calls) <= most
        if isinstance(error, Quota):
            assert min(b - a for a, b in itertools.pairwise(calls)) >= 600
        else:
            assert [state for state, _ in (await states(pool, hub, "ma")).values()] == ["failing"]
            assert (await status(pool, hub.setup)).dead == 1, "given up after so many tries: a dead letter"
        ma.before_call = lambda writes: None
        await redeliver(hub.db, clock, None)
        await calm(hub, clock, 12, step_s=60)
        assert ops(ma) == ["create"]


async def test_a_permission_lost_for_the_whole_account_stops_and_keeps(pool: Pool) -> None:
    """T-65: refused credentials stop the connection after one call, keep the queue, tell one alert, and everything goes
    after `resume`; the other systems are not concerned."""
    clock = FakeClock()
    crm, ma, shop = (Toy(name, clock) for name in ("crm", "ma", "shop"))
    calls: list[int] = []

    def refuse(writes: list[Write]) -> None:
        calls.append(len(writes))
        raise NeedsAttention(Attention.CREDENTIALS, "the credentials were refused")

    ma.before_call = refuse
    async with hub_of(pool, clock, {"crm": crm, "ma": ma, "shop": shop}) as hub:
        for i in range(60):
            crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X")
        await calm(hub, clock, 15)
        assert len(calls) <= 4, "one round of calls side by side, then quiet"
        assert len(shop.rows["people"]) == 60
        told = await status(pool, hub.setup)
        assert [c.status for c in told.connections] == ["active", "needs_attention", "active"]
        assert Counter(s for s, _ in (await states(pool, hub, "ma")).values()) == {"pending": 60}
        ma.before_call = lambda writes: None
        source = hub.setup.find("ma", "people")
        assert source is not None
        await resume(hub.db, clock, "ma", [source.id])
        await calm(hub, clock, 2)
        assert len(ma.rows["people"]) == 60


@pytest.mark.parametrize("kind", [Attention.RIGHTS, Attention.SCHEMA])
async def test_a_permission_lost_for_one_stream_is_not_tried_for_ever(pool: Pool, kind: Attention) -> None:
    """T-65: one object may not be written any more: it is tried a few times at most, not in every round of the day."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    calls: list[int] = []

    def refuse(writes: list[Write]) -> None:
        calls.append(len(writes))
        raise NeedsAttention(kind, "not allowed for people", stream="people")

    ma.before_call = refuse
    crm.create("people", email="a@example.org", first="A", last="B")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        await calm(hub, clock, 40)
        assert len(calls) <= 10


async def test_one_cause_is_one_alert(pool: Pool) -> None:
    """T-65: 150 rows refused for one reason are one line with a count, not 150 messages."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    ids = [crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X", title="old") for i in range(150)]
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, brakes=Brakes(change_floor=1000)) as hub:
        await calm(hub, clock, 2)
        ma.refuse = refusing(*ma.rows["people"])
        for id in ids:
            crm.edit("people", id, title="new")
        await calm(hub, clock, 3)
        told = next(s for s in (await status(pool, hub.setup)).streams if s.connection == "ma")
        assert told.reasons == {"failing: BAD_ROW: the provider's own words": 150}


async def test_row_locks_back_off_with_jitter(pool: Pool) -> None:
    """T-69: rows locked by somebody's long transaction: each is tried once a round, later and later and not all at the
    same moment, and all of them land when the lock is gone, without a person."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    ids = [crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X", title="old") for i in range(80)]
    ids = ids[:30]
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        await calm(hub, clock, 2)
        tried: dict[str, list[float]] = {}

        def locked(write: Write) -> Refusal:
            tried.setdefault(write.id, []).append(clock.monotonic_s())
            return Refusal(kind=RefusalKind.TEMPORARY, code="UNABLE_TO_LOCK_ROW", message="row lock")

        ma.refuse = locked
        for id in ids:
            crm.edit("people", id, title="new")
        await calm(hub, clock, 1)
        assert {len(times) for times in tried.values()} == {1}, "not at once again"
        due = [d for (d,) in await rows(pool, "SELECT due_us FROM delivery WHERE state = 'failing'")]
        assert len(set(due)) > 0.6 * len(due), "jitter"
        await calm(hub, clock, 90, step_s=2)
        per_row = [len(times) for times in tried.values()]
        assert max(per_row) <= 10
        gaps = [(times[1] - times[0], times[-1] - times[-2]) for times in tried.values() if len(times) > 4]
        assert len(gaps) > 10
        assert sum(late for _, late in gaps) > 2 * sum(early for early, _ in gaps), "later and later"
        ma.refuse = lambda write: None
        await calm(hub, clock, 20, step_s=60)
        assert len(ma.find("people", title="new")) == 30
        assert len([row for _, op, _, row in ma.writes if op == "update"]) == 30


async def test_failing_rows_of_one_stream_leave_the_others_alone(pool: Pool) -> None:
    """T-64: lists that cannot be written do not keep people from landing in the same run."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    crm.create("lists", name="Broken")
    crm.create("people", email="a@example.org", first="A", last="B")
    ma.refuse = lambda write: Refusal(kind=RefusalKind.REJECTED, code="NO") if write.values.get("name") else None
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, more=LISTS) as hub:
        await calm(hub, clock, 1)
        assert (ops(ma), ops(ma, "lists")) == (["create"], [])


async def test_reconcile_and_settle_take_their_locks_in_one_order(pool: Pool) -> None:
    """T-62, I-01: a receipt is settled (golden record locked, then noted to be thought over again) while reconciling
    thinks over the very same record: one waits for the other, none of them dies of a deadlock."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    crm.create("people", email="a@example.org", first="A", last="B")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        await calm(hub, clock, 2)
        [golden_id] = await states(pool, hub, "ma")
        async with pool.transaction() as tx:
            await tx.run(SQL["put_replan"], {"ids": batch_ids([golden_id]), "backfill": False})
        async with pool.transaction() as tx:
            await tx.rows(SQL["lock_golden"], {"ids": batch_ids([golden_id])})
            thinking = asyncio.ensure_future(reconcile(hub.db, hub.setup, clock, "person"))
            while not await rows(pool, "SELECT 1 FROM pg_locks WHERE NOT granted"):
                assert not thinking.done()
            await tx.run(SQL["put_replan"], {"ids": batch_ids([golden_id]), "backfill": False})
        await asyncio.wait_for(thinking, 5)
