"""demo: the main job on two twins."""

from __future__ import annotations

import click

from zgoda.entrypoints.cli.frame import Frame, command


@click.command(epilog="Examples:\n\n  zgoda demo --once\n\n  zgoda demo --people 500")
@click.option("--people", default=2000, show_default=True, help="How many people the invented world has.")
@click.option("--seed", default=1, show_default=True, help="Another number, another world.")
@click.option("--once", is_flag=True, help="Stop after the summary (as with --json).")
@command
async def demo(frame: Frame, people: int, seed: int, once: bool) -> int:
    """Two twins, two thousand people: plan, sync, edits, a conflict, an opt-out, a merge, webhooks.

    Everything lives in `.zgoda/demo` below the project folder and is made anew each time.

    Exit code: 0 only if every mapped field agrees in the end.
    """
    from zgoda.entrypoints.demo.story import tell

    folder = frame.folder / ".zgoda" / "demo"
    return await tell(frame.voice, folder, records=people, seed=seed, once=once or frame.voice.json)
