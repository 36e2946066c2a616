// The film on its canvas: window, zoom, pan, and the heat over it.

import { eachFrame } from "./element.js";

const MOST = 16; // screen pixels a pixel of the film
const WHOLE = { zoom: 1, x: 0, y: 0 }; // zoom 1 fits the film; x and y in CSS pixels from the middle

/** Draws what it is told; tells by the event `view` that something about it changed. */
export class Viewer extends EventTarget {
  constructor(canvas) {
    super();
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    this.film = null;
    this.heat = null;
    this.look = { width: 100, level: 50, inverted: false, opacity: 0.7, heatShown: true };
    this.place = { ...WHOLE };
    this.later = eachFrame(() => this.draw());
    new ResizeObserver(() => this.resize()).observe(canvas.parentElement);
    this.resize();
  }

  /** Shows a film, or none. */
  show(film, heat = null) {
    this.film = film;
    this.heat = heat;
    this.place = { ...WHOLE };
    this.changed();
  }

  setHeat(heat) {
    this.heat = heat;
    this.changed();
  }

  /** Changes some of the look. */
  set(look) {
    Object.assign(this.look, look);
    this.look.width = within(this.look.width, 1, 100);
    this.look.level = within(this.look.level, 0, 100);
    this.look.opacity = within(this.look.opacity, 0, 1);
    this.changed();
  }

  changed() {
    this.later();
    this.dispatchEvent(new Event("view"));
  }

  /** CSS pixels a pixel of the film, at zoom 1. */
  get fitting() {
    if (!this.film) return 1;
    return Math.min(this.wide / this.film.columns, this.high / this.film.rows);
  }

  /** CSS pixels a pixel of the film. */
  get scale() {
    return this.fitting * this.place.zoom;
  }

  /** Zooms so that what lies at (x, y), CSS pixels from the middle, stays there. */
  zoomBy(factor, x = 0, y = 0) {
    if (!this.film) return;
    const before = this.place.zoom;
    this.place.zoom = within(before * factor, 1, Math.max(MOST / this.fitting, 1));
    const ratio = this.place.zoom / before;
    this.moveTo(x - (x - this.place.x) * ratio, y - (y - this.place.y) * ratio);
  }

  panBy(x, y) {
    this.moveTo(this.place.x + x, this.place.y + y);
  }

  moveTo(x, y) {
    const spareX = Math.max((this.film.columns * this.scale - this.wide) / 2, 0);
    const spareY = Math.max((this.film.rows * this.scale - this.high) / 2, 0);
    this.place.x = within(x, -spareX, spareX);
    this.place.y = within(y, -spareY, spareY);
    this.changed();
  }

  fit() {
    this.place = { ...WHOLE };
    this.changed();
  }

  /** The whole film, or one screen pixel a pixel of it where (x, y) lies. */
  toggleWhole(x, y) {
    if (this.place.zoom > 1.01) this.fit();
    else this.zoomBy(Math.max(1 / this.fitting, 2), x, y);
  }

  resize() {
    const box = this.canvas.parentElement;
    this.wide = Math.max(box.clientWidth, 1);
    this.high = Math.max(box.clientHeight, 1);
    const dense = Math.min(window.devicePixelRatio || 1, 2);
    this.canvas.width = Math.round(this.wide * dense);
    this.canvas.height = Math.round(this.high * dense);
    this.draw();
  }

  draw() {
    const { context, canvas, film, heat, look } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.globalAlpha = 1;
    context.fillStyle = "#07090b";
    context.fillRect(0, 0, canvas.width, canvas.height);
    if (!film) return;
    const dense = canvas.width / this.wide;
    const scale = this.scale * dense;
    context.setTransform(
      scale, 0, 0, scale,
      canvas.width / 2 + this.place.x * dense - (film.columns * scale) / 2,
      canvas.height / 2 + this.place.y * dense - (film.rows * scale) / 2,
    );
    context.imageSmoothingEnabled = scale < 6; // far in, its pixels are what is looked at
    context.imageSmoothingQuality = "high";
    context.drawImage(film.paint(look), 0, 0);
    if (heat && look.heatShown && look.opacity > 0) {
      context.globalAlpha = look.opacity;
      context.drawImage(heat.canvas, 0, 0, film.columns, film.rows);
    }
  }
}

/** The nearest number of a range; the lowest where it is none. */
export function within(value, low, high) {
  return Math.min(Math.max(Number.isFinite(value) ? value : low, low), high);
}
