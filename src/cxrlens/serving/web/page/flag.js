// The flag of a heat-map: "do not read this map", in sight above the film as long as the map is.

import { byId, el } from "./element.js";
import { sentence } from "./words.js";

const HEADLINE = "Do not read this map";

/** The flag in one sentence; blank where there is none. `told` is what the server says of the map, null where nothing. */
export function flagWords(told) {
  return told?.flagged ? `${HEADLINE}: ${Object.values(told.reasons).join("; ")}.` : "";
}

/** What stands beside the heat-map's tools: what is known of the map besides the flag. */
export function checkedWords(told) {
  if (!told) return "Whether this map should be read could not be checked.";
  const sound = told.flagged ? "" : "Nothing that was measured speaks against reading it, which vouches for nothing. ";
  return sound + (told.unchecked.length ? sentence(`not checked: ${told.unchecked.join("; ")}`) : "");
}

/** Shows or takes away the strip, as the map that it belongs to is shown or not. */
export function showFlag(told, shown) {
  const words = shown ? flagWords(told) : "";
  const strip = byId("map-flag");
  if (strip.dataset.words === words) return; // it is asked with every move of the film
  strip.dataset.words = words;
  strip.hidden = !words;
  const reasons = words ? Object.values(told.reasons) : [];
  strip.replaceChildren(...(words
    ? [el("strong", { text: HEADLINE }), el("ul", {}, ...reasons.map((reason) => el("li", { text: sentence(reason) })))]
    : []));
  byId("map-live").textContent = words; // for those who hear the page
}
