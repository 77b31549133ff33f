"""A record is gone at a vendor: merged into another, converted, or deleted.

A deletion is believed late and acted on carefully: it waits a while for the survivor of a merge to show up or for the
record to reappear, then the object's policy says what it means for the others, and the brakes have the last word.
"""

from __future__ import annotations

import msgspec

from zgoda.identity.match import is_identifying
from zgoda.model.golden import Golden, Link, to_us
from zgoda.model.values import same
from zgoda.sync.desk import Change, Desk, Item
from zgoda.sync.join import join
from zgoda.sync.setup import Setup, Source


def depart(desk: Desk, setup: Setup, source: Source, item: Item) -> None:
    """Take one departure from the inbox."""
    link = desk.links.get((item.source, item.vendor_id))
    if link is None or link.gone or item.read_us < link.read_us:
        return
    golden = desk.goldens[link.golden_id]
    if item.body.get("merged_into"):
        _follow(desk, setup, source, item, golden, link)
        return
    survivor = _survivor(desk, source, golden, link)
    if survivor is not None:
        _bury(desk, golden, link)
        join(desk, setup, survivor, golden, f"deleted in {source.name} while its twin lives on", item.run)
    elif item.tries == 0 and setup.merge_window_s > 0 and not item.body.get("erased"):
        due_us = to_us(desk.now) + int(setup.merge_window_s * 1e6)
        desk.deferred.append(msgspec.structs.replace(item, tries=1, due_us=due_us))
    else:
        _delete(desk, setup, source, item, golden, link)


def _follow(desk: Desk, setup: Setup, source: Source, item: Item, golden: Golden, link: Link) -> None:
    """The vendor says which record lives on: tie it, and join the golden records if they were two."""
    target = setup.find(source.connection, item.body.get("stream") or source.stream.name)
    if target is None:
        _delete(desk, setup, source, item, golden, link)
        return
    survivor_id = str(item.body["merged_into"])
    survivor_link = desk.links.get((target.id, survivor_id))
    _bury(desk, golden, link)
    link.moved_to = survivor_id
    if survivor_link is None:
        desk.tie(golden, (target.id, survivor_id))
        desk.to_plan.setdefault(golden.id, False)
    else:
        join(desk, setup, desk.goldens[survivor_link.golden_id], golden, f"merged in {source.connection}", item.run)


def _survivor(desk: Desk, source: Source, golden: Golden, link: Link) -> Golden | None:
    """Another living record of the same stream that shares an identifying key: the delete was half of a merge."""
    for key in filter(is_identifying, desk.keys_of[golden.id]):
        for other in sorted(desk.by_key.get(key, ())):
            if other != golden.id and any(
                peer.source == source.id and not peer.gone and peer is not link for peer in desk.links_of[other]
            ):
                return desk.goldens.get(other)
    return None


def _delete(desk: Desk, setup: Setup, source: Source, item: Item, golden: Golden, link: Link) -> None:
    _bury(desk, golden, link)
    meaning = source.on_delete
    edited = _edited_elsewhere(source, golden, link)
    if meaning == "propagate" and edited and not source.delete_wins:
        meaning = "restore"
    others = [peer for peer in desk.links_of[golden.id] if not peer.gone and not peer.excluded]
    deletable = [peer for peer in others if "delete" in setup.sources[peer.source].may]
    if meaning in ("propagate", "ask") and (deletable or not others):
        golden.gone = True
        desk.touch(golden)
        if meaning == "ask":
            but = ", but edited here since" if edited else ""
            desk.ask_before_delete[golden.id] = f"deleted in {source.connection}{but}: delete here too?"
    desk.restore = desk.restore | ({golden.id} if meaning == "restore" else set())
    desk.to_plan[golden.id] = False
    desk.causes.setdefault(golden.id, (source.id, item.run))
    desk.changes.append(
        Change(
            golden_id=golden.id,
            source=source.id,
            vendor_id=item.vendor_id,
            kind="gone",
            fields={"*": [None, None, f"deleted in {source.connection}: {meaning}"]},
            said_us=None,
            run=item.run,
        )
    )


def _edited_elsewhere(source: Source, golden: Golden, link: Link) -> bool:
    """Somebody else changed it since that system last agreed: delete against edit is a conflict."""
    for name in source.mapping.outward & golden.fields.keys() & source.entity.fields.keys():
        if golden.claim(name).source == link.source:
            continue
        wanted = golden.fields[name]
        # a record we made was never read: what we did not send is not in its base, and is blank there
        differs = not same(source.entity.fields[name].type, wanted, link.base.get(name))
        if differs and link.agreed.get(name) != wanted:
            return True
    return False


def _bury(desk: Desk, golden: Golden, link: Link) -> None:
    link.gone = True
    link.inflight = None
    link.read_us = max(link.read_us, to_us(desk.now))
    desk.touch(golden, link)
