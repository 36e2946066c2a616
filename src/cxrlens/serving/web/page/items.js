// The worklist's rows: what was given, how far it is, what was said of it; filters and order.

import { seldom } from "./element.js";

/** One file and what became of it. */
export class Item {
  constructor(key, file, name) {
    this.key = key;
    this.file = file;
    this.name = name;
    this.state = "waiting"; // then "sending", then "done" or "failed"
    this.prediction = null;
    this.problem = null;
    this.note = "";
  }

  /** A promise of whether the file is DICOM by its first bytes; only then DICOM results are offered. */
  get isDicom() {
    this.told ??= this.file.slice(0, 132).arrayBuffer().then(isDicom, () => false);
    return this.told;
  }

  /** waiting, sending, answered, not sure, refused or error. */
  get kind() {
    if (this.state === "failed") return "error";
    return this.state === "done" ? this.prediction.status : this.state;
  }

  /** The likeliest class and its probability; null where none is named. */
  get likeliest() {
    const shares = this.prediction?.probabilities;
    if (!shares) return null;
    return Object.entries(shares).reduce((best, each) => (each[1] > best[1] ? each : best));
  }

  /** What rows are filtered and sorted by: the class, or the kind. */
  get filter() {
    if (this.kind === "answered") return this.prediction.label;
    return this.kind === "sending" ? "waiting" : this.kind;
  }

  /** Why it is an error. */
  get fault() {
    return this.problem ? this.problem.detail : (this.prediction?.reason ?? "");
  }
}

const byName = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

/** All rows; tells of changes by the events `change` (rows or their order) and `item` (one row). */
export class Items extends EventTarget {
  constructor() {
    super();
    this.all = [];
    this.shown = [];
    this.filter = "all";
    this.find = "";
    this.sort = { by: "added", down: false };
    this.current = null;
    this.last = 0;
    this.arrangeSoon = seldom(() => this.arrange());
  }

  add(files) {
    const made = files.map(({ file, name }) => new Item((this.last += 1), file, name));
    this.all.push(...made);
    this.arrange();
    return made;
  }

  remove(item) {
    const at = this.shown.indexOf(item);
    this.all = this.all.filter((each) => each !== item);
    this.arrange();
    if (this.current === item) this.select(this.shown[Math.min(Math.max(at, 0), this.shown.length - 1)] ?? null);
  }

  clear() {
    this.all = [];
    this.filter = "all";
    this.find = "";
    this.arrange();
    this.select(null);
  }

  /** One row has news. */
  touch(item) {
    this.arrangeSoon();
    this.dispatchEvent(new CustomEvent("item", { detail: item }));
  }

  select(item) {
    if (item === this.current) return;
    this.current = item;
    this.dispatchEvent(new CustomEvent("select", { detail: item }));
  }

  /** The row so many further on among those shown. */
  step(by) {
    if (!this.shown.length) return;
    const at = this.shown.indexOf(this.current);
    const next = at < 0 ? 0 : Math.min(Math.max(at + by, 0), this.shown.length - 1);
    this.select(this.shown[next]);
  }

  /** Filter and order again. */
  arrange() {
    const find = this.find.toLowerCase();
    const wanted = (item) =>
      (this.filter === "all" || item.filter === this.filter) && (!find || item.name.toLowerCase().includes(find));
    this.shown = this.all.filter(wanted);
    const { by, down } = this.sort;
    if (by !== "added") {
      const sign = down ? -1 : 1;
      this.shown.sort((a, b) => sign * compare[by](a, b) || a.key - b.key);
    }
    this.dispatchEvent(new Event("change"));
  }

  /** How many rows each filter would show. */
  counts() {
    const found = new Map();
    for (const item of this.all) found.set(item.filter, (found.get(item.filter) ?? 0) + 1);
    return found;
  }
}

/** DICOM's own mark (PS3.10 section 7.1), or a data set that begins without one; asked of files that were judged. */
function isDicom(buffer) {
  const head = new Uint8Array(buffer);
  if (String.fromCharCode(...head.subarray(128, 132)) === "DICM") return true;
  const [low, high, element, zero] = head;
  return (low === 2 || low === 8) && high === 0 && zero === 0 && element <= 0x18;
}

const compare = {
  name: (a, b) => byName.compare(a.name, b.name),
  result: (a, b) => byName.compare(a.filter, b.filter),
  share: (a, b) => (a.likeliest?.[1] ?? -1) - (b.likeliest?.[1] ?? -1),
};
