"""From an accepted image to its results: whatever goes wrong with one image, the others are answered."""

import random
from dataclasses import replace

import pydicom
import pytest

pytest.importorskip("pynetdicom", reason="the extra 'dicom' is not installed")
pytest.importorskip("onnxruntime", reason="the extra 'serve' is not installed")
import cxrlens
from cxrlens.errors import OptionError
from cxrlens.serving.dicom.results import build_results
from cxrlens.serving.folder import ModelError
from cxrlens.serving.node import making
from cxrlens.serving.node.door import refuse
from cxrlens.serving.node.finding import report_uids
from cxrlens.serving.node.judging import MOST_ATTEMPTS, Judge, kinds_of
from cxrlens.serving.node.ledger import count_states
from cxrlens.serving.node.queue import Queue
from cxrlens.serving.node.tally import Tally
from node_peers import file_bytes, phantom_dataset, source_of


@pytest.fixture(scope="module")
def predictor(exported):
    return cxrlens.load(exported, threads=1)


@pytest.fixture
def queue(tmp_path, predictor):
    made = Queue(tmp_path / "queue", predictor.identity)
    yield made
    made.close()


def fill(queue, *datasets):
    for dataset in datasets:
        queue.accept(str(dataset.SOPInstanceUID), file_bytes(dataset))


def results(queue) -> dict[str, list[pydicom.Dataset]]:
    """By the image they are about, the report first."""
    parcels = [[pydicom.dcmread(path) for path in parcel.parts.values()] for parcel in queue.outgoing(99)]
    return {source_of(datasets[0]): datasets for datasets in parcels}


class Spoilt:
    """A predictor that fails whenever a certain film is among those it is given."""

    def __init__(self, predictor, error) -> None:
        self._real, self._error = predictor, error
        self.network, self.unreadable = predictor.network, predictor.unreadable

    def judge(self, films, **how):
        if any(film.metadata.get("patient_id") == "POISON" for film in films):
            raise self._error
        return self._real.judge(films, **how)


@pytest.mark.parametrize("error", [RuntimeError("of onnxruntime"), MemoryError(), ValueError("of OpenCV")])
def test_one_image_that_breaks_the_network_is_answered_so_and_the_others_as_ever(queue, predictor, error):
    films = [phantom_dataset(number) for number in range(4)]
    films[2].PatientID = "POISON"
    fill(queue, *films)
    Judge(queue, Spoilt(predictor, error), Tally()).step()
    flags = {uid: datasets[0].CompletionFlag for uid, datasets in results(queue).items()}
    assert [flags[film.SOPInstanceUID] for film in films] == ["COMPLETE", "COMPLETE", "PARTIAL", "COMPLETE"]


def test_where_the_picture_cannot_be_made_the_report_is_sent_alone(queue, predictor, monkeypatch):
    real = making.build_results

    def build(source, prediction, options):
        if len(options.kinds) > 1:
            raise ValueError("a header that nobody foresaw")
        return real(source, prediction, options)

    monkeypatch.setattr(making, "build_results", build)
    fill(queue, phantom_dataset(0))
    Judge(queue, predictor, Tally()).step()
    ((report,),) = results(queue).values()
    assert report.Modality == "SR"


def test_an_image_without_any_report_fails_with_the_reason_and_nothing_of_itself(queue, predictor, monkeypatch):
    monkeypatch.setattr(making, "build_results", lambda *_: (_ for _ in ()).throw(KeyError("Phantom^Nobody0")))
    fill(queue, phantom_dataset(0))
    Judge(queue, predictor, Tally()).step()
    assert count_states(queue.folder)["failed"] == 1
    assert queue._ledger.read("SELECT note FROM images") == [("no report can be made (KeyError)",)]
    assert not list(queue.folder.glob("incoming/*"))


def test_an_image_that_ended_the_process_again_and_again_is_given_up(queue, predictor):
    fill(queue, phantom_dataset(0))
    with queue._ledger.transaction() as do:
        do.execute("UPDATE images SET attempts = ?", (MOST_ATTEMPTS,))
    Judge(queue, predictor, Tally()).step()
    assert count_states(queue.folder)["failed"] == 1


