"""Fitting, keeping and measuring a gate, on toy films; what the audit and the report say of it."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score, roc_curve

from cxrlens.audit import gate as audited
from cxrlens.audit.case import AuditOptions, Case
from cxrlens.errors import DatasetError, OptionError, RunError
from cxrlens.evaluation.blocks import Bootstrap
from cxrlens.evaluation.intervals import wilson
from cxrlens.folders import RunFolder, read_json, write_json
from cxrlens.gate import Gate, load_gate
from cxrlens.gate.altered import ALTERATIONS
from cxrlens.gate.checks import Limit
from cxrlens.gate.clouds import cloud_of
from cxrlens.gate.drawings import METHODS, OUTCOMES
from cxrlens.gate.fit import FitOptions, fit_gate
from cxrlens.gate.learn import LearningOptions, learn
from cxrlens.gate.made_up import KINDS, made_up
from cxrlens.gate.make import make_gate, measured_gate
from cxrlens.gate.measure import MeasureOptions
from cxrlens.gate.saved import gate_path
from cxrlens.gate.separation import separation
from cxrlens.gate.strangers import OTHERS, noise, strangers
from cxrlens.gate.views import VIEWS, View
from cxrlens.preprocessing import to_model_input
from cxrlens.radiograph import Radiograph
from gate_toys import film, gate_run, write_model

CXRLENS = Path(sys.executable).with_name("cxrlens")
FITTING = FitOptions(learning=LearningOptions(steps=110, films=48, strangers=24, pool=800))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Fitted and measured once, with three legs and a file that is no image as negatives."""
    root = tmp_path_factory.mktemp("gate")
    made = gate_run(root)
    legs = root / "legs"
    legs.mkdir()
    for number in range(3):
        bone = np.zeros((120, 90), dtype=np.uint8)
        bone[:, 30 + 5 * number : 50 + 5 * number] = 200
        Image.fromarray(bone).save(legs / f"leg{number}.png")
    (legs / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    measuring = MeasureOptions((legs,), altered=12, bootstrap=Bootstrap(100))
    make_gate(made, FITTING, measuring)
    return made


@pytest.fixture(scope="module")
def gate(run: RunFolder) -> Gate:
    return load_gate(run)


def test_an_unaltered_film_passes_and_is_given_back_as_it_was(gate: Gate):
    answers = [gate.judge(Radiograph(film(seed))) for seed in range(1000, 1040)]
    assert sum(a.status == "pass" for a in answers) >= 36
    first = next(a for a in answers if a.status == "pass")
    assert first.reasons == ()
    assert first.score <= 1
    assert first.logits is not None
    assert first.logits.shape == (4,)


@pytest.mark.parametrize("view", [v for v in VIEWS if not v.upright and not v.mirrored])
def test_a_turned_or_inverted_film_is_set_right_with_a_warning(gate: Gate, view: View):
    right = 0
    for seed in range(1000, 1010):
        pixels = film(seed)
        answer = gate.judge(Radiograph(view.apply(pixels)))
        if answer.status == "repaired":
            assert answer.warnings[0] == answer.view.repair
            right += bool(np.allclose(answer.radiograph.pixels, pixels, atol=1e-6))
    assert right >= 8


def test_a_mirrored_film_is_warned_of_and_never_flipped(gate: Gate):
    # The toys are so alike that their mirror images are far from training: that check is not the matter here.
    even = replace(gate, limits={**gate.limits, "unfamiliar": Limit(0.0, 1e9)})
    warned = {True: 0, False: 0}
    for seed in range(1000, 1015):
        for mirrored in warned:
            pixels = np.ascontiguousarray(film(seed)[:, ::-1] if mirrored else film(seed))
            answer = even.judge(Radiograph(pixels))
            np.testing.assert_array_equal(answer.radiograph.pixels, pixels)
            warned[mirrored] += any("mirrored" in each for each in answer.warnings)
    assert warned[True] >= 10
    assert warned[False] <= 5


def test_what_is_no_film_is_refused_with_a_reason_and_given_back_untouched(gate: Gate):
    refused = [gate.judge(s.radiograph) for s in noise(3, 20)]
    assert sum(a.status == "refused" for a in refused) >= 18
    for answer in refused:
        assert bool(answer.reasons) == (answer.status == "refused") == (answer.score > 1)


def test_blank_small_and_lateral_are_refused_without_asking_a_network(gate: Gate):
    blank = gate.judge(Radiograph(np.full((100, 100), 0.3, dtype=np.float32)))
    tiny = gate.judge(Radiograph(film(0, 40)))
    side = gate.judge(Radiograph(film(0), metadata={"view": "LATERAL"}))
    for answer, word in ((blank, "blank"), (tiny, "too small: 40 pixels"), (side, "lateral")):
        assert answer.status == "refused"
        assert word in answer.reasons[0]
        assert answer.logits is None


def test_judging_several_is_judging_each(gate: Gate):
    films = [Radiograph(film(seed)) for seed in range(3)] + [Radiograph(np.zeros((90, 80), dtype=np.float32))]
    together, alone = gate.judge_all(films), [gate.judge(each) for each in films]
    for a, b in zip(together, alone, strict=True):
        assert a.status == b.status
        assert a.scores.keys() == b.scores.keys()
        for name, score in a.scores.items():
            assert score == pytest.approx(b.scores[name], abs=1e-3)


def test_the_models_own_pass_gives_the_same_logits(gate: Gate):
    model, radiograph = gate.examiner.reader.model, Radiograph(film(1002))
    with torch.inference_mode():
        expected = model.module(torch.from_numpy(to_model_input(model.preprocessing(radiograph))))[0].numpy()
    np.testing.assert_allclose(gate.judge(radiograph).logits, expected, atol=1e-5)


def test_learning_leaves_the_global_generator_alone():
    films = np.stack([np.round(film(seed, 64) * 255).astype(np.uint8) for seed in range(8)])
    before = torch.random.get_rng_state()
    learn(films, LearningOptions(steps=2, films=8, strangers=4, pool=22))
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_fit_is_repeatable(run: RunFolder, tmp_path: Path):
    twins = []
    for name in ("a", "b"):
        folder = RunFolder(tmp_path / name)
        folder.root.mkdir()
        for file in (run.config_path, run.model_path, run.weights_path):
            (folder.root / file.name).write_bytes(file.read_bytes())
        fit_gate(folder, FitOptions(learning=LearningOptions(steps=6, films=16, strangers=8, pool=88)))
        twins.append((folder.gate / "gate.safetensors").read_bytes())
    assert twins[0] == twins[1]


def copied(run: RunFolder, root: Path) -> RunFolder:
    import shutil

    shutil.copytree(run.root, root)
    return RunFolder(root)


def test_a_gate_of_another_model_is_refused(run: RunFolder, tmp_path: Path):
    other = copied(run, tmp_path / "run")
    write_model(other, seed=1)
    with pytest.raises(RunError, match="another model"):
        load_gate(other)
    assert measured_gate(other) is None


def test_a_torn_or_missing_gate_is_one_line(run: RunFolder, tmp_path: Path):
    other = copied(run, tmp_path / "run")
    tensors = other.gate / "gate.safetensors"
    data = bytearray(tensors.read_bytes())
    data[-1] ^= 1
    tensors.write_bytes(bytes(data))
    with pytest.raises(RunError, match="damaged"):
        load_gate(other)
    tensors.unlink()
    with pytest.raises(RunError, match="missing"):
        load_gate(other)
    about = read_json(gate_path(run))
    del about["limits"]["no chest"]
    (other.gate / "gate.safetensors").write_bytes((run.gate / "gate.safetensors").read_bytes())
    write_json(gate_path(other), about)
    with pytest.raises(RunError, match="limits of no chest"):
        load_gate(other)
    gate_path(other).unlink()
    with pytest.raises(RunError, match="cxrlens gate"):
        load_gate(other)


def test_too_few_images_are_said_and_not_fitted(tmp_path: Path):
    small = gate_run(tmp_path, images=40)
    with pytest.raises(DatasetError, match="24 training and 8 validation"):
        fit_gate(small, FITTING)
    found = audited.gate(Case(small, AuditOptions(resamples=100)))
    assert [v.status for v in found.verdicts] == ["unanswered"]
    assert found.verdicts[0].sentence.startswith("Cannot be answered, because the run gives 24 training")


def test_a_share_that_is_none_is_an_error():
    with pytest.raises(OptionError, match="false refusals"):
        FitOptions(false_refusals=0.9)
    with pytest.raises(OptionError, match="does not exist"):
        MeasureOptions(negatives=(Path("nowhere"),))


def test_measured_figures_agree_with_the_table_of_judged_images(run: RunFolder):
    figures = read_json(run.gate / "measured.json")
    judged = pd.read_csv(run.gate / "judged.csv", keep_default_na=False)
    films = judged[judged["group"] == "radiograph"]
    assert figures["radiographs"]["n"] == len(films) == 40
    assert set(films["split"]) == {"test", "calibration"}
    refused = films["status"] == "refused"
    assert figures["radiographs"]["false_refusals"]["value"] == pytest.approx(refused.mean(), abs=1e-6)
    for source, rows in films.groupby("source"):
        block = figures["radiographs"]["per_source"][source]
        assert block["refused"]["value"] == pytest.approx((rows["status"] == "refused").mean(), abs=1e-6)
    assert set(figures["altered"]) == set(ALTERATIONS)
    block = figures["strangers"]["noise"]
    others = judged[judged["kind"] == "noise"]
    truth = np.repeat([0, 1], [len(films), len(others)])
    scores = np.concatenate([films["score: gate"], others["score: gate"]]).astype(float)
    area = block["methods"]["gate, all checks"]["auroc"]
    assert area["value"] == pytest.approx(roc_auc_score(truth, scores), abs=1e-5)
    assert area["low"] <= area["value"] <= area["high"]
    assert figures["strangers"][OTHERS]["n"] == 3
    assert any("torn.png" in line for line in figures["not_used"])
    json.dumps(figures, allow_nan=False)


def test_all_is_drawn(run: RunFolder):
    for name in (OUTCOMES, METHODS):
        with Image.open(run.gate / name) as picture:
            assert min(picture.size) > 300


def test_the_audit_answers_each_question_from_the_measures_alone(run: RunFolder):
    case = Case(run, AuditOptions(resamples=100))
    before = gate_path(run).stat().st_mtime_ns
    found = audited.gate(case)
    assert gate_path(run).stat().st_mtime_ns == before  # not fitted again
    status = {v.question: v.status for v in found.verdicts}
    assert status[audited.LATERALS] == "unanswered"
    assert status[audited.BODY_PARTS] == "unanswered"  # three legs are too few people
    assert set(status) == {
        audited.STRANGERS,
        audited.REFUSALS,
        audited.REPAIRS,
        audited.MIRRORED,
        audited.BODY_PARTS,
        audited.LATERALS,
    }
    for drawing in found.drawings:
        assert (case.folder / drawing.file).is_file()
    assert found.to_dict()["figures"]["radiographs"]["n"] == 40


def interval(value: float, low: float | None = None) -> dict[str, float | None]:
    return {"value": value, "low": low if low is not None else max(0.0, value - 0.01), "high": min(1.0, value + 0.01)}


@pytest.mark.parametrize(
    ("overall", "source", "expected"),
    [
        (0.01, (0.02, 0.0), "pass"),
        (0.03, (0.02, 0.0), "warn"),
        (0.01, (0.08, 0.01), "warn"),
        (0.01, (0.2, 0.1), "fail"),
    ],
)
def test_refused_radiographs_are_judged_by_the_worst_source(overall: float, source: tuple[float, float], expected: str):
    group = {"n": 50, "refused": interval(*source), "repaired": interval(0.0)}
    films = {"n": 500, "false_refusals": interval(overall), "false_repairs": interval(0.0), "per_class": {}}
    verdict = audited.of_refusals({"radiographs": {**films, "per_source": {"far": group}}}, 0.01)
    assert verdict.status == expected
    assert "far" in verdict.sentence


@pytest.mark.parametrize(("right", "expected"), [(0.97, "pass"), (0.9, "warn"), (0.5, "fail")])
def test_repairs_are_judged_by_the_worst_alteration(right: float, expected: str):
    def block(value: float) -> dict[str, object]:
        return {"n": 100, "due": "repair", "right": interval(value)}

    figures = {"altered": {"upside down": block(0.99), "inverted": block(right), "clipped": {"due": "refusal"}}}
    verdict = audited.of_repairs(figures)
    assert verdict.status == expected
    assert "inverted" in verdict.sentence


def test_separation_agrees_with_scikit_learn_also_where_scores_tie():
    rng = np.random.default_rng(0)
    inside, outside = np.round(rng.normal(0, 1, 300), 1), np.round(rng.normal(1, 1, 200), 1)
    auroc, fpr = separation((inside, np.arange(300)), (outside, np.arange(200)), Bootstrap(300))
    truth, scores = np.repeat([0, 1], [300, 200]), np.concatenate([inside, outside])
    assert auroc.value == pytest.approx(roc_auc_score(truth, scores))
    # Radiographs are the positives: turn the scores round, and take the first point with 95 % of them.
    false, true, _thresholds = roc_curve(1 - truth, -scores, drop_intermediate=False)
    assert fpr.value == pytest.approx(false[np.argmax(true >= 0.95)])
    assert auroc.low < auroc.value < auroc.high


def test_separation_widens_when_pictures_are_pieces_of_few():
    rng = np.random.default_rng(0)
    inside = rng.normal(0, 1, 200)
    outside = np.repeat(rng.normal(1.5, 1, 8), 25) + rng.normal(0, 0.05, 200)
    alone, _ = separation((inside, np.arange(200)), (outside, np.arange(200)), Bootstrap(300))
    joined, _ = separation((inside, np.arange(200)), (outside, np.repeat(np.arange(8), 25)), Bootstrap(300))
    assert joined.high - joined.low > 2 * (alone.high - alone.low)
    apart, none = separation((inside, np.arange(200)), (outside + 50, np.repeat(np.arange(8), 25)), Bootstrap(300))
    assert (apart.value, none.value) == (1.0, 0.0)
    assert none.high == pytest.approx(wilson(0.0, 8)[1])  # eight pictures are no proof of nought
    single, _ = separation((inside, np.arange(200)), (outside, np.zeros(200, dtype=int)), Bootstrap(300))
    assert single.low is None
    assert single.reason


def test_made_up_pictures_are_of_every_kind_repeatable_and_no_two_alike():
    films = np.stack([np.round(film(seed, 64) * 255).astype(np.uint8) for seed in range(10)])
    pictures = made_up(films, 4 * len(KINDS), seed=3)
    assert pictures.shape == (4 * len(KINDS), 64, 64)
    np.testing.assert_array_equal(pictures, made_up(films, 4 * len(KINDS), seed=3))
    assert len({p.tobytes() for p in pictures}) == len(pictures)
    assert (pictures.reshape(len(pictures), -1).std(axis=1) > 5).all()
    for number, kind in enumerate(KINDS.values()):
        made = kind(films, np.random.default_rng(number))
        assert made.shape == (64, 64)
        assert np.isfinite(made).all()


def test_strangers_are_no_made_up_pictures_and_pieces_share_their_unit():
    found = strangers()
    kinds = {p.kind for p in found.pictures}
    assert "noise" in kinds
    assert "other medical pictures, grey" in kinds  # pydicom is always there
    for picture in found.pictures:
        if picture.kind.endswith(", grey"):
            assert picture.radiograph.tint < 0.02
    sizes = pd.Series([p.unit for p in found.pictures if p.kind == "photographs, grey"]).value_counts()
    assert sizes.max() == 5


def test_an_absent_package_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    found = strangers()
    assert {p.kind for p in found.pictures} == {"noise"}
    assert any("skimage" in line for line in found.missing)


def test_a_cloud_has_the_means_of_its_classes_and_survives_a_dead_feature():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(120, 5))
    features[:, 4] = 0
    labels = np.repeat(["a", "b"], 60)
    features[60:, 0] += 4
    cloud = cloud_of(features, labels, seed=0)
    np.testing.assert_allclose(cloud.means[1], features[60:].mean(axis=0), atol=1e-5)
    near, far = cloud.mahalanobis(features), cloud.mahalanobis(features + 20)
    assert np.isfinite(near).all()
    assert far.min() > near.max()
    assert cloud.neighbours(features[:3]).max() < 1.5


def test_check_says_each_and_exits_with_3_where_one_was_refused(run: RunFolder, tmp_path: Path):
    good, bad, torn = tmp_path / "good", tmp_path / "blank.png", tmp_path / "torn.png"
    good.mkdir()
    for seed in range(1000, 1003):
        Image.fromarray(np.round(film(seed) * 255).astype(np.uint8)).save(good / f"{seed}.png")
    Image.fromarray(np.full((100, 100), 60, dtype=np.uint8)).save(bad)
    torn.write_bytes(b"no image")
    done = subprocess.run(
        [CXRLENS, "check", good, bad, torn, "--run", run.root], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3, done.stderr
    assert "blank or nearly so" in done.stdout
    assert "torn.png" in done.stderr
    assert "5 images: " in done.stdout
    assert "not a medical device" in " ".join(done.stdout.split())
