"""``evaluate``: predict every split, measure each apart, draw the figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from cxrlens.batches import PackedPixels, pack
from cxrlens.errors import DatasetError, OptionError
from cxrlens.evaluation import curves, figures, style
from cxrlens.evaluation.baselines import baselines
from cxrlens.evaluation.blocks import Bootstrap, block
from cxrlens.evaluation.mistakes import mistakes
from cxrlens.evaluation.prediction import predict_table
from cxrlens.folders import RUN_FORMAT, DatasetFolder, RunFolder, read_json, write_atomically, write_json
from cxrlens.labels import CLASSES
from cxrlens.manifest import dataset_hash, kept
from cxrlens.model import LoadedModel, load_model
from cxrlens.progress import Progress, quiet

MEANINGS: dict[str, str] = {
    "train": "seen in training: not a score",
    "validation": "chose the epoch: not a test score",
    "calibration": "set aside for calibration",
    "test": "locked away until now",
    "external": "another dataset, never seen in training",
}
"""What each split is, in words; every block and every figure carries its own."""

INFLATED = "random split: images of one patient may lie on both sides, so this is inflated"


@dataclass(frozen=True, slots=True)
class EvaluationOptions:
    """What to evaluate and how.

    Args:
        dataset: another dataset folder to test on (all its kept images, as ``external``); ``None`` for the run's own.
        resamples: bootstrap resamples, at least 100.
        seed: of the bootstrap.
        batch: images at once through the network.
        figures: draw the PNGs too.
        device: ``auto`` (CUDA where there is one) or a name that torch knows.

    Raises:
        OptionError: fewer than 100 resamples, or no image at once.
    """

    dataset: DatasetFolder | None = None
    resamples: int = 2000
    seed: int = 0
    batch: int = 128
    figures: bool = True
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.resamples < 100:
            raise OptionError("resamples", f"{self.resamples} give no interval", "ask for 100 or more")
        if self.batch < 1:
            raise OptionError("batch", f"{self.batch} is no number of images", "give 1 or more")


def evaluate(
    run: RunFolder, options: EvaluationOptions = EvaluationOptions(), progress: Progress = quiet
) -> dict[str, Any]:
    """Measure a trained run on train, validation and test, each apart, and write what was measured.

    On the run's own dataset it writes ``metrics.json``, ``predictions.csv`` and ``figures/*.png``. On another dataset
    it writes the same under ``external/<name of the dataset>/`` with one block, ``external``, and leaves the run's own
    alone; images that the run's own dataset holds as well are passed over. An image that cannot be read any more is
    left out and named under ``problems``.

    Args:
        run: a run folder made by ``train``.
        options: see :class:`EvaluationOptions`.
        progress: shown while predicting.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        RunError: no run folder, or a corrupt one.
        DatasetError: the dataset is not the one the run was trained on, has no split, or holds nothing to evaluate.
    """
    model = load_model(run)
    model.module.to(_device(options.device))
    dataset = options.dataset or run.dataset()
    manifest = kept(dataset.manifest())
    if options.dataset is None:
        _check_same_dataset(run, dataset, manifest)
        rows = manifest[manifest["split"] != ""]
        out = run.root
    else:
        rows = _unseen(run, manifest).assign(split="external")
        out = run.root / "external" / dataset.root.resolve().name
    if not len(rows):
        raise DatasetError(
            dataset.root, "has no image to evaluate", "run 'cxrlens split' first, or give a dataset with images"
        )
    packed = pack(manifest, model.preprocessing, dataset.packed_folder, progress)
    rows = rows[[path in packed for path in rows["path"]]]
    predictions = predict_table(model.module, rows, packed, progress, options.batch)
    metrics = measure(predictions, Bootstrap(options.resamples, options.seed), _split_kind(run, dataset))
    problems = [str(problem) for problem in packed.problems]
    metrics = {**_origin(run, model, dataset, manifest, options), **metrics, "problems": problems}
    write_atomically(out / "predictions.csv", predictions.to_csv(index=False, float_format="%.8g").encode())
    write_json(out / "metrics.json", metrics)
    if options.figures:
        draw(predictions, metrics, packed, out / "figures", synthetic=dataset.synthetic)
    return metrics


def measure(predictions: pd.DataFrame, bootstrap: Bootstrap, split_kind: str) -> dict[str, Any]:
    """The blocks of ``metrics.json``, one a split that has images, and the baselines.

    Args:
        predictions: rows with :data:`cxrlens.evaluation.prediction.PREDICTION_COLUMNS`.
        bootstrap: resamples and seed.
        split_kind: ``random`` marks validation and test as inflated.
    """
    parts = {str(name): rows for name, rows in predictions.groupby("split", sort=False)}
    result: dict[str, Any] = {"split_kind": split_kind}
    for name in ("external",) if "external" in parts else ("train", "validation", "test"):
        meaning = MEANINGS[name]
        if split_kind == "random" and name in ("validation", "test"):
            meaning = f"{meaning}; {INFLATED}"
        result[name] = block(parts.get(name, predictions.iloc[:0]), meaning, bootstrap)
    learned = parts.get("train", predictions.iloc[:0])
    scored = headline(predictions)
    if len(learned):
        result["baselines"] = {"split": scored, **baselines(learned, parts[scored], bootstrap)}
    return result


def headline(predictions: pd.DataFrame) -> str:
    """The split that figures show: the most independent one that has images."""
    present = set(predictions["split"])
    return next(name for name in ("external", "test", "validation", "calibration", "train") if name in present)


def draw(
    predictions: pd.DataFrame, metrics: dict[str, Any], packed: PackedPixels, folder: Path, *, synthetic: bool = False
) -> list[Path]:
    """Draw the six figures of the headline split; the confusion matrix of validation too where that is another one."""
    split = headline(predictions)
    rows = predictions[predictions["split"] == split]
    measured = metrics[split]
    by_source = metrics.get("baselines", {}).get("source_majority", {}).get("by_source", {})

    def read(paths: list[str]) -> Any:
        return packed.pixels[packed.rows(paths)]

    drawn = {
        "confusion": figures.confusion(measured, split),
        "roc": curves.roc(rows, measured, split),
        "precision_recall": curves.precision_recall(rows, measured, split),
        "reliability": figures.reliability(rows, measured, split),
        "per_source": figures.per_source(measured, split, by_source),
        "mistakes": mistakes(rows, measured, split, read),
    }
    if split == "test" and metrics["validation"]["n"]:
        drawn["confusion_validation"] = figures.confusion(metrics["validation"], "validation")
    return [style.save(figure, folder / f"{name}.png", synthetic=synthetic) for name, figure in drawn.items()]


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        first = str(error).split("\n")[0]
        raise OptionError(f"device '{name}'", f"cannot be used ({first})", "choose auto, cpu or cuda") from error


def _check_same_dataset(run: RunFolder, dataset: DatasetFolder, manifest: pd.DataFrame) -> None:
    trained, now = str(run.model().get("dataset_hash", "")), dataset_hash(manifest)
    if trained != now:
        fault = (
            f"is not the dataset {run.root} was trained on (hash {now[:12]}, trained on {trained[:12] or 'unknown'})"
        )
        remedy = "train again, bring the old dataset back, or give it as another dataset to test on"
        raise DatasetError(dataset.root, fault, remedy)


def _unseen(run: RunFolder, manifest: pd.DataFrame) -> pd.DataFrame:
    """Rows whose bytes the run's own dataset does not hold: an external test on training images would be none."""
    own = kept(run.dataset().manifest())["sha256"]
    return manifest[~manifest["sha256"].isin(set(own[own != ""]))]


def _split_kind(run: RunFolder, dataset: DatasetFolder) -> str:
    """``patient`` or ``random`` as ``split.json`` says; ``unknown`` where it says nothing."""
    del run
    if not dataset.split_path.is_file():
        return "unknown"
    return str(read_json(dataset.split_path).get("kind", "unknown"))


def _origin(
    run: RunFolder, model: LoadedModel, dataset: DatasetFolder, manifest: pd.DataFrame, options: EvaluationOptions
) -> dict[str, Any]:
    return {
        "format": RUN_FORMAT,
        "model": {"name": model.name, "hash": model.hash},
        "trained_on": str(run.model().get("dataset_hash", "")),
        "dataset": dataset.root.resolve().name,
        "dataset_hash": dataset_hash(manifest),
        "classes": list(CLASSES),
        "intervals": {
            "level": 0.95,
            "method": "percentile bootstrap by patient, else duplicate group, else image",
            "resamples": options.resamples,
            "seed": options.seed,
        },
    }
