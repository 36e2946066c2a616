// Shortcuts that work wherever no text is typed.

import { byId } from "./element.js";

/** Joins keys to actions: `{ next, previous, zoom, fit, invert, heat, mode, reset, open, target }`. */
export function joinKeys(actions) {
  const table = {
    j: actions.next,
    ArrowDown: actions.next,
    k: actions.previous,
    ArrowUp: actions.previous,
    "+": () => actions.zoom(true),
    "=": () => actions.zoom(true),
    "-": () => actions.zoom(false),
    0: actions.fit,
    i: actions.invert,
    h: actions.heat,
    w: actions.mode,
    r: actions.reset,
    o: actions.open,
    "?": () => byId("help-dialog").showModal(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (document.querySelector("dialog[open]") || takesKeys(event.target)) return;
    const arrow = event.key.startsWith("Arrow");
    if (!arrow && !byId("single-keys").checked) return;
    if (arrow && scrolls(event.target)) return;
    const action = /^[1-9]$/.test(event.key) ? () => actions.target(Number(event.key)) : table[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}

/** Fields where a key means itself. */
function takesKeys(target) {
  return Boolean(target.closest?.("input:not([type=checkbox]), select, textarea"));
}

/** Where arrows scroll what is read, and have nothing to do with the list. */
const scrolls = (target) => document.body.dataset.state === "empty" || Boolean(target.closest?.("#result"));
