"""Reads SOQL, the part of it that integrations use, into a tree. Mistakes are MALFORMED_QUERY with the place."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal as OneOf

from zgoda.twins.salesforce.errors import CallError

Kind = OneOf["string", "number", "boolean", "null", "date", "datetime", "range"]
_KEYWORDS = frozenset({
    "select", "from", "where", "and", "or", "not", "in", "like", "order", "by", "asc", "desc", "nulls", "first", "last",
    "limit", "offset", "includes", "excludes", "true", "false", "null", "all", "rows", "for", "group", "having", "with",
    "using", "scope", "view", "reference", "update",
})  # fmt: skip
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<datetime>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))
    | (?P<date>\d{4}-\d\d-\d\d)
    | (?P<number>[+-]?\d+(?:\.\d+)?)
    | (?P<string>'(?:[^'\\]|\\.)*')
    | (?P<name>[A-Za-z_]\w*(?:\s*\.\s*[A-Za-z_]\w*)*)
    | (?P<sign>!=|<>|<=|>=|[=<>(),:])
    )""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_RANGES = re.compile(
    r"(TODAY|YESTERDAY|TOMORROW|LAST_N_DAYS|NEXT_N_DAYS|THIS_MONTH|LAST_MONTH|THIS_YEAR)$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Literal:
    """A value in a condition. A `range` is a date word such as LAST_N_DAYS, with its number in `days`."""

    kind: Kind
    value: str | float | bool | None
    days: int = 0


@dataclass(frozen=True, slots=True)
class Compare:
    path: tuple[str, ...]
    operator: str
    value: Literal
    at: int


@dataclass(frozen=True, slots=True)
class Among:
    """IN, NOT IN, INCLUDES and EXCLUDES. `within` is a nested query instead of values."""

    path: tuple[str, ...]
    operator: OneOf["in", "not in", "includes", "excludes"]
    values: tuple[Literal, ...]
    within: Query | None
    at: int


@dataclass(frozen=True, slots=True)
class Both:
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Either:
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Negated:
    part: Node


Node = Compare | Among | Both | Either | Negated


@dataclass(frozen=True, slots=True)
class Chosen:
    """One item of a SELECT list: a field path, or a query over children. `call` is FIELDS or COUNT."""

    path: tuple[str, ...]
    at: int
    children: Query | None = None
    call: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    path: tuple[str, ...]
    descending: bool
    nulls_last: bool
    at: int


@dataclass(frozen=True, slots=True)
class Query:
    text: str
    select: tuple[Chosen, ...]
    object: str
    object_at: int
    where: Node | None = None
    order: tuple[Order, ...] = ()
    limit: int | None = None
    offset: int = 0
    alias: str = ""


@dataclass(slots=True)
class _Token:
    kind: str
    text: str
    at: int


@dataclass(slots=True)
class _Reader:
    text: str
    tokens: list[_Token] = field(default_factory=list[_Token])
    position: int = 0


def parse(text: str) -> Query:
    """The query's tree. Raises CallError MALFORMED_QUERY."""
    reader = _Reader(text)
    _tokenize(reader)
    query = _query(reader, whole=True)
    if _peek(reader).kind != "end":
        raise _unexpected(reader)
    return query


def query_error(text: str, at: int, code: str, message: str) -> CallError:
    """A query refused, with the place marked the way the vendor marks it."""
    line = text.count("\n", 0, at) + 1
    begin = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    shown = text[max(begin, at - 20) : (len(text) if end < 0 else end)][:60]
    marker = " " * (at - max(begin, at - 20)) + "^"
    return CallError(400, code, f"\n{shown}\n{marker}\nERROR at Row:{line}:Column:{at - begin + 1}\n{message}")


def _tokenize(reader: _Reader) -> None:
    text, at = reader.text.rstrip(), 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            raise query_error(text, at, "MALFORMED_QUERY", f"unexpected token: '{text[at : at + 10].split()[0]}'")
        value = found[found.lastgroup]
        reader.tokens.append(_Token(found.lastgroup, value, found.start(found.lastgroup)))
        at = found.end()
    reader.tokens.append(_Token("end", "<EOF>", max(0, len(text) - 1)))


def _query(reader: _Reader, whole: bool = False) -> Query:
    _expect(reader, "select")
    select = [_chosen(reader)]
    while _take(reader, ","):
        select.append(_chosen(reader))
    _expect(reader, "from")
    token = _name(reader)
    alias = _name(reader).text if _peek(reader).kind == "name" and _peek(reader).text.lower() not in _KEYWORDS else ""
    where = _either(reader) if _take(reader, "where") else None
    order: tuple[Order, ...] = ()
    if _take(reader, "order"):
        _expect(reader, "by")
        order = _orders(reader)
    limit = _whole_number(reader) if _take(reader, "limit") else None
    offset = _whole_number(reader) if _take(reader, "offset") else 0
    if whole and _take(reader, "all"):
        _expect(reader, "rows")
    return Query(reader.text, tuple(select), token.text, token.at, where, order, limit, offset, alias)


def _chosen(reader: _Reader) -> Chosen:
    token = _peek(reader)
    if _take(reader, "("):
        inner = _query(reader)
        _expect(reader, ")")
        return Chosen((), token.at, inner)
    name = _name(reader)
    if not _take(reader, "("):
        return Chosen(_path(name.text), name.at)
    argument = () if _peek(reader).text == ")" else _path(_advance(reader).text)
    _expect(reader, ")")
    call = name.text.upper()
    if call not in ("COUNT", "FIELDS"):
        raise query_error(reader.text, name.at, "MALFORMED_QUERY", f"unexpected token: '{name.text}'")
    return Chosen(argument, name.at, None, call)


