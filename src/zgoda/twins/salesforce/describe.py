"""Describe results: what clients may know about objects and fields, in the vendor's full shape."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Any

from zgoda.twins.exchange import Call, Reply, empty_reply, json_reply
from zgoda.twins.salesforce.api import Api, http_date, version_of
from zgoda.twins.salesforce.fields import NUMBER_TYPES, FieldSpec, ObjectSpec
from zgoda.twins.salesforce.schema import OBJECTS, children_of
from zgoda.twins.salesforce.values import label_of

_SOAP = {
    "id": "tns:ID", "reference": "tns:ID", "boolean": "xsd:boolean", "int": "xsd:int", "double": "xsd:double",
    "currency": "xsd:double", "percent": "xsd:double", "date": "xsd:date", "datetime": "xsd:dateTime",
    "address": "urn:address",
}  # fmt: skip
_SAME_FOR_ALL: dict[str, Any] = {
    **dict.fromkeys((
        "aiPredictionField", "autoNumber", "cascadeDelete", "caseSensitive", "dependentPicklist", "deprecatedAndHidden",
        "encrypted", "formulaTreatNullNumberAsZero", "highScaleNumber", "htmlFormatted", "queryByDistance",
        "restrictedDelete", "searchPrefilterable", "writeRequiresMasterRead",
    ), False),
    **dict.fromkeys((
        "calculatedFormula", "controllerName", "defaultValueFormula", "filteredLookupInfo", "inlineHelpText", "mask",
        "maskType", "referenceTargetField", "relationshipOrder",
    )),
}  # fmt: skip
_SEEN = {"ETag": '"baf7f695"', "Last-Modified": "Fri, 14 Aug 2020 20:53:02 GMT"}


def describe_all(api: Api, call: Call) -> Reply:
    """GET /sobjects: all objects without their fields. 304 when nothing changed since If-Modified-Since."""
    if _unchanged(api, call):
        return empty_reply(304, dict(_SEEN))
    objects = [_outline(spec, version_of(call)) for spec in OBJECTS.values()]
    content = {"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": objects}
    return json_reply(200, content, headers=dict(_SEEN))


def describe_one(api: Api, call: Call, object: str) -> Reply:
    """GET /sobjects/{object}/describe."""
    if _unchanged(api, call):
        return empty_reply(304, dict(_SEEN))
    return json_reply(200, described(api.org.spec(object), version_of(call)), headers=dict(_SEEN))


def about(api: Api, call: Call, object: str) -> Reply:
    """GET /sobjects/{object}: the outline and recently used records."""
    spec = api.org.spec(object)
    return json_reply(200, {"objectDescribe": _outline(spec, version_of(call)), "recentItems": []})


def described(spec: ObjectSpec, version: str) -> dict[str, Any]:
    """The whole describe result of an object."""
    return {
        **_outline(spec, version),
        "actionOverrides": [],
        "childRelationships": [
            {
                "cascadeDelete": child.cascade, "childSObject": child.child, "deprecatedAndHidden": False,
                "field": child.field, "junctionIdListNames": [], "junctionReferenceTo": [],
                "relationshipName": child.name, "restrictedDelete": False,
            }
            for child in children_of(spec.name)
        ],
        "compactLayoutable": True,
        "fields": [_field(field) for field in spec.fields.values()],
        "listviewable": None,
        "lookupLayoutable": None,
        "namedLayoutInfos": [],
        "networkScopeFieldName": None,
        "recordTypeInfos": [{
            "active": True, "available": True, "defaultRecordTypeMapping": True, "developerName": "Master",
            "master": True, "name": "Master", "recordTypeId": "012000000000000AAA", "urls": {},
        }],
        "searchLayoutable": True,
        "sobjectDescribeOption": "FULL",
        "supportedScopes": [{"label": f"All {spec.plural.lower()}", "name": "everything"}],
    }  # fmt: skip


def _outline(spec: ObjectSpec, version: str) -> dict[str, Any]:
    path = f"/services/data/{version}/sobjects/{spec.name}"
    return {
        "activateable": False, "associateEntityType": None, "associateParentEntity": None,
        "createable": spec.createable,
        "custom": False, "customSetting": False, "deepCloneable": False, "defaultImplementation": None,
        "deletable": spec.deletable, "deprecatedAndHidden": False, "extendedBy": None, "extendsInterfaces": None,
        "feedEnabled": True, "hasSubtypes": False, "implementedBy": None, "implementsInterfaces": None,
        "isInterface": False, "isSubtype": False, "keyPrefix": spec.prefix, "label": spec.label,
        "labelPlural": spec.plural, "layoutable": True, "mergeable": spec.mergeable, "mruEnabled": True,
        "name": spec.name, "queryable": True, "replicateable": True, "retrieveable": True, "searchable": True,
        "triggerable": True, "undeletable": spec.undeletable, "updateable": True,
        "urls": {"sobject": path, "describe": f"{path}/describe", "rowTemplate": path + "/{ID}"},
    }  # fmt: skip


def _field(field: FieldSpec) -> dict[str, Any]:
    text = field.type not in NUMBER_TYPES and field.type not in _SOAP
    long_text = field.type == "textarea" and field.length > 255
    findable = field.type != "address" and not long_text
    return {
        **_SAME_FOR_ALL,
        "aggregatable": field.type not in ("boolean", "address") and not long_text,
        "byteLength": field.length * 3 if text else field.length,
        "calculated": field.calculated,
        "compoundFieldName": "Name" if field.name in ("FirstName", "LastName", "Salutation") else None,
        "createable": field.createable,
        "custom": field.custom,
        "defaultValue": False if field.type == "boolean" else None,
        "defaultedOnCreate": field.defaulted,
        "digits": 8 if field.type == "int" else 0,
        "displayLocationInDecimal": field.name.endswith(("Latitude", "Longitude")),
        "externalId": field.external_id,
        "extraTypeInfo": "plaintextarea" if field.type == "textarea" else None,
        "filterable": findable,
        "groupable": text and not long_text,
        "idLookup": field.id_lookup,
        "label": label_of(field.name),
        "length": field.length,
        "name": field.name,
        "nameField": field.name_field,
        "namePointing": len(field.refers) > 1,
        "nillable": field.nillable,
        "permissionable": field.nillable,
        "picklistValues": [
            {"active": True, "defaultValue": False, "label": value, "validFor": None, "value": value}
            for value in field.picklist
        ],
        "polymorphicForeignKey": len(field.refers) > 1,
        "precision": field.precision,
        "referenceTo": list(field.refers),
        "relationshipName": field.relationship,
        "restrictedPicklist": field.restricted,
        "scale": field.scale,
        "soapType": _SOAP.get(field.type, "xsd:string"),
        "sortable": findable,
        "type": field.type,
        "unique": field.unique,
        "updateable": field.updateable,
    }


def _unchanged(api: Api, call: Call) -> bool:
    """The schema never changes by itself, only while schema faults stand."""
    since = http_date(call, "If-Modified-Since")
    if since is None or api.org.around.faults.any("schema"):
        return False
    return since >= parsedate_to_datetime(_SEEN["Last-Modified"])
