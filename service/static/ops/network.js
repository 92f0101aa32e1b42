// Inside the network of one series: its gates under the chart, what the forecast leans on, how long it remembers, and a
// cell with its numbers. It is asked for when it is opened.

import { note } from "./address.js";
import { get, seriesUrl } from "./api.js";
import { drawCell } from "./cell.js";
import { colour, RIGHT, TIMES } from "./chart.js";
import { h, s, show } from "./dom.js";
import { numbers } from "./download.js";
import { duration, number, percent, plural, position, stamp } from "./format.js";

const STEPS = 200; // steps to look back
const HEIGHT = 96; // pixels of one gate's plot
const AXIS = 44; // and of the time axis below the last one
const FAINT = 0.0005; // weights below this are left out at the end
const GATES = {
  forget: "Forget gate: how much of its memory a cell keeps in a step; at 0 % it forgets all.",
  input: "Input gate: how much of what is new enters the memory.",
  output: "Output gate: how much of the memory the forecast gets to see.",
  update: "Update gate: how much of its memory a cell keeps in a step; the rest is replaced by what is new.",
  reset: "Reset gate: how much of the old memory is used to work out what is new.",
};

export class Network {
  // `view` is the page of the series: {dataset, id, signal, visible(), series}.
  constructor(element, view) {
    Object.assign(this, { view, plots: [], layer: 0 });
    this.body = h("div", {});
    this.details = h("details", { class: "inside-network", ontoggle: () => this.toggled() }, h("summary", {}, "Inside the network"), this.body);
    element.append(this.details);
    this.observer = new ResizeObserver(() => this.resized());
    this.observer.observe(this.body);
    view.signal.addEventListener("abort", () => this.close());
  }

  // Open or closed as the address says, and asked for again where it is open.
  async update() {
    const open = this.view.address().query.network === "1"; // by now: it may have been closed while the page asked
    if (open !== this.details.open) this.details.open = open;
    if (!open) return;
    const found = await get(seriesUrl(this.view.id, "/network", { dataset: this.view.dataset, steps: STEPS }), this.view.signal).catch((error) => {
      if (error.name === "AbortError" || error.status === 0) throw error;
      show(this.body, h("p", { class: "empty" }, error.message));
      return null;
    });
    if (found && found !== this.found) {
      this.found = found;
      this.write();
    }
  }

  toggled() {
    note({ network: this.details.open ? 1 : null });
    if (this.details.open && !this.found) {
      show(this.body, h("p", { class: "note" }, "The last steps are being folded once more …"));
      this.view.update(this.view.address());
    } else this.draw();
  }

  write() {
    const { found } = this, layer = found.layers[Math.min(this.layer, found.layers.length - 1)];
    this.gates = layer ? Object.keys(GATES).filter((name) => layer.gates[name]) : [];
    this.holders = this.gates.map((name) => h("div", { class: "plot", role: "img", "aria-label": this.sentence(name, layer) }));
    show(this.body,
      found.notes.map((text) => h("p", { class: "note" }, text)),
      layer ? [this.head(layer), this.gates.map((name, place) => [h("p", { class: "note gate" }, GATES[name]), this.holders[place]]), this.table(layer)] : null,
      h("div", { class: "pair" }, this.beside(), this.cell()));
    this.drawn = null;
    this.draw();
  }

  head(layer) {
    const { found } = this, missing = found.steps < found.asked ? `; further back no stored state allows` : "";
    const button = (each, place) => h("button", { type: "button", "data-keep": `layer-${place}`, "aria-pressed": `${place === this.layer}`,
      onclick: () => { this.layer = place; this.write(); } }, `Layer ${each.layer}`);
    return [h("h2", {}, `Gates over the last ${plural(found.steps, "step")}${missing}`),
      h("p", { class: "note" }, `A gate is a valve that opens and closes at every step, for each of ${number(layer.units)} units: the line is their mean, the band holds the middle 80 % of them. A move here that follows a move of the series above is what the network noticed.`),
      found.layers.length > 1 ? h("div", { class: "row" }, found.layers.map(button)) : null];
  }

  sentence(name, layer) {
    const { mean } = layer.gates[name];
    return `${name} gate: ${percent(mean.at(-1))} open in the last step, between ${percent(Math.min(...mean))} and ${percent(Math.max(...mean))} over ${plural(mean.length, "step")}`;
  }

