"""Reading any Odoo model as a stream: pages, changes, single records, and finding a record that may have been made.

Odoo keeps `write_date` with microseconds but shows whole seconds, so (stamp, id) is no key one can page by. Instead
everything changed since a moment is read in order of `id`: each record once, and the pass ends however many records
share one stamp. The next pass starts `overlap_s` before the newest stamp known when this one began, because a
transaction is stamped with its start and seen at its end. Deleted records leave nothing; the engine's sweep of ids
finds them. Archived records are `Removed`: Odoo hides them everywhere, and un-archiving makes a row again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias, cast

import msgspec

from zgoda.connectors.odoo.columns import X_TO_MANY, Column, columns, related
from zgoda.connectors.odoo.markup import to_text
from zgoda.connectors.odoo.rpc import Fault, call, reach, search_read
from zgoda.kit.convert import Unconvertible, parse_instant
from zgoda.kit.errors import Refusal, Temporary
from zgoda.kit.spec import Cursor, Lookup, Page, Reading, Removed, Row, Session, Write

PAGE_SIZE: Final = 500
OVERLAP_S: Final = 600
LEAST_OVERLAP_S: Final = 60.0
MODULE: Final = "zgoda"
"""The module part of the external ids (`ir.model.data`) that records made by the hub carry."""


class ExternalId(str):
    """A value that names a record by Odoo's own external id (`mail.mt_note`)."""

    __slots__ = ()


COMES_AND_GOES: Final = frozenset({"mobile", "title", "opt_out", "email_normalized"})
"""Columns some versions lack: left out without a word. Any other unknown column needs a person."""


class Draft(msgspec.Struct, kw_only=True):
    """A write on its way: `values` are columns, relations and what the table calls virtual; see `writing`.

    `existing`: `prepare` found that what is to be created is there already (`id`).
    """

    write: Write
    values: Row
    refusal: Refusal | None = None
    id: int = 0
    existing: bool = False


Domain: TypeAlias = Callable[[Session], list[Any]]
Fill: TypeAlias = Callable[[Session, list[Row], set[str]], Awaitable[list[Row | None]]]
Prepare: TypeAlias = Callable[[Session, list[Draft]], Awaitable[None]]
Gone: TypeAlias = Callable[[Session, list[int]], Awaitable[list[Removed]]]
Elsewhere: TypeAlias = Callable[[Session, Cursor], AsyncIterator[tuple[list[int], Cursor]]]


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """An Odoo model as one stream sees it.

    `domain` says which records belong to the stream, `fixed` what a new one needs for that. `virtual` names the fields
    that are no columns, with the columns `fill` makes them from (`None` for a record that is not of the stream after
    all); `prepare` turns them back into columns. `before` writes to other models what has to be there first (opt-outs).
    `elsewhere` yields, for a virtual field, ids of records for which it changed through other models. `gone` says what
    became of ids that are not in the stream (any more). `archives` is False where archived does not mean out of use (a
    lost opportunity). `sifted`: Odoo drops what the user may not see after it cut the page, so a short page is not the
    last one. `unstamped`: some records have no `write_date`. `same` are the columns that identify what a create makes
    (else it is the write's key); `telling` those by which a lost create is recognised without an external id.
    """

    model: str
    domain: Domain
    fixed: Row = msgspec.field(default_factory=dict[str, Any])
    virtual: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict[str, tuple[str, ...]])
    fill: Fill | None = None
    prepare: Prepare | None = None
    gone: Gone | None = None
    before: Prepare | None = None
    elsewhere: dict[str, Elsewhere] = msgspec.field(default_factory=dict[str, Elsewhere])
    archives: bool = True
    sifted: bool = False
    unstamped: bool = False
    same: tuple[str, ...] = ()
    telling: tuple[str, ...] = ("name",)


async def read(table: Table, session: Session, reading: Reading, *, whole: bool = False) -> AsyncIterator[Page]:
    """All records (`whole`, or no cursor yet) or those changed since the cursor, in pages."""
    (await reach(session)).books.clear()
    at = dict(reading.cursor or {})
    total = await count(table, session) if whole and not table.sifted else None
    others = [yields for field, yields in table.elsewhere.items() if field in reading.fields]
    if at.get("records") is None:
        for elsewhere in others:
            async for _, moved in elsewhere(session, at):  # only notes where those models stand now
                at = moved
    ask = await ask_for(table, session, reading.fields)
    size = reading.page_size or PAGE_SIZE
    domain = table.domain(session)
    async for found, position in walk(session, table.model, domain, ask, at.get("records"), size, table=table):
        at = at | {"records": position}
        rows, removed = await shape(table, session, found, reading.fields)
        yield Page(rows=rows, removed=removed, cursor=at, total=total)
    for elsewhere in [] if whole else others:
        async for ids, moved in elsewhere(session, at):
            at = moved
            page = await read_ids(table, session, reading, [str(id) for id in ids])
            yield Page(rows=page.rows, cursor=at)


