"""The main job on two real servers, step by step: what sales does in Tryton, marketing in Odoo, and recipients with
real mails, and what the hub makes of it.

    python -m tools.real story [--keep]
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeAlias

import msgspec
from tools.real.agreement import compare
from tools.real.instances import Server
from tools.real.odoo_office import OdooOffice, click, open_mail, unsubscribe
from tools.real.scenery import NEWSLETTER, PEOPLE, TRADE_FAIR, Person, furnish, write_project
from tools.real.smtp import Mail, Sink
from tools.real.tryton_office import TrytonOffice

from zgoda.app import Store, open_hub, open_store, read_project
from zgoda.entrypoints.cli.look import show_why
from zgoda.entrypoints.cli.speak import Voice
from zgoda.entrypoints.demo.agreement import Agreement
from zgoda.entrypoints.demo.steps import check, plan_and_first_sync, step, sync_until_calm
from zgoda.sync.cycle import Hub
from zgoda.sync.report import Why, find_records, list_conflicts, status, why

MARKETING_CONSENT: Final = "consent:email:marketing"


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """The summary: what programs get with `--json`."""

    agreement: dict[str, Agreement]
    conflicts: dict[str, int]
    failing: dict[str, int]
    held: int
    dead: int
    seconds: float

    @property
    def agrees(self) -> bool:
        """Every mapped field is the same, nothing is missing on either side, and nothing is left undone."""
        kinds = self.agreement.values()
        whole = all(kind.agreeing == kind.fields and not kind.only_crm and not kind.only_news for kind in kinds)
        return whole and not self.failing and not self.held and not self.dead


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """Everybody who takes part in the story."""

    voice: Voice
    store: Store
    hub: Hub
    crm: TrytonOffice
    marketing: OdooOffice
    sink: Sink

    async def sync(self, *, full: bool = False) -> None:
        await sync_until_calm(self.voice, self.store, self.hub, full=full)

    def step(self, text: str) -> None:
        step(self.voice, text)

    def say(self, text: str) -> None:
        self.voice.say(f"  {text}")

    def party(self, person: Person) -> int:
        return self.crm.find("party.party", [["contact_mechanisms.value", "=", person.email]])[0]["id"]

    def partner(self, person: Person) -> int:
        return self.marketing.with_address(person.email)[0]["id"]


def tell(voice: Voice, folder: Path, crm: Server, marketing: Server, sink: Sink) -> int:
    """The whole story on two fresh servers. Returns the exit code: 0 only if every mapped field agrees."""
    return asyncio.run(_tell(voice, folder, crm, marketing, sink))


async def _tell(voice: Voice, folder: Path, crm: Server, marketing: Server, sink: Sink) -> int:
    began = time.monotonic()
    sales, mailers = TrytonOffice(crm), OdooOffice(marketing)
    step(voice, f"Two real servers: Tryton ({crm.url}) for sales, Odoo ({marketing.url}) for e-mail marketing")
    furnish(sales, mailers)
    write_project(folder, crm, marketing)
    project = read_project(folder)
    step(voice, f"zgoda validate: {len(project.connections)} connections, no faults ({folder})")
    async with open_store(project) as store, open_hub(store) as hub:
        stage = Stage(voice=voice, store=store, hub=hub, crm=sales, marketing=mailers, sink=sink)
        await check(voice, store, hub)
        _agreement_now(stage)
        await plan_and_first_sync(voice, store, hub, in_full=False)
        _agreement_now(stage)
        for chapter in CHAPTERS:
            await chapter(stage)
        ending = await _ending(stage, time.monotonic() - began)
    _show_ending(voice, ending)
    voice.result(ending)
    return 0 if ending.agrees else 1


def _agreement_now(stage: Stage) -> None:
    found = compare(stage.crm, stage.marketing)
    for kind in ("people", "companies"):
        it = found[kind]
        stage.say(
            f"{kind}: {it.both} in both, {it.only_crm} only in Tryton, {it.only_news} only in Odoo; "
            f"{it.agreeing} of {it.fields} fields agree"
        )


async def _edits(stage: Stage) -> None:
    person, other = PEOPLE[0], PEOPLE[1]
    stage.step("Edits on each side: sales corrects numbers of a person and a company, marketing a name and an employer")
    [firm] = stage.crm.find("party.party", [["name", "=", "Baltic Foods"]])
    stage.crm.set_contact(stage.party(person), "phone", "+48 600 700 800")
    stage.crm.set_contact(firm["id"], "phone", "+48 58 000 11 22")
    [employer] = [one for one in stage.marketing.partners(companies=True) if one["name"] == "Hanse Kontor"]
    stage.marketing.edit(stage.partner(other), name="Bruno van den Berg", parent_id=employer["id"])
    await stage.sync()
    stage.say(f"Odoo has {stage.marketing.partner(stage.partner(person))['phone']} for {person.name}")
    stage.say(f"Tryton has {other.name} as {stage.crm.party(stage.party(other))['name']} of Hanse Kontor")


async def _conflict(stage: Stage) -> None:
    person = PEOPLE[0]
    stage.step("A conflict: both change the same telephone number (policy: prefer crm)")
    stage.crm.set_contact(stage.party(person), "phone", "+48 111 222 333")
    stage.marketing.edit(stage.partner(person), phone="+48 999 888 777")
    await stage.sync()
    stage.say(f"both say {stage.marketing.partner(stage.partner(person))['phone']} now")
    for conflict in await list_conflicts(stage.store.pool, stage.store.setup, only_open=False, limit=10_000, after=0):
        if conflict.lost == "+48 999 888 777":
            stage.say(f"{conflict.field}: {conflict.kept!r} stands, {conflict.lost!r} lost ({conflict.rule})")


async def _lists(stage: Stage) -> None:
    joins, leaves = PEOPLE[8], PEOPLE[9]
    stage.step(f"Lists: sales puts {joins.name} on {TRADE_FAIR}, marketing takes {leaves.name} off the {NEWSLETTER}")
    stage.crm.subscribe(joins.email, TRADE_FAIR)
    stage.marketing.take_off(leaves.email, NEWSLETTER)
    await stage.sync()
    stage.say(f"Odoo's list {TRADE_FAIR} has {', '.join(stage.marketing.members(TRADE_FAIR)) or 'nobody'}")
    left = stage.crm.subscriptions(leaves.email)
    stage.say(f"Tryton's lists of {leaves.name}: {left or 'none'}; to be off a list is no opt-out")


async def _mailing(stage: Stage) -> None:
    readers = PEOPLE[0], PEOPLE[12], PEOPLE[13]
    stage.step("Odoo sends a real mailing; three recipients open it, two of them click, one unsubscribes")
    mails = _send(stage, "Spring letter")
    stage.say(f"{len(mails)} mails arrived; {_count(mails, PEOPLE[5])} went to {PEOPLE[5].name}, who had opted out")
    for reader in readers:
        open_mail(mails[reader.email])
    for reader in readers[:2]:
        click(mails[reader.email])
    unsubscribe(mails[readers[2].email])
    await stage.sync()
    stage.say(f"the history of {readers[0].name} in Tryton:")
    before = stage.crm.all_notes()
    for note in stage.crm.notes(stage.party(readers[0])):
        stage.say("  " + "; ".join(line for line in note.splitlines() if line and not line.startswith("[")))
    await stage.sync(full=True)
    stage.say(f"a full sync reads all events again: {len(stage.crm.all_notes()) - len(before)} new notes")
    stage.step(f"zgoda why: {readers[2].name} followed the link at the foot of the mail")
    show_why(stage.voice, await _why(stage, readers[2]))
    stage.say(f"Tryton's subscriptions of {readers[2].name}: {stage.crm.subscriptions(readers[2].email)}")


async def _opt_out(stage: Stage) -> None:
    person = PEOPLE[12]
    stage.step(f"An opt-out in the CRM: {person.name} leaves by a link of Tryton's; Odoo mails again")
    stage.crm.unsubscribe(person.email)
    await stage.sync()
    mails = _send(stage, "Summer letter")
    stage.say(f"{len(mails)} mails arrived; {_count(mails, person)} went to {person.name}")
    await stage.sync()


async def _merge(stage: Stage) -> None:
    survivor, double = PEOPLE[8], PEOPLE[4]
    stage.step(f"A merge: sales finds that {double.name}, who had opted out, is {survivor.name}")
    stage.crm.merge(stage.party(double), stage.party(survivor))
    await stage.sync()
    stage.say(f"{survivor.name} is now {(await _why(stage, survivor)).fields[0].value}, everywhere")
    found = await status(stage.store.pool, stage.store.setup)
    stage.say(f"{found.suspicions} to review: Odoo still has two records; marketing merges them as well")
    stage.marketing.merge(stage.partner(double), stage.partner(survivor))
    await stage.sync(full=True)


Chapter: TypeAlias = Callable[[Stage], Awaitable[None]]

CHAPTERS: Final[tuple[Chapter, ...]] = (_edits, _conflict, _lists, _mailing, _opt_out, _merge)


async def _why(stage: Stage, person: Person) -> Why:
    """What the hub says of a person's consent to marketing by e-mail."""
    pool, setup = stage.store.pool, stage.store.setup
    [found] = [id for id, entity, _ in await find_records(pool, person.email) if entity == "person"]
    answer = await why(pool, setup, found, MARKETING_CONSENT)
    if answer is None:
        raise LookupError(f"the hub knows nothing of {person.name}")
    return answer


