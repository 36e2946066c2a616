"""Collections of every layout to one manifest, and what is wrong with a collection in one line."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cxrlens.errors import OptionError
from cxrlens.labels import CLASSES
from cxrlens.manifest import COLUMNS, check_manifest, read_manifest, write_manifest
from cxrlens.sources import Scan, ScanOptions, scan
from cxrlens.sources.facts import age_of, sex_of, view_of
from cxrlens.sources.file_names import label_of_name, patient_of_name, patient_of_table


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(path, "PNG")
    return path


def pictures(root: Path, *names: str) -> Path:
    for name in names:
        picture(root / name)
    return root


def table(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def labels(result: Scan, root: Path) -> dict[str, str]:
    return {Path(p).relative_to(root).as_posix(): label for p, label in result.manifest[["path", "label"]].to_numpy()}


def lines(result: Scan) -> list[str]:
    found = [str(problem) for problem in result.problems]
    assert not any("\n" in line for line in found)
    return found


def row(result: Scan, name: str) -> dict[str, str]:
    hit = result.manifest[[Path(p).name == name for p in result.manifest["path"]]]
    assert len(hit) == 1
    return dict(hit.iloc[0])


def test_folder_a_class_in_the_spellings_of_public_sets(tmp_path: Path) -> None:
    root = pictures(
        tmp_path / "set", "COVID19/a.png", "TURBERCULOSIS/b.jpg", "Normal Chest X-rays/c.png", "Viral Pneumonia/d.png"
    )
    result = scan([root])
    assert list(result.manifest.columns) == list(COLUMNS)
    assert labels(result, root) == {
        "COVID19/a.png": "COVID-19",
        "TURBERCULOSIS/b.jpg": "Tuberculosis",
        "Normal Chest X-rays/c.png": "Normal",
        "Viral Pneumonia/d.png": "Pneumonia",
    }
    assert not result.problems
    assert set(result.manifest["collection"]) == set(result.manifest["source"]) == {"set"}
    assert all(os.path.isabs(p) for p in result.manifest["path"])
    check_manifest(result.manifest, root)


def test_train_and_test_trees_keep_every_file_and_its_class(tmp_path: Path) -> None:
    root = pictures(
        tmp_path / "chest_xray",
        *(f"{part}/{c}/x.png" for part in ("train", "val", "test") for c in ("NORMAL", "PNEUMONIA")),
    )
    assert sorted(labels(scan([root]), root).values()) == ["Normal"] * 3 + ["Pneumonia"] * 3


def test_class_folder_nearest_to_the_file_wins(tmp_path: Path) -> None:
    root = pictures(
        tmp_path / "s", "Pneumonia/COVID-19/a.png", "Pneumonia/b.png", "TB/patient 7/c.png", "Normal/images/d.png"
    )
    assert labels(scan([root]), root) == {
        "Pneumonia/COVID-19/a.png": "COVID-19",
        "Pneumonia/b.png": "Pneumonia",
        "TB/patient 7/c.png": "Tuberculosis",
        "Normal/images/d.png": "Normal",
    }


def test_unknown_class_is_kept_as_excluded_and_reported_once(tmp_path: Path) -> None:
    root = pictures(
        tmp_path / "r", "COVID/images/1.png", "Normal/images/2.png", *(f"Lung_Opacity/images/{i}.png" for i in range(5))
    )
    result = scan([root])
    unknown = result.manifest[result.manifest["excluded"] != ""]
    assert list(unknown["excluded"]) == ["label 'Lung_Opacity' is not one of the four classes"] * 5
    assert set(unknown["label"]) == {""}
    assert len(lines(result)) == 1
    assert "5 image(s)" in lines(result)[0]
    check_manifest(result.manifest, root)


def test_unknown_class_beside_known_ones_does_not_take_the_class_above(tmp_path: Path) -> None:
    root = pictures(tmp_path / "r", "Pneumonia/COVID-19/a.png", "Pneumonia/Lung_Opacity/b.png", "Pneumonia/Viral/c.png")
    assert labels(scan([root]), root) == {
        "Pneumonia/COVID-19/a.png": "COVID-19",
        "Pneumonia/Lung_Opacity/b.png": "",
        "Pneumonia/Viral/c.png": "Pneumonia",
    }


def test_unknown_class_can_be_told(tmp_path: Path) -> None:
    root = pictures(tmp_path / "r", "Lung_Opacity/1.png", "Normal/2.png")
    result = scan([root], ScanOptions(labels={"Lung_Opacity": "Pneumonia"}))
    assert sorted(labels(result, root).values()) == ["Normal", "Pneumonia"]
    assert not result.problems
    with pytest.raises(OptionError, match="not one of the classes"):
        ScanOptions(labels={"x": "Flu"})


def test_negated_folder_is_no_class_even_inside_a_class_folder(tmp_path: Path) -> None:
    root = pictures(tmp_path / "r", "COVID/a.png", "COVID/non-COVID/b.png")
    assert labels(scan([root]), root) == {"COVID/a.png": "COVID-19", "COVID/non-COVID/b.png": ""}


def test_folders_of_masks_are_passed_over_with_a_note(tmp_path: Path) -> None:
    root = pictures(
        tmp_path / "r",
        "COVID/images/1.png",
        "COVID/masks/1.png",
        "Normal/images/2.png",
        "Normal/lung_masks/2.png",
        "CXR/leftMask/3.png",
    )
    result = scan([root])
    assert len(result.manifest) == 2
    assert len(result.notes) == 3
    assert not result.problems


def test_litter_of_systems_is_passed_over(tmp_path: Path) -> None:
    root = pictures(tmp_path / "r", "TB/a.png", "__MACOSX/TB/._a.png", "TB/.hidden.png", ".git/b.png")
    for name in ("Thumbs.db", ".DS_Store", "desktop.ini", "README.md", "licence.pdf"):
        (root / "TB" / name).write_bytes(b"x" * 300)
    assert list(labels(scan([root]), root)) == ["TB/a.png"]


def test_image_without_a_telling_suffix_is_found_by_its_bytes(tmp_path: Path) -> None:
    root = tmp_path / "r"
    picture(root / "TB" / "IM00001")
    picture(root / "TB" / "scan.1234")
    (root / "TB" / "notes").write_text("no image " * 50)
    assert set(labels(scan([root]), root)) == {"TB/IM00001", "TB/scan.1234"}


def test_broken_image_stays_in_the_manifest_for_curation_to_report(tmp_path: Path) -> None:
    root = pictures(tmp_path / "r", "TB/a.png")
    (root / "TB/b.png").touch()
    assert len(scan([root]).manifest) == 2


def test_names_that_no_table_can_hold_are_left_out_and_said_so(tmp_path: Path) -> None:
    root = pictures(tmp_path / "r", "TB/a.png", "TB/line\nbreak.png")
    try:
        os.rename(root / "TB/a.png", os.fsencode(root / "TB") + b"/\xe4.png")
    except OSError:
        pytest.skip("a file system that takes UTF-8 alone")
    result = scan([root])
    assert [Path(path).name for path in result.manifest["path"]] == ["line\nbreak.png"]
    (problem,) = result.problems
    assert "1 image(s) whose names or folders are not UTF-8 (first: \\udce4.png); they are left out" in str(problem)
    write_manifest(result.manifest, tmp_path / "manifest.csv")
    pd.testing.assert_frame_equal(read_manifest(tmp_path / "manifest.csv"), result.manifest)
    (root / "TB/line\nbreak.png").unlink()
    assert [p.fault for p in scan([root]).problems] == [problem.fault], "and nothing else is made of it"


def test_names_with_spaces_and_unicode(tmp_path: Path) -> None:
    root = pictures(tmp_path / "Réseau des hôpitaux 病院", "TB Chest X-rays/Möller (1) ★.png")
    table(root / "metadata.csv", "filename,patientid\nMöller (1) ★.png,Пациент-1\n")
    result = scan([root])
    assert result.manifest.loc[0, "label"] == "Tuberculosis"
    assert result.manifest.loc[0, "patient_id"] == "Пациент-1"
    assert result.manifest.loc[0, "collection"] == "Réseau des hôpitaux 病院"
    write_manifest(result.manifest, tmp_path / "manifest.csv")
    pd.testing.assert_frame_equal(read_manifest(tmp_path / "manifest.csv"), result.manifest)


HEADERS = [
    "filename,finding,patientid,view,sex,age,hospital",
    "Image Index,Finding Labels,Patient ID,View Position,Patient Gender,Patient Age,Institution",
    "IMAGE,Label,subject_id,ViewPosition,Gender,age,Site",
    "path,class,patient_id,projection,Sex,Patient_Age,source",
]


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_table_columns_are_found_by_name(tmp_path: Path, header: str, separator: str) -> None:
    root = pictures(tmp_path / "r", "images/a.png", "images/b.png")
    text = (
        f"{header}\na.png,Pneumonia/Viral/COVID-19,p-1,AP Supine,Male,045Y,Ghent\nb.png,No Finding,p-2,PA,F,411,Bern\n"
    )
    table(root / ("m.tsv" if separator == "\t" else "m.csv"), text.replace(",", separator))
    result = scan([root])
    a, b = row(result, "a.png"), row(result, "b.png")
    assert not result.problems
    assert [a[k] for k in ("label", "patient_id", "view", "sex", "age", "source")] == [
        "COVID-19",
        "p-1",
        "AP",
        "M",
        "45",
        "Ghent",
    ]
    assert [b[k] for k in ("label", "patient_id", "view", "sex", "age", "source")] == [
        "Normal",
        "p-2",
        "PA",
        "F",
        "",
        "Bern",
    ]


def test_columns_may_be_given(tmp_path: Path) -> None:
    root = pictures(tmp_path / "r", "images/a.png")
    table(root / "liste.csv", "Bild,Befund,Klinik\na.png,TB,Ulm\n")
    result = scan([root], ScanOptions(columns={"path": "Bild", "label": "Befund", "source": "Klinik"}))
    assert (row(result, "a.png")["label"], row(result, "a.png")["source"]) == ("Tuberculosis", "Ulm")
    with pytest.raises(OptionError, match="no column of the manifest"):
        ScanOptions(columns={"colour": "Farbe"})


def test_indicator_columns_are_labels(tmp_path: Path) -> None:
    root = pictures(tmp_path / "r", "i/a.png", "i/b.png", "i/c.png")
    table(root / "t.csv", "Path,No Finding,Pneumonia,Edema\nx/i/a.png,1.0,,\nx/i/b.png,,1.0,1.0\nx/i/c.png,,-1.0,1.0\n")
    assert labels(scan([root]), root) == {"i/a.png": "Normal", "i/b.png": "Pneumonia", "i/c.png": ""}


def test_rows_without_file_and_files_without_row_are_reported(tmp_path: Path) -> None:
    root = pictures(tmp_path / "r", "images/a.png", "images/b.png", "images/c.png")
    table(root / "m.csv", "filename,finding\na.png,TB\ngone1.png,TB\ngone2.png,Normal\n")
    result = scan([root])
    assert len(result.manifest) == 3
    text = "\n".join(lines(result))
    assert "names 2 file(s) that are not here (first: gone1.png)" in text
    assert "2 of 3 files are named by no row" in text
    assert row(result, "b.png")["excluded"] == "no folder or table says what it shows"


def test_several_rows_of_one_image_are_joined(tmp_path: Path) -> None:
    root = pictures(tmp_path / "r", "images/a.png", "images/b.png")
    table(
        root / "m.csv",
        "filename,finding,sex\na.png,Effusion,\na.png,Pneumonia,F\na.png,Pneumonia,F\nb.png,Normal,M\nb.png,TB,M\n",
    )
    result = scan([root])
    assert (row(result, "a.png")["label"], row(result, "a.png")["sex"]) == ("Pneumonia", "F")
    assert row(result, "b.png")["label"] == ""
    assert "Normal|TB" in row(result, "b.png")["excluded"]


def test_file_names_that_several_folders_share_need_their_folder(tmp_path: Path) -> None:
    root = pictures(tmp_path / "r", "x/1.png", "y/1.png", "y/2.png")
    table(root / "m.csv", "filename,finding\n1.png,TB\n2.png,Normal\n")
    assert "lie in several folders (first: 1.png)" in "\n".join(lines(scan([root])))
    table(root / "m.csv", "filename,finding\nx/1.png,TB\n/else/where/y/1.png,Normal\n2.png,Normal\n")
    result = scan([root])
    assert labels(result, root) == {"x/1.png": "Tuberculosis", "y/1.png": "Normal", "y/2.png": "Normal"}
    assert not result.problems


def test_ct_rows_are_excluded(tmp_path: Path) -> None:
    root = pictures(tmp_path / "r", "images/a.png", "images/b.png")
    table(root / "metadata.csv", "filename,finding,modality\na.png,COVID-19,X-ray\nb.png,COVID-19,CT\n")
    result = scan([root])
    assert row(result, "a.png")["excluded"] == ""
    assert row(result, "b.png")["excluded"] == "modality CT is no radiograph"


def test_table_that_is_none_is_reported_and_the_rest_goes_on(tmp_path: Path) -> None:
    root = pictures(tmp_path / "r", "TB/a.png")
    (root / "broken.csv").write_bytes(b"\0\1\2" * 50)
    (root / "empty.csv").touch()
    result = scan([root])
    assert labels(result, root) == {"TB/a.png": "Tuberculosis"}
    assert len([line for line in lines(result) if "cannot be read as a table" in line]) == 2


def test_manifest_is_read_with_files_outside_its_folder(tmp_path: Path) -> None:
    picture(tmp_path / "store/one.png")
    picture(tmp_path / "mine/two.png")
    text = "path,label,source,patient_id,split\n../store/one.png,Normal,Ulm,u-1,\ntwo.png,covid,Bonn,b-1,test\n"
    manifest = table(tmp_path / "mine/manifest.csv", text)
    for given in (manifest, manifest.parent):
        result = scan([given])
        assert not result.problems
        assert set(result.manifest["label"]) == {"Normal", "COVID-19"}
        assert set(result.manifest["source"]) == {"Ulm", "Bonn"}
        assert set(result.manifest["split"]) == {"", "test"}
        assert set(result.manifest["collection"]) == {"mine"}
        assert all(Path(p).is_file() and os.path.isabs(p) for p in result.manifest["path"])


def test_manifest_with_missing_columns_is_named(tmp_path: Path) -> None:
    manifest = table(tmp_path / "mine/manifest.csv", "file_of_mine,what\na.png,TB\n")
    text = "\n".join(lines(scan([manifest])))
    assert f"{manifest}: lacks the column(s) path, label" in text


def test_manifest_may_name_files_by_absolute_path(tmp_path: Path) -> None:
    far = picture(tmp_path / "store/one.png")
    manifest = table(tmp_path / "mine/manifest.csv", f"path,label\n{far},TB\n")
    assert list(scan([manifest]).manifest[["path", "label"]].iloc[0]) == [str(far), "Tuberculosis"]


def test_table_whose_columns_are_not_known_is_named_where_labels_are_missing(tmp_path: Path) -> None:
    root = pictures(tmp_path / "r", "images/a.png")
    table(root / "liste.csv", "Bild,Befund\na.png,TB\n")
    assert any("liste.csv" in line and "Bild, Befund" in line for line in lines(scan([root])))


def test_column_of_patients_that_names_the_files_is_no_patient(tmp_path: Path) -> None:
    """RSNA's patientId is the name of the image; taken for a patient it would make every image one of its own."""
    root = pictures(tmp_path / "r", "train/ab-1.png", "train/ab-2.png")
    table(root / "info.csv", "patientId,class\nab-1,Normal\nab-2,Lung Opacity\n")
    result = scan([root])
    assert labels(result, root) == {"train/ab-1.png": "Normal", "train/ab-2.png": ""}
    assert set(result.manifest["patient_id"]) == {""}


