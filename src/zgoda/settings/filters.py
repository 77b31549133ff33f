"""Filters: which records take part, as CEL over the canonical fields.

Blanks are null. A comparison for equality is simply false for them; one that cannot be decided (`score > 5` without a
score) means "not admitted", and `refusal` says so. Dates and instants are text in their ISO form, so `close_date >=
"2026-01-01"` does what it says. Sets are never null, only empty. Consents are texts such as `consent_email_marketing ==
"granted"`, `unknown` where nobody said anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from zgoda.kit.convert import Unconvertible
from zgoda.kit.expression import Expression
from zgoda.kit.mapping import field_of
from zgoda.model.entities import Entity, FieldType
from zgoda.model.values import Values
from zgoda.privacy.consent import is_consent
from zgoda.settings.expressions import RESERVED_NAMES, Kind, kind_of


class Filter:
    """A compiled filter; call it with a record's canonical values. Raises `BadExpression` if it does not compile."""

    def __init__(self, text: str, entity: Entity, consents: Iterable[str] = ()) -> None:
        self.text = text
        words = set(re.findall(r"[A-Za-z_][A-Za-z0-9_]*", text))
        names = {name: variable for name, variable in _variables(entity, consents).items() if variable in words}
        self._fields = {name: (variable, _CONVERT[field_of(entity, name).type]) for name, variable in names.items()}
        self._expression = Expression(text, dict.fromkeys(names.values(), "dyn"))

    def __call__(self, values: Values) -> bool:
        return not self.refusal(values)

    def refusal(self, values: Values) -> str:
        """Why a record is not admitted; empty if it is."""
        data = {variable: convert(values.get(name)) for name, (variable, convert) in self._fields.items()}
        try:
            found = self._expression.value(data)
        except Unconvertible:
            found = None
        if found is True:
            return ""
        if found is False:
            return "outside the filter"
        blank = sorted(name for name in self._fields if values.get(name) is None)
        return f"the filter cannot decide: {', '.join(blank)} blank" if blank else "the filter cannot be evaluated"

    def __repr__(self) -> str:
        return f"Filter({self.text!r})"


def filter_variables(entity: Entity, consents: Iterable[str] = ()) -> dict[str, Kind]:
    """The names a filter may use, and what they hold."""
    return {variable: kind_of(field_of(entity, name).type) for name, variable in _variables(entity, consents).items()}


def _variables(entity: Entity, consents: Iterable[str]) -> dict[str, str]:
    """Field -> variable. A field CEL would misread gets an underscore: `list_`."""
    names = [*entity.fields, *(consents if entity.name == "person" else ())]
    return {name: variable_of(name) for name in names}


def variable_of(field: str) -> str:
    if is_consent(field):
        return field.replace(":", "_")
    return f"{field}_" if field in RESERVED_NAMES else field


def _same(value: Any) -> Any:
    return value


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _items(value: Any) -> list[str]:
    return value or []


def _known(value: Any) -> str:
    return value or "unknown"


_CONVERT: Mapping[FieldType, Callable[[Any], Any]] = {
    **dict.fromkeys(FieldType, _same),
    FieldType.DECIMAL: _number,
    FieldType.SET: _items,
    FieldType.CONSENT: _known,
}
