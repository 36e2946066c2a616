"""From a table of judged images to the gate's figures, each with its interval."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrlens.evaluation.blocks import Bootstrap, accuracy_of
from cxrlens.evaluation.resampling import clusters
from cxrlens.gate.altered import ALTERATIONS
from cxrlens.gate.checks import CHECKS
from cxrlens.gate.novelty import SOFTMAX
from cxrlens.gate.separation import Units, separation
from cxrlens.gate.spaces import Floats
from cxrlens.labels import CLASSES

FEWEST = 20
"""Images of a source below which nothing is said of that source alone."""

WHOLE_GATE = "gate, all checks"
OWN_NETWORK = "gate's network: no chest"


def figures_of(judged: pd.DataFrame, measure: str, bootstrap: Bootstrap) -> dict[str, Any]:
    """Everything that is said of a gate.

    Args:
        judged: an image a row: ``group`` (radiograph, altered, stranger), ``kind``, ``status``, ``right``, scores.
        measure: the measure of novelty that counts.
        bootstrap: of the intervals.

    Returns:
        ``radiographs`` (``false_refusals``, ``false_repairs``, ``false_mirrored`` overall; refusals ``per_class`` and
        ``per_source``, and how many each check ``refused_by``), ``altered`` by kind, ``strangers`` by kind and ``all
        kinds`` (``refused``, and for each of ``methods`` its AUROC and FPR at 95 % TPR).
    """
    films = judged[judged["group"] == "radiograph"]
    altered, others = judged[judged["group"] == "altered"], judged[judged["group"] == "stranger"]
    return {
        "radiographs": _radiographs(films, bootstrap),
        "altered": {
            kind: _altered(films, altered[altered["kind"] == kind], kind, bootstrap)
            for kind in ALTERATIONS
            if (altered["kind"] == kind).any()
        },
        "strangers": {
            "all kinds": _strangers(films, others, measure, bootstrap),
            **{k: _strangers(films, others[others["kind"] == k], measure, bootstrap) for k in others["kind"].unique()},
        },
        "measure": measure,
    }


def _radiographs(films: pd.DataFrame, bootstrap: Bootstrap) -> dict[str, Any]:
    refused = films[films["status"] == "refused"]
    return {
        "n": len(films),
        "false_refusals": _share(films, films["status"] == "refused", bootstrap),
        "false_repairs": _share(films, films["status"] == "repaired", bootstrap),
        "false_mirrored": _share(films, films["warned_mirrored"], bootstrap),
        "per_class": {
            name: _block(films[films["label"] == name], bootstrap) for name in CLASSES if (films["label"] == name).any()
        },
        "per_source": {
            str(name): _block(rows, bootstrap)
            for name, rows in sorted(films.groupby("source"), key=lambda pair: -len(pair[1]))
        },
        "refused_by": _refused_by(refused),
    }


def _refused_by(refused: pd.DataFrame) -> dict[str, int]:
    """How many of the refused films each check refused; a film may be refused by several."""
    columns = [f"score: {name}" for name in CHECKS if f"score: {name}" in refused.columns]
    return {c.removeprefix("score: "): int((refused[c] > 1).sum()) for c in columns if (refused[c] > 1).any()}


def _block(rows: pd.DataFrame, bootstrap: Bootstrap) -> dict[str, Any]:
    return {
        "n": len(rows),
        "refused": _share(rows, rows["status"] == "refused", bootstrap),
        "repaired": _share(rows, rows["status"] == "repaired", bootstrap),
    }


def _altered(films: pd.DataFrame, rows: pd.DataFrame, kind: str, bootstrap: Bootstrap) -> dict[str, Any]:
    alteration = ALTERATIONS[kind]
    # A film with an alteration that is due a refusal may be refused for another reason: the whole gate is asked.
    score = "score: gate" if alteration.due == "refusal" else f"score: {alteration.score}"
    return {
        "n": len(rows),
        "due": alteration.due,
        "right": _share(rows, rows["right"], bootstrap),
        "refused": _share(rows, rows["status"] == "refused", bootstrap),
        "repaired": _share(rows, rows["status"] == "repaired", bootstrap),
        **_separated(films, rows, score, (_units(films), _units(rows)), bootstrap),
    }


def _strangers(films: pd.DataFrame, rows: pd.DataFrame, measure: str, bootstrap: Bootstrap) -> dict[str, Any]:
    columns = {WHOLE_GATE: "score: gate", OWN_NETWORK: "score: no chest", "softmax confidence": f"novelty: {SOFTMAX}"}
    distances = [str(c) for c in films.columns if str(c).startswith("novelty: ") and not str(c).endswith(SOFTMAX)]
    columns |= {c.removeprefix("novelty: "): c for c in distances}
    units = pd.factorize(rows["unit"])[0].astype(np.intp)
    inside = _units(films)
    return {
        "n": len(rows),
        "units": int(units.max()) + 1 if len(units) else 0,
        "refused": accuracy_of((rows["status"] == "refused").to_numpy(dtype=bool), units, bootstrap).to_dict(),
        "methods": {
            name: {"default": name == measure, **_separated(films, rows, column, (inside, units), bootstrap)}
            for name, column in columns.items()
        },
    }


def _separated(
    films: pd.DataFrame, rows: pd.DataFrame, column: str, units: tuple[Units, Units], bootstrap: Bootstrap
) -> dict[str, Any]:
    """Images for which the score was not computed (blank, too small) are left out, and counted."""
    (inside, known), (outside, also) = (_finite(frame, column) for frame in (films, rows))
    auroc, fpr = separation((inside, _renumbered(units[0][known])), (outside, _renumbered(units[1][also])), bootstrap)
    return {"auroc": auroc.to_dict(), "fpr95": fpr.to_dict(), "not_scored": int((~also).sum())}


def _finite(frame: pd.DataFrame, column: str) -> tuple[Floats, NDArray[np.bool_]]:
    values = frame[column].to_numpy(dtype=np.float64)
    there = np.isfinite(values)
    return values[there], there


def _units(frame: pd.DataFrame) -> Units:
    return clusters(frame.reset_index(drop=True))


def _renumbered(units: Units) -> Units:
    return np.unique(units, return_inverse=True)[1].astype(np.intp)


def _share(frame: pd.DataFrame, holds: pd.Series[bool], bootstrap: Bootstrap) -> dict[str, Any]:
    return accuracy_of(holds.to_numpy(dtype=bool), _units(frame), bootstrap).to_dict()
