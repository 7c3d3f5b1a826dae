// The console in a real Chromium, over the daemon and the twins that `engine demo --open` leaves running.
//
//   node console.mjs ENGINE CHROMIUM [PICTURES]
// Prints a line for each thing that holds or does not; writes a picture of each page into PICTURES. Exit 0: all holds.

import { spawn } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { once } from "node:events";
import { join } from "node:path";

const [engine, executablePath, pictures] = process.argv.slice(2);
// The packages stand where this runs, not beside this file.
const require = createRequire(join(process.cwd(), "package.json"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

/** How long a thing may take to be seen. */
const SEEN = 15_000;
const MARKUP = "<img src=x onerror=document.title=1><b>Ada</b>";

let failed = 0;
let held = 0;

async function check(claim, holds) {
  try {
    await holds();
    held += 1;
    console.log(`holds: ${claim}`);
  } catch (error) {
    failed += 1;
    console.log(`DOES NOT HOLD: ${claim}\n  ${String(error.message).split("\n").slice(0, 6).join("\n  ")}`);
  }
}

function same(found, wanted) {
  const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)];
  if (a !== b) throw new Error(`found ${a}, wanted ${b}`);
}

/** Waits until `look` gives something that is true. */
async function until(what, look) {
  const end = Date.now() + SEEN;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not within ${SEEN / 1000} s: ${what}`);
    await new Promise((done) => setTimeout(done, 100));
  }
}

// -- the stage

const demo = spawn(engine, ["demo", "--open", "--seconds", "300"], { stdio: ["ignore", "pipe", "inherit"] });
let told = "";
demo.stdout.setEncoding("utf8");
demo.stdout.on("data", (text) => {
  told += text;
});
const ended = once(demo, "exit");
const began = Date.now();
while (!told.includes("Ctrl-C ends it")) {
  if (demo.exitCode !== null || Date.now() - began > 300_000) {
    console.log(told);
    console.log("the demo did not come to its end");
    process.exit(1);
  }
  await new Promise((done) => setTimeout(done, 100));
}
const [, address, token] = /the console +(http:\S+\/)#token=(\S+)/.exec(told);
const config = readFileSync(/engine status --config (\S+)/.exec(told)[1], "utf8");
const [crm, app] = [...config.matchAll(/base_url: (\S+)/g)].map(([, url]) => url);

async function twin(url, body) {
  const response = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return response.json();
}

async function api(path) {
  return (await fetch(`${address}api/v1/${path}`, { headers: { authorization: `Bearer ${token}` } })).json();
}

// -- the browser

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--no-proxy-server"] });
const [noises, elsewhere] = [[], []];

async function opened(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: "en-GB", timezoneId: "Europe/London", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(SEEN);
  page.on("console", (message) => message.type() === "error" && noises.push(message.text()));
  page.on("pageerror", (error) => noises.push(error.message));
  page.on("request", (request) => {
    if (!request.url().startsWith(address)) elsewhere.push(request.url());
  });
  return page;
}

/** Opens a page and waits until its title is drawn. */
async function go(page, path, title) {
  await page.goto(`${address}#/${path}`);
  await page.getByRole("heading", { level: 1, name: title }).waitFor();
}

async function shown(page, name) {
  if (!pictures) return;
  mkdirSync(pictures, { recursive: true });
  await page.screenshot({ path: join(pictures, `${name}.png`) });
}

const page = await opened();

await check("without a token it asks for one, and a wrong one is refused", async () => {
  await go(page, "records", "The admin token, please");
  await page.getByLabel("Token").fill("a wrong one");
  await page.getByRole("button", { name: "Open" }).click();
  await page.getByRole("heading", { level: 1, name: "The admin token, please" }).waitFor();
  await page.waitForLoadState("networkidle");
  noises.length = 0;
  await page.getByLabel("Token").fill(token);
  await page.getByRole("button", { name: "Open" }).click();
  await page.getByRole("heading", { level: 1, name: "Records" }).waitFor();
});

await check("the address of `engine console` opens it, and the token leaves the address", async () => {
  const other = await opened();
  await other.goto(`${address}#token=${token}`);
  await other.getByText("In step").first().waitFor();
  same(new URL(other.url()).hash, "#/");
  await other.context().close();
});

await check("it weighs less than 300 KB and is painted soon", async () => {
  const other = await opened();
  const bodies = [];
  other.on("response", (response) => {
    if (!response.url().includes("/api/")) bodies.push(response.body());
  });
  await other.goto(`${address}#token=${token}`, { waitUntil: "networkidle" });
  await other.getByRole("heading", { name: "Overview" }).waitFor();
  const painted = await other.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime);
  const weight = (await Promise.all(bodies)).reduce((sum, body) => sum + body.length, 0);
  console.log(`  ${Math.round(weight / 1000)} KB, first paint after ${Math.round(painted)} ms`);
  if (weight === 0 || weight > 300_000) throw new Error(`${weight} bytes`);
  await other.context().close();
});

