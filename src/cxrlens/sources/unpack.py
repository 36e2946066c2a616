"""ZIP archives from outside, unpacked without trust."""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from cxrlens.errors import CollectionError
from cxrlens.progress import Progress, quiet

_MAX_RATIO = 200
"""Unpacked over packed bytes beyond which an archive is a bomb; pictures hardly shrink at all, tables some 20 times."""

_SMALL = 64 << 20
"""Archives that unpack to less are let through whatever their ratio."""


def unpack_zip(archive: Path, folder: Path, progress: Progress = quiet) -> Path:
    """Unpack to ``folder``, which appears only when every file is there and its CRC-32 is right.

    Raises:
        CollectionError: no ZIP, torn, a path that leads outside, a link, a bomb, or no room. Nothing is left behind.
    """
    scratch = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [info for info in opened.infolist() if not info.is_dir()]
            _check_members(members, archive, folder.parent)
            for info in progress(members, total=len(members), what=f"unpacking {archive.name}"):
                target = scratch.joinpath(*PurePosixPath(info.filename).parts)
                target.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(info) as source, target.open("wb") as out:
                    shutil.copyfileobj(source, out, 1 << 20)
        scratch.mkdir(parents=True, exist_ok=True)
        scratch.rename(folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        shutil.rmtree(scratch, ignore_errors=True)
        raise CollectionError(
            archive, f"is a torn or foreign archive ({error})", "remove it and download it again"
        ) from error
    except OSError as error:
        shutil.rmtree(scratch, ignore_errors=True)
        raise CollectionError(
            folder, f"cannot be written ({error.strerror})", "make room, or choose another folder"
        ) from error
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    return folder


def _check_members(members: list[zipfile.ZipInfo], archive: Path, place: Path) -> None:
    """Before a byte is written."""
    for info in members:
        parts = PurePosixPath(info.filename).parts
        if info.filename.startswith(("/", "\\")) or ".." in parts or "\\" in info.filename or ":" in parts[0]:
            fault = f"holds the path '{info.filename}', which leads outside"
            raise CollectionError(archive, fault, "do not trust it; look at it by hand")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise CollectionError(archive, f"holds the link '{info.filename}'", "do not trust it; look at it by hand")
    size = sum(info.file_size for info in members)
    packed = sum(info.compress_size for info in members)
    if size > _SMALL and size > _MAX_RATIO * max(packed, 1):
        fault = f"unpacks {packed / 2**20:.1f} MiB to {size / 2**30:.1f} GiB, as a bomb does"
        raise CollectionError(archive, fault, "do not trust it; look at it by hand")
    free = shutil.disk_usage(place).free
    if size > free:
        fault = f"needs {size / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB are free"
        raise CollectionError(archive, fault, "make room, or choose another folder")
