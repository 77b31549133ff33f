"""Twins with a clock that stands still until it is told otherwise."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from tests.twins.client import Client, mailchimp, salesforce
from tests.twins.stage import RECORDS, Stage
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


@pytest.fixture(params=["salesforce", "mailchimp"])
async def stage(request: pytest.FixtureRequest, clock: FakeClock) -> AsyncIterator[Stage]:
    if request.param == "salesforce":
        async with SalesforceTwin(clock=clock) as twin, salesforce(twin, timeout_s=3) as api:
            twin.load("Contact", ({"LastName": f"p{n}", "Email": f"p{n}@b.example"} for n in range(RECORDS)))
            yield Stage(twin, api)
    else:
        async with MailchimpTwin(clock=clock) as twin, mailchimp(twin, timeout_s=3) as api:
            twin.load("members", ({"email_address": f"p{n}@b.example"} for n in range(RECORDS)))
            yield Stage(twin, api)
