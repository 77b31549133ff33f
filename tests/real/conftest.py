"""The real servers, started once per run; each test works with records of its own and with an empty mail sink."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from tools import real

from tests.real.pair import Day, Pair, running_pair, working_day


@pytest.fixture(scope="session")
def sink() -> Iterator[real.Sink]:
    with real.smtp_sink() as running:
        yield running


@pytest.fixture(scope="session")
def tryton_server(sink: real.Sink) -> Iterator[real.Server]:
    with real.tryton(sink.port) as running:
        yield running


@pytest.fixture(scope="session")
def odoo_server(sink: real.Sink) -> Iterator[real.Server]:
    with real.odoo(sink.port) as running:
        yield running


@pytest.fixture(scope="session")
def tryton(tryton_server: real.Server) -> real.TrytonCalls:
    server = tryton_server
    return real.TrytonCalls(server.url, server.database, server.user, server.password)


@pytest.fixture(scope="session")
def odoo(odoo_server: real.Server) -> real.OdooCalls:
    server = odoo_server
    return real.OdooCalls(server.url, server.database, server.user, server.password)


@pytest.fixture
def mails(sink: real.Sink) -> real.Sink:
    """The sink without the mails of earlier tests."""
    sink.clear()
    return sink


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A Tryton and an Odoo of their own for the tests of the hub; distinct people per test."""
    with running_pair(tmp_path_factory.mktemp("pair") / "project") as running:
        yield running


@pytest.fixture
async def day(pair: Pair) -> AsyncIterator[Day]:
    """The hub at work. Tests leave nothing to do behind."""
    async with working_day(pair) as begun:
        pair.quiet()
        yield begun
