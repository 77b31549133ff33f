"""A line between the hub and a real server that passes everything on and remembers what was written over it.

Real servers keep no list of who wrote what, so that is how one sees that an edit was told once and then nothing more.
"""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_S = 120.0
WRITES = frozenset({"create", "write", "delete", "unlink", "load", "execute", "action_merge"})
HOUSEKEEPING = frozenset({"res.user.warning", "base.partner.merge.automatic.wizard"})


@dataclass(frozen=True)
class Written:
    """One writing call: model, method, and its arguments as JSON text."""

    model: str
    method: str
    arguments: str


@dataclass
class Wire:
    """`url` is what the hub gets instead of the server's own."""

    url: str = ""
    _writes: list[Written] = field(default_factory=list[Written])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def writes(self) -> tuple[Written, ...]:
        with self._lock:
            return tuple(self._writes)

    def about(self, text: str) -> list[Written]:
        """The writing calls whose arguments hold this text."""
        return [written for written in self.writes if text in written.arguments]

    def clear(self) -> None:
        with self._lock:
            self._writes.clear()

    def note(self, body: bytes) -> None:
        asked = json.loads(body)
        written = _odoo(asked) if asked.get("jsonrpc") else _tryton(asked)
        if written.method in WRITES and written.model not in HOUSEKEEPING:
            with self._lock:
                self._writes.append(written)


@contextmanager
def wire_to(target: str) -> Generator[Wire]:
    """A line on a free port of the loopback address."""
    wire, place = Wire(), urlsplit(target).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 65536  # headers and body in one packet, else each answer waits 40 ms for an acknowledgement

        def do_GET(self) -> None:
            self.pass_on(None)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            wire.note(body)
            self.pass_on(body)

        def pass_on(self, body: bytes | None) -> None:
            line = http.client.HTTPConnection(place, timeout=TIMEOUT_S)
            try:
                passed = {
                    name: self.headers[name] for name in ("Authorization", "Content-Type") if name in self.headers
                }
                line.request(self.command, self.path, body, passed)
                answer = line.getresponse()
                content = answer.read()
            finally:
                line.close()
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.getheader("Content-Type") or "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    wire.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield wire
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _tryton(asked: dict[str, Any]) -> Written:
    """`model.party.party.write`, `wizard.party.replace.execute`."""
    kind, _, rest = str(asked["method"]).partition(".")
    model, _, method = rest.rpartition(".")
    return Written(
        model if kind in ("model", "wizard") else "", method, json.dumps(asked["params"], ensure_ascii=False)
    )


def _odoo(asked: dict[str, Any]) -> Written:
    arguments: list[Any] = asked["params"]["args"]
    if asked["params"]["service"] != "object":
        return Written("", "", "")
    _database, _user, _password, model, method, *rest = arguments
    return Written(model, method, json.dumps(rest, ensure_ascii=False))
