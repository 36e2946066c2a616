"""Evidence on how well it does: splits, intervals, left-out sources, explanations, failures."""

from __future__ import annotations

from collections.abc import Mapping

from cxrlens.report.checklists.evidence_model import dig, recalibration
from cxrlens.report.checklists.found import Found
from cxrlens.report.figures import Measured
from cxrlens.report.limits import limits
from cxrlens.report.performance import SplitView
from cxrlens.report.rendering import measured, plural
from cxrlens.report.run_facts import SCORECARD, RunFacts

METRICS, PREDICTIONS, UNSEEN = "metrics.json", "predictions.csv", "audit/leave_one_out.json"


def metrics(facts: RunFacts) -> Found | None:
    """Which measures were computed."""
    view = _best(facts)
    if view is None:
        return None
    named = [words.split(" (")[0] for words, value in view.overall if value is not None]
    return Found(f"{'; '.join(named)}; recall, specificity, precision, F1 and AUROC by class", (METRICS,))


def measures(facts: RunFacts) -> Found | None:
    """Measures and plots: discrimination, calibration, use."""
    found = metrics(facts)
    if found is None:
        return None
    plots = sorted(path.name for path in facts.record.folder.figures.glob("*.png"))
    words = f"{found.words}; {plural(len(plots), 'plot')} in figures/" if plots else found.words
    if facts.calibration is None:
        return Found(words, (METRICS,), "decision curves and operating points: run cxrlens calibrate RUN")
    return Found(f"{words}; calibration, operating points and decision curves", (METRICS, "calibration.json"))


def uncertainty(facts: RunFacts) -> Found | None:
    """Whether the headline has an interval, and how it was made."""
    head = facts.head
    if head is None or head.accuracy.low is None:
        return None
    method = dig(facts.record.metrics, "intervals", "method")
    how = f" ({method})" if isinstance(method, str) else ""
    return Found(f"95 % intervals, resampled by patient{how}: accuracy {measured(head.accuracy)}", (METRICS,))


def sample_size(facts: RunFacts) -> Found | None:
    """The size, and how wide it leaves the interval."""
    head = facts.head
    if head is None or head.split != "test":
        return None
    return Found(f"{plural(head.n, 'test image')}: accuracy {measured(head.accuracy)}", (METRICS,))


def internal_test(facts: RunFacts) -> Found | None:
    """The test set of the same sources."""
    view = facts.view("test")
    if view is None:
        return None
    partly = "a split that is not random: this one is, so the figure is inflated" if _random(facts) else ""
    return Found(f"{plural(view.n, 'test image')}: {_overall(view)}", (METRICS,), partly)


def external_test(facts: RunFacts) -> Found | None:
    """Another dataset; sources left out stand in for it only in part."""
    if facts.external:
        words = "; ".join(f"{view.title}, {plural(view.n, 'image')}: {_overall(view)}" for view in facts.external)
        folder = facts.record.folder.root / "external"
        files = tuple(f"external/{path.parent.name}/metrics.json" for path in sorted(folder.glob("*/metrics.json")))
        return Found(words, files)
    if facts.unseen is not None and facts.unseen.sentence:
        words = f"no other dataset; with each source left out of the training in turn: {facts.unseen.sentence}"
        return Found(words, (UNSEEN,), "images of a hospital that gave none for the training")
    return None


def robustness(facts: RunFacts) -> Found | None:
    """Shortcuts and left-out sources of the audit."""
    parts = [facts.audit.part(name) for name in ("leave_one_out", "shortcuts")] if facts.audit else []
    answered = [part for part in parts if part is not None and part.status != "unanswered"]
    if not answered:
        return None
    words = " ".join(part.result.verdicts[0].sentence for part in answered)
    return Found(words, tuple(f"audit/{part.name}.json" for part in answered))


