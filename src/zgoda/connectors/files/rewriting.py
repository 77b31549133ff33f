"""Writing the file that is ours: a new one is written beside it, brought to the disk, and put in its place at once.

Rows that no write is about are carried over as they are, one at a time. Nothing is lost of what others put into the
file meanwhile: if it is no longer the file that was read, nothing is replaced.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec

from zgoda.connectors.files.csv_file import Style, new_csv, spelled, style_of
from zgoda.connectors.files.folder import Watch, target_of, unreadable
from zgoda.connectors.files.options import Options, TableOptions
from zgoda.connectors.files.parquet_file import fitted, new_parquet, schema_of, text_schema
from zgoda.connectors.files.reading import open_file
from zgoda.connectors.files.rows import Cells, Census, Unfit, id_of, identified, version_of
from zgoda.kit.errors import Refusal, RefusalKind
from zgoda.kit.spec import Receipt, Write

Fit: TypeAlias = Callable[[str, Any], Any]
"""A value in the spelling of a column. Raises `Unfit`."""


class _Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How the new file is made: its columns, and what depends on its format."""

    target: Path
    columns: tuple[str, ...]
    fit: Fit
    style: Style | None = None
    schema: Any = None


def rewrite(told: Options, stream: str, writes: list[Write]) -> list[Receipt]:
    """Do the writes; one receipt each. Raises before the file is replaced, or not at all."""
    table = told.tables[stream]
    target = target_of(told, table)
    watch, there = Watch(target), target.exists()
    plan = _plan(told, stream, table, target, there=there)
    desk = _Desk(table, plan, writes)
    beside = target.with_name(f".{target.name}.new")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside.unlink(missing_ok=True)
        with _opened(plan, beside, told) as add:
            if there:
                with open_file(told, stream, target) as source:
                    for row in identified(target, stream, table, source, Census()):
                        if (kept := desk.kept(row.id, row.cells)) is not None:
                            add(kept)
            for cells in desk.made():
                add(cells)
        if desk.changed:
            _replace(target, beside, watch)
    except OSError as error:
        raise unreadable(target, error) from None
    finally:
        with suppress(FileNotFoundError):
            beside.unlink()
    return desk.receipts


def _plan(told: Options, stream: str, table: TableOptions, target: Path, *, there: bool) -> _Plan:
    """Columns of the settings that the file lacks are added to it; the file's own are kept."""
    columns: tuple[str, ...] = ()
    if there:
        with open_file(told, stream, target) as source:
            columns = source.columns
    columns = tuple(dict.fromkeys((*columns, *table.header)))
    if target.suffix.lower() == ".parquet":
        schema = text_schema(columns)
        if there:
            held = schema_of(target)
            for field in schema:
                held = held if field.name in held.names else held.append(field)
            schema = held
        return _Plan(target=target, columns=columns, fit=lambda name, value: fitted(schema, name, value), schema=schema)
    new = Style(delimiter=table.delimiter or ("\t" if target.suffix == ".tsv" else ","), encoding=table.encoding)
    style = style_of(target, table) if there else new
    return _Plan(
        target=target,
        columns=columns,
        fit=lambda name, value: spelled(table, name, value, style.encoding),
        style=style,
    )


@contextmanager
def _opened(plan: _Plan, beside: Path, told: Options) -> Generator[Callable[[Cells], None]]:
    if plan.style is None:
        with new_parquet(beside, plan.schema) as add:
            yield add
    else:
        with new_csv(beside, plan.columns, plan.style, neutralise=told.neutralise) as add:
            yield add


