"""Account hierarchies on the wire: of contracts, of commits and credits. Source: schemas ``HierarchyConfiguration``,
``CommitHierarchyConfiguration`` and their inputs.
"""

from __future__ import annotations

from metronome_sandbox.api.wire.common import JsonObject, WireType, canonical, present
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.errors import InvalidRequest, NotImitated
from metronome_sandbox.domain.hierarchies import (
    AccessType,
    ChildAccess,
    ContractLink,
    InvoiceConsolidation,
    Membership,
    Payer,
    StatementBehavior,
)
from metronome_sandbox.domain.ids import ContractId, CustomerId
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.hierarchies import NewHierarchy, children

PATH = "hierarchy_configuration"


class LinkInput(WireType):
    """``parent``."""

    contract_id: str
    customer_id: str


class ParentBehaviorInput(WireType):
    """``parent_behavior``."""

    invoice_consolidation_type: str = "NONE"


class HierarchyInput(WireType):
    """``hierarchy_configuration`` of a contract."""

    parent: LinkInput | None = None
    payer: str | None = None
    usage_statement_behavior: str | None = None
    parent_behavior: ParentBehaviorInput | None = None


class ChildAccessInput(WireType):
    """``child_access``."""

    type: str
    contract_ids: list[str] = []


class BalanceHierarchyInput(WireType):
    """``hierarchy_configuration`` of a commit or credit."""

    child_access: ChildAccessInput


def new_hierarchy(wire: HierarchyInput) -> NewHierarchy:
    """Return what a new contract is in a hierarchy.

    Raises:
        InvalidRequest: It is a parent and a child, a field of a child stands without its parent, or payer and
            statements do not go together. Source: guide "Model hierarchical customer relationships".
        NotImitated: Invoices of several contracts would become one.
    """
    if wire.parent is None:
        for field in ("payer", "usage_statement_behavior"):
            if getattr(wire, field) is not None:
                raise InvalidRequest(f"{PATH}.{field}", "is for a child; send parent with it")
        return NewHierarchy(invoice_consolidation=_consolidation(wire.parent_behavior))
    if wire.parent_behavior is not None:
        raise InvalidRequest(f"{PATH}.parent_behavior", "cannot stand beside parent; a hierarchy has one level")
    payer = Payer.SELF if wire.payer is None else canonical(wire.payer, Payer)
    if (wire.usage_statement_behavior or "").upper() == StatementBehavior.CONSOLIDATE:
        if payer is Payer.SELF:
            raise InvalidRequest(f"{PATH}.usage_statement_behavior", "CONSOLIDATE needs payer PARENT; send SEPARATE")
        raise NotImitated(f"{PATH}.usage_statement_behavior", "consolidated usage invoices")
    link = ContractLink(ContractId(wire.parent.contract_id.lower()), CustomerId(wire.parent.customer_id.lower()))
    return NewHierarchy(Membership(link, payer))


def _consolidation(wire: ParentBehaviorInput | None) -> InvoiceConsolidation | None:
    if wire is None:
        return None
    consolidation = canonical(wire.invoice_consolidation_type, InvoiceConsolidation)
    if consolidation is InvoiceConsolidation.CONCATENATE:
        raise NotImitated(f"{PATH}.parent_behavior.invoice_consolidation_type", "concatenated invoices")
    return consolidation


def child_access(wire: BalanceHierarchyInput | None) -> ChildAccess | None:
    """Return which children may draw on a balance; None where it says nothing."""
    if wire is None:
        return None
    ids = tuple(dict.fromkeys(ContractId(value.lower()) for value in wire.child_access.contract_ids))
    kind = canonical(wire.child_access.type, AccessType)
    return ChildAccess(kind, ids if kind is AccessType.CONTRACT_IDS else ())


def render_hierarchy(context: Context, contract: Contract) -> JsonObject | None:
    """Return what a contract is in a hierarchy, or None."""
    membership = contract.child_of
    if membership is not None:
        return {
            "parent": render_link(membership.parent),
            "payer": membership.payer.value,
            "usage_statement_behavior": membership.statements.value,
        }
    consolidation = contract.invoice_consolidation
    links = [render_link(ContractLink(child.id, child.customer_id)) for child in children(context, contract.id)]
    if not links and consolidation is None:
        return None
    return present(
        children=links,
        parent_behavior=None if consolidation is None else {"invoice_consolidation_type": consolidation.value},
    )


def render_link(link: ContractLink) -> JsonObject:
    """Return a contract with its customer."""
    return {"contract_id": link.contract_id, "customer_id": link.customer_id}


def render_child_access(access: ChildAccess | None) -> JsonObject | None:
    """Return ``hierarchy_configuration`` of a commit or credit, or None."""
    if access is None:
        return None
    return {"child_access": present(type=access.type.value, contract_ids=list(access.contract_ids) or None)}
