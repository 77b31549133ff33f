"""When the database is away, refuses us, or is not what it was; and that nothing secret is told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.connectors.sql.conftest import PEOPLE, Opener, Place
from tests.connectors.sql.cut import Cable, cable_to

from zgoda.connectors.sql import CONNECTOR
from zgoda.kit.connection import open_connection, streams_of
from zgoda.kit.errors import Attention, ConnectorError, NeedsAttention, Quota, RefusalKind, Temporary
from zgoda.kit.pace import Lane
from zgoda.kit.spec import Lookup, Write
from zgoda.model.clock import FakeClock

SECRET = "hunter2-s3cret"


async def check(url: str) -> ConnectorError:
    """The error that checking a connection gives; the secret must not be in it."""
    settings = {"url": url, "tables": {"people": PEOPLE}}
    with pytest.raises(ConnectorError) as caught:
        async with open_connection("crm", CONNECTOR, settings, FakeClock()) as connection:
            await CONNECTOR.check(connection.session)
    told = f"{caught.value} {getattr(caught.value, 'do', '')}"
    assert SECRET not in told
    assert "example" not in told
    return caught.value


async def test_wrong_password_or_user(postgres: Place) -> None:
    told = psycopg.conninfo.conninfo_to_dict(postgres.url)
    wrong = f"postgresql://mallory:{SECRET}@/{told['dbname']}?host={told['host']}&port={told['port']}"
    error = await check(wrong)
    assert isinstance(error, NeedsAttention)
    assert error.kind is Attention.CREDENTIALS


async def test_no_such_database_or_server(postgres: Place) -> None:
    told = psycopg.conninfo.conninfo_to_dict(postgres.url)
    error = await check(f"postgresql://{told['user']}@/nowhere?host={told['host']}&port={told['port']}")
    assert isinstance(error, NeedsAttention)
    assert error.kind is Attention.SETTINGS
    assert isinstance(await check(f"postgresql://u:{SECRET}@127.0.0.1:9/x"), Temporary)


@pytest.mark.parametrize("url", ["mysql://u:p@h/d", "sqlite://x", "postgresql://[broken", "", SECRET])
async def test_what_is_no_address(url: str) -> None:
    error = await check(url)
    assert isinstance(error, NeedsAttention)
    assert error.kind is Attention.SETTINGS


async def test_files_that_are_no_database(tmp_path: Path) -> None:
    """A missing file is not made: it would look as if everything had been deleted."""
    (tmp_path / "text.db").write_text("no database" * 100)
    for name in ("missing.db", "text.db"):
        error = await check(f"sqlite:///{tmp_path / name}")
        assert isinstance(error, NeedsAttention)
        assert error.kind is Attention.SETTINGS
    assert not (tmp_path / "missing.db").exists()


@pytest.fixture
def guest(postgres: Place) -> Iterator[str]:
    """The address of the database for a user without rights of its own."""
    postgres.run(f"CREATE ROLE guest LOGIN PASSWORD '{SECRET}'")
    told = psycopg.conninfo.conninfo_to_dict(postgres.url)
    yield f"postgresql://guest:{SECRET}@/{told['dbname']}?host={told['host']}&port={told['port']}"
    postgres.run("DROP OWNED BY guest")
    postgres.run("DROP ROLE guest")


async def test_check_lists_what_is_missing(postgres: Place, desk_of: Opener, guest: str) -> None:
    postgres.people()
    postgres.run("GRANT SELECT, INSERT ON people TO guest")
    postgres.run("GRANT UPDATE (email) ON people TO guest")
    told = psycopg.conninfo.conninfo_to_dict(postgres.url)
    tables = {"people": {**PEOPLE, "writable": ["email", "score", "nothing"]}, "absent": {"entity": "list"}}
    desk = await desk_of(Place("postgres", guest), tables)
    identity = await CONNECTOR.check(desk.session)
    assert identity.user == "guest"
    assert identity.account.startswith(f"{told['dbname']} at ")
    notes = "\n".join(identity.notes)
    assert "people: no right to update score, gone" in notes
    assert "people: there is no column nothing" in notes
    assert "absent: there is no such table or view" in notes
    assert SECRET not in notes
    with pytest.raises(NeedsAttention) as caught:
        await desk.write(Write(key="k", op="update", id=postgres.add(email="a@example.org"), values={"score": 1}))
    assert caught.value.kind is Attention.RIGHTS
    assert "score" in str(caught.value)


async def test_a_policy_of_the_table_concerns_its_row_only(postgres: Place, desk_of: Opener, guest: str) -> None:
    postgres.people()
    postgres.run("GRANT ALL ON people TO guest")
    postgres.run("ALTER TABLE people ENABLE ROW LEVEL SECURITY")
    postgres.run("CREATE POLICY small ON people TO guest USING (true) WITH CHECK (score < 10)")
    desk = await desk_of(Place("postgres", guest))
    creates = [Write(key=str(n), op="create", values={"score": n}) for n in (1, 11, 2)]
    receipts = await desk.write(*creates)
    refused = {key: receipt.refusal for key, receipt in receipts.items() if receipt.refusal}
    assert list(refused) == ["11"]
    assert refused["11"].kind is RefusalKind.RIGHTS


async def test_a_sqlite_file_that_cannot_be_written(
    sqlite: Place, desk_of: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may write anything, so the file system's refusal is played by SQLite itself."""
    from zgoda.connectors.sql.sqlite import Sqlite

    sqlite.people()
    opened = Sqlite._open

    def read_only(store: Sqlite, writing: bool) -> Any:
        db = opened(store, writing)
        db.execute("PRAGMA query_only = ON")
        return db

    monkeypatch.setattr(Sqlite, "_open", read_only)
    desk = await desk_of(sqlite)
    with pytest.raises(NeedsAttention) as caught:
        await desk.create(email="a@example.org")
    assert caught.value.kind is Attention.RIGHTS


