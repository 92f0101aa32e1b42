// The classes of trouble in words.

import { h } from "./dom.js";
import { number, plural } from "./format.js";

export const CLASSES = ["silent", "stale", "degraded", "quarantined", "miscalibrated", "worse", "warming"];
const NEEDS_NO_HAND = new Set(["warming"]);
const MEANING = {
  silent: "no value for longer than the model's window",
  stale: "the state could not follow the log",
  degraded: "another model answers, because the promoted one is damaged",
  quarantined: "the last values broke a quality rule",
  miscalibrated: "the 80 % interval holds far more or fewer values than it should",
  worse: "recent forecasts are worse than the simple rival's",
  warming: "too few values yet for the model",
};

function size(trouble) {
  const { class: kind, size: value } = trouble;
  if (kind === "silent") return `${plural(Math.round(value), "step")} without a value`;
  if (kind === "quarantined") return `${plural(Math.round(value), "value")} held`;
  if (kind === "miscalibrated") return `${number(value, 3)} standard errors off`;
  if (kind === "worse") return `skill \u2212${number(value, 3)}`;
  return "";
}

// A series' trouble as a chip and its size; "sound" where there is none.
export function chip(trouble) {
  if (!trouble) return h("span", { class: "grey" }, "sound");
  return [h("span", { class: `chip ${trouble.class}`, title: MEANING[trouble.class] }, trouble.class), " ", h("span", { class: "grey" }, size(trouble))];
}

export function meaning(kind) {
  return MEANING[kind];
}

// How many series need attention: the mildest class only waits for more values.
export function needing(counts) {
  return Object.entries(counts).reduce((sum, [kind, n]) => sum + (NEEDS_NO_HAND.has(kind) ? 0 : n), 0);
}
