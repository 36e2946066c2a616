"""How fast the server's page is, in a browser without a GPU, in ratios of one run.

    python benchmarks/page_speed.py MODEL [--films 200] [--rows 2500]

Windowing a film of 2048 × 2048 against copying as many pixels; frames while the window is dragged; films a second
through the page against two plain clients of the API that send the same bytes; what a long worklist holds, and a step
in it. Needs chromium, and the extras ``serve`` and ``dev``. All films are synthetic.
"""

from __future__ import annotations

import argparse
import base64
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np

from cxrlens.labels import CLASSES
from cxrlens.sources.phantom import make_phantom
from cxrlens.sources.phantom.encode import encode_png, to_samples

PAINT = """async (times) => {
  const { Film } = await import("/static/film.js");
  const samples = Uint16Array.from({ length: 2048 * 2048 }, (_, i) => (i * 7919) & 65535);
  const film = new Film({ rows: 2048, columns: 2048, samples });
  const from = new Uint32Array(samples.length), to = new Uint32Array(samples.length);
  const took = (work) => { const start = performance.now(); work(); return performance.now() - start; };
  const painted = [], copied = [];
  for (let i = 0; i < times; i += 1) {
    painted.push(took(() => film.paint({ width: 40 + i, level: 50, inverted: false })));
    copied.push(took(() => { for (let k = 0; k < from.length; k += 1) to[k] = from[k]; }));
  }
  return [painted.slice(3), copied.slice(3)];
}"""

FRAMES = """() => { window.gaps = []; let last = performance.now();
  const frame = () => { const now = performance.now(); gaps.push(now - last); last = now;
    requestAnimationFrame(frame); };
  requestAnimationFrame(frame); }"""

DROP = """([data, count]) => { const transfer = new DataTransfer();
  const films = data.map((film) => Uint8Array.from(atob(film), (c) => c.charCodeAt(0)));
  for (let i = 0; i < count; i += 1) transfer.items.add(new File([films[i % films.length]], `film ${i}.png`));
  document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true })); }"""

STEPS = """(times) => { const start = performance.now();
  for (let i = 0; i < times; i += 1) document.dispatchEvent(new KeyboardEvent("keydown", { key: "j", bubbles: true }));
  return (performance.now() - start) / times; }"""


@contextmanager
def serving(model: Path) -> Iterator[str]:
    """``cxrlens serve`` as a process of its own; the address of its page."""
    command = [sys.executable, "-m", "cxrlens", "serve", "--model", str(model), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        if "http://" not in said:
            sys.exit("the server did not start: see 'cxrlens serve' by hand")
        yield said[said.index("http://") :].split()[0] + "/"
    finally:
        process.terminate()
        process.wait(20)


def opened(browser: Any, url: str) -> Any:
    """An empty page."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(url)
    page.locator("#measured:not(:empty)").wait_for()
    return page


def window_speed(browser: Any, url: str) -> None:
    """A 2048 × 2048 film, windowed anew and dragged."""
    page = opened(browser, url)
    painted, copied = (statistics.median(times) for times in page.evaluate(PAINT, 33))
    print(
        f"window of 2048 x 2048: {painted:.1f} ms, {painted / copied:.2f} of a plain loop that copies ({copied:.1f} ms)"
    )
    small = make_phantom("Pneumonia", seed=1, size=512).pixels
    film = encode_png(to_samples(np.clip(cv2.resize(small, (2048, 2048)), 0, 1), 16))
    page.evaluate(DROP, [[base64.b64encode(film).decode()], 1])
    page.locator("#heat-note", has_text="moved the network").wait_for(state="attached", timeout=60_000)
    page.evaluate(FRAMES)
    box = page.locator("#film").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down(button="right")
    for step in range(60):
        page.mouse.move(x - 2 * step, y + step)
    page.mouse.up(button="right")
    gaps = sorted(page.evaluate("() => gaps"))[len(page.evaluate("() => gaps")) // 4 :]
    print(f"dragging its window, with heat over it: a frame every {statistics.median(gaps):.0f} ms")
    page.close()


def upload_speed(browser: Any, url: str, count: int) -> None:
    """The same films through the page, and through two plain clients."""
    films = [encode_png(to_samples(make_phantom(CLASSES[i % 4], seed=i, size=512).pixels, 8)) for i in range(4)]
    page = opened(browser, url)
    start = time.perf_counter()
    page.evaluate(DROP, [[base64.b64encode(film).decode() for film in films], count])
    page.locator("#worklist-count", has_text=str(count)).wait_for(state="attached")
    page.locator("#progress-line").wait_for(state="hidden", timeout=600_000)
    through_page = time.perf_counter() - start
    page.close()
    headers = {"Content-Type": "application/octet-stream"}
    with httpx.Client(base_url=url) as client, ThreadPoolExecutor(2) as pool:
        start = time.perf_counter()
        answers = pool.map(lambda i: client.post("v1/predictions", content=films[i % 4], headers=headers), range(count))
        assert {answer.status_code for answer in answers} == {200}
        plain = time.perf_counter() - start
    shown = f"{count / through_page:.0f} films/s through the page, {count / plain:.0f} through two plain clients"
    print(f"{count} films of 512 x 512: {shown}: {plain / through_page:.2f}")


def list_speed(browser: Any, url: str, count: int) -> None:
    """A list that is never answered."""
    page = opened(browser, url)
    page.route("**/v1/predictions", lambda route: None)
    film = encode_png(to_samples(make_phantom("Normal", seed=1, size=64).pixels, 8))
    page.evaluate(DROP, [[base64.b64encode(film).decode()], count])
    page.locator("#worklist-count", has_text=str(count)).wait_for(state="attached")
    step = page.evaluate(STEPS, 100)
    print(f"a list of {count}: {page.locator('.grid-row').count()} rows exist, a step takes {step:.1f} ms")
    page.close()


def main() -> None:
    """All four."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--films", type=int, default=200)
    parser.add_argument("--rows", type=int, default=2500)
    given = parser.parse_args()
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        sys.exit("chromium is not installed (apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with serving(given.model) as url, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        print(f"chromium {browser.version}, no GPU")
        window_speed(browser, url)
        upload_speed(browser, url, given.films)
        list_speed(browser, url, given.rows)
        browser.close()


if __name__ == "__main__":
    main()
