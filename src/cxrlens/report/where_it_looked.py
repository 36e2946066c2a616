"""The Grad-CAM gallery and the scores of the maps themselves, as ``cxrlens explain`` left them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxrlens.errors import CxrlensError
from cxrlens.explanation import METHODS
from cxrlens.folders import read_json
from cxrlens.report.figures import Measured, parse
from cxrlens.report.pictures import THUMBNAIL, Picture, from_file, of_radiograph, thumbnail_of_file
from cxrlens.report.records import RunRecord

GALLERIES = {
    "right": "Named rightly, picked at random. Beside each radiograph, the same one with the evidence for its class.",
    "wrong": "Named wrongly, the most confident mistakes. The heat is the evidence for the wrong class.",
}


@dataclass(frozen=True, slots=True)
class Example:
    """One radiograph and the same one with the heat over it; ``None`` where a file is gone.

    Args:
        flag: why this map should not be read; empty where nothing speaks against it.
    """

    film: Picture | None
    overlay: Picture | None
    label: str
    predicted: str
    confidence: float | None
    source: str
    flag: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """One kind of examples: each by itself where they were kept so, as one picture otherwise."""

    kind: str
    caption: str
    picture: Picture | None
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class MapScore:
    """One map, or one prior that sees no image: shares in [0, 1] with 95 % intervals."""

    name: str
    prior: bool
    n: int
    pointing: Measured | None
    pointing_15px: Measured | None
    energy: Measured | None


@dataclass(frozen=True, slots=True)
class Localisation:
    """How often the heat lies on the marked finding, beside maps that know no image.

    Args:
        gain: energy inside the finding of the deepest map minus that of the centre prior, paired.
    """

    n: int
    meaning: str
    rows: tuple[MapScore, ...]
    gain: Measured | None
    picture: Picture | None

    @property
    def verdict(self) -> str:
        """One sentence on the maps against the centre prior."""
        if self.gain is None or self.gain.low is None or self.gain.high is None:
            return ""
        if self.gain.low > 0:
            return "More of the heat lies inside the findings than a blob in the middle of the picture would put there."
        if self.gain.high < 0:
            return "A blob in the middle of the picture would put more of its heat inside the findings than these maps."
        return "It is not shown that these maps lie better on the findings than a blob in the middle of the picture."


@dataclass(frozen=True, slots=True)
class Gallery:
    """What the section shows."""

    method: str
    layer: str
    split: str
    words: str
    sheets: tuple[Sheet, ...]
    localisation: Localisation | None


def gallery_of(record: RunRecord) -> Gallery | None:
    """``None`` before ``cxrlens explain``."""
    folder, said = record.folder.explanations, record.explanations or {}
    split = str(said.get("split", ""))
    sheets = []
    for kind, caption in GALLERIES.items():
        examples = tuple(_examples(record, kind))
        alt = f"Heat-maps of radiographs of the {split} set: {caption}"
        picture = None if examples else from_file(folder / f"gallery_{kind}.png", alt)
        if picture or examples:
            sheets.append(Sheet(kind, caption, picture, examples))
    localisation = _localisation(record)
    if not sheets and localisation is None:
        return None
    method = str(said.get("method", "grad-cam"))
    return Gallery(
        method=METHODS[method].title if method in METHODS else method,
        layer=str(said.get("layer", "")),
        split=split,
        words=str(said.get("limits", "")),
        sheets=tuple(sheets),
        localisation=localisation,
    )


def _examples(record: RunRecord, kind: str) -> Iterator[Example]:
    """Those whose overlay was kept by itself; file names are not shown, since they may hold a patient's id."""
    listed = (record.explanations or {}).get("examples")
    for each in listed if isinstance(listed, list) else ():
        if not isinstance(each, Mapping) or each.get("gallery") != f"gallery_{kind}.png" or "overlay" not in each:
            continue
        label, predicted, source = (str(each.get(key, "")) for key in ("label", "predicted", "source"))
        sure = parse(_block(each.get("probabilities")).get(predicted))
        words = f"{label} of {source}, called {predicted}"
        yield Example(
            film=of_radiograph(Path(str(each.get("path", ""))), f"Radiograph: {words}"),
            overlay=thumbnail_of_file(
                record.folder.explanations / Path(str(each["overlay"])).name, f"The same with heat: {words}", THUMBNAIL
            ),
            label=label,
            predicted=predicted,
            confidence=sure.value if sure else None,
            source=source,
            flag=_flag(each.get("flag", each.get("weak"))),
        )


def _flag(said: Any) -> str:
    """The reason, however the scorecard wrote it: a sentence, or several."""
    if isinstance(said, list | tuple):
        return "; ".join(str(each) for each in said)
    return said if isinstance(said, str) else ""


def _localisation(record: RunRecord) -> Localisation | None:
    path = record.folder.explanations / "localisation.json"
    try:
        said = read_json(path)
    except CxrlensError:
        return None
    maps, priors = _block(said.get("maps")), _block(said.get("priors"))
    rows = [_score(name, row, prior=False) for name, row in maps.items()]
    rows += [_score(f"prior: {name}", row, prior=True) for name, row in priors.items()]
    deepest = _block(list(maps.values())[-1]) if maps else {}
    return Localisation(
        n=int(said.get("n", 0)),
        meaning=str(said.get("meaning", "")),
        rows=tuple(rows),
        gain=parse(_block(deepest.get("minus_centre")).get("energy")),
        picture=from_file(path.with_suffix(".png"), "Localisation scores of the heat-maps beside the priors"),
    )


def _score(name: str, row: Any, *, prior: bool) -> MapScore:
    block = _block(row)
    figures = {key: parse(block.get(key)) for key in ("pointing", "pointing_15px", "energy")}
    return MapScore(name=name, prior=prior, n=int(block.get("n", 0)), **figures)


def _block(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
