"""From exposure to the picture a hospital hands out: tone, edges, film on a light box, collimation, side markers."""

from __future__ import annotations

import cv2
import numpy as np

from cxrlens.sources.phantom.grid import Field, as_field, smooth_noise, smoothstep
from cxrlens.sources.phantom.hospital import Look


def develop(
    exposure: Field,
    look: Look,
    lung_mask: np.ndarray[tuple[int, int], np.dtype[np.bool_]],
    cm: float,
    rng: np.random.Generator,
) -> Field:
    """(H, W) in [0, 1]: white is dense. ``lung_mask`` says what the machine sets its tone by."""
    density = -np.log(exposure)
    slow = _wide(density, 2.6, cm)
    picture = density - np.float32(look.equalise) * (slow - np.float32(np.median(slow)))
    if look.edge:
        picture = picture + np.float32(look.edge) * (picture - cv2.GaussianBlur(picture, (0, 0), 0.35 / cm))
    rows, columns = picture.shape
    field = picture[rows // 10 : -rows // 10, columns // 8 : -columns // 8][::3, ::3]
    lungs = picture[::2, ::2][lung_mask[::2, ::2]]
    low = float(np.quantile(lungs if lungs.size > 30 else field, 0.06))
    high = float(np.quantile(field, 0.93))
    span = max(high - low, 0.3)
    wobble = 1.0 + float(rng.normal(0, 0.07))
    t = (picture - np.float32(low)) / np.float32(span) + np.float32(look.brightness + rng.normal(0, 0.03))
    # The toe and shoulder of a film's characteristic curve; digital machines imitate it.
    steep = np.float32(3.1 * look.contrast * wobble)
    curve = 1.0 / (1.0 + np.exp(-steep * (t - np.float32(0.40))))
    picture = np.float32(look.black) + np.float32(look.white - look.black) * curve
    picture = picture * smoothstep(density, 0.02, 0.9) + np.float32(look.black) * (1 - smoothstep(density, 0.02, 0.9))
    return as_field(np.clip(picture, 0, 1))


def finish(picture: Field, look: Look, cm: float, rng: np.random.Generator) -> Field:
    """Everything that is put on top of the developed picture: markers, blades, the light box, grain."""
    picture = picture.copy()
    if look.border:
        picture = _collimate(picture, look.border, rng, soft=1.6 if look.film else 0.5)
    if look.marker != "none" and rng.random() < 0.85:
        _mark(picture, look.marker, cm, rng)
    if look.film:
        picture = _light_box(picture, rng)
    if look.grain:
        grain = rng.standard_normal(picture.shape, dtype=np.float32)
        picture = picture + np.float32(look.grain) * cv2.GaussianBlur(grain, (0, 0), 0.7) * np.float32(1.6)
    return as_field(np.clip(picture, 0, 1))


def _wide(field: Field, sigma_cm: float, cm: float) -> Field:
    """Gaussian blur done on a coarser grid."""
    rows, columns = field.shape
    step = max(1, int(sigma_cm / cm / 4))
    small = cv2.resize(field, (max(8, columns // step), max(8, rows // step)), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma_cm / cm / step, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(small, (columns, rows), interpolation=cv2.INTER_CUBIC), dtype=np.float32)


def _mark(picture: Field, kind: str, cm: float, rng: np.random.Generator) -> None:
    """R at the patient's right (left of the picture) or L at the patient's left, in an upper corner."""
    rows, columns = picture.shape
    right = bool(rng.random() < 0.6)
    high = (1.1 if kind == "text" else 1.5) / cm
    fine = 4
    side = int(high * 2.2)
    if side < 6:
        return
    canvas = np.zeros((side * fine, side * fine), np.uint8)
    scale, thick = high * fine / 22.0, max(1, round(high * fine / (9 if kind != "text" else 13)))
    (w, h), _ = cv2.getTextSize("R" if right else "L", cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
    corner = ((side * fine - w) // 2, (side * fine + h) // 2)
    cv2.putText(canvas, "R" if right else "L", corner, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, thick, cv2.LINE_AA)
    if kind == "framed":
        pad = int(0.16 * side * fine)
        cv2.rectangle(canvas, (pad, pad), (side * fine - pad, side * fine - pad), 255, max(1, thick // 2), cv2.LINE_AA)
    if kind != "text":
        turn = cv2.getRotationMatrix2D((side * fine / 2, side * fine / 2), float(rng.normal(0, 6)), 1.0)
        canvas = cv2.warpAffine(canvas, turn, (side * fine, side * fine))
    letter = cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32) / 255.0
    inset = 0.02 + 0.05 * float(rng.random())
    top = int(rows * (inset + (0.0 if kind == "text" else 0.10 * float(rng.random()))))
    left = int(columns * inset) if right else columns - side - int(columns * inset)
    patch = picture[top : top + side, left : left + side]
    letter = letter[: patch.shape[0], : patch.shape[1]] * np.float32(0.96 if kind != "text" else 0.88)
    np.maximum(patch, letter, out=patch)


def _collimate(picture: Field, share: float, rng: np.random.Generator, soft: float) -> Field:
    """Blades that cover the edges, each by its own amount and hardly tilted."""
    rows, columns = picture.shape
    y, x = np.arange(rows, dtype=np.float32)[:, None] / rows, np.arange(columns, dtype=np.float32)[None, :] / columns
    ramp = np.float32(soft * 0.006)
    inside = np.ones_like(picture)
    for along, across in ((x, y), (1 - x, y), (y, x), (1 - y, x)):
        cover = abs(float(rng.normal(0, share)))
        tilt = float(rng.normal(0, 0.006))
        inside *= np.clip((along - cover - tilt * (across - 0.5)) / ramp + 0.5, 0, 1)
    dark = np.float32(0.015)
    return as_field(picture * inside + dark * (1 - inside))


def _light_box(picture: Field, rng: np.random.Generator) -> Field:
    """Uneven light behind the film, dark corners of the camera's lens, dust and a scratch."""
    rows, columns = picture.shape
    y, x = np.linspace(-1, 1, rows, dtype=np.float32)[:, None], np.linspace(-1, 1, columns, dtype=np.float32)[None, :]
    slope = rng.normal(0, 0.05, 2)
    light = 1.0 + np.float32(slope[0]) * x + np.float32(slope[1]) * y + 0.02 * smooth_noise(rng, picture.shape, 3)
    r2 = x * x + y * y
    light = light * (1.0 - np.float32(rng.uniform(0.12, 0.3)) * np.clip(r2 - 0.35, 0, None))
    fog = np.float32(rng.uniform(0.0, 0.05))
    out = (picture * (1 - fog) + fog) * light
    for _ in range(int(rng.poisson(4))):
        at = (int(rng.integers(columns)), int(rng.integers(rows)))
        cv2.circle(out, at, 0, float(rng.uniform(0.25, 0.85)), -1)
    return as_field(np.clip(out, 0, 1))
