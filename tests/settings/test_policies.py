"""`policies.yaml` and `consent.yaml`: what each word becomes, defaults, and refusals (T-73)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.settings.folders import load, said, setup_of
from zgoda.model.entities import LIFECYCLE, FieldType
from zgoda.sync.policy import (
    Ask,
    Extreme,
    FillBlanks,
    Formula,
    Longest,
    MostRecent,
    Policy,
    Prefer,
    Ranked,
    Ratchet,
    Sum,
    Union,
)


def person(tmp_path: Path, text: str) -> dict[str, Policy]:
    return dict(load(tmp_path, {"policies.yaml": text}).policies["person"])


def test_what_holds_when_nothing_is_said(tmp_path: Path) -> None:
    policies = load(tmp_path).policies
    assert policies["person"]["email"] == MostRecent(tolerance_s=60, rank=(), ask=False)
    assert policies["person"]["keywords"] == Union()
    assert policies["person"]["lifecycle_stage"] == Ratchet(order=LIFECYCLE)
    assert policies["deal"]["amount"] == MostRecent()


@pytest.mark.parametrize(
    ("field", "said_so", "policy"),
    [
        ("email", "{prefer: crm}", Prefer(system="crm")),
        ("email", "{prefer: {system: crm, unless_blank: true}}", Prefer(system="crm", unless_blank=True)),
        ("email", "most_recent", MostRecent()),
        ("email", "{most_recent: {tolerance: 5m, then: ask}}", MostRecent(tolerance_s=300, ask=True)),
        ("email", "{most_recent: {rank: [news, crm]}}", MostRecent(rank=("news", "crm"))),
        ("email", "{ranked: [news, crm]}", Ranked(systems=("news", "crm"))),
        ("email", "fill_blanks", FillBlanks()),
        ("email", "longest", Longest()),
        ("keywords", "union", Union()),
        ("score", "min", Extreme(largest=False)),
        ("score", "max", Extreme(largest=True)),
        ("birth_date", "max", Extreme(largest=True)),
        ("score", "sum", Sum()),
        ("lifecycle_stage", "ratchet", Ratchet(order=LIFECYCLE)),
        ("lifecycle_stage", "{ratchet: [lead, customer]}", Ratchet(order=("lead", "customer"))),
        ("gender", "{ratchet: [a, b]}", Ratchet(order=("a", "b"))),
        ("email", "ask", Ask()),
        ("email", "{expression: 'held == null ? offered : held'}", Formula(text="held == null ? offered : held")),
    ],
)
def test_every_policy(tmp_path: Path, field: str, said_so: str, policy: Policy) -> None:
    assert person(tmp_path, f"person:\n  {field}: {said_so}\n")[field] == policy


def test_the_nearest_default_that_suits_a_field_holds(tmp_path: Path) -> None:
    text = "default: {prefer: crm}\nperson:\n  default: longest\n  email: ask\n"
    policies = load(tmp_path, {"policies.yaml": text}).policies
    assert policies["person"]["email"] == Ask()
    assert policies["person"]["given_name"] == Longest()
    assert policies["person"]["score"] == Prefer(system="crm")
    assert policies["person"]["keywords"] == Prefer(system="crm")
    assert policies["deal"]["amount"] == Prefer(system="crm")


def test_most_recent_as_a_default_leaves_sets_and_ordered_choices_alone(tmp_path: Path) -> None:
    policies = person(tmp_path, "default: {most_recent: {tolerance: 1h}}\n")
    assert policies["email"] == MostRecent(tolerance_s=3600)
    assert policies["keywords"] == Union()
    assert policies["lifecycle_stage"] == Ratchet(order=LIFECYCLE)


def test_a_default_may_be_an_expression_for_fields_of_all_types(tmp_path: Path) -> None:
    policies = person(tmp_path, "default: {expression: 'offered_by == \"crm\" ? offered : held'}\n")
    assert isinstance(policies["email"], Formula)
    assert isinstance(policies["keywords"], Formula)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("persn: {}\n", "1:1: policies has no entity persn (did you mean person?)"),
        ("person: {emial: ask}\n", "1:10: person has no field emial (did you mean email?)"),
        ("person: {email: askk}\n", "1:17: there is no policy askk (did you mean ask?)"),
        ("person: {email: {preferr: crm}}\n", "1:18: there is no policy preferr (did you mean prefer?)"),
        ("person: {email: {prefer: cmr}}\n", "1:26: there is no connection cmr (did you mean crm?)"),
        ("person: {email: {prefer: {system: crm, unles_blank: true}}}\n", "1:40: prefer has no key unles_blank"),
        ("person: {email: {prefer: {unless_blank: true}}}\n", "1:26: prefer needs system"),
        ("person: {email: prefer}\n", "1:17: prefer needs to be told more (prefer: crm)"),
        ("person: {email: {prefer: crm, longest: }}\n", "1:17: policy is one word of: prefer, most_recent,"),
        ("person: {email: 5}\n", "1:17: policy is one word of: prefer"),
        ("person: {email: [ask]}\n", "1:17: policy is one word of: prefer"),
        (
            "person: {email: {most_recent: {tolerance: 60}}}\n",
            "1:43: a duration is expected, found a number (say the un",
        ),
        ("person: {email: {most_recent: {then: toss}}}\n", "1:38: there is no way out toss"),
        (
            "person: {email: union}\n",
            "1:17: union makes no sense for email: it is an e-mail address (choose one of pref",
        ),
        ("person: {given_name: sum}\n", "1:22: sum makes no sense for given_name: it is text"),
        ("person: {keywords: longest}\n", "1:20: longest makes no sense for keywords: it is a set of items"),
        ("person: {gender: ratchet}\n", "1:18: gender has no order of its own, so ratchet needs one"),
        (
            "person: {lifecycle_stage: {ratchet: [lead, custmer]}}\n",
            "1:44: lifecycle_stage has no choice custmer (did yo",
        ),
        ("person: {lifecycle_stage: {ratchet: [lead, lead]}}\n", "1:44: lead is here twice"),
        ("person: {email: {ranked: [crm, nws]}}\n", "1:32: there is no connection nws (did you mean news?)"),
        ("person: {email: {expression: 'heldd'}}\n", "1:31: there is no heldd (did you mean held?)"),
        ("person: {score: {expression: '\"x\"'}}\n", "1:30: score is a whole number, the expression gives a text"),
        (
            "person: {score: {expression: 'held + 1 > 2'}}\n",
            "1:30: score is a whole number, the expression gives true or f",
        ),
        ("deal: {amount: {expression: 'held > 5.0'}}\n", "1:35: > does not go with a text and a number"),
        (
            "deal: {amount: {expression: '5.0'}}\n",
            "1:29: amount is a decimal number, the expression gives a number (de",
        ),
        ("default: {expression: '\"x\"'}\n", "1:23: a default holds for all types of fields, but this gives a text"),
        ("default: {prefer: cmr}\n", "1:19: there is no connection cmr (did you mean crm?)"),
    ],
)
def test_faults_of_policies(tmp_path: Path, text: str, expected: str) -> None:
    lines = said(tmp_path, {"policies.yaml": text})
    assert any(line.startswith("policies.yaml:" + expected) for line in lines), lines


@pytest.mark.parametrize("key", ["consent:email:marketing", "consent", "'consent:nothing'"])
def test_consent_takes_no_policy_and_the_fault_says_why(tmp_path: Path, key: str) -> None:
    lines = said(tmp_path, {"policies.yaml": f"person:\n  {key}: ask\n"})
    assert lines == [
        "policies.yaml:2:3: consent takes no policy: the most restrictive word wins, and only newer evidence lifts a "
        "withdrawal (remove this; the law decides (GDPR Art. 7))"
    ]


def test_consents_of_connectors_exist_without_a_file(tmp_path: Path) -> None:
    project = load(tmp_path)
    assert set(project.consents.fields) == {"consent:email:marketing", "consent:phone:marketing"}
    rule = setup_of(project).fields["person"]["consent:email:marketing"]
    assert rule.field.type is FieldType.CONSENT


def test_brands_are_consents_of_their_own(tmp_path: Path) -> None:
    files = {
        "consent.yaml": "brands: [kids]\n",
        "mappings/crm.yaml": (
            "contacts:\n  fields:\n    - field: consent:phone:marketing:kids\n      vendor: NoKidsCalls\n"
            "      values: {true: withdrawn, false: unknown}\n"
        ),
    }
    setup = setup_of(load(tmp_path, files))
    assert "consent:phone:marketing:kids" in setup.fields["person"]
    source = setup.find("crm", "contacts")
    assert source is not None
    assert source.mapping.read({"NoKidsCalls": True}).values["consent:phone:marketing:kids"] == "withdrawn"
