"""One public set, from its publisher to a folder that ``scan`` reads."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from cxrlens.folders import make_folder
from cxrlens.progress import Progress, quiet
from cxrlens.sources.catalogue import find
from cxrlens.sources.download import FetchError, download
from cxrlens.sources.public_set import PublicSet, RemoteFile
from cxrlens.sources.unpack import unpack_zip


def fetch(name: str, out: Path, progress: Progress = quiet, *, base_url: str | None = None) -> Path:
    """Download and unpack a set of the catalogue.

    Args:
        name: as in ``catalogue.CATALOGUE``.
        out: folder for sets; this one becomes ``out/name``. The archives lie in ``out/.downloads`` until then.
        progress: shows downloading and unpacking.
        base_url: a mirror that has the publisher's paths, for sites without a way out.

    Returns:
        ``out/name``; at once where it is there already.

    Raises:
        OptionError: no such set.
        FetchError: it must be got by hand (the line says how), or could not be had.
        CollectionError: what came is no archive, or cannot be unpacked.
    """
    entry = find(name)
    folder = out / entry.name
    if folder.is_dir() and any(folder.iterdir()):
        return folder
    if not entry.files:
        raise FetchError(entry.name, _why_by_hand(entry), f"get it from {entry.url} and unpack it into {folder}")
    make_folder(out)
    downloads = out / ".downloads"
    archives = [
        download(_mirrored(file, base_url), downloads / f"{name}-{file.file_name}", progress) for file in entry.files
    ]
    for number, archive in enumerate(archives, start=1):
        unpack_zip(archive, folder if len(archives) == 1 else folder / f"part{number}", progress)
        archive.unlink()
    if not any(downloads.iterdir()):
        downloads.rmdir()
    return folder


def _why_by_hand(entry: PublicSet) -> str:
    return (
        f"is got by hand ({entry.account})" if entry.account else "is got by hand (its page gives no lasting address)"
    )


def _mirrored(file: RemoteFile, base_url: str | None) -> RemoteFile:
    if base_url is None:
        return file
    return RemoteFile(base_url.rstrip("/") + urlsplit(file.url).path, file.sha256, file.size)
