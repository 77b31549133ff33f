"""Mapping files: rows laid over the connector's table, and refusals of what would break meaning (T-73)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.settings.folders import load, said
from tests.settings.vendors import CONTACTS, DESCRIBED
from zgoda.kit.mapping import Map
from zgoda.settings.project import Project

CUSTOM = (
    "name: acme\nentities:\n  person:\n"
    "    seen: {type: instant, meaning: Last seen, category: user.behavior}\n"
    "    level: {type: choice, order: [low, high], meaning: Level, category: user.preference}\n"
    "    member: {type: boolean, meaning: Is a member, category: none}\n"
    "    spent: {type: decimal, meaning: Spent, category: user.financial}\n"
)


def rows(project: Project, stream: str = "contacts") -> dict[str, Map]:
    plan = next(plan for plan in project.connections["crm"].streams if plan.stream == stream)
    return {m.field: m for m in plan.maps}


def mapped(tmp_path: Path, fields: str, more: str = "") -> Project:
    return load(tmp_path, {"zgoda.yaml": CUSTOM, "mappings/crm.yaml": f"contacts:\n  fields:\n{fields}{more}"})


def test_without_a_file_the_connectors_table_holds(tmp_path: Path) -> None:
    assert rows(load(tmp_path)) == {m.field: m for m in CONTACTS}


def test_a_row_changes_only_what_it_says(tmp_path: Path) -> None:
    found = rows(mapped(tmp_path, "    - {field: gender, direction: in}\n"))
    default = next(m for m in CONTACTS if m.field == "gender")
    assert found["gender"].direction == "in"
    assert (found["gender"].vendor, found["gender"].values) == (default.vendor, default.values)
    assert len(found) == len(CONTACTS)


def test_a_row_with_another_vendor_field_starts_from_nothing(tmp_path: Path) -> None:
    found = rows(mapped(tmp_path, "    - {field: gender, vendor: Gender__c}\n"))
    assert found["gender"] == Map(vendor="Gender__c", field="gender")


def test_only_and_drop(tmp_path: Path) -> None:
    dropped = rows(load(tmp_path, {"mappings/crm.yaml": "contacts: {drop: [telephone, keywords]}\n"}))
    assert set(dropped) == {m.field for m in CONTACTS} - {"telephone", "keywords"}
    only = rows(mapped(tmp_path, "    - {field: email, vendor: Email}\n", "  only: true\n"))
    assert only == {"email": Map(vendor="Email", field="email")}


def test_every_key_of_a_row_reaches_the_table(tmp_path: Path) -> None:
    row = (
        "    - field: level\n      vendor: Level\n      direction: both\n      nulls: ignore\n"
        "      values: {L: low, H: high, true: high, 1: low}\n      otherwise: default\n      default_in: low\n"
        "      default_out: null\n      placeholder: L\n      required: true\n"
    )
    assert rows(mapped(tmp_path, row))["level"] == Map(
        vendor="Level",
        field="level",
        nulls="ignore",
        values=(("L", "low"), ("H", "high"), (True, "high"), (1, "low")),
        otherwise="default",
        default_in="low",
        default_out=None,
        placeholder="L",
        required=True,
    )


def test_rows_of_streams_that_take_no_part_are_left_out_and_noted(tmp_path: Path) -> None:
    text = (
        "connector: bigcrm\nsettings: {base_url: https://crm.example.com, token: '${env:T}'}\nstreams: {contacts: }\n"
    )
    project = load(tmp_path, {"connections/crm.yaml": text})
    assert "works_for" not in rows(project)
    assert project.notes == ("crm: works_for is left out, because companies takes no part",)


def test_a_stream_may_hold_another_entity(tmp_path: Path) -> None:
    text = "extras: {entity: task, fields: [{field: subject, vendor: Title}]}\n"
    project = load(tmp_path, {"mappings/crm.yaml": text})
    assert rows(project, "extras") == {"subject": Map(vendor="Title", field="subject")}
    assert ("crm", "extras", "task") in project.sources()


REFUSED: list[tuple[str, str]] = [
    # names
    ("{field: emial, vendor: E}", "5:15: person has no field emial (did you mean email?)"),
    ("{field: level}", "5:7: the row for level needs vendor"),
    ("{vendor: E}", "5:7: a row needs field"),
    ("{field: email, vender: E}", "5:22: a row has no key vender (did you mean vendor?)"),
    ("{field: email, direction: up}", "5:33: there is no direction up (known: both, in, out)"),
    (
        "{field: consent:emial:marketing, vendor: X}",
        "5:15: there is no consent consent:emial:marketing (did you mean co",
    ),
    # types
    ("{field: seen, vendor: Born}", "5:29: Born holds a date, seen is an instant; a date has no time of day"),
    (
        "{field: description, vendor: Tags}",
        "5:36: Tags holds a set of items, description is text; several items are no",
    ),
    (
        "{field: birth_date, vendor: First}",
        "5:35: First holds text, birth_date is a date (map another field, or say how",
    ),
    (
        "{field: spent, vendor: Points, direction: out}",
        "5:30: spent is a decimal number, Points holds a whole number; th",
    ),
    ("{field: email, vendor: Phone}", "5:30: Phone holds a telephone number, email is an e-mail address"),
    (
        "{field: member, vendor: NoMail2, values: {Y: 1}}",
        "5:52: member is true or false, which this is not (write true or",
    ),
    # written twice
    ("{field: description, vendor: First}", "5:36: description and given_name both write the vendor's field First"),
    ("{field: description, vendor: First.x}", "5:36: description and given_name both write the vendor's field First.x"),
    ("{field: email}\n    - {field: email, nulls: fill}", "6:7: email has two rows; the first is in line 5"),
    # calculated
    (
        "{field: score, direction: both}",
        "5:33: Points is calculated by the vendor, so it cannot be written (write dire",
    ),
    ("{field: level, vendor: F, derived: true}", "5:7: F is calculated by the vendor, so it cannot be written"),
    # choices
    ("{field: level, vendor: F, values: {a: lo}}", "5:45: level has no choice lo (did you mean low?)"),
    (
        "{field: level, vendor: F, values: {a: low}, otherwise: hold}",
        "5:41: values lack our high, which would be held and never written",
    ),
    ("{field: gender, values: {M: male}}", "5:31: values lack our female, which would be held and never written"),
    ("{field: gender, values: {M: male}}", "5:31: values lack the vendor's F, which would be held and never read"),
    (
        "{field: member, vendor: B, values: {true: true}, otherwise: hold}",
        "5:42: values lack the vendor's False, which would be held and never read",
    ),
    ("{field: level, vendor: F, otherwise: hold}", "5:44: otherwise: hold needs values"),
    (
        "{field: level, vendor: F, values: {a: low, b: high}, otherwise: default}",
        "5:71: otherwise: default needs default_in and default_out (for a blank write default_in: null)",
    ),
    ("{field: level, vendor: F, default_in: low}", "5:45: default_in is only used with otherwise: default"),
    ("{field: works_for, values: {a: b}}", "5:34: works_for is a ref; ids are not translated"),
    ("{field: country, vendor: F, values: {Polska: pl}}", "5:52: country is a country, which this is not (two capital"),
    # refs
    ("{field: works_for, vendor: Boss}", "5:15: works_for is a ref: it needs refers_to"),
    (
        "{field: works_for, vendor: B, refers_to: compnies}",
        "5:48: no stream compnies takes part in this connection (did",
    ),
    (
        "{field: works_for, vendor: B, refers_to: [deals]}",
        "5:48: works_for points at organization, but deals holds deal",
    ),
    ("{field: email, refers_to: deals}", "5:33: email is no ref, so it refers to nothing"),
    # consent
    ("{field: consent:phone:marketing, vendor: X}", "5:15: a consent needs values: which choice means which status"),
    (
        "{field: consent:phone:marketing, vendor: X, values: {a: yes}}",
        "5:63: consent:phone:marketing has no choice yes",
    ),
    ("{field: email, evidence: X}", "5:32: email is no consent, so nothing proves it"),
    (
        "{field: consent:email:marketing, placeholder: false}",
        "5:53: a consent cannot be made up",
    ),
    # expressions
    ("{field: given_name, read: 'row.First +'}", "5:45: syntax: mismatched input the end"),
    (
        "{field: given_name, read: 'row.Frist'}",
        "5:34: row.Frist is not read: no row of this stream maps it (map it too",
    ),
    ("{field: given_name, read: 'rwo.First'}", "5:34: there is no rwo (did you mean row?)"),
    ("{field: member, vendor: Tags2, read: 'size(row.Tags)'}", ""),
    ("{field: keywords, read: '\"x\"'}", "5:31: keywords is a set of items, the expression gives a text"),
    ("{field: given_name, write: 'value + 1'}", "5:41: + does not go with a text and a whole number"),
    ("{field: keywords, write: '\"x\"'}", "5:32: keywords is a set of items, the expression gives a text"),
    ("{field: given_name, direction: in, write: value}", "5:49: this row only reads, so nothing is written"),
    ("{field: given_name, direction: out, read: row.First}", "5:49: this row only writes, so nothing is read"),
]


@pytest.mark.parametrize(("row", "expected"), REFUSED, ids=range(len(REFUSED)))
def test_rows_that_break_meaning_are_refused_with_their_place(tmp_path: Path, row: str, expected: str) -> None:
    # the row begins in line 5, column 7
    text = f"companies: {{}}\n# rows\ncontacts:\n  fields:\n    - {row}\n"
    lines = said(tmp_path, {"zgoda.yaml": CUSTOM, "mappings/crm.yaml": text})
    if expected:
        assert any(line.startswith("mappings/crm.yaml:" + expected) for line in lines), lines
    else:
        assert lines == []


ALLOWED = [
    "{field: seen, vendor: Born, direction: in, read: 'row.Born + \"T00:00:00Z\"'}",
    "{field: description, vendor: Phone, direction: in}",
    "{field: level, vendor: Sex2, values: {M: low}, otherwise: keep}",
    "{field: level, vendor: F, values: {a: low, b: high}, otherwise: hold}",
    "{field: level, vendor: F, values: {a: low}, otherwise: hold, direction: in}",
    "{field: works_for, vendor: Employer, refers_to: companies}",
    "{field: consent:phone:marketing, vendor: X, values: {true: withdrawn, false: granted}}",
    "{field: description, vendor: First, direction: in}",
]


@pytest.mark.parametrize("row", ALLOWED)
def test_rows_that_keep_meaning_are_taken(tmp_path: Path, row: str) -> None:
    text = f"contacts:\n  fields:\n    - {row}\n"
    assert said(tmp_path, {"zgoda.yaml": CUSTOM, "mappings/crm.yaml": text}) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("contcts: {}\n", "1:1: Big CRM has no stream contcts (did you mean contacts?)"),
        ("contacts: {filtr: 'true'}\n", "1:12: the mapping of contacts has no key filtr (did you mean filter?)"),
        ("contacts: {may: [destroy]}\n", "1:18: there is no permission destroy"),
        ("deals: {may: [delete]}\n", "1:15: deals cannot delete at this vendor (it can create, update)"),
        ("visits: {may: [create]}\n", "1:16: visits cannot create at this vendor (it can only be read)"),
        ("contacts: {on_delete: propogate}\n", "1:23: there is no rule propogate (did you mean propagate?)"),
        ("contacts: {drop: [emial]}\n", "1:19: the connector has no row for emial (did you mean email?)"),
        ("contacts: {entity: persn}\n", "1:20: there is no entity persn (did you mean person?)"),
        ("contacts: {only: true}\n", "1:11: no row says what the fields of crm/contacts mean"),
        (
            "contacts: {fields: {email: E}}\n",
            "1:20: a list is expected, found a mapping (for example [{field: given_na",
        ),
        ("contacts: [email]\n", "1:11: a mapping is expected (the mapping of contacts), found a list"),
        ("contacts: {filter: email}\n", "1:20: a filter must say true or false (for example country =="),
        ("contacts: {filter: 5}\n", "1:20: a condition is expected, found a number"),
        (
            "contacts:\n  filter: |\n    country == 'PL' &&\n      contry == 'DE'\n",
            "4:7: there is no contry (did you mean country?)",
        ),
        ("contacts: {filter: 'score > \"x\"'}\n", "1:27: > does not go with a whole number and a text"),
        ("deals: {fields: [{field: consent:email:marketing, vendor: X}]}\n", "1:26: only people give consent"),
        (
            "companies: {fields: [{field: annual_revenue, vendor: Staff}]}\n",
            "1:54: annual_revenue is a decimal number, St",
        ),
    ],
)
def test_faults_of_streams(tmp_path: Path, text: str, expected: str) -> None:
    lines = said(tmp_path, {"mappings/crm.yaml": text})
    assert any(line.startswith("mappings/crm.yaml:" + expected) for line in lines), lines


def test_a_mapping_of_a_stream_that_takes_no_part_is_a_fault(tmp_path: Path) -> None:
    files = {
        "connections/crm.yaml": (
            "connector: bigcrm\nsettings: {base_url: https://crm.example.com, token: '${env:T}'}\n"
            "streams: {companies: }\n"
        ),
        "mappings/crm.yaml": "contacts:\n  may: [update]\n",
    }
    line = "mappings/crm.yaml:2:3: the stream contacts takes no part in this connection (add contacts to streams in "
    assert any(found.startswith(line) for found in said(tmp_path, files))


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("{field: description, vendor: Nots__c}", "3:36: contacts has no field Nots__c at the vendor"),
        ("{field: seen, vendor: Seen__c}", ""),
        (
            "{field: birth_date, vendor: Seen__c}",
            "3:35: Seen__c holds an instant, birth_date is a date; an instant is a",
        ),
        ("{field: spent, vendor: Score__c}", "3:7: Score__c is calculated by the vendor, so it cannot be written"),
        ("{field: spent, vendor: Score__c, direction: in}", ""),
        ("{field: description, vendor: Locked__c}", "3:7: Locked__c is not open to us for writing"),
        ("{field: gender, values: {M: male, W: female}}", "3:41: Sex has no choice W"),
        (
            "{field: gender, values: {M: male, F: female}}",
            "3:31: values lack the vendor's X, which would be held and nev",
        ),
    ],
)
def test_what_the_vendor_says_of_its_fields_counts(tmp_path: Path, row: str, expected: str) -> None:
    """Drift and mistakes against the vendor's own description."""
    files = {"zgoda.yaml": CUSTOM, "mappings/crm.yaml": f"contacts:\n  fields:\n    - {row}\n"}
    lines = said(tmp_path, files, {("crm", "contacts"): DESCRIBED})
    if expected:
        assert any(line.startswith("mappings/crm.yaml:" + expected) for line in lines), lines
    else:
        assert lines == []