// -- things that wait for a person: won deals without an amount, of which the rules make a subscription "else fail", and
//    a customer that the application deletes, for which they ask for a review.

const DEALS = 7;
const deals = [];
for (let at = 0; at < DEALS; at += 1) {
  const properties = { dealname: `Without an amount ${at}`, dealstage: "closedwon" };
  deals.push((await twin(`${crm}/_twin/edit`, { entity: "Deal", properties })).id);
}
await twin(`${app}/_twin/edit/User/user-7`, { firstName: MARKUP });
await twin(`${app}/_twin/delete/User/user-5`, {});
await until("everything waits", async () => {
  const status = await api("status");
  return status.incidents >= DEALS && status.parked >= 1 && status.under_way === 0 && status.lanes.length === 0;
});

await check("what waits is counted beside its page and stands there by its cause", async () => {
  await go(page, "waiting", "Waiting for you");
  await page.getByText(`${DEALS} of this kind`).waitFor();
  await page.locator("nav .count").waitFor();
});

/** Carries out what a button asks for. */
async function carried(button, { reason } = {}) {
  await button.click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Your name").fill("ada");
  if (reason) await dialog.getByLabel("Why, for the history").fill(reason);
  await dialog.getByRole("button", { name: "Do it" }).click();
  await dialog.waitFor({ state: "hidden" });
}

const stopped = page.locator("section.group", { hasText: "of this kind" });

await check("a run is skipped with a reason, and the history says who and why", async () => {
  await carried(stopped.getByRole("button", { name: "Skip the action" }).first(), { reason: "made by hand" });
  await page.getByText(`${DEALS - 1} of this kind`).waitFor();
  const lines = (await api("history?about=operator")).history;
  if (!lines.some((line) => line.detail.includes("made by hand") && JSON.stringify(line).includes("ada"))) throw new Error(JSON.stringify(lines));
});

await check("a run is cancelled", async () => {
  await carried(stopped.getByRole("button", { name: "Cancel" }).first(), { reason: "not wanted" });
  await page.getByText(`${DEALS - 2} of this kind`).waitFor();
});

await check("after the amounts were filled in, all of a kind are tried again, at a pace, and go on", async () => {
  for (const id of deals) await twin(`${crm}/_twin/edit`, { entity: "Deal", id, properties: { amount: "100" } });
  await carried(stopped.getByRole("button", { name: /Try all/ }));
  // They go on, and stop at what these deals lack besides.
  const alike = async () => (await api("incidents")).incidents.filter((one) => one.cause.includes("`price` has no value"));
  await until("no run stands there", async () => (await alike()).length === 0);
});

await check("a pair that waits is opened from the list, and shows what happened to it", async () => {
  await go(page, "waiting", "Waiting for you");
  await page.locator("section.group a[href^='#/record/']").first().click();
  await page.getByText("What happened, newest first").waitFor();
});

await check("two who press the same button: the second one hears why it is refused", async () => {
  await go(page, "waiting", "Waiting for you");
  const other = await opened();
  await other.goto(`${address}#token=${token}`);
  await go(other, "waiting", "Waiting for you");
  const press = async (of) => {
    await of.locator("section.group").getByRole("button", { name: "Try again" }).first().click();
    await of.getByLabel("Your name").fill("grace");
  };
  await press(page);
  await press(other);
  await page.getByRole("button", { name: "Do it" }).click();
  await other.getByRole("button", { name: "Do it" }).click();
  await until("both are told", async () => (await page.locator("dialog[open] [role=status]:empty, dialog:not([open])").count()) + (await other.locator("dialog[open] [role=status]:not(:empty), dialog:not([open])").count()) > 0);
  await page.keyboard.press("Escape");
  await other.context().close();
});

await check("markup in a customer's name is text", async () => {
  await go(page, "record/user-7", "user-7");
  await page.getByText(MARKUP).first().waitFor();
  same(await page.locator("main img, main b").count(), 0);
});

await check("a record shows both sides line by line, with what both agreed on last", async () => {
  await go(page, "record/user-9", "user-9");
  const line = page.locator("tr", { hasText: "lastName <-> lastname" });
  const cells = await line.locator("td").allInnerTexts();
  const [left] = cells[1].split("\n");
  if (left === "" || cells[2].split("\n")[0] !== left || cells[3] !== left) throw new Error(JSON.stringify(cells));
});

await check("a line of history leads to the line of the rules that decided it", async () => {
  await page.locator("main a[href^='#/rules/']").first().click();
  await page.getByRole("heading", { level: 1, name: "Rules in use" }).waitFor();
  await page.locator(".text li.here").waitFor();
});

