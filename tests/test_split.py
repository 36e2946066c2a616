"""The split shares nobody, keeps class and source alike, and depends on the seed and the images alone."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrlens.errors import DatasetError, OptionError
from cxrlens.labels import CLASSES
from cxrlens.manifest import SPLITS, dataset_hash, new_manifest
from cxrlens.split import SplitOptions, check_disjoint, split, split_units


def collection(count, seed=0, patients=0.5, groups=0.1, sources=3):
    """Manifest with several images a patient, some unknown patients, and duplicate groups across patients."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(count):
        source = f"hospital-{rng.integers(sources)}"
        rows.append(
            {
                "path": f"{source}/{i}.png",
                "label": CLASSES[rng.choice(4, p=[0.4, 0.3, 0.2, 0.1])],
                "collection": source,
                "source": source,
                "patient_id": str(rng.integers(max(1, count // 5))) if rng.random() < patients else "",
                "sha256": f"{i:064x}",
                "duplicate_group": f"g{rng.integers(max(1, count // 20))}" if rng.random() < groups else "",
            }
        )
    return new_manifest(rows)


def parts_of(manifest, key):
    return manifest[key != ""].groupby(key[key != ""])["split"].nunique()


@settings(max_examples=25, deadline=None)
@given(count=st.integers(1, 300), seed=st.integers(0, 50), patients=st.floats(0, 1), groups=st.floats(0, 0.5))
def test_no_patient_and_no_duplicate_group_is_in_two_parts(count, seed, patients, groups):
    done = split(collection(count, seed, patients, groups), SplitOptions(seed=seed)).manifest
    assert done["split"].isin(SPLITS).all()
    assert (parts_of(done, done["source"] + "/" + done["patient_id"].replace("", None)).fillna(1) <= 1).all()
    assert (parts_of(done, done["duplicate_group"]) <= 1).all()
    proof = check_disjoint(done)
    assert proof["shared_patients"] == proof["shared_duplicate_groups"] == 0


def test_units_follow_chains_of_patients_and_groups():
    rows = [
        ("a", "1", ""),
        ("a", "1", "g1"),
        ("b", "7", "g1"),  # a copy of patient a/1's film under another hospital's number
        ("b", "7", ""),
        ("b", "1", ""),  # another patient 1
        ("b", "", "g2"),
        ("c", "", "g2"),
        ("c", "", ""),
        ("c", "", ""),
    ]
    manifest = new_manifest(
        [{"path": str(i), "source": s, "patient_id": p, "duplicate_group": g} for i, (s, p, g) in enumerate(rows)]
    )
    units = split_units(manifest)
    assert len(set(units[:4])) == 1
    assert len({units[0], units[4], units[5], units[7], units[8]}) == 5
    assert units[5] == units[6]


def test_an_excluded_copy_that_knows_the_patient_still_links():
    manifest = collection(200, patients=0, groups=0)
    manifest.loc[[0, 1], "duplicate_group"] = "g"
    manifest.loc[[1, 2], "source"] = "here"
    manifest.loc[[1, 2], "patient_id"] = "7"
    manifest.loc[1, "excluded"] = "duplicate of 0"
    for seed in range(8):
        done = split(manifest, SplitOptions(seed=seed)).manifest
        assert done.loc[0, "split"] == done.loc[2, "split"] != ""
    done.loc[[0, 2], "split"] = ["train", "test"]
    with pytest.raises(DatasetError, match="linked by a copy that is excluded") as caught:
        check_disjoint(done)
    assert done.loc[0, "path"] in str(caught.value)
    assert done.loc[2, "path"] in str(caught.value)


def test_sizes_are_as_asked_and_class_and_source_spread_alike():
    manifest = collection(2000, patients=0.5)
    result = split(manifest)
    shares = SplitOptions().shares()
    assert shares == pytest.approx({"train": 0.64, "validation": 0.16, "test": 0.15, "calibration": 0.05})
    for part, share in shares.items():
        of_part = result.manifest["split"] == part
        assert abs(of_part.sum() - 2000 * share) <= 3
        for column in ("label", "source"):
            for value in manifest[column].unique():
                has = manifest[column] == value
                assert abs((of_part & has).sum() - has.sum() * share) <= 5
    of = result.manifest
    strata = pd.crosstab([of["label"], of["source"]], of["split"])
    asked = strata.sum(axis=1).to_numpy()[:, None] * np.array([shares[p] for p in strata.columns])
    assert np.abs(strata.to_numpy() - asked).max() <= 6


def test_the_seed_decides_and_the_order_of_rows_does_not():
    manifest = collection(300)
    first = split(manifest, SplitOptions(seed=1)).manifest.set_index("path")["split"]
    shuffled = manifest.sample(frac=1, random_state=3).reset_index(drop=True)
    again = split(shuffled, SplitOptions(seed=1)).manifest.set_index("path")["split"]
    other = split(manifest, SplitOptions(seed=2)).manifest.set_index("path")["split"]
    assert first.equals(again.reindex(first.index))
    assert (first != other).mean() > 0.2


def test_the_folder_the_images_lie_in_does_not_matter():
    manifest = collection(200, groups=0)
    moved = manifest.assign(path="/elsewhere/" + manifest["path"])
    assert list(split(manifest).manifest["split"]) == list(split(moved).manifest["split"])


@pytest.mark.parametrize("kind", ["grouped", "random"])
def test_parts_of_size_zero_stay_empty(kind):
    done = split(collection(100), SplitOptions(test=0, calibration=0, kind=kind)).manifest
    assert set(done["split"]) == {"train", "validation"}
    assert set(split(collection(100), SplitOptions(0, 0, 0, kind=kind)).manifest["split"]) == {"train"}


@pytest.mark.parametrize("count", [10, 17, 40])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_tiny_sets_are_within_an_image_of_what_was_asked(count, seed):
    result = split(collection(count, seed, patients=0, groups=0), SplitOptions(seed=seed))
    for entry in result.report["parts"].values():
        assert abs(entry["images"] - entry["asked"]) <= 1.5
    assert set(result.manifest[result.manifest["split"] == "train"]["label"]) == set(result.manifest["label"])


@pytest.mark.parametrize("seed", range(8))
def test_a_class_with_one_image_goes_to_train_and_is_warned_of(seed):
    manifest = collection(60, seed)
    manifest = manifest[manifest["label"] != "Tuberculosis"].reset_index(drop=True)
    manifest.loc[5, "label"] = "Tuberculosis"
    result = split(manifest, SplitOptions(seed=seed))
    assert result.manifest.loc[5, "split"] == "train"
    assert any("Tuberculosis has a single image, in train" in w for w in result.report["warnings"])


def test_excluded_rows_get_no_part_and_an_earlier_split_is_forgotten():
    manifest = collection(50).assign(split="test")
    manifest.loc[[3, 9], "excluded"] = "blank"
    result = split(manifest)
    assert list(result.manifest["split"][[3, 9]]) == ["", ""]
    assert result.report["images"] == 48
    assert len(set(result.manifest["split"])) > 2
    assert list(manifest["split"].unique()) == ["test"]  # the caller's frame is untouched


def test_nothing_kept_is_an_error():
    with pytest.raises(DatasetError, match="keeps no image"):
        split(collection(5).assign(excluded="unreadable"))


def test_the_report_counts_what_is_there_and_survives_json():
    manifest = collection(400, patients=0.6)
    result = split(manifest)
    report = json.loads(json.dumps(result.report, allow_nan=False))
    unknown = int((manifest["patient_id"] == "").sum())
    assert report["patients"]["images_unknown"] == unknown
    assert f"{unknown:,} of 400 images have no patient id" in report["patients_in_words"]
    assert report["patients"]["known"] == len(
        manifest[manifest["patient_id"] != ""].drop_duplicates(["source", "patient_id"])
    )
    assert sum(p["images"] for p in report["parts"].values()) == 400
    table = pd.crosstab([result.manifest["split"], result.manifest["label"]], result.manifest["source"])
    for part, entry in report["parts"].items():
        for label, by_source in entry["by_class_and_source"].items():
            assert sum(by_source.values()) == entry["by_class"][label]
            for source, count in by_source.items():
                assert table.loc[(part, label), source] == count
    assert report["dataset_hash"] == dataset_hash(result.manifest)
    other = split(manifest, SplitOptions(seed=1)).report["dataset_hash"]
    assert other != report["dataset_hash"]


@pytest.mark.parametrize("column", ["patient_id", "duplicate_group"])
def test_a_planted_leak_is_found_and_named(column):
    done = split(collection(200, patients=0, groups=0)).manifest
    check_disjoint(done)
    train = done.index[done["split"] == "train"][0]
    test = done.index[done["split"] == "test"][0]
    done.loc[[train, test], "source"] = "here"
    done.loc[[train, test], column] = "offender"
    with pytest.raises(DatasetError, match="offender") as caught:
        check_disjoint(done)
    assert done.loc[train, "path"] in str(caught.value)
    assert done.loc[test, "path"] in str(caught.value)
    assert check_disjoint(done.assign(excluded="dropped"))["patients"] == 0


def test_equal_numbers_in_two_hospitals_are_two_patients():
    done = split(collection(100, patients=0, groups=0)).manifest
    train = done.index[(done["split"] == "train") & (done["source"] == "hospital-0")][0]
    test = done.index[(done["split"] == "test") & (done["source"] == "hospital-1")][0]
    done.loc[[train, test], "patient_id"] = "1"
    assert check_disjoint(done)["patients"] == 2


def test_a_record_number_is_the_same_person_in_two_collections():
    done = split(collection(100, patients=0, groups=0)).manifest
    train = done.index[(done["split"] == "train") & (done["source"] == "hospital-0")][0]
    test = done.index[(done["split"] == "test") & (done["source"] == "hospital-1")][0]
    for name in ("nih-13", "00001335"):
        done.loc[[train, test], "patient_id"] = name
        with pytest.raises(DatasetError, match=name):
            check_disjoint(done)


def test_a_patient_id_that_everybody_shares_is_warned_of():
    manifest = collection(100, patients=0, groups=0)
    manifest.loc[:60, "patient_id"] = "ANONYMOUS"
    assert any("61 of 100 images hang together" in w and "ANONYMOUS" in w for w in split(manifest).report["warnings"])


def test_the_random_kind_leaks_and_says_so():
    manifest = collection(400, patients=0.9, groups=0.3)
    result = split(manifest, SplitOptions(kind="random"))
    assert result.report["kind"] == "random"
    assert "inflated" in result.report["basis"]
    assert result.report["shared"]["shared_patients"] > 10
    assert result.report["shared"]["shared_duplicate_groups"] > 5
    assert [p["images"] for p in result.report["parts"].values()] == [256, 64, 60, 20]
    with pytest.raises(DatasetError, match="grouped"):
        check_disjoint(result.manifest)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"test": 1.0}, "no share"),
        ({"validation": float("nan")}, "no share"),
        ({"calibration": -0.1}, "no share"),
        ({"test": 0.6, "calibration": 0.5}, "leave nothing"),
        ({"kind": "x"}, "'x'"),
    ],
)
def test_shares_that_cannot_be_met_are_refused(values, said):
    with pytest.raises(OptionError, match=said):
        SplitOptions(**values)
