"""Pixels are packed once, survive faults, and come out in an order that seed and epoch alone decide."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from cxrlens import sources
from cxrlens.batches import Batches, PackedPixels, open_packed, pack
from cxrlens.errors import DatasetError, OptionError
from cxrlens.labels import CLASSES, class_index
from cxrlens.manifest import new_manifest
from cxrlens.preprocessing import Preprocessing, check_model_input

SMALL = Preprocessing(size=32)


def write_images(folder, count, seed=0):
    """Synthetic pictures on disk and their manifest; the label turns with the number."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(count):
        path = folder / f"image {i:03d}.png"
        cv2.imwrite(str(path), cv2.resize(rng.integers(0, 255, (8, 8), dtype=np.uint8), (64, 48)))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        rows.append({"path": str(path), "label": CLASSES[i % 4], "sha256": digest})
    return new_manifest(rows)


def in_memory(count, size=8):
    """Packed pixels whose first pixel is their row's number."""
    pixels = np.zeros((count, size, size), dtype=np.uint8)
    pixels[:, 0, 0] = np.arange(count)
    paths = tuple(f"{i}.png" for i in range(count))
    manifest = new_manifest([{"path": p, "label": CLASSES[i % 4]} for i, p in enumerate(paths)])
    return PackedPixels(pixels, paths, ("",) * count, Preprocessing(size=16)), manifest


def test_packed_pixels_are_those_that_preprocessing_gives(tmp_path):
    manifest = write_images(tmp_path / "images", 9)
    packed = pack(manifest, SMALL, tmp_path / "packed")
    for path in manifest["path"]:
        expected = SMALL(sources.read_radiograph(Path(path)))
        assert np.array_equal(packed.pixels[packed.rows([path])[0]], expected)
    assert packed.pixels.dtype == np.uint8
    assert not packed.pixels.flags.writeable
    packed.verify()


def test_a_second_call_decodes_nothing_and_a_longer_manifest_only_the_new(tmp_path):
    manifest = write_images(tmp_path / "images", 8)
    assert pack(manifest[:5], SMALL, tmp_path / "packed").decoded == 5
    assert pack(manifest[:5], SMALL, tmp_path / "packed").decoded == 0
    assert pack(manifest[2:4], SMALL, tmp_path / "packed").decoded == 0
    extended = pack(manifest, SMALL, tmp_path / "packed")
    assert extended.decoded == 3
    fresh = pack(manifest, SMALL, tmp_path / "other")
    assert np.array_equal(extended.pixels, fresh.pixels)
    assert pack(manifest, Preprocessing(size=16), tmp_path / "packed").decoded == 8


def test_blank_hashes_are_computed_and_reused(tmp_path):
    manifest = write_images(tmp_path / "images", 3).assign(sha256="")
    packed = pack(manifest, SMALL, tmp_path / "packed")
    assert all(len(s) == 64 for s in packed.sha256s)
    assert pack(manifest, SMALL, tmp_path / "packed").decoded == 0


def test_unreadable_and_changed_images_are_problems_and_the_rest_is_packed(tmp_path):
    manifest = write_images(tmp_path / "images", 6)
    broken, gone, changed = (Path(manifest["path"][i]) for i in (1, 2, 3))
    broken.write_bytes(b"no picture")
    manifest.loc[1, "sha256"] = hashlib.sha256(b"no picture").hexdigest()
    gone.unlink()
    changed.write_bytes(Path(manifest["path"][0]).read_bytes())
    packed = pack(manifest, SMALL, tmp_path / "packed")
    assert packed.paths == tuple(manifest["path"][[0, 4, 5]])
    assert [Path(p.subject) for p in packed.problems] == [broken, gone, changed]
    assert "changed since curation" in str(packed.problems[2])
    batches = Batches(packed, manifest)
    assert (batches.images, batches.missing) == (3, 3)


