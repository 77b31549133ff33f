"""All objects of the twin's org and who is whose child."""

from __future__ import annotations

from zgoda.twins.salesforce.fields import Child, FieldSpec, ObjectSpec, fields_of
from zgoda.twins.salesforce.schema import activity, consent, people, sales

OBJECTS: dict[str, ObjectSpec] = {
    spec.name: spec
    for spec in (
        ObjectSpec("Account", "001", "Account", "Accounts", fields_of(people.ACCOUNT), mergeable=True),
        ObjectSpec("Contact", "003", "Contact", "Contacts", fields_of(people.CONTACT), mergeable=True),
        ObjectSpec("Lead", "00Q", "Lead", "Leads", fields_of(people.LEAD), mergeable=True),
        ObjectSpec("Opportunity", "006", "Opportunity", "Opportunities", fields_of(sales.OPPORTUNITY)),
        ObjectSpec(
            "OpportunityContactRole", "00K", "Opportunity Contact Role", "Opportunity Contact Role",
            fields_of(sales.OPPORTUNITY_CONTACT_ROLE), undeletable=False,
        ),
        ObjectSpec("Task", "00T", "Task", "Tasks", fields_of(activity.TASK)),
        ObjectSpec("Event", "00U", "Event", "Events", fields_of(activity.EVENT)),
        ObjectSpec("Case", "500", "Case", "Cases", fields_of(sales.CASE)),
        ObjectSpec("Campaign", "701", "Campaign", "Campaigns", fields_of(sales.CAMPAIGN)),
        ObjectSpec("CampaignMember", "00v", "Campaign Member", "Campaign Members", fields_of(sales.CAMPAIGN_MEMBER)),
        ObjectSpec("User", "005", "User", "Users", fields_of(people.USER), undeletable=False, deletable=False),
        ObjectSpec(
            "Organization", "00D", "Organization", "Organizations", fields_of(people.ORGANIZATION), undeletable=False,
            deletable=False, createable=False,
        ),
        ObjectSpec("Individual", "0PK", "Individual", "Individuals", fields_of(consent.INDIVIDUAL)),
        ObjectSpec(
            "ContactPointTypeConsent", "0ZX", "Contact Point Type Consent", "Contact Point Type Consents",
            fields_of(consent.CONTACT_POINT_TYPE_CONSENT),
        ),
        ObjectSpec("EmailMessage", "02s", "Email Message", "Email Messages", fields_of(activity.EMAIL_MESSAGE)),
    )
}  # fmt: skip

BY_PREFIX: dict[str, str] = {spec.prefix: spec.name for spec in OBJECTS.values()}

_LIST_NAMES = {
    ("Account", "Account", "ParentId"): "ChildAccounts",
    ("Contact", "Account", "AccountId"): "Contacts",
    ("Opportunity", "Account", "AccountId"): "Opportunities",
    ("Opportunity", "Contact", "ContactId"): "Opportunities",
    ("Case", "Account", "AccountId"): "Cases",
    ("Case", "Contact", "ContactId"): "Cases",
    ("Case", "Case", "ParentId"): "Cases",
    ("OpportunityContactRole", "Contact", "ContactId"): "OpportunityContactRoles",
    ("OpportunityContactRole", "Opportunity", "OpportunityId"): "OpportunityContactRoles",
    ("CampaignMember", "Contact", "ContactId"): "CampaignMembers",
    ("CampaignMember", "Lead", "LeadId"): "CampaignMembers",
    ("CampaignMember", "Campaign", "CampaignId"): "CampaignMembers",
    ("EmailMessage", "Case", "ParentId"): "EmailMessages",
    ("Opportunity", "Campaign", "CampaignId"): "Opportunities",
    ("ContactPointTypeConsent", "Individual", "PartyId"): "ContactPointTypeConsents",
    ("Contact", "Individual", "IndividualId"): "Contacts",
    ("Lead", "Individual", "IndividualId"): "Leads",
}
_CASCADES = {
    ("Contact", "AccountId"), ("Opportunity", "AccountId"), ("OpportunityContactRole", "ContactId"),
    ("OpportunityContactRole", "OpportunityId"), ("CampaignMember", "ContactId"), ("CampaignMember", "LeadId"),
    ("CampaignMember", "CampaignId"), ("Task", "WhoId"), ("Task", "WhatId"), ("Event", "WhoId"), ("Event", "WhatId"),
    ("EmailMessage", "ParentId"), ("ContactPointTypeConsent", "PartyId"),
}  # fmt: skip
_NOT_FOLLOWED = {"OwnerId", "CreatedById", "LastModifiedById", "MasterRecordId"}


def followed(field: FieldSpec) -> bool:
    """Whether a reference field is one that merges re-parent and child lists run over."""
    return field.type == "reference" and field.name not in _NOT_FOLLOWED


CHILDREN: tuple[Child, ...] = tuple(
    Child(
        parent, spec.name, field.name,
        _LIST_NAMES.get(
            (spec.name, parent, field.name), spec.plural if field.name in ("WhoId", "WhatId") else None
        ),
        (spec.name, field.name) in _CASCADES,
    )
    for spec in OBJECTS.values()
    for field in spec.fields.values()
    if followed(field)
    for parent in field.refers
)  # fmt: skip


def children_of(parent: str) -> list[Child]:
    return [child for child in CHILDREN if child.parent == parent]
