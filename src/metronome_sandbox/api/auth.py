"""Who calls: the bearer token names the tenant, the control plane may ask for a token of its own."""

from __future__ import annotations

from hmac import compare_digest

from metronome_sandbox.api.errors import Refusal
from metronome_sandbox.api.settings import Settings
from metronome_sandbox.api.tenants import Tenant, Tenants

MAX_TOKEN_LENGTH = 1024
"""A token is kept for as long as the server runs, so it is bounded."""

CONTROL_HEADER = b"x-sandbox-control-token"

HOW_TO = "send the header 'Authorization: Bearer <token>'"


def authenticate(header: bytes | None, tenants: Tenants, settings: Settings) -> Tenant:
    """Return the tenant that an ``Authorization`` header names.

    Args:
        header: Its value; None when it was not sent.

    Raises:
        Refusal: 401 when the header is missing, malformed or names a token that is not allowed; 429 when there are
            too many tenants. Source: page "Status codes"; the vendor does not document the text.
    """
    if header is None:
        raise _unauthorized(f"there is no bearer token; {HOW_TO}{_which(settings)}")
    scheme, _, rest = header.decode("latin-1").strip().partition(" ")
    token = rest.strip()
    if scheme.lower() != "bearer":
        raise _unauthorized(f"the Authorization header is not a bearer token; {HOW_TO}{_which(settings)}")
    if not token or " " in token:
        raise _unauthorized(f"the bearer token is {'empty' if not token else 'more than one word'}; {HOW_TO}")
    if len(token) > MAX_TOKEN_LENGTH:
        raise _unauthorized(f"the bearer token has {len(token)} characters, expected at most {MAX_TOKEN_LENGTH}")
    if settings.tokens and token not in settings.tokens:
        raise _unauthorized("this bearer token is not one of those that the server was started with (--tokens)")
    return tenants.get(token)


def check_control_token(header: bytes | None, settings: Settings) -> None:
    """Let a call of the control plane pass, if it may.

    Raises:
        Refusal: 401 when the server has a control token and ``header`` is not it.
    """
    wanted = settings.control_token
    if wanted is not None and not compare_digest(header or b"", wanted.encode()):
        raise _unauthorized("the control plane of this server wants its token in the header X-Sandbox-Control-Token")


def _unauthorized(problem: str) -> Refusal:
    return Refusal(401, f"Unauthorized: {problem}", ((b"www-authenticate", b"Bearer"),))


def _which(settings: Settings) -> str:
    return "" if settings.tokens else "; any token will do, each names a tenant of its own"
