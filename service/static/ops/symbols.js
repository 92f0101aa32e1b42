// One series of symbols: what was expected and what came, what may come next, how good that was, and how it may go on.

import { link, read } from "./address.js";
import { get, getIfAny, post, seriesUrl } from "./api.js";
import { h, show } from "./dom.js";
import { numbers } from "./download.js";
import { ago, number, percent, plural, position, stamp, time } from "./format.js";
import { Network } from "./network.js";
import { bars, calibration } from "./small_charts.js";
import { inks, LEFT, shown, stackedBars } from "./stacked_bars.js";
import { statusSentence } from "./status_words.js";

const STEPS = 200; // of the past that the network is asked for
const PAST = 60; // steps of it that are drawn
const LEAST = 7; // pixels of a bar, so that fewer steps are drawn on a narrow screen

export class SymbolView {
  constructor(dataset, id, parts, signal) {
    Object.assign(this, { dataset, id, parts, signal, chart: { axis: LEFT } }); // `chart` as the gates below ask for it
    this.network = new Network(parts.network, this);
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(parts.chart);
  }

  close() {
    this.observer.disconnect();
  }

  async update() {
    const named = { dataset: this.dataset };
    const [series, forecast, past, scores, inside] = await Promise.all([
      get(seriesUrl(this.id, "", named), this.signal),
      getIfAny(seriesUrl(this.id, "/forecast", named), this.signal),
      getIfAny(seriesUrl(this.id, "/observations", { ...named, order: "desc", limit: STEPS }), this.signal),
      getIfAny(seriesUrl(this.id, "/scores", named), this.signal),
      getIfAny(seriesUrl(this.id, "/network", { ...named, steps: STEPS }), this.signal),
    ]);
    Object.assign(this, { series, forecast, past, scores, inside });
    this.prepare();
    this.draw();
    this.words();
    await this.network.update();
  }

  address() {
    return read();
  }

  // Every step that is known: what was expected there, and what came.
  prepare() {
    const held = new Set((this.past?.quarantined ?? []).map(({ index }) => index));
    const steps = new Map();
    const end = this.series.origin === null ? Infinity : position(this.series.origin); // a missing row may lie beyond the last symbol
    (this.past?.ds ?? []).forEach((ds, k) => position(ds) <= end && steps.set(position(ds), { ds, came: held.has(k) ? null : this.past.y[k] }));
    (this.inside?.ds ?? []).forEach((ds, k) => {
      const found = this.inside.expected?.[k] ?? null;
      steps.set(position(ds), { ds, came: this.inside.y[k], ...(found ?? {}) });
    });
    const before = [...steps.entries()].sort(([a], [b]) => a - b).map(([, step]) => step);
    const ahead = (this.forecast?.steps ?? []).map((step) => ({ ...step, came: undefined }));
    this.steps = [...before, ...ahead].map((step) => ({ ...step, label: stamp(step.ds) }));
    this.now = before.length;
    this.colours = inks(this.steps.slice(-PAST - ahead.length));
  }

  // The steps that are drawn: the last of the past, and what is ahead as far as there is room.
  drawn() {
    const room = Math.floor(Math.max(240, this.parts.chart.clientWidth || 600) / LEAST), ahead = Math.min(this.steps.length - this.now, Math.ceil(room / 2));
    const first = Math.max(0, this.now - Math.min(PAST, room - ahead));
    return [first, this.now + ahead];
  }

  // The stretch of time under the gates.
  visible() {
    const [first, end] = this.drawn(), of = (place) => position(this.steps[place].ds);
    if (end - first < 2) return [0, 1];
    const half = (of(end - 1) - of(first)) / (end - first - 1) / 2; // a bar is as wide as a step
    return [of(first) - half, of(end - 1) + half];
  }

  draw() {
    if (!this.steps) return;
    const [first, end] = this.drawn(), steps = this.steps.slice(first, end);
    if (!steps.length) return show(this.parts.chart, h("p", { class: "empty" }, "No symbol is known of this series yet."));
    const next = this.forecast?.steps[0]?.probabilities[0];
    const sentence = next ? `${this.id}: the next symbol is most likely ${shown(next.symbol)}, ${percent(next.p)}` : `${this.id}: no forecast`;
    show(this.parts.chart, stackedBars(steps, this.now - first, this.colours, Math.max(240, this.parts.chart.clientWidth || 600), sentence));
    this.network.draw();
  }

  words() {
    const { series, forecast } = this, next = forecast?.steps[0]?.probabilities[0];
    const fact = (label, value) => h("div", {}, h("dt", {}, label), h("dd", {}, value));
    const last = this.steps.slice(0, this.now).findLast((step) => step.came !== null);
    show(this.parts.head,
      h("p", { class: "note" }, h("a", { href: link("overview", [], { dataset: this.dataset }) }, this.dataset), " /"),
      h("h1", {}, this.id),
      forecast && forecast.status !== "ok" ? h("p", { class: "problem" }, statusSentence(forecast)) : null,
      h("dl", { class: "facts" },
        fact("Newest step", [time(series.origin), series.kind === "instant" && series.origin ? [" · ", ago(series.origin)] : null]),
        fact("Last symbol", last ? shown(last.came) : "–"),
        fact("Next, likeliest", next ? `${shown(next.symbol)}, ${percent(next.p)}` : "–"),
        fact("Status", series.status), fact("Flags", series.flags.length ? series.flags.join(", ") : "none"),
        fact("Model", series.model ? `${series.model.kind} ${series.model.version}` : "none"),
        fact("Frequency", series.freq), fact("Vocabulary", plural(series.vocabulary.length, "symbol")),
        fact("Observed", series.observed === undefined ? "–" : number(series.observed, 7)), fact("Missing", series.imputed ?? "–")));
    show(this.parts.tools, this.legend());
    if (!this.parts.table.childElementCount) show(this.parts.table, numbers(`${this.dataset}-${this.id}`.replaceAll("/", "_"), () => this.rows()));
    show(this.parts.scores, this.quality());
    if (!this.parts.chance.childElementCount) show(this.parts.chance, this.continuing());
  }

