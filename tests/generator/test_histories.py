"""What holds of every history."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal
from itertools import pairwise

import pytest
from generator.rendering import START

from metronome_sandbox.generator.catalog import catalog_of
from metronome_sandbox.generator.histories import history_of
from metronome_sandbox.generator.months import months_after
from metronome_sandbox.generator.profiles import PROFILES
from metronome_sandbox.generator.world import Groups, History, Invoice

MONTHS, CUSTOMERS = 24, 60


@pytest.fixture(scope="module", params=PROFILES)
def histories(request) -> list[History]:
    profile = PROFILES[request.param]
    return [history_of(profile, 11, number, START, MONTHS) for number in range(1, CUSTOMERS + 1)]


def test_contracts_follow_each_other_without_a_gap(histories):
    for history in histories:
        assert history.contracts[0].renews is None
        assert history.contracts[0].starting_at >= START
        assert history.customer.signed_at < history.contracts[0].starting_at
        for old, new in pairwise(history.contracts):
            assert new.renews == old.key
            assert new.starting_at == old.ending_before


def test_every_month_of_a_contract_is_billed_once_in_order(histories):
    for history in histories:
        billed = {invoice.corrects for invoice in history.invoices}
        kept = [invoice for invoice in history.invoices if invoice.key not in billed]
        end = months_after(START, MONTHS)
        last = min(history.contracts[-1].ending_before, end)
        expected, month = [], history.contracts[0].starting_at
        while month < last:
            expected.append(month)
            month = months_after(month, 1)

        assert [invoice.starting_at for invoice in kept] == expected
        contracts = {contract.key: contract for contract in history.contracts}
        for invoice in kept:
            contract = contracts[invoice.contract]
            assert contract.starting_at <= invoice.starting_at < invoice.ending_before <= contract.ending_before
            assert invoice.ending_before == months_after(invoice.starting_at, 1)


def test_a_correction_follows_what_it_corrects_before_the_next_month_is_billed(histories):
    found = 0
    for history in histories:
        for wrong, right in pairwise(history.invoices):
            assert wrong.issued_at < right.issued_at
            if right.corrects is not None:
                found += 1
                assert right.corrects == wrong.key
                assert right.starting_at == wrong.starting_at
                assert quantities(right) != quantities(wrong)
    assert found


def quantities(invoice: Invoice) -> list[tuple[str, Groups, list[int]]]:
    return [(line.product, line.groups, line.quantities.tolist()) for line in invoice.lines]


def test_an_invoice_adds_up_and_no_balance_pays_more_than_it_has(histories):
    for history in histories:
        voided = {invoice.corrects for invoice in history.invoices}
        spent: dict[str, Decimal] = defaultdict(Decimal)
        for invoice in history.invoices:
            lines = sum(line.amount for line in invoice.lines)
            assert invoice.total == lines - sum(payment.amount for payment in invoice.payments)
            assert invoice.total >= 0
            for payment in invoice.payments:
                assert payment.amount > 0
                if invoice.key not in voided:
                    spent[payment.balance] += payment.amount
        for contract in history.contracts:
            for balance in contract.balances:
                assert spent[balance.key] <= balance.amount


def test_a_credit_for_everything_is_spent_before_any_commit(histories):
    seen = 0
    for history in histories:
        balances = {balance.key: balance for contract in history.contracts for balance in contract.balances}
        voided = {invoice.corrects for invoice in history.invoices}
        left = {key: balance.amount for key, balance in balances.items()}
        for invoice in history.invoices:
            if invoice.key in voided:
                continue
            for payment in invoice.payments:
                left[payment.balance] -= payment.amount
            pays_a_commit = any(not balances[payment.balance].is_credit for payment in invoice.payments)
            for key, balance in balances.items():
                is_open = balance.starting_at <= invoice.starting_at < balance.ending_before
                if pays_a_commit and is_open and balance.is_credit and not balance.products:
                    seen += 1
                    assert left[key] == 0, invoice.key
    assert seen


def test_lines_are_rates_of_the_card_each_once_with_a_quantity_for_every_day(request, histories):
    profile = PROFILES[request.node.callspec.params["histories"]]
    rates = [(rate.product, rate.groups) for card in catalog_of(profile).rate_cards for rate in card.rates]
    empty = 0
    for history in histories:
        for invoice in history.invoices:
            keys = [(line.product, line.groups) for line in invoice.lines]
            assert keys == sorted(set(keys), key=rates.index)
            for line in invoice.lines:
                assert len(line.quantities) == (invoice.ending_before - invoice.starting_at).days
                assert line.quantities.min() >= 0
                assert line.quantity or len(invoice.lines) == 1
            empty += not any(line.quantity for line in invoice.lines)
    assert empty


def test_all_that_such_companies_sign_is_there(histories):
    contracts = [contract for history in histories for contract in history.contracts]
    names = {balance.name for contract in contracts for balance in contract.balances}

    assert {"Trial credit", "Onboarding credit", "Prepaid commit"} <= names
    assert any(name.startswith("Prepaid commit, quarter") for name in names)
    overrides = [override for contract in contracts for override in contract.overrides]
    assert any(override.starting_at.month != override.ending_before.month for override in overrides)
    assert {history.customer.segment for history in histories} == {"self-serve", "growth", "enterprise"}
    assert any(len(history.contracts) > 2 for history in histories)
    assert any(history.contracts[-1].ending_before < months_after(START, MONTHS) for history in histories)  # left


def test_a_new_customer_starts_small_and_becomes_larger():
    profile = PROFILES["ai-api"]
    first, later = Decimal(0), Decimal(0)
    for number in range(1, 200):
        history = history_of(profile, 3, number, START, MONTHS)
        if history.contracts[0].starting_at > START and len(history.invoices) >= 8:
            first += sum(line.amount for line in history.invoices[0].lines)
            later += sum(line.amount for line in history.invoices[6].lines)

    assert first * 3 < later


def test_who_has_not_signed_yet_is_a_customer_without_a_contract():
    histories = [history_of(PROFILES["ai-api"], 7, number, date(2023, 1, 1), 1) for number in range(1, 60)]
    later = [history for history in histories if not history.contracts]

    assert 10 < len(later) < 40
    assert not any(history.invoices for history in later)


def test_balances_for_some_products_come_before_those_for_all(histories):
    """Otherwise it would matter which line a balance pays for, and the generator's arithmetic would be too plain."""
    for history in histories:
        for contract in history.contracts:
            narrow = [balance.priority for balance in contract.balances if balance.products]
            wide = [balance.priority for balance in contract.balances if not balance.products]
            assert not narrow or not wide or max(narrow) < min(wide)
            assert len({balance.products for balance in contract.balances if balance.products}) <= 1
