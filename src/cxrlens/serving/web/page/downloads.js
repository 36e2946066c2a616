// What can be taken away: of one film PNG, PDF, JSON and DICOM; of the list CSV or JSON lines.

import { el } from "./element.js";

/** The buttons of one film; what cannot be had says why. */
export function downloadButtons(item, model, actions) {
  const button = (kind, label, without) =>
    el("button", { type: "button", "data-download": kind, disabled: Boolean(without), title: without || null,
      "aria-describedby": without ? `no-${kind}` : null, onclick: () => actions.download(item, kind), text: label });
  const noPng = item.prediction.cam ? "" : "PNG: there is no heat-map, as no class was named.";
  const dicom = button("dicom", "DICOM", "DICOM: only for files that came as DICOM.");
  const said = el("p", { class: "quiet small", id: "no-dicom", text: "DICOM: only for files that came as DICOM." });
  offerDicom(item, model, dicom, said);
  return el("section", { class: "downloads", "aria-label": "Download" },
    el("h3", { text: "Download" }),
    el("p", { class: "buttons" }, button("png", "PNG", noPng), button("pdf", "PDF"), button("json", "JSON"), dicom),
    noPng ? el("p", { class: "quiet small", id: "no-png", text: noPng }) : null,
    said);
}

async function offerDicom(item, model, button, said) {
  const own = item.prediction.dicom; // where the server says so itself, it knows best
  const is = typeof own === "boolean" ? own : await item.isDicom;
  if (is && model?.dicom === false) {
    said.textContent = button.title = "DICOM: this server was installed without its DICOM extra.";
  } else if (is) {
    button.disabled = false;
    button.removeAttribute("title");
    button.removeAttribute("aria-describedby");
    said.remove();
  }
}

/** A prediction as it may leave: with the file's name, without the server's key to it. */
export function record(item) {
  if (!item.prediction) return { image: item.name, status: "error", reason: item.fault };
  const { id, ...rest } = item.prediction;
  return { ...rest, image: item.name, cam: null };
}

/** The list as JSON lines; rows that are not judged yet are left out. */
export function asJsonLines(items) {
  return judged(items).map((item) => `${JSON.stringify(record(item))}\n`).join("");
}

/** The list as CSV, with the columns of `cxrlens predict --format csv`. */
export function asCsv(items, model) {
  const { classes, measured_on: measured, notice } = model;
  const head = ["image", "status", "label", ...classes.map((name) => `p_${name}`), "prediction_set", "reason",
    "warnings", "gate", "cam", "map_flagged", "map_reasons", "risk", "model", "hash", "measured_on", "notice"];
  const rows = judged(items).map((item) => {
    const p = item.prediction ?? {};
    const shares = classes.map((name) => p.probabilities?.[name]?.toFixed(6) ?? "");
    return [item.name, item.kind, p.label ?? "", ...shares, (p.prediction_set ?? []).join(";"), p.reason ?? item.fault,
      (p.warnings ?? []).join(";"), p.gate?.status ?? "", "", ...mapCells(p.heat_map), p.risk?.share.toFixed(6) ?? "",
      model.name, model.hash, measured, notice];
  });
  return [head, ...rows].map((cells) => `${cells.map(cell).join(",")}\n`).join("");
}

/** Of the map that was looked at last; blank where none was. */
function mapCells(told) {
  return told ? [told.flagged ? "yes" : "no", Object.values(told.reasons).join(";")] : ["", ""];
}

const judged = (items) => items.filter((item) => item.state === "done" || item.state === "failed");

function cell(value) {
  return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

/** Hands a file to the browser's own downloads. */
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = el("a", { href: url, download: name, hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** The file's own name without its folder and ending, for what is made of it. */
export function stem(item) {
  const last = item.name.split("/").at(-1);
  return last.replace(/\.[A-Za-z0-9]{1,5}$/, "") || "film";
}
