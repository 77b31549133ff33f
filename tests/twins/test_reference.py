"""The page about the twins lists the faults they can show, as `make docs` writes them."""

from __future__ import annotations

from pathlib import Path

from zgoda.twins.reference import with_faults


def test_the_table_of_faults_is_up_to_date() -> None:
    page = (Path(__file__).parents[2] / "docs/twins.md").read_text(encoding="utf-8")
    assert with_faults(page) == page, "run `make docs`"
