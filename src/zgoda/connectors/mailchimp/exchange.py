"""One call to Mailchimp and what its answer means.

Errors are `application/problem+json` with a fixed English `title`; `detail` quotes addresses and is never used. Under
load Mailchimp also answers a bare 403 without JSON, which is a limit and not a missing right.
Source: https://mailchimp.com/developer/marketing/docs/errors/
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from hashlib import md5
from typing import Any, TypeVar, cast
from urllib.parse import quote

import msgspec

from zgoda.kit.errors import Attention, ConnectorError, NeedsAttention, Quota, Refusal, RefusalKind, Temporary
from zgoda.kit.http import Answer, expect
from zgoda.kit.spec import Receipt, Session, Write

T = TypeVar("T")

AT_ONCE = 10
"""Simultaneous connections Mailchimp allows for one key."""


class Trouble(msgspec.Struct, frozen=True):
    """One entry of a problem's `errors`; its `message` may quote values and is not read."""

    field: str = ""


class Problem(msgspec.Struct, frozen=True):
    """RFC 7807 document. `status` is 0 when the answer was none."""

    title: str = ""
    status: int = 0
    errors: list[Trouble] = []


async def call(
    session: Session,
    method: str,
    path: str,
    *,
    params: Mapping[str, str | int] | None = None,
    json: Any = None,
    allowed: tuple[int, ...] = (),
) -> Answer:
    """Send once. A success or an `allowed` status with a problem document comes back; all else is raised."""
    answer = await session.http.request(method, path, params=params, json=json)
    if answer.ok:
        return answer
    problem = problem_of(answer)
    if answer.status == 403 and not problem.status:
        raise Quota(f"{answer.where}: refused without a reason, as Mailchimp does under load")
    if answer.status in allowed and problem.status:
        return answer
    if problem.title in _ATTENTION:
        kind, do = _ATTENTION[problem.title]
        raise NeedsAttention(kind, f"{answer.where}: {problem.title}", do=do)
    return expect(answer)


def problem_of(answer: Answer) -> Problem:
    """The problem document; an empty one if the answer is something else. The title is kept only if it is plain."""
    try:
        problem = msgspec.json.decode(answer.body, type=Problem)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Problem()
    if not re.fullmatch(r"[A-Za-z -]{1,60}", problem.title):
        return Problem(title=f"HTTP {answer.status}", status=problem.status, errors=problem.errors)
    return problem


def decoded(answer: Answer, into: type[T]) -> T:
    """The answer's JSON in the wanted shape; anything else is `Temporary`."""
    try:
        return msgspec.convert(answer.json(), into)
    except msgspec.ValidationError:
        executed = answer.method != "GET"
        raise Temporary(f"{answer.where}: the answer has an unexpected shape", executed=executed) from None


def audience_path(session: Session, rest: str = "") -> str:
    return f"lists/{quote(str(session.settings['audience']), safe='')}{rest}"


def member_path(session: Session, member: str, rest: str = "") -> str:
    """`member` may be a contact_id or the hash of an address: Mailchimp takes both in this place."""
    return audience_path(session, f"/members/{quote(member, safe='')}{rest}")


def hash_of(email: str) -> str:
    """Mailchimp's `subscriber_hash`: keeps addresses out of URLs and of the queue of hints."""
    return md5(email.strip().lower().encode(), usedforsecurity=False).hexdigest()


def as_list(raw: Any) -> list[Any]:
    """The raw value if it is a list, else an empty one: vendors send other types where they have nothing."""
    return cast("list[Any]", raw) if isinstance(raw, list) else []


def as_dict(raw: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", raw) if isinstance(raw, dict) else {}


async def confirm_audience(session: Session) -> None:
    """Raises if the audience itself is gone. Else a 404 for a member would read as "everybody was deleted"."""
    answer = await call(session, "GET", audience_path(session), params={"fields": "id"}, allowed=(404,))
    if answer.status == 404:
        raise NeedsAttention(
            Attention.SETTINGS, "the audience does not exist in this account", do="check `audience` and `api_key`"
        )


async def believed(session: Session, receipts: list[Receipt]) -> list[Receipt]:
    """The receipts, unless every record is gone only because the audience is."""
    gone = any(r.refusal is not None and r.refusal.kind is RefusalKind.GONE for r in receipts)
    if gone and not any(r.refusal is None for r in receipts):
        await confirm_audience(session)
    return receipts


async def side_by_side(calls: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """All results in order; the first failure ends the others and is raised. The pacer bounds how many run."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in calls]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]


async def one_by_one(
    writes: Sequence[Write], do: Callable[[Write], Awaitable[Receipt]], done: Sequence[Receipt] = ()
) -> list[Receipt]:
    """A call per record, ten at a time. After a failure nothing more is sent and what was not done is `temporary`.

    If nothing at all was done (nor in `done`, the receipts of earlier calls), the failure is raised instead.
    """
    gate = asyncio.Semaphore(AT_ONCE)
    failures: list[ConnectorError] = []

    async def attempt(write: Write) -> Receipt | None:
        async with gate:
            if failures:
                return None
            try:
                return await do(write)
            except ConnectorError as error:
                failures.append(error)
                return None

    outcomes = await side_by_side([attempt(write) for write in writes])
    if failures and not done and all(outcome is None for outcome in outcomes):
        raise failures[0]
    return [outcome or unsent(write) for write, outcome in zip(writes, outcomes, strict=True)]


def unsent(write: Write) -> Receipt:
    refusal = Refusal(kind=RefusalKind.TEMPORARY, message="an earlier call failed; this record is still to be written")
    return Receipt(key=write.key, id=write.id, refusal=refusal)


def refused(
    write: Write, kind: RefusalKind, code: str, message: str, *, fields: tuple[str, ...] = (), moved_to: str = ""
) -> Receipt:
    refusal = Refusal(kind=kind, code=code, message=message, fields=fields, moved_to=moved_to)
    return Receipt(key=write.key, id=write.id, refusal=refusal)


_ATTENTION = {
    "API Key Invalid": (Attention.CREDENTIALS, "make a new key in Mailchimp and set `api_key`"),
    "API Key Missing": (Attention.CREDENTIALS, "set `api_key`"),
    "User Disabled": (Attention.ACCOUNT, "sign in to Mailchimp and see what the account's state is"),
    "Compliance Related": (Attention.ACCOUNT, "sign in to Mailchimp and see what the account's state is"),
    "Wrong Datacenter": (Attention.SETTINGS, "the last part of the key must be the first of `base_url`"),
}
