"""Writing members.

Creates go 500 a call to POST /lists/{id} with `update_existing=false`: that call demands a `status`, so with true it
would overwrite the consent of a member we did not know of. It takes neither interests nor marketing permissions, so who
has some goes alone to POST /members. Updates go one by one to PATCH /members/{contact_id}, never
through the batch: the batch finds members by address, so after an address changed meanwhile it would make a second
member, and it too would have to repeat the status and undo an opt-out of the same minute.
"""

from __future__ import annotations

from typing import Any

import msgspec

from zgoda.connectors.mailchimp import interests, permissions
from zgoda.connectors.mailchimp.exchange import (
    audience_path,
    believed,
    call,
    decoded,
    hash_of,
    member_path,
    one_by_one,
    problem_of,
    refused,
)
from zgoda.connectors.mailchimp.members import ID, STAMP, id_of, one
from zgoda.kit.errors import RefusalKind
from zgoda.kit.http import Answer
from zgoda.kit.spec import Receipt, Row, Session, Write

COMPLIANCE = "Member In Compliance State"
FORGOTTEN = "Forgotten Email Not Subscribed"
AGAIN = "the person has to subscribe again through a form"
EXISTS = "ERROR_CONTACT_EXISTS"
TAKEN = "Member Exists"
ABOUT_THE_RECORD = (400, 404, 405, 409)
"""Statuses that speak of one member and not of the call."""

ONLY_ALONE = ("interests", permissions.FIELD)
KNOWN_ERRORS = (
    ("compliance state", COMPLIANCE, "status"),
    ("permanently deleted", FORGOTTEN, "status"),
    ("already a list member", EXISTS, "email_address"),
    ("looks fake or invalid", "invalid address", "email_address"),
)
"""Words in a batch's error texts, and the code and field they tell: the vendor's own code is often ERROR_GENERIC."""


class _Error(msgspec.Struct):
    email_address: str = ""
    error: str = ""
    error_code: str = ""
    field: str = ""


class _Batch(msgspec.Struct):
    new_members: list[Row]
    updated_members: list[Row]
    errors: list[_Error]


class _Unwritable(ValueError):
    """A record that need not be sent to know that it is refused."""

    def __init__(self, code: str, message: str, field: str) -> None:
        super().__init__(message)
        self.code = code
        self.field = field


async def write(session: Session, writes: list[Write]) -> list[Receipt]:
    """Creates in one call, then updates and archivings ten at a time."""
    receipts = await _create(session, [write for write in writes if write.op == "create"])
    rest = [write for write in writes if write.op != "create"]

    async def change(write: Write) -> Receipt:
        return await (_update(session, write) if write.op == "update" else _archive(session, write))

    receipts += await one_by_one(rest, change, done=receipts)
    return await believed(session, receipts)


async def erase(session: Session, ids: list[str]) -> list[Receipt]:
    """Deletes for good. Mailchimp never lets that address be imported again; only a form can bring it back."""

    async def forget(write: Write) -> Receipt:
        path = member_path(session, write.id, "/actions/delete-permanent")
        answer = await call(session, "POST", path, allowed=ABOUT_THE_RECORD)
        return Receipt(key=write.key, id=write.id) if answer.ok else await _refusal(session, write, answer)

    receipts = await one_by_one([Write(key=id, op="delete", id=id) for id in ids], forget)
    return await believed(session, receipts)


async def _create(session: Session, writes: list[Write]) -> list[Receipt]:
    receipts: list[Receipt] = []
    bodies: dict[str, tuple[Write, Row]] = {}
    twins: list[tuple[str, Write]] = []
    for write in writes:
        try:
            body = await _body_of_new(session, write)
        except _Unwritable as fault:
            receipts.append(refused(write, RefusalKind.REJECTED, fault.code, str(fault), fields=(fault.field,)))
            continue
        address = body["email_address"].lower()
        if address in bodies:
            twins.append((address, write))
        else:
            bodies[address] = (write, body)
    made = await _send_new(session, bodies)
    for address, write in twins:
        id = made[address].id
        receipts.append(refused(write, RefusalKind.EXISTS, "twin", "the same address twice in one call", moved_to=id))
    return [*receipts, *made.values()]