def test_an_image_whose_file_is_gone_fails_alone(queue, predictor):
    fill(queue, phantom_dataset(0))
    for path in queue.folder.glob("incoming/*"):
        path.unlink()
    fill(queue, phantom_dataset(1))
    Judge(queue, predictor, Tally()).step()
    assert count_states(queue.folder) == {"received": 0, "judged": 1, "delivered": 0, "failed": 1}


@pytest.mark.filterwarnings("ignore:.*:UserWarning")  # pydicom's, of the spoilt values
def test_whatever_the_bytes_of_a_header_are_an_object_is_refused_or_answered(queue, predictor):
    """Bytes of the header altered, cut out and put in: nothing fails, nothing is left standing."""
    whole, named = file_bytes(phantom_dataset(0)), phantom_dataset(0)
    header = len(whole) - len(named.PixelData)
    chance = random.Random(4)
    taken = 0
    for _ in range(300):
        spoilt = bytearray(whole)
        for _ in range(chance.choice((1, 1, 2, 4))):
            place, what = chance.randrange(132, header - 40), chance.random()
            if what < 0.6:
                spoilt[place] = chance.randrange(256)
            elif what < 0.8:
                del spoilt[place : place + chance.randrange(1, 30)]
            else:
                spoilt[place:place] = chance.randbytes(chance.randrange(1, 20))
        refusal = refuse(bytes(spoilt), named.SOPClassUID, named.SOPInstanceUID)
        if refusal is None and taken < 24:
            taken += 1
            queue.accept(str(taken), bytes(spoilt))
        assert refusal is None or len(refusal.reason) <= 64
    assert taken == 24
    judge = Judge(queue, predictor, Tally())
    while judge.step():
        pass
    assert count_states(queue.folder) == {"received": 0, "judged": 24, "delivered": 0, "failed": 0}


def test_a_full_disk_holds_nothing_against_the_images(queue, predictor, monkeypatch):
    fill(queue, phantom_dataset(0))
    judge = Judge(queue, predictor, Tally())

    def no_space(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(queue._results.__class__, "write", no_space)
    for _ in range(MOST_ATTEMPTS + 2):
        with pytest.raises(OSError, match="No space"):
            judge.step()
    monkeypatch.undo()
    assert judge.step() == 1
    assert count_states(queue.folder)["judged"] == 1


def test_a_report_has_one_of_the_uids_that_pull_looks_for(queue, predictor):
    """The same image judged again gives the same objects; pull knows the report's UID before it has the image."""
    for photometric in ("MONOCHROME1", "MONOCHROME2"):
        dataset = phantom_dataset(0)
        dataset.PhotometricInterpretation = photometric
        source = file_bytes(dataset)
        uid, network = str(dataset.SOPInstanceUID), predictor.network
        for calibration in (network.calibration, None):
            asked = replace(predictor, network=replace(network, calibration=calibration))
            made = [build_results(source, asked(source, cam=True)) for _ in range(2)]
            assert [d.SOPInstanceUID for d in made[0]] == [d.SOPInstanceUID for d in made[1]]
            assert made[0][0].SOPInstanceUID in report_uids(uid, asked.identity, calibration is not None)
            assert made[0][0].SOPInstanceUID not in report_uids(uid, asked.identity, calibration is None)
            assert made[0][0].SOPInstanceUID not in report_uids(uid, "00" * 32, calibration is not None)


def test_kinds_of_results():
    assert kinds_of(())[0] == "report"
    assert kinds_of(("report",)) == ("report",)
    assert kinds_of(("picture",)) == ("report", "picture")
    with pytest.raises(OptionError, match="--result film"):
        kinds_of(("film",))


@pytest.mark.parametrize("error", [ModelError("lungs.onnx", "is missing", "export again"), OSError(116, "stale")])
def test_a_model_folder_that_broke_fails_no_image(queue, predictor, error):
    poisoned = phantom_dataset(2)
    poisoned.PatientID = "POISON"
    fill(queue, phantom_dataset(1), poisoned)
    with pytest.raises(type(error)):
        Judge(queue, Spoilt(predictor, error), Tally()).step()
    assert count_states(queue.folder)["received"] == 2
    assert [image.attempts for image in queue.take(4)] == [0, 0]
