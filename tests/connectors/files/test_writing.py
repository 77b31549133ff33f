"""The file the hub keeps: rows added, changed and removed, all or nothing on the disk, and harmless to spreadsheets."""

from __future__ import annotations

import csv
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.connectors.files.conftest import OURS, Desk, Opener, rows_of

from zgoda.connectors.files.csv_file import harmless, original
from zgoda.connectors.files.options import Options, TableOptions
from zgoda.connectors.files.reading import open_file
from zgoda.connectors.files.rewriting import rewrite
from zgoda.kit.errors import RefusalKind, Temporary
from zgoda.kit.spec import Lookup, Op, Receipt, Write


def write(key: str, op: Op, id: str = "", expected: str = "", /, **values: Any) -> Write:
    return Write(key=key, op=op, id=id, values=values, expected=expected)


def kind_of(receipt: Receipt) -> RefusalKind | None:
    return receipt.refusal.kind if receipt.refusal else None


def held(desk: Desk, name: str = "out/people.csv") -> list[dict[str, str]]:
    with (desk.folder / name).open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


async def test_create_update_delete(ours: Desk) -> None:
    assert not rows_of(await ours.all()), "before the first write there is no file"
    made = await ours.write(
        write("1", "create", email="a@example.org", given_name="Łucja", keywords="x;y", score=7),
        write("2", "create", email="b@example.org"),
    )
    a, b = made["1"].id, made["2"].id
    assert a != b
    receipts = await ours.write(write("3", "update", a, given_name=None, family_name="Q"), write("4", "delete", b))
    assert all(receipt.refusal is None for receipt in receipts.values())
    assert held(ours) == [
        {"id": a, "email": "a@example.org", "given_name": "", "family_name": "Q", "keywords": "x;y", "score": "7"}
    ]
    mapped = ours.mapping().read(rows_of(await ours.all())[a])
    assert mapped.values["keywords"] == ["x", "y"]
    assert mapped.values["score"] == 7


async def test_refusals_leave_the_others_alone(ours: Desk) -> None:
    """T-64."""
    id = (await ours.write(write("1", "create", email="a@example.org")))["1"].id
    receipts = await ours.write(
        write("gone", "update", "nobody", email="x"),
        write("gone2", "delete", "nobody2"),
        write("column", "update", id, shoe_size="44"),
        write("zero", "create", email="a\0b"),
        write("half", "create", email="\ud800"),
        write("odd", "create", email=["a"]),
        write("id", "update", id, id="other"),
        write("good", "create", email="good@example.org"),
    )
    assert {key: kind_of(receipt) for key, receipt in receipts.items()} == {
        "gone": RefusalKind.GONE,
        "gone2": RefusalKind.GONE,
        "column": RefusalKind.REJECTED,
        "zero": RefusalKind.REJECTED,
        "half": RefusalKind.REJECTED,
        "odd": RefusalKind.REJECTED,
        "id": RefusalKind.RIGHTS,
        "good": None,
    }
    assert receipts["column"].refusal is not None
    assert receipts["column"].refusal.fields == ("shoe_size",)
    assert [row["email"] for row in held(ours)] == ["a@example.org", "good@example.org"]


async def test_a_repeated_create_makes_no_second_row(ours: Desk) -> None:
    """T-19: the same try has the same id; and a lost answer is found."""
    once = write("42", "create", email="a@example.org")
    first, again = (await ours.write(once))["42"], (await ours.write(once))["42"]
    assert first.id == again.id
    assert not again.created
    assert len(held(ours)) == 1
    find = ours.stream().find
    assert find is not None
    lookups = [Lookup(key="42", values=once.values), Lookup(key="43", values=once.values)]
    assert await find(ours.session, lookups) == {"42": first.id}


async def test_an_id_that_exists(desk_of: Opener) -> None:
    desk = await desk_of({"people": {**OURS, "id": "email", "columns": ["given_name"]}})
    await desk.write(write("1", "create", email="a@example.org", given_name="A"))
    receipts = await desk.write(write("2", "create", email="a@example.org"), write("3", "create", given_name="nobody"))
    assert kind_of(receipts["2"]) is RefusalKind.EXISTS
    assert receipts["2"].refusal is not None
    assert receipts["2"].refusal.moved_to == "a@example.org"
    assert len(held(desk)) == 2


async def test_a_row_that_was_edited_meanwhile_is_stale(ours: Desk) -> None:
    id = (await ours.write(write("1", "create", email="a@example.org")))["1"].id
    version = rows_of(await ours.all())[id]["@version"]
    path = ours.folder / "out/people.csv"
    path.write_text(path.read_text().replace("a@example.org", "theirs@example.org"))
    assert kind_of((await ours.write(write("2", "update", id, version, given_name="x")))["2"]) is RefusalKind.STALE
    assert held(ours)[0]["email"] == "theirs@example.org"
    fresh = rows_of(await ours.all())[id]["@version"]
    assert kind_of((await ours.write(write("3", "update", id, fresh, given_name="x")))["3"]) is None