await check("the rules are drawn, and loading the folder again says that it holds what runs", async () => {
  if ((await page.locator("svg.graph .rule").count()) < 5) throw new Error("no rule is drawn");
  await page.getByRole("button", { name: "Load the folder again" }).click();
  await page.getByText("The folder holds the rules that are in use.").waitFor();
});

await check("history shows a change as it happens", async () => {
  await go(page, "history", "History");
  await twin(`${app}/_twin/edit/User/user-9`, { firstName: "Happening" });
  await page.getByText("Happening").first().waitFor();
  await page.getByLabel("Only lines with").fill("no line has this");
  await page.getByText("No such line yet.").waitFor();
  await page.getByLabel("Only lines with").fill("");
});

await check("records are found by their id, and a run shows its way", async () => {
  await go(page, "records", "Records");
  await page.getByLabel("Id of a record").fill("user-9");
  await page.getByRole("button", { name: "Look" }).click();
  await page.getByRole("link", { name: "user-9", exact: true }).click();
  await page.getByRole("heading", { level: 1, name: "user-9" }).waitFor();
  await go(page, "runs", "Runs");
  await page.locator("main a[href^='#/run/']").first().click();
  await page.getByText("Its way so far").first().waitFor();
});

await check("an id that nobody knows is told so", async () => {
  await go(page, `record/${encodeURIComponent("no such/id <b>")}`, "no such/id <b>");
  await page.getByText("Nothing is known of this").waitFor();
});

await check("a query of 6,000 letters is answered, and the page stays whole", async () => {
  await go(page, "records", "Records");
  await page.getByLabel("Id of a record").fill("x".repeat(6_000));
  await page.getByRole("button", { name: "Look" }).click();
  await page.getByText("No pair has this").waitFor();
  await page.getByLabel("Id of a record").fill("");
  await page.getByRole("button", { name: "Look" }).click();
});

await check("by keyboard alone: to a page, to a button, into its dialog and out of it", async () => {
  const page = await opened();
  await page.goto(`${address}#token=${token}`);
  await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
  await page.keyboard.press("Tab");
  same(await page.evaluate(() => document.activeElement.textContent), "Skip to the page");
  for (let at = 0; at < 20 && !(await page.evaluate(() => document.activeElement.textContent)).startsWith("Waiting"); at += 1) await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "Waiting for you" }).waitFor();
  for (let at = 0; at < 30 && (await page.evaluate(() => document.activeElement.textContent)) !== "Take a side"; at += 1) await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  same(await page.evaluate(() => document.activeElement.closest("dialog") !== null), true);
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "hidden" });
  await page.context().close();
});

const PAGES = [
  ["overview", "", "Overview"], ["waiting", "waiting", "Waiting for you"], ["records", "records", "Records"],
  ["record", "record/user-7", "user-7"], ["runs", "runs", "Runs"], ["rules", "rules", "Rules in use"], ["history", "history", "History"],
];
const LOOKS = [
  ["light", {}], ["dark", { colorScheme: "dark" }],
  ["phone", { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2 }],
];

for (const [look, options] of LOOKS) {
  const other = await opened(options);
  await other.goto(`${address}#token=${token}`);
  await other.getByRole("heading", { name: "Overview" }).waitFor();
  for (const [name, path, title] of PAGES) {
    await check(`${name}, ${look}: axe finds nothing, and the page is no wider than its window`, async () => {
      await go(other, path, title);
      await other.waitForTimeout(400);
      await shown(other, `${name}-${look}`);
      // By the browser's own debugger: the page itself may load no script from elsewhere.
      await other.evaluate(axe);
      const found = await other.evaluate(() => globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
      const told = found.violations.map((one) => `${one.id}: ${one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ")}`);
      same(told, []);
      const wide = await other.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      same(wide, 0);
    });
  }
  await other.context().close();
}

await check("a page that was left open over an upgrade says so", async () => {
  const other = await opened();
  let version = null;
  await other.route("**/api/v1/status", async (route) => {
    const status = await (await route.fetch()).json();
    if (version) status.version = version;
    await route.fulfill({ json: status });
  });
  await other.goto(`${address}#token=${token}`);
  await other.getByRole("heading", { name: "Overview" }).waitFor();
  version = "99.0.0";
  await other.getByText("The engine is 99.0.0 now").waitFor();
  await other.context().close();
});

await check("no page made an error, and none asked for anything from elsewhere", async () => {
  // A refused command is an error of the network in the browser's list, and one that was meant.
  same(noises.filter((noise) => !/status of 409/.test(noise)), []);
  same(elsewhere, []);
});

await check("without the engine, the page says so and stays", async () => {
  await go(page, "", "Overview");
  demo.kill("SIGINT");
  await ended;
  await page.getByText("The engine does not answer.").first().waitFor();
});

await browser.close();
console.log(`${held} hold, ${failed} do not`);
process.exit(failed ? 1 : 0);
