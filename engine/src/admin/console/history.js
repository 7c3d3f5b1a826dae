// What happens, as it happens.

import { ask, follow } from "./api.js";
import { element, fill, number, table, time } from "./draw.js";
import { MINOR, about, action, detail, place, values } from "./words.js";

/** Lines that are kept on the page. */
const SHOWN = 300;

export async function show(main, _rest, signal) {
  let lines = (await ask("history", { limit: SHOWN }, signal)).history.reverse();
  let held = false;
  let due = false;
  const search = element("input", { id: "about", type: "search", size: 30 });
  const minor = element("input", { id: "minor", type: "checkbox" });
  const hold = element("button", { type: "button", "aria-pressed": "false" }, "Hold");
  const found = element("div", {});
  const said = element("p", { class: "quiet", role: "status" }, "New lines come by themselves.");
  const wanted = (line) => (minor.checked || !MINOR.has(line.action)) && (!search.value.trim()
    || [line.action, action(line.action), line.rule, line.entity, line.subject, line.left, line.right, line.field, line.detail, line.value].some((text) => text?.toLowerCase().includes(search.value.trim().toLowerCase())));
  const draw = () => {
    const fitting = lines.filter(wanted).slice(0, 100);
    fill(found, fitting.length ? table("Newest first", [
      ["When", (line) => time(line.at), "whole"], ["What", (line) => action(line.action)], ["Rule", (line) => line.place ? place(line.place) : line.rule],
      ["Record", (line) => [line.entity, " ", about(line.subject || line.left || line.right, line.left && line.right ? `${line.left} ~ ${line.right}` : line.left || line.right || line.subject)]],
      ["Values and words", (line) => [values(line), line.displaced !== null ? `written over: ${line.displaced}` : "", detail(line)].filter(Boolean).join("; ")],
    ], fitting) : element("p", { class: "quiet" }, "No such line yet."));
  };
  hold.addEventListener("click", () => {
    held = !held;
    hold.setAttribute("aria-pressed", String(held));
    fill(hold, held ? "Go on" : "Hold");
    if (!held) draw();
  });
  search.addEventListener("input", draw);
  minor.addEventListener("change", draw);
  fill(main,
    element("h1", {}, "History"),
    element("form", { class: "line", role: "search", onsubmit: (event) => event.preventDefault() },
      element("div", {}, element("label", { for: "about" }, "Only lines with"), search),
      element("div", { class: "tick" }, minor, element("label", { for: "minor" }, "also those where nothing was to be done")), hold),
    said, found);
  draw();
  // Many lines of one moment are drawn once.
  const soon = () => {
    if (due || held) return;
    due = true;
    setTimeout(() => {
      due = false;
      if (!signal.aborted && !held) draw();
    }, 250);
  };
  follow((line) => {
    lines = [line, ...lines].slice(0, SHOWN);
    soon();
  }, (missed) => fill(said, `${number(missed)} lines came faster than they could be shown; the journal has them.`), signal)
    .then(() => fill(said, "The engine has ended this. ", element("a", { href: "#/history", onclick: () => location.reload() }, "Begin again")))
    .catch((error) => {
      if (!signal.aborted) fill(said, element("span", { class: "bad" }, error.message));
    });
}
