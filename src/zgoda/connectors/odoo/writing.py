"""Writing records through Odoo's import method `load`: creates and updates of a whole batch in one transaction each.

Chosen by trying on a real server: `create` takes one record per call before Odoo 12 and `write` the same values for all
its records, while `load` takes a table of different ones, twice as fast, and gives what it makes an external id in the
same transaction. So a create that is sent again finds its record. It is all or nothing and names the rows that stopped
it; those are tried one by one, the others go through together. Its texts quote whole records and are not passed on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeAlias, cast

from zgoda.connectors.odoo.columns import Column, columns, identify
from zgoda.connectors.odoo.markup import to_html
from zgoda.connectors.odoo.records import COMES_AND_GOES, MODULE, Draft, ExternalId, Table, external_id, number_of
from zgoda.connectors.odoo.rpc import Fault, call, reach
from zgoda.kit.errors import Attention, ConnectorError, NeedsAttention, Refusal, RefusalKind, Temporary
from zgoda.kit.spec import Receipt, Row, Session, Write

Rows: TypeAlias = list[tuple[Draft, list[str]]]


async def write(table: Table, session: Session, writes: list[Write]) -> list[Receipt]:
    """One receipt per write. What fails before anything was done is raised; afterwards it is `temporary` per record."""
    drafts = [Draft(write=w, values=dict(w.values), id=number_of(w.id)) for w in writes]
    for draft in drafts:
        if draft.write.op != "create" and not draft.id:
            draft.refusal = Refusal(kind=RefusalKind.GONE, code="no_such_id")
    done: set[str] = set()
    try:
        await _change(table, session, [d for d in drafts if d.write.op != "delete" and not d.refusal], done)
        await _delete(table, session, [d for d in drafts if d.write.op == "delete" and not d.refusal], done)
    except ConnectorError as error:
        if not done:
            raise
        unknown = isinstance(error, Temporary) and error.executed
        later = Refusal(kind=RefusalKind.TEMPORARY, code="unknown_outcome" if unknown else "not_sent")
        for draft in drafts:
            if draft.write.key not in done and draft.refusal is None:
                draft.refusal = error.refusal if isinstance(error, Fault) else later
    return [receipt(draft) for draft in drafts]


def receipt(draft: Draft) -> Receipt:
    id = draft.write.id or (str(draft.id) if draft.id else "")
    return Receipt(key=draft.write.key, id=id, refusal=draft.refusal, created=not draft.existing)


async def load(session: Session, model: str, header: list[str], rows: Rows, done: set[str]) -> None:
    """Send rows (their first cell is the external or database id); sets each draft's id or refusal."""
    if not rows:
        return
    answer = await call(session, model, "load", fields=header, data=[cells for _, cells in rows])
    if not isinstance(answer, dict):
        raise Temporary(f"{model}.load: the answer is no result", executed=True)
    ids, said = cast("Row", answer).get("ids"), cast("Row", answer).get("messages")
    if isinstance(ids, list):
        numbers = cast("list[Any]", ids)
        if len(numbers) != len(rows) or not all(isinstance(id, int) for id in numbers):
            raise Temporary(f"{model}.load: not one id per record", executed=True)
        for (draft, _), id in zip(rows, numbers, strict=True):
            draft.id = id
            done.add(draft.write.key)
        return
    errors = [cast("Row", e) for e in cast("list[Any]", said) if isinstance(e, dict)] if isinstance(said, list) else []
    if len(rows) == 1:
        rows[0][0].refusal = await _refusal(session, model, rows[0][0], errors)
        done.add(rows[0][0].write.key)
        return
    for part in _parts(rows, {number for error in errors for number in _rows_of(error)}):
        await load(session, model, header, part, done)


async def in_halves(ids: list[int], act: Callable[[list[int]], Awaitable[Any]]) -> dict[int, Refusal]:
    """Do something to many records; when one of them stops the transaction, the halves go separately."""
    if not ids:
        return {}
    try:
        await act(ids)
    except Fault as fault:
        if len(ids) == 1:
            return {ids[0]: fault.refusal}
        middle = len(ids) // 2
        return await in_halves(ids[:middle], act) | await in_halves(ids[middle:], act)
    return {}


