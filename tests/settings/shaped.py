"""Random data that fits a shape, for showing that loader and JSON Schema agree."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from zgoda.settings.shapes import (
    AnyOf,
    Duration,
    Flag,
    Form,
    Key,
    ListOf,
    MapOf,
    OneOf,
    Plain,
    Secret,
    Shape,
    Share,
    Short,
    Text,
    Whole,
    Word,
)

ASCII = st.characters(min_codepoint=32, max_codepoint=126)
WORDS = st.text(alphabet="abcxyz_09 é", min_size=1, max_size=8).filter(lambda text: text.strip() == text)


def fitting(shape: Shape, depth: int = 0) -> st.SearchStrategy[Any]:
    match shape:
        case Form():
            return _form(shape, depth)
        case MapOf():
            keys = st.from_regex(f"(?:{shape.pattern or '[a-z]+'})", fullmatch=True, alphabet=ASCII)
            return st.dictionaries(keys, fitting(shape.value, depth + 1), max_size=2)
        case ListOf() | AnyOf():
            items = st.lists(fitting(shape.item, depth + 1), max_size=2)
            return items if isinstance(shape, ListOf) else items | fitting(shape.item, depth + 1)
        case OneOf():
            told = [st.fixed_dictionaries({key.name: fitting(key.shape, depth + 1)}) for key in shape.keys]
            return st.sampled_from(sorted(shape.bare)) | st.one_of(told)
        case Short():
            main = shape.form.find(shape.main)
            assert main is not None
            return fitting(main.shape, depth + 1) | fitting(shape.form, depth + 1)
        case _:
            return _single(shape)


def _form(form: Form, depth: int) -> st.SearchStrategy[Any]:
    """All required keys and a few of the others: a form of forty keys would be a large file."""
    required = {key.name: fitting(key.shape, depth + 1) for key in form.keys if key.required}
    free = [key for key in form.keys if not key.required]

    def with_some(chosen: list[Key]) -> st.SearchStrategy[Any]:
        return st.fixed_dictionaries({**required, **{key.name: fitting(key.shape, depth + 1) for key in chosen}})

    some = st.lists(st.sampled_from(free), max_size=3, unique_by=lambda key: key.name) if free else st.just([])
    return some.flatmap(with_some)


def _single(shape: Shape) -> st.SearchStrategy[Any]:
    match shape:
        case Word():
            return st.sampled_from(shape.options)
        case Flag():
            return st.booleans()
        case Whole():
            return st.integers(0, 10**9)
        case Duration():
            return st.sampled_from(["60s", "5m", "2h", "1d", "1.5 h", "90s"])
        case Share():
            return st.sampled_from(["5%", "0.5 %", 0, 1, 0.25])
        case Secret():
            return st.sampled_from(["${env:NAME}", "${file:a/b.txt}"])
        case Plain():
            kinds = {"text": WORDS, "number": st.integers(-5, 5), "boolean": st.booleans(), "blank": st.none()}
            return st.one_of([kinds[kind] for kind in sorted(shape.kinds)])
        case Text():
            return st.from_regex(f"(?:{shape.pattern})", fullmatch=True, alphabet=ASCII) if shape.pattern else WORDS
        case _:
            raise AssertionError(shape)
