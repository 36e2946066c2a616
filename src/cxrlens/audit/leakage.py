"""Leakage: does the same patient, or the same radiograph, lie on both sides of the split, and does it pay?"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cxrlens.audit.case import Case
from cxrlens.audit.leakage_verdicts import FILM_QUESTION, verdicts
from cxrlens.audit.leaks import Films, accuracy_without, known_already, look_afresh
from cxrlens.audit.verdict import Drawing, PartResult, unanswered
from cxrlens.errors import CxrlensError
from cxrlens.evaluation import style
from cxrlens.sources import read_radiograph
from cxrlens.split import count_shared

_LISTED, _SHOWN = 50, 6


def leakage(case: Case) -> PartResult:
    """Patients and stored duplicate groups in two parts, copies across parts that a fresh search finds, and the
    accuracy with and without the images that were known already.

    Measured is the test part, or validation where a split has no test part; learnt from is what chose the weights.
    """
    rows = case.rows
    if rows["split"].nunique() < 2:
        return unanswered(FILM_QUESTION, "the dataset has no split into parts")
    measured = "test" if (rows["split"] == "test").any() else "validation"
    films = look_afresh(rows, case.progress)
    known = known_already(rows, films, measured)
    asked = (rows["split"] == measured).to_numpy()
    figures: dict[str, Any] = {
        "images": len(rows),
        "measured": measured,
        "measured_images": int(asked.sum()),
        "shared": count_shared(case.manifest),
        "afresh": {
            "pairs": films.pairs,
            "across": len(films.across),
            "unreadable": films.unreadable,
            "kinds": dict(sorted(Counter(films.across["kind"]).items())),
            "shown": _listed(films.across),
        },
        "known": {name: int(getattr(known, name).sum()) for name in ("patient", "group", "film", "any")},
    }
    paths = set(rows["path"][known.any])
    figures |= _accuracy(case, rows[asked], paths, measured)
    drawings: tuple[Drawing, ...] = ()
    if len(films.across):
        figure = draw_pairs(films)
        style.save(figure, case.folder / "leakage.png", synthetic=case.dataset.synthetic)
        caption = (
            f"Pairs that a fresh search takes for one radiograph in two parts of the split: {_few(films)} of "
            f"{len(films.across)}, the likest first. The score is the correlation after registration."
        )
        drawings = (Drawing("leakage.png", caption),)
    return PartResult(tuple(verdicts(figures)), figures, drawings)


def draw_pairs(films: Films) -> Figure:
    """A column a pair, the parts and the score above; no names, since file names may hold patients' ids."""
    pairs = films.across.head(_SHOWN)
    with style.look():
        figure = style.new_figure(max(6.0, 1.75 * len(pairs)), 5.0)
        grid = figure.subplots(2, len(pairs), squeeze=False)
        for column, pair in zip(grid.T, pairs.itertuples(), strict=True):
            for axes, path, part in zip(column, (pair.path_a, pair.path_b), (pair.split_a, pair.split_b), strict=True):
                axes.imshow(_pixels(str(path)), cmap="gray", vmin=0, vmax=1)
                axes.set_title(str(part), fontsize=9, fontweight="normal", loc="center")
                style.no_frame(axes)
            column[1].set_xlabel(f"{pair.kind}, {pair.score:.2f}", fontsize=8.5)
        style.heading(figure, "One radiograph in two parts", f"{len(pairs)} of {len(films.across)} pairs; score below")
    return figure


def _pixels(path: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    try:
        return read_radiograph(Path(path)).pixels
    except CxrlensError:
        return np.zeros((8, 8), np.float32)


def _few(films: Films) -> int:
    return min(_SHOWN, len(films.across))


def _listed(across: pd.DataFrame) -> list[dict[str, Any]]:
    """The first pairs by the start of their files' SHA-256, which is no name."""
    return [
        {
            "images": [p["sha_a"], p["sha_b"]],
            "parts": [p["split_a"], p["split_b"]],
            **{k: p[k] for k in ("kind", "score")},
        }
        for p in across.head(_LISTED).to_dict("records")
    ]


def _accuracy(case: Case, asked: pd.DataFrame, known: set[str], measured: str) -> dict[str, Any]:
    """``accuracy``, or ``accuracy_missing`` with the reason."""
    if not case.run.predictions_path.is_file():
        return {"accuracy_missing": "the run was not evaluated"}
    mine = case.predictions[case.predictions["path"].isin(asked["path"])].reset_index(drop=True)
    if mine.empty:
        return {"accuracy_missing": f"the run predicted none of the {measured} images"}
    return {"accuracy": accuracy_without(mine, mine["path"].isin(known).to_numpy(), case.bootstrap)}
