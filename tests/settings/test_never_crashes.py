"""Whatever stands in the files, loading gives a project or a list of faults with places, and never anything else."""

from __future__ import annotations

import re
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from tests.settings.folders import GOOD, faults, write
from tests.settings.test_schemas import FITTING
from tests.settings.vendors import BIGCRM, NEWSY

FILES = (
    "zgoda.yaml",
    "connections/crm.yaml",
    "connections/news.yaml",
    "mappings/crm.yaml",
    "mappings/news.yaml",
    "policies.yaml",
    "identity.yaml",
    "consent.yaml",
)

OF_SHAPE = {
    "zgoda.yaml": "zgoda",
    "connections/crm.yaml": "connection",
    "mappings/crm.yaml": "mapping",
    "policies.yaml": "policies",
    "identity.yaml": "identity",
    "consent.yaml": "consent",
}


def check(files: dict[str, str | bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for fault in faults(Path(folder), files):
            assert (Path(folder) / fault.file).exists() or fault.file in FILES
            assert fault.line >= 1
            assert fault.column >= 1
            line = str(fault)
            assert line.isprintable(), repr(line)
            assert len(line) < 600, line


@settings(max_examples=80, deadline=None)
@given(file=st.sampled_from(FILES), raw=st.binary(max_size=200))
def test_any_bytes(file: str, raw: bytes) -> None:
    check({file: raw})


@settings(max_examples=150, deadline=None)
@given(file=st.sampled_from(FILES), text=st.text(alphabet="abe:-?[]{},&*!|>'\"%@#$ \n\t~01<\\é\u2028", max_size=80))
def test_any_text_that_looks_like_yaml(file: str, text: str) -> None:
    check({file: text})


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_yaml(data: st.DataObject) -> None:
    """Random trees with the project's own words in the wrong places."""
    words = st.sampled_from(_words()) | st.text(max_size=5)
    leaf = words | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True)
    tree = st.recursive(
        leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3), max_leaves=12
    )
    check({data.draw(st.sampled_from(FILES)): _yaml(data.draw(tree))})


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_files_that_fit_their_shape(data: st.DataObject) -> None:
    """Right words, meaningless content: filters that do not compile, fields that do not exist, rows that clash."""
    file = data.draw(st.sampled_from(sorted(OF_SHAPE)))
    check({file: _yaml(data.draw(FITTING[OF_SHAPE[file]]))})


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_good_files_with_a_slip(data: st.DataObject) -> None:
    """A character typed, deleted or doubled, a line moved or lost."""
    files: dict[str, str] = dict(_good())
    file = data.draw(st.sampled_from(sorted(files)))
    text = files[file]
    at = data.draw(st.integers(0, len(text)))
    upto = min(len(text), at + data.draw(st.integers(0, 30)))
    typed = data.draw(
        st.sampled_from(["", " ", "  ", "\n", ":", "- ", "#", "'", "\t", "x", "{", "[", text[at:upto] * 2])
    )
    check({**files, file: text[:at] + typed + text[upto:]})


@cache
def _good() -> dict[str, str]:
    from zgoda.settings.start import init_project

    with tempfile.TemporaryDirectory() as folder:
        init_project(Path(folder), (BIGCRM, NEWSY))
        started = {path.name: path.read_text() for path in Path(folder).glob("*.yaml")}
    return {
        **{name: text.replace("bigcrm", "crm").replace("newsy", "news") for name, text in started.items()},
        "connections/crm.yaml": GOOD["connections/crm.yaml"],
        "connections/news.yaml": GOOD["connections/news.yaml"],
        "mappings/crm.yaml": (
            "contacts:\n  filter: |\n    country == 'PL' &&\n    score > 3\n  drop: [telephone]\n  fields:\n"
            "    - field: gender\n      values: {M: male, F: female}\n    - {field: email, nulls: fill}\n"
        ),
    }


@cache
def _words() -> list[str]:
    text = "\n".join([*_good().values(), *GOOD.values()])
    return sorted(set(re.findall(r"[\w:${}]+", text)))


def _yaml(value: Any) -> str:
    from io import StringIO

    stream = StringIO()
    YAML(typ="safe", pure=True).dump(value, stream)
    return stream.getvalue()


def test_the_good_files_are_good(tmp_path: Path) -> None:
    write(tmp_path, _good())
    assert faults(tmp_path, _good()) == ()
