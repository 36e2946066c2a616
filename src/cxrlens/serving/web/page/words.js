// How things are said.

/** A share in [0, 1] as a percentage; never "100 %" or "0 %" of what is not quite that. */
export function percent(share) {
  if (share > 0.995 && share < 1) return ">99 %";
  if (share < 0.005 && share > 0) return "<1 %";
  return `${Math.round(share * 100)} %`;
}

/** A phrase as a sentence: a capital first, a full stop last. */
export function sentence(phrase) {
  const text = phrase.trim();
  if (!text) return "";
  return text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}

/** "a, b and c". */
export function listed(names, last = "and") {
  if (names.length < 2) return names.join("");
  return `${names.slice(0, -1).join(", ")} ${last} ${names.at(-1)}`;
}

/** 1 file, 2 files. */
export const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

/** 1.5 MB. */
export function bytes(number) {
  const units = ["bytes", "kB", "MB", "GB"];
  let at = 0;
  while (number >= 1000 && at < units.length - 1) {
    number /= 1000;
    at += 1;
  }
  return `${at && number < 10 ? number.toFixed(1) : Math.round(number)} ${units[at]}`;
}

/** The name of a kind of row, as the list and the filters show it. */
export const KIND_WORDS = {
  waiting: "Waiting",
  sending: "Judging…",
  "not sure": "Not sure",
  refused: "Refused",
  error: "Error",
};
