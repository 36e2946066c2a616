"""The real server over the toy model, on a thread and a free port, and files to drop on its page."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import uvicorn

import cxrlens
from cxrlens.gate.answer import Answer
from cxrlens.gate.checks import Limit
from cxrlens.gate.gate import Gate
from cxrlens.radiograph import Radiograph
from cxrlens.serving.predictor import Predictor
from cxrlens.serving.web.app import create_app
from cxrlens.serving.web.options import ServerOptions
from cxrlens.serving.web.serve import listen
from cxrlens.sources.phantom.encode import encode_png, to_samples
from serving_model import phantoms

OPTIONS = ServerOptions(port=0)
REPAIR = "lay on its side, and was turned by 90° to the right"


class TurningGate(Gate):
    """The toy's gate is untrained and never sure enough to repair: this one turns whatever is wider than high."""

    def judge_all(self, radiographs: Sequence[Radiograph]) -> list[Answer]:
        upright = [self._turned(r) if r.width > r.height else r for r in radiographs]
        answers = super().judge_all(upright)
        pairs = zip(answers, radiographs, upright, strict=True)
        return [a if up is given or not a.accepted else self._repaired(a, up) for a, given, up in pairs]

    @staticmethod
    def _turned(radiograph: Radiograph) -> Radiograph:
        return replace(radiograph, pixels=np.ascontiguousarray(np.rot90(radiograph.pixels, -1)))

    @staticmethod
    def _repaired(answer: Answer, film: Radiograph) -> Answer:
        return replace(answer, status="repaired", warnings=(REPAIR, *answer.warnings), radiograph=film)


@dataclass(frozen=True)
class Served:
    """A server that runs.

    Args:
        url: of its page.
        predictor: what it asks.
        service: its inside, to look into and to spoil.
    """

    url: str
    predictor: Predictor
    service: object

    @property
    def kept(self) -> int:
        """Results that it holds."""
        return len(self.service.results)

    @property
    def last(self):
        """The result that it answered last."""
        return next(reversed(self.service.results._kept.values()))


def page_predictor(exported: Path) -> Predictor:
    """The toy, with a gate that repairs and that refuses a garish photograph in its own words."""
    predictor = cxrlens.load(exported, threads=1)
    gate = predictor.gate
    assert gate is not None
    limits = {**gate.limits, "coloured": Limit(0.1, 0.3)}
    return replace(predictor, gate=TurningGate(gate.examiner, limits, gate.mirrored_at))


@contextmanager
def serving(predictor: Predictor, options: ServerOptions = OPTIONS) -> Iterator[Served]:
    """Runs until the block ends."""
    listener = listen(options)
    port = listener.getsockname()[1]
    app = create_app(predictor, replace(options, port=port))
    config = uvicorn.Config(app, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        until = time.monotonic() + 20
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            assert time.monotonic() < until, "the server did not start"
            time.sleep(0.02)
        yield Served(f"http://127.0.0.1:{port}/", predictor, app.state.service)
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


@dataclass(frozen=True)
class Films:
    """Files in a folder, by what becomes of them."""

    answered: Path
    unsure: Path
    repaired: Path
    blank: Path
    photograph: Path
    broken: Path
    dicom: Path

    @property
    def all(self) -> list[Path]:
        """Each of them."""
        names = ("answered", "unsure", "repaired", "blank", "photograph", "broken", "dicom")
        return [getattr(self, name) for name in names]


def make_films(folder: Path, predictor: Predictor) -> Films:
    """One file of each kind; the names hold what a name may hold."""
    found: dict[str, Radiograph] = {}
    for radiograph in phantoms(12, 160):
        found.setdefault(predictor(radiograph).status, radiograph)
    answered, unsure = found["answered"], found["not sure"]
    rng = np.random.default_rng(5)
    colours = (rng.random((96, 128, 3)) * (255, 90, 20)).astype(np.uint8)
    wide = np.rot90(np.pad(answered.pixels, ((8, 8), (0, 0))), 1)
    films = Films(*(folder / name for name in (
        "Müller <b>Anna<i>.png", "unsure.png", "lying.png", "blank.png", "holiday.png", "torn.png", "study.dcm",
    )))  # fmt: skip
    films.answered.write_bytes(encode_png(to_samples(answered.pixels, 16)))
    films.unsure.write_bytes(encode_png(to_samples(unsure.pixels, 16)))
    films.repaired.write_bytes(encode_png(to_samples(np.ascontiguousarray(wide), 16)))
    films.blank.write_bytes(encode_png(to_samples(np.full((128, 128), 0.5, np.float32), 8)))
    _write_colours(films.photograph, colours)
    films.broken.write_text("no picture at all")
    _write_dicom(films.dicom, answered)
    return films


def _write_colours(path: Path, colours: np.ndarray) -> None:
    from PIL import Image

    Image.fromarray(colours).save(path)


def _write_dicom(path: Path, radiograph: Radiograph) -> None:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

    samples = np.rint(radiograph.pixels * 4095).astype("<u2")
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = DigitalXRayImageStorageForPresentation
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID = generate_uid(), generate_uid()
    ds.PatientName, ds.PatientID = "Doe^Jane", "4711"
    ds.Modality, ds.BodyPartExamined, ds.ViewPosition, ds.PatientOrientation = "DX", "CHEST", "PA", ["L", "F"]
    ds.PresentationIntentType, ds.PixelIntensityRelationship = "FOR PRESENTATION", "LOG"
    ds.ImagerPixelSpacing = [2.7, 2.7]
    ds.Rows, ds.Columns = samples.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 12, 11
    ds.WindowCenter, ds.WindowWidth, ds.RescaleIntercept, ds.RescaleSlope = 2048, 4096, 0, 1
    ds.PixelData = samples.tobytes()
    ds.save_as(path, enforce_file_format=True)
