"""Evidence on the model: what it is, how it was trained, what it puts out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cxrlens.report.checklists.found import Found
from cxrlens.report.figures import parse
from cxrlens.report.rendering import measured, number, plural
from cxrlens.report.run_facts import CALIBRATION, GATE, RunFacts

CONFIG, MODEL, HISTORY = "config.json", "model.json", "history.csv"


def network(facts: RunFacts) -> Found | None:
    """Name, size, input and output."""
    model = facts.record.model
    if not model or "name" not in model:
        return None
    parameters = model.get("parameters")
    size = f" of {parameters:,} parameters" if isinstance(parameters, int) else ""
    classes = model.get("classes")
    out = f"; out: {', '.join(str(c) for c in classes)}" if isinstance(classes, list) else ""
    side = model.get("size", "unknown")
    return Found(f"network “{model['name']}”{size}; in: one grey image, {side} × {side}{out}", (MODEL,))


def preprocessing(facts: RunFacts) -> Found | None:
    """The steps, as the model carries them."""
    model = facts.record.model or {}
    steps = model.get("preprocessing")
    if not isinstance(steps, Mapping):
        return None
    words = ", ".join(f"{str(key).replace('_', ' ')} {value}" for key, value in steps.items())
    mark = model.get("preprocessing_fingerprint")
    return Found(f"{words}{f' (fingerprint {mark})' if mark else ''}; the same in training and in use", (MODEL,))


def software(facts: RunFacts) -> Found | None:
    """Versions, and the machine."""
    versions, machine = facts.record.config.get("versions"), facts.record.config.get("machine")
    if not isinstance(versions, Mapping) or not versions:
        return None
    words = ", ".join(f"{name} {value}" for name, value in versions.items())
    if not isinstance(machine, Mapping) or not machine:
        return Found(words, (CONFIG,), "the machine, which was not recorded")
    kind = ", ".join(f"{key.replace('_', ' ')} {machine[key]}" for key in ("device", "threads") if key in machine)
    return Found(f"{words}; {kind}", (CONFIG,))


def initialisation(facts: RunFacts) -> Found | None:
    """Random with a seed, or from weights that are named."""
    options = _options(facts)
    seed = options.get("seed", facts.record.config.get("seed"))
    if options.get("weights"):
        name = str(options["weights"]).replace("\\", "/").rsplit("/", 1)[-1]
        return Found(f"from the weights file {name}", (CONFIG,), "where those weights come from, and their licence")
    return None if seed is None else Found(f"at random, with the seed {seed}", (CONFIG,))


def training(facts: RunFacts) -> Found | None:
    """Settings and epochs."""
    said = facts.training
    if said is None or not said.settings:
        return None
    words = f"{plural(said.epochs, 'epoch')} trained, {plural(len(said.settings), 'setting')} in the report"
    return Found(words, (HISTORY, CONFIG))


def selection(facts: RunFacts) -> Found | None:
    """Which epoch was kept, and by which part."""
    best = (facts.record.model or {}).get("best_epoch")
    if not isinstance(best, int):
        return None
    watch = str(_options(facts).get("watch", "validation loss")).replace("_", " ")
    return Found(f"the weights of epoch {best}, chosen by the {watch}", (MODEL,))


def model_building(facts: RunFacts) -> Found | None:
    """Kind of model, steps, internal validation: together."""
    parts = [network(facts), training(facts), selection(facts)]
    found = [part for part in parts if part is not None]
    if len(found) < len(parts):
        return None
    files = tuple(dict.fromkeys(name for part in found for name in part.files))
    return Found("; ".join(part.words for part in found), files)


def imbalance(facts: RunFacts) -> Found | None:
    """Whether classes were weighted."""
    options = _options(facts)
    if "class_weights" not in options:
        return None
    if not options["class_weights"]:
        return Found("no method against class imbalance was used", (CONFIG,))
    calibrated = recalibration(facts)
    words = "classes were weighted in the loss"
    if calibrated is None:
        return Found(words, (CONFIG,), "whether probabilities were calibrated after it: run cxrlens calibrate RUN")
    return Found(f"{words}; afterwards {calibrated.words}", (CONFIG, *calibrated.files))


def recalibration(facts: RunFacts) -> Found | None:
    """The temperature, and the calibration error before and after it."""
    said = facts.calibration
    runtime = said.get("runtime") if said else None
    if said is None or not isinstance(runtime, Mapping):
        return None
    temperature = parse(runtime.get("temperature"))
    if temperature is None:
        return None
    words = f"a temperature of {number(temperature.value)} was fitted on the calibration part"
    before, after = (
        parse(dig(said, "measured", "probabilities", "ece", "overall", key)) for key in ("before", "after")
    )
    if before and after:
        where = dig(said, "measured", "split") or "test"
        words += f"; calibration error on the {where} set {number(before.value)} before, {number(after.value)} after"
    return Found(words, (str(CALIBRATION),))


def output(facts: RunFacts) -> Found | None:
    """Probabilities, classes, thresholds."""
    classes = (facts.record.model or {}).get("classes")
    if not isinstance(classes, list):
        return None
    words = f"a probability for each of {', '.join(str(c) for c in classes)}; the class named is the likeliest"
    if facts.calibration is None:
        return Found(words, (MODEL,), "thresholds: run cxrlens calibrate RUN")
    return Found(f"{words}; thresholds were chosen on the calibration part", (MODEL, str(CALIBRATION)))


def artefacts(facts: RunFacts) -> Found | None:
    """The weights, named by their hash."""
    mark = (facts.record.model or {}).get("weights_sha256")
    if not mark or not facts.record.folder.weights_path.is_file():
        return None
    return Found(f"weights in model.safetensors, SHA-256 {mark}", ("model.safetensors", MODEL))


def artefacts_used(facts: RunFacts) -> Found | None:
    """Which weights made the predictions that were measured."""
    metrics = facts.record.metrics or {}
    mark = dig(metrics, "model", "hash")
    mine = (facts.record.model or {}).get("weights_sha256")
    if facts.record.predictions is None or not mark or mark != mine:
        return None
    words = (
        f"cxrlens evaluate applied the weights {str(mark)[:12]}… to {plural(len(facts.record.predictions), 'image')}"
    )
    return Found(words, ("predictions.csv", "metrics.json", MODEL))


def technical(facts: RunFacts) -> Found | None:
    """The configuration, from which the commands in the report are written."""
    if not _options(facts):
        return None
    return Found("every setting is recorded, and the report gives the commands", (CONFIG,))


def gate(facts: RunFacts) -> Found | None:
    """What happens to input that is no chest radiograph, or a poor one."""
    refused = parse(dig(facts.gate, "strangers", "all kinds", "refused"))
    wrongly = parse(dig(facts.gate, "radiographs", "false_refusals"))
    if refused is None or wrongly is None:
        return None
    words = f"a gate refuses {measured(refused)} of what is no chest radiograph"
    return Found(f"{words}, and {measured(wrongly)} of held-out radiographs", (GATE.as_posix(),))


def dig(value: Any, *keys: str) -> Any:
    """The value under a path of keys; ``None`` where the path ends early."""
    for key in keys:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def _options(facts: RunFacts) -> Mapping[str, Any]:
    options = facts.record.config.get("options")
    return options if isinstance(options, Mapping) else {}
