"""One page to read or print: film, heat-map, probabilities, what they are worth. It names nobody."""

from __future__ import annotations

import io
import textwrap
import threading
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cxrlens import RESEARCH_ONLY, __version__
from cxrlens.doubts import HEADLINE
from cxrlens.serving.heat import overlay
from cxrlens.serving.prediction import JudgedMap, Prediction
from cxrlens.serving.predictor import Predictor
from cxrlens.serving.web.films import as_floats, heat_map, judged_map
from cxrlens.serving.web.results import Result

_A4 = (8.27, 11.69)  # inches
_PIXELS = 900  # of a picture's longer side on the page: 250 to an inch
_TOP = 0.45  # of what lies below the verdict, as a share of the page
_LINES = 17  # of the words that fit below the bars
_INK, _SOFT, _BAR, _PALE, _WARN = "#1b2733", "#5a6673", "#2f6f9f", "#b9cfe0", "#8a3b12"
_GATE = {"pass": "let the film pass", "repaired": "repaired the film, and that was judged", "refused": "refused it"}
_ONE_AT_A_TIME = threading.Lock()  # the library's font caches are not made for threads


def pdf_page(predictor: Predictor, result: Result, label: str | None) -> bytes:
    """The page of one result.

    Args:
        predictor: that judged it; asked again for the heat-map.
        result: with a film.
        label: the class that the overlay explains; no overlay where ``None``.
    """
    assert result.film is not None
    film = as_floats(result.film)
    heat = None if label is None else heat_map(predictor, result, label)
    told = None if label is None else judged_map(predictor, result, label)
    with _ONE_AT_A_TIME:
        return _draw(result.prediction, predictor, film, heat, told)


def _draw(
    prediction: Prediction,
    predictor: Predictor,
    film: NDArray[np.float32],
    heat: NDArray[np.float32] | None,
    told: JudgedMap | None,
) -> bytes:
    from matplotlib import rc_context
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.figure import Figure

    with rc_context({"pdf.fonttype": 42, "font.size": 9, "text.color": _INK}):
        page = Figure(figsize=_A4)
        FigureCanvasPdf(page)
        page.text(0.07, 0.955, "Chest radiograph, judged by a model", fontsize=15, weight="bold")
        page.text(0.07, 0.932, RESEARCH_ONLY, fontsize=9.5, weight="bold", color=_WARN)
        _pictures(page, film, heat, told)
        _verdict(page, prediction)
        end = _TOP
        if prediction.probabilities is not None:
            end = _bars(page, prediction)
        _words(page, replace(prediction, judged_map=told), predictor, end)
        buffer = io.BytesIO()
        about = {"Title": "Chest radiograph, judged by a model", "Subject": RESEARCH_ONLY, "Creator": "cxrlens"}
        page.savefig(buffer, format="pdf", metadata={**about, "Producer": None, "CreationDate": None})
    return buffer.getvalue()


def _pictures(page: Any, film: NDArray[np.float32], heat: NDArray[np.float32] | None, told: JudgedMap | None) -> None:
    film = _reduced(film)
    shown: list[tuple[NDArray[Any], str]] = [(film, "Film as it was judged")]
    flagged = told is not None and told.doubts.flagged
    if heat is not None and told is not None:
        title = f"{told.method} for {told.label}"
        shown.append((overlay(film, _reduced(heat)), f"{title}. {HEADLINE}" if flagged else title))
    for column, (picture, above) in enumerate(shown):
        axes = page.add_axes((0.07 + column * 0.44, 0.56, 0.42, 0.34))
        axes.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="antialiased")
        doubtful = flagged and column == 1
        weight = "bold" if doubtful else "normal"
        axes.set_title(above, fontsize=9, loc="left", color=_WARN if doubtful else _INK, weight=weight)
        axes.set_anchor("NW")
        axes.set_xticks([])
        axes.set_yticks([])
        for side in axes.spines.values():  # a frame round the map that should not be read, and none otherwise
            side.set(visible=doubtful, color=_WARN, linewidth=2.5)


def _reduced(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Area means, so that fine structures do not turn into patterns."""
    scale = _PIXELS / max(picture.shape)
    if scale >= 1:
        return picture
    return np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), dtype=np.float32)


def _verdict(page: Any, prediction: Prediction) -> None:
    said = {"answered": f"Class: {prediction.label}", "not sure": "Not sure: no class is given"}
    page.text(0.07, 0.515, said.get(prediction.status, "Refused: no class is named"), fontsize=13, weight="bold")
    if prediction.reason:
        page.text(0.07, 0.503, _wrapped(f"because {prediction.reason}"), color=_WARN, va="top", linespacing=1.4)


def _bars(page: Any, prediction: Prediction) -> float:
    """Returns where what comes below may begin."""
    assert prediction.probabilities is not None
    names, shares = list(prediction.probabilities), list(prediction.probabilities.values())
    inside = prediction.prediction_set
    height = min(0.035 * len(names), 0.16)
    axes = page.add_axes((0.22, _TOP - height, 0.6, height))
    colours = [_BAR if inside is None or name in inside else _PALE for name in names]
    axes.barh(range(len(names)), shares, color=colours, height=0.62)
    axes.set_xlim(0, 1)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(length=0, labelsize=9, labelcolor=_INK)
    axes.set_xticks([])
    for row, share in enumerate(shares):
        axes.text(share + 0.012, row, f"{share:.1%}", va="center", fontsize=9)
    for side in axes.spines.values():
        side.set_visible(False)
    how = "calibrated" if prediction.calibrated else "not calibrated"
    page.text(0.07, _TOP - height - 0.012, f"Probabilities, {how}. {_set_in_words(inside)}", va="top")
    return _TOP - height - 0.042


def _set_in_words(inside: tuple[str, ...] | None) -> str:
    if inside is None:
        return "The model has no prediction sets."
    return f"Prediction set (dark bars): {', '.join(inside) if inside else 'empty, no class fits'}."


def _words(page: Any, prediction: Prediction, predictor: Predictor, top: float) -> None:
    told = [f"Warning: {warning}" for warning in prediction.warnings]
    if prediction.judged_map is not None:
        doubts = prediction.judged_map.doubts
        told += [f"Heat-map: {sentence}" for sentence in (doubts.sentence, doubts.unchecked_sentence) if sentence]
    if prediction.risk is not None:
        told.append(f"Risk: {prediction.risk.sentence}.")
    if prediction.probabilities is not None:
        told.append(f"What stands behind the numbers: {prediction.measured_on}")
    if prediction.gate is not None:
        told.append(f"Gate: {_GATE[prediction.gate['status']]}")
    network = predictor.network
    told.append(f"Model: {network.name}, SHA-256 of its weights {network.hash}")
    told.append(f"cxrlens {__version__}. The heat-map shows where the network looked, not where disease is.")
    said = "\n\n".join(_wrapped(line) for line in told)
    if said.count("\n") > _LINES:
        said = said.replace("\n\n", "\n")
    page.text(0.07, top, said, va="top", fontsize=8.5 if said.count("\n") <= _LINES else 7, linespacing=1.35)
    page.text(0.07, 0.035, RESEARCH_ONLY, fontsize=8, color=_SOFT)


def _wrapped(text: str) -> str:
    return "\n".join(textwrap.wrap(text, 112))
