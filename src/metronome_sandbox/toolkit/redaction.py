"""What never reaches a file: tokens, cookies, and values whose names say that they are secret.

Problem: names alone mislead. ``input_tokens`` of a usage event is what a company bills, and a webhook's secret is an
ordinary property. Choice: the headers that carry credentials lose their values; so does a property or query parameter
whose last word is one of a few, when its value is text and no number; and wherever else the bearer token itself stands,
it goes, if it is long enough to be one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import quote, unquote_plus

from metronome_sandbox.toolkit.exchanges import Answered, Exchange, Headers, Sent, header

REMOVED = "[removed]"
SHORTEST_TOKEN = 12
"""A shorter token, ``demo`` for example, is part of ordinary words and opens nothing but a sandbox."""

CREDENTIALS = re.compile(
    r"authorization|cookie|token|secret|password|credential|signature|session|api-?key", re.IGNORECASE
)
"""Headers whose names hold one of these carry no value into a file."""

SECRET_NAME = re.compile(
    r"(?:^|_)(?:secret|token|password|passphrase|credential|credentials|api_?key|secret_?key|private_?key|access_?key)$"
)


class Redaction:
    """Removes secrets from a message.

    Args:
        tokens: Texts that are removed wherever they stand.
        keeps_secrets: Leave properties and query parameters with secret names as they are. Credentials of the caller
            are removed all the same.
    """

    def __init__(self, tokens: Iterable[str] = (), *, keeps_secrets: bool = False) -> None:
        given = {token for token in tokens if len(token) >= SHORTEST_TOKEN}
        # In a body a token may stand escaped, in an address percent-encoded.
        forms = given | {json.dumps(token)[1:-1] for token in given} | {quote(token, safe="") for token in given}
        self._tokens = sorted(forms, key=len, reverse=True)
        self._keeps_secrets = keeps_secrets

    def text(self, text: str) -> str:
        """Return a text without the tokens."""
        for token in self._tokens:
            text = text.replace(token, REMOVED)
        return text

    def headers(self, headers: Headers) -> Headers:
        """Return headers; those that carry credentials only say that they were there."""
        return tuple((name, REMOVED if CREDENTIALS.search(name) else self.text(value)) for name, value in headers)

    def query(self, query: str) -> str:
        """Return a query string without tokens and without the values of secret parameters."""
        fields = self.text(query).split("&") if query else []
        return "&".join(self._field(field) for field in fields)

    def _field(self, field: str) -> str:
        name, equals, value = field.partition("=")
        return f"{name}={REMOVED}" if equals and self._is_secret(unquote_plus(name), unquote_plus(value)) else field

    def body(self, body: bytes) -> bytes:
        """Return a body; byte for byte the same when nothing had to be removed."""
        try:
            text = body.decode()
        except UnicodeDecodeError:
            for token in self._tokens:
                body = body.replace(token.encode(), REMOVED.encode())
            return body
        text = self.text(text)
        if not self._keeps_secrets and text[:1].strip() in ("{", "[", ""):
            try:
                tree = json.loads(text)
                changed = self._tree(tree)
            except (ValueError, RecursionError):
                return text.encode()
            if changed is not tree:
                text = json.dumps(changed, ensure_ascii=False)
        return text.encode()

    def _tree(self, value: Any) -> Any:
        """Return a tree without secrets; the very same one when it has none."""
        if isinstance(value, dict):
            fresh = {name: REMOVED if self._is_secret(name, one) else self._tree(one) for name, one in value.items()}
            return value if all(fresh[name] is one for name, one in value.items()) else fresh
        if isinstance(value, list):
            items = [self._tree(one) for one in value]
            return value if all(new is old for new, old in zip(items, value, strict=True)) else items
        return value

    def _is_secret(self, name: str, value: Any) -> bool:
        if self._keeps_secrets or not isinstance(value, str) or value == "" or _is_number(value):
            return False
        snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).replace("-", "_").lower()
        return SECRET_NAME.search(snake) is not None

    def exchange(self, exchange: Exchange) -> Exchange:
        """Return an exchange as it may be kept."""
        return replace(exchange, sent=self.sent(exchange.sent), answered=self.answered(exchange.answered))

    def sent(self, sent: Sent) -> Sent:
        """Return a request as it may be kept."""
        return replace(
            sent,
            path=self.text(sent.path),
            query=self.query(sent.query),
            headers=self.headers(sent.headers),
            body=self.body(sent.body),
        )

    def answered(self, answered: Answered) -> Answered:
        """Return an answer as it may be kept."""
        return replace(answered, headers=self.headers(answered.headers), body=self.body(answered.body))


def tokens_of(sent: Sent) -> list[str]:
    """Return the credentials that a request carries: the bearer token, and what it tells a control plane."""
    authorization = header(sent.headers, "authorization") or ""
    _, _, bearer = authorization.strip().partition(" ")
    control = header(sent.headers, "x-sandbox-control-token") or ""
    return [text for text in (bearer.strip() or authorization.strip(), control.strip()) if text]


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[-+]?[0-9]+(?:\.[0-9]+)?", text) is not None
