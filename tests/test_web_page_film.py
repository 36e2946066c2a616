"""The film in a real browser: window, invert, heat, zoom and pan, held to NumPy and to the server's own pictures."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed (the extra dev)")
pytest.importorskip("fastapi", reason="the web framework is not installed (the extra serve)")

from PIL import Image
from playwright.sync_api import expect

from cxrlens.labels import CLASSES
from cxrlens.serving.heat import colour_table
from page_actions import canvas, heat_ready, judged

pytest_plugins = ["page_fixtures"]

PAINT = """async ([rows, columns, values, look]) => {
  const { Film } = await import("/static/film.js");
  const film = new Film({ rows, columns, samples: Uint16Array.from(values) });
  const painted = film.paint(look).getContext("2d").getImageData(0, 0, columns, rows).data;
  return [[...painted], film.quantile(0.01), film.quantile(0.5), film.quantile(0.99)];
}"""

BLEND = """async ([id, target]) => {
  const { pixels, cam } = await import("/static/api.js");
  const { Film } = await import("/static/film.js");
  const { heatPicture } = await import("/static/heat.js");
  const film = new Film(await pixels(id));
  const heat = await heatPicture(await cam(id, { target, layer: "deepest", kind: "heat" }));
  const context = film.paint({ width: 100, level: 50, inverted: false }).getContext("2d");
  context.globalAlpha = 0.7;
  context.drawImage(heat.canvas, 0, 0);
  return [film.rows, film.columns, [...context.getImageData(0, 0, film.columns, film.rows).data]];
}"""


@pytest.fixture
def page(open_page, films):
    """With one film and its heat-map."""
    opened = open_page()
    judged(opened, films.answered)
    heat_ready(opened)
    return opened


def place(page) -> tuple[float, float]:
    box = page.locator("#film").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@pytest.mark.parametrize(
    ("width", "level", "inverted"), [(100, 50, False), (40, 30, False), (1, 99.5, True), (62.5, 0, True)]
)
def test_a_window_is_the_linear_one_of_all_sixteen_bits(open_page, width, level, inverted):
    page = open_page()
    values = np.random.default_rng(1).integers(0, 65536, (37, 53))
    look = {"width": width, "level": level, "inverted": inverted}
    painted, *quantiles = page.evaluate(PAINT, [37, 53, values.ravel().tolist(), look])
    grey = np.clip((values / 65535 - (level - width / 2) / 100) / (width / 100), 0, 1) * 255
    expected = 255 - grey if inverted else grey
    found = np.array(painted).reshape(37, 53, 4)
    assert np.abs(found[..., :3] - expected[..., None]).max() <= 0.5 + 1e-6
    assert (found[..., 3] == 255).all()
    assert np.abs(np.array(quantiles) - np.quantile(values / 655.35, [0.01, 0.5, 0.99])).max() < 0.3


def test_the_page_paints_heat_as_the_server_does(page, served):
    key = served.last.id
    for target in CLASSES[:2]:
        rows, columns, flat = page.evaluate(BLEND, [key, target])
        png = page.context.request.get(f"{page.url}v1/predictions/{key}/cam?kind=overlay&target={target}&opacity=0.7")
        theirs = np.asarray(Image.open(io.BytesIO(png.body()))).astype(int)[
            :160
        ]  # a flagged one goes on below the film
        ours = np.array(flat).reshape(rows, columns, 4)[..., :3]
        assert theirs.shape == ours.shape == (160, 160, 3)
        assert np.abs(ours - theirs).max() <= 4  # alpha of eight bits, twice rounded
        assert np.abs(ours - theirs).mean() < 0.7


def test_the_legend_shows_the_colours_of_the_map(page):
    data = page.evaluate("""() => { const c = document.getElementById("legend");
      return [...c.getContext("2d").getImageData(0, 0, c.width, 1).data]; }""")
    assert np.abs(np.array(data).reshape(256, 4)[:, :3] - colour_table() * 255).max() <= 1


def test_opacity_changes_the_picture_and_at_nothing_leaves_the_film(page):
    strong = canvas(page)
    assert np.ptp(strong, axis=2).max() > 30, "there is colour"
    page.locator("#opacity").fill("30")
    weak = canvas(page)
    assert 0 < np.ptp(weak, axis=2).max() < np.ptp(strong, axis=2).max()
    expect(page.locator("#opacity-number")).to_have_value("30")
    page.locator("#opacity-number").fill("0")
    bare = canvas(page)
    assert np.ptp(bare, axis=2).max() <= 8, "only the dark ground around the film has a tinge"
    page.locator("#opacity-number").fill("70")
    page.get_by_role("button", name="Show the heat-map").click()
    assert (canvas(page) == bare).all()
    page.get_by_role("button", name="Show the heat-map").click()
    assert (canvas(page) == strong).all()


def test_width_level_and_presets_change_the_picture_and_reset_brings_it_back(page):
    first = canvas(page)
    page.locator("#width").fill("30")
    expect(page.locator("#width-number")).to_have_value("30")
    expect(page.locator("#preset")).to_have_value("own")
    narrow = canvas(page)
    assert narrow.std() > first.std(), "a narrower window has more contrast"
    page.locator("#level-number").fill("90")
    assert canvas(page).mean() < narrow.mean(), "a higher level is darker"
    seen = []
    for preset in ("auto", "dark", "bright"):
        page.select_option("#preset", preset)
        seen.append(canvas(page))
    assert not (seen[0] == seen[1]).all()
    assert seen[1].mean() > seen[2].mean(), "what is dark is shown brighter than what is bright"
    page.get_by_role("button", name="Reset").click()
    assert (canvas(page) == first).all()
    expect(page.locator("#preset")).to_have_value("full")


def test_invert_turns_black_to_white_and_back(page):
    page.get_by_role("button", name="Show the heat-map").click()
    first = canvas(page)
    page.get_by_role("button", name="Invert").click()
    expect(page.get_by_role("button", name="Invert")).to_have_attribute("aria-pressed", "true")
    high, wide = first.shape[:2]
    middle = (slice(high // 2 - 40, high // 2 + 40), slice(wide // 2 - 40, wide // 2 + 40))
    assert np.abs(255 - canvas(page)[middle] - first[middle]).max() <= 1
    page.get_by_role("button", name="Invert").click()
    assert (canvas(page) == first).all()


def test_each_class_has_a_map_of_its_own(page):
    pictures = {}
    for number, name in enumerate(CLASSES, start=1):
        page.locator("#film").focus()
        page.keyboard.press(str(number))
        expect(page.locator("#target")).to_have_value(name)
        page.locator("#heat-note", has_text=name).wait_for(state="attached")
        pictures[name] = canvas(page).tobytes()
    assert len(set(pictures.values())) >= 3  # an untrained network may have an empty one
    page.select_option("#target", "")
    expect(page.locator("#target option:checked")).to_have_text(re.compile(r"\(likeliest\)$"))


def test_each_layer_has_a_map_of_its_own(page, served):
    layers = served.predictor.network.layers
    expect(page.get_by_label("Layer", exact=True).locator("option")).to_have_count(len(layers))
    pictures = {}
    for layer in layers:
        page.select_option("#layer", layer)
        page.locator("#heat-note", has_text=f"in the layer {layer};").wait_for(state="attached")
        pictures[layer] = canvas(page).tobytes()
    assert len(set(pictures.values())) == len(layers) > 1


def test_the_right_button_sets_the_window_and_the_mode_does_it_for_the_left(page):
    x, y = place(page)
    page.mouse.move(x, y)
    page.mouse.down(button="right")
    page.mouse.move(x - 80, y, steps=4)
    page.mouse.up(button="right")
    width = float(page.locator("#width").input_value())
    assert width < 95
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 40, y, steps=2)
    page.mouse.up()
    assert float(page.locator("#width").input_value()) == width, "in the mode Pan the left button pans"
    page.get_by_role("radio", name="Window").check()
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y + 60, steps=3)
    page.mouse.up()
    assert float(page.locator("#level").input_value()) > 50


def test_the_wheel_zooms_where_it_points_and_dragging_pans_within_the_film(page):
    page.get_by_role("button", name="Show the heat-map").click()
    x, y = place(page)
    before = canvas(page)
    row, column = before.shape[0] // 2 - 60, before.shape[1] // 2 + 50
    page.mouse.move(x + 50, y - 60)
    page.mouse.wheel(0, -700)
    expect(page.locator("#zoom")).not_to_have_text("100 %")
    after = canvas(page)
    assert np.abs(after[row - 2 : row + 3, column - 2 : column + 3].mean() - before[row, column].mean()) < 12
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 40, y + 25, steps=3)
    page.mouse.up()
    moved = canvas(page)
    assert np.abs(moved[100:200, 150:250] - after[75:175, 110:210]).mean() < 2
    page.mouse.down()
    page.mouse.move(x + 5000, y + 5000)
    page.mouse.up()
    assert canvas(page)[:4, : moved.shape[1] // 2].std() > 1 or canvas(page).std() > 5, "the film stays in view"
    page.get_by_role("button", name="Fit").click()
    assert (canvas(page) == before).all()
    page.locator("#film").dblclick()
    expect(page.locator("#zoom")).not_to_have_text("100 %")


def test_two_fingers_zoom(open_page, films):
    page = open_page(phone=True)
    judged(page, films.answered)
    heat_ready(page)
    x, y = place(page)
    touch = page.context.new_cdp_session(page)

    def fingers(kind, *gaps):
        points = [{"x": x + side * gap, "y": y, "id": side} for gap in gaps for side in (-1, 1)]
        touch.send(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{**p, "id": p["id"] + 1} for p in points]}
        )

    fingers("touchStart", 30)
    for gap in (40, 55, 70, 90):
        fingers("touchMove", gap)
    fingers("touchEnd")
    expect(page.locator("#zoom")).to_have_text(re.compile(r"^(2[5-9]\d|3\d\d) %$"))


def test_what_is_chosen_stays_from_film_to_film(page, films):
    judged(page, films.unsure)
    page.select_option("#preset", "auto")
    page.get_by_role("button", name="Invert").click()
    page.locator("#opacity").fill("40")
    page.get_by_role("button", name="Next film").click()
    expect(page.locator("#film")).to_have_attribute("aria-label", re.compile("unsure.png.*at 40 %.*inverted"))
    expect(page.locator("#preset")).to_have_value("auto")
