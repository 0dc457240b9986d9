"""Merge a contract and its fragments into the one JSON document that the package ships.

    python -m metronome_sandbox.spec.bundle [--check]

People read and edit YAML, one file for each tag, with references between the files. The server wants one JSON document
that it can load in milliseconds and that refers to nothing outside itself. So a path item that is a reference is put in
its place, every component that is reached moves to ``components``, and each reference loses its file part.

Tidiness is checked here because only here all files are open: a component or path that no contract reaches is an error,
and so is one name for two different components.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

JsonObject = dict[str, Any]

PACKAGE_FOLDER = Path(__file__).resolve().parent
CHECKOUT = PACKAGE_FOLDER.parents[2]
BUNDLES = {
    "openapi.yaml": PACKAGE_FOLDER / "openapi.json",
    "openapi-sandbox.yaml": PACKAGE_FOLDER / "sandbox-openapi.json",
}


class BundleError(Exception):
    """The YAML files do not make one sound document. The message names the file and the reference or component."""


class Fragments:
    """The YAML files below one folder, each read once, and which of their parts have been used."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._documents: dict[Path, JsonObject] = {}
        self._used: set[tuple[Path, str]] = set()

    def document(self, file: Path) -> JsonObject:
        """Return the content of ``file``, a path relative to the folder."""
        if file not in self._documents:
            try:
                content = yaml.load((self.folder / file).read_text("utf-8"), Loader=yaml.CSafeLoader)
            except OSError as error:
                raise BundleError(f"{file}: cannot be read ({error.strerror})") from error
            except yaml.YAMLError as error:
                raise BundleError(f"{file}: is not YAML: {error}") from error
            if not isinstance(content, dict):
                raise BundleError(f"{file}: holds a {type(content).__name__}, expected an object")
            self._documents[file] = content
        return self._documents[file]

    def resolve(self, reference: str, source: Path) -> tuple[Path, list[str], Any]:
        """Return the file, the pointer's steps and the node that ``reference``, found in ``source``, stands for."""
        location, _, pointer = reference.partition("#")
        file = source.parent / location if location else source
        if "://" in location or file.is_absolute() or ".." in file.parts:
            raise BundleError(f"{source}: {reference} leaves the checkout; refer to a file beside or below this one")
        steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
        node: Any = self.document(file)
        for step in steps:
            if not isinstance(node, dict) or step not in node:
                raise BundleError(f"{source}: {reference} does not resolve, there is no {step!r} in {file}")
            node = node[step]
        self._used.add((file, "/".join(steps)))
        return file, steps, node

    def unused(self) -> list[str]:
        """Return the paths and components of the files read so far that nothing has referred to."""
        left: list[str] = []
        for file, document in self._documents.items():
            parts = [] if file.name in BUNDLES else [f"paths/{path}" for path in document.get("paths") or {}]
            for section, components in (document.get("components") or {}).items():
                parts += [f"components/{section}/{name}" for name in components]
            left += [f"{file}: {part}" for part in parts if (file, part) not in self._used]
        return left


class Bundler:
    """Builds one document out of a root file and the fragments it reaches."""

    def __init__(self, fragments: Fragments) -> None:
        self._fragments = fragments
        self._components: dict[str, dict[str, Any]] = {}
        self._homes: dict[tuple[str, str], Path] = {}

    def bundle(self, root: Path) -> JsonObject:
        """Return the document of ``root`` with references to its own components only.

        Raises:
            BundleError: A reference is remote, does not resolve, or names two different components alike.
        """
        document = dict(self._fragments.document(root))
        for scheme in document.pop("components", {}).get("securitySchemes", {}):
            self._component(f"#/components/securitySchemes/{scheme}", root)  # named by "security", not by a $ref
        paths = document.pop("paths")
        merged: JsonObject = {key: self._localized(value, root) for key, value in document.items()}
        merged["paths"] = {path: self._path_item(item, root) for path, item in paths.items()}
        merged["components"] = {
            section: dict(sorted(components.items())) for section, components in sorted(self._components.items())
        }
        return merged

    def _path_item(self, item: Any, source: Path) -> Any:
        while isinstance(item, dict) and "$ref" in item:
            source, _, item = self._fragments.resolve(item["$ref"], source)
        return self._localized(item, source)

    def _localized(self, node: Any, source: Path) -> Any:
        """Return a copy of ``node`` whose references stay inside the bundle, and pull in what they point at."""
        if isinstance(node, list):
            return [self._localized(item, source) for item in node]
        if not isinstance(node, dict):
            return node
        if isinstance(node.get("$ref"), str):
            return {"$ref": self._component(node["$ref"], source)}
        copy = {key: self._localized(value, source) for key, value in node.items() if key != "discriminator"}
        if "discriminator" in node:
            copy["discriminator"] = self._discriminator(node["discriminator"], source)
        return copy

    def _discriminator(self, discriminator: JsonObject, source: Path) -> JsonObject:
        mapping = discriminator.get("mapping", {})
        return {**discriminator, "mapping": {value: self._component(ref, source) for value, ref in mapping.items()}}

    def _component(self, reference: str, source: Path) -> str:
        file, steps, node = self._fragments.resolve(reference, source)
        if len(steps) != 3 or steps[0] != "components":
            raise BundleError(f"{source}: {reference} must name a component, #/components/SECTION/NAME")
        _, section, name = steps
        home = self._homes.setdefault((section, name), file)
        if home != file:
            if self._fragments.document(home)["components"][section][name] != node:
                raise BundleError(f"{name}: {home} and {file} each define another component of this name")
        elif name not in self._components.setdefault(section, {}):
            self._components[section][name] = None  # keeps a component that refers to itself from being copied for ever
            self._components[section][name] = self._localized(node, file)
        return f"#/components/{section}/{name}"


def as_text(document: JsonObject) -> str:
    """Return ``document`` as JSON: one key a line, so that a change shows in a diff, and little else."""
    try:
        return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    except TypeError as error:
        raise BundleError(f"a value is not JSON ({error}); put quotes around dates in YAML") from error


def bundles(folder: Path = CHECKOUT) -> dict[Path, str]:
    """Return the text of every bundle by the file it belongs in, from the contracts in ``folder``.

    Raises:
        BundleError: The contracts are not sound, or a fragment has a part that none of them uses.
    """
    fragments = Fragments(folder)
    texts = {target: as_text(Bundler(fragments).bundle(Path(root))) for root, target in BUNDLES.items()}
    if unused := fragments.unused():
        raise BundleError("not used by any contract:\n  " + "\n  ".join(unused))
    return texts


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the bundles, or with ``--check`` only say which of them are stale."""
    parser = argparse.ArgumentParser(prog="metronome_sandbox.spec.bundle", description=main.__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 when a bundle is stale")
    check: bool = parser.parse_args(arguments).check
    try:
        texts = bundles()
    except BundleError as error:
        print(error, file=sys.stderr)
        return 1
    stale = [file for file, text in texts.items() if not file.exists() or file.read_text("utf-8") != text]
    for file in stale:
        name = file.relative_to(CHECKOUT)
        if check:
            print(f"{name} is stale; run python -m metronome_sandbox.spec.bundle", file=sys.stderr)
        else:
            file.write_text(texts[file], "utf-8")
            print(f"wrote {name}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
