"""The two servers' own protocols, as plainly as can be: for preparing databases and for tests that look behind a
connector's back. Nothing of the product is used here."""

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

TIMEOUT_S = 120.0


class CallRefused(Exception):
    """The server answered, but not with a result. `status` is HTTP's, `error` the parsed error or the page's text."""

    def __init__(self, status: int, error: Any, summary: str = "") -> None:
        super().__init__(f"HTTP {status}: {(summary or str(error))[:500]}")
        self.status = status
        self.error = error


class TrytonCalls:
    """A session of one Tryton user. The context of every call is the last argument of `call`, as in the protocol."""

    def __init__(self, url: str, database: str, user: str, password: str) -> None:
        self.endpoint = f"{url}/{database}/rpc/"
        self.headers: dict[str, str] = {}
        self.user_id, session, *_ = self.call("common.db.login", user, {"password": password}, "en")
        token = base64.b64encode(f"{user}:{self.user_id}:{session}".encode()).decode()
        self.headers = {"Authorization": f"Session {token}"}

    def call(self, method: str, *params: Any) -> Any:
        answer = post_json(self.endpoint, {"id": 1, "method": method, "params": params}, self.headers)
        if "error" in answer:
            raise CallRefused(200, answer["error"])
        return answer["result"]


class OdooCalls:
    """One Odoo user, authenticated. `call` is `execute_kw`; an answer without a result is None."""

    def __init__(self, url: str, database: str, user: str, password: str) -> None:
        self.endpoint = f"{url}/jsonrpc"
        self.database, self.password = database, password
        self.user_id = self.ask("common", "authenticate", database, user, password, {})
        if self.user_id is False:
            raise CallRefused(200, "wrong login or password")

    def call(self, model: str, method: str, *args: Any, **kwargs: Any) -> Any:
        return self.ask("object", "execute_kw", self.database, self.user_id, self.password, model, method, args, kwargs)

    def ask(self, service: str, method: str, *args: Any) -> Any:
        params = {"service": service, "method": method, "args": args}
        answer = post_json(self.endpoint, {"jsonrpc": "2.0", "id": 1, "method": "call", "params": params}, {})
        if "error" in answer:
            data = answer["error"]["data"]
            raise CallRefused(200, answer["error"], f"{data['name']}: {data['message']}")
        return answer.get("result")


def post_json(url: str, body: object, headers: Mapping[str, str]) -> Any:
    """Posts JSON and returns the parsed answer. Raises CallRefused for an HTTP error, OSError if nobody answers."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            return json.load(response)
    except urllib.error.HTTPError as refused:
        with refused:
            raise CallRefused(refused.code, refused.read().decode(errors="replace")) from None
