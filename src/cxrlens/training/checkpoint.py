"""Checkpoints: safetensors for tensors, JSON for the rest, sealed by it. No pickle; two generations kept."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from cxrlens.errors import CxrlensWarning, RunError
from cxrlens.folders import write_atomically

FORMAT = 1
KEPT = 2


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a training stands.

    Args:
        tensors: by name.
        state: JSON values; floats come back bit for bit.
    """

    tensors: dict[str, Tensor]
    state: dict[str, Any]


def write_checkpoint(folder: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Write the next generation, then forget all but the last two.

    Tensors go first, the JSON that names their SHA-256 last: a kill in between leaves the earlier one the newest.

    Raises:
        RunError: it cannot be written (disk full); the earlier generations are still there.
    """
    names = _generations(folder)
    number = names[-1] + 1 if names else 1
    data = save({name: t.detach().cpu().contiguous() for name, t in tensors.items()})
    digests = {"sha256": _digest(data), "state_sha256": _digest(json.dumps(dict(state)).encode())}
    seal = {"format": FORMAT, **digests, "state": dict(state)}
    try:
        write_atomically(_tensors(folder, number), data)
        write_atomically(_json(folder, number), json.dumps(seal).encode())
    except OSError as error:
        for path in (_tensors(folder, number), _json(folder, number)):
            path.unlink(missing_ok=True)
        left = "the last good checkpoint is still there" if names else "there is no checkpoint yet"
        raise RunError(
            folder,
            f"the checkpoint cannot be written ({error.strerror or error}); {left}",
            "free some space and go on with --resume",
        ) from error
    for old in names[: len(names) + 1 - KEPT]:
        _json(folder, old).unlink(missing_ok=True)
        _tensors(folder, old).unlink(missing_ok=True)


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """The newest good generation; none where nothing was ever written. Warns where the newest is damaged.

    Raises:
        RunError: generations are there and none is good.
    """
    numbers = _generations(folder)
    faults: list[str] = []
    for number in reversed(numbers):
        try:
            checkpoint = _read(folder, number)
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            faults.append(f"{_json(folder, number).name}: {error}")
            continue
        if faults:
            warnings.warn(
                CxrlensWarning(
                    f"{folder}: a damaged checkpoint was passed over ({faults[0]}); going on from the one before"
                ),
                stacklevel=2,
            )
        return checkpoint
    if numbers:
        raise RunError(
            folder,
            f"holds no checkpoint that is whole ({faults[0]})",
            "train again without --resume, into a new folder",
        )
    return None


def _read(folder: Path, number: int) -> Checkpoint:
    seal = json.loads(_json(folder, number).read_text(encoding="utf-8"))
    if not isinstance(seal, dict) or seal.get("format") != FORMAT:
        raise ValueError("of another format")
    data = _tensors(folder, number).read_bytes()
    if _digest(data) != seal["sha256"]:
        raise ValueError("its tensors are torn or altered")
    if _digest(json.dumps(seal["state"]).encode()) != seal["state_sha256"]:
        raise ValueError("its state is altered")
    return Checkpoint(load(data), seal["state"])


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _generations(folder: Path) -> list[int]:
    found = (path.stem for path in folder.glob("[0-9]*.json"))
    return sorted(int(stem) for stem in found if stem.isdigit())


def _tensors(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}.safetensors"


def _json(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}.json"
