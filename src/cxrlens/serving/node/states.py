"""What passes between the queue and those who work on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path


class Accepted(Enum):
    """What came of an image that was handed in.

    ``NEW``: it is on the disk and will be answered. ``AGAIN``: it is here already, or was answered: nothing to do.
    ``OTHER``: other bytes under the UID of an image that is here or was answered. ``FULL``: no room now.
    """

    NEW = "new"
    AGAIN = "again"
    OTHER = "other"
    FULL = "full"


class Outcome(Enum):
    """What an archive said to one result: it has it, it will never take it, or it may take it later."""

    TAKEN = "taken"
    REFUSED = "refused"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Room:
    """How much may wait.

    Args:
        images: that are not delivered yet.
        keep_free: bytes of the disk that are left alone.
        remember_days: how long the hashed UID of an answered image is kept, so that it is not answered again.
    """

    images: int = 10_000
    keep_free: int = 512 << 20
    remember_days: float = 365.0


DEFAULT_ROOM = Room()


@dataclass(frozen=True, slots=True)
class Waiting:
    """An image to judge: its row, the file's name and how often judging it began before."""

    number: int
    file: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Parcel:
    """Results of one image that the archive does not have yet: files by part; part 0 is the report."""

    number: int
    parts: Mapping[int, Path]
