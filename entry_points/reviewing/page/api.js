// Requests to the server: each has the token of the address that review has printed.

const storage = (area, name, value) => {
  try {
    if (value !== undefined) area.setItem(name, value);
    return area.getItem(name);
  } catch {
    return value ?? null; // the browser keeps nothing
  }
};

// The printed address is #<token>; #<token>/3 opens a document at once.
const [given, wanted = ""] = location.hash.slice(1).split("/");
if (given) {
  storage(localStorage, "token", given); // not this tab's alone: MLflow leads to a document without it
  history.replaceState(null, "", `#/${wanted}`);
}
const token = given || (storage(localStorage, "token") ?? "");
const page = storage(sessionStorage, "page") ?? storage(sessionStorage, "page", crypto.randomUUID?.() ?? String(Math.random()));

/** A setting that outlives the page: "who", "theme". */
export const kept = (name, value) => storage(localStorage, name, value);

/** An answer other than 200; `status` is 0 where the server does not answer. */
export class Failure extends Error {
  constructor(status, data) {
    super(data.message ?? `The server answers ${status}.`);
    Object.assign(this, { status, data });
  }
}

async function send(path, body, options = {}) {
  // Header values are Latin-1: the name travels as JSON in ASCII.
  const who = JSON.stringify(kept("who") ?? "").replace(/[^\x20-\x7e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
  const headers = { "X-Review-Token": token, "X-Review-Page": page, "X-Reviewer": who };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { ...options, method: body === undefined ? "GET" : "POST", headers, body: body && JSON.stringify(body) });
  } catch {
    throw new Failure(0, { message: "The server does not answer: is it still running?" });
  }
  if (!answer.ok) throw new Failure(answer.status, await answer.json().catch(() => ({})));
  return answer;
}

/** Asks for JSON; with a body it is a POST. */
export const ask = async (path, body, options) => (await send(path, body, options)).json();

/** Asks for a page's picture: its address in this page, and the size that boxes refer to. */
export async function picture(n, number, full = false) {
  const answer = await send(`/api/documents/${n}/pages/${number}${full ? "?full=true" : ""}`);
  const [width, height] = answer.headers.get("X-Page-Size").split(",").map(Number);
  return { url: URL.createObjectURL(await answer.blob()), width, height };
}

/** Gives the memory of pictures back; they are what `picture` has promised, by page. */
export function release(pictures) {
  for (const one of Object.values(pictures)) one.then(({ url }) => URL.revokeObjectURL(url), () => {});
}

/** Builds an element; texts become text, never markup. */
export function h(tag, properties = {}, ...children) {
  const built = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "data") Object.assign(built.dataset, value);
    else if (name in built && name !== "list") built[name] = value;
    else built.setAttribute(name, value);
  }
  built.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return built;
}
