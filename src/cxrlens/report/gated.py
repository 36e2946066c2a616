"""Which images the gate lets through: what ``cxrlens gate`` left in ``RUN/gate``, put into words and rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cxrlens.errors import CxrlensError
from cxrlens.folders import read_json
from cxrlens.gate.drawings import METHODS, OUTCOMES, REFUSED
from cxrlens.gate.figures import WHOLE_GATE
from cxrlens.report.figures import SMALL_SOURCE, Measured, parse
from cxrlens.report.pictures import Picture, from_file
from cxrlens.report.records import RunRecord

_PLOTS = {
    OUTCOMES: "What happens to each kind of picture.",
    METHODS: "How well each method tells what is no chest film, all together. Softmax confidence is the baseline.",
    REFUSED: "Held-out radiographs that the gate refused, each with the first reason.",
}
_DUE = {"repair": "set right", "warning": "warned of", "refusal": "refused"}
_ALL = "all kinds"


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A class or a source of held-out radiographs: shares wrongly refused and wrongly repaired."""

    name: str
    n: int
    refused: Measured | None
    repaired: Measured | None


@dataclass(frozen=True, slots=True)
class KindRow:
    """A kind of altered radiograph or of stranger; ``right`` is the share that got what was due."""

    name: str
    n: int
    due: str
    right: Measured | None
    auroc: Measured | None
    fpr: Measured | None


@dataclass(frozen=True, slots=True)
class GateView:
    """What the section shows.

    Args:
        foreign: the gate is of another model than the run's present one; then nothing else is shown.
        sentences: plain words first.
        tiles: figure and words.
        groups: the classes, then the sources with 20 images or more.
        altered: a row an alteration.
        strangers: a row a kind of picture that is no chest film.
        not_used: what the measure had to do without.
        plots: pictures and captions.
    """

    foreign: bool
    sentences: tuple[str, ...] = ()
    tiles: tuple[tuple[str, str], ...] = ()
    groups: tuple[GroupRow, ...] = ()
    altered: tuple[KindRow, ...] = ()
    strangers: tuple[KindRow, ...] = ()
    not_used: tuple[str, ...] = ()
    plots: tuple[tuple[Picture, str], ...] = ()


def gated_view(record: RunRecord) -> GateView | None:
    """``None`` before ``cxrlens gate``, and where its files cannot be read."""
    folder = record.folder.gate
    try:
        said = read_json(folder / "measured.json")
        present = record.folder.model().get("weights_sha256")
    except CxrlensError:
        return None
    if said.get("model_sha256") != present:
        return GateView(foreign=True)
    films, altered, strangers = (_block(said.get(key)) for key in ("radiographs", "altered", "strangers"))
    found = ((from_file(folder / name, caption), caption) for name, caption in _PLOTS.items())
    rows = [
        *(_group(name, block) for name, block in _block(films.get("per_class")).items()),
        *(_group(name, block) for name, block in _block(films.get("per_source")).items()),
    ]
    return GateView(
        foreign=False,
        sentences=_sentences(films, strangers),
        tiles=_tiles(films, altered, strangers),
        groups=tuple(row for row in rows if row.n >= SMALL_SOURCE),
        altered=tuple(_altered(name, _block(block)) for name, block in altered.items()),
        strangers=tuple(_stranger(name, _block(block)) for name, block in strangers.items()),
        not_used=tuple(str(line) for line in said.get("not_used", [])),
        plots=tuple((picture, caption) for picture, caption in found if picture),
    )


def _sentences(films: Mapping[str, Any], strangers: Mapping[str, Any]) -> tuple[str, ...]:
    refused, others = parse(films.get("false_refusals")), parse(_block(strangers.get(_ALL)).get("refused"))
    said = [
        "Before any class is named, a gate asks whether the image is a frontal chest radiograph that this model may "
        "judge. It refuses with the reason, or sets a turned or inverted film right and says so. A film that looks "
        "mirrored is never flipped, since the heart may be on the right: it is warned of."
    ]
    if refused and others:
        said.append(
            f"Of a hundred radiographs that were kept apart, it refuses about {_hundredths(refused.value)}; of a "
            f"hundred pictures that are no chest film, about {_hundredths(others.value)}. It was fitted on neither."
        )
    if "lateral views" not in strangers:
        said.append("Whether it refuses lateral views cannot be said: there is none among the images.")
    return tuple(said)


def _tiles(
    films: Mapping[str, Any], altered: Mapping[str, Any], strangers: Mapping[str, Any]
) -> tuple[tuple[str, str], ...]:
    repairs = [parse(_block(b).get("right")) for b in altered.values() if _block(b).get("due") == "repair"]
    known = [each.value for each in repairs if each]
    method = _block(_block(_block(strangers.get(_ALL)).get("methods")).get(WHOLE_GATE))
    tiles = [
        (_percent(parse(films.get("false_refusals"))), "of held-out radiographs wrongly refused"),
        (_percent(parse(_block(strangers.get(_ALL)).get("refused"))), "of other pictures refused"),
        (f"{100 * min(known):.0f} %" if known else "–", "of turned and inverted films set right, at the worst"),
    ]
    area = parse(method.get("auroc"))
    if area:
        tiles.append((f"{area.value:.3f}", "AUROC of all checks together"))
    return tuple(tiles)


def _group(name: str, value: Any) -> GroupRow:
    block = _block(value)
    return GroupRow(str(name), int(block.get("n", 0)), parse(block.get("refused")), parse(block.get("repaired")))


def _altered(name: str, block: Mapping[str, Any]) -> KindRow:
    due = _DUE.get(str(block.get("due")), "")
    right, auroc, fpr = (parse(block.get(key)) for key in ("right", "auroc", "fpr95"))
    return KindRow(str(name), int(block.get("n", 0)), due, right, auroc, fpr)


def _stranger(name: str, block: Mapping[str, Any]) -> KindRow:
    method = _block(_block(block.get("methods")).get(WHOLE_GATE))
    units = int(block.get("units", 0))
    cut = f"cut from {units}" if units != int(block.get("n", 0)) else "one each"
    found = parse(block.get("refused")), parse(method.get("auroc")), parse(method.get("fpr95"))
    return KindRow(str(name), int(block.get("n", 0)), cut, *found)


def _hundredths(share: float) -> str:
    return f"{100 * share:.1f}" if 0 < share < 0.1 or 0.9 < share < 1 else f"{100 * share:.0f}"


def _percent(value: Measured | None) -> str:
    return f"{_hundredths(value.value)} %" if value else "–"


def _block(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
