"""Consent to e-mail marketing, which Tryton keeps by address and mailing list (`marketing.email`), not by person.

The record on the list that the setting `consent_list` names is the consent of the person with that main address:
active is granted, archived is withdrawn, archived and never edited is pending (Tryton made it for an address that has
yet to confirm). Without such a record a person who left every list they were on has withdrawn; being on some list
grants nothing in general. So an opt-out counts wherever it is found, an opt-in only where it was meant.

Withdrawing archives every record of the address, notes the person as unsubscribed from all marketing scenarios and
stops those under way, as none of Tryton's mailings looks at another one's opt-outs.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from zgoda.connectors.tryton.directory import MAIL, MAIL_LIST, PARTY, columns_of, id_made
from zgoda.connectors.tryton.kinds import ANY, STAMP, Found, Kind, columns, stamped
from zgoda.connectors.tryton.options import Options, options
from zgoda.connectors.tryton.rpc import call, children, ids, parent, rows
from zgoda.connectors.tryton.writes import Step, carry_out
from zgoda.kit.errors import Refusal
from zgoda.kit.spec import Reading, Row, Session, Write

CONSENT: Final = "email_consent"
CONSENT_AT: Final = "email_consent_at"
SCENARIO: Final = "marketing.automation.scenario"
RUN: Final = "marketing.automation.record"
_COLUMNS: Final = ("email", "active", "write_date", STAMP, "list_.name")
_AT_ONCE: Final = 100


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """A consent to be held for an address."""

    key: str
    email: str
    state: str


async def add_consent(session: Session, pairs: list[tuple[Row, Row]], reading: Reading) -> None:
    """Fill in the consent of people whose row asks for it; left out if the server has no mailing lists."""
    if not {CONSENT, CONSENT_AT} & set(reading.fields) or not await columns_of(session, MAIL):
        return
    addresses = {main_address(record): None for record, _ in pairs}
    held = await _by_address(session, [address for address in addresses if address])
    for record, row in pairs:
        state, record_of_it = judge(held.get(main_address(record), []), options(session))
        if CONSENT in reading.fields:
            row[CONSENT] = state
        if record_of_it is not None:
            stamp = str(record_of_it.get(STAMP))
            row["modified"] = max(row["modified"], stamp)
            if CONSENT_AT in reading.fields:
                row[CONSENT_AT] = stamp


async def withdrawn(session: Session, addresses: list[str]) -> set[str]:
    """Those of the addresses whose people have withdrawn."""
    held = await _by_address(session, addresses)
    return {email for email, records in held.items() if judge(records, options(session))[0] == "withdrawn"}


def judge(held: list[Row], told: Options) -> tuple[str, Row | None]:
    """The consent that the records of one address say, and the record that proves it."""
    for record in held:
        if parent(record, "list_").get("name") == told.consent_list:
            return status(record, active="granted", archived="withdrawn"), record
    left = [record for record in held if not record.get("active") and record.get("write_date")]
    if left and not any(record.get("active") for record in held):
        return "withdrawn", max(left, key=lambda record: str(record.get(STAMP)))
    return "unknown", None


def status(record: Row, *, active: str, archived: str) -> str:
    """What a subscription is. Tryton makes unconfirmed ones archived and does not touch them until they confirm; an
    archived one cannot be made or edited otherwise, so the edit stamp tells a withdrawal."""
    if record.get("active"):
        return active
    return archived if record.get("write_date") else "pending"


def main_address(record: Row) -> str:
    """A party's main e-mail address as `marketing.email` keeps it: lower case."""
    for child in children(record, "contact_mechanisms"):
        if child.get("type") == "email":
            return str(child.get("value") or "").strip().lower()
    return ""


async def parties_by_address(session: Session, addresses: list[str]) -> dict[str, list[int]]:
    """Lower-case address -> ids of the live parties that have it, lowest first."""
    found: dict[str, list[int]] = {}
    for first in range(0, len(addresses), _AT_ONCE):
        part = addresses[first : first + _AT_ONCE]
        alike: list[Any] = ["OR", *(["value", "ilike", address] for address in part)]
        domain = [["type", "=", "email"], ["party.active", "=", True], alike]
        for record in await rows(session, "party.contact_mechanism", domain, None, ("value", "party")):
            address, party = str(record.get("value") or "").strip().lower(), record.get("party")
            if address in part and isinstance(party, int):
                found.setdefault(address, []).append(party)
    return {address: sorted(set(parties)) for address, parties in found.items()}


