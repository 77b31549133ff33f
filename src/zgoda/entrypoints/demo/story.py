"""The main job, told step by step on two twins: what a user would do by hand, each step with its result."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from zgoda.app import Store, open_hub, open_store, read_project
from zgoda.entrypoints.cli.look import show_why
from zgoda.entrypoints.cli.speak import Voice
from zgoda.entrypoints.demo.agreement import Agreement, compare
from zgoda.entrypoints.demo.scenery import Twin, twins, write_project
from zgoda.entrypoints.demo.steps import check, plan_and_first_sync, step, sync_until_calm
from zgoda.entrypoints.web.serve import build, server
from zgoda.settings.opening import connection_settings, read_secret_file
from zgoda.sync.cycle import Hub
from zgoda.sync.report import Status, find_records, list_conflicts, status, why
from zgoda.sync.schedule import Keeper

BURST = 40
CALM_S = 30.0


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """The summary: what programs get with `--json`."""

    agreement: Agreement
    seconds: float
    writes_crm: int
    writes_news: int
    conflicts: dict[str, int]
    held: int
    dead: int

    @property
    def agrees(self) -> bool:
        return self.agreement.agreeing == self.agreement.fields


async def tell(voice: Voice, folder: Path, *, records: int, seed: int, once: bool) -> int:
    """The whole story. Returns the exit code: 0 only if every mapped field agrees."""
    began = time.monotonic()
    async with twins(records, seed) as (crm, news):
        write_project(folder, crm, news)
        step(voice, f"Two systems: a CRM (Salesforce twin, {crm.url}) and a newsletter (Mailchimp twin, {news.url})")
        await _agreement_now(voice, crm, news)
        project = read_project(folder)
        step(voice, f"zgoda validate: {len(project.connections)} connections, no faults ({folder})")
        async with open_store(project) as store, open_hub(store) as hub:
            await check(voice, store, hub)
            await plan_and_first_sync(voice, store, hub)
            await _agreement_now(voice, crm, news)
            await _edits(voice, store, hub, crm, news)
            await _conflict(voice, store, hub, crm, news)
            await _opt_out(voice, store, hub, crm, news)
            await _merge(voice, store, hub, crm)
            async with _running(voice, store, hub) as keeper:
                await _burst(voice, crm, news, keeper)
                await _calm(store, crm, news)
                ending = await _ending(store, crm, news, time.monotonic() - began)
                _show_ending(voice, ending)
                if not once:
                    voice.say("The hub keeps running: change something at a twin and watch. Stop with Ctrl-C.")
                    await asyncio.Event().wait()
    voice.result(ending)
    return 0 if ending.agrees else 1


async def _agreement_now(voice: Voice, crm: Twin, news: Twin) -> Agreement:
    found = compare(await crm.records("Contact"), await news.records("members"))
    voice.say(
        f"  {found.both} people in both, {found.only_crm} only in the CRM, {found.only_news} only in the newsletter; "
        f"{found.percent:.1f} % of the fields agree"
    )
    return found


async def _edits(voice: Voice, store: Store, hub: Hub, crm: Twin, news: Twin) -> None:
    contact, member = await _pair(crm, news, 0)
    other, other_member = await _pair(crm, news, 1)
    step(voice, "An edit on each side: sales corrects a telephone number, marketing a first name")
    await crm.edit(_crm_update(contact["Id"], Phone="+48 600 700 800"))
    await news.edit(_news_update(other_member["id"], FNAME="Aleksandra"))
    await sync_until_calm(voice, store, hub)
    phone = (await _member(news, member["contact_id"]))["merge_fields"]["PHONE"]
    first = (await _contact(crm, other["Id"]))["FirstName"]
    voice.say(f"  the newsletter now says {phone}, the CRM says {first}")


async def _conflict(voice: Voice, store: Store, hub: Hub, crm: Twin, news: Twin) -> None:
    contact, member = await _pair(crm, news, 2)
    step(voice, "A conflict: both change the same telephone number (policy: prefer crm)")
    await crm.edit(_crm_update(contact["Id"], Phone="+48 111 222 333"))
    await news.edit(_news_update(member["id"], PHONE="+48 999 888 777"))
    await sync_until_calm(voice, store, hub)
    voice.say(f"  both say {(await _member(news, member['contact_id']))['merge_fields']['PHONE']} now")
    conflicts = await list_conflicts(store.pool, store.setup, only_open=False, limit=10_000, after=0)
    for conflict in conflicts:
        if conflict.lost == "+48 999 888 777" or conflict.kept == "+48 111 222 333":
            voice.say(f"  {conflict.field}: {conflict.kept!r} stands, {conflict.lost!r} lost ({conflict.rule})")


async def _opt_out(voice: Voice, store: Store, hub: Hub, crm: Twin, news: Twin) -> None:
    contact, member = await _pair(crm, news, 3)
    step(voice, "An opt-out: somebody unsubscribes from the newsletter")
    await news.edit({"op": "unsubscribe", "id": member["id"]})
    await sync_until_calm(voice, store, hub)
    opted_out = (await _contact(crm, contact["Id"])).get("HasOptedOutOfEmail")
    voice.say(f"  the CRM's opt-out box is {'ticked' if opted_out else 'NOT ticked'}")
    step(voice, "zgoda why: why is this person opted out?")
    found = await find_records(store.pool, str(contact["Email"]).strip())
    answer = await why(store.pool, store.setup, found[0][0], "consent:email:marketing") if found else None
    if answer is not None:
        show_why(voice, answer)


async def _merge(voice: Voice, store: Store, hub: Hub, crm: Twin) -> None:
    people = [c for c in await crm.records("Contact") if c.get("Email")]
    winner, loser = people[40], people[41]
    step(voice, "A merge: sales merges two contacts; links and consent follow the survivor")
    await crm.edit({"op": "merge", "object": "Contact", "id": winner["Id"], "losers": [loser["Id"]]})
    await sync_until_calm(voice, store, hub)
    found = await find_records(store.pool, loser["Id"])
    names = ", ".join(f"#{id} {name}" for id, _entity, name in found)
    voice.say(f"  the merged contact's old id leads to {names or 'nobody'}")


@asynccontextmanager
async def _running(voice: Voice, store: Store, hub: Hub) -> AsyncGenerator[Keeper]:
    """`zgoda run` in this process: loops and the webhook endpoint."""
    keeper = Keeper(hub, f"demo:{os.getpid()}")
    settings = {n: connection_settings(store.project, n, os.environ, read_secret_file) for n in hub.connections}
    web = server(build(hub, keeper, settings.__getitem__), "127.0.0.1", 0)
    tasks = [asyncio.create_task(web.serve()), asyncio.create_task(keeper.run())]
    try:
        while not web.started:
            await store.clock.sleep(0.02)
        port = web.servers[0].sockets[0].getsockname()[1]
        step(voice, f"zgoda run: polls, webhooks and deliveries, http://127.0.0.1:{port}/health/ready")
        line = hub.connections["news"]
        if line.connector.subscribe is not None:
            secret = settings["news"]["webhook_secret"]
            await line.connector.subscribe(line.session, f"http://127.0.0.1:{port}/webhooks/news?secret={secret}")
        yield keeper
    finally:
        keeper.stop.set()
        web.should_exit = True
        await asyncio.gather(*tasks)


async def _burst(voice: Voice, crm: Twin, news: Twin, keeper: Keeper) -> None:
    step(voice, f"A burst of webhooks: marketing changes {BURST} people at once")
    members = [m for m in await news.records("members") if m["status"] == "subscribed"][100 : 100 + BURST]
    began = time.monotonic()
    await news.edit(*(_news_update(m["id"], FNAME=f"{m['merge_fields']['FNAME'] or 'X'}a") for m in members))
    addresses = {m["email_address"].strip().casefold(): f"{m['merge_fields']['FNAME'] or 'X'}a" for m in members}
    arrived = 0
    while time.monotonic() - began < CALM_S:
        contacts = {str(c.get("Email") or "").strip().casefold(): c for c in await crm.records("Contact")}
        there = [address for address in addresses if address in contacts]
        arrived = sum(contacts[address].get("FirstName") == addresses[address] for address in there)
        if arrived == len(there):
            break
        await asyncio.wait([asyncio.ensure_future(keeper.stop.wait())], timeout=0.2)
    voice.say(f"  {arrived} of them are in the CRM after {time.monotonic() - began:.1f} s")


async def _calm(store: Store, crm: Twin, news: Twin) -> None:
    """Wait until nothing is under way."""
    until = time.monotonic() + CALM_S
    while time.monotonic() < until:
        found: Status = await status(store.pool, store.setup)
        busy = sum(stream.states.get("pending", 0) + stream.waiting_in for stream in found.streams)
        if not busy:
            agreement = compare(await crm.records("Contact"), await news.records("members"))
            if agreement.agreeing == agreement.fields:
                return
        await store.clock.sleep(0.5)


async def _ending(store: Store, crm: Twin, news: Twin, seconds: float) -> Ending:
    found = await status(store.pool, store.setup)
    rules: dict[str, int] = {}
    for conflict in await list_conflicts(store.pool, store.setup, only_open=False, limit=100_000, after=0):
        rules[conflict.rule] = rules.get(conflict.rule, 0) + 1
    return Ending(
        agreement=compare(await crm.records("Contact"), await news.records("members")),
        seconds=round(seconds, 1),
        writes_crm=len(await crm.writes()),
        writes_news=len(await news.writes()),
        conflicts=rules,
        held=found.held,
        dead=found.dead,
    )


def _show_ending(voice: Voice, ending: Ending) -> None:
    agreement = ending.agreement
    voice.say()
    voice.table(
        ["summary", ">"],
        [
            ("people in both systems", agreement.both),
            ("fields that agree", f"{agreement.agreeing} of {agreement.fields} ({agreement.percent:.2f} %)"),
            ("writes to the CRM", ending.writes_crm),
            ("writes to the newsletter", ending.writes_news),
            *((f"contested, settled by: {rule}", count) for rule, count in ending.conflicts.items()),
            ("held for a person", ending.held),
            ("dead letters", ending.dead),
            ("seconds from the first step", ending.seconds),
        ],
    )
    for field, count in agreement.differing.items():
        voice.say(f"  {field} differs for {count} people", style="red")


async def _pair(crm: Twin, news: Twin, place: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The n-th person that both systems know and that gets the newsletter."""
    members = {m["email_address"].strip().casefold(): m for m in await news.records("members")}
    both = [
        (contact, members[address])
        for contact in await crm.records("Contact")
        if (address := str(contact.get("Email") or "").strip().casefold()) in members
        and members[address]["status"] == "subscribed"
    ]
    return both[place]


async def _contact(crm: Twin, id: str) -> dict[str, Any]:
    return next(c for c in await crm.records("Contact") if c["Id"] == id)


async def _member(news: Twin, contact_id: str) -> dict[str, Any]:
    return next(m for m in await news.records("members") if m["contact_id"] == contact_id)


def _crm_update(id: str, **values: Any) -> dict[str, Any]:
    return {"op": "update", "object": "Contact", "id": id, "values": values}


def _news_update(id: str, **merge_fields: Any) -> dict[str, Any]:
    return {"op": "update", "id": id, "values": {"merge_fields": merge_fields}}
