"""One synthetic radiograph, from a patient to pixels and exact masks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from cxrlens.errors import OptionError
from cxrlens.labels import CLASSES, TUBERCULOSIS
from cxrlens.radiograph import Pixels
from cxrlens.sources.phantom.bones import build_bones
from cxrlens.sources.phantom.devices import build_devices
from cxrlens.sources.phantom.grid import Grid, make_grid, smooth_noise
from cxrlens.sources.phantom.hospital import HOSPITALS
from cxrlens.sources.phantom.lesions import build_lesions
from cxrlens.sources.phantom.look import develop, finish
from cxrlens.sources.phantom.patient import Patient, sample_patient, sample_pose
from cxrlens.sources.phantom.physics import Paths, attenuation, coefficients, expose
from cxrlens.sources.phantom.thorax import build_thorax
from cxrlens.sources.phantom.tuberculosis import mediastinal_pull
from cxrlens.sources.phantom.vessels import draw_tree, hilar_shadow, pulmonary_vessels

SMALLEST = 40


@dataclass(frozen=True, slots=True)
class Phantom:
    """A synthetic chest radiograph and the truth about it.

    Args:
        pixels: (H, W) float32 in [0, 1], 0 = black = air.
        lung_mask: (H, W) bool, both lung fields, exact.
        lesion_mask: (H, W) bool, all that disease changes noticeably; empty for Normal.
        finding_masks: finding → (H, W) bool; their union is ``lesion_mask``.
        findings: names of the findings, sorted.
        label: one of ``CLASSES``.
        hospital: one of ``HOSPITALS``.
        view: ``PA`` or ``AP``.
        sex: ``F`` or ``M``.
        age: years.
    """

    pixels: Pixels
    lung_mask: NDArray[np.bool_]
    lesion_mask: NDArray[np.bool_]
    finding_masks: dict[str, NDArray[np.bool_]]
    findings: tuple[str, ...]
    label: str
    hospital: str
    view: str
    sex: str
    age: int


def make_phantom(label: str, *, hospital: str = "northgate-dr", seed: int, size: int = 256) -> Phantom:
    """A synthetic radiograph of a patient drawn by ``seed``; ``size`` is the long side in pixels.

    Raises:
        OptionError: an unknown label or hospital, or a size below 40.
    """
    if seed < 0:
        raise OptionError("seed", f"is {seed}", "give 0 or more")
    return expose_patient(sample_patient((seed,)), 0, label, hospital, size)


def expose_patient(patient: Patient, visit: int, label: str, hospital: str, size: int) -> Phantom:
    """The radiograph of one visit: anatomy and place of the disease as ever, pose, noise and severity of the day.

    Raises:
        OptionError: as :func:`make_phantom`.
    """
    _check(label, hospital, size)
    h = HOSPITALS[hospital]
    rng = patient.rng("look", visit)
    portable = bool(patient.rng("look").random() < h.portable)
    pose = sample_pose(patient, visit, portable=portable)
    if h.look.film:  # the camera was not held quite straight
        pose = replace(pose, roll=pose.roll + float(rng.normal(0, 1.3)))
    width = size if h.aspect <= 1 else round(size / h.aspect)
    shape = (round(size * h.aspect) if h.aspect <= 1 else size, width)
    width_cm = 2 * (patient.half_width + patient.wall + h.margin) * (1 + abs(float(rng.normal(0, 0.04))))
    g = make_grid(patient, pose, shape, max(width_cm, (patient.lung_height + 9.0) / h.aspect))
    if label == TUBERCULOSIS:
        pull = mediastinal_pull(patient)
        g = Grid((g.x - pull * np.exp(-(((g.y - 4.0) / 5.0) ** 2) - (g.x / 6.0) ** 2)).astype(np.float32), g.y, g.cm)
    mu = coefficients(h.beam.kev)
    thorax = build_thorax(patient, pose, g)
    bones = build_bones(patient, pose, g)
    lesions = build_lesions(label, patient, visit, thorax, g)
    added = lesions.total(g.shape)
    aerated = np.minimum(thorax.lung * np.float32(0.3), 1.0)
    hila = (thorax.hilum_right, thorax.hilum_left)
    vessels = draw_tree(pulmonary_vessels(patient.rng("vessels"), *hila), g)
    vessels = np.maximum(vessels, 0.6 * vessels + hilar_shadow(g, *hila)) * aerated
    # Where a lesion fills the lung, vessels no longer stand out against it.
    vessels = vessels * np.clip(1.0 - added / np.maximum(thorax.lung, 0.5), 0.0, 1.0)
    texture = thorax.lung * (0.016 * smooth_noise(patient.rng("texture", 2), g.shape, 60))
    paths = Paths(
        body=thorax.body,
        lung=thorax.lung,
        air=thorax.air,
        fat=thorax.fat,
        cortical=bones.cortical,
        spongy=bones.spongy,
        soft_in_lung=(vessels + texture + added).astype(np.float32),
        metal=build_devices(patient, visit, thorax, g, portable=portable),
    )
    exposure = expose(attenuation(paths, mu), h.beam, g.cm, patient.rng("noise", visit))
    picture = finish(develop(exposure, h.look, thorax.lung_mask, g.cm, rng), h.look, g.cm, rng)
    masks = lesions.masks(mu, g.cm)
    lesion_mask = np.zeros(g.shape, bool)
    for mask in masks.values():
        lesion_mask |= mask
    return Phantom(
        pixels=picture,
        lung_mask=_largest_two(thorax.lung_mask),
        lesion_mask=lesion_mask,
        finding_masks=masks,
        findings=tuple(sorted(masks)),
        label=label,
        hospital=hospital,
        view="AP" if portable else "PA",
        sex=patient.sex,
        age=patient.age,
    )


def _largest_two(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Two lungs: drop slivers beside the heart or the spine."""
    count, marks, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count <= 3:
        return mask
    keep = 1 + np.argsort(stats[1:, cv2.CC_STAT_AREA])[-2:]
    return np.isin(marks, keep)


def _check(label: str, hospital: str, size: int) -> None:
    if label not in CLASSES:
        raise OptionError("label", f"'{label}' is unknown", f"use one of {', '.join(CLASSES)}")
    if hospital not in HOSPITALS:
        raise OptionError("hospital", f"'{hospital}' is unknown", f"use one of {', '.join(HOSPITALS)}")
    if size < SMALLEST:
        raise OptionError("size", f"{size} pixels is too small for a chest", f"use {SMALLEST} or more")
