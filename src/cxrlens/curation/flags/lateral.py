"""Lateral: the metadata itself says that the film was not taken from the front or the back."""

from __future__ import annotations

from cxrlens.curation.flags.flag import Flag


def score(view: str) -> float:
    """1 where the manifest's column ``view`` says LATERAL, else 0; the pixels are ``not-a-chest``'s matter."""
    return float(view == "LATERAL")


FLAG = Flag("lateral", "is a lateral view by its metadata", flag_at=0.5, exclude_at=0.5)
