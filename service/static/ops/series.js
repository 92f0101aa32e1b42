// One series: what was observed, what is forecast, how good the forecasts were, and what the state says.

import { link, note, read } from "./address.js";
import { get, getIfAny, seriesUrl, url } from "./api.js";
import { asSvg, columns, SeriesChart } from "./chart.js";
import { h, show } from "./dom.js";
import { numbers, save } from "./download.js";
import { ago, number, percent, plural, position, stamp, time } from "./format.js";
import { Network } from "./network.js";
import { bars, calibration } from "./small_charts.js";
import { statusSentence } from "./status_words.js";
import { SymbolView } from "./symbols.js";
import { watch } from "./watch.js";

const LEVELS = [0.025, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0.975];
const POINTS = 1500; // of the past, thinned for the screen
const NEWEST = 1000; // rows that are read at first
const LATEST = 200; // steps shown at first

export function open(main, address, signal) {
  const [dataset, id] = address.parts;
  const parts = Object.fromEntries(["head", "chart", "tools", "table", "chance", "scores", "network", "state"].map((name) => [name, h("section", {})]));
  show(main, Object.values(parts));
  const page = new SeriesPage(dataset, id, parts, signal);
  addEventListener("themechange", () => page.view?.draw(), { signal });
  signal.addEventListener("abort", () => page.view?.close());
  watch(seriesUrl(id, "/events", { dataset }), signal, () => page.update(read()));
  return page;
}

// The view of numbers or that of symbols, as the series has them.
class SeriesPage {
  constructor(dataset, id, parts, signal) {
    this.view = null;
    this.make = async () => {
      const { vocabulary } = await get(seriesUrl(id, "", { dataset }), signal);
      return (this.view ??= new (vocabulary ? SymbolView : View)(dataset, id, parts, signal));
    };
  }

  async update(address) {
    const view = this.view ?? (await this.make());
    await view.update(address);
  }
}

class View {
  constructor(dataset, id, parts, signal) {
    Object.assign(this, { dataset, id, parts, signal, from: null, to: null, threshold: null, pin: null });
    this.network = new Network(parts.network, this);
    this.chart = new SeriesChart(parts.chart, {
      moved: (from, to) => this.zoom(from, to),
      threshold: (value, done) => this.setThreshold(value, done),
      pinned: (x) => { this.pin = this.pin === null ? x : null; note({ pin: this.pin === null ? null : Math.round(this.pin) }); this.draw(); },
    });
  }

  close() {
    this.chart.close();
  }

  async update(address) {
    const { query } = address;
    const given = (name) => (query[name] === undefined ? null : Number(query[name]));
    Object.assign(this, { from: given("from"), to: given("to"), threshold: given("threshold"), pin: given("pin") });
    const named = { dataset: this.dataset };
    const [series, forecast, observed, scores, vintages, decisions] = await Promise.all([
      get(seriesUrl(this.id, "", named), this.signal),
      getIfAny(seriesUrl(this.id, "/forecast", { ...named, quantiles: LEVELS.join(",") }), this.signal),
      this.past(named),
      getIfAny(seriesUrl(this.id, "/scores", named), this.signal),
      getIfAny(seriesUrl(this.id, "/vintages", named), this.signal),
      getIfAny(url("/v1/promotions", { ...named, limit: 50 }), this.signal),
    ]);
    const promotions = (decisions?.promotions ?? []).filter((line) => ["promoted", "rolled_back"].includes(line.event));
    Object.assign(this, { series, forecast, observed, scores, promotions, vintages: vintages?.vintages ?? [] });
    this.prepare();
    this.draw();
    this.words();
    await this.network.update();
  }

  address() {
    return read();
  }

  // The newest rows, or of a stretch that was zoomed to its rows, thinned for the screen.
  past(named) {
    const ds = (x) => (this.series?.kind === "step" ? Math.round(x) : new Date(1000 * x).toISOString());
    const wanted = this.from === null || !this.series ? { order: "desc", limit: NEWEST } : { from: ds(this.from), to: ds(this.to), points: POINTS };
    return getIfAny(seriesUrl(this.id, "/observations", { ...named, ...wanted }), this.signal);
  }

