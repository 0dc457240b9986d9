"""Which override sets the price (reference pricing 4.3), and what it makes of a rate."""

from __future__ import annotations

from decimal import Decimal

import pytest
from builders import only_for, override, price, product, specifier, utc

from metronome_sandbox.domain.overrides import (
    Override,
    OverrideTarget,
    Prioritization,
    commit_specific_in_force,
    in_force,
    is_entitled,
    overridden,
    winner,
)
from metronome_sandbox.domain.targeting import Target

LOWEST, EXPLICIT = Prioritization.LOWEST_MULTIPLIER, Prioritization.EXPLICIT
JUNE = utc("2024-06-15")
READS = Target(product("Reads", tags=["api", "fast"]))
WRITES = Target(product("Writes", tags=["api"]))


def times(multiplier: str, name: str | None = None, priority: str | None = None) -> Override:
    return override(multiplier=multiplier, priority=priority, name=name or f"times {multiplier}")


def to(amount: str) -> Override:
    return override(overwrite=price(amount), name=f"to {amount}")


def tiers(priority: str) -> Override:
    return override(tiers=[("5", "0.5")], priority=priority, name=f"tiers {priority}")


ENTITLE = override(entitled=True, name="entitle")


@pytest.mark.parametrize(
    ("added", "prioritization", "expected"),
    [
        ([], LOWEST, None),
        ([ENTITLE], LOWEST, None),  # says nothing about the price
        ([times("0.9")], LOWEST, "times 0.9"),
        ([times("0.9"), to("70")], LOWEST, "to 70"),  # class: an overwrite before a multiplier
        ([to("70"), times("0.9")], LOWEST, "to 70"),
        ([to("70"), to("75")], LOWEST, "to 75"),  # the overwrite added last
        ([to("70"), to("75"), times("0.1")], EXPLICIT, "to 75"),
        ([times("0.9"), times("0.8")], LOWEST, "times 0.8"),  # the smallest multiplier
        ([times("0.8"), times("0.9")], LOWEST, "times 0.8"),
        ([times("1.5"), times("2")], LOWEST, "times 1.5"),
        ([times("0"), times("0.5")], LOWEST, "times 0"),
        ([times("0.9", priority="1"), times("0.8", priority="2")], LOWEST, "times 0.8"),  # priorities don't count
        ([times("0.9", priority="1"), times("0.8", priority="2")], EXPLICIT, "times 0.9"),  # the smallest priority
        ([times("0.8", priority="2"), times("0.9", priority="1")], EXPLICIT, "times 0.9"),
        ([times("0.9", priority="1.5"), times("0.8", priority="1.25")], EXPLICIT, "times 0.8"),
        ([times("0.1", priority="2"), tiers("1")], EXPLICIT, "tiers 1"),  # tiered ones compete with multipliers
        ([times("0.1", priority="2"), tiers("3")], EXPLICIT, "times 0.1"),
        ([times("0.8", "first"), times("0.8", "second")], LOWEST, "second"),  # a tie: the one added last
        ([times("0.1", "first", "1"), times("0.8", "second", "1")], EXPLICIT, "second"),
        ([ENTITLE, times("0.9"), ENTITLE], EXPLICIT, "times 0.9"),
    ],
)
def test_the_winner(added: list[Override], prioritization: Prioritization, expected: str | None) -> None:
    found = winner(added, prioritization)

    assert (found and found.id) == expected


def test_an_override_applies_from_its_start_until_its_end() -> None:
    limited = override(multiplier="0.5", starting_at="2024-06-01", ending_before="2024-07-01")

    assert in_force([limited], READS, utc("2024-05-31T23:59:59")) == []
    assert in_force([limited], READS, utc("2024-06-01")) == [limited]
    assert in_force([limited], READS, utc("2024-07-01")) == []


@pytest.mark.parametrize(
    ("given", "reads", "writes"),
    [
        (override(multiplier="0.5"), True, True),
        (override(multiplier="0.5", product="Reads"), True, False),
        (override(multiplier="0.5", tags=["fast", "unknown"]), True, False),  # any of the tags
        (override(multiplier="0.5", product="Writes", tags=["fast"]), True, True),  # product or tag
        (override(multiplier="0.5", specifiers=[only_for(tags=["api", "fast"])]), True, False),  # all of the tags
        (override(multiplier="0.5", specifiers=[only_for(product="Writes", tags=["fast"])]), False, False),  # and
        (
            override(multiplier="0.5", specifiers=[only_for(product="Writes"), only_for(tags=["fast"])]),
            True,
            True,
        ),  # or
        (override(multiplier="0.5", specifiers=[only_for(tags=["api"], excluded_tags=[["fast"]])]), False, True),
        (override(multiplier="0.5", specifiers=[only_for(tags=["api"], excluded_tags=[["fast", "x"]])]), True, True),
    ],
)
def test_what_an_override_is_for(given: Override, reads: bool, writes: bool) -> None:
    assert (given.concerns(READS), given.concerns(WRITES)) == (reads, writes)


