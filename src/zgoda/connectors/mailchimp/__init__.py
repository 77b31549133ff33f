"""Mailchimp Marketing: an audience's members as people, tags as lists, campaigns, and what people did with them."""

from __future__ import annotations

from zgoda.connectors.mailchimp import (
    account,
    activity,
    campaigns,
    mapping,
    member_writes,
    members,
    schema,
    tags,
    webhooks,
)
from zgoda.kit.convert import Dialect
from zgoda.kit.spec import Connector, Stream

MEMBERS = Stream(
    name="members",
    entity="person",
    mapping=mapping.MEMBER,
    id="contact_id",
    modified="last_changed",
    title="Audience members",
    can=frozenset({"create", "update", "delete"}),
    batch=500,
    batch_ids=50,
    read_all=members.read_all,
    read_changes=members.read_changes,
    read_deletes=members.read_deletes,
    read_ids=members.read_ids,
    write=member_writes.write,
    find=members.find,
    erase=member_writes.erase,
)

TAGS = Stream(
    name="tags",
    entity="list",
    mapping=mapping.TAG,
    title="Tags",
    can=frozenset({"create", "update", "delete"}),
    trusted_stamp=False,
    read_all=tags.read_all,
    read_ids=tags.read_ids,
    write=tags.write,
    find=tags.find,
)

MEMBER_TAGS = Stream(
    name="member_tags",
    entity="membership",
    mapping=mapping.MEMBER_TAG,
    title="Members' tags",
    can=frozenset({"create", "delete"}),
    trusted_stamp=False,
    batch=500,
    batch_ids=50,
    read_all=tags.read_memberships,
    read_changes=tags.read_memberships,
    read_ids=tags.read_membership_ids,
    write=tags.write_memberships,
    find=tags.find_memberships,
)

CAMPAIGNS = Stream(
    name="campaigns",
    entity="campaign",
    mapping=mapping.CAMPAIGN,
    title="Campaigns",
    trusted_stamp=False,
    batch_ids=50,
    read_all=campaigns.read_all,
    read_ids=campaigns.read_ids,
)

ACTIVITY = Stream(
    name="activity",
    entity="interaction",
    mapping=mapping.ACTIVITY,
    modified="occurred_at",
    title="Campaign activity",
    immutable=True,
    read_all=activity.read,
    read_changes=activity.read,
)

CONNECTOR = Connector(
    key="mailchimp",
    title="Mailchimp Marketing",
    role="marketing",
    settings=account.SETTINGS,
    streams=(MEMBERS, TAGS, MEMBER_TAGS, CAMPAIGNS, ACTIVITY),
    open=account.open,
    check=account.check,
    discover=schema.discover,
    limits=account.limits,
    dialect=Dialect(write_blank=""),
    receive=webhooks.receive,
    subscribe=webhooks.subscribe,
)
