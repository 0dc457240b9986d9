"""What is planned is imported once: from the first try, after a death at any point, and beside what was there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count, groupby
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from importer.old_books import CREATE, FILE, Books, told, world

from metronome_sandbox.client.asking import Answer, CannotAsk
from metronome_sandbox.client.sending import Sender
from metronome_sandbox.importer.apply import Applied, NotThisTarget, apply
from metronome_sandbox.importer.batches import Item, batches, idempotency_key, in_order, pack
from metronome_sandbox.importer.journal import Header, Journal
from metronome_sandbox.importer.legacy import LegacyInvoice
from metronome_sandbox.importer.on_target import made
from metronome_sandbox.importer.request import content_key, request_of
from metronome_sandbox.importer.verify import Verified, verify
from metronome_sandbox.serving import BackgroundServer

HEADER = Header("file", "mapping", "host")
OPERATION = "createHistoricalContractUsageInvoices-v1"
_tokens = count()


@pytest.fixture
def books(server: BackgroundServer) -> Iterator[Books]:
    sender = sender_of(server, f"apply-{next(_tokens)}")
    yield Books(sender)
    sender.close()


def sender_of(server: BackgroundServer, token: str, **settings: Any) -> Sender:
    return Sender(server.url, token, wait=lambda seconds: time.sleep(min(seconds, 0.01)) or False, **settings)


@contextmanager
def journal_in(folder: Path, header: Header = HEADER) -> Iterator[Journal]:
    journal = Journal(folder / "import.journal", header)
    try:
        yield journal
    finally:
        journal.close()


def groups_of(books: Books, invoices: list[LegacyInvoice] | None = None) -> list[list[Item]]:
    """Preview each customer's invoices and plan them all."""
    groups = []
    chosen = sorted(invoices or books.invoices, key=lambda invoice: invoice.customer_id)
    for _, found in groupby(chosen, key=lambda invoice: invoice.customer_id):
        group = list(found)
        body = {"invoices": [request_of(invoice) for invoice in group], "preview": True}
        answer = books.sender.send("POST", CREATE, body)
        previews = made(answer)
        assert previews is not None, answer
        groups.append([Item(pack(invoice), preview.total) for invoice, preview in zip(group, previews, strict=True)])
    return groups


def imported(books: Books, folder: Path, groups: list[list[Item]], **options: Any) -> Applied:
    with journal_in(folder) as journal:
        return apply(groups, books.sender, journal, file=FILE, **options)


def verified(books: Books, folder: Path) -> Verified:
    with journal_in(folder) as journal:
        customers = [[pack(invoice) for invoice in books.of(customer)] for customer in books.customers]
        return verify(customers, books.sender, journal, file=FILE)


def calls(books: Books, operation: str = OPERATION) -> list[dict[str, Any]]:
    found = told(books.sender.send("GET", "/sandbox/requests?limit=1000"))["data"]
    return [call for call in found if call["operation_id"] == operation]


def writes(books: Books) -> int:
    return sum(1 for call in calls(books) if not call["request_body"]["preview"])


def counts(applied: Applied) -> tuple[int, int, int, int]:
    return applied.sent, applied.found, applied.known, applied.left


# The way it mostly goes


def test_all_is_imported_once_and_read_back(books: Books, tmp_path: Path):
    groups = groups_of(books)
    applied = imported(books, tmp_path, groups)

    assert (counts(applied), applied.findings) == ((16, 0, 0, 0), [])
    checked = verified(books, tmp_path)
    assert (checked.invoices, checked.findings) == (16, [])
    assert checked.draws > 0
    assert checked.totals == {books.invoices[0].credit_type_id: sum(each.total for group in groups for each in group)}


def test_what_is_complete_is_not_sent_again(books: Books, tmp_path: Path):
    groups = groups_of(books)
    imported(books, tmp_path, groups)
    before = writes(books), world(books.sender, books.customers)
    applied = imported(books, tmp_path, groups)

    assert counts(applied) == (0, 0, 16, 0)
    assert (writes(books), world(books.sender, books.customers)) == before


