// Requests to this service: with the key of this tab, and with what was answered before where nothing changed.

const KEY = "rollcast-key";
const answers = new Map(); // url -> {etag, body}
const KEPT = 200;

export class Problem extends Error {
  constructor(status, body) {
    super(body?.detail ?? `The service answered ${status}.`);
    this.status = status;
    this.code = body?.code;
    this.body = body;
  }
}

export function setKey(key) {
  if (key) sessionStorage.setItem(KEY, key);
  else sessionStorage.removeItem(KEY);
  answers.clear();
}

export function headers() {
  const key = sessionStorage.getItem(KEY);
  return key ? { Authorization: `Bearer ${key}` } : {};
}

// A path with a query; entries without a value are left out.
export function url(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const words = new URLSearchParams(given).toString();
  return words ? `${path}?${words}` : path;
}

export function seriesUrl(id, rest = "", query = {}) {
  const path = id.split("/").map(encodeURIComponent).join("/");
  return url(`/v1/series/${path}${rest}`, query);
}

async function send(address, options) {
  try {
    return await fetch(address, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { detail: "The service does not answer. It is asked again every few seconds." });
  }
}

// The JSON answer. Raises Problem.
export async function get(address, signal) {
  const known = answers.get(address);
  const match = known?.etag ? { "If-None-Match": known.etag } : {};
  const response = await send(address, { headers: { ...headers(), ...match }, signal, cache: "no-store" });
  if (response.status === 304) return known.body;
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new Problem(response.status, body);
  answers.delete(address);
  answers.set(address, { etag: response.headers.get("ETag"), body });
  if (answers.size > KEPT) answers.delete(answers.keys().next().value);
  return body;
}

// The same, or null where there is nothing: for parts of a page that may be missing.
export async function getIfAny(address, signal) {
  try {
    return await get(address, signal);
  } catch (error) {
    if (error instanceof Problem && [403, 404, 409, 410].includes(error.status)) return null;
    throw error;
  }
}

export async function post(address, body, extra = {}) {
  const response = await send(address, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers(), ...extra },
    body: JSON.stringify(body),
  });
  const answer = await response.json().catch(() => null);
  if (!response.ok) throw new Problem(response.status, answer);
  return answer;
}
