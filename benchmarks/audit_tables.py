"""The tables of docs/audit.md, docs/results.md and docs/calibration.md, from what an audit left in a run folder.

    python benchmarks/audit_tables.py RUN

prints every verdict word for word, the sources left out, what a probability is worth by class and by source, and what
becomes of the promise on sources left out. Nothing is computed here: run ``cxrlens audit RUN`` first.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cxrlens.audit.audit import PARTS

SHORT = {"Normal": "N", "COVID-19": "C", "Pneumonia": "P", "Tuberculosis": "T"}
FEWEST = 20


def said(interval: Mapping[str, Any]) -> str:
    """An interval as the pages write it."""
    if interval["value"] is None:
        return ""
    if interval["low"] is None:
        return f"{interval['value']:.3f}"
    return f"{interval['value']:.3f} ({interval['low']:.3f} to {interval['high']:.3f})"


def verdicts(folder: Path) -> None:
    """Every verdict, in the order of the parts."""
    print("\n| part | verdict | sentence |\n|---|---|---|")
    for name in (part.name for part in PARTS):
        path = folder / f"{name}.json"
        if not path.is_file():
            print(f"| `{name}` | not asked | |")
            continue
        for verdict in json.loads(path.read_text())["verdicts"]:
            print(f"| `{name}` | {verdict['status']} | {verdict['sentence'].replace('|', '/')} |")


def left_out(figures: Mapping[str, Any]) -> None:
    """Sources left out of the training, the worst first."""
    print(
        "\n| source left out | n | mean recall | inside | by class | left out with it; had to stay |"
        "\n|---|---|---|---|---|---|"
    )
    for row in sorted(figures["sources"], key=lambda r: r["mean_recall"]["value"]):
        classes = ", ".join(f"{SHORT[name]} {e['recall']['value']:.2f}" for name, e in row["classes"].items())
        gone, stayed = ", ".join(row["related_left_out"]), ", ".join(row["related"])
        shown = f"{gone}; {stayed}" if stayed else gone
        inside = f"{row['internal']['value']:.3f}"
        print(f"| {row['source']} | {row['n']:,} | {said(row['mean_recall'])} | {inside} | {classes} | {shown} |")
    print(f"| **mean** | | **{said(figures['mean'])}** | **{said(figures['internal'])}** | chance 0.25 | |")


def calibration(figures: Mapping[str, Any]) -> None:
    """What a probability is worth, by class and by source, and on sources left out."""
    temperature, ece, sets = figures["temperature"]["interval"], figures["ece"], figures["coverage"]
    whole = ece["overall"]
    print(f"\nT = {said(temperature)}; error before {said(whole['before'])}, after {said(whole['after'])},")
    print(f"difference {said(whole['after_minus_before'])}, by chance up to {whole['by_chance']:.3f}")
    answers = figures["answers"]
    for name in ("answered", "accuracy_answered", "accuracy_withheld", "accuracy_all"):
        print(f"{name}: {said(answers[name])}")
    print(f"withheld: {answers['withheld']}")
    for name, triage in figures["triage"].items():
        print(f"{name}: sensitivity {said(triage['sensitivity'])}, specificity {said(triage['specificity'])}")
    print("\n| class or source | n | error before | error after | set holds the truth |\n|---|---|---|---|---|")
    for part in ("by_class", "by_source"):
        for name, entry in ece[part].items():
            held = sets[part][name]
            if held["n"] >= FEWEST:
                shown = f"{said(entry['before'])} | {said(entry['after'])} | {said(held['coverage'])}"
                print(f"| {name} | {held['n']} | {shown} |")
    print("\n| source left out | n | set holds the truth there | inside | error there | answered | right |")
    print("|---|---|---|---|---|---|---|")
    for row in figures.get("left_out") or []:
        there, inside = row["outside"], row["inside"]["sets"]["overall"]["coverage"]["value"]
        answers = there["answers"]["overall"]
        shown = (there["sets"]["overall"]["coverage"], there["ece"]["after"], answers["answered"])
        kept, error, answered = (said(interval) for interval in shown)
        right = said(answers["accuracy_answered"])
        print(f"| {row['source']} | {there['n']} | {kept} | {inside:.3f} | {error} | {answered} | {right} |")


def main() -> None:
    """Print the tables of one run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    folder = parser.parse_args().run / "audit"
    verdicts(folder)
    for name, table in (("leave_one_out", left_out), ("calibration", calibration)):
        path = folder / f"{name}.json"
        if path.is_file() and (figures := json.loads(path.read_text())["figures"]):
            table(figures)


if __name__ == "__main__":
    main()
