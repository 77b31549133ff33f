"""Credentials, rights, limits, and answers that are none: each ends in the error that says how to recover."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import aiohttp
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from zgoda.connectors.salesforce import CONNECTOR
from zgoda.connectors.salesforce.proof import assertion
from zgoda.kit.connection import open_connection
from zgoda.kit.errors import Attention, ConnectorError, NeedsAttention, Quota, Temporary
from zgoda.kit.spec import Reading, Write
from zgoda.model.clock import FakeClock
from zgoda.twins.salesforce import Credentials, SalesforceTwin

from .conftest import Desk, Opener


async def read_one(desk: Desk) -> None:
    await desk.read("contacts", "read_changes", pages=1)


async def test_check_tells_who_we_are(desk: Desk):
    identity = await CONNECTOR.check(desk.session)
    assert identity.account == desk.twin.connection()["organization_id"]
    assert identity.user.startswith("005")
    assert identity.version == "67.0"


async def test_check_notices_another_organisation(opener: Opener):
    desk = await opener(organization_id="00D000000000999AAA")
    with pytest.raises(NeedsAttention) as raised:
        await CONNECTOR.check(desk.session)
    assert raised.value.kind is Attention.ACCOUNT


@pytest.mark.parametrize(
    "wrong",
    [
        {"client_secret": "wrong"},
        {"auth": "refresh_token", "refresh_token": "wrong"},
        {"auth": "session", "access_token": "wrong"},
    ],
)
async def test_wrong_credentials_need_a_person(opener: Opener, wrong: dict[str, str]):
    desk = await opener(**wrong)
    with pytest.raises(NeedsAttention) as raised:
        await read_one(desk)
    assert raised.value.kind is Attention.CREDENTIALS


@pytest.mark.parametrize(
    "missing",
    [{"client_id": ""}, {"auth": "magic"}, {"auth": "jwt"}, {"auth": "jwt", "username": "u", "private_key": "x"}],
)
async def test_settings_that_cannot_work_are_named(opener: Opener, missing: dict[str, str]):
    with pytest.raises(NeedsAttention) as raised:
        await read_one(await opener(**missing))
    assert raised.value.kind is Attention.SETTINGS


async def test_a_refresh_token_works(opener: Opener, desk: Desk):
    await read_one(await opener(auth="refresh_token", refresh_token=desk.twin.connection()["refresh_token"]))


async def test_a_given_session_works_until_it_ends(opener: Opener, desk: Desk):
    told = desk.twin.connection()
    form = {"grant_type": "client_credentials", "client_id": told["client_id"], "client_secret": told["client_secret"]}
    async with aiohttp.ClientSession() as client, client.post(told["token_url"], data=form) as response:
        token = (await response.json())["access_token"]
    given = await opener(auth="session", access_token=token)
    await read_one(given)
    desk.twin.edit("end_sessions")
    with pytest.raises(NeedsAttention) as raised:
        await read_one(given)
    assert raised.value.kind is Attention.CREDENTIALS
    assert token not in str(raised.value)


def a_key() -> tuple[rsa.RSAPrivateKey, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    kind, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key, key.private_bytes(serialization.Encoding.PEM, kind, plain).decode()


async def test_a_signed_assertion_works(clock: FakeClock):
    key, pem = a_key()
    kind = serialization.PublicFormat.SubjectPublicKeyInfo
    public = key.public_key().public_bytes(serialization.Encoding.PEM, kind).decode()
    async with SalesforceTwin(clock=clock, credentials=Credentials(public_key=public)) as twin:
        told = twin.connection()
        settings = {"auth": "jwt", "base_url": told["url"], "client_id": told["client_id"]}
        settings |= {"username": told["username"], "private_key": pem}
        async with open_connection("crm", CONNECTOR, settings, clock) as connection:
            assert (await CONNECTOR.check(connection.session)).account == told["organization_id"]
        async with open_connection("crm", CONNECTOR, settings | {"private_key": a_key()[1]}, clock) as connection:
            with pytest.raises(NeedsAttention) as raised:
                await CONNECTOR.check(connection.session)
            assert raised.value.kind is Attention.CREDENTIALS


def test_an_assertion_is_signed_and_short_lived():
    key, pem = a_key()
    settings = {
        "client_id": "app",
        "username": "u@example.org",
        "private_key": pem,
        "audience": "https://test.salesforce.com",
    }
    clock = FakeClock()
    claims = jwt.decode(
        assertion(settings, clock),
        key.public_key(),
        algorithms=["RS256"],
        audience="https://test.salesforce.com",
        options={"verify_exp": False},
    )
    assert (claims["iss"], claims["sub"]) == ("app", "u@example.org")
    assert 0 < claims["exp"] - clock.now().timestamp() <= 180


async def test_a_session_that_ended_is_renewed_once(desk: Desk):
    await read_one(desk)
    desk.twin.edit("end_sessions")
    await read_one(desk)
    desk.twin.arm("session_expired", path="/query/")
    with pytest.raises(NeedsAttention) as raised:
        await read_one(desk)
    assert raised.value.kind is Attention.CREDENTIALS


@pytest.mark.parametrize(
    ("fault", "daily", "retry_after_s"),
    [
        ("too_many_seconds", False, 7.0),
        ("too_many_bare", False, None),
        ("too_many_html", False, None),
        ("quota_gone", True, None),
    ],
)
async def test_limits_are_told_with_the_time_to_wait(desk: Desk, fault: str, daily: bool, retry_after_s: float | None):
    options = {"retry_after_s": retry_after_s} if retry_after_s else {}
    desk.twin.arm(fault, path="/query/", times=1, **options)
    with pytest.raises(Quota) as raised:
        await read_one(desk)
    assert raised.value.daily is daily
    assert raised.value.retry_after_s == retry_after_s


UNANSWERED = (
    "status_500 status_502 status_503 status_503_html status_504 reset_before reset_after cut_body failed_after "
    "html_200 truncated_json invalid_json json_bom json_nan json_lone_surrogate json_other_charset list_204"
).split()


@pytest.mark.parametrize("fault", UNANSWERED)
async def test_an_answer_that_is_none_may_come_later(desk: Desk, fault: str):
    await desk.create("contacts", LastName="Łoś", Email="private@example.org")
    desk.twin.arm(fault, path="/query/")
    with pytest.raises(Temporary) as raised:
        await read_one(desk)
    assert not raised.value.executed
    desk.twin.clear_faults()
    await read_one(desk)


@pytest.mark.parametrize("fault", ["json_deep", "json_overflow", "json_duplicate_keys", "huge_field", "wrong_total"])
@pytest.mark.parametrize("name", ["contacts", "opportunities"])
async def test_a_strange_answer_never_ends_in_a_crash(desk: Desk, fault: str, name: str):
    await desk.create("contacts", LastName="Łoś")
    desk.twin.arm(fault)
    with suppress(ConnectorError):
        await desk.read(name, "read_all")
    with suppress(ConnectorError):
        await desk.read(name, "read_deletes")
    assert desk.twin.state()["fired"]


async def test_missing_rights_need_a_person(desk: Desk):
    desk.twin.arm("rights_missing", path="/query/")
    with pytest.raises(NeedsAttention) as raised:
        await read_one(desk)
    assert raised.value.kind is Attention.RIGHTS


@pytest.mark.parametrize(
    "fault",
    [
        {"name": "field_removed", "field": "Department"},
        {"name": "field_renamed", "field": "Department", "to": "Unit__c"},
    ],
)
async def test_a_field_that_went_away_is_named(desk: Desk, fault: dict[str, Any]):
    desk.twin.arm(object="Contact", **fault)
    with pytest.raises(NeedsAttention) as raised:
        await read_one(desk)
    assert (raised.value.kind, raised.value.fields, raised.value.stream) == (
        Attention.SCHEMA,
        ("Department",),
        "contacts",
    )


async def test_what_a_mapping_may_name_is_checked(desk: Desk):
    read_ids = desk.stream("contacts").read_ids
    assert read_ids is not None
    with pytest.raises(NeedsAttention) as raised:
        await read_ids(desk.session, Reading(fields=("Id FROM User --",)), ["0038d0000000001AAA"])
    assert raised.value.kind is Attention.SCHEMA


async def test_a_wrong_address_is_a_matter_of_settings(opener: Opener, desk: Desk):
    told = desk.twin.connection()
    wrong = await opener(base_url=f"{told['url']}/elsewhere", token_url=told["token_url"])
    with pytest.raises(NeedsAttention) as raised:
        await read_one(wrong)
    assert raised.value.kind is Attention.SETTINGS


async def test_no_error_holds_a_secret_or_a_value(opener: Opener):
    """Whatever goes wrong, on reading and on writing."""
    private = ("twin-secret", "twin-refresh", "Tajny", "private@example.org", "Bearer")
    desk = await opener()
    answerless = set(UNANSWERED) - {"json_nan", "json_lone_surrogate", "list_204"}
    faults = [*sorted(answerless), "quota_gone", "rights_missing", "too_many_bare", "session_expired"]
    write = Write(key="k", op="create", values={"LastName": "Tajny", "Email": "private@example.org"})
    for fault in faults:
        desk.twin.arm(fault)
        for attempt in (read_one(desk), desk.write("contacts", write)):
            with pytest.raises(ConnectorError) as raised:
                await attempt
            shown = f"{raised.value!r} {raised.value} {vars(raised.value)}"
            assert not [word for word in private if word in shown], (fault, shown)
        desk.twin.clear_faults()


async def test_discover_tells_fields_choices_and_rights(desk: Desk):
    described = await CONNECTOR.discover(desk.session, desk.stream("contacts"))
    fields = {field.name: field for field in described.fields}
    assert fields["LastName"].required
    assert not fields["FirstName"].required
    assert not fields["SystemModstamp"].writable
    assert ("Web", "Web") in fields["LeadSource"].choices
    assert fields["AccountId"].refers_to == ("Account",)
    assert described.creatable
    for stream in desk.connection.streams.values():
        told = {field.name for field in (await CONNECTOR.discover(desk.session, stream)).fields}
        assert {path.partition(".")[0] for path in desk.fields(stream.name)} - {"Account"} <= told
