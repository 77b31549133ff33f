"""Calls about members: read many, read one, add, set, change, archive, forget, and 500 at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

from zgoda.twins.exchange import Call, Reply, empty_reply, json_reply
from zgoda.twins.mailchimp.account import Account, Author, moment_text
from zgoda.twins.mailchimp.audience import Audience
from zgoda.twins.mailchimp.bodies import body_of, check_member, member_body
from zgoda.twins.mailchimp.indexes import ARCHIVED, UNARCHIVED, Stamped
from zgoda.twins.mailchimp.member import MEMBER_KEYS, STATUSES, Member, hash_of, renderer
from zgoda.twins.mailchimp.member_writes import add_member, archive_member, change_member, forget_member, set_member
from zgoda.twins.mailchimp.paging import asked_inside, asked_keys, cut_reply, cuts_only_keys, plain_json, window
from zgoda.twins.mailchimp.problems import Problem, invalid, invalid_fields, not_among, not_found
from zgoda.twins.mailchimp.tags import tag_ids
from zgoda.twins.ordered import Ordered
from zgoda.twins.timepiece import parse_moment

_LAST = "\U0010ffff"
_SORTS = ("timestamp_opt", "timestamp_signup", "last_changed")
_RANGE = ("since_last_changed", "before_last_changed")
_FILTERS = (
    "email_type", "since_timestamp_opt", "before_timestamp_opt", "unique_email_id", "vip_only",
    "interest_category_id", "interest_ids", "interest_match", "since_last_campaign", "unsubscribed_since",
)  # fmt: skip
_NOT_IN_BATCHES = frozenset({"interests", "marketing_permissions"})
"""What the published type of a batch's members lacks; it is passed over (unverified)."""

_ERROR_CODES = {"Member Exists": "ERROR_CONTACT_EXISTS"}


@dataclass(frozen=True, slots=True)
class _Batch:
    """What the members of one batch call have in common."""

    account: Account
    audience: Audience
    author: Author
    body: dict[str, Any]
    skip: bool


def list_members(account: Account, call: Call, list_id: str) -> Reply:
    """GET members. Archived ones appear only when asked for by status. Without a sort the order is that of creation.

    Other filters than status and last change look at every member once, until one changes.
    """
    audience = account.audience(list_id)
    offset, count = window(call, account.around.limits.page_size)
    members, total = _selected(audience, call, offset, count)
    keys = asked_keys(call, "members", MEMBER_KEYS)
    show = renderer(audience, keys, asked_inside(call, "members"))
    body: dict[str, Any] = {
        "members": [show(member) for member in members] if keys else [],
        "list_id": list_id, "total_items": total, "_links": [],
    }  # fmt: skip
    if not cuts_only_keys(call, "members"):
        return cut_reply(call, plain_json(body))
    top = asked_keys(call, "", tuple(body))
    return json_reply(200, {key: body[key] for key in top})


def read_member(account: Account, call: Call, list_id: str, subscriber_hash: str) -> Reply:
    audience = account.audience(list_id)
    member = _found(audience, subscriber_hash)
    keys = asked_keys(call, "", MEMBER_KEYS)
    shown = renderer(audience, keys, asked_inside(call, ""))(member)
    return json_reply(200, shown) if cuts_only_keys(call, "") else cut_reply(call, plain_json(shown))


def create_member(account: Account, call: Call, list_id: str) -> Reply:
    audience, body, author = account.audience(list_id), member_body(call), Author(call=call)

    def write() -> Member:
        return add_member(account, audience, author, body, _skips(call))

    member = _logged(account, author, "create", hash_of(str(body.get("email_address", ""))), body, write)
    return json_reply(200, _shown(audience, member))


def put_member(account: Account, call: Call, list_id: str, subscriber_hash: str) -> Reply:
    audience, body, author = account.audience(list_id), member_body(call), Author(call=call)
    if "email_address" not in body or "status_if_new" not in body:
        missing = [name for name in ("email_address", "status_if_new") if name not in body]
        raise invalid_fields([{"field": name, "message": "This value should not be blank."} for name in missing])

    def write() -> Member:
        return set_member(account, audience, author, subscriber_hash, body, _skips(call))[0]

    member = _logged(account, author, "set", subscriber_hash, body, write)
    return json_reply(200, _shown(audience, member))


def patch_member(account: Account, call: Call, list_id: str, subscriber_hash: str) -> Reply:
    audience, body, author = account.audience(list_id), member_body(call), Author(call=call)
    member = _found(audience, subscriber_hash)

    def write() -> Member:
        return change_member(account, audience, author, member, body, _skips(call))

    return json_reply(200, _shown(audience, _logged(account, author, "update", member.hash, body, write)))


def delete_member(account: Account, call: Call, list_id: str, subscriber_hash: str) -> Reply:
    """Archive. 405 for members that are archived, cleaned or pending."""
    audience, author = account.audience(list_id), Author(call=call)
    member = _found(audience, subscriber_hash)
    _logged(account, author, "archive", member.hash, {}, lambda: archive_member(account, audience, author, member))
    return empty_reply()


