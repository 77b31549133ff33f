"""Deterministic identity: which golden record a new record belongs to.

Records are tied by the systems' own ids. Only a record nobody has seen is looked up by identifying values, in the order
of the rules; values that identify nobody (role addresses, free-mail domains, blocked values) never match alone. Where
two people could be meant, nobody is merged: the record stays apart and a suspicion is noted for a person to settle.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec
from anyascii import anyascii
from email_validator import EmailNotValidError, validate_email

from zgoda.model.values import Values, fold_email, fold_phone

ROLE_NAMES: Final = frozenset(
    """abuse accounting accounts admin administration all biuro billing bok buchhaltung careers compras contact contacto
    contact-us customerservice enquiries faktury finance help hello helpdesk hr info information invoices it jobs kadry
    kontakt ksiegowosc legal mail marketing newsletter no-reply noreply office orders postmaster press privacy
    purchasing reception rodo sales sekretariat service shop spam sprzedaz support team unsubscribe vertrieb webmaster
    welcome""".split()
)

PERSONAL_DOMAINS: Final = frozenset(
    """aol.com free.fr gmail.com gmx.de gmx.net googlemail.com hotmail.com icloud.com interia.pl laposte.net libero.it
    live.com mail.com mail.ru me.com msn.com o2.pl onet.pl op.pl orange.fr outlook.com poczta.onet.pl proton.me
    protonmail.com qq.com seznam.cz t-online.de tlen.pl web.de wp.pl yahoo.co.uk yahoo.com yandex.ru ymail.com
    163.com""".split()
)

Part: TypeAlias = tuple[str, str]
"""A field and how it is folded: `email`, `role`, `phone`, `name`, `company`, `id`, `domain`, `exact`.

`email` leaves out role addresses, which identify nobody alone; `role` takes only those."""


class KeyRule(msgspec.Struct, frozen=True, kw_only=True):
    """Values that together identify. `guarded` asks, for people, that the names do not contradict each other."""

    name: str
    parts: tuple[Part, ...]
    guarded: bool = False


class IdentityRules(msgspec.Struct, frozen=True, kw_only=True):
    """How one entity's new records are matched. `blocked` values identify nobody. `unkeyed`: whether a record that
    nothing identifies may be created elsewhere, or waits for a person. `twins`: several like records in one system are
    several things (two clicks in one second), paired with those of another system one by one."""

    keys: tuple[KeyRule, ...] = ()
    blocked: frozenset[str] = frozenset()
    create_unkeyed: bool = True
    twins: bool = False


DEFAULT_RULES: Final[Mapping[str, IdentityRules]] = {
    "person": IdentityRules(
        keys=(
            KeyRule(name="email", parts=(("email", "email"),), guarded=True),
            KeyRule(name="role+name", parts=(("email", "role"), ("family_name", "name"), ("given_name", "name"))),
            KeyRule(name="mobile+name", parts=(("mobile", "phone"), ("family_name", "name"), ("given_name", "name"))),
            KeyRule(name="phone+name", parts=(("telephone", "phone"), ("family_name", "name"), ("given_name", "name"))),
        ),
        create_unkeyed=False,
    ),
    "organization": IdentityRules(
        keys=(
            KeyRule(name="tax", parts=(("tax_id", "id"),)),
            KeyRule(name="domain", parts=(("domain", "domain"),)),
            KeyRule(name="url", parts=(("url", "domain"),)),
            KeyRule(name="name+city", parts=(("name", "company"), ("locality", "name"))),
        )
    ),
    "list": IdentityRules(keys=(KeyRule(name="name", parts=(("name", "exact"),)),)),
    "campaign": IdentityRules(keys=(KeyRule(name="name", parts=(("name", "exact"),)),)),
    "membership": IdentityRules(keys=(KeyRule(name="pair", parts=(("person", "exact"), ("list", "exact"))),)),
    "campaign_member": IdentityRules(keys=(KeyRule(name="pair", parts=(("person", "exact"), ("campaign", "exact"))),)),
    "employment": IdentityRules(
        keys=(KeyRule(name="pair", parts=(("person", "exact"), ("organization", "exact"), ("role_name", "exact"))),)
    ),
    "interaction": IdentityRules(
        keys=(
            KeyRule(
                name="event",
                parts=(("person", "exact"), ("kind", "exact"), ("occurred_at", "exact"), ("subject", "exact")),
            ),
        ),
        twins=True,
    ),
}


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A golden record that shares a key. `linked_here`: it already has a record in the asking stream."""

    golden_id: int
    fields: Values
    linked_here: bool


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """It belongs to this golden record, by this rule."""

    golden_id: int
    rule: str


class Apart(msgspec.Struct, frozen=True, kw_only=True):
    """It is a new golden record, but might be one of `others`; `reason` in words. `duplicate` names the record of the
    same system that it repeats, if so (0: none)."""

    others: tuple[int, ...]
    reason: str
    duplicate: int = 0


Resolution: TypeAlias = Match | Apart | None
"""None: nothing known shares a key, it is new."""


def keys_of(rules: IdentityRules, values: Mapping[str, Any]) -> list[tuple[str, KeyRule]]:
    """The identifying keys of a record, strongest first. Keys with a blank or blocked part are left out."""
    found: list[tuple[str, KeyRule]] = []
    for rule in rules.keys:
        folded: list[str] = []
        for field, how in rule.parts:
            value = values.get(field)
            part = "" if value is None else _FOLD[how](value)
            if not part or part in rules.blocked:
                break
            folded.append(part)
        else:
            kind = "domain" if rule.name == "url" else rule.name
            found.append((f"{kind}:{'|'.join(folded)}", rule))
    if len(found) < 2:
        return found
    return list({key: (key, rule) for key, rule in reversed(found)}.values())[::-1]


