"""Figures of calibration against references: scikit-learn, the papers' formulas, counting by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, confusion_matrix, log_loss, roc_auc_score, roc_curve

from calibrated_predictions import distorted, honest, table
from cxrlens.calibrated import Calibration, tempered
from cxrlens.evaluation.blocks import Bootstrap, scores_of
from cxrlens.evaluation.calibration.abstention import area_under_risk, risk_coverage
from cxrlens.evaluation.calibration.answers import REASONS, measure_answers, reasons_of
from cxrlens.evaluation.calibration.benefit import DECISIONS, PREVALENCES, decision_curve, predictive_values
from cxrlens.evaluation.calibration.fitting import fit_calibration
from cxrlens.evaluation.calibration.operating import choose_points, measure_point, ranking
from cxrlens.evaluation.calibration.options import CalibrationOptions
from cxrlens.evaluation.calibration.reliability import binned_error, expected_by_chance, measure_probabilities
from cxrlens.evaluation.calibration.sets import measure_sets
from cxrlens.evaluation.calibration.shift import shift_coverage
from cxrlens.labels import CLASSES

BOOT = Bootstrap(200)
FEW = CalibrationOptions(resamples=200)
ONES = np.ones((1, 500))


def sklearn_error(came_true: np.ndarray, said: np.ndarray, bins: int = 15) -> float:
    """Calibration error from scikit-learn's curve, its bins weighted by their images."""
    share, mean = calibration_curve(came_true, said, n_bins=bins)
    place = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], said)
    counts = np.bincount(place, minlength=bins)
    return float(np.abs(share - mean) @ counts[counts > 0] / len(said))


@pytest.mark.parametrize("seed", range(4))
def test_the_calibration_error_is_scikit_learns(seed: int) -> None:
    rows = distorted(500, 1.8, seed=seed)
    scores = scores_of(rows)
    right = scores.predicted == scores.truth
    assert binned_error(scores.confidence, right, ONES)[0] == pytest.approx(sklearn_error(right, scores.confidence))
    assert binned_error(scores.confidence, right, ONES)[0] == pytest.approx(scores.ece(ONES)[0])
    for k in range(4):
        said, own = scores.probabilities[:, k], scores.truth == k
        assert binned_error(said, own, ONES)[0] == pytest.approx(sklearn_error(own, said))


def test_weights_count_as_copies_of_the_image() -> None:
    rng = np.random.default_rng(0)
    said, came, times = rng.random(80), rng.random(80) < 0.5, rng.integers(0, 4, 80)
    copies = np.repeat(np.arange(80), times)
    whole = binned_error(said[copies], came[copies], np.ones((1, len(copies))))
    assert binned_error(said, came, times[None].astype(float)) == pytest.approx(whole)
    wrong = ~came
    weighed = area_under_risk(said, wrong, times[None].astype(float))
    assert weighed == pytest.approx(area_under_risk(said[copies], wrong[copies], np.ones((1, len(copies)))))


def test_tempering_helps_where_the_network_is_too_sure_and_is_not_said_to_help_where_it_is_honest() -> None:
    for planted, helps in ((3.0, True), (1.0, False)):
        rows = distorted(1500, planted, seed=7)
        given = scores_of(rows).probabilities
        found = measure_probabilities(rows, given, tempered(given, planted), BOOT)
        change = found["ece"]["overall"]["after_minus_before"]
        assert (change["high"] < 0) == helps
        assert (found["log_loss"]["after_minus_before"]["high"] < 0) == helps
        after = found["ece"]["overall"]
        assert after["after"]["value"] <= 1.3 * after["by_chance"]
        assert (after["too_sure"]["before"]["low"] > 0) == helps
        assert found["log_loss"]["before"]["value"] == pytest.approx(
            log_loss(rows["label"], given[:, np.argsort(CLASSES)], labels=sorted(CLASSES)), abs=1e-5
        )
        own = sum(brier_score_loss(rows["label"] == c, given[:, k]) for k, c in enumerate(CLASSES))
        assert found["brier"]["before"]["value"] == pytest.approx(own, abs=1e-5)


