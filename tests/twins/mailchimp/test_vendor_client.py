"""An outside witness: the vendor's own Python client, pointed at the twin by its host attribute."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import mailchimp_marketing
import pytest
from mailchimp_marketing.api_client import ApiClientError

from tests.twins.client import Client
from zgoda.twins import MailchimpTwin
from zgoda.twins.mailchimp.member import hash_of


async def _with_client(twin: MailchimpTwin, work: Callable[[Any], Any], **settings: str) -> Any:
    """Run blocking client code beside the twin's event loop."""

    def run() -> Any:
        client = mailchimp_marketing.Client(settings or {"api_key": twin.api_key})
        client.api_client.host = f"{twin.base_url}/3.0"
        return work(client)

    return await asyncio.to_thread(run)


async def test_members_in_all_their_calls(mc: MailchimpTwin) -> None:
    list_id, email = mc.list_id, "ewa@b.example"
    hash = hash_of(email)

    def work(client: Any) -> None:
        lists = client.lists
        assert client.ping.get() == {"health_status": "Everything's Chimpy!"}
        assert client.root.get_root()["account_name"] == "Twin"
        added = lists.add_list_member(list_id, {"email_address": email, "status": "subscribed", "tags": ["a"]})
        assert added["id"] == hash
        body = {"email_address": email, "status_if_new": "subscribed", "merge_fields": {"FNAME": "Ewa"}}
        assert lists.set_list_member(list_id, hash, body)["full_name"] == "Ewa"
        assert lists.update_list_member(list_id, hash, {"merge_fields": {"LNAME": "N"}})["full_name"] == "Ewa N"
        assert lists.get_list_member(list_id, hash, fields=["id", "status"]) == {"id": hash, "status": "subscribed"}
        assert lists.get_list_members_info(list_id, count=5, status="subscribed")["total_items"] == 1
        lists.update_list_member_tags(list_id, hash, {"tags": [{"name": "b", "status": "active"}]})
        assert [t["name"] for t in lists.get_list_member_tags(list_id, hash)["tags"]] == ["a", "b"]
        note = lists.create_list_member_note(list_id, hash, {"note": "hello"})
        assert lists.get_list_member_note(list_id, hash, note["id"])["note"] == "hello"
        lists.create_list_member_event(list_id, hash, {"name": "visited"})
        assert lists.get_list_member_events(list_id, hash)["total_items"] == 1
        assert lists.get_list_member_activity_feed(list_id, hash)["total_items"] == 3
        done = lists.batch_list_members(
            list_id, {"members": [{"email_address": "x@b.example", "status": "subscribed"}]}
        )
        assert done["total_created"] == 1
        assert client.searchMembers.search("ewa@b.example")["exact_matches"]["total_items"] == 1
        assert lists.delete_list_member(list_id, hash).status_code == 204
        assert lists.delete_list_member_permanent(list_id, hash).status_code == 204
        with pytest.raises(ApiClientError) as refused:
            lists.add_list_member(list_id, {"email_address": email, "status": "subscribed"})
        assert refused.value.status_code == 400
        assert "Forgotten Email Not Subscribed" in str(refused.value.text)

    await _with_client(mc, work)


async def test_lists_fields_groups_and_segments(mc: MailchimpTwin) -> None:
    list_id = mc.list_id

    def work(client: Any) -> None:
        lists = client.lists
        assert lists.get_all_lists()["total_items"] == 1
        made = lists.add_list_merge_field(list_id, {"name": "Size", "type": "number"})
        assert lists.update_list_merge_field(list_id, made["merge_id"], {"name": "Shoe size"})["name"] == "Shoe size"
        assert lists.get_list_merge_fields(list_id, count=50)["total_items"] == 13
        category = lists.get_list_interest_categories(list_id)["categories"][0]["id"]
        made = lists.create_interest_category_interest(list_id, category, {"name": "Shoes"})
        assert lists.list_interest_category_interests(list_id, category)["total_items"] == 6
        assert lists.delete_interest_category_interest(list_id, category, made["id"]).status_code == 204
        segment = lists.create_segment(list_id, {"name": "few", "static_segment": []})
        assert lists.get_segment(list_id, segment["id"])["member_count"] == 0
        assert lists.list_segments(list_id)["total_items"] == 1
        assert lists.get_list_webhooks(list_id)["total_items"] == 0

    await _with_client(mc, work)


async def test_campaigns_reports_and_batches(mc: MailchimpTwin) -> None:
    mc.edit("create", values={"email_address": "a@b.example"})

    def work(client: Any) -> None:
        settings = {"subject_line": "s", "from_name": "f", "reply_to": "r@b.example", "title": "t"}
        campaign = client.campaigns.create(
            {"type": "regular", "recipients": {"list_id": mc.list_id}, "settings": settings}
        )
        client.campaigns.set_content(campaign["id"], {"html": "x"})
        assert client.campaigns.get_send_checklist(campaign["id"])["is_ready"]
        client.campaigns.send(campaign["id"])
        assert client.campaigns.get(campaign["id"])["status"] == "sent"
        assert client.reports.get_campaign_report(campaign["id"])["emails_sent"] == 1
        assert client.reports.get_email_activity_for_campaign(campaign["id"])["total_items"] == 1
        assert client.reports.get_campaign_recipients(campaign["id"])["total_items"] == 1
        assert client.reports.get_unsubscribed_list_for_campaign(campaign["id"])["total_items"] == 0
        assert client.reports.get_campaign_click_details(campaign["id"])["total_items"] == 0
        batch = client.batches.start({"operations": [{"method": "GET", "path": "/ping"}]})
        assert client.batches.status(batch["id"])["total_operations"] == 1

    await _with_client(mc, work)


async def test_keys_tokens_and_who_has_neither(mc: MailchimpTwin) -> None:
    connection = mc.connection()
    form = {"grant_type": "authorization_code", **{k: connection[k] for k in ("client_id", "client_secret", "code")}}
    async with Client(mc.base_url) as anybody:
        assert (await anybody("POST", "/oauth2/token", data={**form, "code": "x"})).json["error"] == "invalid_grant"
        granted = (await anybody("POST", "/oauth2/token", data=form)).json
        assert granted["expires_in"] == 0
        headers = {"Authorization": f"OAuth {granted['access_token']}"}
        metadata = (await anybody("GET", "/oauth2/metadata", headers=headers)).json
        assert metadata["api_endpoint"] == mc.base_url
        assert (await anybody("GET", "/oauth2/metadata")).status == 401
        assert (await anybody("GET", "/3.0/ping")).json["title"] == "API Key Invalid"
    await _with_client(mc, lambda client: client.ping.get(), access_token=granted["access_token"], server="us1")

    def refused(client: Any) -> None:
        with pytest.raises(ApiClientError) as error:
            client.ping.get()
        assert error.value.status_code == 401

    await _with_client(mc, refused, api_key="wrong-us1")
