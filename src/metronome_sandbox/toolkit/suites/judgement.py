"""Which complaints of Schemathesis are none.

Schemathesis knows the schema alone. A request can keep its schema and break a rule of billing, which no schema can say;
to refuse it is right. A sandbox notes in its journal where a request differs from the schema, which tells both apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from schemathesis import Case, HookContext, Response
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.core.parameters import ParameterLocation
from schemathesis.openapi.checks import RejectedPositiveData

READS = ("get", "list", "explain")
"""How the ids of operations begin that change nothing. What the others are asked has to keep rules of billing, which no
schema can say."""

RULES_OF_READING = re.compile(
    "|".join(
        (
            "is no cursor of this list",
            "no (customer|contract|package|subscription) .* in this tenant",  # v2 and net balance declare no 404
            "cannot stand beside",  # two filters that exclude each other
            "is not after starting_",  # a stretch of time that ends before it starts
            "is none of DRAFT, FINALIZED and VOID",  # the published document leaves the status a plain string
            "VOID has no breakdowns",
            "no subscription that is asked for has a seat",
            "is no SEAT_BASED subscription of the contract",
            "is QUANTITY_ONLY; name a SEAT_BASED subscription",
        )
    )
)
"""All rules of the operations that change nothing."""

LISTS = ("customer_ids", "salesforce_account_ids")
SENT = {"limit": re.compile("[1-9][0-9]?|100"), "only_archived": re.compile("true|false")}


def filter_of(differs_in_form: Callable[[], bool] | None) -> Callable[[HookContext, Any, Case[Any], Response], bool]:
    """Return a ``filter_failure`` hook that keeps a failure, unless the API was right all the same.

    Args:
        differs_in_form: Whether the last request differed from its schema, as the sandbox sees it. None where nobody
            tells: then no refusal of a well-formed request is a failure.
    """

    def filter_failure(context: HookContext, failure: Any, case: Case[Any], response: Response) -> bool:
        if isinstance(failure, RejectedPositiveData):
            return differs_in_form is not None and (not breaks_a_rule(case, response) or differs_in_form())
        if isinstance(failure, AcceptedNegativeData):
            return not is_well_formed_as_sent(case, response)
        return True

    return filter_failure


def breaks_a_rule(case: Case[Any], response: Response) -> bool:
    """Whether a well-formed request can have been refused for what it asks, not for its form."""
    if response.status_code == 422:
        return True  # declared for rules alone, such as that a package is archived once
    if response.status_code != 400:
        return False
    reads = str(case.operation.definition.raw["operationId"]).startswith(READS)
    return not reads or RULES_OF_READING.search(str(response.json().get("message"))) is not None


def is_well_formed_as_sent(case: Case[Any], response: Response) -> bool:
    """Whether the list of customers was asked with what can be read as a right query.

    Two of its parameters are lists of any texts. Whatever else is put there travels as a text, ``{}`` for example, and
    so it is one.
    """
    if case.operation.definition.raw["operationId"] != "listCustomers-v1" or case.meta is None:
        return False
    query = parse_qsl(urlsplit(str(response.request.url)).query, keep_blank_values=True)
    return (
        case.method == "GET"
        and not case.meta.is_negative_at(ParameterLocation.HEADER)
        and all(SENT[name].fullmatch(value) for name, value in query if name in SENT)
        and all(value.count(",") < 100 for name, value in query if name in LISTS)
    )
