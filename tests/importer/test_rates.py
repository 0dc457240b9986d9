"""What products cost on a contract, as a reason needs it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from importer.reconciling import Books, utc

from metronome_sandbox.client.asking import Answer
from metronome_sandbox.client.encoding import encode
from metronome_sandbox.importer import rates
from metronome_sandbox.importer.rates import ContractRates, Price, cost

JUNE = utc("2024-06-01")


def test_list_prices_tiers_and_overrides_are_read(company: Books):
    calls, storage = company.product("Calls", 10), company.product("Storage", (100, 50), 30)
    regional = company.product("Traffic", groups=("region",))
    company.rate(regional, 7, groups={"region": "eu"})
    override = {"type": "MULTIPLIER", "multiplier": 0.5, "starting_at": "2024-01-01T00:00:00Z", "product_id": calls}
    acme = company.account(overrides=[override])
    found = ContractRates(company.sender)

    def price(product: str, groups: tuple[tuple[str, str], ...] = ()) -> Price | None:
        return found.price(acme.customer_id, acme.contract_id, JUNE, product, groups)

    assert price(calls) == Price(((None, Decimal(10)),), ((None, Decimal(5)),))
    assert price(storage) == Price(((Decimal(100), Decimal(50)), (None, Decimal(30))), None)
    assert price(regional, (("region", "eu"),)) == Price(((None, Decimal(7)),), None)
    assert price(regional, (("region", "us"),)) is None


def test_an_instant_is_asked_for_once(company: Books):
    calls, acme = company.product("Calls", 10), company.account()
    found = ContractRates(company.sender)

    for _ in range(3):
        found.price(acme.customer_id, acme.contract_id, JUNE, calls, ())

    assert [call.path for call in company.sandbox.requests].count(rates.PATH) == 1


def test_a_target_that_does_not_tell_leaves_no_price(company: Books):
    calls, acme = company.product("Calls", 10), company.account()
    company.sandbox.faults.status(404, "getContractRateSchedule-v1", message="no such thing")

    assert ContractRates(company.sender).price(acme.customer_id, acme.contract_id, JUNE, calls, ()) is None


def test_all_pages_are_read(monkeypatch):
    def answer(_, path, __):
        number = int(path.partition("?next_page=")[2] or 1)
        rate = {"rate_type": "FLAT", "price": number}
        page = {"data": [{"product_id": f"product {number}", "list_rate": rate}]}
        return Answer(200, {}, encode({**page, "next_page": str(number + 1) if number < 3 else None}))

    monkeypatch.setattr(rates, "ask", answer)
    found = ContractRates(None)

    prices = [found.price("customer", "contract", JUNE, f"product {number}", ()) for number in (1, 2, 3)]
    assert [price.listed for price in prices] == [((None, 1),), ((None, 2),), ((None, 3),)]


@pytest.mark.parametrize(
    ("quantity", "total"),
    [
        (0, 0),
        (100, 5000),
        (130, 5900),  # 100 x 50 + 30 x 30
        (200, 7600),  # 100 x 50 + 80 x 30 + 20 x 10
    ],
)
def test_tiers_are_filled_one_after_the_other(quantity, total):
    tiers = (Decimal(100), Decimal(50)), (Decimal(80), Decimal(30)), (None, Decimal(10))

    assert cost(tiers, Decimal(quantity)) == total
