"""Writing to a database: batches with partial success, locks, blanks, refusals that name their column, lost answers."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.connectors.sql.conftest import PEOPLE, Desk, Opener, Place

from zgoda.kit.errors import RefusalKind
from zgoda.kit.spec import Lookup, Op, Receipt, Write


def kind_of(receipt: Receipt) -> RefusalKind | None:
    return receipt.refusal.kind if receipt.refusal else None


def write(key: str, op: Op, id: str = "", expected: str = "", **values: Any) -> Write:
    return Write(key=key, op=op, id=id, values=values, expected=expected)


async def test_a_mixed_batch(place: Place, desk: Desk) -> None:
    old, gone = place.add(email="old@example.org", given_name="Old"), place.add(email="gone@example.org")
    receipts = await desk.write(
        write("c1", "create", email="żółw@example.org", given_name="Żółw", family_name="x"),
        write("u", "update", old, given_name="New"),
        write("d", "delete", gone),
        write("c2", "create", email="two@example.org", score=3),
    )
    assert all(receipt.refusal is None for receipt in receipts.values())
    assert place.row(receipts["c1"].id, "email", "given_name", "family_name") == ("żółw@example.org", "Żółw", "x")
    assert place.row(receipts["c2"].id, "email", "score", "family_name") == ("two@example.org", 3, "?")
    assert place.row(old, "email", "given_name") == ("old@example.org", "New")
    assert bool(place.row(gone, "gone")[0])


async def test_ids_belong_to_their_rows(place: Place, desk: Desk) -> None:
    """T-45: a batch of creates gives each its own id, whatever defaults are taken."""
    writes = [
        write(str(n), "create", email=f"p{n}@example.org", **({"family_name": "F"} if n % 3 else {}))
        for n in range(200)
    ]
    receipts = await desk.write(*writes)
    held = {str(id): email for id, email in place.run("SELECT id, email FROM people")}
    assert all(held[receipts[str(n)].id] == f"p{n}@example.org" for n in range(200))


async def test_199_of_200_land(place: Place, desk: Desk) -> None:
    """T-64."""
    place.add(email="p77@example.org")
    receipts = await desk.write(*(write(str(n), "create", email=f"p{n}@example.org") for n in range(200)))
    refused = {key: receipt for key, receipt in receipts.items() if receipt.refusal}
    assert list(refused) == ["77"]
    assert kind_of(refused["77"]) is RefusalKind.EXISTS
    assert place.run("SELECT count(*) FROM people") == [(200,)]


@pytest.mark.parametrize(
    ("values", "kind", "field"),
    [
        ({"score": -1}, RefusalKind.REJECTED, "score"),
        ({"family_name": None}, RefusalKind.REJECTED, "family_name"),
        ({"lifecycle_stage": "emperor"}, RefusalKind.REJECTED, "lifecycle_stage"),
        ({"score": "many"}, RefusalKind.REJECTED, "score"),
        ({"score": 2**70}, RefusalKind.REJECTED, "score"),
        ({"given_name": "x" * 21}, RefusalKind.REJECTED, "given_name"),
        ({"amount": "1.005"}, RefusalKind.REJECTED, "amount"),
        ({"amount": "99999999999"}, RefusalKind.REJECTED, "amount"),
        ({"birth_date": "2026-02-30"}, RefusalKind.REJECTED, "birth_date"),
        ({"birth_date": "2026-02-03T10:00:00Z"}, RefusalKind.REJECTED, "birth_date"),
        ({"seen_at": "2026-02-03"}, None, ""),
        ({"vip": "maybe"}, RefusalKind.REJECTED, "vip"),
        ({"given_name": "a\0b"}, RefusalKind.REJECTED, "given_name"),
        ({"given_name": "\ud800"}, RefusalKind.REJECTED, "given_name"),
        ({"doc": {"a": 1}}, RefusalKind.REJECTED, "doc"),
        ({"shout": "X"}, RefusalKind.RIGHTS, "shout"),
        ({"version": 9}, RefusalKind.RIGHTS, "version"),
        ({"nonsense": "x"}, RefusalKind.REJECTED, "nonsense"),
        ({"email": "taken@example.org"}, RefusalKind.REJECTED, "email"),
    ],
)
async def test_a_refusal_names_the_column_and_no_value(
    place: Place, desk: Desk, values: dict[str, Any], kind: RefusalKind | None, field: str
) -> None:
    place.add(email="taken@example.org")
    id, other = place.add(email="secret-person@example.org"), place.add(email="o@example.org")
    receipts = await desk.write(
        Write(key="bad", op="update", id=id, values=values), write("good", "update", other, given_name="Ok")
    )
    assert place.row(other, "given_name") == ("Ok",)
    assert kind_of(receipts["bad"]) is kind
    if kind is not None:
        refusal = receipts["bad"].refusal
        assert refusal is not None
        assert refusal.fields == (field,)
        assert refusal.message
        told = f"{refusal.message} {refusal.code}"
        assert not any(str(value) in told for value in values.values() if value is not None and str(value))


async def test_a_create_that_exists_names_the_row(place: Place, desk: Desk) -> None:
    id = place.add(email="a@example.org")
    receipt = (await desk.write(write("k", "create", email="a@example.org")))["k"]
    assert kind_of(receipt) is RefusalKind.EXISTS
    assert receipt.refusal is not None
    assert receipt.refusal.moved_to == id
    assert receipt.refusal.fields == ("email",)


async def test_clearing_a_field(place: Place, desk: Desk) -> None:
    """T-31."""
    id = place.add(email="a@example.org", given_name="A", birth_date="1990-01-01")
    assert (await desk.update(id, given_name=None, birth_date=None)).refusal is None
    assert place.row(id, "given_name", "birth_date", "email") == (None, None, "a@example.org")


async def test_a_write_relies_on_the_version_it_read(place: Place, desk: Desk) -> None:
    id = place.add(email="a@example.org")
    [row] = (await desk.ids(id)).rows
    place.run("UPDATE people SET given_name = 'Theirs' WHERE id = ?", int(id))
    stale = await desk.update(id, expected=row["@version"], given_name="Ours")
    assert kind_of(stale) is RefusalKind.STALE
    gone = (await desk.write(write("d", "delete", id, expected=row["@version"])))["d"]
    assert kind_of(gone) is RefusalKind.STALE
    assert place.row(id, "given_name") == ("Theirs",)
    [row] = (await desk.ids(id)).rows
    assert (await desk.update(id, expected=row["@version"], given_name="Ours")).refusal is None
    assert place.row(id, "given_name") == ("Ours",)


async def test_the_stamp_is_a_version_too(place: Place, desk_of: Opener) -> None:
    place.people()
    desk = await desk_of(place, {"people": {**PEOPLE, "version": ""}})
    id = place.add(
        email="a@example.org",
        updated_at="2026-01-02 03:04:05.678+00" if place.is_postgres else "2026-01-02 03:04:05.678",
    )
    [row] = (await desk.ids(id)).rows
    assert (await desk.update(id, expected=row["@version"], given_name="Ours")).refusal is None
    assert kind_of(await desk.update(id, expected=row["@version"], given_name="Again")) is RefusalKind.STALE


async def test_what_is_not_there(place: Place, desk: Desk) -> None:
    gone = place.add(email="a@example.org", gone=True)
    receipts = await desk.write(
        write("none", "update", "4242", given_name="x"),
        write("odd", "update", "no number", given_name="x"),
        write("marked", "update", gone, given_name="x"),
        write("delete", "delete", "4243"),
        write("empty", "create"),
    )
    kinds = {key: kind_of(receipt) for key, receipt in receipts.items()}
    assert kinds == {
        **dict.fromkeys(("none", "odd", "marked", "delete"), RefusalKind.GONE),
        "empty": RefusalKind.REJECTED,
    }


async def test_two_writes_to_one_row_come_in_their_order(place: Place, desk: Desk) -> None:
    id = place.add(email="a@example.org")
    await desk.write(
        write("1", "update", id, given_name="First", score=1), write("2", "update", id, given_name="Second")
    )
    assert place.row(id, "given_name", "score") == ("Second", 1)


async def test_a_real_delete(place: Place, desk_of: Opener) -> None:
    place.people()
    desk = await desk_of(place, {"people": {**PEOPLE, "deleted": ""}})
    id, held = place.add(email="a@example.org"), place.add(email="b@example.org")
    place.run("CREATE TABLE orders (id integer PRIMARY KEY, person bigint REFERENCES people (id))")
    place.run("INSERT INTO orders VALUES (1, ?)", int(held))
    receipts = await desk.write(write("d", "delete", id), write("held", "delete", held))
    assert receipts["d"].refusal is None
    assert kind_of(receipts["held"]) is RefusalKind.REJECTED
    assert [str(id) for (id,) in place.run("SELECT id FROM people")] == [held]


async def test_a_deferred_rule_concerns_its_row_only(place: Place, desk_of: Opener) -> None:
    place.run("CREATE TABLE firms (id integer PRIMARY KEY, name text)")
    place.run(
        "CREATE TABLE staff (id integer PRIMARY KEY, name text,"
        " firm integer REFERENCES firms (id) DEFERRABLE INITIALLY DEFERRED)"
    )
    desk = await desk_of(place, {"staff": {"entity": "person", "writable": ["id", "name", "firm"]}})
    receipts = await desk.write(
        Write(key="a", op="create", values={"id": 1, "name": "A"}),
        Write(key="b", op="create", values={"id": 2, "name": "B", "firm": 99}),
        name="staff",
    )
    assert receipts["a"].id == "1"
    assert kind_of(receipts["b"]) is RefusalKind.REJECTED
    assert place.run("SELECT id FROM staff") == [(1,)]


async def test_a_row_somebody_holds_is_left_for_later(postgres: Place, desk_of: Opener) -> None:
    """T-69."""
    postgres.people()
    desk = await desk_of(postgres)
    held, free = postgres.add(email="a@example.org"), postgres.add(email="b@example.org")
    with psycopg.connect(postgres.url) as other:
        other.execute("UPDATE people SET score = 1 WHERE id = %s", [int(held)])
        receipts = await desk.write(
            write("h", "update", held, given_name="x"), write("f", "update", free, given_name="x")
        )
        other.rollback()
    assert kind_of(receipts["h"]) is RefusalKind.TEMPORARY
    assert receipts["h"].refusal is not None
    assert receipts["h"].refusal.code == "row_locked", "nobody waited for it"
    assert receipts["f"].refusal is None
    assert postgres.row(free, "given_name") == ("x",)


async def test_a_trigger_may_ignore_or_object(postgres: Place, desk_of: Opener) -> None:
    postgres.people()
    postgres.run(
        "CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
        " IF NEW.given_name = 'ignore' THEN RETURN NULL; END IF;"
        " IF NEW.given_name = 'object' THEN RAISE EXCEPTION 'no %', NEW.email USING COLUMN = 'given_name'; END IF;"
        " RETURN NEW; END$$;"
        "CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON people FOR EACH ROW EXECUTE FUNCTION guard()"
    )
    desk = await desk_of(postgres)
    id = postgres.add(email="a@example.org")
    receipts = await desk.write(
        write("1", "create", email="1@example.org", given_name="ignore"),
        write("2", "create", email="2@example.org", given_name="object"),
        write("3", "create", email="3@example.org", given_name="fine"),
        write("4", "update", id, given_name="ignore"),
    )
    codes = {key: receipt.refusal.code for key, receipt in receipts.items() if receipt.refusal}
    assert codes == {"1": "not_inserted", "2": "P0001", "4": "not_applied"}
    objection = receipts["2"].refusal
    assert objection is not None
    assert objection.fields == ("given_name",)
    assert "2@example.org" not in str(objection)
    assert postgres.row(receipts["3"].id, "email") == ("3@example.org",)


async def test_a_batch_is_one_statement(postgres: Place, desk_of: Opener) -> None:
    """Counted by a statement trigger: 100 updates of different columns and 100 creates are one statement each."""
    postgres.people()
    postgres.run(
        "CREATE TABLE counted (op text);"
        "CREATE FUNCTION count_it() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN INSERT INTO counted VALUES (TG_OP); RETURN NULL; END$$;"
        "CREATE TRIGGER counting AFTER INSERT OR UPDATE ON people FOR EACH STATEMENT EXECUTE FUNCTION count_it()"
    )
    desk = await desk_of(postgres)
    creates = [write(f"c{n}", "create", email=f"c{n}@example.org") for n in range(100)]
    ids = {key: receipt.id for key, receipt in (await desk.write(*creates)).items()}
    updates = [
        write(f"u{n}", "update", ids[f"c{n}"], **{("given_name", "score")[n % 2]: n if n % 2 else "x"})
        for n in range(100)
    ]
    await desk.write(*updates)
    assert postgres.run("SELECT op FROM counted") == [("INSERT",), ("UPDATE",)]
    assert postgres.run("SELECT count(*) FROM people WHERE score IS NULL AND given_name = 'x'") == [(50,)]


async def test_finding_a_create_whose_answer_was_lost(place: Place, desk: Desk) -> None:
    first = await desk.create(email="a@example.org", given_name="A")
    await desk.create(email="b@example.org", given_name="A")
    find = desk.stream().find
    assert find is not None
    lookups = [
        Lookup(key="1", values={"email": "a@example.org", "given_name": "Other"}),
        Lookup(key="2", values={"email": "c@example.org"}),
        Lookup(key="3", values={}),
    ]
    assert await find(desk.session, lookups) == {"1": first}


async def test_finding_without_a_key_goes_by_all_that_was_sent(place: Place, desk: Desk) -> None:
    place.add(given_name="A", family_name="B", score=1)
    id = place.add(given_name="A", family_name="B")
    place.run("UPDATE people SET score = 2 WHERE id = ?", int(id))
    find = desk.stream().find
    assert find is not None
    values = {"given_name": "A", "family_name": "B", "score": 2}
    assert await find(desk.session, [Lookup(key="k", values=values)]) == {"k": id}


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=TEXTS,
    amount=st.decimals("-9999999999.99", "9999999999.99", places=2),
    score=st.integers(0, 2**31 - 1),
    day=st.dates(),
    moment=st.datetimes(min_value=datetime(1900, 1, 1)),  # noqa: DTZ001 - drawn without a zone
    vip=st.booleans(),
    keywords=st.lists(TEXTS.filter(lambda text: bool(text.strip())), min_size=1, max_size=4),
)
async def test_what_is_written_is_read_back(place: Place, desk: Desk, **drawn: Any) -> None:
    """T-37 and exact decimals: a round trip is the identity, for both databases."""
    sent = {
        "given_name": drawn["text"],
        "amount": format(drawn["amount"].normalize() + 0, "f"),
        "score": drawn["score"],
        "birth_date": drawn["day"].isoformat(),
        "seen_at": drawn["moment"].isoformat() + "Z",
        "vip": drawn["vip"],
        "keywords": sorted(set(drawn["keywords"])),
    }
    id = await desk.create(**sent)
    [row] = (await desk.ids(id, fields=tuple(sent))).rows
    assert Decimal(row.pop("amount")) == Decimal(sent.pop("amount"))
    assert {name: row[name] for name in sent} == sent


async def test_a_busy_file_is_temporary(sqlite: Place, desk_of: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    from zgoda.connectors.sql import sqlite as store
    from zgoda.kit.errors import Temporary

    monkeypatch.setattr(store, "BUSY_S", 0.05)
    sqlite.people()
    desk = await desk_of(sqlite)
    id = await desk.create(email="a@example.org")
    assert sqlite.path is not None
    with closing(sqlite3.connect(sqlite.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Temporary) as caught:
            await desk.update(id, given_name="x")
        assert not caught.value.executed
        assert len((await desk.ids(id)).rows) == 1, "readers need not wait (WAL)"
        other.execute("ROLLBACK")
    assert (await desk.update(id, given_name="x")).refusal is None
