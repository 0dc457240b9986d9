"""Old invoices are previewed in requests that let later periods meet balances as earlier ones leave them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from typing import Any

import pytest
from importer.reconciling import OLD_YEAR, Account, Books

from metronome_sandbox.client.asking import Answer, CannotAsk, value_of
from metronome_sandbox.client.encoding import encode
from metronome_sandbox.client.sending import Sender
from metronome_sandbox.importer import preview
from metronome_sandbox.importer.legacy import LegacyInvoice
from metronome_sandbox.importer.preview import Outcome, Previewed, Refused, previews

PATH = "/v1/contracts/createHistoricalInvoices"


@pytest.fixture
def books(company) -> Books:
    return company


def months(books: Books, account: Account, product: str, *quantities, **more) -> list[LegacyInvoice]:
    """Old invoices of January, February and so on, with a line each."""
    return [
        books.invoice(
            account,
            books.line(product, quantity, window=(f"2024-{month:02}-01", f"2024-{month + 1:02}-01")),
            number=f"{account.name}-{month}",
            **more,
        )
        for month, quantity in enumerate(quantities, start=1)
    ]


def totals(outcomes: list[Outcome]) -> dict[str, Decimal | str]:
    """Totals by number of the invoice, or what was said where it was refused."""
    return {
        each.invoice.number: each.preview.total if isinstance(each, Previewed) else each.message for each in outcomes
    }


def sizes(books: Books) -> list[int]:
    """How many invoices each request had."""
    calls = books.sandbox.requests
    return [len(call.request_body["invoices"]) for call in calls if call.path == PATH]


def test_a_later_period_meets_a_commit_as_the_earlier_one_left_it(books):
    calls = books.product("Calls", 10)
    acme = books.account(prepaid=1500)

    found = books.outcomes(months(books, acme, calls, 100, 100, 100))

    # 1000 each; the commit of 1500 pays 1000, then 500, then nothing
    assert totals(found) == {"Acme-1": 0, "Acme-2": 500, "Acme-3": 1000}
    assert sizes(books) == [3]


def test_invoices_that_come_in_any_order_are_asked_for_in_the_order_of_their_periods(books):
    calls = books.product("Calls", 10)
    acme = books.account(prepaid=1500)

    found = books.outcomes(reversed(months(books, acme, calls, 100, 100, 100)))

    assert [each.invoice.number for each in found] == ["Acme-1", "Acme-2", "Acme-3"]
    assert totals(found) == {"Acme-1": 0, "Acme-2": 500, "Acme-3": 1000}


def test_nothing_is_saved(books):
    calls = books.product("Calls", 10)
    acme = books.account(prepaid=1500)
    before = books.sandbox.snapshot()

    books.outcomes(months(books, acme, calls, 100, 100))

    assert books.sandbox.snapshot() == before


def test_contracts_of_one_customer_share_its_balances(books):
    calls = books.product("Calls", 10)
    acme = books.account()
    other = books.made(
        "/v1/contracts/create",
        customer_id=acme.customer_id,
        rate_card_id=books.card,
        starting_at="2024-01-01T00:00:00Z",
        usage_statement_schedule=OLD_YEAR,
    )
    books.made("/v1/contracts/customerCommits/create", customer_id=acme.customer_id, **books.commit(1500))
    first, _ = months(books, acme, calls, 100, 100)
    _, second = months(books, acme, calls, 100, 100, contract_id=other)

    # The commit of 1500 belongs to the customer: January under the one contract takes 1000, February the other 500.
    assert totals(books.outcomes([first, second])) == {"Acme-1": 0, "Acme-2": 500}


def test_a_child_sees_what_its_sibling_took_of_the_parents_balance(books):
    calls = books.product("Calls", 10)
    open_to_all = {"child_access": {"type": "ALL"}}
    parent = books.account("Parent", commits=[books.commit(1500, hierarchy_configuration=open_to_all)])
    link = {"parent": {"customer_id": parent.customer_id, "contract_id": parent.contract_id}}
    one = books.account("One", hierarchy_configuration=link)
    two = books.account("Two", hierarchy_configuration=link)
    alone = books.account("Alone")
    [first] = months(books, one, calls, 100)
    _, second = months(books, two, calls, 100, 100)

    found = books.outcomes([first, second, *months(books, alone, calls, 7)])

    # One takes 1000 of the parent's 1500 in January, so Two finds 500 in February. Alone is asked for by itself.
    assert totals(found) == {"Alone-1": 70, "One-1": 0, "Two-2": 500}
    assert sorted(sizes(books)) == [1, 2]


def test_what_does_not_fit_into_one_body_still_meets_balances_as_they_would_be(books):
    calls = books.product("Calls", 10)
    acme = books.account(prepaid=1500)
    days = [10] * 10  # 100 a month, given by day, which takes some 1200 bytes

    found = books.outcomes(months(books, acme, calls, days, days, days), max_bytes=2500)

    assert totals(found) == {"Acme-1": 0, "Acme-2": 500, "Acme-3": 1000}
    assert [each.doubt for each in found] == [None, None, None]
    assert sizes(books) == [1, 2, 3]  # each request begins with the earlier ones, as wholes


def test_balances_are_in_doubt_where_a_repeated_invoice_costs_something_else_as_a_whole(books):
    calls = books.product("Calls", 10)
    books.rate(calls, 20, starting_at="2024-01-06T00:00:00Z")
    acme = books.account(prepaid=1200)
    days = [10] * 10

    found = books.outcomes(months(books, acme, calls, days, days), max_bytes=2500)

    # January by day: 5 x 100 and 5 x 200 are 1500, and the commit of 1200 leaves 300. As a whole all of it is at the
    # price of its first day, 1000, which the commit covers: February would find 200 of it that are not there.
    january, february = found
    assert (january.preview.total, january.doubt) == (300, None)
    assert "invoice Acme-1 comes to something else without its subtotals" in february.doubt


def test_balances_are_in_doubt_where_a_repeated_invoice_takes_something_else_of_them(books):
    calls = books.product("Calls", 10)
    books.rate(calls, 20, starting_at="2024-01-06T00:00:00Z")
    acme = books.account(prepaid=5000)
    days = [10] * 10

    # The commit pays all of January: 1500 by day, and 1000 as a whole. Its total is 0 both times.
    january, february = books.outcomes(months(books, acme, calls, days, days), max_bytes=2500)

    assert (january.preview.total, january.doubt) == (0, None)
    assert "invoice Acme-1 comes to something else without its subtotals" in february.doubt


def test_balances_are_in_doubt_where_even_the_wholes_do_not_fit(books):
    calls = books.product("Calls", 10)
    acme = books.account(prepaid=1500)

    found = books.outcomes(months(books, acme, calls, 100, 100, 100, 100), max_bytes=600)

    first, *others = found
    assert (first.preview.total, first.doubt) == (0, None)
    assert all("could not be previewed exactly" in each.doubt for each in others)


def test_a_target_that_takes_less_is_found_out(books):
    calls = books.product("Calls", 10)
    acme = books.account(prepaid=1500)
    books.sandbox.faults.status(413, "createHistoricalContractUsageInvoices-v1", message="too large", count=1)

    days = [10] * 10
    found = books.outcomes(months(books, acme, calls, days, days, days, days))

    assert totals(found) == {"Acme-1": 0, "Acme-2": 500, "Acme-3": 1000, "Acme-4": 1000}
    assert sizes(books) == [4, 2, 3, 4]  # half of the bytes at once, and the earlier invoices as wholes before them
    assert {each.doubt for each in found} == {None}


def test_a_refused_invoice_is_named_and_the_others_go_on(books):
    calls = books.product("Calls", 10)
    acme = books.account(prepaid=1500)
    first, second, third = months(books, acme, calls, 100, 100, 100)
    unpriced = books.product("Unpriced")
    line = books.line(unpriced, 1, window=("2024-02-01", "2024-03-01"))
    second = books.invoice(acme, *second.lines, line, number="Acme-2")

    found = books.outcomes([first, second, third])

    refused = next(each for each in found if isinstance(each, Refused))
    assert refused.invoice == second
    assert refused.message.startswith("invoice Acme-2.usage_line_items[1]")
    assert refused.rows == line.rows
    previewed = {each.invoice.number: each for each in found if isinstance(each, Previewed)}
    # January takes 1000 of 1500, so March finds 500: February would have taken them, and that is said.
    assert {number: each.preview.total for number, each in previewed.items()} == {"Acme-1": 0, "Acme-3": 500}
    assert previewed["Acme-1"].doubt is None
    assert previewed["Acme-3"].doubt == "invoice Acme-2 was refused, so balances are as if it had never been"


def test_two_invoices_of_one_period_are_told_apart(books):
    calls = books.product("Calls", 10)
    acme = books.account()
    one = books.invoice(acme, books.line(calls, 1), number="INV-A")
    two = books.invoice(acme, books.line(calls, 2), number="INV-B")

    found = totals(books.outcomes([one, two]))

    assert found["INV-A"] == 10
    assert "invoice INV-B" in found["INV-B"]
    assert "overlaps invoice INV-A of this request" in found["INV-B"]


def test_a_refusal_that_names_no_invoice_is_found_by_asking_for_each(books):
    calls = books.product("Calls", 10)
    acme = books.account()
    fault = "createHistoricalContractUsageInvoices-v1"
    # The first request is refused without a place; of the three asked for alone, the second one is.
    books.sandbox.faults.status(400, fault, message="no", count=1)
    books.sandbox.faults.status(400, fault, message="not this one", call=3, count=1)

    found = books.outcomes(months(books, acme, calls, 1, 2, 3))

    assert totals(found) == {"Acme-1": 10, "Acme-2": "not this one", "Acme-3": 30}
    assert sizes(books) == [3, 1, 1, 1, 2]


def test_invoices_that_are_refused_only_together_are_previewed_one_by_one(books):
    calls = books.product("Calls", 10)
    acme = books.account(prepaid=1500)
    books.sandbox.faults.status(400, "createHistoricalContractUsageInvoices-v1", message="too many", count=1)

    found = books.outcomes(months(books, acme, calls, 100, 100))

    # Each by itself finds the whole commit.
    assert totals(found) == {"Acme-1": 0, "Acme-2": 0}
    assert "refuses this customer's invoices together (too many)" in found[1].doubt


def test_a_customer_whose_preview_the_server_breaks_on_keeps_nobody_else_from_theirs(books, monkeypatch):
    monkeypatch.setattr("metronome_sandbox.importer.preview.PAUSE_SECONDS", 0)
    calls = books.product("Calls", 10)
    acme, beta = books.account(), books.account("Beta")
    first = books.outcomes(months(books, acme, calls, 1))
    books.sandbox.faults.status(500, "createHistoricalContractUsageInvoices-v1", message="broken", count=4)

    with closing(Sender(books.sandbox.base_url, books.sandbox.token, concurrency=1)) as one_by_one:
        invoices = [*months(books, acme, calls, 1), *months(books, beta, calls, 2)]
        found = list(previews(invoices, one_by_one, lambda outcome: outcome))

    assert totals(first) == {"Acme-1": 10}
    assert totals(found) == {"Acme-1": "broken", "Beta-1": 20}


def test_a_lost_answer_is_asked_for_again(books, monkeypatch):
    monkeypatch.setattr("metronome_sandbox.importer.preview.PAUSE_SECONDS", 0)
    calls = books.product("Calls", 10)
    acme = books.account()
    books.sandbox.faults.lose_answer("createHistoricalContractUsageInvoices-v1", count=1)

    assert totals(books.outcomes(months(books, acme, calls, 1))) == {"Acme-1": 10}


def test_a_token_that_opens_nothing_ends_it(books):
    calls = books.product("Calls", 10)
    acme = books.account()
    books.sandbox.faults.status(403, "createHistoricalContractUsageInvoices-v1", message="not yours")

    with pytest.raises(CannotAsk, match="answered 403: not yours"):
        books.outcomes(months(books, acme, calls, 1))


def test_previews_that_come_in_another_order_find_their_invoices(books, monkeypatch):
    calls = books.product("Calls", 10)
    invoices = months(books, books.account(), calls, 1, 2, 3)

    original = preview.ask
    monkeypatch.setattr(
        preview,
        "ask",
        lambda sender, path, body: turned(original(sender, path, body), lambda data: data[::-1]),
    )

    assert totals(books.outcomes(invoices)) == {"Acme-1": 10, "Acme-2": 20, "Acme-3": 30}


def test_an_answer_that_lacks_an_invoice_is_no_preview(books, monkeypatch):
    calls = books.product("Calls", 10)
    invoices = months(books, books.account(), calls, 1, 2)

    original = preview.ask
    monkeypatch.setattr(
        preview,
        "ask",
        lambda sender, path, body: turned(original(sender, path, body), lambda data: data[1:]),
    )

    said = "the answer has 1 invoices for 2 that were sent"
    assert totals(books.outcomes(invoices)) == {"Acme-1": said, "Acme-2": said}


def turned(answer: Answer, change: Callable[[Any], Any]) -> Answer:
    """Return an answer with its list changed, if it is one of previews."""
    value = value_of(answer)
    if "data" not in value or not any("line_items" in each for each in value["data"]):
        return answer
    return answer._replace(body=encode({"data": change(value["data"])}))


def test_quantities_keep_twelve_decimals(books):
    calls = books.product("Calls", 1)
    acme = books.account()

    [found] = books.outcomes(months(books, acme, calls, "1.123456789012"))

    assert found.preview.total == Decimal("1.123456789012")
