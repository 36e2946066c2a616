"""A node killed in mid-work: is every image answered exactly once, and how fast is it beside judging alone?

    python benchmarks/node_kill.py MODEL [--images 1000] [--kills 2] [--senders 4] [--archive orthanc]

Synthetic radiographs, each with UIDs of its own, are sent by several senders at once, who send again whatever was not
acknowledged. ``cxrlens node`` is killed with SIGKILL at random moments and started again. The archive is an Orthanc or
dcmtk's storescp, in a process of its own. At the end the structured reports it holds are counted by the image that they
are about. Judging alone is the same images, decoded, judged with heat-maps and (second figure) made into DICOM objects
on as many threads, without network, queue or disk.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE

import cxrlens
from cxrlens.cores import usable_cores
from cxrlens.labels import CLASSES
from cxrlens.serving.dicom.results import KINDS, ResultOptions, build_results, to_bytes
from cxrlens.serving.node.checkpoint import mend
from cxrlens.serving.node.judging import AT_ONCE
from cxrlens.serving.node.ledger import count_states
from cxrlens.sources.phantom import make_phantom
from cxrlens.sources.reading import decode_radiograph

PLUGIN = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so"
FILMS = 32  # different pictures; UIDs and patients differ in all


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_images(count: int, size: int) -> list[Dataset]:
    """Synthetic CR images of as many patients."""
    films = [np.rint(make_phantom(CLASSES[i % 4], seed=i, size=size).pixels * 4095).astype("<u2") for i in range(FILMS)]
    return [_image(number, films[number % FILMS]) for number in range(count)]


def _image(number: int, film: np.ndarray) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = ComputedRadiographyImageStorage
    root = f"1.2.826.0.1.3680043.10.2.{number}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID = (f"{root}.{i}" for i in (1, 2, 3))
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.PatientName, dataset.PatientID, dataset.Modality = f"Phantom^{number}", f"P{number}", "CR"
    dataset.PatientBirthDate = dataset.PatientSex = dataset.AccessionNumber = dataset.StudyID = ""
    dataset.StudyDate, dataset.StudyTime, dataset.Manufacturer, dataset.ReferringPhysicianName = "20240115", "", "", ""
    dataset.SeriesNumber, dataset.InstanceNumber, dataset.PatientOrientation = 1, 1, ["L", "F"]
    dataset.Rows, dataset.Columns = film.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PixelRepresentation = 1, "MONOCHROME2", 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.WindowCenter, dataset.WindowWidth, dataset.PixelData = 2048, 4096, film.tobytes()
    return dataset


class Node:
    """``cxrlens node`` in a process of its own."""

    def __init__(self, model: str, folder: Path, archive: str) -> None:
        self.port, self.queue, self.log = free_port(), folder / "queue", folder / "node.log"
        self._words = ["--model", model, "--queue", str(self.queue), "--port", str(self.port), "--send", archive]

    def start(self) -> None:
        """Return when it listens."""
        command = [sys.executable, "-m", "cxrlens", "node", *self._words]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log.open("ab"), env=environment)
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise SystemExit(f"the node did not start: {self.log.read_text()}")

    def end(self, how: int) -> None:
        """Send a signal, and wait."""
        self._process.send_signal(how)
        self._process.wait(60)


class Orthanc:
    """An Orthanc on loopback."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._http, self._dicom = folder / "orthanc", free_port(), free_port()
        self.peer = f"ORTHANC@127.0.0.1:{self._dicom}"

    def start(self) -> None:
        """Return when it answers."""
        self._folder.mkdir()
        config = self._folder / "orthanc.json"
        settings = {
            "StorageDirectory": str(self._folder / "db"),
            "IndexDirectory": str(self._folder / "db"),
            "DicomAet": "ORTHANC",
            "HttpPort": self._http,
            "DicomPort": self._dicom,
            "AuthenticationEnabled": False,
            "RemoteAccessAllowed": False,
        }
        config.write_text(json.dumps(settings))
        log = (self._folder / "log").open("ab")
        self._process = subprocess.Popen(["Orthanc", str(config)], stdout=log, stderr=log)
        for _ in range(200):
            try:
                self._get("/system")
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise SystemExit("Orthanc did not start")

    def reports(self) -> list[Dataset]:
        """The structured reports that it holds."""
        series = [each for each in json.loads(self._get("/series?expand")) if each["MainDicomTags"]["Modality"] == "SR"]
        names = [name for each in series for name in each["Instances"]]
        return [pydicom.dcmread(io.BytesIO(self._get(f"/instances/{name}/file"))) for name in names]

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(60)

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._http}{path}", timeout=60) as answer:
            body: bytes = answer.read()
            return body


