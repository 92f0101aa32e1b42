// Tables whose rows become cards on a narrow screen, where each cell begins with the head of its column.

import { h } from "./dom.js";

// heads: texts, or [text, class of the column]; rows: arrays of cells, or {cells, class}.
export function table(heads, rows) {
  const columns = heads.map((head) => (Array.isArray(head) ? head : [head, null]));
  const cell = (content, place) => h("td", { class: columns[place][1], "data-label": columns[place][0] }, h("span", {}, content));
  return h("div", { class: "scroll" }, h("table", { class: "stack" },
    h("thead", {}, h("tr", {}, columns.map(([head, kind]) => h("th", { class: kind }, head)))),
    h("tbody", {}, rows.map((row) => (Array.isArray(row) ? { cells: row, class: null } : row)).map((row) => h("tr", { class: row.class }, row.cells.map(cell))))));
}
