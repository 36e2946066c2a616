"""``report.html`` of a run: one file with every picture inside, in plain words first and figures after."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cxrlens.folders import RunFolder, write_atomically
from cxrlens.labels import CLASSES
from cxrlens.report import performance
from cxrlens.report.audit_record import read_audit
from cxrlens.report.audited import STATUS_WORDS, audit_view
from cxrlens.report.augmented import augmented_examples
from cxrlens.report.calibrated import calibrated_view
from cxrlens.report.checklists import assess
from cxrlens.report.checklists.assessment import STATES
from cxrlens.report.data_facts import data_facts
from cxrlens.report.figures import SMALL_SOURCE, parse, split_metrics
from cxrlens.report.findings import findings
from cxrlens.report.gated import gated_view
from cxrlens.report.headline import ORIGINAL, headline
from cxrlens.report.limits import calibration_words, limits
from cxrlens.report.mistakes import most_confident_mistakes
from cxrlens.report.naming import Namer
from cxrlens.report.records import RunRecord, read_run
from cxrlens.report.rendering import render
from cxrlens.report.reproduce import reproduction
from cxrlens.report.run_facts import run_facts
from cxrlens.report.scorecard import scorecard_view, unanswered_of
from cxrlens.report.splitting import split_facts
from cxrlens.report.training_facts import training_facts
from cxrlens.report.unseen_sources import unseen_sources
from cxrlens.report.where_it_looked import gallery_of

CONTENTS = (
    ("result", "The result"),
    ("believed", "Can it be believed?"),
    ("data", "What went in"),
    ("found", "What was found"),
    ("split", "How it was divided"),
    ("augmentation", "What training saw"),
    ("training", "Training"),
    ("figures", "How well it does"),
    ("calibrated", "What a probability is worth"),
    ("mistakes", "Mistakes"),
    ("gate", "What it may judge"),
    ("gradcam", "Where it looked"),
    ("limits", "Limits"),
    ("checklists", "Reporting checklists"),
    ("again", "The same again"),
)


def write_run_report(run: RunFolder) -> Path:
    """Write ``report.html`` into the run folder; whatever is not made yet is named with the command that makes it.

    No patient's id is written: images are named by file, and by hash where the file's name holds an id.

    Returns:
        Path of the report.

    Raises:
        RunError: the folder is no run folder, or one of another version.
    """
    path = run.root / "report.html"
    write_atomically(path, render("run.html.j2", **_values(read_run(run))).encode())
    return path


def _values(record: RunRecord) -> dict[str, Any]:
    namer, audit = Namer.of(record.dataset.manifest), read_audit(record)
    data = data_facts(record.dataset.manifest) if record.dataset.manifest is not None else None
    found, split = findings(record.dataset, namer), split_facts(record.dataset)
    head = headline(record, unseen_sources(audit))
    shown, scorecard = head.split if head else "test", scorecard_view(record)
    block = split_metrics(record.metrics, shown)
    ece = parse(block.get("ece")) if block else None
    return {
        "contents": CONTENTS,
        "name": record.folder.root.resolve().name,
        "classes": CLASSES,
        "synthetic": record.dataset.synthetic,
        "problems": record.problems,
        "headline": head,
        "audit": audit_view(record, audit, namer),
        "status_words": STATUS_WORDS,
        "assessments": assess(run_facts(record)),
        "states": STATES,
        "small_source": SMALL_SOURCE,
        "data": data,
        "findings": found,
        "pairs_missing": record.dataset.pairs is None,
        "split": split,
        "augmentation": augmented_examples(record),
        "training": training_facts(record),
        "original": ORIGINAL,
        "per_class": tuple(performance.PER_CLASS.values()),
        "views": performance.split_views(record),
        "external": performance.external_views(record),
        "test_measured": shown == "test",
        "calibration": calibration_words(ece.value if ece else None),
        "plots": performance.plots(record.folder.figures, shown),
        "calibrated": calibrated_view(record),
        "mistakes": most_confident_mistakes(record, shown, namer),
        "gated": gated_view(record),
        "explanations": gallery_of(record),
        "scorecard": scorecard,
        "scorecard_unanswered": unanswered_of(scorecard) if scorecard else (),
        "limits": limits(record, data, split, head, found),
        "again": reproduction(record, split),
    }
