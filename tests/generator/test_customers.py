"""Companies look as companies of their countries do."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date

import faker
import pytest

from metronome_sandbox.generator.customers import HOMES, customer_of, word_source
from metronome_sandbox.generator.streams import Stream
from metronome_sandbox.generator.tax_ids import TAX_IDS

NUMBERS = (0, 1, 10, 7_654_321, 123_456_789, 999_999_999)


def customer(number):
    return customer_of(Stream(7, "ai-api", number), number, "growth", date(2023, 1, 1))


def test_a_name_an_address_a_mailbox_and_a_tax_id():
    for number in range(40):
        one = customer(number)

        assert one.key == f"customer-{number:06d}"
        assert one.name
        assert len(one.name) <= 160
        assert "\n" not in one.address
        assert re.fullmatch(r"[a-z]+@[a-z0-9]([a-z0-9-]*[a-z0-9])?\.example", one.email)
        assert one.locale.endswith(one.country)
        assert one.tax_id


def test_countries_come_as_often_as_stated():
    assert sum(home.share for home in HOMES) == 100
    seen = Counter(customer(number).country for number in range(400))

    assert set(seen) == {home.country for home in HOMES}
    assert 0.36 < seen["US"] / 400 < 0.52


def test_the_word_source_is_told_with_its_version():
    assert word_source() == f"faker {faker.VERSION}"


def luhn_is_right(digits: str) -> bool:
    """The textbook's way: from the right, every second digit doubled, digits summed, a multiple of ten."""
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(int(digit) for number in doubled for digit in str(number)) % 10 == 0


@pytest.mark.parametrize("number", NUMBERS)
def test_tax_ids_have_their_countries_form(number):
    forms = {
        "US": r"\d{2}-\d{7}",
        "GB": r"GB\d{9}",
        "DE": r"DE[1-9]\d{8}",
        "FR": r"FR\d{11}",
        "NL": r"NL\d{9}B\d{2}",
        "ES": r"ESB\d{8}",
        "IT": r"IT\d{11}",
        "SE": r"SE556\d{7}01",
        "PL": r"PL[1-9]\d{9}",
        "JP": r"T[1-9]\d{12}",
    }
    assert forms.keys() == TAX_IDS.keys()
    for country, form in forms.items():
        assert re.fullmatch(form, TAX_IDS[country](number)), country


@pytest.mark.parametrize("number", NUMBERS)
def test_check_digits_by_luhn(number):
    assert luhn_is_right(TAX_IDS["FR"](number)[4:])
    assert luhn_is_right(TAX_IDS["ES"](number)[3:])
    assert luhn_is_right(TAX_IDS["IT"](number)[2:])
    assert luhn_is_right(TAX_IDS["SE"](number)[2:12])


@pytest.mark.parametrize(
    ("country", "number", "expected"),
    [
        # Numbers that descriptions of the formats have as their examples.
        ("DE", 3_669_597, "DE136695976"),
        ("GB", 8_807_806, "GB980780684"),
        ("FR", 20_326_504, "FR40303265045"),
        ("ES", 5_837_843, "ESB58378431"),
        ("PL", 756_734_621, "PL8567346215"),
        # 9 * 1 + 8 * 0 + ... + 2 * 0 = 9, and the remainder by 11 is 9
        ("NL", 0, "NL100000009B01"),
        # from the right 1 * 0 + 2 * 0 + ... + 2 * 1 = 2, and 9 - 2 = 7
        ("JP", 0, "T7100000000000"),
        ("US", 61 * 10**7 + 42, "11-0000042"),
    ],
)
def test_check_digits_of_numbers_that_are_known(country, number, expected):
    assert TAX_IDS[country](number) == expected
