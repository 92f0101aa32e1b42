// Pipelines: what ran and how it ended, what runs next, what is held in quarantine, and drift.

import { get, getIfAny, post, Problem, url } from "./api.js";
import { link } from "./address.js";
import { h, s, show } from "./dom.js";
import { ago, count, duration, number, time } from "./format.js";
import { table } from "./tables.js";

export function open(main, address, signal) {
  const parts = Object.fromEntries(["schedules", "runs", "jobs", "quarantine", "drift"].map((name) => [name, h("section", {})]));
  show(main, h("h1", {}, "Pipelines"), Object.values(parts));

  async function update() {
    const [schedules, runs, jobs, quarantine, drift] = await Promise.all([
      getIfAny("/v1/schedules", signal), getIfAny(url("/v1/runs", { limit: 100 }), signal), getIfAny(url("/v1/jobs", { limit: 20 }), signal),
      getIfAny(url("/v1/quarantine", { released: "false", limit: 50 }), signal), getIfAny("/v1/drift", signal),
    ]);
    show(parts.schedules, h("h2", {}, "Next"), worker(schedules), scheduleTable(schedules?.schedules ?? []));
    show(parts.runs, h("h2", {}, "Runs"), timeline(runs?.runs ?? []), runTable(runs?.runs ?? []));
    show(parts.jobs, jobs?.jobs.length ? [h("h2", {}, "Jobs"), jobTable(jobs.jobs)] : null);
    if (!parts.quarantine.contains(document.activeElement)) show(parts.quarantine, h("h2", {}, "Quarantine"), quarantineTable(quarantine?.values ?? [], update));
    show(parts.drift, drift?.drift.length ? [h("h2", {}, "Drift"), driftTable(drift.drift)] : null);
  }
  return { update };
}

function worker(found) {
  if (!found?.schedules.length || found.worker.alive) return null;
  return h("p", { class: "problem" }, found.worker.seen_at ? ["No worker has been seen since ", time(found.worker.seen_at), "."] : "No worker has ever run here.", " Nothing is started before ", h("code", {}, "rollcast pipelines serve"), " runs.");
}

function scheduleTable(schedules) {
  if (!schedules.length) return h("p", { class: "empty" }, "Nothing is scheduled. ", h("code", {}, "rollcast schedule set FLOW DATASET"), " schedules a flow, and ", h("code", {}, "rollcast pipelines serve"), " runs it.");
  return table(["Flow", "When", "Next", "Last success"], schedules.map((line) => [
    `${line.flow}${line.dataset ? ` of ${line.dataset}` : ""}`, line.timetable,
    line.next_at ? [time(line.next_at), " (", ago(line.next_at), ")"] : h("span", { class: "chip overdue", title: "no worker has said when: is `rollcast pipelines serve` running?" }, "no worker"),
    [line.overdue ? [h("span", { class: "chip overdue" }, "overdue"), " "] : null, ago(line.last_success)]]));
}

// Each run as a bar on a line of its flow; hold the pointer over one for its facts.
function timeline(runs) {
  if (!runs.length) return null;
  const start = (run) => Date.parse(run.started_at), end = (run) => (run.ended_at ? Date.parse(run.ended_at) : Date.now());
  const first = Math.min(...runs.map(start)), last = Date.now(), width = Math.max(300, document.getElementById("main").clientWidth - 40), left = Math.min(190, width * 0.38), row = 20;
  const most = Math.floor((left - 12) / 6.2); // letters of a name
  const names = [...new Set(runs.map((run) => (run.dataset ? `${run.flow} ${run.dataset}` : run.flow)))].sort();
  const x = (at) => left + ((at - first) / (last - first || 1)) * (width - left - 4);
  const kind = (run) => (run.outcome === "failed" || run.outcome === "lapsed" ? (run.recovered ? "bar grey" : "bar bad") : "bar");
  return h("div", {}, s("svg", { viewBox: `0 0 ${width} ${names.length * row + 22}`, role: "img", "aria-label": `${runs.length} runs of ${names.length} flows`, style: { display: "block", width: "100%" } },
    names.map((name, place) => [s("text", { x: left - 8, y: place * row + 14, "text-anchor": "end" }, s("title", {}, name), name.length > most ? `${name.slice(0, most - 1)}…` : name), s("line", { class: "axis", x1: left, x2: width, y1: place * row + 19, y2: place * row + 19 })]),
    runs.map((run) => s("rect", { class: kind(run), x: x(start(run)), y: names.indexOf(run.dataset ? `${run.flow} ${run.dataset}` : run.flow) * row + 4, height: 12, width: Math.max(2.5, x(end(run)) - x(start(run))) },
      s("title", {}, `${run.flow} ${run.dataset ?? ""}: ${run.outcome}, ${duration((end(run) - start(run)) / 1000)}`))),
    s("text", { x: left, y: names.length * row + 16 }, `${duration((last - first) / 1000)} ago`), s("text", { x: width - 4, y: names.length * row + 16, "text-anchor": "end" }, "now")));
}

