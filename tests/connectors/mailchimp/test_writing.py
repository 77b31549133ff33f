"""Writing members: creates, changes, archiving, erasing; what is refused, and what a failure half way leaves."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from zgoda.connectors.mailchimp import CONNECTOR
from zgoda.connectors.mailchimp.exchange import hash_of
from zgoda.kit.connection import open_connection
from zgoda.kit.errors import NeedsAttention, Quota, RefusalKind, Temporary
from zgoda.kit.spec import Lookup, Write
from zgoda.model.clock import FakeClock

from .conftest import Desk, Opener


def new(key: str, email: str, **values: Any) -> Write:
    return Write(key=key, op="create", values={"email_address": email, **values})


def change(key: str, id: str, **values: Any) -> Write:
    return Write(key=key, op="update", id=id, values=values)


async def test_of_500_creates_the_good_ones_land(desk: Desk):
    taken = desk.user_adds("known@x.example")
    writes = [new(f"k{n}", f"p{n}@x.example", merge_fields={"FNAME": "Łucja", "LNAME": "李"}) for n in range(496)]
    writes += [
        new("bad", "no address"),
        new("known", "KNOWN@x.example"),
        new("none", ""),
        new("twin", "P0@x.example"),
    ]
    before = desk.twin.state()["requests"]
    receipts = await desk.write("members", *writes)
    assert desk.twin.state()["requests"] - before == 2
    assert sum(r.refusal is None for r in receipts.values()) == 496
    refusals = {key: r.refusal for key, r in receipts.items() if r.refusal}
    assert {key: refusal.kind for key, refusal in refusals.items()} == {
        "bad": RefusalKind.REJECTED,
        "known": RefusalKind.EXISTS,
        "none": RefusalKind.REJECTED,
        "twin": RefusalKind.EXISTS,
    }
    assert refusals["known"].moved_to == taken
    assert refusals["twin"].moved_to == receipts["k0"].id
    assert refusals["bad"].fields == ("email_address",)
    stored = receipts["k7"].stored
    assert stored is not None
    assert stored["merge_fields"]["LNAME"] == "李"
    assert desk.member(receipts["k7"].id)["merge_fields"]["FNAME"] == "Łucja"
    assert desk.member(taken)["merge_fields"]["FNAME"] == ""


@pytest.mark.parametrize(
    ("consent", "status"),
    [("granted", "subscribed"), ("withdrawn", "unsubscribed"), ("unknown", "transactional"), (None, "transactional")],
)
async def test_consent_travels_in_the_create(desk: Desk, consent: str | None, status: str):
    values = {"email": "a@b.example", "given_name": "Ann", "consent:email:marketing": consent}
    row, faults = desk.mapping("members").write(values, creating=True)
    assert faults == []
    id = await desk.create("members", **row)
    assert desk.member(id)["status"] == status
    assert [write.operation for write in desk.twin.writes()] == ["create"]


async def test_a_create_never_subscribes_without_consent_nor_overwrites_one(desk: Desk):
    id = await desk.create("members", email_address="a@b.example")
    assert desk.member(id)["status"] == "transactional"
    loyal = desk.user_adds("loyal@b.example")
    receipt = (await desk.write("members", new("k", "loyal@b.example")))["k"]
    assert receipt.refusal is not None
    assert receipt.refusal.kind is RefusalKind.EXISTS
    assert desk.member(loyal)["status"] == "subscribed"


async def test_pending_is_only_written_when_asked_for(desk: Desk, opener: Opener):
    id = await desk.create("members", email_address="a@b.example", status="pending")
    assert desk.member(id)["status"] == "transactional"
    receipt = (await desk.write("members", change("k", id, status="pending")))["k"]
    assert receipt.refusal is not None
    assert receipt.refusal.fields == ("status",)
    willing = await opener(double_opt_in=True)
    id = await willing.create("members", email_address="c@d.example", status="pending")
    assert desk.member(id)["status"] == "pending"


async def test_an_address_changed_meanwhile_makes_no_second_member(desk: Desk):
    id = desk.user_adds("old@x.example")
    desk.twin.edit("update", email="old@x.example", values={"email_address": "moved@x.example"})
    receipt = (await desk.write("members", change("k", id, merge_fields={"FNAME": "Eve"})))["k"]
    assert receipt.id == id
    assert [(row["email_address"], row["merge_fields"]["FNAME"]) for row in desk.members()] == [
        ("moved@x.example", "Eve")
    ]


async def test_our_change_of_address_keeps_the_id(desk: Desk):
    id = desk.user_adds("old@x.example", merge_fields={"FNAME": "Eve"})
    receipt = (await desk.write("members", change("k", id, email_address="new@x.example")))["k"]
    assert receipt.refusal is None
    assert receipt.id == id
    assert receipt.version
    assert desk.member(id)["email_address"] == "new@x.example"
    assert len(desk.members()) == 1


async def test_a_field_can_be_cleared_and_the_consent_stays(desk: Desk):
    id = desk.user_adds("a@b.example", merge_fields={"FNAME": "Ann", "LNAME": "Bee", "PHONE": "1"})
    row, _ = desk.mapping("members").write({"given_name": None, "telephone": None}, creating=False)
    await desk.write("members", change("k", id, **row))
    fields = desk.member(id)["merge_fields"]
    assert (fields["FNAME"], fields["LNAME"], fields["PHONE"]) == ("", "Bee", "")
    assert desk.member(id)["status"] == "subscribed"


async def test_who_opted_out_cannot_be_subscribed_again(desk: Desk):
    out, bounced = desk.user_adds("out@x.example"), desk.user_adds("bounced@x.example")
    desk.twin.edit("unsubscribe", email="out@x.example")
    desk.twin.edit("clean", email="bounced@x.example")
    receipts = await desk.write(
        "members", change("out", out, status="subscribed"), change("bounced", bounced, status="subscribed")
    )
    for receipt in receipts.values():
        assert receipt.refusal is not None
        assert receipt.refusal.kind is RefusalKind.REJECTED
        assert receipt.refusal.code == "Member In Compliance State"
        assert receipt.refusal.fields == ("status",)
    assert desk.member(out)["status"] == "unsubscribed"
    assert desk.member(bounced)["status"] == "cleaned"


async def test_who_opted_out_is_not_even_asked_for(desk: Desk):
    """Mailchimp itself would subscribe again whom an admin or the API had unsubscribed."""
    out, archived, pending = (desk.user_adds(f"{name}@x.example") for name in ("out", "archived", "pending"))
    await desk.write("members", change("out", out, status="unsubscribed"))
    desk.twin.edit("archive", email="archived@x.example")
    desk.twin.edit("update", email="pending@x.example", values={"status": "pending"})
    last = desk.twin.writes()[-1].n
    granted = {"status": "subscribed", "merge_fields": {"FNAME": "New"}}
    receipts = await desk.write("members", *(change(id, id, **granted) for id in (out, archived, pending)))
    kinds = {key: r.refusal.kind if r.refusal else None for key, r in receipts.items()}
    assert kinds == {out: RefusalKind.REJECTED, archived: RefusalKind.GONE, pending: None}
    assert [write.id for write in desk.twin.writes(since=last)] == [hash_of("pending@x.example")]
    assert [desk.member(id)["status"] for id in (out, archived, pending)] == ["unsubscribed", "archived", "subscribed"]


async def test_a_batch_that_is_refused_whole_goes_one_by_one(desk: Desk):
    taken = desk.user_adds("taken@x.example")
    desk.twin.edit("forget", email=desk.member(desk.user_adds("erased@x.example"))["email_address"])
    desk.twin.limit("off", batch_size=3)
    writes = [new(f"k{n}", f"p{n}@x.example") for n in range(4)]
    receipts = await desk.write("members", *writes, new("taken", "taken@x.example"), new("erased", "erased@x.example"))
    refusals = {key: r.refusal for key, r in receipts.items() if r.refusal}
    assert {key: (refusal.kind, refusal.moved_to) for key, refusal in refusals.items()} == {
        "taken": (RefusalKind.EXISTS, taken),
        "erased": (RefusalKind.REJECTED, ""),
    }
    for write in writes:
        assert desk.member(receipts[write.key].id)["email_address"] == write.values["email_address"]


async def test_a_conflict_is_for_later(clock: FakeClock):
    async def conflict(request: web.Request) -> web.Response:
        problem = {"title": "Conflict", "status": 409, "detail": "a@b.example is being changed"}
        return web.json_response(problem, status=409, content_type="application/problem+json")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", conflict)
    async with TestServer(app) as server:
        settings = {"base_url": str(server.make_url("/3.0")), "api_key": "k-us1", "audience": "a1b2c3d4e5"}
        async with open_connection("news", CONNECTOR, settings, clock) as opened:
            write = opened.streams["members"].write
            assert write is not None
            [receipt] = await write(opened.session, [change("k", "0" * 32, merge_fields={"FNAME": "X"})])
    assert receipt.refusal is not None
    assert receipt.refusal.kind is RefusalKind.TEMPORARY
    assert "a@b.example" not in repr(receipt)


async def test_mixed_writes_give_a_receipt_each(desk: Desk):
    ann, bob, eve, cid = (desk.user_adds(f"{name}@x.example") for name in ("ann", "bob", "eve", "cid"))
    desk.twin.edit("archive", email="cid@x.example")
    receipts = await desk.write(
        "members",
        new("made", "dan@x.example"),
        change("changed", ann, merge_fields={"LNAME": "Nowak"}),
        change("taken", bob, email_address="ann@x.example"),
        change("gone", "0" * 32, merge_fields={"LNAME": "X"}),
        change("archived", cid, merge_fields={"LNAME": "X"}),
        Write(key="archive", op="delete", id=eve),
        Write(key="again", op="delete", id=cid),
        Write(key="absent", op="delete", id="1" * 32),
    )
    kinds = {key: r.refusal.kind if r.refusal else None for key, r in receipts.items()}
    assert kinds == {
        "made": None,
        "changed": None,
        "taken": RefusalKind.EXISTS,
        "gone": RefusalKind.GONE,
        "archived": RefusalKind.GONE,
        "archive": None,
        "again": None,
        "absent": RefusalKind.GONE,
    }
    taken = receipts["taken"].refusal
    assert taken is not None
    assert taken.moved_to == ann
    page = await desk.read_ids("members", eve)
    assert [removed.id for removed in page.removed] == [eve]


async def test_an_archived_member_comes_back_only_with_a_word_of_consent(desk: Desk):
    id = desk.user_adds("back@x.example")
    desk.twin.edit("archive", email="back@x.example")
    silent = (await desk.write("members", new("k", "back@x.example")))["k"]
    assert silent.refusal is not None
    assert silent.refusal.code == "archived"
    page = await desk.read_ids("members", id)
    assert page.removed
    receipt = (await desk.write("members", new("k", "back@x.example", status="subscribed")))["k"]
    assert receipt.refusal is None
    assert receipt.id == id
    assert desk.member(id)["status"] == "subscribed"


async def test_erasing_is_for_good(desk: Desk):
    id = desk.user_adds("gone@x.example")
    erase = desk.streams["members"].erase
    assert erase is not None
    first, second = [(await erase(desk.session, [id]))[0] for _ in range(2)]
    assert first.refusal is None
    assert second.refusal is not None
    assert second.refusal.kind is RefusalKind.GONE
    assert desk.members() == []
    receipt = (await desk.write("members", new("k", "gone@x.example", status="subscribed")))["k"]
    assert receipt.refusal is not None
    assert receipt.refusal.code == "Forgotten Email Not Subscribed"


async def test_a_create_whose_answer_was_lost_is_found(desk: Desk):
    desk.twin.arm("reset_after", method="POST", times=1)
    with pytest.raises(Temporary) as raised:
        await desk.write("members", new("k", "Lost@x.example"), new("other", "other@x.example"))
    assert raised.value.executed
    find = desk.streams["members"].find
    assert find is not None
    lookups = [Lookup(key=key, values={"email_address": f"{key}@x.example"}) for key in ("lost", "other", "never")]
    found = await find(desk.session, lookups)
    assert found == {row["email_address"].lower().partition("@")[0]: row["contact_id"] for row in desk.members()}
    assert found.keys() == {"lost", "other"}


async def test_a_failure_half_way_loses_no_receipt(desk: Desk):
    ids = [desk.user_adds(f"p{n}@x.example") for n in range(30)]
    desk.twin.arm("too_many_bare", method="PATCH", skip=12)
    receipts = await desk.write("members", *(change(id, id, merge_fields={"FNAME": "Done"}) for id in ids))
    done = {key for key, receipt in receipts.items() if receipt.refusal is None}
    assert done == {row["contact_id"] for row in desk.members() if row["merge_fields"]["FNAME"] == "Done"}
    assert len(done) == 12
    assert {r.refusal.kind for r in receipts.values() if r.refusal} == {RefusalKind.TEMPORARY}
    desk.twin.clear_faults()
    desk.twin.arm("too_many_bare", method="PATCH")
    with pytest.raises(Quota):
        await desk.write("members", change("k", ids[0], merge_fields={"FNAME": "X"}))


async def test_answers_that_leave_records_out_are_not_taken_for_done(desk: Desk):
    desk.twin.arm("results_short", method="POST", times=1)
    receipts = await desk.write("members", *(new(f"k{n}", f"p{n}@x.example") for n in range(6)))
    silent = [r for r in receipts.values() if r.refusal is not None]
    assert silent
    assert {r.refusal.kind for r in silent if r.refusal} == {RefusalKind.TEMPORARY}
    for receipt in receipts.values():
        if receipt.refusal is None:
            assert desk.member(receipt.id)["email_address"] == f"p{receipt.key[1:]}@x.example"


async def test_shuffled_results_find_their_writes(desk: Desk):
    desk.twin.arm("results_shuffled", method="POST", times=1)
    receipts = await desk.write("members", *(new(f"k{n}", f"p{n}@x.example") for n in range(20)))
    assert {key: desk.member(r.id)["email_address"] for key, r in receipts.items()} == {
        f"k{n}": f"p{n}@x.example" for n in range(20)
    }


async def test_a_refusing_rule_names_the_field(desk: Desk):
    id = desk.user_adds("a@b.example")
    desk.twin.arm("record_invalid", field="LNAME", message="Nowak is not welcome")
    receipts = await desk.write(
        "members", change("old", id, merge_fields={"LNAME": "Nowak"}), new("new", "c@d.example")
    )
    for receipt in receipts.values():
        assert receipt.refusal is not None
        assert receipt.refusal.kind is RefusalKind.REJECTED
        assert receipt.refusal.fields == ("merge_fields.LNAME",)
        assert "Nowak" not in repr(receipt)


async def test_no_writing_into_a_missing_audience(opener: Opener):
    desk = await opener(audience="ffffffffff")
    for write in (new("k", "a@b.example"), change("k", "0" * 32, merge_fields={"FNAME": "X"})):
        with pytest.raises(NeedsAttention):
            await desk.write("members", write)
    erase = desk.streams["members"].erase
    assert erase is not None
    with pytest.raises(NeedsAttention):
        await erase(desk.session, ["0" * 32])


async def test_interests_are_written_whole(desk: Desk):
    desk.twin.fill(40)
    person = next(row for row in desk.members() if any(row["interests"].values()))
    labels = (await desk.read_ids("members", person["contact_id"])).rows[0]["interests"]
    id = await desk.create("members", email_address="a@b.example", interests=labels)
    assert desk.member(id)["interests"] == person["interests"]
    await desk.write("members", change("k", id, interests=""))
    assert not any(desk.member(id)["interests"].values())
    receipt = (await desk.write("members", change("k", id, interests=["no such thing"])))["k"]
    assert receipt.refusal is not None
    assert receipt.refusal.fields == ("interests",)
