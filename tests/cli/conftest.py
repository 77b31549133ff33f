"""One project with two twins for all tests here, synced once, and the commands as people and programs call them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from click.testing import CliRunner, Result

from zgoda.entrypoints.cli import main
from zgoda.entrypoints.demo.scenery import Twin, write_project

Zgoda = Callable[..., Result]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the caller's surroundings takes part."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ZGODA_PROJECT", raising=False)


def run(*words: str) -> Result:
    """One command, in this process, on no terminal."""
    return CliRunner().invoke(main, list(words))


def told(result: Result) -> Any:
    """The one JSON document on standard output."""
    return json.loads(result.stdout)


@contextmanager
def database(server_url: str, of: str) -> Iterator[str]:
    """A database of one's own, for as long as the block lasts."""
    name = f"cli_{of}_{os.getpid()}"
    with psycopg.connect(server_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")  # pyright: ignore[reportArgumentType, reportCallIssue]
    yield psycopg.conninfo.make_conninfo(server_url, dbname=name)
    with psycopg.connect(server_url, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")  # pyright: ignore[reportArgumentType, reportCallIssue]


@pytest.fixture(scope="session")
def store_url(server_url: str) -> Iterator[str]:
    """The synced project's database."""
    with database(server_url, "hub") as url:
        yield url


@pytest.fixture(scope="session")
def twins() -> Iterator[tuple[Twin, Twin]]:
    """A CRM and a newsletter, as `zgoda twin` starts them."""
    command = (sys.executable, "-c", "from zgoda.entrypoints.cli import main; main()", "twin")
    started = [
        subprocess.Popen([*command, vendor, "--records", "20", "--json"], stdout=subprocess.PIPE)
        for vendor in ("salesforce", "mailchimp")
    ]
    try:
        found: list[Twin] = []
        for process in started:
            assert process.stdout is not None
            facts = msgspec.json.decode(process.stdout.readline(), type=dict[str, Any])
            found.append(Twin(name=facts["vendor"], facts=facts, client=None))  # pyright: ignore[reportArgumentType]
        yield found[0], found[1]
    finally:
        for process in started:
            process.terminate()
        assert [process.wait(10) for process in started] == [0, 0]


@pytest.fixture(scope="session")
def project(twins: tuple[Twin, Twin], store_url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder whose first sync is done."""
    folder = tmp_path_factory.mktemp("cli") / "hub"
    write_project(folder, *twins)
    (folder / "secrets" / "store").write_text(store_url)
    for secret in (folder / "secrets").iterdir():
        secret.chmod(0o600)
    with (folder / "zgoda.yaml").open("a") as root:
        root.write("store: ${file:secrets/store}\n")
    plan = run("plan", "--json", "-C", str(folder))
    assert plan.exit_code == 2, plan.output
    synced = run("sync", "--approve", str(told(plan)["id"]), "--json", "-C", str(folder))
    assert synced.exit_code == 0, synced.output
    assert told(synced)["alarms"] == []
    return folder


@pytest.fixture
def hub(project: Path, store_url: str) -> Iterator[Path]:
    """The project for tests that stop parts of it: afterwards everything goes on again."""
    yield project
    (project / ".zgoda" / "KILL").unlink(missing_ok=True)
    with psycopg.connect(store_url, autocommit=True) as store:
        store.execute("DELETE FROM switch")
        store.execute("DELETE FROM lease")
        store.execute("DELETE FROM brake")
        store.execute("DELETE FROM lost_field")
        store.execute("UPDATE source SET canary = 'all'")
        store.execute("UPDATE connection_state SET status = 'active', reason = '', used_today = 0")


@pytest.fixture
def in_store(store_url: str) -> Callable[..., None]:
    """Bring the store into a state that takes a bad day to come about."""

    def execute(sql: str, *params: object) -> None:
        with psycopg.connect(store_url, autocommit=True) as store:
            store.execute(sql, params)  # pyright: ignore[reportArgumentType, reportCallIssue]

    return execute
