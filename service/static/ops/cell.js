// A recurrent cell as a drawing of our own, with the numbers of one unit in it.

import { s } from "./dom.js";
import { number, percent } from "./format.js";
import { shown } from "./stacked_bars.js";

const WIDTH = 340, BELT = 56, GATE = 144, FOOT = 222; // heights of the memory, the gates and the inputs

const amount = (value) => (value === null ? "–" : (Math.abs(value) < 0.0005 ? 0 : value).toFixed(3).replace("-", "\u2212"));
const arrow = (...points) => s("path", { class: "flow", d: points.map(([x, y], k) => `${k ? "L" : "M"}${x} ${y}`).join(""), "marker-end": "url(#tip)" });
const line = (...points) => s("path", { class: "flow", d: points.map(([x, y], k) => `${k ? "L" : "M"}${x} ${y}`).join("") });
const text = (x, y, words, extra = {}) => s("text", { x, y, "text-anchor": "middle", ...extra }, words);
const sign = (x, y, mark) => [s("circle", { class: "sign", cx: x, cy: y, r: 10 }), s("path", { class: "mark", d: mark === "×" ? `M${x - 4} ${y - 4}L${x + 4} ${y + 4}M${x + 4} ${y - 4}L${x - 4} ${y + 4}` : `M${x - 5} ${y}L${x + 5} ${y}M${x} ${y - 5}L${x} ${y + 5}` })];

// A gate: its name, how far it is open, and a bar that is as full as the gate is open.
function gate(x, y, name, share) {
  return [s("rect", { class: "box", x: x - 34, y: y - 20, width: 68, height: 40, rx: 5 }),
    s("rect", { class: "open", x: x - 34, y: y + 16, width: 68 * share, height: 4 }),
    text(x, y - 5, name), text(x, y + 10, percent(share), { class: "value" })];
}

function fresh(x, y, name, value) {
  return [s("rect", { class: "box", x: x - 34, y: y - 20, width: 68, height: 40, rx: 5 }), text(x, y - 5, name), text(x, y + 10, amount(value), { class: "value" })];
}

function ends(before, after, name) {
  return [["start", 2, `${name} before`, before], ["end", WIDTH - 2, `${name} after`, after]].map(([anchor, x, words, value]) =>
    [text(x, 14, words, { "text-anchor": anchor }), text(x, 30, amount(value), { class: "value", "text-anchor": anchor })]);
}

// What comes in at the bottom, and the line that carries it to each of `places`.
function inputs(value, before, places) {
  const y = FOOT - 18;
  return [line([places[0], y], [places.at(-1), y]), places.map((x) => arrow([x, y], [x, GATE + 22])),
    text(WIDTH / 2, FOOT + 2, value === null ? "no value in this step" : typeof value === "string" ? `the symbol ${shown(value)}` : `the value ${number(value)} in its window`),
    text(WIDTH / 2, FOOT + 18, `and the output of the step before, here ${amount(before)}`)];
}

function lstm(cell, value) {
  const [forget, add, input, fill, output] = [46, 170, 128, 212, 296], low = GATE - 44;
  return [ends(cell.carry_before, cell.carry_after, "memory"), inputs(value, cell.hidden_before, [forget, input, fill, output]),
    arrow([4, BELT], [forget - 12, BELT]), arrow([forget + 10, BELT], [add - 12, BELT]), arrow([add + 10, BELT], [WIDTH - 4, BELT]),
    sign(forget, BELT, "×"), arrow([forget, GATE - 20], [forget, BELT + 12]), gate(forget, GATE, "forget", cell.forget),
    arrow([input, GATE - 20], [input, low], [add - 12, low]), arrow([fill, GATE - 20], [fill, low], [add + 12, low]), sign(add, low, "×"), arrow([add, low - 10], [add, BELT + 12]), sign(add, BELT, "+"),
    gate(input, GATE, "input", cell.input), fresh(fill, GATE, "new", cell.new),
    arrow([output - 36, BELT], [output - 36, low], [output - 12, low]), arrow([output, GATE - 20], [output, low + 12]), sign(output, low, "×"),
    gate(output, GATE, "output", cell.output), arrow([output + 10, low], [WIDTH - 4, low]), text(WIDTH - 4, low - 31, "shown", { "text-anchor": "end" }), text(WIDTH - 4, low - 17, amount(cell.hidden_after), { class: "value", "text-anchor": "end" })];
}

function gru(cell, value) {
  const [update, add, reset, fill] = [60, 230, 146, 230], low = GATE - 44;
  return [ends(cell.hidden_before, cell.hidden_after, "memory"), inputs(value, cell.hidden_before, [update, reset, fill]),
    arrow([4, BELT], [update - 12, BELT]), arrow([update + 10, BELT], [add - 12, BELT]), arrow([add + 10, BELT], [WIDTH - 4, BELT]),
    sign(update, BELT, "×"), arrow([update, GATE - 20], [update, BELT + 12]), gate(update, GATE, "update", cell.update),
    arrow([reset + 34, GATE], [fill - 36, GATE]), gate(reset, GATE, "reset", cell.reset),
    arrow([fill, GATE - 20], [fill, low + 12]), sign(fill, low, "×"), arrow([fill, low - 10], [add, BELT + 12]), sign(add, BELT, "+"), fresh(fill, GATE, "new", cell.new),
    text(fill + 16, low + 4, `${percent(1 - cell.update)} of it`, { "text-anchor": "start" })];
}

function rnn(cell, value) {
  const middle = WIDTH / 2;
  return [ends(cell.hidden_before, cell.hidden_after, "memory"), inputs(value, cell.hidden_before, [middle]),
    line([4, BELT], [middle - 60, BELT], [middle - 60, GATE]), arrow([middle - 60, GATE], [middle - 36, GATE]), fresh(middle, GATE, "new", cell.hidden_after),
    line([middle + 34, GATE], [middle + 60, GATE], [middle + 60, BELT]), arrow([middle + 60, BELT], [WIDTH - 4, BELT])];
}

// kind: lstm, gru or rnn; cell: the numbers; value: of the series in this step, or null.
export function drawCell(kind, cell, value) {
  const parts = { lstm, gru, rnn }[kind](cell, value);
  const words = Object.entries(cell).filter(([name, each]) => each !== null && !["member", "unit"].includes(name)).map(([name, each]) => `${name.replace("_", " ")} ${amount(each)}`).join(", ");
  return s("svg", { class: "cell", viewBox: `0 0 ${WIDTH} ${FOOT + 26}`, role: "img", "aria-label": `A cell: ${words}` },
    s("defs", {}, s("marker", { id: "tip", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" }, s("path", { class: "tip", d: "M0 0L8 4L0 8Z" }))),
    parts);
}