  prepare() {
    const parts = {};
    const add = (name, xs, values) => { parts[name] = xs.map((x, k) => [x, values[k]]).filter(([, value]) => value !== null); };
    const { observed, forecast } = this;
    this.last = null;
    if (observed?.ds) {
      const xs = observed.ds.map(position);
      add("observed", xs, observed.y);
      parts.corrected = observed.corrected.map((k) => [xs[k], observed.y[k]]);
      parts.held = observed.quarantined.map(({ index, y }) => [xs[index], y]);
      const known = xs.map((x, k) => [x, observed.y[k]]).filter(([, y]) => y !== null).sort(([a], [b]) => a - b);
      this.last = known.at(-1) ?? null;
      add("missed", ...this.misses(xs, observed.y));
    } else if (observed?.bins) {
      const xs = observed.bins.ds.map(position);
      add("observed", xs, observed.bins.last);
      add("low", xs, observed.bins.low);
      add("high", xs, observed.bins.high);
    }
    this.earlier(parts);
    this.now = this.series.origin === null ? null : position(this.series.origin);
    if (forecast) {
      const xs = forecast.ds.map(position), of = (level) => forecast.quantiles[`${level}`];
      const from = this.last && this.last[0] === this.now ? [this.last] : [];
      for (const [name, level] of [["l95", 0.025], ["u95", 0.975], ["l80", 0.1], ["u80", 0.9], ["l50", 0.25], ["u50", 0.75], ["median", 0.5]])
        parts[name] = [...from, ...xs.map((x, k) => [x, of(level)[k]])];
    }
    this.found = columns(parts);
    this.civil = this.series.kind === "date";
  }

  // The band of the settled forecasts that were open at each step.
  earlier(parts) {
    parts.vl80 = [];
    parts.vu80 = [];
    const seen = new Set();
    for (const vintage of [...this.vintages].sort((a, b) => position(b.origin) - position(a.origin)))
      vintage.ds.forEach((ds, k) => {
        const x = position(ds);
        if (seen.has(x) || (this.now !== undefined && this.now !== null && x > this.now)) return;
        seen.add(x);
        parts.vl80.push([x, vintage.quantiles["0.1"][k]]);
        parts.vu80.push([x, vintage.quantiles["0.9"][k]]);
      });
  }

  misses(xs, ys) {
    const bounds = new Map();
    for (const vintage of this.vintages) vintage.ds.forEach((ds, k) => bounds.set(position(ds), [vintage.quantiles["0.1"][k], vintage.quantiles["0.9"][k]]));
    const out = xs.map((x, k) => [x, ys[k]]).filter(([x, y]) => y !== null && bounds.has(x) && (y < bounds.get(x)[0] || y > bounds.get(x)[1]));
    return [out.map(([x]) => x), out.map(([, y]) => y)];
  }

  visible() {
    const xs = this.found.x;
    if (this.from !== null) return [this.from, this.to];
    const now = this.now ?? xs.at(-1), place = xs.findIndex((x) => x >= now);
    return [xs[Math.max(0, (place < 0 ? xs.length : place) - LATEST)], xs.at(-1)];
  }

  view() {
    const [from, to] = this.visible();
    const last = this.last ? `${number(this.last[1])}` : "unknown";
    const sentence = this.forecast
      ? `Chart of ${this.id}: last value ${last}; median forecast from ${number(this.forecast.quantiles["0.5"][0])} to ${number(this.forecast.quantiles["0.5"].at(-1))} over ${plural(this.forecast.horizon, "step")}`
      : `Chart of ${this.id}: last value ${last}; no forecast`;
    return { from, to, now: this.now, pin: this.pin, threshold: this.threshold, marks: this.series.kind === "step" ? [] : this.promotions.map((line) => position(line.decided_at)), steps: this.series.kind === "step", civil: this.civil, sentence };
  }

  draw() {
    if (!this.found) return;
    this.chart.drawing.hidden = !this.found.x.length;
    if (this.found.x.length) this.chart.draw(this.found, this.view());
    show(this.parts.chance, this.crossing());
    this.network.draw();
  }

  zoom(from, to) {
    Object.assign(this, { from, to });
    note({ from: Math.round(from), to: Math.round(to) });
    clearTimeout(this.later);
    this.later = setTimeout(() => this.update(read()), 300);
  }

  setThreshold(value, done) {
    this.threshold = value === null ? null : Number(value.toPrecision(4));
    this.draw();
    if (!done) return;
    note({ threshold: this.threshold });
    this.tools();
  }

