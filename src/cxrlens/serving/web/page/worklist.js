// The list of files: only the rows in view exist, so that thousands cost no more than twenty.

import { byId, el, eachFrame } from "./element.js";
import { KIND_WORDS, percent } from "./words.js";

const SPARE = 6; // rows rendered beyond each edge
const SIGNS = { waiting: "·", sending: "…", answered: "●", "not sure": "?", refused: "⊘", error: "!" };

/** A grid (WAI-ARIA) with one row in the tab order; arrows move through it. */
export class Worklist {
  constructor(items, actions) {
    this.items = items;
    this.actions = actions;
    this.rows = new Map();
    this.scroll = byId("grid-scroll");
    this.body = byId("grid-rows");
    this.render = eachFrame(() => this.renderNow());
    items.addEventListener("change", this.render);
    items.addEventListener("select", () => this.follow());
    this.scroll.addEventListener("scroll", this.render, { passive: true });
    new ResizeObserver(this.render).observe(this.scroll);
    byId("grid").addEventListener("keydown", (event) => this.key(event));
    for (const button of byId("grid").querySelectorAll("[data-sort]")) {
      button.addEventListener("click", () => this.sortBy(button.dataset.sort));
    }
  }

  get rowHeight() {
    if (!this.measured) {
      const probe = this.row(null);
      this.body.append(probe);
      this.measured = probe.offsetHeight; // 0 while the list is not displayed
      probe.remove();
    }
    return this.measured || 40;
  }

  sortBy(name) {
    const { by, down } = this.items.sort;
    const next = by !== name ? { by: name, down: name === "share" } : { by: name, down: !down };
    const turns = by === name && down === (name !== "share"); // third press: as they were added
    this.items.sort = turns ? { by: "added", down: false } : next;
    this.items.arrange();
    for (const button of byId("grid").querySelectorAll("[data-sort]")) {
      const sort = this.items.sort;
      const order = sort.by !== button.dataset.sort ? "none" : sort.down ? "descending" : "ascending";
      button.parentElement.setAttribute("aria-sort", order);
    }
  }

  renderNow() {
    const { shown, current } = this.items;
    const height = this.rowHeight;
    this.body.style.height = `${shown.length * height}px`;
    byId("grid").setAttribute("aria-rowcount", String(shown.length + 1));
    byId("nothing").hidden = shown.length > 0;
    const first = Math.max(Math.floor(this.scroll.scrollTop / height) - SPARE, 0);
    const last = Math.min(Math.ceil((this.scroll.scrollTop + this.scroll.clientHeight) / height) + SPARE, shown.length);
    const wanted = new Map();
    for (let i = first; i < last; i += 1) wanted.set(shown[i], i);
    const at = shown.indexOf(current);
    if (at >= 0) wanted.set(current, at); // the one in the tab order is always there
    for (const [item, row] of this.rows) {
      if (!wanted.has(item)) {
        row.remove();
        this.rows.delete(item);
      }
    }
    const tabbed = at >= 0 ? current : shown[first];
    for (const [item, index] of [...wanted].sort((a, b) => a[1] - b[1])) this.place(item, index, height, item === tabbed);
  }

  place(item, index, height, tabbed) {
    let row = this.rows.get(item);
    if (!row) {
      row = this.row(item);
      this.rows.set(item, row);
      this.body.append(row);
    }
    row.style.transform = `translateY(${index * height}px)`;
    row.tabIndex = tabbed ? 0 : -1;
    row.setAttribute("aria-rowindex", String(index + 2));
    row.setAttribute("aria-selected", String(item === this.items.current));
    this.fill(row, item);
  }

  row(item) {
    const row = el("div", { class: "grid-row", role: "row" },
      el("span", { role: "gridcell", class: "cell-name" }),
      el("span", { role: "gridcell", class: "cell-result" }, el("i", { class: "sign", "aria-hidden": "true" }), el("span")),
      el("span", { role: "gridcell", class: "n" }));
    if (item) row.addEventListener("click", () => this.actions.choose(item, row));
    return row;
  }

  fill(row, item) {
    const told = `${item.kind} ${item.filter} ${item.likeliest?.[1]}`;
    if (row.dataset.told === told) return;
    const [name, result, share] = row.children;
    row.dataset.told = told;
    row.dataset.kind = item.kind;
    name.textContent = item.name;
    name.title = item.name;
    result.firstChild.textContent = SIGNS[item.kind];
    result.lastChild.textContent = item.kind === "answered" ? item.prediction.label : KIND_WORDS[item.kind];
    share.textContent = item.likeliest ? percent(item.likeliest[1]) : "";
  }

  /** Brings the chosen row into view, and the focus with it where the focus is in the list. */
  follow() {
    const at = this.items.shown.indexOf(this.items.current);
    const height = this.rowHeight;
    if (at >= 0) {
      const { scrollTop, clientHeight } = this.scroll;
      if (at * height < scrollTop) this.scroll.scrollTop = at * height;
      else if ((at + 1) * height > scrollTop + clientHeight) this.scroll.scrollTop = (at + 1) * height - clientHeight;
    }
    const within = this.body.contains(document.activeElement);
    this.renderNow();
    if (within) this.rows.get(this.items.current)?.focus({ preventScroll: true });
  }

  focus() {
    this.renderNow();
    this.rows.get(this.items.current)?.focus({ preventScroll: true });
  }

  key(event) {
    if (!this.body.contains(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(Math.floor(this.scroll.clientHeight / this.rowHeight) - 1, 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key in steps) {
      if (this.items.current) this.items.step(steps[event.key]);
      else this.items.step(0);
    } else if (event.key === "Enter" || event.key === " ") {
      const [item] = [...this.rows].find(([, row]) => row === event.target) ?? [];
      if (item) this.actions.choose(item, event.target, true);
    } else if (event.key === "Delete") {
      this.actions.forget(this.items.current);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
