"""Why an old invoice differs: each cause where it is the cause, and where it must not be claimed.

Prices and amounts are in cents; ``# 30 x 10`` stands for what the preview comes to.
"""

from __future__ import annotations

from decimal import Decimal
from random import Random

import pytest
from importer.reconciling import Books, State, reasons, utc

from metronome_sandbox.importer.comparison import USD_CENTS, compare
from metronome_sandbox.importer.legacy import LegacyInvoice, LegacyLine
from metronome_sandbox.importer.preview import CreditType, PreviewInvoice, PreviewLine
from metronome_sandbox.importer.rates import Price, cost
from metronome_sandbox.importer.reasons import Case, Kind, Reason, of_line

JUNE = ("2024-06-01", "2024-07-01")


@pytest.fixture
def books(company) -> Books:
    return company


def only(books: Books, *lines, total=None, account=None) -> Reason:
    """The reason of the one difference of an invoice."""
    [judged] = books.judged(books.invoice(account or books.account(), *lines, total=total))
    [difference] = judged.differences
    return difference.reasons[0]


# Rounding


@pytest.mark.parametrize(
    ("quantity", "legacy", "how"),
    [
        (1, 25, "rounded half up"),  # 24.5
        (1, 24, "rounded half to even"),
        (3, 74, "rounded to the nearest"),  # 73.5, whose even neighbour is the upper one
        (7, 171, "cut off"),  # 171.5
    ],
)
def test_a_line_was_rounded_to_the_cent(books, quantity, legacy, how):
    calls = books.product("Calls", 24.5)

    reason = only(books, books.line(calls, quantity, legacy))

    assert reason.kind is Kind.ROUNDING
    assert reason.cause == "legacy rounds each line to 0.01 USD"
    assert reason.evidence.endswith(how)


def test_a_line_within_a_cent_that_no_rounding_makes_is_not_rounded(books):
    calls = books.product("Calls", 123.3)

    # 123.3 is rounded to 123, never to 124
    assert only(books, books.line(calls, 1, 124)).kind is Kind.UNKNOWN


def test_the_price_of_a_unit_was_rounded(books):
    calls = books.product("Calls", 0.0333)

    # 100,000 x 0.0333 = 3330; at 0.03 they are 3000
    reason = only(books, books.line(calls, 100_000, 3000, price="0.03"))

    assert (reason.kind, reason.cause) == (Kind.ROUNDING, "legacy rounds the price of a unit to 0.0003 USD")
    assert "33.30 USD" in reason.evidence


def test_another_price_is_no_rounded_one(books):
    calls = books.product("Calls", 0.0333)

    # 100,000 x 0.04: 0.0333 is rounded to 0.03, never to 0.04
    assert only(books, books.line(calls, 100_000, 4000, price="0.04")).kind is not Kind.ROUNDING


def test_each_day_of_a_line_was_rounded(books):
    calls = books.product("Calls", 0.4)

    # 4 days of 1: 4 x 0.4 = 1.6, and each of 0.4 is rounded to 0
    reason = only(books, books.line(calls, [1] * 4, 0))

    assert (reason.kind, reason.cause) == (Kind.ROUNDING, "legacy rounds each window of a line to 0.01 USD")


def test_many_small_roundings_make_an_invoice_that_is_off(books):
    products = [books.product(f"Product {number}", 10.4) for number in range(4)]

    # each 10.4 was rounded to 10, so 4 lines are off by 1.6 cents together
    [judged] = books.judged(books.invoice(books.account(), *(books.line(product, 1, 10) for product in products)))

    assert judged.state is State.OUT
    assert reasons(judged) == [("small", "rounding")]
    assert judged.differences[0].difference == Decimal("1.6")
    assert judged.differences[0].reasons[0].evidence.startswith("4 lines differ by no more than the tolerance each")


def test_a_total_was_rounded(books):
    calls = books.product("Calls", 10.4)

    # The line says 10.4 and the total 10
    [judged] = books.judged(books.invoice(books.account(), books.line(calls, 1, "10.4"), total=10))

    assert judged.state is State.WITHIN
    assert reasons(judged) == [("total", "rounding")]


# Currency unit