async def _send_new(session: Session, bodies: dict[str, tuple[Write, Row]]) -> dict[str, Receipt]:
    """One batch call; then one call each for those who need it. A batch that is refused whole, because of one malformed
    member, is sent one by one too, so that the others land."""
    together = {address: one for address, one in bodies.items() if not one[1].keys() & set(ONLY_ALONE)}
    made: dict[str, Receipt] = {}
    known: set[str] = set()
    if together:
        sent = {"members": [body for _, body in together.values()], "update_existing": False}
        answer = await call(session, "POST", audience_path(session), json=sent, allowed=(400,))
        if answer.ok:
            made, known = _sorted_out(together, decoded(answer, _Batch))
    left = {write.key: address for address, (write, _) in bodies.items() if address not in made}

    async def send(write: Write) -> Receipt:
        address = left[write.key]
        body = bodies[address][1]
        return await (_meet(session, write, body) if address in known else _send_alone(session, write, body))

    alone = await one_by_one([bodies[address][0] for address in left.values()], send, done=list(made.values()))
    return made | dict(zip(left.values(), alone, strict=True))


def _sorted_out(bodies: dict[str, tuple[Write, Row]], answer: _Batch) -> tuple[dict[str, Receipt], set[str]]:
    """A batch's receipts, and the addresses the audience already has."""
    stored = {_address(row): row for row in [*answer.new_members, *answer.updated_members]}
    errors = {error.email_address.strip().lower(): error for error in answer.errors}
    made: dict[str, Receipt] = {}
    known: set[str] = set()
    for address, (write, body) in bodies.items():
        if address in stored:
            made[address] = _receipt(write, stored[address], body)
        elif address not in errors:
            made[address] = refused(write, RefusalKind.TEMPORARY, "no answer", "the answer leaves this record out")
        else:
            code, fields = _reason(errors[address])
            if code == EXISTS:
                known.add(address)
            else:
                made[address] = refused(write, RefusalKind.REJECTED, code, "not accepted", fields=fields)
    return made, known


async def _send_alone(session: Session, write: Write, body: Row) -> Receipt:
    answer = await call(session, "POST", audience_path(session, "/members"), json=body, allowed=ABOUT_THE_RECORD)
    if not answer.ok and problem_of(answer).title == TAKEN:
        return await _meet(session, write, body)
    return await _settled(session, write, answer, body)


async def _meet(session: Session, write: Write, body: Row) -> Receipt:
    """The address is in the audience already. An archived member comes back, but only with an explicit yes or no:
    Mailchimp does not tell whether the person had opted out before, and `transactional` might undo that."""
    member = hash_of(body["email_address"])
    row = await one(session, member, (ID, "status"))
    if row is None:
        return refused(write, RefusalKind.TEMPORARY, "vanished", "the member that was in the way is gone")
    if row.get("status") != "archived":
        return refused(write, RefusalKind.EXISTS, TAKEN, "the address is in the audience", moved_to=row[ID])
    if body["status"] not in ("subscribed", "unsubscribed"):
        text = "an archived member has this address; consent is unknown, so it is not brought back"
        return refused(write, RefusalKind.REJECTED, "archived", text, fields=("email_address", "status"))
    revived = {**body, "status_if_new": body["status"]}
    answer = await call(session, "PUT", member_path(session, member), json=revived, allowed=ABOUT_THE_RECORD)
    return await _settled(session, write, answer, body)


async def _update(session: Session, write: Write) -> Receipt:
    try:
        body = await _body(session, write)
    except _Unwritable as fault:
        return refused(write, RefusalKind.REJECTED, fault.code, str(fault), fields=(fault.field,))
    barred = await _barred(session, write) if body.get("status") == "subscribed" else None
    if barred is not None:
        return barred
    answer = await call(session, "PATCH", member_path(session, write.id), json=body, allowed=ABOUT_THE_RECORD)
    return await _settled(session, write, answer, body)


async def _barred(session: Session, write: Write) -> Receipt | None:
    """Nobody who opted out or bounced is subscribed again, even where Mailchimp would allow it (it guards only those
    who left by themselves), and nobody archived comes back by a mere change. The hub may not have heard of it yet."""
    row = await one(session, write.id, (ID, "status"))
    match row and row.get("status"):
        case "unsubscribed" | "cleaned":
            return refused(write, RefusalKind.REJECTED, COMPLIANCE, AGAIN, fields=("status",))
        case "archived":
            return refused(write, RefusalKind.GONE, "archived", "the member was archived")
        case _:
            return None


async def _archive(session: Session, write: Write) -> Receipt:
    """A member that is archived already counts as done; cleaned and pending ones cannot be archived (405)."""
    answer = await call(session, "DELETE", member_path(session, write.id), allowed=ABOUT_THE_RECORD)
    if answer.status == 405:
        row = await one(session, write.id, (ID, "status"))
        if row is not None and row.get("status") == "archived":
            return Receipt(key=write.key, id=write.id)
    return Receipt(key=write.key, id=write.id) if answer.ok else await _refusal(session, write, answer)