async def may(session: Session, model: str, operation: str) -> bool:
    """Whether the user has the right to read, write, create or unlink in a model; record rules come on top."""
    server = await reach(session)
    if server.major >= 18:
        return await call(session, model, "has_access", ids=[], operation=operation) is True
    return await call(session, model, "check_access_rights", operation=operation, raise_exception=False) is True


async def _change(table: Table, session: Session, drafts: list[Draft], done: set[str]) -> None:
    """Creates and updates: one `load` for every set of columns."""
    if drafts and table.prepare is not None:
        await table.prepare(session, drafts)
    known = await columns(session, table.model)
    await _point(session, [draft for draft in drafts if not draft.refusal], known)
    if table.before is not None:
        await table.before(session, [draft for draft in drafts if not draft.refusal])
    await _empty(table, session, drafts, known)
    grouped: dict[tuple[str, ...], Rows] = {}
    for draft in drafts:
        creating = draft.write.op == "create"
        values = {**table.fixed, **draft.values} if creating else draft.values
        identity = f"{MODULE}.{external_id(table, draft)}" if creating else str(draft.id)
        names = sorted(values)
        header = ("id" if creating else ".id", *(_heading(known[name], values[name]) for name in names))
        if not draft.refusal and not draft.existing and (names or creating):
            cells = [identity, *(_cell(known[name], values[name]) for name in names)]
            grouped.setdefault(header, []).append((draft, cells))
    for header, rows in grouped.items():
        await load(session, table.model, list(header), rows, done)
    done |= {draft.write.key for draft in drafts}


async def _delete(table: Table, session: Session, drafts: list[Draft], done: set[str]) -> None:
    """Archive, or unlink where the settings say so or the model cannot archive. What is gone already is fine."""
    known = await columns(session, table.model)
    unlink = session.settings.get("on_delete") == "unlink" or "active" not in known or not table.archives

    async def act(ids: list[int]) -> None:
        if unlink:
            await call(session, table.model, "unlink", ids=ids)
        else:
            await call(session, table.model, "write", ids=ids, vals={"active": False})

    refusals = await in_halves([draft.id for draft in drafts], act)
    for draft in drafts:
        refusal = refusals.get(draft.id)
        draft.refusal = None if refusal and refusal.kind is RefusalKind.GONE else refusal
        done.add(draft.write.key)


async def _point(session: Session, drafts: list[Draft], known: dict[str, Column]) -> None:
    """Turn relations given by an attribute (`{"country_id": {"code": "PL"}}`) into ids, and drop absent columns."""
    wanted: dict[tuple[str, str], set[str]] = {}
    for draft in drafts:
        for name in [name for name in draft.values if name not in known]:
            if name not in COMES_AND_GOES:
                raise NeedsAttention(Attention.SCHEMA, f"Odoo has no column {name}", fields=(name,))
            del draft.values[name]
        for name, attribute, texts in _points(draft, known):
            if attribute != "id":
                wanted.setdefault((known[name].relation, attribute), set()).update(texts)
    found: dict[tuple[str, str], dict[str, int]] = {}
    for (model, attribute), texts in wanted.items():
        found[model, attribute] = await identify(session, model, attribute, texts)
    for draft in drafts:
        for name, attribute, texts in list(_points(draft, known)):
            ids = {t: number_of(t) for t in texts} if attribute == "id" else found[known[name].relation, attribute]
            if any(not ids.get(text) for text in texts):
                path = f"{name}.{attribute}"
                draft.refusal = Refusal(kind=RefusalKind.REJECTED, code="no_such_choice", fields=(path,))
                continue
            many = known[name].type == "many2many"
            draft.values[name] = [ids[text] for text in texts] if many else (ids[texts[0]] if texts else False)


