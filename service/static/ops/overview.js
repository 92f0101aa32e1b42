// The overview: a verdict in one sentence, the datasets, the series in trouble, and all series by groups.

import { link, note } from "./address.js";
import { get, getIfAny, url } from "./api.js";
import { h, show } from "./dom.js";
import { ago, count, duration, percent, plural, time } from "./format.js";
import { sparkline, strip } from "./small_charts.js";
import { table } from "./tables.js";
import { watch } from "./watch.js";
import { chip, CLASSES, meaning, needing } from "./trouble.js";

const PAGE = 50;
const VALUES = 48; // of a sparkline

export function open(main, address, signal) {
  const parts = Object.fromEntries(["verdict", "datasets", "filters", "ranking", "groups"].map((name) => [name, h("section", {})]));
  const state = { ...address.query, limit: PAGE };
  show(main, h("h1", { class: "skip" }, "Overview"), Object.values(parts));
  const again = () => update();

  function change(changes) {
    Object.assign(state, changes, { limit: PAGE });
    note(changes);
    again();
  }

  async function update(fresh) {
    if (fresh) Object.assign(state, { trouble: null, search: null, dataset: null }, fresh.query);
    const { trouble, search, dataset, limit } = state;
    const query = { sort: "trouble", trouble, search, dataset, limit: Math.min(200, limit), sparkline: VALUES };
    const [all, page, datasets] = await Promise.all([
      get(url("/v1/series", { sort: "trouble", limit: 1 }), signal),
      get(url("/v1/series", query), signal),
      get("/v1/datasets", signal),
    ]);
    show(parts.verdict, verdict(all, datasets.datasets, state));
    show(parts.datasets, datasets.datasets.length ? datasetTable(datasets.datasets) : nothingYet());
    show(parts.filters, all.total ? filters(state, datasets.datasets, change) : null);
    show(parts.ranking, all.total ? ranking(page, !state.dataset && datasets.datasets.length > 1, () => { state.limit += PAGE; again(); }) : null);
    if (!parts.groups.childElementCount && all.total > 1) show(parts.groups, groups(datasets.datasets, signal));
  }
  watch("/v1/events", signal, () => { clearTimeout(state.soon); state.soon = setTimeout(again, 1000); });
  return { update };
}

function nothingYet() {
  return h("p", { class: "empty" }, "There is no dataset yet. ", h("code", {}, "rollcast ingest FILE"), " stores one; ",
    h("code", {}, "rollcast demo"), " shows everything on sample data.");
}

// "3 of 5,001 series need attention: 1 silent, 2 miscalibrated; last ingest 4 minutes ago."
function verdict(all, datasets, state) {
  if (!datasets.length) return h("p", { class: "verdict" }, "Nothing is stored here yet.");
  const bad = needing(all.counts);
  const kinds = Object.entries(all.counts).filter(([, n]) => n);
  const chips = kinds.map(([kind, n], place) => [
    place ? ", " : " ",
    h("a", { class: `chip ${kind}`, href: link("overview", [], { ...wanted(state), trouble: state.trouble === kind ? null : kind }), "aria-current": state.trouble === kind || null, title: meaning(kind), "data-keep": kind }, `${count(n)} ${kind}`),
  ]);
  const unserved = datasets.filter((dataset) => !dataset.model);
  const ingests = datasets.map((dataset) => dataset.last_ingest_at).filter(Boolean).sort();
  const problems = datasets.filter((dataset) => dataset.problem);
  return [
    h("p", { class: "verdict" },
      bad === 0 ? `All ${plural(all.total, "series", "series")} are sound` : `${count(bad)} of ${plural(all.total, "series", "series")} ${bad === 1 ? "needs" : "need"} attention`,
      chips.length ? [":", chips] : null,
      ingests.length ? ["; last ingest ", ago(ingests.at(-1))] : null,
      unserved.length ? `; no model serves ${unserved.map((dataset) => dataset.dataset).join(", ")}` : null, "."),
    problems.map((dataset) => h("p", { class: "problem" }, `${dataset.dataset}: ${dataset.problem}`)),
  ];
}

function wanted(state) {
  return { trouble: state.trouble, search: state.search, dataset: state.dataset };
}

function datasetTable(datasets) {
  return table([["Dataset", "id"], ["Series", "n"], "Model", "Newest value", ["80 % held", "n"], ["Skill", "n"], ["Last 72 hours", "hours"]], datasets.map((dataset) => [
    [h("a", { href: link("models", [dataset.dataset]) }, dataset.dataset), " ", h("span", { class: "grey" }, dataset.freq),
      dataset.overdue?.length ? [" ", h("span", { class: "chip overdue", title: dataset.overdue.join(", ") }, "overdue")] : null],
    count(dataset.series),
    dataset.model ? `${dataset.model.kind} ${dataset.model.version}` : h("span", { class: "grey" }, "none"),
    time(dataset.newest), percent(dataset.last_day?.coverage_80), percent(dataset.last_day?.skill), hours(dataset)]));
}

