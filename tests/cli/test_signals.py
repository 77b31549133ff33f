"""A hub that is told to stop lets its calls end and gives its leases back; told twice it ends at once. Real processes."""

from __future__ import annotations

import json
import select
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.cli.conftest import run as command
from tests.cli.conftest import told

RUN = "from zgoda.entrypoints.cli import main; main()"
PATIENCE_S = 15


class Hub:
    """A `zgoda run` or `zgoda worker`, ready when this is made."""

    def __init__(self, *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUN, *words, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.facts: dict[str, Any] = {}

    def ready(self) -> Hub:
        assert self.process.stdout is not None
        text = ""
        while not text.endswith("}\n"):
            line = self.process.stdout.readline()
            assert line, self.process.communicate()[1]
            text += line
        self.facts = json.loads(text)
        return self

    def end(self, *signals: signal.Signals) -> int:
        for one in signals:
            self.process.send_signal(one)
        return self.process.wait(PATIENCE_S)


@pytest.fixture
def started() -> Iterator[list[Hub]]:
    hubs: list[Hub] = []
    yield hubs
    for hub in hubs:
        if hub.process.poll() is None:
            hub.process.kill()
        hub.process.communicate()


def live_leases(url: str, holder: str) -> int:
    with psycopg.connect(url) as store:
        row = store.execute("SELECT count(*) FROM lease WHERE holder = %s AND until > now()", (holder,)).fetchone()
    return row[0] if row else 0


def await_leases(url: str, holder: str, count: int) -> None:
    asked = threading.Event()
    for _ in range(PATIENCE_S * 20):
        if live_leases(url, holder) >= count:
            return
        asked.wait(0.05)
    raise AssertionError(f"{holder} took no leases")


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_run_ends_cleanly(hub: Path, store_url: str, started: list[Hub], sign: signal.Signals) -> None:
    running = Hub("run", "--port", "0", "-C", str(hub))
    started.append(running)
    holder, address = running.ready().facts["holder"], running.facts["address"]
    with urllib.request.urlopen(f"{address}/health/ready", timeout=5) as answer:
        assert json.load(answer)["status"] == "ready"
    await_leases(store_url, holder, 3)
    assert running.end(sign) == 0
    assert live_leases(store_url, holder) == 0


def test_a_worker_ends_cleanly_and_a_taken_port_is_told(hub: Path, store_url: str, started: list[Hub]) -> None:
    worker = Hub("worker", "-C", str(hub))
    started.append(worker)
    holder = worker.ready().facts["holder"]
    await_leases(store_url, holder, 3)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        refused = command("run", "--port", str(taken.getsockname()[1]), "-C", str(hub))
    assert refused.exit_code == 1
    assert "--port 0" in refused.stderr
    assert worker.end(signal.SIGTERM) == 0
    assert live_leases(store_url, holder) == 0


@pytest.fixture
def silent(hub: Path) -> Iterator[socket.socket]:
    """A vendor that takes calls and never answers stands in for the CRM."""
    listener = socket.create_server(("127.0.0.1", 0))
    path = hub / "connections" / "crm.yaml"
    before = path.read_text()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    path.write_text(
        "\n".join(f"  {line.split(':')[0].strip()}: {url}" if "_url:" in line else line for line in before.splitlines())
    )
    yield listener
    path.write_text(before)
    listener.close()


def await_call(listener: socket.socket) -> socket.socket:
    assert select.select([listener], [], [], PATIENCE_S)[0], "nobody called"
    return listener.accept()[0]


def test_a_call_that_hangs_gets_its_grace_then_the_leases_are_given_back(
    hub: Path, store_url: str, silent: socket.socket, started: list[Hub]
) -> None:
    running = Hub("worker", "--grace", "0.3", "-C", str(hub))
    started.append(running)
    await_call(silent).close()  # the look around before the start
    holder = running.ready().facts["holder"]
    await_leases(store_url, holder, 3)
    kept = await_call(silent)
    assert running.end(signal.SIGTERM) == 0
    assert live_leases(store_url, holder) == 0
    kept.close()


def test_a_second_signal_ends_at_once(hub: Path, silent: socket.socket, started: list[Hub]) -> None:
    running = Hub("worker", "--grace", "60", "-C", str(hub))
    started.append(running)
    await_call(silent).close()
    running.ready()
    kept = await_call(silent)
    running.process.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        running.process.wait(0.5)
    assert running.end(signal.SIGTERM) == -signal.SIGTERM
    kept.close()


def test_a_sync_that_is_stopped_leaves_with_the_signals_code(hub: Path, silent: socket.socket) -> None:
    syncing = subprocess.Popen(
        [sys.executable, "-c", RUN, "sync", "-C", str(hub)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    kept = await_call(silent)
    syncing.send_signal(signal.SIGTERM)
    _out, err = syncing.communicate(timeout=PATIENCE_S)
    assert syncing.returncode == 128 + signal.SIGTERM
    assert "stopped" in err
    assert "Traceback" not in err
    kept.close()
    assert told(command("runs", "--json", "-C", str(hub)))
