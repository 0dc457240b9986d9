"""Who the customers are: companies with names, addresses and tax ids as their countries have them.

Words come from Faker, whose version is pinned and told in the manifest; addresses of mail end in ``.example``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any
from unicodedata import normalize

import faker
from faker import Faker

from metronome_sandbox.generator.streams import Stream, chosen
from metronome_sandbox.generator.world import Customer

NOT_IN_A_HOST = re.compile(r"[^a-z0-9]+")
LONGEST_LABEL = 40


def word_source() -> str:
    """Return where names come from, with its version."""
    return f"faker {faker.VERSION}"


def customer_of(stream: Stream, number: int, segment: str, signed_at: date) -> Customer:
    """Return a customer with all that is told about it."""
    place, seed = stream.integers("identity", 2)
    home = HOMES[chosen([home.share for home in HOMES], place)]
    words = _words(home.locale)
    words.seed_instance(seed)
    name = words.company()
    return Customer(
        number=number,
        key=f"customer-{number:06d}",
        name=name,
        locale=home.locale,
        country=home.country,
        address=words.address().replace("\n", ", "),
        email=f"{home.mailbox}@{_host(name, number)}.example",
        tax_id=home.tax_id(words),
        segment=segment,
        signed_at=signed_at,
    )


@lru_cache
def _words(locale: str) -> Any:
    """Return Faker for a locale. It has a method for each provider, which no type tells of."""
    return Faker(locale)


def _host(name: str, number: int) -> str:
    """Return the company's name as part of a host name; its number where no letter of it is Latin."""
    plain = normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    label = NOT_IN_A_HOST.sub("-", plain).strip("-")[:LONGEST_LABEL].strip("-")
    return label or f"company-{number}"


def _british_vat(words: Any) -> str:
    """Return a VAT id with the check digits of HMRC's modulus 97: weights 8 to 2, complement to a multiple of 97."""
    digits = words.numerify("%######")
    weighted = sum(weight * int(digit) for weight, digit in zip(range(8, 1, -1), digits, strict=True))
    return f"GB{digits}{97 - weighted % 97:02d}"


def _dutch_vat(words: Any) -> str:
    """Return a VAT id whose first nine digits pass the "elfproef": weights 9 to 2, the remainder by 11 is the last."""
    while True:
        digits = words.numerify("%#######")
        check = sum(weight * int(digit) for weight, digit in zip(range(9, 1, -1), digits, strict=True)) % 11
        if check < 10:  # 10 is no digit; such numbers are not given out
            return f"NL{digits}{check}B{words.numerify('0%')}"


def _german_vat(words: Any) -> str:
    """Return a VAT id with the check digit of ISO 7064, modulus 11, 10."""
    digits = words.numerify("%#######")
    product = 10
    for digit in digits:
        product = 2 * ((int(digit) + product) % 10 or 10) % 11
    return f"DE{digits}{(11 - product) % 10}"


def _japanese_number(words: Any) -> str:
    """Return a qualified invoice issuer's number: T, a check digit by modulus 9, and twelve digits."""
    digits = words.numerify("############")
    weighted = sum(int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    return f"T{9 - weighted % 9}{digits}"


@dataclass(frozen=True, slots=True)
class Home:
    """Where a share of the customers (of 100) is, and how its tax ids are made."""

    locale: str
    country: str
    share: int
    mailbox: str
    tax_id: Callable[[Any], str]


HOMES = (
    Home("en_US", "US", 44, "billing", lambda words: str(words.ein())),
    Home("en_GB", "GB", 11, "accounts", _british_vat),
    Home("de_DE", "DE", 11, "rechnung", _german_vat),
    Home("fr_FR", "FR", 8, "facturation", lambda words: str(words.company_vat()).replace(" ", "")),
    Home("nl_NL", "NL", 6, "facturen", _dutch_vat),
    Home("es_ES", "ES", 5, "facturas", lambda words: f"ES{words.cif()}"),
    Home("it_IT", "IT", 5, "fatture", lambda words: str(words.company_vat())),
    Home("sv_SE", "SE", 3, "faktura", lambda words: f"SE{str(words.org_id()).replace('-', '')}01"),
    Home("pl_PL", "PL", 3, "faktury", lambda words: f"PL{words.nip()}"),
    Home("ja_JP", "JP", 4, "keiri", _japanese_number),
)
