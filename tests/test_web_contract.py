"""Every route of the API, held to what the predictor says in Python."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import httpx
import numpy as np
import pydicom
import pytest
from PIL import Image

import cxrlens
from cxrlens import RESEARCH_ONLY
from cxrlens.serving.predictor import Predictor
from cxrlens.serving.web.schema import KeptPrediction, MapTold, ModelTold, PredictionRow, Predictions, ProblemDetails
from web_server import NAME, dicom, film, on_a_port


@pytest.fixture(scope="module")
def predictor(exported: Path) -> Predictor:
    return cxrlens.load(exported, threads=1)


@pytest.fixture(scope="module")
def api(predictor: Predictor):
    with on_a_port(predictor) as asking:
        yield asking


def ask(api: httpx.Client, *files: bytes, **query: str) -> list[dict]:
    parts = [("files", (f"{i}.png", data, "application/x-nonsense")) for i, data in enumerate(files)]
    answer = api.post("/v1/predictions", files=parts, params=query)
    assert answer.status_code == 200, answer.text
    Predictions.model_validate(answer.json(), extra="forbid")
    assert answer.json()["notice"] == RESEARCH_ONLY
    return answer.json()["predictions"]


def without(row: dict, *names: str) -> dict:
    return {name: value for name, value in row.items() if name not in names}


def refusal(answer, status: int, kind: str) -> str:
    """The detail of a problem, which must be one and of one line."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = ProblemDetails.model_validate(answer.json())
    assert (told.status, told.type) == (status, f"urn:cxrlens:problem:{kind}")
    assert "\n" not in told.detail
    return told.detail


@pytest.mark.parametrize("data", [film(0), film(1), dicom(2)], ids=["png", "png", "dicom"])
def test_a_row_is_what_python_says_with_an_id(api: httpx.Client, predictor: Predictor, data: bytes):
    expected = predictor(data).to_dict()
    (row,) = ask(api, data)
    assert without(row, "id", "image", "cam") == without(expected, "image", "cam")
    assert list(row) == ["id", *expected]
    assert row["cam"] == f"/v1/predictions/{row['id']}/cam"
    assert len(row["id"]) >= 22, "128 bits and more"


def test_rows_come_in_order_and_a_broken_file_is_one_of_them(api: httpx.Client, predictor: Predictor):
    data = [film(0), b"no picture", film(1)[:900], dicom(2), b"", np.full((64, 64), 255, np.uint8).tobytes()]
    rows = ask(api, *data)
    assert [row["image"] for row in rows] == [f"{i}.png" for i in range(len(data))]
    assert [row["status"] == "error" for row in rows] == [False, True, True, False, True, True]
    assert rows[0]["probabilities"] == predictor(data[0]).to_dict()["probabilities"]
    assert "text" in rows[1]["reason"]
    assert rows[1]["cam"] is None
    assert len({row["id"] for row in rows}) == len(rows)


@pytest.mark.parametrize("kind", ["image/png", "application/octet-stream", "text/plain", "application/dicom", None,
                                  "application/x-www-form-urlencoded", "nonsense"])  # fmt: skip
def test_one_file_may_be_the_body_whatever_its_type_is_called(
    api: httpx.Client, predictor: Predictor, kind: str | None
):
    answer = api.post("/v1/predictions", content=film(0), headers={"Content-Type": kind} if kind else {})
    (row,) = answer.json()["predictions"]
    assert row["probabilities"] == predictor(film(0)).to_dict()["probabilities"]


