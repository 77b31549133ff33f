"""Real CRM servers for tests and for trying things out: Tryton 8.2, Odoo 11 with mass mailing, and an SMTP sink.

    from tools import real

    with real.smtp_sink() as sink, real.odoo(smtp_port=sink.port) as crm:
        print(crm.url, crm.database, crm.user, crm.password)

Every `with` gives a fresh server with a copy of a prepared database on a free loopback port, and removes both at its
end. The first use installs and prepares (a few minutes); later ones take seconds. See docs/real-servers.md.
"""

from tools.real.calls import CallRefused, OdooCalls, TrytonCalls
from tools.real.instances import Server
from tools.real.odoo_server import odoo
from tools.real.processes import ServerFailed
from tools.real.smtp import Mail, Sink, smtp_sink
from tools.real.tryton_server import tryton
from tools.real.wire import Wire, Written, wire_to

__all__ = (
    "CallRefused",
    "Mail",
    "OdooCalls",
    "Server",
    "ServerFailed",
    "Sink",
    "TrytonCalls",
    "Wire",
    "Written",
    "odoo",
    "smtp_sink",
    "tryton",
    "wire_to",
)
