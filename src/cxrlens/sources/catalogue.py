"""The public sets: what each holds, what is wrong with it, and where it is had."""

from __future__ import annotations

from difflib import get_close_matches

from cxrlens.errors import OptionError
from cxrlens.sources.catalogue_entries import CATALOGUE
from cxrlens.sources.public_set import UNKNOWN, PublicSet, RemoteFile

__all__ = ["CATALOGUE", "UNKNOWN", "PublicSet", "RemoteFile", "find"]


def find(name: str) -> PublicSet:
    """The entry of that name.

    Raises:
        OptionError: there is none; the line says which come near.
    """
    by_name = {entry.name: entry for entry in CATALOGUE}
    if name in by_name:
        return by_name[name]
    near = get_close_matches(name.lower(), by_name, n=3, cutoff=0.4)
    remedy = f"did you mean {' or '.join(near)}?" if near else "'cxrlens sources' lists them"
    raise OptionError(name, "is not in the catalogue", remedy)