def test_chance_alone_explains_an_honest_error_and_not_a_dishonest_one() -> None:
    beyond = []
    for seed in range(100):
        p, truth = honest(300, seed=seed)
        right = p.argmax(axis=1) == truth
        error = binned_error(p.max(axis=1), right, np.ones((1, 300)))[0]
        beyond.append(error > expected_by_chance(p.max(axis=1), seed))
        wild = tempered(p, 0.3).max(axis=1)
        assert binned_error(wild, right, np.ones((1, 300)))[0] > expected_by_chance(wild, seed)
    assert 0 <= np.mean(beyond) <= 0.12  # 5 % were to be expected


def test_area_under_risk_is_the_mean_over_all_thresholds_counted_by_hand() -> None:
    rng = np.random.default_rng(3)
    confidence, wrong = rng.random(500), rng.random(500) < 0.3
    order = np.argsort(-confidence)
    by_hand = np.mean([wrong[order][: k + 1].mean() for k in range(500)])
    assert area_under_risk(confidence, wrong, ONES)[0] == pytest.approx(by_hand)
    assert area_under_risk(np.full(500, 0.7), wrong, ONES)[0] == pytest.approx(wrong.mean())  # ties: no order at all


def test_the_risk_curve_ends_at_the_error_of_all_and_lies_between_best_and_random() -> None:
    rows = distorted(800, 1.0, seed=2)
    found = risk_coverage(rows, scores_of(rows).probabilities, BOOT)
    wrong = float((rows["label"] != rows["predicted"]).mean())
    assert found["points"][-1]["answered"] == 1.0
    assert found["points"][-1]["risk"] == pytest.approx(wrong, abs=1e-6)
    assert found["at_random"]["value"] == pytest.approx(wrong, abs=1e-6)
    assert found["best_possible"]["value"] < found["aurc"]["value"] < found["at_random"]["value"]


def test_sets_and_answers_are_what_counting_says() -> None:
    rows, fresh = distorted(400, 2.0, split="calibration"), distorted(500, 2.0, seed=9)
    fitted = fit_calibration(rows, FEW)
    found = measure_sets(fresh, fitted.runtime, fitted.promises, BOOT)
    answers = measure_answers(fresh, fitted.runtime, BOOT)
    for name, part in found["by_class"].items():
        own = fresh[fresh["label"] == name]
        p = scores_of(own).probabilities
        held = [name in fitted.runtime.prediction_set(each) for each in p]
        assert part["coverage"]["value"] == pytest.approx(np.mean(held), abs=1e-6)
        sizes = [len(fitted.runtime.prediction_set(each)) for each in p]
        assert part["size"]["value"] == pytest.approx(np.mean(sizes), abs=1e-6)
        assert part["one"]["value"] + part["several"]["value"] + part["empty"]["value"] == pytest.approx(1, abs=1e-5)
        said = [fitted.runtime.abstain(each) == "" for each in p]
        assert answers["by_class"][name]["answered"]["value"] == pytest.approx(np.mean(said), abs=1e-6)
        right = (own["label"] == own["predicted"]).to_numpy()[said]
        assert answers["by_class"][name]["accuracy_answered"]["value"] == pytest.approx(right.mean(), abs=1e-6)
    overall = answers["overall"]
    assert overall["n_answered"] + sum(overall["withheld"].values()) == overall["n"] == 500
    assert overall["accuracy_answered"]["low"] > overall["accuracy_all"]["value"]
    assert set(found["by_source"]) == {"north", "south"}


def test_each_reason_counted_is_the_reason_given() -> None:
    rule = Calibration("", CLASSES, 1.0, 0.9, (0.4, 0.2, 0.45, 0.35), 0.6, 0.1, "")
    starts = {"empty": "no class is", "several": "more than one", "another": "", "confidence": "", "": ""}
    p = honest(2000, seed=4, sharpness=1.0)[0]
    why = reasons_of(p, rule)
    for each, key in zip(p, why, strict=True):
        said = rule.abstain(each)
        assert said.startswith(starts[key])
        assert (said == "") == (key == "")
        assert ("too doubtful" in said) == (key == "another")
        assert ("below" in said) == (key == "confidence")
    assert set(why) == {"", *REASONS}


