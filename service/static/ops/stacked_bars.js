// Stacked bars: one bar for each step, as high as certainty, parted by the probability of each symbol; below it what came.

import { RIGHT } from "./chart.js";
import { s } from "./dom.js";
import { percent } from "./format.js";

export const LEFT = 66; // pixels of the axis; the charts below have the same
const HEIGHT = 250, TOP = 8, CAME = 16, AXIS = 34; // CAME is the strip of what came
const INKS = ["#3b7dbd", "#d98a29", "#4f9d69", "#b5584f", "#8566ad", "#8a6d55", "#c46a9c", "#8f8f2c"];
const NAMED = 17; // least pixels of a part with its symbol in it

// The colour of each symbol: those with most of the probability have one, the others share grey.
export function inks(steps) {
  const mass = new Map();
  const add = (symbol, p) => mass.set(symbol, (mass.get(symbol) ?? 0) + p);
  for (const step of steps) {
    for (const { symbol, p } of step.probabilities ?? []) add(symbol, p);
    if (step.came !== null && step.came !== undefined) add(step.came, 1);
  }
  const order = [...mass.keys()].sort((a, b) => mass.get(b) - mass.get(a)).slice(0, INKS.length);
  return new Map(order.sort().map((symbol, place) => [symbol, INKS[place]]));
}

// A symbol as people read it: signs that cannot be seen have names.
export function shown(symbol) {
  const names = { " ": "space", "\n": "line end", "\t": "tab", "": "nothing" };
  return names[symbol] ?? symbol;
}

// steps: [{label, probabilities: [{symbol, p}] or null, rest, came: symbol, null: missing, undefined: ahead}]; `now` is
// the place of the first step ahead.
export function stackedBars(steps, now, colours, width, sentence) {
  const each = (width - LEFT - RIGHT) / Math.max(1, steps.length), bar = Math.max(1, each * 0.86);
  const full = HEIGHT - TOP - CAME - AXIS, y = (share) => TOP + (1 - share) * full, x = (place) => LEFT + place * each;
  const ink = (symbol) => colours.get(symbol) ?? "var(--soft)";
  const longest = Math.max(...steps.map((step) => step.label.length)) * 6.4 + 18, every = Math.max(1, Math.ceil((1.5 * longest) / each));
  return s("svg", { class: "stacked", width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": sentence },
    [0, 0.5, 1].map((share) => [s("line", { class: "axis", x1: LEFT, x2: width - RIGHT, y1: y(share), y2: y(share) }), s("text", { x: LEFT - 6, y: y(share) + 4, "text-anchor": "end" }, percent(share))]),
    s("text", { x: LEFT - 6, y: TOP + full + CAME - 2, "text-anchor": "end" }, "came"),
    steps.map((step, place) => s("g", { class: place >= now ? "ahead" : null }, [parts(step, x(place), bar, y, ink), came(step, x(place), bar, TOP + full + 4, ink), s("title", {}, words(step))])),
    now > 0 && now < steps.length ? s("line", { class: "ideal", x1: x(now) - each * 0.07, x2: x(now) - each * 0.07, y1: 0, y2: HEIGHT - AXIS + 2 }) : null,
    steps.map((step, place) => (place % every || x(place) + longest / 2 > width ? null : s("text", { x: place ? x(place) + bar / 2 : x(0), y: HEIGHT - 14, "text-anchor": place ? "middle" : "start" }, step.label))));
}

function parts(step, x, bar, y, ink) {
  if (!step.probabilities) return [];
  let below = 0;
  const named = [...step.probabilities].sort((a, b) => (a.symbol < b.symbol ? -1 : 1));
  return [...named.map(({ symbol, p }) => ({ p, fill: ink(symbol), symbol, hit: symbol === step.came })), { p: step.rest, fill: "var(--faint)", symbol: null }].map(({ p, fill, symbol, hit }) => {
    const top = y(below + p), height = y(below) - top;
    below += p;
    if (height <= 0.05) return null;
    const text = symbol !== null && bar > 9 * shown(symbol).length && height > NAMED ? s("text", { class: "named", x: x + bar / 2, y: top + height / 2 + 4, "text-anchor": "middle" }, shown(symbol)) : null;
    return [s("rect", { x, y: top, width: bar, height, fill, class: hit ? "hit" : null }), text];
  });
}

// What came at a step: a square of its colour, hollow where it is missing, a ring where the model had not expected it.
function came(step, x, bar, y, ink) {
  if (step.came === undefined) return null;
  const side = Math.min(bar, CAME - 5), left = x + (bar - side) / 2;
  if (step.came === null) return s("rect", { class: "missing", x: left + 0.5, y: y + 0.5, width: Math.max(1, side - 1), height: CAME - 6 });
  const likeliest = step.probabilities?.[0]?.symbol, surprise = likeliest !== undefined && likeliest !== step.came;
  return s("rect", { class: surprise ? "surprise" : null, x: left, y, width: side, height: CAME - 5, fill: ink(step.came) });
}

function words(step) {
  const said = step.probabilities ? `: ${step.probabilities.map(({ symbol, p }) => `${shown(symbol)} ${percent(p, 1)}`).join(", ")}${step.rest > 0.0005 ? `, others ${percent(step.rest, 1)}` : ""}` : "";
  const then = step.came === undefined ? "" : step.came === null ? "; nothing came" : `; ${shown(step.came)} came`;
  return `${step.label}${said}${then}`;
}