@pytest.mark.parametrize(("legacy", "factor"), [("30", "0.01"), ("300000", "100")])
def test_dollars_and_cents_were_mixed_up(books, legacy, factor):
    calls = books.product("Calls", 10)

    reason = only(books, books.line(calls, 300, legacy))  # 3000

    assert (reason.kind, reason.multiplier) == (Kind.CURRENCY, Decimal(factor))


@pytest.mark.parametrize("legacy", ["31", "29"])
def test_nearly_a_hundredth_is_no_currency_unit(books, legacy):
    calls = books.product("Calls", 10)

    assert only(books, books.line(calls, 300, legacy)).kind is not Kind.CURRENCY


def test_amounts_of_a_few_cents_say_nothing_of_their_unit(books):
    calls = books.product("Calls", 10)

    # 20 cents on the one side, 2000 on the other: that may be anything
    assert only(books, books.line(calls, 2, 2000)).kind is not Kind.CURRENCY


# Quantity conversion


@pytest.mark.parametrize(
    ("legacy", "said"),
    [
        (30_000, "divided by 1,000"),  # 3,000,000 x 10 / 1000
        (500_000, "divided by 60"),
        ("29296.875", "divided by 1,024"),
        (720_000_000, "multiplied by 24"),
        ("27939677.23846435546875", "divided by 1.073741824"),
    ],
)
def test_units_of_a_quantity_were_mixed_up(books, legacy, said):
    calls = books.product("Calls", 10)

    reason = only(books, books.line(calls, 3_000_000, legacy))

    assert reason.kind is Kind.CONVERSION
    assert f"3,000,000 {said}" in reason.evidence


def test_a_conversion_goes_through_the_tiers(books):
    calls = books.product("Calls", (100, 10), 5)

    # 200,000: 100 x 10 + 199,900 x 5. A thousandth of it, 200, costs 100 x 10 + 100 x 5 = 1500.
    reason = only(books, books.line(calls, 200_000, 1500))

    assert reason.kind is Kind.CONVERSION
    assert reason.evidence.endswith("200,000 divided by 1,000 cost 15.00 USD")


@pytest.mark.parametrize("legacy", [29_000, 37_500])  # a ratio of 1034, and of 800
def test_another_ratio_is_no_conversion(books, legacy):
    calls = books.product("Calls", 10)

    assert only(books, books.line(calls, 3_000_000, legacy)).kind is not Kind.CONVERSION


# Tiers


def test_legacy_knows_no_tiers(books):
    storage = books.product("Storage", (100, 50), 30)

    # 100 x 50 + 30 x 30 = 5900; at the first tier's price 130 x 50 = 6500
    reason = only(books, books.line(storage, 130, 6500))

    assert (reason.kind, reason.cause) == (
        Kind.TIER,
        "legacy charges all of a quantity at the first tier's price: it knows no tiers",
    )


def test_legacy_prices_all_at_the_tier_that_it_reaches(books):
    storage = books.product("Storage", (100, 50), 30)

    reason = only(books, books.line(storage, 130, 3900))  # 130 x 30

    assert reason.kind is Kind.TIER
    assert "(volume pricing)" in reason.cause
    assert "130 at tier 2's 0.30 USD are 39.00 USD" in reason.evidence


def test_one_unit_at_the_boundary_is_in_the_other_tier(books):
    storage = books.product("Storage", (1000, 50), 30)

    # 1000 x 50 + 300 x 30 = 59,000; were the tier to end at 999, 999 x 50 + 301 x 30 = 58,980
    reason = only(books, books.line(storage, 1300, 58_980))

    assert (reason.kind, reason.cause) == (Kind.TIER, "one unit at the boundary of tier 1 is priced at the other tier")


def test_a_tier_ends_elsewhere(books):
    storage = books.product("Storage", (1000, 50), 30)

    # 1000 x 50 + 4000 x 30 = 170,000; were the tier to end at 2000, 2000 x 50 + 3000 x 30 = 190,000
    reason = only(books, books.line(storage, 5000, 190_000))

    assert (reason.kind, reason.cause) == (Kind.TIER, "legacy's tier 1 ends at 2,000, the contract's at 1,000")
    assert "1,000 units are priced at the other tier" in reason.evidence


