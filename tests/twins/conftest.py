"""Twins with a clock that stands still until it is told otherwise."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from tests.twins.client import Client, mailchimp, salesforce
from zgoda.model.clock import FakeClock
from zgoda.twins import MailchimpTwin, SalesforceTwin

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


@pytest.fixture
async def sf(clock: FakeClock) -> AsyncIterator[SalesforceTwin]:
    async with SalesforceTwin(clock=clock) as twin:
        yield twin


@pytest.fixture
async def sf_api(sf: SalesforceTwin) -> AsyncIterator[Client]:
    async with salesforce(sf) as client:
        yield client


@pytest.fixture
async def mc(clock: FakeClock) -> AsyncIterator[MailchimpTwin]:
    async with MailchimpTwin(clock=clock) as twin:
        yield twin


@pytest.fixture
async def mc_api(mc: MailchimpTwin) -> AsyncIterator[Client]:
    async with mailchimp(mc) as client:
        yield client
