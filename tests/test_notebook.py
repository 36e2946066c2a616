"""The notebook: made from its text source, executed, readable where it lies, and of no particular machine."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

jupytext = pytest.importorskip("jupytext", reason="the extra 'notebook' is not installed")
nbformat = pytest.importorskip("nbformat", reason="the extra 'notebook' is not installed")
pytest.importorskip("nbclient", reason="the extra 'notebook' is not installed")
pytest.importorskip("ipykernel", reason="the extra 'notebook' is not installed")

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
SOURCE = FOLDER / "chest_xray_classification.py"
TARGET = SOURCE.with_suffix(".ipynb")
MACHINE = re.compile(r"/(?:home|root|tmp|work|Users|var|opt|usr|workspace)/|[A-Z]:\\\\")


@pytest.fixture(scope="module")
def saved() -> nbformat.NotebookNode:
    notebook = nbformat.read(TARGET, as_version=4)
    nbformat.validate(notebook)
    return notebook


@pytest.fixture(scope="module")
def build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("notebook_build", FOLDER / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def texts(notebook: nbformat.NotebookNode) -> list[str]:
    """Everything in the outputs that is text."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            found.append(str(output.get("text", "")))
            found += [str(value) for kind, value in output.get("data", {}).items() if kind.startswith("text/")]
    return found


def pictures(notebook: nbformat.NotebookNode) -> int:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return sum(any(kind.startswith("image/") for kind in output.get("data", {})) for output in outputs)


def check_whole(notebook: nbformat.NotebookNode) -> None:
    """Every code cell was run, in order, without an error."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not [o for cell in code for o in cell.outputs if o.output_type == "error"]
    assert not [text for text in texts(notebook) if MACHINE.search(text)]


def test_saved_notebook_is_the_text_source(saved: nbformat.NotebookNode) -> None:
    source = jupytext.read(SOURCE)
    assert [(c.cell_type, c.source) for c in saved.cells] == [(c.cell_type, c.source) for c in source.cells]


def test_saved_notebook_was_run_whole_and_shows_its_pictures(saved: nbformat.NotebookNode) -> None:
    check_whole(saved)
    assert pictures(saved) >= 8
    assert TARGET.stat().st_size < 4_000_000


def test_no_place_of_a_machine_is_in_the_saved_file() -> None:
    text = re.sub(r'"image/(?:png|jpeg)": ".*"', "", TARGET.read_text(encoding="utf-8"))
    assert not MACHINE.search(text)


def test_steps_come_in_the_order_of_the_original_document(saved: nbformat.NotebookNode) -> None:
    told = "\n".join(cell.source for cell in saved.cells if cell.cell_type == "markdown")
    steps = [
        "Sample pictures by class",
        "Cleaning",
        "augmentation",
        "The architecture",
        "Training",
        "Accuracy and loss",
        "Evaluation",
        "Grad-CAM in the last layers",
    ]
    places = [re.search(rf"^#+ .*{re.escape(step)}", told, re.MULTILINE) for step in steps]
    assert all(places)
    starts = [place.start() for place in places if place]
    assert starts == sorted(starts)


def test_figures_of_the_original_stand_in_their_context(saved: nbformat.NotebookNode) -> None:
    first = saved.cells[0].source
    assert "SYNTHETIC" in first
    assert "not a medical device" in first
    assert "0.9780" in first
    assert "0.9494" in first
    assert "internal" in first
    assert "random" in first


def test_every_figure_says_synthetic(saved: nbformat.NotebookNode) -> None:
    for cell in saved.cells:
        if cell.cell_type == "code" and pictures(nbformat.v4.new_notebook(cells=[cell])):
            assert re.search(r"label_synthetic\(|show_file\(", cell.source), cell.source[:80]


def test_paths_are_stripped_from_outputs(build: ModuleType) -> None:
    output = nbformat.v4.new_output(
        "stream", text="wrote /home/me/stuff/run/report.html and C:\\\\Users\\\\me\\\\x.csv; 80/20, 1/2"
    )
    build._strip(output)
    assert output["text"] == "wrote …/report.html and …/x.csv; 80/20, 1/2"


def test_source_runs_on_a_small_phantom(build: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXRLENS_NOTEBOOK_IMAGES", "40")
    monkeypatch.setenv("CXRLENS_NOTEBOOK_EPOCHS", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # threads that wait for each other cost more than they bring here
    notebook = build.build()
    check_whole(notebook)
    assert pictures(notebook) >= 8
