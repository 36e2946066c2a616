"""The command line: parses, calls, prints. Everything heavy is imported inside the commands."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from cxrlens import RESEARCH_ONLY, __version__
from cxrlens.commands import serving, trust
from cxrlens.commands.options import Run, Seed
from cxrlens.commands.options import console as _console
from cxrlens.commands.options import finish as _finish
from cxrlens.errors import CxrlensError, OptionError, mendable

app = typer.Typer(
    help="Classify chest radiographs as Normal, COVID-19, Pneumonia or Tuberculosis, "
    f"and measure honestly how far that holds.\n\n{RESEARCH_ONLY}",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Collections = Annotated[
    list[Path], typer.Argument(help="folders of radiographs, a collection each", show_default=False)
]
Dataset = Annotated[Path, typer.Argument(help="a dataset folder, as 'curate' writes it", show_default=False)]
Keep = Annotated[
    Optional[list[str]],
    typer.Option(help="keep what curation would exclude: a flag's name, or a pattern of paths; repeatable"),
]
Drop = Annotated[
    Optional[list[str]], typer.Option(help="exclude besides: a flag's name, or a pattern of paths; repeatable")
]
Column = Annotated[
    Optional[list[str]], typer.Option(help="name a column of the metadata table, as in label=diagnosis; repeatable")
]
Label = Annotated[
    Optional[list[str]], typer.Option(help="a set's own class name, as in Lung_Opacity=Pneumonia; repeatable")
]
Audit = Annotated[
    bool,
    typer.Option(help="ask too whether the number can be believed; on the demo, four times as long as all the rest"),
]
Settings = Annotated[
    Optional[list[str]],
    typer.Option(
        "--set",
        help="any other training option, as in lr=0.001; repeatable; augmentation.NAME alone starts from 'standard'",
    ),
]


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="print the version")] = False) -> None:
    if version:
        print(f"cxrlens {__version__}")
        raise typer.Exit


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="where everything goes")] = Path("demo"),
    images: Annotated[int, typer.Option(help="how many synthetic radiographs", min=40)] = 480,
    epochs: Annotated[int, typer.Option(help="at most so many epochs", min=1)] = 30,
    audit: Audit = True,
    seed: Seed = 0,
) -> None:
    """Run the whole chain on synthetic radiographs, and say where the report lies."""
    from cxrlens import chain

    _finish(chain.demo(out, chain.DemoRequest(images, epochs, seed, audit), _console()))


@app.command()
def run(
    collections: Collections,
    out: Annotated[Path, typer.Option(help="where the dataset and the run go")],
    model: Annotated[str, typer.Option(help="architecture; 'cxrlens models' lists them")] = "plain",
    size: Annotated[int, typer.Option(help="side in pixels that the network sees", min=64)] = 128,
    epochs: Annotated[int, typer.Option(help="at most so many epochs", min=1)] = 30,
    audit: Audit = True,
    seed: Seed = 0,
) -> None:
    """Run the whole chain on your own folders: curate, split, train, evaluate, explain, audit, report."""
    from cxrlens import chain

    _finish(chain.run(collections, out, chain.WholeRequest(model, size, epochs, seed, audit), _console()))


@app.command()
def phantom(
    out: Annotated[Path, typer.Argument(help="folder to make", show_default=False)],
    images: Annotated[int, typer.Option(help="how many", min=1)] = 480,
    size: Annotated[int, typer.Option(help="side in pixels", min=64)] = 256,
    seed: Seed = 0,
    clean: Annotated[
        bool, typer.Option("--clean", help="no faults, and class and hospital have nothing to do with each other")
    ] = False,
    plant: Annotated[
        Optional[list[str]],
        typer.Option(
            help="plant a shortcut: corner-marker, source-contrast, split-patient, class-jpeg or copies-across"
        ),
    ] = None,
) -> None:
    """Make collections of synthetic radiographs, with exact lesion masks and planted faults."""
    from cxrlens import chain

    _finish(chain.phantom(out, chain.PhantomRequest(images, size, seed, clean, tuple(plant or ())), _console()))


@app.command()
def sources(
    name: Annotated[Optional[str], typer.Argument(help="one set, in full", show_default=False)] = None,
) -> None:
    """List the public sets of chest radiographs: what they hold, their licence, their known faults."""
    from cxrlens.chain.listing import list_sources

    list_sources(name, _console())


@app.command()
def models() -> None:
    """List the architectures that 'train --model' takes."""
    from cxrlens.chain.listing import list_models

    list_models(_console())


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="a set of 'cxrlens sources'", show_default=False)],
    out: Annotated[Path, typer.Option(help="folder to put it in")] = Path("collections"),
) -> None:
    """Download a public set, or say what to do where an account is needed."""
    from cxrlens import chain

    _finish(chain.fetch_set(name, out, _console()))


@app.command()
def curate(
    collections: Collections,
    out: Annotated[Path, typer.Option(help="the dataset folder to write")],
    keep: Keep = None,
    drop: Drop = None,
    column: Column = None,
    label: Label = None,
) -> None:
    """Read collections, flag what is wrong in them, and write a dataset folder. Nothing is deleted or moved."""
    from cxrlens import chain

    names = _pairs(column, "--column"), _pairs(label, "--label")
    request = chain.CurateRequest(tuple(keep or ()), tuple(drop or ()), *names)
    _finish(chain.curate_collections(collections, out, request, _console()))


@app.command()
def split(
    dataset: Dataset,
    test: Annotated[float, typer.Option(help="share locked away until the end", min=0, max=0.9)] = 0.15,
    calibration: Annotated[float, typer.Option(help="share set aside for calibration", min=0, max=0.9)] = 0.05,
    validation: Annotated[
        float, typer.Option(help="share of the rest that chooses the epoch", min=0.01, max=0.9)
    ] = 0.20,
    random: Annotated[
        bool, typer.Option("--random", help="image by image, as notebooks do: inflates every figure")
    ] = False,
    seed: Seed = 0,
) -> None:
    """Split a dataset, disjoint by patient and by duplicate group, and prove it."""
    from cxrlens import chain
    from cxrlens.split import SplitOptions

    options = SplitOptions(test, calibration, validation, seed, "random" if random else "grouped")
    _finish(chain.split_dataset(dataset, options, _console()))


@app.command()
def train(
    dataset: Dataset,
    out: Annotated[Path, typer.Option(help="the run folder to write")],
    model: Annotated[str, typer.Option(help="architecture; 'cxrlens models' lists them")] = "plain",
    size: Annotated[int, typer.Option(help="side in pixels that the network sees", min=64)] = 128,
    epochs: Annotated[int, typer.Option(help="at most so many epochs", min=1)] = 30,
    weights: Annotated[Optional[Path], typer.Option(help="initial weights, a .safetensors file")] = None,
    devices: Annotated[int, typer.Option(help="processes or GPUs", min=1)] = 1,
    seed: Seed = 0,
    resume: Annotated[bool, typer.Option("--resume", help="go on where a killed training stopped")] = False,
    settings: Settings = None,
) -> None:
    """Train a CNN on a split dataset, with early stopping, and draw its curves."""
    from cxrlens import chain

    named = {"model": model, "epochs": epochs, "seed": seed, "devices": devices, "weights": weights}
    options = {**_pairs(settings, "--set"), **named}
    _finish(chain.train_run(dataset, out, chain.TrainRequest(size, options, resume), _console()))


@app.command()
def evaluate(
    run: Run,
    dataset: Annotated[Optional[Path], typer.Option(help="another dataset folder: an external test")] = None,
    resamples: Annotated[int, typer.Option(help="of the bootstrap by patient", min=100)] = 1000,
) -> None:
    """Measure a run: train, validation and test apart, with intervals by patient, per class and per source."""
    from cxrlens import chain

    _finish(chain.evaluate_run(run, dataset, resamples, _console()))


trust.register(app)


@app.command()
def explain(
    run: Run,
    images: Annotated[
        Optional[list[Path]], typer.Argument(help="image files; none: the gallery of the test part", show_default=False)
    ] = None,
    method: Annotated[
        str, typer.Option(help="grad-cam, grad-cam++, hires-cam, integrated-gradients or occlusion")
    ] = "grad-cam",
    target: Annotated[Optional[str], typer.Option(help="explain this class instead of the predicted one")] = None,
    out: Annotated[Optional[Path], typer.Option(help="folder of the pictures; default: RUN/explanations")] = None,
    annotations: Annotated[
        Optional[Path], typer.Option(help="annotations.csv with lesion masks: score the heat-maps")
    ] = None,
    scorecard: Annotated[bool, typer.Option("--scorecard", help="test the explanations themselves")] = False,
    other_run: Annotated[
        Optional[Path], typer.Option(help="with --scorecard: the same network trained with another seed")
    ] = None,
) -> None:
    """Show where the network looked: heat-maps over the original, at its own size."""
    from cxrlens import chain

    if scorecard:
        from cxrlens.chain.scoring import ScorecardRequest, scorecard_of_run

        asked = ScorecardRequest(method, annotations, other_run, tuple(images or ()))
        _finish(scorecard_of_run(run, asked, _console()))
        return
    request = chain.ExplainRequest(tuple(images or ()), method, target, out, annotations)
    _finish(chain.explain_run(run, request, _console()))


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="a run folder or a dataset folder", show_default=False)],
) -> None:
    """Write one self-contained report.html, and the model card."""
    from cxrlens import chain

    _finish(chain.write_report(folder, _console()))


serving.register(app)


def main() -> None:
    """Entry point: an error that a user can mend is one line and exit code 2."""
    try:
        app()
    except (CxrlensError, OSError) as error:
        told = mendable(error)
        if told is None:
            raise
        print(f"error: {told}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("stopped; 'cxrlens train --resume' goes on where a training stood", file=sys.stderr)
        sys.exit(130)


def _pairs(given: list[str] | None, option: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise OptionError(f"{option} {text}", "is not NAME=VALUE", f"write it as {option} name=value")
        pairs[name.strip()] = value.strip()
    return pairs
