"""Numbers that can be counted with, and the one division."""

from __future__ import annotations

from decimal import Decimal

import pytest

from metronome_sandbox.domain.amounts import checked, quotient
from metronome_sandbox.domain.errors import InvalidRequest


@pytest.mark.parametrize("number", ["0", "-1", "999999999999999", "0.000000000000000001", "-123.456", "1E+3"])
def test_a_number_of_usual_size_is_let_in_as_it_is(number: str) -> None:
    assert checked(Decimal(number), "quantity") == Decimal(number)


@pytest.mark.parametrize("number", ["1" * 16, "1E+15", "1e-19", "NaN", "sNaN", "Infinity", "1E+999999"])
def test_a_number_of_absurd_size_is_refused_with_its_path(number: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^quantity: .*send at most 15 digits before and 18 after"):
        checked(Decimal(number), "quantity")


def test_four_numbers_of_the_largest_size_multiply_without_loss() -> None:
    largest = Decimal("9" * 15 + "." + "9" * 18)
    product = largest * largest * largest * largest

    assert int(product.scaleb(72)) == int(largest.scaleb(18)) ** 4


def test_a_division_that_ends_is_exact_and_printed_short() -> None:
    assert str(quotient(Decimal(500), Decimal(80))) == "6.25"
    assert str(quotient(Decimal(400), Decimal(100))) == "4"


def test_a_division_that_does_not_end_is_cut_to_thirty_places() -> None:
    third = quotient(Decimal(1), Decimal(3))

    assert str(third) == "0." + "3" * 30
    assert str(quotient(Decimal(2), Decimal(3))) == "0." + "6" * 30  # cut and not rounded: never more than is there
    assert third + (1 - third) == 1
