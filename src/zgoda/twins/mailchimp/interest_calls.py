"""Calls about groups: interest categories and the interests in them."""

from __future__ import annotations

from typing import Any

from zgoda.twins.exchange import Call, Reply, empty_reply, json_reply
from zgoda.twins.mailchimp.account import Account
from zgoda.twins.mailchimp.audience import Audience, Category, Interest
from zgoda.twins.mailchimp.bodies import body_of, number_in, text_in
from zgoda.twins.mailchimp.paging import cut_reply, page_of
from zgoda.twins.mailchimp.problems import invalid, invalid_fields, not_among, not_found

_TYPES = ("checkboxes", "dropdown", "radio", "hidden")


def list_categories(account: Account, call: Call, list_id: str) -> Reply:
    audience = account.audience(list_id)
    kind = call.query.get("type")
    categories = [c for c in audience.categories.values() if kind in (None, c.type)]
    page = [_category(audience, c) for c in page_of(categories, call, account.around.limits.page_size)]
    return cut_reply(call, {"list_id": list_id, "categories": page, "total_items": len(categories), "_links": []})


def create_category(account: Account, call: Call, list_id: str) -> Reply:
    audience, body = account.audience(list_id), body_of(call)
    title, kind = text_in(body, "title"), text_in(body, "type")
    if kind not in _TYPES:
        raise invalid_fields([{"field": "type", "message": not_among(_TYPES)}])
    made = Category(id=account.new_id("category"), title=title, type=kind, order=number_in(body, "display_order"))
    audience.categories[made.id] = made
    return json_reply(200, _category(audience, made))


def show_category(account: Account, call: Call, list_id: str, interest_category_id: str) -> Reply:
    audience = account.audience(list_id)
    return cut_reply(call, _category(audience, _found(audience, interest_category_id)))


def change_category(account: Account, call: Call, list_id: str, interest_category_id: str) -> Reply:
    audience, body = account.audience(list_id), body_of(call)
    category = _found(audience, interest_category_id)
    category.title = str(body.get("title", category.title))
    return json_reply(200, _category(audience, category))


def delete_category(account: Account, call: Call, list_id: str, interest_category_id: str) -> Reply:
    audience = account.audience(list_id)
    category = _found(audience, interest_category_id)
    for interest in [i for i in audience.interests.values() if i.category == category.id]:
        _remove(audience, interest)
    del audience.categories[category.id]
    return empty_reply()


def list_interests(account: Account, call: Call, list_id: str, interest_category_id: str) -> Reply:
    audience = account.audience(list_id)
    category = _found(audience, interest_category_id)
    interests = [i for i in audience.interests.values() if i.category == category.id]
    page = [_interest(audience, i) for i in page_of(interests, call, account.around.limits.page_size)]
    return cut_reply(call, {
        "interests": page, "list_id": list_id, "category_id": category.id, "total_items": len(interests), "_links": [],
    })  # fmt: skip


def create_interest(account: Account, call: Call, list_id: str, interest_category_id: str) -> Reply:
    audience, body = account.audience(list_id), body_of(call)
    category, name = _found(audience, interest_category_id), text_in(body, "name")
    if any(i.category == category.id and i.name.lower() == name.lower() for i in audience.interests.values()):
        raise invalid(f'Cannot add "{name}" because it already exists on the list.')
    made = Interest(
        id=account.new_id("interest"), category=category.id, name=name, order=number_in(body, "display_order")
    )
    audience.interests[made.id] = made
    return json_reply(200, _interest(audience, made))


def show_interest(account: Account, call: Call, list_id: str, interest_category_id: str, interest_id: str) -> Reply:
    audience = account.audience(list_id)
    return cut_reply(call, _interest(audience, _found_interest(audience, interest_id)))


def change_interest(account: Account, call: Call, list_id: str, interest_category_id: str, interest_id: str) -> Reply:
    audience, body = account.audience(list_id), body_of(call)
    interest = _found_interest(audience, interest_id)
    interest.name = str(body.get("name", interest.name))
    return json_reply(200, _interest(audience, interest))


def delete_interest(account: Account, call: Call, list_id: str, interest_category_id: str, interest_id: str) -> Reply:
    audience = account.audience(list_id)
    _remove(audience, _found_interest(audience, interest_id))
    return empty_reply()


def _remove(audience: Audience, interest: Interest) -> None:
    for member in [m for m in audience.members.values() if interest.id in m.interests]:
        audience.replace(member, interests=[id for id in member.interests if id != interest.id])
    del audience.interests[interest.id]


def _found(audience: Audience, id: str) -> Category:
    found = audience.categories.get(id)
    if found is None:
        raise not_found()
    return found


def _found_interest(audience: Audience, id: str) -> Interest:
    found = audience.interests.get(id)
    if found is None:
        raise not_found()
    return found


def _category(audience: Audience, category: Category) -> dict[str, Any]:
    return {
        "list_id": audience.id, "id": category.id, "title": category.title, "display_order": category.order,
        "type": category.type, "_links": [],
    }  # fmt: skip


def _interest(audience: Audience, interest: Interest) -> dict[str, Any]:
    """The count comes as text, as the vendor sends it."""
    count = sum(
        interest.id in member.interests and member.status == "subscribed" for member in audience.members.values()
    )
    return {
        "category_id": interest.category, "list_id": audience.id, "id": interest.id, "name": interest.name,
        "subscriber_count": str(count), "display_order": interest.order, "_links": [],
    }  # fmt: skip