def test_a_lost_journal_sends_nothing_twice(books: Books, tmp_path: Path):
    groups = groups_of(books)
    imported(books, tmp_path, groups)
    before = writes(books), world(books.sender, books.customers)
    (tmp_path / "import.journal").unlink()
    applied = imported(books, tmp_path, groups)

    assert counts(applied) == (0, 16, 0, 0)
    assert (writes(books), world(books.sender, books.customers)) == before
    assert verified(books, tmp_path).findings == []


# Deaths


class Died(BaseException):
    """Where the process would have ended."""


class Dying(Sender):
    """Ends at the n-th write: before it, or when the target has done it."""

    def __init__(self, *args: Any, at: int, is_done: bool, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._left = at
        self._is_done = is_done

    def send(self, method: str, path: str, body: Any = None, key: str | None = None, /, **settings: Any) -> Answer:
        if path == CREATE and key is not None:
            self._left -= 1
            if self._left == 0 and not self._is_done:
                raise Died
        answer = super().send(method, path, body, key, **settings)
        if path == CREATE and key is not None and self._left == 0:
            raise Died
        return answer


@pytest.mark.parametrize("is_done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_whatever_was_under_way_is_there_once(server: BackgroundServer, tmp_path: Path, at: int, is_done: bool):
    token = f"dying-{at}-{is_done}"
    books = Books(sender_of(server, token))
    undisturbed = Books(sender_of(server, f"{token}-undisturbed"))
    imported(undisturbed, tmp_path / "..", groups_of(undisturbed), batch_size=4)
    (tmp_path / "../import.journal").unlink()
    groups = groups_of(books)
    dying = Dying(server.url, token, at=at, is_done=is_done, concurrency=1)
    with journal_in(tmp_path) as journal, pytest.raises(Died):
        apply(groups, dying, journal, file=FILE, batch_size=4)
    applied = imported(books, tmp_path, groups)

    assert applied.findings == []
    assert applied.sent + applied.found + applied.known == 16
    assert applied.found == (4 if is_done else 0)
    assert world(books.sender, books.customers) == world(undisturbed.sender, undisturbed.customers)
    assert verified(books, tmp_path).findings == []
    dying.close()
    books.sender.close()
    undisturbed.sender.close()


def test_a_request_that_may_be_under_way_is_sent_again_as_it_was(
    books: Books, server: BackgroundServer, tmp_path: Path
):
    groups = groups_of(books)[:1]
    token = f"apply-{next(_tokens) - 1}"
    dying = Dying(server.url, token, at=1, is_done=False, concurrency=1)
    with journal_in(tmp_path) as journal, pytest.raises(Died):
        apply(groups, dying, journal, file=FILE, batch_size=4)
    dying.close()
    imported(books, tmp_path, groups)  # which would take all eight at once

    assert [len(call["request_body"]["invoices"]) for call in reversed(calls(books)[:2])] == [4, 4]


def test_a_request_that_is_still_under_way_when_the_next_run_begins_is_done_once(
    server: BackgroundServer, books: Books, tmp_path: Path
):
    groups = groups_of(books)[:1]
    items = in_order(groups[0])
    [batch] = batches(items)
    key = idempotency_key(batch.body, 0, 0)
    late = {"kind": "delay", "delay_seconds": 0.7, "operation_id": OPERATION, "count": 1}
    told(books.sender.send("POST", "/sandbox/faults", late))
    answers: list[Answer] = []
    first = Thread(target=lambda: answers.append(books.sender.send("POST", CREATE, batch.body, key)))
    with journal_in(tmp_path) as journal:
        journal.announce(key, items)
        first.start()  # by a process that was killed then, so that nobody waits for its answer
        while told(books.sender.send("GET", "/sandbox/faults"))["data"][0]["disturbed"] == 0:
            time.sleep(0.01)
        applied = apply(groups, books.sender, journal, file=FILE)
    first.join()

    assert counts(applied) == (8, 0, 0, 0)
    assert answers[0].headers["idempotency-replayed"] == "true"  # it came second, although it was sent first
    usage = [one for one in world(books.sender, books.customers[:1]) if one.get("status") == "FINALIZED"]
    assert len(usage) == 8


def test_who_gives_up_waiting_sends_the_same_again(server: BackgroundServer, books: Books, tmp_path: Path):
    groups = groups_of(books)[:1]
    slow = {"kind": "delay", "delay_seconds": 0.6, "operation_id": OPERATION, "count": 1}
    told(books.sender.send("POST", "/sandbox/faults", slow))
    hasty = sender_of(server, f"apply-{next(_tokens) - 1}", timeout_seconds=0.3)
    with journal_in(tmp_path) as journal:
        applied = apply(groups, hasty, journal, file=FILE)
    hasty.close()

    assert counts(applied) == (8, 0, 0, 0)
    time.sleep(0.4)  # until the first one has been done as well
    usage = [one for one in world(books.sender, books.customers[:1]) if one.get("status") == "FINALIZED"]
    assert len(usage) == 8


# Faults


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 429, "retry_after_seconds": 0},
        {"kind": "status", "status": 503},
        {"kind": "status", "status": 500},
        {"kind": "drop"},
        {"kind": "lose_answer"},
        {"kind": "broken_json"},
    ],
    ids=lambda fault: f"{fault['kind']} {fault.get('status', '')}".strip(),
)
def test_every_write_goes_wrong_once_and_nothing_differs(
    server: BackgroundServer, tmp_path: Path, fault: dict[str, Any]
):
    token = f"faults-{fault['kind']}-{fault.get('status')}"
    books = Books(sender_of(server, token, concurrency=1))  # so that the faults meet the first try of each batch
    undisturbed = Books(sender_of(server, f"{token}-undisturbed"))
    imported(undisturbed, tmp_path / "..", groups_of(undisturbed), batch_size=4)
    (tmp_path / "../import.journal").unlink()
    groups = groups_of(books)
    for call in range(1, 8, 2):  # each second one: the first of a batch, not the one that repeats it
        told(
            books.sender.send("POST", "/sandbox/faults", {**fault, "operation_id": OPERATION, "call": call, "count": 1})
        )
    applied = imported(books, tmp_path, groups, batch_size=4)

    disturbed = told(books.sender.send("GET", "/sandbox/faults"))["data"]
    assert [rule["disturbed"] for rule in disturbed] == [1] * 4
    assert (applied.findings, applied.left) == ([], 0)
    assert world(books.sender, books.customers) == world(undisturbed.sender, undisturbed.customers)
    assert verified(books, tmp_path).findings == []
    books.sender.close()
    undisturbed.sender.close()


