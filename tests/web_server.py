"""A server to ask: in this process, or as a process of its own; on a free port of this machine."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from cxrlens.radiograph import Radiograph
from cxrlens.serving.prediction import Prediction
from cxrlens.serving.predictor import Predictor
from cxrlens.serving.web.app import create_app
from cxrlens.serving.web.options import Limits, ServerOptions
from cxrlens.serving.web.serve import listen, make_server
from cxrlens.sources.phantom.encode import encode_png, to_samples
from serving_model import phantoms

CXRLENS = Path(sys.executable).with_name("cxrlens")
NAME = "Nachtigall^Philomena"
"""A patient's name that must never be seen where it does not belong."""

TOKEN = "0123456789abcdef-token"


@cache
def film(number: int = 0, size: int = 128) -> bytes:
    """A synthetic radiograph as a PNG of eight bits."""
    return encode_png(to_samples(phantoms(number + 1, size)[number].pixels, 8))


def dicom(number: int = 0, size: int = 128, **attributes: Any) -> bytes:
    """A synthetic radiograph as a DX image of a patient with :data:`NAME`."""
    pixels = np.rint(phantoms(number + 1, size)[number].pixels * 4095).astype(np.uint16)
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[f"film {number}"])
    data.StudyInstanceUID, data.SeriesInstanceUID = generate_uid(), generate_uid()
    data.PatientName, data.PatientID, data.Modality, data.ViewPosition = NAME, "PAT-4711", "DX", "PA"
    data.StudyDate, data.StudyTime, data.AccessionNumber, data.StudyID = "20240102", "120000", "A1", "S1"
    data.SeriesNumber, data.InstanceNumber = 1, 1
    data.Rows, data.Columns = pixels.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
    data.PixelData = pixels.tobytes()
    for name, value in attributes.items():
        setattr(data, name, value)
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, data, enforce_file_format=True)
    return buffer.getvalue()


class Held:
    """A predictor that judges only when it is let, and remembers what it was given together."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self.go = threading.Event()
        self.entered = threading.Event()
        self.batches: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.predictor, name)

    def judge_with_films(self, radiographs: Sequence[Radiograph]) -> list[tuple[Prediction, Radiograph]]:
        self.batches.append(len(radiographs))
        self.entered.set()
        assert self.go.wait(60)
        return self.predictor.judge_with_films(radiographs)


def small(**limits: Any) -> Limits:
    """Limits that a test reaches quickly."""
    return replace(Limits(max_bytes=200_000, max_body=400_000, in_flight=800_000), **limits)


@contextlib.contextmanager
def on_a_port(predictor: Any, **options: Any) -> Iterator[httpx.Client]:
    """On a free port, in a thread; the client's ``base_url`` says where."""
    chosen = ServerOptions(port=0, **options)
    listener = listen(chosen)
    port = listener.getsockname()[1]
    app = create_app(predictor, chosen)
    server = make_server(app, chosen)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as asking:
            until = time.monotonic() + 20
            while not server.started and time.monotonic() < until:
                time.sleep(0.01)
            asking.server = server  # type: ignore[attr-defined]
            asking.service = app.state.service  # type: ignore[attr-defined]
            yield asking
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive(), "the server did not stop"


@contextlib.contextmanager
def as_process(model: Path, *words: str, **environment: str) -> Iterator[tuple[subprocess.Popen[bytes], str, Path]]:
    """The command itself: the process, its address, and the file with all that it wrote."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        said = Path(folder) / "said.txt"
        known = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
        with said.open("wb") as out:
            command = [CXRLENS, "serve", "--model", model, "--port", "0", *words]
            process = subprocess.Popen(command, stdout=out, stderr=out, env=known)
        try:
            until = time.monotonic() + 60
            while b"http://" not in said.read_bytes() and process.poll() is None and time.monotonic() < until:
                time.sleep(0.05)
            text = said.read_text()
            assert "http://" in text, text
            yield process, "http://" + text.partition("http://")[2].split()[0], said
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(30)


@contextlib.contextmanager
def plugged(asking: httpx.Client) -> Iterator[socket.socket]:
    """A bare connection, for clients that misbehave."""
    with socket.create_connection(("127.0.0.1", asking.base_url.port or 0), timeout=20) as raw:
        yield raw


def answer_on(raw: socket.socket) -> bytes:
    """All that comes until the server hangs up."""
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := raw.recv(65536):
            parts.append(part)
    return b"".join(parts)


def eventually(holds: Any, seconds: float = 10.0) -> bool:
    """Whether it comes to hold."""
    until = time.monotonic() + seconds
    while not holds() and time.monotonic() < until:
        time.sleep(0.01)
    return bool(holds())
