"""The control API under `/_twin/`: everything a test may do to a twin, for those who are not in its process."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import msgspec

from zgoda.twins.catalogue import CATALOGUE
from zgoda.twins.exchange import Call, Reply, json_reply
from zgoda.twins.faults import Fault, UnknownFault
from zgoda.twins.timepiece import parse_moment
from zgoda.twins.vendor import EditRefused

if TYPE_CHECKING:
    from zgoda.twins.twin import Twin

_DEFAULT_LIMIT = 1000


class Control:
    """Answers control calls for one twin. Mistakes of the caller are 400 with `{"error": …}`."""

    def __init__(self, twin: Twin) -> None:
        self._twin = twin

    async def answer(self, call: Call) -> Reply:
        verb = (call.method, call.path.removeprefix("/_twin/").strip("/"))
        deed = _DEEDS.get(verb)
        if deed is None:
            return json_reply(404, {"error": f"no such control call; there are {_known()}"})
        try:
            return json_reply(200, deed(self._twin, call))
        except EditRefused as refusal:
            return json_reply(400, {"error": refusal.code, "message": refusal.message})
        except (UnknownFault, ValueError, TypeError, KeyError, msgspec.MsgspecError) as error:
            return json_reply(400, {"error": str(error)})


def _state(twin: Twin, call: Call) -> Any:
    return twin.state()


def _connection(twin: Twin, call: Call) -> Any:
    return twin.connection()


def _records(twin: Twin, call: Call) -> Any:
    where = {key.removeprefix("where."): value for key, value in call.query.items() if key.startswith("where.")}
    records = twin.records(
        call.query.get("object", ""), call.query.get("after", ""), _number(call, "limit", _DEFAULT_LIMIT), where
    )
    return {"records": records}


def _edit(twin: Twin, call: Call) -> Any:
    body = call.json()
    operations = msgspec.convert(body if isinstance(body, list) else [body], list[dict[str, Any]])
    return {"results": twin.edit_many(operations)}


def _bulk(twin: Twin, call: Call) -> Any:
    body = call.json()
    if "fill" in body:
        twin.fill(int(body["fill"]), int(body.get("seed", 1)))
        return {"records": twin.vendor.counts()}
    return {"loaded": twin.load(body["object"], body["records"])}


def _writes(twin: Twin, call: Call) -> Any:
    log = twin.around.writes
    return {"last": log.last, "writes": log.since(_number(call, "since", 0), _number(call, "limit", _DEFAULT_LIMIT))}


def _edits(twin: Twin, call: Call) -> Any:
    log = twin.around.edits
    return {"last": log.last, "edits": log.since(_number(call, "since", 0), _number(call, "limit", _DEFAULT_LIMIT))}


def _requests(twin: Twin, call: Call) -> Any:
    since = _number(call, "since", 0)
    return {"last": twin.front.served, "requests": [r for r in twin.front.requests if r.n > since]}


def _hooks(twin: Twin, call: Call) -> Any:
    since = _number(call, "since", 0)
    return {"deliveries": [d for d in twin.around.hooks.deliveries if d.n > since]}


def _faults(twin: Twin, call: Call) -> Any:
    catalogue = [kind for kind in CATALOGUE.values() if twin.vendor.name in kind.vendors]
    return {"armed": twin.around.faults.armed, "fired": twin.around.faults.fired, "catalogue": catalogue}


def _arm(twin: Twin, call: Call) -> Any:
    body = call.json()
    wanted = msgspec.convert(body if isinstance(body, list) else [body], list[Fault])
    return {"armed": [twin.around.faults.arm(fault) for fault in wanted]}


def _disarm(twin: Twin, call: Call) -> Any:
    id = _number(call, "id", 0)
    return {"cleared": twin.clear_faults(call.query.get("name"), id or None)}


def _limits(twin: Twin, call: Call) -> Any:
    body = call.json()
    preset = body.pop("preset", None)
    return twin.limit(preset, **body)


def _clock(twin: Twin, call: Call) -> Any:
    body = cast(dict[str, Any], call.json())
    if unknown := set(body) - {"set", "advance", "skew"}:
        raise ValueError(f"a clock can be set, advanced or skewed, not {', '.join(sorted(unknown))}")
    if "set" in body:
        twin.set_clock(parse_moment(str(body["set"])))
    if "skew" in body:
        twin.skew(float(body["skew"]))
    if "advance" in body:
        twin.advance(float(body["advance"]))
    return {"now": twin.time.now().isoformat(timespec="milliseconds"), "offset_s": twin.time.offset.total_seconds()}


def _reset(twin: Twin, call: Call) -> Any:
    twin.reset()
    return twin.state()


def _number(call: Call, name: str, otherwise: int) -> int:
    return int(call.query.get(name) or otherwise)


def _known() -> str:
    return ", ".join(f"{method} {name}" for method, name in _DEEDS)


_DEEDS: dict[tuple[str, str], Callable[[Twin, Call], Any]] = {
    ("GET", "state"): _state,
    ("GET", "connection"): _connection,
    ("GET", "records"): _records,
    ("POST", "edit"): _edit,
    ("POST", "bulk"): _bulk,
    ("GET", "writes"): _writes,
    ("GET", "edits"): _edits,
    ("GET", "requests"): _requests,
    ("GET", "hooks"): _hooks,
    ("GET", "faults"): _faults,
    ("POST", "faults"): _arm,
    ("DELETE", "faults"): _disarm,
    ("PUT", "limits"): _limits,
    ("POST", "clock"): _clock,
    ("POST", "reset"): _reset,
}
