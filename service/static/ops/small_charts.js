// Small pictures: sparkline with fan, strip of hours, calibration, bars. Each is an inline SVG with a sentence for
// those who do not see it.

import { h, s } from "./dom.js";
import { number, percent } from "./format.js";

function range(values) {
  const known = values.filter((value) => Number.isFinite(value));
  const low = Math.min(...known), high = Math.max(...known);
  return high > low ? [low, high] : [low - 1, high + 1];
}

function path(points) {
  return points.map(([x, y], place) => `${place ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
}

// The last values and the forecast with its 80 % interval; `null` draws nothing.
export function sparkline(found) {
  if (found === undefined) return ""; // of symbols
  if (!found || !found.values.length) return h("span", { class: "grey" }, "no value");
  const { values, median, lower, upper } = found;
  const [low, high] = range([...values, ...lower, ...upper]);
  const width = 176, height = 34, steps = values.length + median.length - 1;
  const x = (place) => 2 + (place / Math.max(1, steps)) * (width - 4);
  const y = (value) => 2 + (1 - (value - low) / (high - low)) * (height - 4);
  const from = values.length - 1, last = values[from];
  const top = [[x(from), y(last)], ...upper.map((value, k) => [x(from + 1 + k), y(value)])];
  const bottom = [...lower.map((value, k) => [x(from + 1 + k), y(value)])].reverse();
  const words = `last value ${number(last)}, forecast from ${number(median[0])} to ${number(median.at(-1))}`;
  return s("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": words, preserveAspectRatio: "none" },
    s("path", { class: "fan", d: `${path([...top, ...bottom])}Z` }),
    s("path", { class: "past", d: path(values.map((value, k) => [x(k), y(value)])) }),
    s("path", { class: "median", d: path([[x(from), y(last)], ...median.map((value, k) => [x(from + 1 + k), y(value)])]) }),
  );
}

// One cell for each hour: {level: 0 good, 1 to watch, 2 bad, null unknown; words}.
export function strip(cells, words) {
  const each = 100 / Math.max(1, cells.length);
  const fill = (level) => (level === null ? "var(--line)" : level === 2 ? "var(--bad)" : level === 1 ? "var(--warn)" : "var(--good)");
  const tall = (level) => (level === null ? 3 : level === 2 ? 10 : level === 1 ? 7 : 4);
  return s("svg", { class: "strip", viewBox: "0 0 100 10", preserveAspectRatio: "none", role: "img", "aria-label": words },
    cells.map((cell, place) =>
      s("rect", { x: place * each, y: 10 - tall(cell.level), width: each * 0.82, height: tall(cell.level), fill: fill(cell.level) },
        s("title", {}, cell.words))),
  );
}

// Nominal against observed coverage: `points` are {nominal, observed, n}.
export function calibration(points) {
  const size = 240, pad = 44, scale = size - pad - 30;
  const x = (share) => pad + share * scale, y = (share) => 10 + (1 - share) * scale;
  const sentence = points.map((point) => `${percent(point.nominal)} held ${percent(point.observed)}`).join(", ");
  return s("svg", { viewBox: `0 0 ${size} ${size - 18}`, width: size, height: size - 18, role: "img", "aria-label": `Calibration: ${sentence}` },
    [0, 0.5, 1].map((tick) => [
      s("line", { class: "axis", x1: x(tick), x2: x(tick), y1: y(0), y2: y(1) }),
      s("line", { class: "axis", x1: x(0), x2: x(1), y1: y(tick), y2: y(tick) }),
      s("text", { x: x(tick), y: y(0) + 16, "text-anchor": "middle" }, percent(tick)),
      s("text", { x: pad - 5, y: y(tick) + 4, "text-anchor": "end" }, percent(tick)),
    ]),
    s("text", { x: x(0.5), y: y(0) + 33, "text-anchor": "middle" }, "promised"),
    s("text", { x: pad + 4, y: 20 }, "observed"),
    s("line", { class: "ideal", x1: x(0), y1: y(0), x2: x(1), y2: y(1) }),
    points.map((point) =>
      s("circle", { class: "dots", cx: x(point.nominal), cy: y(point.observed), r: 4 },
        s("title", {}, `${percent(point.nominal)} promised, ${percent(point.observed, 1)} observed over ${point.n} targets`))),
  );
}

// Bars with a value each: {label, value, words, bad}. `most` is the value of a full bar.
export function bars(lines, most, reference = null) {
  const longest = (name) => Math.max(...lines.map((line) => line[name].length)) * 6.2;
  const row = 22, left = longest("label") + 12, right = longest("words") + 12, width = Math.min(420, document.documentElement.clientWidth - 60), height = lines.length * row + 6;
  const x = (value) => left + Math.min(1, Math.max(0, value / most)) * (width - left - right);
  return s("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": lines.map((line) => `${line.label}: ${line.words}`).join("; "), style: { width: "100%", maxWidth: `${width}px` } },
    lines.map((line, place) => [
      s("text", { x: left - 8, y: place * row + 15, "text-anchor": "end" }, line.label),
      s("rect", { class: line.bad ? "bar bad" : "bar", x: left, y: place * row + 5, height: 12, width: Math.max(0, x(line.value ?? 0) - left) }),
      s("text", { x: x(line.value ?? 0) + 6, y: place * row + 15 }, line.words),
    ]),
    reference === null ? null : s("line", { class: "ideal", x1: x(reference), x2: x(reference), y1: 0, y2: height }),
  );
}
