"""Tryton 8.2 as a CRM: parties, relations, opportunities, mailing lists; its database is one SQLite file."""

import shutil
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

from tools.real.cache import built
from tools.real.calls import TrytonCalls
from tools.real.install import environment, requirements_of
from tools.real.instances import Instance, Server, instance
from tools.real.processes import free_port, run, wait_until_ready

KIND = "tryton"
DATABASE = "crm"
USER = "admin"
PASSWORD = "tryton-admin-1"
MODULES = (
    *("ir", "res", "company", "party", "party_relationship"),
    *("sale_opportunity", "marketing_automation", "marketing_email"),
)
START_TIMEOUT_S = 60.0
UNUSED_PORT = 9  # "discard": nobody listens, so no mail leaves where no sink is given


@contextmanager
def tryton(smtp_port: int = UNUSED_PORT) -> Generator[Server]:
    """A fresh Tryton with one company, the administrator as its employee, and no other data."""
    prepared = template()
    with instance(KIND) as here:
        shutil.copyfile(prepared / f"{DATABASE}.sqlite", here.folder / f"{DATABASE}.sqlite")
        yield _start(here, smtp_port)


def template() -> Path:
    """The folder with the prepared database, made on first use."""
    return built(f"{KIND}-template", [requirements_of(KIND), Path(__file__)], _prepare)


def _prepare(folder: Path) -> None:
    with instance(KIND) as here:
        database = here.folder / f"{DATABASE}.sqlite"
        database.touch()
        password = here.folder / "password"
        password.write_text(PASSWORD)
        config = _write_config(here.folder, free_port(), UNUSED_PORT)
        admin = [environment(KIND) / "bin" / "trytond-admin", "-c", config, "-d", DATABASE]
        modules = ["--email", "admin@example.test", "--activate-dependencies", "-u", *MODULES]
        run("trytond-admin", [*admin, *modules], here.folder, {"TRYTONPASSFILE": str(password)})
        _set_up_company(_start(here, UNUSED_PORT))
        here.stop()
        # The newest rows are still in the log beside the file, so the file alone would not be the whole database.
        with closing(sqlite3.connect(database)) as used, closing(sqlite3.connect(folder / database.name)) as kept:
            used.backup(kept)


def _start(here: Instance, smtp_port: int) -> Server:
    port = free_port()
    config = _write_config(here.folder, port, smtp_port)
    process = here.spawn("trytond", [environment(KIND) / "bin" / "trytond", "-c", config, "-d", DATABASE])
    server = Server(KIND, f"http://127.0.0.1:{port}", DATABASE, USER, PASSWORD, here.folder, (process,))
    wait_until_ready(process, lambda: TrytonCalls(server.url, DATABASE, USER, PASSWORD), START_TIMEOUT_S)
    return server


def _write_config(folder: Path, port: int, smtp_port: int) -> Path:
    config = folder / "trytond.conf"
    config.write_text(
        f"[web]\nlisten = 127.0.0.1:{port}\n"
        f"[database]\nuri = sqlite://\npath = {folder}\n"
        f"[email]\nuri = smtp://127.0.0.1:{smtp_port}\nfrom = crm@example.test\n"
    )
    return config


def _set_up_company(server: Server) -> None:
    """An opportunity needs a company with a currency, and a user who is employed there."""
    calls = TrytonCalls(server.url, server.database, server.user, server.password)

    def create(model: str, *rows: dict[str, object]) -> list[int]:
        ids: list[int] = calls.call(f"model.{model}.create", rows, {})
        return ids

    [currency] = create("currency.currency", {"name": "Euro", "code": "EUR", "symbol": "€", "numeric_code": "978"})
    house, person = create("party.party", {"name": "Example House"}, {"name": "Administrator"})
    [company] = create("company.company", {"party": house, "currency": currency})
    [employee] = create("company.employee", {"party": person, "company": company})
    employment = {
        "companies": [["add", [company]]],
        "company": company,
        "employees": [["add", [employee]]],
        "employee": employee,
    }
    calls.call("model.res.user.write", [calls.user_id], employment, {})
    there, back = create("party.relation.type", {"name": "employed by"}, {"name": "employs"})
    calls.call("model.party.relation.type.write", [there], {"reverse": back}, [back], {"reverse": there}, {})
