// The page: joins its parts.

import { cam, forget, model as askModel, paper, Problem } from "./api.js";
import { Controls } from "./controls.js";
import { joinDialogs } from "./dialogs.js";
import { asCsv, asJsonLines, record, save, stem } from "./downloads.js";
import { joinDrops } from "./drop.js";
import { byId } from "./element.js";
import { Filters } from "./filters.js";
import { flagWords } from "./flag.js";
import { joinHands } from "./hands.js";
import { drawLegend } from "./heat.js";
import { Items } from "./items.js";
import { joinKeys } from "./keys.js";
import { Loading } from "./loading.js";
import { Queue } from "./queue.js";
import { showResult, spoken } from "./result.js";
import { Viewer } from "./viewer.js";
import { count, sentence } from "./words.js";
import { Worklist } from "./worklist.js";

const items = new Items();
const queue = new Queue(items);
const viewer = new Viewer(byId("film"));
const controls = new Controls(viewer);
const loading = new Loading({ items, queue, controls, viewer });
const filters = new Filters(items, queue);
const narrow = matchMedia("not all and (min-width: 1024px) and (min-height: 620px)");
let model = null;

const actions = {
  choose(item, row, onwards = false) {
    items.select(item);
    if (onwards) byId("result").focus();
    else row.focus({ preventScroll: true });
    if (narrow.matches) byId("stage").scrollIntoView({ block: "start" });
  },
  again: (item) => queue.again(item),
  forget(item) {
    if (!item) return;
    const inList = byId("grid-rows").contains(document.activeElement);
    queue.drop(item);
    loading.forget(item);
    items.remove(item);
    if (item.prediction?.id) forget(item.prediction.id).catch(complain);
    if (inList) worklist.focus();
    else if (items.current) byId("film").focus({ preventScroll: true });
    else byId("add-files").focus();
    say(`${item.name} is forgotten.`);
  },
  async download(item, kind) {
    try {
      save(await contents(item, kind), `${stem(item)}_cxrlens.${kind === "dicom" ? "zip" : kind}`);
    } catch (error) {
      complain(error);
    }
  },
};
const worklist = new Worklist(items, actions);

async function contents(item, kind) {
  const { id } = item.prediction;
  if (kind === "json") return new Blob([`${JSON.stringify(record(item), null, 2)}\n`], { type: "application/json" });
  if (kind === "png") return cam(id, { ...loading.chosen(item), kind: "overlay", opacity: viewer.look.opacity });
  return paper(id, kind, kind === "pdf" && item.prediction.cam ? { target: loading.chosen(item).target } : {});
}

function add(files) {
  if (!files.length) return;
  const made = items.add(files);
  document.body.dataset.state = "some";
  queue.add(made);
  if (!items.current) items.select(made[0]);
  say(`${count(made.length, "file")} added.`);
}

function forgetAll() {
  const ids = items.all.map((item) => item.prediction?.id).filter(Boolean);
  queue.clear();
  items.all.forEach((item) => loading.forget(item));
  items.clear();
  byId("add-files").focus();
  (async () => {
    for (const id of ids) await forget(id); // one after the other: there may be thousands
  })().catch(complain);
  say("Every film is forgotten.");
}

let talk = 0;
function say(text) {
  clearTimeout(talk);
  talk = setTimeout(() => {
    byId("live").textContent = text;
  }, 250); // what is said while arrows are held down would only queue up
}

let hush = 0;
function complain(error) {
  clearTimeout(hush);
  byId("alert").textContent = sentence(error instanceof Problem ? error.detail : String(error));
  byId("alert").hidden = false;
  hush = setTimeout(() => {
    byId("alert").hidden = true;
  }, 8000);
}

function refresh() {
  const item = items.current;
  showResult(item, model, actions);
  byId("film-name").textContent = item?.name ?? "No film";
  byId("film-name").title = item?.name ?? "";
}

function place() {
  document.body.dataset.state = items.all.length ? "some" : "empty";
  const at = items.shown.indexOf(items.current);
  byId("film-place").textContent = at < 0 ? "" : `${at + 1} / ${items.shown.length}`;
  byId("previous").disabled = at <= 0;
  byId("next").disabled = at < 0 ? !items.shown.length : at >= items.shown.length - 1;
}

let describe = 0;
function describeFilm() {
  clearTimeout(describe);
  describe = setTimeout(() => {
    const { film, heat, look, place: where } = viewer;
    const parts = film
      ? [`${items.current?.name ?? "Film"}, ${film.columns} by ${film.rows} pixels`,
        heat && look.heatShown ? `heat-map for ${heat.target} at ${Math.round(look.opacity * 100)} %` : "no heat-map",
        heat && look.heatShown ? flagWords(heat.told) : "",
        `window ${Math.round(look.width)}, level ${Math.round(look.level)}`, look.inverted ? "inverted" : "",
        `zoom ${Math.round(where.zoom * 100)} %`]
      : ["No film"];
    byId("film").setAttribute("aria-label", parts.filter(Boolean).join("; "));
  }, 200);
}

items.addEventListener("select", () => {
  refresh();
  place();
  if (items.current) say(spoken(items.current));
});
items.addEventListener("change", place);
items.addEventListener("item", ({ detail }) => {
  if (detail === items.current) {
    refresh();
    if (detail.state === "done" || detail.state === "failed") say(spoken(detail));
  }
  if (!queue.waiting.length && queue.running.size === 0 && items.all.length > 1) say(`All ${items.all.length} files are judged.`);
});
viewer.addEventListener("view", describeFilm);

byId("previous").addEventListener("click", () => items.step(-1));
byId("next").addEventListener("click", () => items.step(1));
byId("reset").addEventListener("click", () => reset());
byId("export").addEventListener("change", ({ target }) => {
  const made = target.value === "csv" ? asCsv(items.shown, model) : asJsonLines(items.shown);
  save(new Blob([made], { type: target.value === "csv" ? "text/csv" : "application/jsonl" }), `cxrlens.${target.value}`);
  target.value = "";
});

function reset() {
  byId("target").value = "";
  byId("layer").selectedIndex = 0;
  controls.reset();
  loading.changeHeat();
}

joinHands(viewer, () => controls.mode);
joinDrops(add);
joinDialogs(forgetAll);
joinKeys({
  next: () => items.step(1),
  previous: () => items.step(-1),
  zoom: (closer) => controls.zoom(closer),
  fit: () => viewer.fit(),
  invert: () => controls.invert(),
  heat: () => controls.toggleHeat(),
  mode: () => controls.toggleMode(),
  target: (number) => loading.chooseClass(number),
  open: () => byId("files").click(),
  reset,
});
drawLegend(byId("legend"));
byId("host").textContent = location.host;
refresh();
place();

try {
  model = await askModel();
  loading.know(model);
  filters.classes = model.classes;
  queue.limit = model.limits?.max_bytes ?? Infinity;
  byId("model").textContent = `${model.name} · ${model.hash.slice(0, 8)}`;
  byId("model").title = `Model ${model.name}, SHA-256 of its weights ${model.hash}`;
  byId("notice").textContent = model.notice;
  byId("measured").textContent = sentence(model.measured_on);
  byId("export").disabled = false;
  byId("last-class").textContent = String(model.classes.length);
  filters.render();
  refresh();
} catch (error) {
  byId("model").textContent = "no model";
  complain(error);
}
