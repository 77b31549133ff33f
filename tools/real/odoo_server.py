"""Odoo 11 Community as CRM and e-mail marketing; its database is a PostgreSQL server of its own per instance."""

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict
from tools.real import odoo_shim
from tools.real.cache import built
from tools.real.calls import OdooCalls
from tools.real.install import environment, requirements_of
from tools.real.instances import POSTGRES, Instance, Server, copy_tree, instance
from tools.real.processes import free_port, run, wait_until_ready

KIND = "odoo"
DATABASE = "crm"
USER = "admin"
PASSWORD = "admin"  # what a new Odoo database starts with
MODULES = ("contacts", "crm", "mass_mailing")
START_TIMEOUT_S = 90.0
# Else the first request imports every module there is, also those whose partners are not installed, and gets a 500.
ENVIRONMENT = {"ODOO_PRELOAD_ADDONS": "no"}
SHIM = Path(odoo_shim.__file__)
FILES = "files"
UNUSED_PORT = 9  # "discard": nobody listens, so no mail leaves where no sink is given


@contextmanager
def odoo(smtp_port: int = UNUSED_PORT) -> Generator[Server]:
    """A fresh Odoo that sends its mail to the given port and puts its own loopback address into tracking links."""
    prepared = template()
    with instance(KIND) as here:
        for part in (POSTGRES, FILES):
            copy_tree(prepared / part, here.folder / part)
        server = _start(here)
        _set_addresses(server, smtp_port)
        yield server


def template() -> Path:
    """The folder with the prepared database server and Odoo's files, made on first use."""
    return built(f"{KIND}-template", [requirements_of(KIND), Path(__file__), SHIM], _prepare)


def _prepare(folder: Path) -> None:
    with instance(KIND) as here:
        run(
            "odoo-init",
            [*_command(here, free_port()), "-i", ",".join(MODULES), "--stop-after-init"],
            here.folder,
            ENVIRONMENT,
        )
        calls = _calls(_start(here))
        # The welcome mail would otherwise be the first thing in every sink.
        calls.call("mail.mail", "unlink", calls.call("mail.mail", "search", []))
        calls.call("res.users", "write", [calls.user_id], {"email": "admin@example.test"})
        here.stop()
        for part in (POSTGRES, FILES):
            shutil.move(here.folder / part, folder)


def _start(here: Instance) -> Server:
    port = free_port()
    process = here.spawn("odoo", _command(here, port), ENVIRONMENT)
    server = Server(KIND, f"http://127.0.0.1:{port}", DATABASE, USER, PASSWORD, here.folder, (process,))
    wait_until_ready(process, lambda: _calls(server), START_TIMEOUT_S)
    return server


def _command(here: Instance, port: int) -> list[str | Path]:
    where = conninfo_to_dict(here.start_postgres().url)
    config = here.folder / "odoo.conf"
    config.write_text(
        f"[options]\ndb_host = {where['host']}\ndb_port = {where['port']}\ndb_user = {where['user']}\n"
        f"data_dir = {here.folder / FILES}\nxmlrpc_interface = 127.0.0.1\nxmlrpc_port = {port}\n"
        "without_demo = all\nworkers = 0\nmax_cron_threads = 0\nlist_db = False\n"
    )
    return [environment(KIND) / "bin" / "python", SHIM, "-c", config, "-d", DATABASE]


def _set_addresses(server: Server, smtp_port: int) -> None:
    calls = _calls(server)
    outgoing = calls.call("ir.mail_server", "search", [])
    calls.call("ir.mail_server", "write", outgoing, {"smtp_host": "127.0.0.1", "smtp_port": smtp_port})
    # Without the freeze every login of the administrator would set the address anew, to the one it came by.
    for name, value in (("web.base.url", server.url), ("web.base.url.freeze", "True")):
        calls.call("ir.config_parameter", "set_param", name, value)


def _calls(server: Server) -> OdooCalls:
    return OdooCalls(server.url, server.database, server.user, server.password)
