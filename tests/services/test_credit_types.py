from __future__ import annotations

import pytest

from metronome_sandbox.domain.amounts import USD_CENTS
from metronome_sandbox.domain.errors import NotFound
from metronome_sandbox.domain.ids import CreditTypeId
from metronome_sandbox.services import credit_types
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.ids import IdFactory
from metronome_sandbox.store.memory import MemoryStore


def test_usd_comes_first_and_says_that_it_counts_cents(context: Context) -> None:
    first = credit_types.list_credit_types(context)[0]

    assert (first.id, first.name, first.is_currency) == ("2714e483-4ff1-48e4-9e25-ac732e8f24f2", "USD (cents)", True)


def test_the_other_nineteen_currencies_go_by_their_plain_name(context: Context) -> None:
    names = [credit_type.name for credit_type in credit_types.list_credit_types(context)]

    assert len(names) == 20
    assert {"EUR", "GBP", "DKK", "ZAR"} < set(names)


def test_two_tenants_have_the_same_ids(context: Context) -> None:
    other = Context(MemoryStore(), lambda: context.now, IdFactory())
    credit_types.seed(other)

    assert credit_types.list_credit_types(other) == credit_types.list_credit_types(context)


def test_an_unknown_credit_type_is_not_found(context: Context) -> None:
    assert credit_types.get_credit_type(context, USD_CENTS).name == "USD (cents)"
    with pytest.raises(NotFound, match="no credit type nowhere"):
        credit_types.get_credit_type(context, CreditTypeId("nowhere"))
