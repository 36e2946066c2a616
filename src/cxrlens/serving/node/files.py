"""Files of a queue folder: written through to the disk, readable by their owner alone, without a telling name."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Store:
    """One folder of files. A file counts only once a row of the database names it; others are swept away.

    Args:
        folder: is made, for its owner alone (0700); what is in it holds patient data.
    """

    folder: Path

    def prepare(self) -> None:
        """Make the folder."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)

    @staticmethod
    def new_name() -> str:
        """A random name: nothing of an image shows in it."""
        return secrets.token_hex(12)

    def path(self, name: str) -> Path:
        """Where the file of that name lies."""
        return self.folder / name

    def write(self, name: str, data: bytes) -> None:
        """Write and flush one file; its name is certain to be found again only after :meth:`flush`."""
        handle = os.open(self.path(name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            self.remove([name])
            raise

    def flush(self) -> None:
        """Flush the folder itself, so that names written so far survive a loss of power."""
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def remove(self, names: Iterable[str]) -> None:
        """Delete files; those that are gone already are no matter."""
        for name in names:
            with contextlib.suppress(OSError):  # swept when the queue is opened again
                self.path(name).unlink(missing_ok=True)

    def sweep(self, named: set[str]) -> None:
        """Delete every file that no row names: left by a kill between a file and its row."""
        self.remove(entry.name for entry in os.scandir(self.folder) if entry.name not in named)
