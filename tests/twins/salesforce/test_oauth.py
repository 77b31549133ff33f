"""Tokens: three grants, sessions that end, refresh tokens that rotate."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.twins.client import Answer, Client
from zgoda.model.clock import FakeClock
from zgoda.twins import SalesforceTwin
from zgoda.twins.salesforce import Credentials

CLIENT = {"client_id": "twin-client", "client_secret": "twin-secret"}
JWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


async def _token(twin: SalesforceTwin, **form: str) -> Answer:
    async with Client(twin.base_url) as client:
        return await client("POST", "/services/oauth2/token", data=form)


async def _limits(twin: SalesforceTwin, token: str) -> Answer:
    async with Client(twin.base_url, {"Authorization": f"Bearer {token}"}) as client:
        return await client("GET", "/services/data/v59.0/limits")


async def test_client_credentials_open_a_session(sf: SalesforceTwin) -> None:
    answer = await _token(sf, grant_type="client_credentials", **CLIENT)
    assert answer.status == 200
    assert set(answer.json) == {"access_token", "signature", "scope", "instance_url", "id", "token_type", "issued_at"}
    assert answer.json["instance_url"] == sf.base_url
    assert (await _limits(sf, answer.json["access_token"])).status == 200


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "client_credentials", **CLIENT, "client_secret": "x"}, "invalid_client"),
        ({"grant_type": "client_credentials", **CLIENT, "client_id": "x"}, "invalid_client_id"),
        ({"grant_type": "refresh_token", **CLIENT, "refresh_token": "x"}, "invalid_grant"),
        ({"grant_type": "password", **CLIENT}, "unsupported_grant_type"),
        ({}, "unsupported_grant_type"),
    ],
)
async def test_wrong_credentials_are_refused(sf: SalesforceTwin, form: dict[str, str], error: str) -> None:
    answer = await _token(sf, **form)
    assert (answer.status, answer.json["error"]) == (400, error)


async def test_a_session_ends_when_it_is_not_used(sf: SalesforceTwin, clock: FakeClock) -> None:
    """T-68: nothing tells the client how long; using it keeps it alive."""
    token = (await _token(sf, grant_type="client_credentials", **CLIENT)).json["access_token"]
    for _ in range(3):
        clock.advance(7000)
        assert (await _limits(sf, token)).status == 200
    clock.advance(7300)
    answer = await _limits(sf, token)
    assert (answer.status, answer.json) == (
        401, [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}],
    )  # fmt: skip


async def test_an_admin_ends_all_sessions_and_revocation_ends_one(sf: SalesforceTwin) -> None:
    first, second, third = [sf.open_session() for _ in range(3)]
    async with Client(sf.base_url) as client:
        assert (await client("POST", "/services/oauth2/revoke", data={"token": first})).status == 200
    assert [(await _limits(sf, token)).status for token in (first, second)] == [401, 200]
    sf.edit("end_sessions")
    assert [(await _limits(sf, token)).status for token in (second, third)] == [401, 401]


async def test_refresh_tokens_may_rotate(sf: SalesforceTwin) -> None:
    """F-27: the old one is dead as soon as the new one was given."""
    old = sf.connection()["refresh_token"]
    assert (await _token(sf, grant_type="refresh_token", refresh_token=old, **CLIENT)).status == 200
    sf.edit("settings", values={"rotate_refresh": True})
    new = (await _token(sf, grant_type="refresh_token", refresh_token=old, **CLIENT)).json["refresh_token"]
    assert new != old
    assert (await _token(sf, grant_type="refresh_token", refresh_token=old, **CLIENT)).json["error"] == "invalid_grant"
    assert (await _token(sf, grant_type="refresh_token", refresh_token=new, **CLIENT)).status == 200


def _assertion(key: rsa.RSAPrivateKey, claims: dict[str, Any], algorithm: str = "RS256") -> str:
    def part(content: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(msgspec.json.encode(content)).rstrip(b"=").decode()

    signed = f"{part({'alg': algorithm})}.{part(claims)}"
    signature = key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


async def test_jwt_bearer_signatures_and_claims_are_really_checked(clock: FakeClock) -> None:
    key, other = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
    pem = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()  # fmt: skip
    now = clock.now().timestamp()
    right = {
        "iss": "twin-client", "sub": "integration@twin.example", "aud": "https://login.salesforce.com",
        "exp": now + 120,
    }  # fmt: skip
    async with SalesforceTwin(clock=clock, credentials=Credentials(public_key=pem)) as twin:
        answer = await _token(twin, grant_type=JWT, assertion=_assertion(key, right))
        assert answer.status == 200
        assert (await _limits(twin, answer.json["access_token"])).status == 200
        wrong = [
            _assertion(other, right),
            _assertion(key, right, algorithm="none"),
            _assertion(key, {**right, "iss": "x"}),
            _assertion(key, {**right, "sub": "x"}),
            _assertion(key, {**right, "aud": "https://elsewhere.example"}),
            _assertion(key, {**right, "exp": now - 1}),
            _assertion(key, {**right, "exp": now + 3600}),
            _assertion(key, right)[:-8] + "AAAAAAAA",
            "not.a.token",
            "",
        ]
        for assertion in wrong:
            answer = await _token(twin, grant_type=JWT, assertion=assertion)
            assert answer.status == 400, assertion
    async with SalesforceTwin(clock=clock) as twin:
        answer = await _token(twin, grant_type=JWT, assertion=_assertion(key, right))
        assert answer.json["error"] == "invalid_client"


async def test_versions_need_no_session_and_everything_else_does(sf: SalesforceTwin) -> None:
    async with Client(sf.base_url) as client:
        versions = (await client("GET", "/services/data/")).json
        assert versions[-1] == {"label": "Winter '27", "url": "/services/data/v68.0", "version": "68.0"}
        assert (await client("GET", "/services/data/v59.0/sobjects")).status == 401
