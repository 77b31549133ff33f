"""Installs a server's packages, pinned by hash, into a virtual environment of its own."""

import subprocess
import sys
from pathlib import Path

from tools.real.cache import REPOSITORY, built
from uv import find_uv_bin


def requirements_of(server: str) -> Path:
    return REPOSITORY / "requirements" / f"{server}.txt"


def environment(server: str) -> Path:
    """The virtual environment of `tryton` or `odoo`, installed on first use.

    Raises RuntimeError with the installer's last words where it fails (no registry, no Python 3.11, wrong hash).
    """
    requirements = requirements_of(server)

    def install(folder: Path) -> None:
        python = sys.executable if sys.version_info[:2] == (3, 11) else "3.11"
        _uv("venv", "--no-python-downloads", "--allow-existing", "--python", python, str(folder))
        # The file is complete and pinned; Odoo's packages also name two dead dependencies that must not be looked for.
        _uv("pip", "install", "--no-deps", "--require-hashes", "--python", str(folder), "-r", str(requirements))

    return built(f"{server}-venv", [requirements], install)


def _uv(*arguments: str) -> None:
    done = subprocess.run([find_uv_bin(), "--quiet", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"uv {' '.join(arguments[:2])} failed:\n{done.stderr[-2000:]}")
