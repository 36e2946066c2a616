"""The gate under audit: does it refuse what is no chest film, spare radiographs, and repair rightly?"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cxrlens.audit.case import FEWEST, Case
from cxrlens.audit.verdict import Drawing, PartResult, Status, Verdict, unanswered
from cxrlens.errors import DatasetError
from cxrlens.evaluation.blocks import Bootstrap
from cxrlens.folders import read_json
from cxrlens.gate.drawings import METHODS, OUTCOMES, REFUSED
from cxrlens.gate.figures import OWN_NETWORK, WHOLE_GATE
from cxrlens.gate.fit import FitOptions
from cxrlens.gate.learn import LearningOptions
from cxrlens.gate.make import make_gate, measured_gate
from cxrlens.gate.measure import LATERAL, MeasureOptions
from cxrlens.gate.saved import gate_path
from cxrlens.gate.strangers import OTHERS

STRANGERS = "Does the gate refuse what is no chest film?"
BODY_PARTS = "Does the gate refuse radiographs of other body parts?"
LATERALS = "Does the gate refuse lateral views?"
REFUSALS = "Does the gate spare chest radiographs?"
REPAIRS = "Does the gate repair turned and inverted films rightly?"
MIRRORED = "Does the gate notice a mirrored film?"

_CAPTIONS = {
    OUTCOMES: "What the gate does with held-out radiographs, altered ones, and pictures that are no chest film.",
    METHODS: "How well each method tells pictures that are no chest film from held-out radiographs; 95 % intervals.",
    REFUSED: "Held-out radiographs that the gate refused, each with its reason.",
}
_FEW_PEOPLE = 10  # of other body parts; fewer say nothing of body parts in general


def gate(case: Case) -> PartResult:
    """Judge the run's gate by its measures in ``RUN/gate``; a gate that is not there, or of another model, is made."""
    figures = measured_gate(case.run)
    if figures is None:
        try:
            figures = make_gate(
                case.run,
                FitOptions(learning=LearningOptions(seed=case.options.seed)),
                MeasureOptions(bootstrap=Bootstrap(case.options.resamples), seed=case.options.seed),
                case.progress,
            )
        except DatasetError as error:
            return unanswered(STRANGERS, f"the run {error.fault}")
    verdicts: tuple[Verdict, ...] = (
        of_strangers(figures),
        of_refusals(figures, float(read_json(gate_path(case.run))["options"]["false_refusals"])),
        of_repairs(figures),
        of_mirrored(figures),
        of_few(figures, OTHERS, BODY_PARTS, "no radiograph of another body part is at hand"),
        of_few(figures, LATERAL, LATERALS, "no lateral view is among the images"),
    )
    if figures["synthetic"]:
        verdicts = tuple(_on_synthetic(verdict) for verdict in verdicts)
    drawings = []
    case.folder.mkdir(parents=True, exist_ok=True)
    for name, caption in _CAPTIONS.items():
        if (case.run.gate / name).is_file():
            shutil.copyfile(case.run.gate / name, case.folder / name)
            drawings.append(Drawing(name, caption))
    return PartResult(verdicts, figures, tuple(drawings))


def of_strangers(figures: Mapping[str, Any]) -> Verdict:
    """Pass from 95 % refused, warn from 80 %."""
    kinds = figures["strangers"]
    block = kinds["all kinds"]
    refused = block["refused"]
    if refused["value"] is None:
        return Verdict(STRANGERS, "unanswered", "Cannot be answered, because no picture of another kind is at hand.")
    others = {name: each for name, each in kinds.items() if name != "all kinds"}
    worst = min(others, key=lambda name: others[name]["refused"]["value"])
    methods = block["methods"]
    sentence = (
        f"Of {block['n']} pictures (cut from {block['units']}) that are no chest film, of kinds not used to fit "
        f"it, the gate refuses {_said(refused)}; least of all {worst}: {_said(others[worst]['refused'])}. AUROC "
        f"against {figures['radiographs']['n']} held-out radiographs: all checks "
        f"{_said(methods[WHOLE_GATE]['auroc'])}, its own network {_said(methods[OWN_NETWORK]['auroc'])}, the used "
        f"distance ({figures['measure']}) {_said(methods[figures['measure']]['auroc'])}, softmax confidence "
        f"{_said(methods['softmax confidence']['auroc'])}."
    )
    return Verdict(STRANGERS, _status(refused["value"], 0.95, 0.80), sentence)


