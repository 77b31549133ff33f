"""Databases and files through the whole hub: a project folder, its connections, and the engine."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.connectors.sql.conftest import PEOPLE, Place, as_url
from tests.engine.world import calm

from zgoda.app import open_hub, open_store, read_project
from zgoda.model.clock import FakeClock
from zgoda.sync.cycle import Hub
from zgoda.sync.repair import approve_first_sync

pytestmark = pytest.mark.timeout(30)

_NUMBERS = itertools.count(1)
TABLES = {"people": {**PEOPLE, "writable": ["email", "given_name", "family_name", "score", "birth_date", "keywords"]}}
COLUMNS = "email, given_name, family_name, score, birth_date, keywords"

Started = Callable[..., AbstractAsyncContextManager[tuple[Hub, FakeClock]]]


@pytest.fixture
def started(server_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Started]:
    """Opens a project over connections as they stand in their files; URLs come from the environment."""
    name = f"hub_{os.getpid()}_{next(_NUMBERS)}"
    with psycopg.connect(server_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
    monkeypatch.setenv("STORE", psycopg.conninfo.make_conninfo(server_url, dbname=name))
    folder = tmp_path / "project"

    @asynccontextmanager
    async def opened(**connections: dict[str, Any]) -> AsyncIterator[tuple[Hub, FakeClock]]:
        (folder / "connections").mkdir(parents=True, exist_ok=True)
        root = {"name": "test", "store": "${env:STORE}", "order": list(connections), "merge_window": "1s"}
        (folder / "zgoda.yaml").write_text(json.dumps(root))
        for connection, said in connections.items():
            (folder / "connections" / f"{connection}.yaml").write_text(json.dumps(said))
        clock = FakeClock()
        async with open_store(read_project(folder), clock=clock) as store, open_hub(store) as hub:
            await approve_first_sync(store.pool, clock, list(connections))
            yield hub, clock

    yield opened
    with psycopg.connect(server_url, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type]


def database(place: Place, monkeypatch: pytest.MonkeyPatch, name: str) -> dict[str, Any]:
    monkeypatch.setenv(name, place.url if place.dialect == "sqlite" else as_url(place.url))
    return {"connector": "sql", "settings": {"url": f"${{env:{name}}}", "tables": TABLES}}


def people(place: Place) -> list[tuple[Any, ...]]:
    """What a database holds, in a form both share."""
    found: list[tuple[Any, ...]] = []
    for email, given, family, score, born, keywords in place.run(f"SELECT {COLUMNS} FROM people WHERE NOT gone"):
        tags = json.loads(keywords) if isinstance(keywords, str) else keywords
        found.append((email, given, family, score, str(born) if born else None, tuple(sorted(tags)) if tags else None))
    return sorted(found, key=lambda row: row[0] or "")


async def test_two_databases_stay_in_agreement(
    started: Started, sqlite: Place, postgres: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ways, and then silence (T-01, T-03, T-31, T-36, T-37)."""
    for place in (sqlite, postgres):
        place.people()
    sqlite.add(email="ada@example.org", given_name="Ada", family_name="Łovelace", score=7, birth_date="1815-12-10")
    sqlite.add(email="both@example.org", given_name="Bo", family_name="Th", keywords='["b","a"]')
    postgres.add(email="Both@example.org", given_name="Bo", family_name="Th", score=3)
    postgres.add(email="grace@example.org", given_name="Grace", family_name="O'Hopper", keywords=["navy", "a,b"])
    crm, erp = database(sqlite, monkeypatch, "CRM_URL"), database(postgres, monkeypatch, "ERP_URL")
    async with started(crm=crm, erp=erp) as (hub, clock):
        cycles = await calm(hub, clock, rounds=4)
        assert not any(cycle.troubles for cycle in cycles), cycles[0].troubles
        assert sorted(row[1:] for row in people(sqlite)) == sorted(row[1:] for row in people(postgres))
        assert len(people(sqlite)) == 3
        assert ("Bo", "Th", 3, None, ("a", "b")) in [row[1:] for row in people(postgres)]

        sqlite.run("UPDATE people SET given_name = 'Augusta Ada', birth_date = NULL WHERE email = 'ada@example.org'")
        postgres.run("UPDATE people SET email = 'hopper@example.org', score = 9 WHERE given_name = 'Grace'")
        await calm(hub, clock, rounds=4)
        assert ("ada@example.org", "Augusta Ada", "Łovelace", 7, None, None) in people(postgres)
        assert ("hopper@example.org", "Grace", "O'Hopper", 9, None, ("a,b", "navy")) in people(sqlite)
        assert len(people(sqlite)) == len(people(postgres)) == 3, "T-17: a new address makes no second person"

        versions = [place.run("SELECT id, version FROM people ORDER BY id") for place in (sqlite, postgres)]
        later = await calm(hub, clock, rounds=5, full=True)
        assert sum(cycle.applied for cycle in later) == 0
        assert [place.run("SELECT id, version FROM people ORDER BY id") for place in (sqlite, postgres)] == versions