  words() {
    const { series, forecast } = this;
    const model = series.model ? `${series.model.kind} ${series.model.version}` : "none";
    const fact = (label, value) => h("div", {}, h("dt", {}, label), h("dd", {}, value));
    show(this.parts.head,
      h("p", { class: "note" }, h("a", { href: link("overview", [], { dataset: this.dataset }) }, this.dataset), " /"),
      h("h1", {}, this.id),
      forecast && forecast.status !== "ok" ? h("p", { class: "problem" }, statusSentence(forecast)) : null,
      h("dl", { class: "facts" },
        fact("Newest value", [time(series.origin), series.kind === "instant" && series.origin ? [" · ", ago(series.origin)] : null]),
        fact("Last", this.last ? number(this.last[1]) : "–"),
        fact("Next, median", forecast ? number(forecast.quantiles["0.5"][0]) : "–"),
        fact("Status", series.status),
        fact("Flags", series.flags.length ? series.flags.join(", ") : "none"),
        fact("Model", model), fact("Frequency", series.freq), fact("Values", series.observed === undefined ? "–" : number(series.observed, 7)), fact("Missing", series.imputed ?? "–")));
    if (!this.parts.tools.contains(document.activeElement)) this.tools();
    if (!this.parts.table.childElementCount) show(this.parts.table, numbers(`${this.dataset}-${this.id}`.replaceAll("/", "_"), () => this.rows(), [["PNG", () => this.png()], ["SVG", () => this.svg()]]));
    show(this.parts.scores, this.quality());
    if (this.observed === null) this.parts.chart.dataset.empty = "true";
  }

  tools() {
    const input = h("input", { type: "number", step: "any", value: this.threshold ?? "", placeholder: "none", style: { width: "7rem" }, "aria-label": "Threshold", "data-keep": "threshold",
      onchange: (event) => this.setThreshold(event.target.value === "" ? null : Number(event.target.value), true) });
    const move = (scale, shift) => () => {
      const [from, to] = this.visible(), middle = (from + to) / 2 + shift * (to - from), half = ((to - from) / 2) * scale;
      this.zoom(middle - half, middle + half);
      this.draw();
    };
    const whole = () => {
      const first = this.observed?.available_from ?? this.observed?.bins?.ds[0] ?? this.observed?.ds?.[0];
      if (first !== undefined && first !== null) this.zoom(position(first), this.found.x.at(-1));
    };
    const latest = () => { Object.assign(this, { from: null, to: null }); note({ from: null, to: null }); this.update(read()); };
    const button = (label, words, action) => h("button", { type: "button", "aria-label": words, title: words, "data-keep": words, onclick: action }, label);
    const mark = (name, words) => h("span", {}, h("i", { class: name }), words);
    show(this.parts.tools,
      h("div", { class: "legend" }, mark("iline", "observed"), mark("imedian", "median"), mark("i50", "50 %"), mark("i80", "80 %"), mark("i95", "95 %"), mark("inow", "now"),
        this.vintages.length ? [mark("i80", "forecast before, 80 %"), mark("imiss", "outside it")] : null, this.threshold === null ? null : mark("ilimit", "threshold"),
        this.observed?.corrected?.length ? mark("icorrected", "corrected") : null, this.observed?.quarantined?.length ? mark("iheld", "in quarantine") : null,
        this.view().marks.some((x) => x >= this.found.x[0] && x <= this.found.x.at(-1)) ? mark("imark", "promotion") : null),
      h("div", { class: "row" }, button("◀", "Earlier", move(1, -0.5)), button("▶", "Later", move(1, 0.5)), button("+", "Zoom in", move(0.5, 0)), button("−", "Zoom out", move(2, 0)),
        button("Whole past", "Show the whole past", whole), button("Latest", "Show the latest values", latest),
        h("label", { class: "row" }, "Threshold ", input), h("span", { class: "note wide" }, "Drag across the chart to zoom; drag the threshold; Ctrl and wheel zoom, Shift and wheel pan; a click pins the line.")));
  }

  // The chance of lying above the threshold at each step, from the quantiles.
  crossing() {
    if (this.threshold === null || !this.forecast) return null;
    const { ds, quantiles } = this.forecast;
    const lines = ds.map((each, k) => ({ ds: each, chance: chanceAbove(LEVELS.map((level) => quantiles[`${level}`][k]), this.threshold) }));
    const shown = thin(lines, 24);
    return h("div", { class: "card chance" }, h("h2", { style: { marginTop: 0 } }, `Chance to be above ${number(this.threshold)}`),
      bars(shown.map((line) => ({ label: stamp(line.ds), value: line.chance, words: chanceWords(line.chance) })), 1),
      numbers(`${this.id}-above`.replaceAll("/", "_"), () => ({ heads: ["ds", "chance above"], rows: lines.map((line) => [line.ds, line.chance]) })));
  }

