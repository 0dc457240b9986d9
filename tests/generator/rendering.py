"""Histories as bytes, to be compared."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import date
from hashlib import sha256

import msgspec

from metronome_sandbox.generator.histories import history_of
from metronome_sandbox.generator.months import months_after
from metronome_sandbox.generator.profiles import Profile
from metronome_sandbox.generator.requests import Requests
from metronome_sandbox.generator.world import History

START = date(2023, 1, 1)
ENCODER = msgspec.json.Encoder(decimal_format="number")


def rendered(profile: Profile, seed: int, history: History, until: date) -> list[bytes]:
    """Return a customer, its contracts, and its invoices with what they come to, each as JSON."""
    requests = Requests(profile, seed)
    parts = [
        {**asdict(history.customer), **requests.customer(history.customer).body},
        *(requests.contract(contract, until).body for contract in history.contracts),
    ]
    for invoice in history.invoices:
        money = [invoice.total, *(asdict(payment) for payment in invoice.payments)]
        lines = [line.amount for line in invoice.lines]
        parts.append([requests.invoice(history, invoice), invoice.key, invoice.corrects, money, lines])
    return [ENCODER.encode(part) for part in parts]


def catalog_rendered(profile: Profile, seed: int) -> list[bytes]:
    requests = Requests(profile, seed)
    return [ENCODER.encode(part) for part in (*(each.body for each in requests.catalog()), *requests.rates())]


def digest_of(parts: Iterable[bytes]) -> str:
    return sha256(b"\n".join(parts)).hexdigest()


def made(profile: Profile, number: int, months: int, *, seed: int = 7, start: date = START) -> list[bytes]:
    history = history_of(profile, seed, number, start, months)
    return rendered(profile, seed, history, months_after(start, 120))
