"""The assumptions that no probe asks about, and why. A test holds both tables against ``docs/assumptions.md``."""

from __future__ import annotations

from collections.abc import Mapping

NOT_PROBED: Mapping[str, str] = {
    "A-created-by": "the name belongs to the token that an account gave out, so no figure of ours can predict it",
}
"""The reason for each."""