class StoreScp:
    """dcmtk's storescp, which writes a file for each SOP Instance UID."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._port = folder / "storescp", free_port()
        self.peer = f"STORESCP@127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it."""
        self._folder.mkdir()
        command = ["storescp", "--fork", "-od", str(self._folder), str(self._port)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(1)

    def reports(self) -> list[Dataset]:
        """The structured reports that it wrote."""
        return [pydicom.dcmread(path) for path in self._folder.glob("SR*")]

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(60)


def send_all(images: list[Dataset], port: int, acknowledged: set[str], stop: threading.Event) -> None:
    """Send what was not acknowledged, over associations that are made anew when they end, until all of it is."""
    entity = AE("SENDER")
    entity.add_requested_context(ComputedRadiographyImageStorage, ExplicitVRLittleEndian)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 30
    while not stop.is_set() and (left := [i for i in images if i.SOPInstanceUID not in acknowledged]):
        association = entity.associate("127.0.0.1", port)
        if not association.is_established:
            time.sleep(0.2)
            continue
        mend(association)
        for image in left:
            try:
                status = association.send_c_store(image).get("Status")
            except (RuntimeError, ValueError):
                break
            if status == 0x0000:
                acknowledged.add(str(image.SOPInstanceUID))
            elif status is None:
                break
            else:
                time.sleep(0.2)  # out of resources
        if association.is_established:
            association.release()


def source_of(report: Dataset) -> str:
    """The image that a report is about."""
    evidence = report.CurrentRequestedProcedureEvidenceSequence[0]
    return str(evidence.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID)


def alone(model: str, images: list[Dataset]) -> tuple[float, float]:
    """Images a second: decoded and judged with heat-maps; and made into DICOM objects besides."""
    predictor = cxrlens.load(model, threads=1)
    sources = [_bytes(image) for image in images]
    groups = [sources[start : start + AT_ONCE] for start in range(0, len(sources), AT_ONCE)]

    def judge(group: list[bytes]) -> None:
        predictor.judge([decode_radiograph(source, Path("image")) for source in group], cam=True)

    def make(group: list[bytes]) -> None:
        films = [decode_radiograph(source, Path("image")) for source in group]
        for source, film, answer in zip(group, films, predictor.judge(films, cam=True), strict=True):
            for dataset in build_results(source, answer, ResultOptions(film=film)):
                to_bytes(dataset)

    return _rate(judge, groups, len(sources)), _rate(make, groups, len(sources))


def cost(model: str, images: list[Dataset]) -> dict[str, float]:
    """CPU milliseconds an image of making each kind of object."""
    predictor, spent = cxrlens.load(model, threads=1), {}
    sources = [_bytes(image) for image in images]
    films = [decode_radiograph(source, Path("image")) for source in sources]
    answers = predictor.judge(films, cam=True)
    for kind in KINDS:
        start = time.process_time()
        for source, film, answer in zip(sources, films, answers, strict=True):
            for dataset in build_results(source, answer, ResultOptions((kind,), film)):
                to_bytes(dataset)
        spent[kind] = (time.process_time() - start) / len(images) * 1000
    return spent


def _bytes(image: Dataset) -> bytes:
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, image, enforce_file_format=True)
    return buffer.getvalue()


