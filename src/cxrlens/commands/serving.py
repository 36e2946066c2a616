"""Use a trained run: export it, check an installation, and ask it about images."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from cxrlens.commands.options import Run, console, finish

if TYPE_CHECKING:
    from cxrlens.progress import Progress

Model = Annotated[Path, typer.Option(help="an exported model, or a run folder", show_default=False)]


def export(
    run: Run,
    out: Annotated[Optional[Path], typer.Option(help="folder of the model; default: RUN/export")] = None,
    openvino_int8: Annotated[
        bool, typer.Option("--openvino-int8", help="also in eight bits; measures what that costs")
    ] = False,
) -> None:
    """Export a run to one folder: ONNX, gate, calibration, heat-maps; using it needs no torch."""
    from cxrlens.chain.serving import export_run

    finish(export_run(run, out, openvino_int8, console()))


def verify(
    model: Annotated[Path, typer.Argument(help="an exported model", show_default=False)],
) -> None:
    """Check that this installation gives what the model gave where it was exported."""
    from cxrlens.chain.serving import verify_installation

    finish(verify_installation(model, console()))


def predict(
    images: Annotated[list[Path], typer.Argument(help="image or DICOM files, or folders of them", show_default=False)],
    model: Model,
    format: Annotated[str, typer.Option("--format", help="table, jsonl or csv")] = "table",
    cam: Annotated[Optional[Path], typer.Option(help="folder for overlays of where the network looked")] = None,
    target: Annotated[Optional[str], typer.Option(help="explain this class instead of the likeliest one")] = None,
    engine: Annotated[str, typer.Option(help="onnxruntime or openvino-int8")] = "onnxruntime",
) -> None:
    """Judge images: class, probabilities, prediction set, or why there is no answer. A row each, in order."""
    from cxrlens.errors import OptionError
    from cxrlens.serving.formats import FORMATS
    from cxrlens.serving.predictor import load_predictor
    from cxrlens.serving.stream import StreamOptions, find_images, predict_files

    if format not in FORMATS:
        raise OptionError(f"--format {format}", "is not known", f"use one of {', '.join(FORMATS)}")
    paths, problems = find_images(images)
    predictor = load_predictor(_exported(model), engine=engine)
    writer = FORMATS[format](predictor.network.classes, predictor.network.measured_on)
    out, failed = sys.stdout, len(problems)
    for problem in problems:
        print(f"passed over: {problem}", file=sys.stderr)
    try:
        out.write(writer.head())
        for row in predict_files(predictor, paths, StreamOptions(cam, target), _progress(len(paths))):
            out.write(writer.row(row))
            failed += row.status == "error"
        out.write(writer.foot())
        out.flush()
    except BrokenPipeError:  # 'cxrlens predict … | head' has seen enough
        sys.stderr.close()
        raise typer.Exit(1) from None
    finish(failed)


def register(app: typer.Typer) -> None:
    """Add these commands to the command line, in this order."""
    for command in (export, verify, predict):
        app.command()(command)


def _exported(model: Path) -> Path:
    """The model itself; a run that was not exported, or was calibrated since, is exported first."""
    from cxrlens.serving.run_model import find_model

    folder, ready = find_model(model)
    if not ready:
        from rich.console import Console

        from cxrlens.chain.serving import export_run

        print(f"{model} is exported first, to {folder}", file=sys.stderr)
        export_run(model, folder, False, Console(stderr=True, highlight=False, soft_wrap=True))
    return folder


def _progress(images: int) -> Progress:
    """A bar, where rows do not run over the same terminal."""
    from cxrlens.progress import quiet, rich_progress

    shown = images > 1 and sys.stderr.isatty() and not sys.stdout.isatty()
    return rich_progress if shown else quiet
