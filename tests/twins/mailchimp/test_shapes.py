"""Paths and shapes against what outside sources say: the vendor's client for paths, published types for shapes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import mailchimp_marketing
import pytest

from tests.twins.client import Client
from zgoda.twins import MailchimpTwin
from zgoda.twins.mailchimp.vendor import _TABLE

SHAPES: dict[str, Any] = json.loads((Path(__file__).parents[1] / "evidence/mailchimp-shapes.json").read_text())
# Where recorded answers of the vendor are known to differ from the published types.
KNOWN_OTHERWISE = {"member_rating", "currency_code", "web_id", "auto_tweet", "last_note", "default_country"}
# Parts the twin leaves out of campaigns.
NOT_SHOWN = {
    "Campaigns": {
        "parent_campaign_id", "variate_settings", "rss_opts", "ab_split_opts", "social_card", "report_summary",
        "delivery_status", "tracking", "settings", "recipients",
    },
}  # fmt: skip


def _client_paths() -> set[tuple[str, str]]:
    """Every method and path the vendor's Python client can call, read from its source."""
    folder = Path(mailchimp_marketing.__file__).parent / "api"
    found = (re.findall(r"'(/[^']*)', '([A-Z]+)',", file.read_text()) for file in folder.glob("*_api.py"))
    return {(method, _nameless(path)) for pairs in found for path, method in pairs}


def _nameless(path: str) -> str:
    return re.sub(r"\{[^}]+\}", "{}", path).rstrip("/") or "/"


def test_every_path_of_the_twin_is_one_the_vendor_s_client_calls() -> None:
    paths = _client_paths()
    assert len(paths) > 250
    # The twin answers all actions of a campaign by one row with a placeholder.
    ours = {(method, _nameless(pattern.removeprefix("/3.0"))) for method, pattern, _ in _TABLE}
    assert ours - paths == {("POST", "/campaigns/{}/actions/{}")}


def test_the_twin_covers_audiences_campaigns_and_reports() -> None:
    ours = {(method, _nameless(pattern.removeprefix("/3.0"))) for method, pattern, _ in _TABLE}
    members = {pair for pair in _client_paths() if pair[1].startswith("/lists/{}/members")}
    left_out = members - ours
    assert left_out == {("GET", "/lists/{}/members/{}/goals")}
    assert len([pair for pair in _client_paths() if pair[1].startswith("/lists")]) - len(
        [pair for pair in ours if pair[1].startswith("/lists")]
    ) < 15  # fmt: skip


def _check(value: Any, schema: dict[str, Any], where: str) -> None:
    """Raise AssertionError where a value lacks a required key or is of another JSON type than published."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        _check(value, SHAPES[name], name)
    for part in schema.get("allOf", []):
        _check(value, part, where)
    if "enum" in schema:
        assert value in schema["enum"], where
    match schema.get("type"):
        case "object":
            assert isinstance(value, dict), where
            not_shown = NOT_SHOWN.get(where, set())
            missing = set(schema.get("required", [])) - set(value) - not_shown
            assert not missing, f"{where} lacks {missing}"
            for key, inner in schema.get("properties", {}).items():
                if key in value and key not in KNOWN_OTHERWISE | not_shown:
                    _check(value[key], inner, f"{where}.{key}")
        case "array":
            assert isinstance(value, list), where
            for item in value:
                _check(item, schema.get("items", {}), where + "[]")
        case "string":
            assert isinstance(value, str), where
        case "number" | "integer":
            assert isinstance(value, int | float), where
            assert not isinstance(value, bool), where
        case "boolean":
            assert isinstance(value, bool), where
        case _:
            pass


@pytest.fixture
async def filled(mc: MailchimpTwin) -> MailchimpTwin:
    mc.fill(60)
    mc.edit("create", values={"email_address": "a@b.example", "tags": ["vip"]})
    mc.edit("send_campaign")
    return mc


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/ping", "APIHealthStatus"),
        ("/lists", "ListsSuccessResponse"),
        ("{list}", "List"),
        ("{list}/members?count=100", "ListMembersInfoSuccessResponse"),
        ("{list}/members/a@b.example", "MembersSuccessResponse"),
        ("{list}/members/a@b.example/tags", "ListMemberTagsResponse"),
        ("{list}/merge-fields", "MergeFieldSuccessResponse"),
        ("{list}/merge-fields/1", "MergeField"),
        ("{list}/interest-categories", "GetListInterestCategoriesResponse"),
        ("{list}/interest-categories/{category}", "Category"),
        ("{list}/interest-categories/{category}/interests", "ListInterestCategoryInterestsResponse"),
        ("/search-members?query=a@b.example", "SearchMembersSuccessResponse"),
        ("/campaigns", "CampaignsSuccessResponse"),
        ("/campaigns/{campaign}", "Campaigns"),
        ("/campaigns/{campaign}/content", "CampaignContentSuccessResponse"),
        ("/campaigns/{campaign}/send-checklist", "SendChecklist"),
    ],
)
async def test_answers_have_the_published_shape(filled: MailchimpTwin, mc_api: Client, path: str, shape: str) -> None:
    audience = filled.account.audience(filled.list_id)
    url = path.format(
        list=f"/lists/{filled.list_id}",
        category=next(iter(audience.categories)),
        campaign=next(iter(filled.account.campaigns)),
    )
    answer = await mc_api("GET", url)
    assert answer.status == 200
    _check(answer.json, SHAPES[shape], shape)
    if shape == "ListMembersInfoSuccessResponse":
        for member in answer.json["members"]:
            _check(member, SHAPES["MembersSuccessResponse"], "MembersSuccessResponse")


async def test_batches_and_problems_have_the_published_shape(filled: MailchimpTwin, mc_api: Client) -> None:
    body = {"members": [{"email_address": "x@b.example", "status": "subscribed"}, {"email_address": "bad"}]}
    answer = await mc_api("POST", f"/lists/{filled.list_id}", body)
    _check(answer.json, SHAPES["BatchListMembersResponse"], "BatchListMembersResponse")
    for path in ("/lists/none", f"/lists/{filled.list_id}/members/none", "/nothing"):
        problem = await mc_api("GET", path)
        assert problem.status == 404
        _check(problem.json, SHAPES["ProblemDetailDocument"], "ProblemDetailDocument")


def test_the_check_itself_notices_what_is_wrong() -> None:
    with pytest.raises(AssertionError, match="lacks"):
        _check({}, SHAPES["APIHealthStatus"], "x")
    with pytest.raises(AssertionError):
        _check({"health_status": 1}, SHAPES["APIHealthStatus"], "x")
