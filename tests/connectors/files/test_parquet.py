"""Parquet: types both ways, cut files, and the word that is said where the library is missing."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from tests.connectors.files.conftest import OURS, READ, Desk, Opener, rows_of

from zgoda.connectors.files import CONNECTOR
from zgoda.kit.errors import Attention, NeedsAttention, RefusalKind, Temporary
from zgoda.kit.spec import Write

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

TYPED = {**OURS, "write_to": "out/people.parquet", "columns": ["email", "born", "amount", "tags", "seen", "vip", "n"]}


def typed_table() -> Any:
    schema = pa.schema(
        [
            ("id", pa.int64()),
            ("email", pa.dictionary(pa.int32(), pa.string())),
            ("born", pa.date32()),
            ("amount", pa.decimal128(20, 2)),
            ("tags", pa.list_(pa.string())),
            ("seen", pa.timestamp("us", tz="Europe/Warsaw")),
            ("vip", pa.bool_()),
            ("n", pa.int16()),
            ("address", pa.struct([("city", pa.string())])),
        ]
    )
    row = {
        "id": 1,
        "email": "a@example.org",
        "born": date(1990, 2, 28),
        "amount": Decimal("12345678901234567.10"),
        "tags": ["a;b", "c"],
        "seen": datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
        "vip": True,
        "n": 5,
        "address": {"city": "Łódź"},
    }
    return pa.Table.from_pylist([row, {**row, "id": 2, "born": None, "tags": None}], schema=schema)


FIELDS = ("email", "born", "amount", "tags", "seen", "vip", "n", "address.city")


async def test_values_come_as_what_they_are(desk_of: Opener) -> None:
    desk = await desk_of({"people": {**READ, "id": "id", "files": "*.parquet"}})
    pq.write_table(typed_table(), desk.folder / "people.parquet")
    rows = rows_of(await desk.all(fields=FIELDS))
    row = rows["1"]
    assert {name: row[name.partition(".")[0]] for name in FIELDS} == {
        "email": "a@example.org",
        "born": "1990-02-28",
        "amount": "12345678901234567.10",
        "tags": ["a;b", "c"],
        "seen": "2026-03-29T01:30:00Z",
        "vip": True,
        "n": 5,
        "address.city": {"city": "Łódź"},
    }
    assert rows["2"]["born"] is None
    described = await CONNECTOR.discover(desk.session, desk.stream())
    types = {field.name: field.type for field in described.fields}
    assert (types["born"], types["amount"], types["tags"], types["seen"]) == ("date", "decimal", "set", "datetime")


async def test_rows_keep_their_types_when_the_file_is_rewritten(desk_of: Opener) -> None:
    desk = await desk_of({"people": TYPED})
    (desk.folder / "out").mkdir()
    path = desk.folder / "out/people.parquet"
    before = typed_table()
    pq.write_table(before, path)
    values = {
        "born": "2000-01-01",
        "amount": "1.5",
        "tags": "x;y",
        "seen": "2026-01-01T00:00:00Z",
        "vip": False,
        "n": 6,
    }
    receipts = await desk.write(
        Write(key="u", op="update", id="2", values=values),
        Write(key="bad", op="update", id="1", values={"n": 99999}),
        Write(key="bad2", op="update", id="1", values={"born": "soon"}),
    )
    after = pq.read_table(path)
    assert after.schema.equals(before.schema)
    assert after.slice(0, 1).equals(before.slice(0, 1))
    changed = after.to_pylist()[1]
    assert changed["born"] == date(2000, 1, 1)
    assert changed["amount"] == Decimal("1.50")
    assert changed["tags"] == ["x", "y"]
    assert changed["vip"] is False
    for key, field in (("bad", "n"), ("bad2", "born")):
        refusal = receipts[key].refusal
        assert refusal is not None
        assert refusal.kind is RefusalKind.REJECTED
        assert refusal.fields == (field,)


async def test_a_new_file_holds_text(desk_of: Opener) -> None:
    desk = await desk_of({"people": TYPED})
    receipts = await desk.write(Write(key="1", op="create", values={"email": "=1+1", "n": 5, "vip": True}))
    [row] = pq.read_table(desk.folder / "out/people.parquet").to_pylist()
    assert (row["id"], row["email"], row["n"], row["vip"], row["born"]) == (receipts["1"].id, "=1+1", "5", "true", None)
    deleted = await desk.write(Write(key="2", op="delete", id=receipts["1"].id))
    assert deleted["2"].refusal is None
    assert not rows_of(await desk.all(fields=("email",)))


async def test_a_cut_file_is_read_later(desk_of: Opener) -> None:
    desk = await desk_of({"people": {**READ, "id": "id", "files": "people.parquet"}})
    path = desk.folder / "people.parquet"
    pq.write_table(typed_table(), path)
    whole = path.read_bytes()
    for end in (len(whole) - 3, len(whole) // 2, 3):
        path.write_bytes(whole[:end])
        with pytest.raises(Temporary):
            await desk.all(fields=("email",))


async def test_without_the_library_it_says_what_to_install(desk_of: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    desk: Desk = await desk_of({"people": {**READ, "id": "id", "files": "people.parquet"}})
    pq.write_table(typed_table(), desk.folder / "people.parquet")
    for name in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(NeedsAttention) as caught:
        await desk.all(fields=("email",))
    assert caught.value.kind is Attention.SETTINGS
    assert caught.value.do == "install zgoda[parquet]"
