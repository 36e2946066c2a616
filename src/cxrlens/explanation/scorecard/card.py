"""The scorecard as a whole: every method on the same films, and what comes of it."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxrlens.doubts.places import Maps, elsewhere
from cxrlens.errors import OptionError, RunError
from cxrlens.evaluation import style
from cxrlens.explanation.gallery import SALIENCY_LIMITS
from cxrlens.explanation.heat import PIXELS, choose_layers
from cxrlens.explanation.methods import METHODS
from cxrlens.explanation.scorecard import measuring, rivals
from cxrlens.explanation.scorecard.comparing import against_default, verdict_on_methods
from cxrlens.explanation.scorecard.deletion import Followed, follow
from cxrlens.explanation.scorecard.doubts import Case, Doubter
from cxrlens.explanation.scorecard.figure import scorecard_figure
from cxrlens.explanation.scorecard.flag_worth import flag_worth, words_on_flag
from cxrlens.explanation.scorecard.judgements import judge
from cxrlens.explanation.scorecard.lesions_hit import lesions
from cxrlens.explanation.scorecard.maps import Explainer, fast_copy
from cxrlens.explanation.scorecard.sample import Sample, ScorecardOptions, draw_sample
from cxrlens.folders import RUN_FORMAT, RunFolder, read_json, write_json
from cxrlens.model import LoadedModel, load_model
from cxrlens.progress import Progress, quiet

FILE, FIGURE = "scorecard.json", "scorecard.png"

MAIN_METRIC = (
    "Main metric: the drop by deletion, the class's probability minus its mean with the hottest 5, 10, 20 and 40 % of "
    "the pixels imputed from their neighbours (ROAD, Rong et al., ICML 2022). It asks what a reader takes from a map, "
    "that the network needs the hot place; insertion shows films that are mostly imputed, unlike any that it knows."
)


DEFAULTS = ScorecardOptions()


def score_explanations(
    run: RunFolder, options: ScorecardOptions = DEFAULTS, progress: Progress = quiet
) -> dict[str, Any]:
    """Score each method of ``explain`` on held-out films, and write ``explanations/scorecard.json`` and ``.png``.

    The class explained is the one that the network names, except against lesions, where it is the true one. A method
    by layer is scored at the deepest layer, which is the one shown. See ``docs/explanations.md``.

    Returns:
        What ``scorecard.json`` holds.

    Raises:
        RunError: no run folder, or no held-out image that can be read.
        OptionError: another run of other classes or preprocessing.
        DatasetError: no such table of annotations.
    """
    model = load_model(run)
    layer = choose_layers(model)[-1][0]
    other = _other(model, options)
    sample = draw_sample(run, model, options, progress)
    module = fast_copy(model.module)
    explainers = {method: Explainer(module, method, layer) for method in options.methods}
    targets = next(iter(explainers.values())).named(sample.pixels)
    maps: dict[str, Maps] = {}
    for method in progress(options.methods, len(options.methods), "drawing heat-maps"):
        maps[method] = explainers[method](sample.pixels, targets)
    hit = lesions(sample, explainers, maps, model.classes)
    fixed = {
        "edges": rivals.edges(sample.frames, [film.placement.inner for film in sample.films]),
        "centre": rivals.centre(len(sample), model.size),
    }
    followed = {name: follow(module, sample.pixels, targets, m, options.seed) for name, m in fixed.items()}
    own: dict[str, Followed] = {}
    methods: dict[str, Any] = {}
    for method in progress(options.methods, len(options.methods), "scoring methods"):
        few = options.few if METHODS[method].by_layer else max(2, options.few // 2)
        asked = measuring.Asked(explainers[method], sample, targets, maps[method], min(few, len(sample)), options.seed)
        rng = np.random.default_rng(options.seed)
        mine = follow(module, sample.pixels, targets, maps[method], options.seed)
        away = follow(module, sample.pixels, targets, elsewhere(maps[method], rng), options.seed)
        own[method] = mine
        block = {
            "title": METHODS[method].title,
            "citation": METHODS[method].citation,
            "layer": layer.removeprefix("network.") if METHODS[method].by_layer else PIXELS,
            "without_heat": int((maps[method].max(axis=(1, 2)) == 0).sum()),
            "weights": measuring.weights(asked),
            "following": measuring.following(asked, mine, {"elsewhere": away, **followed}),
            "lesions": hit,
            "lungs": measuring.in_lungs(asked),
            "shifts": measuring.shifts(asked),
            "seeds": measuring.seeds(asked, *other) if other else {"n": 0, "reason": NO_OTHER},
        }
        block["judgements"] = judge(method, block)
        methods[method] = {key: value for key, value in block.items() if key != "lesions"}
    worth = _flags(sample, explainers[options.methods[0]], maps[options.methods[0]], targets, model, options)
    record: dict[str, Any] = {
        "format": RUN_FORMAT,
        "model": model.hash,
        "synthetic": run.dataset().synthetic,
        "meaning": _meaning(sample),
        "limits": SALIENCY_LIMITS,
        "main_metric": MAIN_METRIC,
        "default": options.methods[0],
        "n": len(sample),
        "asked": _asked(options),
        "other_run": options.other_run.name if options.other_run else None,
        "lesions": hit,
        "methods": methods,
        "against_default": against_default(sample, own, hit),
        "flag": worth,
        "problems": sample.problems,
    }
    record["verdict"] = verdict_on_methods(record)
    record["flag"]["words"] = words_on_flag(worth)
    write_json(run.explanations / FILE, record)
    style.save(scorecard_figure(record), run.explanations / FIGURE, synthetic=record["synthetic"])
    return record


NO_OTHER = "no second network, trained with another seed, was given (--other-run RUN2)"


def stored_scorecard(run: RunFolder, model: LoadedModel, options: ScorecardOptions) -> dict[str, Any] | None:
    """What an earlier call wrote for this very model and these options; a second network may have been given then.

    ``None`` where there is nothing, where it is torn, or where something else was asked.
    """
    try:
        record = read_json(run.explanations / FILE)
    except RunError:
        return None
    same = record.get("model") == model.hash and record.get("asked") == _asked(options)
    return record if same and record.get("format") == RUN_FORMAT else None


def _asked(options: ScorecardOptions) -> dict[str, Any]:
    """What decides the figures, but for the second network; where the masks lie is nobody's business."""
    return {
        "images": options.images,
        "few": options.few,
        "resamples": options.resamples,
        "seed": options.seed,
        "methods": list(options.methods),
        "masks": hashlib.sha256(options.annotations.read_bytes()).hexdigest()[:16] if options.annotations else None,
    }