  table(layer) {
    const heads = ["ds", "value", ...this.gates.flatMap((name) => [name, `${name}, low`, `${name}, high`])];
    const row = (ds, k) => [ds, this.found.y[k], ...this.gates.flatMap((name) => ["mean", "low", "high"].map((part) => layer.gates[name][part][k]))];
    return numbers(`${this.view.dataset}-${this.view.id}-gates`.replaceAll("/", "_"), () => ({ heads, rows: this.found.ds.map(row) }));
  }

  // The plots, one for each gate, over the same time as the chart above.
  draw() {
    const layer = this.found?.layers[this.layer], key = [document.documentElement.dataset.theme, this.body.clientWidth].join();
    if (!layer || !this.details.open || !this.body.clientWidth) return;
    if (this.drawn === key) return this.follow();
    this.drawn = key;
    this.plots.forEach((plot) => plot.destroy());
    const xs = this.found.ds.map(position);
    this.plots = this.gates.map((name, place) => {
      const { mean, low, high } = layer.gates[name], last = place === this.gates.length - 1;
      return new uPlot(this.options(last, [Math.min(...low), Math.max(...high)]), [xs, mean, low, high], this.holders[place]);
    });
    this.follow();
  }

  options(last, [low, high]) {
    const band = colour("--band"), line = colour("--line"), soft = colour("--soft"), edge = { stroke: "transparent", width: 0, points: { show: false } };
    const axis = { stroke: soft, grid: { stroke: line, width: 1 }, ticks: { stroke: line, show: last }, font: "12px system-ui, sans-serif" };
    const steps = this.view.series.kind === "step", range = [Math.floor(10 * low) / 10, Math.ceil(10 * high) / 10];
    return {
      width: this.body.clientWidth, height: HEIGHT + (last ? AXIS : 0), legend: { show: false }, padding: [6, RIGHT, last ? 0 : 6, 0],
      scales: { x: { time: !steps }, y: { range } },
      axes: [{ ...axis, size: last ? AXIS + 6 : 0, ...(last ? (steps ? {} : { values: TIMES }) : { values: (_, ticks) => ticks.map(() => "") }) },
        { ...axis, size: () => this.view.chart.axis, splits: () => [range[0], (range[0] + range[1]) / 2, range[1]], values: (_, ticks) => ticks.map((tick) => percent(tick)) }],
      cursor: { drag: { x: false, y: false }, y: false, points: { size: 6 }, sync: { key: "series", setSeries: false } },
      bands: [{ series: [3, 2], fill: `rgba(${band}, 0.22)` }],
      series: [{}, { stroke: colour("--accent"), width: 1.6, points: { show: false } }, edge, edge],
    };
  }

  // Show the stretch of time that the chart above shows.
  follow() {
    const [min, max] = this.view.visible();
    for (const plot of this.plots) plot.setScale("x", { min, max });
  }

  resized() {
    if (this.width === this.body.clientWidth || !this.found) return;
    this.width = this.body.clientWidth;
    this.draw();
    this.leanCard?.replaceChildren(...this.leanBars());
  }

  // What stands beside the cell, where there is something.
  beside() {
    const parts = [this.lean(), this.memory()].filter((part) => part);
    return parts.length ? h("div", {}, parts) : null;
  }

  lean() {
    const { leans_on: leans } = this.found;
    if (!leans) return null;
    this.leanCard = h("div", { class: "lean" });
    const card = h("div", { class: "card" }, h("h3", {}, "What the forecast leans on"), h("p", { class: "note" }, this.leanWords()), this.leanCard,
      numbers(`${this.view.dataset}-${this.view.id}-leans-on`.replaceAll("/", "_"), () => ({ heads: ["lag", "weight"], rows: leans.weights.map((weight, k) => [k + 1, weight]) })));
    queueMicrotask(() => this.leanCard.replaceChildren(...this.leanBars()));
    return card;
  }

