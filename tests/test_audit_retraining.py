"""Retraining: what decides a result is in its key, what is done is kept, an interrupted audit goes on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from audit_toys import make_case
from cxrlens.audit import retraining
from cxrlens.audit.case import Case
from cxrlens.audit.retraining import Job, Pixels, altered, pack_for, probe, recipe, retrain_all
from cxrlens.augmentation import STRENGTHS
from cxrlens.errors import CxrlensError
from cxrlens.folders import write_json
from cxrlens.training.options import TrainingOptions


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return make_case(tmp_path_factory.mktemp("retraining"), sources=2, epochs=2)


def job(case: Case, name: str = "one", alteration: str = "none") -> Job:
    rows = case.rows
    parts = (rows[rows["split"] == part] for part in ("train", "validation", "test"))
    return Job(name, *parts, recipe(case), alteration)


def test_fast_is_the_runs_recipe_in_small_and_full_is_the_run_itself(case: Case):
    own = recipe(replace(case, options=replace(case.options, full=True)))
    small = recipe(case)
    assert small.model == "compact"
    assert small.preprocessing.size == case.options.size
    assert small.augmentation == own.augmentation
    assert own.epochs == case.run.model()["epochs"]
    assert own.model == case.model.name
    assert own.preprocessing == case.model.preprocessing


def test_a_probe_looks_through_the_runs_remedies_at_the_runs_own_pixels(case: Case):
    config = case.run.config()
    remedied = TrainingOptions.from_dict(config["options"])
    remedied = replace(remedied, augmentation=STRENGTHS["strong"], balance="source", objective="group-dro")
    write_json(case.run.config_path, {**config, "options": remedied.to_dict()})
    try:
        own, asked = recipe(case), probe(case)
    finally:
        write_json(case.run.config_path, config)
    assert (own.augmentation, own.balance, own.objective) == (STRENGTHS["strong"], "source", "group-dro")
    assert asked == replace(own, augmentation=STRENGTHS["standard"], balance="class", objective="mean")


def test_the_key_holds_all_that_decides_a_result_and_nothing_else(case: Case):
    one = job(case)
    key = one.key("")
    others = [
        replace(one, options=replace(one.options, seed=1)),
        replace(one, alteration="thumbnail"),
        replace(one, train=one.train.iloc[1:]),
        replace(one, train=one.train.assign(label=one.train["label"].to_numpy()[::-1])),
        replace(one, asked=one.asked.assign(split="left-out")),
    ]
    assert len({key, one.key("other lungs"), *(o.key("") for o in others)}) == 7
    assert replace(one, options=replace(one.options, device="cuda")).key("") == key
    assert replace(one, name="two", train=one.train.iloc[::-1]).key("") == key


def test_a_changed_list_of_doubts_is_another_job(case: Case, tmp_path: Path):
    doubts = tmp_path / "suspects.csv"
    keys = []
    for weight in ("0", "0.5", "0"):
        doubts.write_text(f"path,weight\n{case.rows['path'][0]},{weight}\n")
        one = job(case)
        keys.append(replace(one, options=replace(one.options, doubtful=doubts)).key(""))
    assert keys[0] == keys[2] != keys[1]


def test_what_is_done_is_read_and_only_what_is_missing_is_trained(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pack_for(case, recipe(case))
    pixels = Pixels(case.dataset.packed_folder)
    jobs = [job(case, "one"), job(case, "two", "thumbnail")]
    first = retrain_all(case, jobs, tmp_path, pixels)
    assert list(first) == ["one", "two"]
    assert len(first["one"]) == (case.rows["split"] == "test").sum()
    np.testing.assert_allclose(first["one"].filter(like="p_").sum(axis=1), 1, atol=1e-6)

    trained: list[str] = []
    run = retraining._run

    def watched(waiting: list[Job], where: Pixels):
        trained.extend(j.name for j in waiting)
        return run(waiting, where)

    monkeypatch.setattr(retraining, "_run", watched)
    again = retrain_all(case, jobs, tmp_path, pixels)
    assert trained == []
    pd.testing.assert_frame_equal(again["one"], retraining.read_predictions(tmp_path / "one.csv"))
    (tmp_path / "two.json").unlink()
    third = retrain_all(case, jobs, tmp_path, pixels)
    assert trained == ["two"]
    pd.testing.assert_frame_equal(third["two"], again["two"], atol=1e-6)


def test_altered_pixels_are_those_of_the_jobs_own_rows(case: Case):
    packed = pack_for(case, recipe(case))
    one = replace(job(case, alteration="border-only"), train=case.rows.iloc[:0], validation=case.rows.iloc[:0])
    out = altered(packed, one, Pixels(case.dataset.packed_folder))
    assert out.paths == tuple(one.asked["path"])
    before = packed.pixels[packed.rows(list(one.asked["path"]))]
    assert np.array_equal(out.pixels[:, 0], before[:, 0])
    assert not out.pixels[:, 32, 32].any()


def test_an_error_in_a_job_is_one_line_in_the_end(case: Case, tmp_path: Path):
    missing = replace(job(case), train=case.rows[case.rows["label"] == "Normal"])
    with pytest.raises(CxrlensError, match="no readable train image of"):
        retrain_all(case, [missing], tmp_path, Pixels(case.dataset.packed_folder))
