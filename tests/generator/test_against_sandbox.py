"""The generator's arithmetic and the sandbox's, worked out apart, agree to the last digit."""

from __future__ import annotations

from collections import Counter
from datetime import date
from decimal import Decimal

import pytest
from generator.pushing import Loader, paid_by

from metronome_sandbox.generator.histories import history_of
from metronome_sandbox.generator.ids import id_of
from metronome_sandbox.generator.profiles import PROFILES

SEED, START, MONTHS, CUSTOMERS = 12, date(2023, 1, 1), 6, 15


@pytest.mark.parametrize("name", PROFILES)
def test_the_sandbox_finds_every_total_and_every_payment(name):
    profile = PROFILES[name]
    loader = Loader(profile, SEED, START, MONTHS)
    loader.catalog()
    seen: Counter[str] = Counter()
    for number in range(1, CUSTOMERS + 1):
        history = history_of(profile, SEED, number, START, MONTHS)
        names = {balance.key: balance.name for contract in history.contracts for balance in contract.balances}
        seen["renewals"] += sum(contract.renews is not None for contract in history.contracts)
        for invoice, answer in loader.history(history):
            assert answer["total"] == invoice.total, invoice.key
            assert paid_by(answer) == {names[payment.balance]: payment.amount for payment in invoice.payments}
            usage = [line for line in answer["line_items"] if line["type"] == "usage"]
            for line in invoice.lines:
                product = loader.ids[id_of(SEED, name, "product", line.product)]
                mine = [
                    each
                    for each in usage
                    if each["product_id"] == product and each.get("pricing_group_values", {}) == dict(line.groups)
                ]
                assert sum(each["total"] for each in mine) == line.amount
                assert sum(each["quantity"] for each in mine).quantize(Decimal("1e-6")) == line.quantity
            seen["corrections"] += invoice.corrects is not None
            seen["payments"] += len(invoice.payments)
            seen["overage"] += bool(invoice.payments) and invoice.total > 0
            seen.update(names[payment.balance] for payment in invoice.payments)

    happened = {"payments", "overage", "corrections", "renewals", "Trial credit", "Prepaid commit"}
    assert happened <= (+seen).keys()
