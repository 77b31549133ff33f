"""YAML files: places, version 1.2, and everything that is wrong with a file as such (T-73)."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.settings.folders import faults, said
from zgoda.settings.document import MOST_VALUES, parse_document
from zgoda.settings.faults import Faults, Mark, ProjectError
from zgoda.settings.nodes import Block, Listing, Node, Scalar, data_of


def parse(text: str) -> tuple[Node | None, list[str]]:
    found = Faults()
    node = parse_document(text, "a.yaml", found)
    try:
        found.raise_any()
    except ProjectError as error:
        return node, str(error).splitlines()
    return node, []


def test_every_value_knows_its_place() -> None:
    node, problems = parse("a: 1\nb:\n  - x\n  - {c: 'y'}\n")
    assert not problems
    assert isinstance(node, Block)
    listing = node.get("b")
    assert isinstance(listing, Listing)
    inner = listing.items[1]
    assert isinstance(inner, Block)
    assert node.mark_of("a") == Mark(file="a.yaml", line=1, column=4)
    assert listing.items[0].mark == Mark(file="a.yaml", line=3, column=5)
    assert inner.mark_of("c") == Mark(file="a.yaml", line=4, column=9)
    assert inner.entries[0].key.mark == Mark(file="a.yaml", line=4, column=6)


def test_it_is_yaml_1_2() -> None:
    node, problems = parse(
        "country: no\nok: on\nt: 12:30\nd: 2026-01-31\nq: '1'\nf: 1.5\ni: -3\nb: true\nn: ~\ne: 1e3\n"
    )
    assert not problems
    assert node is not None
    assert data_of(node) == {
        "country": "no",
        "ok": "on",
        "t": "12:30",
        "d": "2026-01-31",
        "q": "1",
        "f": 1.5,
        "i": -3,
        "b": True,
        "n": None,
        "e": 1000.0,
    }


def test_numbers_too_large_to_be_exact_stay_text() -> None:
    node, _ = parse(f"a: {'9' * 5000}\nb: 1e9999\nc: .inf\n")
    assert node is not None
    assert data_of(node) == {"a": "9" * 5000, "b": "1e9999", "c": ".inf"}


def test_anchors_and_aliases_work() -> None:
    node, problems = parse("a: &x [1, 2]\nb: *x\n")
    assert not problems
    assert node is not None
    assert data_of(node) == {"a": [1, 2], "b": [1, 2]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a:\n\tb: 1\n", "a.yaml:2:1: a tab, where YAML wants spaces (indent with spaces)"),
        ("a: b: c\n", "a.yaml:1:5: a colon that does not fit here (put texts with a colon in quotes)"),
        ("a: @x\n", "a.yaml:1:4: a character that cannot begin a value (put the value in quotes)"),
        ("a: 'x\n", "a.yaml:2:1: a quote is opened and never closed (close it)"),
        ("a: [1, 2\nb: 3\n", "a.yaml:2:2: a list or a mapping in brackets that is not closed (close the bracket)"),
        ("a: 1\n b: 2\n", "a.yaml:2:3: a colon that does not fit here (put texts with a colon in quotes)"),
        ("a: 1\na: 2\n", "a.yaml:2:1: the key a is here twice; first in line 1 (keep one)"),
        ("a: *x\n", "a.yaml:1:4: the alias *x has no anchor before it"),
        ("a: !!python/object x\n", "a.yaml:1:4: YAML tags (!…) are not used here (remove the tag)"),
        ("a: {<<: {b: 1}}\n", "a.yaml:1:5: merge keys (<<) are not part of YAML 1.2 (write the keys out)"),
        ("[1]: 2\n", "a.yaml:1:1: a key must be a single word"),
        ("a: 1\n---\nb: 2\n", "a.yaml:2:1: a second document in one file (remove the line ---)"),
        ("a: \x07\n", "a.yaml:1:4: a control character, which YAML does not allow (remove it)"),
        ('a: "\\ud800"\n', "a.yaml:1:4: half of a surrogate pair is no character"),
        ("", "a.yaml:1:1: the file says nothing (remove it, or write {} if nothing is meant)"),
        ("# only a comment\n", "a.yaml:1:1: the file says nothing (remove it, or write {} if nothing is meant)"),
        ("a" + ": [" * 30, "a.yaml"),
    ],
)
def test_faults_of_yaml(text: str, expected: str) -> None:
    _, problems = parse(text)
    assert len(problems) == 1
    assert problems[0].startswith(expected)


def test_one_file_may_have_several_faults_and_they_are_all_told() -> None:
    _, problems = parse("a: 1\na: 2\nb: !x 3\nc: *y\n")
    assert [line.split(":")[1] for line in problems] == ["2", "3", "4"]


def test_what_aliases_unfold_to_is_limited() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    began = time.perf_counter()
    _, problems = parse(bomb)
    assert time.perf_counter() - began < 5
    assert len(problems) == 1
    assert f"more than {MOST_VALUES} values, aliases unfolded" in problems[0]


@pytest.mark.parametrize("text", ["[" * 100_000, "- " * 100_000, "{a: " * 50_000, "? " * 50_000, "[a," * 50_000])
def test_depth_is_limited_and_cheap_to_find(text: str) -> None:
    began = time.perf_counter()
    _, problems = parse(text)
    assert time.perf_counter() - began < 5
    assert "nested deeper than 20 levels" in problems[0]


def test_a_parser_message_never_repeats_the_file() -> None:
    """A snippet of a file with a fault could be a secret in the wrong place."""
    for text in (
        "token: s3cr3t: x\n",
        "token: 's3cr3t\n",
        "token: @s3cr3t\n",
        "token: s3cr3t\n\tx\n",
        "&s3cr3t &s3cr3t x",
    ):
        _, problems = parse(text)
        assert problems
        assert "s3cr3t" not in str(problems)


def test_literal_blocks_know_the_places_within() -> None:
    node, _ = parse("f: |\n    one &&\n    two\ng: 'x'\nh: >\n  folded\n")
    assert isinstance(node, Block)
    literal, quoted, folded = node.get("f"), node.get("g"), node.get("h")
    assert isinstance(literal, Scalar)
    assert isinstance(quoted, Scalar)
    assert isinstance(folded, Scalar)
    assert literal.place(2, 1) == Mark(file="a.yaml", line=3, column=5)
    assert quoted.place(1, 1) == Mark(file="a.yaml", line=4, column=5)
    assert folded.place(1, 3) == folded.mark


def test_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    files = {"zgoda.yaml": b"name: acme\n# caf\xe9\n"}
    assert said(tmp_path, files) == ["zgoda.yaml:2:6: the file is not UTF-8 (save it as UTF-8)"]


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    assert said(tmp_path, {"zgoda.yaml": b"\xef\xbb\xbfname: acme\n"}) == []


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    files = {"policies.yaml": "# " + "x" * 1_000_001}
    assert said(tmp_path, files)[0].startswith("policies.yaml:1:1: the file is larger than 1 MB")


def test_what_is_no_ordinary_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "policies.yaml")
    (tmp_path / "identity.yaml").symlink_to("/dev/zero")
    (tmp_path / "consent.yaml").symlink_to(tmp_path / "nowhere")
    found = faults(tmp_path)
    assert [(fault.file, fault.message) for fault in found] == [
        ("consent.yaml", "this is not an ordinary file"),
        ("identity.yaml", "this is not an ordinary file"),
        ("policies.yaml", "this is not an ordinary file"),
    ]
