// Chooses the page that the address names, draws it, and asks again every few seconds.

import { read } from "./address.js";
import { Problem, setKey } from "./api.js";
import { h, show } from "./dom.js";
import * as models from "./models.js";
import * as overview from "./overview.js";
import * as pipelines from "./pipelines.js";
import * as series from "./series.js";

const PAGES = { overview, series, models, pipelines };
const EVERY = 5000; // milliseconds between two looks of a page that has no events
const main = document.getElementById("main");
let current = null; // {page, key, stop}

async function draw() {
  const address = read();
  const page = PAGES[address.page] ?? overview;
  const key = `${address.page}/${address.parts.join("/")}`;
  for (const anchor of document.querySelectorAll("nav a"))
    if (anchor.dataset.page === address.page) anchor.setAttribute("aria-current", "page");
    else anchor.removeAttribute("aria-current");
  if (current?.key !== key) {
    current?.stop();
    const stopping = new AbortController();
    current = { key, page, stop: () => stopping.abort(), signal: stopping.signal };
    if (document.readyState !== "loading" && current.drawn) main.focus();
    current.view = page.open(main, address, stopping.signal);
  }
  await update(current, address);
}

async function update(shown, address) {
  try {
    await shown.view.update(address);
    status(true);
    document.getElementById("problem")?.remove();
  } catch (error) {
    if (error.name === "AbortError" || shown !== current) return;
    if (!(error instanceof Problem)) throw error;
    if (error.status === 401) askForKey(error);
    else report(error);
  }
}

function status(works) {
  const live = document.getElementById("live");
  const text = works ? "live" : "not connected";
  if (live.textContent !== text) live.textContent = text;
  live.className = works ? "on" : "off";
}

function report(error) {
  status(error.status !== 0);
  document.getElementById("problem")?.remove();
  main.prepend(h("p", { id: "problem", class: "problem", role: "alert" }, error.message));
}

function askForKey(error) {
  if (document.getElementById("key")) return;
  const input = h("input", { id: "key", type: "password", autocomplete: "off", "aria-describedby": "why" });
  const send = (event) => {
    event.preventDefault();
    setKey(input.value.trim());
    current = null;
    draw();
  };
  show(
    main,
    h("form", { class: "key", onsubmit: send },
      h("h1", {}, "This service asks for a key"),
      h("p", { id: "why" }, error.message, " The key stays in this tab and travels in a header, never in an address."),
      h("label", { for: "key" }, "API key with the scope read"), input, h("button", {}, "Open"),
    ),
  );
  input.focus();
}

function theme(wanted) {
  const dark = wanted ? wanted === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  document.getElementById("theme").textContent = dark ? "Light" : "Dark";
}

document.getElementById("theme").addEventListener("click", () => {
  const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  localStorage.setItem("rollcast-theme", next);
  theme(next);
  window.dispatchEvent(new Event("themechange"));
});
theme(localStorage.getItem("rollcast-theme"));
addEventListener("hashchange", draw);
setInterval(() => {
  if (current && !document.hidden && !document.getElementById("key")) update(current, read());
}, EVERY);
draw();