CONTACT_FIELDS: Final = ("email", "mobile", "telephone")


def contact_points(values: Mapping[str, Any]) -> list[str]:
    """A person's addresses and numbers, folded: consent is also held by contact point."""
    email, phones = values.get("email"), (values.get("mobile"), values.get("telephone"))
    points = [fold_email(email)] if isinstance(email, str) else []
    return points + [fold_phone(phone) for phone in phones if isinstance(phone, str)]


def point_keys(point: str) -> tuple[str, ...]:
    """The keys under which the sharers of a contact point are found: as one that identifies, or only as a point."""
    return (f"email:{point}", f"point:{point}") if "@" in point else (f"point:{point}",)


def is_identifying(key: str) -> bool:
    """Whether a key says who somebody is; a mere contact point does not."""
    return not key.startswith("point:")


def resolve(
    rules: IdentityRules,
    values: Mapping[str, Any],
    keys: Sequence[tuple[str, KeyRule]],
    candidates: Callable[[str], Sequence[Candidate]],
) -> Resolution:
    """Find the golden record for a new record; the first rule that finds anybody decides."""
    for key, rule in keys:
        found = candidates(key)
        if not found:
            continue
        fitting = [c for c in found if not rule.guarded or names_agree(values, c.fields)]
        free = [c for c in fitting if not c.linked_here]
        if len(free) == 1 or (free and rules.twins):
            return Match(golden_id=min(c.golden_id for c in free), rule=rule.name)
        if rules.twins:
            return None
        others = tuple(c.golden_id for c in found)
        if len(free) > 1:
            return Apart(others=others, reason=f"several records share its {rule.name}")
        if fitting:
            survivor = min(c.golden_id for c in fitting)
            return Apart(others=others, reason=f"same {rule.name} twice in one system", duplicate=survivor)
        return Apart(others=others, reason=f"same {rule.name}, other name")
    return None


def names_agree(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether two people's names do not speak against each other: a missing part says nothing, and one agreeing part
    outweighs a changed one (marriage, nickname); both parts differing is somebody else."""
    given = _agree(a.get("given_name"), b.get("given_name"))
    family = _agree(a.get("family_name"), b.get("family_name"))
    if given is False and family is False:
        swapped = _agree(a.get("given_name"), b.get("family_name")) and _agree(
            a.get("family_name"), b.get("given_name")
        )
        return bool(swapped)
    return not (given is None and family is False) and not (family is None and given is False)


def _agree(a: Any, b: Any) -> bool | None:
    x, y = fold_name(a), fold_name(b)
    if not x or not y:
        return None
    return x == y or x.startswith(y) or y.startswith(x)


def fold_name(value: Any) -> str:
    """Letters only, without case, accents and script."""
    if not isinstance(value, str):
        return ""
    text = (value if value.isascii() else anyascii(value)).casefold()
    return text if text.isalnum() and text.isascii() else _NEITHER_LETTER_NOR_DIGIT.sub("", text)


_NEITHER_LETTER_NOR_DIGIT: Final = re.compile(r"[^a-z0-9]+")


def _fold_company(value: Any) -> str:
    """A company's name without its legal form."""
    if not isinstance(value, str):
        return ""
    words = re.split(r"[^a-z0-9]+", anyascii(value).casefold().replace(".", ""))
    return "".join(word for word in words if word not in _LEGAL_FORMS)


_LEGAL_FORMS: Final = frozenset(
    "ab ag as bv co corp eg gmbh inc kg llc ltd nv oy oyj plc sa sarl sas se sp spa srl zoo z o".split()
)


def _fold_email(value: Any) -> str:
    """The address if it can identify somebody: valid, and not a role's."""
    if not isinstance(value, str):
        return ""
    folded = fold_email(value)
    local, at, domain = folded.rpartition("@")
    if not at or local.split("+")[0] in ROLE_NAMES or not is_address(folded):
        return ""
    return f"{local}@{domain}"


def _fold_role(value: Any) -> str:
    """A role's address (office@…), which identifies only together with a name."""
    folded = fold_email(value) if isinstance(value, str) else ""
    role = folded.partition("@")[0].partition("+")[0] in ROLE_NAMES
    return folded if role and is_address(folded) else ""


def is_address(folded: str) -> bool:
    """Whether it is a usable e-mail address (syntax only; nobody is asked)."""
    if _PLAIN_ADDRESS.fullmatch(folded):
        return True
    try:
        validate_email(folded, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return False
    return True


_PLAIN_ADDRESS: Final = re.compile(
    r"[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,24}", re.ASCII
)


def _fold_phone(value: Any) -> str:
    if not isinstance(value, str):
        return ""
    digits = fold_phone(value)
    return digits if len(digits) >= 7 else ""


def _fold_domain(value: Any) -> str:
    if not isinstance(value, str):
        return ""
    host = value.strip().casefold().partition("://")[2] or value.strip().casefold()
    host = host.partition("/")[0].partition(":")[0].removeprefix("www.")
    return "" if host in PERSONAL_DOMAINS or "." not in host else host


def _fold_id(value: Any) -> str:
    return re.sub(r"[^A-Z0-9]", "", value.upper()) if isinstance(value, str) else ""


def _fold_exact(value: Any) -> str:
    return "" if value is None else str(value).strip()


_FOLD: Final[Mapping[str, Callable[[Any], str]]] = {
    "email": _fold_email,
    "role": _fold_role,
    "phone": _fold_phone,
    "name": fold_name,
    "company": _fold_company,
    "domain": _fold_domain,
    "id": _fold_id,
    "exact": _fold_exact,
}
