"""Who the customers are: companies with names, addresses and tax ids as their countries have them.

Words come from Faker, whose version is pinned and told in the manifest; addresses of mail end in ``.example``. Tax ids
are our own: some of Faker's are drawn outside of the instance that was seeded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any
from unicodedata import normalize

import faker
from faker import Faker

from metronome_sandbox.generator.streams import Stream, chosen
from metronome_sandbox.generator.tax_ids import TAX_IDS
from metronome_sandbox.generator.world import Customer

NOT_IN_A_HOST = re.compile(r"[^a-z0-9]+")
LONGEST_LABEL = 40
KEY = "customer-"
MOST_DIGITS = 19
"""Of a number in a key that somebody else may have written."""


def word_source() -> str:
    """Return where names come from, with its version."""
    return f"faker {faker.VERSION}"


def customer_of(stream: Stream, number: int, segment: str, signed_at: date) -> Customer:
    """Return a customer with all that is told about it."""
    place, seed, tax_number = stream.integers("identity", 3)
    home = HOMES[chosen([home.share for home in HOMES], place)]
    words = _words(home.locale)
    words.seed_instance(seed)
    name = words.company()
    return Customer(
        number=number,
        key=key_of(number),
        name=name,
        locale=home.locale,
        country=home.country,
        address=words.address().replace("\n", ", "),
        email=f"{home.mailbox}@{_host(name, number)}.example",
        tax_id=TAX_IDS[home.country](tax_number % 10**9),
        segment=segment,
        signed_at=signed_at,
    )


def key_of(number: int) -> str:
    """Return what a customer is called everywhere, by its number from 1 on."""
    return f"{KEY}{number:06d}"


def number_of(key: str) -> int | None:
    """Return the number of the customer that has a key, None where it is no key of a customer."""
    digits = key.removeprefix(KEY)
    number = int(digits) if digits.isdecimal() and len(digits) <= MOST_DIGITS else 0
    return number if number and key == key_of(number) else None


@lru_cache
def _words(locale: str) -> Any:
    """Return Faker for a locale. It has a method for each kind of word, which no type tells of."""
    return Faker(locale)


def _host(name: str, number: int) -> str:
    """Return the company's name as part of a host name; its number where no letter of it is Latin."""
    plain = normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    label = NOT_IN_A_HOST.sub("-", plain).strip("-")[:LONGEST_LABEL].strip("-")
    return label or f"company-{number}"


@dataclass(frozen=True, slots=True)
class Home:
    """Where a share of the customers, of 100, is, and what the box for invoices is called there."""

    locale: str
    share: int
    mailbox: str

    @property
    def country(self) -> str:
        """Two letters of ISO 3166."""
        return self.locale[-2:]


HOMES = (
    Home("en_US", 44, "billing"),
    Home("en_GB", 11, "accounts"),
    Home("de_DE", 11, "rechnung"),
    Home("fr_FR", 8, "facturation"),
    Home("nl_NL", 6, "facturen"),
    Home("es_ES", 5, "facturas"),
    Home("it_IT", 5, "fatture"),
    Home("sv_SE", 3, "faktura"),
    Home("pl_PL", 3, "faktury"),
    Home("ja_JP", 4, "keiri"),
)
