"""Curation finds what was planted, gives each exclusion a reason, deletes nothing, and can be overruled."""

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from cxrlens.curation import FLAGS, CurationOptions, curate
from cxrlens.curation.inspection import inspect_all, inspect_image
from cxrlens.errors import DatasetError, OptionError
from cxrlens.labels import CLASSES
from cxrlens.manifest import COLUMNS, check_manifest, new_manifest, write_manifest

REAL = Path(__file__).resolve().parents[1] / "../shared/data"


def texture(seed, side=128):
    """Synthetic texture with structure at several scales; every seed another picture."""
    rng = np.random.default_rng(seed)
    sizes = (4, 9, 20, 50)
    layers = [
        cv2.resize(rng.random((n, n)), (side, side), interpolation=cv2.INTER_CUBIC) / (i + 1)
        for i, n in enumerate(sizes)
    ]
    picture = sum(layers)
    return (20 + 215 * (picture - picture.min()) / np.ptp(picture)).astype(np.uint8)


class Shelf:
    """A collection on disk that grows row by row."""

    def __init__(self, root):
        self.root = root
        self.rows = []

    def add(self, name, picture, label="Normal", **cells):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(picture, bytes):
            path.write_bytes(picture)
        else:
            assert cv2.imwrite(str(path), picture)
        row = {"path": str(path), "label": label, "collection": path.parent.name, "source": path.parent.name, **cells}
        self.rows.append(row)
        return str(path)

    def manifest(self):
        return new_manifest(self.rows)


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """One of each fault among sound pictures."""
    shelf = Shelf(tmp_path_factory.mktemp("collection with spaces ü"))
    names = {f"sound {i}": shelf.add(f"a/sound {i}.png", texture(i), CLASSES[i % 4]) for i in range(12)}
    names["broken"] = shelf.add("a/broken.png", b"\x89PNG\r\n\x1a\n" + b"torn")
    names["empty"] = shelf.add("a/empty.jpg", b"")
    names["blank"] = shelf.add("a/blank.png", np.full((128, 128), 77, np.uint8))
    names["unlabelled"] = shelf.add("a/odd.png", texture(50), "Asthma")
    names["lateral"] = shelf.add("a/lateral.png", texture(51), view="LATERAL")
    names["earlier"] = shelf.add("a/earlier.png", texture(0), excluded="told so before")
    # copies of one picture: the larger has no patient, the smaller has one
    large = texture(60, 256)
    names["copy large"] = shelf.add("b/large.png", large, "Pneumonia")
    names["copy known"] = shelf.add(
        "a/known.png", cv2.resize(large, (128, 128), interpolation=cv2.INTER_AREA), "Pneumonia", patient_id="9"
    )
    # equal files, nobody known
    names["twin 1"] = shelf.add("a/twin 1.png", texture(61), "Tuberculosis")
    names["twin 2"] = shelf.add("b/twin 2.png", texture(61), "Tuberculosis")
    # copies that disagree
    names["conflict 1"] = shelf.add("a/conflict.png", texture(62), "Normal")
    names["conflict 2"] = shelf.add("b/conflict.png", texture(62), "Pneumonia")
    return shelf.manifest(), names


@pytest.fixture(scope="module")
def curated(planted):
    return curate(planted[0], CurationOptions(workers=1))


def excluded(curation, names):
    of = dict(zip(curation.manifest["path"], curation.manifest["excluded"], strict=True))
    return {name: of[path] for name, path in names.items() if of[path]}


