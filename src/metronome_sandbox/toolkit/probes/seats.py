"""Probes of what seats bring: recurring credits by seat, balances of single seats. Money is in US cents."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator, Sequence
from typing import Any

from metronome_sandbox.toolkit.probes.lab import AUGUST, JULY, JUNE, USD, Figure, Json
from metronome_sandbox.toolkit.probes.shop import Shop, ledger
from metronome_sandbox.toolkit.probes.subscriptions import seat, subscribed
from metronome_sandbox.toolkit.probes.table import Table

TABLE = Table()
probe = TABLE.probe

ON_AUGUST_10 = "2024-08-10T00:00:00Z"


def _team(product: str, names: Sequence[str] = (), unassigned: int = 0, **terms: Any) -> Json:
    """Return a subscription of seats with the temporary id ``team``."""
    seats = {"seat_group_key": "user", "initial_seat_ids": list(names), "initial_unassigned_seats": unassigned}
    found = subscribed(product, quantity_management_mode="SEAT_BASED", seat_config=seats, temporary_id="team", **terms)
    del found["initial_quantity"]
    return found


def _by_seat(shop: Shop, starting_at: str, linked: Json | None = None, **terms: Any) -> Json:
    """Return a recurring credit of 100 a month for each seat of ``team``.

    Args:
        linked: Fields of its link to the subscription.
    """
    config = {"subscription_id": "team", "apply_seat_increase_config": {"is_prorated": True}, **(linked or {})}
    return {
        "product_id": shop.commitment,
        "name": shop.called("G"),
        "priority": 1,
        "access_amount": {"credit_type_id": USD, "unit_price": 100},
        "commit_duration": {"unit": "PERIODS", "value": 1},
        "recurrence_frequency": "MONTHLY",
        "proration": "NONE",
        "starting_at": starting_at,
        "subscription_config": config,
        **terms,
    }


def _items(shop: Shop, contract: str) -> list[Json]:
    """Return the items of the access schedules of all that was granted, oldest first."""
    granted = shop.read(contract)["credits"]
    items = [item for one in granted for item in one["access_schedule"]["schedule_items"]]
    return sorted(items, key=lambda item: str(item["starting_at"]))


def _change(shop: Shop, contract: str, **changes: Any) -> None:
    """Change seats of the contract's only subscription."""
    [subscription] = shop.read(contract)["subscriptions"]
    shop.edit(contract, update_subscriptions=[{"subscription_id": subscription["id"], "seat_updates": changes}])


@probe("A-seat-allocation")
def seat_allocation(shop: Shop) -> Iterator[Figure]:
    """A recurring credit for seats that leaves `allocation` out."""
    contract = shop.contract(subscriptions=[_team(seat(shop), "a")], recurring_credits=[_by_seat(shop, JUNE)])

    [found] = shop.read(contract)["recurring_credits"]

    yield Figure("its allocation", "POOLED", found["subscription_config"]["allocation"])


@probe("A-seat-grants")
def seat_grants(shop: Shop) -> Iterator[Figure]:
    """A credit for the two seats of a subscription that ends on July 16, and one for a subscription without seats."""
    product = seat(shop)
    middle = "2024-07-16T00:00:00Z"
    team = _team(product, "ab", ending_before=middle)

    ended = _items(shop, shop.lasting(subscriptions=[team], recurring_credits=[_by_seat(shop, JUNE)]))
    empty = _items(
        shop,
        shop.lasting(subscriptions=[_team(product)], recurring_credits=[_by_seat(shop, JUNE, ending_before=JULY)]),
    )

    found = [(item["starting_at"][:10], item["ending_before"][:10], item["amount"]) for item in ended]
    expected = [("2024-06-01", "2024-07-01", 200), ("2024-07-01", "2024-07-16", 200)]
    yield Figure("what two seats are granted, and until when", expected, found)
    yield Figure("what no seat is granted", [0], [item["amount"] for item in empty])


