"""Every fault a twin can show, with one line about each. `GET /_twin/faults` prints this table."""

from __future__ import annotations

from typing import Literal

import msgspec

Stage = Literal["instead", "call", "feed", "after", "record", "schema", "hook"]
"""When a fault acts: instead of the work; on the request; on a feed of changed or deleted ids; on the answer after the
work; on one record being written; on what the vendor says its fields are; on a webhook on its way out."""


class FaultKind(msgspec.Struct, frozen=True):
    name: str
    stage: Stage
    explanation: str
    options: tuple[str, ...] = ()
    vendors: tuple[str, ...] = ("salesforce", "mailchimp")


_SALESFORCE = ("salesforce",)
_MAILCHIMP = ("mailchimp",)

_KINDS = (
    # refusals for too many requests
    FaultKind("too_many_seconds", "instead", "429 with Retry-After in seconds", ("retry_after_s",)),
    FaultKind("too_many_date", "instead", "429 with Retry-After as an HTTP date", ("retry_after_s",)),
    FaultKind("too_many_bare", "instead", "429 without any hint when to come back"),
    FaultKind("too_many_far", "instead", "429 with a Retry-After of ten years"),
    FaultKind("too_many_garbage", "instead", "429 with a Retry-After that is no number and no date", ("value",)),
    FaultKind("too_many_html", "instead", "429 with an HTML page"),
    FaultKind("quota_gone", "instead", "the vendor's own answer when the daily quota or the connections are used up"),
    FaultKind("too_many_ids", "feed", "updated and deleted refuse with EXCEEDED_ID_LIMIT", (), _SALESFORCE),
    FaultKind(
        "feed_gap", "feed", "deleted knows nothing from before some hours ago, and says so", ("hours",), _SALESFORCE
    ),
    # servers that fail
    FaultKind("status_500", "instead", "500 in the vendor's own error form"),
    FaultKind("status_502", "instead", "502 with a proxy's HTML page"),
    FaultKind("status_503", "instead", "503 with Retry-After in the vendor's own form", ("retry_after_s",)),
    FaultKind("status_503_html", "instead", "503 with a maintenance page in HTML"),
    FaultKind("status_504", "instead", "504 with a proxy's HTML page"),
    # connections that fail
    FaultKind("hang", "instead", "the request is read and never answered"),
    FaultKind("reset_before", "instead", "the connection is reset before anything was done"),
    FaultKind("slow", "after", "the answer comes late", ("ms",)),
    FaultKind("slow_drip", "after", "the answer's body comes a few bytes at a time", ("ms",)),
    FaultKind("reset_after", "after", "the work is done, then the connection is reset: the answer is lost"),
    FaultKind("cut_body", "after", "the body breaks off half way through its announced length"),
    FaultKind("failed_after", "after", "the work is done, but the answer says 500"),
    # answers that are not what they should be
    FaultKind("html_200", "after", "a login page in HTML with status 200"),
    FaultKind("truncated_json", "after", "half of the JSON, with a matching length"),
    FaultKind("invalid_json", "after", "a stray comma in otherwise right JSON"),
    FaultKind("json_bom", "after", "a byte order mark before the JSON"),
    FaultKind("json_duplicate_keys", "after", "every key of the outermost object twice, first with null"),
    FaultKind("json_nan", "after", "the first number replaced by NaN"),
    FaultKind("json_overflow", "after", "the first number replaced by 1e999"),
    FaultKind("json_deep", "after", "an extra key with 100,000 nested lists", ("depth",)),
    FaultKind("json_lone_surrogate", "after", "a lone surrogate escape in the first text"),
    FaultKind("json_other_charset", "after", "the body in UTF-16 under an unchanged content type"),
    FaultKind("gzip_bomb", "after", "a compressed body that unpacks to a very large one", ("mb",)),
    FaultKind("huge_page", "after", "a very large body", ("mb",)),
    FaultKind("huge_field", "after", "a text of a million characters in the first item", ("chars",)),
    # lists that are not whole
    FaultKind("empty_list", "after", "no items and a total of 0, as if all had been deleted"),
    FaultKind("empty_page", "after", "no items, the total as it should be"),
    FaultKind("half_page", "after", "only the first half of the items, the total as it should be"),
    FaultKind("filtered_list", "after", "a third of the items missing and left out of the total too"),
    FaultKind("wrong_total", "after", "a total that is not the number of items", ("total",)),
    FaultKind("repeated_page", "after", "the items of the page before once more"),
    FaultKind("shifted_page", "after", "the first item of the page is missing, as when rows shift between pages"),
    FaultKind("cursor_loop", "call", "paging never gets anywhere: the next page is this page again"),
    FaultKind("list_missing", "instead", "404 for a list that exists"),
    FaultKind("list_204", "instead", "204 without a body instead of a list"),
    # rights
    FaultKind("session_expired", "instead", "401 as if the session had ended; a new token works"),
    FaultKind("invalid_grant", "instead", "the token endpoint refuses the grant"),
    FaultKind("rights_missing", "instead", "403 as if the user had lost the right"),
    # single records
    FaultKind("row_lock", "record", "the record is locked by somebody else", (), _SALESFORCE),
    FaultKind("record_invalid", "record", "a validation rule refuses the record", ("message", "field")),
    FaultKind("field_dropped", "record", "the field is accepted and not stored", ("field",)),
    FaultKind(
        "values_rewritten",
        "record",
        "texts are stored otherwise than sent",
        ("how: trim, upper, lower, title, phone or restless (each time another)", "field"),
    ),
    FaultKind("stamp_far_future", "record", "the record's change stamp lies in the year 9999"),
    FaultKind(
        "record_late", "record", "a record a user creates cannot be read yet when its webhook comes", ("seconds",)
    ),
    FaultKind("results_shuffled", "after", "the results of a batch in another order"),
    FaultKind("results_short", "after", "fewer results than records were sent"),
    # what the vendor says its fields are
    FaultKind("field_removed", "schema", "the field is gone from schema and records", ("field",)),
    FaultKind("field_renamed", "schema", "the field has another name", ("field", "to")),
    FaultKind("field_retyped", "schema", "the schema gives the field another type", ("field", "type")),
    FaultKind("picklist_value_added", "schema", "the picklist has one more value", ("field", "value")),
    FaultKind("picklist_value_removed", "schema", "the picklist lacks one of its values", ("field", "value")),
    # webhooks
    FaultKind("hook_lost", "hook", "the webhook is never sent"),
    FaultKind("hook_duplicate", "hook", "the webhook is sent several times", ("copies",)),
    FaultKind("hook_reordered", "hook", "webhooks are held and sent in reverse order", ("window",)),
    FaultKind("hook_delayed", "hook", "the webhook is sent late", ("seconds",)),
    FaultKind("hook_storm", "hook", "every webhook comes ten times, all at once", ("copies",)),
    FaultKind("hook_unknown_id", "hook", "the webhook names a record that does not exist"),
)

CATALOGUE: dict[str, FaultKind] = {kind.name: kind for kind in _KINDS}
