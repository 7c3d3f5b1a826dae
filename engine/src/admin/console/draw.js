// How pages are made: elements with text in them. Nothing here takes a text for markup, so a record whose name holds
// `<script>` is shown as it is written.

const SVG = "http://www.w3.org/2000/svg";

/** An element with properties and children. Children are nodes and texts; what is null or false is left out. */
export function element(tag, properties = {}, ...children) {
  return filled(document.createElement(tag), properties, children);
}

/** The same in a drawing. */
export function shape(tag, properties = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), properties, children);
}

function filled(node, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...shown(children));
  return node;
}

function shown(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

/** Puts these children in the place of all that `node` has. */
export function fill(node, ...children) {
  node.replaceChildren(...shown(children));
}

export function section(title, ...children) {
  return element("section", {}, element("h2", {}, title), ...children);
}

/** A table; `columns` are [title, what of a row, class]. */
export function table(caption, columns, rows) {
  const head = columns.map(([title, , kind]) => element("th", { scope: "col", class: kind }, title));
  const body = rows.map((row) => element("tr", {}, columns.map(([, cell, kind]) => element("td", { class: kind }, cell(row)))));
  // A table that is wider than its page can be moved by the keyboard too.
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    element("table", {}, element("caption", {}, caption), element("thead", {}, element("tr", {}, head)), element("tbody", {}, body)));
}

/** Names and what they are. */
export function facts(pairs) {
  return element("dl", {}, pairs.filter(Boolean).map(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
}

const LOCAL = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** A time in the reader's zone, with UTC where the pointer rests. `at` is RFC 3339 or milliseconds since 1970. */
export function time(at) {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return String(at);
  const exact = date.toISOString();
  return element("time", { datetime: exact, title: exact.replace("T", " ").replace("Z", " UTC") }, LOCAL.format(date));
}

/** Seconds in words: `3 min`, `2 h 5 min`, `4 d`. */
export function span(seconds) {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return `${Math.floor(hours / 24)} d`;
}

export function number(value) {
  return new Intl.NumberFormat().format(value);
}

export function tag(text, kind) {
  return element("span", { class: `tag ${kind ?? ""}` }, text);
}

/** How much of a whole is used. */
export function bar(used, amount, label) {
  const part = amount > 0 ? Math.min(100, (100 * used) / amount) : 0;
  return shape("svg", { class: "bar", viewBox: "0 0 100 6", preserveAspectRatio: "none", role: "img", "aria-label": label },
    shape("rect", { class: "ground", width: 100, height: 6, rx: 1 }),
    shape("rect", { class: part > 80 ? "part much" : "part", width: part, height: 6, rx: 1 }));
}

/** A curve of values between 0 and 1, oldest first. */
export function curve(values, label) {
  const step = values.length > 1 ? 200 / (values.length - 1) : 0;
  const points = values.map((value, at) => `${at ? "L" : "M"}${(at * step).toFixed(1)} ${(39 - 38 * Math.min(1, value)).toFixed(1)}`);
  return shape("svg", { class: "curve", viewBox: "0 0 200 40", preserveAspectRatio: "none", role: "img", "aria-label": label },
    shape("line", { x1: 0, x2: 200, y1: 39.5, y2: 39.5 }), shape("path", { d: points.join(" ") }));
}
