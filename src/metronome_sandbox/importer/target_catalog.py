"""What the API has that old invoices are held against: products, customers, contracts, and the invoices there are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from metronome_sandbox.client.asking import CannotAsk, Channel, message_of, value_of

USD = "2714e483-4ff1-48e4-9e25-ac732e8f24f2"
"""The credit type "USD (cents)", the same everywhere. Source: schema ``CreditType``."""

PAGE = 100
MAX_PAGES = 100_000
USAGE = "USAGE"


@dataclass(frozen=True, slots=True)
class TargetProduct:
    """A product that is not archived. Only those of type USAGE can be imported."""

    id: str
    name: str
    type: str
    pricing_group_key: tuple[str, ...]
    presentation_group_key: tuple[str, ...]
    custom_fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TargetCustomer:
    """A customer that is not archived."""

    id: str
    name: str
    ingest_aliases: tuple[str, ...]
    custom_fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TargetContract:
    """A contract that is not archived; ``credit_type_id`` is the currency of its rate card."""

    id: str
    customer_id: str
    name: str
    starting_at: datetime
    ending_before: datetime | None
    credit_type_id: str
    credit_type_name: str

    def holds(self, starting_at: datetime, ending_before: datetime) -> bool:
        """Whether a period lies inside the contract."""
        return self.starting_at <= starting_at and (self.ending_before is None or ending_before <= self.ending_before)


@dataclass(frozen=True, slots=True)
class TargetInvoice:
    """A usage invoice that is there and not voided."""

    id: str
    contract_id: str
    status: str
    starting_at: datetime
    ending_before: datetime


class TargetCatalog:
    """Products and customers are read at once, contracts and invoices of a customer when they are asked for.

    Args:
        host: What is asked.
        products: By id.
        customers: By id.
    """

    def __init__(
        self, host: Channel, products: Mapping[str, TargetProduct], customers: Mapping[str, TargetCustomer]
    ) -> None:
        self._host = host
        self.products = products
        self.customers = customers
        self._contracts: dict[str, tuple[TargetContract, ...]] = {}
        self._currencies: dict[str, tuple[str, str]] | None = None

    @classmethod
    def of(cls, host: Channel) -> TargetCatalog:
        """Return the catalog of a host.

        Raises:
            CannotAsk: It does not answer as such a host does.
        """
        active = {"archive_filter": "NOT_ARCHIVED"}
        with _as_described("products"):
            products = [_product(one) for one in _list(host, "POST", "/v1/contract-pricing/products/list", active)]
        with _as_described("customers"):
            customers = [
                _customer(one) for one in _list(host, "GET", "/v1/customers") if one.get("archived_at") is None
            ]
        return cls(host, {one.id: one for one in products}, {one.id: one for one in customers})

    def contracts(self, customer_id: str) -> tuple[TargetContract, ...]:
        """Return the contracts of a customer, the earliest first.

        Raises:
            CannotAsk: As above.
        """
        known = self._contracts.get(customer_id)
        if known is None:
            with _as_described("contracts"):
                found = [self._contract(one) for one in self._of_customer(customer_id) if not one.get("archived_at")]
            known = self._contracts[customer_id] = tuple(sorted(found, key=lambda contract: contract.starting_at))
        return known

    def invoices(self, customer_id: str) -> tuple[TargetInvoice, ...]:
        """Return the usage invoices of a customer that are not voided, drafts among them.

        Raises:
            CannotAsk: As above.
        """
        path = f"/v1/customers/{quote(customer_id, safe='')}/invoices?type={USAGE}"
        with _as_described("invoices"):
            return tuple(
                TargetInvoice(
                    one["id"],
                    one["contract_id"],
                    one["status"],
                    _instant(one["start_timestamp"]),
                    _instant(one["end_timestamp"]),
                )
                for one in _list(self._host, "GET", path)
                if one["type"] == USAGE
                and one["status"] != "VOID"
                and one.get("contract_id")
                and one.get("end_timestamp")
            )

    def _of_customer(self, customer_id: str) -> Iterator[Any]:
        """Yield contracts. Their list takes its cursor in the body, where other lists take it in the query."""
        asked: dict[str, Any] = {"customer_id": customer_id}
        for _ in range(MAX_PAGES):
            answer = _ask(self._host, "POST", "/v2/contracts/list", asked)
            yield from answer["data"]
            cursor = answer.get("cursor")
            if not cursor:
                return
            asked["cursor"] = cursor

    def _contract(self, one: Any) -> TargetContract:
        end = one.get("ending_before")
        currency = self._currency(one.get("rate_card_id"))
        return TargetContract(
            one["id"],
            one["customer_id"],
            one.get("name") or one["id"],
            _instant(one["starting_at"]),
            None if end is None else _instant(end),
            *currency,
        )

    def _currency(self, rate_card_id: str | None) -> tuple[str, str]:
        """Return id and name of the currency of a rate card, USD where it names none."""
        if self._currencies is None:
            self._currencies = {
                one["id"]: (card["id"], card["name"]) if (card := one.get("fiat_credit_type")) else (USD, "USD (cents)")
                for one in _list(self._host, "POST", "/v1/contract-pricing/rate-cards/list", {})
            }
        return self._currencies.get(rate_card_id or "", (USD, "USD (cents)"))


def _product(one: Any) -> TargetProduct:
    now = one["current"]
    pricing, presentation = (tuple(now.get(f"{name}_group_key") or ()) for name in ("pricing", "presentation"))
    return TargetProduct(one["id"], now["name"], one["type"], pricing, presentation, one.get("custom_fields") or {})


def _customer(one: Any) -> TargetCustomer:
    return TargetCustomer(one["id"], one["name"], tuple(one["ingest_aliases"]), one.get("custom_fields") or {})


@contextmanager
def _as_described(what: str) -> Iterator[None]:
    """Say so when things are not described as this API describes them.

    Raises:
        CannotAsk: They are not.
    """
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        problem = f"describes {what} otherwise than this API does ({type(error).__name__}: {error})"
        raise CannotAsk(f"the target {problem}; is --base-url right?") from None


def _list(host: Channel, method: str, path: str, body: Any = None) -> Iterator[Any]:
    """Yield the items of all pages."""
    separator = "&" if "?" in path else "?"
    page = f"{path}{separator}limit={PAGE}"
    for _ in range(MAX_PAGES):
        answer = _ask(host, method, page, body)
        yield from answer["data"]
        cursor = answer.get("next_page")
        if not cursor:
            return
        page = f"{path}{separator}limit={PAGE}&next_page={quote(str(cursor), safe='')}"


def _ask(host: Channel, method: str, path: str, body: Any = None) -> Any:
    answer = host.send(method, path, body)
    shown = path.partition("?")[0]
    if answer.status != 200:
        raise CannotAsk(f"{method} {shown} was answered with {answer.status}: {message_of(answer)}")
    value = value_of(answer)
    if not isinstance(value, dict) or not isinstance(value.get("data"), list):
        raise CannotAsk(f"{method} {shown} was answered with no list; is --base-url the address of a billing API?")
    return value


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
