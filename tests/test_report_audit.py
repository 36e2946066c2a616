"""Can this number be believed? Verdicts word for word, the left-out sources first, and honest gaps."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from audit_folders import HOSTILE_SOURCE, PARTS, interval, make_audit
from cxrlens.audit.verdict import Drawing, PartResult, Verdict
from cxrlens.folders import RunFolder, read_json, write_json
from cxrlens.report import write_run_report
from cxrlens.report.audit_record import TITLES, read_audit
from cxrlens.report.audit_tables import cell, tables_of, words
from cxrlens.report.audited import overall_sentence
from cxrlens.report.figures import Measured
from cxrlens.report.naming import Namer
from cxrlens.report.records import read_run
from cxrlens.report.unseen_sources import unseen_sources
from report_folders import SECRET_PATIENT, make_dataset, make_run
from test_report import Page


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    root = tmp_path_factory.mktemp("audited")
    run = make_run(root / "run", make_dataset(root / "films"))
    make_audit(run)
    return run


@pytest.fixture(scope="module")
def html(audited: RunFolder) -> str:
    return write_run_report(audited).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


@pytest.fixture
def fresh(tmp_path: Path) -> RunFolder:
    return make_run(tmp_path / "run", make_dataset(tmp_path / "films"))


def shown(run: RunFolder) -> str:
    return Page(write_run_report(run).read_text(encoding="utf-8")).text


def test_first_lines_say_inside_and_never_seen_of_the_same_network(page: Page) -> None:
    text = page.text
    assert "0.85 inside; 0.31 on a source it has never seen" in text
    assert text.index("0.85 inside") < text.index("Accuracy on the test set")
    assert "0.847 (0.797 to 0.897)" in text
    assert "0.312 (0.262 to 0.362)" in text


def test_section_follows_the_result_and_comes_before_everything_else(page: Page) -> None:
    ids = [str(attributes["id"]) for tag, attributes in page.tags if tag == "h2"]
    assert ids[:3] == ["result", "believed", "data"]


def test_every_verdict_stands_word_for_word_and_the_gravest_first(page: Page) -> None:
    section = page.text[page.text.index("The verdicts") : page.text.index("The evidence")]
    for part in PARTS.values():
        for verdict in part.verdicts:
            assert re.sub(r"\s+", " ", verdict.sentence.replace(SECRET_PATIENT, "(withheld)")) in section
            assert verdict.question in section
    places = [section.index(mark) for mark in ("fails", "warns", "no answer", "passes")]
    assert places == sorted(places)
    assert section.count("fails") == 3


def test_status_is_told_by_a_word_and_a_shape(html: str) -> None:
    marks = re.findall(r'<span class="mark (\w+)">(.*?)</span>', html, flags=re.DOTALL)
    assert {status for status, _ in marks} == {"fail", "warn", "unanswered", "pass"}
    drawn = {}
    for status, inner in marks:
        drawn.setdefault(status, set()).add(re.search(r"<path[^>]*>", inner).group())
        assert re.sub(r"<[^>]+>", "", inner).strip()
    assert all(len(shapes) == 1 for shapes in drawn.values())
    assert len(set.union(*drawn.values())) == 4


def test_worst_source_comes_first_with_its_classes(page: Page) -> None:
    table = page.text[page.text.index("the worst first. Mean recall") :]
    assert table.index(HOSTILE_SOURCE) < table.index("north too high 40")
    assert f"{HOSTILE_SOURCE} 40 0.12 0.07 to 0.17 0.83 0.78 to 0.88 0 %" in table
    assert "0.24 of 20" in table
    assert "has only 9 image(s), fewer than 20" in page.text
    assert "Too high: “north” shares hospitals with south, which had to stay" in page.text
    assert "Over the other sources the mean recall is 0.29 (0.24 to 0.34)" in page.text


def test_hostile_source_is_text_and_no_patient_is_named(html: str, page: Page) -> None:
    assert not [each for each in page.all("img") if not str(each["src"]).startswith("data:")]
    assert HOSTILE_SOURCE in page.text
    assert SECRET_PATIENT not in html
    assert "90210" not in re.sub(r"base64,[A-Za-z0-9+/=]+", "", html)


def test_evidence_of_each_part_is_there_in_figures(page: Page) -> None:
    text = page.text[page.text.index("The evidence") :]
    assert "Border only 0.610 0.560 to 0.660 65 %" in text
    assert "No markers 0.780 0.730 to 0.830 −0.020 −0.070 to 0.030" in text
    assert "From the trained network's features 0.880 0.830 to 0.930" in text
    assert "90 places were looked at, at 64 pixels" in text
    assert "COVID-19 all images lower left corner more small bright things 0.970 0.950 to 0.990 25 %" in text
    assert f"Normal the source {HOSTILE_SOURCE} upper right corner less fine detail 0.710 0.690 to 0.730 25 %" in text
    assert "Source 0.710" in text  # what the files give away, by the generic tables
    assert [path for path in page.all("details") if str(path.get("id", "")).startswith("audit-")]


def test_parts_not_run_name_the_command(page: Page) -> None:
    for name in ("calibration", "gate", "explanations"):
        assert TITLES[name] in page.text
    assert "cxrlens audit run" in page.text
    assert "The audit is not finished." in page.text


def test_without_an_audit_the_page_says_how_to_make_one(fresh: RunFolder) -> None:
    text = shown(fresh)
    assert "On a source it has never seen: not measured. cxrlens audit run measures it." in text
    assert "No audit has been made. It is made by cxrlens audit run" in text
    assert "inside;" not in text


def test_audit_of_another_model_is_not_shown(fresh: RunFolder) -> None:
    make_audit(fresh, model_hash="cd" * 32)
    text = shown(fresh)
    assert "is of another model than the one that lies here now" in text
    assert "0.31" not in text
    assert PARTS["leakage"].verdicts[0].sentence not in text


def test_part_of_other_options_than_the_summary_counts_as_not_run(fresh: RunFolder) -> None:
    make_audit(fresh)
    path = fresh.audit / "leakage.json"
    write_json(path, {**read_json(path), "key": "another"})
    found = read_audit(read_run(fresh))
    assert found is not None
    assert found.part("leakage") is None
    assert "leakage" in found.not_run


@pytest.mark.parametrize("name", list(PARTS))
def test_torn_part_is_a_sentence_and_the_others_stay(name: str, fresh: RunFolder) -> None:
    make_audit(fresh)
    (fresh.audit / f"{name}.json").write_bytes(b'{"verdicts": [{"status": "gre\xff')
    text = shown(fresh)
    assert f"“{TITLES[name]}” cannot be read" in text
    kept = next(part for other, part in PARTS.items() if other != name)
    assert kept.verdicts[0].sentence in text


@pytest.mark.parametrize(
    "values",
    [
        {"verdicts": [{"question": "q?", "status": "splendid", "sentence": "s"}], "figures": {}, "drawings": []},
        {"verdicts": [], "figures": [], "drawings": []},
        {"verdicts": [{"question": "q?"}], "figures": {}, "drawings": []},
    ],
)
def test_part_of_another_shape_is_a_sentence(values: dict[str, object], fresh: RunFolder) -> None:
    make_audit(fresh)
    path = fresh.audit / "leakage.json"
    write_json(path, {**{key: read_json(path)[key] for key in ("format", "part", "key")}, **values})
    assert "cannot be read; its file is torn" in shown(fresh)


def test_unanswered_headline_gives_its_reason_and_no_number(fresh: RunFolder) -> None:
    reason = "Cannot be answered, because there is one source only."
    make_audit(fresh, parts={"leave_one_out": PartResult((Verdict("Does it?", "unanswered", reason),))})
    text = shown(fresh)
    assert f"On a source it has never seen: {reason}" in text
    assert "inside;" not in text


def test_picture_outside_the_audit_folder_is_not_read(fresh: RunFolder) -> None:
    part = PartResult(
        (Verdict("q?", "pass", "s."),), {}, (Drawing("../curves.png", "stolen"), Drawing("gone.png", "c"))
    )
    make_audit(fresh, parts={"leakage": part})
    text = shown(fresh)
    assert "2 pictures of this part cannot be read" in text
    assert "stolen" not in text


@pytest.mark.parametrize(
    ("statuses", "begins"),
    [
        (("fail", "warn", "pass"), "No, not as it stands: 1 of 3 answers speaks against it."),
        (
            ("warn", "pass", "unanswered"),
            "Only with care: nothing fails, but 1 of 3 answers calls for care; 1 ",
        ),
        (("pass", "pass"), "Nothing that was looked at speaks against it: 2 of 2 questions found nothing against it."),
        (("unanswered",), "That is not known: none of the questions can be answered"),
    ],
)
def test_overall_sentence_follows_the_gravest(statuses: tuple[str, ...], begins: str, fresh: RunFolder) -> None:
    verdicts = tuple(Verdict(f"q{i}?", status, "s.") for i, status in enumerate(statuses))
    make_audit(fresh, parts={"leave_one_out": PartResult(verdicts)})
    found = read_audit(read_run(fresh))
    assert found is not None
    assert overall_sentence(found).startswith(begins)


def test_good_verdicts_without_the_left_out_sources_are_called_incomplete(fresh: RunFolder) -> None:
    make_audit(fresh, parts={"leakage": PARTS["leakage"]})
    found = read_audit(read_run(fresh))
    assert found is not None
    assert overall_sentence(found).endswith("how it does on a source it has never seen was not asked.")


def test_synthetic_and_random_are_said_beside_the_verdicts(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", make_dataset(tmp_path / "films", synthetic=True, kind="random"))
    make_audit(run)
    text = shown(run)
    assert "Measured on synthetic radiographs" in text
    assert "figures called “inside” are inflated" in text


def test_sources_without_a_figure_come_last(audited: RunFolder, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", make_dataset(tmp_path / "films"))
    make_audit(run)
    path = run.audit / "leave_one_out.json"
    said = read_json(path)
    said["figures"]["sources"][1]["mean_recall"] = {"value": None, "low": None, "high": None, "reason": "r"}
    write_json(path, said)
    unseen = unseen_sources(read_audit(read_run(run)))
    assert unseen is not None
    assert [each.source for each in unseen.sources] == ["north", HOSTILE_SOURCE]
    assert unseen.worst is not None
    assert unseen.worst.source == "north"
    del audited


def test_any_figures_become_tables_without_loss() -> None:
    figures = {
        "n": 1234,
        "share": 0.5,
        "whole": {"value": 0.25, "low": 0.1, "high": 0.4},
        "missing": {"value": None, "low": None, "high": None, "reason": "one class only"},
        "by_part": {"train": {"n": 3, "right": {"value": 0.5, "low": None, "high": None}}, "test": {"n": 4}},
        "pairs": [{"kind": "near", "n": 2}, {"kind": "same", "n": 5}],
        "deep": {"a": {"b": {"c": 1.5}}},
        "names": ["x", "y"],
        "nothing": [],
    }
    text = json.dumps(
        [[t.caption, t.columns, [[r.head, *map(str, r.cells)] for r in t.rows]] for t in tables_of(figures)]
    )
    for piece in ("1,234", "0.500", "one class only", "near", "same", "1.500", "x, y", "train", "test", "value=0.25"):
        assert piece in text, piece
    assert words("by_part") == "By part"
    assert words("COVID-19") == "COVID-19"
    assert cell({"value": 1, "low": 0, "high": 2}) == Measured(1, 0, 2)
    assert cell(True) == "yes"


def test_long_tables_say_how_much_they_leave_out() -> None:
    (table,) = tables_of({f"figure_{i}": i for i in range(55)})
    assert (len(table.rows), table.more) == (40, 15)


def test_figures_in_a_sentence_survive_short_patient_ids() -> None:
    namer = Namer(frozenset({"850", "P-7", "1234567", "Normal", "s9"}))
    sentence = "accuracy 0.850 of P-7 and 1234567, Normal 850; S9; P-71"
    assert namer.withhold(sentence) == "accuracy 0.850 of (withheld) and (withheld), Normal 850; S9; P-71"


def test_external_figures_are_drawn(fresh: RunFolder) -> None:
    from PIL import Image

    folder = fresh.root / "external" / "elsewhere"
    metrics = read_json(fresh.metrics_path)
    write_json(folder / "metrics.json", {"external": {**metrics["test"], "meaning": "another dataset"}})
    (folder / "figures").mkdir()
    Image.new("RGB", (300, 200), "white").save(folder / "figures" / "confusion.png")
    before = len(Page(write_run_report(fresh).read_text(encoding="utf-8")).all("img"))
    (folder / "figures" / "confusion.png").unlink()
    assert len(Page(write_run_report(fresh).read_text(encoding="utf-8")).all("img")) == before - 1


def test_examples_are_single_pictures_that_wrap_on_a_phone(fresh: RunFolder) -> None:
    from PIL import Image

    film = fresh.dataset().manifest()["path"].iloc[3]
    fresh.explanations.mkdir()
    for name in ("example_right_00", "gallery_right", "gallery_wrong"):
        Image.new("RGB", (64, 64), "red").save(fresh.explanations / f"{name}.png")
    example = {"gallery": "gallery_right.png", "overlay": "example_right_00.png", "path": film, "label": "Normal"}
    example |= {
        "predicted": "Normal",
        "source": "east",
        "probabilities": {"Normal": 0.9},
        "flag": "no evidence",
    }
    write_json(fresh.explanations / "explanations.json", {"method": "grad-cam", "split": "test", "examples": [example]})
    html = write_run_report(fresh).read_text(encoding="utf-8")
    page = Page(html)
    alts = [str(each["alt"]) for each in page.all("img")]
    assert "The same with heat: Normal of east, called Normal" in alts
    assert "Radiograph: Normal of east, called Normal" in alts
    assert any("most confident mistakes" in alt for alt in alts)  # no single pictures of these: the sheet stands in
    assert not any("picked at random" in alt for alt in alts)
    assert "Do not read this one: no evidence" in page.text
    assert "min-width: 44rem" not in html


def test_parts_are_told_in_words_and_the_columns_fit_the_cells() -> None:
    from cxrlens.report.audit_named_tables import tables_for

    fact = {"words": "JPEG quality", "v": interval(0.4), "label": "Tuberculosis", "p": 0.001}
    family = {
        "n": 90,
        "facts": {"quality": fact},
        "strongest": {"fact": "quality", "w": 0.5, "by_chance": 0.1, "p": 0.01},
    }
    blind = {"part": "test", "chance": 0.25, "files": {"balanced_accuracy": interval(0.6)}, "network": interval(0.8)}
    share = {"n": 40, "suspects": 3, **interval(0.075)}
    side = {
        "n": 40,
        "sets": {"overall": {"coverage": interval(0.5)}},
        "answers": {"overall": {"answered": interval(0.7)}},
    }
    given = {
        "leakage": {
            "measured": "test",
            "shared": {"shared_patients": 2, "shared_duplicate_groups": 0},
            "afresh": {"across": 5},
            "known": {"patient": 1, "film": 3, "any": 4},
            "accuracy": {"all": interval(0.8), "without": interval(0.7), "difference": interval(0.1)},
        },
        "association": {"source": family, "file": family, "within_source": {"nih": family}, "blind": blind},
        "suspects": {"by_class": {"Normal": share}, "planted": {"recall": interval(0.6), "chance": 0.05}},
        "calibration": {
            "coverage": {"promised": 0.9},
            "left_out": [{"source": "nih", "outside": side, "inside": side}],
        },
    }
    seen = {}
    for name, figures in given.items():
        tables = tables_for(name, figures)
        for table in tables:
            assert table.rows, (name, table.caption)
            assert all(len(row.cells) + 1 == len(table.columns) for row in table.rows), (name, table.caption)
        seen[name] = " ".join(f"{table.caption} {row.head} {row.cells}" for table in tables for row in table.rows)
    assert "Pairs across parts that a fresh search takes for one radiograph ('5',)" in seen["leakage"]
    assert "nih ('90', 'JPEG quality', '0.500', '0.100', '0.010')" in seen["association"]
    assert "Normal ('40', '3', Measured(value=0.075" in seen["suspects"]
    assert "Promised is 90 %. nih ('40', Measured(value=0.5" in seen["calibration"]
    for name in given:
        assert isinstance(tables_for(name, {"unforeseen": [{"a": 1}]}), list)
