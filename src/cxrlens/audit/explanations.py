"""Do the heat-maps deserve to be read? The explanations' own scorecard, as part of the audit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cxrlens.audit.case import Case
from cxrlens.audit.verdict import Drawing, PartResult, Status, Verdict, unanswered
from cxrlens.errors import DatasetError, OptionError, RunError
from cxrlens.evaluation import style
from cxrlens.explanation.heat import choose_layers
from cxrlens.explanation.scorecard.card import score_explanations, stored_scorecard
from cxrlens.explanation.scorecard.figure import scorecard_figure
from cxrlens.explanation.scorecard.judgements import QUESTIONS
from cxrlens.explanation.scorecard.lesions_hit import KINDS
from cxrlens.explanation.scorecard.sample import ScorecardOptions

BETTER = "Is the heat-map that is shown the best one there is?"
FLAG = "Do heat-maps that carry the flag “do not read this one” miss the lesion more often?"
PICTURE = "explanations.png"


def explanations(case: Case) -> PartResult:
    """Judge the default method on held-out films, set it beside the others, and the flag against lesions.

    A scorecard that ``cxrlens explain --scorecard`` wrote for this model and these options is read; without one it is
    made. Lesions are asked about where the case names a table of annotations.

    Raises:
        DatasetError: no such table of annotations.
    """
    given = case.options
    if given.annotations is not None and not given.annotations.is_file():
        raise DatasetError(given.annotations, "there is no table of annotations here", "give the path of a CSV")
    options = ScorecardOptions(resamples=given.resamples, seed=given.seed, annotations=given.annotations)
    try:
        choose_layers(case.model)
        record = stored_scorecard(case.run, case.model, options) or score_explanations(case.run, options, case.progress)
    except OptionError as error:  # a network without feature maps
        return unanswered(QUESTIONS["weights"], f"{error.subject} {error.fault}")
    except RunError as error:  # nothing held out, or nothing that can be read
        return unanswered(QUESTIONS["weights"], f"the run {error.fault}")
    style.save(scorecard_figure(record), case.folder / PICTURE, synthetic=record["synthetic"])
    default = record["methods"][record["default"]]
    verdicts = [
        *(Verdict(j["question"], j["status"], _marked(record, j["sentence"])) for j in default["judgements"]),
        _of_methods(record),
        _of_flag(record),
    ]
    caption = f"Every method of explain beside its baselines; {record['meaning']}."
    return PartResult(tuple(verdicts), _figures(record), (Drawing(PICTURE, caption),))


def _of_methods(record: Mapping[str, Any]) -> Verdict:
    """A warning where another method is clearly better: the default is not changed behind anybody's back."""
    found = record["verdict"]
    if not record["against_default"]:
        return Verdict(BETTER, "unanswered", "Cannot be answered, because one method alone was scored.")
    return Verdict(BETTER, "warn" if found["better"] else "pass", _marked(record, found["sentence"]))


def _of_flag(record: Mapping[str, Any]) -> Verdict:
    """Worth something where flagged maps are shown to miss lesions more often; real lesions speak before phantoms."""
    worth = record["flag"]
    kinds = [kind for kind in KINDS if worth[kind] is not None]
    if not kinds:
        return Verdict(FLAG, "unanswered", "Cannot be answered, because no held-out film has a lesion marked.")
    difference = worth[kinds[0]]["hit"]["difference"]
    if difference["low"] is None:
        return Verdict(FLAG, "unanswered", f"Cannot be answered, because {difference['reason']}.")
    status: Status = "pass" if difference["low"] > 0 else "fail" if difference["high"] < 0 else "warn"
    return Verdict(FLAG, status, _marked(record, worth["words"]))


def _marked(record: Mapping[str, Any], sentence: str) -> str:
    """A figure of synthetic films never stands without that word."""
    return f"On synthetic films: {sentence}" if record["synthetic"] else sentence


def _figures(record: Mapping[str, Any]) -> dict[str, Any]:
    """One line a method, for the evidence; ``explanations/scorecard.json`` holds all of it."""
    methods = {}
    for name, block in record["methods"].items():
        deletion, stages = block["following"]["deletion"], block["weights"]["stages"]
        line = {
            "likeness_untrained": stages[-1]["rank"] if stages else None,
            "drop_by_hiding": deletion["drop"],
            "drop_elsewhere": deletion["rivals"]["elsewhere"],
            "drop_in_the_middle": deletion["rivals"]["centre"],
            "in_the_lungs": block["lungs"].get("share"),
            "likeness_moved": block["shifts"]["rank"],
        }
        for kind in KINDS:
            if record["lesions"][kind]:
                line[f"in_{kind}_lesions"] = record["lesions"][kind]["maps"][name]["energy"]
                break
        methods[block["title"]] = line
    worth = record["flag"]
    return {
        "films": record["n"],
        "meaning": record["meaning"],
        "default": record["default"],
        "better": record["verdict"]["better"],
        "flagged_share": worth["share"],
        "methods": methods,
    }
