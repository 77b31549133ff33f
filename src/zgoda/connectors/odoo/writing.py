"""Writing records through Odoo's import method `load`: creates and updates of a whole batch in one transaction each.

Chosen by trying on a real server: `create` takes one record per call before Odoo 12 and `write` the same values for all
its records, while `load` takes a table of different ones, twice as fast, and gives what it makes an external id in the
same transaction. So a create that is sent again finds its record. It is all or nothing and names the rows that stopped
it; those are tried one by one, the others go through together. Its texts quote whole records and are not passed on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from zgoda.connectors.odoo.columns import Column, columns, identify
from zgoda.connectors.odoo.markup import to_html
from zgoda.connectors.odoo.records import COMES_AND_GOES, MODULE, Draft, Table, external_id, number_of
from zgoda.connectors.odoo.rpc import Fault, call, reach
from zgoda.kit.errors import Attention, ConnectorError, NeedsAttention, Refusal, RefusalKind, Temporary
from zgoda.kit.spec import Receipt, Row, Session, Write

Rows = list[tuple[Draft, list[str]]]


async def write(table: Table, session: Session, writes: list[Write]) -> list[Receipt]:
    """One receipt per write. What fails before anything was done is raised; afterwards it is `temporary` per record."""
    drafts = [Draft(write=w, values=dict(w.values), id=number_of(w.id)) for w in writes]
    for draft in drafts:
        if draft.write.op != "create" and not draft.id:
            draft.refusal = Refusal(kind=RefusalKind.GONE, code="no_such_id")
    done: set[str] = {draft.write.key for draft in drafts if draft.refusal}
    try:
        changes = [draft for draft in drafts if draft.write.op != "delete" and not draft.refusal]
        for model_rows, header, cleared in await _tables(table, session, changes):
            await _load(session, table.model, header, model_rows, done)
            await _clear(session, table.model, cleared)
        done |= {draft.write.key for draft in changes}
        await delete(session, table, [d for d in drafts if d.write.op == "delete" and not d.refusal], done)
    except Fault as fault:
        _give_up(drafts, done, fault, fault.refusal)
    except ConnectorError as error:
        _give_up(drafts, done, error, Refusal(kind=RefusalKind.TEMPORARY, code="not_sent"))
    return [receipt(draft) for draft in drafts]


def receipt(draft: Draft) -> Receipt:
    id = draft.write.id or (str(draft.id) if draft.id else "")
    return Receipt(key=draft.write.key, id=id, refusal=draft.refusal)


async def delete(session: Session, table: Table, drafts: list[Draft], done: set[str]) -> None:
    """Archive, or unlink where the settings say so or the model cannot archive."""
    known = await columns(session, table.model)
    if not drafts:
        return
    unlink = session.settings.get("on_delete") == "unlink" or "active" not in known or not table.archives
    for refusals in (await in_halves(session, table.model, [d.id for d in drafts], unlink=unlink),):
        for draft in drafts:
            draft.refusal = refusals.get(draft.id)
            done.add(draft.write.key)


async def in_halves(session: Session, model: str, ids: list[int], *, unlink: bool) -> dict[int, Refusal]:
    """Take records out of use; when one of them stops the transaction, the halves go separately."""
    try:
        if unlink:
            await call(session, model, "unlink", ids=ids)
        else:
            await call(session, model, "write", ids=ids, vals={"active": False})
    except Fault as fault:
        if len(ids) == 1:
            return {} if fault.refusal.kind is RefusalKind.GONE else {ids[0]: fault.refusal}
        middle = len(ids) // 2
        first = await in_halves(session, model, ids[:middle], unlink=unlink)
        return first | await in_halves(session, model, ids[middle:], unlink=unlink)
    return {}


async def _tables(
    table: Table, session: Session, drafts: list[Draft]
) -> list[tuple[Rows, list[str], dict[str, list[int]]]]:
    """The drafts as tables for `load`: (rows, header, many-to-many columns to empty -> ids), one per set of columns."""
    if drafts and table.prepare is not None:
        await table.prepare(session, drafts)
    drafts = [draft for draft in drafts if not draft.refusal]
    known = await columns(session, table.model)
    await _point(session, drafts, known)
    if drafts and table.before is not None:
        await table.before(session, drafts)
    grouped: dict[tuple[str, ...], Rows] = {}
    cleared: dict[str, list[int]] = {}
    for draft in drafts:
        if draft.refusal:
            continue
        creating = draft.write.op == "create"
        values = {**table.fixed, **draft.values} if creating else draft.values
        if not creating:
            for name in [n for n, v in values.items() if known[n].type == "many2many" and not v]:
                cleared.setdefault(known[name].name, []).append(draft.id)
                del values[name]
        names = sorted(values)
        identity = f"{MODULE}.{external_id(table.model, draft.write.key)}" if creating else str(draft.id)
        header = ("id" if creating else ".id", *(_heading(known[name]) for name in names))
        cells = [identity, *(_cell(known[name], values[name]) for name in names)]
        grouped.setdefault(header, []).append((draft, cells))
    tables: list[tuple[Rows, list[str], dict[str, list[int]]]] = [
        (rows, list(header), {}) for header, rows in grouped.items() if len(header) > 1
    ]
    return [*tables, ([], [], cleared)] if cleared else tables


async def _point(session: Session, drafts: list[Draft], known: dict[str, Column]) -> None:
    """Turn relations given by an attribute (`{"country_id": {"code": "PL"}}`) into ids, and drop unknown columns."""
    wanted: dict[tuple[str, str], set[str]] = {}
    for draft in drafts:
        for name in [name for name in draft.values if name not in known]:
            if name not in COMES_AND_GOES:
                raise NeedsAttention(Attention.SCHEMA, f"Odoo has no column {name}", fields=(name,))
            del draft.values[name]
        for name, attribute, texts in _points(draft, known):
            if attribute != "id":
                wanted.setdefault((known[name].relation, attribute), set()).update(texts)
    found = {key: await identify(session, *key, texts) for key, texts in wanted.items()}
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


def _heading(column: Column) -> str:
    return f"{column.name}/.id" if column.relation else column.name


def _cell(column: Column, value: Any) -> str:
    """A value as `load` wants it: text, empty for blank."""
    if value is None or value is False or value == "":
        return ""
    if value is True:
        return "1"
    if isinstance(value, list):
        return ",".join(str(item) for item in cast("list[Any]", value))
    return to_html(value) if column.type == "html" and isinstance(value, str) else str(value)


async def _load(session: Session, model: str, header: list[str], rows: Rows, done: set[str]) -> None:
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
        rows[0][0].refusal = await _refusal(session, model, header, errors)
        done.add(rows[0][0].write.key)
        return
    for part in _parts(rows, {number for error in errors for number in _rows_of(error)}):
        await _load(session, model, header, part, done)


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


async def _refusal(session: Session, model: str, header: list[str], errors: list[Row]) -> Refusal:
    """Sort one record's refusal by recovery. Odoo's text is looked at for its few fixed words and left behind."""
    text = " ".join(str(error.get("message", "")) for error in errors)
    fields = tuple(str(error["field"]) for error in errors if isinstance(error.get("field"), str))
    if ".id" in fields:
        return Refusal(kind=RefusalKind.GONE, code="MissingError")
    if any(word in text for word in ("could not serialize access", "deadlock detected", "could not obtain lock")):
        return Refusal(kind=RefusalKind.TEMPORARY, code="SerializationFailure")
    operation = "create" if header[0] == "id" else "write"
    if "AccessError" in text or not await may(session, model, operation):
        return Refusal(kind=RefusalKind.RIGHTS, code="AccessError", fields=fields)
    code = next((name for name in ("ValidationError", "UserError", "IntegrityError") if name in text), "load")
    return Refusal(kind=RefusalKind.REJECTED, code=code, message="Odoo did not accept the values", fields=fields)


async def may(session: Session, model: str, operation: str) -> bool:
    """Whether the user has the right to read, write, create or unlink in a model; record rules come on top."""
    server = await reach(session)
    if server.major >= 18:
        return await call(session, model, "has_access", ids=[], operation=operation) is True
    named = {"operation": operation, "raise_exception": False}
    return await call(session, model, "check_access_rights", **named) is True


async def _clear(session: Session, model: str, cleared: dict[str, list[int]]) -> None:
    """Empty many-to-many columns, which `load` leaves as they are when the cell is empty."""
    for name, ids in cleared.items():
        await call(session, model, "write", ids=ids, vals={name: [[6, 0, []]]})


def _give_up(drafts: list[Draft], done: set[str], error: ConnectorError, refusal: Refusal) -> None:
    if not done:
        raise error
    for draft in drafts:
        if draft.write.key not in done:
            draft.refusal = draft.refusal or refusal
