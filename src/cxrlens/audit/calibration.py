"""Can the probabilities, the prediction sets and the answers be believed, and does that survive a new source?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cxrlens.audit import calibration_verdicts as verdicts
from cxrlens.audit.calibration_figure import draw_left_out_coverage
from cxrlens.audit.case import FEWEST, Case
from cxrlens.audit.verdict import Drawing, PartResult, Verdict, unanswered
from cxrlens.errors import CxrlensError
from cxrlens.evaluation import style
from cxrlens.evaluation.calibration.calibrate import calibrate, stored_calibration
from cxrlens.evaluation.calibration.options import CalibrationOptions
from cxrlens.evaluation.calibration.pictures import coverage, reliability
from cxrlens.evaluation.calibration.shift import shift_coverage
from cxrlens.evaluation.prediction import PREDICTION_COLUMNS, read_predictions
from cxrlens.labels import TUBERCULOSIS

INSIDE, REFERENCE, OUTSIDE = "calibration", "test", "left-out"
"""Values of ``split`` in ``leave_one_out/<source>.csv``: fitted on, measured inside, measured outside."""


def calibration(case: Case) -> PartResult:
    """Judge what ``cxrlens calibrate`` promised; it is made first where it is not there, or is another model's.

    Coverage on sources left out is judged from the predictions that the part ``leave_one_out`` keeps; where there are
    none, that question stays unanswered.
    """
    record = stored_calibration(case.run)
    if record is None:
        if not (case.predictions["split"] == "calibration").any():
            return unanswered(verdicts.PROBABILITIES, "no image was set aside for calibration")
        record = calibrate(case.run, CalibrationOptions(resamples=case.options.resamples, seed=case.options.seed))
    measured = record["measured"]
    if measured is None:
        return unanswered(verdicts.PROBABILITIES, "neither a test nor a validation part is left to measure on")
    if measured["n"] < FEWEST:
        reason = f"{measured['n']} images are too few to measure on, {FEWEST} are needed"
        return unanswered(verdicts.PROBABILITIES, reason)
    options = CalibrationOptions(
        **{**record["options"], "resamples": case.options.resamples, "seed": case.options.seed}
    )
    shifted = sorted(left_out(case, options), key=lambda s: s["outside"]["sets"]["overall"]["coverage"]["value"])
    judged: list[Verdict] = [
        verdicts.of_left_out(shifted, options.coverage),
        verdicts.of_probabilities(record),
        verdicts.of_probabilities_by_source(record),
        verdicts.of_classes(record),
        verdicts.of_sources(record),
        verdicts.of_abstention(record),
        verdicts.of_triage(record),
    ]
    return PartResult(tuple(judged), _figures(record, shifted), tuple(_draw(case, record, shifted)))


def left_out(case: Case, options: CalibrationOptions) -> Iterator[dict[str, Any]]:
    """One record a source left out: ``source`` and what :func:`shift_coverage` found of it.

    Tables of an earlier split, or with too few images inside to fit anything, are passed over.
    """
    known = set(case.rows["path"])
    for path in sorted((case.folder / "leave_one_out").glob("*.csv")):
        try:
            table = read_predictions(path)
        except (OSError, ValueError):
            continue  # torn: the part that wrote it makes it again
        if not set(PREDICTION_COLUMNS) <= set(table):
            continue
        parts = {name: table[table["split"] == name] for name in (INSIDE, REFERENCE, OUTSIDE)}
        sources = set(parts[OUTSIDE]["source"])
        if len(sources) != 1 or not len(parts[INSIDE]) or not set(table["path"]) <= known:
            continue
        try:
            found = shift_coverage(parts[INSIDE], parts[OUTSIDE], options, reference=parts[REFERENCE])
        except CxrlensError:
            continue
        yield {"source": sources.pop(), **found}


def _figures(record: Mapping[str, Any], shifted: list[dict[str, Any]]) -> dict[str, Any]:
    """The evidence, short: the whole of it lies in ``calibration.json``."""
    measured = record["measured"]
    return {
        "split": measured["split"],
        "meaning": measured["meaning"],
        "n": measured["n"],
        "fitted": record["fitted"],
        "temperature": record["temperature"],
        "ece": measured["probabilities"]["ece"],
        "coverage": {
            "promised": record["conformal"]["coverage"],
            **{
                part: {name: _coverage(entry) for name, entry in measured["sets"][part].items()}
                for part in ("by_class", "by_source")
            },
            "overall": _coverage(measured["sets"]["overall"]),
        },
        "answers": measured["answers"]["overall"],
        "triage": {
            name: {key: value for key, value in point.items() if key != "by_prevalence"}
            for name, point in measured["operating"][TUBERCULOSIS]["points"].items()
        },
        "left_out": shifted,
    }


def _coverage(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: entry[key] for key in ("n", "coverage", "size")}


def _draw(case: Case, record: dict[str, Any], shifted: list[dict[str, Any]]) -> Iterator[Drawing]:
    measured, synthetic = record["measured"], bool(record["synthetic"])
    where = f"{measured['n']} images of the {measured['split']} set, {measured['meaning']}"
    if shifted:
        figure = draw_left_out_coverage(shifted, record["conformal"]["coverage"])
        path = style.save(figure, case.folder / "calibration_left_out.png", synthetic=synthetic)
        caption = (
            "How often the prediction set holds the truth on a source that the network never saw (dot, 95 % interval "
            "by patient), on the sources that the same network knows (bar), and what was promised (dashed)."
        )
        yield Drawing(path.name, caption)
    path = style.save(reliability(record), case.folder / "calibration_reliability.png", synthetic=synthetic)
    yield Drawing(path.name, f"Stated confidence against the share right, before and after tempering; {where}.")
    path = style.save(coverage(record), case.folder / "calibration_coverage.png", synthetic=synthetic)
    yield Drawing(path.name, f"How often the prediction set holds the truth, by class and by source; {where}.")
