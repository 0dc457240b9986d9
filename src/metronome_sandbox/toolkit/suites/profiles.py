"""How much is asked: three profiles."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Profile:
    """What a run does beside the workflows.

    Attributes:
        name: As the command line says it.
        examples: Generated requests for each operation, well-formed and not.
        tries_every_field: Also the edges of every field of every operation, one by one.
        sequences: Random sequences of calls along the links of the document.
        leaves_out: Operations whose bodies are so rich that to generate one takes seconds.
        writes: Whether things are made, changed and taken away.
    """

    name: str
    examples: int
    tries_every_field: bool
    sequences: int
    leaves_out: frozenset[str]
    writes: bool


CROWDED = frozenset(
    (
        "createContract-v1",
        "amendContract-v1",
        "editContract-v2",
        "createPackage-v1",
        "createHistoricalContractUsageInvoices-v1",
        "createCustomerCommit-v1",
        "createCustomerCredit-v1",
    )
)

PROFILES = {
    profile.name: profile
    for profile in (
        Profile("smoke", 3, tries_every_field=False, sequences=0, leaves_out=CROWDED, writes=True),
        Profile("full", 20, tries_every_field=True, sequences=40, leaves_out=frozenset(), writes=True),
        Profile("read-only", 3, tries_every_field=False, sequences=0, leaves_out=frozenset(), writes=False),
    )
}
"""By name."""
