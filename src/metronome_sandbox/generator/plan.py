"""What a run is asked for, and how it is cut: parts of a fixed number of customers, which shards share out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from metronome_sandbox import __version__
from metronome_sandbox.generator.aside import whole

PLAN_FILE = "plan.json"
FIRST_MONTH, LAST_MONTH = date(2010, 1, 1), date(2999, 12, 1)
"""Between which a world begins: products have prices since the first one, and contracts end years after the last."""
PART_CUSTOMERS = 50
"""Customers of a part; another number would give other files for the same world."""


class WrongUse(Exception):
    """What is asked for makes no sense, or not here; the text is for the person who asked."""


class _Claimed(Exception):
    """Another run made the folder its own in the meantime."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A world to be written: the same plan gives the same bytes.

    Attributes:
        start: First month, its first day.
        customers: How many, numbered from 1.
        format: ndjson, csv or parquet.
        granularity: day or hour, of the subtotals.
        versions: Of what has a say in the bytes.
    """

    profile: str
    seed: int
    start: date
    months: int
    customers: int
    format: str
    granularity: str
    versions: Mapping[str, str]

    @property
    def parts(self) -> int:
        """How many parts there are."""
        return -(-self.customers // PART_CUSTOMERS)

    def numbers(self, part: int) -> range:
        """Return the numbers of a part's customers."""
        first = part * PART_CUSTOMERS + 1
        return range(first, min(first + PART_CUSTOMERS, self.customers + 1))

    def to_json(self) -> dict[str, object]:
        """Return it as it stands in files."""
        return {**asdict(self), "start": f"{self.start:%Y-%m}", "customers_in_a_part": PART_CUSTOMERS}

    def to_bytes(self) -> bytes:
        """Return the content of ``plan.json``."""
        return json.dumps(self.to_json(), indent=2).encode() + b"\n"

    @property
    def mark(self) -> str:
        """What each part carries, so that one of another plan is known."""
        return sha256(self.to_bytes()).hexdigest()


@dataclass(frozen=True, slots=True)
class Shard:
    """The ``number``-th of ``count`` runs that share one plan, from 1."""

    number: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read ``3/8``.

        Raises:
            WrongUse: It is none of ``1/8`` to ``8/8``.
        """
        number, slash, count = text.partition("/")
        if slash and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count):
            return cls(int(number), int(count))
        raise WrongUse(f"--shard: {text!r} is no shard; the third of eight is 3/8, the last one 8/8")

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def has(self, part: int) -> bool:
        """Whether a part is of this shard."""
        return part % self.count == self.number - 1


def month_of(text: str) -> date:
    """Return the first day of a month such as ``2023-01``, in which a world can begin.

    Raises:
        WrongUse: It is none.
    """
    try:
        year, month = text.split("-")
        if len(year) != 4 or len(month) != 2:
            raise ValueError(text)
        first = date(int(year), int(month), 1)
    except ValueError:
        raise WrongUse(f"--start: {text!r} is no month; write it as 2023-01") from None
    if not FIRST_MONTH <= first <= LAST_MONTH:
        raise WrongUse(
            f"--start: {text} is not from {FIRST_MONTH:%Y-%m} to {LAST_MONTH:%Y-%m}, when a world has prices"
        )
    return first


def versions_for(format: str) -> dict[str, str]:
    """Return the versions of what has a say in the bytes of a format."""
    packages = ("numpy", "Faker", *(("pyarrow",) if format == "parquet" else ()))
    return {"metronome-sandbox": __version__, **{name: version(name) for name in packages}}


def claim(folder: Path, plan: Plan) -> None:
    """Make a folder this plan's, or make sure that it is.

    Raises:
        WrongUse: Something else is in it, or it is no folder.
        CannotWrite: It cannot be written to.
    """
    file = folder / PLAN_FILE
    if folder.exists() and not folder.is_dir():
        raise WrongUse(f"--out: {folder} is a file; name a folder, it need not be there yet")
    try:
        there = file.read_bytes()
    except FileNotFoundError:
        if folder.exists() and any(not path.name.startswith(".") for path in folder.iterdir()):
            raise WrongUse(f"--out: {folder} holds other files and no {PLAN_FILE}; name an empty folder") from None
        with suppress(_Claimed), whole(file, waits=True) as written:
            if file.exists():  # another run was quicker
                raise _Claimed from None
            written.write(plan.to_bytes())
        there = file.read_bytes()
    except OSError as error:
        raise WrongUse(f"--out: cannot read {file}: {error.strerror}") from None
    if there != plan.to_bytes():
        raise WrongUse(f"--out: {folder} holds another world: {_differences(there, plan)}; name another folder")


def _differences(there: bytes, plan: Plan) -> str:
    try:
        old = json.loads(there)
        before = {**old, **old["versions"]}
    except (ValueError, TypeError, KeyError):
        return f"its {PLAN_FILE} is not of this program"
    now = {**plan.to_json(), **plan.versions}
    named = [
        f"{name} is {before.get(name)} there and {value} here"
        for name, value in now.items()
        if name != "versions" and before.get(name) != value
    ]
    return ", ".join(named) or f"its {PLAN_FILE} was changed"
