"""Ledgers and balances at an instant: what the golden tables do not show."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from builders import credit, postpaid, prepaid, segment, utc

from metronome_sandbox.domain.balances import Balance
from metronome_sandbox.domain.ids import BalanceId, ContractId, InvoiceId, SegmentId
from metronome_sandbox.domain.invoices import Draw
from metronome_sandbox.domain.ledger import PostedDraw, balance_at, ledger


def drawn(amount: str, timestamp: str, *, of: str = "C/1") -> PostedDraw:
    draw = Draw(BalanceId(of.partition("/")[0]), SegmentId(of), Decimal(amount), utc(timestamp))
    return PostedDraw(InvoiceId("invoice"), ContractId("contract"), draw)


def entries(balance: Balance, *posted: PostedDraw, now: str) -> list[tuple[str, str, Decimal]]:
    return [(each.kind, f"{each.timestamp:%Y-%m-%d}", each.amount) for each in ledger(balance, posted, utc(now))]


def test_a_prepaid_commit_ends_exactly_at_ending_before() -> None:
    commit = prepaid("500", starting_at="2025-01-01", ending_before="2025-02-01")

    assert balance_at(commit, {}, utc("2024-12-31T23:59:59")) == 0
    assert balance_at(commit, {}, utc("2025-01-01")) == 500
    assert balance_at(commit, {}, utc("2025-01-31T23:59:59")) == 500
    assert balance_at(commit, {}, utc("2025-02-01")) == 0


def test_a_balance_is_the_sum_of_the_segments_that_are_open() -> None:
    commit = prepaid(segments=[segment("100", "2025-01-01", "2025-03-01"), segment("10", "2025-02-01", "2025-04-01")])
    spent = {SegmentId("C/1"): Decimal(30), SegmentId("C/2"): Decimal(4)}

    assert [balance_at(commit, spent, utc(day)) for day in ("2025-01-15", "2025-02-15", "2025-03-15")] == [70, 76, 6]


def test_a_balance_is_never_less_than_zero() -> None:
    assert balance_at(prepaid("100"), {SegmentId("C/1"): Decimal(130)}, utc("2025-02-01")) == 0


def test_a_draw_at_the_end_stands_before_the_expiration() -> None:
    commit = prepaid("100", starting_at="2025-01-01", ending_before="2025-02-01")

    assert entries(commit, drawn("30", "2025-02-01"), now="2025-02-01") == [
        ("SEGMENT_START", "2025-01-01", 100),
        ("AUTOMATED_INVOICE_DEDUCTION", "2025-02-01", -30),
        ("EXPIRATION", "2025-02-01", -70),
    ]


def test_a_draw_of_a_draft_is_there_although_it_is_dated_ahead() -> None:
    commit = prepaid("100", starting_at="2025-01-01", ending_before="2026-01-01")

    assert entries(commit, drawn("30", "2025-02-01"), now="2025-01-10") == [
        ("SEGMENT_START", "2025-01-01", 100),
        ("AUTOMATED_INVOICE_DEDUCTION", "2025-02-01", -30),
    ]


def test_a_postpaid_commitment_does_not_expire() -> None:
    commit = postpaid("100", starting_at="2025-01-01", ending_before="2025-02-01")

    assert entries(commit, drawn("30", "2025-02-01"), now="2025-06-01") == [
        ("INITIAL_BALANCE", "2025-01-01", 100),
        ("AUTOMATED_INVOICE_DEDUCTION", "2025-02-01", -30),
    ]


def archived(**about: Any) -> Balance:
    return credit("100", starting_at="2025-01-01", ending_before="2025-04-01", **about)


def test_an_archived_balance_expires_when_it_is_archived() -> None:
    assert entries(archived(archived_at="2025-02-10"), drawn("30", "2025-02-01"), now="2025-06-01") == [
        ("SEGMENT_START", "2025-01-01", 100),
        ("AUTOMATED_INVOICE_DEDUCTION", "2025-02-01", -30),
        ("EXPIRATION", "2025-02-10", -70),
    ]
    assert balance_at(archived(archived_at="2025-02-10"), {}, utc("2025-02-10")) == 0


def test_what_is_archived_before_it_starts_has_no_entries() -> None:
    assert entries(archived(archived_at="2024-12-10"), now="2025-06-01") == []