def test_excluded_rows_are_not_packed(tmp_path):
    manifest = write_images(tmp_path / "images", 3)
    manifest.loc[1, "excluded"] = "blank"
    assert pack(manifest, SMALL, tmp_path / "packed").paths == tuple(manifest["path"][[0, 2]])


def test_nothing_readable_is_an_error_that_names_the_first(tmp_path):
    manifest = new_manifest([{"path": str(tmp_path / "none.png"), "label": "Normal"}])
    with pytest.raises(DatasetError, match=r"none of 1 image.*none\.png"):
        pack(manifest, SMALL, tmp_path / "packed")


@pytest.mark.parametrize("fault", ["truncated", "overwritten", "empty", "index torn", "index of another length"])
def test_a_damaged_file_is_refused_when_opened_and_made_again_when_packed(tmp_path, fault):
    manifest = write_images(tmp_path / "images", 5)
    folder = tmp_path / "packed"
    good = np.array(pack(manifest, SMALL, folder).pixels)
    file, index = folder / f"{SMALL.fingerprint}.npy", folder / f"{SMALL.fingerprint}.json"
    data = bytearray(file.read_bytes())
    if fault == "truncated":
        file.write_bytes(data[:-700])
    elif fault == "overwritten":
        data[-500:] = bytes(500)
        file.write_bytes(data)
    elif fault == "empty":
        file.write_bytes(b"")
    elif fault == "index torn":
        index.write_text(index.read_text()[:-20])
    else:
        value = json.loads(index.read_text())
        value["paths"].pop()
        index.write_text(json.dumps(value))
    with pytest.raises(DatasetError, match="delete the folder 'packed'"):
        open_packed(folder, SMALL)
    assert np.array_equal(pack(manifest, SMALL, folder).pixels, good)


def test_verify_finds_a_changed_pixel_in_any_row(tmp_path):
    manifest = write_images(tmp_path / "images", 5)
    folder = tmp_path / "packed"
    pack(manifest, SMALL, folder)
    packed = open_packed(folder, SMALL)
    file = folder / f"{SMALL.fingerprint}.npy"
    with file.open("r+b") as stream:
        stream.seek(file.stat().st_size - 2 * 32 * 32)
        stream.write(b"\x77" * 16)
    with pytest.raises(DatasetError, match="row 3"):
        packed.verify()


