"""SOQL: what is selected, in which order, in which pages, and how mistakes are answered."""

from __future__ import annotations

from typing import Any

import pytest

from tests.twins.client import Client, salesforce
from zgoda.model.clock import FakeClock
from zgoda.twins import SalesforceTwin

PEOPLE = [
    {"LastName": "Żak", "FirstName": "Anna", "Email": "anna@a.example", "Score__c": 10, "Birthdate": "1980-02-29",
     "Interests__c": "Events;Offers", "HasOptedOutOfEmail": True, "Title": "CEO"},
    {"LastName": "adams", "FirstName": "Bob", "Email": "bob@a.example", "Score__c": 5, "Birthdate": "1990-01-01",
     "Interests__c": "Events"},
    {"LastName": "O'Neill", "FirstName": "Cara", "Score__c": 7.5},
    {"LastName": "Young", "FirstName": "dan_1", "Email": "dan@b.example", "Title": "100% Boss"},
]  # fmt: skip


@pytest.fixture
async def api(sf: SalesforceTwin, sf_api: Client, clock: FakeClock) -> Client:
    """Four contacts of one account, a minute apart."""
    account = sf.edit("create", object="Account", values={"Name": "Acme", "Tier__c": "Gold"})["id"]
    for person in PEOPLE:
        clock.advance(60)
        sf.edit("create", object="Contact", values={**person, "AccountId": account})
    return sf_api


async def _firsts(api: Client, rest: str) -> list[str]:
    return [record["FirstName"] for record in await api.query(f"SELECT FirstName FROM Contact {rest}")]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("LastName = 'ADAMS'", "B"),
        ("LastName != 'adams'", "ACd"),
        (r"LastName = 'O\'Neill'", "C"),
        ("Email = null", "C"),
        ("Email != null", "ABd"),
        ("FirstName LIKE 'c%'", "C"),
        (r"FirstName LIKE 'DAN_1'", "d"),
        ("Title LIKE '%boss'", "d"),
        ("Score__c > 5", "AC"),
        ("Score__c >= 5 AND Score__c < 10", "BC"),
        ("Score__c = null", "d"),
        ("(Score__c = 10 OR Score__c = 5) AND HasOptedOutOfEmail = false", "B"),
        ("NOT (FirstName = 'Anna' OR FirstName = 'Bob')", "Cd"),
        ("NOT FirstName = 'Anna'", "BCd"),
        ("FirstName IN ('anna', 'Cara')", "AC"),
        ("FirstName NOT IN ('anna', 'Cara')", "Bd"),
        ("HasOptedOutOfEmail = TRUE", "A"),
        ("Birthdate < 1985-01-01", "A"),
        ("Birthdate >= 1990-01-01", "B"),
        ("Interests__c INCLUDES ('Events;Offers')", "A"),
        ("Interests__c INCLUDES ('Offers', 'Events')", "AB"),
        ("Interests__c EXCLUDES ('Offers')", "BCd"),
        ("CreatedDate > 2026-03-01T12:02:00Z", "Cd"),
        ("CreatedDate >= 2026-03-01T13:02:00+01:00", "BCd"),
        ("SystemModstamp <= 2026-03-01T12:01:00.000Z", "A"),
        ("SystemModstamp < 2026-03-01T12:01:00Z", ""),
        ("CreatedDate = TODAY", ""),
        ("CreatedDate >= TODAY", "ABCd"),
        ("CreatedDate > LAST_N_DAYS:3", "ABCd"),
        ("Account.Name = 'acme'", "ABCd"),
        ("Account.Tier__c = 'Silver'", ""),
        ("AccountId IN (SELECT Id FROM Account WHERE Name = 'Acme')", "ABCd"),
        ("Id NOT IN (SELECT ReportsToId FROM Contact)", "ABCd"),
    ],
)
async def test_conditions(api: Client, where: str, expected: str) -> None:
    found = await _firsts(api, f"WHERE {where} ORDER BY CreatedDate")
    assert "".join(name[0] for name in found) == expected


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("LastName", "BCdA"),
        ("Score__c", "dBCA"),
        ("Score__c NULLS LAST", "BCAd"),
        ("Score__c DESC", "dACB"),
        ("Score__c DESC NULLS LAST", "ACBd"),
        ("HasOptedOutOfEmail DESC, FirstName", "ABCd"),
        ("SystemModstamp DESC", "dCBA"),
        ("Id DESC LIMIT 2", "dC"),
        ("SystemModstamp LIMIT 2 OFFSET 1", "BC"),
        ("Account.Name, FirstName DESC", "dCBA"),
    ],
)
async def test_orders_limits_and_offsets(api: Client, order: str, expected: str) -> None:
    assert "".join(name[0] for name in await _firsts(api, f"ORDER BY {order}")) == expected


