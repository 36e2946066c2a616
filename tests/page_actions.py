"""What a test does on the page, and what it looks at."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np


def judged(page, *files: Path) -> None:
    """Gives files to the page and waits for the last answer."""
    before = page.locator("#worklist-count").inner_text() or "0"
    page.set_input_files("#files", [str(file) for file in files])
    page.locator("#worklist-count", has_text=str(int(before) + len(files))).wait_for(state="attached")
    page.locator("#progress-line").wait_for(state="hidden")


def heat_ready(page) -> None:
    """Waits until the heat lies over the film."""
    page.locator("#heat-note", has_text="moved the network").wait_for(state="attached")


PIXELS = """() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
  const film = document.getElementById("film");
  const { data } = film.getContext("2d").getImageData(0, 0, film.width, film.height);
  let binary = "";
  for (let i = 0; i < data.length; i += 32768) binary += String.fromCharCode(...data.subarray(i, i + 32768));
  done([film.height, film.width, btoa(binary)]);
})))"""


def canvas(page):
    """(H, W, 3) int of what the film's canvas shows."""
    rows, columns, data = page.evaluate(PIXELS)
    pixels = np.frombuffer(base64.b64decode(data), np.uint8).reshape(rows, columns, 4)
    return pixels[..., :3].astype(int)
