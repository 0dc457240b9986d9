"""Customers on the wire. Source: schemas ``Customer`` and ``CustomerDetail``."""

from __future__ import annotations

from typing import Any

from metronome_sandbox.api.wire.common import JsonObject, WireType, decode, decoder, time
from metronome_sandbox.domain.catalog import Customer
from metronome_sandbox.domain.errors import NotImitated
from metronome_sandbox.domain.ids import CustomerId
from metronome_sandbox.services.customers import NewCustomer


class CreateCustomer(WireType):
    """Body of ``createCustomer-v1``."""

    name: str
    ingest_aliases: tuple[str, ...] = ()
    external_id: str | None = None
    custom_fields: dict[str, str] = {}
    customer_billing_provider_configurations: list[Any] = []
    customer_revenue_system_configurations: list[Any] = []
    billing_config: dict[str, Any] | None = None


class ArchiveCustomer(WireType):
    """Body of ``archiveCustomer-v1``."""

    id: str


class SetName(WireType):
    """Body of ``setCustomerName-v1``."""

    name: str


class SetIngestAliases(WireType):
    """Body of ``setIngestAliases-v1``."""

    ingest_aliases: tuple[str, ...]


_CREATE = decoder(CreateCustomer)
_SET_NAME = decoder(SetName)
_SET_ALIASES = decoder(SetIngestAliases)
_ARCHIVE = decoder(ArchiveCustomer)


def parse_create(body: bytes) -> NewCustomer:
    """Return the command. ``external_id`` is the older form of a single alias."""
    wire = decode(_CREATE, body)
    for field in (
        "customer_billing_provider_configurations",
        "customer_revenue_system_configurations",
        "billing_config",
    ):
        if getattr(wire, field):
            raise NotImitated(field, "billing providers and revenue systems")
    aliases = wire.ingest_aliases if wire.external_id is None else (*wire.ingest_aliases, wire.external_id)
    return NewCustomer(wire.name, aliases, wire.custom_fields)


def parse_set_name(body: bytes) -> str:
    """Return the new name."""
    return decode(_SET_NAME, body).name


def parse_set_ingest_aliases(body: bytes) -> tuple[str, ...]:
    """Return the new aliases."""
    return decode(_SET_ALIASES, body).ingest_aliases


def parse_archive(body: bytes) -> CustomerId:
    """Return the customer that the body names."""
    return CustomerId(decode(_ARCHIVE, body).id.lower())


def render(customer: Customer) -> JsonObject:
    """Return the short form, that create answers. The external id is the first alias, or the id without one."""
    return {
        "id": customer.id,
        "external_id": customer.ingest_aliases[0] if customer.ingest_aliases else customer.id,
        "ingest_aliases": list(customer.ingest_aliases),
        "name": customer.name,
        "custom_fields": customer.custom_fields,
    }


def render_detail(customer: Customer) -> JsonObject:
    """Return the long form, that get and list answer."""
    return {
        **render(customer),
        "customer_config": {"salesforce_account_id": None},
        "created_at": time(customer.created_at),
        "updated_at": time(customer.updated_at),
        "archived_at": None if customer.archived_at is None else time(customer.archived_at),
    }
