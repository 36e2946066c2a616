"""What a user can say about curation."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from cxrlens.curation.duplicates import DuplicateOptions
from cxrlens.errors import OptionError


@dataclass(frozen=True, slots=True)
class CurationOptions:
    """Nothing is ever deleted; these decide which images keep a blank ``excluded``.

    Args:
        keep: flags (``rotated``), reasons (``duplicate``, ``conflict``) or globs on paths (``*/IM-01*.png``) that shall
            not be excluded. A path kept by hand overrules everything but an unreadable file and an unknown label.
        drop: flags, at the score from which they are written into the manifest, or globs on paths that shall be.
            Where both name the same image, a path is stronger than a flag, and among equals ``drop`` wins.
        duplicates: thresholds of the search for duplicates.
        workers: threads that read; 0 takes one for each core this process may use.

    Raises:
        OptionError: a negative number of workers.
    """

    keep: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    duplicates: DuplicateOptions = field(default_factory=DuplicateOptions)
    workers: int = 0

    def __post_init__(self) -> None:
        if self.workers < 0:
            raise OptionError("workers", f"{self.workers} is no number of threads", "give 0 (all cores) or more")

    def to_dict(self) -> dict[str, Any]:
        """For ``curation.json``."""
        return asdict(self)
