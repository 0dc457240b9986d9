"""Old invoices held to their previews: which figure answers which, what is out of tolerance, and what it comes to."""

from __future__ import annotations

import resource
import sys
from contextlib import closing
from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest
from importer.reconciling import CENT, Books, State, reasons, utc

from metronome_sandbox.importer.comparison import USD_CENTS, Currency, compare
from metronome_sandbox.importer.legacy import LegacyInvoice, LegacyLine
from metronome_sandbox.importer.preview import CreditType, Previewed, PreviewInvoice, PreviewLine
from metronome_sandbox.importer.rates import ContractRates
from metronome_sandbox.importer.reconcile import judge, reconcile
from metronome_sandbox.toolkit.sandboxes import Sandbox


@pytest.fixture
def books(company) -> Books:
    return company


# Which line answers which


def test_tiers_covered_parts_and_applied_commits_are_one_line(books):
    storage = books.product("Storage", (100, 50), 30)

    [judged] = books.judged(books.invoice(books.account(prepaid=5500), books.line(storage, 130, 5900), total=400))

    # 100 x 50 + 30 x 30 = 5900; the commit pays 5500 of it, in parts of both tiers
    [line] = judged.comparison.lines
    assert len(line.parts) > 2
    assert (line.amount, line.covered, line.quantity, line.previewed_quantity) == (5900, 5500, 130, 130)
    assert (judged.state, judged.differences) == (State.EQUAL, ())


def test_a_line_that_prices_divide_into_windows_is_one_line(books):
    calls = books.product("Calls", 10)
    books.rate(calls, 20, starting_at="2024-06-03T00:00:00Z")

    # 4 days of 1: 10 + 10 + 20 + 20
    [judged] = books.judged(books.invoice(books.account(), books.line(calls, [1, 1, 1, 1], 60)))

    [line] = judged.comparison.lines
    assert (len(line.parts), line.price, judged.state) == (2, None, State.EQUAL)


def test_lines_are_told_apart_by_groups_and_windows(books):
    calls = books.product("Calls", groups=("region",))
    books.rate(calls, 10, groups={"region": "eu"})
    books.rate(calls, 20, groups={"region": "us"})
    first, second = ("2024-06-01", "2024-06-16"), ("2024-06-16", "2024-07-01")
    lines = [
        books.line(calls, 1, 10, window=first, groups={"region": "eu"}),
        books.line(calls, 2, 20, window=second, groups={"region": "eu"}),
        books.line(calls, 3, 61, window=second, groups={"region": "us"}),  # 60
    ]

    [judged] = books.judged(books.invoice(books.account(), *lines, window=("2024-06-01", "2024-07-01")))

    [difference] = judged.differences
    assert (difference.line.pricing, difference.difference) == ((("region", "us"),), -1)
    assert len(judged.comparison.lines) == 3


def test_two_old_lines_of_one_product_are_held_to_what_they_come_to_together(books):
    storage = books.product("Storage", (100, 50), 30)

    # A row for each tier: 100 at 50 and 30 at 30. The target counts 130 through its tiers, in whatever order.
    lines = books.line(storage, 100, 5000, price=50), books.line(storage, 30, 900, price=30)
    [judged] = books.judged(books.invoice(books.account(), *lines))

    [line] = judged.comparison.lines
    assert (line.amount, line.legacy_amount, judged.state) == (5900, 5900, State.EQUAL)


def test_windows_that_fit_in_no_other_way_are_compared_as_one():
    invoice, line = plain_invoice(), plain_line("30")
    half = timedelta(days=15)
    first = msgspec.structs.replace(plain_part("10"), ending_before=line.starting_at + half)
    # The preview's windows cut across those of the old lines, 10 days and 20 days
    tenth = utc("2024-06-11")
    lines = (
        LegacyLine(**{**as_dict(line), "ending_before": tenth, "amount": Decimal(12)}),
        LegacyLine(**{**as_dict(line), "starting_at": tenth, "amount": Decimal(18)}),
    )
    second = msgspec.structs.replace(plain_part("20"), starting_at=line.starting_at + half)

    comparison = compare(LegacyInvoice(**{**as_dict(invoice), "lines": lines}), plain_preview(first, second))

    [only] = comparison.lines
    assert (only.legacy_amount, only.amount, only.difference) == (30, 30, 0)


def test_a_line_that_only_one_side_has_is_told():
    kept, gone = plain_line("10"), plain_line("5", product="gone")
    added = plain_part("7", product="added")
    invoice = LegacyInvoice(**{**as_dict(plain_invoice()), "lines": (kept, gone), "total": Decimal(15)})

    judged = judge(Previewed(invoice, plain_preview(plain_part("10"), added)), nobody(), CENT)

    # 10 + 7 against 10 + 5
    assert reasons(judged) == [("line", "missing line"), ("line", "extra line")]
    assert [each.difference for each in judged.differences] == [-5, 7]
    assert judged.comparison.difference == 2