// Coverage and skill hour by hour; an hour in which no forecast was settled is a thin grey cell.
function hours(dataset) {
  const known = new Map((dataset.hours ?? []).map((hour) => [Math.floor(Date.parse(hour.at) / 3600000), hour]));
  const now = Math.floor(Date.now() / 3600000);
  const cells = Array.from({ length: 72 }, (_, place) => {
    const hour = known.get(now - 71 + place);
    const since = `${duration((71 - place) * 3600)} ago`;
    if (!hour?.n) return { level: null, words: `${since}: no value arrived` };
    const off = Math.abs(hour.coverage_80 - 0.8) / Math.sqrt(0.16 / hour.n);
    const level = (off > 3.5 && Math.abs(hour.coverage_80 - 0.8) > 0.1) || hour.skill < -0.1 ? 2 : off > 3.5 || hour.skill < 0 ? 1 : 0;
    return { level, words: `${since}: ${percent(hour.coverage_80)} inside the 80 % interval, skill ${percent(hour.skill)}, ${plural(hour.n, "value")}` };
  });
  const silent = cells.filter((cell) => cell.level === null).length, bad = cells.filter((cell) => cell.level === 2).length;
  return strip(cells, `72 hours: ${silent} without a value, ${bad} with forecasts far off`);
}

function filters(state, datasets, change) {
  let timer;
  const search = h("input", { type: "search", value: state.search ?? "", placeholder: "part of an id", "aria-label": "Search series", "data-keep": "search",
    oninput: (event) => { clearTimeout(timer); timer = setTimeout(() => change({ search: event.target.value || null }), 250); } });
  const choice = h("select", { "aria-label": "Dataset", "data-keep": "dataset", onchange: (event) => change({ dataset: event.target.value || null }) },
    h("option", { value: "" }, "all datasets"), datasets.map((dataset) => h("option", { value: dataset.dataset, selected: dataset.dataset === state.dataset || null }, dataset.dataset)));
  const kinds = h("select", { "aria-label": "Trouble", "data-keep": "kind", onchange: (event) => change({ trouble: event.target.value || null }) },
    h("option", { value: "" }, "any trouble, or none"), CLASSES.map((kind) => h("option", { value: kind, selected: kind === state.trouble || null }, kind)));
  const focused = document.activeElement?.dataset.keep === "search" ? document.activeElement : null;
  if (focused) search.value = focused.value;
  const clear = state.trouble || state.search || state.dataset ? h("button", { type: "button", onclick: () => { search.value = ""; change({ trouble: null, search: null, dataset: null }); } }, "Show all") : null;
  return [h("h2", {}, "Series, those in trouble first"), h("div", { class: "row" }, search, choice, kinds, clear)];
}

function ranking(page, several, more) {
  if (!page.series.length) return h("p", { class: "empty" }, "No series matches. ", h("a", { href: link("overview") }, "Show all."));
  return [
    h("div", { class: "scroll" }, h("table", { class: "ranking" },
      h("thead", {}, h("tr", {}, h("th", {}, "Series"), h("th", {}, "Trouble"), h("th", {}, "Last values and forecast"), h("th", { class: "wide" }, "Newest value"))),
      h("tbody", {}, page.series.map((series) => line(series, several))))),
    h("p", { class: "row note" }, `${count(page.series.length)} of ${plural(page.total, "series", "series")} shown.`,
      page.next && page.series.length < 200 ? h("button", { type: "button", onclick: more }, "Show more") : null,
      page.next && page.series.length >= 200 ? "Search to narrow the list." : null),
  ];
}

function line(series, several) {
  return h("tr", {},
    h("td", { class: "id" }, h("a", { href: link("series", [series.dataset, series.unique_id]) }, series.unique_id), several ? h("div", { class: "grey" }, series.dataset) : null),
    h("td", {}, series.trouble || series.status === "ok" ? chip(series.trouble) : h("span", { class: "grey" }, series.status.replace("_", " "))),
    h("td", {}, sparkline(series.sparkline)),
    h("td", { class: "wide" }, time(series.origin)));
}

function groups(datasets, signal) {
  return [h("h2", {}, "All series, by the parts of their ids"), datasets.filter((dataset) => dataset.series).map((dataset) => group(dataset.dataset, dataset, "", dataset.dataset, dataset.series, signal))];
}

// A group that loads what is inside when it is opened.
function group(dataset, line, prefix, label, number, signal) {
  const inside = h("div", { class: "inside" });
  const worst = line.worst?.trouble ? [chip(line.worst.trouble), h("span", { class: "grey" }, line.worst.unique_id)] : null;
  const counts = Object.entries(line.counts ?? line.trouble ?? {}).map(([kind, n]) => h("span", { class: `chip ${kind}` }, `${count(n)} ${kind}`));
  const opened = async (event) => {
    if (!event.target.open || inside.childElementCount) return;
    const found = await getIfAny(url(`/v1/datasets/${encodeURIComponent(dataset)}/groups`, { prefix }), signal);
    show(inside, await contents(dataset, prefix, found?.groups ?? [], signal));
  };
  return h("details", { class: "group", ontoggle: opened },
    h("summary", {}, h("b", {}, label), h("span", { class: "grey" }, plural(number, "series", "series")), worst ?? counts), inside);
}

async function contents(dataset, prefix, found, signal) {
  const deeper = found.filter((each) => each.prefix).map((each) => group(dataset, each, each.prefix, each.prefix.slice(prefix.length), each.series, signal));
  const single = found.find((each) => !each.prefix);
  if (!single) return deeper;
  const page = await get(url("/v1/series", { sort: "trouble", dataset, search: prefix, limit: 100, sparkline: VALUES }), signal);
  const own = page.series.filter((series) => series.unique_id.startsWith(prefix) && !series.unique_id.slice(prefix.length).includes("/"));
  const rest = single.series - own.length;
  return [deeper, h("div", { class: "scroll" }, h("table", { class: "ranking" }, h("tbody", {}, own.map((series) => line(series, false))))),
    rest > 0 ? h("p", { class: "note" }, `${plural(rest, "more series", "more series")}: `, h("a", { href: link("overview", [], { dataset, search: prefix }) }, "list them")) : null];
}
