"""Peers of a DICOM node for tests: phantoms as DICOM files, dcmtk's tools, an Orthanc, and the node as a process."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE, AllStoragePresentationContexts, evt

from cxrlens.labels import CLASSES
from cxrlens.sources.phantom import make_phantom

DCMTK = ("echoscu", "storescu", "storescp")
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")

needs_dcmtk = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in DCMTK), reason="dcmtk is not installed (Debian: dcmtk)"
)
ORTHANC = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")
needs_orthanc = pytest.mark.skipif(
    ORTHANC is None or not PLUGIN.is_file(),
    reason="Orthanc with its DICOMweb plugin is not installed (Debian: orthanc, orthanc-dicomweb)",
)


@pytest.fixture(scope="module", autouse=True)
def results_made_here() -> Iterator[None]:
    """For modules that import it: a node inside the test starts no processes, which would take longer than the test;
    :class:`NodeProcess` does."""
    from cxrlens.serving.node.making import Here

    with pytest.MonkeyPatch.context() as patch:
        for module in ("node", "pull"):
            patch.setattr(f"cxrlens.serving.node.{module}.Apart", Here)
        yield


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@lru_cache
def _film(seed: int, size: int) -> bytes:
    pixels = make_phantom(CLASSES[seed % 4], seed=300 + seed, size=size).pixels
    return np.rint(np.clip(pixels, 0, 1) * 4095).astype("<u2").tobytes()


def phantom_dataset(number: int = 0, size: int = 64) -> Dataset:
    """A synthetic CR image in a study of its own; the same number gives the same UIDs and bytes."""
    uid = [f"1.2.826.0.1.3680043.10.1.{number}.{level}" for level in (1, 2, 3)]
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = ComputedRadiographyImageStorage
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID = uid
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.PatientName, dataset.PatientID = f"Phantom^Nobody{number}", f"P{number}"
    dataset.PatientBirthDate = dataset.PatientSex = dataset.AccessionNumber = dataset.StudyID = ""
    dataset.StudyDate, dataset.StudyTime, dataset.Modality = "20240115", "101500", "CR"
    dataset.ReferringPhysicianName = dataset.Manufacturer = dataset.BodyPartExamined = dataset.ViewPosition = ""
    dataset.SeriesNumber = dataset.InstanceNumber = 1
    dataset.PatientOrientation = ["L", "F"]
    dataset.Rows = dataset.Columns = size
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PixelRepresentation = 1, "MONOCHROME2", 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.WindowCenter, dataset.WindowWidth = 2048, 4096
    dataset.PixelData = _film(number % 8, size)
    return dataset


def file_bytes(dataset: Dataset) -> bytes:
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def write_phantoms(folder: Path, count: int, first: int = 0) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number}.dcm" for number in range(first, first + count)]
    for number, path in enumerate(paths, first):
        path.write_bytes(file_bytes(phantom_dataset(number)))
    return paths


def wait_for(what, seconds: float = 20.0):
    """The first true value of ``what()``."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        value = what()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"did not come within {seconds} s: {what}")


