"""Make ``chest_xray_classification.ipynb`` from its text source, executed, with its outputs saved: python notebooks/build.py."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent
SOURCE = HERE / "chest_xray_classification.py"
TARGET = SOURCE.with_suffix(".ipynb")
MINUTES = 10

# A path in a message or a traceback would name the machine that built the notebook.
PATHS = re.compile(r"(?<![\w:/.])(?:/[\w.@+-]+){2,}/?|[A-Za-z]:\\\\?[\w\\.-]+")


def build(source: Path = SOURCE) -> nbformat.NotebookNode:
    """Execute the text source in a kernel of this Python; outputs without places of this machine.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    notebook = jupytext.read(source)
    with tempfile.TemporaryDirectory() as folder:
        # What the notebook writes goes when it is done; another plotting backend would keep its figures to itself.
        environment = {**os.environ, "TMPDIR": folder, "MPLBACKEND": "module://matplotlib_inline.backend_inline"}
        client = NotebookClient(
            notebook, timeout=60 * MINUTES, kernel_name="python3", resources={"metadata": {"path": str(HERE)}}
        )
        client.execute(env=environment)
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:02d}"  # the same source gives the same file
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            _strip(output)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata["kernelspec"] = kernel
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


def _strip(output: nbformat.NotebookNode) -> None:
    """Replace absolute paths in the text of one output, in place; pictures are left alone."""
    if "text" in output:
        output["text"] = PATHS.sub(_last_part, output["text"])
    data = output.get("data", {})
    for kind in ("text/plain", "text/html"):
        if kind in data:
            data[kind] = PATHS.sub(_last_part, data[kind])
    output.get("metadata", {}).pop("filenames", None)


def _last_part(match: re.Match[str]) -> str:
    return "…/" + re.split(r"[/\\]", match.group().rstrip("/\\"))[-1]


if __name__ == "__main__":
    nbformat.write(build(), TARGET)
    sys.stdout.write(f"{TARGET.name}: {TARGET.stat().st_size / 1e6:.1f} MB\n")