def delete_permanent(account: Account, call: Call, list_id: str, subscriber_hash: str) -> Reply:
    audience, author = account.audience(list_id), Author(call=call)
    member = _found(audience, subscriber_hash)
    forget_member(account, audience, author, member)
    account.log(author, "forget", member.hash, {})
    return empty_reply()


def batch_members(account: Account, call: Call, list_id: str) -> Reply:
    """POST /lists/{id}: up to 500 members, each added, updated or refused by itself."""
    audience, body = account.audience(list_id), body_of(call)
    members, limit = body.get("members"), account.around.limits.batch_size
    if not isinstance(members, list):
        raise invalid_fields([{"field": "members", "message": "Schema describes array, other type found instead"}])
    if limit is not None and len(cast(list[Any], members)) > limit:
        raise invalid(f"You may only send up to {limit} members per request.")
    added: list[Member] = []
    updated: list[Member] = []
    errors: list[dict[str, str]] = []
    seen: set[str] = set()
    batch = _Batch(account, audience, Author(call=call), body, _skips(call))
    for given in cast(list[dict[str, Any]], members):
        email = str(given.get("email_address", ""))
        try:
            if email.lower() in seen:
                if call.query.get("skip_duplicate_check") == "true":
                    continue
                raise invalid(f"Duplicate items found for email: {email}")
            seen.add(email.lower())
            member, is_new = _batch_one(batch, given)
            (added if is_new else updated).append(member)
        except Problem as problem:
            errors.append(_batch_error(email, problem))
    show = renderer(audience, MEMBER_KEYS)
    return json_reply(200, {
        "new_members": [show(member) for member in added], "updated_members": [show(member) for member in updated],
        "errors": errors, "total_created": len(added), "total_updated": len(updated), "error_count": len(errors),
        "_links": [],
    })  # fmt: skip


def search_members(account: Account, call: Call) -> Reply:
    """GET /search-members: by address exactly, by part of address or name otherwise."""
    query = call.query.get("query", "").lower()
    wanted = call.query.get("list_id")
    exact: list[dict[str, Any]] = []
    partial: list[dict[str, Any]] = []
    for audience in account.audiences.values():
        if wanted not in (None, audience.id):
            continue
        show = renderer(audience, MEMBER_KEYS)
        if (member := audience.members.get(hash_of(query))) is not None:
            exact.append(show(member))
        found = (m for m in audience.members.values() if query in _haystack(m))
        partial += [show(member) for member in islice(found, 30)]
    return cut_reply(call, plain_json({
        "exact_matches": {"members": exact, "total_items": len(exact)},
        "full_search": {"members": partial, "total_items": len(partial)}, "_links": [],
    }))  # fmt: skip


def _selected(audience: Audience, call: Call, offset: int, count: int) -> tuple[Iterable[Member], int]:
    """One page of the members a call asks for, and how many there are in all."""
    sort, down = call.query.get("sort_field"), call.query.get("sort_dir", "ASC").upper() == "DESC"
    if sort is not None and sort not in _SORTS:
        raise invalid_fields([{"field": "sort_field", "message": not_among(_SORTS)}])
    view = audience.indexes.views[_status(call) or UNARCHIVED]
    if sort in (None, "last_changed") and not any(call.query.get(name) for name in _FILTERS):
        if sort == "last_changed":
            return _by_last_change(audience, call, offset, count, down)
        if not any(call.query.get(name) for name in _RANGE):
            numbered = view.created[offset : offset + count]
            return [audience.members[hash] for _, hash in numbered], len(view.created)
    key = tuple(call.query.get(name) for name in ("status", *_FILTERS, *_RANGE, "sort_field", "sort_dir"))
    hashes = audience.filtered.get(key)
    if hashes is None:
        hashes = audience.filtered[key] = _filtered(audience, call, sort, down)
    return [audience.members[hash] for hash in hashes[offset : offset + count]], len(hashes)


def _by_last_change(audience: Audience, call: Call, offset: int, count: int, down: bool) -> tuple[list[Member], int]:
    order, first, end = _range(audience, call)
    total = end - first
    if down:
        entries = order.islice(max(first, end - offset - count), max(first, end - offset), reverse=True)
    else:
        entries = order.islice(min(first + offset, end), min(first + offset + count, end))
    return [audience.members[hash] for _, hash in entries], total


def _range(audience: Audience, call: Call) -> tuple[Ordered[Stamped], int, int]:
    """The asked status's members by last change, and where those of the asked time begin and end. Both ends exclude
    the moment itself (unverified)."""
    order = audience.indexes.views[_status(call) or UNARCHIVED].changed
    since, before = call.query.get("since_last_changed"), call.query.get("before_last_changed")
    first = order.bisect_right((_moment(call, "since_last_changed"), _LAST)) if since else 0
    end = order.bisect_left((_moment(call, "before_last_changed"), "")) if before else len(order)
    return order, first, max(first, end)


