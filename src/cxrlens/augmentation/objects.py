"""What lies on the film besides the patient: an occluding object, a frame, a side marker. All write in place."""

from __future__ import annotations

import torch
from torch import Tensor

from cxrlens.augmentation.parameters import Parameters

_LETTERS = (
    ("X....", "X....", "X....", "X....", "X....", "X....", "XXXXX"),
    ("XXXX.", "X...X", "X...X", "XXXX.", "X.X..", "X..X.", "X...X"),
)


def erase_(pixels: Tensor, p: Parameters) -> Tensor:
    """A box of one grey: a device, a redaction."""
    side = pixels.shape[-1]
    for image, (top, left, height, width, grey) in zip(pixels, p.erase.tolist(), strict=True):
        if height > 0:
            y, x = round(top * side), round(left * side)
            image[:, y : y + max(1, round(height * side)), x : x + max(1, round(width * side))] = grey
    return pixels


def collimate_(pixels: Tensor, p: Parameters) -> Tensor:
    """Black margins, where the collimator's leaves kept the rays away and the film was masked."""
    side = pixels.shape[-1]
    for image, margins in zip(pixels, p.border.tolist(), strict=True):
        top, bottom, left, right = (round(m * side) for m in margins)
        image[:, :top] = 0
        image[:, side - bottom :] = 0
        image[:, :, :left] = 0
        image[:, :, side - right :] = 0
    return pixels


def mark_(pixels: Tensor, p: Parameters) -> Tensor:
    """A bright L or R in an upper corner, as letters of lead leave it."""
    side = pixels.shape[-1]
    for image, (letter, row, column, height, grey) in zip(pixels, p.marker.tolist(), strict=True):
        if letter < 0:
            continue
        glyph = _glyph(int(letter), max(7, round(height * side))).to(pixels.device)
        h, w = glyph.shape
        y = min(max(0, round(row * side - h / 2)), side - h)
        x = min(max(0, round(column * side - w / 2)), side - w)
        window = image[0, y : y + h, x : x + w]
        window.copy_(torch.maximum(window, glyph * grey))
    return pixels


def _glyph(letter: int, height: int) -> Tensor:
    """(height, about 5/7 of it) float32, 1 on the letter."""
    rows = _LETTERS[letter]
    bitmap = torch.tensor([[float(c == "X") for c in row] for row in rows])
    y = torch.arange(height) * len(rows) // height
    width = max(5, height * 5 // 7)
    x = torch.arange(width) * len(rows[0]) // width
    return bitmap[y][:, x]
