"""Parts of the reports one by one: registration of pairs, names without patients, figures, the model card."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from cxrlens.folders import read_json
from cxrlens.labels import CLASSES
from cxrlens.report import write_model_card
from cxrlens.report.figures import guesses, parse
from cxrlens.report.findings import PAIRS_SHOWN, chosen_pairs, words_for
from cxrlens.report.naming import Namer
from cxrlens.report.registration import Shift, difference, overlay
from cxrlens.report.rendering import duration, markdown_cell, measured, number, percent
from report_folders import SECRET_PATIENT, make_dataset, make_run, thorax


def film(seed: int = 0) -> np.ndarray:
    smooth = cv2.GaussianBlur(thorax(seed, 240).astype(np.float32) / 255, (0, 0), 2)
    return np.asarray(smooth, dtype=np.float32)


def altered(a: np.ndarray, shift: Shift) -> np.ndarray:
    """b as the columns of duplicate_pairs.csv describe it against a, on a frame of the same size."""
    h, w = a.shape
    matrix = cv2.getRotationMatrix2D(((w - 1) / 2, (h - 1) / 2), -shift.rotation_deg, shift.scale)
    if shift.mirrored:
        a = a[:, ::-1]
    matrix[:, 2] += (shift.dx * w, shift.dy * h)
    b = cv2.warpAffine(np.ascontiguousarray(a), matrix, (w, h), flags=cv2.INTER_CUBIC)
    return np.clip(1 - b if shift.inverted else b, 0, 1).astype(np.float32)


@pytest.mark.parametrize(
    "shift",
    [
        Shift(),
        Shift(rotation_deg=3.0, dx=0.02),
        Shift(scale=1.15, dx=0.03, dy=-0.02),
        Shift(inverted=True),
        Shift(mirrored=True),
        Shift(rotation_deg=90.0),
        Shift(rotation_deg=-4.0, scale=0.9, inverted=True, mirrored=True),
    ],
    ids=str,
)
def test_copy_laid_over_its_original_leaves_next_to_nothing(shift: Shift) -> None:
    a = film()
    first, moved, covered = overlay(a, altered(a, shift), shift)
    inner = cv2.erode(covered.astype(np.uint8), np.ones((9, 9))) > 0
    assert inner.mean() > 0.6
    assert np.abs(first - moved)[inner].mean() < 0.01


def test_difference_shows_what_was_drawn_on_the_copy() -> None:
    a = film()
    b = a.copy()
    b[100:120, 60:80] = 1.0
    first, moved, covered = overlay(a, b, Shift())
    seen = difference(first, moved, covered)
    mark = seen[108:126, 65:84].mean()  # the frame is enlarged from 240 to 256
    assert mark > 0.5
    assert seen[150:, 150:].mean() < 0.1


def test_unlike_films_stay_unlike() -> None:
    first, moved, covered = overlay(film(1), film(2), Shift())
    assert difference(first, moved, covered).mean() > 0.1


def test_flat_film_is_no_crash() -> None:
    flat = np.full((50, 70), 0.5, dtype=np.float32)
    first, moved, covered = overlay(flat, film(), Shift(rotation_deg=5))
    assert difference(first, moved, covered).shape == first.shape


def pair_row(**more: object) -> dict[str, object]:
    row = {"path_a": "a", "path_b": "b", "kind": "near", "score": 0.95, "scale": 1.0, "rotation_deg": 0.0}
    return {**row, "dx": 0.0, "dy": 0.0, "inverted": False, "mirrored": False, "label_a": "x", "label_b": "x", **more}


def test_chosen_pairs_hold_one_of_each_kind_and_the_conflicts_first() -> None:
    dull = [pair_row(path_a=f"dull{i}", score=0.99) for i in range(50)]
    special = [
        pair_row(path_a="turned", rotation_deg=3.0),
        pair_row(path_a="cropped", scale=1.2),
        pair_row(path_a="negative", inverted=True),
        pair_row(path_a="mirrored", mirrored=True),
        pair_row(path_a="bytes", kind="exact-bytes", score=1.0),
        pair_row(path_a="pixels", kind="same-pixels", score=1.0),
        pair_row(path_a="conflict", label_b="y", score=1.0),
    ]
    frame = pd.DataFrame(dull + special).astype(str)
    names = [row["path_a"] for row in chosen_pairs(frame)]
    assert len(names) == len(set(names)) == PAIRS_SHOWN
    assert names[0] == "conflict"
    assert {str(row["path_a"]) for row in special} <= set(names)


def test_words_say_what_was_done_to_a_copy() -> None:
    row = {key: str(value) for key, value in pair_row(rotation_deg=-3.04, scale=1.19, inverted=True).items()}
    assert words_for(row) == "black and white changed, turned by 3.0°, cropped or zoomed by 19 %"
    assert words_for({**row, "kind": "exact-bytes"}) == "the same file twice"


@pytest.mark.parametrize(
    ("patient", "name"),
    [
        ("13", "00000013_000.png"),  # NIH pads the patient's number to eight digits
        ("00003366", "00003366_002.png"),
        ("S07", "scan-s07-front.dcm"),
        ("hospital-00417", "IM-00417-b.jpeg"),
        ("Smith", "Smith.png"),
    ],
)
def test_file_name_that_holds_a_patients_id_is_withheld(patient: str, name: str) -> None:
    shown = Namer(frozenset({patient, "other-99"})).name(f"/data/{name}", "abcdef0123456789")
    assert shown == "image abcdef01"


def test_other_file_names_are_shown_without_folders() -> None:
    namer = Namer(frozenset({"13", "0044"}))
    assert namer.name("/secret/place/film (12).png", "ab") == "film (12).png"
    assert namer.name("C:\\secret\\scan_13.png") == "scan_13.png"  # two digits name no patient by themselves
    assert len(namer.name("/x/" + "long" * 40 + ".png")) <= 48
    assert namer.redact("copy of 00000013_000.png, 13 images") == "copy of (withheld)_000.png, 13 images"


def test_guesses_learn_from_train_only() -> None:
    rows = [("train", "a", "Normal")] * 6 + [("train", "b", "Tuberculosis")] * 4
    rows += [("test", "a", "Normal")] * 3 + [
        ("test", "b", "Tuberculosis"),
        ("test", "b", "Normal"),
        ("test", "new", "Normal"),
    ]
    found = guesses(pd.DataFrame(rows, columns=["split", "source", "label"]), "test")
    assert found is not None
    assert (found.commonest_class, found.class_name) == (pytest.approx(5 / 6), "Normal")
    assert found.commonest_of_source == pytest.approx(5 / 6)  # 3 of a, 1 of 2 of b, and "Normal" for the unseen source
    assert guesses(pd.DataFrame(rows, columns=["split", "source", "label"]), "validation") is None


def test_undefined_figures_are_words_and_never_nan() -> None:
    for nothing in (None, float("nan"), {"value": None, "low": None, "high": None}, "0.5", True):
        assert parse(nothing) is None
    assert measured(parse({"value": None})) == number(None) == number(float("nan")) == percent(None) == "not measured"
    assert measured(parse({"value": -0.125, "low": -0.5, "high": 0.25})) == "−0.125 (−0.500 to 0.250)"
    assert (percent(0.004), percent(0.0), percent(0.996)) == ("0.4 %", "0 %", "99.6 %")
    assert (duration(3725), duration(59.6), duration(61)) == ("1 h 2 min", "1 min 0 s", "1 min 1 s")


def test_markdown_cells_cannot_break_out_of_a_table() -> None:
    assert markdown_cell("a|b\n<script>`x`") == "a\\|b &lt;script&gt;\\`x\\`"


def test_model_card_is_filled_from_the_figures(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "films")
    run = make_run(tmp_path / "run", dataset)
    card = write_model_card(run).read_text(encoding="utf-8")
    test = read_json(run.metrics_path)["test"]
    accuracy = f"{test['accuracy']['value']:.3f} ({test['accuracy']['low']:.3f} to {test['accuracy']['high']:.3f})"
    assert f"Accuracy on the **test** set: **{accuracy}**" in card
    for label in CLASSES:
        assert (
            f"| {label} | {test['per_class'][label]['n']} | {test['per_class'][label]['recall']['value']:.3f}" in card
        )
    for part in ("## Intended use", "## Data", "## Performance", "## Training", "## Limits", "not a medical device"):
        assert part in card
    assert "By sex, by age, by scanner: not measured." in card
    assert "not recorded" in card  # the licence of a hospital nobody lists
    assert SECRET_PATIENT not in card
    assert str(tmp_path) not in card
    rows = [line.rstrip() for line in card.splitlines() if line.startswith("|")]
    for above, below in pairwise(rows):
        if below.startswith("|---"):
            assert above.count("|") == below.count("|"), above


def test_model_card_without_evidence_says_not_measured(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", make_dataset(tmp_path / "films"), evaluated=False)
    run.history_path.unlink()
    card = write_model_card(run).read_text(encoding="utf-8")
    assert "Accuracy: not measured: run `cxrlens evaluate run`" in card
    assert "Nothing has been measured yet." in card
    assert "## Training\n\nnot measured: run `cxrlens train" in card


def test_known_public_set_brings_its_licence_and_caveats(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "films")
    manifest = pd.read_csv(dataset.manifest_path, dtype=str, keep_default_na=False)
    manifest["source"] = manifest["source"].replace("east", "kermany")
    manifest.to_csv(dataset.manifest_path, index=False)
    from cxrlens.sources.catalogue import find

    card = write_model_card(make_run(tmp_path / "run", dataset)).read_text(encoding="utf-8")
    assert markdown_cell(find("kermany").licence) in card
    assert "About kermany:" in card


def test_the_commands_to_reproduce_name_what_differs_from_the_defaults_and_the_shell_takes_them() -> None:
    from cxrlens.chain.settings import training_options
    from cxrlens.report.reproduce import _train_options

    asked = {"model": "compact", "lr": "0.001", "augmentation.noise": "0.01", "batch_size": "32"}
    options = training_options(96, asked)
    words = _train_options(options.to_dict())
    assert "--model compact" in words
    assert "--size 96" in words
    given = dict(word.split("=", 1) for word in words.split() if "=" in word)
    assert training_options(96, {**given, "model": "compact"}) == options
    assert _train_options(training_options(128, {}).to_dict()) == ""
    for strength in ("none", "light", "standard", "strong"):  # a run keeps the one that was chosen for it
        words = _train_options(training_options(128, {"augmentation": strength}).to_dict())
        assert words == f" --set augmentation={strength}"
