// Which page is shown, and what stands around it.
//
// Always true: a page that is left hears so by its signal and asks nothing more; while the tab is not looked at nothing
// is asked.

import { Refused, ask, setToken, takeToken } from "./api.js";
import { element, fill } from "./draw.js";
import * as history from "./history.js";
import * as overview from "./overview.js";
import * as records from "./records.js";
import * as rules from "./rules.js";
import * as runs from "./runs.js";
import * as waiting from "./waiting.js";

/** The pages, by the first part of their address. The name of those that stand in the list of pages. */
const PAGES = {
  "": [overview.show, "Overview"],
  waiting: [waiting.show, "Waiting for you"],
  records: [records.list, "Records"],
  record: [records.show],
  runs: [runs.list, "Runs"],
  run: [runs.show],
  rules: [rules.show, "Rules"],
  history: [history.show, "History"],
};

/** How often the state is asked for, in milliseconds. */
const EVERY = 5_000;

const main = document.getElementById("main");
let leave = new AbortController();
/** The version that answered first: another one has other pages. */
let version = null;

function where() {
  const parts = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  return [parts[0] ?? "", parts.slice(1).join("/")];
}

function pages(count) {
  const [page] = where();
  const current = { record: "records", run: "runs" }[page] ?? page;
  const links = Object.entries(PAGES).filter(([, [, name]]) => name).map(([path, [, name]]) =>
    element("a", { href: `#/${path}`, "aria-current": path === current ? "page" : null }, name,
      path === "waiting" && count > 0 ? element("span", { class: "count" }, String(count)) : null));
  const held = document.activeElement?.getAttribute?.("href");
  const inside = document.getElementById("pages").contains(document.activeElement);
  fill(document.getElementById("pages"), links);
  if (inside) document.querySelector(`#pages a[href="${held}"]`)?.focus();
}

async function open() {
  leave.abort();
  leave = new AbortController();
  const signal = leave.signal;
  const [page, rest] = where();
  const [show] = PAGES[page] ?? [];
  pages(waits);
  fill(document.getElementById("notice"));
  if (!show) {
    fill(main, element("h1", {}, "There is no such page"), element("p", {}, element("a", { href: "#/" }, "To the overview")));
    return;
  }
  try {
    await show(main, rest, signal);
    document.title = `${main.querySelector("h1")?.textContent ?? "engine"} – engine`;
  } catch (error) {
    failed(error, signal);
  }
}

function failed(error, signal) {
  if (signal.aborted || error.name === "AbortError") return;
  if (error instanceof Refused && error.status === 401) {
    fill(main, door());
    return;
  }
  if (!(error instanceof Refused)) console.error(error);
  const said = error instanceof Refused ? error.message : `This page cannot be drawn: ${error.message}`;
  fill(document.getElementById("notice"), said, " ", element("button", { type: "button", onclick: open }, "Try again"));
}

/** Asks for the token. */
function door() {
  const input = element("input", { id: "token", type: "password", autocomplete: "off", required: true, size: 40 });
  const enter = (event) => {
    event.preventDefault();
    setToken(input.value.trim());
    open();
  };
  return [
    element("h1", {}, "The admin token, please"),
    element("p", {}, "The command ", element("code", {}, "engine console"), " prints an address that holds it. Otherwise it is what ", element("code", {}, "engine.yaml"), " names under ", element("code", {}, "admin"), ", or the file ", element("code", {}, "admin-token"), " in the state folder. It is kept until this tab is closed."),
    element("form", { class: "line", onsubmit: enter }, element("div", {}, element("label", { for: "token" }, "Token"), input), element("button", { class: "first" }, "Open")),
  ];
}

let waits = 0;

/** The state, in the corner of every page. */
async function look() {
  if (document.hidden) return;
  const place = document.getElementById("state");
  try {
    const status = await ask("status");
    waits = status.incidents + status.parked;
    version ??= status.version;
    if (version !== status.version) {
      fill(document.getElementById("notice"), `The engine is ${status.version} now, and this page is of ${version}. `,
        element("button", { type: "button", onclick: () => location.reload() }, "Load the new page"));
    }
    const [text, kind] = overview.state(status);
    if (place.textContent !== text) fill(place, element("span", { class: kind }, text));
    pages(waits);
  } catch (error) {
    if (error.name !== "AbortError") fill(place, element("span", { class: "bad" }, error.status === 401 ? "" : error.message));
  }
}

takeToken();
addEventListener("hashchange", () => {
  open().then(() => {
    main.focus({ preventScroll: true });
    scrollTo(0, 0);
  });
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
// What a button sets off and nobody waits for fails here.
addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  failed(event.reason, leave.signal);
});
document.addEventListener("visibilitychange", look);
setInterval(look, EVERY);
open();
look();
