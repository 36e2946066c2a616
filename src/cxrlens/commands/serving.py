"""Use a trained run: export it, check an installation, and ask it about images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from cxrlens.commands import node
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
    dicom: Annotated[Optional[Path], typer.Option(help="folder for DICOM objects of each DICOM image's answer")] = None,
    target: Annotated[Optional[str], typer.Option(help="explain this class instead of the likeliest one")] = None,
    layer: Annotated[Optional[str], typer.Option(help="layer of the heat-map; a wrong name lists them")] = None,
    engine: Annotated[str, typer.Option(help="onnxruntime or openvino-int8")] = "onnxruntime",
) -> None:
    """Judge images: class, probabilities, prediction set, or why there is no answer. A row each, in order."""
    from cxrlens.commands.first_export import export_first
    from cxrlens.serving.answering import Request, answer

    raise typer.Exit(answer(Request(tuple(images), model, format, cam, target, engine, dicom, layer), export_first))


def serve(
    model: Model,
    host: Annotated[str, typer.Option(help="address; beyond this machine a token is demanded")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes any free one")] = 8000,
    token_file: Annotated[Optional[Path], typer.Option(help="file with the token; or set CXRLENS_TOKEN")] = None,
    max_mib: Annotated[float, typer.Option(help="largest file that is taken")] = 64,
    queue: Annotated[int, typer.Option(help="images that may wait; more are told when to come back")] = 256,
    batch: Annotated[int, typer.Option(help="images judged together, at most")] = 8,
    keep_minutes: Annotated[float, typer.Option(help="how long a result is kept, in memory alone")] = 30,
    engine: Annotated[str, typer.Option(help="onnxruntime or openvino-int8")] = "onnxruntime",
) -> None:
    """Serve a model on this machine: a page for people and an API for programs. Nothing is written to the disk."""
    from cxrlens.commands.first_export import exported
    from cxrlens.serving.predictor import load_predictor
    from cxrlens.serving.web.options import server_options
    from cxrlens.serving.web.serve import read_token, serve

    chosen = {"host": host, "port": port, "queue": queue, "batch": batch, "token": read_token(token_file)}
    options = server_options(max_mib, keep_minutes, chosen)
    serve(load_predictor(exported(model), engine=engine), options)


def register(app: typer.Typer) -> None:
    """Add these commands to the command line, in this order."""
    for command in (export, verify, predict, serve):
        app.command()(command)
    node.register(app)
