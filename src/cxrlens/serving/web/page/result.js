// What is said of one film: the answer, its bars and set, or why there is none.

import { byId, el } from "./element.js";
import { downloadButtons } from "./downloads.js";
import { listed, percent, sentence } from "./words.js";

const CHECKS = "1 is the limit of each check; above it a film is refused.";

/** Fills the panel for a row; `actions` are what its buttons do. */
export function showResult(item, model, actions) {
  const panel = byId("result");
  panel.dataset.kind = item?.kind ?? "none";
  if (!item) {
    panel.replaceChildren(el("h2", { id: "result-title", text: "Result" }), el("p", { class: "quiet", text: "Choose a film in the worklist." }));
    return;
  }
  panel.replaceChildren(...[
    head(item),
    ...(item.prediction ? [repair(item), bars(item, model), warnings(item), gate(item)] : []),
    item.state === "failed" && item.problem.passing ? again(item, actions) : null,
    item.state === "done" && item.kind !== "error" ? downloadButtons(item, model, actions) : null,
    el("p", { class: "buttons" }, el("button", { type: "button", id: "forget", onclick: () => actions.forget(item), text: "Forget this film" })),
  ].filter(Boolean));
}

function head(item) {
  const parts = [el("p", { class: "file", text: item.name, title: item.name })];
  const title = (text, share) => el("h2", { id: "result-title", class: "verdict" }, text, share ? el("span", { class: "share", text: share }) : null);
  const says = (label) => el("p", { class: "status" }, el("i", { class: "sign", "aria-hidden": "true" }), label);
  switch (item.kind) {
    case "answered":
      parts.push(says("Answered"), title(item.prediction.label, percent(item.prediction.probabilities[item.prediction.label])));
      if (item.prediction.risk) parts.push(...risk(item.prediction.risk));
      break;
    case "not sure":
      parts.push(says("No answer"), title("Not sure"), el("p", { class: "reason", text: sentence(item.prediction.reason) }));
      break;
    case "refused":
      parts.push(says("Refused by the gate"), title("Not judged"), ...refusal(item.prediction));
      break;
    case "error":
      parts.push(says("Error"), title("No result"), el("p", { class: "reason", text: sentence(item.fault) }));
      break;
    default:
      parts.push(says(item.kind === "waiting" ? "Waiting" : "Being judged"), title("…"));
  }
  return el("div", { class: "answer" }, ...parts);
}

/** How often answers as sure as this were wrong, and where that was measured. */
function risk(told) {
  return [
    el("p", { class: "risk" }, el("strong", { text: `${percent(told.share)} wrong` }),
      ` (95 % interval ${percent(told.low)} to ${percent(told.high)}) among answers about as sure as this or surer`),
    el("p", { class: "quiet", text: sentence(told.sentence) }),
  ];
}

function refusal(prediction) {
  const reasons = prediction.gate?.reasons?.length
    ? prediction.gate.reasons.map((phrase) => `the image ${phrase}`)
    : prediction.reason.split("; ");
  const said = reasons.length === 1
    ? el("p", { class: "reason", text: sentence(reasons[0]) })
    : el("ul", { class: "reason" }, ...reasons.map((reason) => el("li", { text: sentence(reason) })));
  const why = "The gate lets only frontal chest films through that are like those the model was trained on. No class is named and no probability given, because none would mean anything.";
  return [said, el("p", { class: "quiet", text: why })];
}

function repair(item) {
  const { gate } = item.prediction;
  if (gate?.status !== "repaired" || !gate.warnings.length) return null;
  return el("div", { class: "note repaired" },
    el("h3", { text: "Repaired before it was judged" }),
    el("p", { text: `${sentence(`the film ${gate.warnings[0]}`)} You see it as it was judged.` }));
}

function bars(item, model) {
  const { probabilities, prediction_set: held, calibrated, measured_on: measured } = item.prediction;
  if (!probabilities) return null;
  const best = item.likeliest[0];
  const rows = Object.entries(probabilities).map(([name, share]) => {
    const inSet = held?.includes(name) ?? false;
    const fill = el("span", { class: "fill" });
    fill.style.width = `${Math.max(share * 100, 0.5)}%`;
    return el("tr", { class: [inSet ? "held" : "", name === best ? "best" : ""].join(" ").trim() },
      el("th", { scope: "row", text: name }),
      el("td", { class: "bar-cell" }, el("span", { class: "track", "aria-hidden": "true" }, fill)),
      el("td", { class: "n", text: percent(share) }),
      el("td", { class: "set" }, inSet ? el("span", { class: "tick", title: "in the prediction set", text: "✓" }) : null,
        held ? el("span", { class: "visually-hidden", text: inSet ? "in the prediction set" : "not in the set" }) : null));
  });
  return el("div", { class: "bars" },
    el("table", {},
      el("caption", { text: calibrated ? "Calibrated probabilities" : "Probabilities, not calibrated" }),
      el("thead", { class: "visually-hidden" }, el("tr", {}, ...["Class", "Bar", "Probability", "Prediction set"].map((text) => el("th", { scope: "col", text })))),
      el("tbody", {}, ...rows)),
    el("p", { class: "set-words" }, ...setWords(held, model)),
    el("p", { class: "measured", text: sentence(measured) }));
}

function setWords(held, model) {
  if (!held) return ["This model has no calibration, and so no prediction set."];
  const coverage = model?.coverage ? `${Math.round(model.coverage * 100)} %` : "the promised share";
  if (!held.length) return [`The prediction set is empty: no class is as likely as it is in ${coverage} of cases of that class like the calibration data.`];
  const tick = el("span", { class: "tick", "aria-hidden": "true", text: "✓" });
  return [tick, ` Prediction set: ${listed(held, "or")}. The true class is among the marked ones in about ${coverage} of cases like the calibration data, and perhaps less often on other films.`];
}

function warnings(item) {
  const { gate, warnings: all } = item.prediction;
  const repaired = gate?.status === "repaired" ? `the image ${gate.warnings[0]}` : null;
  const left = all.filter((text) => text !== repaired);
  if (!left.length) return null;
  return el("div", { class: "note warned" },
    el("h3", { text: left.length > 1 ? "Warnings" : "Warning" }),
    el("ul", {}, ...left.map((text) => el("li", { text: sentence(text) }))));
}

function gate(item) {
  const scores = Object.entries(item.prediction.gate?.scores ?? {});
  if (!scores.length) return null;
  const rows = scores.sort((a, b) => b[1] - a[1]).map(([name, score]) =>
    el("tr", { class: score > 1 ? "beyond" : null }, el("th", { scope: "row", text: name }), el("td", { class: "n", text: score.toFixed(2) })));
  return el("details", { "aria-label": "What the gate measured" }, el("summary", { text: "What the gate measured" }),
    el("p", { class: "quiet", text: CHECKS }), el("table", { class: "scores" }, el("tbody", {}, ...rows)));
}

function again(item, actions) {
  return el("p", { class: "buttons" }, el("button", { type: "button", class: "primary", onclick: () => actions.again(item), text: "Try again" }));
}

/** One sentence for those who hear the page. */
export function spoken(item) {
  const { kind, name } = item;
  if (kind === "answered") return `${name}: ${item.prediction.label}, ${percent(item.likeliest[1])}.`;
  if (kind === "not sure") return `${name}: not sure. ${sentence(item.prediction.reason)}`;
  if (kind === "refused") return `${name}: refused. ${sentence(item.prediction.reason)}`;
  if (kind === "error") return `${name}: error. ${sentence(item.fault)}`;
  return `${name}: ${kind === "waiting" ? "waiting" : "being judged"}.`;
}
