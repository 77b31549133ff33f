"""The canonical model: what the hub calls things, in Schema.org terms.

Every connector maps its vendor's fields onto these. A field has a type, one meaning in words, and a category of
personal data (after the fideslang taxonomy, shortened) so that erasure, export and redaction know what they hold.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class FieldType(StrEnum):
    """How a value is held and compared. `date` and `instant` are different on purpose: a birthday has no time zone."""

    TEXT = "text"
    EMAIL = "email"
    PHONE = "phone"
    URL = "url"
    COUNTRY = "country"
    CHOICE = "choice"
    SET = "set"
    INTEGER = "integer"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    DATE = "date"
    INSTANT = "instant"
    REF = "ref"
    CONSENT = "consent"


class Category(StrEnum):
    """Kind of personal data; `none` is for facts about no person."""

    NONE = "none"
    NAME = "user.name"
    CONTACT = "user.contact"
    DEMOGRAPHIC = "user.demographic"
    WORK = "user.workplace"
    BEHAVIOR = "user.behavior"
    PREFERENCE = "user.preference"
    FINANCIAL = "user.financial"
    CONTENT = "user.content"


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One field of the canonical model. `refers_to` names the entity a `ref` points at; `order` ranks choices."""

    name: str
    type: FieldType
    meaning: str
    category: Category = Category.NONE
    refers_to: str = ""
    order: tuple[str, ...] = ()


