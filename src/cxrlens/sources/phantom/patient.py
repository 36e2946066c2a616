"""Who is being radiographed: one patient's anatomy, and how they stood on the day of one exposure. Lengths in cm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_STREAMS = {
    "anatomy": 1,
    "vessels": 2,
    "lesion": 3,
    "texture": 4,
    "bones": 5,
    "pose": 6,
    "noise": 7,
    "look": 8,
    "severity": 9,
}


@dataclass(frozen=True, slots=True)
class Patient:
    """Sizes of one synthetic adult. Left and right are the patient's own; x grows towards the patient's left.

    Args:
        entropy: what every random choice about this patient is seeded with; see :meth:`rng`.
        sex: ``F`` or ``M``.
        age: years.
        half_width: of the thoracic cavity at the base, cm.
        depth: of the thoracic cavity, front to back, cm.
        lung_height: from apex to right dome in full inspiration, cm.
        heart: scale of the heart, 1 = ordinary.
        wall: thickness of the soft tissue around the cavity, cm.
        breast: greatest thickness of each breast, cm; 0 for none.
        knob: radius of the aortic knob, cm; grows with age.
        bone: scale of the mineral in the bones; falls with age.
    """

    entropy: tuple[int, ...]
    sex: str
    age: int
    half_width: float
    depth: float
    lung_height: float
    heart: float
    wall: float
    breast: float
    knob: float
    bone: float

    def rng(self, stream: str, visit: int = 0) -> np.random.Generator:
        """A generator of its own for each purpose, so that a draw more in one never shifts another."""
        return np.random.default_rng(np.random.SeedSequence([*self.entropy, _STREAMS[stream], visit]))


@dataclass(frozen=True, slots=True)
class Pose:
    """How the patient stood at one exposure.

    Args:
        inspiration: 1 = full; 0.8 = the domes stand a fifth of a lung's height higher.
        yaw: shift of anterior against posterior structures from rotation about the body's axis, cm.
        roll: rotation in the plane of the picture, degrees.
        shift_x: of the patient on the detector, cm.
        shift_y: of the patient on the detector, cm.
        heart_magnification: 1 for PA; more for AP, where the heart lies far from the detector.
        scapula_in: how far the shoulder blades overlie the lungs, cm.
    """

    inspiration: float
    yaw: float
    roll: float
    shift_x: float
    shift_y: float
    heart_magnification: float
    scapula_in: float


def sample_patient(entropy: tuple[int, ...]) -> Patient:
    """Draw one adult's anatomy; the same ``entropy`` gives the same patient."""
    rng = np.random.default_rng(np.random.SeedSequence([*entropy, _STREAMS["anatomy"]]))
    female = bool(rng.random() < 0.47)
    age = int(np.clip(rng.normal(52, 17), 18, 93))
    size = float(np.clip(rng.normal(1.0, 0.05), 0.88, 1.13)) * (0.93 if female else 1.0)
    weight = float(np.clip(rng.normal(0.0, 1.0), -1.8, 2.4))
    return Patient(
        entropy=entropy,
        sex="F" if female else "M",
        age=age,
        half_width=13.6 * size * float(rng.normal(1.0, 0.025)),
        depth=17.0 * size * float(rng.normal(1.0, 0.05)),
        lung_height=22.6 * size * float(rng.normal(1.0, 0.04)),
        heart=size * float(np.clip(rng.normal(1.0 + 0.0012 * (age - 50), 0.06), 0.82, 1.28)),
        wall=2.5 + 0.55 * weight,
        breast=float(np.clip(rng.normal(2.4 + 0.8 * weight, 0.8), 0.5, 5.5)) if female else 0.0,
        knob=float(np.clip(1.55 + 0.008 * (age - 50) + rng.normal(0, 0.15), 1.2, 2.2)),
        bone=float(np.clip(1.1 - 0.004 * max(age - 45, 0) + rng.normal(0, 0.07), 0.75, 1.25)),
    )


def sample_pose(patient: Patient, visit: int, *, portable: bool) -> Pose:
    """Draw how the patient stood (PA) or lay (``portable``: AP, shallower breath, more rotated, shoulder blades in)."""
    rng = patient.rng("pose", visit)
    loose = 1.7 if portable else 1.0
    return Pose(
        inspiration=float(np.clip(rng.normal(0.88 if portable else 0.97, 0.045), 0.74, 1.04)),
        yaw=float(rng.normal(0.0, 0.4)) * loose,
        roll=float(rng.normal(0.0, 1.0)) * loose,
        shift_x=float(rng.normal(0.0, 0.7)) * loose,
        shift_y=float(rng.normal(0.0, 0.9)) * loose,
        heart_magnification=float(rng.normal(1.09, 0.02)) if portable else 1.0,
        scapula_in=float(rng.normal(2.2, 0.7)) if portable else float(rng.normal(0.0, 0.7)),
    )
