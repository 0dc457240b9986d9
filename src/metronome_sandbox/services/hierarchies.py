"""Account hierarchies: which contracts belong together, and what is right in one."""

from __future__ import annotations

import msgspec

from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.errors import ContractNotFound, CustomerNotFound, InvalidRequest
from metronome_sandbox.domain.hierarchies import (
    MAX_CONTRACTS,
    ChildAccess,
    ContractLink,
    InvoiceConsolidation,
    Membership,
    Payer,
)
from metronome_sandbox.domain.ids import ContractId, CustomerId
from metronome_sandbox.domain.periods import Period
from metronome_sandbox.services.context import Context


class NewHierarchy(msgspec.Struct, frozen=True):
    """``hierarchy_configuration`` of a new contract: that of a child, that of a parent, or nothing."""

    child_of: Membership | None = None
    invoice_consolidation: InvoiceConsolidation | None = None


def relatives(context: Context, customer_id: CustomerId) -> tuple[CustomerId, ...]:
    """Return the customers whose contracts may share balances with this one's, directly or over others; itself first.

    A customer's own contracts share its balances, so one with contracts in two hierarchies joins them.
    """
    store = context.store
    found = {customer_id: None}
    waiting = [customer_id]
    while waiting:
        for contract_id in store.children_of.ids(waiting.pop()):
            child = store.contracts[contract_id]
            linked = (
                (child.customer_id,)
                if child.child_of is None
                else (child.child_of.parent.customer_id, child.customer_id)
            )
            waiting += (each for each in linked if each not in found)
            found |= dict.fromkeys(linked)
    return tuple(found)


def children(context: Context, contract_id: ContractId) -> list[Contract]:
    """Return the children of a contract that are not archived, in the order of creation."""
    store = context.store
    found = (store.contracts[child_id] for child_id in store.children_of.ids(contract_id))
    return [child for child in found if child.archived_at is None]


def payer(contract: Contract) -> ContractLink | None:
    """Return who pays for the usage of a child; None for a contract that is no child.

    Source: field ``Invoice.payer``.
    Assumed: only a child's usage invoices name it, and also where the child pays for itself.  [A-payer]
    """
    if contract.child_of is None:
        return None
    if contract.child_of.payer is Payer.PARENT:
        return contract.child_of.parent
    return ContractLink(contract.id, contract.customer_id)


def check_hierarchy(
    context: Context, customer_id: CustomerId, new: NewHierarchy, during: Period, replaces: ContractId | None = None
) -> None:
    """Hold the hierarchy of a new contract against the rules.

    Args:
        during: When the new contract is in force.
        replaces: The contract that ends where the new one starts.

    Raises:
        CustomerNotFound, ContractNotFound: There is no such parent.
        InvalidRequest: The parent is archived, the same customer's, or a child itself, or has all the children it may.

    Source: guide "Model hierarchical customer relationships".
    Assumed: a contract that was not made as a parent may become one; of the ten only those count that are not archived
    and in force together with the new one; the parent's dates do not bind its children.  [A-hierarchy-nodes]
    """
    if new.child_of is None:
        return
    path = "hierarchy_configuration.parent"
    link = new.child_of.parent
    if link.customer_id not in context.store.customers:
        raise CustomerNotFound(link.customer_id, f"{path}.customer_id")
    parent = context.store.contracts.get(link.contract_id)
    if parent is None:
        raise ContractNotFound(link.contract_id, f"{path}.contract_id")
    if parent.customer_id != link.customer_id:
        raise InvalidRequest(f"{path}.contract_id", f"contract {parent.id} does not belong to {link.customer_id}")
    if parent.customer_id == customer_id:
        raise InvalidRequest(
            f"{path}.customer_id", "is the customer itself; a hierarchy has one contract under another's"
        )
    if parent.archived_at is not None:
        raise InvalidRequest(f"{path}.contract_id", f"contract {parent.id} is archived")
    if parent.child_of is not None:
        raise InvalidRequest(
            f"{path}.contract_id",
            f"contract {parent.id} is a child of {parent.child_of.parent.contract_id}; a hierarchy has one level",
        )
    beside = [child for child in children(context, parent.id) if child.id != replaces and child.period.overlaps(during)]
    if len(beside) + 1 >= MAX_CONTRACTS:
        raise InvalidRequest(
            f"{path}.contract_id",
            f"contract {parent.id} has {MAX_CONTRACTS - 1} children; a hierarchy has at most {MAX_CONTRACTS} contracts",
        )


def check_child_access(context: Context, contract_id: ContractId | None, access: ChildAccess | None) -> None:
    """Make sure that a balance of this contract can be shared in this way; paths are relative to the balance.

    Raises:
        ContractNotFound: It names a contract that does not exist.
        InvalidRequest: It is a balance of the customer, or names a contract that is no child of its own.

    Assumed: ``contract_ids`` may only name children that exist.  [A-child-access]
    """
    if access is None:
        return
    path = "hierarchy_configuration"
    if contract_id is None:
        raise InvalidRequest(path, "is for commits and credits of a contract; this one is the customer's")
    for index, child_id in enumerate(access.contract_ids):
        child_path = f"{path}.child_access.contract_ids[{index}]"
        child = context.store.contracts.get(child_id)
        if child is None:
            raise ContractNotFound(child_id, child_path)
        if child.parent_id != contract_id:
            raise InvalidRequest(child_path, f"{child_id} is no child of contract {contract_id}")
