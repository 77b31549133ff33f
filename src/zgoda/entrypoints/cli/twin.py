"""twin: a realistic vendor server of one's own."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from zgoda.entrypoints.cli.frame import frame_of, shared_options
from zgoda.twins.serve import VENDORS, serve
from zgoda.twins.twin import Settings


@click.command(
    epilog="Examples:\n\n  zgoda twin salesforce --records 2000\n\n  zgoda twin mailchimp --port 8081 --state news.json"
)
@click.argument("vendor", type=click.Choice(VENDORS))
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=0, help="0 takes a free one.", show_default=True)
@click.option("--records", default=0, help="How many people the invented world has.", show_default=True)
@click.option("--seed", default=1, help="Another number, another world.", show_default=True)
@click.option(
    "--limits", type=click.Choice(["real", "off"]), default="off", show_default=True, help="The vendor's own limits."
)
@click.option("--state", type=click.Path(path_type=Path), help="Keep everything in this file across restarts.")
@click.option("--jwt-public-key", type=click.Path(path_type=Path), help="PEM for the Salesforce JWT bearer grant.")
@shared_options
@click.pass_context
def twin(ctx: click.Context, vendor: str, jwt_public_key: Path | None, **settings: object) -> None:
    """Start a realistic vendor server for trying things out, until it is stopped (see docs/twins.md).

    One line of JSON on standard output says how to reach it, with --json and without.

    Exit code: 0 stopped, 1 it cannot start.
    """
    try:
        serve(vendor, Settings(**settings), sys.stdout, jwt_public_key)  # pyright: ignore[reportArgumentType]
    except (ValueError, OSError) as error:
        taken = "`--port 0` takes a free one" if isinstance(error, OSError) else ""
        frame_of(ctx).voice.fail(f"the twin cannot start: {error}", taken)
