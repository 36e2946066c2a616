"""The run's report: self-contained, honest about what is missing, and in step with the figures on disk."""

from __future__ import annotations

import base64
import io
import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from cxrlens import RESEARCH_ONLY
from cxrlens.errors import DatasetError, RunError
from cxrlens.folders import DatasetFolder, RunFolder, read_json, write_json
from cxrlens.manifest import dataset_hash
from cxrlens.report import write_curation_report, write_run_report
from report_folders import HOSTILE, SECRET_PATIENT, make_dataset, make_run

VOID = {"meta", "img", "br", "line", "rect", "circle", "link", "hr"}
BANNER = "SYNTHETIC radiographs: these figures say nothing about patients."


class Page(HTMLParser):
    """Collects tags, attributes and text; fails at the first tag that does not close."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        last = self.open.pop()
        assert last == tag, f"</{tag}> closes <{last}>"

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, DatasetFolder]:
    root = tmp_path_factory.mktemp("report")
    dataset = make_dataset(root / "films")
    return make_run(root / "run", dataset), dataset


@pytest.fixture(scope="module")
def html(made: tuple[RunFolder, DatasetFolder]) -> str:
    return write_run_report(made[0]).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_page_loads_nothing_from_anywhere(page: Page, html: str) -> None:
    for tag, attributes in page.tags:
        for name in ("src", "srcset", "href", "data", "action", "poster", "xlink:href"):
            value = attributes.get(name) or ""
            local = value.startswith("#") or (tag == "img" and value.startswith("data:image/"))
            assert not value or local, f"<{tag} {name}={value[:80]}>"
    assert not page.all("script")
    assert not re.search(r"@import|url\(", html)


def test_every_picture_is_embedded_decodes_and_has_words(page: Page) -> None:
    pictures = page.all("img")
    assert len(pictures) >= 3 + 1 + 1 + 2  # plots, curves, augmented examples, a pair
    for each in pictures:
        head, _, data = str(each["src"]).partition(",")
        assert head in ("data:image/png;base64", "data:image/jpeg;base64")
        image = Image.open(io.BytesIO(base64.b64decode(data)))
        assert (str(image.width), str(image.height)) == (each["width"], each["height"])
        assert len(str(each["alt"])) > 10


def test_every_plot_of_the_evaluation_is_there(page: Page, made: tuple[RunFolder, DatasetFolder]) -> None:
    embedded = {base64.b64decode(str(each["src"]).partition(",")[2]) for each in page.all("img")}
    files = [*made[0].figures.glob("*.png"), made[0].root / "curves.png"]
    assert len(files) == 4
    for path in files:
        assert path.read_bytes() in embedded, path.name


def test_page_is_usable_without_eyes(page: Page) -> None:
    assert page.all("html")[0]["lang"] == "en"
    assert [tag for tag, _ in page.tags].count("h1") == 1
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert all(b <= a + 1 for a, b in pairwise(levels)), "a level of heading is skipped"
    headers = page.all("th")
    assert headers
    assert all(each.get("scope") in ("col", "row") for each in headers)
    anchors = {str(a["href"])[1:] for a in page.all("a")}
    assert anchors <= {str(attributes.get("id")) for _, attributes in page.tags}
    assert len(page.all("caption")) == len(page.all("table"))


def test_headline_and_tables_say_what_metrics_json_says(page: Page, made: tuple[RunFolder, DatasetFolder]) -> None:
    metrics = read_json(made[0].metrics_path)
    figure = metrics["test"]["accuracy"]
    assert f"Accuracy on the test set {figure['value']:.3f}" in page.text
    assert f"95 % interval {figure['low']:.3f} to {figure['high']:.3f}" in page.text
    for guess in ("source_majority", "majority_class"):
        assert f"{metrics['baselines'][guess]['accuracy']['value']:.3f}" in page.text
    for name in ("test", "validation", "train"):
        block = metrics[name]
        for key in ("accuracy", "balanced_accuracy", "macro_f1", "macro_auroc", "ece"):
            value, low, high = (block[key][end] for end in ("value", "low", "high"))
            interval = "–" if low is None else f"{low:.3f} to {high:.3f}"
            shown = f"{'not measured' if value is None else f'{value:.3f}'} {interval}"
            assert shown in page.text, (name, key)
        for source, row in block["per_source"].items():
            assert f"{source} {row['n']} {row['accuracy']['value']:.3f}" in page.text, (name, source)
        for label, counts in zip(block["confusion"]["classes"], block["confusion"]["counts"], strict=True):
            assert f"{label} {' '.join(map(str, counts))}" in page.text, (name, label)


def test_test_comes_first_and_each_split_is_named(page: Page) -> None:
    places = [
        page.text.index(f"{name} : overall".replace(" :", ":"))
        for name in ("Test set", "Validation set", "Training set")
    ]
    assert places == sorted(places)
    assert "chose the epoch: not a test score" in page.text
    assert "seen in training: not a score" in page.text


def test_weakest_source_is_the_lowest_of_the_large_ones(page: Page, made: tuple[RunFolder, DatasetFolder]) -> None:
    sources = read_json(made[0].metrics_path)["test"]["per_source"]
    large = {name: row["accuracy"]["value"] for name, row in sources.items() if row["n"] >= 20}
    if len(large) > 1:
        assert f"on the source “{min(large, key=large.__getitem__)}”" in page.text
    else:
        assert "fewer than two sources have 20 images" in page.text


def test_weakest_source_ignores_small_ones() -> None:
    from cxrlens.report.figures import weakest_source

    def row(n: int, value: float) -> dict[str, object]:
        return {"n": n, "accuracy": {"value": value, "low": None, "high": None}}

    block = {"per_source": {"tiny": row(19, 0.1), "low": row(20, 0.6), "high": row(300, 0.9)}}
    found = weakest_source(block)
    assert found is not None
    assert (found.source, found.n) == ("low", 20)
    assert weakest_source({"per_source": {"only": row(50, 0.5)}}) is None


def test_no_patient_id_is_written(html: str, made: tuple[RunFolder, DatasetFolder]) -> None:
    ids = set(made[1].manifest()["patient_id"]) - {""}
    assert SECRET_PATIENT in ids
    for each in ids:
        assert each not in html
    assert "90210" not in re.sub(r"base64,[A-Za-z0-9+/=]+", "", html)


def test_no_place_on_this_machine_is_written(html: str, made: tuple[RunFolder, DatasetFolder]) -> None:
    text = re.sub(r"base64,[A-Za-z0-9+/=]+", "", html)
    assert str(made[1].root.parent) not in text
    assert "secret-place" not in text
    assert "w.safetensors" in text  # the name of a file is no secret


def test_hostile_names_are_escaped(made: tuple[RunFolder, DatasetFolder], tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "films")
    manifest = pd.read_csv(dataset.manifest_path, dtype=str, keep_default_na=False)
    manifest["source"] = manifest["source"].replace("east", "<img src=x onerror=alert(1)>")
    manifest["excluded"] = manifest["excluded"].replace(r".+", "<script>alert(2)", regex=True)
    manifest.to_csv(dataset.manifest_path, index=False)
    html = write_run_report(make_run(tmp_path / "run", dataset)).read_text(encoding="utf-8")
    page = Page(html)
    assert not page.all("script")
    assert not [a for a in page.all("img") if not str(a["src"]).startswith("data:")]
    assert HOSTILE in page.text  # shown as text
    assert "<script>alert(2)" in page.text
    del made


@pytest.mark.parametrize("synthetic", [True, False])
def test_banner_stands_exactly_on_synthetic_data(synthetic: bool, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "films", synthetic=synthetic)
    run = make_run(tmp_path / "run", dataset)
    for report in (write_run_report(run), write_curation_report(dataset)):
        text = Page(report.read_text(encoding="utf-8")).text
        assert (BANNER in text) is synthetic
        assert RESEARCH_ONLY in text


def test_nothing_said_of_synthetic_counts_as_not(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "films", synthetic=True)
    dataset.curation_path.unlink()
    assert BANNER not in write_curation_report(dataset).read_text(encoding="utf-8")


def test_pair_stands_side_by_side_with_its_difference(page: Page) -> None:
    assert "turned by 3.0°" in page.text
    alts = [str(each["alt"]) for each in page.all("img")]
    assert sum("Absolute difference" in alt for alt in alts) == 1
    assert "labels differ the same file twice" in page.text
    assert "file not found" in page.text  # the pair whose second file is gone


def test_split_section_counts_for_itself(page: Page, made: tuple[RunFolder, DatasetFolder]) -> None:
    manifest = made[1].manifest()
    unknown = ((manifest["patient_id"] == "") & (manifest["excluded"] == "")).sum()
    assert f"For {unknown} images of 80" in page.text
    assert re.search(r"of \d+ known patients and 1 group of copies, 0 are on more than one side", page.text)
    assert dataset_hash(manifest) in page.text


def test_shared_patient_is_shouted_though_split_json_denies_it(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "films")
    manifest = pd.read_csv(dataset.manifest_path, dtype=str, keep_default_na=False)
    first = {
        part: manifest.index[(manifest["split"] == part) & (manifest["source"] == "east")][0]
        for part in ("train", "test")
    }
    manifest.loc[list(first.values()), "patient_id"] = "P-shared-1"
    manifest.to_csv(dataset.manifest_path, index=False)
    text = Page(write_curation_report(dataset).read_text(encoding="utf-8")).text
    assert "1 patient is on more than one side of this split" in text
    assert "P-shared-1" not in text


def test_limits_come_from_the_facts(page: Page, tmp_path: Path) -> None:
    assert "The split was random." not in page.text
    assert "Not every patient is known." in page.text
    assert "Children and adults are mixed. 1 image of 1" in page.text
    dataset = make_dataset(tmp_path / "films", kind="random", synthetic=True)
    other = Page(write_run_report(make_run(tmp_path / "run", dataset)).read_text(encoding="utf-8")).text
    assert "The split was random." in other
    assert "The radiographs are synthetic." in other


@pytest.mark.parametrize("gone", ["metrics.json", "predictions.csv", "history.csv", "model.json", "figures", "dataset"])
def test_missing_part_names_the_command_that_makes_it(gone: str, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "films")
    run = make_run(tmp_path / "run", dataset)
    if gone == "dataset":
        dataset.root.rename(tmp_path / "elsewhere")
    elif gone == "figures":
        for path in run.figures.iterdir():
            path.unlink()
    else:
        (run.root / gone).unlink()
    text = Page(write_run_report(run).read_text(encoding="utf-8")).text
    command = {
        "metrics.json": "cxrlens evaluate",
        "predictions.csv": "cxrlens evaluate",
        "history.csv": "cxrlens train",
    }
    assert command.get(gone, "cxrlens explain") in text
    if gone == "dataset":
        assert "is no longer where this run found it" in text
        assert "cxrlens curate" in text


@pytest.mark.parametrize("torn", ["metrics.json", "predictions.csv", "history.csv", "model.json"])
def test_torn_file_is_a_sentence(torn: str, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", make_dataset(tmp_path / "films"))
    (run.root / torn).write_bytes(b'{"half": \x00\xff')
    page = Page(write_run_report(run).read_text(encoding="utf-8"))
    assert torn in page.text or not torn.endswith(".json")


def test_run_that_only_validated_says_so(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", make_dataset(tmp_path / "films"))
    metrics = read_json(run.metrics_path)
    write_json(run.metrics_path, {**metrics, "test": {**metrics["test"], "n": 0}})
    text = Page(write_run_report(run).read_text(encoding="utf-8")).text
    assert f"Accuracy on the validation set {metrics['validation']['accuracy']['value']:.3f}" in text
    assert "There is no test figure." in text


def test_folder_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is no run folder"):
        write_run_report(RunFolder(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({"format": 999}), encoding="utf-8")
    with pytest.raises(RunError, match="format 999"):
        write_run_report(RunFolder(tmp_path))
    with pytest.raises(DatasetError, match="is no dataset folder"):
        write_curation_report(DatasetFolder(tmp_path))


def test_report_stays_small(html: str) -> None:
    assert len(html) < 8_000_000