def test_a_tier_that_is_not_reached_yet_ends_elsewhere(books):
    storage = books.product("Storage", (10_000, 50), 30)

    # 5123 x 50 = 256,150; were the tier to end at 2000, 2000 x 50 + 3123 x 30 = 193,690
    reason = only(books, books.line(storage, 5123, 193_690))

    assert reason.cause == "legacy's tier 1 ends at 2,000, the contract's at 10,000"


@pytest.mark.parametrize("legacy", [172_460, 170_010])  # 1123 units, which nobody chooses; half a unit
def test_a_boundary_that_nobody_would_choose_is_not_claimed(books, legacy):
    storage = books.product("Storage", (1000, 50), 30)

    assert only(books, books.line(storage, 5000, legacy)).kind is Kind.UNKNOWN


def test_tiers_were_counted_anew_each_day(books):
    storage = books.product("Storage", (100, 50), 30)

    # 2 days of 80: 100 x 50 + 60 x 30 = 6800; each day by itself 80 x 50, together 8000. (160 x 50 is that too.)
    # With 3 days of 120, 50 x 100 + 260 x 30 = 12,800; each day 5000 + 20 x 30 = 5600, together 16,800.
    reason = only(books, books.line(storage, [120, 120, 120], 16_800))

    assert (reason.kind, reason.cause) == (Kind.TIER, "legacy counts tiers anew in each day or hour")


def test_tiers_were_counted_over_all_groups(books):
    storage = books.product("Storage", (100, 50), 30)
    # Each team by itself: 80 x 50 = 4000, and 90 x 50 = 4500. Together 170: 100 x 50 + 70 x 30 = 7100.
    one = books.line(storage, 80, 4000, shown={"team": "a"})
    two = books.line(storage, 90, 3100, shown={"team": "b"})

    reason = only(books, one, two)

    assert reason.kind is Kind.TIER
    assert reason.cause.startswith("legacy counts tiers over all groups of a product together")
    assert "2 lines: 170 together cost 71.00 USD" in reason.evidence


def test_the_first_units_were_free(books):
    calls = books.product("Calls", 10)

    reason = only(books, books.line(calls, 12_345, 113_450))  # 11,345 x 10: 1000 for nothing

    assert (reason.kind, reason.cause) == (
        Kind.TIER,
        "legacy gives the first 1,000 units free: a first tier of price 0 is missing",
    )


def test_an_odd_number_of_free_units_is_not_claimed(books):
    calls = books.product("Calls", 10)

    assert only(books, books.line(calls, 12_345, 110_110)).kind is Kind.UNKNOWN  # 1334 for nothing?


# Overrides


def test_an_override_is_missing(books):
    calls = books.product("Calls", 10)

    reason = only(books, books.line(calls, 3000, 27_000))

    assert (reason.kind, reason.multiplier) == (Kind.OVERRIDE, Decimal("0.9"))
    assert reason.cause == "legacy charges 90 % of the list price: an override with multiplier 0.9 is missing"
    assert reason.evidence == "legacy 270.00 USD, preview 300.00 USD: 90 %"


def test_a_list_price_was_charged_where_the_contract_has_an_override(books):
    calls = books.product("Calls", 10)
    override = {"type": "MULTIPLIER", "multiplier": 0.9, "starting_at": "2024-01-01T00:00:00Z", "product_id": calls}
    acme = books.account(overrides=[override])

    reason = only(books, books.line(calls, 3000, 30_000), account=acme)  # 3000 x 9

    assert reason.kind is Kind.OVERRIDE
    assert reason.cause.startswith("legacy charges the list price")
    assert reason.evidence.endswith(
        "3,000 cost 300.00 USD by the rate card and 270.00 USD under the contract's override"
    )


def test_another_discount_than_the_override_is_told_by_the_list_price(books):
    calls = books.product("Calls", 10)
    override = {"type": "MULTIPLIER", "multiplier": 0.8, "starting_at": "2024-01-01T00:00:00Z", "product_id": calls}
    acme = books.account(overrides=[override])

    reason = only(books, books.line(calls, 3000, 18_000), account=acme)  # 24,000 are charged, 60 % of the list price

    assert reason.cause == "legacy charges 60 % of the list price, the contract's override 80 %"


@pytest.mark.parametrize(("quantity", "legacy"), [(3000, 26_178), (30, 270)])  # 87.26 %; 90 %, but of 3 dollars
def test_an_odd_ratio_or_a_small_amount_is_no_override(books, quantity, legacy):
    calls = books.product("Calls", 10)

    assert only(books, books.line(calls, quantity, legacy)).kind is Kind.UNKNOWN


