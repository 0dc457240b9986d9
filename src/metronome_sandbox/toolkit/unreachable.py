"""Why a call has no answer, in words."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import httpx


def why(error: BaseException, base_url: str) -> str:
    """Return what went wrong on the way to an address, or back."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLError):
            reason = getattr(cause, "verify_message", None) or cause.reason or cause
            return f"{base_url} cannot be trusted, TLS: {reason}"
    if isinstance(error, httpx.RemoteProtocolError):
        return f"{base_url} broke off: {error}"
    return f"nothing answers at {base_url}: {str(error) or type(error).__name__}"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
