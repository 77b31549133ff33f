"""Outbound messages: who gets them, what is in them, and every way they go wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from xml.etree import ElementTree

import pytest
from aiohttp import web

from tests.twins.client import Client
from zgoda.model.clock import FakeClock, SystemClock
from zgoda.twins import SalesforceTwin

NS = {
    "env": "http://schemas.xmlsoap.org/soap/envelope/",
    "out": "http://soap.sforce.com/2005/09/outbound",
    "sf": "urn:sobject.enterprise.soap.sforce.com",
}
ACK = (
    b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>'
    b'<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack></notificationsResponse>'
    b"</e:Body></e:Envelope>"
)


@dataclass
class Receiver:
    """Takes messages and acknowledges them while `willing`."""

    url: str = ""
    willing: bool = True
    bodies: list[ElementTree.Element] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.bodies.append(ElementTree.fromstring(await request.read()))
        return web.Response(body=ACK if self.willing else b"<nothing/>", content_type="text/xml")

    def names(self) -> list[str]:
        """Last names in all messages, in the order they came."""
        return [node.text or "" for body in self.bodies for node in body.iterfind(".//sf:LastName", NS)]


@pytest.fixture
async def receiver(sf: SalesforceTwin) -> AsyncIterator[Receiver]:
    taken = Receiver()
    app = web.Application()
    app.router.add_post("/in", taken.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    taken.url = f"http://127.0.0.1:{runner.addresses[0][1]}/in"
    sf.edit(
        "outbound_message",
        object="Contact",
        url=taken.url,
        fields=["LastName", "Email", "HasOptedOutOfEmail", "SystemModstamp"],
    )
    yield taken
    await runner.cleanup()


def _add(twin: SalesforceTwin, *names: str) -> list[str]:
    return [twin.edit("create", object="Contact", values={"LastName": name})["id"] for name in names]


async def test_a_message_has_the_vendor_s_form(sf: SalesforceTwin, receiver: Receiver) -> None:
    id = sf.edit("create", object="Contact", values={"LastName": "Żak & Co", "HasOptedOutOfEmail": True})["id"]
    await sf.hooks_settled()
    message = receiver.bodies[0].find(".//out:notifications", NS)
    assert message is not None
    assert [child.tag.split("}")[1] for child in message] == [
        "OrganizationId", "ActionId", "SessionId", "EnterpriseUrl", "PartnerUrl", "Notification",
    ]  # fmt: skip
    assert message.findtext("out:OrganizationId", "", NS) == sf.connection()["organization_id"]
    record = message.find("out:Notification/out:sObject", NS)
    assert record is not None
    values = {child.tag.split("}")[1]: child.text for child in record}
    assert values == {
        "Id": id, "LastName": "Żak & Co", "HasOptedOutOfEmail": "true", "SystemModstamp": "2026-03-01T12:00:00.000Z",
    }  # fmt: skip


async def test_api_writes_are_announced_too_up_to_a_hundred_at_once_but_no_deletes(
    sf: SalesforceTwin, sf_api: Client, receiver: Receiver
) -> None:
    """T-01: the hub's own writes come back as messages."""
    records = [{"attributes": {"type": "Contact"}, "LastName": f"P{n}"} for n in range(150)]
    created = await sf_api("POST", "/composite/sobjects", {"records": records})
    await sf.hooks_settled()
    assert [len(body.findall(".//out:Notification", NS)) for body in receiver.bodies] == [100, 50]
    await sf_api("DELETE", f"/sobjects/Contact/{created.json[0]['id']}")
    sf.edit("create", object="Account", values={"Name": "Acme"})
    await sf.hooks_settled()
    assert len(receiver.bodies) == 2


