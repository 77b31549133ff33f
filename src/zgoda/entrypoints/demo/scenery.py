"""What the demo needs around it: two twins as processes of their own, and a project folder that connects them."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

CRM_FILE = """\
# The sales department's CRM.
connector: salesforce
role: crm
settings:
  base_url: {url}
  token_url: {token_url}
  client_id: {client_id}
  client_secret: ${{file:secrets/crm}}
  overlap_s: 5
streams: {{accounts: {{}}, contacts: {{}}, opportunities: {{}}}}
poll: 2s
"""

NEWS_FILE = """\
# The marketing department's newsletter.
connector: mailchimp
role: marketing
settings:
  base_url: {api_url}
  audience: {list_id}
  api_key: ${{file:secrets/news}}
  webhook_secret: ${{file:secrets/hook}}
streams: {{members: {{}}}}
poll: 2s
"""

POLICIES_FILE = """\
# Sales knows people's telephone numbers best; for the rest the later edit wins.
person:
  telephone:
    prefer: {system: crm, unless_blank: true}
  default: {most_recent: {tolerance: 2s, then: rank}}
"""

ROOT_FILE = """\
name: demo
order: [crm, news]
"""


class Twin(msgspec.Struct, frozen=True, kw_only=True):
    """A running twin: how to reach it and what its control API is called."""

    name: str
    facts: dict[str, Any]
    client: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return str(self.facts["url"])

    async def edit(self, *operations: dict[str, Any]) -> list[dict[str, Any]]:
        """What people do in the vendor's own interface."""
        async with self.client.post(f"{self.url}/_twin/edit", json=list(operations)) as answer:
            told = await answer.json()
            if answer.status >= 400:
                raise RuntimeError(f"the {self.name} twin refused: {told}")
            return told["results"]

    async def records(self, object: str) -> list[dict[str, Any]]:
        """Everything of one object, straight from the twin's own store."""
        found: list[dict[str, Any]] = []
        after = ""
        while True:
            params = {"object": object, "limit": "1000", **({"after": after} if after else {})}
            async with self.client.get(f"{self.url}/_twin/records", params=params) as answer:
                page = await answer.json()
            found += page["records"]
            if len(page["records"]) < 1000:
                return found
            after = str(found[-1].get("Id") or found[-1].get("id"))

    async def writes(self, since: int = 0) -> list[dict[str, Any]]:
        async with self.client.get(f"{self.url}/_twin/writes", params={"since": str(since)}) as answer:
            return (await answer.json())["writes"]


@asynccontextmanager
async def twins(records: int, seed: int) -> AsyncGenerator[tuple[Twin, Twin]]:
    """A Salesforce and a Mailchimp, filled from one invented world; ended with the block."""
    async with (
        aiohttp.ClientSession() as client,
        _process("salesforce", records, seed) as crm,
        _process("mailchimp", records, seed) as news,
    ):
        yield Twin(name="salesforce", facts=crm, client=client), Twin(name="mailchimp", facts=news, client=client)


@asynccontextmanager
async def _process(vendor: str, records: int, seed: int) -> AsyncGenerator[dict[str, Any]]:
    command = ("-m", "zgoda.twins", vendor, "--records", str(records), "--seed", str(seed))
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), timeout=60)
        yield msgspec.json.decode(line, type=dict[str, Any])
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


def write_project(folder: Path, crm: Twin, news: Twin) -> None:
    """A fresh project folder for the two twins. The demo's own folder only: what was there is replaced."""
    if folder.exists():
        shutil.rmtree(folder)
    for part in ("connections", "secrets"):
        (folder / part).mkdir(parents=True)
    (folder / "zgoda.yaml").write_text(ROOT_FILE)
    (folder / "connections" / "crm.yaml").write_text(CRM_FILE.format_map(crm.facts))
    (folder / "connections" / "news.yaml").write_text(NEWS_FILE.format_map(news.facts))
    (folder / "policies.yaml").write_text(POLICIES_FILE)
    (folder / "secrets" / "crm").write_text(str(crm.facts["client_secret"]))
    (folder / "secrets" / "news").write_text(str(news.facts["api_key"]))
    (folder / "secrets" / "hook").write_text("demo-hook-secret")
