"""sObject rows: one record by id or by external id."""

from __future__ import annotations

from datetime import datetime

from zgoda.twins.exchange import Call, Reply, empty_reply, json_reply
from zgoda.twins.salesforce.api import Api, body_of, http_date, version_of
from zgoda.twins.salesforce.errors import CallError, not_found, row_reply
from zgoda.twins.salesforce.fields import FieldSpec, ObjectSpec
from zgoda.twins.salesforce.ids import full_id
from zgoda.twins.salesforce.reading import whole_record
from zgoda.twins.salesforce.saving import Outcome, save, upsert
from zgoda.twins.salesforce.table import Row


def read_row(api: Api, call: Call, object: str, id: str) -> Reply:
    """GET by id, with `fields`; 304 when not modified since the given moment."""
    spec = api.org.spec(object)
    row = _live(api, spec, id)
    since = http_date(call, "If-Modified-Since")
    if since is not None and _modified(row) <= since:
        return empty_reply(304)
    return json_reply(200, whole_record(api.org, spec, row, _asked(spec, call), version_of(call)))


def read_by_key(api: Api, call: Call, object: str, key: str, value: str) -> Reply:
    """GET by external id; 300 with the candidates' urls when several have it."""
    spec = api.org.spec(object)
    found = _by_key(api, spec, _key_field(spec, key), value)
    if len(found) > 1:
        return _several(spec, found, call)
    if not found:
        raise not_found()
    row = api.org.tables[spec.name].rows[found[0]]
    return json_reply(200, whole_record(api.org, spec, row, _asked(spec, call), version_of(call)))


def create_row(api: Api, call: Call, object: str) -> Reply:
    spec = api.org.spec(object)
    outcome = save(api.org, api.writer(call), "create", spec, "", body_of(call))
    return _created(call, spec, outcome)


def update_row(api: Api, call: Call, object: str, id: str) -> Reply:
    """PATCH by id; 412 when modified after If-Unmodified-Since."""
    spec = api.org.spec(object)
    row = _live(api, spec, id)
    before = http_date(call, "If-Unmodified-Since")
    if before is not None and _modified(row) > before:
        return empty_reply(412)
    outcome = save(api.org, api.writer(call), "update", spec, id, body_of(call))
    return empty_reply(204) if outcome.error is None else row_reply(outcome.error)


def upsert_row(api: Api, call: Call, object: str, key: str, value: str) -> Reply:
    """PATCH by external id: 201 created, 200 updated, 300 when several records have it."""
    spec = api.org.spec(object)
    key_field = _key_field(spec, key)
    found = _by_key(api, spec, key_field, value)
    if len(found) > 1:
        return _several(spec, found, call)
    outcome = upsert(api.org, api.writer(call), spec, key_field, value, body_of(call))
    if outcome.error is not None:
        return row_reply(outcome.error)
    status = 201 if outcome.created else 200
    return json_reply(status, {"id": outcome.id, "success": True, "errors": [], "created": outcome.created})


def delete_row(api: Api, call: Call, object: str, id: str) -> Reply:
    spec = api.org.spec(object)
    _live(api, spec, id)
    outcome = save(api.org, api.writer(call), "delete", spec, id, {})
    return empty_reply(204) if outcome.error is None else row_reply(outcome.error)


def delete_by_key(api: Api, call: Call, object: str, key: str, value: str) -> Reply:
    spec = api.org.spec(object)
    found = _by_key(api, spec, _key_field(spec, key), value)
    if len(found) > 1:
        return _several(spec, found, call)
    return delete_row(api, call, object, found[0] if found else "")


def _live(api: Api, spec: ObjectSpec, id: str) -> Row:
    """Raises CallError: 404 for unknown ids and, with another code, for deleted ones; 400 for ids of no form."""
    full = full_id(id)
    if full is None:
        raise not_found("Provided external ID field does not exist or is not accessible: " + id)
    row = api.org.tables[spec.name].rows.get(full)
    if row is None:
        raise not_found()
    if row.get("IsDeleted"):
        raise CallError(404, "ENTITY_IS_DELETED", "entity is deleted")
    return row


def _key_field(spec: ObjectSpec, name: str) -> FieldSpec:
    field = spec.field(name)
    if field is None or not field.key:
        raise not_found(f"Provided external ID field does not exist or is not accessible: {name}")
    return field


def _by_key(api: Api, spec: ObjectSpec, field: FieldSpec, value: str) -> tuple[str, ...]:
    if field.name == "Id":
        full = full_id(value)
        return (full,) if full in api.org.tables[spec.name].rows else ()
    return api.org.tables[spec.name].by_key(field.stored, value)


def _asked(spec: ObjectSpec, call: Call) -> list[FieldSpec]:
    """The fields named in `fields`, or all. Raises CallError INVALID_FIELD."""
    names = [name.strip() for name in call.query.get("fields", "").split(",") if name.strip()]
    if not names:
        return list(spec.fields.values())
    fields: list[FieldSpec] = []
    for name in names:
        field = spec.field(name)
        if field is None:
            raise CallError(400, "INVALID_FIELD", f"No such column '{name}' on sobject of type {spec.name}")
        fields.append(field)
    return fields


def _several(spec: ObjectSpec, ids: tuple[str, ...], call: Call) -> Reply:
    return json_reply(300, [f"/services/data/{version_of(call)}/sobjects/{spec.name}/{id}" for id in ids])


def _created(call: Call, spec: ObjectSpec, outcome: Outcome) -> Reply:
    if outcome.error is not None:
        return row_reply(outcome.error)
    location = f"/services/data/{version_of(call)}/sobjects/{spec.name}/{outcome.id}"
    return json_reply(201, {"id": outcome.id, "success": True, "errors": []}, headers={"Location": location})


def _modified(row: Row) -> datetime:
    return datetime.fromisoformat(row["LastModifiedDate"]).replace(microsecond=0)