def test_a_page_cut_short_ends_in_no_second_invoice(server: BackgroundServer, books: Books, tmp_path: Path):
    groups = groups_of(books)
    imported(books, tmp_path, groups)
    before = world(books.sender, books.customers)
    fault = {"kind": "truncated_page", "operation_id": "listInvoices-v1", "count": 1}
    told(books.sender.send("POST", "/sandbox/faults", fault))
    with pytest.raises(NotThisTarget, match="which does not have it"):
        imported(books, tmp_path, groups)
    sender = sender_of(server, f"apply-{next(_tokens) - 1}")  # the other one was stopped

    assert world(sender, books.customers) == before
    sender.close()


def test_a_request_that_is_too_large_is_sent_in_halves(books: Books, tmp_path: Path):
    groups = groups_of(books)[:1]
    fault = {"kind": "status", "status": 413, "operation_id": OPERATION, "count": 1}
    told(books.sender.send("POST", "/sandbox/faults", fault))
    applied = imported(books, tmp_path, groups)

    assert counts(applied) == (8, 0, 0, 0)
    assert [len(call["request_body"]["invoices"]) for call in reversed(calls(books)[:3])] == [8, 4, 4]


def test_a_token_that_may_not_write_ends_it(books: Books, tmp_path: Path):
    groups = groups_of(books)
    fault = {"kind": "status", "status": 403, "message": "read only", "operation_id": OPERATION}
    told(books.sender.send("POST", "/sandbox/faults", fault))
    with pytest.raises(CannotAsk, match="answered 403: read only"):
        imported(books, tmp_path, groups)