def of_refusals(figures: Mapping[str, Any], asked: float) -> Verdict:
    """Fails where the whole, a class or a source is beyond doubt above 5 %; warns above 5 %, or twice the aim."""
    films = figures["radiographs"]
    overall = films["false_refusals"]
    groups = [
        (f"{word} {name}", block)
        for key, word in (("per_class", "the class"), ("per_source", "the source"))
        for name, block in films[key].items()
        if block["n"] >= FEWEST
    ]
    status: Status = "pass"
    if overall["value"] > 2 * asked or any(block["refused"]["value"] > 0.05 for _name, block in groups):
        status = "warn"
    if (overall["low"] or 0.0) > 0.05 or any((block["refused"]["low"] or 0.0) > 0.05 for _name, block in groups):
        status = "fail"
    sentence = (
        f"Of {films['n']} held-out radiographs the gate refuses {_said(overall)}, where {asked:.1%} was aimed at on "
        f"the validation part, and repairs {_said(films['false_repairs'])} that nobody altered"
    )
    if groups and overall["value"] > 0:
        name, block = max(groups, key=lambda pair: pair[1]["refused"]["value"])
        sentence += f"; most are refused in {name}, {_said(block['refused'])} of {block['n']}"
    return Verdict(REFUSALS, status, f"{sentence}.")


def of_repairs(figures: Mapping[str, Any]) -> Verdict:
    """By the worst alteration that is to be repaired: pass from 95 % right, warn from 85 %."""
    due = {kind: block for kind, block in figures["altered"].items() if block["due"] == "repair"}
    if not due:
        return Verdict(REPAIRS, "unanswered", "Cannot be answered, because no test image could be altered.")
    worst = min(due, key=lambda kind: due[kind]["right"]["value"])
    figure = due[worst]["right"]
    told = ", ".join(f"{kind} {block['right']['value']:.1%}" for kind, block in due.items() if kind != worst)
    sentence = f"Of {due[worst]['n']} test films each, these were repaired rightly: {worst} {_said(figure)}, {told}."
    return Verdict(REPAIRS, _status(figure["value"], 0.95, 0.85), sentence)


def of_mirrored(figures: Mapping[str, Any]) -> Verdict:
    """A mirrored film is only warned of; pass from 80 % noticed, else warn."""
    block = figures["altered"].get("mirrored")
    if block is None:
        return Verdict(MIRRORED, "unanswered", "Cannot be answered, because no test image could be altered.")
    value, wrongly = block["right"]["value"], figures["radiographs"]["false_mirrored"]
    sentence = (
        f"Of {block['n']} mirrored test films the gate warns of {_said(block['right'])}, "
        f"AUROC {_said(block['auroc'])}, and it warns wrongly of {_said(wrongly)} of the unaltered ones; "
        "it never flips a film by itself."
    )
    return Verdict(MIRRORED, "pass" if value >= 0.8 else "warn", sentence)


def of_few(figures: Mapping[str, Any], kind: str, question: str, none: str) -> Verdict:
    """Kinds of which there may be few people or none: then there is no answer."""
    block = figures["strangers"].get(kind)
    if block is None:
        return Verdict(question, "unanswered", f"Cannot be answered, because {none}.")
    refused = round(block["refused"]["value"] * block["n"])
    told = f"{refused} of {block['n']} were refused"
    if block["units"] < _FEW_PEOPLE:
        people = "1 person" if block["units"] == 1 else f"{block['units']} people"
        return Verdict(
            question, "unanswered", f"Cannot be answered, because films of only {people} are at hand; {told}."
        )
    return Verdict(
        question,
        _status(block["refused"]["value"], 0.95, 0.80),
        f"Of {block['n']} {kind} of {block['units']} people the gate refuses {_said(block['refused'])}.",
    )


def _on_synthetic(verdict: Verdict) -> Verdict:
    """A figure of synthetic films never stands without that word."""
    if verdict.status == "unanswered":
        return verdict
    return replace(verdict, sentence=f"On synthetic films: {verdict.sentence}")


def _status(value: float, passes: float, warns: float) -> Status:
    return "pass" if value >= passes else "warn" if value >= warns else "fail"


def _said(interval: Mapping[str, Any]) -> str:
    """``0.982 (0.971 to 0.991)``."""
    if interval["value"] is None:
        return f"not defined ({interval.get('reason', '')})"
    if interval["low"] is None:
        return f"{interval['value']:.3f}"
    return f"{interval['value']:.3f} ({interval['low']:.3f} to {interval['high']:.3f})"