def test_each_planted_fault_is_excluded_with_its_reason_and_nothing_else(curated, planted):
    names = planted[1]
    reasons = excluded(curated, names)
    assert set(reasons) == {
        *(
            "broken",
            "empty",
            "blank",
            "unlabelled",
            "lateral",
            "earlier",
            "copy large",
            "twin 2",
            "conflict 1",
            "conflict 2",
        )
    }
    assert reasons["broken"].startswith("unreadable: ")
    assert reasons["empty"].startswith("unreadable: ")
    assert reasons["blank"].startswith("blank: ")
    assert "'Asthma' is none of" in reasons["unlabelled"]
    assert reasons["lateral"].startswith("lateral: ")
    assert reasons["earlier"] == "told so before"
    assert reasons["copy large"].startswith(f"duplicate of {names['copy known']} (score ")
    assert reasons["twin 2"] == f"duplicate of {names['twin 1']} (score 1.00)"
    assert reasons["conflict 1"] == reasons["conflict 2"]
    assert "copies disagree on the label: Normal, Pneumonia" in reasons["conflict 1"]


def test_the_manifest_stays_whole_and_is_filled(curated, planted):
    manifest, names = planted
    done = curated.manifest
    assert list(done["path"]) == list(manifest["path"])
    assert list(done.columns) == list(COLUMNS)
    assert done.map(lambda cell: isinstance(cell, str)).all().all()
    check_manifest(done, Path("here"))
    row = done[done["path"] == names["copy large"]].iloc[0]
    assert (row["width"], row["height"]) == ("256", "256")
    assert row["sha256"] == hashlib.sha256(Path(names["copy large"]).read_bytes()).hexdigest()
    assert all(Path(p).exists() for p in done["path"])


def test_groups_join_copies_and_only_copies(curated, planted):
    group = dict(zip(curated.manifest["path"], curated.manifest["duplicate_group"], strict=True))
    by = {name: group[path] for name, path in planted[1].items()}
    assert by["copy large"] == by["copy known"] != ""
    assert by["twin 1"] == by["twin 2"] != ""
    assert by["conflict 1"] == by["conflict 2"] != ""
    assert len({g for g in by.values() if g}) == 3
    assert len(curated.pairs) == 3
    conflict = curated.pairs[curated.pairs["label_a"] != curated.pairs["label_b"]]
    assert set(conflict[["label_a", "label_b"]].iloc[0]) == {"Normal", "Pneumonia"}


def test_problems_name_the_unreadable_files(curated, planted):
    assert {p.subject for p in curated.problems} == {planted[1]["broken"], planted[1]["empty"]}


def test_counts_add_up_and_are_json(curated):
    counts = json.loads(json.dumps(curated.counts, allow_nan=False))
    assert counts["images"] == 24
    assert counts["unreadable"] == 2
    assert counts["kept"] + counts["excluded"] == counts["images"]
    assert sum(counts["excluded_by_reason"].values()) == counts["excluded"] == 10
    assert counts["excluded_by_reason"]["conflict"] == 2
    assert counts["excluded_by_reason"]["duplicate"] == 2
    assert sum(c["images"] for c in counts["by_collection"].values()) == 24
    assert (
        sum(c["kept"] for c in counts["by_collection"].values())
        == counts["kept"]
        == sum(counts["kept_by_class"].values())
    )
    assert counts["duplicates"]["groups"] == counts["duplicates"]["groups_across_collections"] == 3
    assert counts["duplicates"]["groups_with_label_conflict"] == 1
    assert counts["patients"] == {"known": 1, "images_unknown": 23}
    assert counts["flags"]["lateral"]["excluded"] == counts["flags"]["blank"]["excluded"] == 1
    assert set(counts["flags"]) == set(FLAGS)


def test_flags_in_the_manifest_can_be_read_back(curated, planted):
    cell = dict(zip(curated.manifest["path"], curated.manifest["flags"], strict=True))[planted[1]["blank"]]
    scores = dict(part.split(":") for part in cell.split(";"))
    assert set(scores) <= set(FLAGS)
    assert float(scores["blank"]) == 1.0


def test_neither_the_order_of_rows_nor_the_number_of_workers_matters(curated, planted):
    shuffled = planted[0].sample(frac=1, random_state=1).reset_index(drop=True)
    again = curate(shuffled, CurationOptions(workers=2)).manifest.set_index("path")
    first = curated.manifest.set_index("path")
    assert again.reindex(first.index).equals(first)