def _replace(target: Path, beside: Path, watch: Watch) -> None:
    """After a crash there is the old file or the new one, whole."""
    with beside.open("rb+") as file:
        os.fsync(file.fileno())
    if target.exists():
        os.chmod(beside, target.stat().st_mode & 0o7777)
    watch.ended()
    os.replace(beside, target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class _Desk:
    """The writes of one call, and what became of them while the file goes by."""

    def __init__(self, table: TableOptions, plan: _Plan, writes: list[Write]) -> None:
        self._table = table
        self._plan = plan
        self._by_id: dict[str, list[Write]] = {}
        self._creates: dict[str, tuple[Write, Cells]] = {}
        self.receipts: list[Receipt] = []
        self.changed = False
        for write in writes:
            if write.op == "create":
                self._take_create(write)
            else:
                self._by_id.setdefault(write.id, []).append(write)

    def kept(self, id: str, cells: Cells) -> Cells | None:
        """A row of the old file as it goes into the new one; None if it does not."""
        if id in self._creates:
            self._meet(id, cells)
        row: Cells | None = cells
        for write in self._by_id.pop(id, []):
            row = self._apply(write, row)
        return row

    def made(self) -> list[Cells]:
        """The new rows, once the whole old file went by."""
        for writes in self._by_id.values():
            for write in writes:
                self._refuse(write, RefusalKind.GONE, "no_such_row")
        for id, (write, _cells) in self._creates.items():
            self.receipts.append(Receipt(key=write.key, id=id))
            self.changed = True
        return [cells for _write, cells in self._creates.values()]

    def _take_create(self, write: Write) -> None:
        try:
            cells = self._fitted(write)
        except Unfit as unfit:
            self._refuse(write, RefusalKind.REJECTED, unfit.code, unfit.column)
            return
        own = self._table.ids
        if len(own) == 1 and not cells.get(own[0]):
            cells[own[0]] = self._plan.fit(own[0], made_id(write))
        id = id_of(self._table, cells)
        if id is None:
            lacking = [name for name in own if not cells.get(name)]
            self._refuse(write, RefusalKind.REJECTED, "no_id", *lacking)
        elif id in self._creates:
            self._refuse(write, RefusalKind.REJECTED, "same_id", *own)
        else:
            self._creates[id] = (write, cells)

    def _meet(self, id: str, cells: Cells) -> None:
        """A create whose id is there: made by us before, as the made-up id says, or somebody else's row."""
        write, _cells = self._creates.pop(id)
        if id == made_id(write):
            self.receipts.append(Receipt(key=write.key, id=id, created=False))
        else:
            self._refuse(write, RefusalKind.EXISTS, "exists", *self._table.ids, moved_to=id)

    def _apply(self, write: Write, row: Cells | None) -> Cells | None:
        if row is None:
            self._refuse(write, RefusalKind.GONE, "no_such_row")
            return None
        if write.expected and write.expected != version_of(row):
            self._refuse(write, RefusalKind.STALE, "changed")
            return row
        if write.op == "delete":
            self._done(write)
            return None
        try:
            changes = self._fitted(write)
        except Unfit as unfit:
            self._refuse(write, RefusalKind.REJECTED, unfit.code, unfit.column)
            return row
        if moved := [name for name in self._table.ids if name in changes and changes[name] != row.get(name)]:
            self._refuse(write, RefusalKind.RIGHTS, "id_column", *moved)
            return row
        self._done(write)
        return {**row, **changes}

    def _fitted(self, write: Write) -> Cells:
        cells: Cells = {}
        for name, value in _flat(write.values, self._plan.columns).items():
            if name not in self._plan.columns:
                raise Unfit("unknown_column", name)
            cells[name] = self._plan.fit(name, value)
        return cells

    def _done(self, write: Write) -> None:
        self.changed = True
        self.receipts.append(Receipt(key=write.key, id=write.id))

    def _refuse(self, write: Write, kind: RefusalKind, code: str, *fields: str, moved_to: str = "") -> None:
        refusal = Refusal(kind=kind, code=code, message=WHY[code], fields=fields, moved_to=moved_to)
        self.receipts.append(Receipt(key=write.key, id=write.id, refusal=refusal))


WHY: Final = {
    "unknown_column": "the file has no such column",
    "bad_value": "this is no value for the column",
    "not_in_encoding": "the file's encoding has no signs for this text",
    "no_id": "the id of the row is blank",
    "same_id": "another new row has the same id",
    "exists": "there is a row with this id already",
    "id_column": "the id of a row cannot be changed",
    "no_such_row": "there is no such row",
    "changed": "the row was changed meanwhile",
}


def made_id(write: Write) -> str:
    """The id of a new row that brings none. The same try makes the same id, so a repeated one makes no second row."""
    raw = msgspec.json.encode([write.key, write.values], order="deterministic")
    return "z" + hashlib.blake2b(raw, digest_size=10).hexdigest()


def _flat(values: Cells, columns: tuple[str, ...], above: str = "") -> Cells:
    """Nested values by dotted name, as columns may be called."""
    flat: Cells = {}
    for name, value in values.items():
        path = f"{above}{name}"
        if isinstance(value, dict) and path not in columns:
            flat |= _flat(value, columns, f"{path}.")  # pyright: ignore[reportUnknownArgumentType]
        else:
            flat[path] = value
    return flat
