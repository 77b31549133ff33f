"""Tryton's own merge and erasure, which know every model that refers to a party."""

from __future__ import annotations

from typing import Any, Final, cast

from zgoda.connectors.tryton.consent import main_address, parties_by_address
from zgoda.connectors.tryton.directory import MAIL, PARTY, columns_of
from zgoda.connectors.tryton.kinds import ANY
from zgoda.connectors.tryton.options import options
from zgoda.connectors.tryton.parties import MECHANISM_COLUMNS
from zgoda.connectors.tryton.rpc import Fault, call, ids, rows
from zgoda.connectors.tryton.writes import Step, carry_out, refused
from zgoda.kit.errors import Attention, NeedsAttention, RefusalKind, Temporary
from zgoda.kit.spec import Receipt, Session, Write

MOST_QUESTIONS: Final = 5


async def merge(session: Session, survivor: str, others: list[str]) -> None:
    """Replace parties by the survivor (`party.replace`): they are archived and point to it.

    Tryton asks back when names or tax numbers differ; whoever merges has seen them, so the answer is yes.
    """
    for other in others:
        data = {"source": _id(other), "destination": _id(survivor)}
        for _ in range(MOST_QUESTIONS):
            try:
                await _run(session, "party.replace", "replace", data)
                break
            except Fault as fault:
                if not fault.warning:
                    raise
                await _say_yes(session, fault.warning)
        else:
            raise Temporary("party.replace asks again and again")


async def erase(session: Session, wanted: list[str]) -> list[Receipt]:
    """Archive, then erase (`party.erase`) each party: name, contacts, addresses, notes, and those merged into it.

    The wizard knows nothing of subscriptions, so those of an address that no other live party has are deleted as well.
    """
    receipts: list[Receipt] = []
    for id in wanted:
        try:
            receipts.append(await _erase(session, id))
        except Fault as fault:
            receipts.append(refused(Write(key=id, op="delete", id=id), fault.refusal))
    return receipts


async def _erase(session: Session, id: str) -> Receipt:
    domain: list[Any] = [["id", "=", _id(id)], ANY]
    found = await rows(session, PARTY, domain, 1, ("active", *MECHANISM_COLUMNS))
    if not found:
        return Receipt(key=id, id=id)
    if found[0].get("active"):
        step = Step(write=Write(key=id, op="delete", id=id), number=found[0]["id"], values={"active": False})
        done = await carry_out(session, PARTY, [step])
        if done[0].refusal is not None and done[0].refusal.kind is not RefusalKind.GONE:
            return done[0]
    await _forget_subscriptions(session, main_address(found[0]))
    await _run(session, "party.erase", "erase", {"party": found[0]["id"]})
    return Receipt(key=id, id=id)


async def _forget_subscriptions(session: Session, address: str) -> None:
    if not address or not await columns_of(session, MAIL) or await parties_by_address(session, [address]):
        return
    held = await ids(session, MAIL, [["email", "=", address], ANY])
    if held:
        await call(session, f"model.{MAIL}.delete", held, of="write")


async def _run(session: Session, wizard: str, state: str, data: dict[str, int]) -> None:
    begun = await call(session, f"wizard.{wizard}.create", of="write")
    if not isinstance(begun, list) or not begun:
        raise Temporary(f"{wizard}: the wizard did not start")
    number = cast("list[Any]", begun)[0]
    try:
        await call(session, f"wizard.{wizard}.execute", number, {"ask": data}, state, of="write")
    finally:
        await call(session, f"wizard.{wizard}.delete", number, of="write")


async def _say_yes(session: Session, question: str) -> None:
    me = await ids(session, "res.user", [["login", "=", options(session).user]], 1)
    if not me:
        raise NeedsAttention(Attention.RIGHTS, "the user may not see its own record, so it cannot answer Tryton")
    values = {"user": me[0], "name": question, "always": False}
    await call(session, "model.res.user.warning.create", [values], of="write")


def _id(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise NeedsAttention(Attention.SCHEMA, "this is no id of a party")
    return int(text)
