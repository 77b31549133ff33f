"""Outbound Messages: SOAP calls by which a workflow tells that records changed.

Salesforce signs nothing. So the organisation id must be the connection's, the address should hold a secret, and what
comes is a hint only. Each call has up to 100 notifications of one kind of object and must be answered with
`ACKNOWLEDGEMENT`, else it comes again for 24 hours (SOAP API guide, "Outbound Messaging").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from xml.parsers import expat

from zgoda.connectors.salesforce.soql import is_id
from zgoda.kit.spec import Delivery, Forged, Hint

OUTBOUND: Final = "http://soap.sforce.com/2005/09/outbound"
OBJECTS: Final = "urn:sobject.enterprise.soap.sforce.com"
TYPE: Final = "http://www.w3.org/2001/XMLSchema-instance type"
LARGEST_BYTES: Final = 8 * 1024 * 1024
DEEPEST: Final = 16

ACKNOWLEDGEMENT: Final = (
    b'<?xml version="1.0" encoding="UTF-8"?>'
    b'<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
    b'<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack></notificationsResponse>'
    b"</soapenv:Body></soapenv:Envelope>"
)

STREAMS: Final = {
    "Account": ("accounts",),
    "Contact": ("contacts",),
    "Lead": ("leads",),
    "Opportunity": ("opportunities",),
    "Campaign": ("campaigns",),
    "CampaignMember": ("campaign_members",),
    "Task": ("tasks", "activities"),
    "Case": ("cases",),
}


def receive(settings: Any, delivery: Delivery) -> list[Hint]:
    """The records a message names. Anything that is not such a message of our organisation is `Forged`."""
    expected = settings.get("organization_id")
    if not isinstance(expected, str) or not is_id(expected):
        raise Forged("outbound messages need the setting organization_id")
    if delivery.method.upper() != "POST" or len(delivery.body) > LARGEST_BYTES:
        raise Forged("not an outbound message")
    message = _Message()
    message.read(delivery.body)
    if [id[:15] for id in message.organizations] != [expected[:15]]:
        raise Forged("a message of another organisation")
    records = dict.fromkeys(message.records)
    return [Hint(stream=stream, id=id) for kind, id in records for stream in STREAMS.get(kind, ())]


class _Message:
    """A reader of the envelope that refuses DOCTYPE, and with it entities, before anything is expanded."""

    def __init__(self) -> None:
        self.organizations: list[str] = []
        self.records: list[tuple[str, str]] = []
        self._path: list[str] = []
        self._text: list[str] = []
        self._kind = ""

    def read(self, body: bytes) -> None:
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartDoctypeDeclHandler = self._refuse
        parser.EntityDeclHandler = self._refuse
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text.append
        try:
            parser.Parse(body, True)
        except (expat.ExpatError, UnicodeError, LookupError, ValueError):
            raise Forged("not a well-formed message") from None

    def _refuse(self, *_: Any) -> None:
        raise Forged("a message with a document type")

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        if len(self._path) >= DEEPEST:
            raise Forged("a message with too many levels")
        self._path.append(name)
        self._text.clear()
        if name == f"{OUTBOUND} sObject":
            self._kind = attributes.get(TYPE, "").rpartition(":")[2]

    def _end(self, name: str) -> None:
        text = "".join(self._text).strip()
        self._text.clear()
        self._path.pop()
        if name == f"{OUTBOUND} OrganizationId":
            self.organizations.append(text)
        elif name == f"{OBJECTS} Id" and self._path[-1:] == [f"{OUTBOUND} sObject"] and is_id(text):
            self.records.append((self._kind, text))
