"""Checks a tree against a shape: every fault is noted, what is wrong is left out, and the rest can be trusted."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from zgoda.settings.faults import Faults, nearest, shown
from zgoda.settings.nodes import Block, Entry, Listing, Node, Plain, Scalar
from zgoda.settings.quantities import read_duration, read_share
from zgoda.settings.references import BadReference, holds_password, read_reference
from zgoda.settings.shapes import (
    AnyOf,
    Duration,
    Flag,
    Form,
    Key,
    ListOf,
    MapOf,
    OneOf,
    Secret,
    Shape,
    Share,
    Short,
    Text,
    Whole,
    Word,
)
from zgoda.settings.shapes import Plain as PlainShape


def conform(node: Node, shape: Shape, faults: Faults) -> Node | None:
    """The tree as the shape wants it: durations as seconds, shares as parts of one, shorthands written out. Wrong parts
    are missing from it; None if nothing is left."""
    match shape:
        case Form():
            return _form(node, shape, faults)
        case MapOf():
            return _map(node, shape, faults)
        case ListOf():
            return _list(node, shape, faults)
        case OneOf():
            return _one_of(node, shape, faults)
        case Short():
            return _short(node, shape, faults)
        case AnyOf():
            if isinstance(node, Listing):
                return _list(node, ListOf(item=shape.item), faults)
            return conform(node, shape.item, faults)
        case _:
            return _scalar(node, shape, faults)


def _form(node: Node, form: Form, faults: Faults) -> Block | None:
    block = _as_block(node, form.of, faults)
    if block is None:
        return None
    kept: list[Entry] = []
    for entry in block.entries:
        key = form.find(entry.key.value)
        if key is None:
            faults.add(entry.key.mark, *_unknown_key(entry.key.value, form))
        elif (value := conform(entry.value, key.shape, faults)) is not None:
            kept.append(Entry(key=entry.key, value=value))
    for key in form.keys:
        if key.required and block.get(key.name) is None:
            faults.add(block.mark, f"{form.of} needs {key.name}", f"{key.meaning}; {example_of(key)}")
    return Block(mark=block.mark, entries=tuple(kept))


def _unknown_key(key: Plain, form: Form) -> tuple[str, str]:
    for beginning, message, hint in form.refuses:
        if str(key).startswith(beginning):
            return message, hint
    return f"{form.of} has no {form.key_of} {shown(key)}", nearest(str(key), [k.name for k in form.keys])


def _map(node: Node, shape: MapOf, faults: Faults) -> Block | None:
    block = _as_block(node, f"{shape.key} and what belongs to it", faults, shape.example)
    if block is None:
        return None
    kept: list[Entry] = []
    for entry in block.entries:
        key = entry.key.value
        if not shape.any_key and not (isinstance(key, str) and re.fullmatch(shape.pattern or r".+", key)):
            faults.add(entry.key.mark, f"{shown(key)} cannot be {shape.key}", _as_example(shape.example))
        elif (value := conform(entry.value, shape.value, faults)) is not None:
            kept.append(Entry(key=entry.key, value=value))
    return Block(mark=block.mark, entries=tuple(kept))


def _list(node: Node, shape: ListOf, faults: Faults) -> Listing | None:
    if isinstance(node, Scalar) and node.value is None:
        return Listing(mark=node.mark)
    if not isinstance(node, Listing):
        faults.add(node.mark, f"a list is expected, found {_name(node)}", _as_example(shape.example))
        return None
    kept = [conform(item, shape.item, faults) for item in node.items]
    return Listing(mark=node.mark, items=tuple(item for item in kept if item is not None))


def _one_of(node: Node, shape: OneOf, faults: Faults) -> Block | None:
    if isinstance(node, Scalar) and isinstance(node.value, str):
        node = Block(mark=node.mark, entries=(Entry(key=node, value=Scalar(mark=node.mark, value=None)),))
    if not isinstance(node, Block) or len(node.entries) != 1:
        words = ", ".join(key.name for key in shape.keys)
        faults.add(node.mark, f"{shape.of} is one word of: {words}", _as_example(example_of(shape.keys[0])))
        return None
    entry = node.entries[0]
    key = shape.find(entry.key.value)
    if key is None:
        hint = nearest(str(entry.key.value), [k.name for k in shape.keys])
        faults.add(entry.key.mark, f"there is no {shape.of} {shown(entry.key.value)}", hint)
        return None
    if isinstance(entry.value, Scalar) and entry.value.value is None:
        if key.name in shape.bare:
            return node
        faults.add(entry.key.mark, f"{key.name} needs to be told more", example_of(key))
        return None
    value = conform(entry.value, key.shape, faults)
    return None if value is None else Block(mark=node.mark, entries=(Entry(key=entry.key, value=value),))


def _short(node: Node, shape: Short, faults: Faults) -> Block | None:
    if isinstance(node, Block):
        return _form(node, shape.form, faults)
    main = shape.form.find(shape.main)
    value = None if main is None else conform(node, main.shape, faults)
    if value is None:
        return None
    return Block(mark=node.mark, entries=(Entry(key=Scalar(mark=node.mark, value=shape.main), value=value),))


def _as_block(node: Node, of: str, faults: Faults, example: str = "") -> Block | None:
    """Blank counts as an empty mapping: what is left when all lines below a key are comments."""
    if isinstance(node, Block):
        return node
    if isinstance(node, Scalar) and node.value is None:
        return Block(mark=node.mark)
    faults.add(node.mark, f"a mapping is expected ({of}), found {_name(node)}", _as_example(example or "key: value"))
    return None


def _scalar(node: Node, shape: Shape, faults: Faults) -> Scalar | None:
    if not isinstance(node, Scalar):
        faults.add(node.mark, f"{_wanted(shape)} is expected, found {_name(node)}", _as_example(_example(shape)))
        return None
    match shape:
        case Word():
            value = _word(node, shape, faults)
        case Secret() | PlainShape():
            value = _setting(node, shape, faults)
        case _:
            value = _measured(node, shape)
            if value is None:
                message = f"{_wanted(shape)} is expected, found {_name(node)}"
                faults.add(node.mark, message, _hint(node, shape))
    return None if value is None else msgspec.structs.replace(node, value=value.value)


class _Read(msgspec.Struct, frozen=True):
    """A value that fits (it may be blank, which None could not say)."""

    value: Plain


def _word(node: Scalar, shape: Word, faults: Faults) -> _Read | None:
    if node.value in shape.options:
        return _Read(node.value)
    faults.add(node.mark, f"there is no {shape.of} {shown(node.value)}", nearest(str(node.value), shape.options))
    return None


def _setting(node: Scalar, shape: Secret | PlainShape, faults: Faults) -> _Read | None:
    try:
        reference = read_reference(node.value) if isinstance(node.value, str) else None
    except BadReference as bad:
        faults.add(node.mark, str(bad), bad.hint)
        return None
    if isinstance(shape, Secret):
        if reference is None:
            faults.add(node.mark, "a secret does not belong into a file", f"write {shape.example} or ${{file:path}}")
            return None
        return _Read(str(reference))
    if reference is not None:
        if shape.references:
            return _Read(str(reference))
        faults.add(node.mark, "a reference to a secret cannot be used here", "write the value")
        return None
    if shape.references and isinstance(node.value, str) and holds_password(node.value):
        faults.add(node.mark, "a password does not belong into a file", "write the whole address as ${env:NAME}")
        return None
    if _kind(node.value) in shape.kinds:
        return _Read(node.value)
    faults.add(node.mark, f"{_wanted(shape)} is expected, found {_name(node)}", _hint(node, shape))
    return None


def _measured(node: Scalar, shape: Shape) -> _Read | None:
    value = node.value
    match shape:
        case Text():
            fits = isinstance(value, str) and re.fullmatch(shape.pattern or r"(?s).+", value) is not None
            return _Read(value) if fits else None
        case Flag():
            return _Read(value) if isinstance(value, bool) else None
        case Whole():
            fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_WHOLE
            return _Read(value) if fits else None
        case Duration():
            seconds = read_duration(value)
            return None if seconds is None or seconds < shape.least_s else _Read(seconds)
        case _:
            share = read_share(value)
            return None if share is None else _Read(share)


MOST_WHOLE: Final = 10**9


def _wanted(shape: Shape) -> str:
    match shape:
        case Text() | Word():
            return shape.of
        case Flag():
            return "true or false"
        case Whole():
            return "a whole number"
        case Duration():
            return "a duration" + (f" of at least {shape.least_s:g}s" if shape.least_s else "")
        case Share():
            return "a share of 0 to 1"
        case PlainShape():
            words = {"text": "a text", "number": "a number", "boolean": "true or false", "blank": "nothing"}
            return " or ".join(word for kind, word in words.items() if kind in shape.kinds)
        case Secret():
            return "a reference to a secret"
        case _:
            return "something else"


def _hint(node: Scalar, shape: Shape) -> str:
    """What to write instead. A setting's value is never repeated: it might be a secret in the wrong place."""
    takes_text = isinstance(shape, Text) or (isinstance(shape, PlainShape) and "text" in shape.kinds)
    if takes_text and isinstance(node.value, int | float):
        return "put it in quotes"
    if isinstance(shape, Duration) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return f"say the unit: {shown(node.value)}s, {shown(node.value)}m, {shown(node.value)}h or {shown(node.value)}d"
    return _as_example(_example(shape))


def _example(shape: Shape) -> str:
    match shape:
        case Text() | Whole() | Duration() | Share() | Secret() | ListOf() | MapOf() | PlainShape():
            return shape.example
        case Word():
            return shape.options[0] if shape.options else ""
        case Flag():
            return "true"
        case AnyOf():
            return _example(shape.item)
        case Short():
            main = shape.form.find(shape.main)
            return _example(main.shape) if main else ""
        case Form():
            return "{" + ", ".join(example_of(key) for key in shape.keys[:2]) + "}"
        case OneOf():
            return example_of(shape.keys[0])


def example_of(key: Key) -> str:
    """One line of YAML that shows a key."""
    return f"{key.name}: {_example(key.shape) or '…'}"


def _as_example(text: str) -> str:
    return f"for example {text}" if text else ""


def _name(node: Node) -> str:
    match node:
        case Listing():
            return "a list"
        case Block():
            return "a mapping"
        case Scalar(value=None):
            return "nothing"
        case Scalar():
            return {"text": "other text", "number": "a number", "boolean": "true or false"}[_kind(node.value)]


def _kind(value: Plain) -> str:
    match value:
        case None:
            return "blank"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case _:
            return "text"
