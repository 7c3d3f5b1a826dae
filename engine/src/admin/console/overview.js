// In step or not, what waits, how much of each limit is used.

import { ask } from "./api.js";
import { bar, curve, element, facts, fill, number, section, span, table, time } from "./draw.js";

/** How often it is asked, in milliseconds. */
const EVERY = 2_000;
/** Samples of a limit that are drawn: an hour's. */
const SAMPLES = 1_800;

/** How much of each limit was used, since the tab was opened. */
const used = new Map();

/** How the engine is, in a few words, and the class of these words. */
export function state(status) {
  if (!status.healthy) return ["Not well", "bad"];
  const waits = status.incidents + status.parked;
  if (waits > 0) return [waits === 1 ? "One thing waits for you" : `${number(waits)} things wait for you`, "care"];
  const busy = status.lanes.length + status.under_way + status.inbox;
  return busy > 0 ? ["Working", ""] : ["In step", "good"];
}

export async function show(main, _rest, signal) {
  for (let first = true; ; first = false) {
    const status = await ask("status", {}, signal);
    for (const limit of status.limits) {
      const values = used.get(`${limit.system} ${limit.limit}`) ?? [];
      values.push(limit.amount ? limit.used / limit.amount : 0);
      if (values.length > SAMPLES) values.shift();
      used.set(`${limit.system} ${limit.limit}`, values);
    }
    // What somebody is reading or holding stays where it is.
    if (first || main === document.activeElement || !main.contains(document.activeElement)) draw(main, status);
    document.title = "Overview – engine";
    await pause(EVERY, signal);
  }
}

/** Waits, and as long as the tab is not looked at. */
async function pause(milliseconds, signal) {
  await new Promise((done, fail) => {
    const tick = setInterval(() => {
      if (document.hidden) return;
      clearInterval(tick);
      done();
    }, milliseconds);
    signal.addEventListener("abort", () => {
      clearInterval(tick);
      fail(new DOMException("left", "AbortError"));
    }, { once: true });
  });
}

function draw(main, status) {
  const [text, kind] = state(status);
  const waits = status.incidents + status.parked;
  const busy = [
    status.inbox ? `${number(status.inbox)} deliveries wait for their turn` : null,
    status.lanes.length ? `${number(status.lanes.length)} queues have work` : null,
    status.under_way ? `${number(status.under_way)} calls are on their way` : null,
  ].filter(Boolean);
  fill(main,
    element("h1", {}, "Overview"),
    element("section", {},
      element("p", { class: `headline ${kind}` }, text),
      status.warnings.length ? element("ul", {}, status.warnings.map((warning) => element("li", {}, warning))) : null,
      waits ? element("p", {}, element("a", { href: "#/waiting" }, "See what waits and why")) : null,
      element("p", { class: "quiet" }, busy.length ? busy.join(", ") : "Nothing is on its way.", " As of ", time(status.time), ".")),
    element("div", { class: "grid" },
      section("Limits", status.limits.length ? status.limits.map(limit) : element("p", { class: "quiet" }, "The rules name no limit.")),
      section("Systems", element("ul", { class: "plain" }, Object.entries(status.systems).map(([name, system]) =>
        element("li", {}, element("strong", {}, name), " ",
          system.denied ? element("span", { class: "bad" }, `refuses the engine: ${system.denied}`)
            : status.paused[name] ? element("span", { class: "care" }, "asked to be left alone until ", time(status.paused[name]))
              : element("span", { class: "good" }, "answers")))),
        element("h2", {}, "Sources"),
        Object.keys(status.sources).length ? element("ul", { class: "plain" }, Object.entries(status.sources).map(([name, how]) =>
          element("li", {}, name, " ", element("span", { class: how === "up" || /^\d+ partition/.test(how) ? "quiet" : "bad" }, how))))
          : element("p", { class: "quiet" }, "Webhooks only; the rules read no topic.")),
      section("Rules in use", facts([
        ["Version", element("a", { href: "#/rules" }, element("code", {}, status.rules.hash.slice(0, 12)))],
        ["Syncs", number(status.rules.syncs)],
        ["Reactions", number(status.rules.reactions)],
        ["Workflows", number(status.rules.workflows)],
        status.rules.older ? ["Older versions", `${status.rules.older}, which runs under way began with`] : null,
      ])),
      section("The engine", facts([
        ["Version", status.version],
        ["Runs since", span(status.uptime_seconds)],
        ["Memory", status.resident_bytes ? `${number(Math.round(status.resident_bytes / 1e6))} MB` : "not known"],
        ["Since its start", `${number(status.counts.inputs)} things decided, ${number(status.counts.calls)} calls for ${number(status.counts.call_inputs)} records`],
        ["Ledger", status.ledger.full ? element("span", { class: "bad" }, "takes nothing: free space on its disk") : `round ${number(status.ledger.last)}, durable to ${number(status.ledger.durable)}`],
      ]))),
    status.lanes.length ? section("Queues", table("Changes that wait for their calls", [
      ["System", (lane) => lane.system], ["Call", (lane) => lane.what], ["Priority", (lane) => lane.priority],
      ["Sent at the latest", (lane) => time(lane.deadline), "whole"],
    ], status.lanes)) : null);
}

function limit(one) {
  const name = one.limit === "bulk" ? "records in bulk" : "calls";
  const words = `${one.system}: ${number(one.used)} of ${number(one.amount)} ${name} in ${span(one.per_ms / 1000)}`;
  const values = used.get(`${one.system} ${one.limit}`) ?? [];
  return element("div", {}, element("p", {}, words), bar(one.used, one.amount, words),
    values.length > 2 ? curve(values, `${one.system} ${name}: how much was used since this page was opened`) : null);
}
