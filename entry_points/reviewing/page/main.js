// The list of documents, the way between them, and what both views share.

import { sort, turn } from "./components.js";
import { ask, h, kept } from "./api.js";
import { Desk } from "./desk.js";

const STATES = ["", "open", "postponed", "accepted", "rejected"];
const KINDS = { accepted: "right", rejected: "misread", postponed: "invalid", open: "missed" };
const $ = (id) => document.getElementById(id);
const body = $("forms").tBodies[0];
let all = { documents: [], members: [], checks: [], patterns: [] };
const filters = { state: "" };
const times = [];

const desk = new Desk({ question, decided, step, list: () => (location.hash = "#/"), saved, pace });
const shown = () => [...body.rows].filter((row) => !row.hidden).map((row) => Number(row.dataset.n));

function saved(text, fault = false) {
  $("saved").textContent = text;
  $("saved").classList.toggle("misread", fault);
}

function pace(ms) {
  times.push(ms);
  const sorted = times.toSorted((a, b) => a - b);
  $("pace").textContent = `${(sorted[sorted.length >> 1] / 1000).toFixed(1)} s a value`;
}

/** Asks in a dialog; returns the key of the answer, "" for none. What `must` be answered is asked again. */
function question(title, content, answers, must = false) {
  const dialog = $("ask");
  $("ask-title").textContent = title;
  $("ask-body").replaceChildren(content);
  const buttons = Object.entries(answers).map(([value, text]) => h("button", { value, className: "main" }, text));
  dialog.querySelector(".answers").replaceChildren(...buttons, must ? "" : h("button", { value: "", formNoValidate: true }, "Cancel"));
  dialog.returnValue = "";
  dialog.showModal();
  const answer = new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true }));
  return must ? answer.then((given) => given || question(title, content, answers, must)) : answer;
}

function counts() {
  const decided = all.documents.filter((one) => ["accepted", "rejected"].includes(one.status)).length;
  $("progress").value = all.documents.length ? decided / all.documents.length : 0;
  $("counts").textContent = `${decided} of ${all.documents.length}`;
}

function line(one) {
  const percent = one.least === null ? "" : `${Math.round(100 * one.least)} %`;
  const done = one.all ? (one.all - one.left) / one.all : 0;
  const status = one.holder ? `${one.status}, with ${one.holder}` : one.error ? `${one.status}, not read` : one.status;
  const cell = (by, ...inner) => h("td", { data: { by: by ?? "" } }, ...inner);
  return h(
    "tr",
    { data: { n: one.n } },
    cell(one.id, h("a", { href: `#/${one.n}` }, one.id)),
    cell(one.status, h("span", { className: `state ${KINDS[one.status]}` }, status), one.reason ? h("small", {}, ` ${one.reason}`) : ""),
    cell(done, h("progress", { value: done, max: 1, ariaLabel: `${one.all - one.left} of ${one.all} values decided` })),
    cell(one.left, String(one.left || "")),
    cell(one.least ?? 2, percent),
    cell(one.fails.length, String(one.fails.length || "")),
    cell(one.who, one.who),
  );
}

async function load() {
  all = await ask("/api/documents");
  $("title").textContent = all.title || "Documents";
  $("who").value ||= kept("who") ?? all.user;
  const options = (texts) => [h("option", { value: "" }, "any"), ...texts.map((text, at) => h("option", { value: at }, text))];
  for (const [id, texts] of [["by-field", all.patterns], ["by-check", all.checks.map((check) => check.text)]]) {
    const { value } = $(id);
    $(id).replaceChildren(...options(texts));
    $(id).value = value;
  }
  body.replaceChildren(...all.documents.map(line));
  counts();
  filter();
  performance.mark("list");
}

function filter() {
  const wanted = $("search").value.toLowerCase().trim();
  const [field, check, most] = ["by-field", "by-check", "by-confidence"].map((id) => $(id).value);
  for (const row of body.rows) {
    const one = all.documents[row.dataset.n];
    row.hidden =
      (filters.state !== "" && one.status !== filters.state) ||
      (field !== "" && !one.needs.includes(Number(field))) ||
      (check !== "" && !one.fails.includes(Number(check))) ||
      (most !== "" && !(one.least !== null && one.least < Number(most))) ||
      !(one.id.toLowerCase().includes(wanted) || one.text.includes(wanted));
  }
  const number = (state) => all.documents.filter((one) => !state || one.status === state).length;
  $("states").replaceChildren(...STATES.map((state) => h("button", { type: "button", ariaPressed: String(state === filters.state), data: { state } }, `${state || "all"} ${number(state)}`)));
  $("nothing").hidden = shown().length > 0;
}

