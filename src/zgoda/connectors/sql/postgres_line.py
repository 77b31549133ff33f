"""Connections to PostgreSQL: made when needed, kept while they work, and each used for one transaction at a time."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, TypeAlias

import psycopg
from psycopg import AsyncConnection, sql

from zgoda.kit.errors import Attention, ConnectorError, NeedsAttention, Temporary

Connection: TypeAlias = AsyncConnection[tuple[Any, ...]]

CONNECT_S: Final = 10
SETTINGS: Final = sql.SQL(
    "SELECT set_config('TimeZone', 'UTC', true), set_config('DateStyle', 'ISO, YMD', true),"
    " set_config('statement_timeout', '120s', true), set_config('lock_timeout', '1s', true),"
    " set_config('idle_in_transaction_session_timeout', '120s', true),"
    " set_config('transaction_read_only', {read_only}, true)"
)
"""Per transaction, so that nothing is left behind on connections a pooler shares."""


class Line:
    """The connections of one database. Errors are sorted by recovery; none repeats what the server said."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._idle: list[Connection] = []

    @asynccontextmanager
    async def transaction(self, *, read_only: bool) -> AsyncGenerator[Connection]:
        """A transaction that is committed when the block ends and rolled back when it raises."""
        connection = await self._begin(read_only=read_only)
        committing = False
        try:
            yield connection
            committing = True
            await connection.execute("COMMIT")
        except psycopg.Error as error:
            await self._drop(connection)
            raise call_error(error, committing=committing) from None
        except BaseException:
            await self._drop(connection)
            raise
        self._idle.append(connection)

    async def close(self) -> None:
        while self._idle:
            await self._drop(self._idle.pop())

    async def _begin(self, *, read_only: bool) -> Connection:
        """A connection with an open transaction. One that went dead while idle is replaced."""
        configure = SETTINGS.format(read_only=sql.Literal("on" if read_only else "off"))
        while self._idle:
            connection = self._idle.pop()
            try:
                await _open_transaction(connection, configure)
            except psycopg.Error:
                await self._drop(connection)
            else:
                return connection
        try:
            connection = await AsyncConnection.connect(
                self._url,
                autocommit=True,
                prepare_threshold=None,
                connect_timeout=CONNECT_S,
                application_name="zgoda",
            )
        except psycopg.Error as error:
            raise _connect_error(error) from None
        try:
            await _open_transaction(connection, configure)
        except psycopg.Error as error:
            await self._drop(connection)
            raise call_error(error) from None
        return connection

    async def _drop(self, connection: Connection) -> None:
        """Closing ends the transaction on the server, too."""
        with suppress(psycopg.Error):
            await connection.close()


async def _open_transaction(connection: Connection, configure: sql.Composed) -> None:
    await connection.execute("BEGIN")
    await connection.execute(configure)


_REFUSED: Final = re.compile(r"password|role \"|authenti|pg_hba", re.IGNORECASE)
_NO_DATABASE: Final = re.compile(r"database \".*\" does not exist", re.IGNORECASE)


def _connect_error(error: psycopg.Error) -> ConnectorError:
    """Before there is a session the server's words are all there is to tell a wrong password from a cut cable."""
    text = str(error)
    if isinstance(error, psycopg.ProgrammingError):
        return NeedsAttention(Attention.SETTINGS, "url is no address of a PostgreSQL database", do="correct it")
    if _NO_DATABASE.search(text):
        return NeedsAttention(Attention.SETTINGS, "the server has no such database", do="correct url")
    if "FATAL" in text and _REFUSED.search(text):
        return NeedsAttention(Attention.CREDENTIALS, "the database refused user or password", do="correct url")
    return Temporary("the database cannot be reached")


def call_error(error: psycopg.Error, *, committing: bool = False) -> ConnectorError:
    """A failed call by recovery. While committing, a cut line leaves open whether it happened."""
    code = error.sqlstate or ""
    said = f" ({code})" if code else ""
    match code[:2]:
        case "28":
            return NeedsAttention(Attention.CREDENTIALS, f"the database refused user or password{said}")
        case "3D" | "3F":
            return NeedsAttention(Attention.SETTINGS, f"the database or the schema does not exist{said}")
        case "42" if code == "42501":
            return NeedsAttention(
                Attention.RIGHTS, f"the database user lacks a right{said}", do="`zgoda check` says which"
            )
        case "42":
            return NeedsAttention(Attention.SCHEMA, f"a table or column is not what it was{said}")
        case _:
            return Temporary(f"the database call failed{said}", executed=committing and code[:2] in ("", "08", "57"))