def _points(draft: Draft, known: dict[str, Column]) -> Iterator[tuple[str, str, list[str]]]:
    for name, value in draft.values.items():
        if isinstance(value, dict) and known[name].relation:
            for attribute, given in cast("Row", value).items():
                texts = cast("list[Any]", given) if isinstance(given, list) else [given]
                yield name, attribute, [str(text) for text in texts if text not in (None, False, "")]


async def _empty(table: Table, session: Session, drafts: list[Draft], known: dict[str, Column]) -> None:
    """Clear many-to-many columns of existing records; `load` leaves them as they are when a cell is empty."""
    cleared: dict[str, list[Draft]] = {}
    for draft in drafts:
        if draft.write.op == "update" and not draft.refusal:
            for name in [n for n, value in draft.values.items() if known[n].type == "many2many" and not value]:
                cleared.setdefault(known[name].name, []).append(draft)
                del draft.values[name]
    for name, owners in cleared.items():

        async def act(ids: list[int], name: str = name) -> None:
            await call(session, table.model, "write", ids=ids, vals={name: [[6, 0, []]]})

        refusals = await in_halves([draft.id for draft in owners], act)
        for draft in owners:
            draft.refusal = draft.refusal or refusals.get(draft.id)


def _heading(column: Column, value: Any) -> str:
    if isinstance(value, ExternalId):
        return f"{column.name}/id"
    return f"{column.name}/.id" if column.relation else column.name


def _cell(column: Column, value: Any) -> str:
    """A value as `load` wants it: text, empty for blank."""
    match value:
        case None | False | "":
            return ""
        case True:
            return "1"
        case list():
            return ",".join(str(item) for item in cast("list[Any]", value))
        case dict():
            raise NeedsAttention(Attention.SCHEMA, f"column {column.name} has no parts", fields=(column.name,))
        case _:
            return to_html(str(value)) if column.type == "html" else str(value)


def _parts(rows: Rows, suspects: set[int]) -> list[Rows]:
    """Those that were not complained about together, each of the others alone; halves if nobody was named."""
    named = [number for number in range(len(rows)) if number in suspects]
    if not named:
        middle = len(rows) // 2
        return [rows[:middle], rows[middle:]]
    return [[row for number, row in enumerate(rows) if number not in suspects], *([rows[number]] for number in named)]


def _rows_of(error: Row) -> range:
    place: Any = error.get("rows")
    first, last = (cast("Row", place).get(end) for end in ("from", "to")) if isinstance(place, dict) else (None, None)
    return range(first, last + 1) if isinstance(first, int) and isinstance(last, int) else range(0)


async def _refusal(session: Session, model: str, draft: Draft, errors: list[Row]) -> Refusal:
    """Sort one record's refusal by recovery. Odoo's text is searched for its few fixed words and left behind."""
    text = " ".join(str(error.get("message", "")) for error in errors)
    named = [str(error["field"]) for error in errors if isinstance(error.get("field"), str)]
    fields = tuple(_path(draft.write, name) for name in named)
    if ".id" in named:
        return Refusal(kind=RefusalKind.GONE, code="MissingError")
    if any(words in text for words in ("could not serialize access", "deadlock detected", "could not obtain lock")):
        return Refusal(kind=RefusalKind.TEMPORARY, code="SerializationFailure")
    code = next((name for name in ("ValidationError", "UserError", "AccessError") if name in text), "")
    operation = "create" if draft.write.op == "create" else "write"
    if code == "AccessError" or (not code and not await may(session, model, operation)):
        return Refusal(kind=RefusalKind.RIGHTS, code="AccessError", fields=fields)
    return Refusal(kind=RefusalKind.REJECTED, code=code or "load", message="values not accepted", fields=fields)


def _path(write: Write, column: str) -> str:
    """The vendor field as the mapping spells it."""
    value: Any = write.values.get(column)
    return f"{column}.{next(iter(cast('Row', value)))}" if isinstance(value, dict) and value else column