  legend() {
    const paths = this.forecast?.paths;
    return [h("div", { class: "legend" }, [...this.colours].map(([symbol, fill]) => h("span", {}, h("i", { style: { background: fill } }), shown(symbol))),
        h("span", {}, h("i", { class: "irest" }), "others"), h("span", {}, h("i", { class: "isurprise" }), "came, and was not the likeliest"), h("span", {}, h("i", { class: "imissing" }), "missing"), h("span", {}, h("i", { class: "inow" }), "now")),
      h("p", { class: "note" }, "A bar is all the probability of one step, parted among the symbols; before the line it is what the model expected one step ahead, after it what it expects now. The part with an edge is the symbol that came.",
        paths ? ` The steps after the first are the mean of ${plural(paths, "roll-out")}.` : null)];
  }

  rows() {
    const most = Math.max(0, ...this.steps.map((step) => step.probabilities?.length ?? 0)), places = Array.from({ length: most }, (_, k) => k);
    const heads = ["ds", "came", ...places.flatMap((k) => [`likeliest ${k + 1}`, `p ${k + 1}`]), "others"];
    const part = (step, k) => [step.probabilities?.[k]?.symbol ?? null, step.probabilities?.[k]?.p ?? null];
    return { heads, rows: this.steps.map((step) => [step.ds, step.came ?? null, ...places.flatMap((k) => part(step, k)), step.rest ?? null]) };
  }

  quality() {
    const { scores } = this;
    if (!scores || !scores.n) return h("p", { class: "empty" }, "No symbol of this series has been scored yet: each one is scored when it comes, by the probability that it had.");
    const points = scores.calibration.filter((bin) => bin.n).map((bin) => ({ nominal: bin.confidence, observed: bin.accuracy, n: bin.n }));
    const named = this.forecast?.steps[0]?.probabilities.length ?? 0, all = named === this.series.vocabulary.length;
    const lines = [["likeliest symbol came", scores.accuracy], ...(all ? [] : [[`one of the ${named} likeliest`, scores.accuracy_top]]), ["skill over the rival", scores.skill]];
    return [h("h2", {}, `How good the forecasts were: ${plural(scores.n, "symbol")} scored since ${stamp(scores.since)}`),
      h("div", { class: "cards" },
        h("div", { class: "card" }, h("b", {}, "Calibration"), h("p", { class: "note" }, "Dots on the dashed line: the likeliest symbol comes as often as its probability says."), calibration(points)),
        h("div", { class: "card" }, h("b", {}, "One step ahead"), h("p", { class: "note" }, `Log loss ${number(scores.log_loss, 3)} nats, a perplexity of ${number(scores.perplexity, 3)}: as hard to guess as one of so many equally likely symbols. The rival is ${scores.rival}.`),
          bars(lines.map(([label, value]) => ({ label, value, words: percent(value), bad: value !== null && value < 0 })), 1)))];
  }

  // Whole continuations, drawn when they are asked for.
  continuing() {
    const field = (name, value, min, max, step) => h("input", { type: "number", value, min, max, step, style: { width: "5.5rem" }, "data-keep": name });
    const samples = field("samples", 3, 1, 64, 1), steps = field("steps", this.series.vocabulary.length > 20 ? 200 : 20, 1, 10000, 1), heat = field("temperature", 1, 0.05, 5, 0.05);
    const out = h("div", { "aria-live": "polite" });
    const ask = async () => {
      const wanted = { samples: Number(samples.value), steps: Number(steps.value), temperature: Number(heat.value), seed: Math.floor(Math.random() * 2 ** 31) };
      try {
        const found = await post(seriesUrl(this.id, "/continuations", { dataset: this.dataset }), wanted);
        show(out, (found.text ?? found.continuations.map((each) => each.join(" · "))).map((text) => h("pre", { class: "drawn" }, text)));
      } catch (error) {
        show(out, h("p", { class: "problem", role: "alert" }, error.message));
      }
    };
    return h("div", { class: "card" }, h("h2", { style: { marginTop: 0 } }, "How it may go on"),
      h("div", { class: "row" }, h("label", {}, "Continuations ", samples), h("label", {}, "of steps ", steps), h("label", {}, "temperature ", heat), h("button", { type: "button", onclick: ask }, "Draw"),
        h("span", { class: "note wide" }, "At temperature 1 symbols are drawn by the probabilities as they are; below 1 likely ones more often.")), out);
  }
}
