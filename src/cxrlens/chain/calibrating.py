"""``cxrlens calibrate``: what the probabilities are worth, and when the model should say "not sure"."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from cxrlens import RESEARCH_ONLY
from cxrlens.chain.saying import shown, spoken
from cxrlens.evaluation.calibration.calibrate import calibrate
from cxrlens.evaluation.calibration.options import CalibrationOptions
from cxrlens.folders import RunFolder, check_writable
from cxrlens.labels import TUBERCULOSIS


def calibrate_run(root: Path, options: CalibrationOptions, console: Console) -> int:
    """Calibrate a run and say what came of it; returns how many things were passed over (none)."""
    check_writable(root)
    run = RunFolder(root)
    record = calibrate(run, options)
    temperature = record["temperature"]
    said = temperature["reason"] and f", left alone: {temperature['reason']}"
    console.print(f"temperature {temperature['value']:.3f}{said}  (above 1: the network was too sure)")
    for label, promise in record["conformal"]["classes"].items():
        if promise["threshold"] is None:
            console.print(f"[yellow]nothing can be promised for {label}:[/] {promise['reason']}")
    if record["abstention"].get("reason"):
        console.print(f"[yellow]no threshold of confidence:[/] {record['abstention']['reason']}")
    measured = record["measured"]
    if measured is None:
        console.print("[yellow]not measured:[/] neither a test nor a validation part is left")
    else:
        _say(measured, record, console)
    console.print(f"written: {shown(run.calibration_path)}, figures: {shown(root / 'calibration')}")
    console.print(f"95 % intervals, bootstrap by patient. {RESEARCH_ONLY}")
    console.print(f"next: cxrlens report {shown(root)}")
    return 0


def _say(measured: Mapping[str, Any], record: Mapping[str, Any], console: Console) -> None:
    console.print(f"[bold]{measured['split']}[/] (n = {measured['n']}; {measured['meaning']})")
    error = measured["probabilities"]["ece"]["overall"]
    console.print(f"  calibration error  before {spoken(error['before'])}, after {spoken(error['after'])}")
    change = error["after_minus_before"]
    console.print(f"  the difference     {spoken(change)}: {helped(change)}")
    coverage = record["conformal"]["coverage"]
    console.print(f"  the set holds the truth ({coverage:.0%} promised), mean number of classes in it:")
    for label, part in measured["sets"]["by_class"].items():
        console.print(f"    {label:<22} {spoken(part['coverage'])}, {spoken(part['size'])} classes")
    for source, part in measured["sets"]["by_source"].items():
        console.print(f"    {source:<22} {spoken(part['coverage'])}, n = {part['n']}")
    answers = measured["answers"]["overall"]
    console.print(f"  answered           {spoken(answers['answered'])}; accuracy of those answers")
    console.print(
        f"                     {spoken(answers['accuracy_answered'])}, of all {spoken(answers['accuracy_all'])}"
    )
    for point in measured["operating"][TUBERCULOSIS]["points"].values():
        rates = f"sensitivity {spoken(point['sensitivity'])}, specificity {spoken(point['specificity'])}"
        console.print(f"  {TUBERCULOSIS}, {point['words']}: {rates}")


def helped(change: Mapping[str, Any]) -> str:
    """What a paired difference of calibration errors, after minus before, means."""
    if change["low"] is None:
        return "cannot be told"
    if change["high"] < 0:
        return "tempering helps"
    return "tempering harms" if change["low"] > 0 else "not shown to help"
