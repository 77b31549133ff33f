"""A Salesforce org that behaves like one: REST, Bulk API 2.0, OAuth, outbound messages."""

from __future__ import annotations

import ssl
from pathlib import Path

from zgoda.model.clock import Clock
from zgoda.twins.salesforce.oauth import Credentials
from zgoda.twins.salesforce.org import Org
from zgoda.twins.salesforce.vendor import SalesforceVendor
from zgoda.twins.twin import Settings, Twin, surroundings

__all__ = ["Credentials", "SalesforceTwin"]


class SalesforceTwin(Twin):
    """`async with SalesforceTwin(seed=1, records=200) as twin:` and it answers at `twin.base_url`."""

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        seed: int = 1,
        records: int = 0,
        limits: str = "off",
        host: str = "127.0.0.1",
        port: int = 0,
        state: Path | None = None,
        credentials: Credentials | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        around = surroundings(clock, seed)
        vendor = SalesforceVendor(around, credentials or Credentials())
        settings = Settings(host=host, port=port, records=records, seed=seed, limits=limits, state=state)
        super().__init__(vendor, around, settings, tls)
        self.org: Org = vendor.org
        self.open_session = vendor.sessions.open