async def test_without_acknowledgement_a_message_comes_again(
    sf: SalesforceTwin, receiver: Receiver, clock: FakeClock
) -> None:
    receiver.willing = False
    _add(sf, "x")
    await sf.hooks_settled()
    for gap in (60, 120):
        await SystemClock().sleep(0)
        clock.advance(gap)
        await SystemClock().sleep(0)
        await sf.hooks_settled()
    assert receiver.names() == ["x", "x", "x"]
    ids = {node.text for body in receiver.bodies for node in body.iterfind(".//out:Notification/out:Id", NS)}
    assert len(ids) == 1
    receiver.willing = True
    await SystemClock().sleep(0)
    clock.advance(240)
    await SystemClock().sleep(0)
    await sf.hooks_settled()
    assert [d.acknowledged for d in sf.around.hooks.deliveries] == [False, False, False, True]


async def test_rolled_back_changes_are_not_announced_as_they_were_not_made(
    sf: SalesforceTwin, sf_api: Client, receiver: Receiver
) -> None:
    records = [{"attributes": {"type": "Contact"}, "LastName": "x"}, {"attributes": {"type": "Contact"}}]
    await sf_api("POST", "/composite/sobjects", {"allOrNone": True, "records": records})
    await sf.hooks_settled()
    assert receiver.bodies == []


async def test_hook_faults(sf: SalesforceTwin, receiver: Receiver, clock: FakeClock) -> None:
    """F-36: lost, doubled, in reverse order, late, as a storm, about strangers."""
    sf.arm("hook_lost", times=1)
    _add(sf, "lost", "a")
    await sf.hooks_settled()
    assert receiver.names() == ["a"]
    sf.arm("hook_duplicate", times=1, copies=3)
    _add(sf, "b")
    await sf.hooks_settled()
    assert receiver.names()[1:] == ["b", "b", "b"]
    sf.arm("hook_reordered", times=3, window=3)
    _add(sf, "c", "d", "e")
    await sf.hooks_settled()
    assert receiver.names()[4:] == ["e", "d", "c"]
    sf.arm("hook_delayed", times=1, seconds=300)
    _add(sf, "late", "f")
    await sf.hooks_settled()
    assert receiver.names()[7:] == ["f"]
    clock.advance(300)
    await SystemClock().sleep(0.01)
    await sf.hooks_settled()
    assert receiver.names()[8:] == ["late"]
    sf.arm("hook_storm", times=1)
    _add(sf, "s")
    await sf.hooks_settled()
    assert receiver.names()[9:] == ["s"] * 10
    sf.arm("hook_unknown_id", times=1)
    id = _add(sf, "stranger")[0]
    await sf.hooks_settled()
    told = receiver.bodies[-1].findtext(".//sf:Id", "", NS)
    assert told.startswith("003")
    assert told != id
    assert sf.records("Contact", where={"Id": told}) == []


async def test_held_messages_are_sent_when_the_faults_are_cleared(sf: SalesforceTwin, receiver: Receiver) -> None:
    sf.arm("hook_reordered", window=10)
    _add(sf, "a", "b")
    sf.clear_faults()
    await sf.hooks_settled()
    assert receiver.names() == ["b", "a"]


async def test_a_dead_address_does_no_harm(sf: SalesforceTwin) -> None:
    sf.edit("outbound_message", object="Contact", url="http://127.0.0.1:9/none")
    _add(sf, "x")
    await sf.hooks_settled()
    assert [d.status for d in sf.around.hooks.deliveries] == [0]


async def test_the_id_comes_once_also_when_it_is_chosen(sf: SalesforceTwin, receiver: Receiver) -> None:
    sf.edit("outbound_message", object="Account", url=receiver.url, fields=["Id", "Name", "Nonsense", "id"])
    id = sf.edit("create", object="Account", values={"Name": "Acme"})["id"]
    await sf.hooks_settled()
    record = receiver.bodies[0].find(".//out:sObject", NS)
    assert record is not None
    assert [(child.tag.split("}")[1], child.text) for child in record] == [("Id", id), ("Name", "Acme")]
