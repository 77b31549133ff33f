"""Reading files: styles of CSV, mistakes with their place, what changed, and what never looks like a deletion."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from tests.connectors.files.conftest import READ, Desk, Opener, rows_of

from zgoda.connectors.files import CONNECTOR
from zgoda.kit.connection import streams_of
from zgoda.kit.errors import Attention, NeedsAttention, Temporary

HEAD = "number,email,given_name\n"


@pytest.mark.parametrize(
    ("content", "settings"),
    [
        ("number,email,given_name\r\n1,a@example.org,Łucja\r\n", {}),
        ("number;email;given_name\n1;a@example.org;Łucja\n", {}),
        ("\ufeffnumber\temail\tgiven_name\n1\ta@example.org\tŁucja", {}),
        ('"number"|"email"|"given_name"\n"1"|"a@example.org"|"Łucja"\n\n\n', {}),
        ("number!email!given_name\n1!a@example.org!Łucja\n", {"delimiter": "!"}),
        ("given_name , number,email\nŁucja,1,a@example.org\n".encode("cp1250"), {"encoding": "cp1250"}),
        ("number,email,given_name\n1,a@example.org,Łucja\n".encode("utf-16"), {"encoding": "utf-16"}),
    ],
)
async def test_styles_of_csv(desk_of: Opener, content: str | bytes, settings: dict[str, Any]) -> None:
    desk = await desk_of({"people": {**READ, **settings}})
    desk.put("people.csv", content)
    [row] = rows_of(await desk.all()).values()
    assert (row["@id"], row["email"], row["given_name"]) == ("1", "a@example.org", "Łucja")


async def test_line_breaks_and_quotes_within_cells(desk: Desk) -> None:
    desk.put("people.csv", HEAD + '1,a@example.org,"A ""B""\r\nC, D"\n2,b@example.org,\n')
    rows = rows_of(await desk.all())
    assert rows["1"]["given_name"] == 'A "B"\r\nC, D'
    assert rows["2"]["given_name"] == ""
    assert desk.mapping().read(rows["2"]).values["given_name"] is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (HEAD + "1,a,b\n2,a\n3,a,b\n", r"people\.csv, line 3: 2 cells, but 3 columns"),
        (HEAD + "1,a,b\n2,a,b,c\n", r"people\.csv, line 3: 4 cells, but 3 columns"),
        (HEAD + '1,"a\nb",c\n2,"a"b,c\n', r"people\.csv, line 4: a quotation mark"),
        (HEAD + "1,a,b\n,c,d\n", r"people\.csv, line 3: the row has no number"),
        (HEAD + "1,a,b\n2,a,b\n1,c,d\n", r"people\.csv, line 4: another row has the same id"),
        (HEAD + "1,a,b\0\n", r"people\.csv, line 2: a zero character"),
        ("number,email,email\n1,a,b\n", r"people\.csv, line 1: two columns are called email"),
        ("number,,email\n1,a,b\n", r"people\.csv, line 1: a column has no name"),
        ("no,email,given_name\n1,a,b\n", r"people\.csv, line 1: there is no column number"),
        ("number,email\n1,a\n", r"people\.csv has no column given_name"),
        (HEAD.encode() + b"1,\xff\xfe,b\n", r"people\.csv, line \d: this is no text"),
        (HEAD + '1,"' + "x" * 1_000_001 + '",b\n', r"people\.csv, line 2: a cell is too large"),
    ],
)
async def test_mistakes_have_their_place_and_nothing_is_skipped(desk: Desk, content: str | bytes, words: str) -> None:
    desk.put("people.csv", content)
    with pytest.raises(NeedsAttention, match=words) as caught:
        await desk.all()
    assert caught.value.kind is Attention.SCHEMA
    assert caught.value.stream == "people"


@pytest.mark.parametrize(
    "content",
    ["", "\n\n", HEAD + '1,a,"b', HEAD + "1,a,b\n2,b", HEAD + "1,a,b\n2"],
    ids=["empty", "blank", "open quote", "half row", "cell"],
)
async def test_a_file_that_is_cut_is_read_later(desk: Desk, content: str) -> None:
    """T-47."""
    desk.put("people.csv", content)
    with pytest.raises(Temporary, match=r"people\.csv"):
        await desk.all()


async def test_a_missing_file_is_read_later(desk: Desk) -> None:
    """T-47."""
    with pytest.raises(Temporary, match="there is no file"):
        await desk.all()


async def test_a_file_that_is_written_while_it_is_read(desk: Desk) -> None:
    path = desk.put("people.csv", HEAD + "".join(f"{n},p{n}@example.org,P\n" for n in range(2500)))
    read = desk.stream().read_all
    assert read is not None
    pages = read(desk.session, desk.reading("people", {}))
    await anext(pages)
    with path.open("a") as file:
        file.write("9999,late@example.org,L\n")
    with pytest.raises(Temporary, match="written to while it was read"):
        [page async for page in pages]


async def test_pages_are_of_the_size_that_was_asked_for(desk: Desk) -> None:
    desk.put("people.csv", HEAD + "".join(f"{n},p{n}@example.org,P\n" for n in range(1, 8)))
    pages = await desk.all(page_size=3)
    assert [len(page.rows) for page in pages] == [3, 3, 1]
    assert [page.cursor is None for page in pages] == [True, True, False]
    [row] = pages[2].rows
    assert row.keys() == {"email", "given_name", "@id", "@version"}, "only what is asked for"


async def test_missing_rows_prove_nothing_unless_files_are_complete(desk_of: Opener) -> None:
    """T-47: a total above what was read tells the engine that nothing follows from what is missing."""
    loose = await desk_of({"people": READ})
    strict = await desk_of({"people": {**READ, "files": ["people.csv", "people2.csv"], "deletions": "absence"}})
    loose.put("people.csv", HEAD + "1,a@example.org,A\n")
    loose.put("people2.csv", HEAD + "2,b@example.org,B\n")
    assert (await loose.all())[-1].total == 3
    assert (await strict.all())[-1].total == 2
    loose.put("people2.csv", HEAD)
    assert (await strict.all())[-1].total == 2, "one row was read: a file without rows proves nothing"
    (loose.folder / "people2.csv").unlink()
    with pytest.raises(Temporary):
        await strict.all()


async def test_unchanged_files_are_not_read_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from zgoda.connectors.files import reading

    opened: list[str] = []
    really = reading.open_file
    monkeypatch.setattr(
        reading, "open_file", lambda told, stream, path: (opened.append(path.name), really(told, stream, path))[1]
    )
    desk.put("people1.csv", HEAD + "1,a@example.org,A\n")
    desk.put("people2.csv", HEAD + "2,b@example.org,B\n")
    cursor = (await desk.all())[-1].cursor
    opened.clear()
    [page] = await desk.changes(cursor=cursor)
    assert not page.rows
    assert not page.gap
    os.utime(desk.folder / "people1.csv")
    [page] = await desk.changes(cursor=page.cursor)
    assert not page.rows, "another stamp, the same content"
    assert opened == []
    desk.put("people2.csv", HEAD + "2,b@example.org,Barbara\n3,c@example.org,C\n")
    [page] = await desk.changes(cursor=page.cursor)
    assert [row["@id"] for row in page.rows] == ["2", "3"]
    assert opened == ["people2.csv"]
    desk.put("people3.csv", HEAD + "1,a@example.org,Ann\n")
    [page] = await desk.changes(cursor=page.cursor)
    assert [(row["@id"], row["given_name"]) for row in page.rows] == [("1", "Ann")]


async def test_a_change_within_one_tick_of_the_clock_is_seen(desk: Desk) -> None:
    """A file of the same size and stamp as before, because it was changed right after it was read."""
    path = desk.put("people.csv", HEAD + "1,a@example.org,A\n", age_s=0.5)
    cursor = (await desk.all())[-1].cursor
    state = path.stat()
    path.write_text(HEAD + "1,a@example.org,B\n")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    [page] = await desk.changes(cursor=cursor)
    assert [row["given_name"] for row in page.rows] == ["B"]


async def test_the_later_file_counts(desk: Desk) -> None:
    desk.put("people-2026-01.csv", HEAD + "1,old@example.org,A\n2,b@example.org,B\n")
    desk.put("people-2026-02.csv", HEAD + "1,new@example.org,A\n")
    rows = [row for page in await desk.all() for row in page.rows]
    assert [(row["@id"], row["email"]) for row in rows] == [("1", "new@example.org"), ("2", "b@example.org")]


@pytest.mark.parametrize(
    ("content", "gap"),
    [
        (HEAD + "1,x@example.org,A\n2,b@example.org,B\n", False),
        (HEAD + "1,a@example.org,A\n2,b@example.org,B\n3,c@example.org,C\n", False),
        (HEAD + "2,b@example.org,B\n", True),
        (HEAD + "2,b@example.org,B\n3,c@example.org,C\n", True),
    ],
    ids=["edited", "appended", "removed", "replaced"],
)
async def test_a_full_compare_is_asked_for_where_a_row_may_be_gone(desk_of: Opener, content: str, gap: bool) -> None:
    desk = await desk_of({"people": {**READ, "files": "people.csv", "deletions": "absence"}})
    desk.put("people.csv", HEAD + "1,a@example.org,A\n2,b@example.org,B\n")
    cursor = (await desk.all())[-1].cursor
    desk.put("people.csv", content)
    assert (await desk.changes(cursor=cursor))[-1].gap is gap


async def test_single_rows(desk: Desk) -> None:
    desk.put("people.csv", HEAD + "1,a@example.org,A\n2,b@example.org,B\n")
    page = await desk.ids("2", "7")
    assert [row["@id"] for row in page.rows] == ["2"]
    assert page.removed == [], "others' files may have lost a row for any reason"


async def test_ids_of_several_columns(desk_of: Opener) -> None:
    desk = await desk_of({"people": {**READ, "id": ["branch", "number"]}})
    desk.put("people.csv", "branch,number,email,given_name\na/b,1,x,X\na,b/1,y,Y\n")
    assert list(rows_of(await desk.all())) == ["a%2Fb/1", "a/b%2F1"]


async def test_links_and_paths_do_not_lead_out_of_the_folder(
    desk: Desk, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "people.csv"
    outside.write_text(HEAD + "1,secret@example.org,S\n")
    (desk.folder / "people.csv").symlink_to(outside)
    with pytest.raises(NeedsAttention, match="leads out of the folder"):
        await desk.all()


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({**READ, "files": "../people.csv"}, "within the folder"),
        ({**READ, "files": "/etc/people.csv"}, "within the folder"),
        ({**READ, "files": "people.xlsx"}, "end in"),
        ({**READ, "write_to": "out.csv"}, "either files"),
        ({"entity": "person", "id": "a"}, "either files"),
        ({**READ, "deletions": "absence"}, "full names"),
        ({**READ, "deletions": "often"}, "described wrongly"),
        ({**READ, "encoding": "klingon"}, "no such encoding"),
        ({**READ, "entity": "persn"}, "no entity"),
        ({**READ, "id": []}, "no column"),
        ({"entity": "person", "id": "a", "write_to": "x.csv"}, "needs columns"),
        ({"entity": "person", "id": "a", "write_to": "*.csv", "columns": ["b"]}, "full names"),
    ],
)
def test_settings_that_describe_no_stream(table: dict[str, Any], words: str) -> None:
    with pytest.raises(NeedsAttention, match=words):
        streams_of(CONNECTOR, {"tables": {"people": table}})


async def test_check_and_discover(desk_of: Opener, tmp_path: Path) -> None:
    desk = await desk_of({"people": READ, "firms": {"entity": "organization", "id": "name", "files": "firms.csv"}})
    desk.put("people.csv", "number,email,extra\n1,a@example.org,x\n")
    identity = await CONNECTOR.check(desk.session)
    assert identity.account == str(tmp_path)
    assert "people: people.csv has no column given_name" in identity.notes
    assert any("firms: firms: there is no file" in note for note in identity.notes)
    described = await CONNECTOR.discover(desk.session, desk.stream())
    assert [field.name for field in described.fields] == ["number", "email", "extra"]
    assert not any(field.writable for field in described.fields)
    gone = await desk_of({"people": READ}, folder=str(tmp_path / "nowhere"))
    with pytest.raises(NeedsAttention, match="folder"):
        await CONNECTOR.check(gone.session)
