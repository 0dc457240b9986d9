"""Credit types: the currencies and custom pricing units that amounts are counted in."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from metronome_sandbox.domain.amounts import CURRENCIES, USD_CENTS, CreditType
from metronome_sandbox.domain.errors import InvalidRequest, NotAllowedNow, NotFound
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


def get_credit_type(context: Context, credit_type_id: CreditTypeId, path: str = "") -> CreditType:
    """Return a credit type; ``path`` is that of the field that names it.

    Raises:
        NotFound: There is none.
    """
    credit_type = context.store.credit_types.get(credit_type_id)
    if credit_type is None:
        raise NotFound("credit type", credit_type_id, path)
    return credit_type


def active_credit_type(context: Context, credit_type_id: CreditTypeId, path: str) -> CreditType:
    """Return a credit type that something new can count in.

    Raises:
        NotFound: There is none.
        NotAllowedNow: It is archived.
    """
    credit_type = get_credit_type(context, credit_type_id, path)
    if credit_type.archived_at is not None:
        raise NotAllowedNow(path, f"{credit_type.name} ({credit_type_id}) is archived; name an active pricing unit")
    return credit_type


def require_currency(context: Context, credit_type_id: CreditTypeId, path: str) -> None:
    """Make sure that an invoice can be in this credit type.

    Raises:
        NotFound: There is none.
        InvalidRequest: It is a custom unit. Source: guide "Use currency and custom pricing units": what is granted in a
            custom unit is billed in a currency.
    """
    credit_type = get_credit_type(context, credit_type_id, path)
    if not credit_type.is_currency:
        raise InvalidRequest(
            path, f"{credit_type.name} ({credit_type_id}) is a custom pricing unit; an invoice needs a currency"
        )


def create_credit_type(context: Context, name: str) -> CreditType:
    """Create a custom pricing unit. Source: the SDK's ``credit-types/create``.

    Assumed: two units may have one name.  [A-unit-names]
    """
    with context.transaction():
        unit = CreditType(CreditTypeId(context.ids.next("credit_type")), name, is_currency=False)
        context.store.credit_types.put(unit.id, unit)
    return unit


def archive_credit_type(context: Context, credit_type_id: CreditTypeId) -> CreditType:
    """Archive a custom pricing unit. Source: the SDK's ``credit-types/archive``.

    Raises:
        NotFound: There is none.
        InvalidRequest: It is a currency.
        NotAllowedNow: It is archived already.

    Assumed: what counts in the unit goes on; the unit is not listed any more, and no card takes it up.
    [A-archived-unit]
    """
    unit = get_credit_type(context, credit_type_id)
    if unit.is_currency:
        raise InvalidRequest("id", f"{unit.name} ({unit.id}) is a currency; only custom pricing units can be archived")
    if unit.archived_at is not None:
        raise NotAllowedNow("id", f"{unit.name} ({unit.id}) is archived already")
    archived = msgspec.structs.replace(unit, archived_at=context.now)
    with context.transaction():
        context.store.credit_types.put(unit.id, archived)
    return archived


def list_credit_types(context: Context) -> Sequence[CreditType]:
    """Return USD, the other currencies by name, and the custom units in the order of creation."""
    return [credit_type for credit_type in context.store.credit_types.values() if credit_type.archived_at is None]
