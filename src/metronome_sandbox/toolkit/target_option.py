"""What ``--metronome-target`` names, and what tests may do there.

``sandbox`` is one in this process; a URL is a sandbox that runs already or the real API; a ``.har`` file is a
recording.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from urllib.parse import urlsplit

VENDOR = "metronome.com"
"""The domain of the real API."""


class TargetKind(Enum):
    """Where a target is."""

    SANDBOX = "sandbox"
    URL = "url"
    RECORDING = "recording"


class WrongTarget(Exception):
    """It cannot be used; the text is for the person who named it."""


@dataclass(frozen=True, slots=True)
class TargetOption:
    """What a suite talks to.

    Attributes:
        where: Nothing for a sandbox of our own, else a URL without a slash at its end or the path of a file.
    """

    kind: TargetKind
    where: str = ""

    @property
    def host(self) -> str:
        """The host of a URL, in lower case; empty for other targets."""
        return (urlsplit(self.where).hostname or "") if self.kind is TargetKind.URL else ""

    @property
    def is_vendor(self) -> bool:
        """Whether it is the real API itself. Something else may still lead to it, a proxy for example."""
        return self.host == VENDOR or self.host.endswith(f".{VENDOR}")

    @property
    def words(self) -> str:
        """What somebody says who wants to write where real customers may be billed.

        That is wherever no sandbox answers. Source: page "API quickstart": the vendor's sandbox and production share
        one host, the token alone tells them apart, and a token does not show which one it opens.
        """
        return f"yes, write to {self.host}"


def parse_target(text: str) -> TargetOption:
    """Return the target that an option names.

    Raises:
        WrongTarget: It is none of the three.
    """
    if text == TargetKind.SANDBOX.value:
        return TargetOption(TargetKind.SANDBOX)
    if text.lower().endswith(".har"):
        if not Path(text).is_file():
            raise WrongTarget(f"there is no file {text!r}")
        return TargetOption(TargetKind.RECORDING, text)
    try:
        parts = urlsplit(text)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_url = False
    if not is_url:
        raise WrongTarget(f"{text!r} is no target; expected 'sandbox', a URL such as https://host, or a file FILE.har")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise WrongTarget("the URL of a target is scheme, host and perhaps a path; a token goes into the environment")
    return TargetOption(TargetKind.URL, text.rstrip("/"))
