"""Turns SOQL conditions into functions over rows, and finds the ranges and ids that indexes can serve."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from zgoda.twins.salesforce.errors import CallError
from zgoda.twins.salesforce.fields import NUMBER_TYPES, FieldSpec, ObjectSpec
from zgoda.twins.salesforce.ids import full_id
from zgoda.twins.salesforce.org import Org
from zgoda.twins.salesforce.reading import Resolved, resolve
from zgoda.twins.salesforce.soql import Among, Both, Compare, Either, Literal, Negated, Node, Query, query_error
from zgoda.twins.salesforce.soql_spans import Span, id_span, stamp_span
from zgoda.twins.salesforce.table import Row
from zgoda.twins.salesforce.values import instant, stamp

Test = Callable[[Row], bool]
Lookup = Callable[[Query], set[str]]
"""Runs a nested query and gives the values of its one field."""

_ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_UNFILTERABLE = frozenset({"address"})


class Conditions:
    """Compiles the conditions of one query on one object."""

    def __init__(self, org: Org, spec: ObjectSpec, query: Query, lookup: Lookup) -> None:
        self._org = org
        self._spec = spec
        self._query = query
        self._lookup = lookup

    def resolve(self, path: tuple[str, ...], at: int) -> Resolved:
        """Raises CallError INVALID_FIELD."""
        if len(path) > 1 and path[0].lower() in (self._query.alias.lower(), self._query.object.lower()):
            path = path[1:]
        found = resolve(self._org, self._spec, path)
        if found is None:
            raise query_error(self._query.text, at, "INVALID_FIELD", _no_column(path, self._spec))
        return found

    def test(self, node: Node) -> Test:
        """A function that says whether a row meets the condition. Raises CallError for unfit values."""
        match node:
            case Both(parts):
                return _all([self.test(part) for part in parts])
            case Either(parts):
                return _any([self.test(part) for part in parts])
            case Negated(part):
                inner = self.test(part)
                return lambda row: not inner(row)
            case Compare():
                return self._compare(node)
            case Among():
                return self._among(node)

    def spans(self, node: Node | None) -> tuple[Span, Span]:
        """The ranges of (SystemModstamp, Id) and of Id that rows must be in."""
        return stamp_span(node, self._text_wanted), id_span(node, self._text_wanted)

    def keyed_values(self, node: Node | None) -> tuple[FieldSpec, list[str]] | None:
        """A field that must equal one of few values, when the table has an index on it."""
        for part in node.parts if isinstance(node, Both) else () if node is None else (node,):
            if not isinstance(part, Compare | Among) or len(part.path) != 1:
                continue
            field = self._spec.field(part.path[0])
            if field is None or not self._indexed(field):
                continue
            if isinstance(part, Compare) and part.operator == "=" and part.value.kind == "string":
                return field, [str(self._wanted(part, part.value, field))]
            if isinstance(part, Among) and part.operator == "in" and part.within is None:
                values = [self._wanted(part, value, field) for value in part.values]
                return field, [str(value) for value in values if value is not None]
        return None

    def _indexed(self, field: FieldSpec) -> bool:
        table = self._org.tables[self._spec.name]
        return field.name == "Id" or table.keyed(field.stored) or table.points(field.stored)

    def _compare(self, node: Compare) -> Test:
        found = self.resolve(node.path, node.at)
        get, field = found.get, found.field
        self._refuse_unfilterable(field, node.at)
        if node.operator == "like":
            return _like(get, node.value)
        wanted = self._wanted(node, node.value, field)
        read = _comparable(field, get)
        if node.operator == "=":
            return lambda row: read(row) == wanted
        if node.operator == "!=":
            return lambda row: read(row) != wanted
        if wanted is None:
            return lambda row: False
        holds = _ORDERED[node.operator]
        return lambda row: (value := read(row)) is not None and holds(value, wanted)

    def _among(self, node: Among) -> Test:
        found = self.resolve(node.path, node.at)
        self._refuse_unfilterable(found.field, node.at)
        if node.operator in ("includes", "excludes"):
            return _includes(found.get, node)
        read = _comparable(found.field, found.get)
        if node.within is not None:
            wanted: set[Any] = set(self._lookup(node.within))
        else:
            wanted = {self._wanted(node, value, found.field) for value in node.values}
        if node.operator == "in":
            return lambda row: read(row) in wanted
        return lambda row: read(row) not in wanted

    def _wanted(self, node: Compare | Among, value: Literal, field: FieldSpec) -> Any:
        """The value a condition compares with, in the form rows are compared in. Raises CallError."""
        if value.kind == "null":
            return False if field.type == "boolean" else None
        convert = _converter(field)
        wanted = convert(self._org, value)
        if wanted is _UNFIT:
            kind = _KIND_NAMES.get(field.type, field.type)
            quoted = " and should not be enclosed in quotes" if value.kind == "string" else ""
            raise query_error(
                self._query.text, node.at, "INVALID_FIELD",
                f"value of filter criterion for field '{field.name}' must be of type {kind}{quoted}",
            )  # fmt: skip
        if wanted is None:
            raise query_error(
                self._query.text, node.at, "INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {value.value}"
            )
        return wanted

    def _text_wanted(self, node: Compare) -> str | None:
        wanted = self._wanted(node, node.value, self.resolve(node.path, node.at).field)
        return wanted if isinstance(wanted, str) else None

    def _refuse_unfilterable(self, field: FieldSpec, at: int) -> None:
        if field.type in _UNFILTERABLE or (field.type == "textarea" and field.length > 255):
            raise query_error(
                self._query.text, at, "INVALID_FIELD", f"field '{field.name}' can not be filtered in a query call"
            )


class _Unfit:
    """A literal of the wrong kind for its field."""


_UNFIT = _Unfit()
_KIND_NAMES = {"datetime": "dateTime", "id": "ID", "reference": "ID", "currency": "double", "percent": "double"}


def _converter(field: FieldSpec) -> Callable[[Org, Literal], Any]:
    if field.type == "datetime":
        return _as_instant
    if field.type == "date":
        return _as_date
    if field.type == "boolean":
        return lambda _, value: value.value if value.kind == "boolean" else _UNFIT
    if field.type in NUMBER_TYPES:
        return lambda _, value: value.value if value.kind == "number" else _UNFIT
    if field.type in ("id", "reference"):
        return lambda _, value: full_id(str(value.value)) if value.kind == "string" else _UNFIT
    return lambda _, value: str(value.value).lower() if value.kind == "string" else _UNFIT


def _as_instant(org: Org, value: Literal) -> Any:
    if value.kind == "datetime":
        return instant(str(value.value)) or _UNFIT
    if value.kind == "range":
        return stamp(_begin_of(org, value))
    return _UNFIT


def _as_date(org: Org, value: Literal) -> Any:
    if value.kind == "date":
        return value.value
    if value.kind == "range":
        return stamp(_begin_of(org, value))[:10]
    return _UNFIT


def _begin_of(org: Org, value: Literal) -> Any:
    """The first instant of a date word's range; conditions compare with that."""
    today = org.moment().replace(hour=0, minute=0, second=0, microsecond=0)
    match value.value:
        case "YESTERDAY":
            return today - timedelta(days=1)
        case "TOMORROW":
            return today + timedelta(days=1)
        case "LAST_N_DAYS":
            return today - timedelta(days=value.days)
        case "NEXT_N_DAYS":
            return today + timedelta(days=value.days)
        case "THIS_MONTH":
            return today.replace(day=1)
        case "LAST_MONTH":
            return (today.replace(day=1) - timedelta(days=1)).replace(day=1)
        case "THIS_YEAR":
            return today.replace(month=1, day=1)
        case _:
            return today