def test_empty_and_missing_collections_are_reported_and_the_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    full = pictures(tmp_path / "full", "TB/a.png")
    result = scan([tmp_path / "empty", tmp_path / "nowhere", full])
    assert len(result.manifest) == 1
    text = "\n".join(lines(result))
    assert "holds no images" in text
    assert "does not exist" in text


def test_two_collections_of_one_name_are_told_apart(tmp_path: Path) -> None:
    a, b = pictures(tmp_path / "a/covid", "TB/1.png"), pictures(tmp_path / "b/covid", "TB/1.png")
    result = scan([a, b])
    assert sorted(result.manifest["collection"]) == ["a/covid", "b/covid"]
    assert len(result.notes) == 2
    assert not result.problems


def test_same_and_nested_collections_count_each_image_once(tmp_path: Path) -> None:
    root = pictures(tmp_path / "r", "inner/TB/1.png", "Normal/2.png")
    result = scan([root, root / ".", root / "inner"])
    assert len(result.manifest) == 2
    text = "\n".join(lines(result))
    assert "given twice" in text
    assert "shares 1 file(s)" in text


def test_links_that_form_a_loop_end(tmp_path: Path) -> None:
    root = pictures(tmp_path / "r", "TB/1.png")
    (root / "TB/again").symlink_to(root)
    (root / "self").symlink_to(root / "self")
    assert len(scan([root]).manifest) == 1


