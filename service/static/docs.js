"use strict";
// Draws /openapi.json. Everything goes in as text, never as markup.

function element(tag, text, ...children) {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  made.append(...children);
  return made;
}

function resolve(schema, document_, depth = 0) {
  // A schema with its references filled in, as far down as one can still read it.
  if (Array.isArray(schema)) return schema.map((part) => resolve(part, document_, depth));
  if (schema === null || typeof schema !== "object") return schema;
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    return depth > 4 ? name : resolve(document_.components.schemas[name], document_, depth + 1);
  }
  const shown = Object.entries(schema).filter(([key]) => !["title", "examples"].includes(key));
  return Object.fromEntries(shown.map(([key, value]) => [key, resolve(value, document_, depth)]));
}

function example(value) {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

function block(title, value) {
  return element("details", "", element("summary", title), element("pre", JSON.stringify(value, null, 2)));
}

function parameters(list) {
  const rows = list.map((one) =>
    element("tr", "", element("td", "", element("code", one.name)), element("td", one.in), element("td", one.description)));
  return element("table", "", element("tbody", "", ...rows));
}

function operation(path, method, about, document_) {
  const label = element("span", method.toUpperCase());
  label.className = `method ${method}`;
  const made = element("details", "", element("summary", "", label, element("code", path)));
  made.append(element("p", about.description || about.summary));
  if (about.parameters) made.append(parameters(about.parameters));
  for (const [type, body] of Object.entries(about.requestBody?.content ?? {})) {
    if (body.example) made.append(element("pre", example(body.example)));
    made.append(block(`Body: ${type}`, resolve(body.schema, document_)));
  }
  for (const [status, reply] of Object.entries(about.responses)) {
    const [type, content] = Object.entries(reply.content ?? {})[0] ?? ["", {}];
    if (status < 300 && content.example) made.append(element("pre", example(content.example)));
    made.append(block(`${status} ${reply.description} ${type}`, resolve(content.schema ?? {}, document_)));
  }
  return made;
}

function draw(document_) {
  const page = document.getElementById("page");
  page.replaceChildren(element("h1", `${document_.info.title} ${document_.info.version}`), element("p", document_.info.description));
  const groups = new Map();
  for (const [path, methods] of Object.entries(document_.paths))
    for (const [method, about] of Object.entries(methods)) {
      const group = (about.tags ?? ["other"])[0];
      groups.set(group, [...(groups.get(group) ?? []), operation(path, method, about, document_)]);
    }
  for (const [group, operations] of groups) page.append(element("h2", group), ...operations);
}

fetch("/openapi.json").then((reply) => reply.json()).then(draw);