@asynccontextmanager
async def through(place: Place, desk_of: Opener) -> AsyncIterator[tuple[Any, Cable]]:
    told = psycopg.conninfo.conninfo_to_dict(place.url)
    place.people()
    async with cable_to(f"{told['host']}/.s.PGSQL.{told['port']}") as cable:
        url = f"postgresql://{told['user']}@127.0.0.1:{cable.port}/{told['dbname']}?sslmode=disable"
        yield await desk_of(Place("postgres", url)), cable


async def test_a_cut_line(postgres: Place, desk_of: Opener) -> None:
    """F-08: before the commit nothing was done; at the commit nobody knows, so the create is looked up."""
    async with through(postgres, desk_of) as (desk, cable):
        await desk.create(email="a@example.org")
        for at, executed, there in ((b"INSERT", False, False), (b"COMMIT", True, True)):
            cable.cut(at)
            values = {"email": f"{at.decode().lower()}@example.org"}
            with pytest.raises(Temporary) as caught:
                await desk.write(Write(key="k", op="create", values=values))
            assert caught.value.executed is executed
            await cable.over.wait()
            rows = postgres.run("SELECT id FROM people WHERE email = ?", values["email"])
            assert bool(rows) is there
            find = desk.stream().find
            found = await find(desk.session, [Lookup(key="k", values=values)])
            assert found == ({"k": str(rows[0][0])} if there else {})


async def test_an_idle_connection_that_died_is_replaced(postgres: Place, desk_of: Opener) -> None:
    postgres.people()
    desk = await desk_of(postgres)
    await desk.all()
    postgres.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'zgoda' AND datname = current_database()"
    )
    assert await desk.all()


async def test_the_kill_switch_and_the_budget_hold_for_databases(sqlite: Place) -> None:
    """Calls that are no HTTP take their turn at the same gate."""
    sqlite.people()
    on = False
    settings = {"url": sqlite.url, "tables": {"people": PEOPLE}}
    async with open_connection("crm", CONNECTOR, settings, FakeClock(), halted=lambda: on) as connection:
        session = connection.in_lane(Lane.LIVE)
        write = connection.streams["people"].write
        assert write is not None
        await write(session, [Write(key="1", op="create", values={"email": "a@example.org"})])
        on = True
        with pytest.raises(Temporary, match="kill switch"):
            await write(session, [Write(key="2", op="create", values={"email": "b@example.org"})])
    assert sqlite.run("SELECT count(*) FROM people") == [(1,)]


async def test_names_are_quoted_and_values_are_parameters(place: Place, desk_of: Opener) -> None:
    """Identifiers come from the configuration, values from anywhere: neither can end a statement."""
    table, column = 'we"ird; DROP TABLE x; --', "100%s \"col'umn"
    q = '"' + table.replace('"', '""') + '"'
    c = '"' + column.replace('"', '""') + '"'
    place.run(
        f"CREATE TABLE {q} (id integer PRIMARY KEY, {c} text, {'at timestamptz' if place.is_postgres else 'at TIMESTAMP'})"
    )
    told = {"entity": "list", "table": table, "writable": [column, "id"], "changed": "at"}
    desk = await desk_of(place, {"odd": told})
    evil = "'; DROP TABLE x; -- %s {} $1"
    receipts = await desk.write(Write(key="k", op="create", values={"id": 1, column: evil}), name="odd")
    assert receipts["k"].refusal is None
    await desk.write(Write(key="k", op="update", id="1", values={column: evil + "2"}), name="odd")
    page = await desk.ids("1", name="odd", fields=(column,))
    assert page.rows[0][column] == evil + "2"
    assert await desk.changes(
        "odd", fields=(column,), cursor={"stamp": "2026-01-01 00:00:00+00", "id": "1", "walking": True}
    )


def test_settings_that_describe_no_streams() -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"a": {"entity": "persn"}}, "no entity"),
        ({"a": {}}, "entity"),
        ({"a": {"entity": "person", "id": "a.b"}}, "dot"),
        ({"a": {"entity": "person", "immutable": True}}, "immutable"),
        ({"a": {"entity": "person", "changed": "c", "writable": ["c"]}}, "cannot be writable"),
        ({"a": {"entity": "person", "colour": "red"}}, "colour"),
    ]
    for tables, words in wrong:
        with pytest.raises(NeedsAttention, match=words):
            streams_of(CONNECTOR, {"tables": tables})
    assert streams_of(CONNECTOR, {}) == ()
    [stream] = streams_of(CONNECTOR, {"tables": {"a": {"entity": "person"}}})
    assert stream.can == frozenset()
    assert stream.write is None


def test_no_error_class_is_forgotten() -> None:
    assert {Temporary, Quota, NeedsAttention} == set(ConnectorError.__subclasses__())
