"""Writing: as few calls as possible, and one bad record does not keep the others out.

A call is one transaction, all or nothing. If Tryton refuses it, it is halved until the culprit stands alone. Creates go
first: if their answer is lost, nothing else has been done and the error can be raised as it is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

import msgspec

from zgoda.connectors.tryton.directory import columns_of, id_of
from zgoda.connectors.tryton.rpc import Fault, call, id_list
from zgoda.connectors.tryton.values import vendor_value
from zgoda.kit.convert import Unconvertible
from zgoda.kit.errors import ConnectorError, Refusal, RefusalKind, Temporary
from zgoda.kit.spec import Receipt, Row, Session, Write


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A write in Tryton's words: `values` to create with or to change (of `number`), or the receipt it already has."""

    write: Write
    number: int = 0
    values: Row = {}
    receipt: Receipt | None = None


class Unfit(Exception):
    """A write whose values cannot be said in Tryton."""

    def __init__(self, code: str, *fields: str, kind: RefusalKind = RefusalKind.REJECTED, moved_to: str = "") -> None:
        super().__init__(code)
        self.refusal = Refusal(kind=kind, code=code, message=_WHY.get(code, ""), fields=fields, moved_to=moved_to)


_WHY: Final = {
    "unknown_field": "Tryton has no such field, or it cannot be written",
    "unknown_choice": "Tryton knows no record by this code or name",
    "bad_value": "this is no value for a field of this type",
    "archived": "the record is archived",
    "missing_record": "there is no such record",
    "changed": "changed meanwhile",
    "written_once": "notes are written once and never changed",
    "no_email": "the person has no e-mail address in Tryton",
    "opted_out": "the address has opted out of this list",
    "withdrawn": "the person has withdrawn from e-mail marketing",
    "consent_list": "in Tryton a list of this name stands for the consent to e-mail marketing",
}

_Send: TypeAlias = Callable[[list[Step]], Awaitable[list[Receipt]]]


async def carry_out(session: Session, model: str, steps: list[Step], *, context: Row | None = None) -> list[Receipt]:
    """Do the steps; one receipt each.

    Raises only while nothing is done yet, or when creates may have happened without an answer: then all that was done
    has to be found again (`find`), as repeating would make doubles.
    """

    async def create(part: list[Step]) -> list[Receipt]:
        values = [step.values for step in part]
        made = id_list(await call(session, f"model.{model}.create", values, context=context, of="write"), model)
        if len(made) != len(part):
            raise Temporary(f"{model}: {len(made)} ids for {len(part)} records", executed=True)
        return [Receipt(key=step.write.key, id=str(id)) for step, id in zip(part, made, strict=True)]

    def locked(part: list[Step]) -> Row:
        stamps = {name: stamp for step in part for name, stamp in expected_locks(step.write).items()}
        return {**(context or {}), "_timestamp": stamps}

    async def change(part: list[Step]) -> list[Receipt]:
        pairs = [item for step in part if step.values for item in ([step.number], step.values)]
        if pairs:
            await call(session, f"model.{model}.write", *pairs, context=locked(part), of="write")
        return [_done(step) for step in part]

    async def delete(part: list[Step]) -> list[Receipt]:
        numbers = list(dict.fromkeys(step.number for step in part))
        await call(session, f"model.{model}.delete", numbers, context=locked(part), of="write")
        return [_done(step) for step in part]

    settled = [step.receipt for step in steps if step.receipt is not None]
    open_steps = [step for step in steps if step.receipt is None]
    plans: list[tuple[_Send, list[Step]]] = [
        (create, [step for step in open_steps if step.write.op == "create"]),
        (change, [step for step in open_steps if step.write.op != "create" and not _deletes(step)]),
        (delete, [step for step in open_steps if _deletes(step)]),
    ]
    return settled + await _land(session, model, [plan for plan in plans if plan[1]])


async def typed(session: Session, model: str, values: Row) -> Row:
    """Plain field values in the spelling of the model's field types. `Unfit` names a field that cannot be written."""
    known = await columns_of(session, model)
    row: Row = {}
    for name, value in values.items():
        about = known.get(name)
        if about is None or (about.get("readonly") is True):
            raise Unfit("unknown_field", name)
        try:
            row[name] = vendor_value(str(about.get("type")), value)
        except Unconvertible:
            raise Unfit("bad_value", name) from None
    return row


async def looked_up(session: Session, model: str, column: str, value: Any, field: str) -> int | None:
    """The id of the record that a code or name stands for. `Unfit` names the vendor field if there is none."""
    if value is None:
        return None
    found = await id_of(session, model, column, str(value))
    if found is None:
        raise Unfit("unknown_choice", field)
    return found


def refused(write: Write, why: Refusal) -> Receipt:
    return Receipt(key=write.key, id=write.id, refusal=why)


def settled(write: Write, unfit: Unfit) -> Step:
    """The step of a write that is not even tried."""
    return Step(write=write, receipt=refused(write, unfit.refusal))


def record_number(write: Write) -> int:
    """The id a write is about. `Unfit` if it cannot be one."""
    if not (write.id.isascii() and write.id.isdecimal()):
        raise Unfit("missing_record", kind=RefusalKind.GONE)
    return int(write.id)


def expected_locks(write: Write) -> dict[str, str]:
    """The stamps a write relies on (the `version` of the row it was made from)."""
    if not write.expected:
        return {}
    try:
        return msgspec.json.decode(write.expected, type=dict[str, str])
    except (msgspec.DecodeError, msgspec.ValidationError):
        raise Unfit("changed", kind=RefusalKind.STALE) from None


async def _land(session: Session, model: str, plans: list[tuple[_Send, list[Step]]]) -> list[Receipt]:
    receipts: list[Receipt] = []
    waiting = plans[::-1]
    while waiting:
        send, part = waiting.pop()
        try:
            receipts += await send(part)
        except Fault as fault:
            if len(part) > 1 and not fault.whole:
                middle = len(part) // 2
                waiting += [(send, part[middle:]), (send, part[:middle])]
                continue
            why = await _refusal(session, model, fault)
            receipts += [refused(step.write, why) for step in part]
        except ConnectorError as error:
            lost_create = part[0].write.op == "create" and isinstance(error, Temporary) and error.executed
            if not receipts or lost_create:
                raise
            left = [part, *(steps for _, steps in waiting)]
            receipts += [_later(step, error) for steps in left for step in steps]
            break
    return receipts


async def _refusal(session: Session, model: str, fault: Fault) -> Refusal:
    """The fault's refusal with the names of the fields it speaks of; only labels that the model has are believed."""
    if not fault.labels:
        return fault.refusal
    try:
        known = await columns_of(session, model)
    except ConnectorError:
        return fault.refusal
    fields = tuple(name for name, about in known.items() if about.get("string") in fault.labels)
    return msgspec.structs.replace(fault.refusal, fields=fields)


def _later(step: Step, error: ConnectorError) -> Receipt:
    """Not done now; to repeat it is safe."""
    why = Refusal(kind=RefusalKind.TEMPORARY, code=type(error).__name__, message="not written now")
    return refused(step.write, why)


def _deletes(step: Step) -> bool:
    """A delete without values; with values it archives."""
    return step.write.op == "delete" and not step.values


def _done(step: Step) -> Receipt:
    return Receipt(key=step.write.key, id=step.write.id)
