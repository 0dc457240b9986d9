"""``manifest.json`` and ``ids.json``: what the parts come to, and what things are called in the files.

Each part tells of itself in ``parts/``, so that any machine can make any part; whoever finds all of them adds them up.
Neither file is ever held in memory: a world of a hundred thousand customers takes what one of a hundred takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from metronome_sandbox.client.encoding import encode
from metronome_sandbox.generator.aside import Written, hash_of, whole
from metronome_sandbox.generator.formats import File, paths_of
from metronome_sandbox.generator.plan import Plan
from metronome_sandbox.generator.sums import Sums

MANIFEST_FILE, IDS_FILE, CATALOG_FILE = "manifest.json", "ids.json", "catalog.json"
CUSTOMER_KINDS = ("customer", "contract")
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


def piece_file(folder: Path, part: int) -> Path:
    """Return where a part tells of itself."""
    return folder / "parts" / f"part-{part:05}.json"


def write_piece(folder: Path, plan: Plan, part: int, files: list[File], sums: Sums, ids: Mapping[str, Any]) -> None:
    """Write what a part holds; it is whole from then on."""
    numbers = plan.numbers(part)
    piece = {
        "part": part,
        "plan": plan.mark,
        "customers": [numbers[0], numbers[-1]],
        **sums.to_json(),
        "files": [file.to_json() for file in files],
        "ids": ids,
    }
    with whole(piece_file(folder, part)) as written:
        written.write(encode(piece) + b"\n")


def piece_of(folder: Path, plan: Plan, part: int) -> dict[str, Any] | None:
    """Return what a part of this plan tells of itself, None where there is none."""
    try:
        piece = _DECODER.decode(piece_file(folder, part).read_bytes())
        is_ours = piece["plan"] == plan.mark and piece["part"] == part
        Sums.from_json(piece)
        paths = [file["path"] for file in piece["files"]]
    except (OSError, msgspec.DecodeError, LookupError, TypeError, ArithmeticError):
        return None
    return piece if is_ours and paths == paths_of(plan.format, part) else None


def is_whole(folder: Path, piece: Mapping[str, Any]) -> bool:
    """Whether the files of a part are what it says."""
    return all(hash_of(folder / file["path"]) == (file["sha256"], file["bytes"]) for file in piece["files"])


def complete(folder: Path, plan: Plan, catalog_ids: Mapping[str, Mapping[str, str]]) -> Sums:
    """Write ``ids.json`` and ``manifest.json`` of a world whose parts are all there; return what it comes to."""
    sums = Sums()
    for piece in _pieces(folder, plan):
        sums.add(Sums.from_json(piece))
    with whole(folder / IDS_FILE, waits=True) as written:
        written.write(b"{")
        for kind, ids in catalog_ids.items():
            written.write(encode(kind) + b":" + encode(ids) + b",\n")
        for kind in CUSTOMER_KINDS:
            written.write(b"," * (kind != CUSTOMER_KINDS[0]) + b"\n" + encode(kind) + b":{")
            _join(written, (encode(piece["ids"][kind])[1:-1] for piece in _pieces(folder, plan)))
            written.write(b"}")
        written.write(b"}\n")
    shared = [_shared(folder, name) for name in (CATALOG_FILE, IDS_FILE)]
    with whole(folder / MANIFEST_FILE, waits=True) as written:
        head = {**plan.to_json(), **sums.to_json(), "files": [file.to_json() for file in shared]}
        written.write(encode(head)[:-1] + b',\n"parts":[')
        _join(written, (encode(_without_ids(piece)) for piece in _pieces(folder, plan)))
        written.write(b"]}\n")
    return sums


def _pieces(folder: Path, plan: Plan) -> Iterator[dict[str, Any]]:
    for part in range(plan.parts):
        piece = piece_of(folder, plan, part)
        assert piece is not None, f"part {part} is not there any more"
        yield piece


def _join(written: Written, items: Iterator[bytes]) -> None:
    """Write items with a comma and a newline between them."""
    is_first = True
    for item in items:
        written.write(item if is_first else b",\n" + item)
        is_first = False


def _without_ids(piece: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in piece.items() if name not in ("ids", "plan")}


def _shared(folder: Path, name: str) -> File:
    found = hash_of(folder / name)
    assert found is not None
    return File(name, 1, found[1], found[0])
