"""The page and the flag "do not read this map": in sight, in words, by ear, and only with the map that it is of."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed (the extra dev)")
pytest.importorskip("fastapi", reason="the web framework is not installed (the extra serve)")

from PIL import Image
from playwright.sync_api import expect

from cxrlens.doubts import HEADLINE
from cxrlens.labels import CLASSES
from page_actions import heat_ready, judged, poor

pytest_plugins = ["page_fixtures"]


def unlikely(served, film: Path) -> str:
    """A class that the network itself does not believe in: its map is flagged."""
    shares = served.predictor(film).probabilities
    return min(CLASSES, key=shares.__getitem__)


def told(served, film: Path, target: str):
    return served.predictor(film, cam=True, target=target).judged_map


def choose(page, target: str) -> None:
    page.locator("#target").select_option(target, force=True)  # on a phone its tools are folded away


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("phone", [False, True], ids=["desktop", "phone"])
def test_a_flagged_map_says_so_above_the_film(open_page, served, films, scheme, phone):
    page = open_page(phone=phone, scheme=scheme)
    judged(page, films.answered)
    heat_ready(page)
    target = unlikely(served, films.answered)
    if phone:
        page.get_by_role("button", name="Window, heat-map").click()
    choose(page, target)
    strip = page.locator("#map-flag")
    expect(strip).to_be_visible()
    expect(strip.locator("strong")).to_have_text(HEADLINE)
    reasons = told(served, films.answered, target).doubts.reasons.values()
    expect(strip.locator("li")).to_have_text([f"{reason[0].upper()}{reason[1:]}." for reason in reasons])
    above, film = strip.bounding_box(), page.locator("#light-box").bounding_box()
    assert above["y"] + above["height"] <= film["y"] + 1, "nothing of the film is covered"
    assert poor(page) == []
    assert not page.evaluate("() => document.documentElement.scrollWidth > innerWidth")


def test_the_flag_is_heard_and_goes_with_its_map(open_page, served, films):
    page = open_page()
    judged(page, films.answered)
    heat_ready(page)
    target = unlikely(served, films.answered)
    choose(page, target)
    words = f"{HEADLINE}: {'; '.join(told(served, films.answered, target).doubts.reasons.values())}."
    expect(page.locator("#map-live")).to_have_text(words)
    expect(page.locator("#film")).to_have_attribute("aria-label", re.compile(re.escape(words)))
    page.keyboard.press("h")
    expect(page.locator("#map-flag")).to_be_hidden()
    expect(page.locator("#map-live")).to_be_empty()
    expect(page.locator("#film")).to_have_attribute("aria-label", re.compile("no heat-map; window"))
    page.keyboard.press("h")
    expect(page.locator("#map-flag")).to_be_visible()
    expect(page.locator("#heat-checked")).to_contain_text("Not checked: likeness to an untrained network's map")


def test_a_map_without_the_flag_is_not_vouched_for(open_page, films):
    page = open_page()
    sound = {"target": "Normal", "layer": "x", "method": "Grad-CAM", "flagged": False, "reasons": {}, "measures": {}}
    page.route("**/flag?**", lambda route: route.fulfill(json={**sound, "unchecked": ["the lungs: nobody looked"]}))
    judged(page, films.answered)
    heat_ready(page)
    expect(page.locator("#map-flag")).to_be_hidden()
    expect(page.locator("#heat-checked")).to_contain_text("vouches for nothing. Not checked: the lungs: nobody looked.")


def test_a_map_that_could_not_be_checked_is_shown_and_says_so(open_page, films):
    page = open_page(expected=(500,))
    page.route("**/flag?**", lambda route: route.fulfill(status=500, body="{}"))
    judged(page, films.answered)
    heat_ready(page)
    expect(page.locator("#heat-checked")).to_have_text("Whether this map should be read could not be checked.")
    expect(page.locator("#map-flag")).to_be_hidden()


def test_the_flag_goes_along_where_the_map_does(open_page, served, films):
    page = open_page()
    judged(page, films.answered)
    heat_ready(page)
    target = unlikely(served, films.answered)
    choose(page, target)
    expect(page.locator("#map-flag")).to_be_visible()
    expected = told(served, films.answered, target).to_dict()

    def saved(act) -> bytes:
        with page.expect_download() as waiting:
            act()
        return Path(waiting.value.path()).read_bytes()

    buttons = page.locator("#result")
    row = json.loads(saved(buttons.get_by_role("button", name="JSON", exact=True).click))
    assert (row["heat_map"]["target"], row["heat_map"]["flagged"]) == (target, True)
    assert row["heat_map"]["reasons"] == expected["reasons"]
    picture = Image.open(io.BytesIO(saved(buttons.get_by_role("button", name="PNG", exact=True).click)))
    assert picture.height > picture.width == 160, "the film is square; below it the strip"
    rows = csv.DictReader(io.StringIO(saved(lambda: page.select_option("#export", "csv")).decode()))
    (cells,) = rows
    assert (cells["map_flagged"], cells["map_reasons"]) == ("yes", ";".join(expected["reasons"].values()))


def test_the_risk_stands_beside_an_answer_with_what_it_was_measured_on(open_page, served, films):
    page = open_page()
    judged(page, films.answered, films.unsure)
    risk = served.predictor(films.answered).risk
    expect(page.locator(".answer .risk")).to_contain_text(f"{round(risk.share * 100)} % wrong (95 % interval ")
    expect(page.locator(".answer")).to_contain_text(
        f"Of the {risk.images} images of the test set of dataset 'toy' (made"
    )
    page.locator(".grid-row", has_text="unsure.png").click()
    expect(page.locator(".verdict")).to_have_text("Not sure")
    expect(page.locator(".answer .risk")).to_have_count(0)
