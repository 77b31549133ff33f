"""A project folder that syncs two of the bench's vendors, as a user would write it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

STORE_VARIABLE = "ZGODA_BENCH_STORE"

ROOT = """\
name: bench
store: ${{env:{variable}}}
order: [{order}]
brakes: {{change_share: 100%, field_share: 100%, one_value_share: 100%}}
"""

CONNECTION = """\
connector: bench
settings:
  base_url: {url}
  page: {page}
  reads_per_s: {reads_per_s}
  writes_per_s: {writes_per_s}
streams: {{people: {{}}}}
poll: {poll_s}s
"""


def write_project(
    folder: Path,
    urls: Mapping[str, str],
    *,
    page: int = 100,
    reads_per_s: int = 0,
    writes_per_s: int = 0,
    poll_s: int = 60,
) -> None:
    """Files for connections of these names; the store's URL comes from the environment (`STORE_VARIABLE`)."""
    (folder / "connections").mkdir(parents=True, exist_ok=True)
    (folder / "zgoda.yaml").write_text(ROOT.format(variable=STORE_VARIABLE, order=", ".join(urls)))
    for name, url in urls.items():
        text = CONNECTION.format(url=url, page=page, reads_per_s=reads_per_s, writes_per_s=writes_per_s, poll_s=poll_s)
        (folder / "connections" / f"{name}.yaml").write_text(text)
