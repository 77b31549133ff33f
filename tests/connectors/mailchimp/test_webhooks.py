"""Webhooks: real deliveries of the twin, secrets, and forms that are not what they should be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlencode

import pytest
from aiohttp import web

from zgoda.connectors.mailchimp import CONNECTOR
from zgoda.connectors.mailchimp.exchange import hash_of
from zgoda.kit.errors import NeedsAttention
from zgoda.kit.spec import Delivery, Forged, Hint

from .conftest import Desk, Opener

SECRET = "wh-" + "s" * 30
SETTINGS = {"audience": "a1b2c3d4e5", "webhook_secret": SECRET}


class Door:
    """A web server that keeps what is posted to it and answers GET as the product's own does."""

    def __init__(self) -> None:
        self.url = ""
        self.deliveries: list[Delivery] = []

    async def get(self, request: web.Request) -> web.Response:
        return web.Response()

    async def post(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = await request.read()
        self.deliveries.append(Delivery(method="POST", headers=headers, query=dict(request.query), body=body))
        return web.Response()


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    door = Door()
    app = web.Application()
    app.router.add_post("/hooks/news", door.post)
    app.router.add_get("/hooks/news", door.get)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server = site._server  # pyright: ignore[reportPrivateUsage]
    door.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hooks/news"  # pyright: ignore
    yield door
    await runner.cleanup()


def hints(desk: Desk, door: Door) -> list[Hint]:
    assert CONNECTOR.receive is not None
    found = [hint for delivery in door.deliveries for hint in CONNECTOR.receive(desk.session.settings, delivery)]
    door.deliveries.clear()
    return found


async def test_what_people_do_is_hinted_and_what_we_do_is_not(desk: Desk, door: Door):
    assert CONNECTOR.subscribe is not None
    await CONNECTOR.subscribe(desk.session, door.url)
    desk.twin.edit("signup", email="Ann@x.example")
    await desk.twin.hooks_settled()
    found = hints(desk, door)
    assert found
    assert set(found) == {Hint(stream="members", id=hash_of("ann@x.example"))}
    page = await desk.read_ids("members", found[0].id)
    ann = page.rows[0]["contact_id"]

    desk.twin.edit("update", email="ann@x.example", values={"email_address": "eve@x.example"})
    await desk.twin.hooks_settled()
    ids = {hint.id for hint in hints(desk, door)}
    assert hash_of("eve@x.example") in ids
    assert [row["contact_id"] for row in (await desk.read_ids("members", *ids)).rows] == [ann]

    desk.twin.edit("unsubscribe", email="eve@x.example")
    await desk.twin.hooks_settled()
    assert {hint.id for hint in hints(desk, door)} == {hash_of("eve@x.example")}

    await desk.create("members", email_address="ours@x.example")
    await desk.twin.hooks_settled()
    assert hints(desk, door) == []


async def test_a_second_registration_changes_the_first(desk: Desk, opener: Opener, door: Door):
    assert CONNECTOR.subscribe is not None
    await CONNECTOR.subscribe(desk.session, door.url)
    newer = await opener(webhook_secret="another")
    await CONNECTOR.subscribe(newer.session, door.url)
    desk.twin.edit("signup", email="ann@x.example")
    await desk.twin.hooks_settled()
    assert len(door.deliveries) >= 1
    assert {delivery.query["secret"] for delivery in door.deliveries} == {"another"}
    assert hints(newer, door)


async def test_no_registration_without_a_secret(opener: Opener):
    desk = await opener(webhook_secret="")
    assert CONNECTOR.subscribe is not None
    with pytest.raises(NeedsAttention):
        await CONNECTOR.subscribe(desk.session, "http://127.0.0.1:9/hooks/news")


def delivery(fields: dict[str, str] | bytes, secret: str = SECRET) -> Delivery:
    body = fields if isinstance(fields, bytes) else urlencode(fields).encode()
    return Delivery(method="POST", headers={}, query={"secret": secret}, body=body)


def receive(fields: dict[str, str] | bytes, secret: str = SECRET) -> list[Hint]:
    assert CONNECTOR.receive is not None
    return CONNECTOR.receive(SETTINGS, delivery(fields, secret))


@pytest.mark.parametrize("secret", ["", "wrong", SECRET[:-1], SECRET + "x", "żółć"])
def test_a_wrong_secret_is_forged(secret: str):
    with pytest.raises(Forged):
        receive({"type": "profile", "data[list_id]": SETTINGS["audience"], "data[email]": "a@b.example"}, secret)


def test_without_a_set_secret_everything_is_forged():
    assert CONNECTOR.receive is not None
    with pytest.raises(Forged):
        CONNECTOR.receive({"audience": "a"}, delivery({}, ""))


@pytest.mark.parametrize("body", [b"\xff\xfe", b"&".join(b"a%d=1" % n for n in range(600))])
def test_what_is_no_form_is_forged(body: bytes):
    with pytest.raises(Forged):
        receive(body)


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"type": "profile", "data[email]": "A@B.example"}, [Hint(stream="members", id=hash_of("a@b.example"))]),
        ({"type": "cleaned", "data[email]": "a@b.example"}, [Hint(stream="members", id=hash_of("a@b.example"))]),
        ({"type": "upemail", "data[new_email]": "c@d.example"}, [Hint(stream="members", id=hash_of("c@d.example"))]),
        ({"type": "campaign", "data[id]": "42694e9e57"}, [Hint(stream="campaigns", id="42694e9e57")]),
        ({"type": "campaign"}, []),
        ({"type": "profile"}, []),
        ({"type": "something new", "data[email]": "a@b.example"}, []),
        ({"type": "profile", "data[email]": "a@b.example", "data[list_id]": "other"}, []),
    ],
)
def test_hints(fields: dict[str, str], found: list[Hint]):
    assert receive({"data[list_id]": str(SETTINGS["audience"]), **fields}) == found
