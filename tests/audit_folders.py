"""An audit made by hand in a run folder: known figures, hostile names, every status, a picture, a stale part."""

from __future__ import annotations

from typing import Any

from PIL import Image

from cxrlens.audit.verdict import Drawing, PartResult, Verdict, unanswered
from cxrlens.folders import RunFolder, read_json, write_json
from report_folders import SECRET_PATIENT

KEY = "0123456789abcdef"
HOSTILE_SOURCE = "<img src=x onerror=alert(1)> | west"


def interval(value: float, half: float = 0.05) -> dict[str, float]:
    return {"value": value, "low": round(value - half, 6), "high": round(value + half, 6)}


def left_out(source: str, value: float, recalls: dict[str, float], inside: float = 0.83) -> dict[str, Any]:
    return {
        "source": source,
        "n": 40,
        "classes": {label: {"n": 20, "recall": interval(recall, 0.1)} for label, recall in recalls.items()},
        "mean_recall": interval(value),
        "internal": interval(inside),
        "skill_kept": round((value - 0.25) / (inside - 0.25), 4),
        "said": {"Normal": 30, "COVID-19": 4, "Pneumonia": 6, "Tuberculosis": 0},
        "trained_on": 120,
        "shared_units_removed": 7,
        "related_left_out": ["twin"],
        "related": ["south"] if source == "north" else [],
    }


def leave_one_out_part() -> PartResult:
    figures = {
        "chance": 0.25,
        "network": "compact",
        "internal": interval(0.847),
        "mean": interval(0.312),
        "mean_without_relatives": interval(0.287),
        "worst": HOSTILE_SOURCE,
        "sources": [
            left_out("north", 0.41, {"Normal": 0.62, "Pneumonia": 0.2}),
            left_out(HOSTILE_SOURCE, 0.123, {"Normal": 0.24, "Tuberculosis": 0.006}),
        ],
        "left_out_of_the_question": [{"source": "tiny", "n": 9, "because": "has only 9 image(s), fewer than 20"}],
    }
    sentence = "With one source left out at a time the mean recall is 0.31, against 0.85 inside, where chance is 0.25."
    verdicts = (
        Verdict("Does it work on a source that it has never seen?", "fail", sentence),
        Verdict("Which source does it fail on?", "fail", f"The worst is {HOSTILE_SOURCE}: mean recall 0.12."),
    )
    return PartResult(verdicts, figures, (Drawing("leave_one_out.png", "Mean recall on each source left out."),))


def place(value: float, row: int, column: int, statistic: str) -> dict[str, Any]:
    where = {"row": row, "column": column, "statistic": statistic, "more": statistic == "bright"}
    return {"auroc": interval(value, 0.02), "elsewhere": 0.25, "seen": 1.0, "n": 60, "map": [0.9], **where}


def shortcuts_part() -> PartResult:
    figures = {
        "chance": 0.25,
        "full": interval(0.8),
        "by_retraining": {
            "border_only": {"balanced_accuracy": interval(0.61), "above_chance_share": 0.65},
            "thumbnail": {"balanced_accuracy": interval(0.7), "above_chance_share": 0.82},
        },
        "by_testing": {"no_markers": {"balanced_accuracy": interval(0.78), "minus_full": interval(-0.02)}},
        "by_place": {
            "places": 90,
            "size": 64,
            "overall": {"COVID-19": place(0.97, 15, 0, "bright")},
            "within_source": {},
            "by_source": {HOSTILE_SOURCE: {"Normal": place(0.71, 1, 14, "fine")}},
            "cells": [[15, 0]],
        },
    }
    sentence = "A network that sees the border only reaches 0.61, where chance is 0.25."
    return PartResult((Verdict("Can the class be named without the lungs?", "warn", sentence),), figures)


PARTS: dict[str, PartResult] = {
    "leave_one_out": leave_one_out_part(),
    "leakage": PartResult(
        (Verdict("Is a patient on both sides of the split?", "pass", "No known patient is in two parts (0 of 27)."),),
        {"patients": {"known": 27, "shared": 0}, "pairs": [{"kind": "near", "n": 3, "same_label": True}]},
    ),
    "association": PartResult(
        (Verdict("Does the file name the class?", "fail", f"Cramér's V is 0.71; {SECRET_PATIENT} is one of them."),),
        {"cramers_v": {"source": interval(0.71), "size": interval(0.4)}, "metadata_only": interval(0.66)},
    ),
    "shortcuts": shortcuts_part(),
    "source_features": PartResult(
        (Verdict("Do the features name the source?", "warn", "They do for 0.88 of the images."),),
        {
            "features_name_source": interval(0.88),
            "chance": 0.5,
            "majority": 0.5,
            "within_class": {"Normal": interval(0.9)},
        },
    ),
    "suspects": unanswered("Which labels are wrong?", "40 images are too few to cross-validate"),
}


def make_audit(run: RunFolder, *, model_hash: str | None = None, parts: dict[str, PartResult] = PARTS) -> None:
    """``RUN/audit/<part>.json``, ``RUN/audit.json`` and one picture, as the audit itself would leave them."""
    run.audit.mkdir(exist_ok=True)
    Image.new("RGB", (320, 200), "white").save(run.audit / "leave_one_out.png")
    for name, result in parts.items():
        write_json(
            run.audit / f"{name}.json", {"format": 1, "part": name, "key": KEY, "seconds": 1.5, **result.to_dict()}
        )
    summary = {
        "format": 1,
        "key": KEY,
        "model": {"name": "plain", "hash": model_hash or read_json(run.model_path)["weights_sha256"]},
        "options": {"full": False, "size": 64, "epochs": 10},
        "complete": False,
        "headline": "With one source left out at a time the mean recall is 0.31. 8 questions asked.",
        "parts": [{"name": name, "status": "fail", "verdicts": []} for name in parts],
    }
    write_json(run.root / "audit.json", summary)