def test_unreadable_folder_is_reported_and_the_rest_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = pictures(tmp_path / "r", "Normal/1.png", "TB/2.png")
    real = os.scandir

    def refuse(
        path: object = ".",
    ) -> object:  # as the system does; root may read everything, so permissions would not do
        if str(path).endswith("TB"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "scandir", refuse)
    result = scan([root])
    assert list(labels(result, root)) == ["Normal/1.png"]
    assert "TB: cannot be opened (Permission denied)" in lines(result)[0]


def test_root_named_by_a_class_labels_its_own_files(tmp_path: Path) -> None:
    assert scan([pictures(tmp_path / "TB Chest X-rays", "1.png")]).manifest.loc[0, "label"] == "Tuberculosis"
    assert scan([pictures(tmp_path / "covid-chestxray-dataset", "images/1.png")]).manifest.loc[0, "label"] == ""


def test_loose_dicom_gives_what_its_header_says(tmp_path: Path) -> None:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = "1.2.3"
    ds.PatientID, ds.ViewPosition, ds.PatientSex, ds.PatientAge, ds.Modality = "17", "PA", "M", "006M", "CR"
    (tmp_path / "clinic/TB").mkdir(parents=True)
    ds.save_as(tmp_path / "clinic/TB/IM1", enforce_file_format=True)
    found = row(scan([tmp_path / "clinic"]), "IM1")
    assert [found[k] for k in ("label", "patient_id", "view", "sex", "age")] == [
        "Tuberculosis",
        "clinic-17",
        "PA",
        "M",
        "0.5",
    ]