def test_operating_points_are_those_of_the_roc_curve() -> None:
    p, truth = honest(600, seed=8)
    said, positive = p[:, 3], truth == 3
    youden, fixed, triage = choose_points(said, positive, 0.9, triage=True)
    false, true, _ = roc_curve(positive, said)

    def rates(threshold: float) -> tuple[float, float]:
        tn, fp, fn, tp = confusion_matrix(positive, said >= threshold).ravel()
        return tp / (tp + fn), tn / (tn + fp)

    assert sum(rates(youden.threshold)) - 1 == pytest.approx((true - false).max())
    assert rates(fixed.threshold)[0] >= 0.9
    higher = np.sort(said[said > fixed.threshold])[0]
    assert rates(higher)[0] < 0.9  # the highest threshold that does it
    margin = min(rates(triage.threshold)[0] - 0.9, rates(triage.threshold)[1] - 0.7)
    assert margin == pytest.approx(np.minimum(true - 0.9, 1 - false - 0.7).max())
    rows = table(p, truth)
    found = measure_point(fixed, said, rows, CLASSES[3], BOOT)
    assert (found["sensitivity"]["value"], found["specificity"]["value"]) == pytest.approx(
        rates(fixed.threshold), abs=1e-6
    )
    best = ranking(said, rows, CLASSES[3], 0.9, BOOT)
    assert best["value"] == pytest.approx(1 - false[np.argmax(true >= 0.9)], abs=1e-6)


def test_a_ranking_without_a_fault_still_has_an_interval() -> None:
    truth = np.arange(200) % 4
    p = np.full((200, 4), 0.01)
    p[np.arange(200), truth] = 0.97
    found = ranking(p[:, 3], table(p, truth), CLASSES[3], 0.9, BOOT)
    assert found["value"] == 1.0
    assert 0.9 < found["low"] < 1.0
    assert "Wilson" in found["note"]
    assert ranking(p[:50, 3], table(p, truth).iloc[truth == 0], CLASSES[3], 0.9, BOOT)["value"] is None


def test_predictive_values_follow_bayes_and_keep_some_doubt_at_the_ends() -> None:
    rows = distorted(500, 1.0, seed=1)
    positive = (rows["label"] == CLASSES[3]).to_numpy()
    yes = scores_of(rows).probabilities[:, 3] > 0.2
    share = {"sensitivity": yes[positive].mean(), "specificity": (~yes)[~positive].mean()}
    ends = {name: {"value": v, "low": v - 0.05, "high": min(1, v + 0.05)} for name, v in share.items()}
    found = predictive_values(yes, positive, rows, ends, BOOT)
    assert [f["prevalence"] for f in found] == list(PREVALENCES)
    for each in found:
        pi, (se, sp) = each["prevalence"], share.values()
        assert each["ppv"]["value"] == pytest.approx(se * pi / (se * pi + (1 - sp) * (1 - pi)), abs=1e-6)
        assert each["npv"]["value"] == pytest.approx(sp * (1 - pi) / (sp * (1 - pi) + (1 - se) * pi), abs=1e-6)
        assert each["ppv"]["low"] < each["ppv"]["value"] < each["ppv"]["high"]
    own = float(positive.mean())
    at_own = share["sensitivity"] * own / (share["sensitivity"] * own + (1 - share["specificity"]) * (1 - own))
    assert at_own == pytest.approx(positive[yes].mean())  # Bayes at the rows' own prevalence is plain counting
    perfect = predictive_values(positive, positive, rows, ends, BOOT)
    assert perfect[0]["ppv"]["value"] == 1.0
    assert perfect[0]["ppv"]["low"] < 0.9


