"""Faults that spoil an answer after the work was done: broken JSON, lists that are not whole, lost answers.

Each function takes a right answer and gives the spoilt one. Those for lists leave answers alone that are no lists.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec

from zgoda.twins.exchange import Call, Reply, html_reply
from zgoda.twins.faults import Fault, Switchboard
from zgoda.twins.vendor import PageShape, Vendor

_MB = 1024 * 1024
_NUMBER = re.compile(rb"(?<=[:\[,])-?\d+(\.\d+)?(?=[,}\]])")
_TEXT = re.compile(rb'(?<=:)"')


@dataclass
class Distorter:
    """Spoils answers by armed faults; remembers the items of the last list so that a page can come twice."""

    vendor: Vendor
    faults: Switchboard
    last_items: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])

    def alter_call(self, call: Call) -> Call:
        """For vendors that page by offset: a loop is a server that ignores the offset."""
        parameter = self.vendor.page.offset_parameter
        if parameter is None or parameter not in call.query or not self.faults.any("call"):
            return call
        if self.faults.strike("call", call, self.vendor.object_of(call)) is not None:
            call.query = {**call.query, parameter: "0"}
        return call

    def distort(self, call: Call, reply: Reply) -> Reply:
        """The answer as it leaves, after whatever fault strikes this call."""
        object = self.vendor.object_of(call)
        shape = self.vendor.page
        if shape.next is not None and self.faults.any("call"):
            reply = self._loop(call, reply, object, shape.next)
        if not self.faults.any("after"):
            return reply
        names = None if _is_list(reply, shape) else _FOR_ANY_ANSWER
        fault = self.faults.strike("after", call, object, names)
        items = _items(reply, shape)
        if fault is not None and fault.name == "repeated_page":
            reply = _with_items(reply, shape, self.last_items.get(object, []))
        elif fault is not None:
            reply = _SPOILERS[fault.name](reply, fault, shape, self.faults)
        if items is not None:
            self.last_items[object] = items
        return reply

    def _loop(self, call: Call, reply: Reply, object: str, next_key: str) -> Reply:
        if not _is_list(reply, self.vendor.page) or self.faults.strike("call", call, object) is None:
            return reply
        body = _decoded(reply)
        body[next_key] = self.vendor.page.again(call.target, body.get(next_key))
        if self.vendor.page.done is not None:
            body[self.vendor.page.done] = False
        return _encoded(reply, body)


def _is_list(reply: Reply, shape: PageShape) -> bool:
    if reply.status != 200 or not reply.body:
        return False
    decoded = _decoded(reply)
    return isinstance(decoded, list) or (isinstance(decoded, dict) and shape.items(_dict(decoded)) is not None)


def _items(reply: Reply, shape: PageShape) -> list[Any] | None:
    if reply.status != 200 or not reply.body:
        return None
    decoded = _decoded(reply)
    key = shape.items(_dict(decoded)) if isinstance(decoded, dict) else None
    return None if key is None else cast(list[Any], decoded[key])


def _decoded(reply: Reply) -> Any:
    try:
        return msgspec.json.decode(reply.body or b"null")
    except msgspec.DecodeError:
        return None


def _dict(value: Any) -> dict[str, Any]:
    return cast(dict[str, Any], value)


def _encoded(reply: Reply, body: Any) -> Reply:
    return reply.with_body(msgspec.json.encode(body))


def _with_items(reply: Reply, shape: PageShape, items: list[Any], total: int | None = None) -> Reply:
    body = _decoded(reply)
    if isinstance(body, list):
        return _encoded(reply, items)
    key = shape.items(body)
    if key is None:
        return reply
    body[key] = items
    if total is not None and shape.total in body:
        body[shape.total] = total
    if not items and total == 0 and shape.next is not None:
        body.pop(shape.next, None)
        if shape.done is not None:
            body[shape.done] = True
    return _encoded(reply, body)


def _slow(reply: Reply, fault: Fault, shape: PageShape, faults: Switchboard) -> Reply:
    return reply.with_manner("plain", float(fault.option("ms", 1000)))


def _slow_drip(reply: Reply, fault: Fault, shape: PageShape, faults: Switchboard) -> Reply:
    return reply.with_manner("drip", float(fault.option("ms", 100)))


def _reset_after(reply: Reply, fault: Fault, shape: PageShape, faults: Switchboard) -> Reply:
    return reply.with_manner("drop")


def _cut_body(reply: Reply, fault: Fault, shape: PageShape, faults: Switchboard) -> Reply:
    return reply.with_manner("cut")


def _failed_after(reply: Reply, fault: Fault, shape: PageShape, faults: Switchboard) -> Reply:
    return html_reply(500, "500 Internal Server Error", "Something went wrong.")


def _html_200(reply: Reply, fault: Fault, shape: PageShape, faults: Switchboard) -> Reply:
    return html_reply(200, "Log in", "Your browser must accept cookies.")


def _truncated_json(reply: Reply, fault: Fault, shape: PageShape, faults: Switchboard) -> Reply:
    body = reply.body or b"{}"
    return reply.with_body(body[: max(1, len(body) // 2)])


def _invalid_json(reply: Reply, fault: Fault, shape: PageShape, faults: Switchboard) -> Reply:
    body = reply.body or b"{}"
    return reply.with_body(body[:-1] + b"," + body[-1:])


def _json_bom(reply: Reply, fault: Fault, shape: PageShape, faults: Switchboard) -> Reply:
    return reply.with_body(b"\xef\xbb\xbf" + (reply.body or b"{}"))


def _json_duplicate_keys(reply: Reply, fault: Fault, shape: PageShape, faults: Switchboard) -> Reply:
    body = _decoded(reply)
    if not isinstance(body, dict) or not body:
        return reply
    nulls = b",".join(msgspec.json.encode(key) + b":null" for key in _dict(body))
    return reply.with_body(b"{" + nulls + b"," + (reply.body or b"")[1:])


def _json_nan(reply: Reply, fault: Fault, shape: PageShape, faults: Switchboard) -> Reply:
    return reply.with_body(_NUMBER.sub(b"NaN", reply.body or b"[0]", count=1))


def _json_overflow(reply: Reply, fault: Fault, shape: PageShape, faults: Switchboard) -> Reply:
    return reply.with_body(_NUMBER.sub(b"1e999", reply.body or b"[0]", count=1))


def _json_deep(reply: Reply, fault: Fault, shape: PageShape, faults: Switchboard) -> Reply:
    depth = int(fault.option("depth", 100_000))
    nested = b"[" * depth + b"]" * depth
    body = reply.body or b"{}"
    if not body.startswith(b"{"):
        return reply.with_body(nested)
    comma = b"" if body == b"{}" else b","
    return reply.with_body(b'{"extra":' + nested + comma + body[1:])


def _json_lone_surrogate(reply: Reply, fault: Fault, shape: PageShape, faults: Switchboard) -> Reply:
    return reply.with_body(_TEXT.sub(rb'"\\ud800', reply.body or b"{}", count=1))


def _json_other_charset(reply: Reply, fault: Fault, shape: PageShape, faults: Switchboard) -> Reply:
    return reply.with_body((reply.body or b"{}").decode().encode("utf-16"))


def _gzip_bomb(reply: Reply, fault: Fault, shape: PageShape, faults: Switchboard) -> Reply:
    bomb = gzip.compress(b'{"filler":"' + b"0" * (int(fault.option("mb", 200)) * _MB) + b'"}', compresslevel=1)
    reply = reply.with_body(bomb)
    reply.headers = {**reply.headers, "Content-Encoding": "gzip"}
    return reply


def _huge_page(reply: Reply, fault: Fault, shape: PageShape, faults: Switchboard) -> Reply:
    filler = b'"' + b"0" * (int(fault.option("mb", 200)) * _MB) + b'"'
    body = reply.body or b"{}"
    if not body.startswith(b"{"):
        return reply.with_body(b"[" + filler + b"]")
    return reply.with_body(b'{"filler":' + filler + (b"" if body == b"{}" else b",") + body[1:])


def _huge_field(reply: Reply, fault: Fault, shape: PageShape, faults: Switchboard) -> Reply:
    filler = b"x" * int(fault.option("chars", 1_000_000))
    return reply.with_body(_TEXT.sub(b'"' + filler, reply.body or b"{}", count=1))


def _empty_list(reply: Reply, fault: Fault, shape: PageShape, faults: Switchboard) -> Reply:
    return _with_items(reply, shape, [], 0)


def _empty_page(reply: Reply, fault: Fault, shape: PageShape, faults: Switchboard) -> Reply:
    return _with_items(reply, shape, [])


def _half_page(reply: Reply, fault: Fault, shape: PageShape, faults: Switchboard) -> Reply:
    items = _items(reply, shape) or []
    return _with_items(reply, shape, items[: len(items) // 2])


def _filtered_list(reply: Reply, fault: Fault, shape: PageShape, faults: Switchboard) -> Reply:
    items = _items(reply, shape) or []
    kept = [item for position, item in enumerate(items) if position % 3]
    total = _decoded(reply).get(shape.total)
    return _with_items(reply, shape, kept, None if total is None else total * 2 // 3)


def _wrong_total(reply: Reply, fault: Fault, shape: PageShape, faults: Switchboard) -> Reply:
    body = _decoded(reply)
    if shape.total not in body:
        return reply
    body[shape.total] = int(fault.option("total", body[shape.total] * 2 + 7))
    return _encoded(reply, body)


def _shifted_page(reply: Reply, fault: Fault, shape: PageShape, faults: Switchboard) -> Reply:
    return _with_items(reply, shape, (_items(reply, shape) or [])[1:])


def _results_shuffled(reply: Reply, fault: Fault, shape: PageShape, faults: Switchboard) -> Reply:
    return _each_list(reply, lambda items: sorted(items, key=lambda _: faults.fraction()))


def _results_short(reply: Reply, fault: Fault, shape: PageShape, faults: Switchboard) -> Reply:
    return _each_list(reply, lambda items: items[: len(items) * 2 // 3])


def _each_list(reply: Reply, change: Callable[[list[Any]], list[Any]]) -> Reply:
    body = _decoded(reply)
    if isinstance(body, list):
        return _encoded(reply, change(cast(list[Any], body)))
    if not isinstance(body, dict):
        return reply
    lists = {k: change(cast(list[Any], v)) for k, v in _dict(body).items() if isinstance(v, list) and k != "_links"}
    return _encoded(reply, {**_dict(body), **lists})


_SPOILERS: dict[str, Callable[[Reply, Fault, PageShape, Switchboard], Reply]] = {
    "slow": _slow,
    "slow_drip": _slow_drip,
    "reset_after": _reset_after,
    "cut_body": _cut_body,
    "failed_after": _failed_after,
    "html_200": _html_200,
    "truncated_json": _truncated_json,
    "invalid_json": _invalid_json,
    "json_bom": _json_bom,
    "json_duplicate_keys": _json_duplicate_keys,
    "json_nan": _json_nan,
    "json_overflow": _json_overflow,
    "json_deep": _json_deep,
    "json_lone_surrogate": _json_lone_surrogate,
    "json_other_charset": _json_other_charset,
    "gzip_bomb": _gzip_bomb,
    "huge_page": _huge_page,
    "huge_field": _huge_field,
    "empty_list": _empty_list,
    "empty_page": _empty_page,
    "half_page": _half_page,
    "filtered_list": _filtered_list,
    "wrong_total": _wrong_total,
    "shifted_page": _shifted_page,
    "results_shuffled": _results_shuffled,
    "results_short": _results_short,
}

_FOR_ANY_ANSWER = frozenset(
    name for name in _SPOILERS
    if name not in {"empty_list", "empty_page", "half_page", "filtered_list", "wrong_total", "shifted_page"}
    and not name.startswith("results_")
)  # fmt: skip