async def consent_changes(session: Session, kind: Kind, reading: Reading, since: str, after: int) -> Found:
    """A feed of people whose subscriptions changed: that moves no stamp of the party."""
    if CONSENT not in reading.fields or not await columns_of(session, MAIL):
        return Found([], after, True)
    clause = stamped(since, options(session).overlap_s)
    changed = await rows(session, MAIL, [clause, ANY, ["id", ">", after]], _AT_ONCE, ("email",))
    found = await parties_by_address(session, [str(record.get("email")) for record in changed])
    numbers = sorted({party for parties in found.values() for party in parties})
    records = await rows(session, PARTY, [["id", "in", numbers]], None, columns(kind, reading)) if numbers else []
    return Found(records, changed[-1]["id"] if changed else after, len(changed) < _AT_ONCE)


async def hold(session: Session, wishes: list[Wish]) -> dict[str, Refusal]:
    """Make the records say what is wished; the refusals by key.

    Called before the people are written, so that nobody is mailed between the two. An archived record cannot be
    created, so an opt-out without a record is created and archived at once. `pending` is not for others to decide.
    Of several wishes for one address a withdrawal counts.
    """
    wanted: dict[str, str] = {}
    for wish in wishes:
        if wish.email and wish.state in ("granted", "withdrawn", "unknown") and wanted.get(wish.email) != "withdrawn":
            wanted[wish.email] = wish.state
    if not wanted or not await columns_of(session, MAIL):
        return {}
    refusals = await _held(session, wanted)
    return {wish.key: refusals[wish.email] for wish in wishes if wish.email in refusals}


async def _held(session: Session, wanted: dict[str, str]) -> dict[str, Refusal]:
    list_id = await id_made(session, MAIL_LIST, options(session).consent_list)
    held = await _by_address(session, list(wanted))
    makes: list[Step] = []
    changes: list[Step] = []
    for email, state in wanted.items():
        own = [one for one in held.get(email, []) if parent(one, "list_").get("id") == list_id]
        changes += _changes(email, state, held.get(email, []), own)
        if not own and state != "unknown":
            makes.append(Step(write=Write(key=email, op="create"), values={"email": email, "list_": list_id}))
    receipts = await carry_out(session, MAIL, makes + changes)
    created = {step.write.key for step in makes}
    to_archive = [
        Step(write=Write(key=done.key, op="update"), number=int(done.id), values={"active": False})
        for done in receipts
        if done.refusal is None and done.key in created and done.id and wanted[done.key] == "withdrawn"
    ]
    receipts += await carry_out(session, MAIL, to_archive)
    return {receipt.key: receipt.refusal for receipt in receipts if receipt.refusal is not None}


async def scenarios(session: Session) -> list[int]:
    """All marketing scenarios; empty without the module."""
    return await ids(session, SCENARIO, []) if await columns_of(session, SCENARIO) else []


async def stop_runs(session: Session, parties: list[int]) -> None:
    """Block the marketing scenarios that these parties are in the middle of."""
    if not parties or not await columns_of(session, RUN):
        return
    domain = [["record", "in", [f"{PARTY},{party}" for party in parties]], ["blocked", "!=", True]]
    running = await ids(session, RUN, domain)
    if running:
        await call(session, f"model.{RUN}.block", running, of="write")


async def _by_address(session: Session, addresses: list[str]) -> dict[str, list[Row]]:
    held: dict[str, list[Row]] = {}
    if addresses:
        for record in await rows(session, MAIL, [["email", "in", addresses], ANY], None, _COLUMNS):
            held.setdefault(str(record.get("email")), []).append(record)
    return held


def _changes(email: str, state: str, held: list[Row], own: list[Row]) -> list[Step]:
    match state:
        case "withdrawn":
            return [_step(email, one, active=False) for one in held if one.get("active")]
        case "granted":
            return [_step(email, one, active=True) for one in own if not one.get("active")]
        case _:
            return [Step(write=Write(key=email, op="delete"), number=one["id"]) for one in own if one.get("active")]


def _step(email: str, record: Row, *, active: bool) -> Step:
    return Step(write=Write(key=email, op="update"), number=record["id"], values={"active": active})