def test_what_is_no_image_is_refused_where_it_is_the_only_one(api: httpx.Client):
    assert "text" in refusal(api.post("/v1/predictions", content=b"hello, I am text"), 415, "no-image")
    assert "torn" in refusal(api.post("/v1/predictions", content=film(0)[:900]), 422, "no-image")
    assert "empty" in refusal(api.post("/v1/predictions", content=b""), 422, "no-image")
    refusal(api.post("/v1/predictions", json={"image": "film.png"}), 415, "content-type")
    many = dicom(0, NumberOfFrames=4)
    assert "frames" in refusal(api.post("/v1/predictions", content=many), 422, "no-image")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"--x\r\n", "multipart/form-data; boundary=x"),
        (b"--x--\r\n", "multipart/form-data; boundary=x"),
        (b"nothing of the kind", "multipart/form-data; boundary=x"),
        (b"", "multipart/form-data; boundary=x"),
        (b"--x\r\n\r\ndata\r\n--x--\r\n", "multipart/form-data; boundary=x"),
        (b'--x\r\nContent-Disposition: form-data; name="files"\r\n\r\nda', "multipart/form-data; boundary=x"),
        (b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\na\r\n--x--', "multipart/form-data; boundary=x"),
        (b"--x--\r\n", "multipart/form-data"),
        (b"--x--\r\n", "multipart/form-data; boundary=" + "x" * 3000),
        (b"--x\r\n" + b"A: b\r\n" * 5000 + b"\r\n\r\n--x--", "multipart/form-data; boundary=x"),
    ],
)
def test_a_garbled_form_is_one_line(api: httpx.Client, body: bytes, kind: str):
    refusal(api.post("/v1/predictions", content=body, headers={"Content-Type": kind}), 422, "form")


def test_the_film_is_given_as_it_was_judged(api: httpx.Client, predictor: Predictor):
    lying = np.rot90(np.asarray(Image.open(io.BytesIO(film(3)))))
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(lying)).save(buffer, "PNG")
    for data in (film(3), buffer.getvalue(), dicom(1)):
        (row,) = ask(api, data)
        answer = api.get(f"/v1/predictions/{row['id']}/pixels")
        rows, columns = int(answer.headers["x-rows"]), int(answer.headers["x-columns"])
        pixels = np.frombuffer(answer.content, "<u2").reshape(rows, columns)
        judged = predictor(data, cam=True).heat_map
        assert judged is not None
        assert np.abs(pixels / 65535 - judged.pixels).max() <= 0.5 / 65535 + 1e-7
        kept = api.get(f"/v1/predictions/{row['id']}").json()
        KeptPrediction.model_validate(kept, extra="forbid")
        assert (kept["rows"], kept["columns"]) == judged.pixels.shape
        assert without(kept, "rows", "columns") == row


def test_a_large_film_is_kept_at_the_size_of_a_screen(api: httpx.Client):
    wide = np.zeros((30, 4096), np.uint8)
    wide[:, 2048:] = 200
    buffer = io.BytesIO()
    Image.fromarray(wide).save(buffer, "PNG")
    (row,) = ask(api, buffer.getvalue())
    answer = api.get(f"/v1/predictions/{row['id']}/pixels")
    assert (answer.headers["x-rows"], answer.headers["x-columns"]) == ("15", "2048")
    pixels = np.frombuffer(answer.content, "<u2").reshape(15, 2048)
    assert pixels[0, 0] == 0
    assert pixels[-1, -1] == round(200 / 255 * 65535)


def test_heat_maps_are_those_of_python(api: httpx.Client, predictor: Predictor):
    data = film(0)
    (row,) = ask(api, data)
    layers = api.get("/v1/model").json()["layers"]
    assert layers == list(predictor.network.layers)
    for layer in ("deepest", *layers):
        for label in predictor.network.classes:
            expected = predictor(data, cam=True, target=label, layer=layer).heat_map
            assert expected is not None
            query = {"target": label, "layer": layer}
            heat = api.get(row["cam"], params={**query, "kind": "heat"})
            picture = Image.open(io.BytesIO(heat.content))
            assert picture.mode == "L"
            assert np.abs(np.asarray(picture) / 255 - expected.heat).max() < 0.5 / 255 + 1e-4
            over = Image.open(io.BytesIO(api.get(row["cam"], params={**query, "opacity": 0.4}).content))
            assert over.mode == "RGB"
            drawn = expected.overlay(0.4)
            assert np.abs(np.asarray(over).astype(int)[: len(drawn)] - drawn).max() <= 1
            assert expected.doubts is not None
            assert (over.height > len(drawn)) == expected.doubts.flagged, "a flagged map has a strip below it"
            assert over.text.get("Warning", "") == expected.doubts.sentence
            assert over.text["Comment"] == RESEARCH_ONLY
            assert label in over.text["Title"]


