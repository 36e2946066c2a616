"""Licence and caveats of a source, where the catalogue of public sets knows it."""

from __future__ import annotations

from collections.abc import Iterator

from cxrlens.errors import OptionError
from cxrlens.report.rendering import NOT_RECORDED
from cxrlens.sources.catalogue import PublicSet, find

SYNTHETIC = "synthetic: nobody's picture"


def licence_of(source: str, collections: tuple[str, ...], *, synthetic: bool) -> str:
    """As the publisher states it, for a source or the collection it came in; "not recorded" where neither is listed.

    Names match the catalogue's exactly: a guess at somebody's licence would be worse than none.
    """
    if synthetic:
        return SYNTHETIC
    return next((entry.licence for entry in _entries(source, *collections)), NOT_RECORDED)


def caveats_of(source: str, collections: tuple[str, ...]) -> tuple[str, ...]:
    """What the catalogue warns of; empty where it does not know the source."""
    return next((entry.caveats for entry in _entries(source, *collections)), ())


def _entries(*names: str) -> Iterator[PublicSet]:
    for name in names:
        try:
            yield find(name)
        except OptionError:
            continue