def test_net_benefit_is_vickers_and_elkins() -> None:
    rows = distorted(500, 1.0, seed=3)
    said, positive = scores_of(rows).probabilities[:, 1], (rows["label"] == CLASSES[1]).to_numpy()
    found = decision_curve(said, positive, rows, BOOT)
    assert [p["threshold"] for p in found["points"]] == list(DECISIONS)
    for point in found["points"]:
        t = point["threshold"]
        tp, fp = (said >= t)[positive].sum(), (said >= t)[~positive].sum()
        assert point["model"]["value"] == pytest.approx(tp / 500 - fp / 500 * t / (1 - t), abs=1e-6)
        everybody = positive.mean() - (1 - positive.mean()) * t / (1 - t)
        assert point["all"] == pytest.approx(everybody, abs=1e-6)
        gain = point["model"]["value"] - max(everybody, 0)
        assert point["model_minus_best"]["value"] == pytest.approx(gain, abs=1e-5)
    useful = [p for p in found["points"] if 0.1 < p["threshold"] < 0.6]
    assert roc_auc_score(positive, said) > 0.8
    assert all(p["model_minus_best"]["low"] > 0 for p in useful)


def test_a_shifted_source_breaks_the_promise_and_an_honest_one_keeps_it() -> None:
    inside, reference = distorted(500, 2.0, split="calibration"), distorted(400, 2.0, seed=5)
    same = shift_coverage(inside, distorted(400, 2.0, seed=6, split="left-out"), FEW, reference=reference)
    p, truth = honest(400, seed=6)
    rolled = table(tempered(p, 0.5), (truth + (np.arange(400) % 2)) % 4, split="left-out")
    broken = shift_coverage(inside, rolled, FEW, reference=reference)
    for name in CLASSES:
        assert broken["outside"]["sets"]["by_class"][name]["coverage"]["high"] < 0.9
    assert same["outside"]["sets"]["overall"]["coverage"]["high"] > 0.9
    assert same["inside"]["sets"] == broken["inside"]["sets"]
    assert broken["outside"]["ece"]["after"]["value"] > 0.2 > 0.1 > same["outside"]["ece"]["after"]["value"]
    outside = broken["outside"]["answers"]["overall"]
    assert outside["accuracy_answered"]["high"] < same["outside"]["answers"]["overall"]["accuracy_answered"]["low"]
    assert same["fitted"]["n"] == 500


def test_patients_widen_the_interval() -> None:
    rows, fresh = distorted(400, 2.0, split="calibration"), distorted(400, 2.0, seed=9)
    fitted = fit_calibration(rows, FEW)
    fresh = fresh.sort_values(["label", "p_normal"]).reset_index(drop=True)
    by_patient = fresh.assign(patient_id=[f"p{i // 10}" for i in range(400)], source="north")
    widths = []
    for each in (fresh.assign(source="north"), by_patient):
        found = measure_sets(each, fitted.runtime, fitted.promises, BOOT)["overall"]["coverage"]
        widths.append(found["high"] - found["low"])
    assert widths[1] > 1.2 * widths[0]


def test_a_class_or_a_part_without_images_has_a_reason_instead_of_a_figure() -> None:
    fitted = fit_calibration(distorted(400, 2.0, split="calibration"), FEW)
    fresh = distorted(200, 2.0, seed=9)
    fresh = fresh[fresh["label"] != "Tuberculosis"].reset_index(drop=True)
    part = measure_sets(fresh, fitted.runtime, fitted.promises, BOOT)["by_class"]["Tuberculosis"]
    assert part["coverage"] == {"value": None, "low": None, "high": None, "reason": "no images"}
    assert part["surprise"] is None
    probabilities = scores_of(fresh).probabilities
    assert "Tuberculosis" not in measure_probabilities(fresh, probabilities, probabilities, BOOT)["ece"]["by_class"]
    point = measure_point(fitted.points["Tuberculosis"][0], probabilities[:, 3], fresh, "Tuberculosis", BOOT)
    assert point["sensitivity"]["reason"] == "no image of Tuberculosis"
