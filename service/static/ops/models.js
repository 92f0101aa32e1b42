// Models: what serves first, then what rolls in shadow or served before, and the promotion log in sentences.

import { link } from "./address.js";
import { get, getIfAny, post, Problem, url } from "./api.js";
import { h, show } from "./dom.js";
import { ago, number, percent, time } from "./format.js";
import { table } from "./tables.js";

const EVENTS = {
  promoted: "was promoted: it serves from here on",
  refused: "was refused by the promotion gate",
  rolled_back: "serves again after a rollback",
  reanchored: "began its states anew",
  shadowed: "was put into shadow beside the one that serves",
  shadow_stopped: "left the shadow",
};
const FIGURES = [["mase", "MASE", number], ["wql", "WQL", number], ["coverage_80", "80 % held", percent], ["skill", "skill", percent]];

export function open(main, address, signal) {
  const body = h("div", {});
  show(main, h("h1", {}, "Models"), body);

  async function update({ parts: [wanted] }) {
    const { datasets } = await get("/v1/datasets", signal);
    const shown = datasets.filter((dataset) => !wanted || dataset.dataset === wanted);
    if (!shown.length) {
      show(body, h("p", { class: "empty" }, wanted ? `There is no dataset ${wanted}. ` : "There is no dataset yet. ", h("code", {}, "rollcast ingest FILE"), " stores one."));
      return;
    }
    const cards = await Promise.all(shown.map((dataset) => card(dataset, signal, () => update({ parts: [wanted] }))));
    if (!body.querySelector("dialog[open]")) show(body, wanted ? h("p", {}, h("a", { href: link("models") }, "All datasets")) : null, cards);
  }
  return { update };
}

async function card(dataset, signal, again) {
  const query = { dataset: dataset.dataset };
  const [models, scores, log] = await Promise.all([
    get(url("/v1/models", query), signal), getIfAny(url("/v1/scores", query), signal), getIfAny(url("/v1/promotions", { ...query, limit: 30 }), signal),
  ]);
  const live = new Map((scores?.scores ?? []).map((line) => [line.model.version, line]));
  const order = { champion: 0, shadow: 1, previous: 2, candidate: 3, refused: 4 };
  const versions = [...models.models].sort((a, b) => order[a.status] - order[b.status] || b.version - a.version);
  const champion = versions.find((line) => line.status === "champion");
  return h("section", { class: "card" },
    h("h2", { style: { marginTop: 0 } }, dataset.dataset),
    dataset.problem ? h("p", { class: "problem" }, dataset.problem) : null,
    champion ? serving(champion, live.get(champion.version), dataset)
      : h("p", { class: "empty" }, "No model serves. ", h("code", {}, `rollcast train ${dataset.dataset}`), ", then ", h("code", {}, `rollcast promote ${dataset.dataset}`), "."),
    versions.length > (champion ? 1 : 0) ? others(versions.filter((line) => line !== champion), champion, live) : null,
    log?.promotions.length ? history(log.promotions) : null,
    acts(dataset, versions, log, again));
}

function serving(line, live, dataset) {
  const fact = (label, value) => h("div", {}, h("dt", {}, label), h("dd", {}, value));
  return [h("p", {}, h("b", {}, `${line.kind} version ${line.version}`), " serves", dataset.since ? [" since ", time(dataset.since), " (", ago(dataset.since), ")"] : null, "."),
    h("dl", { class: "facts" },
      FIGURES.map(([name, label, words]) => fact(`${label}, live`, words(live?.[name]))),
      fact("scored", live ? number(live.n, 7) : "–"),
      FIGURES.filter(([name]) => line.metrics?.[name] !== undefined).map(([name, label, words]) => fact(`${label}, backtest`, words(line.metrics[name]))),
      fact("trained", time(line.created_at)), fact("digest", h("code", {}, line.digest.slice(0, 12))))];
}

// The other versions, by how they differ from the one that serves.
function others(versions, champion, live) {
  const difference = (line, name) => {
    const own = live.get(line.version)?.[name] ?? line.metrics?.[name], base = live.get(champion?.version)?.[name] ?? champion?.metrics?.[name];
    if (own === undefined || own === null) return "–";
    return base === undefined || base === null ? number(own) : `${number(own)} (${own >= base ? "+" : ""}${percent(own / base - 1, 1)})`;
  };
  return table(["Other versions", "Status", ["MASE", "n"], ["WQL", "n"], "Trained"], versions.slice(0, 12).map((line) =>
    [`${line.kind} ${line.version}`, line.status, difference(line, "mase"), difference(line, "wql"), time(line.created_at)]));
}

// Every decision with its reasons; those of the newest are open.
function history(promotions) {
  const together = (sentence) => sentence.replace(/(\d) (%|ms|MB)/g, "$1\u00a0$2"); // no line ends between a number and its unit
  return h("div", { class: "decisions" }, h("h3", {}, "Decisions, newest first"),
    promotions.map((line, place) => h("details", { class: "decision", open: place === 0, "data-keep": `decision-${line.id}` },
      h("summary", { "data-keep": `summary-${line.id}` }, time(line.decided_at), ": ", h("b", {}, `${line.kind ?? ""} version ${line.version}`.trim()), ` ${EVENTS[line.event] ?? line.event}`,
        line.verified === false ? [" ", h("span", { class: "chip failed", title: "this row of the promotion log is not as it was written" }, "altered")] : null),
      h("ul", {}, line.sentences.map((sentence) => h("li", {}, together(sentence)))))));
}

function acts(dataset, versions, log, again) {
  const { previous, shadow } = dataset;
  const seen = dataset.promotion_id;
  const act = (label, effect, path, body) => h("button", { type: "button", onclick: (event) => confirm(event.target, dataset, label, effect, path, body, seen, again) }, label);
  return h("p", { class: "row" },
    previous ? act("Roll back", `Version ${previous.version} answers from the next request on; its states followed the log, so nothing is lost.`, "rollback", {}) : null,
    shadow ? act("Promote the shadow", `Version ${shadow.version}, which has rolled beside, answers from the next request on.`, "promote", { version: shadow.version }) : null,
    act("Retrain", "A worker trains a new version; it serves only if it passes the promotion gate.", "retrain", {}));
}

// Nothing is done before the name of the dataset is typed.
function confirm(button, dataset, label, effect, path, body, seen, again) {
  const input = h("input", { "aria-label": "Name of the dataset", autocomplete: "off" });
  const said = h("p", { role: "status" });
  const go = h("button", { type: "submit", disabled: true }, label);
  input.addEventListener("input", () => { go.disabled = input.value !== dataset.dataset; });
  const send = async (event) => {
    event.preventDefault();
    try {
      const answer = await post(`/v1/datasets/${encodeURIComponent(dataset.dataset)}/${path}`, body, { "If-Match": `"${seen}"` });
      said.textContent = answer?.state ? `Job ${answer.id} is ${answer.state}.` : answer?.serving === false ? "Decided; it serves in a moment." : "Done.";
      setTimeout(() => { dialog.close(); again(); }, 700);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      said.textContent = error.message;
    }
  };
  const dialog = h("dialog", { "aria-label": label, onclose: () => { dialog.remove(); button.focus(); } },
    h("form", { onsubmit: send }, h("h2", { style: { marginTop: 0 } }, `${label}: ${dataset.dataset}`), h("p", {}, effect),
      h("label", {}, `Type ${dataset.dataset} to confirm `, input), said, h("p", { class: "row" }, go, h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"))));
  button.closest("section").append(dialog);
  dialog.showModal();
}
