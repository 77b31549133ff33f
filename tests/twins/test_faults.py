"""Every fault of the catalogue really happens, on both twins where both can show it.

F-22 to F-36 of the fault matrix are provoked by these names; a hub's own tests only have to arm them.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import msgspec
import pytest

from tests.twins.client import Answer, Client
from tests.twins.stage import RECORDS, Stage
from zgoda.model.clock import FakeClock
from zgoda.twins import SalesforceTwin
from zgoda.twins.catalogue import CATALOGUE
from zgoda.twins.distortions import _SPOILERS
from zgoda.twins.faults import UnknownFault
from zgoda.twins.interruptions import _ANSWERS


def test_every_fault_is_explained_and_has_code_behind_it() -> None:
    done_by_stage = {"instead": set(_ANSWERS), "after": set(_SPOILERS) | {"repeated_page"}}
    for stage, names in done_by_stage.items():
        assert names == {kind.name for kind in CATALOGUE.values() if kind.stage == stage}
    assert all(kind.explanation and len(kind.explanation) < 100 for kind in CATALOGUE.values())
    assert len(CATALOGUE) > 50


def _seconds(text: str | None) -> bool:
    return text is not None and text.isdigit()


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("too_many_seconds", lambda retry: retry == "2"),
        ("too_many_date", lambda retry: retry == "Sun, 01 Mar 2026 12:00:02 GMT"),
        ("too_many_bare", lambda retry: retry is None),
        ("too_many_far", lambda retry: _seconds(retry) and int(retry) > 300_000_000),
        ("too_many_garbage", lambda retry: retry == "soon"),
        ("too_many_html", lambda retry: retry is None),
    ],
)
async def test_six_forms_of_429(stage: Stage, name: str, check: Callable[[str | None], bool]) -> None:
    """F-22."""
    stage.twin.arm(name, times=1)
    answer = await stage.list()
    assert answer.status == 429
    assert check(answer.headers.get("Retry-After"))
    assert answer.headers["Content-Type"].startswith("text/html") == (name == "too_many_html")
    assert (await stage.list()).status == 200


@pytest.mark.parametrize(
    ("name", "statuses"),
    [
        ("quota_gone", (403, 429)),
        ("status_500", (500, 500)),
        ("status_502", (502, 502)),
        ("status_503", (503, 503)),
        ("status_503_html", (503, 503)),
        ("status_504", (504, 504)),
        ("session_expired", (401, 401)),
        ("rights_missing", (403, 403)),
        ("list_missing", (404, 404)),
        ("list_204", (204, 204)),
    ],
)
async def test_refusals_and_failing_servers(stage: Stage, name: str, statuses: tuple[int, int]) -> None:
    """F-22, F-23, F-26, F-31."""
    before = stage.stored()
    stage.twin.arm(name, times=1)
    assert (await stage.list()).status == statuses[0 if stage.sf else 1]
    assert (await stage.list()).status == 200
    assert stage.stored() == before
    assert stage.twin.state()["fired"] == {name: 1}


async def test_the_vendor_s_own_error_form_is_kept(stage: Stage) -> None:
    for name in ("quota_gone", "status_500", "status_503", "session_expired", "rights_missing", "list_missing"):
        stage.twin.arm(name, times=1)
        body = (await stage.list()).json
        assert ("errorCode" in body[0]) if stage.sf else ({"type", "title", "status", "detail"} <= set(body)), name


async def test_token_faults_hit_only_the_token_endpoint_and_session_faults_never(stage: Stage) -> None:
    """F-26: invalid_grant."""
    connection = stage.twin.connection()
    form = {"client_id": connection["client_id"], "client_secret": connection["client_secret"]}
    form |= (
        {"grant_type": "client_credentials"} if stage.sf else {"grant_type": "authorization_code", "code": "twin-code"}
    )
    stage.twin.arm("invalid_grant")
    stage.twin.arm("session_expired")
    async with Client(stage.twin.base_url) as anybody:
        refused = await anybody("POST", connection["token_url"], data=form)
        assert (refused.status, refused.json["error"]) == (400, "invalid_grant")
        assert (await stage.list()).status == 401
        stage.twin.clear_faults("invalid_grant")
        assert (await anybody("POST", connection["token_url"], data=form)).status == 200


async def test_hanging_and_connections_reset_before_the_work(stage: Stage) -> None:
    """F-24: nothing was written."""
    before = stage.stored()
    stage.twin.arm("reset_before", times=1, method="POST")
    with pytest.raises(aiohttp.ClientError):
        await stage.write()
    stage.twin.arm("hang", times=1)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(stage.write(), 0.2)
    assert stage.stored() == before
    assert stage.twin.writes() == []
    assert (await stage.write()).status in (200, 201)


async def test_answers_lost_after_the_work(stage: Stage) -> None:
    """F-24, I-04: the record is there although nobody was told."""
    for number, name in enumerate(("reset_after", "cut_body", "failed_after"), start=1):
        stage.twin.arm(name, times=1)
        if name == "failed_after":
            assert (await stage.write(f"lost{number}")).status == 500
        else:
            with pytest.raises(aiohttp.ClientError):
                await stage.write(f"lost{number}")
        assert stage.stored() == RECORDS + number
        assert stage.twin.writes()[-1].outcome == "ok"


async def test_slow_answers_and_dripping_ones(stage: Stage) -> None:
    stage.twin.arm("slow", times=1, ms=80)
    begun = time.monotonic()
    assert (await stage.list()).status == 200
    assert time.monotonic() - begun >= 0.08
    stage.twin.arm("slow_drip", times=1, ms=2)
    begun = time.monotonic()
    whole = await stage.list()
    assert time.monotonic() - begun >= 0.002 * (len(whole.body) // 16)
    assert len(whole.json[stage.items]) == 3


async def _spoilt(stage: Stage, name: str, **options: Any) -> Answer:
    stage.twin.arm(name, times=1, **options)
    return await stage.list()


def _lenient(body: bytes) -> Any:
    return json.loads(body)


async def test_broken_json(stage: Stage) -> None:
    """F-33."""
    right = stage.names((await stage.list()).json)
    for name in ("truncated_json", "invalid_json"):
        answer = await _spoilt(stage, name)
        assert int(answer.headers["Content-Length"]) == len(answer.body)
        with pytest.raises(ValueError, match=r"."):
            _lenient(answer.body)
    html = await _spoilt(stage, "html_200")
    assert (html.status, html.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    bom = await _spoilt(stage, "json_bom")
    assert bom.body[:3] == b"\xef\xbb\xbf"
    assert stage.names(msgspec.json.decode(bom.body[3:])) == right
    twice = (await _spoilt(stage, "json_duplicate_keys")).body
    pairs = json.loads(twice, object_pairs_hook=lambda found: found)
    assert [key for key, _ in pairs].count(stage.items) == 2
    for name, number in (("json_nan", b"NaN"), ("json_overflow", b"1e999")):
        spoilt = (await _spoilt(stage, name)).body
        assert spoilt.count(number) == 1
        assert stage.names(_lenient(spoilt)) == right
    deep = await _spoilt(stage, "json_deep")
    assert deep.body.count(b"[") > 100_000
    with pytest.raises(RecursionError):
        _lenient(deep.body)
    surrogate = _lenient((await _spoilt(stage, "json_lone_surrogate")).body)
    with pytest.raises(UnicodeEncodeError):
        json.dumps(surrogate, ensure_ascii=False).encode()
    other = await _spoilt(stage, "json_other_charset")
    assert stage.names(json.loads(other.body.decode("utf-16"))) == right


async def test_bodies_that_are_too_large(stage: Stage) -> None:
    """F-34; small here, as large as the options say."""
    stage.twin.arm("gzip_bomb", times=1, mb=3)
    async with aiohttp.ClientSession(auto_decompress=False) as http, http.get(stage.twin.base_url + "/x") as answer:
        packed = await answer.read()
    assert len(packed) < 100_000
    assert len(gzip.decompress(packed)) > 3_000_000
    assert len((await _spoilt(stage, "huge_page", mb=2)).body) > 2_000_000
    field = (await _spoilt(stage, "huge_field")).body
    assert len(field) > 1_000_000
    assert re.search(rb'"x{1000000}', field)
    msgspec.json.decode(field)


async def test_lists_that_are_not_whole(stage: Stage) -> None:
    """F-31."""
    page = (await _spoilt(stage, "empty_list")).json
    assert (page[stage.items], page[stage.total]) == ([], 0)
    if stage.sf:
        assert page["done"] is True
        assert "nextRecordsUrl" not in page
    page = (await _spoilt(stage, "empty_page")).json
    assert (page[stage.items], page[stage.total]) == ([], RECORDS)
    page = (await _spoilt(stage, "half_page")).json
    assert (len(page[stage.items]), page[stage.total]) == (1, RECORDS)
    page = (await _spoilt(stage, "filtered_list")).json
    assert (len(page[stage.items]), page[stage.total]) == (2, RECORDS * 2 // 3)
    page = (await _spoilt(stage, "wrong_total")).json
    assert page[stage.total] == RECORDS * 2 + 7
    page = (await _spoilt(stage, "wrong_total", total=1)).json
    assert (len(page[stage.items]), page[stage.total]) == (3, 1)
    right = stage.names((await stage.list()).json)
    assert stage.names((await _spoilt(stage, "shifted_page")).json) == right[1:]


async def test_pages_that_come_twice_and_cursors_that_never_end(stage: Stage) -> None:
    """F-32."""
    stage.twin.arm("repeated_page", skip=1, times=1)
    first = (await stage.list()).json
    second = (await stage.next(first, 3)).json
    assert stage.names(second) == stage.names(first)
    third = (await stage.next(second, 6)).json
    assert len({*stage.names(first), *stage.names(third)}) == 6
    stage.twin.arm("cursor_loop", times=4)
    page = (await stage.list()).json
    for offset in (3, 6, 9):
        following = (await stage.next(page, offset)).json
        assert stage.names(following) == stage.names(page)
        page = following


async def test_batch_results_shuffled_or_too_few(stage: Stage) -> None:
    """F-25."""
    stage.twin.arm("results_short", times=1)
    answer = (await stage.batch()).json
    assert len(answer if stage.sf else answer["new_members"]) == 4
    stage.twin.reset()
    await stage.batch(12)
    right = [r.id for r in stage.twin.writes(stage.twin.state()["writes"] - 12)]
    stage.twin.reset()
    stage.twin.arm("results_shuffled", times=1)
    answer = (await stage.batch(12)).json
    shuffled = [r["id"] for r in (answer if stage.sf else answer["new_members"])]
    assert len(shuffled) == len(right)
    assert sorted(shuffled) != shuffled or shuffled != right


async def test_single_records_refused_locked_cut_or_rewritten(stage: Stage) -> None:
    """F-29, F-30, T-42: accepted but not applied."""
    field, object = ("Title", "Contact") if stage.sf else ("JOBTITLE", "members")

    async def written(name: str, value: str) -> Any:
        assert (await stage.write(name, **{field: value})).status in (200, 201)
        record = stage.twin.records(object, where={"LastName" if stage.sf else "merge_fields.LNAME": name}, limit=100)[
            0
        ]
        return record.get(field) if stage.sf else record["merge_fields"][field]

    stage.twin.arm("record_invalid", times=1, object=object, field=field, message="No bosses")
    refused = await stage.write("a", **{field: "Boss"})
    assert refused.status == 400
    assert b"No bosses" in refused.body
    stage.twin.arm("field_dropped", times=1, object=object, field=field)
    assert not await written("b", "Boss")
    for how, sent, kept in (
        ("trim", "The  Boss", "The Boss"),
        ("upper", "Boss", "BOSS"),
        ("lower", "Boss", "boss"),
        ("title", "the boss", "The Boss"),
        ("phone", "+48 123 456 789", "(481) 234-56789"),
        ("phone", "no phone", "no phone"),
    ):
        stage.twin.arm("values_rewritten", times=1, how=how, field=field)
        assert await written(f"c{how}{len(sent)}", sent) == kept
    stage.twin.arm("values_rewritten", how="restless", field=field)
    assert {await written("d", "Boss"), await written("e", "Boss")} == {"BOSS", "boss"}
    stage.twin.clear_faults()
    stage.twin.arm("stamp_far_future", times=1)
    await written("f", "x")
    newest = max(str(r.get("SystemModstamp") or r.get("last_changed")) for r in stage.twin.records(object, limit=100))
    assert newest.startswith("9999-12-31T23:59:59")


async def test_row_locks(sf: SalesforceTwin, sf_api: Client) -> None:
    """T-69."""
    id = sf.edit("create", object="Contact", values={"LastName": "x"})["id"]
    sf.arm("row_lock", times=3)
    assert (await sf_api("PATCH", f"/sobjects/Contact/{id}", {"Title": "x"})).json[0][
        "errorCode"
    ] == "UNABLE_TO_LOCK_ROW"
    assert (await sf_api("DELETE", f"/sobjects/Contact/{id}")).json[0]["errorCode"] == "UNABLE_TO_LOCK_ROW"
    many = await sf_api("PATCH", "/composite/sobjects", {"records": [{"attributes": {"type": "Contact"}, "Id": id}]})
    assert many.json[0]["errors"][0]["statusCode"] == "UNABLE_TO_LOCK_ROW"
    assert (await sf_api("PATCH", f"/sobjects/Contact/{id}", {"Title": "x"})).status == 204


async def test_filters_skips_counts_and_probabilities(stage: Stage) -> None:
    twin = stage.twin
    twin.arm("status_500", method="POST")
    assert (await stage.list()).status == 200
    assert (await stage.write("a")).status == 500
    twin.clear_faults()
    twin.arm("status_500", path="count=3|/query")
    assert (await stage.write("b")).status in (200, 201)
    assert (await stage.list()).status == 500
    twin.clear_faults()
    twin.arm("status_500", object="Contact" if stage.sf else "members", skip=2, times=2)
    assert [(await stage.list()).status for _ in range(5)] == [200, 200, 500, 500, 200]
    twin.arm("status_500", object="Account" if stage.sf else "campaigns")
    assert (await stage.list()).status == 200
    twin.clear_faults()
    twin.arm("status_500", probability=0.5)
    statuses = [(await stage.list()).status for _ in range(60)]
    assert 10 < statuses.count(500) < 50
    with pytest.raises(UnknownFault):
        twin.arm("bad_mood")
    with pytest.raises(ValueError, match="no pattern"):
        twin.arm("status_500", path="(")


async def test_equal_seeds_give_equal_chances() -> None:
    async def struck(seed: int) -> list[bool]:
        twin = SalesforceTwin(seed=seed)
        twin.arm("hook_lost", probability=0.3)
        return [twin.around.faults.strike("hook", None, "Contact") is not None for _ in range(50)]

    assert await struck(1) == await struck(1) != await struck(2)


async def test_a_webhook_may_come_before_its_record_can_be_read(stage: Stage, clock: FakeClock) -> None:
    """F-36: before create."""
    stage.twin.arm("record_late", times=1, seconds=30)
    before = stage.stored()
    if stage.sf:
        id = stage.twin.edit("create", object="Contact", values={"LastName": "late"})["id"]
        url = f"/sobjects/Contact/{id}"
    else:
        id = stage.twin.edit("signup", email="late@b.example")["id"]
        url = f"/lists/{stage.twin.list_id}/members/{id}"  # type: ignore[union-attr]
    assert (await stage.api("GET", url)).status == 404
    assert stage.stored() == before
    clock.advance(30)
    await asyncio.sleep(0)
    assert (await stage.api("GET", url)).status == 200


async def test_a_choice_that_is_gone_is_refused(stage: Stage) -> None:
    """F-29: schema and refusal agree."""
    field, object = ("Language__c", "Contact") if stage.sf else ("LANGUAGE", "members")
    stage.twin.arm("picklist_value_removed", object=object, field=field, value="Polish")
    assert (await stage.write("a", **{field: "English"})).status in (200, 201)
    assert (await stage.write("b", **{field: "Polish"})).status == 400
    stage.twin.clear_faults()
    assert (await stage.write("c", **{field: "Polish"})).status in (200, 201)
