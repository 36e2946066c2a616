"""A browser before the real server. Whatever a test does, the page must behave: see :class:`Watch`."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run", "--disable-dev-shm-usage",
)  # fmt: skip

IN_VIEW = """id => {
  const told = document.getElementById(id);
  const box = told.getBoundingClientRect();
  const at = document.elementFromPoint(box.left + 5, box.top + box.height / 2);
  const open = document.querySelector("dialog[open]");
  return box.top >= 0 && box.bottom <= innerHeight && box.left >= 0 && box.right <= innerWidth
    && (open !== null || told.contains(at) || at.contains(told));
}"""


class Watch:
    """What a page may never do, noted while it is used.

    Args:
        page: of Playwright.
        expected: HTTP statuses of answers that the test provokes; the browser notes each as an error.
    """

    def __init__(self, page, expected=()):
        self.page = page
        self.expected = set(expected)
        self.said: list[str] = []
        self.asked: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.said.append(f"uncaught: {error}"))
        page.on("request", lambda request: self.asked.append(request.url))

    def _console(self, message) -> None:
        if message.type not in ("error", "warning"):
            return
        text = message.text
        if text.startswith("Failed to load resource") and any(f"status of {s} " in text for s in self.expected):
            return
        if not text.startswith("Canvas2D: Multiple readback"):  # by the tests themselves, see page_actions.canvas
            self.said.append(text)

    def faults(self) -> list[str]:
        """Everything that is wrong by now."""
        found = list(self.said)
        found += [f"asked {url}" for url in self.asked if urlsplit(url).hostname not in ("127.0.0.1", None)]
        if self.page.context.cookies():
            found.append("a cookie")
        kept = "async () => [localStorage.length, sessionStorage.length, (await indexedDB.databases()).length]"
        if any(self.page.evaluate(kept)):
            found.append("something is stored in the browser")
        found += [
            f"'{name}' is out of view" for name in ("notice", "measured") if not self.page.evaluate(IN_VIEW, name)
        ]
        return found


@pytest.fixture(scope="module")
def chromium() -> Iterator[object]:
    """Debian's own browser."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (the extra dev)")
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("chromium is not installed (apt-get install chromium)")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def served(exported: Path) -> Iterator[object]:
    """The server."""
    from page_server import page_predictor, serving

    with serving(page_predictor(exported)) as running:
        yield running


@pytest.fixture(scope="module")
def films(served, tmp_path_factory: pytest.TempPathFactory):
    """A file of each kind."""
    from page_server import make_films

    return make_films(tmp_path_factory.mktemp("films"), served.predictor)


@pytest.fixture
def open_page(chromium, served) -> Iterator[Callable[..., object]]:
    """Opens the page: ``open_page(phone=False, scheme="light", expected=())``; all are watched until the test ends."""
    contexts, watches = [], []

    def opened(*, phone=False, scheme="light", expected=(), url=None, size=(1280, 800), **more):
        size = {"width": 390, "height": 844} if phone else {"width": size[0], "height": size[1]}
        context = chromium.new_context(color_scheme=scheme, viewport=size, has_touch=phone, is_mobile=phone, **more)
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()
        watches.append(Watch(page, expected))
        page.watch = watches[-1]
        page.goto(url or served.url)
        if url is None:
            page.locator("#measured:not(:empty)").wait_for()
        return page

    yield opened
    faults = [fault for watch in watches for fault in watch.faults()]
    for context in contexts:
        context.close()
    assert faults == []