/** The next document after one that is still open and with nobody else, in the list's order. */
function following(n) {
  const order = shown();
  const at = order.indexOf(n);
  const free = (each) => each !== n && all.documents[each].status === "open" && !all.documents[each].holder;
  return [...order.slice(at + 1), ...order.slice(0, Math.max(at, 0))].find(free);
}

function decided(n, status) {
  all.documents[n].status = status;
  counts();
  const next = following(n);
  location.hash = next === undefined ? "#/" : `#/${next}`;
}

function step(by) {
  const order = shown();
  const to = order[order.indexOf(desk.n) + by];
  if (to !== undefined) location.hash = `#/${to}`;
}

async function route() {
  const n = Number(/^#\/(\d+)$/.exec(location.hash)?.[1] ?? NaN);
  try {
    if (!all.documents.length && !Number.isNaN(n)) await load();
    const one = all.documents[n];
    if (one) {
      document.title = `${one.id} · Review`;
      $("where").textContent = `${one.id} · ${n + 1} of ${all.documents.length}`;
      $("list").hidden = true;
      $("desk").hidden = false;
      await desk.open(one, all.members, all.checks, following(n));
    } else {
      await desk.flush();
      await load();
      ask("/api/leave", {}).catch((fault) => saved(fault.message, true));
      document.title = "Review";
      $("where").textContent = `${all.documents.length} documents`;
      $("desk").hidden = $("trace").hidden = true;
      $("list").hidden = false;
      (body.querySelector(`tr:not([hidden])[data-n="${desk.n}"] a`) ?? body.querySelector("tr:not([hidden]) a"))?.focus();
    }
  } catch (fault) {
    saved(fault.message, true);
  }
}

async function finish() {
  const sure = h("p", {}, "The server ends, and the terminal shows what was corrected and the next command. The same command continues the review.");
  if (!(await question("Finish the review?", sure, { yes: "Finish" }))) return;
  const { statuses, fields } = await ask("/api/finish", {});
  const total = {};
  for (const counted of Object.values(fields)) for (const [kind, count] of Object.entries(counted)) total[kind] = (total[kind] ?? 0) + count;
  const told = (counted) => Object.entries(counted).map(([kind, count]) => `${count} ${kind}`).join(", ");
  // Hidden, not removed: answers that come late still find their places.
  for (const part of document.body.children) part.hidden = true;
  document.body.append(h("main", { className: "ended" }, h("h2", {}, "Finished"), h("p", {}, `Documents: ${told(statuses)}.`), h("p", {}, told(total) ? `Values of accepted documents: ${told(total)}.` : ""), h("p", { className: "soft" }, "The terminal has the next command. You can close this page.")));
}

function listKey(event) {
  const typing = event.target.matches("input, select");
  if (event.key === "Escape" && typing) return event.target.blur();
  if (typing || event.ctrlKey || event.altKey || event.metaKey) return false;
  const rows = [...body.querySelectorAll("tr:not([hidden])")];
  const at = rows.indexOf(document.activeElement.closest("tr"));
  const by = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
  if (event.key === "/") $("search").focus();
  else if (by && rows.length) rows[Math.min(Math.max(at + by, 0), rows.length - 1)].querySelector("a").focus();
  else return false;
  return true;
}

document.addEventListener("keydown", (event) => {
  if (document.querySelector("dialog[open]")) return;
  const used = event.key === "F1" ? ($("keys").showModal(), true) : $("desk").hidden ? listKey(event) : desk.key(event);
  if (used) event.preventDefault();
});
if (kept("theme")) document.documentElement.dataset.theme = kept("theme");
$("theme").addEventListener("click", () => turn((theme) => kept("theme", theme)));
$("help").addEventListener("click", () => $("keys").showModal());
$("finish").addEventListener("click", () => finish().catch((fault) => saved(fault.message, true)));
$("who").addEventListener("change", () => kept("who", $("who").value.trim()));
for (const id of ["search", "by-field", "by-check", "by-confidence"]) $(id).addEventListener("input", filter);
$("states").addEventListener("click", (event) => {
  const { state } = event.target.closest("button")?.dataset ?? {};
  if (state === undefined) return;
  filters.state = state;
  filter();
});
for (const header of $("forms").tHead.rows[0].cells) header.querySelector("button")?.addEventListener("click", () => sort(body, header));
body.addEventListener("click", (event) => {
  if (!event.target.closest("a")) location.hash = `#/${event.target.closest("tr").dataset.n}`;
});
addEventListener("hashchange", route);
await route();
