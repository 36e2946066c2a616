"""The folder that ``cxrlens export`` writes, and that everything that serves reads: every file by its hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cxrlens.errors import CxrlensError, RunError
from cxrlens.folders import read_json

FORMAT = 1
"""Version of the folder's layout; another one is refused, never guessed at."""

KIND = "cxrlens model"

MANIFEST = "manifest.json"
MODEL = "model.onnx"
LAYERS = "layers.onnx"
LUNGS = "lungs.onnx"
GATE, CLOUDS = "gate.onnx", "gate.safetensors"
GOLDEN = "golden/golden.json"
INT8 = "openvino/int8.xml"
CARD = "MODEL_CARD.md"

_AGAIN = "export it again with 'cxrlens export RUN', or copy the whole folder again"


class ModelError(CxrlensError):
    """An exported model that is missing, incomplete, altered, or of another version."""


@dataclass(frozen=True)
class ModelFolder:
    """An exported model on disk.

    Args:
        root: the folder; :data:`MANIFEST` in it names the SHA-256 of every other file.
    """

    root: Path

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """What the folder holds.

        Raises:
            ModelError: no such folder, a torn description, or another format.
        """
        path = self.root / MANIFEST
        if not path.is_file():
            raise ModelError(self.root, f"is no exported model (no {MANIFEST})", "make one with 'cxrlens export RUN'")
        try:
            value = read_json(path)
        except RunError as error:
            raise ModelError(path, error.fault, _AGAIN) from error
        if value.get("kind") != KIND or not isinstance(value.get("files"), dict):
            raise ModelError(path, "describes no exported model", "make one with 'cxrlens export RUN'")
        if value.get("format") != FORMAT:
            fault = f"is of format {value.get('format')}, this cxrlens reads {FORMAT}"
            raise ModelError(path, fault, "export it again, or install the cxrlens that wrote it")
        return value

    @property
    def files(self) -> tuple[str, ...]:
        """Names of all files but the manifest, relative to the folder."""
        return tuple(self.manifest["files"])

    def has(self, name: str) -> bool:
        """Whether the manifest names this file."""
        return name in self.manifest["files"]

    def read(self, name: str) -> bytes:
        """A file's bytes, checked against the manifest.

        Raises:
            ModelError: not named in the manifest, missing, or altered.
        """
        path = self.root / name
        named = self.manifest["files"].get(name)
        if not isinstance(named, dict):
            raise ModelError(self.root, f"holds no {name}", _AGAIN)
        try:
            data = path.read_bytes()
        except OSError as error:
            fault = f"cannot be read ({error.strerror or type(error).__name__})"
            raise ModelError(path, fault, _AGAIN) from error
        found, expected = hashlib.sha256(data).hexdigest(), str(named.get("sha256"))
        if found != expected:
            fault = f"was altered: its SHA-256 is {found[:12]}…, {MANIFEST} says {expected[:12]}…"
            raise ModelError(path, fault, _AGAIN)
        return data


def described(root: Path) -> dict[str, dict[str, Any]]:
    """SHA-256 and size of every file below ``root`` but the manifest, by relative name, sorted."""
    found = {}
    for path in sorted(p for p in root.rglob("*") if p.is_file() and p.name != MANIFEST):
        data = path.read_bytes()
        found[path.relative_to(root).as_posix()] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    return found
