"""Outbound messages: SOAP posts about created and updated records, unsigned, repeated until acknowledged.

A message carries the values of the moment it is sent, not of the event. Deletes are not announced. Retries grow to two
hours apart for a day.
"""

from __future__ import annotations

import re
from xml.sax.saxutils import escape

import msgspec

from zgoda.twins.hooks import HookMessage
from zgoda.twins.salesforce.ids import make_id
from zgoda.twins.salesforce.org import Org
from zgoda.twins.salesforce.reading import getter
from zgoda.twins.salesforce.table import Row

_MOST_NOTIFICATIONS = 100
_ACK = re.compile(rb"<(?:\w+:)?Ack>\s*(?:true|1)\s*</")
_GAPS_S = (60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 3840.0, *[7200.0] * 10)
_TIMEOUT_S = 60.0


class Subscription(msgspec.Struct, kw_only=True):
    """An outbound message as an administrator set it up: which object, which fields, where to."""

    id: str
    object: str
    url: str
    fields: list[str]


class OutboundMessages:
    """Collects changes during a call and posts them, up to 100 in a message, when it is over."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self.subscriptions: list[Subscription] = []
        self._changed: dict[tuple[str, str], None] = {}
        org.listeners.append(self._note)

    def subscribe(self, object: str, url: str, fields: list[str]) -> Subscription:
        made = Subscription(id=self._org.new_id("04k"), object=object, url=url, fields=fields)
        self.subscriptions.append(made)
        return made

    def flush(self) -> None:
        """Post what has changed since the last flush."""
        if not self._changed:
            return
        changed, self._changed = list(self._changed), {}
        for subscription in self.subscriptions:
            ids = [id for object, id in changed if object == subscription.object]
            for start in range(0, len(ids), _MOST_NOTIFICATIONS):
                self._post(subscription, ids[start : start + _MOST_NOTIFICATIONS])

    def _note(self, object: str, row: Row) -> None:
        if self.subscriptions:
            self._changed[object, row["Id"]] = None

    def _post(self, subscription: Subscription, ids: list[str]) -> None:
        rows = [row for id in ids if (row := self._org.stored_row(id)) is not None and not row.get("IsDeleted")]
        if not rows:
            return
        body = self._envelope(subscription, rows)
        stranger = self._envelope(subscription, [{**rows[0], "Id": make_id(rows[0]["Id"][:3], 61**5)}])
        self._org.around.hooks.send(
            HookMessage(
                subscription.url, body, "text/xml; charset=utf-8", subscription.object,
                lambda status, answer: status == 200 and _ACK.search(answer) is not None, _GAPS_S, _TIMEOUT_S, stranger,
            )
        )  # fmt: skip

    def _envelope(self, subscription: Subscription, rows: list[Row]) -> bytes:
        base_url = self._org.around.base_url
        notifications = "".join(self._notification(subscription, row) for row in rows)
        return (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"'
            ' xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
            '<soapenv:Body><notifications xmlns="http://soap.sforce.com/2005/09/outbound">'
            f"<OrganizationId>{self._org.id}</OrganizationId><ActionId>{subscription.id}</ActionId>"
            '<SessionId xsi:nil="true"/>'
            f"<EnterpriseUrl>{base_url}/services/Soap/c/59.0/{self._org.id[:15]}</EnterpriseUrl>"
            f"<PartnerUrl>{base_url}/services/Soap/u/59.0/{self._org.id[:15]}</PartnerUrl>"
            f"{notifications}</notifications></soapenv:Body></soapenv:Envelope>"
        ).encode()

    def _notification(self, subscription: Subscription, row: Row) -> str:
        spec = self._org.spec(subscription.object)
        parts = [f"<sf:Id>{row['Id']}</sf:Id>"]
        fields = [field for name in subscription.fields if (field := spec.field(name)) is not None]
        for field in fields:
            value = getter(self._org, spec, field)(row) if field.name != "Id" else None
            if value is not None:
                text = str(value).lower() if isinstance(value, bool) else _xml_time(field.type, str(value))
                parts.append(f"<sf:{field.name}>{escape(text)}</sf:{field.name}>")
        kind = f'xsi:type="sf:{spec.name}" xmlns:sf="urn:sobject.enterprise.soap.sforce.com"'
        id = self._org.new_id("04l")
        return f"<Notification><Id>{id}</Id><sObject {kind}>{''.join(parts)}</sObject></Notification>"


def _xml_time(type: str, text: str) -> str:
    return text.replace("+0000", "Z") if type == "datetime" else text
