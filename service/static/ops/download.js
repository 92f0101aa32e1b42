// The numbers behind a chart as a table and as files.

import { h } from "./dom.js";
import { number } from "./format.js";

const SHOWN = 400; // rows of a table on the page; files have all

export function save(name, content, type) {
  const address = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  const anchor = h("a", { href: address, download: name });
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

export function csv(heads, rows) {
  const cell = (value) => (value === null || value === undefined ? "" : /[",\n]/.test(`${value}`) ? `"${`${value}`.replaceAll('"', '""')}"` : `${value}`);
  return [heads, ...rows].map((row) => row.map(cell).join(",")).join("\n") + "\n";
}

// A folded table of the newest rows, and buttons for files. `make` gives {heads, rows} when it is opened.
export function numbers(name, make, pictures = []) {
  const body = h("div", { class: "scroll" });
  const fill = (event) => {
    if (!event.target.open) return;
    const { heads, rows } = make();
    const shown = rows.slice(-SHOWN);
    body.replaceChildren(
      h("table", {}, h("thead", {}, h("tr", {}, heads.map((head, place) => h("th", { class: place ? "n" : null }, head)))),
        h("tbody", {}, shown.map((row) => h("tr", {}, row.map((value, place) => h("td", { class: place ? "n" : null }, typeof value === "number" ? number(value, 6) : value ?? "")))))),
      rows.length > SHOWN ? h("p", { class: "note" }, `The last ${SHOWN} of ${rows.length} rows; the file has all.`) : "");
  };
  const file = () => {
    const { heads, rows } = make();
    save(`${name}.csv`, csv(heads, rows), "text/csv");
  };
  return h("div", {},
    h("details", { ontoggle: fill }, h("summary", {}, "The numbers behind this chart"), body),
    h("p", { class: "row" }, h("span", { class: "label" }, "Download"), h("button", { type: "button", onclick: file }, "CSV"),
      pictures.map(([label, action]) => h("button", { type: "button", onclick: action }, label))));
}
