"""Contracts: what may be agreed, what moves with their end, and what goes when they are archived."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from builders import flat, utc
from worlds import World, headline, plain

from metronome_sandbox.domain.balances import BalanceType
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.errors import (
    ContractNotFound,
    CustomerNotFound,
    DomainError,
    InvalidRequest,
    NotAllowedNow,
    NotFound,
    UniquenessKeyTaken,
)
from metronome_sandbox.domain.ids import (
    BalanceId,
    ContractId,
    CustomerId,
    OverrideId,
    ProductId,
    RateCardId,
    group_values,
)
from metronome_sandbox.domain.invoices import InvoiceStatus, InvoiceType
from metronome_sandbox.domain.overrides import Override, OverrideSpecifier, OverrideTarget, OverrideTier, OverrideType
from metronome_sandbox.domain.rate_cards import Price, RateCardAlias
from metronome_sandbox.domain.targeting import Specifier
from metronome_sandbox.services import contracts, rate_cards
from metronome_sandbox.services.contracts import NewContract

NOWHERE = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def world() -> World:
    world = World("2024-08-15")
    world.product("P", "1000")
    world.customer("Acme")
    return world


def refused(world: World, **terms: Any) -> str:
    """The message that refuses a contract with these terms; nothing of it may be stored."""
    before, ids = world.dump(), dict(world.context.ids.counts)
    with pytest.raises(DomainError) as caught:
        world.contract(**terms)
    assert (world.dump(), world.context.ids.counts) == (before, ids)
    return str(caught.value)


# Creating ------------------------------------------------------------------------------------------------------------


def test_a_uniqueness_key_makes_one_contract(world: World) -> None:
    world.contract(uniqueness_key="k")
    before = world.dump()

    with pytest.raises(UniquenessKeyTaken, match="already been used"):
        world.contract(uniqueness_key="k")

    assert world.dump() == before
    world.contract(uniqueness_key="K")  # another key


def test_the_key_of_a_contract_that_was_refused_is_free(world: World) -> None:
    refused(world, uniqueness_key="k", ending_before="2024-06-01")

    world.contract(uniqueness_key="k")


def test_the_customer_must_exist(world: World) -> None:
    with pytest.raises(CustomerNotFound):
        contracts.create_contract(world.context, NewContract(CustomerId(NOWHERE), utc("2024-06-01")))


def test_an_archived_customer_gets_no_contract(world: World) -> None:
    contracts.archive_customer(world.context, world.customers["Acme"])

    assert refused(world).startswith("customer_id: customer")


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"starting_at": "2024-06-01T00:30"}, "starting_at: 2024-06-01T00:30:00+00:00 is required to be on an hour"),
        ({"ending_before": "2024-07-01T00:00:01"}, "ending_before: 2024-07-01T00:00:01+00:00 is required to be on"),
        ({"ending_before": "2024-06-01"}, "ending_before: 2024-06-01T00:00:00+00:00 is not after starting_at"),
        ({"ending_before": "2024-05-01"}, "ending_before: 2024-05-01T00:00:00+00:00 is not after starting_at"),
        ({"day": "CUSTOM_DATE"}, "usage_statement_schedule.billing_anchor_date: is missing"),
        (
            {"day": "CUSTOM_DATE", "anchor": "2024-06-10T00:30"},
            "usage_statement_schedule.billing_anchor_date: 2024-06-10T00:30:00+00:00 is required to be on an hour",
        ),
        (
            {"generation": "2024-05-31"},
            "usage_statement_schedule.invoice_generation_starting_at: 2024-05-31T00:00:00+00:00 is before the",
        ),
        (
            {"generation": "2024-08-01T00:30"},
            "usage_statement_schedule.invoice_generation_starting_at: 2024-08-01T00:30:00+00:00 is required to be on",
        ),
        ({"starting_at": "1901-01-01"}, "starting_at: 1901-01-01T00:00:00+00:00 would bring more than 1200"),
    ],
)
def test_dates_that_cannot_be(world: World, terms: dict[str, Any], message: str) -> None:
    assert refused(world, **terms).startswith(message)


def test_a_long_past_needs_no_invoices_when_the_system_begins_later(world: World) -> None:
    contract = world.contract(starting_at="1901-01-01", generation="2024-08-01")

    assert [headline(one) for one in world.invoices(contract_id=contract.id)] == ["USAGE 2024-08 DRAFT 2024-09-02 0"]


def test_the_rate_card_must_exist_and_be_named_once(world: World) -> None:
    acme, start = world.customers["Acme"], utc("2024-06-01")
    with pytest.raises(NotFound, match="no rate card"):
        contracts.create_contract(world.context, NewContract(acme, start, rate_card_id=RateCardId(NOWHERE)))
    with pytest.raises(InvalidRequest, match="rate_card_alias: cannot stand beside rate_card_id"):
        contracts.create_contract(
            world.context, NewContract(acme, start, rate_card_id=world.card, rate_card_alias="list")
        )
    with pytest.raises(InvalidRequest, match=r"rate_card_alias: no rate card has the alias 'list' at 2024-06-01"):
        contracts.create_contract(world.context, NewContract(acme, start, rate_card_alias="list"))


def test_an_alias_is_resolved_at_the_start_of_the_contract(world: World) -> None:
    old, new = (
        rate_cards.create_rate_card(
            world.context, rate_cards.NewRateCard(name, aliases=(RateCardAlias("list", utc(start)),))
        )
        for name, start in (("old", "2024-01-01"), ("new", "2024-07-01"))
    )

    def card_from(start: str) -> RateCardId | None:
        asked = NewContract(world.customers["Acme"], utc(start), rate_card_alias="list")
        return contracts.create_contract(world.context, asked).rate_card_id

    assert (card_from("2024-06-30T23:00"), card_from("2024-07-01")) == (old.id, new.id)


def test_a_contract_may_do_without_a_card(world: World) -> None:
    contract = world.contract(without_card=True)

    assert contract.rate_card_id is None
    assert [headline(one) for one in world.invoices()][-1] == "USAGE 2024-08 DRAFT 2024-09-02 0"
    assert world.invoices()[-1].lines == ()


def test_its_anchor_is_the_first_of_the_month_of_its_start(world: World) -> None:
    assert world.contract(starting_at="2024-07-15T05:00").statement_schedule.anchor == utc("2024-07-01")


# Commits and credits of a new contract -------------------------------------------------------------------------------


def test_terms_are_named_by_their_place_in_the_request(world: World) -> None:
    good = world.prepaid("good", ("100", "2024-06"))
    bad = world.prepaid("bad", ("-1", "2024-06"))

    assert (
        refused(world, commits=[good, bad]) == "commits[1].access_schedule.schedule_items[0].amount: -1 is less than 0"
    )
    assert refused(world, commits=[good], credits=[world.credit("R", ("-1", "2024-06"))]).startswith("credits[0].")


@pytest.mark.parametrize("items", ["two segments", "two payments", "no payments", "other amount", "no segments"])
def test_a_postpaid_commit_has_one_segment_and_one_payment_of_the_same_amount(world: World, items: str) -> None:
    during, end = "2024-06-01..2024-12-01", "2024-12-01"
    commit = {
        "two segments": world.new_balance(
            "C", "POSTPAID", ("50", "2024-06"), ("50", "2024-07"), payments=[(end, "100")]
        ),
        "two payments": world.postpaid("C", "100", during, payments=[(end, "50"), (end, "50")]),
        "no payments": world.postpaid("C", "100", during, payments=None),
        "other amount": world.postpaid("C", "100", during, payments=[(end, "90")]),
        "no segments": world.new_balance("C", "POSTPAID", payments=[(end, "100")]),
    }[items]

    assert refused(world, commits=[commit]).startswith(("commits[0].invoice_schedule", "commits[0].access_schedule"))


def test_a_commit_needs_access(world: World) -> None:
    for segments in (None, ()):
        commit = msgspec.structs.replace(world.prepaid("C"), segments=segments)
        assert refused(world, commits=[commit]).startswith("commits[0].access_schedule.schedule_items: is missing")


@pytest.mark.parametrize(
    ("during", "path"),
    [
        ("2024-06-01..2024-06-01", "ending_before"),
        ("2024-06-02..2024-06-01", "ending_before"),
        ("2024-06-01T00:30..2024-07-01", "starting_at"),
        ("2024-06-01..2024-07-01T00:30", "ending_before"),
    ],
)
def test_a_segment_ends_after_it_starts_on_full_hours(world: World, during: str, path: str) -> None:
    message = refused(world, commits=[world.prepaid("C", ("1", "2024-06"), ("1", during))])

    assert message.startswith(f"commits[0].access_schedule.schedule_items[1].{path}: ")


def test_segments_may_overlap(world: World) -> None:
    world.contract(commits=[world.prepaid("C", ("100", "2024-08"), ("50", "2024-08-10..2024-08-20"))])

    assert world.left("C") == "150"


def test_a_commit_is_sold_as_a_fixed_product(world: World) -> None:
    wrong = msgspec.structs.replace(world.prepaid("C", ("1", "2024-06")), product_id=world.products["P"])
    unknown = msgspec.structs.replace(wrong, product_id=ProductId(NOWHERE))

    assert "is a USAGE product; commits and credits need a FIXED one" in refused(world, commits=[wrong])
    assert refused(world, commits=[unknown]) == f"no product {NOWHERE} in this tenant"


def test_specifiers_stand_alone(world: World) -> None:
    specifiers = (Specifier(product_id=world.products["P"]),)
    commit = world.prepaid("C", ("1", "2024-06"), products=["P"], specifiers=specifiers)

    assert refused(world, commits=[commit]).startswith("commits[0].specifiers: cannot stand beside")


def test_what_a_commit_is_for_must_exist(world: World) -> None:
    by_id = msgspec.structs.replace(world.prepaid("C", ("1", "2024-06")), applicable_product_ids=(ProductId(NOWHERE),))
    by_specifier = world.prepaid("C", ("1", "2024-06"), specifiers=(Specifier(product_id=ProductId(NOWHERE)),))

    for commit in (by_id, by_specifier):
        assert refused(world, commits=[commit]) == f"no product {NOWHERE} in this tenant"


def test_an_invoice_schedule_without_payments_is_refused(world: World) -> None:
    message = refused(world, commits=[world.prepaid("C", ("1", "2024-06"), payments=[])])

    assert message.startswith("commits[0].invoice_schedule.schedule_items: is empty")


def test_a_temporary_id_names_one_commit(world: World) -> None:
    commits = [world.prepaid(name, ("1", "2024-06"), temporary_id="t") for name in ("C", "D")]

    assert refused(world, commits=commits) == "commits[1].temporary_id: 't' is used twice"


def test_contract_level_terms_belong_to_the_contract(world: World) -> None:
    contract = world.contract(
        commits=[world.prepaid("C", ("1", "2024-06"))], credits=[world.credit("R", ("2", "2024-06"))]
    )

    assert contract.balance_ids == (world.balance("C").id, world.balance("R").id)
    assert {world.balance(name).contract_id for name in "CR"} == {contract.id}
    assert [world.balance(name).type for name in "CR"] == [BalanceType.PREPAID, BalanceType.CREDIT]


# Overrides -----------------------------------------------------------------------------------------------------------


def override(**terms: Any) -> Override:
    return Override(OverrideId(""), utc("2024-06-01"), utc("2024-06-01"), **terms)


def specifier(balance_ids: tuple[str, ...] = (), **conditions: Any) -> OverrideSpecifier:
    return OverrideSpecifier(Specifier(**conditions), balance_ids=tuple(map(BalanceId, balance_ids)))


HALF = {"type": OverrideType.MULTIPLIER, "multiplier": Decimal("0.5")}
SEVEN = {"type": OverrideType.OVERWRITE, "overwrite_price": flat(Decimal(7))}
LADDER = {"type": OverrideType.TIERED, "tiers": (OverrideTier(Decimal("0.5")),)}


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({}, "overrides[0].type: is missing"),
        ({**HALF, "ending_before": utc("2024-06-01")}, "overrides[0].ending_before: 2024-06-01T00:00:00+00:00 is not"),
        (
            {**HALF, "ending_before": utc("2024-06-01T01:30")},
            "overrides[0].ending_before: 2024-06-01T01:30:00+00:00 is",
        ),
        ({"type": OverrideType.MULTIPLIER}, "overrides[0].multiplier: is missing"),
        ({**HALF, "multiplier": Decimal("-0.1")}, "overrides[0].multiplier: -0.1 is less than 0"),
        ({"type": OverrideType.OVERWRITE}, "overrides[0].overwrite_rate: is missing"),
        ({**SEVEN, "applicable_product_tags": ("a",)}, "overrides[0].applicable_product_tags: cannot choose"),
        ({**SEVEN, "specifiers": (specifier(product_tags=("a",)),)}, "overrides[0].applicable_product_tags: cannot"),
        (LADDER, "overrides[0].type: TIERED needs multiplier_override_prioritization EXPLICIT"),
        ({**HALF, "target": OverrideTarget.COMMIT_RATE}, "overrides[0].target: COMMIT_RATE needs is_commit_specific"),
        (
            {**HALF, "specifiers": (specifier(("t",)),)},
            "overrides[0].override_specifiers[0].commit_ids: needs is_commit_specific: true",
        ),
        (
            {**HALF, "specifiers": (specifier(), specifier(("nobody",))), "is_commit_specific": True},
            "overrides[0].override_specifiers[1].commit_ids: 'nobody' is neither a temporary_id",
        ),
    ],
)
def test_what_an_override_may_not_be(world: World, terms: dict[str, Any], message: str) -> None:
    assert refused(world, overrides=[override(**terms)]).startswith(message)


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        (HALF, "overrides[0].priority: None is not above 0"),
        ({**HALF, "priority": Decimal(0)}, "overrides[0].priority: 0 is not above 0"),
        (LADDER, "overrides[0].priority: None is not above 0"),
        ({"type": OverrideType.TIERED, "priority": Decimal(1)}, "overrides[0].tiers: is missing"),
    ],
)
def test_what_an_override_may_not_be_when_priorities_decide(world: World, terms: dict[str, Any], message: str) -> None:
    assert refused(world, overrides=[override(**terms)], prioritization="EXPLICIT").startswith(message)


def test_a_priority_where_none_is_needed_is_ignored(world: World) -> None:
    world.contract(overrides=[override(**HALF, priority=Decimal(0), product_id=world.products["P"])])

    world.use("P", "2024-08-02", "10")

    assert world.lines(world.invoice("2024-08")) == ["P 10 @ 500 = 5000"]


def test_an_override_names_its_product_once_and_one_of_the_card(world: World) -> None:
    world.product("Q")  # no rate
    p = world.products["P"]

    both = override(**HALF, product_id=p, specifiers=(specifier(product_id=p),))
    assert refused(world, overrides=[both]).startswith("overrides[0].override_specifiers: cannot stand beside")
    off_card = override(**HALF, product_id=world.products["Q"])
    assert refused(world, overrides=[off_card]).startswith("overrides[0].product_id: No such product in rate card")
    deep = override(**HALF, specifiers=(specifier(), specifier(product_id=world.products["Q"])))
    assert refused(world, overrides=[deep]).startswith(
        "overrides[0].override_specifiers[1].product_id: No such product"
    )
    unknown = override(**HALF, product_id=ProductId(NOWHERE))
    assert refused(world, overrides=[unknown]) == f"no product {NOWHERE} in this tenant"


def test_an_overwrite_of_a_dimensional_price_names_every_key(world: World) -> None:
    world.product("Q", pricing=("cloud", "region"))
    world.rate("Q", "10", pricing={"cloud": "a", "region": "eu"})
    product_id = world.products["Q"]
    some = specifier(product_id=product_id, pricing_group_values=group_values({"cloud": "a"}))
    every = specifier(product_id=product_id, pricing_group_values=group_values({"cloud": "a", "region": "eu"}))

    message = refused(world, overrides=[override(**SEVEN, specifiers=(some,))])
    assert message.startswith("overrides[0].override_specifiers[0].pricing_group_values: must name every key")
    world.contract(overrides=[override(**SEVEN, specifiers=(every,))])
    world.use("Q", "2024-08-02", "2", cloud="a", region="eu")
    assert world.lines(world.invoice("2024-08")) == ["P 0 @ 1000 = 0", "Q cloud=a region=eu 2 @ 7 = 14"]


def test_an_override_for_a_commit_of_the_same_request_finds_it_by_its_temporary_id(world: World) -> None:
    cheap, dear = (
        world.prepaid(name, ("1000", "2024-08"), temporary_id=name.lower(), priority=priority)
        for name, priority in (("C", 1), ("D", 2))
    )
    for_c = override(**HALF, specifiers=(specifier(("c",)),), is_commit_specific=True)

    contract = world.contract(commits=[cheap, dear], overrides=[for_c])
    world.use("P", "2024-08-02", "4")

    assert contract.overrides[0].specifiers[0].balance_ids == (world.balance("C").id,)
    assert world.lines(world.invoice("2024-08")) == [
        "P 2 @ 500 = 1000 [C]",  # 1000 / (1000 * 0.5)
        "C applied -1000",
        "P 1 @ 1000 = 1000 [D]",
        "D applied -1000",
        "P 1 @ 1000 = 1000",  # 4 - 2 - 1
    ]


def test_an_override_may_name_a_balance_the_customer_has_already_and_nobody_elses(world: World) -> None:
    world.customer_balance(world.prepaid("C", ("1000", "2024-08")))
    world.customer_balance(world.prepaid("theirs", ("1000", "2024-08")), "Initech")
    terms = {**HALF, "is_commit_specific": True}

    own = override(**terms, specifiers=(specifier((world.balance("C").id,)),))
    foreign = override(**terms, specifiers=(specifier((world.balance("theirs").id,)),))

    assert refused(world, overrides=[foreign]).startswith("overrides[0].override_specifiers[0].commit_ids: ")
    world.contract(overrides=[own])
    world.use("P", "2024-08-02", "3")
    assert world.lines(world.invoice("2024-08"))[0] == "P 2 @ 500 = 1000 [C]"


def test_every_override_has_an_id_of_its_own(world: World) -> None:
    contract = world.contract(overrides=[override(**HALF), override(entitled=False)])

    ids = [one.id for one in contract.overrides]
    assert len(set(ids)) == 2
    assert "" not in ids


# Reading -------------------------------------------------------------------------------------------------------------


def test_a_contract_is_found_with_its_customer_only(world: World) -> None:
    contract = world.contract()
    initech = world.customer("Initech")

    assert contracts.get_contract(world.context, contract.customer_id, contract.id) == contract
    with pytest.raises(ContractNotFound):
        contracts.get_contract(world.context, initech, contract.id)
    with pytest.raises(ContractNotFound):
        contracts.get_contract(world.context, contract.customer_id, ContractId(NOWHERE))
    with pytest.raises(CustomerNotFound):
        contracts.get_contract(world.context, CustomerId(NOWHERE), contract.id)


def names(found: list[Contract]) -> list[str | None]:
    return [contract.name for contract in found]


def test_contracts_are_listed_by_their_start_and_archived_ones_on_request(world: World) -> None:
    for name, start, end in (
        ("third", "2024-08-01", None),
        ("first", "2024-06-01", "2024-08-01"),
        ("second", "2024-07-01", None),
        ("gone", "2024-06-01", None),
    ):
        world.contract(name, starting_at=start, ending_before=end)
    acme = world.customers["Acme"]
    contracts.archive_contract(world.context, acme, world.contracts["gone"], void_invoices=False)

    def listed(**conditions: Any) -> list[str | None]:
        return names(contracts.list_contracts(world.context, acme, **conditions))

    assert listed() == ["first", "second", "third"]
    assert listed(include_archived=True) == ["first", "gone", "second", "third"]
    assert listed(covering_date=utc("2024-07-31T23:59")) == ["first", "second"]
    assert listed(covering_date=utc("2024-08-01")) == ["second", "third"]
    assert listed(starting_at=utc("2024-07-01")) == ["second", "third"]
    with pytest.raises(InvalidRequest, match="covering_date: cannot stand beside starting_at"):
        listed(covering_date=utc("2024-07-01"), starting_at=utc("2024-07-01"))
    with pytest.raises(CustomerNotFound):
        contracts.list_contracts(world.context, CustomerId(NOWHERE))


# Moving the end ------------------------------------------------------------------------------------------------------


def end_at(world: World, end: str | None, **options: Any) -> Contract:
    return contracts.update_contract_end_date(
        world.context,
        world.customers["Acme"],
        world.contracts["contract"],
        None if end is None else utc(end),
        **options,
    )


def shown(world: World) -> list[str]:
    return [headline(one) for one in world.invoices()]


def test_an_earlier_end_cuts_the_draft_and_its_usage(world: World) -> None:
    world.contract(starting_at="2024-08-01")
    world.use("P", "2024-08-05", "1")
    world.use("P", "2024-08-12", "2")
    assert shown(world) == ["USAGE 2024-08 DRAFT 2024-09-02 3000"]

    end_at(world, "2024-08-10")

    # The period is over, and so is its grace of 24 hours: final, without the usage of 12 August.
    assert shown(world) == ["USAGE 2024-08-01..2024-08-10 FINALIZED 2024-08-11 1000"]


def test_an_end_ahead_cuts_the_draft_and_leaves_it_one(world: World) -> None:
    world.contract(starting_at="2024-08-01")

    end_at(world, "2024-08-20")

    assert shown(world) == ["USAGE 2024-08-01..2024-08-20 DRAFT 2024-08-21 0"]
    world.travel("2024-12-01")
    assert shown(world) == ["USAGE 2024-08-01..2024-08-20 FINALIZED 2024-08-21 0"]


def test_a_later_end_goes_on_where_the_invoices_stopped(world: World) -> None:
    world.contract(ending_before="2024-07-16")
    assert shown(world) == [
        "USAGE 2024-06 FINALIZED 2024-07-02 0",
        "USAGE 2024-07-01..2024-07-16 FINALIZED 2024-07-17 0",
    ]

    end_at(world, "2025-01-01")

    assert shown(world)[2:] == [
        "USAGE 2024-07-16..2024-08-01 FINALIZED 2024-08-02 0",
        "USAGE 2024-08 DRAFT 2024-09-02 0",
    ]


def test_without_an_end_a_contract_goes_on_for_ever(world: World) -> None:
    world.contract(starting_at="2024-08-01", ending_before="2024-09-01")

    contract = end_at(world, None)

    assert contract.ending_before is None
    world.travel("2024-10-02")
    assert shown(world)[-2:] == ["USAGE 2024-09 FINALIZED 2024-10-02 0", "USAGE 2024-10 DRAFT 2024-11-02 0"]


def test_finalized_invoices_behind_the_new_end_stay_unless_that_is_ruled_out(world: World) -> None:
    world.contract()
    july = world.invoice("2024-07")

    with pytest.raises(InvalidRequest, match=f"finalized invoice {july.id} .* void it first or allow it"):
        end_at(world, "2024-07-16", allow_ending_before_finalized_invoice=False)
    end_at(world, "2024-08-01", allow_ending_before_finalized_invoice=False)  # not before July's end
    end_at(world, "2024-07-16")

    assert shown(world) == ["USAGE 2024-06 FINALIZED 2024-07-02 0", "USAGE 2024-07 FINALIZED 2024-08-02 0"]


def test_a_voided_invoice_does_not_hold_the_end(world: World) -> None:
    world.contract()
    world.void(world.invoice("2024-07"))

    end_at(world, "2024-07-16", allow_ending_before_finalized_invoice=False)


@pytest.mark.parametrize(
    ("end", "problem"), [("2024-06-01", "is not after"), ("2024-09-01T00:30", "on an hour boundary")]
)
def test_an_end_that_cannot_be(world: World, end: str, problem: str) -> None:
    world.contract()

    with pytest.raises(InvalidRequest, match=f"ending_before: .*{problem}"):
        end_at(world, end)


def test_access_to_the_contracts_own_balances_ends_with_it_and_does_not_come_back(world: World) -> None:
    world.contract(starting_at="2024-08-01", commits=[world.prepaid("C", ("5000", "2024-08-01..2025-08-01"))])
    world.customer_balance(world.prepaid("D", ("300", "2024-08-01..2025-08-01")))

    end_at(world, "2024-08-20")
    end_at(world, "2025-01-01")

    assert world.balance("C").segments[0].ending_before == utc("2024-08-20")
    assert world.balance("D").segments[0].ending_before == utc("2025-08-01")  # the customer's, not the contract's
    world.travel("2024-08-20")
    assert (world.left("C"), world.left("D")) == ("0", "300")
    assert world.ledger("C") == [
        "2024-08-01 PREPAID_COMMIT_SEGMENT_START 5000",
        "2024-08-20 PREPAID_COMMIT_EXPIRATION -5000",
    ]


def test_access_that_would_begin_after_the_end_is_never_open(world: World) -> None:
    """Reference, pricing 4.23: terms are truncated, and what is left of a prepaid balance ends with the contract."""
    world.contract(
        starting_at="2024-08-01",
        commits=[world.prepaid("C", ("100", "2024-08"), ("200", "2024-09"), ("400", "2024-10"))],
    )

    end_at(world, "2024-08-20")

    world.travel("2024-09-10")
    assert world.left("C") == "0"
    assert world.net() == "0"


def test_payments_due_after_the_new_end_are_dropped(world: World) -> None:
    quarters = [("2024-08-01", "100"), ("2024-11-01", "200"), ("2025-02-01", "300"), ("2025-05-01", "400")]
    world.contract(
        starting_at="2024-08-01",
        commits=[world.prepaid("C", ("1000", "2024-08-01..2025-08-01"), payments=quarters)],
    )

    end_at(world, "2025-01-01")

    scheduled = [headline(one) for one in world.invoices(type=InvoiceType.SCHEDULED)]
    assert scheduled == ["SCHEDULED FINALIZED 2024-08-01 100", "SCHEDULED DRAFT 2024-11-01 200"]
    world.travel("2026-01-01")
    scheduled = [headline(one) for one in world.invoices(type=InvoiceType.SCHEDULED)]
    assert scheduled == ["SCHEDULED FINALIZED 2024-08-01 100", "SCHEDULED FINALIZED 2024-11-01 200"]


def test_payments_of_a_customers_commit_on_this_contract_are_dropped_too(world: World) -> None:
    world.contract(starting_at="2024-08-01")
    payments = [("2024-08-01", "100"), ("2025-02-01", "300")]
    world.customer_balance(
        world.prepaid("D", ("1000", "2024-08-01..2025-08-01"), payments=payments, paid_on="contract")
    )

    end_at(world, "2025-01-01")

    world.travel("2026-01-01")
    scheduled = [headline(one) for one in world.invoices(type=InvoiceType.SCHEDULED)]
    assert scheduled == ["SCHEDULED FINALIZED 2024-08-01 100"]


def test_an_archived_contract_is_not_changed(world: World) -> None:
    world.contract()
    contracts.archive_contract(world.context, world.customers["Acme"], world.contracts["contract"], void_invoices=False)

    with pytest.raises(NotAllowedNow):
        end_at(world, "2024-12-01")


# Archiving -----------------------------------------------------------------------------------------------------------


def archive(world: World, *, void_invoices: bool) -> Contract:
    return contracts.archive_contract(
        world.context, world.customers["Acme"], world.contracts["contract"], void_invoices=void_invoices
    )


@pytest.mark.parametrize(("void_invoices", "status"), [(False, "FINALIZED"), (True, "VOID")])
def test_drafts_go_and_finalized_invoices_go_on_request(world: World, void_invoices: bool, status: str) -> None:
    world.contract(
        starting_at="2024-07-01",
        commits=[world.prepaid("C", ("100", "2024-07"), payments=[("2024-07-01", "90"), ("2024-12-01", "10")])],
    )

    archived = archive(world, void_invoices=void_invoices)

    assert archived.archived_at == world.now
    expected = [f"SCHEDULED {status} 2024-07-01 90", f"USAGE 2024-07 {status} 2024-08-02 0"]
    assert shown(world) == expected
    world.travel("2025-06-01")
    assert shown(world) == expected


def test_an_import_that_waits_is_cancelled(world: World) -> None:
    world.imported()
    world.import_(world.historical("2024-06", {"P": "1"}, issue_date="2024-09-01"))

    archive(world, void_invoices=False)

    assert shown(world) == ["USAGE 2024-06 VOID 2024-09-01 1000"]
    world.travel("2024-12-01")
    assert shown(world) == ["USAGE 2024-06 VOID 2024-09-01 1000"]


def test_a_balance_of_the_contract_expires_with_it_and_the_customers_stays(world: World) -> None:
    world.contract(
        starting_at="2024-07-01",
        commits=[world.prepaid("C", ("5000", "2024-07-01..2025-07-01"), ("100", "2025-07-01..2026-07-01"))],
        credits=[world.credit("R", ("70", "2024-08"))],
    )
    world.customer_balance(world.prepaid("D", ("300", "2024-08-01..2025-08-01")))

    archive(world, void_invoices=False)

    assert [world.left(name) for name in "CRD"] == ["0", "0", "300"]
    assert world.net() == "300"
    assert world.ledger("C") == [
        "2024-07-01 PREPAID_COMMIT_SEGMENT_START 5000",
        "2024-08-15 PREPAID_COMMIT_EXPIRATION -5000",
    ]
    assert world.ledger("R") == ["2024-08-01 CREDIT_SEGMENT_START 70", "2024-08-15 CREDIT_EXPIRATION -70"]
    assert world.listed_balances() == ["D"]
    assert world.listed_balances(include_archived=True) == ["C", "R", "D"]


def test_an_archived_postpaid_commit_lapses(world: World) -> None:
    world.contract(commits=[world.postpaid("C", "5000", "2024-06-01..2025-06-01")])

    archive(world, void_invoices=False)

    assert world.left("C") == "0"
    assert world.ledger("C")[-1] == "2024-08-15 POSTPAID_COMMIT_EXPIRATION -5000"


def test_payments_of_a_customers_commit_on_an_archived_contract_are_not_made(world: World) -> None:
    world.contract()
    world.customer_balance(
        world.prepaid("D", ("300", "2024-08-01..2025-08-01"), payments=[("2024-12-01", "300")], paid_on="contract")
    )
    assert "SCHEDULED DRAFT 2024-12-01 300" in shown(world)

    archive(world, void_invoices=False)

    assert "SCHEDULED DRAFT 2024-12-01 300" not in shown(world)
    world.travel("2025-01-01")
    assert not world.invoices(type=InvoiceType.SCHEDULED)


def test_a_contract_is_archived_once(world: World) -> None:
    world.contract()
    archive(world, void_invoices=False)

    with pytest.raises(NotAllowedNow, match="is archived"):
        archive(world, void_invoices=True)


def test_another_contract_of_the_customer_goes_on(world: World) -> None:
    world.contract()
    world.contract("other", starting_at="2024-08-01")

    archive(world, void_invoices=True)

    assert [headline(one) for one in world.invoices(status=InvoiceStatus.DRAFT)] == ["USAGE 2024-08 DRAFT 2024-09-02 0"]


def test_an_archived_customer_loses_contracts_invoices_and_balances(world: World) -> None:
    world.contract(starting_at="2024-07-01")
    world.contract("other", starting_at="2024-08-01")
    world.customer_balance(
        world.prepaid("D", ("300", "2024-08-01..2025-08-01"), payments=[("2024-12-01", "300")], paid_on="contract")
    )
    world.contract("Initech's", customer="Initech", starting_at="2024-08-01")
    acme = world.customers["Acme"]

    contracts.archive_customer(world.context, acme)

    assert {one.archived_at for one in contracts.list_contracts(world.context, acme, include_archived=True)} == {
        world.now
    }
    assert shown(world) == ["USAGE 2024-07 VOID 2024-08-02 0"]
    assert world.left("D") == "0"
    world.travel("2025-01-01")
    assert shown(world) == ["USAGE 2024-07 VOID 2024-08-02 0"]
    assert len(world.invoices("Initech")) == 6  # August to December, and the draft of January
    with pytest.raises(NotAllowedNow, match="is archived"):
        contracts.archive_customer(world.context, acme)


# The contract's own price list ---------------------------------------------------------------------------------------


def rate_rows(world: World, at: str) -> list[str]:
    found = contracts.get_contract_rate_schedule(
        world.context, world.customers["Acme"], world.contracts["contract"], utc(at)
    )

    def first(price: Price | None) -> str:
        return "-" if price is None else plain(price.tiers[0].price)

    return [
        f"{row.product.name} {row.starting_at:%Y-%m-%d}.."
        f"{'' if row.ending_before is None else f'{row.ending_before:%Y-%m-%d}'} "
        f"{first(row.rate.price)} {first(row.override)}"
        for row in found
    ]


def test_the_price_list_of_a_contract_has_the_winning_override_beside_the_rate(world: World) -> None:
    world.product("Q", "20")
    world.product("Z", "5", entitled=False)
    world.rate("P", "1500", starting_at="2024-09-01")
    during = {"starting_at": utc("2024-07-01"), "ending_before": utc("2024-08-01")}
    half = msgspec.structs.replace(override(**HALF, product_id=world.products["P"]), **during)
    specific = override(**HALF, product_id=world.products["Q"], is_commit_specific=True)
    world.contract(overrides=[half, specific])

    assert rate_rows(world, "2024-06-15") == ["P 2000-01-01..2024-07-01 1000 -", "Q 2000-01-01.. 20 -"]
    assert rate_rows(world, "2024-07-15") == ["P 2024-07-01..2024-08-01 1000 500", "Q 2000-01-01.. 20 -"]
    assert rate_rows(world, "2024-08-15") == ["P 2024-08-01..2024-09-01 1000 -", "Q 2000-01-01.. 20 -"]
    assert rate_rows(world, "2024-09-15") == ["P 2024-09-01.. 1500 -", "Q 2000-01-01.. 20 -"]


def test_the_price_list_shows_what_an_override_makes_available(world: World) -> None:
    world.product("Z", "5", entitled=False)
    world.contract(
        overrides=[
            override(entitled=True, product_id=world.products["Z"]),
            override(entitled=False, product_id=world.products["P"]),
        ]
    )

    assert rate_rows(world, "2024-08-15") == ["Z 2024-06-01.. 5 -"]


def test_a_contract_without_a_card_has_no_price_list(world: World) -> None:
    world.contract(without_card=True)

    assert rate_rows(world, "2024-08-15") == []
