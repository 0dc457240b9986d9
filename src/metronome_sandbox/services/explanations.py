"""Why an invoice says what it says: finds it, with what its ids stand for."""

from __future__ import annotations

from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.explanation import Explanation, Surroundings, explain
from metronome_sandbox.domain.ids import InvoiceId, OverrideId
from metronome_sandbox.domain.overrides import Override
from metronome_sandbox.services.charges import subscriptions_beside
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.drafts import find_invoice
from metronome_sandbox.services.hierarchies import relatives
from metronome_sandbox.services.pricing import price_book


def explain_invoice(context: Context, invoice_id: InvoiceId) -> Explanation:
    """Return the explanation of an invoice of any customer, a draft as it is now.

    Raises:
        NotFound: There is none.
    """
    store = context.store
    invoice = find_invoice(context, invoice_id)
    contract = store.contracts[invoice.contract_id]
    book = price_book(context, contract)
    card = None if contract.rate_card_id is None else store.rate_cards.get(contract.rate_card_id)
    family = relatives(context, contract.customer_id)
    return explain(
        invoice,
        Surroundings(
            contract,
            book,
            "" if card is None else card.name,
            _overrides(context, contract),
            {balance_id: store.balances[balance_id] for each in family for balance_id in store.balances_of.ids(each)},
            {unit.id: unit.name for unit in store.credit_types.values()},
            invoice.issued_at if invoice.period is None else invoice.period.starting_at,
            () if invoice.period is None else subscriptions_beside(context, contract, invoice.period),
        ),
    )


def _overrides(context: Context, contract: Contract) -> dict[OverrideId, Override]:
    """Return the contract's overrides in the order they were added, then those it had once."""
    history = context.store.contract_histories.get(contract.id)
    earlier = () if history is None else tuple(version.contract for version in reversed(history.versions))
    found: dict[OverrideId, Override] = {}
    for version in (contract, *earlier):
        for override in version.overrides:
            found.setdefault(override.id, override)
    return found
