"""Both twins behind one face, for tests of what they share."""

from __future__ import annotations

from typing import Any

from tests.twins.client import Answer, Client
from zgoda.twins import MailchimpTwin, SalesforceTwin

Twin = SalesforceTwin | MailchimpTwin
RECORDS = 9


class Stage:
    """A twin with nine people, a client, and the vendor's ways to list and to write them."""

    def __init__(self, twin: Twin, api: Client) -> None:
        self.twin = twin
        self.api = api
        self.sf = isinstance(twin, SalesforceTwin)
        self.total = "totalSize" if self.sf else "total_items"
        self.items = "records" if self.sf else "members"

    async def list(self, offset: int = 0) -> Answer:
        if self.sf:
            soql = "SELECT Id, Email, LastName, Title FROM Contact ORDER BY Id"
            return await self.api("GET", "/query", query={"q": soql}, headers={"Sforce-Query-Options": "batchSize=3"})
        path = f"/lists/{self.twin.list_id}/members"  # type: ignore[union-attr]
        return await self.api("GET", path, query={"count": 3, "offset": offset, "exclude_fields": "members._links"})

    async def next(self, page: Any, offset: int) -> Answer:
        if self.sf:
            return await self.api("GET", self.twin.base_url + page["nextRecordsUrl"])
        return await self.list(offset)

    async def write(self, name: str = "new", **fields: Any) -> Answer:
        if self.sf:
            return await self.api("POST", "/sobjects/Contact", {"LastName": name, **fields})
        body = {"email_address": f"{name}@b.example", "status": "subscribed", "merge_fields": {"LNAME": name, **fields}}
        return await self.api("POST", f"/lists/{self.twin.list_id}/members", body)  # type: ignore[union-attr]

    async def batch(self, count: int = 6) -> Answer:
        if self.sf:
            records = [{"attributes": {"type": "Contact"}, "LastName": f"x{n}"} for n in range(count)]
            return await self.api("POST", "/composite/sobjects", {"records": records})
        members = [{"email_address": f"x{n}@b.example", "status": "subscribed"} for n in range(count)]
        return await self.api("POST", f"/lists/{self.twin.list_id}", {"members": members})  # type: ignore[union-attr]

    def stored(self) -> int:
        return len(self.twin.records("Contact" if self.sf else "members"))

    def names(self, page: Any) -> list[str]:
        return [str(item.get("LastName") or item.get("email_address")) for item in page[self.items]]
