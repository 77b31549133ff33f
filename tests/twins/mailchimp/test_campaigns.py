"""Campaigns from draft to report."""

from __future__ import annotations

import pytest

from tests.twins.client import Client
from zgoda.model.clock import FakeClock
from zgoda.twins import MailchimpTwin
from zgoda.twins.vendor import EditRefused

READY = {"subject_line": "Spring", "from_name": "Twin", "reply_to": "news@twin.example", "title": "Spring news"}


@pytest.fixture
async def three(mc: MailchimpTwin) -> MailchimpTwin:
    for name in "abc":
        mc.edit("create", values={"email_address": f"{name}@b.example", "merge_fields": {"FNAME": name}})
    mc.edit("unsubscribe", email="c@b.example")
    return mc


async def test_a_campaign_is_written_checked_and_sent(three: MailchimpTwin, mc_api: Client, clock: FakeClock) -> None:
    body = {"type": "regular", "recipients": {"list_id": three.list_id}, "settings": {"subject_line": "Spring"}}
    campaign = (await mc_api("POST", "/campaigns", body)).json
    url = f"/campaigns/{campaign['id']}"
    assert (campaign["status"], campaign["recipients"]["recipient_count"]) == ("save", 2)
    assert (await mc_api("POST", f"{url}/actions/send")).status == 400
    assert (await mc_api("GET", f"{url}/send-checklist")).json["is_ready"] is False
    await mc_api("PATCH", url, {"settings": READY})
    assert (await mc_api("PUT", f"{url}/content", {"html": "<p>Hi</p>"})).json["html"] == "<p>Hi</p>"
    assert (await mc_api("GET", f"{url}/send-checklist")).json["is_ready"] is True
    clock.advance(60)
    assert (await mc_api("POST", f"{url}/actions/send")).status == 204
    sent = (await mc_api("GET", url)).json
    assert (sent["status"], sent["emails_sent"], sent["send_time"]) == ("sent", 2, "2026-03-01T12:01:00+00:00")
    assert (await mc_api("PATCH", url, {"settings": {}})).status == 400
    assert (await mc_api("POST", f"{url}/actions/send")).status == 400
    copy = (await mc_api("POST", f"{url}/actions/replicate")).json
    assert copy["status"] == "save"
    assert [c["id"] for c in (await mc_api("GET", "/campaigns", query={"status": "sent"})).json["campaigns"]] == [
        campaign["id"]
    ]


async def test_a_scheduled_campaign_goes_out_when_its_time_has_come(
    three: MailchimpTwin, mc_api: Client, clock: FakeClock
) -> None:
    body = {"type": "regular", "recipients": {"list_id": three.list_id}, "settings": READY}
    campaign = (await mc_api("POST", "/campaigns", body)).json
    url = f"/campaigns/{campaign['id']}"
    await mc_api("PUT", f"{url}/content", {"html": "x"})
    assert (await mc_api("POST", f"{url}/actions/schedule", {"schedule_time": "2026-03-01T13:00:00Z"})).status == 204
    assert (await mc_api("GET", url)).json["status"] == "schedule"
    clock.advance(3600)
    assert (await mc_api("GET", url)).json["status"] == "sent"


async def test_reports_tell_what_each_recipient_did(three: MailchimpTwin, mc_api: Client, clock: FakeClock) -> None:
    """C2's first step: opened, clicked."""
    campaign = three.edit("send_campaign", title="Spring news", subject="Spring")["id"]
    for email, action, more in (
        ("a@b.example", "open", {}),
        ("a@b.example", "click", {"url": "https://shop.example/x"}),
        ("b@b.example", "bounce", {"type": "hard"}),
        ("a@b.example", "unsubscribe", {"reason": "Too many"}),
    ):
        clock.advance(60)
        three.edit("campaign_activity", campaign=campaign, email=email, action=action, **more)
    url = f"/reports/{campaign}"
    report = (await mc_api("GET", url)).json
    assert (report["emails_sent"], report["unsubscribed"], report["bounces"]["hard_bounces"]) == (2, 1, 1)
    assert (report["opens"]["unique_opens"], report["clicks"]["clicks_total"]) == (1, 1)
    rows = {r["email_address"]: r for r in (await mc_api("GET", f"{url}/email-activity")).json["emails"]}
    assert [a["action"] for a in rows["a@b.example"]["activity"]] == ["open", "click"]
    assert rows["a@b.example"]["activity"][1]["url"] == "https://shop.example/x"
    late = (await mc_api("GET", f"{url}/email-activity", query={"since": "2026-03-01T12:02:30+00:00"})).json
    assert [r["email_address"] for r in late["emails"]] == ["b@b.example"]
    sent_to = {r["email_address"]: r["status"] for r in (await mc_api("GET", f"{url}/sent-to")).json["sent_to"]}
    assert sent_to == {"a@b.example": "sent", "b@b.example": "hard"}
    left = (await mc_api("GET", f"{url}/unsubscribed")).json["unsubscribes"]
    assert [(r["email_address"], r["reason"]) for r in left] == [("a@b.example", "Too many")]
    link = (await mc_api("GET", f"{url}/click-details")).json["urls_clicked"][0]
    assert (link["url"], link["total_clicks"]) == ("https://shop.example/x", 1)
    clickers = (await mc_api("GET", f"{url}/click-details/{link['id']}/members")).json["members"]
    assert [c["email_address"] for c in clickers] == ["a@b.example"]
    assert (await mc_api("GET", f"{url}/open-details")).json["total_opens"] == 1
    members = {m["email_address"]: m["status"] for m in three.records("members")}
    assert members == {"a@b.example": "unsubscribed", "b@b.example": "cleaned", "c@b.example": "unsubscribed"}
    feed = (await mc_api("GET", f"/lists/{three.list_id}/members/a@b.example/activity-feed")).json["activity"]
    assert [item["activity_type"] for item in feed][:4] == ["unsub", "click", "open", "sent"]
    assert feed[1]["campaign_title"] == "Spring news"
    with pytest.raises(EditRefused):
        three.edit("campaign_activity", campaign=campaign, email="c@b.example", action="open")


async def test_a_campaign_can_go_to_a_tag_only(three: MailchimpTwin, mc_api: Client) -> None:
    three.edit("tag", email="a@b.example", name="vip")
    segment = (await mc_api("GET", f"/lists/{three.list_id}/tag-search", query={"name": "vip"})).json["tags"][0]["id"]
    assert three.edit("send_campaign", segment=segment)["emails_sent"] == 1
    draft = {"type": "regular", "recipients": {"list_id": three.list_id, "segment_opts": {"saved_segment_id": segment}}}
    assert (await mc_api("POST", "/campaigns", draft)).json["recipients"]["recipient_count"] == 1
    assert (await mc_api("GET", "/reports/nope")).status == 404
