"""The real servers, started once per run; each test works with records of its own and with an empty mail sink."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tools import real


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