function runTable(runs) {
  if (!runs.length) return h("p", { class: "empty" }, "No flow has run yet. Commands such as ", h("code", {}, "rollcast pipelines run ingest"), " and schedules leave a row here.");
  const bad = (run) => run.outcome === "failed" || run.outcome === "lapsed";
  return h("details", { open: true, "data-keep": "runs" }, h("summary", { "data-keep": "runs-summary" }, "The latest runs"), table(["Flow", ["Dataset", "id"], "Outcome", "Started", "Took", ["What it says", "id"]], runs.slice(0, 25).map((run) => ({ class: run.recovered ? "grey" : null, cells: [
    run.flow, run.dataset, bad(run) && !run.recovered ? h("span", { class: "chip failed" }, run.outcome) : run.recovered ? `${run.outcome}, succeeded later` : run.outcome,
    ago(run.started_at), run.ended_at ? duration((Date.parse(run.ended_at) - Date.parse(run.started_at)) / 1000) : null, detail(run.detail) || null] }))));
}

function detail(found) {
  if (!found) return "";
  if (found.error) return found.error;
  return Object.entries(found).filter(([, value]) => ["number", "string", "boolean"].includes(typeof value)).slice(0, 4).map(([name, value]) => `${name.replaceAll("_", " ")} ${typeof value === "number" ? number(value, 6) : value}`).join(", ");
}

function jobTable(jobs) {
  return table(["Job", ["Dataset", "id"], "State", ["Why, or how it ended", "id"], "Asked"], jobs.map((job) => [`${job.kind} ${job.id}`, job.dataset, job.state, job.detail, ago(job.asked_at)]));
}

function quarantineTable(values, again) {
  if (!values.length) return h("p", { class: "empty" }, "No value is in quarantine.");
  const said = h("p", { role: "status", class: "note" });
  const release = (line) => async () => {
    try {
      const answer = await post("/v1/quarantine/release", { dataset: line.dataset, ids: [line.id] });
      said.textContent = answer.state ? `Job ${answer.id} releases value ${line.id} as soon as a worker runs it.` : `Value ${line.id} is released.`;
      again();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      said.textContent = error.message;
    }
  };
  return [h("p", { class: "note" }, `${count(values.length)} shown. A value in quarantine counts as missing until it is released.`), said,
    table([["Series", "id"], "Time", ["Value", "n"], "Rule", "Source", "Act"], values.map((line) => [
      h("a", { href: link("series", [line.dataset, line.unique_id]) }, line.unique_id), time(line.ds), number(line.y, 6), line.rule, line.live ? "HTTP" : "a file",
      h("button", { type: "button", onclick: release(line) }, "Release")]))];
}

function driftTable(drift) {
  return table([["Dataset", "id"], "Detector", "Feature", ["Statistic", "n"], ["Threshold", "n"], "Says"], drift.map((line) => [
    line.dataset, line.detector, line.feature, number(line.statistic), number(line.threshold),
    [line.fired ? [h("span", { class: "chip worse" }, "fired"), " "] : null, line.detail]]));
}
