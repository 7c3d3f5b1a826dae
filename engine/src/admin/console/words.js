// What things are called on the pages.

import { element } from "./draw.js";

/** Lines of history that say that nothing was wrong: shown small. */
export const MINOR = new Set(["unchanged", "duplicate", "foreign", "passed over"]);

/** Lines of history that somebody should look at. */
export const CARE = new Set(["parked", "incident", "conflict", "in doubt", "expired", "drift"]);

const ACTIONS = {
  create: "Made", update: "Changed", unchanged: "Compared, both sides agree", adopt: "Found there already", link: "Paired",
  unlink: "Not paired any more", archive: "Archived", erased: "Erased for privacy", merged: "Merged",
  "first link": "Written over at the first pairing", conflict: "Both sides changed", drift: "Changed by the side that does not own it",
  "in doubt": "Not known whether it happened", parked: "Waits for a person", incident: "Stopped for a person",
  expired: "A kept message went by its age", run: "Run", step: "Step", effect: "Done", retry: "Tried again", schedule: "Ran by the clock",
  duplicate: "Had come before", foreign: "Not known to the lock", "passed over": "Decided before", admitted: "Let in",
  operator: "By an operator", rules: "Rules",
};

export function action(name) {
  return ACTIONS[name] ?? name;
}

/** Which colour a state has. */
export function kind(state) {
  if (["linked", "finished"].includes(state)) return "good";
  if (["parked", "stopped", "failed"].includes(state)) return "bad";
  if (["waiting", "running", "waiting for its key", "looking", "being made"].includes(state)) return "care";
  return "";
}

/** A line of the rules, as a way to it. */
export function place(at) {
  if (!at) return "";
  return /^[^:]+\.rules:\d+$/.test(at) ? element("a", { href: `#/rules/${encodeURIComponent(at)}` }, at) : at;
}

/** A record, link, run or message, as a way to all that is known about it. */
export function about(id, text = id) {
  if (!id) return "";
  return element("a", { href: `#/record/${encodeURIComponent(id)}` }, text);
}

/** `link l12` in people's words. */
export function subject(text) {
  return text.replace(/^link l(\d+)$/, "pair l$1").replace(/^message m/, "message m");
}

/** What a line of history says of values. One that displaced another is of one field; others name theirs themselves. */
export function values(line) {
  if (line.value === null) return "";
  return line.displaced === null ? line.value : `${line.field} = ${line.value}`;
}

/** What it says beyond that; `both sides agree` is said by its kind. */
export function detail(line) {
  return line.action === "unchanged" ? "" : line.detail;
}
