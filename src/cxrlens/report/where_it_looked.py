"""The Grad-CAM gallery and the scores of the maps themselves, as ``cxrlens explain`` left them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cxrlens.errors import CxrlensError
from cxrlens.explanation import METHODS
from cxrlens.folders import read_json
from cxrlens.report.figures import Measured, parse
from cxrlens.report.pictures import Picture, from_file
from cxrlens.report.records import RunRecord

GALLERIES = {
    "right": "Named rightly, picked at random. Beside each radiograph, the same one with the evidence for its class.",
    "wrong": "Named wrongly, the most confident mistakes. The heat is the evidence for the wrong class.",
}


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet of the gallery."""

    kind: str
    caption: str
    picture: Picture


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
        picture = from_file(folder / f"gallery_{kind}.png", f"Heat-maps of radiographs of the {split} set: {caption}")
        if picture:
            sheets.append(Sheet(kind, caption, picture))
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
