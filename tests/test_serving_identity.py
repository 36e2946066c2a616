"""Which model answered: its weights, its calibration and its gate, and not the weights alone."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("onnx", reason="the extra 'serve' is not installed")
pytest.importorskip("highdicom", reason="the extra 'dicom' is not installed")
pytest.importorskip("pynetdicom", reason="the extra 'dicom' is not installed")
import onnx

import cxrlens
from cxrlens.serving.dicom.results import build_results
from cxrlens.serving.folder import CLOUDS, GOLDEN, INT8, LAYERS, MANIFEST, MODEL, ModelFolder
from cxrlens.serving.identity import identity_of
from cxrlens.serving.node.finding import report_uids
from cxrlens.serving.node.queue import Queue
from cxrlens.serving.node.states import Accepted, Outcome
from node_peers import file_bytes, phantom_dataset


def put(root: Path, name: str, data: bytes) -> None:
    """A file of an exported model, with its hash in the manifest."""
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_bytes(data)
    manifest = json.loads((root / MANIFEST).read_text())
    manifest["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    (root / MANIFEST).write_text(json.dumps(manifest))


@pytest.fixture(scope="module")
def recalibrated(exported: Path, tmp_path_factory) -> Path:
    """The same weights and gate with another temperature."""
    root = Path(shutil.copytree(exported, tmp_path_factory.mktemp("recalibrated") / "model"))
    graph = onnx.load(root / MODEL)
    (entry,) = [each for each in graph.metadata_props if each.key == "cxrlens"]
    told = json.loads(entry.value)
    told["calibration"]["temperature"] *= 2
    entry.value = json.dumps(told)
    put(root, MODEL, graph.SerializeToString())
    return root


def test_a_recalibrated_model_has_the_weights_of_the_one_before_and_is_another(exported, recalibrated):
    before, after = (cxrlens.load(root, threads=1) for root in (exported, recalibrated))
    assert before.network.hash == after.network.hash
    assert before.identity != after.identity
    assert before.identity == identity_of(ModelFolder(exported)) == cxrlens.load(exported, threads=1).identity


def test_its_objects_are_others_and_pull_does_not_take_the_earlier_report_for_its_own(exported, recalibrated):
    source = file_bytes(phantom_dataset(0))
    made = {
        root: build_results(source, cxrlens.load(root, threads=1)(source, cam=True))
        for root in (exported, recalibrated)
    }
    for what in ("SOPInstanceUID", "SeriesInstanceUID", "DeviceSerialNumber"):
        first, second = ({str(ds[what].value) for ds in each} for each in made.values())
        assert not first & second, what
    for root, objects in made.items():
        for other in made:
            uids = report_uids(str(phantom_dataset(0).SOPInstanceUID), cxrlens.load(other, threads=1).identity, True)
            assert (str(objects[0].SOPInstanceUID) in uids) == (root == other)


def test_an_image_that_the_model_before_answered_is_taken_anew(exported, recalibrated, tmp_path):
    identities = [cxrlens.load(root, threads=1).identity for root in (exported, recalibrated)]
    told = []
    for identity in (*identities, identities[1]):
        queue = Queue(tmp_path / "queue", identity)
        told.append(queue.accept("1.2.3", b"image"))
        queue.judged({image: [b"report"] for image in queue.take(4)})
        for parcel in queue.outgoing(4):
            queue.settle(parcel, {0: Outcome.TAKEN})
        queue.close()
    assert told == [Accepted.NEW, Accepted.NEW, Accepted.AGAIN]


def test_what_decides_an_answer_counts_and_what_only_shows_does_not(copied):
    def identity(**how) -> str:
        return identity_of(ModelFolder(copied), **how)

    first = identity()
    put(copied, INT8, b"<net/>")
    put(copied, INT8.replace(".xml", ".bin"), b"weights")
    quantised = identity(quantised=True)
    for name in (LAYERS, "MODEL_CARD.md", GOLDEN):
        put(copied, name, b"another")
    assert identity() == first
    assert quantised != first
    put(copied, INT8.replace(".xml", ".bin"), b"other weights")
    assert identity(quantised=True) not in (quantised, first)
    put(copied, CLOUDS, b"another gate")
    assert identity() != first