async def test_edits_of_both_sides_between_two_polls(
    started: Started, sqlite: Place, postgres: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Different fields of one person merge; nothing is overwritten."""
    for place in (sqlite, postgres):
        place.people()
    sqlite.add(email="a@example.org", given_name="A", family_name="B")
    crm, erp = database(sqlite, monkeypatch, "CRM_URL"), database(postgres, monkeypatch, "ERP_URL")
    async with started(crm=crm, erp=erp) as (hub, clock):
        await calm(hub, clock, rounds=3)
        for number in range(3):
            sqlite.run(f"UPDATE people SET given_name = 'A{number}'")
            postgres.run(f"UPDATE people SET score = {number}")
            await calm(hub, clock, rounds=3)
            assert people(sqlite) == people(postgres) == [("a@example.org", f"A{number}", "B", number, None, None)]


async def test_an_import_repeated_five_times_makes_nothing_new(
    started: Started, sqlite: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T-19: also rows without an address, or with a bad one."""
    sqlite.people()
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    lines = ["number,email,given_name,family_name", *(f"{n},p{n}@example.org,P{n},Q" for n in range(30))]
    lines += ["100,,Jan,Nowak", "101,no address,Ewa,Kowal", '102,,"Jan","Nowak"']
    told = {
        "entity": "person",
        "id": "number",
        "files": "people*.csv",
        "columns": ["email", "given_name", "family_name"],
    }
    drop = {"connector": "files", "settings": {"folder": str(inbox), "tables": {"people": told}}}
    crm = database(sqlite, monkeypatch, "CRM_URL")
    async with started(crm=crm, drop=drop) as (hub, clock):
        for run in range(5):
            (inbox / "people.csv").write_text("\n".join([*lines, ""]))
            cycles = await calm(hub, clock, rounds=2, full=run % 2 == 1)
            assert not any(cycle.troubles for cycle in cycles), cycles[0].troubles
            if run == 0:
                first = people(sqlite)
                assert len(first) >= 30
            assert people(sqlite) == first
        (inbox / "people.csv").unlink()
        cycles = await calm(hub, clock, rounds=2)
        assert "there is no file" in cycles[0].troubles["drop/people"]
        (inbox / "people.csv").write_text(lines[0] + "\n")
        await calm(hub, clock, rounds=2, full=True)
        assert people(sqlite) == first, "T-47: an empty file deletes nobody"


async def test_a_database_is_exported_to_a_file_and_back(
    started: Started, postgres: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file the hub keeps holds everybody, and an edit in it goes back."""
    postgres.people()
    postgres.add(email="a@example.org", given_name="=A1", family_name="B", keywords=["x", "y"])
    told = {
        "entity": "person",
        "id": "id",
        "write_to": "people.csv",
        "columns": ["email", "given_name", "family_name", "keywords"],
    }
    out = {"connector": "files", "settings": {"folder": str(tmp_path), "tables": {"people": told}}}
    async with started(erp=database(postgres, monkeypatch, "ERP_URL"), out=out) as (hub, clock):
        await calm(hub, clock, rounds=3)
        path = tmp_path / "people.csv"
        assert "a@example.org,'=A1,B,x;y" in path.read_text()
        path.write_text(path.read_text().replace(",B,", ",Brown,"))
        await calm(hub, clock, rounds=3)
        assert people(postgres) == [("a@example.org", "=A1", "Brown", None, None, ("x", "y"))]
        postgres.run("UPDATE people SET given_name = 'Ann'")
        await calm(hub, clock, rounds=3)
        assert "a@example.org,Ann,Brown,x;y" in path.read_text()
