"""The picture of an answer: a banner, the film with its heat, and below it label, bars and remarks."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache, lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from cxrlens.doubts import HEADLINE
from cxrlens.serving.dicom.wording import BANNER, flag_in_words, map_in_words, remarks, verdict
from cxrlens.serving.heat import overlay
from cxrlens.serving.prediction import Prediction

LONGEST = 2048
"""Pixels of the longer side at most."""

_FILM = (720, 1280)  # pixels of the film's longer side: letters stay readable, archives stay small
_WIDTH = 720  # at least, or lines of text would be two words long
_LEADING = 27  # from line to line of a paragraph
_KEPT = 32  # strips of each sort that are kept drawn, up to some 0.2 MB each
_BACK, _TEXT, _DIM, _WARN, _BAR = (16, 18, 22), (235, 238, 242), (168, 176, 186), (255, 196, 87), (94, 160, 222)

_Colour = tuple[int, int, int]
_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
_TYPEWRITER = str.maketrans({"–": "-", "—": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "…": "...", "−": "-"})


def draw_answer(prediction: Prediction, film: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Draw it.

    Args:
        prediction: with or without a heat-map, of any status.
        film: (H, W) float32 in [0, 1], as it was judged: the grid of the heat-map, where there is one.

    Returns:
        (h, w, 3) uint8 RGB, at most :data:`LONGEST` pixels a side.
    """
    heat = prediction.heat_map
    shown = _shown(film, None if heat is None else heat.heat)
    width = max(_WIDTH, shown.shape[1])
    column = _Column(width)
    column.banner(BANNER)
    column.picture(shown)
    if flag_in_words(heat):
        column.banner(HEADLINE)
    column.line(verdict(prediction), 30, _TEXT if prediction.label is not None else _WARN)
    if prediction.probabilities is not None:
        column.bars(prediction.probabilities)
    if heat is not None:
        column.paragraph(f"Colours: {map_in_words(heat)}; not the outline of a lesion", _TEXT)
    for remark in remarks(prediction):
        told = remark.startswith(("Reason", "Warning")) or HEADLINE in remark
        column.paragraph(remark, _WARN if told else _DIM)
    column.paragraph(f"Model {prediction.model['name']}, {prediction.model['hash'][:12]}", _DIM)
    return column.drawn()


def _shown(film: NDArray[np.float32], heat: NDArray[np.float32] | None) -> NDArray[np.uint8]:
    """Film and heat at the size of the picture, laid over each other there: a detector's full grid costs too much."""
    height, width = film.shape
    scale = min(max(_FILM[0] / max(height, width), 1.0), _FILM[1] / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = np.clip(cv2.resize(film, size, interpolation=how), 0.0, 1.0).astype(np.float32)
    if heat is None:
        heat_small = np.zeros_like(small)
    else:
        heat_small = np.asarray(cv2.resize(heat, size, interpolation=cv2.INTER_LINEAR), dtype=np.float32)
    return overlay(small, heat_small)


@dataclass
class _Column:
    """Strips of one width, one below the other."""

    width: int
    strips: list[Image.Image] = field(default_factory=list)

    def banner(self, text: str) -> None:
        """Black on amber over the whole width."""
        self.strips.append(_banner(self.width, text))

    def picture(self, pixels: NDArray[np.uint8]) -> None:
        """In the middle."""
        strip = Image.new("RGB", (self.width, pixels.shape[0]), (0, 0, 0))
        strip.paste(Image.fromarray(pixels), ((self.width - pixels.shape[1]) // 2, 0))
        self.strips.append(strip)

    def line(self, text: str, size: int, colour: _Colour) -> None:
        """One line, large."""
        self.strips.append(_line(self.width, text, size, colour))

    def bars(self, shares: dict[str, float]) -> None:
        """A bar for each class, with its number."""
        font = _font(20)
        start, end = 180, self.width - 100
        for name, share in shares.items():
            strip = _name(self.width, name).copy()
            draw = ImageDraw.Draw(strip)
            draw.rectangle((start, 8, end, 24), fill=(44, 49, 57))
            draw.rectangle((start, 8, start + max(1, round((end - start) * share)), 24), fill=_BAR)
            draw.text((end + 14, 5), f"{share:.3f}", font=font, fill=_TEXT)
            self.strips.append(strip)

    def paragraph(self, text: str, colour: _Colour) -> None:
        """Text that is broken into lines."""
        self.strips.append(_paragraph(self.width, text, colour))

    def drawn(self) -> NDArray[np.uint8]:
        """All strips; shrunk as a whole where remarks made the picture longer than allowed."""
        height = sum(strip.height for strip in self.strips) + 16
        whole = Image.new("RGB", (self.width, height), _BACK)
        top = 0
        for strip in self.strips:
            whole.paste(strip, (0, top))
            top += strip.height
        if max(whole.size) > LONGEST:
            whole.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
        return np.asarray(whole, dtype=np.uint8)


# The same sentences stand under most pictures of one model, and letters are what a picture costs: those drawn last are
# kept. Whoever gets one of these strips must not draw on it.


@cache
def _font(size: int) -> _Font:
    return ImageFont.load_default(size)


def _strip(width: int, height: int, colour: _Colour = _BACK) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    strip = Image.new("RGB", (width, height), colour)
    return strip, ImageDraw.Draw(strip)


@lru_cache(_KEPT)
def _banner(width: int, text: str) -> Image.Image:
    strip, draw = _strip(width, 52, _WARN)
    draw.text((width / 2, 26), _plain(text), font=_font(28), fill=(20, 16, 0), anchor="mm")
    return strip


@lru_cache(_KEPT)
def _line(width: int, text: str, size: int, colour: _Colour) -> Image.Image:
    strip, draw = _strip(width, size + 24)
    draw.text((20, 14), _plain(text), font=_font(size), fill=colour)
    return strip


@lru_cache(_KEPT)
def _name(width: int, text: str) -> Image.Image:
    strip, draw = _strip(width, 32)
    draw.text((20, 5), _plain(text), font=_font(20), fill=_TEXT)
    return strip


@lru_cache(_KEPT)
def _paragraph(width: int, text: str, colour: _Colour) -> Image.Image:
    font = _font(19)
    room, lines = width - 40, [""]
    for word in _plain(text).split():
        if lines[-1] and font.getlength(f"{lines[-1]} {word}") > room:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    strip, draw = _strip(width, _LEADING * len(lines))
    for number, line in enumerate(lines):
        draw.text((20, 3 + _LEADING * number), line, font=font, fill=colour)
    return strip


def _plain(text: str) -> str:
    """Letters that the font has: dashes and quotes become the typewriter's, others outside Latin-1 a question mark."""
    return text.translate(_TYPEWRITER).encode("latin-1", "replace").decode("latin-1")