def _orders(reader: _Reader) -> tuple[Order, ...]:
    orders: list[Order] = []
    while True:
        name = _name(reader)
        descending = _take(reader, "desc")
        if not descending:
            _take(reader, "asc")
        nulls_last = False
        if _take(reader, "nulls"):
            nulls_last = _take(reader, "last")
            if not nulls_last:
                _expect(reader, "first")
        orders.append(Order(_path(name.text), descending, nulls_last, name.at))
        if not _take(reader, ","):
            return tuple(orders)


def _either(reader: _Reader) -> Node:
    first = _factor(reader)
    if _is(reader, "or"):
        parts = [first]
        while _take(reader, "or"):
            parts.append(_factor(reader))
        _no_mixture(reader, "and")
        return Either(tuple(parts))
    parts = [first]
    while _take(reader, "and"):
        parts.append(_factor(reader))
    _no_mixture(reader, "or")
    return first if len(parts) == 1 else Both(tuple(parts))


def _no_mixture(reader: _Reader, word: str) -> None:
    """SOQL wants parentheses where AND and OR stand side by side."""
    if _is(reader, word):
        raise _unexpected(reader)


def _factor(reader: _Reader) -> Node:
    if _take(reader, "not"):
        return Negated(_factor(reader))
    if _take(reader, "("):
        inner = _either(reader)
        _expect(reader, ")")
        return inner
    return _condition(reader)


def _condition(reader: _Reader) -> Node:
    name = _name(reader)
    path = _path(name.text)
    if _take(reader, "not"):
        _expect(reader, "in")
        return _among(reader, path, "not in", name.at)
    if _take(reader, "in"):
        return _among(reader, path, "in", name.at)
    if _take(reader, "includes"):
        return _among(reader, path, "includes", name.at)
    if _take(reader, "excludes"):
        return _among(reader, path, "excludes", name.at)
    operator = _advance(reader)
    spelled = operator.text.lower()
    if spelled not in ("=", "!=", "<>", "<", "<=", ">", ">=", "like"):
        raise query_error(reader.text, operator.at, "MALFORMED_QUERY", f"unexpected token: '{operator.text}'")
    return Compare(path, "!=" if spelled == "<>" else spelled, _literal(reader), name.at)


def _among(
    reader: _Reader, path: tuple[str, ...], operator: OneOf["in", "not in", "includes", "excludes"], at: int
) -> Node:
    _expect(reader, "(")
    if _is(reader, "select"):
        inner = _query(reader)
        _expect(reader, ")")
        return Among(path, operator, (), inner, at)
    values = [_literal(reader)]
    while _take(reader, ","):
        values.append(_literal(reader))
    _expect(reader, ")")
    return Among(path, operator, tuple(values), None, at)


def _literal(reader: _Reader) -> Literal:
    token = _advance(reader)
    match token.kind:
        case "string":
            return Literal("string", re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), token.text[1:-1]))
        case "number":
            return Literal("number", float(token.text))
        case "date":
            return Literal("date", token.text)
        case "datetime":
            return Literal("datetime", token.text)
        case "name":
            return _word(reader, token)
        case _:
            raise query_error(reader.text, token.at, "MALFORMED_QUERY", f"unexpected token: '{token.text}'")


def _word(reader: _Reader, token: _Token) -> Literal:
    word = token.text.lower()
    if word in ("true", "false"):
        return Literal("boolean", word == "true")
    if word == "null":
        return Literal("null", None)
    if _RANGES.match(token.text):
        days = _whole_number(reader) if _take(reader, ":") else 0
        return Literal("range", token.text.upper(), days)
    raise query_error(reader.text, token.at, "MALFORMED_QUERY", f"unexpected token: '{token.text}'")


def _path(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split("."))


def _name(reader: _Reader) -> _Token:
    token = _advance(reader)
    if token.kind != "name" or token.text.lower() in _KEYWORDS:
        raise query_error(reader.text, token.at, "MALFORMED_QUERY", f"unexpected token: '{token.text}'")
    return token


def _whole_number(reader: _Reader) -> int:
    token = _advance(reader)
    if token.kind != "number" or not token.text.isdigit():
        raise query_error(reader.text, token.at, "MALFORMED_QUERY", f"unexpected token: '{token.text}'")
    return int(token.text)


def _peek(reader: _Reader) -> _Token:
    return reader.tokens[reader.position]


def _advance(reader: _Reader) -> _Token:
    token = reader.tokens[reader.position]
    if token.kind != "end":
        reader.position += 1
    return token


def _is(reader: _Reader, word: str) -> bool:
    token = _peek(reader)
    return token.kind in ("name", "sign") and token.text.lower() == word


def _take(reader: _Reader, word: str) -> bool:
    if _is(reader, word):
        reader.position += 1
        return True
    return False


def _expect(reader: _Reader, word: str) -> None:
    if not _take(reader, word):
        raise _unexpected(reader)


def _unexpected(reader: _Reader) -> CallError:
    token = _peek(reader)
    return query_error(reader.text, token.at, "MALFORMED_QUERY", f"unexpected token: '{token.text}'")
