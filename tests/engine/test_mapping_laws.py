"""The mapping's laws: absent is not blank, round trips are the identity, everything is mapped or held (I-18 … I-20)."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import assume, given, settings

from zgoda.kit.convert import Dialect
from zgoda.kit.mapping import Map, Mapping
from zgoda.model.entities import ENTITIES, Category, Entity, Field, FieldType
from zgoda.model.values import clean_text

LAW = settings(max_examples=200, deadline=None)

DIALECTS = {
    "json": Dialect(),
    "salesforce": Dialect(instant="salesforce", set_separator=";"),
    "odoo": Dialect(blank=(None, "", False), write_blank=False, instant="odoo"),
    "text": Dialect(blank=(None, ""), write_blank="", set_separator=",", decimal="text"),
}

TYPES = [type for type in FieldType if type not in (FieldType.REF, FieldType.CONSENT)]

EVERYTHING = Entity(
    name="everything",
    schema_org="Thing",
    meaning="One field of each type",
    fields={t.value: Field(name=t.value, type=t, meaning="", category=Category.NONE) for t in TYPES},
)

TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12).map(clean_text).filter(bool)
WORD = st.text("abcdefghijkłóżźу漢😀' -", min_size=1, max_size=8).map(clean_text).filter(bool)
INSTANTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 29), timezones=st.just(UTC))  # noqa: DTZ001


def _decimal(number: int, places: int) -> str:
    sign, digits = ("-" if number < 0 else ""), str(abs(number)).zfill(places + 1)
    text = digits[:-places] + "." + digits[-places:] if places else digits
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "0" else sign + text


CANONICAL: dict[FieldType, st.SearchStrategy[Any]] = {
    **dict.fromkeys((FieldType.TEXT, FieldType.EMAIL, FieldType.PHONE, FieldType.URL, FieldType.CHOICE), TEXT),
    FieldType.COUNTRY: st.sampled_from(["PL", "DE", "GB", "BR"]),
    FieldType.SET: st.lists(WORD, min_size=1, max_size=4, unique=True).map(sorted),
    FieldType.INTEGER: st.integers(-(10**12), 10**12),
    FieldType.DECIMAL: st.builds(_decimal, st.integers(-(10**11), 10**11), st.integers(0, 4)),
    FieldType.BOOLEAN: st.booleans(),
    FieldType.DATE: st.dates().map(lambda day: day.isoformat()),
    FieldType.INSTANT: INSTANTS.map(lambda moment: moment.replace(microsecond=0, tzinfo=None).isoformat() + "Z"),
}

RAW = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=10)
    | st.sampled_from(
        ["false", "true", "0", "1", "-0", "1e5", "NaN", "2026-02-30", "2026-01-01T00:00:00+14:00", "7473-01-01"]
    )
    | st.lists(st.none() | st.text(max_size=5) | st.integers(), max_size=4)
    | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2)
)


def mapping(dialect: Dialect, **more: Any) -> Mapping:
    return Mapping(tuple(Map(vendor=f"v.{t.value}", field=t.value, **more) for t in TYPES), EVERYTHING, dialect)


@pytest.mark.parametrize("name", DIALECTS)
@LAW
@given(values=st.fixed_dictionaries({}, optional={t.value: st.none() | CANONICAL[t] for t in TYPES}))
def test_a_round_trip_is_the_identity(name: str, values: dict[str, Any]) -> None:
    """I-19: hub -> system -> hub gives back the canonical values, for every dialect: what was written reads as itself,
    or the writer had said that it cannot carry it. So A -> hub -> B -> hub -> A is the identity too."""
    dialect = DIALECTS[name]
    table = mapping(dialect)
    row, faults = table.write(values, creating=False)
    held = {fault.field for fault in faults}
    back = table.read(row)
    for field, value in values.items():
        if field in held:
            continue
        if value is False and dialect.write_blank is False:
            continue  # such a system has no way to tell "no" from "not set"; see the test below
        assert field in back.values
        if value is None and dialect.write_blank is False and field == "boolean":
            assert table.echo(row, values)[field] is False  # it reads as "no", which is not taken for an edit
            continue
        assert back.values[field] == value
    again, _ = table.write({f: v for f, v in back.values.items() if f not in held}, creating=False)
    assert again == row or any(values.get(f) is False for f in values)


@pytest.mark.parametrize("a", DIALECTS)
@pytest.mark.parametrize("b", DIALECTS)
@settings(max_examples=40, deadline=None)
@given(values=st.fixed_dictionaries({t.value: CANONICAL[t] for t in TYPES if t is not FieldType.BOOLEAN}))
def test_from_a_over_b_to_a(a: str, b: str, values: dict[str, Any]) -> None:
    """I-19: a row of A, read, written to B, read there and written to A again is the same row."""
    there, here = mapping(DIALECTS[a]), mapping(DIALECTS[b])
    row, faults = there.write(values, creating=False)
    assume(not faults)
    over, refused = here.write(there.read(row).values, creating=False)
    assume(not refused)
    assert there.write(here.read(over).values, creating=False) == (row, [])


@pytest.mark.parametrize(
    ("value", "name"),
    [
        pytest.param("0001-01-01T00:00:00Z", "salesforce"),
        pytest.param("0987-06-05T04:03:02Z", "odoo"),
        ("0001-01-01T00:00:00Z", "json"),
    ],
)
def test_early_years_are_years(value: str, name: str) -> None:
    """I-19: 0001-01-01, which some systems write for "never", is carried like any other instant."""
    table = mapping(DIALECTS[name])
    row, _ = table.write({"instant": value}, creating=False)
    assert table.read(row).values == {"instant": value}


@LAW
@given(value=st.booleans())
def test_yes_and_no_survive_where_no_is_also_blank(value: bool) -> None:
    """I-19: in a dialect whose blank is `false` a boolean field is still a boolean: "no" is read as no."""
    table = mapping(DIALECTS["odoo"])
    row, faults = table.write({"boolean": value}, creating=False)
    assert faults == []
    assert table.read(row).values["boolean"] is value


@pytest.mark.parametrize("name", DIALECTS)
@LAW
@given(row=st.dictionaries(st.sampled_from([t.value for t in TYPES]), RAW, max_size=6))
def test_absent_is_not_blank(name: str, row: dict[str, Any]) -> None:
    """I-18: a field that is not in a row, or not readable in it, is not in what is read: never `None`."""
    table = mapping(DIALECTS[name])
    mapped = table.read({"v": row})
    assert set(mapped.values).isdisjoint({fault.field for fault in mapped.faults})
    assert set(mapped.values) <= set(row)
    assert mapped.values.keys() | {fault.field for fault in mapped.faults} == row.keys()
    assert table.read({}).values == table.read({"v": {}}).values == {}


@pytest.mark.parametrize("name", DIALECTS)
@LAW
@given(row=st.dictionaries(st.sampled_from([t.value for t in TYPES]), RAW, max_size=6))
def test_a_value_is_mapped_or_held_never_bent(name: str, row: dict[str, Any]) -> None:
    """I-20: whatever a system sends, each field ends as a canonical value of its type, as a known blank, or held with a
    reason that does not repeat the value; nothing raises, and what was mapped is a fixed point: canonical values are
    their own canonical form."""
    table = mapping(DIALECTS[name])
    mapped = table.read({"v": row})
    for field, value in mapped.values.items():
        assert value is None or _is_canonical(FieldType(field), value), (field, value)
    for fault in mapped.faults:
        assert fault.reason
        raw = row[fault.field]
        assert not (isinstance(raw, str) and len(raw) > 4 and raw in fault.reason)


def _is_canonical(type: FieldType, value: Any) -> bool:
    match type:
        case FieldType.INTEGER:
            return isinstance(value, int) and not isinstance(value, bool)
        case FieldType.BOOLEAN:
            return isinstance(value, bool)
        case FieldType.SET:
            items: list[str] = value
            return bool(items) and items == sorted(set(items)) and all(clean_text(item) == item for item in items)
        case FieldType.DATE:
            return datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC).date().isoformat() == value
        case FieldType.INSTANT:
            return value.endswith("Z") and datetime.fromisoformat(value).tzinfo is not None
        case FieldType.DECIMAL:
            return math.isfinite(float(value)) and "e" not in value.lower() and value == _plain(value)
        case FieldType.COUNTRY:
            return len(value) == 2 and value.isupper()
        case _:
            return clean_text(value) == value


def _plain(text: str) -> str:
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("", "-0") else text


@pytest.mark.parametrize(
    ("type", "raw", "value"),
    [
        ("boolean", "false", False),
        ("boolean", "0", False),
        ("boolean", 0, False),
        ("boolean", "no", False),
        ("boolean", "maybe", "held"),
        ("boolean", 2, "held"),
        ("boolean", [], None),
        ("integer", "007", 7),
        ("integer", "7.5", "held"),
        ("integer", 7.5, "held"),
        ("integer", True, "held"),
        ("decimal", "1,5", "held"),
        ("decimal", "NaN", "held"),
        ("decimal", float("inf"), "held"),
        ("decimal", 1e2, "100"),
        ("date", "2026-02-30", "held"),
        ("date", "2026-01-01T00:00:00Z", "held"),
        ("date", "01/02/2026", "held"),
        ("instant", "yesterday", "held"),
        ("instant", "2026-01-01T02:00:00+02:00", "2026-01-01T00:00:00Z"),
        ("country", "Poland", "held"),
        ("country", "pl", "PL"),
        ("text", {"a": 1}, "held"),
        ("text", "  ", None),
        ("set", "a;b", "held"),
        ("set", ["b", " a", "b", ""], ["a", "b"]),
    ],
)
def test_nothing_is_coerced_by_chance(type: str, raw: Any, value: Any) -> None:
    """I-20: single cases people have been hurt by: `"false"` is not true, 7.5 is not 7, `1,5` is not 15, a day with a
    time on it is no day."""
    mapped = mapping(DIALECTS["json"]).read({"v": {type: raw}})
    assert mapped.values.get(type, "held") == value
    assert bool(mapped.faults) is (value == "held")


@LAW
@given(
    values=st.fixed_dictionaries({"decimal": st.builds(_decimal, st.integers(-(10**25), 10**25), st.integers(0, 12))})
)
def test_an_amount_is_carried_to_the_last_digit_or_held(values: dict[str, str]) -> None:
    """I-20: a number the other side's number type cannot hold exactly is held, not rounded."""
    table = mapping(DIALECTS["json"])
    row, faults = table.write(values, creating=False)
    assert faults or table.read(row).values == values


