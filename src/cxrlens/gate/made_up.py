"""Made-up pictures of what is no chest film, for the gate's network to learn from. Nothing real but torn-up films.

None of these kinds is used to measure the gate: that is done on photographs, other body parts and plain noise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from cxrlens.gate.look import SIDE

Films = NDArray[np.float32]
"""(n, 64, 64) float32 in [0, 1]."""

Rng = np.random.Generator

_LETTERS = np.array(list("abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLM 0123456789 "))


def made_up(films: NDArray[np.uint8], count: int, seed: int) -> NDArray[np.uint8]:
    """``count`` pictures (n, 64, 64) uint8, the kinds of :data:`KINDS` in turn; half of each kind is inverted.

    Args:
        films: (m, 64, 64) uint8 training films, some of which are torn up.
        count: how many to make.
        seed: of every draw.
    """
    rng = np.random.default_rng(seed)
    kinds = list(KINDS.values())
    out = np.zeros((count, SIDE, SIDE), dtype=np.uint8)
    for number in range(count):
        picture = kinds[number % len(kinds)](films, rng)
        low, high = float(picture.min()), float(picture.max())
        picture = (picture - low) / max(high - low, 1e-6)
        picture = picture ** rng.uniform(0.6, 1.6)
        out[number] = np.round(255 * (1 - picture if rng.random() < 0.5 else picture))
    return out


def scrambled(films: NDArray[np.uint8], rng: Rng) -> Films:
    """The tiles of a film in another order."""
    tiles = int(rng.choice((2, 4, 8)))
    cut = _film(films, rng).reshape(tiles, SIDE // tiles, tiles, SIDE // tiles).transpose(0, 2, 1, 3)
    order = rng.permutation(tiles * tiles)
    while (order == np.arange(tiles * tiles)).mean() > 0.5:  # of four tiles, all may fall back into their places
        order = rng.permutation(tiles * tiles)
    mixed = cut.reshape(tiles * tiles, SIDE // tiles, SIDE // tiles)[order]
    joined = mixed.reshape(tiles, tiles, SIDE // tiles, SIDE // tiles).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(joined.reshape(SIDE, SIDE))


def close_up(films: NDArray[np.uint8], rng: Rng) -> Films:
    """A small part of a film, enlarged."""
    side = int(rng.integers(SIDE // 6, SIDE // 3))
    y, x = rng.integers(0, SIDE - side, 2)
    return _resized(_film(films, rng)[y : y + side, x : x + side])


def several(films: NDArray[np.uint8], rng: Rng) -> Films:
    """Two to nine films on one sheet."""
    rows, columns = ((1, 2), (2, 1), (2, 2), (2, 3), (3, 3))[rng.integers(5)]
    rows_of = [np.hstack([_film(films, rng) for _ in range(columns)]) for _ in range(rows)]
    return _resized(np.vstack(rows_of))


def swirled(films: NDArray[np.uint8], rng: Rng) -> Films:
    """A film wound about a point, or unrolled around it: its own texture, no chest."""
    film, centre = _film(films, rng), tuple(float(v) for v in rng.uniform(0.3, 0.7, 2) * SIDE)
    if rng.random() < 0.5:
        how = cv2.INTER_LINEAR + cv2.WARP_FILL_OUTLIERS
        unrolled: Films = cv2.warpPolar(film, (SIDE, SIDE), centre, SIDE * rng.uniform(0.5, 0.8), how)
        return unrolled
    y, x = (grid.astype(np.float32) for grid in np.mgrid[:SIDE, :SIDE])
    dy, dx = y - centre[1], x - centre[0]
    angle = rng.choice((-1, 1)) * rng.uniform(2.0, 6.0) * np.exp(-np.hypot(dy, dx) / (SIDE * rng.uniform(0.25, 0.5)))
    cos, sin = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
    map_x, map_y = centre[0] + dx * cos - dy * sin, centre[1] + dx * sin + dy * cos
    places = map_x.astype(np.float32), map_y.astype(np.float32)
    wound: Films = cv2.remap(film, *places, cv2.INTER_LINEAR, None, cv2.BORDER_REFLECT)
    return wound


def clouds(_: NDArray[np.uint8], rng: Rng) -> Films:
    """Noise whose power falls with frequency, as it does in natural textures; some of it symmetric as bodies are."""
    picture = _coloured(rng, rng.uniform(0.6, 2.6))
    return _symmetric(picture) if rng.random() < 0.4 else picture


def leaves(_: NDArray[np.uint8], rng: Rng) -> Films:
    """Shapes that hide one another: the statistics of photographs (Baradad et al., NeurIPS 2021)."""
    picture = np.full((SIDE, SIDE), rng.random(), dtype=np.float32)
    for _number in range(int(rng.integers(10, 120))):
        size = float(np.clip(2.0 / (rng.random() ** 0.7 + 0.03), 2, 30))
        centre = tuple(int(v) for v in rng.integers(0, SIDE, 2))
        if rng.random() < 0.5:
            axes = (int(size), max(1, int(size * rng.uniform(0.4, 1))))
            cv2.ellipse(picture, centre, axes, float(rng.uniform(0, 180)), 0, 360, float(rng.random()), -1)
        else:
            box = cv2.boxPoints((centre, (2 * size, 2 * size * rng.uniform(0.3, 1)), float(rng.uniform(0, 180))))
            cv2.fillConvexPoly(picture, box.astype(np.int32), float(rng.random()))
    picture += np.float32(rng.uniform(0, 0.3)) * (_coloured(rng, 1.2) - 0.5)
    return _symmetric(picture) if rng.random() < 0.3 else picture


def stripes(_: NDArray[np.uint8], rng: Rng) -> Films:
    """Gratings, checks, weaves."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    picture = np.zeros((SIDE, SIDE))
    for _number in range(int(rng.integers(1, 4))):
        angle, waves = rng.uniform(0, np.pi), rng.uniform(1.5, 16)
        wave = np.sin(2 * np.pi * waves * (x * np.cos(angle) + y * np.sin(angle)) + rng.uniform(0, 6))
        picture = picture + (np.sign(wave) if rng.random() < 0.4 else wave)
    return (picture + rng.uniform(0, 1.5) * (_coloured(rng, 1.5) - 0.5)).astype(np.float32)