@probe("A-seat-increases")
def seat_increases(shop: Shop) -> Iterator[Figure]:
    """Two names that come this hour to a seat with a name and one without, with a shared credit and one for each."""
    product = seat(shop)
    now = shop.lab.now
    days = monthrange(now.year, now.month)[1]
    part = 100 * (days - now.day + 1) / days  # by days, today included

    def made(allocation: str) -> str:
        team, credit = _team(product, "a", 1), _by_seat(shop, shop.this_month, {"allocation": allocation})
        contract = shop.running(subscriptions=[team], recurring_credits=[credit])
        _change(shop, contract, add_seat_ids=[{"seat_ids": ["b", "c"], "starting_at": shop.this_hour}])
        return contract

    made("POOLED")
    entries = [amount for _, amount in ledger(shop.balances()["G"])]  # the subscription may have spent of it
    granted = sum(amount for amount in entries if amount > 0)
    yield Figure("shared: two seats, and a part for the third", 200 + part, granted)
    found = sorted(item["amount"] for item in _items(shop, made("INDIVIDUAL")))
    yield Figure("for each: a, b in the granted seat, and c a part", sorted([100, 100, part]), found)


@probe("A-seat-segments")
def seat_segments(shop: Shop) -> Iterator[Figure]:
    """A credit for each of two names and a seat without a name."""
    credit = _by_seat(shop, JUNE, {"allocation": "INDIVIDUAL"}, ending_before=JULY)
    contract = shop.lasting(subscriptions=[_team(seat(shop), "ab", 1)], recurring_credits=[credit])

    yield Figure("the amounts of its items", [100, 100], [item["amount"] for item in _items(shop, contract)])


@probe("A-seat-limit")
def seat_limit(shop: Shop) -> Iterator[Figure]:
    """A credit for each of 1,000 and of 1,001 seats without a name, and one that 1,001 share."""
    product = seat(shop)

    def status(allocation: str, seats: int) -> int:
        credit = _by_seat(shop, JULY, {"allocation": allocation}, ending_before=AUGUST)
        terms = {"subscriptions": [_team(product, (), seats)], "recurring_credits": [credit]}
        return shop.lab.status("/v1/contracts/create", shop.contract_body(**terms))

    yield Figure("one for each of 1,000", 200, status("INDIVIDUAL", 1000))
    yield Figure("one for each of 1,001", 400, status("INDIVIDUAL", 1001))
    yield Figure("one that 1,001 share", 200, status("POOLED", 1001))


@probe("A-seat-balances")
def seat_balances(shop: Shop) -> Iterator[Figure]:
    """Two seats with a credit each for June, of which one goes in August; and a subscription without seats."""
    product = seat(shop)
    credit = _by_seat(shop, JUNE, {"allocation": "INDIVIDUAL"}, ending_before=JULY)
    contract = shop.lasting(subscriptions=[_team(product, "ab"), subscribed(product)], recurring_credits=[credit])
    seats, other = (one["id"] for one in shop.read(contract)["subscriptions"])
    gone = {"remove_seat_ids": [{"seat_ids": ["b"], "starting_at": ON_AUGUST_10}]}
    shop.edit(contract, update_subscriptions=[{"subscription_id": seats, "seat_updates": gone}])
    path = "/v1/contracts/seatBalances/list"

    def found(**filters: Any) -> list[tuple[str, Any]]:
        rows = shop.lab.post(path, {**shop.named(contract), "subscription_ids": [seats], **filters})["data"]
        return [(row["seat_id"], [one["balance"] for one in row["balances"]]) for row in rows]

    yield Figure("now", [("a", [])], found())
    yield Figure("in June", [("a", [100]), ("b", [100])], found(covering_date="2024-06-15T00:00:00Z"))
    refused = shop.lab.status(path, {**shop.named(contract), "subscription_ids": [other]})
    yield Figure("of a subscription without seats", 400, refused)
