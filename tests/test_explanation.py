"""``explain``, ``gallery`` and ``score_localisation`` on run folders."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from cxrlens.doubts.likeness import centre_prior
from cxrlens.errors import DatasetError, OptionError, RunError
from cxrlens.evaluation import EvaluationOptions, evaluate
from cxrlens.evaluation.blocks import Bootstrap
from cxrlens.explanation import (
    METHODS,
    ExplainOptions,
    GalleryOptions,
    LocalisationOptions,
    explain,
    gallery,
    heat_maps,
    overlay,
    score_localisation,
)
from cxrlens.explanation.gallery import choose
from cxrlens.explanation.heat import to_original
from cxrlens.explanation.lesions import read_annotations
from cxrlens.explanation.localisation import scores_of_heat, summary
from cxrlens.explanation.measured import check_current, measured_on
from cxrlens.folders import RUN_FORMAT, DatasetFolder, RunFolder, write_json
from cxrlens.labels import CLASSES
from cxrlens.manifest import dataset_hash, new_manifest, write_manifest
from cxrlens.model import Classifier, LoadedModel, build_model, load_model, save_model
from cxrlens.preprocessing import Preprocessing
from cxrlens.radiograph import Radiograph
from cxrlens.sources import read_radiograph

SIDE = 64


def film(rng: np.random.Generator, height: int = 120, width: int = 100) -> np.ndarray:
    """Synthetic picture that no border trimming shortens."""
    return rng.integers(40, 215, (height, width), dtype=np.uint8)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """An untrained compact network, evaluated on 32 pictures, half of them in the test part."""
    root = tmp_path_factory.mktemp("explanation")
    rng = np.random.default_rng(0)
    (root / "dataset" / "films").mkdir(parents=True)
    rows = []
    for i in range(32):
        path = root / "dataset" / "films" / f"film {i}.png"
        Image.fromarray(film(rng)).save(path)
        rows.append(
            {
                "path": str(path),
                "label": CLASSES[i % 4],
                "source": "North",
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                "split": "test" if i >= 16 else "train",
            }
        )
    dataset = DatasetFolder(root / "dataset")
    write_manifest(new_manifest(rows), dataset.manifest_path)
    run = RunFolder(root / "run")
    facts = {"dataset_hash": dataset_hash(dataset.manifest())}
    write_json(run.config_path, {"format": RUN_FORMAT, "dataset": str(dataset.root), **facts})
    torch.manual_seed(0)
    save_model(
        run,
        build_model("compact", size=SIDE).state_dict(),
        name="compact",
        classes=CLASSES,
        preprocessing=Preprocessing(size=SIDE),
        facts=facts,
    )
    evaluate(run, EvaluationOptions(resamples=100, figures=False))
    return run


def test_one_bad_image_never_stops_the_rest(run: RunFolder, tmp_path: Path) -> None:
    good = [Path(p) for p in run.dataset().manifest()["path"][:2]]
    bad = tmp_path / "no image.png"
    bad.write_text("hello")
    results = explain(run, [good[0], bad, tmp_path / "absent.png", good[1]], ExplainOptions(out=tmp_path / "out"))
    assert [r.problem is None for r in results] == [True, False, False, True]
    assert "\n" not in str(results[1].problem)
    assert bad.name in str(results[1].problem)
    for done in (results[0], results[3]):
        assert done.predicted in CLASSES
        assert done.target == done.predicted == max(done.probabilities, key=lambda c: done.probabilities[c])
        assert sum(done.probabilities.values()) == pytest.approx(1)
        assert len(done.layers) == 3
        assert done.figure is not None
        assert done.figure.is_file()


def test_the_overlay_has_the_size_of_the_original(run: RunFolder, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    shapes = [(90, 333), (700, 500)]
    paths = []
    for height, width in shapes:
        paths.append(tmp_path / f"{height}.png")
        Image.fromarray(film(rng, height, width)).save(paths[-1])
    for done, shape in zip(explain(run, paths, ExplainOptions(out=tmp_path)), shapes, strict=True):
        assert done.overlay is not None
        with Image.open(done.overlay) as picture:
            assert (picture.height, picture.width) == shape


def test_a_film_is_shown_pixel_by_pixel_in_the_sheet(run: RunFolder, tmp_path: Path) -> None:
    pixels = film(np.random.default_rng(2), 450, 440)
    Image.fromarray(pixels).save(tmp_path / "film.png")
    (done,) = explain(run, [tmp_path / "film.png"], ExplainOptions(out=tmp_path))
    assert done.figure is not None
    sheet = np.asarray(Image.open(done.figure).convert("L"), dtype=int)
    corner = pixels[:40, :40].astype(int)
    places = np.lib.stride_tricks.sliding_window_view(sheet[:420, :80], (40, 40))
    assert np.abs(places - corner).max(axis=(2, 3)).min() <= 1


def test_images_of_the_same_name_keep_a_picture_each(run: RunFolder, tmp_path: Path) -> None:
    paths = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        paths.append(tmp_path / folder / "胸部 $film é.png")
        Image.fromarray(film(np.random.default_rng(3))).save(paths[-1])
    results = explain(run, paths, ExplainOptions(out=tmp_path / "out", target="Pneumonia"))
    assert len({r.figure for r in results}) == 2
    assert all(r.target == "Pneumonia" for r in results)


@pytest.mark.parametrize("method", list(METHODS))
def test_every_method_explains_a_film(run: RunFolder, tmp_path: Path, method: str) -> None:
    path = Path(run.dataset().manifest()["path"][0])
    (done,) = explain(run, [path], ExplainOptions(method=method, out=tmp_path))
    assert done.problem is None
    assert len(done.layers) == (3 if METHODS[method].by_layer else 1)


@pytest.mark.parametrize("name", ["plain", "compact", "densenet121"])
def test_every_kind_of_network_is_explained_in_its_last_blocks(name: str) -> None:
    if name == "densenet121":
        pytest.importorskip("monai")
    torch.manual_seed(0)
    module = build_model(name, size=SIDE).eval()
    model = LoadedModel(module, Preprocessing(size=SIDE), CLASSES, name, SIDE, "")
    pixels = film(np.random.default_rng(4), 150, 130).astype(np.float32) / 255
    heats = heat_maps(model, Radiograph(pixels), "hires-cam", "COVID-19")
    assert len(heats.maps) >= 2
    for heat in heats.maps.values():
        assert heat.shape == (150, 130)
        assert 0 <= heat.min() <= heat.max() <= 1
    assert any(heat.any() for heat in heats.maps.values())


def test_heat_goes_back_to_where_it_came_from() -> None:
    pixels = np.full((200, 100), 0.5, dtype=np.float32)
    pixels[:, ::2] = 0.6
    placement = Preprocessing(size=SIDE, trim_borders=False).placement(Radiograph(pixels))
    small = np.zeros((SIDE, SIDE), dtype=np.float32)
    y, x = 48, 26  # within the film's part of the frame, columns 16 to 47
    small[y, x] = 3.0
    heat = to_original(small, placement)
    hottest = np.unravel_index(heat.argmax(), heat.shape)
    assert heat.max() == 1
    assert hottest == pytest.approx(placement.point_to_original(y, x), abs=2)
    assert not to_original(np.zeros((4, 4), dtype=np.float32), placement).any()


def test_where_there_is_no_heat_the_film_is_untouched() -> None:
    pixels = np.linspace(0, 1, 100, dtype=np.float32).reshape(10, 10)
    heat = np.zeros((10, 10), dtype=np.float32)
    heat[5, 5] = 1
    picture = overlay(pixels, heat)
    grey = np.floor(pixels * 255 + 0.5).astype(int)
    untouched = heat == 0
    assert (picture[untouched] == grey[untouched][:, None]).all()
    assert picture[5, 5, 0] > picture[5, 5, 2] + 50
    with pytest.raises(ValueError, match="does not lie over"):
        overlay(pixels, heat[:5])


def test_unknown_methods_classes_and_layers_are_refused_in_one_line(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="grad-cam"):
        ExplainOptions(method="gradcam")
    with pytest.raises(OptionError, match="Tuberculosis"):
        ExplainOptions(target="Flu")
    with pytest.raises(OptionError, match="last convolutional blocks are"):
        explain(run, [], ExplainOptions(layers=("nowhere",)))
    with pytest.raises(OptionError, match="held-out"):
        LocalisationOptions(splits=("train",))
    bare, model = RunFolder(tmp_path / "bare"), load_model(run)
    state = model.module.state_dict()
    save_model(bare, state, name="compact", classes=CLASSES, preprocessing=model.preprocessing, facts={})
    with pytest.raises(RunError, match="evaluate"):
        gallery(bare)


def test_the_gallery_shows_test_images_right_and_wrong(run: RunFolder) -> None:
    record = gallery(run, GalleryOptions(per_class=2))
    assert record == json.loads((run.explanations / "explanations.json").read_text())
    assert record["split"] == "test"
    manifest = run.dataset().manifest().set_index("path")
    assert record["examples"]
    for example in record["examples"]:
        assert manifest.loc[example["path"], "split"] == "test"
        assert (example["gallery"] == "gallery_right.png") == (example["label"] == example["predicted"])
    counts = pd.DataFrame(record["examples"]).groupby(["gallery", "label"]).size()
    assert counts.max() <= 2
    assert "Saporta" in record["limits"]
    for kind in ("right", "wrong"):
        assert (run.explanations / f"gallery_{kind}.png").is_file()


def test_pictures_never_claim_what_another_model_scored(run: RunFolder, tmp_path: Path) -> None:
    model = load_model(run)
    assert "test set of dataset 'dataset': accuracy" in measured_on(run, model)
    other = dataclasses.replace(model, hash="0" * 64)
    assert "not measured since" in measured_on(run, other)
    with pytest.raises(RunError, match="another model"):
        check_current(run, other)
    assert "not measured on any set" in measured_on(RunFolder(tmp_path), model)


@pytest.mark.real
def test_lesions_of_real_annotations_fit_their_films(real_data: Path) -> None:
    annotated = read_annotations(real_data / "annotations" / "annotations.csv")
    assert len(annotated) > 80
    for item in annotated[::8]:
        radiograph = read_radiograph(item.path)
        shape = (radiograph.height, radiograph.width)
        lesion, lungs = item.lesion_mask(shape), item.lung_mask(shape)
        assert 0 < lesion.mean() < 0.6
        if lungs is not None:
            assert lesion[lungs].sum() > 0.5 * lesion.sum()  # lesions of the lung lie in the lung


def test_the_gallery_shows_a_patient_once_and_the_surest_mistakes() -> None:
    columns = ["label", "predicted", "path", "patient_id", "p_normal"]
    lines = [
        ["Normal", "Normal", "a", "p1", 0.9],
        ["Normal", "Normal", "b", "p1", 0.8],
        ["Normal", "COVID-19", "c", "", 0.0],
        ["Normal", "COVID-19", "d", "", 0.1],
        ["Normal", "COVID-19", "e", "", 0.05],
    ]
    rows = pd.DataFrame(lines, columns=columns).assign(source="A", duplicate_group="", p_pneumonia=0, p_tuberculosis=0)
    rows["p_covid19"] = 1 - rows["p_normal"]
    right, wrong = (choose(rows, side, GalleryOptions(per_class=2)) for side in (True, False))
    assert len(right) == 1
    assert list(wrong["path"]) == ["c", "e"]


def test_a_network_that_must_look_at_the_lesion_is_seen_to_look_there() -> None:
    """Films of noise with a bright disc or none: after a short training the heat lies on the disc."""
    rng = np.random.default_rng(0)

    def case(height: int, width: int) -> tuple[Radiograph, np.ndarray]:
        y, x = rng.uniform(0.2, 0.8) * height, rng.uniform(0.2, 0.8) * width
        yy, xx = np.mgrid[:height, :width]
        disc = np.hypot(yy - y, xx - x) < 13
        return Radiograph((rng.uniform(0.2, 0.5, (height, width)) + 0.4 * disc).astype(np.float32)), disc

    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Sequential(torch.nn.Conv2d(1, 12, 5, 2, padding=2), torch.nn.ReLU()),
        torch.nn.Sequential(torch.nn.Conv2d(12, 16, 5, 2, padding=2), torch.nn.ReLU()),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(16, 4),
    )
    module = Classifier(network, name="tiny", classes=4, size=SIDE)
    preprocessing = Preprocessing(size=SIDE, tone="none", trim_borders=False)
    model = LoadedModel(module, preprocessing, CLASSES, "tiny", SIDE, "")
    sick = [preprocessing(case(150, 110)[0]) for _ in range(40)]
    well = [preprocessing(Radiograph(rng.uniform(0.2, 0.5, (150, 110)).astype(np.float32))) for _ in range(40)]
    batch = torch.from_numpy(np.stack(sick + well)[:, None] / np.float32(255))
    labels = torch.tensor([2] * 40 + [0] * 40)
    optimiser = torch.optim.AdamW(module.parameters(), 1e-2)
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(module(batch), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.1
    module.eval()
    found: dict[str, list[float]] = {"grad-cam": [], "hires-cam": [], "grad-cam++": [], "occlusion": [], "uniform": []}
    for _ in range(12):
        radiograph, disc = case(150, 110)
        for method in found:
            if method == "uniform":
                heat = np.ones(disc.shape, dtype=np.float32)
            else:
                heat = heat_maps(model, radiograph, method, "Pneumonia").deepest
            found[method].append(scores_of_heat(heat, disc)["pointing_15px"])
    uniform = np.mean(found.pop("uniform"))
    for method, scores in found.items():
        assert np.mean(scores) > 3 * uniform, method


def test_scores_of_maps_known_by_hand() -> None:
    lesion = np.zeros((100, 100), dtype=bool)
    lesion[40:60, 40:60] = True
    inside, beside, outside = (np.zeros((100, 100), dtype=np.float32) for _ in range(3))
    inside[50, 50] = beside[50, 74] = outside[50, 76] = 1
    assert scores_of_heat(inside, lesion) == {"pointing": 1, "pointing_15px": 1, "energy": 1}
    assert scores_of_heat(beside, lesion) == {"pointing": 0, "pointing_15px": 1, "energy": 0}
    assert scores_of_heat(outside, lesion) == {"pointing": 0, "pointing_15px": 0, "energy": 0}
    uniform = scores_of_heat(np.ones((100, 100), dtype=np.float32), lesion)
    assert uniform["pointing"] == uniform["energy"] == pytest.approx(0.04)  # the lesion's share of the image
    assert scores_of_heat(np.zeros((100, 100), dtype=np.float32), lesion)["energy"] == 0
    prior = centre_prior((100, 60))
    assert np.unravel_index(prior.argmax(), prior.shape)[0] in (49, 50)
    assert prior[50, 30] / prior[50, 45] == pytest.approx(np.exp(0.5), rel=0.1)


def test_summary_means_and_paired_differences() -> None:
    images = [
        {
            "label": "Pneumonia",
            "predicted": "Pneumonia",
            "split": "test",
            "source": "A",
            "patient_id": str(i),
            "duplicate_group": "",
            "without_heat": [],
            "scores": {
                "network.last": {"pointing": 1.0, "pointing_15px": 1.0, "energy": 0.3 + i / 100},
                "prior:uniform": {"pointing": 0.0, "pointing_15px": 0.5, "energy": 0.2 + i / 100},
            },
        }
        for i in range(10)
    ]
    result = summary(images, Bootstrap(200))
    assert result["maps"]["last"]["energy"]["value"] == pytest.approx(0.345)
    assert result["maps"]["last"]["pointing"]["low"] < 1  # never certain
    difference = result["maps"]["last"]["minus_uniform"]["energy"]
    assert [difference[k] for k in ("value", "low", "high")] == pytest.approx([0.1] * 3)


def write_annotations(run: RunFolder, folder: Path) -> Path:
    """A box on every diseased film; lungs and a tube on the first, which are no lesions."""
    (folder / "masks").mkdir(parents=True)
    lungs = np.zeros((120, 100), dtype=np.uint8)
    lungs[20:100, 10:90] = 255
    Image.fromarray(lungs).save(folder / "masks" / "lungs.png")
    lines = ["path,kind,finding,mask,x,y,w,h,annotator"]
    for row in run.dataset().manifest().to_dict("records"):
        lines.append(f"{row['path']},box,Consolidation,,10,20,30,40,nobody")
        lines.append(f"{row['path']},mask,Lungs,masks/lungs.png,,,,,nobody")
        lines.append(f"{row['path']},box,Endotracheal Tube,,0,0,100,120,nobody")
    table = folder / "annotations.csv"
    table.write_text("\n".join(lines) + "\n")
    return table


def test_localisation_scores_only_held_out_diseased_images(run: RunFolder, tmp_path: Path) -> None:
    table = write_annotations(run, tmp_path / "truth")
    record = score_localisation(run, table, options=LocalisationOptions(resamples=200))
    assert record == json.loads((run.explanations / "localisation.json").read_text())
    assert record["splits"] == {"test": 12}  # 16 test films, 4 of them normal
    assert all(image["findings"] == ["Consolidation"] for image in record["images"])
    assert record["priors"]["uniform"]["energy"]["value"] == pytest.approx(30 * 40 / (120 * 100), abs=1e-6)
    assert record["priors"]["lungs"]["energy"]["value"] == pytest.approx(30 * 40 / (80 * 80), abs=1e-6)
    assert set(record["maps"]) == {"features.stage2", "features.stage3", "features.stage4"}
    assert {"minus_uniform", "minus_centre", "minus_lungs"} <= set(record["maps"]["features.stage4"])
    assert (run.explanations / "localisation.png").is_file()
    assert "significantly worse" in record["limits"]


def test_a_mask_of_another_size_is_named_and_the_rest_are_scored(run: RunFolder, tmp_path: Path) -> None:
    table = write_annotations(run, tmp_path / "truth")
    Image.fromarray(np.full((9, 9), 255, dtype=np.uint8)).save(tmp_path / "truth" / "small.png")
    wrong = run.dataset().manifest()["path"].iloc[-1]
    with table.open("a") as stream:
        stream.write(f"{wrong},mask,Ground Glass Opacities,small.png,,,,,nobody\n")
    record = score_localisation(run, table, options=LocalisationOptions(resamples=200))
    assert record["n"] == 11
    assert len(record["problems"]) == 1
    assert "9 × 9" in record["problems"][0]


def test_annotations_of_other_images_are_refused_in_one_line(run: RunFolder, tmp_path: Path) -> None:
    table = tmp_path / "annotations.csv"
    with pytest.raises(DatasetError, match="no table of annotations"):
        score_localisation(run, table)
    table.write_text("path,kind,finding,mask,x,y,w,h,annotator\nnowhere.png,box,Mass,,1,2,3,4,nobody\n")
    with pytest.raises(DatasetError, match="names no image"):
        score_localisation(run, table)
    with pytest.raises(DatasetError, match="annotates no image"):
        score_localisation(run, table, root=tmp_path)
    table.write_text("path,finding\na.png,Mass\n")
    with pytest.raises(DatasetError, match="lacks the column"):
        score_localisation(run, table)