  leanWords() {
    const { weights, averaged_over: over } = this.found.leans_on;
    const most = weights.map((weight, k) => [weight, k + 1]).sort((a, b) => b[0] - a[0]).slice(0, 3).filter(([weight]) => weight >= 0.01).sort((a, b) => a[1] - b[1]);
    const words = most.map(([weight, lag]) => `${lag} (${percent(weight).replace(" ", "\u00a0")})`).join(", ");
    const largest = most.length > 1 ? `The largest shares are at the lags ${words}.` : most.length ? `The largest share is at lag ${words}.` : "No share is large.";
    return `If a past value had been a little different, how much would the forecast move? A bar is the share of the value that lies so many steps before the step that is forecast, as a mean over ${plural(over, "step")} ahead. ${largest}`;
  }

  leanBars() {
    const { weights } = this.found.leans_on, season = this.view.series.season;
    const last = Math.max(12, weights.findLastIndex((weight) => weight >= FAINT) + 1), shown = weights.slice(0, last);
    const width = Math.max(240, this.leanCard.clientWidth || 400), height = 150, left = 40, bottom = 34, most = Math.max(...shown);
    const each = (width - left - 8) / last, x = (lag) => left + (lag - 1) * each, y = (share) => 8 + (1 - share / most) * (height - bottom - 8);
    const unit = season > 1 && last > season ? season : 1, apart = unit * Math.max(1, Math.ceil(44 / (unit * each)));
    const ticks = Array.from({ length: Math.floor(last / apart) }, (_, k) => (k + 1) * apart);
    return [s("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Weights of lags 1 to ${last}; the largest is ${percent(most)} at lag ${shown.indexOf(most) + 1}` },
      [0, most].map((share) => [s("line", { class: "axis", x1: left, x2: width - 8, y1: y(share), y2: y(share) }), s("text", { x: left - 6, y: y(share) + 4, "text-anchor": "end" }, percent(share))]),
      shown.map((share, k) => s("rect", { class: "bar", x: x(k + 1), y: y(share), width: Math.max(0.8, each * 0.8), height: y(0) - y(share) }, s("title", {}, `lag ${k + 1}: ${percent(share, 1)}`))),
      ticks.map((lag) => s("text", { x: x(lag) + each * 0.4, y: height - 18, "text-anchor": "middle" }, `${lag}`)),
      s("text", { x: (left + width - 8) / 2, y: height - 3, "text-anchor": "middle" }, "steps before the step that is forecast"))];
  }

  memory() {
    const { effective_memory: steps, cell } = this.found;
    if (!cell) return null;
    const symbols = Boolean(this.view.series.vocabulary);
    const long = steps === null ? null : this.lasting(steps), text = steps === null ? "very long" : `${number(steps, 2)} ${number(steps, 2) === "1" ? "step" : "steps"}`;
    const words = steps === null ? "The cells remember for longer than is measured: what once came in goes on moving the forecast."
      : symbols ? `Another symbol ${text}${long} ago moves what is expected next only a third (37 %) as much as another last symbol would.`
      : `What came in moves the forecast through the cells for about ${text}${long}: by then its push has fallen to a third (37 %).`;
    return h("div", { class: "card" }, h("h3", {}, "How long the cells remember"), h("p", { class: "big" }, text),
      h("p", { class: "note" }, words, symbols ? "" : " The window of past values, which is read afresh at every step, comes on top of it.", " It is a property of the model, the same for all its series."));
  }

  lasting(steps) {
    const { ds } = this.found;
    if (this.view.series.kind === "step" || ds.length < 2) return "";
    return ` (${duration((position(ds.at(-1)) - position(ds.at(-2))) * steps)})`;
  }

  cell() {
    const { cell, model, y, ds } = this.found;
    if (!cell) return null;
    return h("div", { class: "card" }, h("h3", {}, "One cell in the last step"),
      h("p", { class: "note" }, `Unit ${cell.unit} of network ${cell.member}, whose output moved most at ${stamp(ds.at(-1))}: the numbers are its own. ${CELLS[model.kind]}`),
      drawCell(model.kind, cell, y.at(-1)));
  }

  close() {
    this.observer.disconnect();
    this.plots.forEach((plot) => plot.destroy());
  }
}

const CELLS = {
  lstm: "The memory on top is a belt: a part of it is kept, a part of what is new is added, and a part of it is shown to the forecast.",
  gru: "The memory on top is a belt: a part of it is kept, and what is missing to the whole is filled with what is new.",
  rnn: "A plain cell has no gates: its memory is worked out anew from the value and the memory before.",
};
