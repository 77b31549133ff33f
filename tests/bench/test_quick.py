"""The benchmarks run, judge by the rows and not only by the clock, and write down what they found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import psutil
import psycopg
import pytest
from tools.bench import copying, merging, record_cost, table
from tools.bench.meter import Meter
from tools.bench.outcome import Figure, Scale
from tools.bench.people import digest, person
from tools.bench.programs import Job, Spent
from tools.bench.stage import Server


@pytest.fixture(scope="session")
def server(server_url: str) -> Server:
    """The run's own server stands in for the bench's: nothing here asks for times."""
    with psycopg.connect(server_url) as admin:
        return Server(url=server_url, pid=psutil.Process(admin.info.backend_pid).ppid())


async def test_p2_counts_a_copy_whose_rows_are_exact(server: Server) -> None:
    figures = await record_cost.run(server, Scale.QUICK)
    assert [figure.id for figure in figures] == ["P2", "P2 read back"]
    assert [figure.wrong for figure in figures] == ["", ""]
    assert {table.row(figure, Scale.QUICK)["verdict"] for figure in figures} == {"rows exact"}


@pytest.mark.parametrize(
    ("side", "path", "body", "complaint"),
    [
        ("a", "bench/edit", {"start": 0, "every": 9, "title": "new"}, "the rows differ"),
        ("b", "people", {"writes": [{"key": "1", "op": "create", "values": person(1)}]}, "took {'create': 6}"),
        ("a", "people", {"writes": [{"key": "1", "op": "update", "id": "a1", "values": {}}]}, "source was written to"),
    ],
)
async def test_a_copy_with_wrong_rows_has_failed(
    server: Server, monkeypatch: pytest.MonkeyPatch, side: str, path: str, body: dict[str, Any], complaint: str
) -> None:
    """What happens to the vendors behind a program's back stands for a program that does it."""
    real = copying.run_program

    async def and_something_else(name: str, job: Job) -> Spent:
        spent = await real(name, job)
        async with aiohttp.ClientSession() as client:
            await client.post(f"{job.urls[side]}/{path}", json=body)
        return spent

    monkeypatch.setattr(copying, "run_program", and_something_else)
    assert complaint in (await copying.copy_once(server, "floor_copy", 5)).wrong


async def test_p8_merges_as_the_generic_loop_does(server: Server) -> None:
    figures = await merging.run(server, Scale.QUICK)
    assert [figure.wrong for figure in figures] == ["", ""]


def test_wrong_rows_beat_any_time() -> None:
    fast = Figure(id="P2", what="", floor="", ours="", value=0.5, goal=2.5)
    assert fast.verdict == "met"
    assert msgspec.structs.replace(fast, value=2.6).verdict == "missed"
    assert msgspec.structs.replace(fast, wrong="the rows differ").verdict == "FAILED: the rows differ"
    assert msgspec.structs.replace(fast, sense="at least").verdict == "missed"


def test_the_digest_sees_a_changed_a_missing_and_a_repeated_row() -> None:
    people = [person(number) for number in range(20)]
    whole = digest(people)
    assert digest(reversed(people)) == whole
    assert digest([{**row, "id": "x", "modified": "later"} for row in people]) == whole
    assert digest(people[1:]) != whole
    assert digest([*people, people[3]]) != whole
    assert digest([*people[1:], {**people[0], "title": "other"}]) != whole


def test_a_meter_counts_this_process_and_the_servers_children(server: Server) -> None:
    with psycopg.connect(server.url) as connection, Meter(server.pid) as meter:
        connection.execute("SELECT count(*) FROM generate_series(1, 2000000)")
    assert meter.postgres_s > 0.02
    assert meter.cpu_s == meter.own_s + meter.postgres_s
    assert meter.wall_s >= meter.own_s
    assert psutil.pid_exists(server.pid)


def test_a_section_takes_the_place_of_its_former_one(tmp_path: Path) -> None:
    path = tmp_path / "benchmarks.md"
    figure = Figure(id="P8", what="merges", floor="100k/s", ours="50k/s", value=0.5, goal=0.4, sense="at least")
    taken = table.note(0.0)
    table.write_section(path, merging.SCENARIO, [figure], taken)
    table.write_section(path, record_cost.SCENARIO, [msgspec.structs.replace(figure, id="P2")], taken)
    table.write_section(path, merging.SCENARIO, [msgspec.structs.replace(figure, ours="60k/s")], taken)
    text = path.read_text(encoding="utf-8")
    assert text.index("## P2: ") < text.index("## P8: ")
    assert text.count("## P8: ") == 1
    assert "60k/s" in text
    assert "| P8 | merges | >= 0.4 x | 100k/s | 60k/s | 0.50 x | met |" in text
