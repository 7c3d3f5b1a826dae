// What needs a person, by its cause, and what can be done about it.

import { Refused, ask, tell } from "./api.js";
import { element, fill, number, tag, time } from "./draw.js";
import { about, place, subject } from "./words.js";

/** Commands a second, where many are given at once. */
const PACE = 5;
const WHO = "engine-console-who";

export async function show(main, _rest, signal) {
  const [incidents, parked] = await Promise.all([ask("incidents", {}, signal), ask("parked", {}, signal)]);
  const all = [...incidents.incidents, ...parked.parked];
  const total = incidents.total + parked.total;
  const groups = new Map();
  for (const one of all) {
    const key = `${one.fingerprint}|${one.cause}`;
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  const again = () => show(main, "", signal);
  const ordered = [...groups.values()].sort((a, b) => count(b) - count(a));
  fill(main,
    element("h1", {}, "Waiting for you"),
    total === 0 ? element("section", {}, element("p", { class: "headline good" }, "Nothing waits for a person."),
      element("p", { class: "quiet" }, "What stops, or what two people changed at once, would stand here with its cause.")) : null,
    total > all.length ? element("p", { class: "care" }, `The oldest ${number(all.length)} of ${number(total)} are shown.`) : null,
    ordered.map((group) => drawn(group, again)));
}

/** How many things a group stands for: messages of one cause are one entry with a count. */
function count(group) {
  return group.reduce((sum, one) => sum + (one.count ?? 1), 0);
}

function drawn(group, again) {
  const [first] = group;
  const shown = group.slice(0, 20);
  const alike = group.length > 1;
  const several = count(group) > 1;
  const last = group.map((one) => one.last).filter(Boolean).sort().pop();
  return element("section", { class: "group" },
    element("h2", {}, first.cause),
    first.advice ? element("p", {}, first.advice) : null,
    element("p", { class: "quiet" }, several ? `${number(count(group))} of this kind, the oldest since ` : "Since ", time(first.since), last ? [", the last ", time(last)] : null, first.place ? [", by ", place(first.place)] : null, "."),
    element("ul", { class: "plain" }, shown.map((one) => element("li", { class: "waits" }, element("span", {},
      one.entity ? `${one.entity} ` : null, about(one.id || one.subject.split(" ").pop(), one.id || subject(one.subject)), " ", tag(subject(one.subject))),
      element("span", { class: "buttons" }, actions(one, again))))),
    group.length > shown.length ? element("p", { class: "quiet" }, `and ${number(group.length - shown.length)} more of this kind`) : null,
    alike ? element("div", { class: "buttons" }, together(group, again)) : null);
}

/** What the subject of something that waits is: `["run", 7]`; nothing can be done by number about others. */
function parts(one) {
  const named = /^(run|link) [rl](\d+)$/.exec(one.subject);
  return named ? [named[1], Number(named[2])] : ["other", 0];
}

/** The buttons of one thing that waits. */
export function actions(one, again) {
  const [what, id] = parts(one);
  if (what === "run") {
    return [
      button("Try again", `Try ${subject(one.subject)} again`, () => ({ command: "retry_run", run: id }), false, again, true),
      button("Skip the action", `Go on behind the action of ${subject(one.subject)}`, (reason) => ({ command: "skip_action", run: id, reason }), true, again),
      button("Cancel", `End ${subject(one.subject)} without undoing anything`, (reason) => ({ command: "cancel_run", run: id, reason }), true, again),
    ];
  }
  if (what === "link") {
    return [
      button("Try again", `Compare ${subject(one.subject)} again`, () => ({ command: "retry_link", link: id }), false, again, true),
      element("button", { type: "button", onclick: () => takeSide(one, id, again) }, "Take a side"),
    ];
  }
  return [button("dismiss", `Dismiss ${subject(one.subject)}`, (reason) => ({ command: "dismiss", subject: one.subject, reason }), true, again)];
}

function together(group, again) {
  const kinds = new Set(group.map((one) => parts(one)[0]));
  const [kind] = kinds;
  if (kinds.size > 1) return [];
  const count = number(group.length);
  if (kind === "other") {
    return [many(`Dismiss all ${count}`, group, (one, reason) => ({ command: "dismiss", subject: one.subject, reason }), true, again)];
  }
  const retry = kind === "run" ? (id) => ({ command: "retry_run", run: id }) : (id) => ({ command: "retry_link", link: id });
  return [many(`Try all ${count} again`, group, (one) => retry(parts(one)[1]), false, again)];
}

function many(label, group, command, reasoned, again) {
  const title = `${label}, ${PACE} a second`;
  return element("button", { type: "button", onclick: () => dialog(title, [], reasoned, async (who, reason, _more, said) => {
    let refused = 0;
    let last = "";
    for (const [at, one] of group.entries()) {
      said(`${number(at)} of ${number(group.length)} …`);
      try {
        await operate(who, command(one, reason));
      } catch (error) {
        // One that was settled meanwhile holds up none of the others; without an engine there is no use in going on.
        if (!(error instanceof Refused) || error.status !== 409) throw error;
        refused += 1;
        last = error.message;
      }
      await new Promise((done) => setTimeout(done, 1000 / PACE));
    }
    if (refused) throw new Refused(409, `${number(refused)} of ${number(group.length)} were refused; the last: ${last}`);
  }, again) }, label);
}

function button(label, title, command, reasoned, again, first = false) {
  const open = () => dialog(title, [], reasoned, (who, reason) => operate(who, command(reason)), again);
  return element("button", { type: "button", class: first ? "first" : null, onclick: open }, label);
}

async function takeSide(one, id, again) {
  const why = await ask("why", { about: `l${id}` });
  const rules = await ask("rules");
  const [link] = why.links;
  const joined = rules.graph.edges.filter((edge) => edge.from === link?.sync || edge.to === link?.sync);
  const names = new Set(joined.flatMap((edge) => [edge.from, edge.to]));
  const systems = new Set(rules.graph.nodes.filter((node) => names.has(node.name) && node.kind === "entity" && node.system).map((node) => node.system));
  const choice = element("select", { id: "side", required: true }, [...systems].sort().map((system) => element("option", { value: system }, system)));
  const more = [
    link?.detail ? element("p", {}, link.detail) : null,
    element("label", { for: "side" }, "The value of this system is taken for both sides"), choice,
  ];
  dialog(`Take a side for ${subject(one.subject)}`, more, false, (who) => operate(who, { command: "take", link: id, system: choice.value }), again);
}

function operate(who, command) {
  return tell("operator", { who, ...command });
}

/** Asks who does it and why, does it, says how that went. */
function dialog(title, more, reasoned, act, again) {
  const box = document.getElementById("dialog");
  const who = element("input", { id: "who", required: true, autocomplete: "name", value: localStorage.getItem(WHO) ?? "" });
  const reason = element("textarea", { id: "reason", rows: 3, required: true });
  const said = element("p", { role: "status" });
  const yes = element("button", { class: "first" }, "Do it");
  const close = () => box.close();
  const send = async (event) => {
    event.preventDefault();
    localStorage.setItem(WHO, who.value.trim());
    yes.disabled = true;
    try {
      await act(who.value.trim(), reason.value.trim(), more, (text) => fill(said, text));
      box.close();
      await again();
    } catch (error) {
      fill(said, element("span", { class: "bad" }, error.message));
      yes.disabled = false;
    }
  };
  fill(box, element("form", { onsubmit: send },
    element("h2", { id: "dialog-title" }, title), more,
    element("label", { for: "who" }, "Your name, for the history"), who,
    reasoned ? [element("label", { for: "reason" }, "Why, for the history"), reason] : null, said,
    element("div", { class: "buttons" }, yes, element("button", { type: "button", onclick: close }, "Leave it"))));
  box.showModal();
}
