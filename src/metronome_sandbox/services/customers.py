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
    _require_free(context, new.ingest_aliases, None)
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


def _require_free(context: Context, aliases: Sequence[str], customer_id: CustomerId | None) -> None:
    """Make sure that no other customer than this one holds any of the aliases."""
    for alias in aliases:
        owner = holder(context, alias)
        if owner is not None and owner.id != customer_id:
            raise IngestAliasTaken(alias, owner.id)


def holder(context: Context, alias: str) -> Customer | None:
    """Return the customer, archived or not, that has an ingest alias now, or None."""
    owner = context.store.aliases.get(alias)
    if owner is None:
        return None
    customer = context.store.customers[owner]
    return customer if alias in customer.ingest_aliases else None  # it may have given the alias up


def set_customer_name(context: Context, customer_id: CustomerId, name: str) -> Customer:
    """Give a customer another name.

    Raises:
        CustomerNotFound: There is none.
        NotAllowedNow: It is archived.
    """
    customer = active_customer(context, customer_id, "customer_id")
    renamed = msgspec.structs.replace(customer, name=name[:NAME_LENGTH], updated_at=context.now)
    with context.transaction():
        context.store.customers.put(customer_id, renamed)
    return renamed


def set_ingest_aliases(context: Context, customer_id: CustomerId, aliases: Sequence[str]) -> Customer:
    """Give a customer these ingest aliases in place of those it has. Usage that names them is its own, earlier usage
    as well; one that is given up is free for other customers.

    Raises:
        CustomerNotFound: There is none.
        NotAllowedNow: It is archived, so that its aliases stay taken (question 8.18).
        IngestAliasTaken: Another customer has one of them, archived ones included.

    Source: operation ``setIngestAliases-v1`` and page "Idempotency".
    Assumed: an alias is moved by taking it away from one customer first, then giving it to the other (question 8.8).
    [A-alias-move]
    """
    customer = active_customer(context, customer_id, "customer_id")
    _require_free(context, aliases, customer_id)
    changed = msgspec.structs.replace(customer, ingest_aliases=tuple(dict.fromkeys(aliases)), updated_at=context.now)
    with context.transaction():
        context.store.customers.put(customer_id, changed)
        for alias in changed.ingest_aliases:
            context.store.aliases.put(alias, customer_id)
    return changed


def get_customer(context: Context, customer_id: CustomerId, path: str = "") -> Customer:
    """Return a customer, archived or not; ``path`` is that of the field that names it.

    Raises:
        CustomerNotFound: There is none.
    """
    customer = context.store.customers.get(customer_id)
    if customer is None:
        raise CustomerNotFound(customer_id, path)
    return customer


def active_customer(context: Context, customer_id: CustomerId, path: str) -> Customer:
    """Return a customer that can be written to.

    Assumed: what belongs to an archived customer can be read and no longer written (question 8.17).
    [A-archived-customer]
    """
    customer = get_customer(context, customer_id, path)
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
        owner = holder(context, ingest_alias)
        found = [owner] if owner is not None else []
    else:
        found = list(store.customers.values())
    wanted = None if customer_ids is None else {customer_id.lower() for customer_id in customer_ids}
    return [
        customer
        for customer in found
        if (customer.archived_at is not None) is only_archived and (wanted is None or customer.id in wanted)
    ]
