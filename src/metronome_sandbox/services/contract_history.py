"""What became of contracts: written down with each change, read back as it was."""

from __future__ import annotations

import msgspec

from metronome_sandbox.domain.balances import Balance
from metronome_sandbox.domain.contract_history import Amendment, ContractEdit, ContractHistory, ContractVersion
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.ids import ContractId
from metronome_sandbox.services.context import Context


def history_of(context: Context, contract_id: ContractId) -> ContractHistory:
    """Return what became of a contract; nothing yet for one that has not changed."""
    return context.store.contract_histories.get(contract_id) or ContractHistory()


def own_balances(context: Context, contract: Contract) -> tuple[Balance, ...]:
    """Return a contract's own commits and credits, in its order."""
    return tuple(context.store.balances[balance_id] for balance_id in contract.balance_ids)


def remember(context: Context, contract: Contract) -> None:
    """Keep how a contract is before it changes. To be called inside of an open transaction, before the change."""
    history = history_of(context, contract.id)
    version = ContractVersion(context.now, contract, own_balances(context, contract))
    _put(context, contract.id, msgspec.structs.replace(history, versions=(*history.versions, version)))


def record(context: Context, contract_id: ContractId, edit: ContractEdit) -> None:
    """Add an edit to the history, inside of an open transaction."""
    history = history_of(context, contract_id)
    _put(context, contract_id, msgspec.structs.replace(history, edits=(*history.edits, edit)))


def record_amendment(context: Context, contract_id: ContractId, amendment: Amendment) -> None:
    """Add an amendment to the history, inside of an open transaction."""
    history = history_of(context, contract_id)
    _put(context, contract_id, msgspec.structs.replace(history, amendments=(*history.amendments, amendment)))


def _put(context: Context, contract_id: ContractId, history: ContractHistory) -> None:
    context.store.contract_histories.put(contract_id, history)