@pytest.mark.parametrize(
    ("stem", "patient"),
    [
        ("00000506_013", "nih-00000506"),
        ("person1096_virus_1816", "kermany-person1096"),
        ("person1096_bacteria_3036", "kermany-person1096"),
        ("IM-0115-0001", "kermany-IM-0115"),
        ("NORMAL2-IM-0115-0001", "kermany-NORMAL2-IM-0115"),
        ("IM-0115-0001-0002", "kermany-IM-0115"),
        ("MCUCXR_0001_0", ""),
        ("COVID-19", ""),
        ("12", ""),
        ("123_456", ""),
    ],
)
def test_patient_of_a_documented_name_and_of_no_other(stem: str, patient: str) -> None:
    assert patient_of_name(stem) == patient


def test_bare_patient_numbers_of_two_collections_are_not_one_patient() -> None:
    assert patient_of_table("7", "x", "a") == "a-7"
    assert patient_of_table("7.0", "x", "b") == "b-7"
    assert patient_of_table("cohen-7", "x", "a") == "cohen-7"
    assert patient_of_table("506", "00000506_013", "nih-sample") == "nih-00000506"
    assert patient_of_table("unknown", "x", "a") == ""


def test_label_of_nlm_names() -> None:
    assert (label_of_name("MCUCXR_0001_0"), label_of_name("CHNCXR_0327_1"), label_of_name("x_1")) == (
        "Normal",
        "Tuberculosis",
        "",
    )


