"""What the catalogue says of one public set."""

from __future__ import annotations

from dataclasses import dataclass

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One archive to download.

    Args:
        url: where it lies.
        sha256: hex digest, blank where its publisher gives none (then the archive's own checksums are what is checked).
        size: bytes, 0 where not known.
    """

    url: str
    sha256: str = ""
    size: int = 0

    @property
    def file_name(self) -> str:
        """Last part of the address, with ``.zip`` where it has no suffix of an archive."""
        last = self.url.rstrip("/").rsplit("/", 1)[-1]
        return last if last.endswith(".zip") else f"{last}.zip"


@dataclass(frozen=True, slots=True)
class Taken:
    """Images of one set that were taken from another of the catalogue: films of the same hospital, copies or not.

    Args:
        source: name of the other set.
        label: the class that they have; blank where all images of the set came from there.
    """

    source: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class PublicSet:
    """An entry of the catalogue. Figures are the publisher's; ``unknown`` where none is sure.

    Args:
        name: what ``cxrlens fetch`` takes.
        title: what its publisher calls it.
        holds: the classes that are of use here, and the rest in a phrase.
        images: how many radiographs.
        patients: how many patients.
        licence: as stated by the publisher.
        citation: who to cite.
        url: the page that offers it.
        caveats: what to know before believing a number measured on it.
        account: what to do before downloading, blank where nothing is asked.
        files: what ``fetch`` downloads; empty where it must be got by hand.
        taken: where most of its images, or of those of a class, came from, as far as the publisher says.
    """

    name: str
    title: str
    holds: str
    images: str
    patients: str
    licence: str
    citation: str
    url: str
    caveats: tuple[str, ...]
    account: str = ""
    files: tuple[RemoteFile, ...] = ()
    taken: tuple[Taken, ...] = ()
