"""Packing: decode and preprocess every kept image once, so that training never decodes again."""

from __future__ import annotations

import contextlib
import shutil
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrlens.allocator import keep_freed_memory
from cxrlens.batches.packed import FORMAT, PackedPixels, open_packed, pixel_file
from cxrlens.errors import CxrlensError, DatasetError, UnreadableImageError
from cxrlens.folders import write_json
from cxrlens.manifest import kept
from cxrlens.preprocessing import Preprocessing
from cxrlens.progress import Progress, quiet
from cxrlens.scratch import scratch_beside
from cxrlens.sources import read_radiograph
from cxrlens.sources.hashing import file_sha256

_Packed = tuple[str, str, "NDArray[np.uint8]"]  # path, sha256, pixels (S, S)


def pack(
    manifest: pd.DataFrame,
    preprocessing: Preprocessing,
    folder: Path,
    progress: Progress = quiet,
    workers: int = 2,
) -> PackedPixels:
    """Preprocessed pixels of every kept row, from ``folder/<fingerprint>.npy`` where it has them, decoded where not.

    An image is known by its path and the SHA-256 of its bytes: rows of an earlier file that still fit are taken over,
    and only the others are decoded. A file that is torn is made again. Both files are written beside their
    targets and renamed.

    Args:
        manifest: with ``path``, ``sha256`` (blank: computed here) and ``excluded``.
        preprocessing: what to compute.
        folder: the dataset's ``packed`` folder; made where it is missing.
        progress: told of the images that have to be decoded.
        workers: threads that decode; decoders release the interpreter's lock.

    Returns:
        The mapped pixels. Images that could not be read, or whose bytes have changed since curation, are in its
        ``problems`` and have no row.

    Raises:
        DatasetError: the folder cannot be written, the disk is full, or no image at all could be read.
    """
    rows = kept(manifest)
    wanted = [
        (path, sha256 or _sha256_or_blank(path)) for path, sha256 in zip(rows["path"], rows["sha256"], strict=True)
    ]
    earlier = _earlier(folder, preprocessing)
    known: dict[tuple[str, str], int] = {}
    if earlier is not None:
        known = {key: row for row, key in enumerate(zip(earlier.paths, earlier.sha256s, strict=True))}
        if wanted and all(key in known for key in wanted):
            return earlier
    missing = [key for key in wanted if key not in known]
    keep_freed_memory()
    problems: list[CxrlensError] = []

    def images() -> Iterator[_Packed]:
        fresh = _decoded(missing, preprocessing, workers)
        for path, sha256 in progress(wanted, len(wanted), "packing images"):
            if (path, sha256) in known and earlier is not None:
                yield path, sha256, earlier.pixels[known[path, sha256]]
                continue
            made = next(fresh)
            if isinstance(made, CxrlensError):
                problems.append(made)
            else:
                yield made

    _write(images(), len(wanted), preprocessing, folder)
    packed = open_packed(folder, preprocessing)
    if not len(packed):
        first = f"; the first: {problems[0]}" if problems else ""
        raise DatasetError(
            folder, f"none of {len(wanted)} image(s) could be packed{first}", "check the manifest's paths"
        )
    return replace(packed, problems=tuple(problems), decoded=len(missing) - len(problems))


def _earlier(folder: Path, preprocessing: Preprocessing) -> PackedPixels | None:
    """What an earlier call packed; none where it is missing or torn, since it can be made again."""
    try:
        return open_packed(folder, preprocessing)
    except DatasetError:
        return None


def _decoded(
    missing: Iterable[tuple[str, str]], preprocessing: Preprocessing, workers: int
) -> Iterator[_Packed | CxrlensError]:
    """In the order asked for; a few images a worker in flight, so that memory stays small."""

    def one(path: str, sha256: str) -> _Packed | CxrlensError:
        try:
            found = file_sha256(path)
            if sha256 and found != sha256:
                raise UnreadableImageError(path, "has changed since curation", "run 'cxrlens curate' again")
            return path, found, preprocessing(read_radiograph(Path(path)))
        except CxrlensError as error:
            return error

    with ThreadPoolExecutor(max(1, workers), thread_name_prefix="packing") as pool:
        running: deque[Future[_Packed | CxrlensError]] = deque()
        try:
            for path, sha256 in missing:
                running.append(pool.submit(one, path, sha256))
                if len(running) >= 4 * max(1, workers):
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            for future in running:
                future.cancel()


def _sha256_or_blank(path: str) -> str:
    try:
        return file_sha256(path)
    except UnreadableImageError:
        return ""  # reading it fails again, and is then told of


def _write(images: Iterator[_Packed], most: int, preprocessing: Preprocessing, folder: Path) -> None:
    """Write pixels, then the index, each beside its target and renamed.

    Rows go through plain writes rather than a writable map: a full disk is then an error, not a killed process.
    """
    target = pixel_file(folder, preprocessing)
    scratch = scratch_beside(target)
    need = most * preprocessing.size**2
    index: dict[str, list[Any]] = {"paths": [], "sha256": [], "crc32": []}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        if need > free:
            raise OSError(f"{need / 1e6:.0f} MB needed, {free / 1e6:.0f} MB free")
        with scratch.open("wb") as stream:
            start = _write_header(stream, most, preprocessing.size)
            for path, sha256, pixels in images:
                stream.write(pixels.tobytes())
                index["paths"].append(path)
                index["sha256"].append(sha256)
                index["crc32"].append(zlib.crc32(pixels.tobytes()))
            stream.seek(0)
            if _write_header(stream, len(index["paths"]), preprocessing.size) != start:
                raise AssertionError("a header for fewer rows has another length")
        scratch.replace(target)
        write_json(target.with_suffix(".json"), {"format": FORMAT, "preprocessing": preprocessing.to_dict(), **index})
    except OSError as error:
        remedy = "free some space, or choose another dataset folder"
        raise DatasetError(folder, f"packed pixels cannot be written ({error})", remedy) from error
    finally:
        with contextlib.suppress(OSError):  # a folder that lies under a file has nothing to remove
            scratch.unlink(missing_ok=True)


def _write_header(stream: IO[bytes], rows: int, size: int) -> int:
    """Header of an ``.npy`` file; numpy pads it so that any number of rows takes the same space."""
    shape = (rows, size, size)
    np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return stream.tell()
