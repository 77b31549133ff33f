"""Runs SOQL: picks an index, filters, orders, and turns rows into answer records page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from typing import Any

from zgoda.twins.salesforce.errors import CallError
from zgoda.twins.salesforce.fields import FieldSpec, ObjectSpec
from zgoda.twins.salesforce.org import Org
from zgoda.twins.salesforce.reading import getter
from zgoda.twins.salesforce.schema import children_of
from zgoda.twins.salesforce.soql import Chosen, Order, Query, query_error
from zgoda.twins.salesforce.soql_spans import Span
from zgoda.twins.salesforce.soql_where import Conditions, refuse_unsupported_type
from zgoda.twins.salesforce.table import Row, Table

Project = Callable[[Row], dict[str, Any]]
_ALL_FIELDS_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Selection:
    """A query ready to be served: ids in order, and how a row becomes a record. `count` is set for COUNT()."""

    spec: ObjectSpec
    ids: list[str]
    project: Project
    count: int | None = None


def select(org: Org, query: Query, version: str, deleted_too: bool) -> Selection:
    """Evaluate a query. Raises CallError with the vendor's codes."""
    spec = org.find_spec(query.object)
    if spec is None:
        raise refuse_unsupported_type(query)
    limits = org.around.limits
    if limits.query_offset is not None and query.offset > limits.query_offset:
        raise CallError(400, "NUMBER_OUTSIDE_VALID_RANGE", f"SOQL offset must be at most {limits.query_offset}")
    conditions = Conditions(org, spec, query, lambda inner: _values_of(org, inner, version))
    ids = _ids(org, spec, query, conditions, deleted_too)
    counting = len(query.select) == 1 and query.select[0].call == "COUNT" and not query.select[0].path
    if counting:
        return Selection(spec, [], lambda row: {}, len(ids))
    return Selection(spec, ids, _projection(org, spec, query, conditions, version))


def _ids(org: Org, spec: ObjectSpec, query: Query, conditions: Conditions, deleted_too: bool) -> list[str]:
    """Ids of a query's records in order. Rows are looked at only where the index does not settle the matter."""
    table = org.tables[spec.name]
    test = None if query.where is None else conditions.test(query.where)
    by_stamp, by_id = conditions.spans(query.where)
    keyed = conditions.keyed_values(query.where)
    stop = None if query.limit is None else query.limit + query.offset
    only_live = False
    if keyed is not None:
        ids: Iterable[str] = _ids_by_key(table, *keyed)
        ordered = False
    elif not by_stamp.whole or _leads_with(query.order, "SystemModstamp"):
        ids, test = _ids_by_stamp(table, by_stamp, deleted_too), None if by_stamp.exact else test
        ordered, only_live = _stamp_order(query.order), not deleted_too
    else:
        ids = iter(table.ids) if by_id.whole else table.ids.irange(by_id.low[1], by_id.high[1])
        test = None if by_id.exact else test
        ordered = not query.order or (_leads_with(query.order, "Id") and not query.order[0].descending)
    rows = table.rows
    if not deleted_too and not only_live and table.bin:
        ids = (id for id in ids if not rows[id].get("IsDeleted"))
    if test is not None:
        meets = test
        ids = (id for id in ids if meets(rows[id]))
    if not ordered:
        ids = [row["Id"] for row in _sorted([rows[id] for id in ids], query.order, conditions)]
    return list(islice(ids, query.offset, stop))


def _ids_by_key(table: Table, field: FieldSpec, values: list[str]) -> list[str]:
    """Ids of an indexed field's values, deleted ones too; the whole condition is tested afterwards."""
    if field.name == "Id":
        found: Iterable[str] = values
    elif table.points(field.stored):
        found = (id for value in values for id in table.pointing(field.stored, value))
    else:
        found = (id for value in values for id in table.with_key(field.stored, value))
    return sorted(id for id in set(found) if id in table.rows)


def _ids_by_stamp(table: Table, span: Span, deleted_too: bool) -> Iterable[str]:
    live = table.live.irange(span.low, span.high)
    if deleted_too and table.bin:
        live = merge(live, table.bin.irange(span.low, span.high))
    return (id for _, id in live)


def _leads_with(order: tuple[Order, ...], name: str) -> bool:
    return bool(order) and len(order[0].path) == 1 and order[0].path[0].lower() == name.lower()


def _stamp_order(order: tuple[Order, ...]) -> bool:
    """Whether the index's own order, by stamp and id upwards, is the one asked for."""
    names = [".".join(item.path).lower() for item in order]
    return names in ([], ["systemmodstamp"], ["systemmodstamp", "id"]) and not any(item.descending for item in order)


def _sorted(rows: list[Row], order: tuple[Order, ...], conditions: Conditions) -> list[Row]:
    for item in reversed(order):
        get = conditions.resolve(item.path, item.at).get
        empty_first = not item.nulls_last

        def place(row: Row, get: Any = get, empty_first: bool = empty_first, down: bool = item.descending) -> Any:
            value = get(row)
            if value is None:
                return (empty_first == down, "")
            return (empty_first != down, value.lower() if isinstance(value, str) else value)

        rows = sorted(rows, key=place, reverse=item.descending)
    return rows


