"""A plan made real: the catalog, the history of each customer, and what they are called and made by in files."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from metronome_sandbox.generator import ids
from metronome_sandbox.generator.catalog import catalog_of
from metronome_sandbox.generator.histories import history_of
from metronome_sandbox.generator.months import months_after
from metronome_sandbox.generator.plan import Plan
from metronome_sandbox.generator.profiles import PROFILES, told_by
from metronome_sandbox.generator.requests import Creation, JsonObject, Requests
from metronome_sandbox.generator.world import Catalog, Contract, Customer, History

REMEMBERED = 1024
"""Ids that are at hand; the lines of a customer name few things many times."""


class World:
    """What a plan comes to. Nothing of it is kept.

    Attributes:
        plan: As given.
        profile: What kind of company bills.
        granularity: DAY or HOUR, of all quantities.
        billed_until: First day after the months that are generated.
        id_of: Returns what a thing is called in files, by its kind and its key.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.profile = told_by(PROFILES[plan.profile], plan.granularity.upper())
        self._requests = Requests(self.profile, plan.seed)
        self.granularity = self.profile.granularity
        self.billed_until = months_after(plan.start, plan.months)
        self.id_of = lru_cache(REMEMBERED)(self._id_of)

    def history(self, number: int) -> History:
        """Return what happened to a customer."""
        return history_of(self.profile, self.plan.seed, number, self.plan.start, self.plan.months)

    def customer_alone(self, number: int) -> Customer:
        """Return a customer, without working out what happened to it."""
        return history_of(self.profile, self.plan.seed, number, self.plan.start, 0).customer

    def _id_of(self, kind: str, key: str) -> str:
        return ids.id_of(self.plan.seed, self.plan.profile, kind, key)

    @property
    def catalog(self) -> Catalog:
        """What all customers share."""
        return catalog_of(self.profile)

    def catalog_requests(self) -> list[Creation]:
        """Return what makes the catalog, each after what it names."""
        return list(self._requests.catalog())

    def rates(self) -> list[JsonObject]:
        """Return the bodies of ``addRates``, one for each rate card."""
        return list(self._requests.rates())

    def customer(self, customer: Customer) -> Creation:
        """Return what makes a customer."""
        return self._requests.customer(customer)

    def contract(self, contract: Contract) -> Creation:
        """Return what makes a contract."""
        return self._requests.contract(contract, self.billed_until)

    def catalog_json(self) -> dict[str, Any]:
        """Return the catalog as its file has it."""
        made = [
            {
                "kind": one.kind,
                "key": one.key,
                "id": self.id_of(one.kind, one.key),
                "path": one.path,
                "request": one.body,
            }
            for one in self.catalog_requests()
        ]
        return {"catalog": made, "rates": self.rates()}

    def catalog_ids(self) -> dict[str, dict[str, str]]:
        """Return the ids of what all customers share, by kind and key."""
        found: dict[str, dict[str, str]] = {}
        for one in self.catalog_requests():
            found.setdefault(one.kind, {})[one.key] = self.id_of(one.kind, one.key)
        return found