def _flags(
    sample: Sample,
    explainer: Explainer,
    maps: Maps,
    targets: NDArray[np.intp],
    model: LoadedModel,
    options: ScorecardOptions,
) -> dict[str, Any]:
    films = [film.placement.inner for film in sample.films]
    case = Case(sample.frames, films, sample.found_lungs, targets, maps)
    doubts = Doubter(explainer, model.size, seed=options.seed)(case)
    right = np.array([model.classes[t] == f.row["label"] for t, f in zip(targets, sample.films, strict=True)])
    return {"method": options.methods[0], **flag_worth(sample, maps, doubts, right)}


def _other(model: LoadedModel, options: ScorecardOptions) -> tuple[Any, str] | None:
    """The second network and its deepest layer."""
    if options.other_run is None:
        return None
    second = load_model(RunFolder(options.other_run))
    alike = second.preprocessing == model.preprocessing and second.classes == model.classes
    if not alike or second.name != model.name:
        fault = "is another network, or sees other pixels, than the run that is scored"
        raise OptionError(f"--other-run {options.other_run}", fault, "train it alike but for --seed")
    if second.hash == model.hash:
        raise OptionError(
            f"--other-run {options.other_run}", "holds the very same weights", "train with another --seed"
        )
    return fast_copy(second.module), choose_layers(second)[-1][0]


def _meaning(sample: Sample) -> str:
    splits = sample.rows["split"].value_counts()
    parts = ", ".join(f"{splits[s]} {s}" for s in sorted(splits.index))
    return f"{len(sample)} films, none trained on ({parts}), drawn in turn from every class and source"