def _filtered(audience: Audience, call: Call, sort: str | None, down: bool) -> list[str]:
    tests = _tests(call)
    order, first, end = _range(audience, call)
    members = (audience.members[hash] for _, hash in order.islice(first, end))
    chosen = [member for member in members if all(test(member) for test in tests)]
    if sort is not None:
        chosen.sort(key=lambda member: (getattr(member, sort), member.hash), reverse=down)
    else:
        chosen.sort(key=lambda member: member.web_id)
    return [member.hash for member in chosen]


def _status(call: Call) -> str | None:
    status = call.query.get("status")
    if status and status not in (*STATUSES, ARCHIVED):
        raise invalid_fields([{"field": "status", "message": not_among((*STATUSES, ARCHIVED))}])
    return status


def _tests(call: Call) -> list[Callable[[Member], bool]]:
    """What is asked for besides status and last change."""
    query = call.query
    tests: list[Callable[[Member], bool]] = []
    if kind := query.get("email_type"):
        tests.append(lambda m: m.email_type == kind)
    if query.get("vip_only") == "true":
        tests.append(lambda m: m.vip)
    if unique_id := query.get("unique_email_id"):
        tests.append(lambda m: m.unique_id == unique_id)
    if query.get("since_timestamp_opt"):
        opted_since = _moment(call, "since_timestamp_opt")
        tests.append(lambda m: m.timestamp_opt > opted_since)
    if query.get("before_timestamp_opt"):
        opted_before = _moment(call, "before_timestamp_opt")
        tests.append(lambda m: "" < m.timestamp_opt < opted_before)
    if query.get("unsubscribed_since"):
        since = _moment(call, "unsubscribed_since")
        tests.append(lambda m: m.status == "unsubscribed" and m.unsubscribed_at > since)
    if ids := {id for id in query.get("interest_ids", "").split(",") if id}:
        tests.append(_interest_test(ids, query.get("interest_match", "any")))
    return tests


def _interest_test(ids: set[str], match: str) -> Callable[[Member], bool]:
    if match == "all":
        return lambda m: ids <= set(m.interests)
    if match == "none":
        return lambda m: not ids & set(m.interests)
    return lambda m: bool(ids & set(m.interests))


def _moment(call: Call, name: str) -> str:
    try:
        return moment_text(parse_moment(call.query[name].strip().replace(" ", "+")))
    except ValueError:
        raise invalid_fields([{"field": name, "message": "This value is not a valid datetime."}]) from None


def _batch_one(batch: _Batch, given: dict[str, Any]) -> tuple[Member, bool]:
    """Add or update one member of a batch. Says whether it was added. Raises Problem."""
    account, audience, author = batch.account, batch.audience, batch.author
    email = str(given.get("email_address", ""))
    present = audience.find(email) if email else None
    taken = {name: value for name, value in given.items() if name not in _NOT_IN_BATCHES}

    def write() -> Member:
        check_member(taken)
        if present is None or not batch.body.get("update_existing"):
            return add_member(account, audience, author, taken, batch.skip)
        changed = change_member(account, audience, author, present, taken, batch.skip)
        return _with_batch_tags(account, audience, changed, taken.get("tags"), bool(batch.body.get("sync_tags")))

    member = _logged(account, author, "update" if present else "create", hash_of(email), given, write)
    return member, present is None


def _with_batch_tags(account: Account, audience: Audience, member: Member, names: Any, replace: bool) -> Member:
    """Tags of a batch are added; with sync_tags they are all the member has afterwards."""
    if not isinstance(names, list):
        return member
    if replace:
        for id in member.tags:
            audience.segments[id].contacts.discard(member.contact_id)
        member = audience.replace(member, tags=[])
    return audience.replace(member, tags=tag_ids(account, audience, member, cast(list[Any], names)))


def _batch_error(email: str, problem: Problem) -> dict[str, str]:
    first = problem.errors[0] if problem.errors else {}
    return {
        "email_address": email, "error": problem.detail, "error_code": _ERROR_CODES.get(problem.title, "ERROR_GENERIC"),
        "field": first.get("field", ""), "field_message": first.get("message", ""),
    }  # fmt: skip


def _logged(
    account: Account, author: Author, operation: str, id: str, values: dict[str, Any], write: Callable[[], Member]
) -> Member:
    try:
        member = write()
    except Problem as problem:
        account.log(author, operation, id, values, problem.title)
        raise
    account.log(author, operation, member.hash, values)
    return member


def _found(audience: Audience, key: str) -> Member:
    member = audience.find(key)
    if member is None:
        raise not_found()
    return member


def _shown(audience: Audience, member: Member) -> dict[str, Any]:
    return renderer(audience, MEMBER_KEYS)(member)


def _haystack(member: Member) -> str:
    return f"{member.email} {member.merge.get('FNAME', '')} {member.merge.get('LNAME', '')}".lower()


def _skips(call: Call) -> bool:
    return call.query.get("skip_merge_validation", "").lower() == "true"
