"""What has been measured of a model, and whether it was this very model."""

from __future__ import annotations

from cxrlens.errors import RunError
from cxrlens.evaluation.figures import spoken
from cxrlens.folders import RunFolder, read_json
from cxrlens.model import LoadedModel


def measured_on(run: RunFolder, model: LoadedModel) -> str:
    """What is known of the model's probabilities: its accuracy, and on which split of which dataset it was measured."""
    if not run.metrics_path.is_file():
        return "probability not measured on any set: run 'cxrlens evaluate' first"
    metrics = read_json(run.metrics_path)
    if _measured_hash(metrics) != model.hash:
        return "probability not measured since this model was trained: run 'cxrlens evaluate' again"
    for split in ("test", "validation"):
        block = metrics.get(split, {})
        if block.get("n"):
            where = f"{split} set of dataset '{metrics.get('dataset', 'unknown')}'"
            return f"probability measured on the {where}: accuracy {spoken(block['accuracy'])}, n = {block['n']}"
    return "probability measured on no independent image"


def check_current(run: RunFolder, model: LoadedModel) -> None:
    """Raise :class:`RunError` where there are no predictions, or another model made them."""
    if not run.predictions_path.is_file() or not run.metrics_path.is_file():
        raise RunError(run.root, "has no predictions yet", "run 'cxrlens evaluate' first")
    if _measured_hash(read_json(run.metrics_path)) != model.hash:
        fault = "has predictions of another model than it holds now"
        raise RunError(run.root, fault, "run 'cxrlens evaluate' again")


def _measured_hash(metrics: dict[str, object]) -> str:
    named = metrics.get("model")
    return str(named.get("hash", "")) if isinstance(named, dict) else ""
