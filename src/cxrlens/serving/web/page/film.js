// A film of 16 bits a pixel, and the picture of 8 bits that a window of it gives.

const LEVELS = 65536;

/** One film: its samples, its picture, and where its greys lie. */
export class Film {
  /** @param {{rows: number, columns: number, samples: Uint16Array}} film 0 black, 65535 white */
  constructor({ rows, columns, samples }) {
    this.rows = rows;
    this.columns = columns;
    this.samples = samples;
    this.canvas = document.createElement("canvas");
    this.canvas.width = columns;
    this.canvas.height = rows;
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.image = this.context.createImageData(columns, rows);
    this.out = new Uint32Array(this.image.data.buffer);
    this.table = new Uint32Array(LEVELS);
    this.painted = "";
  }

  /**
   * The picture of a window, as DICOM's linear window gives it (PS3.3 C.11.2.1.2.1, without its half steps).
   *
   * @param {{width: number, level: number, inverted: boolean}} window in percent of the whole range
   */
  paint({ width, level, inverted }) {
    const wanted = `${width} ${level} ${inverted}`;
    if (wanted === this.painted) return this.canvas;
    this.painted = wanted;
    const { table, samples, out } = this;
    const slope = 255 / ((width / 100) * (LEVELS - 1));
    const from = ((level - width / 2) / 100) * (LEVELS - 1);
    for (let value = 0; value < LEVELS; value += 1) {
      const grey = Math.min(Math.max(Math.round((value - from) * slope), 0), 255);
      table[value] = ((inverted ? 255 - grey : grey) * 0x10101) | 0xff000000;
    }
    for (let i = 0; i < samples.length; i += 1) out[i] = table[samples[i]];
    this.context.putImageData(this.image, 0, 0);
    return this.canvas;
  }

  /** The grey, in percent of the whole range, below which this share of the pixels lies. */
  quantile(share) {
    if (!this.sums) {
      this.sums = new Uint32Array(1024);
      for (const sample of this.samples) this.sums[sample >> 6] += 1;
      for (let i = 1; i < this.sums.length; i += 1) this.sums[i] += this.sums[i - 1];
    }
    const wanted = share * this.samples.length;
    const at = this.sums.findIndex((sum) => sum >= wanted);
    return ((at + 0.5) / this.sums.length) * 100;
  }
}

/** Windows to begin with, by name; each but the first is of the film's own greys. */
export const PRESETS = {
  full: { label: "As stored", of: () => [0, 100] },
  auto: { label: "Fitted (1–99 %)", of: (film) => [film.quantile(0.01), film.quantile(0.99)] },
  dark: { label: "Lungs (darker 60 %)", of: (film) => [film.quantile(0.02), film.quantile(0.6)] },
  bright: { label: "Mediastinum (brighter 60 %)", of: (film) => [film.quantile(0.4), film.quantile(0.995)] },
};

/** A preset's width and level for a film, in percent. */
export function presetWindow(name, film) {
  const [low, high] = PRESETS[name].of(film);
  const width = Math.max(high - low, 1);
  return { width: Math.round(width * 2) / 2, level: Math.round(low + high) / 2 };
}
