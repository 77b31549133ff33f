"""Two golden records become one because a system merged its records, and how that is undone.

One survivor rule, visible everywhere: the record the system kept survives. Everything tied to the loser (links, lists,
consent, history) moves; what is needed to split them again is kept.
"""

from __future__ import annotations

from typing import Any

from zgoda.model.entities import FieldType
from zgoda.model.golden import Claim, Golden
from zgoda.privacy.consent import Word, is_consent, weigh
from zgoda.sync.desk import Change, Desk
from zgoda.sync.policy import UNKNOWN, Contest, settle
from zgoda.sync.setup import Setup


def join(desk: Desk, setup: Setup, survivor: Golden, loser: Golden, reason: str, run: int | None) -> None:
    """Move everything from `loser` to `survivor`; both are on the desk. Joining with itself is nothing."""
    if survivor.id == loser.id:
        return
    desk.joinings.append(
        {
            "survivor": survivor.id,
            "loser": loser.id,
            "reason": reason,
            "before": {
                "survivor": {"fields": dict(survivor.fields), "claims": dict(survivor.claims)},
                "loser": {"fields": dict(loser.fields), "claims": dict(loser.claims)},
                "links": [[link.source, link.vendor_id] for link in desk.links_of[loser.id]],
            },
        }
    )
    edits = _survive(setup, survivor, loser)
    _move_links(desk, survivor, loser)
    survivor.version += 1
    desk.touch(survivor)
    desk.set_keys(loser, ())
    desk.touch(loser)
    desk.set_keys(survivor, setup.keys_for(desk.entity, survivor.fields))
    desk.to_plan[survivor.id] = False
    desk.to_plan.pop(loser.id, None)
    desk.superseded += [{"id": id} for id, _state in desk.open[loser.id].values()]
    desk.changes.append(
        Change(
            golden_id=survivor.id,
            source=None,
            vendor_id=None,
            kind="join",
            fields={**edits, "*": [loser.id, survivor.id, reason]},
            said_us=None,
            run=run,
        )
    )


def _survive(setup: Setup, survivor: Golden, loser: Golden) -> dict[str, list[Any]]:
    """Per field: consent by the stricter word, blanks filled, the rest by the field's own policy."""
    edits: dict[str, list[Any]] = {}
    for name, offered in loser.fields.items():
        held = survivor.fields.get(name)
        if offered is None or offered == held:
            continue
        theirs = loser.claim(name)
        if is_consent(name):
            mine = survivor.claim(name)
            weighed = weigh(
                Word(status=held, at_us=mine.at_us, proof_us=mine.proof_us),
                Word(status=offered, at_us=theirs.at_us, proof_us=theirs.proof_us),
            )
            value, rule, claim = weighed.status, weighed.rule, theirs
        elif held is None:
            value, rule, claim = offered, "fills a blank of the survivor", theirs
        else:
            value, rule = _by_policy(setup, survivor, loser, name)
            claim = theirs if value == offered else survivor.claim(name)
        if value != held:
            edits[name] = [held, value, rule]
            survivor.fields[name] = value
            survivor.claims[name] = Claim(claim.source, claim.at_us, rule, claim.proof_us)
    return edits


def _by_policy(setup: Setup, survivor: Golden, loser: Golden, name: str) -> tuple[Any, str]:
    rule = setup.fields[survivor.entity][name]
    if rule.field.type is FieldType.REF:
        return survivor.fields[name], "the survivor's"
    systems = {source.id: source.connection for source in setup.sources.values()}
    mine, theirs = survivor.claim(name), loser.claim(name)
    settled = settle(
        rule.policy,
        Contest(
            field=rule.field,
            held=survivor.fields[name],
            held_by=systems.get(mine.source, ""),
            held_us=mine.at_us,
            offered=loser.fields[name],
            offered_by=systems.get(theirs.source, ""),
            offered_us=theirs.at_us,
            base=UNKNOWN,
            contested=True,
            peers=dict,
        ),
        setup.order,
    )
    return settled.value, settled.rule


def _move_links(desk: Desk, survivor: Golden, loser: Golden) -> None:
    taken = {link.source for link in desk.links_of[survivor.id] if not link.gone and not link.excluded}
    for link in desk.links_of.pop(loser.id, []):
        link.golden_id = survivor.id
        if link.source in taken and not link.gone and not link.excluded:
            link.excluded = "duplicate: its twin was merged elsewhere"
            desk.suspicions.append({"g": survivor.id, "o": loser.id, "why": "merged elsewhere, still two here"})
        desk.links_of[survivor.id].append(link)
        desk.changed_links.add((link.source, link.vendor_id))
    _promote(desk, survivor)


def _promote(desk: Desk, golden: Golden) -> None:
    """A duplicate whose twin is gone is the record there: one in each stream."""
    living = [link for link in desk.links_of[golden.id] if not link.gone]
    served = {link.source for link in living if not link.excluded}
    for link in sorted(living, key=lambda link: (link.source, link.vendor_id)):
        if link.source not in served and link.excluded.startswith("duplicate"):
            served.add(link.source)
            link.excluded = ""
            desk.changed_links.add((link.source, link.vendor_id))
