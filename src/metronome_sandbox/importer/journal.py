"""What an import did, in a file that survives the machine: before each request what it will be, afterwards what came.

One JSON object a line, only ever appended, and on the disk before anything else happens (fsync). After an end at any
instant the last line may be torn; it is taken away and is as if it had never been written. A request that was announced
and has no result was sent or not, and done or not: its invoices are looked for on the target before anything is sent.

A journal belongs to one file, one mapping and one host. Two imports cannot use one journal at the same time.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from threading import Lock

import msgspec

from metronome_sandbox.importer.batches import Item

FORMAT = "metronome-sandbox import journal 1"
FINALIZED = "FINALIZED"
BEGINNING = b'{"file_sha256":"'
READ_BYTES = 1024 * 1024
MAX_LINE_BYTES = 64 * 1024 * 1024


class CannotUseJournal(Exception):
    """The journal is another import's, in use, or no journal; the text is for the person who named it."""


class Header(msgspec.Struct, frozen=True):
    """What a journal belongs to.

    Attributes:
        file_sha256, mapping_sha256: Of the bytes of the two files.
        host: Host, port and path of the target.
    """

    file_sha256: str
    mapping_sha256: str
    host: str
    format: str = FORMAT


class Announced(msgspec.Struct, frozen=True, gc=False):
    """An invoice that a request will hold.

    Attributes:
        key: What its rows say, see ``content_key``.
        number: Its number in the file, for people.
        expected: The total of its preview.
    """

    key: str
    number: str
    expected: Decimal


class Imported(msgspec.Struct, frozen=True, gc=False):
    """An invoice that is on the target.

    Attributes:
        key: What its rows say.
        id: Its id on the target.
        total: Its total there, when it was made or found.
        status: Likewise; FINALIZED, or DRAFT where its date of issue is ahead.
        expected: The total of its preview.
        draws: What balances paid, by the id of the balance, in the balance's unit.
    """

    key: str
    id: str
    total: Decimal
    expected: Decimal
    draws: dict[str, Decimal] = {}
    status: str = FINALIZED


class Intent(msgspec.Struct, frozen=True, tag="intent", tag_field="what"):
    """A request is about to be sent."""

    idempotency_key: str
    invoices: list[Announced]


class Result(msgspec.Struct, frozen=True, tag="result", tag_field="what"):
    """A request was answered; its invoices are there."""

    idempotency_key: str
    invoices: list[Imported]


class Found(msgspec.Struct, frozen=True, tag="found", tag_field="what"):
    """Invoices were found on the target that this journal had no result for."""

    invoices: list[Imported]


class Refused(msgspec.Struct, frozen=True, tag="refused", tag_field="what"):
    """A request was refused and nothing of it done."""

    idempotency_key: str
    status: int
    message: str


Record = Intent | Result | Found | Refused

_RECORDS = msgspec.json.Decoder(Record)
_HEADER = msgspec.json.Decoder(Header)
_encode = msgspec.json.Encoder(decimal_format="string").encode