def test_the_flag_of_a_map_is_pythons(api: httpx.Client, predictor: Predictor):
    data = film(0)
    (row,) = ask(api, data)
    assert row["heat_map"] is None, "nobody asked for the map yet"
    for query in ({}, {"target": "Pneumonia"}, {"target": "Normal", "layer": "features.block3"}):
        answer = api.get(f"/v1/predictions/{row['id']}/flag", params=query)
        told = MapTold.model_validate(answer.json(), extra="forbid")
        expected = predictor(data, cam=True, **query).judged_map.to_dict()
        assert told.measures == pytest.approx(expected["measures"], abs=1e-4)
        assert (told.target, told.layer, told.flagged) == (expected["target"], expected["layer"], expected["flagged"])
        assert set(told.reasons) == set(expected["reasons"])
    kept = api.get(f"/v1/predictions/{row['id']}").json()
    assert kept["heat_map"] == api.get(f"/v1/predictions/{row['id']}/flag").json()
    assert without(kept, "rows", "columns", "heat_map") == without(row, "heat_map")


def test_a_risk_is_told_beside_an_answer(api: httpx.Client, predictor: Predictor):
    rows = ask(api, *(film(number) for number in range(8)))
    assert {row["status"] for row in rows} == {"answered", "not sure"}
    for row, number in zip(rows, range(8), strict=True):
        expected = predictor(film(number)).to_dict()["risk"]
        assert row["risk"] == expected
        assert (expected is None) == (row["status"] != "answered")


def test_the_class_asked_for_is_the_one_explained_until_another_is(api: httpx.Client):
    (row,) = ask(api, film(0), target="Pneumonia")
    given = api.get(row["cam"])
    assert given.content == api.get(row["cam"], params={"target": "Pneumonia"}).content
    assert given.content != api.get(row["cam"], params={"target": "Normal"}).content
    assert "Pneumonia" in Image.open(io.BytesIO(given.content)).text["Title"]


@pytest.mark.parametrize("query", ["target=Nobody", "layer=nowhere", "kind=hot", "opacity=2", "opacity=nan"])
def test_a_wrong_option_of_a_map_is_one_line(api: httpx.Client, query: str):
    (row,) = ask(api, film(0))
    answer = api.get(f"{row['cam']}?{query}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_refused_film_is_shown_and_not_explained(api: httpx.Client):
    buffer = io.BytesIO()
    Image.new("L", (128, 128), 128).save(buffer, "PNG")
    (row,) = ask(api, buffer.getvalue())
    assert (row["status"], row["cam"], row["probabilities"]) == ("refused", None, None)
    assert api.get(f"/v1/predictions/{row['id']}/pixels").status_code == 200
    for part in ("cam", "flag"):
        assert "blank" in refusal(api.get(f"/v1/predictions/{row['id']}/{part}"), 409, "no-class")
    assert api.get(f"/v1/predictions/{row['id']}/pdf").content.startswith(b"%PDF")


def test_an_error_has_no_film_and_says_so(api: httpx.Client):
    _film, broken = ask(api, film(0), b"text")
    for part in ("pixels", "pdf"):
        refusal(api.get(f"/v1/predictions/{broken['id']}/{part}"), 409, "no-image")
    for part in ("cam", "flag"):
        refusal(api.get(f"/v1/predictions/{broken['id']}/{part}"), 409, "no-image")
    refusal(api.get(f"/v1/predictions/{broken['id']}/dicom"), 409, "not-dicom")
    assert api.get(f"/v1/predictions/{broken['id']}").json()["rows"] is None


def test_the_pdf_is_one_page_that_tells_everything_and_names_nobody(api: httpx.Client, predictor: Predictor):
    answer = api.post("/v1/predictions", files=[("files", (f"{NAME}.dcm", dicom(0)))])
    (row,) = answer.json()["predictions"]
    page = api.get(f"/v1/predictions/{row['id']}/pdf")
    assert page.headers["content-type"] == "application/pdf"
    assert page.headers["content-disposition"].startswith("attachment")
    assert page.content.count(b"/Type /Page ") + page.content.count(b"/Type /Page\n") == 1
    for name in NAME.split("^"):
        assert name.encode() not in page.content
        assert name not in page.headers["content-disposition"]


def test_dicom_objects_refer_to_the_upload(api: httpx.Client):
    pytest.importorskip("highdicom")
    source = pydicom.dcmread(io.BytesIO(dicom(1)))
    (row,) = ask(api, dicom(1))
    packed = api.get(f"/v1/predictions/{row['id']}/dicom")
    assert packed.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(packed.content)) as folder:
        assert folder.testzip() is None
        objects = [pydicom.dcmread(io.BytesIO(folder.read(name))) for name in folder.namelist()]
        assert not any(part in name for name in folder.namelist() for part in ("Nachtigall", "4711"))
    assert "SR" in [each.Modality for each in objects]
    for each in objects:
        assert each.StudyInstanceUID != ""
        assert str(source.SOPInstanceUID) in str(each)
    (other,) = ask(api, film(1))
    refusal(api.get(f"/v1/predictions/{other['id']}/dicom"), 409, "not-dicom")


