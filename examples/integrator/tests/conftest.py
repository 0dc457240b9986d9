"""A client, a price and a subscriber, in a world of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from figures import AUGUST, CENTS_PER_CALL, TODAY
from metronome import Metronome

import acme_billing
from acme_billing import Price, Subscriber


@pytest.fixture
def client(metronome_sandbox) -> Iterator[Metronome]:
    """The client that production has too: nothing about the sandbox in it."""
    metronome_sandbox.clock.set(TODAY)
    with Metronome() as client:
        yield client


@pytest.fixture
def price(client: Metronome) -> Price:
    return acme_billing.offer(client, CENTS_PER_CALL, since=AUGUST)


@pytest.fixture
def subscriber(client: Metronome, price: Price) -> Subscriber:
    return acme_billing.sign_up(client, "Globex", price, AUGUST, order="order-1")
