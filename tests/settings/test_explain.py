"""T-32: the truth table of a policy is played through the real merge and plan, never written down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.settings.folders import load, setup_of
from zgoda.model.entities import ENTITIES
from zgoda.settings.explain import Outcome, TruthTable, explain_policy
from zgoda.settings.policy_shape import FITS
from zgoda.sync.policy import MostRecent


def table(tmp_path: Path, field: str, policy: str = "", crm: str = "", news: str = "") -> TruthTable:
    """The table of a person's field between the CRM and the newsletter; the rows are changed by `crm` and `news`."""
    files: dict[str, str | bytes] = {}
    if policy:
        files["policies.yaml"] = f"person:\n  {field}: {policy}\n"
    if crm:
        files["mappings/crm.yaml"] = f"contacts: {{fields: [{{field: '{field}', {crm}}}]}}\n"
    if news:
        files["mappings/news.yaml"] = f"members: {{fields: [{{field: '{field}', {news}}}]}}\n"
    return explain_policy(setup_of(load(tmp_path, files)), "person", field)


def holds(found: TruthTable) -> dict[str, Any]:
    """Happening -> whose value the hub holds, for those where the order of arrival does not matter."""
    return {o.happening: o.in_words for o in found.outcomes if not o.first_read}


def outcome(found: TruthTable, happening: str) -> Outcome:
    return next(o for o in found.outcomes if o.happening == happening)


def test_most_recent(tmp_path: Path) -> None:
    found = table(tmp_path, "email")
    assert found.policy == MostRecent()
    assert holds(found) == {
        "only crm changed": "as crm says",
        "only news changed": "as news says",
        "both changed, crm later": "as crm says",
        "both changed, news later": "as news says",
        "both changed at the same moment": "as crm says",
        "cleared in crm": "as crm says",
        "cleared in news": "as news says",
        "cleared in crm, later changed in news": "as news says",
        "cleared in news, later changed in crm": "as crm says",
        "first sight, different values": "as crm says",
        "first sight, blank in crm": "as news says",
        "first sight, blank in news": "as crm says",
    }
    later = outcome(found, "both changed, news later")
    assert later.rule == "most recent"
    assert later.told == {"crm": later.said["news"]}


def test_rank_decides_the_same_moment(tmp_path: Path) -> None:
    found = table(tmp_path, "email", "{most_recent: {rank: [news, crm]}}")
    assert holds(found)["both changed at the same moment"] == "as news says"
    assert outcome(found, "both changed at the same moment").rule == "edited at the same time: rank of systems"


def test_a_long_tolerance_is_still_told_apart(tmp_path: Path) -> None:
    found = table(tmp_path, "email", "{most_recent: {tolerance: 30d}}")
    assert holds(found)["both changed, news later"] == "as news says"


def test_prefer(tmp_path: Path) -> None:
    found = table(tmp_path, "given_name", "{prefer: crm}")
    held = holds(found)
    assert held["only news changed"] == "as before"
    assert outcome(found, "only news changed").told == {"news": found.before}
    assert {held[h] for h in held if h.startswith("both changed")} == {"as crm says"}


def test_ask_waits_and_tells_nobody(tmp_path: Path) -> None:
    found = table(tmp_path, "given_name", "ask")
    both = [o for o in found.outcomes if o.happening.startswith("both changed")]
    assert both
    assert all(o.waits and o.told == {} for o in both)
    assert not outcome(found, "only crm changed").waits


def test_union_makes_a_value_of_both(tmp_path: Path) -> None:
    found = table(tmp_path, "keywords")
    same_moment = outcome(found, "both changed at the same moment")
    assert same_moment.holds == ["one", "other"]
    assert same_moment.in_words == "a value made of both"
    assert same_moment.told == {"crm": ["one", "other"], "news": ["one", "other"]}


def test_a_ratchet_does_not_go_back(tmp_path: Path) -> None:
    found = table(tmp_path, "lifecycle_stage", "ratchet", news="vendor: merge.STAGE")
    back = outcome(found, "only news changed")
    assert back.in_words == "as before"
    assert back.rule == "ratchet: may not move back"
    assert outcome(found, "only crm changed").in_words == "as crm says"


