"""What a host has of a world, noted as it gets it: a line for each thing of the catalog and for each whole customer.

The file is only appended to. What a kill cut off at its end is dropped, and what it told is done again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from metronome_sandbox.client.encoding import encode
from metronome_sandbox.generator.aside import CannotWrite
from metronome_sandbox.generator.plan import WrongUse
from metronome_sandbox.generator.worlds import World

SYNC_SECONDS = 1.0
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


@dataclass(frozen=True, slots=True)
class Pushed:
    """A customer that the host has with all that belongs to it, under the host's ids."""

    number: int
    key: str
    id: str
    contracts: Mapping[str, str]
    invoices: Mapping[str, str]
    total: Decimal
    """Of the invoices that stand, in cents, by the host's answers."""


class Journal:
    """What one host has of one world.

    Args:
        file: Where it is kept.

    Attributes:
        ids: The host's id of each thing of the catalog, by kind and key.
        has_rates: Whether the rate cards have their rates.
        last: The customer noted last.
        total: Of all customers noted, in cents.

    Raises:
        WrongUse: The file is of another world.
        CannotWrite: It cannot be written to.
    """

    def __init__(self, file: Path, world: World) -> None:
        self._mark = world.plan.mark
        self._file = file
        self._customers = world.plan.customers
        self._synced = time.monotonic()
        self._forget()
        try:
            file.parent.mkdir(exist_ok=True)
            with ExitStack() as stack:
                self._out: BinaryIO = stack.enter_context(file.open("ab"))
                self._read()
                stack.pop_all()  # open until close()
        except OSError as error:
            raise CannotWrite(f"cannot write {file}: {error.strerror}") from None

    def _forget(self) -> None:
        self.ids: dict[tuple[str, str], str] = {}
        self.has_rates = False
        self.last: Pushed | None = None
        self.total = Decimal(0)
        self._has = bytearray(self._customers + 1)

    def _read(self) -> None:
        """Read what is there, up to the last line that is whole."""
        end = 0
        with self._file.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                try:
                    self._take(_DECODER.decode(line))
                except (msgspec.DecodeError, LookupError, TypeError, ArithmeticError):
                    raise WrongUse(
                        f"{self._file}: line at byte {end} was not written by a push; remove the file"
                    ) from None
                end += len(line)
        self._out.truncate(end)

    def _take(self, line: Mapping[str, Any]) -> None:
        if "plan" in line:
            if line["plan"] != self._mark:
                raise WrongUse(f"{self._file} tells of another world; name another --out")
        elif "kind" in line:
            self.ids[line["kind"], line["key"]] = line["id"]
        elif "rates" in line:
            self.has_rates = True
        else:
            self._note(msgspec.convert(line, Pushed))

    def _note(self, pushed: Pushed) -> None:
        self._has[pushed.number] = 1
        self.total += pushed.total
        self.last = pushed

    @property
    def is_begun(self) -> bool:
        """Whether the host has anything."""
        return bool(self.ids)

    def has(self, number: int) -> bool:
        """Whether the host has a customer with all that belongs to it."""
        return bool(self._has[number])

    @property
    def customers(self) -> int:
        """How many customers the host has."""
        return sum(self._has)

    def begin_anew(self) -> None:
        """Forget everything."""
        self._forget()
        self._out.truncate(0)

    def add_made(self, kind: str, key: str, made: str) -> None:
        """Note a thing of the catalog."""
        if not self.ids:
            self._append({"plan": self._mark})
        self.ids[kind, key] = made
        self._append({"kind": kind, "key": key, "id": made})

    def add_rates(self) -> None:
        """Note that the rate cards have their rates."""
        self.has_rates = True
        self._append({"rates": True})

    def add_customer(self, pushed: Pushed) -> None:
        """Note a customer."""
        self._note(pushed)
        self._append(pushed)

    def _append(self, line: Any) -> None:
        try:
            self._out.write(encode(line) + b"\n")
            if time.monotonic() - self._synced > SYNC_SECONDS:
                self._sync()
        except OSError as error:
            raise CannotWrite(f"cannot write {self._file}: {error.strerror}") from None

    def _sync(self) -> None:
        self._out.flush()
        os.fsync(self._out.fileno())
        self._synced = time.monotonic()

    def close(self) -> None:
        """Put everything on the disk."""
        with self._out:
            self._sync()
