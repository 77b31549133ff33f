"""Which folder it is, what is wrong with its files, and which columns they have."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

from zgoda.connectors.files.folder import files_of, name_of, target_of
from zgoda.connectors.files.options import Options
from zgoda.connectors.files.parquet_file import schema_of
from zgoda.connectors.files.reading import open_file
from zgoda.kit.errors import ConnectorError, NeedsAttention
from zgoda.kit.spec import Identity, Session, Stream, VendorField, VendorObject


async def check(session: Session) -> Identity:
    """Look at every file's header. The account is the folder."""
    told: Options = session.settings
    async with session.http.admit("read"):
        notes = await asyncio.to_thread(lambda: tuple(_notes(told)))
    return Identity(account=str(told.place.resolve()), user="files", notes=notes)


async def discover(session: Session, stream: Stream) -> VendorObject:
    """The columns of the file that counts most."""
    told: Options = session.settings
    async with session.http.admit("read"):
        fields = await asyncio.to_thread(_fields, told, stream.name)
    return VendorObject(
        stream=stream.name,
        fields=fields,
        creatable="create" in stream.can,
        updatable="update" in stream.can,
        deletable="delete" in stream.can,
    )


def _notes(told: Options) -> Iterator[str]:
    for stream, table in told.tables.items():
        try:
            files = files_of(told, table, stream)
            for path in files:
                with open_file(told, stream, path) as source:
                    lacking = [name for name in (*table.ids, *table.columns) if name not in source.columns]
                if lacking and not table.write_to:
                    yield f"{stream}: {name_of(told, path)} has no column {', '.join(lacking)}"
            if table.write_to and not os.access(_nearest(told, stream), os.W_OK):
                yield f"{stream}: no right to write {table.write_to}"
        except NeedsAttention as error:
            if error.kind == "settings" and not told.place.is_dir():
                raise
            yield f"{stream}: {error}"
        except ConnectorError as error:
            yield f"{stream}: {error}"


def _nearest(told: Options, stream: str) -> str:
    """The folder of the file to write, or the one it would be made in."""
    place = target_of(told, told.tables[stream]).parent
    while not place.exists():
        place = place.parent
    return str(place)


def _fields(told: Options, stream: str) -> tuple[VendorField, ...]:
    table = told.tables[stream]
    files = files_of(told, table, stream)
    columns, types = table.header, dict[str, str]()
    if files:
        with open_file(told, stream, files[0]) as source:
            columns = source.columns
        if files[0].suffix.lower() == ".parquet":
            schema = schema_of(files[0])
            types = {field.name: _word(str(field.type)) for field in schema}
    return tuple(
        VendorField(
            name=name,
            type=types.get(name, "text"),
            required=name in table.ids,
            writable=bool(table.write_to),
            unique=table.ids == (name,),
        )
        for name in columns
    )


def _word(type: str) -> str:
    """Arrow's word for a type, in words the hub knows."""
    for beginning, word in _WORDS:
        if type.startswith(beginning):
            return word
    return type


_WORDS = (
    ("bool", "boolean"),
    ("int", "integer"),
    ("uint", "integer"),
    ("decimal", "decimal"),
    ("double", "decimal"),
    ("float", "decimal"),
    ("halffloat", "decimal"),
    ("date", "date"),
    ("timestamp", "datetime"),
    ("list", "set"),
    ("large_list", "set"),
    ("string", "text"),
    ("large_string", "text"),
)
