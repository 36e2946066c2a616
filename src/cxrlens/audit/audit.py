"""``audit``: the parts in their order, each kept once it is done, and what they say together."""

from __future__ import annotations

import hashlib
import importlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cxrlens.audit.case import AuditOptions, Case
from cxrlens.audit.verdict import PartResult, Status, Verdict, gravest
from cxrlens.errors import CxrlensError, OptionError, RunError
from cxrlens.evaluation.style import look
from cxrlens.folders import RUN_FORMAT, RunFolder, read_json, write_json
from cxrlens.manifest import dataset_hash, kept
from cxrlens.progress import Progress, quiet

VERSION = 6
"""Raise it when a part would judge otherwise: kept results are then made again."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the audit.

    Args:
        name: of its file, and of ``--part``.
        title: what it looks into, in a few words.
        weight: rough share of the whole audit's time, for the time left.
        module: where its function of the same name lies; imported when its turn comes.
    """

    name: str
    title: str
    weight: float
    module: str

    def __call__(self, case: Case) -> PartResult:
        """Run it."""
        run: Callable[[Case], PartResult] = getattr(importlib.import_module(self.module), self.name)
        return run(case)


PARTS: tuple[Part, ...] = tuple(
    Part(name, title, weight, f"cxrlens.audit.{module}")
    for name, title, weight, module in (
        ("leakage", "does the same patient or radiograph lie on both sides of the split", 3, "leakage"),
        ("association", "does the file name the class", 2, "association"),
        ("source_features", "do the network's features name the source", 1, "source_features"),
        ("leave_one_out", "networks trained without one source each", 10, "leave_one_out"),
        ("shortcuts", "networks that see everything but the lungs", 6, "shortcuts"),
        ("suspects", "labels that are probably wrong", 6, "suspects"),
        ("calibration", "probabilities, prediction sets, abstention", 1, "calibration"),
        ("gate", "what is no chest film", 3, "gate"),
        ("explanations", "do the heat-maps deserve to be read", 5, "explanations"),
    )
)
"""In the order in which they run: the cheap ones first."""

DEFAULTS = AuditOptions()

SHOWN: tuple[str, ...] = (
    "leave_one_out",
    "leakage",
    "association",
    "shortcuts",
    "source_features",
    "suspects",
    "calibration",
    "gate",
    "explanations",
)
"""In the order in which a reader meets them."""


@dataclass(frozen=True, slots=True)
class Audited:
    """What an audit came to.

    Args:
        parts: results by name, in the order of :data:`SHOWN`.
        headline: one sentence for all of it.
        seconds: of each part; 0 where a kept result was read.
        problems: parts that stopped with an error; they have no result.
    """

    parts: dict[str, PartResult]
    headline: str
    seconds: dict[str, float]
    problems: tuple[CxrlensError, ...]


def audit(
    run: RunFolder,
    options: AuditOptions = DEFAULTS,
    progress: Progress = quiet,
    only: Sequence[str] = (),
    told: Callable[[str], None] = lambda _: None,
) -> Audited:
    """Ask everything that can be asked of a trained and evaluated run.

    Results lie in ``RUN/audit/<part>.json``; a part that is there already, made from the same model, dataset and
    options, is read. ``RUN/audit.json`` holds the headline and where each part stands.

    Args:
        run: trained and evaluated.
        options: how thorough.
        progress: shown within parts.
        only: names of parts; all where empty.
        told: one line before and after each part.

    Raises:
        OptionError: an unknown part.
        RunError: no run folder, or one that was not evaluated since it was trained.
    """
    unknown = [name for name in only if name not in SHOWN]
    if unknown:
        raise OptionError(f"part '{unknown[0]}'", "is not known", f"use some of {', '.join(SHOWN)}")
    case = Case(run, options, progress)
    _check(case)
    key = _key(case)
    wanted = [part for part in PARTS if not only or part.name in only]
    results, seconds, problems = _kept_results(case, key), dict.fromkeys(SHOWN, 0.0), []
    todo = [part for part in wanted if part.name not in results]
    began = time.perf_counter()
    for number, part in enumerate(todo):
        told(f"{part.name} ({part.title}){_time_left(todo, number, began)}")
        start = time.perf_counter()
        try:
            with look():
                results[part.name] = part(case)
        except CxrlensError as error:
            problems.append(error)
            told(f"  stopped: {error}")
            continue
        seconds[part.name] = time.perf_counter() - start
        record = {"format": RUN_FORMAT, "part": part.name, "key": key, "seconds": round(seconds[part.name], 1)}
        write_json(case.folder / f"{part.name}.json", {**record, **results[part.name].to_dict()})
        _summarise(case, key, results)
    _summarise(case, key, results)
    shown = {name: results[name] for name in SHOWN if name in results}
    return Audited(shown, headline(shown), seconds, tuple(problems))


