"""The shares of resellers: kept and shown, no price depends on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec
from msgspec import UNSET, UnsetType

from metronome_sandbox.domain.catalog import Product
from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.domain.ids import ProductId
from metronome_sandbox.domain.periods import Period
from metronome_sandbox.domain.targeting import has_any


class ResellerType(StrEnum):
    """Through which marketplace a contract was sold. Source: schema ``ResellerType``."""

    AWS = "AWS"
    AWS_PRO_SERVICE = "AWS_PRO_SERVICE"
    GCP = "GCP"
    GCP_PRO_SERVICE = "GCP_PRO_SERVICE"


class ResellerRoyalty(msgspec.Struct, frozen=True, gc=False):
    """A reseller's share of what some products cost, for a time. Source: schema ``ResellerRoyalty``.

    Attributes:
        fraction: Of the spend.
        reseller_contract_value: Metadata, in the reseller's own unit.
    """

    reseller_type: ResellerType
    fraction: Decimal
    netsuite_reseller_id: str
    starting_at: datetime
    ending_before: datetime | None = None
    applicable_product_ids: tuple[ProductId, ...] = ()
    applicable_product_tags: tuple[str, ...] = ()
    reseller_contract_value: Decimal | None = None
    aws_account_number: str | None = None
    aws_payer_reference_id: str | None = None
    aws_offer_id: str | None = None
    gcp_account_id: str | None = None
    gcp_offer_id: str | None = None

    @property
    def period(self) -> Period:
        """When it holds."""
        return Period(self.starting_at, self.ending_before)

    def concerns(self, product: Product) -> bool:
        """Whether the product's spend is shared."""
        return has_any(product, self.applicable_product_ids, self.applicable_product_tags)


def royalty_of(
    royalties: Iterable[ResellerRoyalty], products: Iterable[Product], instant: datetime
) -> ResellerRoyalty | None:
    """Return the royalty that an invoice shows: the first one in force at ``instant`` for one of its products.

    Assumed: the instant is the start of the invoice's period, or its issue time; a later change of the contract shows
    on its finalized invoices as well, as custom fields do.  [A-reseller-royalty]
    """
    sold = list(products)
    return next(
        (item for item in royalties if instant in item.period and any(item.concerns(product) for product in sold)), None
    )


class RoyaltyChange(msgspec.Struct, frozen=True, gc=False):
    """What an edit or amendment says of the royalty of one type; None is left as it is, an end can be cleared.

    Source: schema ``ResellerRoyaltyOrUpdateInput``.
    """

    reseller_type: ResellerType
    fraction: Decimal | None = None
    netsuite_reseller_id: str | None = None
    starting_at: datetime | None = None
    ending_before: datetime | UnsetType | None = UNSET
    applicable_product_ids: tuple[ProductId, ...] | None = None
    applicable_product_tags: tuple[str, ...] | None = None
    reseller_contract_value: Decimal | None = None
    aws_account_number: str | None = None
    aws_payer_reference_id: str | None = None
    aws_offer_id: str | None = None
    gcp_account_id: str | None = None
    gcp_offer_id: str | None = None


def with_change(royalties: Sequence[ResellerRoyalty], change: RoyaltyChange, path: str) -> tuple[ResellerRoyalty, ...]:
    """Return royalties, each type's in the order of time, after a change.

    Raises:
        InvalidRequest: It is the first of its type and lacks a field, or it names no products, or ends before it
            starts.

    Assumed: with a later start it is a further segment, which takes over from the one before what it does not say, but
    for the end; the one before ends there. Without it changes the last segment of its type.  [A-royalty-change]
    """
    own = [item for item in royalties if item.reseller_type is change.reseller_type]
    others = tuple(item for item in royalties if item.reseller_type is not change.reseller_type)
    given = {name: value for name, value in msgspec.structs.asdict(change).items() if value not in (None, UNSET)}
    if change.ending_before is None:
        given["ending_before"] = None
    if not own:
        for field in ("fraction", "netsuite_reseller_id", "starting_at"):
            if field not in given:
                raise InvalidRequest(f"{path}.{field}", "is missing; the first royalty of its type needs it")
        return (*others, _checked(ResellerRoyalty(**given), path))
    last = own[-1]
    if change.starting_at is None or change.starting_at == last.starting_at:
        return (*others, *own[:-1], _checked(msgspec.structs.replace(last, **given), path))
    if change.starting_at < last.starting_at:
        raise InvalidRequest(
            f"{path}.starting_at",
            f"{change.starting_at.isoformat()} is before the start of the royalty of type {last.reseller_type}, "
            f"{last.starting_at.isoformat()}",
        )
    before = last
    if last.ending_before is None or last.ending_before > change.starting_at:
        before = msgspec.structs.replace(last, ending_before=change.starting_at)
    following = msgspec.structs.replace(last, **{"ending_before": None, **given})
    return (*others, *own[:-1], before, _checked(following, path))


def _checked(royalty: ResellerRoyalty, path: str) -> ResellerRoyalty:
    if not royalty.applicable_product_ids and not royalty.applicable_product_tags:
        raise InvalidRequest(f"{path}.applicable_product_ids", "is missing; name products by id or by tag")
    if royalty.ending_before is not None and royalty.ending_before <= royalty.starting_at:
        raise InvalidRequest(
            f"{path}.ending_before",
            f"{royalty.ending_before.isoformat()} is not after starting_at {royalty.starting_at.isoformat()}",
        )
    return royalty
