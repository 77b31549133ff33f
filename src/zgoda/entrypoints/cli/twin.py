"""twin: a realistic vendor server of one's own."""

from __future__ import annotations

import click


@click.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
    epilog="Example:\n\n  zgoda twin salesforce --records 2000",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def twin(arguments: tuple[str, ...]) -> None:
    """Start a realistic vendor server for trying things out (see docs/twins.md)."""
    from zgoda.twins.__main__ import main

    raise SystemExit(main(list(arguments)))
