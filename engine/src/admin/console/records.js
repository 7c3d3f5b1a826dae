// Which records are the same thing, and everything about one.

import { ask } from "./api.js";
import { element, facts, fill, number, section, table, tag, time } from "./draw.js";
import { CARE, MINOR, about, action, detail, kind, place, subject, values } from "./words.js";
import { listed } from "./list.js";
import { actions } from "./waiting.js";
import { drawn } from "./runs.js";

const STATES = ["linked", "parked", "looking", "waiting for its key", "being made", "alone", "left out", "gone"];

/** What was looked for last: the way back from a record leads to the same list. */
const asked = { about: "", state: "" };

export function list(main, _rest, signal) {
  return listed(main, signal, {
    title: "Records", path: "links", label: "Id of a record, a pair or a sync", named: "pairs", states: STATES, asked,
    columns: [
      ["Sync", (link) => link.sync], ["Left", (link) => about(link.left)], ["Right", (link) => about(link.right)],
      ["State", (link) => tag(link.state, kind(link.state))], ["Pair", (link) => about(link.link)], ["Because", (link) => link.detail],
    ],
    none: (word) => (word ? ["No pair has this. ", about(word, "Look in the history too")] : "There are no pairs yet."),
  });
}

export async function show(main, id, signal) {
  const why = await ask("why", { about: id }, signal);
  const nothing = !why.links.length && !why.runs.length && !why.incidents.length && !why.message && !why.history.length;
  const again = () => show(main, id, signal);
  fill(main,
    element("h1", {}, id),
    nothing ? element("section", {}, element("p", {}, "Nothing is known of this. Ids are written as the systems write them; ", element("code", {}, "l12"), " is a pair, ", element("code", {}, "r7"), " a run and ", element("code", {}, "m3"), " a message.")) : null,
    why.incidents.map((one) => element("section", { class: "group" }, element("h2", {}, one.cause), element("p", {}, one.advice),
      element("p", { class: "quiet" }, subject(one.subject), ", since ", time(one.since)), element("div", { class: "buttons" }, actions(one, again)))),
    why.message ? section(`Message ${why.message.message}`, facts([["Came by", why.message.source], ["Kept because", why.message.reason]]),
      element("pre", { class: "scroll", tabindex: "0" }, why.message.payload),
      why.message.count > 1 ? element("p", { class: "quiet" }, `${number(why.message.count)} came for this cause by this door; the next of them:`) : null,
      (why.message.like_it ?? []).map((like) => [element("p", { class: "quiet" }, `${like.source}: ${like.reason}`),
        element("pre", { class: "scroll", tabindex: "0" }, like.payload)])) : null,
    why.links.map((link) => section(`${link.sync}: a pair`, facts([
      ["Left", about(link.left)], ["Right", about(link.right)], ["State", tag(link.state, kind(link.state))],
      ["Pair", about(link.link)], link.detail ? ["Because", link.detail] : null,
    ]))),
    why.lines.length ? section("Both sides, line by line", table("Values as the engine knows them", [
      ["Line", (line) => line.line, "code"], ["Left", (line) => held(line.left)], ["Right", (line) => held(line.right)],
      ["Agreed on last", (line) => line.base ?? ""], ["Waits because", (line) => line.parked ?? ""], ["By", (line) => place(line.place)],
    ], why.lines)) : null,
    why.runs.map((run) => drawn(run)),
    why.history.length ? timeline(why.history) : null);
}

/** What a side holds, with the time since when. */
function held(side) {
  if (!side) return element("span", { class: "quiet" }, "not known");
  return [side.value === "" ? element("span", { class: "quiet" }, "empty") : side.value, element("div", { class: "quiet small" }, "since ", time(side.since))];
}

/** What happened, newest first; lines that say only that nothing was wrong are counted. */
function timeline(lines) {
  const told = [];
  for (const line of [...lines].reverse()) {
    const last = told.at(-1);
    if (MINOR.has(line.action) && last && last.action === line.action && last.detail === line.detail) last.times += 1;
    else told.push({ ...line, times: 1 });
  }
  return section("What happened, newest first", element("ol", { class: "time" }, told.map((line) =>
    element("li", { class: CARE.has(line.action) ? "care" : MINOR.has(line.action) ? "minor" : "" },
      element("strong", {}, action(line.action)), line.times > 1 ? ` ${number(line.times)} times, last ` : " ", time(line.at),
      line.entity ? [" · ", line.entity] : null, line.place ? [" · ", place(line.place)] : null,
      values(line) ? element("div", {}, values(line)) : null,
      line.displaced !== null ? element("div", { class: "quiet" }, `written over: ${line.displaced}`) : null,
      detail(line) ? element("div", { class: "quiet" }, detail(line)) : null))));
}
