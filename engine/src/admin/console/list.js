// A list of many things: looked through by a word and a state, shown a page at a time.

import { ask } from "./api.js";
import { element, fill, number, table } from "./draw.js";

/** How many are asked for at once. */
const PAGE = 100;

/**
 * A page with such a list. `what` says: its `title`; the `path` of the API, which is also the name of the list in the
 * answer; the `label` of the word that is looked for; the `states` there are; `columns`, as a table has them; `named`,
 * such as "pairs"; `none`, what is shown where nothing is found; `asked`, what was looked for last, which is kept.
 */
export async function listed(main, signal, what) {
  const search = element("input", { id: "about", type: "search", value: what.asked.about, size: 30 });
  const states = element("select", { id: "state-wanted" }, element("option", { value: "" }, "any"),
    what.states.map((state) => element("option", { value: state, selected: state === what.asked.state }, state)));
  const found = element("div", {});
  const look = async (event) => {
    event?.preventDefault();
    Object.assign(what.asked, { about: search.value.trim(), state: states.value });
    await more(found, signal, what);
  };
  fill(main,
    element("h1", {}, what.title),
    element("form", { class: "line", role: "search", onsubmit: look },
      element("div", {}, element("label", { for: "about" }, what.label), search),
      element("div", {}, element("label", { for: "state-wanted" }, "State"), states),
      element("button", { class: "first" }, "Look")),
    found);
  await look();
}

async function more(found, signal, what, after = undefined, seen = []) {
  const page = await ask(what.path, { ...what.asked, after, limit: PAGE }, signal);
  const all = [...seen, ...page[what.path]];
  const caption = `${page.next ? "The first " : ""}${number(all.length)} ${what.named}`;
  fill(found,
    all.length ? table(caption, what.columns, all) : element("p", { class: "quiet" }, what.none(what.asked.about)),
    page.next ? element("button", { type: "button", onclick: () => more(found, signal, what, page.next, all) }, "Show more") : null);
}