def test_units_of_their_own_are_compared_as_money():
    token = CreditType("tokens", "Tokens")
    used = msgspec.structs.replace(plain_part("100"), credit_type=token)
    paid = msgspec.structs.replace(used, type="applied_commit_or_credit", total=Decimal(-40))
    converted = msgspec.structs.replace(
        plain_part("120"), type="cpu_conversion", unit_price=Decimal(2), quantity=Decimal(60), product_id=None
    )
    invoice = LegacyInvoice(**{**as_dict(plain_invoice()), "lines": (plain_line("200"),), "total": Decimal(120)})

    comparison = compare(invoice, plain_preview(used, paid, converted, total="120"))

    # 100 tokens at 2 cents are 200; 40 of them, worth 80, a balance pays
    [line] = comparison.lines
    assert (line.amount, line.covered, comparison.paid, comparison.difference) == (200, 80, 80, 0)


def test_a_target_that_counts_another_quantity_is_told():
    part = msgspec.structs.replace(plain_part("10"), quantity=Decimal("0.1"))
    invoice = LegacyInvoice(**{**as_dict(plain_invoice()), "lines": (plain_line("1000"),), "total": Decimal(1000)})

    judged = judge(Previewed(invoice, plain_preview(part)), nobody(), CENT)

    reason = judged.differences[0].reasons[0]
    assert (reason.kind, reason.evidence) == ("quantity conversion", "sent 10, the preview bills 0.1")


# Tolerance


@pytest.mark.parametrize(
    ("legacy", "tolerance", "state"),
    [
        ("1000", "0.01", State.EQUAL),
        ("1001", "0.01", State.WITHIN),
        ("1001.01", "0.01", State.OUT),
        ("999", "0", State.OUT),
        ("900", "1", State.WITHIN),
    ],
)
def test_the_tolerance_is_in_dollars_and_counts_for_each_invoice(books, legacy, tolerance, state):
    calls = books.product("Calls", 10)

    [judged] = books.judged(
        books.invoice(books.account(), books.line(calls, 100, legacy)), tolerance=Decimal(tolerance)
    )

    assert judged.state is state


def test_lines_that_make_up_for_each_other_are_out_of_tolerance(books):
    calls, storage = books.product("Calls", 10), books.product("Storage", 5)

    # 1000 and 500: the old lines say 1100 and 400, so the totals agree
    lines = books.line(calls, 100, 1100), books.line(storage, 100, 400)
    [judged] = books.judged(books.invoice(books.account(), *lines))

    assert (judged.comparison.difference, judged.state) == (0, State.OUT)


def test_digits_that_an_answer_does_not_have_are_no_difference():
    # 15 significant digits are answered of 1234567890.1234567
    invoice = LegacyInvoice(
        **{
            **as_dict(plain_invoice()),
            "lines": (plain_line("1234567890.1234567"),),
            "total": Decimal("1234567890.1234567"),
        }
    )

    states = [
        judge(Previewed(invoice, plain_preview(plain_part(answered))), nobody(), Decimal(0)).state
        for answered in ("1234567890.12346", "1234567890.12356")
    ]

    assert states == [State.EQUAL, State.OUT]


def test_other_currencies_count_whole_units(server):
    with closing(Sandbox.of(server)) as sandbox:
        euro = next(
            each["id"] for each in sandbox.call("GET", "/v1/credit-types/list")["data"] if each["name"] == "EUR"
        )
        with closing(Books(sandbox, euro)) as books:
            calls = books.product("Calls", 1.25)
            # 10 x 1.25 euro; 12.51 is a cent more, 12.52 two
            states = [
                books.judged(books.invoice(books.account(), books.line(calls, 10, amount)))[0]
                for amount in ("12.5", "12.51", "12.52")
            ]

    assert [each.state for each in states] == [State.EQUAL, State.WITHIN, State.OUT]
    assert states[0].figures.currency == Currency(euro, "EUR", Decimal(1), CENT)


def test_an_invoice_of_nothing_is_equal(books):
    calls = books.product("Calls", 10)

    [judged] = books.judged(books.invoice(books.account(), books.line(calls, 0, 0)))

    assert judged.state is State.EQUAL


def test_an_invoice_that_says_no_amounts_has_nothing_to_compare(books):
    calls = books.product("Calls", 10)

    [judged] = books.judged(books.invoice(books.account(), books.line(calls, 5)))

    assert (judged.state, judged.differences) == (State.NOTHING, ())


def test_a_price_stands_for_an_amount_that_is_not_said(books):
    calls = books.product("Calls", 10)

    [judged] = books.judged(books.invoice(books.account(), books.line(calls, 5, price=11)))  # 55 against 50

    assert (judged.state, judged.differences[0].difference) == (State.OUT, -5)