class Journal:
    """An open journal. Threads may write to it at the same time.

    Args:
        path: Made where it is not there.
        header: What it has to belong to.

    Attributes:
        is_new: Whether nothing had been announced in it when it was opened.

    Raises:
        CannotUseJournal: It cannot be used for that.
    """

    def __init__(self, path: Path, header: Header) -> None:
        self.path = path
        self._imported: dict[str, Imported] = {}
        self._announced: dict[str, Intent] = {}
        self._write_lock, self._sync_lock = Lock(), Lock()
        self._is_broken = False
        self._is_empty = True
        try:
            self._file = self._opened()
        except OSError as error:
            raise CannotUseJournal(f"cannot open the journal {path}: {error.strerror}") from None
        try:
            end = self._read(header)
            self._take_away_torn(end)
            self._written = self._synced = end
            self.is_new = not self._imported and not self._announced
            if end == 0:
                self._append(_encode(header))
                self._sync_folder()
        except OSError as error:
            os.close(self._file)
            raise CannotUseJournal(f"cannot use the journal {path}: {error.strerror}") from None
        except BaseException:
            os.close(self._file)
            raise

    def _opened(self) -> int:
        """Return the file, locked."""
        try:
            import fcntl
        except ModuleNotFoundError:
            raise CannotUseJournal("a journal needs a system that locks files as Unix does") from None
        while True:
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(file), os.stat(self.path)):
                    return file
            except BlockingIOError:
                os.close(file)
                raise CannotUseJournal(
                    f"another import is using the journal {self.path}; wait until it is over, or end it"
                ) from None
            except FileNotFoundError:
                pass
            os.close(file)  # who had it before took it away between the two calls

    def _sync_folder(self) -> None:
        """Let the name of a new file survive as well."""
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    # Reading ------------------------------------------------------------------------------------------------------

    def _read(self, header: Header) -> int:
        """Read what there is and return the length of the whole lines."""
        end = 0
        belongs_to: Header | None = None
        for number, (line, after) in enumerate(self._lines(), start=1):
            if number == 1:
                belongs_to = self._header(line)
            else:
                if number == 2:
                    self._hold_to(header, belongs_to)
                try:
                    self._note(_RECORDS.decode(line))
                except msgspec.MsgspecError as error:
                    raise CannotUseJournal(
                        f"{self.path}, line {number}: {error}. A machine that dies tears the last line only, so "
                        "somebody changed the file; with another --journal all invoices are looked for on the target"
                    ) from None
                self._is_empty = False
            end = after
        if self._is_empty and belongs_to not in (None, header):
            os.ftruncate(self._file, 0)  # nothing was ever sent by it, so anybody may have it
            return 0
        return end

    def _take_away_torn(self, end: int) -> None:
        """Cut off what comes after the last whole line; a file that has none must be the beginning of a journal."""
        if end == os.fstat(self._file).st_size:
            return
        if end == 0:
            torn = os.pread(self._file, READ_BYTES, 0).rstrip(b"\0")
            if not (torn.startswith(BEGINNING) or BEGINNING.startswith(torn)):
                raise CannotUseJournal(f"{self.path} is no journal of an import; name another file by --journal")
        os.ftruncate(self._file, end)

    def _lines(self) -> Iterator[tuple[bytes, int]]:
        """Yield each line that has an end, and the place after it."""
        rest = b""
        place = 0
        while part := os.pread(self._file, READ_BYTES, place + len(rest)):
            *lines, rest = (rest + part).split(b"\n")
            for line in lines:
                place += len(line) + 1
                yield line, place
            if len(rest) > MAX_LINE_BYTES:
                raise CannotUseJournal(f"{self.path} is no journal of an import; name another file by --journal")

    def _header(self, line: bytes) -> Header:
        try:
            found = _HEADER.decode(line)
        except msgspec.MsgspecError:
            found = None
        if found is None or found.format != FORMAT:
            raise CannotUseJournal(f"{self.path} is no journal of an import; name another file by --journal")
        return found

    def _hold_to(self, wanted: Header, found: Header | None) -> None:
        for name, what in (
            ("file_sha256", "other rows: the file was changed since, or is another one"),
            ("mapping_sha256", "another mapping"),
            ("host", f"another host, {found and found.host}"),
        ):
            if getattr(found, name) != getattr(wanted, name):
                raise CannotUseJournal(
                    f"the journal {self.path} belongs to an import of {what}; name another one by --journal"
                )

    def _note(self, record: Record) -> None:
        if isinstance(record, Intent):
            self._announced[record.idempotency_key] = record
            return
        if not isinstance(record, Found):
            self._announced.pop(record.idempotency_key, None)
        if isinstance(record, Refused):
            return
        for each in record.invoices:
            self._imported[each.key] = each
        if isinstance(record, Found):  # which settles the requests that they were announced by
            for key, intent in list(self._announced.items()):
                if all(each.key in self._imported for each in intent.invoices):
                    del self._announced[key]

    @property
    def is_empty(self) -> bool:
        """Whether nothing stands in it: no request was ever announced, and nothing found."""
        return self._is_empty

    def imported(self, key: str) -> Imported | None:
        """Return what is known of an invoice that is on the target, None where nothing is."""
        return self._imported.get(key)

    def in_doubt(self, keys: Iterable[str]) -> list[Intent]:
        """Return the requests with any of these invoices that were announced and have no result."""
        wanted = set(keys)
        with self._write_lock:
            intents = list(self._announced.values())
        return [intent for intent in intents if not wanted.isdisjoint(each.key for each in intent.invoices)]

    def __len__(self) -> int:
        """How many invoices are known to be on the target."""
        return len(self._imported)

    # Writing ------------------------------------------------------------------------------------------------------

    def announce(self, idempotency_key: str, items: Sequence[Item]) -> None:
        """Write that a request is about to be sent."""
        invoices = [Announced(item.key, item.packed.number, item.total) for item in items]
        self._add(Intent(idempotency_key, invoices))

    def add(self, record: Result | Found | Refused) -> None:
        """Write what became of a request, or what was found."""
        self._add(record)

    def _add(self, record: Record) -> None:
        self._append(_encode(record), record)

    def _append(self, line: bytes, record: Record | None = None) -> None:
        """Write a line and return when it is on the disk.

        Raises:
            CannotUseJournal: It is not, and nothing will be written any more.
        """
        try:
            with self._write_lock:
                if self._is_broken:
                    raise CannotUseJournal(f"the journal {self.path} could not be written to")
                before = self._written
                try:
                    self._written += _write(self._file, line + b"\n")
                except OSError:
                    self._is_broken = True
                    os.ftruncate(self._file, before)
                    raise
                if record is not None:
                    self._note(record)
                    self._is_empty = False
                place = self._written
            with self._sync_lock:
                if self._synced < place:  # else another thread's fsync took this line with it
                    written = self._written
                    os.fsync(self._file)
                    self._synced = written
        except OSError as error:
            self._is_broken = True
            raise CannotUseJournal(f"cannot write the journal {self.path}: {error.strerror}") from None

    def close(self) -> None:
        """Let others use it. A journal in which nothing stands is taken away."""
        with self._write_lock, self._sync_lock:
            self._is_broken = True
            if self._is_empty:
                self.path.unlink(missing_ok=True)
            os.close(self._file)


def _write(file: int, data: bytes) -> int:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
    return len(data)


def sha256_of(path: Path) -> str:
    """Return the digest of a file's bytes."""
    digest = sha256()
    with path.open("rb") as file:
        while part := file.read(READ_BYTES):
            digest.update(part)
    return digest.hexdigest()
