"""A dataset's lungs are found once, kept, and never served to other images."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cxrlens.audit import lungs_of_dataset
from cxrlens.audit.lungs_of_dataset import lung_masks_of
from cxrlens.batches import PackedPixels
from cxrlens.errors import DatasetError
from cxrlens.lungs import dilate, lung_masks
from cxrlens.preprocessing import Preprocessing
from cxrlens.radiograph import Radiograph
from cxrlens.sources.phantom import make_phantom


@pytest.fixture(scope="module")
def packed() -> PackedPixels:
    cut = Preprocessing(size=64)
    frames = [cut(Radiograph(make_phantom("Normal", seed=s, size=96).pixels)) for s in range(3)]
    frames.append(np.zeros((64, 64), np.uint8))
    names = tuple(f"{i}.png" for i in range(4))
    return PackedPixels(np.stack(frames), names, tuple(f"{i:064x}" for i in range(4)), cut)


def test_masks_are_the_lungs_with_their_margin(packed, tmp_path):
    kept = lung_masks_of(packed, tmp_path)
    np.testing.assert_array_equal(kept.masks.astype(bool), dilate(lung_masks(packed.pixels)))
    np.testing.assert_array_equal(np.load(kept.file), kept.masks)
    assert len(kept) == 4
    assert kept.found(0).ok
    assert not kept.found(3).ok
    assert kept.found_share == 0.75


def test_a_second_call_reads_what_the_first_kept(packed, tmp_path, monkeypatch):
    first = lung_masks_of(packed, tmp_path)
    monkeypatch.setattr(lungs_of_dataset, "lung_masks", lambda frames: pytest.fail("segmented again"))
    again = lung_masks_of(packed, tmp_path)
    np.testing.assert_array_equal(first.masks, again.masks)
    assert first.reasons == again.reasons
    assert first.mask_hash == again.mask_hash


def test_other_images_or_another_segmenter_have_other_masks(packed, tmp_path, monkeypatch):
    first = lung_masks_of(packed, tmp_path)
    other = lung_masks_of(replace(packed, sha256s=packed.sha256s[::-1]), tmp_path)
    monkeypatch.setattr(lungs_of_dataset, "weights_hash", lambda: "another")
    third = lung_masks_of(packed, tmp_path)
    assert len({first.file, other.file, third.file}) == 3


@pytest.mark.parametrize("damage", ["altered", "cut", "no index", "torn index"])
def test_damaged_masks_are_made_again(packed, tmp_path, damage):
    kept = lung_masks_of(packed, tmp_path)
    whole, index = np.array(kept.masks), kept.file.with_suffix(".json")
    data = bytearray(kept.file.read_bytes())
    if damage == "altered":
        data[-1] ^= 1
        kept.file.write_bytes(data)
    elif damage == "cut":
        kept.file.write_bytes(data[:-10])
    elif damage == "no index":
        index.unlink()
    else:
        index.write_text(index.read_text()[:20])
    np.testing.assert_array_equal(lung_masks_of(packed, tmp_path).masks, whole)


def test_a_folder_that_cannot_be_written_is_one_line(packed, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="cannot be written"):
        lung_masks_of(packed, tmp_path / "file")


def test_nothing_half_written_is_left(packed, tmp_path, monkeypatch):
    monkeypatch.setattr(lungs_of_dataset, "dilate", lambda masks: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        lung_masks_of(packed, tmp_path)
    assert not list(Path(tmp_path).iterdir())
