"""`zgoda run`, with the bench's connector known besides the product's own.

python -m tools.bench.hub FOLDER PORT
"""

from __future__ import annotations

import sys

from tools.bench.connector import register

from zgoda.entrypoints.cli import main

if __name__ == "__main__":
    register()
    main(["run", "--project", sys.argv[1], "--port", sys.argv[2]])
