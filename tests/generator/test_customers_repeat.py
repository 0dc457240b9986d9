"""Nothing of a customer comes from outside of its own stream."""

from __future__ import annotations

import random
import re
from datetime import date

from metronome_sandbox.generator.customers import HOMES, customer_of
from metronome_sandbox.generator.streams import Stream


def test_words_do_not_come_from_the_generator_that_the_process_shares():
    """Some providers of Faker draw from the module ``random``, whatever their own seed is."""

    def customers(shared: int) -> list[object]:
        random.seed(shared)
        return [
            customer_of(Stream(7, "ai-api", number), number, "growth", date(2023, 1, 1)) for number in range(1, 200)
        ]

    assert customers(1) == customers(2)
    assert {one.country for one in customers(1)} == {home.country for home in HOMES}


def test_check_digits_of_tax_ids_are_right():
    """Luhn: every second digit from the right is doubled, and 9 taken from what exceeds 9; the sum ends with 0."""
    ids = [
        customer_of(Stream(7, "ai-api", number), number, "growth", date(2023, 1, 1)).tax_id for number in range(1, 400)
    ]
    checked = [found[1] for one in ids if (found := re.fullmatch(r"SE(\d{10})01", one))]
    checked += [found[1] for one in ids if (found := re.fullmatch(r"ESB(\d{8})", one))]

    assert len(checked) > 10
    assert [digits for digits in checked if luhn(digits)] == []


def luhn(digits: str) -> int:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10