def test_a_file_without_totals_is_held_to_what_lines_cost_before_balances(books):
    calls = books.product("Calls", 10)
    invoice = books.invoice(books.account(prepaid=500), books.line(calls, 100, 1000))
    [outcome] = books.outcomes([invoice])
    rates = ContractRates(books.sender)

    said = judge(outcome, rates, CENT)
    summed = judge(outcome, rates, CENT, is_total_said=False)

    assert (said.state, summed.state) == (State.OUT, State.EQUAL)


# All together


def test_sums_and_counts_add_up(books):
    calls, acme = books.product("Calls", 10), books.account()
    windows = [(f"2024-0{month}-01", f"2024-0{month + 1}-01") for month in range(1, 5)]
    amounts = 1000, 1001, 900, None
    invoices = [
        books.invoice(acme, books.line(calls, 100, amount, window=window), number=f"INV-{place}")
        for place, (amount, window) in enumerate(zip(amounts, windows, strict=True))
    ]

    with books.reconciled(*invoices) as found:
        counts = found.counts
        [total] = found.sums()
        kinds = [(row["kind"], row["difference"]) for row in found.kinds()]
        has_findings = found.has_findings

    assert counts == {State.EQUAL: 1, State.WITHIN: 1, State.OUT: 1, State.NOTHING: 1, State.REFUSED: 0}
    # 1000 + 1001 + 900 against 3 x 1000; the fourth is in no sum
    assert (total["legacy"], total["preview"], total["difference"], total["invoices"]) == ("2901", "3000", "99", 3)
    assert sum(Decimal(difference) for _, difference in kinds) == 99
    assert has_findings


def test_a_cause_that_customers_share_is_told_once(books):
    calls, storage = books.product("Calls", 10), books.product("Storage", 7)
    invoices = [
        books.invoice(
            books.account(name),
            books.line(calls, 3000, 27_000),  # 90 % of 30,000
            books.line(storage, 3000, 18_900),  # 90 % of 21,000
            number=name,
        )
        for name in ("Acme", "Beta")
    ]

    with books.reconciled(*invoices) as found:
        causes = [
            (row["product"], row["customers"], row["invoices"], row["lines"], row["difference"])
            for row in found.causes(10)
        ]

    assert causes == [("Calls", 2, 2, 2, "6000"), ("Storage", 2, 2, 2, "4200")]


def test_ten_thousand_lines_in_one_invoice_are_compared(books):
    calls = books.product("Calls", 10)
    lines = [books.line(calls, 1, 10 if number % 1000 else 11, shown={"user": str(number)}) for number in range(10_000)]

    [judged] = books.judged(books.invoice(books.account(), *lines), tolerance=Decimal(0))

    assert judged.comparison.difference == -10
    assert len(judged.differences) == 10


def test_memory_stays_flat_over_many_differences():
    """Thirty thousand differing lines leave no trace in memory."""
    lines = tuple(plain_line("15", product=f"product {number}") for number in range(20))
    parts = [plain_part("10", product=f"product {number}") for number in range(20)]
    invoice = LegacyInvoice(**{**as_dict(plain_invoice()), "lines": lines, "total": Decimal(300)})
    judged = judge(Previewed(invoice, plain_preview(*parts, total="200")), nobody(), CENT)

    def many(times):
        return (judged for _ in range(times))

    reconcile(many(200), CENT).__exit__()
    before = peak_bytes()
    with reconcile(many(1500), CENT) as found:
        assert found.count_out() == 30_000
        assert sum(1 for _ in found.differences()) == 30_000
    assert peak_bytes() - before < 10 * 1024 * 1024


def peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


# What a target answers, without one


class _Nobody:
    def price(self, *_: object) -> None:
        return None


def nobody() -> ContractRates:
    """A target that tells no prices."""
    return _Nobody()  # type: ignore[return-value]


def as_dict(value: object) -> dict[str, object]:
    return {name: getattr(value, name) for name in value.__slots__}


def plain_line(amount: str, product: str = "calls") -> LegacyLine:
    return LegacyLine(
        product, product, utc("2024-06-01"), utc("2024-07-01"), Decimal(10), (), (), (), Decimal(amount), None, (2, 2)
    )


def plain_invoice() -> LegacyInvoice:
    start, end = utc("2024-06-01"), utc("2024-07-01")
    return LegacyInvoice(
        "INV-1", "customer", "Acme", "contract", USD_CENTS, start, end, end, None, (plain_line("10"),), Decimal(10)
    )


def plain_part(total: str, product: str = "calls") -> PreviewLine:
    return PreviewLine(
        type="usage",
        name=product,
        total=Decimal(total),
        credit_type=CreditType(USD_CENTS, "USD (cents)"),
        product_id=product,
        quantity=Decimal(10),
        unit_price=Decimal(total) / 10,
        starting_at=utc("2024-06-01"),
        ending_before=utc("2024-07-01"),
    )


def plain_preview(*parts: PreviewLine, total: str | None = None) -> PreviewInvoice:
    amount = sum((part.total for part in parts), Decimal(0)) if total is None else Decimal(total)
    return PreviewInvoice(CreditType(USD_CENTS, "USD (cents)"), list(parts), amount)
