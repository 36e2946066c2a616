"""The flag on an overlay that is taken away: a strip below the film, so that none of it is hidden, and the words."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from cxrlens.doubts import HEADLINE, Doubts

_GROUND, _INK = (255, 196, 87), (20, 16, 0)
_SMALLEST, _LARGEST = 12, 40  # pixels of a letter's height
_LETTERS = 38  # of the headline's size that a film is wide, between those two

Picture = NDArray[np.uint8]
"""(H, W, 3) RGB."""


def marked(picture: Picture, doubts: Doubts | None) -> Picture:
    """A flagged map's picture with a strip below it that says why; any other one as it is.

    Args:
        picture: film and heat; its rows and columns stay where they are.
        doubts: of that map; ``None`` where nobody looked.

    Returns:
        (H or more, W, 3).
    """
    if doubts is None or not doubts.flagged:
        return picture
    width = picture.shape[1]
    size = min(max(_SMALLEST, width // _LETTERS), _LARGEST)
    gap = size // 2
    lines = [(line, ImageFont.load_default(size * 1.2)) for line in _wrapped(HEADLINE, size * 1.2, width - 2 * gap)]
    for reason in doubts.reasons.values():
        lines += [(line, ImageFont.load_default(size)) for line in _wrapped(f"– {reason}", size, width - 2 * gap)]
    step = round(size * 1.5)
    strip = Image.new("RGB", (width, 2 * gap + step * len(lines)), _GROUND)
    draw = ImageDraw.Draw(strip)
    for number, (line, font) in enumerate(lines):
        draw.text((gap, gap + number * step), line, font=font, fill=_INK)
    return np.concatenate([picture, np.asarray(strip, dtype=np.uint8)])


def about(doubts: Doubts | None) -> dict[str, str]:
    """The same for a PNG's own text, by its keywords (PNG 1.2, section 11.3.4)."""
    if doubts is None:
        return {}
    said = {"Warning": doubts.sentence, "Description": doubts.unchecked_sentence}
    return {keyword: words for keyword, words in said.items() if words}


def _wrapped(text: str, size: float, room: int) -> Iterator[str]:
    """Lines that fit into so many pixels; a word that is wider has one to itself."""
    font, line = ImageFont.load_default(size), ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and font.getlength(longer) > room:
            yield line
            longer = word
        line = longer
    yield line
