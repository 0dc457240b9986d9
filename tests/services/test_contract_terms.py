"""Terms of a new contract: what its commits, credits and overrides may be, and the prices that come of them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from builders import flat, utc
from worlds import World, plain

from metronome_sandbox.domain.balances import BalanceType
from metronome_sandbox.domain.errors import DomainError
from metronome_sandbox.domain.ids import BalanceId, OverrideId, ProductId, group_values
from metronome_sandbox.domain.overrides import Override, OverrideSpecifier, OverrideTarget, OverrideTier, OverrideType
from metronome_sandbox.domain.rate_cards import Price
from metronome_sandbox.domain.targeting import Specifier
from metronome_sandbox.services import contracts

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
    assert refused(world, commits=[unknown]) == f"commits[0].product_id: no product {NOWHERE} in this tenant"


def test_specifiers_stand_alone(world: World) -> None:
    specifiers = (Specifier(product_id=world.products["P"]),)
    commit = world.prepaid("C", ("1", "2024-06"), products=["P"], specifiers=specifiers)

    assert refused(world, commits=[commit]).startswith("commits[0].specifiers: cannot stand beside")


def test_what_a_commit_is_for_must_exist(world: World) -> None:
    by_id = msgspec.structs.replace(world.prepaid("C", ("1", "2024-06")), applicable_product_ids=(ProductId(NOWHERE),))
    by_specifier = world.prepaid("C", ("1", "2024-06"), specifiers=(Specifier(product_id=ProductId(NOWHERE)),))

    for commit, field in ((by_id, "applicable_product_ids[0]"), (by_specifier, "specifiers[0].product_id")):
        assert refused(world, commits=[commit]) == f"commits[0].{field}: no product {NOWHERE} in this tenant"


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
        (
            {**HALF, "ending_before": utc("2024-06-01")},
            "overrides[0].ending_before: 2024-06-01T00:00:00+00:00 is not after starting_at 2024-06-01T00:00:00+00:00",
        ),
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
    assert refused(world, overrides=[unknown]) == f"overrides[0].product_id: no product {NOWHERE} in this tenant"


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
