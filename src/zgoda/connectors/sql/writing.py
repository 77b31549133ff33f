"""Writing rows: values are checked against their columns first, so that a refusal names the column; then everything
goes in one transaction, in which a row the database refuses is left out and the others stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from zgoda.connectors.sql.catalogue import WHY, Table, Unfit, fitting
from zgoda.connectors.sql.reading import table_for
from zgoda.connectors.sql.store import Step, turn
from zgoda.kit.errors import ConnectorError, Refusal, RefusalKind
from zgoda.kit.spec import Receipt, Session, Write


async def write(stream: str, session: Session, writes: list[Write]) -> list[Receipt]:
    """One receipt each. Raises only when nothing was done, or when the answer to the commit was lost."""
    table = await table_for(session, stream, ())
    receipts: list[Receipt] = []
    steps: list[Step] = []
    for one in writes:
        try:
            steps.append(_step(table, one))
        except Unfit as unfit:
            receipts.append(Receipt(key=one.key, id=one.id, refusal=_refusal(unfit)))
    for number, round in enumerate(_rounds(steps)):
        try:
            async with turn(session, "write") as store:
                receipts += await store.write(table, round)
        except ConnectorError as error:
            if number == 0:
                raise
            receipts += [_later(step, error) for step in round]
    return receipts


def _step(table: Table, write: Write) -> Step:
    values = {name: _checked(table, name, value) for name, value in write.values.items()}
    return Step(key=write.key, op=write.op, id=write.id, values=values, expected=write.expected)


def _checked(table: Table, name: str, value: Any) -> Any:
    column = table.columns.get(name)
    if column is None:
        raise Unfit("unknown_column", name)
    if name not in table.told.writable:
        raise Unfit("read_only", name)
    return fitting(table, column, value)


_KINDS: Final = {"read_only": RefusalKind.RIGHTS, "generated": RefusalKind.RIGHTS}


def _refusal(unfit: Unfit) -> Refusal:
    kind = _KINDS.get(unfit.code, RefusalKind.REJECTED)
    return Refusal(kind=kind, code=unfit.code, message=WHY[unfit.code], fields=(unfit.column,))


def _later(step: Step, error: ConnectorError) -> Receipt:
    """Not written now; it is no create, so to repeat it is safe."""
    refusal = Refusal(kind=RefusalKind.TEMPORARY, code=type(error).__name__, message="not written now")
    return Receipt(key=step.key, id=step.id, refusal=refusal)


def _rounds(steps: Sequence[Step]) -> list[list[Step]]:
    """As few rounds as possible in which no id comes twice; nearly always one."""
    rounds: list[list[Step]] = []
    seen: dict[str, int] = {}
    for step in steps:
        number = seen.get(step.id, 0) if step.op != "create" else 0
        if number == len(rounds):
            rounds.append([])
        rounds[number].append(step)
        if step.op != "create":
            seen[step.id] = number + 1
    return rounds
