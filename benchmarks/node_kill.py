"""A node killed in mid-work: is every image answered exactly once, and how fast is it beside judging alone?

    python benchmarks/node_kill.py MODEL [--images 1000] [--kills 2] [--senders 4] [--ahead 48] [--archive orthanc]

Synthetic radiographs, each with UIDs of its own, are sent by several senders at once, who send again whatever was not
acknowledged. They go on as images are delivered, never more than ``--ahead`` before that, so that the kills come in
the middle of their sending: ``cxrlens node`` is killed with SIGKILL at random moments and started again. The archive is
an Orthanc or dcmtk's storescp, in a process of its own. At the end the structured reports it holds are counted by the
image that they are about. Judging alone is the same images, decoded, judged with heat-maps and (further figures) made
into DICOM objects on as many threads, or by as many processes, without network, queue or disk.
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
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

import cxrlens
from cxrlens.cores import usable_cores
from cxrlens.serving.dicom.results import KINDS, ResultOptions, build_results, to_bytes
from cxrlens.serving.node.judging import AT_ONCE
from cxrlens.serving.node.ledger import count_states
from cxrlens.serving.node.making import Apart, Here, Making
from cxrlens.sources.reading import decode_radiograph
from node_senders import Sending, make_images

_TURNS = 5


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Node:
    """``cxrlens node`` in a process of its own."""

    def __init__(self, model: str, folder: Path, archive: str) -> None:
        self.port, self.queue, self.log, self.spent = free_port(), folder / "queue", folder / "node.log", 0.0
        self._words = ["--model", model, "--queue", str(self.queue), "--port", str(self.port), "--send", archive]

    def start(self) -> None:
        """Return when it listens."""
        command = [sys.executable, "-m", "cxrlens", "node", *self._words]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log.open("ab"), env=environment)
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise SystemExit(f"the node did not start: {self.log.read_text()}")

    def cpu_seconds(self) -> float:
        """CPU time of this process and those that it started, so far (Linux)."""
        parent = self._process.pid
        children = Path(f"/proc/{parent}/task").glob("*/children")
        names = [parent, *(name for file in children for name in file.read_text().split())]
        ticks = 0
        for name in names:
            values = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
            ticks += int(values[11]) + int(values[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def end(self, how: int) -> None:
        """Send a signal, and wait."""
        if self._process.poll() is None:
            self.spent += self.cpu_seconds()
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


def source_of(report: Dataset) -> str:
    """The image that a report is about."""
    evidence = report.CurrentRequestedProcedureEvidenceSequence[0]
    return str(evidence.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID)


def alone(model: str, images: list[Dataset]) -> dict[str, float]:
    """Images a second: decoded and judged with heat-maps; made into DICOM objects besides, by threads and apart."""
    predictor = cxrlens.load(model, threads=1)
    sources = [_bytes(image) for image in images]
    groups = [sources[start : start + AT_ONCE] for start in range(0, len(sources), AT_ONCE)]

    def judge(group: list[bytes]) -> None:
        predictor.judge([decode_radiograph(source, Path("image")) for source in group], cam=True)

    def make(making: Making, group: list[bytes]) -> None:
        films = [decode_radiograph(source, Path("image")) for source in group]
        for source, film, answer in zip(group, films, predictor.judge(films, cam=True), strict=True):
            assert not isinstance(making.make(source, answer, film, tuple(KINDS)), str)

    apart = Apart()
    works = {
        "judging": judge,
        "judging and making objects in threads": partial(make, Here()),
        "judging and making objects in processes": partial(make, apart),
    }
    try:
        return _rates(works, groups)
    finally:
        apart.close()


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


def _rates(works: dict[str, Callable[[list[bytes]], None]], groups: list[list[bytes]]) -> dict[str, float]:
    """Images a second of each, a few images of one after a few of the other: what else the machine does is for all."""
    spent = dict.fromkeys(works, 0.0)
    with ThreadPoolExecutor(usable_cores()) as pool:
        for work in works.values():
            list(pool.map(work, groups[:4]))  # warm
        for turn in range(_TURNS):
            for name, work in works.items():
                start = time.perf_counter()
                list(pool.map(work, groups[turn::_TURNS]))
                spent[name] += time.perf_counter() - start
    count = sum(len(group) for group in groups)
    return {name: count / seconds for name, seconds in spent.items()}


def main() -> int:
    """Run it and print what was found; 1 where an image was not answered exactly once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--senders", type=int, default=4)
    parser.add_argument("--ahead", type=int, default=48, help="images sent and not delivered yet, at most")
    parser.add_argument("--size", type=int, default=256, help="side of an image in pixels")
    parser.add_argument("--archive", choices=("orthanc", "storescp"), default="orthanc")
    parser.add_argument("--seed", type=int, default=None, help="of the moments; another one each time by default")
    options = parser.parse_args()
    seed = random.randrange(10**6) if options.seed is None else options.seed
    chance = random.Random(seed)
    images = make_images(options.images, options.size)
    rates = alone(options.model, images[:200])
    kinds = ", ".join(f"{kind} {spent:.0f}" for kind, spent in cost(options.model, images[:40]).items())
    with tempfile.TemporaryDirectory(prefix="node-kill-") as name:
        folder = Path(name)
        archive = Orthanc(folder) if options.archive == "orthanc" else StoreScp(folder)
        node = Node(options.model, folder, archive.peer)
        archive.start()
        try:
            node.start()
            seconds, down, sending = run(node, images, options, chance)
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
    print(
        f"  {sending.cut} stores cut off by the kills, {sending.attempts - options.images} images sent again or put off"
    )
    for name, other in rates.items():
        print(f"  {name} alone {other:.1f} images/s: ratio {rate / other:.2f}; {up / other:.2f} without that time")
    print(f"  CPU of the node and its helpers, starts included: {node.spent / options.images * 1000:.0f} ms an image")
    print(f"  CPU of making objects, ms an image: {kinds}")
    return 0 if times[1] == options.images and not strangers else 1


def run(
    node: Node, images: list[Dataset], options: argparse.Namespace, chance: random.Random
) -> tuple[float, float, Sending]:
    """Send, kill and start again; seconds until all is delivered and in which no node listened, and the senders."""
    sending = Sending(images, options.senders, node.port, options.ahead)
    start, down = time.perf_counter(), 0.0
    for thread in sending.threads:
        thread.start()
    try:
        for share in sorted(chance.uniform(0.05, 0.9) for _ in range(options.kills)):
            _wait_for(node, sending, round(share * len(images)))
            states = count_states(node.queue)
            killed = time.perf_counter()
            node.end(signal.SIGKILL)
            left = len(images) - len(sending.acknowledged)
            print(f"  killed with {left} still to be acknowledged to their senders; {states}", file=sys.stderr)
            if not left:
                raise SystemExit("all was sent before a kill: choose a smaller --ahead")
            node.start()
            down += time.perf_counter() - killed
        _wait_for(node, sending, len(images))
        for thread in sending.threads:
            thread.join()
        return time.perf_counter() - start, down, sending
    finally:
        sending.stop.set()


def _wait_for(node: Node, sending: Sending, delivered: int) -> None:
    while sending.delivered < delivered:
        states = count_states(node.queue)
        sending.delivered = states["delivered"]
        if states["failed"]:
            raise SystemExit(f"images failed: {node.log.read_text()}")
        time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main())