async def read_ids(table: Table, session: Session, reading: Reading, ids: list[str]) -> Page:
    """The records that exist; `Removed` for archived ones and for those that left the stream."""
    (await reach(session)).books.clear()
    wanted = [number for id in ids if (number := number_of(id))]
    ask = await ask_for(table, session, reading.fields)
    domain = [*table.domain(session), ["id", "in", wanted]]
    rows, removed = await shape(table, session, await search_read(session, table.model, domain, ask), reading.fields)
    present = {row["id"] for row in rows} | {gone.id for gone in removed}
    absent = [id for id in wanted if str(id) not in present]
    if absent:
        removed += await table.gone(session, absent) if table.gone else [Removed(id=str(id)) for id in absent]
    return Page(rows=rows, removed=removed + [Removed(id=id) for id in ids if not number_of(id)])


async def find(table: Table, session: Session, lookups: list[Lookup]) -> dict[str, str]:
    """What a create with a lost answer made: by the external id it was to carry, else by its telling values if
    exactly one record has them."""
    drafts = [
        Draft(write=Write(key=lookup.key, op="create", values=lookup.values), values=dict(lookup.values))
        for lookup in lookups
    ]
    if table.prepare is not None:
        await table.prepare(session, drafts)
    keys = {external_id(table, draft): draft.write.key for draft in drafts}
    found: dict[str, str] = {}
    try:
        domain = [["module", "=", MODULE], ["name", "in", sorted(keys)]]
        for row in await search_read(session, "ir.model.data", domain, ["name", "res_id"]):
            if row.get("name") in keys:
                found[keys[row["name"]]] = str(row["res_id"])
    except Fault:
        pass  # some users may not read external ids; the values have to do
    for draft in drafts:
        told = [[name, "=", draft.values[name]] for name in table.telling if draft.values.get(name)]
        if told and draft.write.key not in found:
            rows = await search_read(session, table.model, [*table.domain(session), *told], [], limit=2)
            if len(rows) == 1:
                found[draft.write.key] = str(rows[0]["id"])
    return found


def external_id(table: Table, draft: Draft) -> str:
    """The name of the external id of the record a create makes; stable, so a repeated create makes no second one.

    The values are part of it: keys are numbers of one hub, and another hub (or this one set up anew) at the same Odoo
    must not meet its records under them.
    """
    said = [draft.values.get(name) for name in table.same] or [draft.write.key, draft.write.values]
    content = msgspec.json.encode([table.model, said], order="deterministic")
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def number_of(id: str) -> int:
    """An id as Odoo wants it; 0 for what cannot be one (ids are 32-bit numbers from 1)."""
    return int(id) if re.fullmatch(r"[1-9]\d{0,9}", id, re.ASCII) and int(id) < 2**31 else 0


async def count(table: Table, session: Session) -> int | None:
    """How many records the stream has, archived ones not counted."""
    domain = table.domain(session)
    if table.archives and "active" in await columns(session, table.model):
        domain = [*domain, ["active", "=", True]]
    found = await call(session, table.model, "search_count", domain=domain)
    return found if isinstance(found, int) else None


async def walk(
    session: Session,
    model: str,
    domain: list[Any],
    ask: list[str],
    position: Row | None,
    size: int = PAGE_SIZE,
    *,
    table: Table | None = None,
) -> AsyncIterator[tuple[list[Row], Row]]:
    """Pages of records changed since a position (None: all), each with the position to go on from."""
    unstamped = table is not None and table.unstamped
    fresh: Row = {"since": "", "top": 0, "after": 0}
    at: Row = dict(position) if position else {**fresh, "then": await stand(session, model, unstamped=unstamped)}
    while True:
        changed: list[Any] = [["write_date", ">=", at["since"]]] if at["since"] else []
        if changed and unstamped:
            changed = ["|", ["id", ">", at["top"]], *changed]
        terms = [*domain, *changed, *([["id", ">", at["after"]]] if at["after"] else [])]
        rows = await search_read(session, model, terms, sorted({"write_date", *ask}), limit=size)
        last = not rows or (len(rows) < size and not (table is not None and table.sifted))
        if last and not at.get("then"):
            yield rows, _moved(session, at, rows)
            return
        if last:
            yield rows, {**at["then"], "after": 0}
            return
        then = at.get("then") or await stand(session, model, unstamped=unstamped)
        at = {**at, "after": rows[-1]["id"], "then": then}
        yield rows, at


async def stand(session: Session, model: str, *, unstamped: bool = False) -> Row:
    """The position at which to start reading what changes from now on; the highest id only matters for `unstamped`."""
    newest = await search_read(
        session, model, [["write_date", "!=", False]], ["write_date"], order="write_date desc", limit=1
    )
    highest = await search_read(session, model, [], [], order="id desc", limit=1) if unstamped else []
    at = {"since": "", "top": highest[0]["id"] if highest else 0, "after": 0}
    return _moved(session, at, newest) if newest else at