def _count(mails: dict[str, Mail], person: Person) -> str:
    return "ONE" if person.email in mails else "none"


def _send(stage: Stage, subject: str) -> dict[str, Mail]:
    """Send a mailing to the newsletter; the mails that arrived, by address."""
    stage.sink.clear()
    # Odoo fetches the page behind each link, so it has to be one of its own
    mailing = stage.marketing.send_mailing(subject, NEWSLETTER, f"{stage.marketing.url}/web/static/src/img/favicon.ico")
    sent = sum(bool(row["sent"]) for row in stage.marketing.statistics(mailing))
    return {mail.recipients[0]: mail for mail in stage.sink.wait_for(sent)}


async def _ending(stage: Stage, seconds: float) -> Ending:
    found = await status(stage.store.pool, stage.store.setup)
    rules: dict[str, int] = {}
    for conflict in await list_conflicts(stage.store.pool, stage.store.setup, only_open=False, limit=10_000, after=0):
        rules[conflict.rule] = rules.get(conflict.rule, 0) + 1
    return Ending(
        agreement=compare(stage.crm, stage.marketing),
        conflicts=rules,
        failing={f"{s.connection}/{s.stream}": count for s in found.streams if (count := s.states.get("failing", 0))},
        held=found.held,
        dead=found.dead,
        seconds=round(seconds, 1),
    )


def _show_ending(voice: Voice, ending: Ending) -> None:
    voice.say()
    voice.table(
        ["agreement", ">in both", ">only Tryton", ">only Odoo", ">fields", ">agree"],
        [
            (kind, found.both, found.only_crm, found.only_news, found.fields, found.agreeing)
            for kind, found in ending.agreement.items()
        ],
    )
    for kind, found in ending.agreement.items():
        for field, count in found.differing.items():
            voice.say(f"  {kind}: {field} differs {count} times", style="red")
    for stream, count in ending.failing.items():
        voice.say(f"  {stream}: {count} failing", style="red")
    settled = "; ".join(f"{rule} ({count})" for rule, count in ending.conflicts.items())
    voice.say(f"contested values, settled by: {settled or 'none'}")
    voice.say(f"{ending.held} held for a person, {ending.dead} dead letters, {ending.seconds} s from the first step")
