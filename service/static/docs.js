"use strict";
// Draws /openapi.json. All content is inserted as text, never as markup.

function element(tag, text, ...children) {
  const node = document.createElement(tag);
  if (text) node.textContent = text;
  node.append(...children);
  return node;
}

function resolve(schema, document_, depth = 0) {
  // A schema with its references replaced by their schemas, down to a depth that stays readable.
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
  const rows = list.map((parameter) =>
    element("tr", "", element("td", "", element("code", parameter.name)), element("td", parameter.in), element("td", parameter.description)));
  return element("table", "", element("tbody", "", ...rows));
}

function operation(path, method, about, document_) {
  const label = element("span", method.toUpperCase());
  label.className = `method ${method}`;
  const node = element("details", "", element("summary", "", label, element("code", path)));
  node.append(element("p", about.description || about.summary));
  if (about.parameters) node.append(parameters(about.parameters));
  for (const [type, body] of Object.entries(about.requestBody?.content ?? {})) {
    if (body.example) node.append(element("pre", example(body.example)));
    node.append(block(`Body: ${type}`, resolve(body.schema, document_)));
  }
  for (const [status, reply] of Object.entries(about.responses)) {
    const [type, content] = Object.entries(reply.content ?? {})[0] ?? ["", {}];
    if (status < 300 && content.example) node.append(element("pre", example(content.example)));
    node.append(block(`${status} ${reply.description} ${type}`, resolve(content.schema ?? {}, document_)));
  }
  return node;
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
