"""The page in a real browser: what is dropped, what is said of it, the worklist, downloads, forgetting."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed (the extra dev)")
pytest.importorskip("fastapi", reason="the web framework is not installed (the extra serve)")

from playwright.sync_api import expect

from cxrlens import RESEARCH_ONLY
from cxrlens.labels import CLASSES
from page_actions import judged
from page_server import REPAIR
from serving_model import MEASURED

pytest_plugins = ["page_fixtures"]

DROP = """([names, data]) => {
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  const transfer = new DataTransfer();
  for (const name of names) transfer.items.add(new File([bytes], name));
  const zone = document.elementFromPoint(innerWidth / 2, innerHeight / 2);
  for (const type of ["dragenter", "dragover", "drop"]) {
    zone.dispatchEvent(new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }));
  }
}"""


def drop(page, path: Path, *names: str) -> None:
    """One file, under its own name or under several."""
    page.evaluate(DROP, [names or [path.name], base64.b64encode(path.read_bytes()).decode()])


def shares(page) -> dict[str, str]:
    rows = page.locator(".bars tbody tr")
    return {r.locator("th").inner_text(): r.locator("td.n").inner_text() for r in rows.all()}


def test_an_empty_page_says_what_to_do_who_it_is_for_and_what_it_is_not(open_page):
    page = open_page()
    expect(page.get_by_role("heading", name="Drop chest radiographs here")).to_be_visible()
    expect(page.get_by_role("button", name="Choose files")).to_be_visible()
    expect(page.locator("#empty")).to_contain_text("not for diagnosis")
    expect(page.locator("#notice")).to_have_text(RESEARCH_ONLY)
    expect(page.locator("#model")).to_have_text(re.compile(r"^plain · [0-9a-f]{8}$"))
    for hidden in ("#worklist", "#stage", "#result"):
        expect(page.locator(hidden)).to_be_hidden()


def test_a_dropped_film_shows_what_the_predictor_says_of_it(open_page, served, films):
    page = open_page()
    with page.expect_response("**/v1/predictions") as waiting:
        drop(page, films.answered)
    said = served.predictor(films.answered)
    expect(page.locator(".verdict")).to_contain_text(said.label)
    expect(page.locator(".file")).to_have_text(films.answered.name)  # as text: <b> stays what it is
    assert list(shares(page)) == list(CLASSES)
    for name, shown in shares(page).items():
        share = said.probabilities[name] * 100
        lies = {">99 %": share >= 99.5, "<1 %": share <= 0.5}
        assert lies.get(shown, abs(float(shown.split()[0].strip("<>")) - share) <= 0.5), (name, shown, share)
    held = [row.locator("th").inner_text() for row in page.locator(".bars tr.held").all()]
    assert held == list(said.prediction_set)
    expect(page.locator(".set-words")).to_contain_text("about 90 % of cases like the calibration data")
    expect(page.locator(".measured")).to_contain_text(MEASURED[1:])
    request = waiting.value.request  # its name is not sent: the server made one up
    assert request.headers["content-type"] == "application/octet-stream"
    assert not [text for text in (request.url, *request.headers.values()) if "nna" in text]
    assert served.last.prediction.image == "upload"


def test_not_sure_gives_the_reason_and_no_class_as_an_answer(open_page, served, films):
    page = open_page()
    judged(page, films.unsure)
    expect(page.locator(".verdict")).to_have_text("Not sure")
    reason = served.predictor(films.unsure).reason
    expect(page.locator(".reason")).to_have_text(reason[0].upper() + reason[1:] + ".")
    assert list(shares(page)) == list(CLASSES)


@pytest.mark.parametrize(("kind", "words"), [("photograph", "garish picture"), ("blank", "no contrast in it")])
def test_a_refusal_is_in_words_and_shows_neither_a_class_nor_a_bar(open_page, films, kind, words):
    page = open_page()
    judged(page, getattr(films, kind))
    expect(page.locator(".reason")).to_contain_text(words)
    expect(page.locator(".bars")).to_have_count(0)
    told = page.locator("#result").inner_text()
    assert not [name for name in CLASSES if name in told]
    assert page.locator(".grid-row .n").inner_text() == ""
    expect(page.get_by_role("button", name="PNG")).to_be_disabled()
    expect(page.locator("#heat")).to_be_disabled()
    expect(page.locator("#film")).to_have_attribute("aria-label", re.compile("by .* pixels; no heat-map"))


def test_a_repair_is_told_and_the_film_is_shown_as_it_was_judged(open_page, films):
    page = open_page()
    judged(page, films.repaired)
    expect(page.locator(".note.repaired")).to_contain_text(f"The film {REPAIR}.")
    expect(page.locator(".note.warned", has_text="turned")).to_have_count(0)
    expect(page.locator("#film")).to_have_attribute("aria-label", re.compile("160 by 176 pixels"))


def test_a_broken_file_is_a_row_in_words_and_stops_nothing(open_page, films):
    page = open_page(expected=(415,))
    judged(page, films.broken, films.answered)
    expect(page.locator(".verdict")).to_have_text("No result")
    expect(page.locator(".reason")).to_have_text(re.compile("is no image but text; keep radiographs as PNG"))
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)  # it would be no better
    expect(page.locator(".grid-row", has_text=films.answered.name)).to_have_attribute("data-kind", "answered")


def test_filters_count_what_they_show_and_search_and_order_work(open_page, served, films):
    page = open_page(expected=(415,))
    judged(page, *films.all * 3)
    answers = [served.predictor(path) for path in films.all if path != films.broken]
    expect(page.locator("[data-filter=all]")).to_contain_text("21")
    for kind in ("not sure", "refused", "error", *{a.label for a in answers if a.label}):
        wanted = 3 * (sum((a.label or a.status) == kind for a in answers) or 1)
        pill = page.locator(f"[data-filter='{kind}']")
        expect(pill.locator("b")).to_have_text(str(wanted))
        pill.click()
        expect(pill).to_have_attribute("aria-pressed", "true")
        expect(page.locator("#grid")).to_have_attribute("aria-rowcount", str(wanted + 1))
        expect(page.locator(".grid-row")).to_have_count(wanted)
    page.locator("[data-filter=all]").click()
    page.get_by_label("Find a file by its name").fill("LYING")
    expect(page.locator("#worklist-count")).to_have_text("3 of 21")
    page.get_by_label("Find a file by its name").fill("nowhere")
    expect(page.locator("#nothing")).to_be_visible()
    page.get_by_label("Find a file by its name").fill("")
    page.get_by_role("button", name="Prob.").click()
    expect(page.locator("[aria-sort=descending]")).to_have_text("Prob.")
    rows = sorted(page.locator(".grid-row").all(), key=lambda r: int(r.get_attribute("aria-rowindex")))
    texts = [r.locator(".n").inner_text() for r in rows]
    numbers = [{">99 %": 99.9, "<1 %": 0.1, "": -1}.get(t) or float(t.split()[0]) for t in texts]
    assert numbers == sorted(numbers, reverse=True)


def test_thousands_of_rows_are_a_few_elements(open_page, films):
    page = open_page()
    page.route("**/v1/predictions", lambda route: None)  # never answered: all of them wait
    drop(page, films.answered, *(f"film {number}.png" for number in range(2500)))
    expect(page.locator("#worklist-count")).to_have_text("2500")
    assert page.locator(".grid-row").count() < 60
    page.locator(".grid-row").first.focus()
    page.keyboard.press("End")
    expect(page.locator(".grid-row:focus")).to_contain_text("film 2499.png")
    assert page.locator(".grid-row").count() < 60
    taken = page.evaluate("""() => { const start = performance.now();
      for (let i = 0; i < 30; i += 1) document.dispatchEvent(new KeyboardEvent("keydown", { key: "k", bubbles: true }));
      return (performance.now() - start) / 30; }""")
    expect(page.locator("#film-name")).to_have_text("film 2469.png")
    assert taken < 50, "milliseconds a step"


def test_a_busy_server_is_asked_again_after_the_time_it_names(open_page, films):
    page = open_page(expected=(503,))
    times = []

    def busy_once(route):
        times.append(page.evaluate("() => performance.now()"))
        if len(times) > 1:
            return route.continue_()
        problem = json.dumps({"title": "Service Unavailable", "status": 503, "detail": "the queue is full"})
        headers = {"Retry-After": "1", "Content-Type": "application/problem+json"}
        return route.fulfill(status=503, headers=headers, body=problem)

    page.route("**/v1/predictions", busy_once)
    page.set_input_files("#files", str(films.answered))
    expect(page.locator("#progress-words")).to_contain_text("the server is busy, trying again in 1 s")
    expect(page.locator(".grid-row")).to_have_attribute("data-kind", "answered")
    assert 1000 <= times[1] - times[0] < 3000


def test_a_server_that_is_gone_is_an_error_that_can_be_tried_again(open_page, films):
    page = open_page()
    page.route("**/v1/predictions", lambda route: route.abort("connectionrefused"))
    page.set_input_files("#files", str(films.answered))
    expect(page.locator(".reason")).to_contain_text("The server did not answer; see whether it still runs")
    page.unroute("**/v1/predictions")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".grid-row")).to_have_attribute("data-kind", "answered")
    page.watch.said = [text for text in page.watch.said if "ERR_CONNECTION_REFUSED" not in text]


def test_results_that_the_server_let_go_of_are_asked_for_again(open_page, served, films):
    page = open_page(expected=(404, 410))
    judged(page, films.answered, films.unsure)
    expect(page.locator(".verdict")).to_contain_text("%")
    served.service.results.clear()
    page.locator(".grid-row", has_text="unsure.png").click()
    expect(page.locator("#film")).to_have_attribute("aria-label", re.compile("unsure.png, 160 by 160 pixels; heat-map"))
    assert served.kept == 1


def test_forgetting_one_and_all_drops_them_on_the_server_too(open_page, served, films):
    page = open_page()
    served.service.results.clear()
    judged(page, films.answered, films.unsure, films.blank)
    assert served.kept == 3
    page.get_by_role("button", name="Forget this film").click()
    expect(page.locator("#worklist-count")).to_have_text("2")
    expect(page.locator("#film-name")).to_have_text("unsure.png")
    page.get_by_role("button", name="Forget all").click()
    page.get_by_role("dialog").get_by_role("button", name="Forget all").click()
    expect(page.locator("#empty")).to_be_visible()
    page.wait_for_timeout(300)
    assert served.kept == 0


def downloaded(page, name: str) -> tuple[str, bytes]:
    with page.expect_download() as waiting:
        page.locator("#result").get_by_role("button", name=name, exact=True).click()
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()


def test_downloads_are_what_they_say(open_page, served, films):
    page = open_page()
    judged(page, films.dicom)
    expect(page.locator("#heat-note")).to_contain_text("moved the network")
    name, data = downloaded(page, "PNG")
    assert (name, data[:8]) == ("study_cxrlens.png", b"\x89PNG\r\n\x1a\n")
    name, data = downloaded(page, "PDF")
    assert (name, data[:5]) == ("study_cxrlens.pdf", b"%PDF-")
    name, data = downloaded(page, "JSON")
    row = json.loads(data)
    assert (name, row["image"], "id" in row) == ("study_cxrlens.json", "study.dcm", False)
    expected = served.predictor(films.dicom, cam=True).to_dict()
    assert row["heat_map"].pop("measures") == pytest.approx(expected["heat_map"].pop("measures"), abs=1e-4)
    assert {**row, "image": ""} == {**expected, "image": ""}
    name, data = downloaded(page, "DICOM")
    assert name == "study_cxrlens.zip"
    assert zipfile.ZipFile(io.BytesIO(data)).namelist()


def test_dicom_without_a_preamble_is_dicom_too(open_page, films, tmp_path):
    bare = tmp_path / "bare.dcm"
    bare.write_bytes(films.dicom.read_bytes()[132:])
    page = open_page()
    judged(page, bare)
    _name, data = downloaded(page, "DICOM")
    assert zipfile.ZipFile(io.BytesIO(data)).namelist()


def test_dicom_is_not_offered_for_other_files_and_says_why(open_page, films):
    page = open_page()
    judged(page, films.answered)
    expect(page.get_by_role("button", name="DICOM")).to_be_disabled()
    expect(page.get_by_role("button", name="DICOM")).to_have_accessible_description(re.compile("came as DICOM"))


def test_the_list_is_saved_as_csv_and_json_lines(open_page, films):
    page = open_page(expected=(415,))
    judged(page, films.answered, films.blank, films.broken)
    with page.expect_download() as waiting:
        page.select_option("#export", "csv")
    rows = list(csv.DictReader(io.StringIO(Path(waiting.value.path()).read_text("utf-8"))))
    assert [(row["image"], row["status"]) for row in rows] == [
        (films.answered.name, "answered"), ("blank.png", "refused"), ("torn.png", "error"),
    ]  # fmt: skip
    assert rows[0]["measured_on"] == MEASURED
    assert rows[1]["p_Normal"] == ""
    with page.expect_download() as waiting:
        page.select_option("#export", "jsonl")
    lines = [json.loads(line) for line in Path(waiting.value.path()).read_text("utf-8").splitlines()]
    assert [line["status"] for line in lines] == ["answered", "refused", "error"]


def test_a_folder_goes_in_whole_without_hidden_files(open_page, films, tmp_path):
    page = open_page()
    inner = tmp_path / "archive" / "ward"
    inner.mkdir(parents=True)
    (inner / "a.png").write_bytes(films.answered.read_bytes())
    (inner.parent / "b.png").write_bytes(films.unsure.read_bytes())
    (inner.parent / ".DS_Store").write_text("x")
    page.set_input_files("#folder", str(tmp_path / "archive"))
    page.locator("#progress-line").wait_for(state="hidden")
    page.get_by_role("button", name="File", exact=True).click()
    expect(page.locator("#grid")).to_have_attribute("aria-rowcount", "3")
    expect(page.locator(".cell-name", has_text="archive/ward/a.png")).to_be_visible()


def test_the_token_is_asked_for_and_stays_in_memory(chromium, served, films, open_page):
    from cxrlens.serving.web.options import ServerOptions
    from page_server import serving

    token = "a-token-of-the-tests-0123"
    with serving(served.predictor, ServerOptions(port=0, token=token)) as locked:
        page = open_page(url=locked.url, expected=(401,))
        page.get_by_label("Token", exact=True).fill("not the right one")
        page.keyboard.press("Enter")
        page.get_by_label("Token", exact=True).fill("not-the-right-one-either")
        page.keyboard.press("Enter")
        expect(page.locator("#token-bad")).to_be_visible()
        page.get_by_label("Token", exact=True).fill(token)
        page.get_by_role("button", name="Use it").click()
        expect(page.locator("#measured")).not_to_be_empty()
        judged(page, films.answered)
        expect(page.locator(".grid-row")).to_have_attribute("data-kind", "answered")
        assert not [url for url in page.watch.asked if token in url]
        assert token not in page.content()
