"""Outbound messages: hints from our organisation, and nothing from anybody else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web

from zgoda.connectors.salesforce import CONNECTOR
from zgoda.connectors.salesforce.outbound import ACKNOWLEDGEMENT
from zgoda.kit.spec import Delivery, Forged, Hint

from .conftest import Desk

ORGANIZATION = "00D8d0000000001EAA"
SETTINGS = {"organization_id": ORGANIZATION}
CONTACT = "0038d0000000001AAA"


def message(organization: str = ORGANIZATION, kind: str = "sf:Contact", id: str = CONTACT, head: str = "") -> bytes:
    return f"""<?xml version="1.0" encoding="UTF-8"?>{head}
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"
  xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>
<notifications xmlns="http://soap.sforce.com/2005/09/outbound">
 <OrganizationId>{organization}</OrganizationId><ActionId>04k8d0000000001AAA</ActionId>
 <SessionId xsi:nil="true"/><EnterpriseUrl>https://example.org</EnterpriseUrl><PartnerUrl>https://example.org</PartnerUrl>
 <Notification><Id>04l8d0000000001AAA</Id>
  <sObject xsi:type="{kind}" xmlns:sf="urn:sobject.enterprise.soap.sforce.com"><sf:Id>{id}</sf:Id>
  <sf:LastName>&lt;sf:Id&gt;Łoś</sf:LastName></sObject></Notification>
</notifications></soapenv:Body></soapenv:Envelope>""".encode()


def receive(body: bytes, settings: Any = SETTINGS, method: str = "POST") -> list[Hint]:
    assert CONNECTOR.receive is not None
    return CONNECTOR.receive(settings, Delivery(method=method, headers={}, query={}, body=body))


def test_a_message_names_records():
    assert receive(message()) == [Hint(stream="contacts", id=CONTACT)]
    assert receive(message(kind="sf:Task", id="00T8d0000000001EAA")) == [
        Hint(stream="tasks", id="00T8d0000000001EAA"),
        Hint(stream="activities", id="00T8d0000000001EAA"),
    ]
    assert receive(message(kind="sf:Invoice__c")) == []
    assert receive(message(id="' OR 1=1 --")) == []
    assert receive(message(), {"organization_id": ORGANIZATION[:15]}) == [Hint(stream="contacts", id=CONTACT)]


ENTITIES = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    "body",
    [
        message(organization="00D000000000666AAA"),
        message(organization=f"{ORGANIZATION}</OrganizationId><OrganizationId>00D000000000666AAA"),
        message(head="<!DOCTYPE x>"),
        message(head=ENTITIES),
        message(head='<!DOCTYPE x SYSTEM "file:///etc/passwd">'),
        message()[:-30],
        b"",
        b"{}",
        b"\xff\xfe\x00",
        b"<a>" * 5000,
        b"<notifications/>",
        b'<?xml version="1.0" encoding="no-such"?><a/>',
        b" " * (9 * 1024 * 1024),
    ],
)
def test_what_is_no_message_of_ours_is_forged(body: bytes):
    with pytest.raises(Forged):
        receive(body)


@pytest.mark.parametrize("settings", [{}, {"organization_id": ""}, {"organization_id": "x"}])
def test_without_an_organisation_nothing_is_believed(settings: dict[str, str]):
    with pytest.raises(Forged):
        receive(message(), settings)


def test_a_message_is_posted():
    with pytest.raises(Forged):
        receive(message(), method="GET")


async def test_a_message_of_the_vendor_is_understood_and_acknowledged(desk: Desk):
    """The twin sends a real message over HTTP and stops once it is acknowledged."""
    bodies: list[bytes] = []
    came = asyncio.Event()

    async def take(request: web.Request) -> web.Response:
        bodies.append(await request.read())
        came.set()
        return web.Response(body=ACKNOWLEDGEMENT, content_type="text/xml")

    app = web.Application()
    app.router.add_post("/hook", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        desk.twin.edit("outbound_message", object="Contact", url=f"http://127.0.0.1:{port}/hook")
        made = desk.twin.edit("create", object="Contact", values={"LastName": "Łoś & syn"})["id"]
        await desk.twin.hooks_settled()
        await asyncio.wait_for(came.wait(), 10)
        assert receive(bodies[0], {"organization_id": desk.twin.connection()["organization_id"]}) == [
            Hint(stream="contacts", id=made)
        ]
        desk.clock.advance(3600)
        await desk.twin.hooks_settled()
        assert len(bodies) == 1
    finally:
        await runner.cleanup()