@pytest.mark.parametrize(
    ("nulls", "cleared", "told"),
    [("propagate", "as crm says", {"news": None}), ("ignore", "as before", {}), ("fill", "as before", {})],
)
def test_null_policies_show(tmp_path: Path, nulls: str, cleared: str, told: dict[str, Any]) -> None:
    found = table(tmp_path, "given_name", crm=f"nulls: {nulls}")
    assert found.nulls == {"crm": nulls, "news": "propagate"}
    happened = outcome(found, "cleared in crm")
    assert (happened.in_words, happened.told) == (cleared, told)


def test_directions_show(tmp_path: Path) -> None:
    found = table(tmp_path, "given_name", crm="direction: out")
    assert found.directions == {"crm": "out", "news": "both"}
    assert outcome(found, "only crm changed").in_words == "as before"
    inward = table(tmp_path, "given_name", crm="direction: in")
    assert outcome(inward, "only news changed").told == {}


def test_an_expression_is_played_too(tmp_path: Path) -> None:
    found = table(tmp_path, "given_name", "{expression: 'offered_by == \"news\" ? offered : held'}")
    assert holds(found)["only crm changed"] == "as before"
    assert holds(found)["only news changed"] == "as news says"


def test_consent_has_a_table_and_no_policy(tmp_path: Path) -> None:
    found = table(tmp_path, "consent:email:marketing")
    assert found.policy is None
    held = {o.happening: o.holds for o in found.outcomes}
    assert held["both changed, crm later"] == "withdrawn"
    assert held["first sight, different values"] == "withdrawn"
    assert outcome(found, "only crm changed").holds == "unknown"
    assert outcome(found, "only crm changed").told == {}
    assert outcome(found, "first sight, different values").rule == "withdrawal wins"


def test_where_the_order_of_arrival_matters_both_outcomes_are_shown(tmp_path: Path) -> None:
    found = table(tmp_path, "given_name", "fill_blanks")
    first = [(o.first_read, o.in_words) for o in found.outcomes if o.happening == "first sight, different values"]
    assert first == [("crm", "as crm says"), ("news", "as news says")]


@pytest.mark.parametrize(
    "policy", ["most_recent", "longest", "fill_blanks", "ask", "{prefer: news}", "{ranked: [news]}"]
)
@pytest.mark.parametrize("field", ["given_name", "email"])
def test_every_policy_has_a_table_without_holes(tmp_path: Path, policy: str, field: str) -> None:
    found = table(tmp_path, field, policy)
    assert {o.happening for o in found.outcomes} >= {
        "only crm changed",
        "only news changed",
        "both changed, crm later",
        "both changed, news later",
        "both changed at the same moment",
        "cleared in crm",
        "cleared in news",
        "first sight, different values",
        "first sight, blank in crm",
        "first sight, blank in news",
    }
    assert all(o.rule for o in found.outcomes)


def test_every_field_of_every_entity_can_be_explained(tmp_path: Path) -> None:
    """Sample values exist for all types, and real rows with value maps can be played."""
    setup = setup_of(load(tmp_path))
    for entity in ENTITIES.values():
        for field in setup.fields[entity.name]:
            assert str(explain_policy(setup, entity.name, field)).startswith(f"{entity.name}.{field}: ")


def test_a_field_of_one_system_has_nothing_to_settle(tmp_path: Path) -> None:
    found = table(tmp_path, "telephone")
    assert found.outcomes == ()
    assert "Fewer than two connections map this field" in str(found)


def test_it_prints_as_a_table(tmp_path: Path) -> None:
    lines = str(table(tmp_path, "given_name", "{prefer: crm}", crm="nulls: ignore")).splitlines()
    assert lines[0] == "person.given_name: prefer (system crm, unless_blank no)"
    assert lines[1] == "crm: direction both, nulls ignore"
    header = next(line for line in lines if line.startswith("what happens"))
    assert "the hub holds" in header
    start = header.index("the hub holds")
    changed = next(line for line in lines if line.startswith("only crm changed"))
    assert changed[start:].startswith("one ")


def test_an_unknown_field_names_the_nearest(tmp_path: Path) -> None:
    setup = setup_of(load(tmp_path))
    with pytest.raises(LookupError, match=r"there is no emial: did you mean email\?"):
        explain_policy(setup, "person", "emial")
    with pytest.raises(LookupError, match=r"there is no persn: did you mean person\?"):
        explain_policy(setup, "persn", "email")


def test_all_policies_are_known_to_the_shape() -> None:
    assert set(FITS) == {
        "prefer", "most_recent", "ranked", "fill_blanks", "longest", "union", "min", "max", "sum", "ratchet", "ask",
        "expression",
    }  # fmt: skip
