"""Customers: who is billed."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from metronome_sandbox.domain.catalog import Customer
from metronome_sandbox.domain.errors import CustomerNotFound, IngestAliasTaken, NotAllowedNow
from metronome_sandbox.domain.ids import CustomerId
from metronome_sandbox.services.context import Context

NAME_LENGTH = 160
"""Longer names are cut, not refused. Source: operation ``createCustomer-v1``."""


class NewCustomer(msgspec.Struct, frozen=True):
    """What ``createCustomer-v1`` asks for."""

    name: str
    ingest_aliases: tuple[str, ...] = ()
    custom_fields: dict[str, str] = {}


def create_customer(context: Context, new: NewCustomer) -> Customer:
    """Create a customer.

    Raises:
        IngestAliasTaken: One of the aliases belongs to another customer, archived ones included.
    """
    store = context.store
    for alias in new.ingest_aliases:
        owner = store.aliases.get(alias)
        if owner is not None:
            raise IngestAliasTaken(alias, owner)
    with context.transaction():
        now = context.now
        customer = Customer(
            id=CustomerId(context.ids.next("customer")),
            name=new.name[:NAME_LENGTH],
            ingest_aliases=tuple(dict.fromkeys(new.ingest_aliases)),
            custom_fields=new.custom_fields,
            created_at=now,
            updated_at=now,
        )
        store.customers.put(customer.id, customer)
        for alias in customer.ingest_aliases:
            store.aliases.put(alias, customer.id)
    return customer


def get_customer(context: Context, customer_id: CustomerId) -> Customer:
    """Return a customer, archived or not.

    Raises:
        CustomerNotFound: There is none.
    """
    customer = context.store.customers.get(customer_id)
    if customer is None:
        raise CustomerNotFound(customer_id)
    return customer


def active_customer(context: Context, customer_id: CustomerId, path: str) -> Customer:
    """Return a customer that can be written to.

    Assumed: what belongs to an archived customer can be read and no longer written (question 8.17).
    [A-archived-customer]
    """
    customer = get_customer(context, customer_id)
    if customer.archived_at is not None:
        raise NotAllowedNow(path, f"customer {customer_id} is archived; it can be read and no longer changed")
    return customer


def list_customers(
    context: Context,
    *,
    only_archived: bool = False,
    ingest_alias: str | None = None,
    customer_ids: Sequence[str] | None = None,
) -> Sequence[Customer]:
    """Return customers in the order of creation: the active ones, or with ``only_archived`` the archived ones."""
    store = context.store
    if ingest_alias is not None:
        owner = store.aliases.get(ingest_alias)
        found = [store.customers[owner]] if owner is not None else []
    else:
        found = list(store.customers.values())
    wanted = None if customer_ids is None else {customer_id.lower() for customer_id in customer_ids}
    return [
        customer
        for customer in found
        if (customer.archived_at is not None) is only_archived and (wanted is None or customer.id in wanted)
    ]
