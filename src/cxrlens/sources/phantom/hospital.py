"""The synthetic hospitals: each has a machine, a look, a file format, a layout and a spelling of its own."""

from __future__ import annotations

from dataclasses import dataclass, field

from cxrlens.labels import CLASSES, COVID19, NORMAL, PNEUMONIA, TUBERCULOSIS
from cxrlens.sources.phantom.physics import Beam


@dataclass(frozen=True, slots=True)
class Look:
    """From exposure to picture.

    Args:
        equalise: how much of the slow changes of density is taken out, 0..1.
        edge: strength of the edge enhancement.
        contrast: slope of the tone curve in its middle.
        brightness: shift of the window; positive is whiter.
        black: grey of unattenuated beam, 0..1.
        white: grey of the densest parts, 0..1.
        border: mean share of the picture that each collimator blade covers; 0 for none.
        film: a photograph of film on a light box: tint, dark corners, dust, tilt.
        grain: deviation of the film's grain or of the camera's noise.
        marker: ``none``, ``text`` (burnt in), ``lead`` (a letter of lead) or ``framed``.
    """

    equalise: float
    edge: float
    contrast: float
    brightness: float
    black: float
    white: float
    border: float
    film: bool
    grain: float
    marker: str


@dataclass(frozen=True, slots=True)
class Hospital:
    """One synthetic collection.

    Args:
        name: of the collection's folder.
        portable: share of bedside AP pictures.
        beam: of its machines.
        look: of its pictures.
        margin: cm of picture beside the skin, on either side.
        aspect: height over width.
        scale: long side in pixels over ``PhantomOptions.size``.
        layout: ``classes`` (a folder a class), ``table`` (images/ and metadata.csv) or ``tree`` (train, val, test).
        spelling: class → its name here.
        extension: ``.png`` or ``.jpeg``.
        bits: 8 or 16.
        tint: colour of white as (R, G, B); none for grey files.
        quality: of JPEG.
        shares: relative number of patients of each class, in the order of ``CLASSES``.
        stem: pattern of file names; gets ``n``.
    """

    name: str
    portable: float
    beam: Beam
    look: Look
    margin: float
    aspect: float
    scale: float
    layout: str
    spelling: dict[str, str]
    extension: str
    shares: tuple[int, int, int, int]
    stem: str
    bits: int = 8
    quality: int = 90
    tint: tuple[float, float, float] | None = field(default=None)


def _names(*names: str) -> dict[str, str]:
    return dict(zip(CLASSES, names, strict=True))


HOSPITALS: dict[str, Hospital] = {
    h.name: h
    for h in (
        Hospital(
            name="northgate-dr",
            portable=0.08,
            beam=Beam(kev=62, photons=6.0e7, scatter=0.35, blur_cm=0.02),
            look=Look(0.35, 0.35, 1.0, 0.0, 0.0, 1.0, 0.0, False, 0.0, "text"),
            margin=-0.3,
            aspect=1.0,
            scale=1.0,
            layout="table",
            spelling={NORMAL: "No Finding", COVID19: "COVID-19", PNEUMONIA: "Pneumonia", TUBERCULOSIS: "Tuberculosis"},
            extension=".png",
            bits=16,
            shares=(5, 3, 4, 3),
            stem="{n:08d}_000",
        ),
        Hospital(
            name="harbour-cr",
            portable=0.15,
            beam=Beam(kev=55, photons=2.2e7, scatter=0.55, blur_cm=0.05),
            look=Look(0.15, 0.6, 1.25, -0.03, 0.02, 0.97, 0.035, False, 0.0, "framed"),
            margin=0.6,
            aspect=1.18,
            scale=1.1,
            layout="classes",
            spelling=_names("NORMAL", "COVID19", "Viral Pneumonia", "TURBERCULOSIS"),
            extension=".png",
            shares=(3, 4, 3, 3),
            stem="IM-{n:04d}-0001",
        ),
        Hospital(
            name="hillside-film",
            portable=0.05,
            beam=Beam(kev=52, photons=1.2e7, scatter=0.7, blur_cm=0.06),
            look=Look(0.0, 0.0, 1.45, -0.05, 0.06, 0.92, 0.02, True, 0.012, "lead"),
            margin=0.2,
            aspect=1.12,
            scale=0.9,
            layout="classes",
            spelling=_names("Normal", "COVID", "Pneumonia", "TB Chest X-rays"),
            extension=".jpeg",
            quality=86,
            tint=(1.0, 0.93, 0.78),
            shares=(4, 3, 3, 4),
            stem="scan ({n})",
        ),
        Hospital(
            name="ward-portable",
            portable=1.0,
            beam=Beam(kev=50, photons=0.6e7, scatter=1.0, blur_cm=0.07, electronic=0.05),
            look=Look(0.1, 0.1, 0.85, 0.05, 0.08, 0.94, 0.01, False, 0.004, "lead"),
            margin=-0.8,
            aspect=0.86,
            scale=1.0,
            layout="tree",
            spelling=_names("NORMAL", "COVID19", "PNEUMONIA", "TUBERCULOSIS"),
            extension=".jpeg",
            quality=80,
            shares=(3, 4, 4, 2),
            stem="ward_{n:05d}",
        ),
    )
}
