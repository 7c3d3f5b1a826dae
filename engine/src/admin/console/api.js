// The admin API, as pages ask it. One question is one request; what is refused is an error with the engine's words.

const KEPT = "engine-admin-token";

/** Why there is no answer. `status` is that of HTTP, 0 where nothing answers. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Takes a token out of the address, where `engine console` put it, so that it stands in no history of the browser. */
export function takeToken() {
  const given = /^#token=(\S+)$/.exec(location.hash);
  if (!given) return;
  setToken(decodeURIComponent(given[1]));
  history.replaceState(null, "", `${location.pathname}#/`);
}

/** Keeps a token until the tab is closed. */
export function setToken(token) {
  if (token) sessionStorage.setItem(KEPT, token);
  else sessionStorage.removeItem(KEPT);
}

function headers() {
  const token = sessionStorage.getItem(KEPT);
  return token ? { authorization: `Bearer ${token}` } : {};
}

async function answered(response) {
  if (response.ok) return response;
  const text = await response.text();
  let said = text;
  try {
    const problem = JSON.parse(text);
    said = problem.detail ?? problem.title ?? text;
  } catch {
    // No problem of the engine's: a proxy between may speak another way.
  }
  throw new Refused(response.status, said || `refused with ${response.status}`);
}

async function sent(path, options) {
  let response;
  try {
    response = await fetch(`/api/v1/${path}`, { cache: "no-store", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "The engine does not answer.");
  }
  return answered(response);
}

/** Asks; `query` is left out where it is empty. */
export async function ask(path, query = {}, signal = undefined) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const search = given.length ? `?${new URLSearchParams(given)}` : "";
  return (await sent(path + search, { headers: headers(), signal })).json();
}

/** Tells it to do something. */
export async function tell(path, body) {
  const options = { method: "POST", headers: { ...headers(), "content-type": "application/json" }, body: JSON.stringify(body) };
  return (await sent(path, options)).json();
}

/** Hands each line of history to `line` as it happens, and how many were missed to `missed`; until `signal` or the end. */
export async function follow(line, missed, signal) {
  const response = await sent("events", { headers: headers(), signal });
  const reader = response.body.getReader();
  const letters = new TextDecoder();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (rest + letters.decode(value, { stream: true })).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const field = (name) => event.split("\n").filter((row) => row.startsWith(`${name}:`)).map((row) => row.slice(name.length + 1).trim()).join("\n");
      if (field("event") === "line") line(JSON.parse(field("data")));
      else if (field("event") === "missed") missed(Number(field("data")));
    }
  }
}
