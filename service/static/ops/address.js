// The state of a page is in its address, so that a link shows a colleague the same.

// {page, parts, query} of an address such as #/series/stocks/IBM?threshold=120.
export function read() {
  const [path, words = ""] = location.hash.replace(/^#/, "").split("?");
  const [page = "", ...parts] = path.split("/").filter((part, place) => place > 0).map(decodeURIComponent);
  return { page: page || "overview", parts, query: Object.fromEntries(new URLSearchParams(words)) };
}

export function link(page, parts = [], query = {}) {
  const path = ["", page === "overview" ? "" : page, ...parts.map(encodeURIComponent)].join("/");
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const words = new URLSearchParams(given).toString();
  return `#${path}${words ? `?${words}` : ""}`;
}

// Change a part of the query without a step in the history; the page is not drawn again.
export function note(changes) {
  const { page, parts, query } = read();
  history.replaceState(null, "", link(page, parts, { ...query, ...changes }));
}
