"""Reading a database: full, incremental, deleted, by id; page edges, equal stamps, late commits, crashes between pages."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from tests.connectors.sql.conftest import PEOPLE, Desk, Opener, Place, rows_of

from zgoda.kit.errors import Attention, NeedsAttention


def add_many(place: Place, count: int, start: int = 0) -> None:
    if place.is_postgres:
        place.run(
            "INSERT INTO people (email, updated_at) SELECT 'p' || n || '@example.org', '2026-01-02 03:04:05.678Z'"
            f" FROM generate_series({start}, {start + count - 1}) n"
        )
    else:
        place.run(
            f"WITH RECURSIVE s(n) AS (SELECT {start} UNION ALL SELECT n + 1 FROM s WHERE n < {start + count - 1})"
            " INSERT INTO people (email, updated_at) SELECT 'p' || n || '@example.org', '2026-01-02 03:04:05.678' FROM s"
        )


@pytest.mark.parametrize(("count", "size", "pages"), [(0, 3, 1), (2, 3, 1), (3, 3, 2), (7, 3, 3)])
async def test_full_read_has_page_edges(place: Place, desk: Desk, count: int, size: int, pages: int) -> None:
    if count:
        add_many(place, count)
    read = await desk.all(page_size=size)
    assert len(read) == pages
    assert [len(page.rows) for page in read] == [min(size, max(0, count - n * size)) for n in range(pages)]
    assert len(rows_of(read)) == count
    assert all(page.cursor is not None for page in read)


async def test_values_come_as_what_they_are(place: Place, desk: Desk) -> None:
    [keywords, doc] = (
        ["{b,a}", '{"n": 1.10, "tags": ["x"]}'] if place.is_postgres else ['["b","a"]', '{"n": 1.10, "tags": ["x"]}']
    )
    id = place.add(
        email="łucja@example.org",
        family_name='O\'Neil %s "x"',
        amount="1234567.10",
        birth_date="1990-02-28",
        seen_at="2026-03-29 01:30:00+00" if place.is_postgres else "2026-03-29 01:30:00",
        vip=True,
        keywords=keywords,
        doc=doc,
    )
    fields = (*PEOPLE["writable"], "shout", "doc.tags")
    [row] = (await desk.ids(id, fields=fields)).rows
    assert row["email"] == "łucja@example.org"
    assert row["shout"] == 'O\'NEIL %S "X"'
    assert float(row["amount"]) == 1234567.10
    assert isinstance(row["amount"], str)
    assert row["birth_date"] == "1990-02-28"
    assert row["seen_at"] == "2026-03-29T01:30:00Z"
    assert row["vip"] is True
    assert row["keywords"] == ["b", "a"]
    assert row["doc"] == {"n": "1.10", "tags": ["x"]}
    assert row["given_name"] is None
    assert row["@version"] == "1"
    mapped = desk.mapping().read(row)
    assert not mapped.faults
    assert mapped.values["keywords"] == ["a", "b"]


async def test_only_what_is_asked_for_is_read(place: Place, desk: Desk) -> None:
    place.add(email="a@example.org", family_name="A")
    [row] = rows_of(await desk.all(fields=("email",))).values()
    assert row.keys() == {"email", "@id", "@modified", "@version"}


async def test_full_read_resumes_after_a_crash(place: Place, desk: Desk) -> None:
    add_many(place, 8)
    whole = await desk.all(page_size=3)
    for stop in range(len(whole) - 1):
        rest = await desk.all(page_size=3, cursor=whole[stop].cursor)
        first = rows_of(whole[: stop + 1])
        assert first.keys() | rows_of(rest).keys() == rows_of(whole).keys()
        assert not first.keys() & rows_of(rest).keys()
        assert rest[-1].cursor == whole[-1].cursor


async def test_what_changes_during_a_full_read_comes_next(place: Place, desk: Desk) -> None:
    add_many(place, 5)
    read = desk.stream().read_all
    assert read is not None
    pages = read(desk.session, desk.reading("people", {"page_size": 2}))
    first = await anext(pages)
    place.run("UPDATE people SET family_name = 'New' WHERE id = ?", int(first.rows[0]["@id"]))
    rest = [page async for page in pages]
    changed = rows_of(await desk.changes(cursor=rest[-1].cursor))
    assert changed[first.rows[0]["@id"]]["family_name"] == "New"


async def test_25_000_equal_stamps_are_read_once_and_the_cursor_ends(place: Place, desk: Desk) -> None:
    """T-08."""
    add_many(place, 25_000)
    pages = await desk.changes(fields=("email",))
    ids = [row["@id"] for page in pages for row in page.rows]
    assert len(ids) == len(set(ids)) == 25_000
    assert max(len(page.rows) for page in pages) == 1000
    stop = pages[11].cursor
    rest = [row["@id"] for page in await desk.changes(fields=("email",), cursor=stop) for row in page.rows]
    assert rest == ids[12_000:], "a crash between pages misses nothing and repeats nothing"
    desk.clock.advance(61)
    again = await desk.changes(fields=("email",), cursor=pages[-1].cursor)
    assert not rows_of(await desk.changes(fields=("email",), cursor=again[-1].cursor)), "then all is quiet"


async def test_a_transaction_that_commits_late_is_not_missed(postgres: Place, desk_of: Opener) -> None:
    postgres.people()
    desk = await desk_of(postgres)
    with psycopg.connect(postgres.url) as slow:
        slow.execute("INSERT INTO people (email) VALUES ('slow@example.org')")
        postgres.add(email="quick@example.org")
        seen = await desk.changes()
        assert {row["email"] for row in rows_of(seen).values()} == {"quick@example.org"}
        slow.commit()
    later = await desk.changes(cursor=seen[-1].cursor)
    assert "slow@example.org" in {row["email"] for row in rows_of(later).values()}


async def test_quiet_reads_bring_nothing_and_changes_after_them_come(place: Place, desk: Desk) -> None:
    add_many(place, 3)
    cursor = (await desk.all())[-1].cursor
    for _ in range(3):
        desk.clock.advance(61)
        cursor = (await desk.changes(cursor=cursor))[-1].cursor
    assert not rows_of(await desk.changes(cursor=cursor))
    place.run("UPDATE people SET given_name = 'Ada' WHERE email = 'p1@example.org'")
    assert {row["given_name"] for row in rows_of(await desk.changes(cursor=cursor)).values()} == {"Ada"}


async def test_a_stamp_from_the_future_hides_nothing(place: Place, desk: Desk) -> None:
    add_many(place, 2)
    place.add(
        email="future@example.org",
        updated_at="2999-01-01 00:00:00Z" if place.is_postgres else "2999-01-01 00:00:00.000",
    )
    cursor = (await desk.changes())[-1].cursor
    desk.clock.advance(3600)
    cursor = (await desk.changes(cursor=cursor))[-1].cursor
    place.add(email="now@example.org")
    assert "now@example.org" in {row["email"] for row in rows_of(await desk.changes(cursor=cursor)).values()}


async def test_a_counter_as_change_column(place: Place, desk_of: Opener) -> None:
    place.run("CREATE TABLE notes (code varchar(10) PRIMARY KEY, name text, tick bigint NOT NULL)")
    desk = await desk_of(
        place, {"notes": {"entity": "list", "id": "code", "changed": "tick", "writable": ["name"]}}, overlap_count=2
    )
    assert not desk.stream("notes").trusted_stamp, "T-10: nobody vouches for the column, so all is compared regularly"
    for n in range(1, 6):
        place.run(f"INSERT INTO notes VALUES ('c{n}', 'N{n}', {n})")
    pages = await desk.changes("notes", page_size=2)
    assert list(rows_of(pages)) == ["c1", "c2", "c3", "c4", "c5"]
    assert all(row["@modified"] is None for row in rows_of(pages).values())
    place.run("INSERT INTO notes VALUES ('late', 'Late', 4)")
    assert "late" in rows_of(await desk.changes("notes", cursor=pages[-1].cursor))


async def test_without_a_change_column_everything_is_compared(place: Place, desk_of: Opener) -> None:
    """T-10."""
    place.run("CREATE TABLE tags (id integer PRIMARY KEY, name text)")
    desk = await desk_of(place, {"tags": {"entity": "list", "writable": ["name"]}})
    stream = desk.stream("tags")
    assert stream.read_changes is None
    assert stream.read_deletes is None
    assert stream.read_all is not None
    place.run("INSERT INTO tags VALUES (1, 'a')")
    assert rows_of(await desk.all("tags"))["1"]["name"] == "a"


async def test_marked_rows_are_deletions(place: Place, desk: Desk) -> None:
    """T-46: the mark of the table is a tombstone."""
    kept, gone = place.add(email="a@example.org"), place.add(email="b@example.org")
    cursor = (await desk.deletes())[-1].cursor
    place.run("UPDATE people SET gone = true WHERE id = ?", int(gone))
    assert list(rows_of(await desk.all())) == [kept]
    assert list(rows_of(await desk.changes())) == [kept]
    pages = await desk.deletes(cursor=cursor)
    assert [removed.id for page in pages for removed in page.removed] == [gone]
    page = await desk.ids(kept, gone, "424242", "no number", "9" * 30)
    assert list(rows_of([page])) == [kept]
    assert [removed.id for removed in page.removed] == [gone, "424242", "no number", "9" * 30]


async def test_a_dropped_column_stops_with_its_name(place: Place, desk: Desk) -> None:
    """T-38."""
    place.add(email="a@example.org")
    await desk.all()
    place.run("ALTER TABLE people DROP COLUMN given_name")
    with pytest.raises(NeedsAttention) as caught:
        await desk.all()
    assert caught.value.kind is Attention.SCHEMA
    assert caught.value.fields == ("given_name",)
    assert caught.value.stream == "people"


async def test_times_without_a_zone(place: Place, desk_of: Opener) -> None:
    """T-07, T-37: a wall clock's time is read in the zone that is set."""
    place.run("CREATE TABLE calls (id integer PRIMARY KEY, at timestamp, day date, changed timestamp)")
    place.run("INSERT INTO calls VALUES (1, '2026-07-01 12:00:00', '2026-07-01', '2026-07-01 12:00:00')")
    told: dict[str, Any] = {"entity": "interaction", "changed": "changed", "writable": ["at", "day"]}
    desk = await desk_of(place, {"calls": told}, time_zone="Europe/Warsaw")
    [row] = rows_of(await desk.all("calls", fields=("at", "day"))).values()
    assert row["at"] == row["@modified"] == "2026-07-01T10:00:00Z"
    assert row["day"] == "2026-07-01"
    receipt = await desk.update("1", of="calls", at="2026-01-31T23:30:00Z")
    assert receipt.refusal is None
    assert str(place.run("SELECT at FROM calls")[0][0]) == "2026-02-01 00:30:00"
    twice = await desk.update("1", of="calls", at="2026-10-25T00:30:00Z")
    assert twice.refusal is not None
    assert twice.refusal.code == "ambiguous_time"


async def test_unreadable_values_concern_their_field_only(sqlite: Place, desk_of: Opener) -> None:
    sqlite.people()
    sqlite.run(
        "INSERT INTO people (email, family_name, given_name) VALUES ('a@example.org', CAST(x'ff' AS TEXT), 'A' || char(0))"
    )
    desk = await desk_of(sqlite)
    [row] = rows_of(await desk.all()).values()
    mapped = desk.mapping().read(row)
    assert {fault.field for fault in mapped.faults} == {"family_name", "given_name"}
    assert mapped.values["email"] == "a@example.org"
