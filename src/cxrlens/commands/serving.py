"""Use a trained run: export it, check an installation, and ask it about images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from cxrlens.commands.options import Run, console, finish

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
    from cxrlens import RESEARCH_ONLY
    from cxrlens.serving.folder import ModelError
    from cxrlens.serving.verify import verify_model

    findings = verify_model(model)
    for finding in findings:
        print(f"{'passes' if finding.ok else 'FAILS'}  {finding.check}: {finding.detail}")
    failed = [finding for finding in findings if not finding.ok]
    if failed:
        remedy = "use the versions that it was exported with, or copy or export it again"
        raise ModelError(model, f"does not verify ({failed[0].check})", remedy)
    print(f"this installation gives what the model gave where it was exported. {RESEARCH_ONLY}")


def predict(
    images: Annotated[list[Path], typer.Argument(help="image or DICOM files, or folders of them", show_default=False)],
    model: Model,
    format: Annotated[str, typer.Option("--format", help="table, jsonl or csv")] = "table",
    cam: Annotated[Optional[Path], typer.Option(help="folder for overlays of where the network looked")] = None,
    target: Annotated[Optional[str], typer.Option(help="explain this class instead of the likeliest one")] = None,
    engine: Annotated[str, typer.Option(help="onnxruntime or openvino-int8")] = "onnxruntime",
) -> None:
    """Judge images: class, probabilities, prediction set, or why there is no answer. A row each, in order."""
    from cxrlens.commands.first_export import export_first
    from cxrlens.serving.answering import Request, answer

    raise typer.Exit(answer(Request(tuple(images), model, format, cam, target, engine), export_first))


def register(app: typer.Typer) -> None:
    """Add these commands to the command line, in this order."""
    for command in (export, verify, predict):
        app.command()(command)
