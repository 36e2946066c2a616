"""Leave one source out: how well a network names images of a hospital it has never seen. The audit's headline."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrlens.audit.case import FEWEST, Case
from cxrlens.audit.leave_one_out_figure import draw_left_out
from cxrlens.audit.recall import CHANCE, Recall, recall_of, skill
from cxrlens.audit.relatives import relatives
from cxrlens.audit.retraining import Job, Pixels, pack_for, recipe, retrain_all
from cxrlens.audit.verdict import Drawing, PartResult, Status, Verdict, spoken, unanswered
from cxrlens.evaluation import style
from cxrlens.evaluation.intervals import Interval, from_resamples
from cxrlens.labels import CLASSES

QUESTION = "Does it work on a source that it has never seen?"

PASS, WARN = 0.8, 0.5
"""Shares of the advantage over chance that must survive on unseen sources: from the first on the audit passes, from the
second on it warns. A network that loses half of what it can do has learnt the source as much as the disease."""

INSIDE = ("calibration", "test")
LEFT_OUT = "left-out"


LEAST_OF_A_CLASS = 50
"""Train images that each class must keep for a relative to be left out too: fewer would test the lack of images."""


@dataclass(frozen=True)
class Question:
    """One source left out.

    Args:
        source: its name.
        job: the training without it.
        shared: images of other sources that were dropped too, since they show a patient or a radiograph of it.
        gone: its relatives (:mod:`cxrlens.audit.relatives`) that were left out with it.
        stayed: those that had to stay, since a class would have been left with hardly an image.
    """

    source: str
    job: Job
    shared: int
    gone: tuple[str, ...]
    stayed: tuple[str, ...]


def leave_one_out(case: Case) -> PartResult:
    """Train without each source in turn, and name its images.

    A source is left out only where each class keeps another source to be learnt from, and where it has at least
    :data:`cxrlens.audit.case.FEWEST` images. Images of other sources that share a patient or a radiograph with it
    leave the training too, and so do its relatives, as far as each class can spare them. The networks are trained as
    the run was (``full``) or small and short.
    """
    options = recipe(case)
    questions, refused = plan(case)
    if not questions:
        because = (
            refused[0]["because"]
            if len(refused) == 1
            else "no source can be left out: " + "; ".join(f"{r['source']} {r['because']}" for r in refused[:4])
        )
        return unanswered(QUESTION, because or "there is one source only")
    packed = pack_for(case, options)
    folder = case.folder / "leave_one_out"
    jobs = [q.job for q in questions]
    tables = retrain_all(case, jobs, folder, Pixels(case.dataset.packed_folder))
    del packed
    sources, inside = [], []
    for q in questions:
        table = tables[q.job.name]
        out = recall_of(table[table["split"] == LEFT_OUT], case.bootstrap)
        own = recall_of(table[table["split"] == "test"], case.bootstrap)
        sources.append((_entry(q, table, out, own), out))
        inside.append(own)
    sources.sort(key=lambda pair: pair[0]["mean_recall"]["value"])
    entries = [entry for entry, _ in sources]
    mean = mean_over_sources([out for _, out in sources], case.bootstrap.resamples, case.bootstrap.seed)
    internal = mean_over_sources(inside, case.bootstrap.resamples, case.bootstrap.seed)
    unrelated = [out for entry, out in sources if not entry["related"]]
    figures: dict[str, Any] = {
        "chance": CHANCE,
        "network": options.model,
        "size": options.preprocessing.size,
        "epochs": options.epochs,
        "seed": options.seed,
        "internal": internal.to_dict(),
        "mean": mean.to_dict(),
        "mean_without_relatives": mean_over_sources(unrelated, case.bootstrap.resamples, case.bootstrap.seed).to_dict(),
        "worst": entries[0]["source"],
        "sources": entries,
        "left_out_of_the_question": refused,
    }
    drawing = case.folder / "leave_one_out.png"
    style.save(draw_left_out(figures), drawing, synthetic=case.dataset.synthetic)
    caption = (
        "Mean recall on each source by a network that never saw it (dot, 95 % interval by patient), the same network "
        "on the test part of the sources that it knows (bar), and chance (dashed)."
    )
    return PartResult(tuple(_verdicts(figures)), figures, (Drawing(drawing.name, caption),))


def plan(case: Case) -> tuple[list[Question], list[dict[str, Any]]]:
    """The sources to leave out, largest first, and those that cannot be, each with its reason."""
    rows, options = case.rows, recipe(case)
    units, related = case.units, relatives(case.manifest)
    questions: list[Question] = []
    refused: list[dict[str, Any]] = []
    sizes = rows["source"].value_counts()
    for source in sorted(sizes.index, key=lambda s: (-int(sizes[s]), str(s))):
        here = (rows["source"] == source).to_numpy()
        because = _refusal(rows, here)
        if because:
            refused.append({"source": str(source), "n": int(here.sum()), "because": because})
            continue
        linked = ~here & np.isin(units, units[here])
        others, gone, stayed = _without(rows[~here & ~linked], related[str(source)])
        train, validation = others[others["split"] == "train"], others[others["split"] == "validation"]
        missing = [c for c in CLASSES if (rows["label"] == c).any() and not (train["label"] == c).any()]
        if missing or validation.empty:
            lacking = f"no train image of {' or '.join(missing)}" if missing else "no validation image"
            refused.append({"source": str(source), "n": int(here.sum()), "because": f"{lacking} is left without it"})
            continue
        asked = pd.concat([others[others["split"].isin(INSIDE)], rows[here].assign(split=LEFT_OUT)])
        job = Job(_file_name(str(source)), train, validation, asked, options)
        questions.append(Question(str(source), job, int(linked.sum()), gone, stayed))
    return questions, refused


def _without(rows: pd.DataFrame, related: Mapping[str, float]) -> tuple[pd.DataFrame, tuple[str, ...], tuple[str, ...]]:
    """Rows without as many relatives as each class can spare, the closest first; those that went, those that stayed."""
    gone: list[str] = []
    stayed: list[str] = []
    for name in related:
        less = rows[rows["source"] != name]
        before, after = (r.loc[r["split"] == "train", "label"].value_counts() for r in (rows, less))
        spared = all(after.get(c, 0) >= min(LEAST_OF_A_CLASS, before[c]) for c in before.index)
        if spared:
            rows = less
        (gone if spared else stayed).append(name)
    return rows, tuple(gone), tuple(stayed)


def mean_over_sources(recalls: list[Recall], resamples: int, seed: int) -> Interval:
    """Mean of the sources' mean recalls; sources are drawn anew in each resample, and patients within them.

    So the interval speaks of sources like these, not of these sources alone; of a handful it is wide.
    """
    values = [r.mean.value for r in recalls if r.mean.value is not None]
    if not values:
        return Interval(None, None, None, "no source could be left out")
    if len(values) < 3:
        return Interval(float(np.mean(values)), None, None, f"{len(values)} source(s) give no interval over sources")
    rng = np.random.default_rng(seed)
    drawn = np.empty(resamples)
    pools = [r.drawn[np.isfinite(r.drawn)] if len(r.drawn) else np.array([r.mean.value]) for r in recalls]
    for i in range(resamples):
        chosen = rng.integers(len(pools), size=len(pools))
        drawn[i] = np.mean([pools[k][rng.integers(len(pools[k]))] for k in chosen])
    return from_resamples(float(np.mean(values)), drawn, "no source could be left out")


def _refusal(rows: pd.DataFrame, here: NDArray[np.bool_]) -> str:
    if here.all():
        return "is the only source"
    if here.sum() < FEWEST:
        return f"has only {here.sum()} image(s), fewer than {FEWEST}"
    only = [c for c in CLASSES if (rows["label"] == c).any() and not ((rows["label"] == c) & ~here).any()]
    if only:
        return f"is the only source of {' and '.join(only)}"
    return ""


def _entry(question: Question, table: pd.DataFrame, out: Recall, own: Recall) -> dict[str, Any]:
    rows = table[table["split"] == LEFT_OUT]
    said = rows["predicted"].value_counts()
    share = skill(out.mean.value or 0.0, own.mean.value or 0.0)
    return {
        "source": question.source,
        "n": len(rows),
        "classes": out.by_class,
        "mean_recall": out.mean.to_dict(),
        "internal": own.mean.to_dict(),
        "skill_kept": None if share is None else round(share, 4),
        "said": {c: int(said.get(c, 0)) for c in CLASSES},
        "trained_on": len(question.job.train),
        "shared_units_removed": question.shared,
        "related_left_out": list(question.gone),
        "related": list(question.stayed),
    }


def _verdicts(figures: Mapping[str, Any]) -> list[Verdict]:
    mean, internal, worst = figures["mean"], figures["internal"], figures["sources"][0]
    share = skill(mean["value"], internal["value"])
    if share is None:
        because = (
            f"the small network hardly beats chance on the sources that it knows ({internal['value']:.2f} against "
            f"{CHANCE:.2f}), so nothing can be lost on others"
        )
        return [Verdict(QUESTION, "unanswered", f"Cannot be answered, because {because}.")]
    status: Status = "pass" if share >= PASS else "warn" if share >= WARN else "fail"
    count, on_known = len(figures["sources"]), internal["value"]
    sentence = (
        f"With one source left out of the training at a time, {count} in all, the mean recall on the source left out "
        f"is {spoken(mean)}, against {on_known:.2f} on the test images of sources that the same network knows, where "
        f"chance is {CHANCE:.2f}: {max(0.0, share):.0%} of its advantage over chance survives.{_optimism(figures)}"
    )
    value = worst["mean_recall"]
    least = skill(value["value"], worst["internal"]["value"])
    gravity: Status = "warn"
    if least is not None and least >= WARN:
        gravity = "pass"
    elif value["low"] is None or value["low"] <= CHANCE:
        gravity = "fail"
    classes = ", ".join(f"{c} {e['recall']['value']:.2f}" for c, e in worst["classes"].items())
    last = (
        f"The worst is {worst['source']} ({worst['n']} images): mean recall {spoken(value)} against "
        f"{worst['internal']['value']:.2f} on the sources that the network knows; by class {classes}."
    )
    return [Verdict(QUESTION, status, sentence), Verdict("Which source does it fail on?", gravity, last)]


def _optimism(figures: Mapping[str, Any]) -> str:
    """What relatives that had to stay do to the mean; blank where there are none."""
    staying = [e["source"] for e in figures["sources"] if e["related"]]
    if not staying:
        return ""
    alone = figures["mean_without_relatives"]
    words = f" For {len(staying)} of them ({', '.join(staying)}) sources with films of the same hospitals had to stay"
    if alone["value"] is None:
        return f"{words}, so their figures are too high."
    return f"{words}, so their figures are too high; the mean over the others is {alone['value']:.2f}."


def _file_name(source: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", source).strip("._") or "source"