def test_the_users_word_overrules_flags_and_copies(planted):
    manifest, names = planted
    keep = ("lateral", "duplicate", "conflict", Path(names["blank"]).name)
    kept_all = excluded(curate(manifest, CurationOptions(keep=keep)), names)
    assert set(kept_all) == {"broken", "empty", "unlabelled", "earlier"}
    dropped = excluded(
        curate(manifest, CurationOptions(drop=("a/sound*.png",), keep=("*/sound 1.png", "lateral"))), names
    )
    assert "sound 2" in dropped
    assert "a/sound*.png" in dropped["sound 2"]
    assert "sound 1" in dropped  # among paths, drop wins
    assert "lateral" not in dropped


def test_a_copy_kept_by_hand_stays_and_the_other_goes(planted):
    manifest, names = planted
    left = excluded(curate(manifest, CurationOptions(keep=("b/twin 2.png", "b/conflict.png"))), names)
    assert "twin 2" not in left
    assert left["twin 1"].startswith(f"duplicate of {names['twin 2']}")
    assert "conflict 2" not in left
    assert "conflict 1" in left


def test_a_flag_that_excludes_nothing_by_itself_can_be_dropped(tmp_path):
    shelf = Shelf(tmp_path)
    shelf.add("a/tall.png", texture(1)[:, :50])
    shelf.add("a/square.png", texture(2))
    assert list(curate(shelf.manifest()).manifest["excluded"]) == ["", ""]
    reasons = list(curate(shelf.manifest(), CurationOptions(drop=("odd-shape",))).manifest["excluded"])
    assert reasons[0].startswith("odd-shape: ")
    assert reasons[1] == ""


def test_a_pattern_that_names_nothing_is_refused(planted):
    with pytest.raises(OptionError, match=r"'nowhere/\*' matches no image and is no flag"):
        curate(planted[0], CurationOptions(keep=("nowhere/*",)))
    with pytest.raises(OptionError, match="--drop"):
        curate(planted[0], CurationOptions(drop=("rotten",)))


def test_an_empty_manifest_is_refused_and_one_image_is_enough(tmp_path):
    with pytest.raises(DatasetError, match="names no image"):
        curate(new_manifest([]))
    shelf = Shelf(tmp_path)
    shelf.add("a/one.png", texture(1))
    only = curate(shelf.manifest())
    assert list(only.manifest["excluded"]) == [""]
    assert only.counts["collection_flags_assessed"] is False


def test_a_collection_of_broken_files_alone_is_reported_not_raised(tmp_path):
    shelf = Shelf(tmp_path)
    for i in range(3):
        shelf.add(f"a/{i}.png", b"no picture")
    shelf.rows.append({"path": str(tmp_path / "gone.png"), "label": "Normal"})
    result = curate(shelf.manifest())
    assert len(result.problems) == 4
    assert (result.manifest["excluded"] != "").all()
    assert result.pairs.empty
    write_manifest(result.manifest, tmp_path / "manifest.csv")


def test_inspection_keeps_the_order_whatever_the_workers(planted):
    paths = list(planted[0]["path"])
    assert [one.path for one in inspect_all(paths, 3)] == paths
    torn = inspect_image(paths[12])
    assert torn.problem is not None
    assert len(torn.sha256) == 64


@pytest.mark.real
def test_a_film_upside_down_in_the_real_pack_is_found():
    if not (REAL / "manifest.csv").is_file():
        pytest.skip("the real radiographs of ../shared/data are not here")
    folder = REAL / "collected/nih/images"
    paths = sorted(folder.glob("*.jpg"))[:120]
    upside_down = folder / "00003490_011.jpg"
    rows = [{"path": str(p), "label": "Normal"} for p in {*paths, upside_down}]
    result = curate(new_manifest(rows)).manifest.set_index("path")
    assert "rotated" in result.loc[str(upside_down), "flags"]
    assert result["flags"].str.contains("rotated").sum() <= 3
