"""A peer finds duplicates: ``duplicates_peers.py PEER PATHS.txt PAIRS.csv``, printing the seconds it took last.

Run by ``duplicates.py`` with an interpreter that has the peers; needs nothing of cxrlens.
Settings: imagehash's pHash with 256 bits, pairs at Hamming distance 40 or less; CleanVision's exact and near
duplicates as delivered; imagededup's PHash (64 bits) at distance 2, at which its precision is highest (its default of
10 has 0.03).
"""

from __future__ import annotations

import csv
import itertools
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np


def _phash(path: str) -> np.ndarray:
    import imagehash
    from PIL import Image

    with Image.open(path) as image:
        return np.packbits(imagehash.phash(image, hash_size=16).hash.ravel())


def imagehash_pairs(paths: list[str]) -> list[tuple[str, str]]:
    """All pairs of 256-bit hashes at distance 40 or less."""
    with ProcessPoolExecutor() as pool:
        hashes = np.stack(list(pool.map(_phash, paths, chunksize=64)))
    ones = np.array([bin(n).count("1") for n in range(256)], np.uint8)
    pairs = []
    for row in range(len(paths) - 1):
        distance = ones[hashes[row + 1 :] ^ hashes[row]].sum(axis=1, dtype=np.int64)
        pairs += [(paths[row], paths[row + 1 + k]) for k in np.flatnonzero(distance <= 40)]
    return pairs


def cleanvision_pairs(paths: list[str]) -> list[tuple[str, str]]:
    """Its exact and near duplicate sets, every pair in a set."""
    from cleanvision import Imagelab

    lab = Imagelab(filepaths=paths, verbose=False)
    lab.find_issues({"exact_duplicates": {}, "near_duplicates": {}}, verbose=False)
    sets = [s for kind in ("exact_duplicates", "near_duplicates") for s in lab.info[kind]["sets"]]
    return [pair for found in sets for pair in itertools.combinations(sorted(found), 2)]


def imagededup_pairs(paths: list[str]) -> list[tuple[str, str]]:
    """PHash at distance 2."""
    from imagededup.methods import PHash

    hasher = PHash(verbose=False)
    with ProcessPoolExecutor() as pool:
        hashes = list(pool.map(hasher.encode_image, paths, chunksize=64))
    found = hasher.find_duplicates(encoding_map=dict(zip(paths, hashes, strict=True)), max_distance_threshold=2)
    return [(a, b) for a, others in found.items() for b in others if a < b]


def main() -> None:
    """Find, write, print the time."""
    peer, listing, target = sys.argv[1:4]
    paths = Path(listing).read_text().splitlines()
    find = {"imagehash": imagehash_pairs, "cleanvision": cleanvision_pairs, "imagededup": imagededup_pairs}[peer]
    clock = time.perf_counter()
    pairs = find(paths)
    seconds = time.perf_counter() - clock
    with Path(target).open("w", newline="") as out:
        csv.writer(out).writerows(pairs)
    print(seconds)


if __name__ == "__main__":
    main()
