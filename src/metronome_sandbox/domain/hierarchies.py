"""Account hierarchies: contracts of several customers under the contract of one, which may share its balances.

Source: guide "Model hierarchical customer relationships". Each contract is priced by itself; what a hierarchy changes
is which balances pay for a child's usage, and who pays the rest.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from metronome_sandbox.domain.ids import ContractId, CustomerId

MAX_CONTRACTS = 10
"""Of one hierarchy, the parent included. Source: guide "Model hierarchical customer relationships"."""


class Payer(StrEnum):
    """Who pays the invoices of a child. Source: field ``hierarchy_configuration.payer``."""

    SELF = "SELF"
    PARENT = "PARENT"


class StatementBehavior(StrEnum):
    """Whether a child's usage is on statements of its own. Source: field ``usage_statement_behavior``."""

    CONSOLIDATE = "CONSOLIDATE"
    SEPARATE = "SEPARATE"


class InvoiceConsolidation(StrEnum):
    """What becomes of the children's invoices at the parent. Source: field ``invoice_consolidation_type``."""

    CONCATENATE = "CONCATENATE"
    NONE = "NONE"


class ContractLink(msgspec.Struct, frozen=True, gc=False):
    """A contract of a hierarchy, with its customer. Source: schema ``HierarchyLink``."""

    contract_id: ContractId
    customer_id: CustomerId


class Membership(msgspec.Struct, frozen=True, gc=False):
    """How a child belongs to its parent. Source: schema ``ChildHierarchyConfiguration``.

    Assumed: without a payer a child pays for itself, and without a behavior its statements are separate.
    [A-hierarchy-defaults]
    """

    parent: ContractLink
    payer: Payer = Payer.SELF
    statements: StatementBehavior = StatementBehavior.SEPARATE


class AccessType(StrEnum):
    """Which children may draw on a balance of their parent."""

    ALL = "ALL"
    NONE = "NONE"
    CONTRACT_IDS = "CONTRACT_IDS"


class ChildAccess(msgspec.Struct, frozen=True, gc=False):
    """``hierarchy_configuration.child_access`` of a commit or credit; ``contract_ids`` only with that type."""

    type: AccessType
    contract_ids: tuple[ContractId, ...] = ()

    @property
    def children(self) -> int:
        """How many children it may be; all of them counts as the most there can be."""
        return MAX_CONTRACTS - 1 if self.type is AccessType.ALL else len(self.contract_ids)


def all_children_of(contract_id: ContractId) -> tuple[str, ContractId]:
    """Return the group of contracts that a balance open to all children of a contract is open to."""
    return ("children", contract_id)
