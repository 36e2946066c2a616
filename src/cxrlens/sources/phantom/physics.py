"""From path lengths to what a detector records: Beer–Lambert attenuation, scatter, quantum and electronic noise, blur.

The linear attenuation coefficients are those of Hubbell & Seltzer, "Tables of X-Ray Mass Attenuation Coefficients"
(NISTIR 5632), times the density, at the beam's effective energy. One effective energy stands for the spectrum, so there
is no beam hardening.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from cxrlens.sources.phantom.grid import Field, as_field

_KEV = np.array([40.0, 50.0, 60.0, 80.0, 100.0])
_MASS = {  # cm²/g at _KEV
    "water": np.array([0.2683, 0.2269, 0.2059, 0.1837, 0.1707]),
    "fat": np.array([0.2396, 0.2123, 0.1974, 0.1800, 0.1688]),
    "bone": np.array([0.6655, 0.4242, 0.3148, 0.2229, 0.1855]),
}
_DENSITY = {"soft": 1.05, "lung": 0.26, "fat": 0.95, "cortical": 1.92}  # g/cm³
_SPONGY_BONE = 0.18  # share of the volume of spongy bone that is mineral


@dataclass(frozen=True, slots=True)
class Coefficients:
    """Linear attenuation coefficients in 1/cm at one energy."""

    soft: float
    lung: float
    fat: float
    cortical: float
    spongy: float


def coefficients(kev: float) -> Coefficients:
    """At ``kev`` (40..100), interpolated in log-log as such tables are; ``ValueError`` outside."""
    if not _KEV[0] <= kev <= _KEV[-1]:
        raise ValueError(f"effective energy must lie in [40, 100] keV, not {kev}")
    mass = {name: float(np.exp(np.interp(np.log(kev), np.log(_KEV), np.log(mu)))) for name, mu in _MASS.items()}
    soft, cortical = mass["water"] * _DENSITY["soft"], mass["bone"] * _DENSITY["cortical"]
    return Coefficients(
        soft=soft,
        lung=mass["water"] * _DENSITY["lung"],
        fat=mass["fat"] * _DENSITY["fat"],
        cortical=cortical,
        spongy=_SPONGY_BONE * cortical + (1 - _SPONGY_BONE) * soft,
    )


@dataclass(frozen=True, slots=True)
class Paths:
    """What each ray crosses: (H, W) path lengths in cm. ``body`` is all inside the skin; the others lie within it.

    Args:
        body: from skin to skin.
        lung: aerated lung, counted before anything below is put into it.
        air: trachea, bronchi, stomach.
        fat: in addition to ``body``.
        cortical: dense bone in place of soft tissue.
        spongy: trabecular bone in place of soft tissue.
        soft_in_lung: vessels and lesions in place of lung; negative where a lesion holds more air than lung does.
        metal: extra attenuation (no unit) of leads and lines.
    """

    body: Field
    lung: Field
    air: Field
    fat: Field
    cortical: Field
    spongy: Field
    soft_in_lung: Field
    metal: Field | None = None


def attenuation(paths: Paths, mu: Coefficients) -> Field:
    """Line integral ∫µ dl of every ray; the exponent of the Beer–Lambert law."""
    total = np.float32(mu.soft) * (paths.body - paths.air) + np.float32(mu.fat) * paths.fat
    total = total + np.float32(mu.lung - mu.soft) * paths.lung
    total = total + np.float32(mu.cortical - mu.soft) * paths.cortical + np.float32(mu.spongy - mu.soft) * paths.spongy
    total = total + np.float32(mu.soft - mu.lung) * paths.soft_in_lung
    if paths.metal is not None:
        total = total + paths.metal
    return as_field(np.maximum(total, 0.0))


@dataclass(frozen=True, slots=True)
class Beam:
    """How an exposure is made.

    Args:
        kev: effective energy.
        photons: detected in one cm² of an unattenuated beam.
        scatter: scattered over primary radiation behind the mediastinum (the scatter-to-primary ratio after the grid).
        scatter_cm: standard deviation of the spread of scatter.
        blur_cm: standard deviation of focus and detector blur.
        electronic: deviation of electronic noise, in photons per cm² of the unattenuated beam's square root.
    """

    kev: float = 60.0
    photons: float = 4.0e7
    scatter: float = 0.6
    scatter_cm: float = 3.5
    blur_cm: float = 0.03
    electronic: float = 0.02


def expose(integral: Field, beam: Beam, cm: float, rng: np.random.Generator) -> Field:
    """Detected exposure relative to the unattenuated beam, (H, W), above 0, for line integrals ``integral``."""
    primary = np.exp(-integral)
    scattered = _scatter(primary, beam, cm)
    mean = _blur((primary + scattered).astype(np.float32), beam.blur_cm / cm)
    count = np.float32(beam.photons * cm * cm)
    # So many photons fall on a pixel that Poisson's distribution is Gaussian with variance = mean.
    deviation = np.sqrt(np.maximum(mean, 0.0) / count + np.float32(beam.electronic**2) / count)
    noisy = mean + deviation * rng.standard_normal(mean.shape, dtype=np.float32)
    return as_field(np.maximum(noisy, 1e-5))


def _scatter(primary: Field, beam: Beam, cm: float) -> Field:
    """Scatter as a wide blur of what enters the detector; most where the body is thick compared with its primary."""
    rows, columns = primary.shape
    step = max(1, round(0.8 / cm))
    small = (max(8, columns // step), max(8, rows // step))
    coarse = cv2.resize(np.minimum(primary, 0.12), small, interpolation=cv2.INTER_AREA)
    sigma = beam.scatter_cm / (cm * columns / small[0])
    wide = cv2.GaussianBlur(coarse, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return as_field(0.25 * beam.scatter * cv2.resize(wide, (columns, rows), interpolation=cv2.INTER_CUBIC))


def _blur(field: Field, sigma: float) -> Field:
    if sigma < 0.15:
        return field
    return np.asarray(cv2.GaussianBlur(field, (0, 0), float(sigma)), dtype=np.float32)
