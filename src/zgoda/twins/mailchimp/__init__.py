"""A Mailchimp account that behaves like one: Marketing API 3.0, OAuth, list webhooks, batches."""

from __future__ import annotations

import ssl
from pathlib import Path

from zgoda.model.clock import Clock
from zgoda.twins.mailchimp.account import Account
from zgoda.twins.mailchimp.oauth import Credentials
from zgoda.twins.mailchimp.vendor import MailchimpVendor
from zgoda.twins.twin import Settings, Twin, surroundings

__all__ = ["Credentials", "MailchimpTwin"]


class MailchimpTwin(Twin):
    """`async with MailchimpTwin(seed=1, records=200) as twin:` and it answers at `twin.base_url + "/3.0"`."""

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
        vendor = MailchimpVendor(around, credentials or Credentials())
        settings = Settings(host=host, port=port, records=records, seed=seed, limits=limits, state=state)
        super().__init__(vendor, around, settings, tls)
        self.account: Account = vendor.account
        self.api_key = vendor.credentials.api_key

    @property
    def list_id(self) -> str:
        """The id of the first audience."""
        return next(iter(self.account.audiences))
