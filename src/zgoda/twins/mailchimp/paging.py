"""Lists as the API gives them: count and offset, and answers cut down to the fields a caller asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, cast

from zgoda.twins.exchange import Call, Reply, json_reply
from zgoda.twins.mailchimp.problems import Problem, invalid_fields

T = TypeVar("T")
_DEFAULT_COUNT = 10
_Tree = dict[str, Any]


def window(call: Call, largest: int | None) -> tuple[int, int]:
    """Offset and count. Raises Problem when they are no numbers, negative, or count is above the largest allowed."""
    offset, count = _number(call, "offset", 0), _number(call, "count", _DEFAULT_COUNT)
    if largest is not None and count > largest:
        raise invalid_fields([{"field": "count", "message": f"This value should be {largest} or less."}])
    return offset, count


def page_of(items: Sequence[T], call: Call, largest: int | None) -> Sequence[T]:
    offset, count = window(call, largest)
    return items[offset : offset + count]


def cut_reply(call: Call, body: dict[str, Any], status: int = 200) -> Reply:
    """The answer with only `fields`, without `exclude_fields`. Names are not trimmed: `a, b` asks for `a` and ` b`."""
    fields, excluded = call.query.get("fields"), call.query.get("exclude_fields")
    if fields:
        body = cast(dict[str, Any], _kept(body, _tree(fields)))
    if excluded:
        body = cast(dict[str, Any], _without(body, _tree(excluded)))
    return json_reply(status, body)


def asked_keys(call: Call, list_name: str, known: Sequence[str]) -> list[str]:
    """Which top-level keys of a list's items have to be worked out at all."""
    fields, excluded = call.query.get("fields"), call.query.get("exclude_fields")
    keys = list(known)
    if fields:
        tree = _tree(fields)
        inner = tree.get(list_name) if list_name else tree
        if inner is None:
            return []
        keys = [key for key in keys if not inner or key in inner]
    if excluded:
        tree = _tree(excluded)
        inner = tree.get(list_name, {}) if list_name else tree
        keys = [key for key in keys if inner.get(key) != {}]
    return keys


def is_simple(call: Call) -> bool:
    """Whether items cut down to the asked keys need no further cutting below them."""
    return all(
        path.count(".") <= 1 for name in ("fields", "exclude_fields") for path in call.query.get(name, "").split(",")
    )


def _number(call: Call, name: str, otherwise: int) -> int:
    text = call.query.get(name)
    if text is None or text == "":
        return otherwise
    if not text.isdigit():
        raise Problem(400, "Bad Request", f"{name} must be a whole number of 0 or more")
    return int(text)


def _tree(paths: str) -> _Tree:
    tree: _Tree = {}
    for path in paths.split(","):
        here = tree
        for step in path.split("."):
            here = here.setdefault(step, {})
    return tree


def _kept(value: Any, tree: _Tree) -> Any:
    if not tree:
        return value
    if isinstance(value, list):
        return [_kept(item, tree) for item in cast(list[Any], value)]
    if isinstance(value, dict):
        return {key: _kept(item, tree[key]) for key, item in cast(dict[str, Any], value).items() if key in tree}
    return value


def _without(value: Any, tree: _Tree) -> Any:
    if isinstance(value, list):
        return [_without(item, tree) for item in cast(list[Any], value)]
    if not isinstance(value, dict):
        return value
    items = cast(dict[str, Any], value).items()
    return {key: _without(item, tree[key]) if tree.get(key) else item for key, item in items if tree.get(key) != {}}
