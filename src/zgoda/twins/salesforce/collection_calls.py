"""sObject Collections: up to 200 records a call, each with its own result, in the order they were sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from zgoda.twins.exchange import Call, Reply, json_reply
from zgoda.twins.salesforce.api import Api, body_of, version_of
from zgoda.twins.salesforce.errors import CallError, RowError
from zgoda.twins.salesforce.fields import FieldSpec, ObjectSpec
from zgoda.twins.salesforce.ids import full_id
from zgoda.twins.salesforce.org import Org
from zgoda.twins.salesforce.reading import whole_record
from zgoda.twins.salesforce.records import Writer
from zgoda.twins.salesforce.saving import Outcome, all_or_none, save, upsert

Records = list[dict[str, Any]]


def create_many(api: Api, call: Call) -> Reply:
    body = body_of(call)
    records, writer = _records(api, body), api.writer(call)

    def one(record: dict[str, Any]) -> Outcome:
        spec = _spec(api.org, record)
        return save(api.org, writer, "create", spec, "", _values(record)) if spec else _no_type()

    return _answer(api, body, records, one, with_created=False)


def update_many(api: Api, call: Call) -> Reply:
    body = body_of(call)
    records, writer = _records(api, body), api.writer(call)
    seen: set[str] = set()

    def one(record: dict[str, Any]) -> Outcome:
        spec, id = _spec(api.org, record), str(_id_of(record) or "")
        if spec is None:
            return _no_type()
        if not id:
            return Outcome(error=RowError("MISSING_ARGUMENT", "Id not specified in an update call", ("Id",)))
        if id in seen:
            return Outcome(id, error=RowError("DUPLICATE_VALUE", f"duplicate id specified: {id}"))
        seen.add(id)
        return save(api.org, writer, "update", spec, id, _values(record))

    return _answer(api, body, records, one, with_created=False)


def upsert_many(api: Api, call: Call, object: str, key: str) -> Reply:
    """Every record must be of the object in the path. A key value that comes twice fails from the second time on."""
    body = body_of(call)
    records, writer = _records(api, body), api.writer(call)
    spec = api.org.spec(object)
    key_field = spec.field(key)
    if key_field is None or not key_field.key:
        message = f"Field name provided, {key} is not an External ID or indexed field for {spec.name}"
        raise CallError(400, "INVALID_FIELD", message)
    seen: set[str] = set()
    return _answer(api, body, records, lambda r: _upsert_one(api.org, writer, spec, key_field, r, seen), True)


def delete_many(api: Api, call: Call) -> Reply:
    """DELETE with `ids` and `allOrNone` in the query; ids may be of different objects."""
    ids = [id.strip() for id in call.query.get("ids", "").split(",") if id.strip()]
    _refuse_too_many(ids, api.org.around.limits.batch_size)
    writer = api.writer(call)
    body = {"allOrNone": call.query.get("allOrNone", "false").lower() == "true"}
    return _answer(api, body, [{"Id": id} for id in ids], lambda r: _delete_one(api.org, writer, r["Id"]), False)


def retrieve_many(api: Api, call: Call, object: str) -> Reply:
    """POST with ids and fields, or GET with both in the query; null where a record is not there."""
    if call.method == "GET":
        ids = [id for id in call.query.get("ids", "").split(",") if id]
        names = [name for name in call.query.get("fields", "").split(",") if name]
    else:
        body = body_of(call)
        ids, names = cast(list[str], body.get("ids", [])), cast(list[str], body.get("fields", []))
    limit = api.org.around.limits.read_batch_size
    if limit is not None and len(ids) > limit:
        raise CallError(400, "EXCEEDED_ID_LIMIT", f"record limit reached. cannot retrieve more than {limit} records")
    spec = api.org.spec(object)
    fields: list[FieldSpec] = []
    for name in names:
        field = spec.field(name)
        if field is None:
            raise CallError(400, "INVALID_FIELD", f"No such column '{name}' on sobject of type {spec.name}")
        fields.append(field)
    rows = [api.org.tables[spec.name].rows.get(full_id(id) or "") for id in ids]
    version = version_of(call)
    return json_reply(200, [
        None if row is None or row.get("IsDeleted") else whole_record(api.org, spec, row, fields, version)
        for row in rows
    ])  # fmt: skip


def _records(api: Api, body: dict[str, Any]) -> Records:
    records = body.get("records")
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in cast(list[Any], records)):
        raise CallError(400, "JSON_PARSER_ERROR", "records must be an array of objects")
    _refuse_too_many(cast(list[Any], records), api.org.around.limits.batch_size)
    return cast(Records, records)


def _refuse_too_many(items: list[Any], limit: int | None) -> None:
    if limit is not None and len(items) > limit:
        message = f"record limit reached. cannot submit more than {limit} records into this call"
        raise CallError(400, "EXCEEDED_ID_LIMIT", message)


def _answer(
    api: Api, body: dict[str, Any], records: Records, one: Callable[[dict[str, Any]], Outcome], with_created: bool
) -> Reply:
    """Run `one` on each record; with allOrNone take everything back when any failed. Always HTTP 200."""
    if not body.get("allOrNone"):
        outcomes = [one(record) for record in records]
    else:
        with api.org.attempt() as attempt:
            outcomes = all_or_none(api.org, attempt, [one(record) for record in records])
    return json_reply(200, [outcome.as_result(with_created) for outcome in outcomes])


def _upsert_one(
    org: Org, writer: Writer, spec: ObjectSpec, key: FieldSpec, record: dict[str, Any], seen: set[str]
) -> Outcome:
    named = _spec(org, record)
    if named is None or named.name != spec.name:
        return _no_type()
    values = {name: value for name, value in _values(record).items() if name.lower() != key.name.lower()}
    value = next((value for name, value in record.items() if name.lower() == key.name.lower()), None)
    if value is not None:
        if str(value).lower() in seen:
            return Outcome(error=RowError("DUPLICATE_VALUE", f"Duplicate external id specified: {value}", (key.name,)))
        seen.add(str(value).lower())
    return upsert(org, writer, spec, key, value, values)


def _delete_one(org: Org, writer: Writer, id: str) -> Outcome:
    full = full_id(id)
    if full is None:
        return Outcome(id, error=RowError("MALFORMED_ID", f"malformed id {id}"))
    row = org.row(full)
    if row is None:
        return Outcome(full, error=RowError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id"))
    return save(org, writer, "delete", org.spec(org.object_of(full)), full, {})


def _spec(org: Org, record: dict[str, Any]) -> ObjectSpec | None:
    attributes = record.get("attributes")
    name = cast(dict[str, Any], attributes).get("type") if isinstance(attributes, dict) else None
    return org.find_spec(name) if isinstance(name, str) else None


def _values(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in ("attributes", "Id", "id")}


def _id_of(record: dict[str, Any]) -> Any:
    return record.get("Id") or record.get("id")


def _no_type() -> Outcome:
    return Outcome(error=RowError("INVALID_TYPE", "entity type must be specified in attributes and match the call"))
