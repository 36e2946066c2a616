"""Inspection: all that curation learns from one image, at one decode."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cxrlens.allocator import keep_freed_memory
from cxrlens.cores import usable_cores
from cxrlens.curation.duplicates import Fingerprint, fingerprint
from cxrlens.curation.flags import FLAGS
from cxrlens.curation.flags.typical import local_contrast
from cxrlens.curation.view import make_view
from cxrlens.errors import CxrlensError
from cxrlens.sources import read_radiograph
from cxrlens.sources.hashing import file_sha256

_CHUNK = 512


@dataclass(frozen=True, slots=True)
class Inspection:
    """About 19 KB an image.

    Args:
        path: as in the manifest.
        sha256: of the file's bytes; blank where they cannot be read.
        width: columns in pixels; 0 where unreadable.
        height: rows in pixels; 0 where unreadable.
        scores: of the flags that look at one image, each in [0, 1].
        contrast: (SIDE, SIDE) float32 for the flags that look at the collection.
        print: for the search for duplicates; none where unreadable.
        problem: why the image is unreadable; none where it is not.
    """

    path: str
    sha256: str = ""
    width: int = 0
    height: int = 0
    scores: dict[str, float] | None = None
    contrast: NDArray[np.float32] | None = None
    print: Fingerprint | None = None
    problem: CxrlensError | None = None


def inspect_image(path: str) -> Inspection:
    """Read, hash, score and fingerprint one image; never raises for a bad file."""
    sha256 = ""
    try:
        sha256 = file_sha256(path)
        radiograph = read_radiograph(Path(path))
    except CxrlensError as error:
        return Inspection(path, sha256=sha256, problem=error)
    view = make_view(radiograph)
    scores = {name: flag.score(view) for name, flag in FLAGS.items() if flag.score is not None}
    print_ = fingerprint(radiograph, sha256, path)
    contrast = local_contrast(view)
    return Inspection(path, sha256, radiograph.width, radiograph.height, scores, contrast, print_)


def inspect_all(paths: Sequence[str], workers: int) -> Iterator[Inspection]:
    """Inspections in the order of ``paths``.

    Args:
        paths: the images.
        workers: threads, since decoders and OpenCV release the interpreter's lock (measured on 2 cores: 1.4 times the
            images a second of processes, which would have to send everything back); 0 takes one for each core.
    """
    keep_freed_memory()
    workers = workers or usable_cores()
    if workers == 1 or len(paths) < 2:
        yield from map(inspect_image, paths)
        return
    with ThreadPoolExecutor(workers, thread_name_prefix="inspection") as threads:
        for start in range(0, len(paths), _CHUNK):  # in chunks, so that an interrupted run stops soon
            yield from threads.map(inspect_image, paths[start : start + _CHUNK])
