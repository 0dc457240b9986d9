"""Credit types on the wire. Source: operation ``listCreditTypes-v1`` and schema ``CreditType``."""

from __future__ import annotations

from metronome_sandbox.api.wire.common import JsonObject, WireType, decode, decoder
from metronome_sandbox.domain.amounts import USD_CENTS, CreditType
from metronome_sandbox.domain.ids import CreditTypeId


class CreateCreditType(WireType):
    """Body of ``createCreditType-v1``."""

    name: str


class ArchiveCreditType(WireType):
    """Body of ``archiveCreditType-v1``."""

    id: str


_CREATE = decoder(CreateCreditType)
_ARCHIVE = decoder(ArchiveCreditType)


def parse_create(body: bytes) -> str:
    """Return the name."""
    return decode(_CREATE, body).name


def parse_archive(body: bytes) -> CreditTypeId:
    """Return the id."""
    return CreditTypeId(decode(_ARCHIVE, body).id.lower())


def credit_type_or_usd(value: str | None) -> CreditTypeId:
    """Return the unit that a request names; cents of USD where it names none."""
    return USD_CENTS if value is None else CreditTypeId(value.lower())


def render(credit_type: CreditType) -> JsonObject:
    """Return an entry of the list."""
    return {**render_short(credit_type), "is_currency": credit_type.is_currency}


def render_short(credit_type: CreditType) -> JsonObject:
    """Return the form that stands beside amounts."""
    return {"id": credit_type.id, "name": credit_type.name}