def _rate(work: Callable[[list[bytes]], None], groups: list[list[bytes]], count: int) -> float:
    with ThreadPoolExecutor(usable_cores()) as pool:
        list(pool.map(work, groups[:4]))  # warm
        start = time.perf_counter()
        list(pool.map(work, groups))
        return count / (time.perf_counter() - start)


def main() -> int:
    """Run it and print what was found; 1 where an image was not answered exactly once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--senders", type=int, default=4)
    parser.add_argument("--size", type=int, default=256, help="side of an image in pixels")
    parser.add_argument("--archive", choices=("orthanc", "storescp"), default="orthanc")
    parser.add_argument("--seed", type=int, default=None, help="of the moments; another one each time by default")
    options = parser.parse_args()
    seed = random.randrange(10**6) if options.seed is None else options.seed
    chance = random.Random(seed)
    images = make_images(options.images, options.size)
    judging, making = alone(options.model, images[:200])
    kinds = ", ".join(f"{kind} {spent:.0f}" for kind, spent in cost(options.model, images[:40]).items())
    with tempfile.TemporaryDirectory(prefix="node-kill-") as name:
        folder = Path(name)
        archive = Orthanc(folder) if options.archive == "orthanc" else StoreScp(folder)
        node = Node(options.model, folder, archive.peer)
        archive.start()
        try:
            node.start()
            seconds, down = run(node, images, options, chance)
            reports = archive.reports()
        finally:
            node.end(signal.SIGKILL)
            archive.stop()
    counts = Counter(source_of(report) for report in reports)
    times = Counter(counts[str(image.SOPInstanceUID)] for image in images)
    strangers = len(set(counts) - {str(image.SOPInstanceUID) for image in images})
    print(f"{options.images} synthetic images of {options.size} pixels, {options.senders} senders, {options.archive}, "
          f"{options.kills} kills, seed {seed}, {usable_cores()} cores")  # fmt: skip
    print(f"  answered exactly once {times[1]}, never {times[0]}, more than once "
          f"{sum(times.values()) - times[0] - times[1]}, reports on other images {strangers}")  # fmt: skip
    rate, up = options.images / seconds, options.images / (seconds - down)
    print(f"  {seconds:.1f} s from the first send to the last delivery; the node was down for {down:.1f} s of them")
    print(f"  {rate:.1f} images/s; {up:.1f} without the time it was down")
    for name, other in (("judging", judging), ("judging and making objects", making)):
        print(f"  {name} alone {other:.1f} images/s: ratio {rate / other:.2f}; {up / other:.2f} without that time")
    print(f"  CPU of making objects, ms an image: {kinds}")
    return 0 if times[1] == options.images and not strangers else 1


def run(node: Node, images: list[Dataset], options: argparse.Namespace, chance: random.Random) -> tuple[float, float]:
    """Send, kill and start again; seconds until all is delivered, and seconds in which no node listened."""
    acknowledged: set[str] = set()
    stop, start, down = threading.Event(), time.perf_counter(), 0.0
    shares = [images[i :: options.senders] for i in range(options.senders)]
    threads = [threading.Thread(target=send_all, args=(share, node.port, acknowledged, stop)) for share in shares]
    for thread in threads:
        thread.start()
    try:
        for share in sorted(chance.uniform(0.05, 0.95) for _ in range(options.kills)):
            while count_states(node.queue)["delivered"] < share * len(images):
                time.sleep(0.02)
            states = count_states(node.queue)
            killed = time.perf_counter()
            node.end(signal.SIGKILL)
            print(f"  killed with {len(acknowledged)} acknowledged; {states}", file=sys.stderr)
            node.start()
            down += time.perf_counter() - killed
        for thread in threads:
            thread.join()
        while count_states(node.queue)["delivered"] < len(images):
            time.sleep(0.05)
            if count_states(node.queue)["failed"]:
                raise SystemExit(f"images failed: {node.log.read_text()}")
        return time.perf_counter() - start, down
    finally:
        stop.set()


if __name__ == "__main__":
    sys.exit(main())
