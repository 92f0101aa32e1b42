// The chart of a series: observations, the fan of the forecast, the band of earlier forecasts with its misses, a line for
// now and one for the threshold. Titles, legends and numbers are DOM; only lines and areas are drawn on the canvas.

import { h } from "./dom.js";
import { day, number, stamp } from "./format.js";

const HEIGHT = 340;
export const RIGHT = 22; // pixels right of the last value
export const TIMES = [ // labels of the time axis: from ticks this many seconds apart on, with what stands below at each new day or year
  [31536000, "{YYYY}", null, null, null, null, null, null, 1],
  [2419200, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [86400, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [60, "{HH}:{mm}", "\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1],
  [1, "{HH}:{mm}:{ss}", "\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1],
];
const NEAR = 7; // pixels: so close a pointer takes hold of the threshold

// The columns of a drawing; every one is an array as long as `x`, null where there is nothing.
export const COLUMNS = ["x", "observed", "low", "high", "l95", "u95", "l80", "u80", "l50", "u50", "median", "vl80", "vu80", "missed", "corrected", "held"];

// Columns from parts {column: [[x, value], ...]}.
export function columns(parts) {
  const xs = [...new Set(Object.values(parts).flat().map(([x]) => x))].sort((a, b) => a - b);
  const place = new Map(xs.map((x, k) => [x, k]));
  const found = { x: xs };
  for (const name of COLUMNS.slice(1)) {
    found[name] = new Array(xs.length).fill(null);
    for (const [x, value] of parts[name] ?? []) found[name][place.get(x)] = value;
  }
  return found;
}

// The value of one of the theme's colours.
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function options(chart, width) {
  const ink = colour("--ink"), accent = colour("--accent"), soft = colour("--soft"), line = colour("--line"), band = colour("--band");
  const thin = { points: { show: false }, spanGaps: true };
  const edge = { ...thin, stroke: "transparent", width: 0 };
  const dots = (fill, stroke) => ({ stroke: "transparent", width: 0, points: { show: true, size: 7, width: 2, fill, stroke } });
  const axis = { stroke: soft, grid: { stroke: line, width: 1 }, ticks: { stroke: line }, font: "12px system-ui, sans-serif" };
  const of = (name) => COLUMNS.indexOf(name);
  const area = (upper, lower, share) => ({ series: [of(upper), of(lower)], fill: `rgba(${band}, ${share})` });
  return {
    width, height: HEIGHT, legend: { show: false }, padding: [8, RIGHT, 0, 0],
    scales: { x: { time: !chart.steps }, y: { range: (_, low, high) => chart.yRange(low, high) } },
    axes: [{ ...axis, space: width < 500 ? 90 : 50, ...(chart.steps ? {} : { values: TIMES }) }, { ...axis, size: (_, labels) => chart.widest(labels), values: (_, ticks) => ticks.map((tick) => number(tick)) }],
    cursor: { drag: { x: true, y: false, setScale: true }, y: false, points: { size: 7 }, sync: { key: "series", setSeries: false } },
    bands: [area("high", "low", 0.3), area("u95", "l95", 0.14), area("u80", "l80", 0.16), area("u50", "l50", 0.2), area("vu80", "vl80", 0.2)],
    series: [
      {},
      { stroke: ink, width: 1.4, points: { show: chart.fewPoints, size: 4, fill: ink } },
      edge, edge, edge, edge, edge, edge, edge, edge,
      { ...thin, stroke: accent, width: 1.8 },
      edge, edge,
      dots(colour("--mark"), colour("--mark")),
      dots(colour("--card"), accent),
      dots(colour("--card"), colour("--warn")),
    ],
    hooks: {
      draw: [(plot) => chart.drawLines(plot)],
      setCursor: [(plot) => chart.readOut(plot)],
      setScale: [(plot, key) => key === "x" && chart.moved(plot)],
    },
  };
}

export class SeriesChart {
  // `events`: {moved(from, to), threshold(value), pinned(x)}.
  constructor(element, events) {
    this.plot = null;
    this.axis = 53; // pixels of the y axis
    this.events = events;
    this.drawing = h("div", { class: "plot", role: "img", tabindex: "-1" });
    this.readout = h("p", { class: "readout", "aria-live": "off" });
    element.append(this.drawing, this.readout);
    this.observer = new ResizeObserver(() => this.plot?.setSize({ width: this.drawing.clientWidth, height: HEIGHT }));
    this.observer.observe(this.drawing);
    this.hold();
  }

  // found: from `columns`; view: {from, to, now, threshold, steps, sentence}.
  draw(found, view) {
    const restyled = this.steps !== view.steps || this.theme !== document.documentElement.dataset.theme;
    Object.assign(this, { found, view, steps: view.steps, theme: document.documentElement.dataset.theme, fewPoints: found.x.length < 60 });
    this.drawing.setAttribute("aria-label", view.sentence);
    const data = COLUMNS.map((name) => found[name]);
    this.ends = [view.from ?? found.x[0], view.to ?? found.x.at(-1)];
    if (restyled || !this.plot) {
      this.plot?.destroy();
      this.plot = new uPlot(options(this, this.drawing.clientWidth || 600), data, this.drawing);
    } else this.plot.setData(data, false);
    this.plot.setScale("x", { min: this.ends[0], max: this.ends[1] });
    this.readOut(this.plot);
  }

  close() {
    this.observer.disconnect();
    this.plot?.destroy();
  }

  // Room for the labels of the y axis; the charts below have the same, so that all times stand under one another.
  widest(labels) {
    if (labels) this.axis = 18 + 7 * Math.max(5, ...labels.map((label) => label.length));
    return this.axis;
  }

  yRange(low, high) {
    if (low === null || high === null) return [0, 1];
    const limit = this.view.threshold;
    const all = limit === null ? [low, high] : [Math.min(low, limit), Math.max(high, limit)];
    const room = (all[1] - all[0] || Math.abs(all[0]) || 1) * 0.06;
    return [all[0] - room, all[1] + room];
  }

  drawLines(plot) {
    const { ctx, bbox } = plot;
    const line = (x0, y0, x1, y1, style, dash) => {
      ctx.save();
      ctx.strokeStyle = style; ctx.lineWidth = devicePixelRatio * 1.4; ctx.setLineDash(dash.map((each) => each * devicePixelRatio));
      ctx.beginPath(); ctx.moveTo(x0, y0); ctx.lineTo(x1, y1); ctx.stroke();
      ctx.restore();
    };
    const { now, threshold, pin, marks } = this.view;
    const promoted = (marks ?? []).map((x) => [x, colour("--good"), [1, 3]]);
    for (const [x, style, dash] of [[now, colour("--soft"), [2, 3]], [pin, colour("--accent"), [6, 3]], ...promoted]) {
      if (x === null || x === undefined) continue;
      const at = plot.valToPos(x, "x", true);
      if (at >= bbox.left && at <= bbox.left + bbox.width) line(at, bbox.top, at, bbox.top + bbox.height, style, dash);
    }
    if (threshold === null) return;
    const at = plot.valToPos(threshold, "y", true);
    line(bbox.left, at, bbox.left + bbox.width, at, colour("--warn"), [8, 4]);
  }

  // The numbers under the pointer, or else at the pin, or else at the newest value.
  readOut(plot) {
    const { found, view } = this;
    if (!found?.x.length) return;
    let place = plot.cursor.idx;
    if (place === null || place === undefined) {
      const at = view.pin ?? view.now ?? found.x.at(-1);
      place = found.x.findIndex((x) => x >= at);
      if (place < 0) place = found.x.length - 1;
    }
    const has = (name) => found[name][place] !== null && found[name][place] !== undefined;
    const fan = ["median", "l80", "u80", "l95", "u95"], begins = has("observed") && has("median"); // where the fan is drawn from
    const part = (label, ...names) => (names.every(has) && !(begins && names.some((name) => fan.includes(name))) ? [` · ${label} `, h("b", {}, names.map((name) => number(found[name][place])).join(" to "))] : []);
    this.readout.replaceChildren(
      h("b", {}, view.steps ? `step ${found.x[place]}` : view.civil ? day(found.x[place] + new Date(1000 * found.x[place]).getTimezoneOffset() * 60) : stamp(new Date(1000 * found.x[place]).toISOString())),
      ...part("observed", "observed"), ...part("between", "low", "high"), ...part("median", "median"), ...part("80 %", "l80", "u80"),
      ...part("95 %", "l95", "u95"), ...part("was forecast, 80 %", "vl80", "vu80"), ...part("in quarantine", "held"));
  }

  moved(plot) {
    // uPlot tells of a new scale later, of ours too
    const { min, max } = plot.scales.x, [from, to] = this.ends, near = (to - from) * 1e-6;
    if (Math.abs(min - from) > near || Math.abs(max - to) > near) this.events.moved(min, max);
  }

  // Pointer: near the threshold it drags that; a click pins the axis. Wheel with Ctrl zooms, with Shift pans.
  hold() {
    let dragging = false;
    const value = (event) => this.plot.posToVal(event.clientY - this.plot.over.getBoundingClientRect().top, "y");
    const near = (event) => {
      if (!this.plot || this.view.threshold === null) return false;
      return Math.abs(event.clientY - this.plot.over.getBoundingClientRect().top - this.plot.valToPos(this.view.threshold, "y")) < NEAR;
    };
    this.drawing.addEventListener("pointerdown", (event) => {
      if (!near(event)) return;
      dragging = true;
      event.stopPropagation();
      event.preventDefault();
      this.drawing.setPointerCapture(event.pointerId);
    }, true);
    for (const name of ["mousedown"])
      this.drawing.addEventListener(name, (event) => near(event) && event.stopPropagation(), true);
    this.drawing.addEventListener("pointermove", (event) => {
      if (dragging) this.events.threshold(value(event), false);
      else this.drawing.style.cursor = near(event) ? "ns-resize" : "";
    });
    this.drawing.addEventListener("pointerup", (event) => {
      if (dragging) this.events.threshold(value(event), true);
      dragging = false;
    });
    this.drawing.addEventListener("click", (event) => {
      if (!this.plot || near(event) || !this.plot.over.contains(event.target)) return;
      if (this.plot.select.width > 2) return;
      this.events.pinned(this.plot.posToVal(event.clientX - this.plot.over.getBoundingClientRect().left, "x"));
    });
    this.drawing.addEventListener("wheel", (event) => {
      if (!this.plot || !(event.ctrlKey || event.metaKey || event.shiftKey)) return;
      event.preventDefault();
      const { min, max } = this.plot.scales.x;
      const at = this.plot.posToVal(event.clientX - this.plot.over.getBoundingClientRect().left, "x");
      const turn = event.deltaY || event.deltaX;
      const scale = event.shiftKey ? 1 : turn > 0 ? 1.25 : 0.8, shift = event.shiftKey ? Math.sign(turn) * 0.1 * (max - min) : 0;
      this.plot.setScale("x", { min: at - (at - min) * scale + shift, max: at + (max - at) * scale + shift });
    }, { passive: false });
  }

  png() {
    return new Promise((done) => this.plot.ctx.canvas.toBlob(done, "image/png"));
  }
}

// The same picture as an SVG file.
export function asSvg(found, view, title) {
  const width = 1000, height = 420, left = 70, bottom = 40, top = 30, right = 10;
  const shown = found.x.map((x, k) => k).filter((k) => (view.from === null || found.x[k] >= view.from) && (view.to === null || found.x[k] <= view.to));
  const values = COLUMNS.slice(1).flatMap((name) => shown.map((k) => found[name][k])).filter((value) => value !== null);
  if (view.threshold !== null) values.push(view.threshold);
  const [x0, x1] = [found.x[shown[0]], found.x[shown.at(-1)]], [y0, y1] = [Math.min(...values), Math.max(...values)];
  const px = (x) => (left + ((x - x0) / (x1 - x0 || 1)) * (width - left - right)).toFixed(1);
  const py = (y) => (height - bottom - ((y - y0) / (y1 - y0 || 1)) * (height - bottom - top)).toFixed(1);
  const points = (name) => shown.filter((k) => found[name][k] !== null).map((k) => `${px(found.x[k])},${py(found[name][k])}`);
  const area = (upper, lower, share) => `<polygon fill="#1f5f99" fill-opacity="${share}" points="${[...points(upper), ...points(lower).reverse()].join(" ")}"/>`;
  const line = (name, style) => `<polyline fill="none" stroke="${style}" stroke-width="1.5" points="${points(name).join(" ")}"/>`;
  const escape = (text) => text.replace(/[&<>"]/g, (mark) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[mark]);
  const label = (x) => (view.steps ? `${x}` : new Date(1000 * x).toISOString().slice(0, 16));
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/><text x="${left}" y="18">${escape(title)}</text>
${area("high", "low", 0.25)}${area("u95", "l95", 0.14)}${area("u80", "l80", 0.16)}${area("u50", "l50", 0.2)}${area("vu80", "vl80", 0.2)}
${line("observed", "#17202b")}${line("median", "#1f5f99")}
${points("missed").map((point) => `<circle cx="${point.split(",")[0]}" cy="${point.split(",")[1]}" r="3" fill="#b3261e"/>`).join("")}
<text x="${left - 6}" y="${py(y0)}" text-anchor="end">${number(y0)}</text><text x="${left - 6}" y="${Number(py(y1)) + 10}" text-anchor="end">${number(y1)}</text>
<text x="${left}" y="${height - 14}">${label(x0)}</text><text x="${width - right}" y="${height - 14}" text-anchor="end">${label(x1)}</text></svg>`;
}
