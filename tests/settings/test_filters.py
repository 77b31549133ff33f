"""Filters: natural conditions over fields that may be blank, and expressions that are checked before they run."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.settings.folders import load, setup_of
from zgoda.model.entities import ENTITIES
from zgoda.settings.expressions import MOST_CHARACTERS, RESERVED_NAMES, examine
from zgoda.settings.filters import Filter, filter_variables

CONSENTS = ("consent:email:marketing", "consent:email:marketing:kids")
PERSON, DEAL = ENTITIES["person"], ENTITIES["deal"]

JAN = {"country": "PL", "email": "jan@example.com", "score": 7, "keywords": ["vip"], "birth_date": "1990-05-01"}


@pytest.mark.parametrize(
    ("text", "values", "admitted"),
    [
        ('country == "PL" && email != null', JAN, True),
        ('country == "PL" && email != null', {"country": "PL"}, False),
        ('country == "PL" && email != null', {}, False),
        ('country != "PL"', {"country": None}, True),
        ('country == "PL" || score > 5', {"country": "PL"}, True),
        ('country in ["PL", "DE"]', JAN, True),
        ('country in ["PL", "DE"]', {}, False),
        ("score > 5", JAN, True),
        ("score > 5.5", JAN, True),
        ('"vip" in keywords', JAN, True),
        ('"vip" in keywords', {}, False),
        ("size(keywords) == 0", {"keywords": None}, True),
        ('birth_date < "2000-01-01"', JAN, True),
        ('email.endsWith("@example.com")', JAN, True),
        ('consent_email_marketing == "granted"', {"consent:email:marketing": "granted"}, True),
        ('consent_email_marketing == "unknown"', {}, True),
        ('consent_email_marketing_kids != "withdrawn"', {"consent:email:marketing:kids": "withdrawn"}, False),
        ("works_for != null", {"works_for": 12}, True),
    ],
)
def test_conditions_on_people(text: str, values: dict[str, Any], admitted: bool) -> None:
    assert examine(text, filter_variables(PERSON, CONSENTS)).gives == "BOOL"
    assert Filter(text, PERSON, CONSENTS)(values) is admitted


@pytest.mark.parametrize(
    ("text", "values", "admitted"),
    [
        ("amount > 1000", {"amount": "1000.01"}, True),
        ("amount > 1000", {"amount": "999.99"}, False),
        ("amount in [10, 20]", {"amount": "20"}, True),
        ("amount == 10", {"amount": "10"}, True),
        ("amount > 1000 && probability >= 0.5", {"amount": "2000", "probability": "0.5"}, True),
        ("is_won == true", {"is_won": None}, False),
        ("is_won != true", {"is_won": None}, True),
        ("is_won", {"is_won": True}, True),
    ],
)
def test_amounts_are_numbers(text: str, values: dict[str, Any], admitted: bool) -> None:
    assert examine(text, filter_variables(DEAL)).gives == "BOOL"
    assert Filter(text, DEAL)(values) is admitted


@pytest.mark.parametrize(
    ("text", "values", "reason"),
    [
        ("score > 5", {"score": 3}, "outside the filter"),
        ("score > 5", {"score": None}, "the filter cannot decide: score blank"),
        ("!(score > 5)", {}, "the filter cannot decide: score blank"),
        ('email.startsWith("a") && score > 1', {"email": "a@b.c"}, "the filter cannot decide: score blank"),
        ("score / (score - 3) > 0", {"score": 3}, "the filter cannot be evaluated"),
        ("score > 5", {"score": 6}, ""),
    ],
)
def test_what_cannot_be_decided_is_not_admitted_and_says_why(text: str, values: dict[str, Any], reason: str) -> None:
    found = Filter(text, PERSON)
    assert found.refusal(values) == reason
    assert found(values) is (not reason)


def test_a_field_that_cel_would_misread_has_an_underscore() -> None:
    membership = ENTITIES["membership"]
    assert Filter("list_ == 7", membership)({"list": 7})
    complaint = examine("list == 7", filter_variables(membership)).complaints[0]
    assert complaint.hint == "the field list is called list_ here"


def test_words_cel_reserves_are_known() -> None:
    """Each is refused as a variable by CEL itself, else the list would be wrong."""
    for word in sorted(RESERVED_NAMES):
        assert examine(f"{word} == 1", {word: "whole"}).complaints, word


@pytest.mark.parametrize(
    ("text", "line", "column", "message", "hint"),
    [
        ("contry == 'PL'", 1, 1, "there is no contry", "did you mean country?"),
        ("country == 'PL' &&\n  scor > 1", 2, 3, "there is no scor", "did you mean score?"),
        ("score > 'x'", 1, 7, "> does not go with a whole number and a text", ""),
        ("keywords == null", 1, 10, "== does not go with a set and null", "a set is never null: ask size(x) == 0"),
        ("score + 0.5 > 1.0", 1, 7, "+ does not go with a whole number and a number", None),
        ("(country == 'PL'", 1, 17, None, ""),
        ("a.b.c == 1", 1, 1, "there is no a", None),
        ("", 1, 1, None, None),
    ],
)
def test_complaints_have_a_place(text: str, line: int, column: int, message: str | None, hint: str | None) -> None:
    complaint = examine(text, filter_variables(PERSON)).complaints[0]
    assert (complaint.line, complaint.column) == (line, column)
    assert message is None or complaint.message == message
    assert hint is None or complaint.hint == hint


def test_every_fault_of_an_expression_is_told() -> None:
    complaints = examine("contry == 1 && scor == 2 && email > 3", filter_variables(PERSON)).complaints
    assert [c.column for c in complaints] == [1, 16, 35]


@pytest.mark.parametrize(
    "text",
    [
        "(" * 3000 + "true" + ")" * 3000,
        "!" * 3900 + "true",
        "-" * 3900 + "1",
        "[" * 1000 + "]" * 1000,
        "true ? " * 500 + "true" + " : true" * 500,
        "a" + ".b" * 1900,
        "x" * (MOST_CHARACTERS + 1),
        " && ".join(["true"] * 560),
        "email.matches('" + "(" * 40 + "a" + ")+" * 40 + "')",
    ],
)
def test_hostile_expressions_cost_little(text: str) -> None:
    began = time.perf_counter()
    verdict = examine(text, filter_variables(PERSON))
    assert time.perf_counter() - began < 2
    assert verdict.complaints or verdict.gives == "BOOL"


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="abc()[]{}.!&|<>=+-*/?:,'\"\\ 01\n", max_size=60))
def test_no_text_crashes_the_checker(text: str) -> None:
    verdict = examine(text, {"a": "text", "b": "whole", "c": "set"})
    assert bool(verdict.complaints) != bool(verdict.gives)
    assert all(c.line >= 1 and c.column >= 1 and c.message for c in verdict.complaints)


def test_the_compiled_setup_filters(tmp_path: Path) -> None:
    setup = setup_of(load(tmp_path, {"mappings/crm.yaml": "contacts: {filter: 'country == \"PL\"'}\n"}))
    source, other = setup.find("crm", "contacts"), setup.find("crm", "deals")
    assert source is not None
    assert other is not None
    assert source.admits is not None
    assert source.admits({"country": "PL"})
    assert not source.admits({"country": "DE"})
    assert source.filter_text == 'country == "PL"'
    assert other.admits is None