async def test_what_others_made_of_the_file_is_kept(ours: Desk) -> None:
    """Order of rows and columns, columns of their own, delimiter, byte order mark, line ends and mode of the file."""
    path = ours.put("out/people.csv", '\ufeffnote;email;id\n"a;b";x@example.org;1\n"two\nlines";y@example.org;2\n')
    path.chmod(0o640)
    await ours.write(write("u", "update", "2", email="z@example.org"))
    raw = path.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbfnote;email;id;given_name;")
    assert b"\r" not in raw
    assert [
        (row["note"], row["email"])
        for row in csv.DictReader(raw.decode("utf-8-sig").splitlines(keepends=True), delimiter=";")
    ] == [
        ("a;b", "x@example.org"),
        ("two\nlines", "z@example.org"),
    ]
    assert path.stat().st_mode & 0o777 == 0o640


async def test_a_file_that_changes_while_it_is_rewritten_is_not_replaced(
    ours: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = (await ours.write(write("1", "create", email="a@example.org")))["1"].id
    path = ours.folder / "out/people.csv"
    synced = os.fsync

    def meanwhile(number: int) -> None:
        synced(number)
        path.write_text(path.read_text() + "mine,m@example.org,,,,\n")

    monkeypatch.setattr(os, "fsync", meanwhile)
    with pytest.raises(Temporary) as caught:
        await ours.write(write("2", "update", id, given_name="x"))
    assert not caught.value.executed
    assert [row["id"] for row in held(ours)] == [id, "mine"]
    assert os.listdir(path.parent) == ["people.csv"], "nothing is left behind"


async def test_a_crash_leaves_the_old_file_whole(ours: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await ours.write(write("1", "create", email="a@example.org"))
    before = (ours.folder / "out/people.csv").read_bytes()

    def full(*_: Any) -> None:
        raise OSError(28, "no space left")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(Temporary):
        await ours.write(write("2", "create", email="b@example.org"))
    assert (ours.folder / "out/people.csv").read_bytes() == before


async def test_nothing_to_do_leaves_the_file_alone(ours: Desk) -> None:
    await ours.write(write("1", "create", email="a@example.org"))
    path = ours.folder / "out/people.csv"
    before = path.stat()
    await ours.write(write("2", "update", "nobody", email="x"))
    assert path.stat().st_ino == before.st_ino


async def test_a_planted_link_is_not_followed(ours: Desk) -> None:
    await ours.write(write("1", "create", email="a@example.org"))
    precious = ours.put("precious.txt", "precious")
    (ours.folder / "out/.people.csv.new").symlink_to(precious)
    await ours.write(write("2", "create", email="b@example.org"))
    assert precious.read_text() == "precious"
    assert len(held(ours)) == 2


FORMULAS = ["=1+A1", "+cmd|' /C calc'!A0", "-2+A3", "@SUM(A1)", "\t=1", "'=1", "''+a", "=", "@", '\r=HYPERLINK("x")']


@pytest.mark.parametrize("text", FORMULAS)
async def test_formulas_are_harmless_and_come_back(ours: Desk, text: str) -> None:
    """S-10: a cell that begins like a formula is text to a spreadsheet."""
    id = (await ours.write(write("1", "create", email=text)))["1"].id
    [cell] = [row["email"] for row in held(ours)]
    assert cell == f"'{text}"
    assert rows_of(await ours.all())[id]["email"] == text


@pytest.mark.parametrize("text", ["+48 600 100 200", "-5", "-1.5", "+1 (555) 010-0199", "a=b", "'quoted'", ""])
async def test_numbers_and_plain_text_stay_as_they_are(text: str) -> None:
    assert harmless(text) == text
    assert original(text) == text


async def test_neutralising_can_be_turned_off(desk_of: Opener) -> None:
    desk = await desk_of({"people": OURS}, neutralise=False)
    id = (await desk.write(write("1", "create", email="=1", given_name="'=1")))["1"].id
    assert held(desk)[0]["email"] == "=1"
    row = rows_of(await desk.all())[id]
    assert (row["email"], row["given_name"]) == ("=1", "'=1")


CELLS = st.text(
    st.one_of(
        st.sampled_from("=+-@'\"\t\r\n,;| \ufeffa1"), st.characters(exclude_characters="\0", exclude_categories=["Cs"])
    ),
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=4),
    neutralise=st.booleans(),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
)
def test_what_is_written_is_read_back(rows: list[tuple[str, str]], neutralise: bool, delimiter: str) -> None:
    table = TableOptions(entity="person", id="id", write_to="x.csv", columns=["a", "b"], delimiter=delimiter)
    with tempfile.TemporaryDirectory() as folder:
        told = Options(folder=folder, tables={"people": table}, neutralise=neutralise)
        writes = [write(str(n), "create", id=str(n), a=a, b=b) for n, (a, b) in enumerate(rows)]
        first = [Write(key=w.key, op="create", values=w.values) for w in writes]
        assert all(receipt.refusal is None for receipt in rewrite(told, "people", first))
        rewrite(told, "people", [Write(key="x", op="create", values={"id": "last"})])
        with open_file(told, "people", Path(folder) / "x.csv") as source:
            read = [(cells["a"], cells["b"]) for _line, cells in source.rows]
    assert read == [*rows, ("", "")]
