"""The Mailchimp account as a vendor of the twin kit: routing, keys, problem documents, records for the control API."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Any, cast

import msgspec

from zgoda.twins.exchange import Call, Reply, html_reply, json_reply
from zgoda.twins.limits import Limits
from zgoda.twins.mailchimp import (
    batches,
    campaign_calls,
    interest_calls,
    list_calls,
    member_calls,
    member_details,
    merge_field_calls,
    oauth,
    reports,
    tags,
    webhooks,
)
from zgoda.twins.mailchimp.account import Account
from zgoda.twins.mailchimp.audience import Audience
from zgoda.twins.mailchimp.edits import edit
from zgoda.twins.mailchimp.fill import fill_audience
from zgoda.twins.mailchimp.indexes import ARCHIVED
from zgoda.twins.mailchimp.member import MEMBER_KEYS, Member, hash_of, renderer, unique_id_of
from zgoda.twins.mailchimp.paging import plain_json
from zgoda.twins.mailchimp.problems import Problem, instance_of, not_found, wrong_method
from zgoda.twins.routes import Handler, Routes, WrongMethod
from zgoda.twins.vendor import EditRefused, PageShape, Refusal, Surroundings
from zgoda.twins.world import World

_L = "/3.0/lists/{list_id}"
_M = f"{_L}/members/{{subscriber_hash}}"
_C = f"{_L}/interest-categories"
_I = f"{_C}/{{interest_category_id}}/interests"
_S = f"{_L}/segments/{{segment_id}}"
_K = "/3.0/campaigns/{campaign_id}"
_R = "/3.0/reports/{campaign_id}"

_TABLE: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/3.0", list_calls.root),
    ("GET", "/3.0/ping", list_calls.ping),
    ("GET", "/3.0/lists", list_calls.list_lists),
    ("POST", "/3.0/lists", list_calls.create_list),
    ("GET", _L, list_calls.show_list),
    ("PATCH", _L, list_calls.change_list),
    ("DELETE", _L, list_calls.delete_list),
    ("POST", _L, member_calls.batch_members),
    ("GET", f"{_L}/members", member_calls.list_members),
    ("POST", f"{_L}/members", member_calls.create_member),
    ("GET", _M, member_calls.read_member),
    ("PUT", _M, member_calls.put_member),
    ("PATCH", _M, member_calls.patch_member),
    ("DELETE", _M, member_calls.delete_member),
    ("POST", f"{_M}/actions/delete-permanent", member_calls.delete_permanent),
    ("GET", f"{_M}/tags", tags.member_tags),
    ("POST", f"{_M}/tags", tags.change_member_tags),
    ("GET", f"{_M}/notes", member_details.list_notes),
    ("POST", f"{_M}/notes", member_details.create_note),
    ("GET", f"{_M}/notes/{{note_id}}", member_details.show_note),
    ("PATCH", f"{_M}/notes/{{note_id}}", member_details.change_note),
    ("DELETE", f"{_M}/notes/{{note_id}}", member_details.delete_note),
    ("GET", f"{_M}/events", member_details.list_events),
    ("POST", f"{_M}/events", member_details.create_event),
    ("GET", f"{_M}/activity-feed", member_details.activity_feed),
    ("GET", f"{_M}/activity", member_details.activity),
    ("GET", f"{_L}/merge-fields", merge_field_calls.list_merge_fields),
    ("POST", f"{_L}/merge-fields", merge_field_calls.create_merge_field),
    ("GET", f"{_L}/merge-fields/{{merge_id}}", merge_field_calls.show_merge_field),
    ("PATCH", f"{_L}/merge-fields/{{merge_id}}", merge_field_calls.change_merge_field),
    ("DELETE", f"{_L}/merge-fields/{{merge_id}}", merge_field_calls.delete_merge_field),
    ("GET", _C, interest_calls.list_categories),
    ("POST", _C, interest_calls.create_category),
    ("GET", f"{_C}/{{interest_category_id}}", interest_calls.show_category),
    ("PATCH", f"{_C}/{{interest_category_id}}", interest_calls.change_category),
    ("DELETE", f"{_C}/{{interest_category_id}}", interest_calls.delete_category),
    ("GET", _I, interest_calls.list_interests),
    ("POST", _I, interest_calls.create_interest),
    ("GET", f"{_I}/{{interest_id}}", interest_calls.show_interest),
    ("PATCH", f"{_I}/{{interest_id}}", interest_calls.change_interest),
    ("DELETE", f"{_I}/{{interest_id}}", interest_calls.delete_interest),
    ("GET", f"{_L}/segments", tags.list_segments),
    ("POST", f"{_L}/segments", tags.create_segment),
    ("GET", _S, tags.show_segment),
    ("PATCH", _S, tags.change_segment),
    ("DELETE", _S, tags.delete_segment),
    ("POST", _S, tags.batch_segment_members),
    ("GET", f"{_S}/members", tags.segment_members),
    ("POST", f"{_S}/members", tags.add_segment_member),
    ("DELETE", f"{_S}/members/{{subscriber_hash}}", tags.remove_segment_member),
    ("GET", f"{_L}/tag-search", tags.search_tags),
    ("GET", f"{_L}/webhooks", webhooks.list_webhooks),
    ("POST", f"{_L}/webhooks", webhooks.create_webhook),
    ("GET", f"{_L}/webhooks/{{webhook_id}}", webhooks.show_webhook),
    ("PATCH", f"{_L}/webhooks/{{webhook_id}}", webhooks.change_webhook),
    ("DELETE", f"{_L}/webhooks/{{webhook_id}}", webhooks.delete_webhook),
    ("GET", "/3.0/search-members", member_calls.search_members),
    ("GET", "/3.0/campaigns", campaign_calls.list_campaigns),
    ("POST", "/3.0/campaigns", campaign_calls.create_campaign),
    ("GET", _K, campaign_calls.show_campaign),
    ("PATCH", _K, campaign_calls.change_campaign),
    ("DELETE", _K, campaign_calls.delete_campaign),
    ("GET", f"{_K}/content", campaign_calls.show_content),
    ("PUT", f"{_K}/content", campaign_calls.set_content),
    ("GET", f"{_K}/send-checklist", campaign_calls.send_checklist),
    ("POST", f"{_K}/actions/{{action}}", campaign_calls.act_on_campaign),
    ("GET", "/3.0/reports", reports.list_reports),
    ("GET", _R, reports.show_report),
    ("GET", f"{_R}/sent-to", reports.sent_to),
    ("GET", f"{_R}/email-activity", reports.email_activity),
    ("GET", f"{_R}/email-activity/{{subscriber_hash}}", reports.email_activity_of),
    ("GET", f"{_R}/unsubscribed", reports.unsubscribed),
    ("GET", f"{_R}/open-details", reports.open_details),
    ("GET", f"{_R}/click-details", reports.click_details),
    ("GET", f"{_R}/click-details/{{link_id}}", reports.click_details_of),
    ("GET", f"{_R}/click-details/{{link_id}}/members", reports.click_members),
    ("GET", "/3.0/batches", batches.list_batches),
    ("GET", "/3.0/batches/{batch_id}", batches.show_batch),
    ("DELETE", "/3.0/batches/{batch_id}", batches.delete_batch),
)

_FINDING = ("id", "email_address", "contact_id", "unique_email_id")
"""Keys of a member that lead straight to it."""

_OPERATIONS = {"POST": "create", "PUT": "set", "PATCH": "update", "DELETE": "delete"}

_REFUSALS: dict[Refusal, Problem] = {
    "daily": Problem(429, "Too Many Requests", "You have exceeded the limit of requests."),
    "window": Problem(429, "Too Many Requests", "You have exceeded the limit of requests."),
    "connections": Problem(429, "Too Many Requests", "You have exceeded the limit of 10 simultaneous connections."),
    "session_expired": Problem(
        401, "API Key Invalid", "Your API key may be invalid, or you've attempted to access the wrong datacenter."
    ),
    "rights_missing": Problem(403, "Forbidden", "You are not permitted to access this resource."),
    "server_error": Problem(500, "Internal Server Error", "An unexpected internal error has occurred."),
    "unavailable": Problem(503, "Service Unavailable", "The service is temporarily unavailable."),
    "not_found": not_found(),
    "uri_too_long": Problem(414, "URI Too Long", "The URI is too long."),
}


class MailchimpVendor:
    """One account behind the Marketing API 3.0."""

    name = "mailchimp"
    page = PageShape(
        items=lambda body: next(
            (k for k, v in body.items() if isinstance(v, list) and k not in ("_links", "errors")), None
        ),
        total="total_items", offset_parameter="offset",
    )  # fmt: skip

    def __init__(self, around: Surroundings, credentials: oauth.Credentials) -> None:
        self.around = around
        self.account = Account(around)
        self.credentials = credentials
        start = partial(batches.start_batch, dispatch=self._nested)
        self._routes = Routes((*_TABLE, ("POST", "/3.0/batches", start)))

    def presets(self) -> Mapping[str, Limits]:
        """Documented limits: 10 connections, 1,000 a page, 500 a batch; 1,000 operations a batch is third-party."""
        real = Limits(connections=10, page_size=1000, batch_size=500, nested_requests=1000, uri_bytes=16_384)
        return {"real": real, "off": Limits()}

    def answer(self, call: Call) -> Reply | Awaitable[Reply]:
        path = call.path.rstrip("/")
        if path == oauth.TOKEN_PATH:
            return oauth.token(self.account, self.credentials, call)
        if path == oauth.METADATA_PATH:
            return oauth.metadata(self.account, self.credentials, call)
        if path.startswith(batches.RESULT_PATH):
            return batches.download(self.account, call)
        caller = oauth.caller_of(self.credentials, call)
        if caller is None:
            return self.refusal("session_expired", call)
        call.caller = caller
        campaign_calls.send_due_campaigns(self.account)
        return self._logged(call)

    def object_of(self, call: Call) -> str:
        """`members` for calls about members, else the first segment that names something."""
        parts = call.path.strip("/").split("/")
        if len(parts) > 3 and parts[1] == "lists":
            return parts[3]
        if call.method == "POST" and len(parts) == 3 and parts[1] == "lists":
            return "members"
        return parts[1] if len(parts) > 1 else ""

    def is_token_call(self, call: Call) -> bool:
        return call.path.startswith("/oauth2/")

    def refusal(self, name: Refusal, call: Call) -> Reply:
        if name == "overload":
            return html_reply(403, "403 Forbidden", "Request forbidden by administrative rules.")
        if name == "invalid_grant":
            return json_reply(400, {"error": "invalid_grant", "error_description": "Invalid code or client"})
        return _REFUSALS[name].reply(call)

    def connection(self) -> dict[str, Any]:
        first = next(iter(self.account.audiences), "")
        return {
            "api_url": self.around.base_url + "/3.0",
            "api_key": self.credentials.api_key,
            "token_url": self.around.base_url + oauth.TOKEN_PATH,
            "metadata_url": self.around.base_url + oauth.METADATA_PATH,
            "client_id": self.credentials.client_id,
            "client_secret": self.credentials.client_secret,
            "code": self.credentials.code,
            "list_id": first,
        }

    def counts(self) -> dict[str, int]:
        audiences = self.account.audiences.values()
        return {
            "lists": len(audiences), "members": sum(len(a.members) for a in audiences),
            "archived": sum(a.count(ARCHIVED) for a in audiences), "campaigns": len(self.account.campaigns),
        }  # fmt: skip

    def records(self, object: str, after: str, limit: int, where: Mapping[str, str]) -> list[dict[str, Any]]:
        """`members` as the API shows them, archived ones too, by hash; of the list `where.list_id` or of the first.

        An address or id in `where` finds the member at once; other keys look at everybody above `after`.
        """
        if object != "members":
            raise EditRefused("Resource Not Found", f"there are records of members, not of {object!r}")
        wanted = dict(where)
        audience = self._audience(wanted.pop("list_id", None))
        glance = renderer(audience, tuple({name.partition(".")[0] for name in wanted} & set(MEMBER_KEYS)))
        show = renderer(audience, MEMBER_KEYS)
        found = (member for member in _looked_through(audience, after, wanted) if _matches(glance(member), wanted))
        return [plain_json(show(member)) for member in islice(found, limit)]

    def edit(self, op: str, fields: dict[str, Any]) -> dict[str, Any]:
        return edit(self.account, op, fields)

    def load(self, object: str, rows: Iterable[dict[str, Any]]) -> int:
        """Members in the shape of the API's bodies, into the list `list_id` or the first."""
        if object != "members":
            raise EditRefused("Resource Not Found", f"members can be loaded, not {object!r}")
        now, audience = self.account.now(), self._audience(None)

        def made(row: dict[str, Any]) -> Member:
            email = str(row["email_address"])
            return Member(
                email=email, hash=hash_of(email), unique_id=unique_id_of(email),
                contact_id=self.account.new_id("contact", 32), web_id=self.account.web_id(),
                status=str(row.get("status", "subscribed")),
                last_changed=str(row.get("last_changed", now)), merge=row.get("merge_fields", {}),
                timestamp_opt=str(row.get("timestamp_opt", now)),
            )  # fmt: skip

        return audience.load(made(row) for row in rows)

    def fill(self, world: World) -> None:
        fill_audience(self.account, self._audience(None), world)

    def reset(self) -> None:
        self.account.reset()

    def snapshot(self) -> dict[str, Any]:
        return {"account": self.account.snapshot(), "tokens": sorted(self.credentials.tokens)}

    def restore(self, saved: dict[str, Any]) -> None:
        self.account.restore(saved["account"])
        self.credentials.tokens = set(saved["tokens"])

    def _audience(self, id: str | None) -> Audience:
        if id is not None:
            return self.account.audience(id)
        return next(iter(self.account.audiences.values()))

    def _logged(self, call: Call) -> Reply | Awaitable[Reply]:
        """Answer a call; one that writes and is not noted record by record gets one line in the write log."""
        before = self.around.writes.last
        reply = self._dispatch(call)
        if call.method != "GET" and self.around.writes.last == before:
            status = reply.status if isinstance(reply, Reply) else 200
            self.around.writes.add(
                self.account.now(), self.object_of(call), _OPERATIONS[call.method], call.path.rsplit("/", 1)[1],
                _body_of(call), "ok" if status < 400 else str(status), call.n, call.caller,
            )  # fmt: skip
        return reply

    def _dispatch(self, call: Call) -> Reply | Awaitable[Reply]:
        try:
            found = self._routes.find(call.method, call.path)
            if found is None:
                raise not_found()
            reply = found.handler(self.account, call, **found.values)
        except Problem as problem:
            return _identified(problem.reply(call), call)
        except WrongMethod:
            return _identified(wrong_method().reply(call), call)
        if isinstance(reply, Reply):
            return _identified(reply, call)
        return self._awaited(cast(Awaitable[Reply], reply), call)

    async def _awaited(self, reply: Awaitable[Reply], call: Call) -> Reply:
        try:
            return _identified(await reply, call)
        except Problem as problem:
            return _identified(problem.reply(call), call)

    def _nested(self, call: Call) -> Reply:
        """One operation of a batch. Those that have to wait for somebody else are not offered there."""
        reply = self._logged(call)
        if isinstance(reply, Reply):
            return reply
        cast(Any, reply).close()
        return wrong_method().reply(call)


def _body_of(call: Call) -> dict[str, Any]:
    try:
        body = call.json()
    except msgspec.DecodeError:
        return {}
    return cast(dict[str, Any], body) if isinstance(body, dict) else {}


def _identified(reply: Reply, call: Call) -> Reply:
    reply.headers["X-Request-Id"] = instance_of(call)
    return reply


def _looked_through(audience: Audience, after: str, where: Mapping[str, str]) -> Iterator[Member]:
    """Members by hash that may be meant."""
    for name in _FINDING:
        if name in where:
            member = audience.find(where[name])
            return iter([member] if member is not None and member.hash > after else [])
    return audience.after(after)


def _matches(record: dict[str, Any], where: Mapping[str, str]) -> bool:
    """`where` names top-level keys, or merge fields as `merge_fields.FNAME`."""
    for name, wanted in where.items():
        value: Any = record
        for step in name.split("."):
            value = cast(dict[str, Any], value).get(step, "") if isinstance(value, dict) else ""
        if str(value).lower() != wanted.lower():
            return False
    return True