def test_an_odd_ratio_again_and_again_is_an_override(books):
    calls, acme, beta = books.product("Calls", 10), books.account(), books.account("Beta")
    windows = [(f"2024-0{month}-01", f"2024-0{month + 1}-01") for month in (1, 2, 3)]
    # 87.26 % of 30,000, 40,000 and 50,000; and once of 60,000 for somebody else
    lines = [
        books.line(calls, quantity, legacy, window=window)
        for quantity, legacy, window in zip((3000, 4000, 5000), (26_178, 34_904, 43_630), windows, strict=True)
    ]
    invoices = [books.invoice(acme, line, number=f"A-{month}") for month, line in enumerate(lines, start=1)]
    once = books.invoice(beta, books.line(calls, 6000, 52_356), number="B-1")

    with books.reconciled(*invoices, once) as found:
        rows = [(row["number"], row["kind"], row["evidence"]) for row in found.differences()]

    assert [(number, kind) for number, kind, _ in rows] == [
        ("A-1", "override"),
        ("A-2", "override"),
        ("A-3", "override"),
        ("B-1", "unknown"),
    ]
    assert rows[0][2].startswith("the same ratio in 3 lines of 3 invoices; ")


def test_of_two_causes_that_fit_the_one_that_fits_more_lines_is_told(books):
    calls, acme = books.product("Calls", 10), books.account()
    # 10,000 less 1000 free units is 90 % of it as well; the other months are 1000 units less, and not 90 %.
    invoices = [
        books.invoice(acme, books.line(calls, quantity, legacy, window=window), number=number)
        for number, quantity, legacy, window in (
            ("A-1", 10_000, 90_000, ("2024-01-01", "2024-02-01")),
            ("A-2", 12_345, 113_450, ("2024-02-01", "2024-03-01")),
            ("A-3", 14_321, 133_210, ("2024-03-01", "2024-04-01")),
        )
    ]

    with books.reconciled(*invoices) as found:
        [first, *others] = list(found.differences())
        also = [row["cause"] for row in found.others(first)]

    assert {row["cause"] for row in (first, *others)} == {
        "legacy gives the first 1,000 units free: a first tier of price 0 is missing"
    }
    assert also == ["legacy charges 90 % of the list price: an override with multiplier 0.9 is missing"]


# Balances


def test_a_commit_pays_what_the_old_total_has_in_it(books):
    calls = books.product("Calls", 10)

    # 3000, of which the commit pays 2000
    [judged] = books.judged(books.invoice(books.account(prepaid=2000), books.line(calls, 300, 3000)))

    assert reasons(judged) == [("total", "commit drawn")]
    [difference] = judged.differences
    assert difference.difference == -2000
    assert difference.reasons[0].cause == "balances pay in the preview, and the old totals are before balances"
    assert difference.reasons[0].evidence.endswith("in the preview balances pay 20.00 USD")


def test_a_commit_that_paid_is_missing_on_the_contract(books):
    calls = books.product("Calls", 10)

    reason = only(books, books.line(calls, 300, 3000), total=1000)

    assert reason.kind is Kind.BALANCE
    assert "is missing on the contract" in reason.cause
    assert reason.evidence == "the old lines come to 30.00 USD and their total is 10.00 USD: 20.00 USD less"


def test_a_commit_pays_another_amount_than_it_did(books):
    calls = books.product("Calls", 10)

    reason = only(books, books.line(calls, 300, 3000), total=1500, account=books.account(prepaid=2000))

    assert (reason.kind, reason.evidence) == (
        Kind.BALANCE,
        "balances pay 20.00 USD in the preview and paid 15.00 USD on the old invoice",
    )


def test_a_commit_that_pays_what_lines_differ_by_is_no_cause_of_its_own(books):
    calls = books.product("Calls", 10)

    # 30,000 against 27,000; the commit of 28,000 paid all of the one and leaves 2000 of the other
    line = books.line(calls, 3000, 27_000)
    [judged] = books.judged(books.invoice(books.account(prepaid=28_000), line, total=0))

    assert reasons(judged) == [("line", "override"), ("total", "commit drawn")]
    assert [each.difference for each in judged.differences] == [3000, -1000]
    reason = judged.differences[1].reasons[0]
    assert reason.cause == "balances pay what the lines differ by, or a part of it"
    assert "balances pay 280.00 USD in the preview and paid 270.00 USD" in reason.evidence


