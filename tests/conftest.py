"""Fixtures every room shares: one embedded PostgreSQL a run and a fresh, migrated database a test."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from zgoda.db.database import Pool
from zgoda.db.embedded import ensure_running
from zgoda.db.migrate import migrate

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A server that all workers of this run share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "postgres"
    server = ensure_running(Path(folder), settings={"fsync": "off", "max_connections": "300"})
    return server.url


@pytest.fixture
async def pool(server_url: str) -> AsyncIterator[Pool]:
    """A database of its own, with the product's schema."""
    name = f"test_{os.getpid()}_{next(_NUMBERS)}"
    with psycopg.connect(server_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")  # pyright: ignore[reportArgumentType, reportCallIssue]
    url = psycopg.conninfo.make_conninfo(server_url, dbname=name)
    async with Pool(url) as opened:
        await migrate(opened)
        yield opened
    with psycopg.connect(server_url, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")  # pyright: ignore[reportArgumentType, reportCallIssue]