@LAW
@given(value=TEXT, otherwise=st.sampled_from(["keep", "hold", "default", "create"]))
def test_a_value_map_is_total(value: str, otherwise: Any) -> None:
    """I-20: with any rule for other choices, each choice is written as one of the map's, as itself, as the default, or
    held; reading and writing agree on what the map knows."""
    row = Map(
        vendor="v",
        field="choice",
        values=(("1", "one"), ("2", "two")),
        otherwise=otherwise,
        default_in="one",
        default_out="2",
    )
    table = Mapping((row,), EVERYTHING, DIALECTS["json"])
    written, faults = table.write({"choice": value}, creating=False)
    if value in ("one", "two"):
        assert written == {"v": {"one": "1", "two": "2"}[value]}
    elif faults:
        assert otherwise in ("hold", "create")
        assert written == {}
    else:
        assert written["v"] == (value if otherwise == "keep" else "2")
    for raw, known in (("1", "one"), ("2", "two")):
        assert table.read({"v": raw}).values == {"choice": known}


@LAW
@given(
    row=st.dictionaries(st.sampled_from([t.value for t in TYPES]), RAW.filter(lambda v: v == v), max_size=6),
    more=st.dictionaries(st.text(max_size=3), st.integers(), max_size=3),
)
def test_the_fingerprint_is_of_what_is_mapped(row: dict[str, Any], more: dict[str, Any]) -> None:
    """I-18: absent and blank have different fingerprints, unmapped fields none at all."""
    table = mapping(DIALECTS["json"])

    def fits(value: Any) -> bool:
        return not isinstance(value, int) or -(2**63) <= value < 2**64

    assume(all(fits(v) and not isinstance(v, dict | list) for v in row.values()))
    print_ = table.fingerprint({"v": row})
    assert table.fingerprint({"v": row, **{f"other{k}": v for k, v in more.items()}}) == print_
    for field in [t.value for t in TYPES if t.value not in row]:
        assert table.fingerprint({"v": {**row, field: None}}) != print_
    assert mapping(DIALECTS["json"], nulls="ignore").fingerprint({"v": row}) != print_


def test_people_have_every_type() -> None:
    """I-19: the types tried here are the types the canonical model uses."""
    used = {field.type for entity in ENTITIES.values() for field in entity.fields.values()}
    assert used <= {*TYPES, FieldType.REF, FieldType.CONSENT}
