"""The page for everybody: keyboard, screen readers, a phone's width, light and dark; and what it must never do."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed (the extra dev)")
pytest.importorskip("fastapi", reason="the web framework is not installed (the extra serve)")

from playwright.sync_api import expect

from page_actions import canvas, heat_ready, judged, poor

pytest_plugins = ["page_fixtures"]

CONTROLS = {"button", "textbox", "searchbox", "slider", "spinbutton", "combobox", "radio", "checkbox", "link", "image",
            "dialog", "grid", "group", "radiogroup", "progressbar", "region"}  # fmt: skip


def nameless(page) -> list[str]:
    """Controls that a screen reader could not name."""
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    found = []
    for node in tree:
        role = node.get("role", {}).get("value", "")
        if not node.get("ignored") and role in CONTROLS and not node.get("name", {}).get("value", "").strip():
            found.append(f"{role} {node.get('nodeId')}")
    assert len(tree) > 20
    return found


def test_the_keyboard_alone_is_enough(open_page, films):
    page = open_page(expected=(415,))
    page.on("filechooser", lambda chooser: None)  # from now on: asked for only when Enter is pressed, it comes too late
    focus = page.locator(":focus")
    page.keyboard.press("Tab")
    expect(focus).to_have_text("Skip to the film")
    for name in ("Add files", "Add folder", "?", "Choose files"):
        page.keyboard.press("Tab")
        expect(focus).to_have_text(name)
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files([str(path) for path in (films.answered, films.unsure, films.photograph, films.broken)])
    page.locator("#progress-line").wait_for(state="hidden")
    heat_ready(page)
    first = canvas(page)
    page.keyboard.press("h")
    expect(page.locator("#heat")).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("h")
    page.keyboard.press("i")
    assert (canvas(page) != first).any()
    page.keyboard.press("+")
    expect(page.locator("#zoom")).to_have_text("125 %")
    page.locator("#film").focus()
    zoomed = canvas(page)
    page.keyboard.press("ArrowDown")
    assert (canvas(page) != zoomed).any(), "on a film that is zoomed in, arrows pan"
    page.keyboard.press("0")
    page.keyboard.press("r")
    assert (canvas(page) == first).all()
    page.keyboard.press("j")
    expect(page.locator("#film-name")).to_have_text("unsure.png")
    page.keyboard.press("k")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#film-name")).to_have_text("unsure.png")
    page.locator(".grid-row[tabindex='0']").focus()
    assert page.locator(".grid-row[tabindex='0']").count() == 1, "one row is in the order of Tab"
    page.keyboard.press("End")
    expect(focus).to_contain_text("torn.png")
    page.keyboard.press("Delete")
    expect(focus).to_contain_text("holiday.png")
    expect(page.locator("#worklist-count")).to_have_text("3")
    page.keyboard.press("Enter")
    expect(page.locator("#result")).to_be_focused()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Help and shortcuts")).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("Escape")
    expect(page.locator("#film-name")).to_have_text("holiday.png")


def test_shortcuts_keep_out_of_what_is_typed_and_can_be_turned_off(open_page, films):
    page = open_page()
    judged(page, films.answered, films.unsure)
    page.get_by_label("Find a file by its name").fill("")
    page.keyboard.type("hij1?")
    expect(page.locator("#find")).to_have_value("hij1?")
    expect(page.locator("#invert")).to_have_attribute("aria-pressed", "false")
    expect(page.locator("#help-dialog")).to_be_hidden()
    page.locator("#find").fill("")
    page.get_by_role("button", name="Help and shortcuts").click()
    page.get_by_label("Single-key shortcuts").uncheck()
    page.get_by_role("button", name="Close").click()
    page.locator("#film").focus()
    page.keyboard.press("i")
    expect(page.locator("#invert")).to_have_attribute("aria-pressed", "false")


def test_everything_has_a_name_and_answers_are_spoken(open_page, films):
    page = open_page(expected=(415,))
    assert nameless(page) == []
    judged(page, *films.all)
    heat_ready(page)
    assert nameless(page) == []
    expect(page.locator("#live")).to_have_text(re.compile("judged|answered|%"))
    page.locator("#film").focus()
    page.keyboard.press("j")
    expect(page.locator("#live")).to_have_text(re.compile(r"^unsure.png: not sure\. .*\.$"))
    for _ in range(3):
        page.keyboard.press("j")
    expect(page.locator("#live")).to_have_text(re.compile(r"^holiday.png: refused\. The image is no X-ray"))
    rows = page.get_by_role("grid", name=re.compile("Worklist")).get_by_role("row")
    assert rows.count() == 8
    expect(page.get_by_role("columnheader")).to_have_text(["File", "Result", "Prob."])
    page.keyboard.press("?")
    assert nameless(page) == []


def test_a_control_without_a_name_would_be_found(open_page):
    page = open_page()
    page.evaluate("() => { const b = document.createElement('button'); document.querySelector('.actions').append(b); }")
    assert len(nameless(page)) == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("phone", [False, True], ids=["desktop", "phone"])
def test_every_text_can_be_read(open_page, films, scheme, phone):
    page = open_page(phone=phone, scheme=scheme, expected=(415,))
    assert poor(page) == []
    judged(page, *films.all)
    for number in range(len(films.all)):
        page.locator(f".grid-row[aria-rowindex='{number + 2}']").click()
        page.wait_for_timeout(30)
        assert poor(page) == [], films.all[number].name
    page.get_by_role("button", name="Help and shortcuts").click()
    assert poor(page) == []
    grounds = page.evaluate(
        "() => [...document.querySelectorAll('body, .stage-head')].map((e) => getComputedStyle(e).backgroundColor)"
    )
    assert grounds[0] == {"light": "rgb(236, 239, 241)", "dark": "rgb(14, 18, 20)"}[scheme]


def test_a_text_that_is_too_pale_would_be_found(open_page):
    page = open_page()
    page.evaluate("() => { document.getElementById('model').style.color = '#bbb'; }")
    assert len(poor(page)) == 1


def test_a_phone_scrolls_down_only_and_its_controls_can_be_hit(open_page, films):
    page = open_page(phone=True, expected=(415,))
    sideways = "() => document.documentElement.scrollWidth > innerWidth || document.body.scrollWidth > innerWidth"
    assert not page.evaluate(sideways)
    judged(page, *films.all)
    page.get_by_role("button", name="Window, heat-map").click()
    for path in films.all:
        page.locator(".grid-row", has_text=path.name).click()
        assert not page.evaluate(sideways), path.name
        expect(page.locator("#film-name")).to_be_in_viewport()
    small = page.evaluate("""() => [...document.querySelectorAll("button, select, input")]
      .filter((e) => e.checkVisibility())
      .filter((e) => e.type !== "radio" && e.getBoundingClientRect().height < 24).map((e) => e.id || e.textContent)""")
    assert small == []  # WCAG 2.5.8
    for at in (0, 700, 10_000):
        page.evaluate("(y) => scrollTo(0, y)", at)
        assert page.watch.faults() == [], "the notice and what was measured stay in view"


def test_a_wide_screen_needs_no_scrolling_at_all(open_page, films):
    page = open_page(size=(1440, 900), expected=(415,))
    judged(page, *films.all)
    for part in ("#film-name", "#film", "#heat-note", "#target", ".verdict", "#grid"):
        expect(page.locator(part)).to_be_in_viewport()
    assert page.evaluate("() => document.documentElement.scrollHeight <= innerHeight")


def test_less_motion_is_none_where_it_is_asked_for(open_page):
    moving = """() => [...document.querySelectorAll("*")]
      .filter((e) => parseFloat(getComputedStyle(e).transitionDuration) > 0).length"""
    assert open_page(reduced_motion="reduce").evaluate(moving) == 0
    assert open_page().evaluate(moving) > 0


MISDEEDS = [
    ("() => document.body.setAttribute('style', 'color: red')", "Content Security Policy"),
    (
        "() => { const s = document.createElement('script'); s.textContent = '1'; document.body.append(s); }",
        "inline script",
    ),
    ("() => { new Image().src = 'http://localhost:9/x.png'; }", "localhost"),
    ("() => localStorage.setItem('a', 'b')", "stored"),
    ("() => { document.cookie = 'a=b'; }", "cookie"),
    ("() => { document.querySelector('.always').style.transform = 'translateY(60px)'; }", "out of view"),
    ("() => console.error('oops')", "oops"),
]


@pytest.mark.parametrize(("misdeed", "noted"), MISDEEDS, ids=[noted for _, noted in MISDEEDS])
def test_misdeeds_are_noticed(open_page, misdeed, noted):
    """Every test ends with the same watch: it must be able to fail."""
    page = open_page()
    page.evaluate(misdeed)
    page.wait_for_timeout(100)
    assert any(noted in fault for fault in page.watch.faults())
    page.watch.faults = list
