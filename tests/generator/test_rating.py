"""The generator's arithmetic, by hand."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from metronome_sandbox.generator.rating import (
    cost,
    in_spending_order,
    multiplied,
    multiplier_in_force,
    payments,
)
from metronome_sandbox.generator.world import Balance, Contract, Override, Tier

JUNE, JULY, YEAR = date(2024, 6, 1), date(2024, 7, 1), date(2025, 6, 1)
LADDER = (Tier(Decimal(0), 100), Tier(Decimal("2.5"), 900), Tier(Decimal(2), None))


def balance(key, amount, *products, priority=100, price="1", start=JUNE, end=YEAR):
    return Balance(key, price == "0", key, Decimal(amount), Decimal(price), start, end, priority, products)


def pay(balances, month=JUNE, left=None, **spend):
    left = left or {each.key: each.amount for each in balances}
    paid = payments(balances, left, month, {product: Decimal(cents) for product, cents in spend.items()})
    return {payment.balance: payment.amount for payment in paid}


@pytest.mark.parametrize(
    ("quantity", "cents"),
    [
        (0, "0"),
        (100, "0"),  # the upper edge belongs to the free tier
        (101, "2.5"),
        (1000, "2250"),  # 900 * 2.5
        (1010, "2270"),  # 900 * 2.5 + 10 * 2
    ],
)
def test_tiers_are_filled_one_after_the_other(quantity, cents):
    assert cost(LADDER, quantity) == Decimal(cents)


def test_a_multiplier_changes_every_price_of_a_ladder():
    assert cost(multiplied(LADDER, Decimal("0.8")), 1010) == Decimal("1816")  # 900 * 2 + 10 * 1.6


def test_the_multiplier_of_the_month_and_the_product_is_taken():
    overrides = (
        Override("p", Decimal("0.9"), JUNE, JULY),
        Override("p", Decimal("0.8"), JULY, None),
        Override("q", Decimal("0.5"), JUNE, None),
    )
    assert multiplier_in_force(overrides, "p", JUNE) == Decimal("0.9")
    assert multiplier_in_force(overrides, "p", JULY) == Decimal("0.8")
    assert multiplier_in_force(overrides, "r", JULY) == 1


def test_a_credit_is_spent_before_a_commit_and_the_rest_is_due():
    credit, commit = balance("credit", "30", priority=1, price="0"), balance("commit", "50")

    assert pay([credit, commit], p="100") == {"credit": Decimal(30), "commit": Decimal(50)}
    assert pay([credit, commit], p="60") == {"credit": Decimal(30), "commit": Decimal(30)}
    assert pay([credit, commit], p="20") == {"credit": Decimal(20)}
    assert pay([credit, commit]) == {}


def test_a_balance_pays_only_for_its_products_and_inside_of_its_access():
    narrow, wide = balance("narrow", "70", "p", priority=10), balance("wide", "100", end=JULY)

    assert pay([narrow, wide], p="50", q="60") == {"narrow": Decimal(50), "wide": Decimal(60)}
    assert pay([narrow, wide], p="90", q="60") == {"narrow": Decimal(70), "wide": Decimal(80)}
    assert pay([narrow, wide], month=JULY, p="50", q="60") == {"narrow": Decimal(50)}


def test_the_order_of_spending():
    """Priority, then free before paid, then for few products before all, then the earlier end."""
    balances = (
        balance("later", "1"),
        balance("sooner", "1", end=JULY),
        balance("narrow", "1", "p"),
        balance("free", "1", price="0"),
        balance("first", "1", priority=1),
    )
    contract = Contract("c", "x", "", "card", JUNE, YEAR, None, balances, ())

    assert [each.key for each in in_spending_order(contract)] == ["first", "free", "narrow", "sooner", "later"]