# What is there already, and what changes in between


def test_an_other_invoice_in_the_place_stops_the_customer_and_no_one_else(books: Books, tmp_path: Path):
    groups = groups_of(books)
    old = groups[0][2].packed.unpacked()
    other = replace(old, lines=(old.lines[1],))
    told(books.sender.send("POST", CREATE, {"invoices": [request_of(other)], "preview": False}))
    before = len(calls(books))
    applied = imported(books, tmp_path, groups)

    assert counts(applied) == (8, 0, 0, 8)
    assert len(calls(books)) == before + 1
    [finding] = applied.findings
    assert (finding.file, finding.line, finding.value) == (FILE, old.lines[0].rows[0], old.number)
    assert "the target has invoice" in finding.problem
    assert f"its quantity of product {old.lines[0].product_id} is 0 and not" in finding.problem


def test_a_total_that_is_not_the_previews_stops_the_customer(books: Books, tmp_path: Path):
    groups = groups_of(books)
    off = [replace(each, total=each.total + 1) if place == 0 else each for place, each in enumerate(groups[0])]
    applied = imported(books, tmp_path, [off, groups[1]])

    [finding] = applied.findings
    assert "was imported with a total of" in finding.problem
    assert "nothing more was sent for this customer" in finding.problem
    again = imported(books, tmp_path, groups)  # whatever a later preview says: it is known what was expected
    assert [one.problem for one in again.findings] == [finding.problem]
    accepted = imported(books, tmp_path, groups, accept_differences=True)
    assert counts(accepted) == (0, 0, 16, 0)
    assert "its preview had" in verified(books, tmp_path).findings[0].problem


def test_a_rate_that_changes_in_between_stops_the_customer_after_one_request(books: Books, tmp_path: Path):
    groups = groups_of(books)
    books.post(
        "/v1/contract-pricing/rate-cards/addRate",
        {
            "rate_card_id": books.rate_card,
            "product_id": books.products["Storage"],
            "starting_at": "2024-01-01T00:00:00Z",
            "entitled": True,
            "rate_type": "FLAT",
            "price": 9999,
        },
    )
    applied = imported(books, tmp_path, groups, batch_size=2)

    assert len(applied.findings) == 2
    assert applied.sent == 4
    assert applied.left == 12


def test_a_refusal_is_told_in_the_targets_words(books: Books, tmp_path: Path):
    groups = groups_of(books)
    contract = groups[0][0].packed.unpacked().contract_id
    told(
        books.sender.send(
            "POST",
            "/v1/contracts/archive",
            {"customer_id": books.customers[0], "contract_id": contract, "void_invoices": False},
        )
    )
    applied = imported(
        books, tmp_path, [group for group in groups if group[0].packed.customer_id == books.customers[0]]
    )

    [finding] = applied.findings
    assert "answered" in finding.problem
    assert "with 400: invoices[" in finding.problem
    assert "is archived" in finding.problem


def test_what_was_voided_is_told_and_imported_again_with_a_new_journal(books: Books, tmp_path: Path):
    groups = groups_of(books)
    imported(books, tmp_path, groups)
    before = world(books.sender, books.customers)
    with journal_in(tmp_path) as journal:
        known = journal.imported(groups[0][0].key)
    assert known is not None
    told(books.sender.send("POST", "/v1/invoices/void", {"id": known.id}))

    assert verified(books, tmp_path).findings[0].problem == f"invoice {known.id}: it is void by now"
    stopped = imported(books, tmp_path, groups)
    assert f"invoice {known.id} was imported and is void by now" in stopped.findings[0].problem
    (tmp_path / "import.journal").unlink()
    again = imported(books, tmp_path, groups)  # under a key of its own: the old one's answer speaks of the void one

    assert (counts(again), again.findings) == ((1, 15, 0, 0), [])
    alive = [one for one in world(books.sender, books.customers) if one.get("status") != "VOID"]
    assert [one for one in alive if "total" in one] == [one for one in before if "total" in one]