def headline(parts: dict[str, PartResult]) -> str:
    """One sentence: how many questions failed, and the figure that matters most."""
    verdicts = [v for part in parts.values() for v in part.verdicts]
    counts = {status: sum(v.status == status for v in verdicts) for status in ("fail", "warn", "pass", "unanswered")}
    said = (
        f"{len(verdicts)} questions asked: {counts['fail']} failed, {counts['warn']} with a warning, "
        f"{counts['pass']} passed, {counts['unanswered']} that this data cannot answer."
    )
    first = parts.get("leave_one_out")
    return f"{first.verdicts[0].sentence} {said}" if first is not None else said


def _check(case: Case) -> None:
    """The predictions must be of this model, and the dataset the one it was trained on."""
    metrics = case.run.metrics_path
    if not metrics.is_file() or not case.run.predictions_path.is_file():
        raise RunError(case.run.root, "has no predictions yet", "run 'cxrlens evaluate' first")
    if read_json(metrics).get("model", {}).get("hash") != case.model.hash:
        raise RunError(
            case.run.root, "has predictions of another model than it holds now", "run 'cxrlens evaluate' again"
        )
    if case.run.model().get("dataset_hash") != dataset_hash(kept(case.manifest)):
        fault = f"was trained on another dataset or split than {case.dataset.root} holds now"
        raise RunError(case.run.root, fault, "bring the old dataset back, or train again")


def _key(case: Case) -> str:
    """Hex digest of all that decides the results: model, dataset, options, and the audit's own version."""
    options = {k: str(v) for k, v in asdict(case.options).items()}
    predictions = hashlib.sha256(case.run.predictions_path.read_bytes()).hexdigest()
    facts = [VERSION, case.model.hash, dataset_hash(kept(case.manifest)), predictions, options]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _kept_results(case: Case, key: str) -> dict[str, PartResult]:
    found: dict[str, PartResult] = {}
    for name in SHOWN:
        path = case.folder / f"{name}.json"
        if not path.is_file():
            continue
        try:
            record = read_json(path)
            if record.get("key") == key:
                found[name] = PartResult.from_dict(record)
        except (RunError, KeyError, TypeError):
            continue  # torn or of another version: it is made again
    return found


def _summarise(case: Case, key: str, results: dict[str, PartResult]) -> None:
    parts: list[dict[str, Any]] = []
    shown = {name: results[name] for name in SHOWN if name in results}
    for name, result in shown.items():
        status: Status = gravest(result.verdicts)
        parts.append({"name": name, "status": status, "verdicts": [asdict(v) for v in result.verdicts]})
    about: dict[str, Any] = asdict(case.options)
    about["annotations"] = case.options.annotations is not None  # where they lie is nobody's business
    record = {
        "format": RUN_FORMAT,
        "key": key,
        "model": {"name": case.model.name, "hash": case.model.hash},
        "options": about,
        "complete": all(name in shown for name in SHOWN),
        "headline": headline(shown),
        "parts": parts,
    }
    write_json(case.run.root / "audit.json", record)


def _time_left(todo: Sequence[Part], number: int, began: float) -> str:
    """From what the parts so far took for their weight; nothing before the first is done."""
    done = sum(part.weight for part in todo[:number])
    if not done:
        return ""
    left = sum(part.weight for part in todo[number:]) * (time.perf_counter() - began) / done
    return f", about {max(1, round(left / 60))} min left"


def verdicts_of(parts: dict[str, PartResult]) -> list[tuple[str, Verdict]]:
    """(part, verdict), the gravest first."""
    order: dict[str, int] = {"fail": 0, "warn": 1, "unanswered": 2, "pass": 3}
    pairs = [(name, verdict) for name, part in parts.items() for verdict in part.verdicts]
    return sorted(pairs, key=lambda pair: order[pair[1].status])
