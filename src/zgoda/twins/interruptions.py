"""Faults that answer instead of the vendor: refusals, failing servers, connections that die before the work."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from email.utils import format_datetime

from zgoda.twins.catalogue import CATALOGUE
from zgoda.twins.exchange import Call, Reply, empty_reply, html_reply
from zgoda.twins.faults import Fault
from zgoda.twins.vendor import Surroundings, Vendor

_TEN_YEARS_S = 315_360_000
_INSTEAD = frozenset(name for name, kind in CATALOGUE.items() if kind.stage == "instead")
_ONLY_TOKEN = frozenset({"invalid_grant"})
_NEVER_TOKEN = frozenset({"session_expired", "rights_missing", "list_missing", "list_204", "quota_gone"})
_ONLY_READING = frozenset({"list_missing", "list_204"})


def interrupt(vendor: Vendor, around: Surroundings, call: Call) -> Reply | None:
    """The answer of an armed fault that strikes before any work is done, None when none does."""
    if not around.faults.any("instead"):
        return None
    names = _INSTEAD - (_NEVER_TOKEN if vendor.is_token_call(call) else _ONLY_TOKEN)
    if call.method != "GET":
        names -= _ONLY_READING
    fault = around.faults.strike("instead", call, vendor.object_of(call), names)
    return None if fault is None else _ANSWERS[fault.name](vendor, around, call, fault)


def _too_many(vendor: Vendor, call: Call, retry_after: str | None) -> Reply:
    reply = vendor.refusal("connections", call)
    reply.status = 429
    if retry_after is not None:
        reply.headers = {**reply.headers, "Retry-After": retry_after}
    return reply


def _too_many_seconds(vendor: Vendor, around: Surroundings, call: Call, fault: Fault) -> Reply:
    return _too_many(vendor, call, str(fault.option("retry_after_s", 2)))


def _too_many_date(vendor: Vendor, around: Surroundings, call: Call, fault: Fault) -> Reply:
    moment = around.time.now() + timedelta(seconds=float(fault.option("retry_after_s", 2)))
    return _too_many(vendor, call, format_datetime(moment.replace(microsecond=0), usegmt=True))


def _too_many_bare(vendor: Vendor, around: Surroundings, call: Call, fault: Fault) -> Reply:
    return _too_many(vendor, call, None)


def _too_many_far(vendor: Vendor, around: Surroundings, call: Call, fault: Fault) -> Reply:
    return _too_many(vendor, call, str(_TEN_YEARS_S))


def _too_many_garbage(vendor: Vendor, around: Surroundings, call: Call, fault: Fault) -> Reply:
    return _too_many(vendor, call, str(fault.option("value", "soon")))


def _too_many_html(vendor: Vendor, around: Surroundings, call: Call, fault: Fault) -> Reply:
    return html_reply(429, "429 Too Many Requests", "Slow down.")


def _quota_gone(vendor: Vendor, around: Surroundings, call: Call, fault: Fault) -> Reply:
    return vendor.refusal("daily", call)


def _status_500(vendor: Vendor, around: Surroundings, call: Call, fault: Fault) -> Reply:
    return vendor.refusal("server_error", call)


def _status_502(vendor: Vendor, around: Surroundings, call: Call, fault: Fault) -> Reply:
    return html_reply(502, "502 Bad Gateway", "The server behind the proxy sent no valid answer.")


def _status_503(vendor: Vendor, around: Surroundings, call: Call, fault: Fault) -> Reply:
    reply = vendor.refusal("unavailable", call)
    reply.headers = {**reply.headers, "Retry-After": str(fault.option("retry_after_s", 2))}
    return reply


def _status_503_html(vendor: Vendor, around: Surroundings, call: Call, fault: Fault) -> Reply:
    return html_reply(503, "Down for maintenance", "We will be back shortly.")


def _status_504(vendor: Vendor, around: Surroundings, call: Call, fault: Fault) -> Reply:
    return html_reply(504, "504 Gateway Timeout", "The server behind the proxy took too long.")


def _hang(vendor: Vendor, around: Surroundings, call: Call, fault: Fault) -> Reply:
    return empty_reply().with_manner("hang")


def _reset_before(vendor: Vendor, around: Surroundings, call: Call, fault: Fault) -> Reply:
    return empty_reply().with_manner("drop")


def _list_missing(vendor: Vendor, around: Surroundings, call: Call, fault: Fault) -> Reply:
    return vendor.refusal("not_found", call)


def _list_204(vendor: Vendor, around: Surroundings, call: Call, fault: Fault) -> Reply:
    return empty_reply()


def _session_expired(vendor: Vendor, around: Surroundings, call: Call, fault: Fault) -> Reply:
    return vendor.refusal("session_expired", call)


def _invalid_grant(vendor: Vendor, around: Surroundings, call: Call, fault: Fault) -> Reply:
    return vendor.refusal("invalid_grant", call)


def _rights_missing(vendor: Vendor, around: Surroundings, call: Call, fault: Fault) -> Reply:
    return vendor.refusal("rights_missing", call)


_ANSWERS: dict[str, Callable[[Vendor, Surroundings, Call, Fault], Reply]] = {
    "too_many_seconds": _too_many_seconds,
    "too_many_date": _too_many_date,
    "too_many_bare": _too_many_bare,
    "too_many_far": _too_many_far,
    "too_many_garbage": _too_many_garbage,
    "too_many_html": _too_many_html,
    "quota_gone": _quota_gone,
    "status_500": _status_500,
    "status_502": _status_502,
    "status_503": _status_503,
    "status_503_html": _status_503_html,
    "status_504": _status_504,
    "hang": _hang,
    "reset_before": _reset_before,
    "list_missing": _list_missing,
    "list_204": _list_204,
    "session_expired": _session_expired,
    "invalid_grant": _invalid_grant,
    "rights_missing": _rights_missing,
}