def test_old_lines_are_after_balances(books):
    calls = books.product("Calls", 10)

    # 3000, of which the commit pays 2000, so both totals are 1000, and the old line says 1000 too
    [judged] = books.judged(books.invoice(books.account(prepaid=2000), books.line(calls, 300, 1000)))

    assert reasons(judged) == [("line", "commit drawn"), ("total", "commit drawn")]
    assert judged.differences[0].reasons[0].cause.startswith("old lines are what is left after balances paid")


def test_a_total_that_differs_where_nothing_was_paid_is_no_commit(books):
    calls = books.product("Calls", 10)

    # 3000, and 19 % on top of it
    reason = only(books, books.line(calls, 300, 3000), total=3570)

    assert reason.kind is Kind.SUM
    assert reason.evidence.endswith("5.70 USD more (19 % of them)")


def test_balances_are_named_first_where_they_could_not_be_previewed(books):
    calls, acme = books.product("Calls", 10), books.account(prepaid=2000)
    unpriced = books.product("Unpriced")
    window = ("2024-05-01", "2024-06-01")
    may = books.invoice(acme, books.line(unpriced, 1, 2000, window=window), number="MAY")
    june = books.invoice(acme, books.line(calls, 300, 3000), number="JUNE")  # May took the 2000

    refused, judged = books.judged(may, june)

    assert (refused.state, judged.state) == (State.REFUSED, State.OUT)
    reason = judged.differences[0].reasons[0]
    assert (reason.kind, reason.cause) == (Kind.BALANCE, "balances could not be previewed exactly")
    assert reason.evidence.endswith("invoice MAY was refused, so balances are as if it had never been")


# Lines


def test_a_line_that_the_old_invoice_leaves_out(books):
    calls, storage = books.product("Calls", 10), books.product("Storage", 7)
    lines = books.line(calls, 300), books.line(storage, 100)

    # 3000 and 700; the old total is 3000 and says nothing of its lines
    reason = only(books, *lines, total=3000)

    assert (reason.kind, reason.cause) == (Kind.EXTRA, "the old invoice leaves Storage out")
    assert "7.00 USD, the difference" in reason.evidence


def test_a_total_that_no_line_makes_up_leaves_none_out(books):
    calls, storage = books.product("Calls", 10), books.product("Storage", 7)

    assert only(books, books.line(calls, 300), books.line(storage, 100), total=3177).kind is Kind.UNKNOWN


def test_a_fixed_fee_is_no_usage(books):
    calls = books.product("Calls", 10)

    assert only(books, books.line(calls, 0, 5000)).kind is Kind.FIXED
    assert only(books, books.line(calls, 1, 5000)).kind is not Kind.FIXED


def test_a_negative_line_is_a_credit_note(books):
    calls = books.product("Calls", 10)

    reason = only(books, books.line(calls, 5, -5000))

    assert reason.kind is Kind.CREDIT_NOTE
    assert reason.evidence.startswith("legacy -50.00 USD for 5")


def test_a_negative_total_is_a_credit_note(books):
    calls = books.product("Calls", 10)

    assert only(books, books.line(calls, 5), total=-50).kind is Kind.CREDIT_NOTE
    assert only(books, books.line(calls, 5, 50), total=0).kind is not Kind.CREDIT_NOTE


# Periods


def test_the_price_before_the_period_was_charged(books):
    calls = books.product("Calls", 10)
    books.rate(calls, 13, starting_at="2024-06-01T00:00:00Z")

    reason = only(books, books.line(calls, 301, 3010))  # 301 x 13 = 3913; 301 x 10 = 3010

    assert reason.kind is Kind.PERIOD
    assert reason.evidence.endswith("301 cost 30.10 USD at the price before 2024-06-01")


def test_the_price_of_the_end_was_charged(books):
    calls = books.product("Calls", 10)
    books.rate(calls, 13, starting_at="2024-06-20T00:00:00Z")

    reason = only(books, books.line(calls, 301, 3913))

    assert reason.kind is Kind.PERIOD
    assert reason.evidence.endswith("301 cost 39.13 USD at the price of its end, 2024-07-01")


