"""``metronome-sandbox explain``: why an invoice says what it says, for a person at a terminal.

A customer of the control plane: it asks a running sandbox and shows the answer. It imports nothing of the server.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPHandler, HTTPRedirectHandler, ProxyHandler, Request, build_opener
from uuid import UUID

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from metronome_sandbox.client.hosts import is_loopback
from metronome_sandbox.client.terminal import plain

WIDTH = 80
"""Columns at most: what a terminal has when nobody made it wider."""

TIMEOUT_SECONDS = 30
CONTROL_HEADER = "X-Sandbox-Control-Token"
FINE, UNKNOWN_INVOICE, WRONG_USAGE = 0, 1, 2

JsonObject = Mapping[str, Any]


class CannotAsk(Exception):
    """There is no answer to show; the text is for the person who asked.

    Args:
        status: With which the command ends.
    """

    def __init__(self, text: str, status: int = WRONG_USAGE) -> None:
        super().__init__(text)
        self.status = status


def run(invoice_id: str, *, base_url: str, token: str, control_token: str | None = None, as_json: bool = False) -> int:
    """Show the explanation of an invoice on stdout, or say on stderr why not; return the exit status."""
    try:
        body = ask(invoice_id, base_url=base_url, token=token, control_token=control_token)
    except CannotAsk as error:
        print(f"metronome-sandbox: {error}", file=sys.stderr)
        return error.status
    if as_json:
        print(body.decode())
        return FINE
    if isinstance(sys.stdout.errors, str) and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a name that the terminal has no letters for is no reason to stop
    console = Console(highlight=False, markup=False, emoji=False)
    console.width = min(console.width, WIDTH)
    show(json.loads(body, parse_float=Decimal, parse_int=Decimal), console)
    return FINE


# --- asking


class _NoRedirects(HTTPRedirectHandler):
    """Follows nobody: the token belongs to the address that was given."""

    def redirect_request(self, *_: Any) -> None:
        """Return nothing, so that the redirect is the answer."""


def ask(invoice_id: str, *, base_url: str, token: str, control_token: str | None) -> bytes:
    """Return the answer of the operation ``explainInvoice``, JSON.

    Raises:
        CannotAsk: The id or the address is none, nobody answers there, or the answer is not an explanation.
    """
    try:
        invoice_id = str(UUID(invoice_id))
    except ValueError:
        raise CannotAsk(f"INVOICE: {invoice_id!r} is no id of an invoice, which is a UUID") from None
    address = urlsplit(base_url)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise CannotAsk(f"--base-url: {base_url!r} is no address such as http://127.0.0.1:4010")
    url = f"{base_url.rstrip('/')}/sandbox/invoices/{quote(invoice_id, safe='')}/explanation"
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    if control_token:
        headers[CONTROL_HEADER] = control_token
    handlers: list[Any] = [HTTPHandler, _NoRedirects]
    if is_loopback(address.hostname):
        handlers.append(ProxyHandler({}))  # whatever proxy the environment names, this machine is not behind it
    try:
        answer: HTTPResponse = build_opener(*handlers).open(Request(url, headers=headers), timeout=TIMEOUT_SECONDS)
        with answer:
            return _explanation(answer.read(), base_url)
    except HTTPError as error:
        with error:
            raise _refused(error, invoice_id, base_url) from None
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise CannotAsk(f"no sandbox answers at {base_url}: {reason}") from None


def _explanation(body: bytes, base_url: str) -> bytes:
    answer = json.loads(body)
    if not isinstance(answer, dict) or not {"invoice", "lines", "balances", "notes"} <= answer.keys():
        raise CannotAsk(f"what answers at {base_url} is no metronome-sandbox that explains invoices")
    return body


def _refused(error: HTTPError, invoice_id: str, base_url: str) -> CannotAsk:
    """Return what a refusal says. A 404 that does not name the invoice is of a server that lacks the operation."""
    try:
        message = json.loads(error.read())["message"]
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        return CannotAsk(f"what answers at {base_url} is no metronome-sandbox that explains invoices ({error.code})")
    is_unknown = error.code == 404 and invoice_id in str(message)
    return CannotAsk(plain(str(message)), UNKNOWN_INVOICE if is_unknown else WRONG_USAGE)


# --- showing


def show(explanation: JsonObject, console: Console) -> None:
    """Print an explanation.

    Args:
        explanation: The answer, its numbers as ``Decimal``.
    """
    _show_invoice(explanation["invoice"], console)
    balances = {balance["segment_id"]: balance for balance in explanation["balances"]}
    for line in explanation["lines"]:
        cover = line.get("covered_by")
        _show_line(line, None if cover is None else balances[cover["segment_id"]], console)
    _show_balances(explanation["balances"], console)
    if explanation["notes"]:
        console.print("\nNotes", style="bold")
        for note in explanation["notes"]:
            _say(note, console, indent=2)


def _show_invoice(invoice: JsonObject, console: Console) -> None:
    console.print(f"Invoice {invoice['id']}", style="bold")
    period = invoice.get("period")
    when = "" if period is None else f", {_day(period['starting_at'])} to {_day(period['ending_before'])}"
    unit = plain(invoice["credit_type"]["name"])
    console.print(f"{invoice['type']}, {invoice['status']}{when}: total {_number(invoice['total'])} {unit}")
    if period is not None:
        _say(period["why"], console, indent=2)


APPLICATION = "applied_commit_or_credit"


def _show_line(line: JsonObject, payer: JsonObject | None, console: Console) -> None:
    figures = _number(line["total"])
    if "quantity" in line and "unit_price" in line:
        figures = f"{_number(line['quantity'])} @ {_number(line['unit_price'])} = {figures}"
    console.print()
    console.print(Text(f"Line {line['line']}  {plain(line['name'])}: {figures}", style="bold"))
    _say(line["why"], console, indent=2)
    if "rate" in line:
        _say(_rate(line["rate"]), console, indent=4)
    for override in line["overrides"]:
        what = override.get("type", "availability")
        _say(f"Override {override['id'][:8]}, {what}, {override['decision']}: {override['why']}", console, indent=4)
    for tier in line.get("tiers", []):
        _say(
            f"Tier {tier['level']}, above {_number(tier['from'])}: {_number(tier['quantity'])} @ "
            f"{_number(tier['unit_price'])} = {_number(tier['total'])}",
            console,
            indent=4,
        )
    if "conversion" in line:
        _say(_conversion(line["conversion"]), console, indent=4)
    if "rounding" in line:
        rule = line["rounding"]
        _say(
            f"Rounding {rule['rounding_method']} to {rule['decimal_places']} places: {_number(rule['before'])} is "
            f"{_number(rule['after'])}",
            console,
            indent=4,
        )
    if payer is not None and line["type"] != APPLICATION:  # which says no more than the line that it is about
        verb = "Counted" if payer["type"] == "POSTPAID" else "Paid"
        _say(f"{verb} by {payer['name']}: {line['covered_by']['why']}", console, indent=4)


def _rate(rate: JsonObject) -> str:
    price = ", then ".join(_tier(tier) for tier in rate["tiers"]) if "tiers" in rate else _number(rate["price"])
    groups = "".join(f", {key}={value}" for key, value in rate.get("pricing_group_values", {}).items())
    until = f" until {_day(rate['ending_before'])}" if "ending_before" in rate else ""
    return (
        f"{rate['basis'].replace('_', ' ').capitalize()} {rate['rate_type']} {price}: {rate['source']}{groups}, from "
        f"{_day(rate['starting_at'])}{until}"
    )


def _tier(tier: JsonObject) -> str:
    size = tier.get("size")
    return _number(tier["price"]) if size is None else f"{_number(size)} @ {_number(tier['price'])}"


def _conversion(rule: JsonObject) -> str:
    name = f" {rule['name']}" if rule.get("name") else ""
    sign = "/" if rule["operation"] == "DIVIDE" else "*"
    return (
        f"Conversion{name}: {_number(rule['before'])} {sign} {_number(rule['conversion_factor'])} = "
        f"{_number(rule['after'])}"
    )


def _show_balances(balances: Sequence[JsonObject], console: Console) -> None:
    if not balances:
        return
    console.print("\nCommits and credits, in the order of spending", style="bold")
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("")
    table.add_column("Name", overflow="fold")
    table.add_column("Type")
    for heading in ("Before", "Drawn", "Left"):
        table.add_column(heading, justify="right", overflow="fold")
    for balance in balances:
        figures = (_number(balance[field]) for field in ("before", "drawn", "left"))
        table.add_row(str(balance["order"]), Text(plain(balance["name"])), balance["type"], *figures)
    console.print(Padding(table, (0, 0, 0, 2)))
    for balance in balances:
        _say(f"{balance['order']}  {balance['why']}", console, indent=2)


def _say(text: str, console: Console, *, indent: int) -> None:
    console.print(Padding(Text(plain(text)), (0, 0, 0, indent)))


def _number(value: Decimal) -> str:
    """Return a number as the sentences of the answer write it."""
    return f"{value:f}"


def _day(text: str) -> str:
    instant = datetime.fromisoformat(text)
    time = f", {instant:%H:%M}" if instant.hour or instant.minute else ""
    return f"{instant.day} {instant:%B %Y}{time}"
