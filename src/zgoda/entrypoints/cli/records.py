"""Finding the one record somebody means, or saying which it might be."""

from __future__ import annotations

from typing import Final

from zgoda.app import Store
from zgoda.entrypoints.cli.speak import Voice
from zgoda.sync.report import find_records, name_of

NEAR: Final = """
    SELECT g.id, g.entity, g.fields FROM golden g
    WHERE g.joined_into IS NULL AND NOT g.gone
        AND EXISTS (SELECT 1 FROM unnest(%(parts)s::text[]) AS t (part)
            WHERE starts_with(lower(g.fields->>'email'), part) OR starts_with(lower(g.fields->>'name'), part)
                OR starts_with(lower(g.fields->>'given_name'), part)
                OR starts_with(lower(g.fields->>'family_name'), part))
    LIMIT 500"""
"""Records with a word that begins like one of these: reads them all, which only a mistyped name costs."""

BEGINNING: Final = 3
CLOSE_ENOUGH: Final = 0.6


async def one_record(voice: Voice, store: Store, text: str) -> int:
    """The golden id of the record that `text` names; else an error with those it may mean."""
    from zgoda.settings.faults import shown

    found = await find_records(store.pool, text)
    if len(found) == 1:
        return found[0][0]
    if found:
        choices = "\n".join(f"  {id}  {entity}  {name}" for id, entity, name in found)
        listed = [{"id": id, "entity": entity, "name": name} for id, entity, name in found]
        voice.fail(f"{shown(text)!r} fits several records:\n{choices}", "ask with the number", records=listed)
    near = await _near(store, text)
    hint = f"did you mean {near}?" if near else "try an e-mail address, a full name, a vendor's id or a number"
    return voice.fail(f"nobody is known as {shown(text)!r}", hint)


async def _near(store: Store, text: str) -> str:
    """The address or name most like a text; empty if none is like it."""
    from difflib import get_close_matches

    parts = sorted({word[:BEGINNING].lower() for word in text.split() if len(word) >= BEGINNING})
    if not parts:
        return ""
    async with store.pool.report() as tx:
        rows = await tx.rows(NEAR, {"parts": parts})
    known: dict[str, str] = {}
    for id, _entity, fields in rows:
        for word in (fields.get("email"), name_of(fields)):
            if isinstance(word, str) and word:
                known[word.lower()] = f"{word} (#{id})"
    close = get_close_matches(text.lower(), known, n=1, cutoff=CLOSE_ENOUGH)
    return known[close[0]] if close else ""
