"""One database a worker, emptied after each test: a fresh one per test costs more than most of these tests."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest

from zgoda.db.database import Pool
from zgoda.db.migrate import migrate

_NUMBERS = itertools.count(1)

EMPTY = """
    DO $$ DECLARE
        names text := (SELECT string_agg(format('%I', tablename), ', ') FROM pg_tables
                       WHERE schemaname = 'public' AND tablename <> 'schema_step');
    BEGIN
        EXECUTE 'TRUNCATE ' || names || ' RESTART IDENTITY';
        PERFORM setval(format('%I', sequencename), 1, false) FROM pg_sequences WHERE schemaname = 'public';
    END $$"""


@pytest.fixture(scope="session")
def database_url(server_url: str) -> Iterator[str]:
    """A database of this worker's own."""
    name = f"engine_{os.getpid()}_{next(_NUMBERS)}"
    with psycopg.connect(server_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")  # pyright: ignore[reportArgumentType, reportCallIssue]
    yield psycopg.conninfo.make_conninfo(server_url, dbname=name)
    with psycopg.connect(server_url, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")  # pyright: ignore[reportArgumentType, reportCallIssue]


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """The worker's database with the product's schema and nothing in it."""
    async with Pool(database_url) as opened:
        await migrate(opened)
        yield opened
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(EMPTY)
