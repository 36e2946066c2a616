"""Suspected labels: confident learning against the paper's formulas, and planted ones found on a toy set."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrlens.audit.case import AuditOptions, Case
from cxrlens.audit.confident import confident_joint, find_suspects, joint_of, thresholds
from cxrlens.audit.planted import Search, found_again, plant
from cxrlens.audit.suspects import COLUMNS, _verdicts, suspects
from cxrlens.audit.unseen import fold_jobs, make_folds, unseen_probabilities
from cxrlens.augmentation import STRENGTHS
from cxrlens.evaluation.blocks import Bootstrap
from cxrlens.folders import RUN_FORMAT, DatasetFolder, RunFolder, write_json
from cxrlens.labels import CLASSES
from cxrlens.manifest import new_manifest, write_manifest
from cxrlens.preprocessing import Preprocessing
from cxrlens.split import split_units
from cxrlens.training import TrainingOptions, train
from cxrlens.training.balance import trust_of
from toy_dataset import write_toy_dataset

# confident learning

P = np.array(
    [
        [0.9, 0.1, 0.0],
        [0.7, 0.2, 0.1],
        [0.2, 0.8, 0.0],  # labelled 0, surely 1
        [0.1, 0.8, 0.1],
        [0.3, 0.6, 0.1],
        [0.1, 0.2, 0.7],
        [0.5, 0.0, 0.5],
    ]
)
LABELS = np.array([0, 0, 0, 1, 1, 2, 2])


def test_thresholds_are_mean_self_confidence() -> None:
    assert thresholds(LABELS, P).tolist() == pytest.approx([0.6, 0.7, 0.6])
    assert thresholds(np.zeros(7, dtype=np.int64), P).tolist()[1:] == [np.inf, np.inf]


def test_the_confident_joint_counts_by_the_papers_rule() -> None:
    expected = np.zeros((3, 3), dtype=int)
    limits = thresholds(LABELS, P)
    for label, p in zip(LABELS, P, strict=True):
        reached = [j for j in range(3) if p[j] >= limits[j]]
        if reached:
            expected[label, max(reached, key=lambda j: p[j])] += 1
    assert confident_joint(LABELS, P).tolist() == expected.tolist()
    assert expected.tolist() == [[2, 1, 0], [0, 1, 0], [0, 0, 1]]


def test_the_joint_has_the_frequencies_of_the_labels() -> None:
    joint = joint_of(LABELS, P)
    assert joint.sum() == pytest.approx(1)
    assert (joint.sum(axis=1) * 7).tolist() == pytest.approx([3, 2, 2])
    assert joint[0].tolist() == pytest.approx([2 / 7, 1 / 7, 0])


def test_the_one_contradicted_label_is_the_suspect() -> None:
    found = find_suspects(LABELS, P)
    assert np.flatnonzero(found.is_suspect).tolist() == [2]
    assert found.suggested[2] == 1
    assert found.margin[2] == pytest.approx(0.6)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(4, 80))
def test_whatever_is_suspected_is_rather_something_else(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    p, labels = rng.dirichlet(np.ones(4) * 0.5, n), rng.integers(0, 4, n)
    found = find_suspects(labels, p)
    assert (found.margin[found.is_suspect] > 0).all()
    assert (p.argmax(1)[found.is_suspect] == found.suggested[found.is_suspect]).all()
    off = found.joint - np.diag(np.diag(found.joint))
    assert found.is_suspect.sum() <= np.round(n * off).sum()


def test_flips_of_a_known_mixture_are_found() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, 2000)
    logits = rng.normal(0, 1, (2000, 4))
    logits[np.arange(2000), truth] += 4
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    planted = plant(truth, seed=3)
    found = find_suspects(planted.labels, p)
    assert found.is_suspect[planted.changed].mean() > 0.8
    assert planted.changed[found.is_suspect].mean() > 0.7
    assert (found.suggested == truth)[found.is_suspect & planted.changed].mean() > 0.95


# planted labels


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), n=st.integers(20, 400), K=st.integers(2, 4))
def test_as_many_labels_change_as_asked_and_each_to_a_class_that_occurs(seed: int, n: int, K: int) -> None:
    labels = np.arange(n) % K
    planted = plant(labels, seed, share=0.1)
    assert planted.changed.sum() == round(0.1 * n)
    assert set(planted.labels) <= set(range(K))
    assert (plant(labels, seed, share=0.1).labels == planted.labels).all()


def test_recall_precision_and_what_chance_would_find() -> None:
    rows = new_manifest([{"label": CLASSES[i % 2], "source": "ab"[i // 50]} for i in range(100)])
    planted = plant(np.arange(100) % 2, 0, share=0.2)
    changed = np.flatnonzero(planted.changed)
    after = np.zeros(100, dtype=bool)
    after[changed[:15]] = True
    quiet = np.flatnonzero(~planted.changed)
    after[quiet[:10]] = True
    before = np.zeros(100, dtype=bool)
    before[quiet[:4]] = True
    suggested = np.arange(100) % 2
    suggested[changed[0]] = 3
    said = found_again(rows, planted, Search(before, after, suggested), np.arange(100), Bootstrap(200))
    assert said["recall"]["value"] == pytest.approx(15 / 20)
    assert said["recall"]["low"] < 0.75 < said["recall"]["high"]
    assert said["precision"]["value"] == pytest.approx(15 / 25)
    assert said["precision_of_new"]["value"] == pytest.approx(15 / 21, abs=1e-6)
    assert said["renamed"]["value"] == pytest.approx(14 / 15, abs=1e-6)
    assert said["chance"] == pytest.approx(0.25)
    assert sum(entry["n"] for entry in said["recall_by_class"].values()) == 20
    assert set(said["recall_by_source"]) == {"a", "b"}
    assert said["recall_plausible"]["n"] == 20  # both sources have both classes


def test_changes_that_the_source_alone_gives_away_are_told_apart() -> None:
    rows = new_manifest([{"label": CLASSES[i % 2], "source": "ab"[i % 2]} for i in range(100)])
    planted = plant(np.arange(100) % 2, 0)
    none = np.zeros(100, dtype=bool)
    said = found_again(rows, planted, Search(none, none, planted.labels), np.arange(100), Bootstrap(100))
    assert said["recall"]["n"] == 5
    assert said["recall_plausible"]["n"] == 0


# folds


def grouped(count: int = 120) -> pd.DataFrame:
    """Two films of each patient; every third patient outside the train split."""
    splits = ("train", "train", "test")
    return new_manifest(
        [
            {
                "path": f"{i}.png",
                "label": CLASSES[i // 2 % 4],
                "source": "s",
                "patient_id": f"p{i // 2}",
                "split": splits[i // 2 % 3],
            }
            for i in range(count)
        ]
    )


def test_no_network_is_asked_about_what_it_learnt_and_everything_is_asked() -> None:
    rows = grouped()
    folds = make_folds(rows, split_units(rows), 3, seed=0)
    jobs = fold_jobs(folds, list(rows["label"]), TrainingOptions(), "x")
    asked: set[str] = set()
    for job in jobs:
        assert set(job.train["split"]) == {"train"}
        assert not set(job.train["patient_id"]) & set(job.asked["patient_id"])
        asked |= set(job.asked["path"])
    assert asked == set(rows["path"])
    assert len({job.name for job in jobs}) == 3


def test_train_images_get_their_own_folds_word_and_others_the_mean() -> None:
    rows = grouped()
    folds = make_folds(rows, split_units(rows), 3, seed=0)
    tables = []
    for number, job in enumerate(fold_jobs(folds, list(rows["label"]), TrainingOptions(), "x")):
        table = job.asked[["path"]].copy()
        table[["p_normal", "p_covid19", "p_pneumonia", "p_tuberculosis"]] = np.eye(4)[number]
        tables.append(table)
    p = unseen_probabilities(folds, tables)
    for fold in range(3):
        assert (p[folds.of == fold].argmax(1) == fold).all()
    assert np.allclose(p[folds.of < 0], [1 / 3, 1 / 3, 1 / 3, 0])


# the part


def trained(root: Path, per_class: int) -> tuple[RunFolder, DatasetFolder]:
    """A run on the toy set with test images on the disk too."""
    dataset = write_toy_dataset(root / "dataset", per_class)
    manifest = dataset.manifest()
    manifest = manifest[manifest["split"] != "test"]
    manifest["source"] = ["north" if i % 2 else "south" for i in range(len(manifest))]
    write_manifest(manifest, dataset.root / "manifest.csv")
    options = TrainingOptions(
        model="compact", preprocessing=Preprocessing(size=64), augmentation=STRENGTHS["none"], epochs=1, batch_size=16
    )
    return train(dataset, root / "run", options), dataset


@pytest.mark.usefixtures("in_this_process")
def test_on_a_toy_set_the_wrong_labels_are_listed_with_pictures_and_planted_ones_found(tmp_path: Path) -> None:
    run, dataset = trained(tmp_path, 50)
    manifest = dataset.manifest()
    wrong = manifest.index[manifest["split"] == "train"][[5, 50, 90]]  # of 120
    for row in wrong:
        manifest.loc[row, "label"] = CLASSES[(CLASSES.index(manifest.loc[row, "label"]) + 1) % 4]
    write_manifest(manifest, dataset.root / "manifest.csv")
    run.audit.mkdir()
    result = suspects(Case(run, AuditOptions(size=64, epochs=6, resamples=100)))
    json.dumps(result.to_dict())
    listed = pd.read_csv(run.audit / "suspects.csv")
    assert tuple(listed.columns) == COLUMNS
    assert len(set(manifest.loc[wrong, "path"]) & set(listed["path"])) >= 2
    assert listed["margin"].is_monotonic_decreasing
    planted = result.figures["planted"]
    assert planted["recall"]["value"] > max(0.5, 3 * planted["chance"])
    assert result.verdicts[0].status in ("pass", "warn", "fail")
    assert str(result.figures["suspects"]) in result.verdicts[0].sentence
    for drawing in result.drawings:
        assert (run.audit / drawing.file).stat().st_size > 5000
    trust = trust_of(run.audit / "suspects.csv", list(manifest["path"]))
    assert len(trust) - trust.sum() == len(listed) == result.figures["suspects"]


@pytest.mark.parametrize(
    ("share", "precise", "status"),
    [(0.01, 0.9, "pass"), (0.05, 0.9, "warn"), (0.15, 0.6, "fail"), (0.15, 0.35, "warn"), (0.15, None, "fail")],
)
def test_a_search_that_accuses_more_right_labels_than_wrong_ones_fails_no_dataset(
    share: float, precise: float | None, status: str
) -> None:
    def entry(value: float | None) -> dict[str, float | int | None]:
        return {"n": 30, "suspects": 9, "value": value, "low": value, "high": value}

    found = {"share_changed": 0.05, "recall": entry(0.9), "recall_plausible": entry(0.9), "chance": 0.1}
    figures = {"n": 400, "suspects": 60, "share": entry(share), "by_source": {"north": entry(share)}}
    first, second = _verdicts({**figures, "planted": {**found, "precision_of_new": entry(precise)}})
    assert first.status == status
    assert ("no evidence" in first.sentence) == (share == 0.15 and status == "warn")
    assert second.status == "pass"


@pytest.mark.parametrize("fault", ["few", "no validation", "a class missing"])
def test_what_cannot_be_answered_is_said(tmp_path: Path, fault: str) -> None:
    dataset = write_toy_dataset(tmp_path / "dataset", 10 if fault == "few" else 40)
    manifest = dataset.manifest()
    if fault == "no validation":
        manifest["split"] = "train"
    if fault == "a class missing":
        manifest = manifest[manifest["label"] != "Pneumonia"]
    write_manifest(manifest, dataset.root / "manifest.csv")
    run = RunFolder(tmp_path / "run")
    run.root.mkdir()
    write_json(run.config_path, {"format": RUN_FORMAT, "dataset": str(dataset.root)})
    result = suspects(Case(run))
    assert result.verdicts[0].status == "unanswered"
    assert result.verdicts[0].sentence.startswith("Cannot be answered, because ")
