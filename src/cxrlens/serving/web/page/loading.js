// From the row that is chosen to the film and the heat that are seen.

import { cam, flag, pixels, Problem } from "./api.js";
import { byId, el } from "./element.js";
import { Film } from "./film.js";
import { checkedWords } from "./flag.js";
import { heatPicture } from "./heat.js";
import { sentence } from "./words.js";

const KEPT = 6; // films in memory: a film of 2048² takes some 40 MB

/** Shows the film of a row; a result that the server let go of is asked for again, once. */
export class Loading {
  constructor({ items, queue, controls, viewer }) {
    Object.assign(this, { items, queue, controls, viewer });
    this.kept = new Map(); // prediction id → { film, heats }
    this.model = null;
    this.control = new AbortController();
    this.resent = new WeakSet();
    items.addEventListener("select", () => this.show());
    items.addEventListener("item", ({ detail }) => detail === items.current && this.show());
    byId("target").addEventListener("change", () => this.changeHeat());
    byId("layer").addEventListener("change", () => this.changeHeat());
  }

  /** Once the server has told of its model. */
  know(model) {
    this.model = model;
    this.fillTargets(null);
    const layers = model.layers ?? [];
    byId("layer").replaceChildren(...layers.map((name, at) => el("option", { value: name, text: at ? name : `${name} (deepest)` })));
    byId("layer-row").hidden = layers.length < 2; // no choice: the note names it
  }

  fillTargets(likeliest) {
    const chosen = byId("target").value;
    const first = likeliest ? `${likeliest} (likeliest)` : "Likeliest class";
    byId("target").replaceChildren(
      el("option", { value: "", text: first }),
      ...(this.model?.classes ?? []).map((name) => el("option", { value: name, text: name })),
    );
    byId("target").value = chosen;
  }

  /** The class with this number, counted from 1. */
  chooseClass(number) {
    const name = this.model?.classes[number - 1];
    if (!name || byId("target").disabled) return;
    byId("target").value = name;
    this.viewer.set({ heatShown: true });
    this.changeHeat();
  }

  forget(item) {
    if (item.prediction?.id) this.kept.delete(item.prediction.id);
  }

  async show() {
    const item = this.items.current;
    this.control.abort(new DOMException("another film", "AbortError"));
    this.control = new AbortController();
    const { signal } = this.control;
    const prediction = item?.prediction;
    this.fillTargets(item?.likeliest?.[0]);
    const maps = Boolean(prediction?.cam);
    for (const id of ["target", "layer"]) byId(id).disabled = !maps;
    byId("heat-note").textContent = this.heatNote(item);
    byId("heat-checked").textContent = "";
    this.say(this.filmNote(item));
    if (!prediction?.id || prediction.status === "error") {
      byId("film-busy").hidden = true;
      this.controls.begin(null, null);
      return;
    }
    const slow = setTimeout(() => !signal.aborted && (byId("film-busy").hidden = false), 150);
    try {
      const entry = await this.entryOf(prediction.id, signal);
      if (signal.aborted) return;
      this.controls.begin(entry.film, null); // at once; the heat is laid over it when it is there
      if (maps) this.changeHeat();
    } catch (error) {
      if (signal.aborted) return;
      this.controls.begin(null, null);
      this.failed(item, error);
    } finally {
      clearTimeout(slow);
      if (!signal.aborted) byId("film-busy").hidden = true;
    }
  }

  async changeHeat() {
    const item = this.items.current;
    const entry = this.kept.get(item?.prediction?.id);
    if (!entry || !item.prediction.cam) return;
    const { signal } = this.control;
    try {
      const wanted = this.chosen(item);
      const heat = await this.heatOf(item.prediction.id, wanted, entry, signal);
      const now = signal.aborted ? {} : this.chosen(item);
      if (now.target !== wanted.target || now.layer !== wanted.layer) return; // another was chosen meanwhile
      this.viewer.setHeat(heat);
      byId("heat-note").textContent = heat.top
        ? `What moved the network towards ${heat.target}, in the ${layerWords(wanted.layer)}; not an outline of a finding.`
        : `Nothing in this film speaks for ${heat.target}: the map is empty.`;
      byId("heat-checked").textContent = checkedWords(heat.told);
      item.prediction.heat_map = heat.told; // goes along where the answer is saved
    } catch (error) {
      if (signal.aborted) return;
      if (error.gone) this.failed(item, error);
      else byId("heat-note").textContent = sentence(error instanceof Problem ? error.detail : String(error));
    }
  }

  async entryOf(id, signal) {
    let entry = this.kept.get(id);
    if (!entry) entry = { film: new Film(await pixels(id, signal)), heats: new Map() };
    this.kept.delete(id);
    this.kept.set(id, entry); // the last one used is the last one dropped
    if (this.kept.size > KEPT) this.kept.delete(this.kept.keys().next().value);
    return entry;
  }

  /** The class and the layer that are chosen, for a film. */
  chosen(item) {
    return { target: byId("target").value || item.likeliest[0], layer: byId("layer").value || "deepest" };
  }

  async heatOf(id, { target, layer }, entry, signal) {
    const key = `${target}\n${layer}`;
    if (!entry.heats.has(key)) {
      // Together, so that no map is seen without its flag.
      const [png, told] = await Promise.all([
        cam(id, { target, layer, kind: "heat" }, signal),
        flag(id, { target, layer }, signal).catch(unlessGone),
      ]);
      entry.heats.set(key, { ...(await heatPicture(png)), told });
    }
    return { ...entry.heats.get(key), target };
  }

  heatNote(item) {
    if (!item?.prediction) return "";
    if (item.kind === "refused") return "None: no class was named.";
    return item.prediction.cam ? "" : "This model was exported without heat-maps.";
  }

  filmNote(item) {
    if (!item) return "";
    if (item.state === "waiting" || item.state === "sending") return "This file is not judged yet.";
    return item.kind === "error" ? "No film: the file could not be read." : "";
  }

  failed(item, error) {
    if (error instanceof Problem && error.gone && !this.resent.has(item)) {
      this.resent.add(item);
      this.say("The server no longer held this result; the file is sent again.");
      this.queue.again(item);
      return;
    }
    this.say(sentence(error instanceof Problem ? error.detail : `the film could not be shown (${error.message})`));
  }

  say(text) {
    byId("film-note").hidden = !text;
    byId("film-note").textContent = text;
  }
}

/** A map that could not be checked is shown, and that is said. */
function unlessGone(error) {
  if (error instanceof Problem && !error.gone) return null;
  throw error;
}

/** Exports that name no layers have the deepest one alone. */
const layerWords = (name) => (name === "deepest" ? "deepest layer" : `layer ${name}`);