async def test_records_carry_attributes_parents_and_formulas(api: Client) -> None:
    record = (await api.query(
        "SELECT c.Id, Name, MailingAddress, Account.Name, Account.Owner.Name, ReportsTo.Name, Account_Tier__c "
        "FROM Contact c WHERE c.FirstName = 'Anna'"
    ))[0]  # fmt: skip
    assert record["attributes"] == {"type": "Contact", "url": f"/services/data/v59.0/sobjects/Contact/{record['Id']}"}
    assert record["Name"] == "Anna Żak"
    assert record["Account"]["Name"] == "Acme"
    assert record["Account"]["attributes"]["type"] == "Account"
    assert record["Account"]["Owner"]["Name"] == "Sandra Sales"
    assert record["ReportsTo"] is None
    assert record["MailingAddress"] is None
    assert record["Account_Tier__c"] == "Gold"


async def test_children_can_be_queried_with_their_parents(api: Client) -> None:
    account = (
        await api.query(
            "SELECT Name, (SELECT LastName FROM Contacts WHERE Score__c > 6 ORDER BY Score__c) FROM Account"
        )
    )[0]
    assert [c["LastName"] for c in account["Contacts"]["records"]] == ["O'Neill", "Żak"]
    assert account["Contacts"]["totalSize"] == 2
    none = (await api.query("SELECT Id, (SELECT Id FROM Opportunities) FROM Account"))[0]
    assert none["Opportunities"] is None


async def test_counting(api: Client) -> None:
    answer = await api("GET", "/query", query={"q": "SELECT COUNT() FROM Contact WHERE Score__c > 5"})
    assert answer.json == {"totalSize": 2, "done": True, "records": []}


async def test_all_fields_at_once_need_a_limit(api: Client) -> None:
    record = (await api.query("SELECT FIELDS(ALL) FROM Contact WHERE FirstName = 'Anna' LIMIT 1"))[0]
    assert record["Birthdate"] == "1980-02-29"
    assert record["Hub_Id__c"] is None
    custom = (await api.query("SELECT FIELDS(CUSTOM) FROM Contact LIMIT 1"))[0]
    assert "Score__c" in custom
    assert "LastName" not in custom
    assert (await api("GET", "/query", query={"q": "SELECT FIELDS(ALL) FROM Contact"})).status == 400


@pytest.mark.parametrize(
    ("soql", "code", "place"),
    [
        ("SELECT FROM Contact", "MALFORMED_QUERY", "Column:8"),
        ("SELECT Id Contact", "MALFORMED_QUERY", "Column:11"),
        ("SELECT Id FROM Contact WHERE", "MALFORMED_QUERY", "unexpected token: '<EOF>'"),
        ('SELECT Id FROM Contact WHERE LastName = "x"', "MALFORMED_QUERY", "Column:"),
        (
            "SELECT Id FROM Contact WHERE LastName = 'a' OR LastName = 'b' AND LastName = 'c'",
            "MALFORMED_QUERY",
            "'AND'",
        ),
        ("SELECT Id FROM Contact LIMIT many", "MALFORMED_QUERY", "'many'"),
        ("SELECT Id FROM Contact; DROP TABLE", "MALFORMED_QUERY", "Column:23"),
        ("SELECT Nope FROM Contact", "INVALID_FIELD", "No such column 'Nope' on entity 'Contact'"),
        ("SELECT Id FROM Contact WHERE Nope = 1", "INVALID_FIELD", "Column:30"),
        ("SELECT Nope.Name FROM Contact", "INVALID_FIELD", "relationship 'Nope'"),
        ("SELECT Id FROM Nope", "INVALID_TYPE", "sObject type 'Nope' is not supported"),
        ("SELECT Id FROM Contact WHERE SystemModstamp > '2026-01-01T00:00:00Z'", "INVALID_FIELD", "enclosed in quotes"),
        ("SELECT Id FROM Contact WHERE SystemModstamp > 2026-01-01", "INVALID_FIELD", "type dateTime"),
        ("SELECT Id FROM Contact WHERE Score__c = 'x'", "INVALID_FIELD", "type double"),
        ("SELECT Id FROM Contact WHERE Id = 'x'", "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field"),
        ("SELECT Id FROM Contact WHERE Description = 'x'", "INVALID_FIELD", "can not be filtered"),
        ("SELECT Id FROM Contact WHERE MailingAddress = 'x'", "INVALID_FIELD", "can not be filtered"),
        ("SELECT Id, (SELECT Id FROM Nopes) FROM Account", "INVALID_TYPE", "relationship 'Nopes'"),
        ("SELECT COUNT(Id) n FROM Contact GROUP BY Title", "MALFORMED_QUERY", ""),
    ],
)
async def test_mistakes_are_named_with_their_place(api: Client, soql: str, code: str, place: str) -> None:
    answer = await api("GET", "/query", query={"q": soql})
    assert (answer.status, answer.json[0]["errorCode"]) == (400, code)
    assert place in answer.json[0]["message"]


