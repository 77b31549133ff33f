"""People and organisations: both are parties. Tryton has no flag that tells them apart, so categories do.

E-mail, telephone and address are sub-records; the row shows the first active one of each kind, as Tryton's own
screens do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from zgoda.connectors.tryton.consent import CONSENT, CONSENT_AT, add_consent, consent_changes
from zgoda.connectors.tryton.directory import PARTY
from zgoda.connectors.tryton.employer import EMPLOYER, EMPLOYER_COLUMNS, employer
from zgoda.connectors.tryton.kinds import ABSENT, ANY, LOCK, STAMP, Domain, Kind, Virtual, any_of
from zgoda.connectors.tryton.names import split
from zgoda.connectors.tryton.options import Options
from zgoda.connectors.tryton.reads import changed_records
from zgoda.connectors.tryton.rpc import children, parent
from zgoda.kit.convert import parse_instant
from zgoda.kit.spec import Removed, Row

PHONES: Final = ("phone", "mobile", "fax")
MECHANISMS: Final = ("email", *PHONES, "website")
ADDRESS: Final = ("street", "postal_code", "city", "country", "subdivision")
MECHANISM_COLUMNS: Final = ("contact_mechanisms.type", "contact_mechanisms.value")
ADDRESS_COLUMNS: Final[dict[str, str]] = {
    "street": "addresses.street",
    "postal_code": "addresses.postal_code",
    "city": "addresses.city",
    "country": "addresses.country.code",
    "subdivision": "addresses.subdivision.name",
}


def first_mechanism(record: Row, type: str) -> Row | None:
    """The sub-record that stands for this kind of contact; Tryton sends the active ones in their order."""
    return next((child for child in children(record, "contact_mechanisms") if child.get("type") == type), None)


def first_address(record: Row) -> Row | None:
    return next(iter(children(record, "addresses")), None)


def place_of(record: Row, told: Options) -> str:
    """The stream a party belongs to; empty if none."""
    names = {category.get("name") for category in children(record, "categories")}
    if told.organization_category in names:
        return "organizations"
    if told.person_category and told.person_category in names:
        return "people"
    return {"person": "people", "organization": "organizations", "neither": ""}[told.unclassified]


def _people_only(told: Options) -> Domain:
    outside = ["categories", "not where", [["name", "=", told.organization_category]]]
    return [outside] if told.unclassified == "person" else [outside, _in(told.person_category)]


def _organizations_only(told: Options) -> Domain:
    inside = _in(told.organization_category)
    if told.unclassified != "organization":
        return [inside]
    return [["OR", inside, ["categories", "not where", [["name", "=", told.person_category]]]]]


def _in(category: str) -> list[Any]:
    return ["categories", "where", [["name", "=", category]]]


def _changed(clause: Domain, columns: tuple[str, ...]) -> Domain:
    """Editing a sub-record does not touch the party, so their stamps count as well (archived ones too: an address that
    was taken away). Relations have no stamp that can be searched but the two it is made of."""
    since = clause[2]
    asked = {name.partition(".")[0] for name in columns}
    below = [[name, "where", [clause, ANY]] for name in ("contact_mechanisms", "addresses") if name in asked]
    if "relations" in asked:
        below += [["relations", "where", [[stamp, ">=", since], ANY]] for stamp in ("write_date", "create_date")]
    return any_of(clause, *below)


def _removed(stream: str) -> Callable[[Row, Options], Removed | None]:
    def removed(record: Row, told: Options) -> Removed | None:
        if not record.get("active"):
            stamp, survivor = record.get(STAMP), record.get("replaced_by")
            at = parse_instant(stamp) if isinstance(stamp, str) else None
            return Removed(id=str(record["id"]), at=at, merged_into=str(survivor) if survivor else "")
        return None if place_of(record, told) == stream else Removed(id=str(record["id"]))

    return removed


def _mechanism(type: str) -> Virtual:
    return Virtual(MECHANISM_COLUMNS, lambda record, told: (first_mechanism(record, type) or {}).get("value"))


def _address(part: str) -> Virtual:
    def value(record: Row, told: Options) -> Any:
        address = first_address(record) or {}
        match part:
            case "country":
                return parent(address, "country").get("code")
            case "subdivision":
                return parent(address, "subdivision").get("name")
            case _:
                return address.get(part)

    return Virtual((ADDRESS_COLUMNS[part],), value)


def _language(record: Row, told: Options) -> str | None:
    code = parent(record, "lang").get("code")
    return code.replace("_", "-") if isinstance(code, str) else None


def _category_names(record: Row, told: Options) -> list[str]:
    marks = {told.organization_category, told.person_category}
    return [str(name) for one in children(record, "categories") if (name := one.get("name")) and name not in marks]


_SHARED: Final[dict[str, Virtual]] = {
    **{type: _mechanism(type) for type in MECHANISMS},
    **{f"address.{part}": _address(part) for part in ADDRESS},
    "category_names": Virtual((), _category_names),
    "language": Virtual(("lang.code",), _language),
    "tax_code": Virtual(("tax_identifier.code",), lambda record, told: parent(record, "tax_identifier").get("code")),
}

_PERSON: Final[dict[str, Virtual]] = {
    **_SHARED,
    "given_name": Virtual(("name",), lambda record, told: split(record.get("name"), told.name_order)[0]),
    "family_name": Virtual(("name",), lambda record, told: split(record.get("name"), told.name_order)[1]),
    EMPLOYER: Virtual(EMPLOYER_COLUMNS, employer, optional=True),
    CONSENT: Virtual(MECHANISM_COLUMNS, lambda record, told: ABSENT),
    CONSENT_AT: Virtual(MECHANISM_COLUMNS, lambda record, told: ABSENT),
}

_BASE: Final = (STAMP, LOCK, "active", "replaced_by", "categories.name")

PEOPLE: Final = Kind(
    stream="people",
    model=PARTY,
    module="party",
    virtual=_PERSON,
    base=_BASE,
    archives=True,
    only=_people_only,
    changed=_changed,
    feeds=(changed_records, consent_changes),
    removed=_removed("people"),
    enrich=add_consent,
)

ORGANIZATIONS: Final = Kind(
    stream="organizations",
    model=PARTY,
    module="party",
    virtual=_SHARED,
    base=_BASE,
    archives=True,
    only=_organizations_only,
    changed=_changed,
    removed=_removed("organizations"),
)
