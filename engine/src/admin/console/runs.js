// Runs of reactions and workflows, and the way that each has gone.

import { ask } from "./api.js";
import { element, facts, fill, number, section, table, tag, time } from "./draw.js";
import { kind } from "./words.js";

const STATES = ["running", "waiting", "stopped", "finished", "failed", "cancelled"];
let asked = { about: "", state: "" };

export async function list(main, _rest, signal) {
  const search = element("input", { id: "about", type: "search", value: asked.about, size: 30 });
  const states = element("select", { id: "state-wanted" }, element("option", { value: "" }, "any"),
    STATES.map((state) => element("option", { value: state, selected: state === asked.state }, state)));
  const found = element("div", {});
  const look = async (event) => {
    event?.preventDefault();
    asked = { about: search.value.trim(), state: states.value };
    await more(found, asked, signal);
  };
  fill(main,
    element("h1", {}, "Runs"),
    element("form", { class: "line", role: "search", onsubmit: look },
      element("div", {}, element("label", { for: "about" }, "Workflow, reaction or run"), search),
      element("div", {}, element("label", { for: "state-wanted" }, "State"), states),
      element("button", { class: "first" }, "Look")),
    found);
  await look();
}

async function more(found, filter, signal, after = undefined, seen = []) {
  const page = await ask("runs", { ...filter, after, limit: 100 }, signal);
  const runs = [...seen, ...page.runs];
  fill(found,
    runs.length ? table(page.next ? `The first ${number(runs.length)} runs` : `${number(runs.length)} runs`, [
      ["Run", (run) => element("a", { href: `#/run/${run.run}` }, run.run)], ["Of", (run) => run.rule],
      ["State", (run) => tag(run.state, kind(run.state))], ["Waits or stopped", (run) => detail(run.detail)], ["Began", (run) => time(run.started), "whole"],
    ], runs) : element("p", { class: "quiet" }, "There are no such runs. Runs that ended are kept for a while, then forgotten."),
    page.next ? element("button", { type: "button", onclick: () => more(found, filter, signal, page.next, runs) }, "Show more") : null);
}

/** `until 2026-…` with the time in the reader's zone. */
function detail(text) {
  const until = /^until (\d{4}-\S+)$/.exec(text);
  return until ? ["until ", time(until[1])] : text;
}

/** One run, as a section. */
export function drawn(run) {
  const steps = [
    ...run.completed.map((name) => [name, run.undone.includes(name) ? "undone" : "done", run.undone.includes(name) ? "undone" : "done"]),
    ...(run.step ? [[run.step, "now", "now"]] : []),
  ];
  return section(`Run ${run.run} of ${run.rule}`,
    facts([["State", tag(run.state, kind(run.state))], ["Began", time(run.started)], run.detail ? ["", detail(run.detail)] : null]),
    steps.length ? [element("h2", {}, "Its way so far"), element("ol", { class: "path" }, steps.map(([name, how, words]) =>
      element("li", { class: how }, `${how === "done" ? "✓ " : ""}${name}`, element("span", { class: "quiet" }, how === "done" ? "" : ` (${words})`))))] : null);
}

export async function show(main, id, signal) {
  location.replace(`#/record/${encodeURIComponent(id)}`);
}