def clusters(facts: RunFacts) -> Found | None:
    """Accuracy by source, and on sources left out."""
    view = _best(facts)
    if view is None or len(view.sources) < 2:
        return None
    counted = ", ".join(f"{row.source} {measured(row.accuracy, 2)}" for row in view.sources[:6])
    words = f"accuracy by source on the {view.name} set: {counted}"
    if facts.unseen is None or not facts.unseen.sentence:
        return Found(words, (METRICS,), "sources that the network has never seen: run cxrlens audit RUN")
    return Found(f"{words}; {facts.unseen.sentence}", (METRICS, UNSEEN))


def explanations(facts: RunFacts) -> Found | None:
    """Heat-maps, and whether they were tested."""
    if facts.scorecard is not None:
        verdict, default = dig(facts.scorecard, "verdict", "sentence"), str(facts.scorecard.get("default", ""))
        judged = dig(facts.scorecard, "methods", default, "judgements") or ()
        said = [f"{each.get('question')} {each.get('status')}" for each in judged if isinstance(each, Mapping)]
        words = "; ".join([f"heat-maps by {default} were tested", *said, *([verdict] if verdict else [])])
        return Found(words, (SCORECARD.as_posix(),))
    made = facts.record.explanations
    if made is None:
        return None
    untested = "whether the maps deserve to be read: run cxrlens explain RUN --scorecard"
    return Found(f"heat-maps by {made.get('method', 'grad-cam')}", ("explanations/explanations.json",), untested)


def all_parts(facts: RunFacts) -> Found | None:
    """Every part of the split that was measured."""
    if facts.view("test") is None or len(facts.views) < 2:
        return None
    return Found("; ".join(f"{view.title.lower()}: {_overall(view)}" for view in facts.views), (METRICS,))


def diagnostic(facts: RunFacts) -> Found | None:
    """Sensitivity and specificity of each class, with intervals."""
    view = facts.view("test")
    if view is None:
        return None
    rows = [
        f"{row.name} {measured(row.figures[0], 2)} and {measured(row.figures[1], 2)}"
        for row in view.classes
        if _has_interval(row.figures[0]) and _has_interval(row.figures[1])
    ]
    if not rows:
        return None
    partly = "calibration: run cxrlens calibrate RUN" if recalibration(facts) is None else ""
    return Found(f"sensitivity and specificity on the test set: {'; '.join(rows)}", (METRICS,), partly)


def failures(facts: RunFacts) -> Found | None:
    """Mistakes, shown; the weakest source."""
    table, head = facts.record.predictions, facts.head
    if table is None or head is None or not {"label", "predicted", "split"} <= set(table.columns):
        return None
    shown = table[table["split"] == head.split]
    wrong = int((shown["label"] != shown["predicted"]).sum())
    words = f"{plural(wrong, 'mistake')} among {plural(len(shown), 'image')} of the {head.split} set, the surest shown"
    if head.weakest:
        words += f"; weakest source {head.weakest.source}, accuracy {measured(head.weakest.accuracy, 2)}"
    return Found(words, (PREDICTIONS, METRICS))


def limitations(facts: RunFacts) -> Found | None:
    """The limits that follow from the run's own figures."""
    if facts.head is None:
        return None
    found = limits(facts.record, facts.data, facts.split, facts.head, facts.found)
    claims = [claim for claim, _ in found if claim.endswith(".")]  # those with a colon are caveats of single sources
    return Found(" ".join(claims), (METRICS,))


def interpretation(facts: RunFacts) -> Found | None:
    """The audit's verdicts on the number."""
    if facts.audit is None or not facts.audit.verdicts:
        return None
    files = tuple(f"audit/{part.name}.json" for part in facts.audit.parts)
    return Found(facts.audit.headline or facts.audit.verdicts[0][1].sentence, files)


def _best(facts: RunFacts) -> SplitView | None:
    return facts.view("test") or facts.view("validation")


def _random(facts: RunFacts) -> bool:
    return facts.split is not None and facts.split.random


def _overall(view: SplitView) -> str:
    return ", ".join(f"{words.split(' (')[0].lower()} {measured(value)}" for words, value in view.overall[:2])


def _has_interval(value: Measured | None) -> bool:
    return value is not None and value.low is not None
