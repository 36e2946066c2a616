"""What a synthetic radiograph shows: anatomy where it belongs, findings as radiology describes them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cxrlens.errors import OptionError
from cxrlens.labels import CLASSES
from cxrlens.radiograph import Radiograph
from cxrlens.sources.phantom import HOSPITALS, Phantom, make_phantom
from cxrlens.sources.phantom.bones import build_bones
from cxrlens.sources.phantom.grid import make_grid
from cxrlens.sources.phantom.patient import sample_patient, sample_pose
from cxrlens.sources.phantom.physics import Paths, attenuation, coefficients
from cxrlens.sources.phantom.thorax import build_thorax
from cxrlens.sources.phantom.vessels import draw_tree, grow_tree

SIZE = 128
SEEDS = range(12)


@pytest.fixture(scope="module")
def shown() -> dict[str, list[Phantom]]:
    hospitals = list(HOSPITALS)
    return {
        label: [make_phantom(label, hospital=hospitals[s % len(hospitals)], seed=s, size=SIZE) for s in SEEDS]
        for label in CLASSES
    }


def spans(p: Phantom) -> tuple[float, float, float, float]:
    """Top and bottom row, left and right column of the lungs."""
    rows, columns = np.flatnonzero(p.lung_mask.any(axis=1)), np.flatnonzero(p.lung_mask.any(axis=0))
    return rows[0], rows[-1], columns[0], columns[-1]


def test_same_seed_gives_the_same_pixels_and_another_seed_others() -> None:
    first, again = (make_phantom("Tuberculosis", seed=5, size=96) for _ in range(2))
    assert first.pixels.tobytes() == again.pixels.tobytes()
    assert (first.lesion_mask == again.lesion_mask).all()
    assert make_phantom("Tuberculosis", seed=6, size=96).pixels.tobytes() != first.pixels.tobytes()


def test_pixels_are_a_radiograph_and_masks_fit_it(shown: dict[str, list[Phantom]]) -> None:
    for p in (p for group in shown.values() for p in group):
        radiograph = Radiograph(p.pixels)  # checks type, shape and range
        assert max(radiograph.height, radiograph.width) == SIZE
        assert p.lung_mask.shape == p.lesion_mask.shape == p.pixels.shape
        assert p.lung_mask.dtype == p.lesion_mask.dtype == np.bool_
        assert p.pixels.std() > 0.1
        assert 0.2 < p.lung_mask.mean() < 0.65


def test_normal_has_no_lesion_and_every_disease_has_one_in_the_lungs(shown: dict[str, list[Phantom]]) -> None:
    for p in shown["Normal"]:
        assert not p.lesion_mask.any()
        assert p.findings == ()
    for label in CLASSES[1:]:
        for p in shown[label]:
            assert p.lesion_mask.any(), (label, p.hospital)
            assert p.findings
            assert (p.lesion_mask & p.lung_mask).sum() > 0.3 * p.lesion_mask.sum()
            union = np.logical_or.reduce(list(p.finding_masks.values()))
            assert (union == p.lesion_mask).all()


def test_lungs_are_darker_than_what_lies_between_them(shown: dict[str, list[Phantom]]) -> None:
    for p in shown["Normal"]:
        top, bottom, left, right = (int(v) for v in spans(p))
        middle = np.zeros_like(p.lung_mask)
        middle[(top + bottom) // 2 : bottom, left:right] = True
        middle &= ~p.lung_mask
        assert p.pixels[p.lung_mask].mean() < p.pixels[middle].mean() - 0.1


def test_heart_is_on_the_right_of_the_picture() -> None:
    """The patient's left: below the carina the heart covers more of the lung there."""
    left_larger = 0
    for seed in SEEDS:
        patient = sample_patient((seed,))
        pose = replace(sample_pose(patient, 0, portable=False), roll=0.0, shift_x=0.0, yaw=0.0)
        g = make_grid(patient, pose, (128, 128), 36.0)
        mask = build_thorax(patient, pose, g).lung_mask
        low = (g.y > 13) & (g.y < patient.lung_height * pose.inspiration - 1)
        left_larger += int((mask & low & (g.x < 0)).sum() > (mask & low & (g.x > 0)).sum())
    assert left_larger == len(SEEDS)


def test_right_dome_stands_higher_than_the_left() -> None:
    for seed in SEEDS:
        patient = sample_patient((seed,))
        pose = sample_pose(patient, 0, portable=False)
        t = build_thorax(patient, pose, make_grid(patient, pose, (96, 96), 36.0))
        assert t.dome_right < t.dome_left  # y grows towards the feet


