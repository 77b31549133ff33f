"""List webhooks: checked when made, sent for the events and sources asked for, tried again for a while."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

import pytest
from aiohttp import web

from tests.twins.client import Client
from zgoda.model.clock import FakeClock, SystemClock
from zgoda.twins import MailchimpTwin
from zgoda.twins.mailchimp.member import unique_id_of


@dataclass
class Receiver:
    url: str = ""
    status: int = 200
    posts: list[dict[str, str]] = field(default_factory=list)
    gets: int = 0

    async def take(self, request: web.Request) -> web.Response:
        if request.method == "GET":
            self.gets += 1
        else:
            assert request.content_type == "application/x-www-form-urlencoded"
            self.posts.append(dict(parse_qsl((await request.read()).decode(), keep_blank_values=True)))
        return web.Response(status=self.status)

    def types(self) -> list[str]:
        return [post["type"] for post in self.posts]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    taken = Receiver()
    app = web.Application()
    app.router.add_route("*", "/hook", taken.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    taken.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook?secret=1"
    yield taken
    await runner.cleanup()


async def _subscribe(api: Client, twin: MailchimpTwin, receiver: Receiver, **more: dict[str, bool]) -> str:
    answer = await api("POST", f"/lists/{twin.list_id}/webhooks", {"url": receiver.url, **more})
    assert answer.status == 200, answer.body
    return answer.json["id"]


async def test_the_address_is_checked_by_a_get(mc: MailchimpTwin, mc_api: Client, receiver: Receiver) -> None:
    url = f"/lists/{mc.list_id}/webhooks"
    receiver.status = 404
    assert (await mc_api("POST", url, {"url": receiver.url})).status == 400
    assert (await mc_api("POST", url, {"url": "http://127.0.0.1:9/x"})).status == 400
    assert (await mc_api("POST", url, {"url": "not a url"})).status == 400
    receiver.status = 200
    id = await _subscribe(mc_api, mc, receiver)
    assert receiver.gets == 2
    assert (await mc_api("POST", url, {"url": receiver.url})).status == 400
    assert (await mc_api("GET", url)).json["total_items"] == 1
    assert (await mc_api("PATCH", f"{url}/{id}", {"sources": {"api": False}})).json["sources"]["api"] is False
    assert (await mc_api("DELETE", f"{url}/{id}")).status == 204


async def test_events_have_the_vendor_s_form(mc: MailchimpTwin, mc_api: Client, receiver: Receiver) -> None:
    await _subscribe(mc_api, mc, receiver)
    mc.edit("signup", email="Ewa@b.example", values={"merge_fields": {"FNAME": "Ewa"}})
    mc.edit("update", email="ewa@b.example", by="user", values={"merge_fields": {"FNAME": "Eva"}})
    mc.edit("update", email="ewa@b.example", by="user", values={"email_address": "eva@b.example"})
    mc.edit("unsubscribe", email="eva@b.example")
    mc.edit("clean", email="eva@b.example")
    mc.edit("archive", email="eva@b.example")
    mc.edit("send_campaign")
    await mc.hooks_settled()
    assert receiver.types() == ["subscribe", "profile", "upemail", "unsubscribe", "cleaned", "unsubscribe", "campaign"]
    first, _, moved, left, cleaned, archived, _ = receiver.posts
    assert first["fired_at"] == "2026-03-01 12:00:00"
    assert first["data[id]"] == unique_id_of("ewa@b.example")
    assert first["data[list_id]"] == mc.list_id
    assert (first["data[email]"], first["data[merges][FNAME]"]) == ("Ewa@b.example", "Ewa")
    assert (moved["data[old_email]"], moved["data[new_email]"]) == ("Ewa@b.example", "eva@b.example")
    assert moved["data[new_id]"] == unique_id_of("eva@b.example")
    assert (left["data[action]"], archived["data[action]"]) == ("unsub", "delete")
    assert cleaned["data[reason]"] == "hard"


async def test_the_api_s_own_changes_can_be_left_out(mc: MailchimpTwin, mc_api: Client, receiver: Receiver) -> None:
    """T-01: the vendor's guard against echoes."""
    await _subscribe(mc_api, mc, receiver, sources={"user": True, "admin": True, "api": False})
    body = {"email_address": "a@b.example", "status": "subscribed"}
    await mc_api("POST", f"/lists/{mc.list_id}/members", body)
    mc.edit("unsubscribe", email="a@b.example")
    await mc.hooks_settled()
    assert receiver.types() == ["unsubscribe"]


async def test_only_events_asked_for_are_sent(mc: MailchimpTwin, mc_api: Client, receiver: Receiver) -> None:
    await _subscribe(mc_api, mc, receiver, events={"unsubscribe": True})
    mc.edit("signup", email="a@b.example")
    mc.edit("unsubscribe", email="a@b.example")
    await mc.hooks_settled()
    assert receiver.types() == ["unsubscribe"]


async def test_a_failed_delivery_is_tried_again_for_about_75_minutes(
    mc: MailchimpTwin, mc_api: Client, receiver: Receiver, clock: FakeClock
) -> None:
    await _subscribe(mc_api, mc, receiver)
    receiver.status = 500
    mc.edit("signup", email="a@b.example")
    await mc.hooks_settled()
    for gap in (300, 900, 1200, 2100, 9000):
        await SystemClock().sleep(0)
        clock.advance(gap)
        await SystemClock().sleep(0)
        await mc.hooks_settled()
    assert receiver.types() == ["subscribe"] * 5


async def test_lost_doubled_and_strange_webhooks(mc: MailchimpTwin, mc_api: Client, receiver: Receiver) -> None:
    """T-13, F-36."""
    await _subscribe(mc_api, mc, receiver)
    mc.arm("hook_lost", probability=0.5)
    for n in range(40):
        mc.edit("signup", email=f"m{n}@b.example")
    await mc.hooks_settled()
    assert 5 < len(receiver.posts) < 35
    mc.clear_faults()
    receiver.posts.clear()
    mc.arm("hook_duplicate", times=1, copies=2)
    mc.arm("hook_unknown_id", times=1)
    mc.edit("signup", email="x@b.example")
    mc.edit("signup", email="y@b.example")
    await mc.hooks_settled()
    assert [post["data[email]"] for post in receiver.posts] == ["x@b.example", "x@b.example", "nobody@nowhere.example"]
