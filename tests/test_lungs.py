"""The lung segmenter as it is shipped: it finds lungs it never saw, at any size, and says when it cannot."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cxrlens.errors import CxrlensError
from cxrlens.labels import CLASSES
from cxrlens.lungs import LungWeightsError, dilate, facts, lung_masks, lungs_found, segment_lungs
from cxrlens.lungs.margin import hulls
from cxrlens.lungs.weights import WEIGHTS, load_segmenter
from cxrlens.preprocessing import Preprocessing
from cxrlens.radiograph import Radiograph
from cxrlens.sources import read_radiograph
from cxrlens.sources.annotations import read_annotations
from cxrlens.sources.phantom import HOSPITALS, make_phantom

FRESH = range(2_000_000, 2_000_016)  # neither trained on nor in the figures of lungs.json


@pytest.fixture(scope="module")
def phantoms() -> tuple[np.ndarray, np.ndarray]:
    """Frames (16, 128, 128) and exact lungs of every class in every hospital."""
    cut, frames, lungs = Preprocessing(size=128), [], []
    kinds = [(label, hospital) for label in CLASSES for hospital in HOSPITALS]
    for seed, (label, hospital) in zip(FRESH, kinds, strict=True):
        phantom = make_phantom(label, hospital=hospital, seed=seed, size=192)
        radiograph = Radiograph(phantom.pixels)
        frames.append(cut(radiograph))
        lungs.append(cut.placement(radiograph).mask_to_frame(phantom.lung_mask))
    return np.stack(frames), np.stack(lungs)


def dice(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return 2 * (a & b).sum((1, 2)) / np.maximum(1, a.sum((1, 2)) + b.sum((1, 2)))


def test_lungs_of_fresh_phantoms_are_found(phantoms):
    """Readers outline through the heart, phantoms do not: what lies in the hull of a lung and is none is not scored."""
    frames, lungs = phantoms
    scored = np.stack([lung | ~hulls(lung) for lung in lungs])
    found = lung_masks(frames)
    assert dice(found & scored, lungs).mean() > 0.93
    assert all(lungs_found(mask).ok for mask in found)


def test_nearly_all_of_a_lung_and_its_disease_lies_inside_the_margin(phantoms):
    frames, lungs = phantoms
    wide = dilate(lung_masks(frames))
    assert (lungs & wide).sum() / lungs.sum() > 0.98
    assert wide.mean() < 0.65, "a margin that takes the whole picture keeps everything and means nothing"


@pytest.mark.parametrize("side", [32, 64, 100, 224])
def test_frames_of_any_side_give_the_same_lungs(side):
    cut = Preprocessing(size=side)
    phantom = make_phantom("Normal", hospital="northgate-dr", seed=FRESH[0], size=256)
    radiograph = Radiograph(phantom.pixels)
    truth = cut.placement(radiograph).mask_to_frame(phantom.lung_mask)
    found = lung_masks(cut(radiograph)[None])
    assert found.shape == (1, side, side)
    assert found.dtype == np.bool_
    scored = truth | ~hulls(truth)
    assert dice(found & scored, truth[None])[0] > 0.9


def test_probabilities_are_in_range_and_do_not_depend_on_the_batch(phantoms):
    frames, _ = phantoms
    together = segment_lungs(frames)
    assert together.dtype == np.float32
    assert together.min() >= 0
    assert together.max() <= 1
    np.testing.assert_array_equal(together, segment_lungs(frames))
    np.testing.assert_allclose(together, segment_lungs(frames, batch=5), atol=1e-5)


def test_exposure_and_window_matter_little(phantoms):
    frames, _ = phantoms
    dull = (frames * 0.4 + 60).astype(np.uint8)
    assert dice(lung_masks(dull), lung_masks(frames)).mean() > 0.97


def test_no_frames_and_empty_frames_are_answered():
    assert lung_masks(np.zeros((0, 64, 64), np.uint8)).shape == (0, 64, 64)
    for grey in (0, 128, 255):
        found = lung_masks(np.full((1, 64, 64), grey, np.uint8))[0]
        assert not lungs_found(found).ok


@pytest.mark.parametrize("wrong", [np.zeros((2, 8, 9), np.uint8), np.zeros((8, 8), np.uint8), np.zeros((1, 8, 8))])
def test_what_is_no_frame_is_refused(wrong):
    with pytest.raises(ValueError, match=r"\(B, S, S\) uint8"):
        segment_lungs(wrong)


def test_weights_are_small_and_told_about():
    told = facts()
    assert WEIGHTS.stat().st_size < 1_000_000
    assert {"trained_on", "date", "figures", "weights_sha256"} <= set(told)
    for entry in told["figures"]["dice"].values():
        assert entry["dice"]["low"] <= entry["dice"]["value"] <= entry["dice"]["high"]


@pytest.mark.parametrize("damage", ["flipped byte", "cut short", "weights gone", "json gone", "json torn", "no hash"])
def test_damaged_weights_are_one_line(tmp_path, damage):
    weights, about = tmp_path / "lungs.safetensors", tmp_path / "lungs.json"
    shutil.copy(WEIGHTS, weights)
    shutil.copy(WEIGHTS.with_suffix(".json"), about)
    data = bytearray(weights.read_bytes())
    match damage:
        case "flipped byte":
            data[-7] ^= 1
            weights.write_bytes(data)
        case "cut short":
            weights.write_bytes(data[:-100])
        case "weights gone":
            weights.unlink()
        case "json gone":
            about.unlink()
        case "json torn":
            about.write_text(about.read_text()[:40])
        case "no hash":
            about.write_text("{}")
    with pytest.raises(LungWeightsError) as caught:
        load_segmenter(weights)
    assert isinstance(caught.value, CxrlensError)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_another_network_s_tensors_are_refused_though_their_hash_is_right(tmp_path):
    import hashlib

    from safetensors.numpy import save

    data = save({"layer": np.zeros(3, np.float16)})
    (tmp_path / "lungs.safetensors").write_bytes(data)
    (tmp_path / "lungs.json").write_text(json.dumps({"weights_sha256": hashlib.sha256(data).hexdigest()}))
    with pytest.raises(LungWeightsError, match="holds no segmenter"):
        load_segmenter(tmp_path / "lungs.safetensors")


def test_serving_can_import_it_without_what_only_training_needs():
    code = (
        "import sys, cxrlens.lungs\n"
        "bad = [m for m in sys.modules if m.startswith(('cxrlens.training', 'cxrlens.batches', 'cxrlens.split',"
        " 'cxrlens.curation', 'cxrlens.audit', 'cxrlens.explanation', 'cxrlens.augmentation'))]\n"
        "assert not bad, bad"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.real
def test_lungs_of_real_radiographs_of_the_other_reader_are_found(real_data):
    """None of them, nor another image of their patients, was trained on; the readers agree with each other at 0.94."""
    cut, frames, truths = Preprocessing(size=128), [], []
    table = real_data / "annotations" / "annotations.csv"
    for image in read_annotations(table, real_data, of="lungs"):
        if not (image.lungs["annotator"] == "radiologist").any():
            continue
        only = image.lungs[image.lungs["annotator"] == "radiologist"]
        if len(only) < 2:
            continue  # one lung of two was outlined
        radiograph = read_radiograph(image.path)
        shape = radiograph.pixels.shape
        truth = type(image)(image.path, image.lesions, only, image.root).lung_mask(shape)
        frames.append(cut(radiograph))
        truths.append(cut.placement(radiograph).mask_to_frame(truth))
    scores = dice(lung_masks(np.stack(frames)), np.stack(truths))
    assert len(scores) == 68
    assert scores.mean() > 0.92


def test_the_page_tells_the_figures_of_the_shipped_weights():
    page = (Path(__file__).resolve().parents[1] / "docs" / "lungs.md").read_text(encoding="utf-8")
    told = facts()
    intervals = [entry["dice"] for name, entry in told["figures"]["dice"].items() if "phantoms of" not in name]
    intervals += [told["figures"]["between_readers"]["dice"]]
    intervals += [
        entry["lesion_inside"] for name, rows in told["margin"].items() if name != "real" for entry in rows.values()
    ]
    intervals += [entry["passed"] for name, entry in told["wrong"].items() if entry["n"] > 5]
    for one in intervals:
        words = f"{one['value']:.3f} ({one['low']:.3f}–{one['high']:.3f})"
        assert words in page, words
    assert f"{told['parameters']:,}" in page
    assert f"{told['speed']['frames_a_second_one_thread']:.0f} frames a second" in page