def test_covid_is_bilateral_peripheral_and_basal(shown: dict[str, list[Phantom]]) -> None:
    for p in shown["COVID-19"]:
        top, bottom, left, right = spans(p)
        rows, columns = np.nonzero(p.lesion_mask)
        middle = (left + right) / 2
        share_left = (columns < middle).mean()
        assert 0.05 < share_left < 0.95, "not on both sides"
        assert np.median((rows - top) / (bottom - top)) > 0.5
        off_centre = np.abs(columns - middle) / ((right - left) / 2)
        own = np.abs(np.nonzero(p.lung_mask)[1] - middle) / ((right - left) / 2)
        assert np.median(off_centre) > np.median(own)


def test_tuberculosis_is_apical_and_pneumonia_is_on_one_side(shown: dict[str, list[Phantom]]) -> None:
    for p in shown["Tuberculosis"]:
        top, bottom, _, _ = spans(p)
        assert np.median((np.nonzero(p.lesion_mask)[0] - top) / (bottom - top)) < 0.4
    for p in shown["Pneumonia"]:
        _, _, left, right = spans(p)
        share = (np.nonzero(p.lesion_mask)[1] < (left + right) / 2).mean()
        assert max(share, 1 - share) > 0.85


def test_some_tuberculosis_has_cavities_and_some_has_nodules(shown: dict[str, list[Phantom]]) -> None:
    seen = {finding for p in shown["Tuberculosis"] for finding in p.findings}
    assert {"Infiltrate", "Cavity", "Nodule", "Fibrosis"} <= seen


def test_lesion_makes_its_place_whiter_than_the_same_patient_without_it() -> None:
    for seed in range(6):
        ill, well = (
            make_phantom(label, hospital="harbour-cr", seed=seed, size=SIZE) for label in ("Pneumonia", "Normal")
        )
        inside = ill.lesion_mask & ill.lung_mask
        outside = ill.lung_mask & ~ill.lesion_mask
        change = ill.pixels - well.pixels
        assert change[inside].mean() > change[outside].mean() + 0.02


def test_thicker_bone_is_whiter() -> None:
    patient = sample_patient((3,))
    pose = sample_pose(patient, 0, portable=False)
    g = make_grid(patient, pose, (128, 128), 34.0)
    t, mu = build_thorax(patient, pose, g), coefficients(60.0)
    integrals = []
    for mineral in (0.5, 1.0, 1.5):
        bones = build_bones(replace(patient, bone=mineral), pose, g)
        nothing = np.zeros(g.shape, np.float32)
        integrals.append(attenuation(Paths(t.body, t.lung, t.air, t.fat, bones.cortical, bones.spongy, nothing), mu))
    bony = build_bones(patient, pose, g).cortical > 0.05
    assert (integrals[0][bony] < integrals[1][bony]).all()
    assert (integrals[1][bony] < integrals[2][bony]).all()


def test_vessels_taper_away_from_the_hilum() -> None:
    tree = grow_tree(
        np.random.default_rng(0), (4.0, 9.0), np.array([0.0, 60.0]), diameter=0.8, length=3.0, generations=5
    )
    assert tree.diameter[:2].min() > 2 * tree.diameter[-8:].mean()
    patient = sample_patient((1,))
    drawn = draw_tree(tree, make_grid(patient, sample_pose(patient, 0, portable=False), (128, 128), 34.0))
    assert drawn.max() > 0.3
    assert (drawn > 0.02).mean() < 0.3


def test_follow_up_keeps_the_patient_and_changes_the_picture() -> None:
    from cxrlens.sources.phantom import expose_patient

    patient = sample_patient((9,))
    first, second = (expose_patient(patient, visit, "Pneumonia", "northgate-dr", 96) for visit in (0, 1))
    assert (first.sex, first.age, first.view) == (second.sex, second.age, second.view)
    assert not np.array_equal(first.pixels, second.pixels)
    half = first.pixels.shape[1] // 2
    sides = [bool(p.lesion_mask[:, :half].sum() > p.lesion_mask[:, half:].sum()) for p in (first, second)]
    assert sides[0] == sides[1]


@pytest.mark.parametrize(
    ("given", "word"),
    [({"label": "Flu"}, "Flu"), ({"hospital": "nowhere"}, "nowhere"), ({"size": 8}, "8"), ({"seed": -1}, "-1")],
)
def test_wrong_arguments_are_named_in_one_line(given: dict[str, object], word: str) -> None:
    arguments = {"label": "Normal", "hospital": "northgate-dr", "seed": 0, "size": 96, **given}
    label = arguments.pop("label")
    with pytest.raises(OptionError) as caught:
        make_phantom(label, **arguments)  # type: ignore[arg-type]
    assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_hospitals_look_different_but_each_shows_every_class() -> None:
    means = [make_phantom("Normal", hospital=h, seed=2, size=96).pixels.mean() for h in HOSPITALS]
    assert len({round(float(m), 3) for m in means}) == len(HOSPITALS)
    assert all(min(h.shares) > 0 for h in HOSPITALS.values())
    assert len(HOSPITALS) >= 4
