"""Credit types: the currencies that amounts are counted in."""

from __future__ import annotations

from collections.abc import Sequence

from metronome_sandbox.domain.amounts import CURRENCIES, USD_CENTS, CreditType
from metronome_sandbox.domain.errors import NotFound
from metronome_sandbox.domain.ids import CreditTypeId
from metronome_sandbox.services.context import Context


def seed(context: Context) -> None:
    """Give a new tenant its currencies. Source: guide "Use currency and custom pricing units" for names and units.

    Assumed: the ids of all but USD, which nobody publishes; ours depend on the name alone (section 2 of the pricing
    reference).  [A-currency-ids]
    """
    ids = {"USD (cents)": USD_CENTS}
    ids |= {name: CreditTypeId(context.ids.derived("credit_type", name)) for name in CURRENCIES}
    with context.transaction():
        for name, credit_type_id in ids.items():
            context.store.credit_types.put(credit_type_id, CreditType(credit_type_id, name, is_currency=True))


def get_credit_type(context: Context, credit_type_id: CreditTypeId) -> CreditType:
    """Return a credit type.

    Raises:
        NotFound: There is none.
    """
    credit_type = context.store.credit_types.get(credit_type_id)
    if credit_type is None:
        raise NotFound("credit type", credit_type_id)
    return credit_type


def list_credit_types(context: Context) -> Sequence[CreditType]:
    """Return all credit types: USD, the other currencies by name."""
    return list(context.store.credit_types.values())
