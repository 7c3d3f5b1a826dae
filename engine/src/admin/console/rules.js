// The rules that decide, as they are written, and what they connect.

import { ask, tell } from "./api.js";
import { element, fill, section, shape } from "./draw.js";

// The words of the language, for colours only.
const BEGINNING = /^(edition|choice|entity|system|table|sync|events|when|workflow|test)\b/;
const WORDS = /^(accept|always|and|archive|as|asks|at|between|by|calls|cancel|choice|clear|conflict|create|created|day|days|delete|deleted|else|empty|every|fail|fields|from|give|high|hour|hours|if|in|is|keep|link|low|match|medium|minutes?|missing|newest|no|not|nothing|notify|on|only|or|pass|per|priority|retry|review|run|send|set|skip|start|step|tie|to|undo|until|update|via|wait|weeks?|when|where|wins|with|yes)$/;

export async function show(main, at, signal) {
  const rules = await ask("rules", {}, signal);
  const [path, line] = at.includes(":") ? [at.slice(0, at.lastIndexOf(":")), Number(at.slice(at.lastIndexOf(":") + 1))] : [at, 0];
  const file = rules.files.find((one) => one.path === path) ?? rules.files[0];
  const said = element("p", { role: "status" });
  const reload = async () => {
    try {
      const done = await tell("reload", {});
      await show(main, at, signal);
      fill(main.querySelector("[role=status]"), done.changed ? "The folder's rules are in use now." : "The folder holds the rules that are in use.");
    } catch (error) {
      fill(said, element("span", { class: "bad" }, error.message));
    }
  };
  fill(main,
    element("h1", {}, "Rules in use"),
    element("p", { class: "quiet" }, "Version ", element("code", {}, rules.hash.slice(0, 12)), ". ", element("button", { type: "button", onclick: reload }, "Load the folder again")),
    said,
    section("What they connect", element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "What the rules connect" }, graph(rules.graph))),
    file ? element("div", { class: "files" },
      section("Files", element("ul", { class: "plain" }, rules.files.map((one) =>
        element("li", {}, element("a", { href: `#/rules/${encodeURIComponent(one.path)}`, "aria-current": one === file ? "true" : null }, one.path))))),
      section(file.path, text(file, line))) : element("p", {}, "No file."));
  main.querySelector(".here")?.scrollIntoView({ block: "center" });
}

function text(file, wanted) {
  let inText = false;
  const lines = file.text.replace(/\n$/, "").split("\n").map((line, at) => {
    const parts = [];
    // A text of several lines stands between two lines with `"""`.
    if (line.includes('"""')) {
      inText = !inText;
      parts.push(element("span", { class: "string" }, line));
    } else if (inText) parts.push(element("span", { class: "string" }, line));
    else parts.push(...coloured(line));
    return element("li", { class: at + 1 === wanted ? "here" : null },
      element("a", { href: `#/rules/${encodeURIComponent(`${file.path}:${at + 1}`)}`, "aria-label": `Line ${at + 1}` }, String(at + 1)),
      element("span", {}, parts.length ? parts : " "));
  });
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": file.path }, element("ol", { class: "text code" }, lines));
}

function coloured(line) {
  return (line.match(/#.*$|"(?:\\.|[^"\\])*"|[A-Za-z_]\w*|\d[\d_.]*|\s+|./g) ?? []).map((part, at) => {
    if (part.startsWith("#")) return element("span", { class: "comment" }, part);
    if (part.startsWith('"')) return element("span", { class: "string" }, part);
    if (/^\d/.test(part)) return element("span", { class: "number-word" }, part);
    if ((at === 0 && BEGINNING.test(part)) || WORDS.test(part)) return element("span", { class: "word" }, part);
    return part;
  });
}

