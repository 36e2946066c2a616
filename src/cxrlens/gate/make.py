"""Making: fit, measure and draw the gate of a run in one go."""

from __future__ import annotations

from typing import Any

from cxrlens.errors import CxrlensError
from cxrlens.folders import RunFolder, read_json
from cxrlens.gate.drawings import draw_gate
from cxrlens.gate.fit import FitOptions, fit_gate
from cxrlens.gate.measure import MeasureOptions, measure_gate
from cxrlens.gate.saved import gate_path
from cxrlens.progress import Progress, quiet


def make_gate(
    run: RunFolder, fitting: FitOptions, measuring: MeasureOptions, progress: Progress = quiet
) -> dict[str, Any]:
    """Fit a gate, measure it on held-out radiographs and draw the figures; returns ``measured.json``.

    Raises:
        RunError: no run folder, or a corrupt one.
        DatasetError: too few images to fit or to measure.
    """
    gate = fit_gate(run, fitting, progress)
    figures = measure_gate(run, gate, measuring, progress)
    draw_gate(run)
    return figures


def measured_gate(run: RunFolder) -> dict[str, Any] | None:
    """``measured.json`` where it is of this run's present model, else none: it has to be made (again)."""
    path = run.gate / "measured.json"
    if not path.is_file() or not gate_path(run).is_file():
        return None
    try:
        figures, fitted = read_json(path), read_json(gate_path(run))
    except CxrlensError:
        return None
    present = run.model().get("weights_sha256")
    return figures if figures.get("model_sha256") == present == fitted.get("model_sha256") else None
