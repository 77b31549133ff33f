"""`python -m zgoda.twins salesforce --port 0 --records 2000` starts a twin and prints how to reach it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from zgoda.twins.serve import VENDORS, serve
from zgoda.twins.twin import Settings


def main(arguments: list[str] | None = None) -> int:
    """Returns 2 when the twin cannot start."""
    given = _parser().parse_args(arguments)
    settings = Settings(
        host=given.host, port=given.port, records=given.records, seed=given.seed, limits=given.limits, state=given.state
    )
    try:
        serve(given.vendor, settings, sys.stdout, given.jwt_public_key)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"the twin cannot start: {error}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="zgoda.twins", description="A realistic vendor server for tests and demos.")
    parser.add_argument("vendor", choices=VENDORS)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--records", type=int, default=0, help="how many people the invented world has")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limits", choices=("real", "off"), default="off")
    parser.add_argument("--state", type=Path, help="keep everything in this file across restarts")
    parser.add_argument("--jwt-public-key", type=Path, help="PEM for the Salesforce JWT bearer grant")
    return parser


if __name__ == "__main__":
    sys.exit(main())