def writing(_: NDArray[np.uint8], rng: Rng) -> Films:
    """Lines of letters on a page."""
    page = np.full((4 * SIDE, 4 * SIDE), 255, dtype=np.uint8)
    size, y = rng.uniform(0.5, 1.6), 0
    while y < 4 * SIDE:
        y += int(30 * size + 4)
        line = "".join(rng.choice(_LETTERS, 40))
        cv2.putText(page, line, (int(rng.integers(0, 60)), y), int(rng.integers(0, 4)), size, 0, 2)
    return _resized(page.astype(np.float32))


def shapes(_: NDArray[np.uint8], rng: Rng) -> Films:
    """A few outlines on a plain or shaded ground: drawings, plots, logos."""
    picture = (0.5 + rng.uniform(-0.5, 0.5) * (_coloured(rng, 3.0) - 0.5)).astype(np.float32)
    for _number in range(int(rng.integers(1, 7))):
        a, b = (tuple(int(v) for v in rng.integers(0, SIDE, 2)) for _end in range(2))
        grey, thick = float(rng.random()), int(rng.integers(1, 5))
        kind = rng.integers(3)
        if kind == 0:
            cv2.line(picture, a, b, grey, thick)
        elif kind == 1:
            cv2.rectangle(picture, a, b, grey, thick if rng.random() < 0.5 else -1)
        else:
            cv2.circle(picture, a, int(rng.integers(3, 28)), grey, thick if rng.random() < 0.5 else -1)
    return picture