def _projection(org: Org, spec: ObjectSpec, query: Query, conditions: Conditions, version: str) -> Project:
    type_name = spec.name
    url = f"/services/data/{version}/sobjects/{type_name}/"
    plain: list[tuple[str, str]] = []
    others: list[Callable[[Row, dict[str, Any]], None]] = []
    for item in _expanded(spec, query):
        if item.children is not None:
            others.append(_child_list(org, spec, item, item.children, query, version))
            continue
        found = conditions.resolve(item.path, item.at)
        if found.parents:
            others.append(_parent_value(org, found.parents, found.field, item, version))
        elif found.field.calculated or found.field.type in ("address", "boolean"):
            others.append(_computed(found.field.name, found.get))
        else:
            plain.append((found.field.name, found.field.stored))

    def project(row: Row) -> dict[str, Any]:
        get = row.get
        record: dict[str, Any] = {"attributes": {"type": type_name, "url": url + row["Id"]}}
        for name, key in plain:
            record[name] = get(key)
        for add in others:
            add(row, record)
        return record

    return project


def _expanded(spec: ObjectSpec, query: Query) -> list[Chosen]:
    """SELECT items with FIELDS(ALL), FIELDS(STANDARD) and FIELDS(CUSTOM) written out. Raises CallError."""
    items: list[Chosen] = []
    for item in query.select:
        if item.call == "COUNT":
            raise query_error(
                query.text, item.at, "MALFORMED_QUERY", "aggregate queries are not available in this twin"
            )
        if item.call != "FIELDS":
            items.append(item)
            continue
        group = item.path[0].upper() if item.path else ""
        if group != "STANDARD" and (query.limit is None or query.limit > _ALL_FIELDS_LIMIT):
            raise query_error(
                query.text, item.at, "MALFORMED_QUERY", "The SOQL FIELDS function must have a LIMIT of at most 200"
            )
        wanted = {"ALL": (True, False), "STANDARD": (False,), "CUSTOM": (True,)}.get(group, ())
        items += [Chosen((field.name,), item.at) for field in spec.fields.values() if field.custom in wanted]
    return items


def _computed(name: str, get: Callable[[Row], Any]) -> Callable[[Row, dict[str, Any]], None]:
    def add(row: Row, record: dict[str, Any]) -> None:
        record[name] = get(row)

    return add


def _parent_value(
    org: Org, parents: tuple[FieldSpec, ...], field: FieldSpec, item: Chosen, version: str
) -> Callable[[Row, dict[str, Any]], None]:
    """Puts a parent's field into nested objects, `"Account": {"attributes": …, "Name": …}`; null without a parent."""

    getters: dict[str, Callable[[Row], Any] | None] = {}

    def read(parent: Row, object: str) -> Any:
        if object not in getters:
            spec = org.spec(object)
            own = spec.field(field.name)
            getters[object] = None if own is None else getter(org, spec, own)
        get = getters[object]
        return None if get is None else get(parent)

    def add(row: Row, record: dict[str, Any]) -> None:
        here, object = row, ""
        place: dict[str, Any] = record
        for relation in parents:
            name = relation.relationship or ""
            parent = org.stored_row(here.get(relation.stored, ""))
            if parent is None:
                place.setdefault(name, None)
                return
            object = org.object_of(parent["Id"])
            inner = place.get(name)
            if inner is None:
                url = f"/services/data/{version}/sobjects/{object}/{parent['Id']}"
                inner = place[name] = {"attributes": {"type": object, "url": url}}
            here, place = parent, inner
        place[field.name] = read(here, object)

    return add


def _child_list(
    org: Org, spec: ObjectSpec, item: Chosen, inner: Query, outer: Query, version: str
) -> Callable[[Row, dict[str, Any]], None]:
    """A nested query over a parent's children: a small query result, or null when there are none."""
    child = next((c for c in children_of(spec.name) if (c.name or "").lower() == inner.object.lower()), None)
    if child is None:
        raise query_error(
            outer.text,
            item.at,
            "INVALID_TYPE",
            f"Didn't understand relationship '{inner.object}' in FROM part of query call.",
        )
    child_spec = org.spec(child.child)
    conditions = Conditions(org, child_spec, inner, lambda nested: _values_of(org, nested, version))
    test = None if inner.where is None else conditions.test(inner.where)
    project = _projection(org, child_spec, inner, conditions, version)
    table = org.tables[child.child]

    def add(row: Row, record: dict[str, Any]) -> None:
        rows = [table.rows[id] for id in table.children(child.field, row["Id"])]
        kept = _sorted([r for r in rows if test is None or test(r)], inner.order, conditions)[: inner.limit]
        records = [project(r) for r in kept]
        record[child.name or ""] = {"totalSize": len(records), "done": True, "records": records} if records else None

    return add


def _values_of(org: Org, query: Query, version: str) -> set[str]:
    """The values of a nested query's one field, for `Id IN (SELECT …)`."""
    selection = select(org, query, version, deleted_too=False)
    rows = org.tables[selection.spec.name].rows
    name = query.select[0].path[-1] if query.select and query.select[0].path else "Id"
    field = selection.spec.field(name)
    if field is None:
        raise query_error(query.text, query.object_at, "INVALID_FIELD", f"No such column '{name}'")
    get = getter(org, selection.spec, field)
    return {value for id in selection.ids if (value := get(rows[id])) is not None}
