"""Interactions, written as notes on the party: Tryton has no activities, and a note is what its users read.

The last line of a note is a mark made of what it says, so the same interaction is never written twice and is found
again after a lost answer. Notes are only written; those that people write are none of our business.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

import msgspec

from zgoda.connectors.tryton.directory import PARTY
from zgoda.connectors.tryton.kinds import LOCK, STAMP, Kind, Virtual
from zgoda.connectors.tryton.options import Options
from zgoda.connectors.tryton.rpc import rows
from zgoda.connectors.tryton.values import whole
from zgoda.connectors.tryton.writes import Step, Unfit, carry_out, settled
from zgoda.kit.spec import Lookup, Receipt, Row, Session, Write

NOTE: Final = "ir.note"
_LINES: Final = {
    "kind": "What",
    "occurred_at": "When",
    "channel": "Channel",
    "campaign": "Campaign",
    "subject": "Subject",
    "url": "Address",
}
_MARK: Final = re.compile(r"\n\[zgoda:([0-9a-f]{32})\]\s*\Z")


def _line(name: str) -> Virtual:
    def value(record: Row, told: Options) -> str | None:
        lead = f"{_LINES[name]}: "
        text = str(record.get("message") or "").splitlines()
        return next((line.removeprefix(lead) for line in text if line.startswith(lead)), None)

    return Virtual(("message",), value)


def _person(record: Row, told: Options) -> str | None:
    model, _, id = str(record.get("resource") or "").partition(",")
    return id if model == PARTY and id else None


def _details(record: Row, told: Options) -> str | None:
    _, blank, rest = str(record.get("message") or "").partition("\n\n")
    return _MARK.sub("", rest).strip() or None if blank else None


NOTES: Final = Kind(
    stream="activities",
    model=NOTE,
    module="ir",
    virtual={
        **{name: _line(name) for name in _LINES},
        "person": Virtual(("resource",), _person),
        "description": Virtual(("message",), _details),
    },
    base=(STAMP, LOCK),
)


async def write(session: Session, writes: list[Write]) -> list[Receipt]:
    """Write the notes that are not there yet, each once."""
    there = await find(session, [Lookup(key=w.key, values=w.values) for w in writes if w.op == "create"])
    first: dict[tuple[str, str], str] = {}
    same = {w.key: first.setdefault((_resource(w.values), mark(w.values)), w.key) for w in writes}
    steps = [_step(w, there.get(w.key)) for w in writes if same[w.key] == w.key or w.op != "create"]
    receipts = {receipt.key: receipt for receipt in await carry_out(session, NOTE, steps)}
    return [receipts.get(w.key) or msgspec.structs.replace(receipts[same[w.key]], key=w.key) for w in writes]


async def find(session: Session, lookups: list[Lookup]) -> dict[str, str]:
    """Notes by their mark."""
    wanted = {lookup.key: (_resource(lookup.values), mark(lookup.values)) for lookup in lookups}
    resources = sorted({resource for resource, _ in wanted.values() if resource})
    if not resources:
        return {}
    domain = [["resource", "in", resources], ["message", "like", "%[zgoda:%"]]
    held = await rows(session, NOTE, domain, None, ("resource", "message"))
    marks = {
        (str(note.get("resource")), told[1]): str(note["id"])
        for note in held
        if (told := _MARK.search(str(note.get("message"))))
    }
    return {key: marks[pair] for key, pair in wanted.items() if pair in marks}


def mark(values: Row) -> str:
    """The same for the same interaction, whatever the try."""
    told = sorted((name, str(value)) for name, value in values.items() if value is not None)
    return hashlib.blake2b(msgspec.json.encode(told), digest_size=16).hexdigest()


def _step(w: Write, there: str | None) -> Step:
    if w.op != "create":
        return settled(w, Unfit("written_once"))
    resource = _resource(w.values)
    if not resource:
        return settled(w, Unfit("bad_value", "person"))
    if there:
        return Step(write=w, receipt=Receipt(key=w.key, id=there, created=False))
    return Step(write=w, values={"resource": resource, "message": _message(w.values)})


def _message(values: Row) -> str:
    lines = [f"{label}: {_one_line(values[name])}" for name, label in _LINES.items() if values.get(name) is not None]
    details = str(values.get("description") or "").strip()
    return "\n".join([*lines, "", *([details] if details else []), f"[zgoda:{mark(values)}]"])


def _one_line(value: object) -> str:
    return " ".join(str(value).split())


def _resource(values: Row) -> str:
    try:
        return f"{PARTY},{whole(values.get('person'))}"
    except ValueError:
        return ""