def limb(_: NDArray[np.uint8], rng: Rng) -> Films:
    """One to five bones in soft tissue on black: the rough look of an arm, a leg or a hand."""
    big = 2 * SIDE
    air, soft, bone = (np.zeros((big, big), dtype=np.float32) for _layer in range(3))
    count = int(rng.integers(1, 6))
    tissue = rng.uniform(0.45, 0.8) * big / count
    for number in range(count):
        middle = big * (number + 0.5 + rng.uniform(-0.15, 0.15)) / count
        lean = rng.uniform(-0.25, 0.25) * big / 2
        top, bottom = (int(middle - lean), -10), (int(middle + lean), big + 10)
        width = tissue * rng.uniform(0.25, 0.5)
        cv2.line(soft, top, bottom, 1.0, max(3, int(tissue)))
        cv2.line(bone, top, bottom, 1.0, max(3, int(width)))
        cv2.line(bone, top, bottom, float(rng.uniform(0.3, 0.7)), max(1, int(width * 0.6)))
        for _joint in range(int(rng.integers(0, 3))):
            along = rng.uniform(0.1, 0.9)
            centre = (int(top[0] + along * (bottom[0] - top[0])), int(along * big))
            cv2.circle(bone, centre, max(3, int(width * rng.uniform(0.6, 1.0))), 0.9, -1)
    picture = air + 0.35 * cv2.GaussianBlur(soft, (0, 0), 4) + 0.6 * cv2.GaussianBlur(bone, (0, 0), 1.5)
    turned = cv2.getRotationMatrix2D((SIDE, SIDE), float(rng.uniform(0, 360)), rng.uniform(0.7, 1.3))
    picture = cv2.warpAffine(picture, turned, (big, big), flags=cv2.INTER_LINEAR)
    return _resized(picture + rng.uniform(0.02, 0.15) * _resized(_coloured(rng, 1.2), big))


def shell(_: NDArray[np.uint8], rng: Rng) -> Films:
    """A bright-rimmed oval with something inside: the rough look of a skull or of a slice through a body."""
    big = 2 * SIDE
    picture = np.zeros((big, big), dtype=np.float32)
    axes = tuple(int(v) for v in rng.uniform(0.3, 0.48, 2) * big)
    centre = tuple(int(v) for v in SIDE + rng.uniform(-6, 6, 2))
    angle = float(rng.uniform(0, 180))
    cv2.ellipse(picture, centre, axes, angle, 0, 360, float(rng.uniform(0.3, 0.6)), -1)
    inside = picture > 0
    for _number in range(int(rng.integers(2, 12))):
        place = tuple(int(v) for v in SIDE + rng.normal(0, 0.2, 2) * big)
        size = tuple(int(v) for v in rng.integers(3, 28, 2))
        cv2.ellipse(picture, place, size, float(rng.uniform(0, 180)), 0, 360, float(rng.random()), -1)
    picture[~inside] = 0
    cv2.ellipse(picture, centre, axes, angle, 0, 360, float(rng.uniform(0.7, 1.0)), int(rng.integers(2, 9)))
    picture += rng.uniform(0.05, 0.4) * _resized(_coloured(rng, 1.5), big) * inside
    return _resized(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 2.5)))


KINDS: Mapping[str, Callable[[NDArray[np.uint8], Rng], Films]] = MappingProxyType(
    {
        "scrambled tiles": scrambled,
        "close-ups": close_up,
        "several films": several,
        "swirled films": swirled,
        "clouds": clouds,
        "dead leaves": leaves,
        "stripes": stripes,
        "writing": writing,
        "shapes": shapes,
        "limbs": limb,
        "shells": shell,
    }
)
"""By name: each makes one picture (64, 64), of any range."""


def _film(films: NDArray[np.uint8], rng: Rng) -> Films:
    return np.asarray(films[rng.integers(len(films))] / np.float32(255), dtype=np.float32)


def _resized(picture: Films, side: int = SIDE) -> Films:
    how = cv2.INTER_AREA if picture.shape[0] >= side else cv2.INTER_LINEAR
    resized: Films = cv2.resize(np.ascontiguousarray(picture, dtype=np.float32), (side, side), interpolation=how)
    return resized


def _symmetric(picture: Films) -> Films:
    """Left half mirrored onto the right."""
    return np.asarray((picture + picture[:, ::-1]) / 2, dtype=np.float32)


def _coloured(rng: Rng, slope: float) -> Films:
    """Noise with amplitude f^-slope, stretched to [0, 1]."""
    fy, fx = np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None, :]
    amplitude = np.hypot(fy, fx)
    amplitude[0, 0] = 1.0
    spectrum = np.fft.rfft2(rng.standard_normal((SIDE, SIDE))) * amplitude**-slope
    spectrum[0, 0] = 0
    noise = np.fft.irfft2(spectrum, s=(SIDE, SIDE))
    low, high = np.percentile(noise, (1, 99))
    return np.asarray(np.clip((noise - low) / max(high - low, 1e-9), 0, 1), dtype=np.float32)