def test_a_price_that_never_was_is_no_other_times(books):
    calls = books.product("Calls", 10)
    books.rate(calls, 13, starting_at="2024-06-01T00:00:00Z")

    assert only(books, books.line(calls, 301, 3311)).kind is not Kind.PERIOD  # 301 x 11


def test_a_part_of_the_month_was_prorated(books):
    calls = books.product("Calls", 10)

    # 10 days of 30: 3000 / 3
    reason = only(books, books.line(calls, 300, 1000, window=("2024-06-01", "2024-06-11")))

    assert (reason.kind, reason.cause) == (Kind.PERIOD, "legacy prorates a part of the whole month")
    assert reason.evidence.endswith("10 of 30 days")


def test_a_third_of_a_whole_month_is_no_proration(books):
    calls = books.product("Calls", 10)

    assert only(books, books.line(calls, 300, 1000)).kind is not Kind.PERIOD


# Totals alone


@pytest.mark.parametrize(
    ("total", "kind"),
    [
        (2000, Kind.BALANCE),  # the lines, 1000 and 1000, before the commit of 500
        (15, Kind.CURRENCY),
        (150_000, Kind.CURRENCY),
        (1234, Kind.UNKNOWN),
    ],
)
def test_a_total_without_amounts_of_lines_is_held_to_every_cause(books, total, kind):
    calls, storage = books.product("Calls", 10), books.product("Storage", 5)
    acme = books.account(prepaid=500)

    reason = only(books, books.line(calls, 100), books.line(storage, 200), total=total, account=acme)

    assert reason.kind is kind


def test_a_customers_discount_shows_in_the_total(books):
    calls, storage = books.product("Calls", 10), books.product("Storage", 5)

    # 30,000 + 10,000, of which 85 % is 34,000
    reason = only(books, books.line(calls, 3000), books.line(storage, 2000), total=34_000)

    assert (reason.kind, reason.multiplier) == (Kind.OVERRIDE, Decimal("0.85"))


def test_one_line_is_read_by_its_total(books):
    storage = books.product("Storage", (100, 50), 30)

    assert only(books, books.line(storage, 130), total=6500).kind is Kind.TIER


def test_one_of_several_lines_knows_no_tiers(books):
    calls, storage = books.product("Calls", 10), books.product("Storage", (100, 50), 30)

    # 3000 + 14,000; without tiers 3000 + 20,000
    reason = only(books, books.line(calls, 300), books.line(storage, 400), total=23_000)

    assert reason.kind is Kind.TIER
    assert reason.evidence.startswith("Storage: ")


# Chance


def test_amounts_that_have_no_cause_get_none():
    """Amounts out of the air: of a thousand, hardly any is explained by accident."""
    random = Random(5)
    claimed = 0
    for _ in range(1000):
        quantity = Decimal(int(10 ** random.uniform(0, 7)))
        prices = [Decimal(random.randint(1, 5000)) / 100 for _ in range(3)]
        sizes = [Decimal(10 ** random.randint(1, 6)) for _ in range(2)]
        tiers = (
            ((None, prices[0]),) if random.random() < 0.5 else (*zip(sizes, prices, strict=False), (None, prices[2]))
        )
        amount = cost(tiers, quantity)
        legacy = (amount * Decimal(random.uniform(0.3, 1.7))).quantize(Decimal(1))
        if abs(legacy - amount) < 1:
            continue
        claimed += bool(of_line(case(quantity, legacy, amount, Price(tiers, None))))

    assert claimed < 15


def case(quantity: Decimal, legacy: Decimal, amount: Decimal, price: Price) -> Case:
    start, end = utc("2024-06-01"), utc("2024-07-01")
    line = LegacyLine("calls", "Calls", start, end, quantity, (), (), (), legacy, None, (2, 2))
    invoice = LegacyInvoice("INV-1", "c", "Acme", "k", USD_CENTS, start, end, end, None, (line,), legacy)
    cents = CreditType(USD_CENTS, "USD (cents)")
    part = PreviewLine("usage", "Calls", amount, cents, "calls", quantity, amount / quantity, start, end)
    comparison = compare(invoice, PreviewInvoice(cents, [part], amount))
    return Case(comparison, comparison.lines[0], legacy, amount, lambda _, __: price)
