"""What can be added to a contract: when it is made, by an edit, and by an amendment."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

import msgspec

from metronome_sandbox.domain.balances import Balance
from metronome_sandbox.domain.catalog import Product
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.errors import InvalidRequest, NotFound
from metronome_sandbox.domain.ids import BalanceId, GroupValues, OverrideId, ProductId, RecurringId, SubscriptionId
from metronome_sandbox.domain.overrides import (
    Override,
    OverrideSpecifier,
    OverrideTarget,
    OverrideType,
    Prioritization,
)
from metronome_sandbox.domain.payment_gates import WorkflowType
from metronome_sandbox.domain.periods import require_hour
from metronome_sandbox.domain.recurring import Recurring
from metronome_sandbox.domain.reseller_royalties import RoyaltyChange, with_change
from metronome_sandbox.domain.scheduled_charges import ProfessionalService
from metronome_sandbox.domain.subscriptions import Subscription
from metronome_sandbox.services import balances, scheduled_charges
from metronome_sandbox.services.balances import NewBalance
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.hierarchies import check_child_access
from metronome_sandbox.services.payment_gates import check_gated, initiate
from metronome_sandbox.services.prices import in_its_unit
from metronome_sandbox.services.recurring import NewRecurring, check_recurring
from metronome_sandbox.services.recurring import made as made_recurring
from metronome_sandbox.services.scheduled_charges import NewScheduledTerm
from metronome_sandbox.services.subscriptions import NewSubscription, check_subscription
from metronome_sandbox.services.subscriptions import made as made_subscriptions


class NewTerms(msgspec.Struct, frozen=True):
    """Terms to be added.

    Attributes:
        overrides: With empty ids; commits of the same request are named by their temporary ids.
        professional_services: With empty ids.
    """

    commits: tuple[NewBalance, ...] = ()
    credits: tuple[NewBalance, ...] = ()
    overrides: tuple[Override, ...] = ()
    scheduled_charges: tuple[NewScheduledTerm, ...] = ()
    discounts: tuple[NewScheduledTerm, ...] = ()
    professional_services: tuple[ProfessionalService, ...] = ()
    reseller_royalties: tuple[RoyaltyChange, ...] = ()
    recurring_commits: tuple[NewRecurring, ...] = ()
    recurring_credits: tuple[NewRecurring, ...] = ()
    subscriptions: tuple[NewSubscription, ...] = ()


def with_terms(context: Context, contract: Contract, new: NewTerms, source_id: str, prefix: str = "") -> Contract:
    """Return a contract with new terms, its new balances stored. To be called inside of an open transaction.

    Args:
        source_id: What adds them: the contract itself, an edit or an amendment. Ids derive from it.
        prefix: What stands before the names of the fields in a request, for example ``add_``.

    Raises:
        NotFound: A product, rate card or currency does not exist.
        InvalidRequest: A rule of the reference (pricing, section 6.3) is broken.
    """
    contract, new = with_subscriptions(context, contract, new, source_id, prefix)
    checked = checked_overrides(context, contract, new, prefix)
    made: list[Balance] = []
    waiting: list[Balance] = []
    recurring = made_recurring(context, (*new.recurring_commits, *new.recurring_credits), source_id)
    temporary_ids: dict[str, BalanceId | RecurringId] = {
        item.temporary_id: one.id
        for item, one in zip((*new.recurring_commits, *new.recurring_credits), recurring, strict=True)
        if item.temporary_id is not None
    }
    for item in (*new.commits, *new.credits):
        balance = balances.make(context, item, contract.customer_id, contract.id)
        if item.temporary_id is not None:
            temporary_ids[item.temporary_id] = balance.id
        if item.gate is not None and item.gate.waits:
            waiting.append(balance)
            continue
        context.store.balances.put(balance.id, balance)
        made.append(balance)
    for balance in waiting:
        initiate(context, contract, balance, WorkflowType.MANUAL_COMMIT)
    overrides = [
        _made(context, override, context.ids.derived("override", source_id, str(index)), temporary_ids)
        for index, override in enumerate(checked)
    ]
    contract = msgspec.structs.replace(
        contract,
        balance_ids=(*contract.balance_ids, *(balance.id for balance in made)),
        overrides=(*contract.overrides, *overrides),
    )
    contract = scheduled_charges.with_charges(
        context, contract, new.scheduled_charges, f"{prefix}scheduled_charges", source_id
    )
    contract = scheduled_charges.with_discounts(context, contract, new.discounts, f"{prefix}discounts", source_id)
    contract = scheduled_charges.with_services(
        context, contract, new.professional_services, f"{prefix}professional_services", source_id
    )
    if recurring:
        contract = contract.with_recurring((*contract.recurring, *recurring))
    return _with_royalties(context, contract, new.reseller_royalties, f"{prefix}reseller_royalties")


def checked_overrides(context: Context, contract: Contract, new: NewTerms, prefix: str = "") -> list[Override]:
    """Hold new commits, credits and overrides against the rules and return the overrides, each in its unit.

    Arguments and errors as for :func:`with_terms`.
    """
    names = _checked_balances(context, contract, new, prefix)
    checked: list[Override] = []
    for index, override in enumerate(new.overrides):
        with errors_below(f"{prefix}overrides[{index}]"):
            _check_override(context, contract, names, override)
            checked.append(_in_its_unit(context, contract, override))
    return checked


def with_subscriptions(
    context: Context, contract: Contract, new: NewTerms, source_id: str, prefix: str = ""
) -> tuple[Contract, NewTerms]:
    """Return a contract with new subscriptions, and the terms, which name them by their ids.

    Arguments and errors as for :func:`with_terms`.
    """
    names: set[str] = set()
    for index, item in enumerate(new.subscriptions):
        with errors_below(f"{prefix}subscriptions[{index}]"):
            check_subscription(context, contract, item)
            if item.temporary_id in names:
                raise InvalidRequest("temporary_id", f"{item.temporary_id!r} is used twice")
            if item.temporary_id is not None:
                names.add(item.temporary_id)
    made = made_subscriptions(context, contract, new.subscriptions, source_id)
    contract = msgspec.structs.replace(contract, subscriptions=(*contract.subscriptions, *made))
    return contract, _with_seats_named(new, made)


def _with_seats_named(new: NewTerms, made: Sequence[Subscription]) -> NewTerms:
    """Return terms whose recurring commits and credits name subscriptions by their ids, not by temporary ones."""
    ids = {item.temporary_id: one.id for item, one in zip(new.subscriptions, made, strict=True) if item.temporary_id}

    def named(item: NewRecurring) -> NewRecurring:
        seats = item.terms.seats
        if seats is None:
            return item
        replace = msgspec.structs.replace
        name = seats.subscription_id
        seats = replace(seats, subscription_id=ids.get(name, SubscriptionId(name.lower())))
        return replace(item, terms=replace(item.terms, seats=seats))

    return msgspec.structs.replace(
        new,
        recurring_commits=tuple(named(item) for item in new.recurring_commits),
        recurring_credits=tuple(named(item) for item in new.recurring_credits),
    )


@contextmanager
def errors_below(path: str) -> Iterator[None]:
    """Let errors whose paths are relative to ``path`` name the whole path."""
    try:
        yield
    except (InvalidRequest, NotFound) as error:
        raise error.below(path) from None


def _with_royalties(context: Context, contract: Contract, changes: Collection[RoyaltyChange], path: str) -> Contract:
    royalties = contract.reseller_royalties
    for index, change in enumerate(changes):
        for place, product_id in enumerate(change.applicable_product_ids or ()):
            if product_id not in context.store.products:
                raise NotFound("product", product_id, f"{path}[{index}].applicable_product_ids[{place}]")
        royalties = with_change(royalties, change, f"{path}[{index}]")
    return msgspec.structs.replace(contract, reseller_royalties=royalties)


def _checked_balances(context: Context, contract: Contract, new: NewTerms, prefix: str) -> set[str]:
    """Hold new commits and credits, recurring ones too, against the rules and return their temporary ids."""
    names: set[str] = set()
    fields: tuple[tuple[str, Sequence[NewBalance | NewRecurring]], ...] = (
        ("commits", new.commits),
        ("credits", new.credits),
        ("recurring_commits", new.recurring_commits),
        ("recurring_credits", new.recurring_credits),
    )
    for field, items in fields:
        for index, item in enumerate(items):
            path = f"{prefix}{field}[{index}]"
            with errors_below(path):
                if isinstance(item, NewRecurring):
                    _check_recurring(context, contract, item.terms)
                    check_child_access(context, contract.id, item.terms.child_access)
                else:
                    balances.check(context, item)
                    check_child_access(context, contract.id, item.child_access)
                    check_gated(context, item)
            if item.temporary_id is not None:
                if item.temporary_id in names:
                    raise InvalidRequest(f"{path}.temporary_id", f"{item.temporary_id!r} is used twice")
                names.add(item.temporary_id)
    return names


def _check_recurring(context: Context, contract: Contract, terms: Recurring) -> None:
    balances.check_product(context, terms.product_id)
    balances.check_targets(context, terms.applicable_product_ids, terms.applicable_product_tags, terms.specifiers)
    check_recurring(context, contract, terms)


def _check_override(context: Context, contract: Contract, names: Collection[str], override: Override) -> None:
    """Hold an override against the rules of the reference (pricing, section 6.3). Paths are relative to it."""
    if override.ending_before is not None and override.ending_before <= override.starting_at:
        raise InvalidRequest(
            "ending_before",
            f"{override.ending_before.isoformat()} is not after starting_at {override.starting_at.isoformat()}",
        )
    for field in ("starting_at", "ending_before"):
        instant = getattr(override, field)
        if instant is not None:
            require_hour(instant, field)
    if override.specifiers and (override.product_id is not None or override.applicable_product_tags):
        raise InvalidRequest("override_specifiers", "cannot stand beside product_id or applicable_product_tags")
    if override.type is None and override.entitled is None:
        raise InvalidRequest("type", "is missing; an override changes a price (type) or the availability (entitled)")
    if override.target is OverrideTarget.COMMIT_RATE and not override.is_commit_specific:
        raise InvalidRequest("target", "COMMIT_RATE needs is_commit_specific: true")
    _check_commit_names(context, contract, names, override)
    _check_price_change(contract, override)
    _check_products(context, contract, override)


def _check_commit_names(context: Context, contract: Contract, names: Collection[str], override: Override) -> None:
    recurring_ids: set[str] = {recurring.id for recurring in contract.recurring}
    for index, specifier in enumerate(override.specifiers):
        for name in specifier.balance_ids:
            path = f"override_specifiers[{index}].commit_ids"
            if not override.is_commit_specific:
                raise InvalidRequest(path, "needs is_commit_specific: true")
            known = context.store.balances.get(name)
            is_ours = known is not None and (
                known.customer_id == contract.customer_id or known.contract_id == contract.parent_id is not None
            )
            if name not in names and not is_ours and name not in recurring_ids:
                raise InvalidRequest(
                    path,
                    f"{name!r} is neither a temporary_id of this request nor a commit or credit of the customer or the "
                    "contract's parent",
                )
        for recurring_id in specifier.recurring_ids:
            path = f"override_specifiers[{index}].recurring_commit_ids"
            if not override.is_commit_specific:
                raise InvalidRequest(path, "needs is_commit_specific: true")
            if recurring_id not in names and recurring_id not in recurring_ids:
                raise InvalidRequest(
                    path,
                    f"{recurring_id!r} is neither a temporary_id of this request nor a recurring commit or credit of "
                    "the contract",
                )


def _check_price_change(contract: Contract, override: Override) -> None:
    is_explicit = contract.prioritization is Prioritization.EXPLICIT
    if override.type is OverrideType.OVERWRITE:
        if override.overwrite_price is None:
            raise InvalidRequest("overwrite_rate", "is missing; type OVERWRITE needs it")
        if override.applicable_product_tags or any(item.target.product_tags for item in override.specifiers):
            raise InvalidRequest("applicable_product_tags", "cannot choose what an OVERWRITE changes; name the product")
    if override.type is OverrideType.MULTIPLIER and override.multiplier is None:
        raise InvalidRequest("multiplier", "is missing; type MULTIPLIER needs it")
    if override.multiplier is not None and override.multiplier < 0:
        raise InvalidRequest("multiplier", f"{override.multiplier} is less than 0")
    if override.type is OverrideType.TIERED:
        if not is_explicit:
            raise InvalidRequest("type", "TIERED needs multiplier_override_prioritization EXPLICIT on the contract")
        if not override.tiers:
            raise InvalidRequest("tiers", "is missing; type TIERED needs at least one")
    needs_priority = override.type is OverrideType.TIERED or (is_explicit and override.type is OverrideType.MULTIPLIER)
    if needs_priority and (override.priority is None or override.priority <= 0):
        raise InvalidRequest("priority", f"{override.priority} is not above 0; EXPLICIT prioritization needs one")


def _check_products(context: Context, contract: Contract, override: Override) -> None:
    """Every named product must exist and be on the contract's card."""
    card = None if contract.rate_card_id is None else context.store.rate_cards[contract.rate_card_id]
    on_card = set(card.product_ids) if card is not None else set()
    named: list[tuple[str, ProductId, GroupValues]] = []
    if override.product_id is not None:
        named.append(("product_id", override.product_id, ()))
    named += [
        (f"override_specifiers[{index}].product_id", item.target.product_id, item.target.pricing_group_values)
        for index, item in enumerate(override.specifiers)
        if item.target.product_id is not None
    ]
    for path, product_id, values in named:
        product = context.store.products.get(product_id)
        if product is None:
            raise NotFound("product", product_id, path)
        if product_id not in on_card:
            raise InvalidRequest(
                path, f"No such product in rate card: {product_id} ({product.name}) has no rate on the contract's card"
            )
        if override.type is OverrideType.OVERWRITE and _lacks_a_key(product.at(override.starting_at), values):
            raise InvalidRequest(
                path.replace("product_id", "pricing_group_values"),
                f"must name every key of {list(product.pricing_group_key)} to OVERWRITE a dimensional price",
            )


def _in_its_unit(context: Context, contract: Contract, override: Override) -> Override:
    if contract.rate_card_id is None:
        return override
    return in_its_unit(context, context.store.rate_cards[contract.rate_card_id], override)


def _lacks_a_key(product: Product, values: GroupValues) -> bool:
    return {key for key, _ in values} != set(product.pricing_group_key)


def _made(
    context: Context, override: Override, override_id: str, names: Mapping[str, BalanceId | RecurringId]
) -> Override:
    """Return an override with its id, temporary ids replaced by those of the commits that were made."""
    return msgspec.structs.replace(
        override,
        id=OverrideId(override_id),
        created_at=context.now,
        specifiers=tuple(_named(specifier, names) for specifier in override.specifiers),
    )


def _named(specifier: OverrideSpecifier, names: Mapping[str, BalanceId | RecurringId]) -> OverrideSpecifier:
    return msgspec.structs.replace(
        specifier,
        balance_ids=tuple(names.get(name, name) for name in specifier.balance_ids),
        recurring_ids=tuple(names.get(name, name) for name in specifier.recurring_ids),
    )