def test_group_values_that_are_not_named_may_be_anything_and_named_ones_must_be_there() -> None:
    only_aws = specifier(pricing={"cloud": "AWS"})
    compute = product("Compute", pricing=["cloud", "zone"])

    assert only_aws.matches(Target(compute, (("cloud", "AWS"), ("zone", "a"))))
    assert not only_aws.matches(Target(compute, (("cloud", "GCP"), ("zone", "a"))))
    assert not only_aws.matches(Target(product("Email")))
    assert not only_aws.matches(Target(product("Email"), (), (("cloud", "AWS"),)))  # presented, not priced


def test_a_commit_specific_override_is_for_the_commits_it_names_or_for_all() -> None:
    for_a = override(multiplier="0.8", commit_specific=True, specifiers=[only_for("A")], name="for A")
    for_any = override(multiplier="0.9", commit_specific=True, name="for any")
    general = override(multiplier="0.5", name="general")
    added = [for_a, for_any, general]

    def names(balance: str, base: OverrideTarget = OverrideTarget.LIST_RATE) -> list[str]:
        return [each.id for each in commit_specific_in_force(added, READS, JUNE, (balance,), base)]  # type: ignore[arg-type]

    assert names("A") == ["for A", "for any"]
    assert names("B") == ["for any"]
    assert names("A", OverrideTarget.COMMIT_RATE) == []
    assert in_force(added, READS, JUNE) == [general]


@pytest.mark.parametrize(
    ("said", "default", "expected"),
    [
        ([], True, True),
        ([], False, False),
        ([None], False, False),
        ([True], False, True),
        ([False], True, False),
        ([False, True], False, True),  # the one added last
        ([True, False, None], True, False),  # None is neutral
    ],
)
def test_availability_is_what_was_said_last(said: list[bool | None], default: bool, expected: bool) -> None:
    assert is_entitled([override(multiplier="0.5", entitled=each) for each in said], default) is expected


def ladder(*steps: tuple[str | None, str]) -> list[tuple[Decimal | None, Decimal]]:
    return [(None if size is None else Decimal(size), Decimal(each)) for size, each in steps]


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [
        (price("100"), times("0.8"), ladder((None, "80"))),
        (price(tiers=[("10", "100"), (None, "80")]), times("0.5"), ladder(("10", "50"), (None, "40"))),
        (price(tiers=[("10", "100"), (None, "80")]), to("7"), ladder((None, "7"))),
        # pricing 5.3 no. 6: behind the last slice the rate itself
        (
            price("100"),
            override(tiers=[("10", "0.8"), ("10", "0.7")]),
            ladder(("10", "80"), ("10", "70"), (None, "100")),
        ),
        (price("100"), override(tiers=[("10", "0.8"), (None, "0.7")]), ladder(("10", "80"), (None, "70"))),
        (price("100"), override(tiers=[(None, "0.7")]), ladder((None, "70"))),
        # pricing section 7 no. 13: both ladders are cut where either one is
        (
            price(tiers=[("10", "100"), (None, "80")]),
            override(tiers=[("5", "0.5"), ("10", "0.9")]),
            ladder(("5", "50"), ("5", "90"), ("5", "72"), (None, "80")),
        ),
        (
            price(tiers=[("10", "100"), ("10", "80"), (None, "60")]),
            override(tiers=[("10", "0.5"), (None, "0.1")]),
            ladder(("10", "50"), ("10", "8"), (None, "6")),
        ),
        (
            price(tiers=[("10", "100"), ("10", "80")]),  # the last tier's size does not end it
            override(tiers=[("25", "0.5")]),
            ladder(("10", "50"), ("15", "40"), (None, "80")),
        ),
        (price("100"), ENTITLE, ladder((None, "100"))),
    ],
)
def test_the_price_after_an_override(before: object, change: Override, after: list[object]) -> None:
    assert [(tier.size, tier.price) for tier in overridden(before, change).tiers] == after  # type: ignore[arg-type]
