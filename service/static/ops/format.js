// Numbers and times as text.

import { h } from "./dom.js";

const MINUS = "\u2212";
const DATE = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "2-digit" });
const CIVIL = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "2-digit", timeZone: "UTC" });
const MOMENT = new Intl.DateTimeFormat(undefined, {
  year: "numeric", month: "short", day: "2-digit", hour: "2-digit", minute: "2-digit", hourCycle: "h23",
});

// A number with about `digits` significant digits and a true minus sign; a dash where there is none.
export function number(value, digits = 4) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  const text =
    size !== 0 && (size < 1e-4 || size >= 1e9)
      ? value.toExponential(digits - 1)
      : value.toLocaleString("en", { maximumSignificantDigits: Math.max(digits, size >= 1 ? Math.floor(Math.log10(size)) + 1 : 1) });
  return text.replace("-", MINUS);
}

export function count(value) {
  return value.toLocaleString("en");
}

export function percent(value, digits = 0) {
  return value === null || value === undefined || Number.isNaN(value) ? "–" : `${(100 * value).toFixed(digits).replace("-", MINUS)} %`;
}

// "1 series", "2 runs": `word` is the singular, `words` the plural.
export function plural(n, word, words = `${word}s`) {
  return `${count(n)} ${n === 1 ? word : words}`;
}

// Seconds as one or two units: 45 s, 4 minutes, 3 hours, 2 days.
export function duration(seconds) {
  const size = Math.max(0, Math.round(seconds));
  if (size < 60) return `${size} s`;
  if (size < 3600) return plural(Math.round(size / 60), "minute");
  if (size < 172800) return plural(Math.round(size / 3600), "hour");
  return plural(Math.round(size / 86400), "day");
}

// Where a stamp lies on an axis: seconds since 1970 UTC, or the number of the step.
export function position(ds) {
  return typeof ds === "number" ? ds : Date.parse(ds.length === 10 ? `${ds}T00:00:00Z` : ds) / 1000;
}

// A stamp as the viewer reads it: a moment in their zone, a civil date as it is, a step as a number.
export function stamp(ds) {
  if (ds === null || ds === undefined) return "–";
  if (typeof ds === "number") return `step ${count(ds)}`;
  if (ds.length === 10) return CIVIL.format(new Date(`${ds}T00:00:00Z`));
  return MOMENT.format(new Date(ds));
}

export function day(seconds) {
  return DATE.format(new Date(1000 * seconds));
}

// A stamp as an element whose tooltip has UTC.
export function time(ds) {
  const exact = typeof ds === "string" && ds.length > 10;
  return h("time", { datetime: exact ? ds : null, title: exact ? `${ds.replace("T", " ").replace("Z", "")} UTC` : null }, stamp(ds));
}

// How long ago a moment was, with the moment as tooltip.
export function ago(ds, now = Date.now()) {
  if (!ds) return h("span", {}, "never");
  const seconds = (now - Date.parse(ds)) / 1000;
  const text = seconds < 0 ? `in ${duration(-seconds)}` : seconds < 10 ? "just now" : `${duration(seconds)} ago`;
  return h("time", { datetime: ds, title: `${ds.replace("T", " ").replace("Z", "")} UTC` }, text);
}
