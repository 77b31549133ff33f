"""An outside witness: the simple-salesforce client, which knows nothing of the twin, must be content with it.

It builds https urls only, so the twin serves TLS with a certificate made for the test.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from simple_salesforce import (
    Salesforce,
    SalesforceMalformedRequest,
    SalesforceMoreThanOneRecord,
    SalesforceResourceNotFound,
)
from simple_salesforce.exceptions import SalesforceExpiredSession

from zgoda.model.clock import FakeClock
from zgoda.twins import SalesforceTwin


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PEM with key and self-signed certificate for the loopback address."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "twin")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "twin.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )  # fmt: skip
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
async def twin(clock: FakeClock, certificate: Path) -> AsyncIterator[SalesforceTwin]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    async with SalesforceTwin(clock=clock, tls=tls, records=300) as running:
        yield running


async def _with_client(twin: SalesforceTwin, certificate: Path, work: Callable[[Salesforce], Any]) -> Any:
    """Run blocking client code beside the twin's event loop."""

    def run() -> Any:
        session = requests.Session()
        session.trust_env = False  # a certificate bundle in the environment would win over the next line
        session.verify = str(certificate)
        return work(Salesforce(instance_url=twin.base_url, session_id=twin.open_session(), session=session))

    return await asyncio.to_thread(run)


async def test_rows(twin: SalesforceTwin, certificate: Path) -> None:
    def work(client: Salesforce) -> None:
        made = client.Contact.create({"LastName": "Nowak", "Hub_Id__c": "h1"})
        assert made["success"]
        assert client.Contact.get(made["id"])["Name"] == "Nowak"
        assert client.Contact.get_by_custom_id("Hub_Id__c", "h1")["Id"] == made["id"]
        assert client.Contact.update(made["id"], {"Title": "CEO"}) == 204
        assert client.Contact.upsert("Hub_Id__c/h1", {"Title": "CFO"}) == 200
        assert client.Contact.upsert("Hub_Id__c/h2", {"LastName": "Second"}) == 201
        assert client.Contact.delete(made["id"]) == 204
        with pytest.raises(SalesforceResourceNotFound):
            client.Contact.get(made["id"])
        with pytest.raises(SalesforceMalformedRequest, match="REQUIRED_FIELD_MISSING"):
            client.Contact.create({"FirstName": "x"})
        for _ in range(2):
            client.Contact.create({"LastName": "Twin", "Legacy_No__c": "7"})
        with pytest.raises(SalesforceMoreThanOneRecord):
            client.Contact.get_by_custom_id("Legacy_No__c", "7")

    await _with_client(twin, certificate, work)


async def test_queries_and_their_pages(twin: SalesforceTwin, certificate: Path) -> None:
    contacts = twin.state()["records"]["Contact"]
    twin.limit(page_size=100)

    def work(client: Salesforce) -> None:
        assert client.query("SELECT COUNT() FROM Contact")["totalSize"] == contacts
        everything = client.query_all("SELECT Id, Account.Name FROM Contact")
        assert len({record["Id"] for record in everything["records"]}) == contacts
        first = client.query("SELECT Id FROM Contact ORDER BY SystemModstamp, Id")
        assert not first["done"]
        second = client.query_more(first["nextRecordsUrl"], identifier_is_url=True)
        assert len(second["records"]) == 100
        assert len(list(client.query_all_iter("SELECT Id FROM Contact", include_deleted=True))) == contacts
        with pytest.raises(SalesforceMalformedRequest, match="MALFORMED_QUERY"):
            client.query("SELECT nonsense")

    await _with_client(twin, certificate, work)


async def test_describes_limits_and_changes(twin: SalesforceTwin, certificate: Path, clock: FakeClock) -> None:
    twin.limit(daily_requests=5000)

    def work(client: Salesforce) -> None:
        described = client.describe()
        assert described is not None
        assert len(described["sobjects"]) == 15
        assert client.Contact.describe()["keyPrefix"] == "003"
        assert client.Contact.metadata()["objectDescribe"]["name"] == "Contact"
        assert client.limits()["DailyApiRequests"]["Max"] == 5000
        assert client.api_usage["api-usage"].total == 5000
        made = client.Contact.create({"LastName": "x"})["id"]
        client.Contact.delete(made)
        start, end = clock.now() - timedelta(hours=1), clock.now() + timedelta(hours=1)
        assert client.Contact.deleted(start, end)["deletedRecords"][0]["id"] == made
        assert isinstance(client.Contact.updated(start, end)["ids"], list)

    await _with_client(twin, certificate, work)


async def test_bulk_jobs(twin: SalesforceTwin, certificate: Path) -> None:
    def work(client: Salesforce) -> None:
        rows = [{"LastName": f"B{n}", "Hub_Id__c": f"b{n}"} for n in range(30)] + [{"LastName": "", "Hub_Id__c": "bad"}]
        done = client.bulk2.Contact.insert(records=rows, wait=0.1)
        assert done[0]["numberRecordsProcessed"] == 31
        assert done[0]["numberRecordsFailed"] == 1
        assert "REQUIRED_FIELD_MISSING" in client.bulk2.Contact.get_failed_records(done[0]["job_id"])
        changed = client.bulk2.Contact.upsert(
            records=[{"Hub_Id__c": "b1", "Title": "CEO"}], external_id_field="Hub_Id__c", wait=0.1
        )
        assert changed[0]["numberRecordsFailed"] == 0
        pages = list(client.bulk2.Contact.query("SELECT LastName, Title FROM Contact WHERE Hub_Id__c = 'b1'", wait=0.1))
        assert '"B1","CEO"' in pages[0]

    await _with_client(twin, certificate, work)


async def test_an_ended_session_is_reported_as_such(twin: SalesforceTwin, certificate: Path) -> None:
    twin.arm("session_expired", times=1)

    def work(client: Salesforce) -> None:
        with pytest.raises(SalesforceExpiredSession):
            client.query("SELECT Id FROM Contact")
        assert client.query("SELECT Id FROM Contact LIMIT 1")["totalSize"] == 1

    await _with_client(twin, certificate, work)
