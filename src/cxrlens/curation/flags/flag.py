"""Flag: what one issue is called, how it is scored, and from which score on it counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cxrlens.curation.view import View


@dataclass(frozen=True, slots=True)
class Flag:
    """One issue. Scores lie in [0, 1], higher is more suspicious.

    Args:
        name: as it stands in the manifest, in ``--keep`` and in ``--drop``.
        phrase: the reason in words, completing "the image …".
        flag_at: scores from here on are written into the manifest.
        exclude_at: scores from here on exclude the image unless it is kept by hand; none: never by itself.
        score: from one image alone; none where the whole collection is needed.
    """

    name: str
    phrase: str
    flag_at: float
    exclude_at: float | None = None
    score: Callable[[View], float] | None = None