def test_a_sandbox_that_was_reset_is_not_imported_into_by_an_old_journal(
    server: BackgroundServer, books: Books, tmp_path: Path
):
    groups = groups_of(books)
    imported(books, tmp_path, groups[:1])
    told(books.sender.send("POST", "/sandbox/reset"))
    again = Books(books.sender)
    with pytest.raises(NotThisTarget, match="the sandbox was reset; name another --journal"):
        imported(again, tmp_path, groups)
    again.sender = sender_of(server, f"apply-{next(_tokens) - 1}")  # the other one was stopped
    assert not [
        one for one in world(again.sender, again.customers[:1]) if "line_items" in one and one["status"] != "DRAFT"
    ]
    again.sender.close()


def test_the_same_rows_twice_are_one_invoice(books: Books, tmp_path: Path):
    groups = groups_of(books)
    applied = imported(books, tmp_path, [[*groups[0], groups[0][0]], groups[1]])

    assert counts(applied) == (16, 0, 0, 0)


def test_an_invoice_that_is_issued_later_is_a_draft_until_then(books: Books, tmp_path: Path):
    first = books.of(books.customers[0])[0]
    later = replace(first, issued_at=datetime(2024, 9, 1, tzinfo=UTC))  # the clock stands on 15 August
    groups = groups_of(books, [later])
    assert counts(imported(books, tmp_path, groups)) == (1, 0, 0, 0)
    assert counts(imported(books, tmp_path, groups)) == (0, 0, 1, 0)
    with journal_in(tmp_path) as journal:
        known = journal.imported(content_key(later))
        assert known is not None
        assert known.status == "DRAFT"
        assert verify([[pack(later)]], books.sender, journal, file=FILE).findings == []
        told(books.sender.send("POST", "/sandbox/clock/advance", {"by": "P1M"}))
        assert verify([[pack(later)]], books.sender, journal, file=FILE).findings == []


# Verification


def test_what_changed_afterwards_is_found(books: Books, tmp_path: Path):
    groups = groups_of(books)
    imported(books, tmp_path, groups)
    first = groups[0][0].packed.unpacked()
    with journal_in(tmp_path) as journal:
        known = journal.imported(content_key(first))
        assert known is not None
        lied = replace(first, issued_at=first.ending_before)
        journal._imported[content_key(lied)] = known  # as if the rows had said another day
        [finding] = verify([[pack(lied)]], books.sender, journal, file=FILE).findings
    assert finding.problem == (
        f"invoice {known.id}: it was issued at {first.issued_at:%Y-%m-%dT%H:%M:%SZ} and not at "
        f"{first.ending_before:%Y-%m-%dT%H:%M:%SZ}"
    )


def test_a_draw_that_the_ledger_does_not_have_is_found(books: Books, tmp_path: Path):
    groups = groups_of(books)
    imported(books, tmp_path, groups)
    first = groups[0][0].packed.unpacked()
    with journal_in(tmp_path) as journal:
        known = journal.imported(content_key(first))
        assert known is not None
        [balance, *_] = known.draws
        more = {**known.draws, balance: known.draws[balance] + Decimal("0.5")}
        journal._imported[known.key] = type(known)(known.key, known.id, known.total, known.expected, more)
        [finding] = verify([[pack(first)]], books.sender, journal, file=FILE).findings
    assert finding.problem.startswith(f"invoice {known.id} took {more[balance]:f} from balance {balance}, whose ledger")
