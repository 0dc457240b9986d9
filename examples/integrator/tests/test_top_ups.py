"""Three ways to sell a top-up, the same as long as nothing goes wrong.

Nothing in here is about networks. ``metronome-sandbox check --exactly-once -- tests/test_top_ups.py`` disturbs each
call of these tests, and compares what is billed then.
"""

from __future__ import annotations

import pytest
from figures import TODAY

import acme_billing

pytestmark = pytest.mark.metronome(writes=True)


def test_a_top_up_without_a_key(client, subscriber):
    acme_billing.top_up(client, subscriber, 500, TODAY, order=None)

    assert acme_billing.owed(client, subscriber) == {"FINALIZED": 500, "DRAFT": 0}


def test_a_top_up_with_an_idempotency_key(client, subscriber):
    acme_billing.top_up(client, subscriber, 500, TODAY, order="order-2")

    assert acme_billing.owed(client, subscriber) == {"FINALIZED": 500, "DRAFT": 0}


def test_a_top_up_with_a_uniqueness_key(client, subscriber):
    acme_billing.top_up_for_ever(client, subscriber, 500, TODAY, order="order-2")

    assert acme_billing.owed(client, subscriber) == {"FINALIZED": 500, "DRAFT": 0}