async def ask_for(table: Table, session: Session, fields: tuple[str, ...]) -> list[str]:
    """The columns to request for mapped fields; what this server does not have is left out."""
    known = await columns(session, table.model)
    wanted: dict[str, None] = dict.fromkeys(("write_date", "active") if table.archives else ("write_date",))
    for path in fields:
        top = path.partition(".")[0]
        wanted |= dict.fromkeys(table.virtual.get(top, (top,)))
    return sorted({known[name].name for name in wanted if name in known and name != "id"})


async def shape(
    table: Table, session: Session, found: list[Row], fields: tuple[str, ...]
) -> tuple[list[Row], list[Removed]]:
    """Odoo's records as rows with just the mapped fields, and the archived ones as `Removed`."""
    known = await columns(session, table.model)
    raws = [_plain(raw, known) for raw in found]
    removed = [
        Removed(id=str(raw["id"]), at=_moment(raw.get("write_date")))
        for raw in raws
        if table.archives and raw.get("active") is False
    ]
    raws = [raw for raw in raws if not (table.archives and raw.get("active") is False)]
    tops = {path.partition(".")[0] for path in fields}
    virtual: list[Row | None] = [{} for _ in raws]
    if table.fill is not None and raws:
        virtual = await table.fill(session, raws, tops)
    rows = [
        {"id": str(raw["id"]), "write_date": raw.get("write_date", False)}
        | {top: raw[top] for top in tops if top in raw and top not in table.virtual and top != "id"}
        | {top: value for top, value in more.items() if top in tops}
        for raw, more in zip(raws, virtual, strict=True)
        if more is not None
    ]
    await _look_through(session, rows, {path for path in fields if path.partition(".")[0] not in table.virtual}, known)
    return rows, removed


def _plain(raw: Row, known: dict[str, Column]) -> Row:
    """Today's names; ids for `[id, name]`; text for rich text."""
    row: Row = {"id": raw["id"], "write_date": raw.get("write_date", False)}
    for name, column in known.items():
        if column.name not in raw or name == "id":
            continue
        value = raw[column.name]
        if column.type == "many2one" and isinstance(value, list):
            value = cast("list[Any]", value)[0] if value else False
        elif column.type == "html" and isinstance(value, str):
            value = to_text(value) or False
        row[name] = value
    return row


async def _look_through(session: Session, rows: list[Row], paths: set[str], known: dict[str, Column]) -> None:
    """Replace the ids of relations by the asked attributes of what they point to."""
    through: dict[str, set[str]] = {}
    for path in paths:
        top, _, attribute = path.partition(".")
        if attribute and top in known and known[top].relation:
            through.setdefault(top, set()).add(attribute)
    for top, attributes in through.items():
        many = known[top].type in X_TO_MANY
        ids = {id for row in rows for id in _ids(row.get(top), many)}
        others = await related(session, known[top].relation, ids, attributes)
        for row in rows:
            if top in row:
                points = [others.get(id, {}) for id in _ids(row[top], many)]
                row[top] = {name: _seen(points, name, many) for name in attributes}


def _ids(value: Any, many: bool) -> list[int]:
    values = cast("list[Any]", value) if many and isinstance(value, list) else [value]
    return [id for id in values if isinstance(id, int) and not isinstance(id, bool)]


def _seen(points: list[Row], name: str, many: bool) -> Any:
    values = [value for point in points if (value := point.get(name)) is not None and value is not False]
    return values if many else (values[0] if values else False)


def _moved(session: Session, at: Row, rows: list[Row]) -> Row:
    """The position after a pass: the newest stamp less the overlap. Once that stamp has been known for as long as the
    overlap, every transaction of its second has ended, so the records that have it need not be read again and again.
    """
    overlap_s = max(LEAST_OVERLAP_S, float(session.settings.get("overlap_s", OVERLAP_S)))
    now_s = session.clock.now().timestamp()
    stamps = [moment for row in rows if (moment := _moment(row.get("write_date")))]
    newest, known_s, since = at.get("newest", ""), at.get("known_s", now_s), at["since"]
    if stamps and _stamp(max(stamps)) > newest:
        newest, known_s = _stamp(max(stamps)), now_s
        since = max(since, _stamp(max(stamps) - timedelta(seconds=overlap_s)))
    elif newest and now_s - known_s >= overlap_s:
        since = _stamp(parse_instant(newest) + timedelta(seconds=1))
    top = max([at["top"], *(row["id"] for row in rows)])
    return {"since": since, "top": top, "after": 0, "newest": newest, "known_s": known_s}


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _moment(stamp: Any) -> datetime | None:
    if stamp in (None, False):
        return None
    try:
        return parse_instant(stamp)
    except Unconvertible:
        raise Temporary("a write_date that is no time") from None