  quality() {
    const { scores } = this;
    if (!scores || !scores.n) return h("p", { class: "empty" }, "No forecast of this series has been scored yet: each arriving value scores the forecast that was open for it.");
    const label = (line) => (line.first_step === line.last_step ? `step ${line.first_step}` : `steps ${line.first_step}–${line.last_step}`);
    const most = Math.max(...scores.by_horizon.map((line) => line.mae ?? 0));
    const points = this.levelPoints() ?? [{ nominal: 0.8, observed: scores.coverage_80, n: scores.n }, { nominal: 0.95, observed: scores.coverage_95, n: scores.n }];
    const scored = plural(scores.n, "forecast value");
    return [h("h2", {}, `How good the forecasts were: ${scored} scored since ${stamp(scores.since)}`),
      h("div", { class: "cards" },
        h("div", { class: "card" }, h("b", {}, "Calibration"), h("p", { class: "note" }, "Dots on the dashed line: an interval holds as many values as it promises."), calibration(points)),
        h("div", { class: "card" }, h("b", {}, "Mean absolute error, by steps ahead"), h("p", { class: "note" }, `In the units of the series; skill against ${scores.rival}: ${percent(scores.skill)}.`),
          bars(scores.by_horizon.map((line) => ({ label: label(line), value: line.mae, words: number(line.mae) })), most || 1)),
        h("div", { class: "card" }, h("b", {}, "Inside the 80 % interval, by steps ahead"), h("p", { class: "note" }, "The dashed line is 80 %."),
          bars(scores.by_horizon.map((line) => ({ label: label(line), value: line.coverage_80, words: percent(line.coverage_80), bad: line.n >= 50 && Math.abs(line.coverage_80 - 0.8) > 3.5 * Math.sqrt(0.16 / line.n) })), 1, 0.8)))];
  }

  // Observed share below each of the nine levels, from the vintages whose values have arrived.
  levelPoints() {
    if (!this.observed?.ds) return null;
    const known = new Map(this.observed.ds.map((ds, k) => [position(ds), this.observed.y[k]]));
    const levels = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];
    const pairs = this.vintages.flatMap((vintage) => vintage.ds.map((ds, k) => [known.get(position(ds)), vintage, k])).filter(([y]) => y !== undefined && y !== null);
    if (pairs.length < 20) return null;
    return levels.map((level) => ({ nominal: level, n: pairs.length, observed: pairs.filter(([y, vintage, k]) => y <= vintage.quantiles[`${level}`][k]).length / pairs.length }));
  }

  rows() {
    const heads = ["ds", "observed", "median", "lower 95", "lower 80", "lower 50", "upper 50", "upper 80", "upper 95", "forecast before, lower 80", "forecast before, upper 80"];
    const names = ["observed", "median", "l95", "l80", "l50", "u50", "u80", "u95", "vl80", "vu80"];
    const [from, to] = this.visible();
    const label = (x) => (this.series.kind === "step" ? x : new Date(1000 * x).toISOString().replace(".000", "").slice(0, this.civil ? 10 : undefined));
    const rows = this.found.x.flatMap((x, k) => (x < from || x > to ? [] : [[label(x), ...names.map((name) => this.found[name][k])]]));
    return { heads, rows };
  }

  async png() {
    save(`${this.id}.png`.replaceAll("/", "_"), await this.chart.png(), "image/png");
  }

  svg() {
    save(`${this.id}.svg`.replaceAll("/", "_"), asSvg(this.found, this.view(), `${this.dataset} / ${this.id}`), "image/svg+xml");
  }
}

// P(y > limit) by interpolating the quantiles; outside the outermost ones it is only known to be small or large.
export function chanceAbove(quantiles, limit) {
  if (limit <= quantiles[0]) return 1 - LEVELS[0];
  if (limit >= quantiles.at(-1)) return 1 - LEVELS.at(-1);
  const place = quantiles.findIndex((value) => value > limit);
  const low = quantiles[place - 1], high = quantiles[place];
  return 1 - (LEVELS[place - 1] + ((limit - low) / (high - low || 1)) * (LEVELS[place] - LEVELS[place - 1]));
}

function chanceWords(chance) {
  if (chance >= 1 - LEVELS[0]) return "≥ 97.5 %";
  if (chance <= 1 - LEVELS.at(-1)) return "≤ 2.5 %";
  return percent(chance);
}

// About n lines, the first and the last among them.
function thin(lines, n) {
  if (lines.length <= n) return lines;
  return Array.from({ length: n }, (_, k) => lines[Math.round((k * (lines.length - 1)) / (n - 1))]);
}
