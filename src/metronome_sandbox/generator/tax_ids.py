"""Tax ids as their countries write them, with the check digits that make them plausible. None is anybody's on purpose.

Each is made from a whole number below a billion, of which a country takes as many digits as it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType


def _weighted(digits: str, weights: Sequence[int]) -> int:
    return sum(weight * int(digit) for weight, digit in zip(weights, digits, strict=True))


def _luhn(digits: str) -> int:
    """Return the check digit of ISO/IEC 7812: every second digit from the right counts twice, less nine above nine."""
    places = enumerate(reversed(digits))
    return -sum(int(digit) if place % 2 else sum(divmod(2 * int(digit), 10)) for place, digit in places) % 10


def _checked_by_eleven(number: int, weights: Sequence[int], length: int) -> str:
    """Return digits with the remainder by 11 of their weighted sum; a number whose remainder is 10 is not given out."""
    while True:
        digits = f"{number:0{length}d}"
        check = _weighted(digits, weights) % 11
        if check < 10:
            return f"{digits}{check}"
        number += 1


def employer_number(number: int) -> str:
    """United States: two digits of a campus, seven of a company."""
    return f"{10 + number // 10**7 % 60}-{number % 10**7:07d}"


def british(number: int) -> str:
    """Seven digits weighted 8 to 2, and the complement of the sum to a multiple of 97."""
    digits = f"{10**6 + number % (9 * 10**6)}"
    return f"GB{digits}{97 - _weighted(digits, range(8, 1, -1)) % 97:02d}"


def german(number: int) -> str:
    """Eight digits and one by ISO 7064, modulus 11, 10."""
    digits = f"{10**7 + number % (9 * 10**7)}"
    product = 10
    for digit in digits:
        product = 2 * ((int(digit) + product) % 10 or 10) % 11
    return f"DE{digits}{(11 - product) % 10}"


def french(number: int) -> str:
    """A key by modulus 97 before the nine digits of a SIREN, the last of which is Luhn's."""
    digits = f"{10**7 + number % (9 * 10**7)}"
    siren = f"{digits}{_luhn(digits)}"
    return f"FR{(12 + 3 * (int(siren) % 97)) % 97:02d}{siren}"


def dutch(number: int) -> str:
    """Eight digits weighted 9 to 2 with their remainder by 11, and the number of the company's part."""
    digits = _checked_by_eleven(10**7 + number % (8 * 10**7), range(9, 1, -1), 8)
    return f"NL{digits}B01"


def spanish(number: int) -> str:
    """A limited company: B, seven digits, and Luhn's."""
    digits = f"{number % 10**7:07d}"
    return f"ESB{digits}{_luhn(digits)}"


def italian(number: int) -> str:
    """Seven digits, three of a province, and Luhn's."""
    digits = f"{number % 10**7:07d}{1 + number // 10**7 % 100:03d}"
    return f"IT{digits}{_luhn(digits)}"


def swedish(number: int) -> str:
    """A limited company's number, which begins with 556 and ends with Luhn's digit, and 01."""
    digits = f"556{number % 10**6:06d}"
    return f"SE{digits}{_luhn(digits)}01"


def polish(number: int) -> str:
    """Nine digits with their weighted sum's remainder by 11."""
    digits = _checked_by_eleven(10**8 + number % (8 * 10**8), (6, 5, 7, 2, 3, 4, 5, 6, 7), 9)
    return f"PL{digits}"


def japanese(number: int) -> str:
    """A qualified invoice issuer: T, a check digit by modulus 9, and twelve digits."""
    digits = f"{10**11 + number % 10**9}"
    return f"T{9 - _weighted(digits[::-1], (1, 2) * 6) % 9}{digits}"


TAX_IDS: Mapping[str, Callable[[int], str]] = MappingProxyType(
    {
        "US": employer_number,
        "GB": british,
        "DE": german,
        "FR": french,
        "NL": dutch,
        "ES": spanish,
        "IT": italian,
        "SE": swedish,
        "PL": polish,
        "JP": japanese,
    }
)
"""By country."""