def test_a_full_disk_is_one_line_and_the_earlier_file_is_still_there(tmp_path):
    manifest = write_images(tmp_path / "images", 40)
    folder = tmp_path / "packed"
    pack(manifest[:2], SMALL, folder)
    manifest.to_csv(tmp_path / "manifest.csv", index=False)
    # A limit on the size of files stands in for the full disk: the write itself fails, half way.
    script = f"""
import resource
from pathlib import Path
from cxrlens.batches import open_packed, pack
from cxrlens.errors import DatasetError
from cxrlens.manifest import read_manifest
from cxrlens.preprocessing import Preprocessing
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    pack(read_manifest(Path({str(tmp_path / "manifest.csv")!r})), Preprocessing(size=32), Path({str(folder)!r}))
except DatasetError as error:
    print(error)
print(len(open_packed(Path({str(folder)!r}), Preprocessing(size=32))))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    said, left = done.stdout.strip().splitlines()
    assert "cannot be written" in said
    assert "free some space" in said
    assert left == "2"
    assert sorted(p.name for p in folder.iterdir()) == sorted(f"{SMALL.fingerprint}.{e}" for e in ("npy", "json"))


def test_too_little_space_is_said_before_anything_is_decoded(tmp_path, monkeypatch):
    manifest = write_images(tmp_path / "images", 2)
    usage = type("usage", (), {"free": 100})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(DatasetError, match="free some space"):
        pack(manifest, SMALL, tmp_path / "packed")
    assert list((tmp_path / "packed").iterdir()) == []


def test_batches_carry_pixels_targets_and_rows_of_the_same_image():
    packed, manifest = in_memory(37)
    rows = manifest[5:30]
    batches = Batches(packed, rows, batch_size=8, seed=1, shuffle=True)
    seen = []
    for batch in batches.epoch(3):
        check_model_input(batch.pixels)
        assert batch.targets.dtype == batch.rows.dtype == torch.int64
        for pixel, target, row in zip(batch.pixels[:, 0, 0, 0], batch.targets, batch.rows, strict=True):
            entry = batches.manifest.iloc[int(row)]
            assert entry["path"] == f"{round(float(pixel) * 255)}.png"
            assert class_index(entry["label"]) == int(target)
            seen.append(entry["path"])
    assert sorted(seen) == sorted(rows["path"])


@pytest.mark.parametrize(("count", "size"), [(65, 64), (64, 64), (1, 64), (130, 64), (7, 3), (10, 1)])
def test_batches_differ_by_at_most_one_image_and_never_exceed_the_size(count, size):
    packed, manifest = in_memory(count)
    batches = Batches(packed, manifest, batch_size=size)
    sizes = [len(b) for b in batches]
    assert sum(sizes) == count
    assert max(sizes) <= size
    assert max(sizes) - min(sizes) <= 1
    assert len(sizes) == len(batches)


def test_order_depends_on_seed_and_epoch_alone():
    packed, manifest = in_memory(50)

    def rows(seed, epoch):
        return torch.cat(
            [b.rows for b in Batches(packed, manifest, batch_size=8, seed=seed, shuffle=True).epoch(epoch)]
        )

    assert torch.equal(rows(3, 2), rows(3, 2))
    assert not torch.equal(rows(3, 2), rows(3, 1))
    assert not torch.equal(rows(3, 2), rows(2, 2))
    assert torch.equal(torch.cat([b.rows for b in Batches(packed, manifest, batch_size=8)]), torch.arange(50))


@pytest.mark.parametrize("skip", [0, 1, 4, 7])
def test_a_resumed_epoch_goes_on_where_it_stopped(skip):
    packed, manifest = in_memory(50)
    batches = Batches(packed, manifest, batch_size=8, seed=5, shuffle=True)
    whole = [b.rows for b in batches.epoch(1)]
    rest = [b.rows for b in batches.epoch(1, skip=skip)]
    assert len(rest) == len(whole) - skip
    assert all(torch.equal(a, b) for a, b in zip(whole[skip:], rest, strict=True))


@pytest.mark.parametrize("world", [1, 2, 3, 4])
@pytest.mark.parametrize("count", [4, 9, 17, 50])
def test_ranks_share_each_global_batch_and_none_is_left_without(world, count):
    packed, manifest = in_memory(count)
    whole = list(Batches(packed, manifest, batch_size=8, seed=2, shuffle=True).epoch(4))
    shares = [
        list(Batches(packed, manifest, batch_size=8, seed=2, shuffle=True, rank=r, world_size=world).epoch(4))
        for r in range(world)
    ]
    for step, batch in enumerate(whole):
        parts = [share[step] for share in shares]
        assert torch.equal(torch.cat([p.rows for p in parts]), batch.rows)
        assert {p.global_size for p in parts} == {len(batch)}
        sizes = [len(p) for p in parts]
        assert min(sizes) >= 1
        assert max(sizes) - min(sizes) <= 1
    assert {len(share) for share in shares} == {len(whole)}


def test_impossible_shares_are_refused():
    packed, manifest = in_memory(3)
    with pytest.raises(DatasetError, match="3 image"):
        Batches(packed, manifest, world_size=4, batch_size=8)
    with pytest.raises(DatasetError, match="0 image"):
        Batches(packed, manifest[:0])
    with pytest.raises(OptionError, match="too small"):
        Batches(packed, manifest, world_size=2, batch_size=3)
    with pytest.raises(OptionError, match="not among"):
        Batches(packed, manifest, rank=2, world_size=2, batch_size=8)
