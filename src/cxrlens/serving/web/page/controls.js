// The tools below the film: what they show is the viewer's look, and what is done to them changes it.

import { byId, el } from "./element.js";
import { PRESETS, presetWindow } from "./film.js";
import { showFlag } from "./flag.js";

const STEP = 1.25; // of one press of a zoom button

/** Joins the tools to a viewer. */
export class Controls {
  constructor(viewer) {
    this.viewer = viewer;
    this.preset = "full";
    for (const [name, { label }] of Object.entries(PRESETS)) byId("preset").append(el("option", { value: name, text: label }));
    byId("preset").append(el("option", { value: "own", text: "Own", disabled: true, hidden: true }));
    byId("preset").addEventListener("change", (event) => this.usePreset(event.target.value));

    this.pair("width", (value) => viewer.set({ width: value }));
    this.pair("level", (value) => viewer.set({ level: value }));
    this.pair("opacity", (value) => viewer.set({ opacity: value / 100, heatShown: true }));

    byId("zoom-in").addEventListener("click", () => viewer.zoomBy(STEP));
    byId("zoom-out").addEventListener("click", () => viewer.zoomBy(1 / STEP));
    byId("fit").addEventListener("click", () => viewer.fit());
    byId("invert").addEventListener("click", () => this.invert());
    byId("heat").addEventListener("click", () => this.toggleHeat());
    byId("more-tools").addEventListener("click", ({ currentTarget }) => {
      currentTarget.setAttribute("aria-expanded", String(currentTarget.getAttribute("aria-expanded") !== "true"));
    });
    for (const radio of document.getElementsByName("drag")) radio.addEventListener("change", () => this.sync());
    viewer.addEventListener("view", () => this.sync());
    this.sync();
  }

  /** A slider and its number, which are one. */
  pair(name, use) {
    for (const id of [name, `${name}-number`]) {
      byId(id).addEventListener("input", (event) => {
        const value = Number.parseFloat(event.target.value);
        this.typing = id; // its own text is left alone while somebody types in it
        if (Number.isFinite(value)) use(value);
        this.typing = "";
      });
      byId(id).addEventListener("change", () => this.sync());
    }
  }

  get mode() {
    return document.querySelector('input[name="drag"]:checked').value;
  }

  toggleMode() {
    const other = this.mode === "pan" ? "window" : "pan";
    document.querySelector(`input[name="drag"][value="${other}"]`).checked = true;
    this.sync();
  }

  invert() {
    this.viewer.set({ inverted: !this.viewer.look.inverted });
  }

  toggleHeat() {
    if (this.viewer.heat) this.viewer.set({ heatShown: !this.viewer.look.heatShown });
  }

  zoom(closer) {
    this.viewer.zoomBy(closer ? STEP : 1 / STEP);
  }

  usePreset(name) {
    this.preset = name;
    if (this.viewer.film) this.viewer.set(presetWindow(name, this.viewer.film));
  }

  /** A new film: the preset that was chosen last, and the whole of it. */
  begin(film, heat) {
    this.viewer.show(film, heat);
    if (film) this.usePreset(this.preset);
  }

  reset() {
    this.viewer.set({ inverted: false, opacity: 0.7, heatShown: true });
    this.viewer.fit();
    this.usePreset("full");
  }

  sync() {
    const { viewer } = this;
    const { look, film, heat } = viewer;
    const values = { width: look.width, level: look.level, opacity: look.opacity * 100 };
    for (const [name, value] of Object.entries(values)) {
      const shown = String(Math.round(value * 10) / 10);
      for (const id of [name, `${name}-number`]) {
        if (id !== this.typing && byId(id).value !== shown) byId(id).value = shown;
        byId(id).disabled = name === "opacity" ? !heat : !film;
      }
      byId(name).setAttribute("aria-valuetext", `${shown} %`);
    }
    for (const id of ["zoom-in", "zoom-out", "fit", "invert", "reset", "preset"]) byId(id).disabled = !film;
    byId("heat").disabled = !heat;
    showFlag(heat?.told ?? null, look.heatShown && look.opacity > 0);
    byId("heat").setAttribute("aria-pressed", String(Boolean(heat) && look.heatShown));
    byId("invert").setAttribute("aria-pressed", String(look.inverted));
    byId("zoom").textContent = film ? `${Math.round(viewer.place.zoom * 100)} %` : "–";
    byId("preset").value = film ? this.presetNow(film, look) : "full";
    viewer.canvas.dataset.hand = viewer.place.zoom > 1.001 || this.mode === "window" ? this.mode : "none";
  }

  presetNow(film, look) {
    const { width, level } = presetWindow(this.preset, film);
    return Math.abs(width - look.width) < 0.01 && Math.abs(level - look.level) < 0.01 ? this.preset : "own";
  }
}
