"""API versions: which there are, and what happens to calls that name another one.

Three releases a year, v68.0 being Winter '27. Up to v30.0 they are retired.
Source: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/api_rest_eol.htm
"""

from __future__ import annotations

import re

from zgoda.twins.exchange import Call, Reply, json_reply
from zgoda.twins.salesforce.api import Api
from zgoda.twins.salesforce.errors import CallError, not_found

NEWEST = 68
_FIRST, _OLDEST = 7, 31
_SEASONS = ("Winter", "Spring", "Summer")


def versions(api: Api, call: Call) -> Reply:
    """GET /services/data/ needs no session."""
    return json_reply(200, [
        {"label": _release(number), "url": f"/services/data/v{number}.0", "version": f"{number}.0"}
        for number in range(_OLDEST, NEWEST + 1)
    ])  # fmt: skip


def check_version(segment: str) -> None:
    """Raises CallError for what is no version in use: 404 as for any unknown path, 410 for a retired one.

    The code and text of the 410 are unverified.
    """
    found = re.fullmatch(r"v(\d{1,3})\.0", segment)
    number = int(found[1]) if found else 0
    if _FIRST <= number < _OLDEST:
        raise CallError(410, "UNSUPPORTED_API_VERSION", f"API version {number}.0 is retired")
    if not _OLDEST <= number <= NEWEST:
        raise not_found()


def _release(number: int) -> str:
    years, season = divmod(number - NEWEST, len(_SEASONS))
    return f"{_SEASONS[season]} '{27 + years}"