async def test_a_missing_query_is_a_mistake(api: Client) -> None:
    assert (await api("GET", "/query")).json[0]["errorCode"] == "MALFORMED_QUERY"


async def test_ids_of_fifteen_characters_and_of_lost_case_are_found(api: Client) -> None:
    id = (await api.query("SELECT Id FROM Contact WHERE FirstName = 'Anna'"))[0]["Id"]
    assert await _firsts(api, f"WHERE Id = '{id[:15]}'") == ["Anna"]
    assert await _firsts(api, f"WHERE Id = '{id.lower()}'") == ["Anna"]


async def test_pages_follow_one_another_and_the_cursor_ends(sf: SalesforceTwin, sf_api: Client) -> None:
    sf.load("Contact", ({"LastName": f"P{n}"} for n in range(950)))
    headers = {"Sforce-Query-Options": "batchSize=400"}
    answer = (
        await sf_api("GET", "/query", query={"q": "SELECT LastName FROM Contact ORDER BY Id"}, headers=headers)
    ).json
    names = [r["LastName"] for r in answer["records"]]
    assert (answer["totalSize"], answer["done"]) == (950, False)
    assert answer["nextRecordsUrl"].startswith("/services/data/v59.0/query/01g")
    while not answer["done"]:
        answer = (await sf_api("GET", sf.base_url + answer["nextRecordsUrl"])).json
        names += [r["LastName"] for r in answer["records"]]
    assert names == [f"P{n}" for n in range(950)]
    assert "nextRecordsUrl" not in answer
    gone = await sf_api("GET", "/query/01g000000000000AAA-400")
    assert gone.json[0]["errorCode"] == "INVALID_QUERY_LOCATOR"


async def test_real_limits_shape_pages(clock: FakeClock) -> None:
    """Pages of 200 to 2,000, offsets up to 2,000, ten open cursors, 16 kB of URI."""
    async with SalesforceTwin(clock=clock, limits="real") as twin:
        twin.load("Contact", ({"LastName": f"P{n}"} for n in range(4100)))
        async with salesforce(twin) as api:

            async def page(batch: str, soql: str = "SELECT Id FROM Contact") -> Any:
                return (await api("GET", "/query", query={"q": soql}, headers={"Sforce-Query-Options": batch})).json

            assert [len((await page(f"batchSize={n}"))["records"]) for n in (10, 300, 9999)] == [200, 300, 2000]
            first = (await page(""))["nextRecordsUrl"]
            for _ in range(10):
                await page("")
            assert (await api("GET", twin.base_url + first)).json[0]["errorCode"] == "INVALID_QUERY_LOCATOR"
            answer = await page("", "SELECT Id FROM Contact LIMIT 1 OFFSET 2001")
            assert answer[0]["errorCode"] == "NUMBER_OUTSIDE_VALID_RANGE"
            ids = ",".join(f"'{i:018}'" for i in range(900))
            long = await api("GET", "/query", query={"q": f"SELECT Id FROM Contact WHERE Id IN ({ids})"})
            assert long.status == 414


async def test_25000_records_of_one_second_are_read_once_each(sf: SalesforceTwin, sf_api: Client) -> None:
    """T-08: with a keyset over stamp and id, and the twin serving slices of its index."""
    sf.load("Contact", ({"LastName": f"P{n}"} for n in range(25_000)))
    seen: list[str] = []
    where = ""
    while True:
        page = await sf_api.query(
            f"SELECT Id, SystemModstamp FROM Contact {where} ORDER BY SystemModstamp, Id LIMIT 2000"
        )
        if not page:
            break
        seen += [record["Id"] for record in page]
        last = page[-1]
        stamp = last["SystemModstamp"].replace("+0000", "Z")
        where = f"WHERE (SystemModstamp = {stamp} AND Id > '{last['Id']}') OR SystemModstamp > {stamp}"
    assert len(seen) == 25_000
    assert len(set(seen)) == 25_000
