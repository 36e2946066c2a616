"""A picture of augmented examples: the image as the network would see it, and as training saw it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cxrlens.augmentation import STRENGTHS, Augmentation, AugmentationOptions
from cxrlens.errors import OptionError, UnreadableImageError
from cxrlens.labels import CLASSES
from cxrlens.preprocessing import Preprocessing
from cxrlens.report.pictures import Picture, of_pixels
from cxrlens.report.records import RunRecord
from cxrlens.sources import read_radiograph

EXAMPLES = 5
_SIDE = 128
_GAP = 6


def augmented_examples(record: RunRecord) -> Picture | None:
    """One row a class: an image of the training split, then :data:`EXAMPLES` augmented ones, drawn anew here.

    With the run's own preprocessing and strength of augmentation; ``None`` where the run, its dataset or the files are
    not at hand, or where the run was trained without augmentation.
    """
    try:
        preprocessing = Preprocessing.from_dict((record.model or record.config)["preprocessing"])
        options = _options(record.config)
    except (KeyError, TypeError, ValueError, OptionError):
        return None
    films = _one_of_each_class(record, preprocessing)
    if not films or options is None or options == STRENGTHS["none"]:
        return None
    batch = torch.from_numpy(np.stack(films)).unsqueeze(1).float() / 255
    generator, augment = torch.Generator().manual_seed(0), Augmentation(options)
    columns = [batch, *(augment(batch, generator) for _ in range(EXAMPLES))]
    sheet = _sheet([[column[i, 0].numpy() for column in columns] for i in range(len(films))])
    alt = f"{len(films)} training images, one a class, each followed by {EXAMPLES} augmented versions"
    return of_pixels(sheet, alt, long_side=max(sheet.shape))


def _options(config: Mapping[str, Any]) -> AugmentationOptions | None:
    """From a name of a strength or from the effects themselves, in the configuration or its options."""
    inner = config.get("options")
    said = config.get("augmentation", inner.get("augmentation") if isinstance(inner, Mapping) else None)
    if isinstance(said, str):
        return STRENGTHS[said]
    return AugmentationOptions.from_dict(said) if isinstance(said, Mapping) else None


def _one_of_each_class(record: RunRecord, preprocessing: Preprocessing) -> list[NDArray[np.uint8]]:
    if record.dataset.kept is None:
        return []
    train = record.dataset.kept[record.dataset.kept["split"] == "train"]
    films = []
    for label in CLASSES:
        for path in train.loc[train["label"] == label, "path"].iloc[:3]:  # the first that can be read
            try:
                films.append(preprocessing(read_radiograph(Path(path))))
            except (UnreadableImageError, OSError):
                continue
            break
    return films


def _sheet(rows: list[list[NDArray[np.float32]]]) -> NDArray[np.float32]:
    """White sheet with the pictures at :data:`_SIDE` pixels, a wider gap after the first column."""
    height = len(rows) * (_SIDE + _GAP) - _GAP
    width = len(rows[0]) * (_SIDE + _GAP) - _GAP + 2 * _GAP
    sheet = np.ones((height, width), dtype=np.float32)
    for r, row in enumerate(rows):
        for c, film in enumerate(row):
            y, x = r * (_SIDE + _GAP), c * (_SIDE + _GAP) + (2 * _GAP if c else 0)
            resized = torch.nn.functional.interpolate(
                torch.from_numpy(film)[None, None], size=(_SIDE, _SIDE), mode="bilinear", antialias=True
            )
            sheet[y : y + _SIDE, x : x + _SIDE] = resized[0, 0].numpy()
    return sheet