def test_facts_in_the_manifests_words() -> None:
    assert [view_of(t) for t in ("PA", "AP Supine", "L", "Lateral", "Axial", "")] == [
        "PA",
        "AP",
        "LATERAL",
        "LATERAL",
        "",
        "",
    ]
    assert [sex_of(t) for t in ("F", "male", "Woman", "O", "")] == ["F", "M", "F", "", ""]
    assert [age_of(t) for t in ("045Y", "45.0", "45", "006M", "411", "old", "")] == [
        "45",
        "45",
        "45",
        "0.5",
        "",
        "",
        "",
    ]


@pytest.mark.real
def test_real_collections_give_the_true_manifest(real_data: Path) -> None:
    result = scan(sorted((real_data / "collected").iterdir()))
    assert not result.problems
    truth = pd.read_csv(real_data / "manifest.csv", dtype=str, keep_default_na=False)
    truth["path"] = [str(real_data / p) for p in truth["path"]]
    truth["label"] = truth["label"].map(
        dict(zip(("normal", "covid", "pneumonia", "tuberculosis"), CLASSES, strict=True))
    )
    both = result.manifest.merge(truth, on="path", suffixes=("", "_true"), how="outer", indicator=True)
    assert (both["_merge"] == "both").all()
    for column in ("label", "collection", "sex", "age"):
        assert (both[column] == both[f"{column}_true"]).all(), column
    told = both[both["collection"].isin(["cohen", "nih", "nih-sample", "kermany"])]
    assert (told["patient_id"] == told["patient_id_true"]).all()
    others = both.drop(told.index)
    assert (others["patient_id"] == "").all(), "nothing in these collections says who the patients are"
    in_tables = both[both["collection"].isin(["cohen", "nih", "nih-sample"])]
    assert (in_tables["view"] == in_tables["view_true"]).all()


@pytest.mark.real
def test_real_collections_without_their_tables_keep_every_file(real_data: Path, tmp_path: Path) -> None:
    shutil.copytree(real_data / "collected/nih-sample", tmp_path / "nih-sample")
    result = scan([tmp_path / "nih-sample"], ScanOptions(use_tables=False))
    assert len(result.manifest) == 22
    assert (result.manifest["excluded"] != "").all()
    assert result.manifest["patient_id"].str.startswith("nih-").all()
