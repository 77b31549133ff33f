"""The settings of a folder: which files are read as what, and which file is ours to write."""

from __future__ import annotations

import codecs
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal

import msgspec

from zgoda.kit.errors import Attention, NeedsAttention
from zgoda.kit.mapping import Map
from zgoda.kit.spec import Setting
from zgoda.model.entities import ENTITIES, FieldType


class TableOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One stream: files that are read, or the one file that is written (and read as well). `id` are the columns that
    together identify a row."""

    entity: str
    id: str | list[str]
    files: str | list[str] = []
    write_to: str = ""
    columns: list[str] = []
    delimiter: str = ""
    encoding: str = "utf-8"
    deletions: Literal["never", "absence"] = "never"

    @property
    def ids(self) -> tuple[str, ...]:
        return (self.id,) if isinstance(self.id, str) else tuple(self.id)

    @property
    def patterns(self) -> tuple[str, ...]:
        if self.write_to:
            return (self.write_to,)
        return (self.files,) if isinstance(self.files, str) else tuple(self.files)

    @property
    def header(self) -> tuple[str, ...]:
        """The columns of a file we make."""
        return tuple(dict.fromkeys((*self.ids, *self.columns)))


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What `SETTINGS` mean."""

    folder: str
    tables: dict[str, TableOptions]
    neutralise: bool = True

    @property
    def place(self) -> Path:
        return Path(self.folder)


_TABLE: Final = (
    Setting(name="entity", meaning="What a row is", required=True, example="person"),
    Setting(name="id", meaning="The column, or the columns, that identify a row for ever", required=True, example="id"),
    Setting(
        name="files",
        meaning="The files to read, within the folder: names, or patterns with * and ?; of several rows with one id "
        "that of the file with the last name counts",
        example="people*.csv",
    ),
    Setting(
        name="write_to",
        meaning="The one file the hub keeps up to date instead; it belongs to the hub",
        example="out/people.csv",
    ),
    Setting(
        name="columns", meaning="The columns of the file to write, or those of the others to take by name", default=[]
    ),
    Setting(name="delimiter", meaning="What stands between the cells (else what the header tells)", example='";"'),
    Setting(name="encoding", meaning="How text is spelled in CSV files", default="utf-8"),
    Setting(
        name="deletions",
        meaning="never: a row that is missing says nothing; absence: each file is always complete, so the row is gone",
        default="never",
    ),
)

SETTINGS: Final = (
    Setting(name="folder", meaning="The folder of the files", required=True, example="/srv/exchange"),
    Setting(
        name="tables",
        meaning="What the files hold, by the stream's name",
        required=True,
        each=_TABLE,
        example='{people: {entity: person, id: number, files: "people*.csv", columns: [email, given_name]}}',
    ),
    Setting(
        name="neutralise",
        meaning="Put an apostrophe before written cells that a spreadsheet would take for a formula",
        default=True,
    ),
)


def parse(settings: Any) -> Options:
    """The settings as `Options`. `NeedsAttention` names the setting that is wrong."""
    tables_of(settings)
    try:
        return msgspec.convert(settings, Options, strict=False)
    except msgspec.ValidationError as error:
        raise _wrong(f"the settings of the folder are wrong: {error}") from None


def tables_of(settings: Any) -> dict[str, TableOptions]:
    """The tables alone. `NeedsAttention` says what is wrong with them."""
    try:
        tables = msgspec.convert(settings.get("tables") or {}, dict[str, TableOptions])
    except msgspec.ValidationError as error:
        raise _wrong(f"the tables are described wrongly: {error}") from None
    for stream, told in tables.items():
        _check(stream, told)
    targets = [told.write_to for told in tables.values() if told.write_to]
    if len(set(targets)) < len(targets):
        raise _wrong("two tables write to one file", do="give each a file of its own")
    return tables


def _check(stream: str, told: TableOptions) -> None:
    if told.entity not in ENTITIES:
        raise _wrong(f"{stream}: there is no entity of that name", do=f"one of {', '.join(ENTITIES)}")
    if bool(told.files) == bool(told.write_to):
        why = f"{stream}: say either files (others write them) or write_to (the hub writes it)"
        raise _wrong(why, do="for both ways make two streams, each with files of its own")
    for pattern in told.patterns:
        _check_pattern(stream, told, pattern)
    if not told.ids or not all(told.ids):
        raise _wrong(f"{stream}: id names no column")
    if told.write_to and not told.columns:
        raise _wrong(f"{stream}: the file to write needs columns", do="for example columns: [email, given_name]")
    if len(told.delimiter) > 1:
        raise _wrong(f"{stream}: the delimiter is one character")
    try:
        codecs.lookup(told.encoding)
    except LookupError:
        raise _wrong(f"{stream}: there is no such encoding", do="for example utf-8 or cp1250") from None


def _check_pattern(stream: str, told: TableOptions, pattern: str) -> None:
    path = PurePosixPath(pattern)
    if not pattern or path.is_absolute() or ".." in path.parts or "\0" in pattern:
        raise _wrong(f"{stream}: files are named within the folder")
    if path.suffix.lower() not in SUFFIXES:
        raise _wrong(f"{stream}: the names of files end in {', '.join(SUFFIXES)}")
    if has_wildcard(pattern) and (told.deletions == "absence" or told.write_to):
        what = "deletions: absence" if told.deletions == "absence" else "write_to"
        why = f"{stream}: {what} needs files by their full names"
        raise _wrong(why, do="a file that is not there yet must not look like a deletion")


SUFFIXES: Final = (".csv", ".tsv", ".txt", ".parquet")


def has_wildcard(pattern: str) -> bool:
    return any(sign in pattern for sign in "*?[")


def default_mapping(told: TableOptions) -> tuple[Map, ...]:
    """Columns that are called like our fields carry them; all else is said in the mapping file."""
    fields = ENTITIES[told.entity].fields
    return tuple(
        Map(vendor=name, field=name, direction="both" if told.write_to else "in")
        for name in dict.fromkeys((*told.columns, *told.ids))
        if name in fields and fields[name].type is not FieldType.REF
    )


def _wrong(message: str, *, do: str = "") -> NeedsAttention:
    return NeedsAttention(Attention.SETTINGS, message, do=do)
