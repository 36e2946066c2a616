"""The public sets: what each holds, what is wrong with it, and where it is had."""

from __future__ import annotations

from difflib import get_close_matches

from cxrlens.errors import OptionError
from cxrlens.sources.catalogue_entries import CATALOGUE
from cxrlens.sources.public_set import UNKNOWN, PublicSet, RemoteFile, Taken

__all__ = ["CATALOGUE", "UNKNOWN", "PublicSet", "RemoteFile", "Taken", "find", "home"]


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


def home(source: str, label: str) -> str:
    """The set that images of this class in this source were first collected for; blank where nobody can say.

    Names match whatever their case, with spaces or underscores for hyphens, and under a parent's name
    (``mine/NIH_sample``), since that is how a scan calls two folders of one name. A name that is not in the catalogue
    has no home: nothing is guessed from how it sounds.

    Args:
        source: a source of a manifest.
        label: a class; blank where it is unknown.
    """
    by_name = {entry.name: entry for entry in CATALOGUE}
    name = source.rsplit("/", 1)[-1].strip().casefold().replace("_", "-").replace(" ", "-")
    while name in by_name:
        earlier = next((t.source for t in by_name[name].taken if t.label in ("", label)), "")
        if not earlier:
            return name
        name = earlier
    return ""
