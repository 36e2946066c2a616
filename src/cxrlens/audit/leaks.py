"""Which images of the part that is measured on are known already: their patient, or the very film, was learnt from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrlens.curation.duplicates import Fingerprint, find_duplicates, fingerprint, group_pairs
from cxrlens.errors import CxrlensError
from cxrlens.evaluation.blocks import Bootstrap
from cxrlens.evaluation.intervals import Interval, from_resamples
from cxrlens.evaluation.resampling import bootstrap_weights, clusters
from cxrlens.progress import Progress
from cxrlens.sources.many import read_many
from cxrlens.split import patient_keys

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Films:
    """What a fresh look at the pictures found.

    Args:
        across: pairs of one radiograph in two parts, the likest first: ``path_a``, ``path_b``, ``kind``, ``score``,
            ``split_a``, ``split_b``, ``sha_a``, ``sha_b`` (12 digits each).
        groups: (n,) group of each row that has a copy among the rows, blank where there is none.
        pairs: how many pairs in all, those within one part too.
        unreadable: images that could not be read.
    """

    across: pd.DataFrame
    groups: NDArray[np.object_]
    pairs: int
    unreadable: int


def look_afresh(rows: pd.DataFrame, progress: Progress) -> Films:
    """Search the kept rows for copies, without regard to the groups that curation stored."""
    prints: list[Fingerprint] = []
    paths, hashes = list(rows["path"]), list(rows["sha256"])
    for index, item in read_many([Path(path) for path in paths], progress=progress):
        if not isinstance(item, CxrlensError):
            prints.append(fingerprint(item, hashes[index], paths[index]))
    pairs = find_duplicates(prints, progress=progress)
    groups = group_pairs(paths, zip(pairs["path_a"], pairs["path_b"], strict=True))
    part, sha = (dict(zip(paths, rows[column], strict=True)) for column in ("split", "sha256"))
    for side in ("a", "b"):
        pairs[f"split_{side}"] = pairs[f"path_{side}"].map(part)
        pairs[f"sha_{side}"] = pairs[f"path_{side}"].map(sha).str[:12]
    across = pairs[pairs["split_a"] != pairs["split_b"]].sort_values("score", ascending=False, kind="stable")
    found = np.array([groups.get(path, "") for path in paths], dtype=object)
    return Films(across.reset_index(drop=True), found, len(pairs), len(rows) - len(prints))


@dataclass(frozen=True, slots=True)
class Known:
    """Rows of the measured part that are known already, (n,) over all rows, by the reason; one image may have several.

    Args:
        patient: another image of the same patient was learnt from.
        group: an image of the same stored duplicate group was.
        film: a copy that was found afresh was.
    """

    patient: Mask
    group: Mask
    film: Mask

    @property
    def any(self) -> Mask:
        """For whatever reason."""
        return self.patient | self.group | self.film


def known_already(rows: pd.DataFrame, films: Films, measured: str) -> Known:
    """``measured`` is the name of the part; learnt from are train, and validation where test is measured."""
    asked = (rows["split"] == measured).to_numpy()
    learnt = rows["split"].isin(["train", "validation"] if measured == "test" else ["train"]).to_numpy()

    def shared(keys: NDArray[np.object_]) -> Mask:
        seen = set(keys[learnt]) - {""}
        return np.asarray(asked & np.array([key in seen for key in keys], dtype=bool))

    stored = rows["duplicate_group"].to_numpy(dtype=object)
    return Known(shared(patient_keys(rows).to_numpy(dtype=object)), shared(stored), shared(films.groups))


def accuracy_without(predictions: pd.DataFrame, known: Mask, bootstrap: Bootstrap) -> dict[str, Any]:
    """Accuracy with and without the images that are known already, and the difference, paired resample by resample.

    Args:
        predictions: n rows of the measured part.
        known: (n,) those to leave out.
        bootstrap: resamples, by patient.

    Returns:
        ``all``, ``without``, ``known`` (accuracy on those alone) and ``difference`` (all minus without), intervals.
    """
    right = (predictions["label"] == predictions["predicted"]).to_numpy(dtype=np.float64)
    sets = {"all": np.ones(len(right)), "without": (~known).astype(np.float64), "known": known.astype(np.float64)}

    def means(weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        result = {}
        for name, members in sets.items():
            size = weights @ members
            result[name] = np.divide(weights @ (members * right), size, out=np.full(len(size), np.nan), where=size > 0)
        result["difference"] = result["all"] - result["without"]
        return result

    rng = np.random.default_rng(bootstrap.seed)
    parts = [means(w) for w in bootstrap_weights(clusters(predictions), bootstrap.resamples, rng)]
    value = means(np.ones((1, len(right))))
    found: dict[str, Interval] = {}
    for name, values in value.items():
        drawn = np.concatenate([part[name] for part in parts]) if parts else np.zeros(0)
        found[name] = from_resamples(float(values[0]), drawn, "no such image")
    return {name: interval.to_dict() for name, interval in found.items()}
