"""Where a file is written before it is renamed to what it shall be called."""

from __future__ import annotations

import os
import threading
from pathlib import Path

_KEPT = 40  # characters of the target's name: one that is as long as the system allows has room for the rest


def scratch_beside(target: Path) -> Path:
    """A hidden file in the target's folder, of this thread alone: two writers of one target rename no half of it."""
    return target.with_name(f".{target.name[-_KEPT:]}.{os.getpid()}-{threading.get_ident()}.part")
