"""The settings of a Tryton connection, checked once."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

import msgspec

from zgoda.kit.errors import Attention, NeedsAttention
from zgoda.kit.spec import Session, Setting

NameOrder: TypeAlias = Literal["given_first", "family_first", "family_comma"]


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What `SETTINGS` mean; `password` is the resolved secret."""

    database: str
    user: str
    password: str
    name_order: NameOrder = "given_first"
    organization_category: str = "Organization"
    person_category: str = ""
    unclassified: Literal["person", "organization", "neither"] = "person"
    consent_list: str = "E-mail marketing"
    employment_relation: str = "Employee of"
    company: int | None = None
    deletions: Literal["log", "compare"] = "log"
    overlap_s: float = 120.0


SETTINGS: Final = (
    Setting(name="base_url", meaning="Address of the server", required=True, example="https://tryton.example.com"),
    Setting(name="database", meaning="Name of the database", required=True, example="crm"),
    Setting(name="user", meaning="Login of the hub's own user", required=True, example="zgoda"),
    Setting(name="password", meaning="Its password", required=True, secret=True, example="${env:TRYTON_PASSWORD}"),
    Setting(
        name="name_order",
        meaning="How a party's one name is made of two: given_first, family_first or family_comma",
        default="given_first",
    ),
    Setting(
        name="organization_category",
        meaning="Parties in this category are organisations; the hub puts those it creates there",
        default="Organization",
    ),
    Setting(
        name="person_category",
        meaning="Parties in this category are people; if set, the hub puts those it creates there",
        default="",
    ),
    Setting(
        name="unclassified",
        meaning="What a party in neither category is: person, organization or neither (then it is not read)",
        default="person",
    ),
    Setting(
        name="consent_list",
        meaning="The mailing list whose record is a person's consent to e-mail marketing; made when first needed",
        default="E-mail marketing",
    ),
    Setting(
        name="employment_relation",
        meaning="The relation type that leads from a person to the employer",
        default="Employee of",
    ),
    Setting(name="company", meaning="Id of the company that owns opportunities (default: the user's)", example="1"),
    Setting(
        name="deletions",
        meaning="log: from Tryton's log (the user must be an administrator); compare: by comparing ids only",
        default="log",
    ),
    Setting(
        name="overlap_s",
        meaning="How far back each incremental read starts, for transactions that commit late",
        default=120.0,
    ),
)


def parse(settings: Any) -> Options:
    """The settings as `Options`. `NeedsAttention` names the setting that is wrong, never its value."""
    try:
        return msgspec.convert(settings, Options, strict=False)
    except msgspec.ValidationError as error:
        raise NeedsAttention(Attention.SETTINGS, f"the Tryton settings are wrong: {error}") from None


def options(session: Session) -> Options:
    """The options of a session."""
    held: Options = session.settings
    return held
