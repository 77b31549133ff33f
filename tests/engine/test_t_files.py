"""Configuration is files: validate, plan, sync and drift through the command line on a project folder (T-73)."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

from zgoda.entrypoints.demo.scenery import Twin, twins, write_project

pytestmark = pytest.mark.timeout(120)

RUN = "from zgoda.entrypoints.cli import main; main()"


async def zgoda(folder: Path, *words: str, expect: int | None = None) -> tuple[int, Any]:
    """One command as an operator's script runs it: its exit code and its JSON."""
    command = (sys.executable, "-c", RUN, *words, "--json", "-C", str(folder))
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env={**os.environ, "NO_COLOR": "1"}
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    if expect is not None:
        assert process.returncode == expect, f"{words}: {out.decode()[-2000:]} {err.decode()[-2000:]}"
    told = json.loads(out) if out.strip().startswith((b"{", b"[")) else (out + err).decode()
    return process.returncode, told


def use_store(folder: Path, server_url: str, name: str) -> None:
    """The project's records go into a database of the test server; the password stays out of the file."""
    (folder / "secrets" / "store").write_text(psycopg.conninfo.make_conninfo(server_url, dbname=name))
    with (folder / "zgoda.yaml").open("a") as root:
        root.write("store: ${file:secrets/store}\n")


async def written(*systems: Twin) -> list[int]:
    return [len(await twin.writes()) for twin in systems]


async def test_a_project_folder_from_plan_to_drift(tmp_path: Path, server_url: str) -> None:
    """T-73: a folder of files is validated, planned, synced and watched for drift with the free command line alone: a
    first sync is refused without its plan, the plan writes nothing and counts what then happens, a repeated plan is
    empty (exit code 0), what somebody changed behind the hub's back is found and mended by `drift`, and the plan of one
    configuration does not approve another."""
    name = f"files_{os.getpid()}"
    folder = tmp_path / "project"
    with psycopg.connect(server_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
    try:
        async with twins(20, 7) as (crm, news):
            write_project(folder, crm, news)
            use_store(folder, server_url, name)
            _, valid = await zgoda(folder, "validate", expect=0)
            assert (valid["faults"], valid["connections"]) == ([], ["crm", "news"])

            code, refused = await zgoda(folder, "sync")
            assert code == 1
            assert "plan" in str(refused)
            _, plan = await zgoda(folder, "plan", expect=2)
            assert await written(crm, news) == [0, 0]
            planned = {f"{s['connection']}/{s['stream']}": s["creates"] + s["updates"] for s in plan["streams"]}
            assert sum(planned.values()) > 0

            (folder / "policies.yaml").write_text("person:\n  telephone: fill_blanks\n")
            code, other = await zgoda(folder, "sync", "--approve", str(plan["id"]))
            assert code == 1
            assert "another configuration" in str(other)
            _, plan = await zgoda(folder, "plan", expect=2)
            _, done = await zgoda(folder, "sync", "--approve", str(plan["id"]), expect=0)
            assert (done["result"], done["cycle"]["applied"]) == ("ok", sum(planned.values()))

            _, again = await zgoda(folder, "plan", "--full", expect=0)
            assert sum(s["creates"] + s["updates"] + s["deletes"] for s in again["streams"]) == 0
            settled = await written(crm, news)
            assert sum(settled) > 0
            await zgoda(folder, "sync", expect=0)
            await zgoda(folder, "drift", expect=0)
            assert await written(crm, news) == settled

            somebody = next(c for c in await crm.records("Contact") if c.get("Email"))
            await crm.edit(
                {"op": "update", "object": "Contact", "id": somebody["Id"], "values": {"LastName": "Drifted"}}
            )
            code, drift = await zgoda(folder, "drift")
            assert code == 2, drift
            members = await news.records("members")
            assert [m for m in members if "Drifted" in json.dumps(m)]
    finally:
        with psycopg.connect(server_url, autocommit=True) as admin:
            admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")  # type: ignore[arg-type]


async def test_a_wrong_word_is_told_with_its_place(tmp_path: Path) -> None:
    """T-73: `validate` needs no store and no network: it names file, line and the nearest right word, in text and in
    JSON, and a secret in the file is not repeated."""
    (tmp_path / "connections").mkdir()
    (tmp_path / "zgoda.yaml").write_text("name: acme\norder: [crm]\n")
    (tmp_path / "connections" / "crm.yaml").write_text(
        "conector: salesforce\nsettings:\n  client_secret: hunter2hunter2\n"
    )
    code, told = await zgoda(tmp_path, "validate")
    assert code == 1
    assert "crm.yaml" in str(told)
    assert "connector" in str(told)
    assert "hunter2hunter2" not in str(told)
