// Above the list: which rows are shown, how far the work is, and the list as a file.

import { byId, el, seldom } from "./element.js";
import { KIND_WORDS } from "./words.js";

const KINDS = ["not sure", "refused", "error", "waiting"];

/** Joins filters, search and progress to the rows. */
export class Filters {
  constructor(items, queue) {
    this.items = items;
    this.queue = queue;
    this.classes = [];
    items.addEventListener("change", () => this.render());
    queue.addEventListener("progress", seldom(() => this.progress()));
    byId("find").addEventListener("input", (event) => {
      items.find = event.target.value;
      items.arrange();
    });
    byId("pause").addEventListener("click", () => {
      queue.pause(!queue.paused);
      byId("pause").setAttribute("aria-pressed", String(queue.paused));
      byId("pause").textContent = queue.paused ? "Go on" : "Pause";
    });
  }

  render() {
    const { items } = this;
    const counts = items.counts();
    const known = [...this.classes, ...KINDS].filter((name) => counts.has(name) || items.filter === name);
    const rows = [["all", "All", items.all.length], ...known.map((n) => [n, KIND_WORDS[n] ?? n, counts.get(n) ?? 0])];
    const told = JSON.stringify([rows, items.filter]);
    if (told !== this.told) {
      this.told = told;
      const focused = document.activeElement?.dataset?.filter;
      byId("filters").replaceChildren(...rows.map(([name, label, number]) => this.pill(name, label, number)));
      if (focused) byId("filters").querySelector(`[data-filter="${CSS.escape(focused)}"]`)?.focus();
    }
    const { length } = items.shown;
    byId("worklist-count").textContent = length === items.all.length ? String(length) : `${length} of ${items.all.length}`;
    byId("find").value = items.find;
    this.progress();
  }

  pill(name, label, number) {
    const pressed = String(this.items.filter === name);
    const choose = () => {
      this.items.filter = name;
      this.items.arrange();
    };
    return el("button", { type: "button", class: "pill", "data-filter": name, "aria-pressed": pressed, onclick: choose },
      `${label} `, el("b", { text: number.toLocaleString("en") }));
  }

  progress() {
    const { all } = this.items;
    const left = this.queue.waiting.length + this.queue.running.size;
    byId("progress-line").hidden = left === 0;
    byId("progress").max = Math.max(all.length, 1);
    byId("progress").value = all.length - left;
    const done = `${(all.length - left).toLocaleString("en")} of ${all.length.toLocaleString("en")} judged`;
    const paused = this.queue.paused ? "paused" : "";
    byId("progress-words").textContent = [done, paused || this.queue.busy].filter(Boolean).join("; ");
  }
}