/** Puts what is joined beside each other: each box at the middle of those it is joined to, a few times over. */
function sort(columns, edges) {
  const beside = new Map();
  for (const { from, to } of edges) {
    beside.set(from, [...(beside.get(from) ?? []), to]);
    beside.set(to, [...(beside.get(to) ?? []), from]);
  }
  const at = new Map();
  const note = (column) => column.forEach((node, y) => at.set(node.name, (y + 0.5) / column.length));
  columns.forEach(note);
  const middle = (node) => {
    const near = (beside.get(node.name) ?? []).map((name) => at.get(name));
    return near.length ? near.reduce((sum, y) => sum + y, 0) / near.length : at.get(node.name);
  };
  for (let times = 0; times < 6; times += 1) {
    for (const column of columns) {
      const wanted = new Map(column.map((node) => [node.name, middle(node)]));
      column.sort((a, b) => wanted.get(a.name) - wanted.get(b.name));
      note(column);
    }
  }
}

/** What stands where: what rules look at, the rules, what they write. A record of both kinds stands on the left. */
function graph({ nodes, edges }) {
  const rule = (node) => ["sync", "when", "workflow"].includes(node.kind);
  // What is inside of a workflow stands for the workflow.
  const owner = new Map(nodes.map((node) => [node.name, node.workflow ?? node.name]));
  const shown = nodes.filter((node) => !node.workflow && node.kind !== "messages");
  const names = new Set(shown.map((node) => node.name));
  const joined = new Map();
  for (const edge of edges) {
    const [from, to] = [owner.get(edge.from), owner.get(edge.to)];
    if (!names.has(from) || !names.has(to) || from === to) continue;
    const key = [from, to].sort().join("→");
    const known = joined.get(key) ?? { from, to, both: false, kinds: new Set() };
    known.both ||= known.from !== from;
    known.kinds.add(edge.kind);
    joined.set(key, known);
  }
  const systems = [...new Set(shown.map((node) => node.system).filter(Boolean))].sort();
  const hub = systems.find((system) => shown.some((node) => node.system === system && node.kind === "entity")) ?? systems[0];
  const columns = [shown.filter((node) => !rule(node) && node.system === hub), shown.filter(rule), shown.filter((node) => !rule(node) && node.system !== hub)];
  sort(columns, joined.values());
  const [width, height, gap, across] = [250, 34, 14, 390];
  const tall = Math.max(1, ...columns.map((column) => column.length)) * (height + gap);
  const place = new Map();
  columns.forEach((column, x) => column.forEach((node, y) => {
    const top = (tall - column.length * (height + gap)) / 2;
    place.set(node.name, { x: 10 + x * across, y: 10 + top + y * (height + gap) });
  }));
  const lines = [...joined.values()].map((edge) => {
    const [a, b] = [place.get(edge.from), place.get(edge.to)];
    const forward = a.x <= b.x;
    const same = a.x === b.x;
    const [x1, x2] = same ? [a.x + width, b.x + width] : forward ? [a.x + width, b.x] : [a.x, b.x + width];
    const bend = same ? x1 + 60 : (x1 + x2) / 2;
    const [y1, y2] = [a.y + height / 2, b.y + height / 2];
    return shape("path", { class: edge.both ? "both" : null, d: `M${x1} ${y1}C${bend} ${y1} ${bend} ${y2} ${x2} ${y2}`, "marker-end": "url(#tip)", "marker-start": edge.both ? "url(#tip)" : null },
      shape("title", {}, `${edge.from} ${edge.both ? "and" : "to"} ${edge.to}: ${[...edge.kinds].join(", ")}`));
  });
  const boxes = shown.map((node) => {
    const at = place.get(node.name);
    const box = shape("g", { class: rule(node) ? "node rule" : "node", transform: `translate(${at.x} ${at.y})` },
      shape("title", {}, node.place ? `${node.title}, ${node.place}` : node.title),
      shape("rect", { width, height, rx: 6 }), shape("text", { x: 12, y: 22 }, node.title.length > 34 ? `${node.title.slice(0, 33)}…` : node.title));
    return node.place ? shape("a", { href: `#/rules/${encodeURIComponent(node.place)}` }, box) : box;
  });
  return shape("svg", { class: "graph", viewBox: `0 0 ${20 + 2 * across + width} ${tall + 20}`, role: "group", "aria-label": "Records on the sides, rules between them" },
    shape("defs", {}, shape("marker", { id: "tip", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto-start-reverse" },
      shape("path", { d: "M1 1L7 4L1 7" }))),
    lines, boxes);
}