def test_dicom_objects_without_the_library_are_told_of(api: httpx.Client, monkeypatch: pytest.MonkeyPatch):
    (row,) = ask(api, dicom(1))
    monkeypatch.setattr("cxrlens.serving.dicom.installed", lambda: False)
    assert "pip install" in refusal(api.get(f"/v1/predictions/{row['id']}/dicom"), 501, "dicom-not-installed")


def test_a_result_is_forgotten_when_asked(api: httpx.Client):
    (row,) = ask(api, film(0))
    assert api.delete(f"/v1/predictions/{row['id']}").status_code == 204
    for part in ("", "/pixels", "/cam", "/flag", "/pdf", "/dicom"):
        refusal(api.get(f"/v1/predictions/{row['id']}{part}"), 410, "gone")
    refusal(api.delete(f"/v1/predictions/{row['id']}"), 410, "gone")
    refusal(api.get("/v1/predictions/never"), 404, "unknown-id")


def test_the_model_is_told(api: httpx.Client, predictor: Predictor):
    told = api.get("/v1/model").json()
    ModelTold.model_validate(told, extra="forbid")
    assert told["classes"] == list(predictor.network.classes)
    assert told["hash"] == predictor.network.hash
    assert told["measured_on"] == predictor.network.measured_on
    assert (told["gate"], told["calibrated"], told["notice"]) == (True, True, RESEARCH_ONLY)
    assert told["coverage"] == 0.9


def test_health_and_metrics_count_what_was_asked(predictor: Predictor):
    with on_a_port(predictor) as api:
        assert api.get("/health").json() == {"status": "ok"}
        assert api.get("/ready").json() == {"status": "ready"}
        ask(api, film(0), film(1), b"text")
        api.get("/no/Nachtigall/here")
        text = api.get("/metrics").text
    assert 'cxrlens_requests_total{method="POST",route="/v1/predictions",status="200"} 1.0' in text
    assert 'cxrlens_radiographs_total{status="error"} 1.0' in text
    assert "cxrlens_queue_depth 0.0" in text
    assert "cxrlens_results_kept 3.0" in text
    assert 'cxrlens_problems_total{kind="not-found"} 1.0' in text
    assert "cxrlens_faults_total 0.0" in text
    assert "Nachtigall" not in text


def test_every_error_is_a_problem(api: httpx.Client):
    refusal(api.get("/nowhere"), 404, "not-found")
    assert api.put("/v1/predictions").headers["allow"] == "POST"
    refusal(api.put("/v1/predictions"), 405, "method-not-allowed")
    refusal(api.get("/docs"), 404, "not-found")
    refusal(api.get("/static/../app.py"), 404, "not-found")
    refusal(api.get("/static/%2e%2e/app.py"), 404, "not-found")


def test_the_description_has_an_example_that_is_valid(api: httpx.Client):
    told = api.get("/openapi.json").json()
    rows = told["components"]["schemas"]["PredictionRow"]["examples"]
    for row in rows:
        PredictionRow.model_validate(row, extra="forbid")
    for path, operations in told["paths"].items():
        for operation in operations.values():
            assert operation["summary"], path
            assert all("application/json" not in r.get("content", {}) or s == "200"
                       for s, r in operation["responses"].items()), path  # fmt: skip
    assert json.dumps(told).count("urn:cxrlens:problem:queue-full") == 1