class Orthanc:
    """A real archive on loopback; its folder is kept when it is stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.http, self.dicom, self.node = folder, free_port(), free_port(), free_port()
        self.route = ""
        folder.mkdir(parents=True, exist_ok=True)
        self.web = f"http://127.0.0.1:{self.http}/dicom-web"
        self.peer = f"ORTHANC@127.0.0.1:{self.dicom}"
        self._process: subprocess.Popen | None = None

    def start(self) -> Orthanc:
        config = {
            "Name": "cxrlens test",
            "StorageDirectory": str(self.folder / "storage"),
            "IndexDirectory": str(self.folder / "storage"),
            "HttpPort": self.http,
            "DicomPort": self.dicom,
            "DicomAet": "ORTHANC",
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomModalities": {"cxrlens": ["CXRLENS", "127.0.0.1", self.node]},
            "LuaScripts": [str(self.folder / "route.lua")] if self.route else [],
            "Plugins": [str(PLUGIN)],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        }
        (self.folder / "route.lua").write_text(self.route)
        path = self.folder / "orthanc.json"
        path.write_text(json.dumps(config))
        log = (self.folder / "orthanc.log").open("ab")
        self._process = subprocess.Popen([ORTHANC, str(path)], stdout=log, stderr=log, cwd=self.folder)
        try:
            wait_for(self._answers, 30)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def get(self, path: str):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}", timeout=20) as answer:
            return json.load(answer)

    def put(self, data: bytes) -> None:
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}/instances", data, method="POST")
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert answer.status == 200

    def instances(self) -> list[Dataset]:
        """Every object it holds."""
        found = []
        for name in self.get("/instances"):
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/instances/{name}/file", timeout=20) as answer:
                found.append(pydicom.dcmread(io.BytesIO(answer.read())))
        return found

    def reports(self) -> list[Dataset]:
        return [each for each in self.instances() if each.Modality == "SR"]

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "orthanc.log").read_text()[-2000:]
        try:
            return bool(self.get("/system"))
        except OSError:
            return False


def source_of(report: Dataset) -> str:
    """SOP Instance UID of the image that a report is about: the one in its evidence."""
    evidence = report.CurrentRequestedProcedureEvidenceSequence
    return str(evidence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID)


class NodeProcess:
    """``cxrlens node`` as a user runs it."""

    def __init__(self, model: Path, queue: Path, *words: str, port: int | None = None) -> None:
        self.port, self.queue = port or free_port(), queue
        self._words = ["--model", str(model), "--queue", str(queue), "--port", str(self.port), *words]
        self.log = queue.with_name(f"{queue.name}.log")
        self._process: subprocess.Popen | None = None

    def start(self) -> NodeProcess:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "NO_PROXY": "127.0.0.1"}
        out = self.log.open("ab")
        command = [sys.executable, "-m", "cxrlens", "node", *self._words]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=out, env=environment)
        self.line = self._process.stdout.readline().decode()
        assert self.line, self.log.read_text()
        return self

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._process.stdout.close()
        self._process = None

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self._process.terminate()
        try:
            code = self._process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self._process.stdout.close()
        self._process = None
        return code

    @contextmanager
    def running(self) -> Iterator[NodeProcess]:
        self.start()
        try:
            yield self
        finally:
            if self._process is not None:
                self.kill()


def dcmtk(tool: str, port: int, *words: str | Path) -> subprocess.CompletedProcess:
    """One of dcmtk's clients; options first, then files."""
    options = [str(word) for word in words if str(word).startswith(("-", "+"))]
    files = [str(word) for word in words if str(word) not in options]
    command = [tool, "-v", "-aec", "CXRLENS", "-to", "20", *options, "127.0.0.1", str(port), *files]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


class CountingArchive:
    """A C-STORE archive in this process that counts what it is given, and says what it is told to say."""

    def __init__(self, status=lambda _: 0x0000, contexts=None) -> None:
        self.port, self.got, self._status = free_port(), [], status
        self.peer = f"COUNTER@127.0.0.1:{self.port}"
        self._contexts = contexts
        self._entity = None

    def start(self) -> CountingArchive:
        self._entity = AE("COUNTER")
        for context in self._contexts or AllStoragePresentationContexts:
            self._entity.add_supported_context(context.abstract_syntax, context.transfer_syntax)
        handlers = [(evt.EVT_C_STORE, self._store)]
        self._entity.start_server(("127.0.0.1", self.port), block=False, evt_handlers=handlers)
        return self

    def _store(self, event):
        status = self._status(event)
        if status is None:
            event.assoc.abort()
            return 0x0000
        if status == 0x0000:
            dataset = event.dataset
            dataset.file_meta = event.file_meta
            self.got.append(dataset)
        return status

    def stop(self) -> None:
        if self._entity is not None:
            self._entity.shutdown()
            self._entity = None

    @contextmanager
    def running(self) -> Iterator[CountingArchive]:
        self.start()
        try:
            yield self
        finally:
            self.stop()

    def reports(self) -> list[Dataset]:
        return [each for each in self.got if each.Modality == "SR"]
