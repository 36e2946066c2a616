"""Identity of a file: the hash of its bytes, as the manifest holds it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cxrlens.errors import UnreadableImageError


def file_sha256(path: str) -> str:
    """Hex SHA-256 of a file's bytes; :class:`UnreadableImageError` where it cannot be read."""
    try:
        with Path(path).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        fault = f"cannot be opened ({error.strerror or type(error).__name__})"
        raise UnreadableImageError(path, fault, "check that it exists and may be read") from error