async def _settled(session: Session, write: Write, answer: Answer, body: Row) -> Receipt:
    if not answer.ok:
        return await _refusal(session, write, answer)
    row = decoded(answer, dict[str, Any])
    if row.get("status") == "archived":
        return refused(write, RefusalKind.GONE, "archived", "the member was archived")
    return _receipt(write, row, body)


async def _refusal(session: Session, write: Write, answer: Answer) -> Receipt:
    """A refused record, by the title of the problem and the names of the fields; the vendor's words quote values."""
    problem = problem_of(answer)
    if answer.status == 404:
        return refused(write, RefusalKind.GONE, problem.title, "no such member")
    if answer.status == 409:
        return refused(write, RefusalKind.TEMPORARY, problem.title, "the member is being changed by somebody else")
    if problem.title in (COMPLIANCE, FORGOTTEN):
        return refused(write, RefusalKind.REJECTED, problem.title, AGAIN, fields=("status",))
    taken = await _taken(session, write)
    if taken is not None:
        return taken
    fields = _fields(*(trouble.field for trouble in problem.errors))
    return refused(write, RefusalKind.REJECTED, problem.title, "not accepted", fields=fields)


async def _taken(session: Session, write: Write) -> Receipt | None:
    """Whether the new address was refused because another member has it. The title of that problem is not reliable."""
    email = write.values.get("email_address")
    if write.op != "update" or not isinstance(email, str):
        return None
    other = await one(session, hash_of(email), (ID, "status"))
    if other is None or other[ID] == write.id:
        return None
    fields = ("email_address",)
    if other.get("status") == "archived":
        return refused(write, RefusalKind.REJECTED, "archived", "an archived member has this address", fields=fields)
    text = "another member has this address"
    return refused(write, RefusalKind.EXISTS, TAKEN, text, fields=fields, moved_to=other[ID])


async def _body_of_new(session: Session, write: Write) -> Row:
    """Consent travels in the same write. Without one a member is `transactional`, and so is one whose opt-in is pending
    elsewhere: Mailchimp would send its own confirmation."""
    email = write.values.get("email_address")
    if not isinstance(email, str) or not email.strip():
        raise _Unwritable("no address", "a member needs an e-mail address", "email_address")
    status = write.values.get("status") or "transactional"
    if status == "pending" and not session.settings.get("double_opt_in"):
        status = "transactional"
    complete = msgspec.structs.replace(write, values={**write.values, "status": status})
    return {**await _body(session, complete), "email_address": email.strip(), "email_type": "html"}


async def _body(session: Session, write: Write) -> Row:
    body = {name: value for name, value in write.values.items() if name != "status" or value}
    if body.get("status") == "pending" and not session.settings.get("double_opt_in"):
        raise _Unwritable("pending sends mail", "the setting double_opt_in is off", "status")
    if permissions.FIELD in body:
        body[permissions.FIELD] = permissions.to_list(body[permissions.FIELD])
    if "interests" in body:
        try:
            body["interests"] = await interests.to_ids(session, body["interests"])
        except interests.UnknownLabel as fault:
            raise _Unwritable("unknown interest", str(fault), "interests") from None
    return body


def _receipt(write: Write, row: Row, body: Row) -> Receipt:
    """`stored` holds what was written as Mailchimp keeps it. Interests are left out: they are ids there."""
    kept = {ID, STAMP, "email_address", "status", *body} - {"interests", "email_type", "status_if_new"}
    stored = {name: row[name] for name in kept if name in row}
    boxes = (f"{permissions.FIELD}.{box[permissions.NAME]}" for box in body.get(permissions.FIELD, ()))
    permissions.to_boxes([stored], tuple(boxes))
    return Receipt(key=write.key, id=id_of(row), stored=stored, version=str(row.get(STAMP) or ""))


def _address(row: Row) -> str:
    return str(row.get("email_address") or "").strip().lower()


def _reason(error: _Error) -> tuple[str, tuple[str, ...]]:
    """The code and the fields of one refused record."""
    if error.error_code == EXISTS:
        return EXISTS, ()
    text = error.error.lower()
    for words, code, field in KNOWN_ERRORS:
        if words in text:
            return code, (field,)
    plain = error.error_code.isascii() and len(error.error_code) <= 40
    return error.error_code if plain else "refused", _fields(error.field)


def _fields(*names: str) -> tuple[str, ...]:
    """Names as the mapping has them (errors name a merge field by its tag alone); what is no name is left out."""
    plain = [name for name in names if name.replace("_", "").replace(".", "").isalnum() and len(name) <= 60]
    return tuple(f"merge_fields.{name}" if name.isupper() else name for name in plain)
