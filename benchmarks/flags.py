"""Recall and false flags of ``rotated``, ``inverted`` and ``not-a-chest`` on a collection with planted faults.

    python benchmarks/flags.py ../shared/data/collected/* --other ../shared/data/dicom/not_chest

One film in 30 is turned by 90, 180 or 270 degrees, one in 30 is negated; pictures of anything else can be mixed in.
What is flagged among the untouched films counts as false, whether or not a reader would agree: look at them.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from cxrlens.curation.flags.typical import INVERTED, NOT_A_CHEST, ROTATED, judge, local_contrast
from cxrlens.curation.view import make_view
from cxrlens.errors import CxrlensError
from cxrlens.sources import read_radiograph, scan


def contrasts(paths):
    """(n, SIDE, SIDE) of those that can be read, and the milliseconds each took without reading."""
    found, seconds = [], 0.0
    for path in paths:
        try:
            radiograph = read_radiograph(Path(path))
        except CxrlensError as error:
            print(error)
            continue
        start = time.perf_counter()
        found.append(local_contrast(make_view(radiograph)))
        seconds += time.perf_counter() - start
    return np.stack(found), 1000 * seconds / max(1, len(found))


def main():
    """Plant, judge, count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collections", nargs="+", type=Path)
    parser.add_argument("--other", type=Path, help="folder of pictures that are no chests")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    films, milliseconds = contrasts(scan(options.collections).manifest["path"])
    rng = np.random.default_rng(options.seed)
    count = len(films)
    turned, negated = np.split(rng.permutation(count)[: 2 * (count // 30)], 2)
    planted = films.copy()
    quarters = rng.integers(1, 4, len(turned))
    for row, quarter in zip(turned, quarters, strict=True):
        planted[row] = np.rot90(films[row], quarter)
    planted[negated] *= -1
    others = contrasts(sorted(p for p in options.other.iterdir() if p.is_file()))[0] if options.other else films[:0]
    start = time.perf_counter()
    judged = judge(np.concatenate([planted, others]))
    seconds = time.perf_counter() - start
    if judged is None:
        raise SystemExit("too few films to judge")
    sound = np.ones(count, dtype=bool)
    sound[np.concatenate([turned, negated])] = False
    print(f"{count} films, {milliseconds:.2f} ms each for view and contrast, {seconds:.1f} s to judge all")
    rows = (
        ("rotated", ROTATED, judged.rotated, turned),
        ("inverted", INVERTED, judged.inverted, negated),
        ("not-a-chest", NOT_A_CHEST, judged.not_a_chest, np.arange(count, count + len(others))),
    )
    for name, flag, scores, faulty in rows:
        for word, at in (("flagged", flag.flag_at), ("excluded", flag.exclude_at)):
            if at is None:
                continue
            hit, false = int((scores[faulty] >= at).sum()), int((scores[:count][sound] >= at).sum())
            print(f"{name:12s} {word:9s} at {at:.2f}: {hit} of {len(faulty)} planted, {false} of {sound.sum()} others")
    right = (judged.quarter_turns[turned] + quarters) % 4 == 0
    print(f"turn named rightly: {int(right.sum())} of {len(turned)}")


if __name__ == "__main__":
    main()
