// Runs of reactions and workflows, and the way that each has gone.

import { element, facts, section, tag, time } from "./draw.js";
import { listed } from "./list.js";
import { kind } from "./words.js";

const STATES = ["running", "waiting", "stopped", "finished", "failed", "cancelled"];
const asked = { about: "", state: "" };

export function list(main, _rest, signal) {
  return listed(main, signal, {
    title: "Runs", path: "runs", label: "Workflow, reaction or run", named: "runs", states: STATES, asked,
    columns: [
      ["Run", (run) => element("a", { href: `#/run/${run.run}` }, run.run)], ["Of", (run) => run.rule],
      ["State", (run) => tag(run.state, kind(run.state))], ["Waits or stopped", (run) => detail(run.detail)],
      ["Began", (run) => time(run.started), "whole"],
    ],
    none: () => "There are no such runs. Runs that ended are kept for a while, then forgotten.",
  });
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

/** All that is known of a run stands on its record's page. */
export async function show(_main, id) {
  location.replace(`#/record/${encodeURIComponent(id)}`);
}
