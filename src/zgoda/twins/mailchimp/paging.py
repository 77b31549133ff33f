"""Lists as the API gives them: count and offset, and answers cut down to the fields a caller asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

import msgspec

from zgoda.twins.exchange import Call, Reply, json_reply
from zgoda.twins.mailchimp.problems import Problem, invalid_fields

T = TypeVar("T")
_DEFAULT_COUNT = 10
Tree = dict[str, Any]
"""Wanted or unwanted keys, and those inside them; an empty tree stands for all of a value."""


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
        body = cast(dict[str, Any], kept(body, _tree(fields)))
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


def asked_inside(call: Call, list_name: str) -> Mapping[str, Tree]:
    """What of the values of a list's items is asked for, for keys that are not asked for whole."""
    tree = _tree(call.query.get("fields") or "")
    inner = tree.get(list_name, {}) if list_name else tree
    return {key: tree for key, tree in inner.items() if tree}


def cuts_only_keys(call: Call, list_name: str) -> bool:
    """Whether `exclude_fields` takes out nothing below the keys of a list's items."""
    deepest = 1 if list_name else 0
    return all(path.count(".") <= deepest for path in call.query.get("exclude_fields", "").split(","))


def plain_json(value: Any) -> Any:
    """With ready-made JSON turned back into values, so that it can be cut down."""
    return msgspec.json.decode(msgspec.json.encode(value))


def kept(value: Any, tree: Tree) -> Any:
    """What a tree of wanted keys leaves of a value."""
    if not tree:
        return value
    if isinstance(value, list):
        return [kept(item, tree) for item in cast(list[Any], value)]
    if isinstance(value, dict):
        return {key: kept(item, tree[key]) for key, item in cast(dict[str, Any], value).items() if key in tree}
    return value


def _number(call: Call, name: str, otherwise: int) -> int:
    text = call.query.get(name)
    if text is None or text == "":
        return otherwise
    if not text.isdigit():
        raise Problem(400, "Bad Request", f"{name} must be a whole number of 0 or more")
    return int(text)


def _tree(paths: str) -> Tree:
    tree: Tree = {}
    for path in paths.split(","):
        here = tree
        for step in path.split("."):
            here = here.setdefault(step, {})
    return tree


def _without(value: Any, tree: Tree) -> Any:
    if isinstance(value, list):
        return [_without(item, tree) for item in cast(list[Any], value)]
    if not isinstance(value, dict):
        return value
    items = cast(dict[str, Any], value).items()
    return {key: _without(item, tree[key]) if tree.get(key) else item for key, item in items if tree.get(key) != {}}