def _comparable(field: FieldSpec, get: Callable[[Row], Any]) -> Callable[[Row], Any]:
    """Texts compare without regard to case, everything else as it is stored."""
    if field.type in ("id", "reference", "datetime", "date", "boolean") or field.type in NUMBER_TYPES:
        return get
    return lambda row: value.lower() if isinstance(value := get(row), str) else value


def _like(get: Callable[[Row], Any], value: Literal) -> Test:
    pattern = "".join(".*" if c == "%" else "." if c == "_" else re.escape(c) for c in str(value.value or ""))
    matches = re.compile(pattern, re.IGNORECASE | re.DOTALL).fullmatch
    return lambda row: (text := get(row)) is not None and matches(str(text)) is not None


def _includes(get: Callable[[Row], Any], node: Among) -> Test:
    """Each value may be `a;b`, which asks for both; several values ask for any of them."""
    wanted = [{part.strip().lower() for part in str(value.value).split(";")} for value in node.values]

    def included(row: Row) -> bool:
        has = {part.lower() for part in str(get(row) or "").split(";")}
        return any(part <= has for part in wanted)

    return included if node.operator == "includes" else lambda row: not included(row)


def _all(tests: list[Test]) -> Test:
    if len(tests) == 2:
        first, second = tests
        return lambda row: first(row) and second(row)
    return lambda row: all(test(row) for test in tests)


def _any(tests: list[Test]) -> Test:
    if len(tests) == 2:
        first, second = tests
        return lambda row: first(row) or second(row)
    return lambda row: any(test(row) for test in tests)


def _no_column(path: tuple[str, ...], spec: ObjectSpec) -> str:
    if len(path) > 1:
        return (
            f"Didn't understand relationship '{path[0]}' in field path. If you are attempting to use a custom "
            "relationship, be sure to append the '__r' after the custom relationship name."
        )
    return (
        f"No such column '{'.'.join(path)}' on entity '{spec.name}'. If you are attempting to use a custom field, be "
        "sure to append the '__c' after the custom field name. Please reference your WSDL or the describe call for the "
        "appropriate names."
    )


def refuse_unsupported_type(query: Query) -> CallError:
    """The object of a query does not exist."""
    return query_error(
        query.text, query.object_at, "INVALID_TYPE",
        f"sObject type '{query.object}' is not supported. If you are attempting to use a custom object, be sure to "
        "append the '__c' after the entity name. Please reference your WSDL or the describe call for the appropriate "
        "names.",
    )  # fmt: skip
