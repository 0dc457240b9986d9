"""The official SDK, held to its word, and a company to use it on.

The SDK builds its models without validating what comes in, so a client that only uses it sees little of what is wrong.
Ours validates the raw JSON of every answer against the model that the SDK declares for it, strictly (a text is no
number), and refuses a field that the model does not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from metronome import AsyncMetronome, DefaultHttpxClient, Metronome
from pydantic import BaseModel, TypeAdapter

from metronome_sandbox.demo.figures import Bill

USD = "2714e483-4ff1-48e4-9e25-ac732e8f24f2"
JUNE, JULY, AUGUST, SEPTEMBER = (f"2024-{month:02}-01T00:00:00Z" for month in (6, 7, 8, 9))


def unknown_fields(value: object, path: str = "$") -> Iterator[str]:
    """Yield where an answer has a field that the SDK's model does not name."""
    if isinstance(value, BaseModel):
        yield from (f"{path}.{name}" for name in value.model_extra or {})
        for name in type(value).model_fields:
            yield from unknown_fields(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from unknown_fields(item, f"{path}[{index}]")


class Strict:
    """What both clients add to the SDK's own."""

    def _process_response_data(self, *, data: object, cast_to: type[Any], response: httpx.Response) -> Any:
        if cast_to is not object:
            answer = TypeAdapter(cast_to).validate_json(response.content, strict=True)
            assert list(unknown_fields(answer)) == [], response.request.url
        return super()._process_response_data(data=data, cast_to=cast_to, response=response)  # type: ignore[misc]


class StrictClient(Strict, Metronome):
    """The SDK's client, strict."""


class StrictAsyncClient(Strict, AsyncMetronome):
    """The SDK's asynchronous client, strict."""


def connect(url: str, token: str, **options: Any) -> StrictClient:
    """A strict client that repeats nothing: a 409 or a 500 is to be seen, not to be tried again."""
    # The sandbox is on this machine; whatever proxy the environment names is not.
    http_client = DefaultHttpxClient(trust_env=False, **options)
    return StrictClient(base_url=url, bearer_token=token, max_retries=0, http_client=http_client)


@dataclass
class Acme:
    """The scenario ``acme`` in one tenant."""

    client: StrictClient
    ids: Mapping[str, Mapping[str, str]]

    @classmethod
    def of(cls, client: StrictClient) -> Acme:
        answer: Any = client.post("/sandbox/scenarios/acme", cast_to=object)
        return cls(client, answer["ids"])

    @property
    def customer_id(self) -> str:
        return self.ids["customers"]["Acme Inc"]

    @property
    def contract_id(self) -> str:
        return self.ids["contracts"]["Acme 2024"]

    @property
    def rate_card_id(self) -> str:
        return self.ids["rate_cards"]["Acme list prices"]

    @property
    def api_calls(self) -> str:
        return self.ids["products"]["API calls"]

    @property
    def prepaid_usage(self) -> str:
        return self.ids["products"]["Prepaid usage"]

    def historical(self, start: str, end: str, quantity: float | None = None, **others: Any) -> Any:
        """An invoice for ``createHistoricalInvoices`` with one line of API calls; ``others`` belong to the line."""
        window = {"inclusive_start_date": start, "exclusive_end_date": end}
        line = {"product_id": self.api_calls, **window, **others}
        if quantity is not None:
            line["quantity"] = quantity
        return {
            "customer_id": self.customer_id,
            "contract_id": self.contract_id,
            "credit_type_id": USD,
            "issue_date": end,
            "usage_line_items": [line],
            **window,
        }

    def import_june_and_july(self, *, preview: bool = False) -> list[Any]:
        invoices = [self.historical(JUNE, JULY, 10), self.historical(JULY, AUGUST, 20)]
        return self.client.v1.contracts.create_historical_invoices(invoices=invoices, preview=preview).data

    def invoices(self, **filters: Any) -> list[Any]:
        return list(self.client.v1.customers.invoices.list(customer_id=self.customer_id, **filters))

    def commit(self) -> Any:
        [commit] = self.client.v1.contracts.list_balances(
            customer_id=self.customer_id, include_contract_balances=True, include_balance=True, include_ledgers=True
        )
        return commit

    def advance(self, to: str) -> list[Any]:
        passage: Any = self.client.post("/sandbox/clock/advance", body={"to": to}, cast_to=object)
        return passage["events"]


def bills(invoices: list[Any]) -> list[tuple[float, float, float, float]]:
    """Units, usage, what the commit paid and what is due of each invoice, in US cents."""
    found = [Bill.of(invoice) for invoice in invoices]
    return [(bill.units, bill.usage, bill.prepaid, bill.due) for bill in found]
