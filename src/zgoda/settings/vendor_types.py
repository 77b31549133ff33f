"""What a vendor's fields hold, and which types say the same.

Known from the vendor's own description, if there is one (`discover`), else from the connector's default table: a field
it maps onto a date holds dates.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from zgoda.kit.mapping import Map, field_of
from zgoda.kit.spec import Stream, VendorObject
from zgoda.model.entities import Entity, FieldType
from zgoda.privacy.consent import is_consent

T = FieldType


def types_by_table(stream: Stream, entity: Entity) -> dict[str, FieldType]:
    """Vendor field -> type, from the connector's own rows. `entity` is the stream's own."""
    found: dict[str, FieldType] = {}
    for m in stream.mapping:
        known = is_consent(m.field) or m.field in entity.fields
        if known and not m.read and not m.write and (type := _type_in(m, entity)) is not None:
            found[m.vendor] = type
    return found


def _type_in(m: Map, entity: Entity) -> FieldType | None:
    if not m.values:
        return field_of(entity, m.field).type
    for kind, type in ((bool, T.BOOLEAN), (str, T.CHOICE)):
        if all(isinstance(vendor, kind) for vendor, _ in m.values):
            return type
    return None


def types_by_vendor(vendor: VendorObject) -> dict[str, FieldType]:
    """Vendor field -> type, from the vendor's description. Words we do not know say nothing."""
    found = {field.name: VENDOR_WORDS.get(re.sub(r"[^a-z0-9]", "", field.type.casefold())) for field in vendor.fields}
    return {name: type for name, type in found.items() if type is not None}


def carries(source: FieldType, target: FieldType) -> bool:
    """Whether every value of one type says the same as a value of the other."""
    return source is target or target in _CARRIES.get(source, ())


def why_not(source: FieldType, target: FieldType) -> str:
    """The reason in words, for the pairs people stumble over; begins with `; `."""
    match source, target:
        case T.DATE, T.INSTANT:
            return "; a date has no time of day, and a made-up one shifts it by a time zone"
        case T.INSTANT, T.DATE:
            return "; an instant is a different day in another time zone"
        case T.SET, _:
            return "; several items are not one value"
        case T.DECIMAL, T.INTEGER:
            return "; the fraction would be lost"
        case _:
            return ""


_CARRIES: Final[Mapping[FieldType, tuple[FieldType, ...]]] = {
    T.TEXT: (T.EMAIL, T.PHONE, T.URL, T.COUNTRY, T.CHOICE),
    T.EMAIL: (T.TEXT,),
    T.PHONE: (T.TEXT,),
    T.URL: (T.TEXT,),
    T.COUNTRY: (T.TEXT, T.CHOICE),
    T.CHOICE: (T.TEXT, T.COUNTRY),
    T.INTEGER: (T.DECIMAL, T.TEXT),
}

TYPE_WORDS: Final[Mapping[FieldType, str]] = {
    T.TEXT: "text",
    T.EMAIL: "an e-mail address",
    T.PHONE: "a telephone number",
    T.URL: "a web address",
    T.COUNTRY: "a country",
    T.CHOICE: "a choice",
    T.SET: "a set of items",
    T.INTEGER: "a whole number",
    T.DECIMAL: "a decimal number",
    T.BOOLEAN: "true or false",
    T.DATE: "a date",
    T.INSTANT: "an instant",
    T.REF: "a reference",
    T.CONSENT: "a consent",
}

VENDOR_WORDS: Final[Mapping[str, FieldType]] = {
    **dict.fromkeys(("string", "char", "varchar", "nvarchar", "textarea", "longtextarea", "html", "richtext"), T.TEXT),
    **dict.fromkeys(("email", "emailaddress"), T.EMAIL),
    **dict.fromkeys(("phone", "tel", "telephone", "phonenumber"), T.PHONE),
    **dict.fromkeys(("url", "imageurl", "link"), T.URL),
    **dict.fromkeys(("picklist", "select", "selection", "dropdown", "choice", "radio", "combobox"), T.CHOICE),
    **dict.fromkeys(("multipicklist", "multiselect", "multiselection", "many2many", "set", "tags"), T.SET),
    **dict.fromkeys(("int", "integer", "bigint", "smallint", "long"), T.INTEGER),
    **dict.fromkeys(("decimal", "currency", "monetary", "money", "percent"), T.DECIMAL),
    **dict.fromkeys(("boolean", "bool", "checkbox"), T.BOOLEAN),
    "date": T.DATE,
    **dict.fromkeys(("datetime", "timestamp", "timestamptz", "instant"), T.INSTANT),
    **dict.fromkeys(("reference", "many2one", "lookup", "masterdetail", "ref"), T.REF),
}
"""Vendors' words for types, letters only. `text` is what nobody said better and `number` may be whole or not, so
neither says anything."""
