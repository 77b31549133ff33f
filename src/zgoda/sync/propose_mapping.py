"""Which canonical field a vendor's field probably means, by its name and type. A proposal, never a decision."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import Any, Final

from zgoda.kit.spec import Stream, VendorField, VendorObject
from zgoda.model.entities import ENTITIES, Entity
from zgoda.sync.setup import Source

CLOSE_ENOUGH: Final = 0.82

SYNONYMS: Final[dict[str, str]] = {
    "firstname": "given_name",
    "fname": "given_name",
    "forename": "given_name",
    "lastname": "family_name",
    "lname": "family_name",
    "surname": "family_name",
    "phone": "telephone",
    "mobilephone": "mobile",
    "cell": "mobile",
    "title": "job_title",
    "function": "job_title",
    "position": "job_title",
    "street": "street_address",
    "city": "locality",
    "town": "locality",
    "state": "region",
    "zip": "postal_code",
    "postcode": "postal_code",
    "website": "url",
    "birthday": "birth_date",
    "birthdate": "birth_date",
    "company": "organization_name",
    "employees": "number_of_employees",
    "vat": "tax_id",
    "nip": "tax_id",
    "notes": "description",
    "comment": "description",
    "lang": "language",
    "tags": "keywords",
}


def proposals(stream: Stream, described: VendorObject, source: Source | None) -> dict[str, Any]:
    """The stream's fields with what they are mapped to, and a proposal for those that are not."""
    mapped = {row.vendor: row.field for row in (source.mapping.maps if source else stream.mapping)}
    entity = ENTITIES[stream.entity]
    taken = set(mapped.values())
    fields = [
        {
            "name": field.name,
            "label": field.label,
            "type": field.type,
            "writable": field.writable,
            "required": field.required,
            "calculated": field.calculated,
            "mapped": mapped.get(field.name, ""),
            "proposal": "" if field.name in mapped else propose(entity, field, taken),
        }
        for field in described.fields
    ]
    return {"stream": stream.name, "entity": stream.entity, "fields": fields}


def propose(entity: Entity, field: VendorField, taken: set[str]) -> str:
    """The free canonical field whose name is nearest to the vendor's name or label; empty if none is near."""
    words = [_bare(field.name), _bare(field.label)]
    for word in words:
        synonym = SYNONYMS.get(word)
        if synonym in entity.fields and synonym not in taken:
            return synonym
    best, score = "", CLOSE_ENOUGH
    for name in entity.fields:
        near = max(SequenceMatcher(None, _bare(name), word).ratio() for word in words)
        if name not in taken and near > score:
            best, score = name, near
    return best


def _bare(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.partition("__")[0].lower())
