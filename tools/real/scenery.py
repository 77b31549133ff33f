"""What the story on the real servers needs around it: an invented firm in both systems, and a project folder."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from tools.real.instances import Server
from tools.real.odoo_office import OdooOffice
from tools.real.tryton_office import ORGANIZATION, TrytonOffice

from zgoda.db import embedded

NEWSLETTER = "Newsletter"
OFFERS = "Offers"
TRADE_FAIR = "Trade fair"
COUNTRIES = {"PL": "Poland", "DE": "Germany"}

ROOT_FILE = """\
name: real
order: [crm, marketing]
merge_window: 1s
"""

CRM_FILE = """\
# The sales department's CRM.
connector: tryton
settings:
  base_url: {url}
  database: {database}
  user: {user}
  password: ${{file:secrets/crm}}
  employment_relation: employed by
  overlap_s: 5
streams:
  organizations: {{}}
  people: {{}}
  lists: {{}}
  subscriptions: {{}}
  opportunities: {{}}
  activities: {{}}
"""

MARKETING_FILE = """\
# The marketing department: contacts, mailing lists, mailings and what became of them.
connector: odoo
role: marketing
settings:
  base_url: {url}
  database: {database}
  login: {user}
  api_key: ${{file:secrets/marketing}}
  overlap_s: 60
streams:
  companies: {{}}
  people: {{}}
  mailing_lists: {{}}
  subscriptions: {{}}
  opportunities: {{}}
  mailings: {{}}
  traces: {{}}
"""

CRM_MAPPING = """\
subscriptions:
  may: [create, update, delete]
  on_delete: propagate
opportunities:
  fields:
    - field: stage
      vendor: state
      direction: in
      values: {lead: New, opportunity: Qualified, converted: Proposition, won: Won, lost: Lost, cancelled: Lost}
"""

MARKETING_MAPPING = """\
subscriptions:
  may: [create, update, delete]
  on_delete: propagate
"""

POLICIES_FILE = """\
# Sales knows people's telephone numbers and the deals best; for the rest the later edit wins.
person:
  telephone:
    prefer: {system: crm, unless_blank: true}
deal:
  stage:
    prefer: crm
default: {most_recent: {tolerance: 2s, then: rank}}
"""


def write_project(folder: Path, crm: Server, marketing: Server) -> None:
    """A fresh project folder for the two servers. The story's own folder only: what was there is replaced."""
    if folder.exists():
        embedded.stop(folder / ".zgoda" / "db")  # a run that was killed left it running
        shutil.rmtree(folder)
    files = {
        "zgoda.yaml": ROOT_FILE,
        "connections/crm.yaml": _about(CRM_FILE, crm),
        "connections/marketing.yaml": _about(MARKETING_FILE, marketing),
        "mappings/crm.yaml": CRM_MAPPING,
        "mappings/marketing.yaml": MARKETING_MAPPING,
        "policies.yaml": POLICIES_FILE,
        "secrets/crm": crm.password,
        "secrets/marketing": marketing.password,
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def _about(text: str, server: Server) -> str:
    return text.format(url=server.url, database=server.database, user=server.user)


@dataclass(frozen=True)
class Firm:
    """A customer. `marketing_name` is how the marketing department spells it; empty where it does not know it."""

    name: str
    city: str
    country: str
    page: str
    marketing_name: str = ""


FIRMS = (
    Firm("Nowak Logistyka", "Kraków", "PL", "nowak.example", "Nowak Logistyka Sp. z o.o."),
    Firm("Baltic Foods", "Gdańsk", "PL", "baltic.example", "Baltic Foods"),
    Firm("Grüne Werkzeuge GmbH", "Berlin", "DE", "werkzeuge.example"),
    Firm("Hanse Kontor", "Hamburg", "DE", "kontor.example", "Hanse Kontor"),
)
FIRST_NAMES = "Ada Bruno Celina Dawid Ewa Filip Greta Hugo Irena Jan Kaja Lech Maja Nils Ola Piotr".split()
LAST_NAMES = (
    *("Nowak", "van der Berg", "Kowalska", "Lis", "Wiśniewska", "Müller", "Schmidt", "Wójcik"),
    *("Zając", "Mazur", "Weiß", "Król", "Dąbrowska", "Jansen", "Sowa", "Pawlak"),
)


@dataclass(frozen=True)
class Person:
    """Somebody of the invented firms, known to sales, to marketing, or to both."""

    given_name: str
    family_name: str
    firm: Firm
    number: int

    @property
    def name(self) -> str:
        return f"{self.given_name} {self.family_name}"

    @property
    def email(self) -> str:
        return f"{self.given_name}.{self.number}@{self.firm.page}".lower()

    @property
    def phone(self) -> str:
        return f"+48 12 345 67 {self.number:02d}"

    @property
    def in_crm(self) -> bool:
        return self.number % 4 != 3

    @property
    def in_marketing(self) -> bool:
        return self.number % 4 != 2


PEOPLE = tuple(
    Person(given, family, FIRMS[number % len(FIRMS)], number)
    for number, (given, family) in enumerate(zip(FIRST_NAMES, LAST_NAMES, strict=True))
)


def furnish(crm: TrytonOffice, marketing: OdooOffice) -> None:
    """An invented world that the departments know differently: names spelled otherwise, numbers only one has, people
    only one has, opt-ins, opt-outs, lists and deals on both sides."""
    _furnish_crm(crm)
    _furnish_marketing(marketing)


def _furnish_crm(crm: TrytonOffice) -> None:
    for code, name in COUNTRIES.items():
        crm.create("country.country", code=code, name=name)
    category = crm.named("party.category", ORGANIZATION)
    [house] = crm.find("party.party", [["name", "=", "Example House"]])
    crm.calls.call("model.party.party.write", [house["id"]], {"categories": [["add", [category]]]}, {})
    firms = {
        firm: crm.add_company(firm.name, city=firm.city, country=firm.country, website=f"https://{firm.page}")
        for firm in FIRMS
    }
    for person in PEOPLE:
        if person.in_crm:
            contact = {"email": person.email, "phone": person.phone}
            crm.add_person(person.name, works_for=firms[person.firm], **contact)
            if person.number % 2 == 0:
                crm.subscribe(person.email)
    crm.unsubscribe(PEOPLE[4].email)
    crm.subscribe(PEOPLE[1].email, OFFERS)
    crm.add_deal(firms[FIRMS[0]], "Forklifts", "12500.50")


def _furnish_marketing(marketing: OdooOffice) -> None:
    firms = {
        firm: marketing.add_company(firm.marketing_name, website=f"http://www.{firm.page}", city=firm.city)
        for firm in FIRMS
        if firm.marketing_name
    }
    for person in PEOPLE:
        if person.in_marketing:
            employer = {"parent_id": firms[person.firm]} if person.firm in firms else {}
            known = {"mobile": f"+49 151 000 00{person.number:02d}"} if person.number % 3 == 0 else {}
            address = person.email.upper() if person.number % 5 == 0 else person.email
            marketing.add_person(person.name, email=address, **employer, **known)
            marketing.subscribe(person.email, NEWSLETTER, person.name)
    marketing.opt_out(PEOPLE[5].email)
    marketing.add_deal(firms[FIRMS[1]], "Cold store", 900.0)
