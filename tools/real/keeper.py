"""Servers that stay up between commands: a background process holds them and gives them back when it is told to.

The keeper writes `running.json` into the cache folder once everything answers and removes it at its end.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tools.real.cache import REPOSITORY, cache_folder
from tools.real.instances import Server
from tools.real.odoo_server import odoo
from tools.real.processes import Process, is_running, spawn, stop, wait_until_ready
from tools.real.smtp import smtp_sink
from tools.real.tryton_server import tryton

SERVERS = {"tryton": tryton, "odoo": odoo}
READY_TIMEOUT_S = 1800.0  # the first time everything is installed and prepared


def up(names: Sequence[str]) -> dict[str, Any]:
    """Starts the named servers and an SMTP sink, unless a keeper runs already; returns what `running.json` says.

    Raises ServerFailed with the keeper's last words.
    """
    found = status()
    if found:
        return found
    _running_file().unlink(missing_ok=True)
    command = [sys.executable, "-m", "tools.real", "keep", *names, "--folder", cache_folder()]
    path = {"PYTHONPATH": os.pathsep.join(filter(None, (str(REPOSITORY), os.environ.get("PYTHONPATH"))))}
    keeper = spawn("keeper", command, cache_folder(), path)
    wait_until_ready(keeper, _running_file().read_text, READY_TIMEOUT_S)
    return status()


def down() -> bool:
    """Stops what `up` started; False if nothing ran."""
    found = status()
    if found:
        stop(_keeper(found["keeper"]))
    return bool(found)


def status() -> dict[str, Any]:
    """The addresses and process ids of what `up` started, empty if nothing runs."""
    try:
        found = json.loads(_running_file().read_text())
    except FileNotFoundError:
        return {}
    return found if is_running(_keeper(found["keeper"])) else {}


def keep(names: Sequence[str]) -> None:
    """Holds the servers until SIGTERM or SIGINT: the body of the background process."""
    asked_to_stop = threading.Event()

    def stop_asked(_sign: int, _frame: object) -> None:
        asked_to_stop.set()

    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, stop_asked)
    with ExitStack() as held:
        sink = held.enter_context(smtp_sink())
        servers = [held.enter_context(SERVERS[name](sink.port)) for name in names]
        held.callback(_running_file().unlink, missing_ok=True)
        _note({"keeper": os.getpid(), "smtp": {"host": sink.host, "port": sink.port}, **dict(map(_described, servers))})
        asked_to_stop.wait()


def _described(server: Server) -> tuple[str, dict[str, Any]]:
    facts = {name: getattr(server, name) for name in ("url", "database", "user", "password")}
    pids = {process.name: process.pid for process in server.processes}
    return server.kind, {**facts, "folder": str(server.folder), "pids": pids}


def _note(facts: dict[str, Any]) -> None:
    written = _running_file().with_suffix(".new")
    written.write_text(json.dumps(facts, indent=2))
    written.replace(_running_file())


def _keeper(pid: int) -> Process:
    return Process("keeper", pid, cache_folder())


def _running_file() -> Path:
    return cache_folder() / "running.json"
