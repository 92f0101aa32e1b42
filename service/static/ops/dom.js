// Elements without markup: text never becomes HTML.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(element.style, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// An HTML element: h("a", {href: "#/"}, "text", otherElement).
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

// An SVG element.
export function s(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

// Replace what an element contains, keeping the keyboard's place and what was folded where the same part is drawn again.
export function show(element, ...children) {
  const focused = element.contains(document.activeElement) ? document.activeElement.dataset.keep : undefined;
  const folded = new Map([...element.querySelectorAll("details[data-keep]")].map((part) => [part.dataset.keep, part.open]));
  element.replaceChildren(...children.flat(Infinity).filter((child) => child));
  for (const part of element.querySelectorAll("details[data-keep]")) part.open = folded.get(part.dataset.keep) ?? part.open;
  if (focused) element.querySelector(`[data-keep="${CSS.escape(focused)}"]`)?.focus();
}
