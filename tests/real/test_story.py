"""`make real`, the whole of it: a story on both servers that ends well only if every mapped field agrees."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tools import real
from tools.real.agreement import compare
from tools.real.odoo_office import OdooOffice
from tools.real.scenery import PEOPLE
from tools.real.story import tell
from tools.real.tryton_office import TrytonOffice

from zgoda.entrypoints.cli.speak import Voice

# The first use installs and prepares both servers.
pytestmark = [pytest.mark.real, pytest.mark.timeout(1800)]


def test_the_story_ends_in_agreement(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with real.smtp_sink() as sink, real.tryton(sink.port) as crm, real.odoo(sink.port) as marketing:
        code = tell(Voice(json=True), tmp_path / "project", crm, marketing, sink)
        ending = json.loads(capsys.readouterr().out)
        assert code == 0, ending
        sales, mailers = TrytonOffice(crm), OdooOffice(marketing)
        agreement = ending["agreement"]
        assert set(agreement) == {"people", "companies", "memberships", "opportunities", "mail events"}
        assert agreement["people"]["both"] == len(PEOPLE) - 1, "two of them were merged"
        # 9 and then 7 mails, of the first three were opened and two clicked
        assert agreement["mail events"]["both"] == 9 + 3 + 2 + 7
        assert ending["conflicts"]["prefer crm unless blank"] == 1
        # the comparison is no formality: it sees each kind of difference
        [partner] = mailers.with_address(PEOPLE[1].email)
        mailers.edit(partner["id"], phone="+48 1")
        mailers.add_person("Somebody else", email="else@nowak.example")
        sales.create("ir.note", resource="party.party,1", message="What: sent\nWhen: x\nChannel: email\n[zgoda:0]")
        after = compare(sales, mailers)
        assert after["people"].differing == {"telephone": 1}
        assert after["people"].only_news == 1
        assert after["mail events"].only_crm == 1