class Entity(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of thing both sides know. `parents` are the entities that must exist before it."""

    name: str
    schema_org: str
    meaning: str
    fields: dict[str, Field]

    @property
    def parents(self) -> frozenset[str]:
        return frozenset(f.refers_to for f in self.fields.values() if f.refers_to and f.refers_to != self.name)


def _entity(name: str, schema_org: str, meaning: str, *fields: Field) -> Entity:
    return Entity(name=name, schema_org=schema_org, meaning=meaning, fields={f.name: f for f in fields})


def _field(
    name: str,
    type: FieldType,
    meaning: str,
    category: Category = Category.NONE,
    *,
    refers_to: str = "",
    order: tuple[str, ...] = (),
) -> Field:
    return Field(name=name, type=type, meaning=meaning, category=category, refers_to=refers_to, order=order)


_T = FieldType
_C = Category

_ADDRESS = (
    _field("street_address", _T.TEXT, "Street and house number", _C.CONTACT),
    _field("locality", _T.TEXT, "Town or city", _C.CONTACT),
    _field("region", _T.TEXT, "State, province or voivodeship", _C.CONTACT),
    _field("postal_code", _T.TEXT, "Postal code", _C.CONTACT),
    _field("country", _T.COUNTRY, "Country, ISO 3166-1 alpha-2", _C.CONTACT),
)

LIFECYCLE = ("visitor", "subscriber", "lead", "marketing_qualified", "sales_qualified", "opportunity", "customer")

ENTITIES: dict[str, Entity] = {
    e.name: e
    for e in (
        _entity(
            "person",
            "Person",
            "A human being known to at least one system",
            _field("given_name", _T.TEXT, "First name or names", _C.NAME),
            _field("family_name", _T.TEXT, "Last name or names", _C.NAME),
            _field("honorific_prefix", _T.TEXT, "Title before the name", _C.NAME),
            _field("email", _T.EMAIL, "Main e-mail address", _C.CONTACT),
            _field("telephone", _T.PHONE, "Main telephone number", _C.CONTACT),
            _field("mobile", _T.PHONE, "Mobile telephone number", _C.CONTACT),
            _field("fax_number", _T.PHONE, "Fax number", _C.CONTACT),
            _field("url", _T.URL, "Personal web page", _C.CONTACT),
            *_ADDRESS,
            _field("birth_date", _T.DATE, "Date of birth", _C.DEMOGRAPHIC),
            _field("gender", _T.CHOICE, "Gender as stated by the person", _C.DEMOGRAPHIC),
            _field("language", _T.CHOICE, "Preferred language, BCP 47", _C.PREFERENCE),
            _field("job_title", _T.TEXT, "Position held", _C.WORK),
            _field("department", _T.TEXT, "Department", _C.WORK),
            _field("works_for", _T.REF, "Main employer", _C.WORK, refers_to="organization"),
            _field("organization_name", _T.TEXT, "Name of the main employer as written", _C.WORK),
            _field("lead_source", _T.CHOICE, "Where the person first came from", _C.BEHAVIOR),
            _field("lifecycle_stage", _T.CHOICE, "How far the relationship has come", _C.BEHAVIOR, order=LIFECYCLE),
            _field("score", _T.INTEGER, "Engagement score", _C.BEHAVIOR),
            _field("keywords", _T.SET, "Tags", _C.PREFERENCE),
            _field("interests", _T.SET, "Topics the person chose", _C.PREFERENCE),
            _field("description", _T.TEXT, "Free notes", _C.CONTENT),
            _field("owner", _T.TEXT, "Colleague in charge", _C.NONE),
        ),
        _entity(
            "organization",
            "Organization",
            "A company, institution or household",
            _field("name", _T.TEXT, "Trading name"),
            _field("legal_name", _T.TEXT, "Registered name"),
            _field("tax_id", _T.TEXT, "Tax identifier (VAT, NIP)"),
            _field("domain", _T.TEXT, "Internet domain"),
            _field("url", _T.URL, "Web page"),
            _field("email", _T.EMAIL, "General e-mail address"),
            _field("telephone", _T.PHONE, "Main telephone number"),
            *_ADDRESS,
            _field("industry", _T.CHOICE, "Line of business"),
            _field("number_of_employees", _T.INTEGER, "Headcount"),
            _field("annual_revenue", _T.DECIMAL, "Yearly turnover"),
            _field("currency", _T.CHOICE, "ISO 4217 code of the amounts"),
            _field("parent", _T.REF, "Parent organisation", refers_to="organization"),
            _field("keywords", _T.SET, "Tags"),
            _field("description", _T.TEXT, "Free notes"),
            _field("owner", _T.TEXT, "Colleague in charge"),
        ),
        _entity(
            "employment",
            "EmployeeRole",
            "A person's role in an organisation for a period",
            _field("person", _T.REF, "Who", _C.WORK, refers_to="person"),
            _field("organization", _T.REF, "Where", _C.WORK, refers_to="organization"),
            _field("role_name", _T.TEXT, "Role", _C.WORK),
            _field("start_date", _T.DATE, "First day", _C.WORK),
            _field("end_date", _T.DATE, "Last day", _C.WORK),
        ),
        _entity(
            "deal",
            "Offer",
            "A sales opportunity",
            _field("name", _T.TEXT, "Title"),
            _field("amount", _T.DECIMAL, "Expected value", _C.FINANCIAL),
            _field("currency", _T.CHOICE, "ISO 4217 code of the amount"),
            _field("stage", _T.CHOICE, "Pipeline stage"),
            _field("probability", _T.DECIMAL, "Chance of winning, per cent"),
            _field("close_date", _T.DATE, "Expected or actual closing day"),
            _field("is_won", _T.BOOLEAN, "Closed and won"),
            _field("person", _T.REF, "Main contact", refers_to="person"),
            _field("organization", _T.REF, "Customer", refers_to="organization"),
            _field("description", _T.TEXT, "Free notes", _C.CONTENT),
            _field("owner", _T.TEXT, "Colleague in charge"),
        ),
        _entity(
            "list",
            "ItemList",
            "A named group of people: audience, tag, segment, campaign list",
            _field("name", _T.TEXT, "Name"),
            _field("description", _T.TEXT, "What it is for"),
            _field("is_static", _T.BOOLEAN, "People are put in by hand or by us, not computed by the vendor"),
        ),
        _entity(
            "membership",
            "ListItem",
            "A person is in a list. Says nothing about consent",
            _field("person", _T.REF, "Who", _C.PREFERENCE, refers_to="person"),
            _field("list", _T.REF, "In which list", _C.PREFERENCE, refers_to="list"),
            _field("status", _T.CHOICE, "Status within the list", _C.PREFERENCE),
        ),
        _entity(
            "campaign",
            "MarketingCampaign",
            "A mailing or a marketing action",
            _field("name", _T.TEXT, "Name"),
            _field("subject", _T.TEXT, "Subject line"),
            _field("status", _T.CHOICE, "draft, scheduled, sending, sent, cancelled"),
            _field("start_date", _T.DATE, "First day"),
            _field("end_date", _T.DATE, "Last day"),
            _field("sent_at", _T.INSTANT, "When it went out"),
            _field("description", _T.TEXT, "What it is for"),
        ),
        _entity(
            "campaign_member",
            "JoinAction",
            "A person's part in a campaign",
            _field("person", _T.REF, "Who", _C.BEHAVIOR, refers_to="person"),
            _field("campaign", _T.REF, "Which", _C.BEHAVIOR, refers_to="campaign"),
            _field("status", _T.CHOICE, "sent, opened, clicked, responded, bounced", _C.BEHAVIOR),
        ),
        _entity(
            "interaction",
            "InteractAction",
            "Something that happened between a person and us; never changes once it happened",
            _field("person", _T.REF, "Who", _C.BEHAVIOR, refers_to="person"),
            _field("kind", _T.CHOICE, "sent, opened, clicked, bounced, complained, unsubscribed, call, …", _C.BEHAVIOR),
            _field("occurred_at", _T.INSTANT, "When", _C.BEHAVIOR),
            _field("channel", _T.CHOICE, "email, phone, sms, post, web, meeting", _C.BEHAVIOR),
            _field("campaign", _T.REF, "In which campaign", _C.BEHAVIOR, refers_to="campaign"),
            _field("subject", _T.TEXT, "Title", _C.CONTENT),
            _field("url", _T.URL, "Address that was visited", _C.BEHAVIOR),
            _field("description", _T.TEXT, "Details", _C.CONTENT),
        ),
        _entity(
            "task",
            "PlanAction",
            "Work a colleague has to do",
            _field("subject", _T.TEXT, "What to do", _C.CONTENT),
            _field("status", _T.CHOICE, "open, in_progress, waiting, done, cancelled"),
            _field("priority", _T.CHOICE, "low, normal, high"),
            _field("due_date", _T.DATE, "By when"),
            _field("person", _T.REF, "About whom", refers_to="person"),
            _field("organization", _T.REF, "About which organisation", refers_to="organization"),
            _field("deal", _T.REF, "About which deal", refers_to="deal"),
            _field("description", _T.TEXT, "Details", _C.CONTENT),
            _field("owner", _T.TEXT, "Colleague in charge"),
        ),
        _entity(
            "ticket",
            "Message",
            "A service request",
            _field("subject", _T.TEXT, "Title", _C.CONTENT),
            _field("status", _T.CHOICE, "new, open, waiting, solved, closed"),
            _field("priority", _T.CHOICE, "low, normal, high, urgent"),
            _field("person", _T.REF, "Who asked", refers_to="person"),
            _field("organization", _T.REF, "For which organisation", refers_to="organization"),
            _field("opened_at", _T.INSTANT, "When it was opened"),
            _field("description", _T.TEXT, "Details", _C.CONTENT),
            _field("owner", _T.TEXT, "Colleague in charge"),
        ),
        _entity(
            "order",
            "Order",
            "A purchase",
            _field("number", _T.TEXT, "Order number", _C.FINANCIAL),
            _field("status", _T.CHOICE, "open, paid, shipped, delivered, returned, cancelled", _C.FINANCIAL),
            _field("total", _T.DECIMAL, "Amount", _C.FINANCIAL),
            _field("currency", _T.CHOICE, "ISO 4217 code of the amount", _C.FINANCIAL),
            _field("ordered_at", _T.INSTANT, "When", _C.FINANCIAL),
            _field("person", _T.REF, "Who", _C.FINANCIAL, refers_to="person"),
            _field("organization", _T.REF, "For which organisation", _C.FINANCIAL, refers_to="organization"),
        ),
    )
}
