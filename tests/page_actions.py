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


CONTRASTS = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const linear = (v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => [r, g, b].map((v) => linear(v / 255))
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const ground = (element) => { for (let e = element; e; e = e.parentElement) {
    const colour = rgba(getComputedStyle(e).backgroundColor); if (colour[3] > 220) return colour; }
    return [255, 255, 255]; };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility({ visibilityProperty: true })) continue;
    if (element.closest("[disabled], .visually-hidden, option")) continue;
    if (document.querySelector("dialog[open]") && !element.closest("dialog[open]")) continue;
    const [a, b] = [light(rgba(getComputedStyle(element).color)), light(ground(element))];
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    found.push([Math.round(ratio * 100) / 100, walker.currentNode.data.trim().slice(0, 40)]);
  }
  return found;
}"""


def poor(page) -> list[tuple[float, str]]:
    """Texts below WCAG's 4.5 to 1 (1.4.3, level AA)."""
    found = page.evaluate(CONTRASTS)
    assert len(found) > 5
    return [(ratio, text) for ratio, text in found if ratio < 4.5]
