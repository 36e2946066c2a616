"""Make docs/images/page-*.png, the pictures of docs/page.md: synthetic radiographs, the real page, a real browser.

``python docs/make_page_pictures.py MODEL`` with an exported model or its run folder. Needs chromium and the extras
``serve`` and ``dev``. Which class a film gets is the given model's own answer, and says nothing about patients.
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cxrlens.labels import CLASSES
from cxrlens.serving.predictor import load_predictor
from cxrlens.serving.run_model import find_model
from cxrlens.sources.phantom import make_phantom
from cxrlens.sources.phantom.encode import encode_png, to_samples

OUT = Path(__file__).with_name("images")
HOSPITALS = ("northgate-dr", "harbour-cr", "ward-portable", "hillside-film")
LYING = "synthetic 04.png"
LARGEST = 200_000  # bytes
WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


def write_films(folder: Path, count: int) -> list[Path]:
    """Films of four hospitals and classes in turn, one on its side, one picture that is none, one file that is none."""
    paths = []
    for number in range(count):
        label, hospital = CLASSES[number % 4], HOSPITALS[number // 4 % 4]
        pixels = make_phantom(label, hospital=hospital, seed=500 + number, size=640).pixels
        if f"synthetic {number + 1:02d}.png" == LYING:
            pixels = np.ascontiguousarray(np.rot90(pixels))
        paths.append(folder / f"synthetic {number + 1:02d}.png")
        paths[-1].write_bytes(encode_png(to_samples(pixels, 16)))
    y, x = np.mgrid[:400, :560] / 400
    hills = np.clip(0.35 + 0.3 * np.sin(5 * x) * (y > 0.5) + 0.4 * (1 - y), 0, 1)
    paths.append(folder / "landscape.png")
    Image.fromarray((np.dstack([hills, hills**1.4, 1 - hills]) * 255).astype(np.uint8)).save(paths[-1])
    paths.append(folder / "notes.png")
    paths[-1].write_text("no picture")
    return paths


@contextmanager
def serving(model: Path) -> Iterator[str]:
    """The server on a free port of this machine."""
    import uvicorn

    from cxrlens.serving.web.app import create_app
    from cxrlens.serving.web.options import ServerOptions
    from cxrlens.serving.web.serve import listen

    options = ServerOptions(port=0)
    listener = listen(options)
    port = listener.getsockname()[1]
    app = create_app(load_predictor(model, threads=1), replace(options, port=port))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while thread.is_alive() and not server.started:
        time.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.should_exit = True
        thread.join(10)


def save(page: Any, name: str) -> None:
    """A screenshot; in 256 dithered colours where it has too many bytes for a repository."""
    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    OUT.mkdir(exist_ok=True)
    target = OUT / f"page-{name}.png"
    shot.save(target, optimize=True)
    if target.stat().st_size > LARGEST:
        palette = shot.quantize(256, method=Image.Quantize.FASTOCTREE, kmeans=2)
        shot.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(target, optimize=True)
    sys.stdout.write(f"{target.name}: {target.stat().st_size // 1000} kB\n")


def opened(browser: Any, url: str, scheme: str, *, phone: bool = False) -> Any:
    """The page in a window of its own."""
    size, scale = (PHONE, 2) if phone else (WIDE, 1)
    more = {"viewport": size, "device_scale_factor": scale, "has_touch": phone, "is_mobile": phone}
    page = browser.new_context(color_scheme=scheme, reduced_motion="reduce", **more).new_page()
    page.goto(url)
    page.locator("#measured:not(:empty)").wait_for()
    return page


def give(page: Any, films: list[Path]) -> None:
    """Drops them, and waits for the last answer and the heat."""
    page.set_input_files("#files", [str(path) for path in films])
    page.locator("#worklist-count", has_text=str(len(films))).wait_for()
    page.locator("#progress-line").wait_for(state="hidden", timeout=120_000)
    settle(page)


def settle(page: Any) -> None:
    """Lets the film and its heat arrive."""
    page.locator("#film-busy").wait_for(state="hidden")
    page.wait_for_timeout(700)


def choose(page: Any, kind: str) -> bool:
    """The first film of a kind, one that was repaired before all others; whether there is one."""
    pill = page.locator("#filters button" if kind == "answered" else f"[data-filter='{kind}']")
    if not pill.count():
        return False
    pill.nth(1 if kind == "answered" else 0).click()  # the first class that was answered
    page.wait_for_timeout(200)
    repaired = page.locator(".grid-row", has_text=LYING)
    (repaired if repaired.count() else page.locator(".grid-row").first).click()
    page.locator("[data-filter=all]").click()
    page.mouse.move(0, 0)
    page.evaluate("() => document.getElementById('stage').scrollIntoView()")
    settle(page)
    return True


def main() -> None:
    """All of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="an exported model, or a run folder that was exported")
    parser.add_argument("--films", type=int, default=26, help="synthetic radiographs in the worklist")
    given = parser.parse_args()
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        sys.exit("chromium is not installed (apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with (
        tempfile.TemporaryDirectory() as scratch,
        serving(find_model(given.model)[0]) as url,
        sync_playwright() as play,
    ):
        films = write_films(Path(scratch), given.films)
        browser = play.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        save(opened(browser, url, "light"), "empty")
        for scheme, kind in (("light", "answered"), ("dark", "not sure"), ("light", "refused")):
            page = opened(browser, url, scheme)
            give(page, films)
            if choose(page, kind):
                save(page, kind.replace(" ", "-"))
        page = opened(browser, url, "dark", phone=True)
        give(page, films)
        if choose(page, "answered"):
            save(page, "phone")
        browser.close()


if __name__ == "__main__":
    main()
