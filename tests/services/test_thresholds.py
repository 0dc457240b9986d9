"""Spend thresholds and prepaid balance thresholds: what they buy, when, and what for. USD cents."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from builders import number, utc
from worlds import World, headline, plain, shown_period

from metronome_sandbox.domain.balances import SpendingRate
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.errors import InvalidRequest, NotAllowedNow, NotFound
from metronome_sandbox.domain.ids import CreditTypeId, PackageId, ProductId
from metronome_sandbox.domain.invoices import InvoiceType
from metronome_sandbox.domain.packages import UNDATED, Package
from metronome_sandbox.domain.payment_gates import GateType, Outcome, PaymentGate
from metronome_sandbox.domain.relative_dates import RelativeDate, RelativeUnit
from metronome_sandbox.domain.thresholds import (
    FieldCondition,
    PrepaidThreshold,
    SpendThreshold,
    ThresholdCommit,
)
from metronome_sandbox.services import contracts, packages, passage
from metronome_sandbox.services.contract_edits import EditContract, edit_contract
from metronome_sandbox.services.packages import NewContractOnPackage
from metronome_sandbox.services.payment_outcomes import list_waiting_payments, release_payment
from metronome_sandbox.services.threshold_billing import MAX_PURCHASES
from metronome_sandbox.services.thresholds import CommitChange, ThresholdChange, ThresholdEdits

FREE = PaymentGate()
EXTERNAL = PaymentGate(GateType.EXTERNAL)


@pytest.fixture
def world() -> World:
    world = World("2024-08-15T10:30")
    world.product("P", "100")
    return world


def spend(world: World, amount: str = "5000", **others: Any) -> SpendThreshold:
    commit = others.pop("commit", ThresholdCommit(world.commitment, "T"))
    return SpendThreshold(number(amount), commit, others.pop("gate", FREE), **others)


def prepaid(world: World, amount: str = "2000", to: str = "10000", **others: Any) -> PrepaidThreshold:
    commit = others.pop("commit", ThresholdCommit(world.commitment, "T"))
    return PrepaidThreshold(number(amount), commit, others.pop("gate", FREE), recharge_to_amount=number(to), **others)


def start(world: World, **others: Any) -> Contract:
    return world.contract(starting_at=others.pop("starting_at", "2024-08-01"), **others)


def edit(world: World, **edits: Any) -> None:
    contract = world.store.contracts[world.contracts["contract"]]
    new = EditContract(customer_id=contract.customer_id, contract_id=contract.id, thresholds=ThresholdEdits(**edits))
    edit_contract(world.context, new)


def next_request(world: World) -> None:
    """Whatever it asks for, the tenant catches up first."""
    passage.pass_time(world.context)


def use(world: World, quantity: int, at: str = "2024-08-15T10:00") -> None:
    world.use("P", at, quantity)
    next_request(world)


def bought(world: World) -> list[str]:
    """``5000 2024-08``: amount and access of every commit of a threshold."""
    found = (one for one in world.store.balances.values() if one.name == "T")
    return [f"{plain(one.segments[0].amount)} {shown_period(one.segments[0].period)}" for one in found]


def billed(world: World) -> list[str]:
    return [headline(one) for one in world.invoices(type=InvoiceType.SCHEDULED)]


def test_unpaid_usage_that_reaches_the_threshold_is_charged(world: World) -> None:
    start(world, spend_threshold=spend(world))
    use(world, 49)
    assert bought(world) == []

    use(world, 4)
    # 53 * 100 reached the 5000: all of it is charged, and the draft owes nothing any more.
    assert bought(world) == ["5300 2024-08"]
    assert billed(world) == ["SCHEDULED FINALIZED 2024-08-15T10:30 5300"]
    assert world.lines(world.invoice("2024-08")) == ["P 53 @ 100 = 5300 [T]", "T applied -5300"]


def test_the_threshold_is_reached_again_by_what_is_unpaid_since(world: World) -> None:
    start(world, spend_threshold=spend(world))
    use(world, 60)
    use(world, 49)
    assert bought(world) == ["6000 2024-08"]

    use(world, 1)
    assert bought(world) == ["6000 2024-08", "5000 2024-08"]
    assert world.invoice("2024-08").total == 0


def test_what_other_balances_pay_is_not_unpaid(world: World) -> None:
    start(
        world,
        spend_threshold=spend(world),
        credits=[world.credit("C", ("1000", "2024-08"))],
        commits=[world.postpaid("D", "3000", "2024-08")],
    )
    use(world, 59)
    assert bought(world) == []  # 5900 - 1000 = 4900; the postpaid commit is billed as it is used

    use(world, 1)
    assert bought(world) == ["5000 2024-08"]


def test_each_billing_period_begins_at_nothing(world: World) -> None:
    start(world, spend_threshold=spend(world))
    use(world, 40)
    world.travel("2024-09-01T12:00")
    use(world, 40, "2024-09-01T11:00")

    assert bought(world) == []


def test_the_customer_pays_a_part_of_a_discounted_purchase(world: World) -> None:
    start(world, spend_threshold=spend(world, payment_fraction=Decimal("0.85")))
    use(world, 60)

    # 6000 * 0.85
    assert bought(world) == ["6000 2024-08"]
    assert billed(world) == ["SCHEDULED FINALIZED 2024-08-15T10:30 5100"]


def test_a_balance_that_falls_to_the_threshold_is_filled_up(world: World) -> None:
    start(world, prepaid_threshold=prepaid(world), commits=[world.prepaid("C", ("10000", "2024-08-01..2025-08-01"))])
    use(world, 79)
    assert (world.net(), bought(world)) == ("2100", [])

    use(world, 1)
    # 10000 - 8000 = 2000 is the threshold: 8000 are missing to 10000.
    assert bought(world) == ["8000 2024-08-15T10:00..2025-08-15T10:00"]
    assert billed(world) == ["SCHEDULED FINALIZED 2024-08-15T10:30 8000"]
    assert world.net() == "10000"


def test_a_contract_without_a_balance_is_filled_up_when_it_is_made(world: World) -> None:
    start(world, prepaid_threshold=prepaid(world))

    assert bought(world) == ["10000 2024-08-15T10:00..2025-08-15T10:00"]
    assert billed(world) == ["SCHEDULED FINALIZED 2024-08-15T10:30 10000"]


def test_a_recharge_has_the_terms_of_its_commit(world: World) -> None:
    world.product("Q", "100")
    commit = ThresholdCommit(
        world.commitment,
        None,
        "automatic",
        number("7"),
        RelativeDate(2, RelativeUnit.MONTHS),
        SpendingRate.COMMIT_RATE,
        number("0.5"),
        (world.products["Q"],),
    )
    start(world, prepaid_threshold=prepaid(world, commit=commit))

    [made] = world.store.balances.values()
    assert shown_period(made.segments[0].period) == "2024-08-15T10:00..2024-10-15T10:00"
    assert (made.name, made.description, made.priority) == (None, "automatic", 7)
    assert (made.rate_type, made.rollover_fraction) == (SpendingRate.COMMIT_RATE, number("0.5"))
    assert made.applicable_product_ids == (world.products["Q"],)
    assert [line.name for line in world.invoices(type=InvoiceType.SCHEDULED)[0].lines] == ["Commitment"]


def test_a_custom_unit_is_paid_at_its_conversion(world: World) -> None:
    # The guide: 2 credits are a dollar, so 100 of them are 5000 cents; with 10 % off, 4500.
    unit = world.unit("credits", "50")
    threshold = prepaid(world, "20", "100", custom_credit_type_id=unit, payment_fraction=Decimal("0.9"))
    start(world, prepaid_threshold=threshold)

    [made] = world.store.balances.values()
    assert (made.segments[0].amount, made.credit_type_id) == (100, unit)
    assert billed(world) == ["SCHEDULED FINALIZED 2024-08-15T10:30 4500"]


def test_only_balances_that_count_are_watched(world: World) -> None:
    month = "2024-08"
    start(
        world,
        prepaid_threshold=prepaid(world, excluded=((FieldCondition("ContractCredit", "kind", "gift"),),)),
        commits=[
            world.prepaid("counts", ("2500", month), custom_fields={"kind": "gift"}),
            world.postpaid("postpaid", "90000", month),
            world.prepaid("later", ("90000", "2024-09")),
        ],
        credits=[world.credit("excluded", ("90000", month), custom_fields={"kind": "gift"})],
    )
    assert bought(world) == []

    world.use("P", "2024-08-14", 1000)
    next_request(world)
    # 100000 of usage take all of it; nothing that counts is left.
    assert bought(world)[0].startswith("10000 ")


def test_an_expired_balance_recharges_at_that_instant(world: World) -> None:
    start(world, prepaid_threshold=prepaid(world), commits=[world.prepaid("C", ("5000", "2024-08-01..2024-08-20"))])
    events = world.travel("2024-10-10")

    assert bought(world) == ["10000 2024-08-20..2025-08-20"]
    assert billed(world) == ["SCHEDULED FINALIZED 2024-08-20 10000"]
    assert [(event.type, event.timestamp) for event in events if "payment_gate" in event.type] == [
        ("payment_gate.threshold_reached", utc("2024-08-20"))
    ]


def test_a_journey_in_steps_ends_where_one_in_a_stride_ends() -> None:
    dumps = []
    for stops in (("2024-12-01",), ("2024-08-20", "2024-08-20T01:00", "2024-09-01", "2024-10-03", "2024-12-01")):
        world = World("2024-08-15T10:30")
        world.product("P", "100")
        commit = ThresholdCommit(world.commitment, "T", duration=RelativeDate(3, RelativeUnit.WEEKS))
        start(
            world,
            spend_threshold=spend(world, "500"),
            prepaid_threshold=prepaid(world, commit=commit),
            commits=[world.prepaid("C", ("5000", "2024-08-01..2024-08-20"))],
        )
        use(world, 130, "2024-08-16T10:00")
        for stop in stops:
            world.travel(stop)
        next_request(world)
        dumps.append(world.dump())

    assert dumps[0] == dumps[1]


def test_what_was_spent_before_a_journey_is_charged_before_it(world: World) -> None:
    start(world, spend_threshold=spend(world, is_enabled=False))
    world.use("P", "2024-08-15T10:00", 40)
    world.rate("P", "200")  # 40 * 200 = 8000
    edit(world, update_spend=ThresholdChange(threshold_amount=number("9000"), is_enabled=True))
    world.rate("P", "250")  # 40 * 250 = 10000
    world.travel("2024-12-01")

    assert bought(world) == ["10000 2024-08"]
    assert billed(world) == ["SCHEDULED FINALIZED 2024-08-15T10:30 10000"]


def test_what_is_disabled_or_has_not_begun_buys_nothing(world: World) -> None:
    start(world, spend_threshold=spend(world, is_enabled=False))
    use(world, 60)
    assert bought(world) == []
    later = start(world, name="later", starting_at="2024-09-01", prepaid_threshold=prepaid(world))
    assert bought(world) == []

    world.travel("2024-09-02")
    assert bought(world) == ["10000 2024-09-01..2025-09-01"]
    assert world.balance("T").contract_id == later.id


def test_enabling_checks_at_once(world: World) -> None:
    start(world)
    use(world, 60)
    edit(world, add_spend=spend(world, is_enabled=False))
    assert bought(world) == []

    edit(world, update_spend=ThresholdChange(is_enabled=True))
    assert bought(world) == ["6000 2024-08"]


def test_changes_keep_what_they_do_not_name(world: World) -> None:
    start(world, prepaid_threshold=prepaid(world, is_enabled=False, payment_fraction=Decimal("0.5")))
    commit = CommitChange(priority=None, name="U", applicable_product_tags=("ai",))
    edit(world, update_prepaid=ThresholdChange(threshold_amount=number("600"), commit=commit, gate=EXTERNAL))
    edit(
        world, update_prepaid=ThresholdChange(payment_fraction=None, commit=CommitChange(applicable_product_tags=None))
    )

    contract = world.store.contracts[world.contracts["contract"]]
    expected = prepaid(world, "600", is_enabled=False, gate=EXTERNAL, commit=ThresholdCommit(world.commitment, "U"))
    assert contract.prepaid_threshold == expected


def test_a_purchase_waits_for_its_payment_and_no_second_is_made(world: World) -> None:
    start(world, spend_threshold=spend(world, gate=EXTERNAL))
    use(world, 60)
    use(world, 60)

    [payment] = list_waiting_payments(world.context)
    assert (payment.type.value, bought(world)) == ("spend", [])
    assert billed(world) == ["SCHEDULED FINALIZED 2024-08-15T10:30 6000"]
    release_payment(world.context, payment.id, Outcome.PAID)
    # 12000 of usage, 6000 paid: the other 6000 reach the threshold again.
    assert bought(world) == ["6000 2024-08"]
    [second] = list_waiting_payments(world.context)
    assert plain(second.balance.segments[0].amount) == "6000"


@pytest.mark.parametrize("kind", ["spend", "prepaid"])
def test_a_failed_payment_disables_the_threshold(world: World, kind: str) -> None:
    threshold = spend(world, gate=EXTERNAL) if kind == "spend" else prepaid(world, gate=EXTERNAL)
    contract = start(world, **{f"{kind}_threshold": threshold})
    use(world, 60)
    [payment] = list_waiting_payments(world.context)
    release_payment(world.context, payment.id, Outcome.FAILED)
    use(world, 60)

    assert (list_waiting_payments(world.context), bought(world)) == ([], [])
    assert [one.split()[1] for one in billed(world)] == ["VOID"]
    kept = getattr(world.store.contracts[contract.id], f"{kind}_threshold")
    assert kept == msgspec.structs.replace(threshold, is_enabled=False)


def test_an_import_lowers_a_balance_as_usage_does(world: World) -> None:
    contract = world.contract(
        starting_at="2024-06-01",
        generation="2024-08-01",
        prepaid_threshold=prepaid(world),
        commits=[world.prepaid("C", ("10000", "2024-06-01..2025-06-01"))],
    )
    world.import_(world.historical("2024-07", {"P": "85"}))
    next_request(world)

    # 10000 - 8500 = 1500 is below 2000.
    assert bought(world) == ["8500 2024-08-15T10:00..2025-08-15T10:00"]
    assert world.store.contracts[contract.id].next_check_at == utc("2024-09-01")


def test_usage_beyond_a_recharge_recharges_again(world: World) -> None:
    start(world, prepaid_threshold=prepaid(world))
    use(world, 250)

    # 10000 were there; 25000 are spent in this hour. Each recharge fills up what is left after drafts.
    assert bought(world) == ["10000 2024-08-15T10:00..2025-08-15T10:00"] * 3
    assert world.net() == "5000"


def test_there_is_an_end_to_recharging_at_one_check(world: World) -> None:
    start(world, prepaid_threshold=prepaid(world, "500", "1500"))
    world.use("P", "2024-08-15T10:00", 15 * (MAX_PURCHASES + 50))

    assert len(bought(world)) == 1 + MAX_PURCHASES


def test_an_archived_contract_buys_nothing(world: World) -> None:
    contract = start(world, spend_threshold=spend(world))
    contracts.archive_contract(world.context, contract.customer_id, contract.id, void_invoices=False)
    use(world, 60)

    assert bought(world) == []


def test_a_package_has_thresholds(world: World) -> None:
    new = Package(
        PackageId(""),
        "P",
        UNDATED,
        rate_card_id=world.card,
        prepaid_threshold=prepaid(world),
        spend_threshold=spend(world),
    )
    made = packages.create_package(world.context, new)
    packages.create_contract_on_package(
        world.context, NewContractOnPackage(world.customer(), utc("2024-08-01"), package_id=made.id)
    )

    assert bought(world) == ["10000 2024-08-15T10:00..2025-08-15T10:00"]


def test_nothing_is_checked_twice_when_nothing_changed(world: World) -> None:
    start(world, prepaid_threshold=prepaid(world))
    next_request(world)
    before = world.store.revision
    assert not passage.is_behind(world.context)
    next_request(world)

    assert world.store.revision == before


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("threshold_amount", {"amount": "499"}),
        ("recharge_to_amount", {"to": "2999"}),
        ("recharge_to_amount", {"to": "2000"}),
        ("discount_configuration.payment_fraction", {"payment_fraction": Decimal("1.1")}),
        ("custom_credit_type_id", {"custom_credit_type_id": CreditTypeId("nobody")}),
    ],
)
def test_a_threshold_that_breaks_a_rule_is_refused(world: World, path: str, fields: Any) -> None:
    start(world)
    before = world.dump()

    with pytest.raises(InvalidRequest) as refused:
        edit(world, add_prepaid=prepaid(world, **fields))

    assert refused.value.path == f"add_prepaid_balance_threshold_configuration.{path}"
    assert world.dump() == before


def test_a_threshold_sells_a_fixed_product(world: World) -> None:
    with pytest.raises(InvalidRequest) as refused:
        start(world, spend_threshold=spend(world, commit=ThresholdCommit(world.products["P"])))
    assert refused.value.path == "spend_threshold_configuration.commit.product_id"
    with pytest.raises(NotFound):
        start(world, spend_threshold=spend(world, commit=ThresholdCommit(ProductId("nobody"))))


def test_least_amounts_of_a_custom_unit_are_those_of_its_worth(world: World) -> None:
    unit = world.unit("credits", "50")
    start(world)

    with pytest.raises(InvalidRequest, match="worth less than 500 cents"):
        edit(world, add_prepaid=prepaid(world, "9", "100", custom_credit_type_id=unit))
    edit(world, add_prepaid=prepaid(world, "10", "30", custom_credit_type_id=unit, is_enabled=False))


def test_edits_need_a_contract_that_has_begun_and_a_threshold_to_change(world: World) -> None:
    start(world)
    with pytest.raises(NotAllowedNow, match="send add_spend_threshold_configuration"):
        edit(world, update_spend=ThresholdChange(is_enabled=False))
    edit(world, add_spend=spend(world))
    with pytest.raises(NotAllowedNow, match="send update_spend_threshold_configuration"):
        edit(world, add_spend=spend(world))
    world.contract(starting_at="2024-09-01")
    with pytest.raises(NotAllowedNow, match="has not started yet"):
        edit(world, add_spend=spend(world))
