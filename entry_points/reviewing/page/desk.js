// One document under review: its changes, undo and redo, saving, and what comes next.

import { ask, h, picture, release } from "./api.js";
import { Values, doubt, kindOf, patternOf, rowOf } from "./values.js";
import { Viewer } from "./viewer.js";

const SAVE_MS = 150; // a pause in typing after which it is saved
const LOOK_MS = 400; // words of a page are read for who stays on it
const RETRY_MS = 1500;
const KEEP_MS = 20000; // how often a page says that it still has a document
const ENTERED = { confidence: null, grounded: null };
const $ = (id) => document.getElementById(id);
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

export class Desk {
  /** `handlers`: question(title, body, answers), decided(n, status), list(), saved(state), pace(ms). */
  constructor(handlers) {
    this.handlers = handlers;
    this.ready = new Map(); // documents and pictures that were fetched before they are needed
    this.viewer = new Viewer($("stage"), $("sheet"), $("pages"), this);
    this.values = new Values($("values"), $("inspector"), this);
    $("desk").addEventListener("click", (event) => {
      const name = event.target.closest("[data-do]")?.dataset.do;
      if (name) this.act(name);
    });
    setInterval(() => this.doc && !$("desk").hidden && this.take(), KEEP_MS);
    addEventListener("beforeunload", (event) => this.waits && event.preventDefault());
  }

  fetch(n) {
    if (!this.ready.has(n)) {
      const pictures = {};
      const doc = ask(`/api/documents/${n}`).then((found) => {
        if (found.pages) (pictures[1] = picture(n, 1)).catch(() => {});
        return found;
      });
      doc.catch(() => this.ready.delete(n));
      this.ready.set(n, { doc, pictures });
    }
    return this.ready.get(n);
  }

  /** Opens a document; `next` is the one that is fetched meanwhile. */
  async open(n, members, checks, next) {
    await this.flush();
    const { doc, pictures } = this.fetch(n);
    const [found, taken] = await Promise.all([doc, ask(`/api/documents/${n}/take`, {})]);
    this.ready.delete(n);
    this.forget(next);
    if (found.version !== taken.version) {
      release(pictures);
      return this.open(n, members, checks, next);
    }
    this.checks = checks;
    Object.assign(this, { n, members, doc: this.known(found), version: found.version, pending: null, done: [], undone: [], skipped: new Set(), since: performance.now() });
    this.done = merged(found.history);
    this.values.show(this.doc, members);
    this.notice(taken.holder ? `${taken.holder} has this document open, too.` : (found.error ?? ""), taken.holder);
    $("trace").hidden = !found.trace;
    $("trace").href = found.trace;
    this.viewer.show(n, found.pages, pictures);
    this.refresh();
    this.next();
    $("desk").dataset.n = n; // it is there
    if (next !== undefined) setTimeout(() => this.fetch(next).doc.catch(() => {}), 100);
  }

  /** Lets go of documents that were fetched and not opened, but for the next one. */
  forget(next) {
    for (const [n, { doc, pictures }] of this.ready) {
      if (n === next) continue;
      this.ready.delete(n);
      doc.then(() => release(pictures), () => {});
    }
  }

  known(found) {
    const checks = found.checks.map((check, at) => ({ ...check, ...this.checks?.[at] }));
    return { ...found, checks };
  }

  async take(force = false) {
    const { n } = this;
    const { holder } = await ask(`/api/documents/${n}/take`, { force }).catch(() => ({}));
    if (n === this.n && holder) this.notice(`${holder} has this document open, too.`, holder);
    else if (force) this.notice("");
  }

  notice(text, holder) {
    const take = holder && h("button", { type: "button", onclick: () => this.take(true) }, "Take it over");
    $("notice").replaceChildren(text, " ", take || "");
    $("notice").hidden = !text;
  }

  // Changes. One is {path: [before, after]}; the verdict's path is "".

  get leaf() {
    return this.doc.leaves[this.values.path];
  }

  at(path) {
    return path ? (this.doc.leaves[path] ?? null) : this.doc.verdict;
  }

  /** Makes a change: shows it, remembers it, and sends it. */
  change(after, { joined = false, ms = 0, delay = 0 } = {}) {
    if (this.doc.verdict.status === "accepted" && !("" in after)) after = { ...after, "": { status: "open", reason: "" } };
    const entry = {};
    for (const [path, to] of Object.entries(after)) if (!same(this.at(path), to)) entry[path] = [this.at(path), to];
    if (!Object.keys(entry).length) return;
    const last = this.done.at(-1);
    if (joined && last && same(Object.keys(last), Object.keys(entry))) for (const path in entry) last[path][1] = entry[path][1];
    else this.done.push(entry);
    this.undone = [];
    this.apply(entry, 1, { ms, delay });
  }

  apply(entry, side, { focus, ms = 0, delay = 0 } = {}) {
    const tables = new Set();
    const sent = { leaves: {}, ms };
    for (const [path, both] of Object.entries(entry)) {
      const to = both[side];
      if (path === "") this.doc.verdict = sent.verdict = to;
      else {
        sent.leaves[path] = to;
        if ((to === null) !== (this.doc.leaves[path] === undefined)) tables.add(path.split("[")[0]);
        if (to === null) delete this.doc.leaves[path];
        else this.doc.leaves[path] = to;
      }
    }
    for (const table of tables) this.values.rebuild(table);
    for (const path of Object.keys(entry)) if (path && !tables.size) this.values.refresh(path);
    if (focus) this.values.focus(focus);
    this.refresh();
    this.send(sent, delay);
  }

  undo(from = this.done, to = this.undone, side = 0) {
    const entry = from.pop();
    if (!entry) return;
    to.push(entry);
    const path = Object.keys(entry).find((each) => each && entry[each][side]);
    this.apply(entry, side, { focus: path });
    if (path) this.values.cell(path)?.select();
  }

  redo() {
    this.undo(this.undone, this.done, 1);
  }

  // Saving: one request at a time; what changes meanwhile goes with the next.

  get waits() {
    return Boolean(this.pending || this.sending);
  }

  send(change, delay = 0) {
    const leaves = { ...this.pending?.leaves, ...change.leaves };
    this.pending = { ...this.pending, ...change, leaves, ms: (this.pending?.ms ?? 0) + change.ms };
    this.handlers.saved("Saving");
    clearTimeout(this.timer);
    if (delay) this.timer = setTimeout(() => this.flush(), delay);
    else this.flush();
  }

  flush() {
    clearTimeout(this.timer);
    this.sending ??= this.drain().finally(() => (this.sending = null));
    return this.sending;
  }

  async drain() {
    while (this.pending) {
      const { n, pending: sent } = this;
      this.pending = null;
      try {
        const saved = await ask(`/api/documents/${n}/save`, { ...sent, version: this.version });
        this.version = saved.version;
        this.merge(saved, sent);
        this.handlers.saved(this.pending ? "Saving" : "Saved");
      } catch (fault) {
        if (fault.status === 409) await this.settle(fault.data.theirs, sent);
        else if (fault.status === 422) this.refused(fault, sent);
        else {
          this.pending = { ...sent, ...this.pending, leaves: { ...sent.leaves, ...this.pending?.leaves } };
          this.handlers.saved(`Not saved: ${fault.message}`, true);
          await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
        }
      }
    }
  }

  /** Takes what the server made of a change, but for what has changed again since. */
  merge(saved, sent) {
    for (const [path, leaf] of Object.entries(saved.leaves)) {
      const mine = sent.leaves[path];
      if (this.doc.leaves[path] === mine) this.doc.leaves[path] = leaf;
      for (const entry of [...this.done, ...this.undone]) for (const side of [0, 1]) if (entry[path]?.[side] === mine) entry[path][side] = leaf;
    }
    this.doc.checks = this.known(saved).checks;
    this.values.refreshAll();
    this.refresh();
  }

  refused(fault, sent) {
    this.handlers.saved("Not accepted", true);
    this.notice(fault.message);
    if (sent.verdict) this.doc.verdict = { status: "open", reason: "" };
    if (fault.data.path) this.values.focus(fault.data.path);
  }

  async settle(theirs, sent) {
    const paths = Object.keys(sent.leaves).filter((path) => !same(theirs.leaves[path]?.raw ?? null, sent.leaves[path]?.raw ?? null));
    const text = (leaf) => (leaf ? leaf.raw || leaf.status : "no such row");
    const line = (path) => h("tr", {}, h("th", { scope: "row" }, path), h("td", {}, text(sent.leaves[path])), h("td", {}, text(theirs.leaves[path])));
    const verdicts = sent.verdict ? [h("tr", {}, h("th", { scope: "row" }, "document"), h("td", {}, sent.verdict.status), h("td", {}, theirs.verdict.status))] : [];
    const table = h("table", {}, h("thead", {}, h("tr", {}, h("th", {}, ""), h("th", { scope: "col" }, "yours"), h("th", { scope: "col" }, `${theirs.who}'s`))), h("tbody", {}, ...paths.map(line), ...verdicts));
    const body = h("div", {}, h("p", {}, `${theirs.who} has changed this document since you opened it. Nothing is overwritten until you choose.`), table);
    const mine = await this.handlers.question("Two versions", body, { theirs: `Keep ${theirs.who}'s`, mine: "Keep yours" });
    this.doc = this.known(theirs);
    this.version = theirs.version;
    this.done = merged(theirs.history);
    this.undone = [];
    this.values.show(this.doc, this.members);
    if (mine === "mine") this.change({ ...sent.leaves, ...(sent.verdict && { "": sent.verdict }) });
    this.handlers.saved("Saved");
    this.refresh();
    this.next();
  }

  // What a person does.

  refresh() {
    const { leaves, checks } = this.doc;
    this.viewer.mark(Object.fromEntries(Object.entries(leaves).map(([path, leaf]) => [path, { box: leaf.box, page: leaf.page, kind: kindOf(path, leaf, checks) }])));
    const left = this.left().length;
    $("left").textContent = left ? `${left} left` : "Nothing left: Ctrl Enter accepts the document";
    $("desk").dataset.status = this.doc.verdict.status;
  }

  /** The values that need a person, those first that most speaks against. */
  left() {
    const { leaves, checks } = this.doc;
    const open = Object.keys(leaves).filter((path) => !leaves[path].ok);
    const order = new Map(open.map((path) => [path, doubt(path, leaves[path], checks)]));
    return open.sort((a, b) => order.get(a)[0] - order.get(b)[0] || order.get(a)[1] - order.get(b)[1]);
  }

  next() {
    const left = this.left();
    if (left.every((path) => this.skipped.has(path))) this.skipped.clear();
    const path = left.find((each) => !this.skipped.has(each) && each !== this.values.path) ?? left[0];
    if (path) this.values.focus(path);
    else $("desk").querySelector('[data-do="accept"]').focus();
  }

  chosen(path, before) {
    if (before && this.touched === before) this.accept(before);
    this.touched = null;
    this.first = this.doc.leaves[path];
    this.since = performance.now();
    this.viewer.select(path, this.doc.leaves[path]);
  }

  typed(path, text) {
    this.values.typing = true;
    const leaf = { ...this.doc.leaves[path], ...ENTERED, raw: text, status: text.trim() ? "found" : "blank", ok: false };
    this.enter(path, leaf, SAVE_MS);
  }

  /** Enters something for a leaf without accepting it yet. */
  enter(path, leaf, delay = 0) {
    const joined = this.touched === path;
    this.touched = path;
    this.change({ [path]: leaf }, { joined, delay });
  }

  accept(path) {
    const leaf = this.doc.leaves[path];
    if (!leaf || leaf.ok) return;
    const ms = Math.min(600000, Math.round(performance.now() - this.since));
    this.handlers.pace(ms);
    this.change({ [path]: { ...leaf, ok: true } }, { joined: this.touched === path, ms });
    this.touched = null;
  }

  ok() {
    const { path } = this.values;
    if (!path) return this.next();
    if (this.leaf.status === "invalid") return;
    this.accept(path); // if the server finds no value in what was typed, it is the next to decide
    if (path.endsWith(".question") && this.doc.leaves[path.replace("question", "answer")]) this.values.focus(path.replace("question", "answer"));
    else this.next();
  }

  skip() {
    this.skipped.add(this.values.path);
    this.next();
  }

  put(status) {
    const { path } = this.values;
    if (!path) return;
    this.values.typing = false;
    this.change({ [path]: { ...this.leaf, ...ENTERED, raw: status === "blank" ? "" : null, value: null, status, ok: true, box: status === "blank" ? this.leaf.box : null } }, { ms: Math.round(performance.now() - this.since) });
    this.touched = null;
    this.next();
  }

  revert() {
    const { path } = this.values;
    if (!path || same(this.leaf, this.first) || !this.first) return false;
    this.values.typing = false;
    this.change({ [path]: this.first }, { joined: this.touched === path });
    this.touched = null;
    this.values.cell(path).select();
    return true;
  }

  fillIn({ text, box, page }, add) {
    const { path } = this.values;
    if (!path) return;
    const before = this.leaf;
    const both = add && before.raw ? `${before.raw} ${text}` : text;
    const around = add && before.box && before.page === page ? [0, 1, 2, 3].map((at) => Math[at < 2 ? "min" : "max"](before.box[at], box[at])) : box;
    this.values.typing = false;
    this.enter(path, { ...before, ...ENTERED, raw: both, status: both ? "found" : "blank", box: around, page, ok: false });
    this.values.focus(path);
  }

  async read(page, box) {
    $("reading").textContent = "Reading the box …";
    const { text } = await ask(`/api/documents/${this.n}/pages/${page}/read`, { box }).catch((fault) => ({ text: "", fault }));
    $("reading").textContent = text ? "" : "Nothing can be read there: type it.";
    return text;
  }

  async words(page) {
    const { n } = this;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    if (n !== this.n) return [];
    $("reading").textContent = "Reading words …";
    const words = await ask(`/api/documents/${this.n}/pages/${page}/words`).catch(() => null);
    $("reading").textContent = words ? "" : "Words cannot be read.";
    return words ?? [];
  }

  /** The rows of a table as lists of cells by column. */
  rows(table) {
    const found = [];
    for (const [path, leaf] of Object.entries(this.doc.leaves)) if (path.startsWith(`${table}[`)) (found[rowOf(path)] ??= {})[path.split("].")[1]] = leaf;
    return found.filter(Boolean);
  }

  /** Puts rows in a table's place; `focus` is the row to go to. */
  setRows(table, rows, focus) {
    const after = Object.fromEntries(Object.keys(this.doc.leaves).filter((path) => path.startsWith(`${table}[`)).map((path) => [path, null]));
    rows.forEach((row, at) => Object.entries(row).forEach(([name, leaf]) => (after[`${table}[${at}].${name}`] = leaf)));
    this.touched = null;
    const column = this.values.path?.startsWith(`${table}[`) ? this.values.path.split("].")[1] : Object.keys(rows[0] ?? {})[0];
    const at = Math.min(focus, rows.length - 1);
    this.values.path = null;
    this.change(after);
    this.values.rebuild(table);
    if (at >= 0) queueMicrotask(() => this.values.focus(`${table}[${at}].${column}`));
    else this.next();
  }

  row(action, path = this.values.path) {
    const table = path?.includes("[") ? path.split("[")[0] : this.members.find((member) => member.columns)?.path;
    if (!table) return;
    const rows = this.rows(table);
    const at = path?.includes("[") ? Number(/\[(-?\d+)\]/.exec(path)[1]) : rows.length - 1;
    if (action === "Add") {
      rows.splice(at + 1, 0, this.blankRow(table));
      return this.setRows(table, rows, at + 1);
    }
    if (action === "Delete") rows.splice(at, 1);
    const to = action === "Move up" ? at - 1 : action === "Move down" ? at + 1 : at;
    if (to < 0 || (action !== "Delete" && to >= rows.length)) return;
    if (to !== at) [rows[at], rows[to]] = [rows[to], rows[at]];
    this.setRows(table, rows, to);
  }

  blankRow(table) {
    const { columns } = this.members.find((member) => member.path === table);
    const leaf = () => ({ raw: null, value: null, status: "absent", page: this.viewer.number || null, box: null, ok: false, origin: "", ...ENTERED });
    return Object.fromEntries(columns.map((column) => [column.path, leaf()]));
  }

  pasted(path, cells) {
    const [table, rest] = path.split("[");
    const rows = this.rows(table);
    const names = this.members.find((member) => member.path === table).columns.map((column) => column.path);
    const first = names.indexOf(rest.split("].")[1]);
    cells.forEach((texts, down) => {
      const row = (rows[rowOf(path) + down] ??= this.blankRow(table));
      texts.slice(0, names.length - first).forEach((text, right) => {
        const name = names[first + right];
        row[name] = { ...row[name], ...ENTERED, raw: text.trim(), status: text.trim() ? "found" : "blank", ok: true };
      });
    });
    this.setRows(table, rows, rowOf(path));
  }

  async decide(status) {
    let reason = "";
    if (status !== "accepted") {
      const input = h("input", { name: "reason", maxLength: 1000, autocomplete: "off", ariaLabel: "Reason" });
      const asked = status === "rejected" ? "Why is it rejected?" : "Why is it postponed? (may be empty)";
      if (!(await this.handlers.question(asked, input, { yes: status === "rejected" ? "Reject" : "Postpone" }))) return;
      reason = input.value.trim();
    }
    document.activeElement.blur(); // what is typed from now on is not for this document
    await this.flush();
    const after = { "": { status, reason } };
    if (status === "accepted")
      for (const [path, leaf] of Object.entries(this.doc.leaves)) {
        if (leaf.status === "invalid") return this.values.focus(path);
        if (!leaf.ok) after[path] = { ...leaf, ok: true };
      }
    this.touched = null;
    this.change(after);
    await this.flush();
    if (this.doc.verdict.status === status) this.handlers.decided(this.n, status);
  }

  act(name) {
    const { viewer } = this;
    const actions = {
      ok: () => this.ok(),
      blank: () => this.put("blank"),
      absent: () => this.put("absent"),
      revert: () => this.revert(),
      undo: () => this.undo(),
      redo: () => this.redo(),
      accept: () => this.decide("accepted"),
      postpone: () => this.decide("postponed"),
      reject: () => this.decide("rejected"),
      in: () => viewer.zoom(1.3),
      out: () => viewer.zoom(1 / 1.3),
      fit: () => viewer.fit(),
      original: () => viewer.original().catch((fault) => this.notice(fault.message)),
      words: () => $("stage").focus(),
    };
    return actions[name]();
  }

  /** Handles a key; tells whether it was one of the desk's. */
  key(event) {
    const { path } = this.values;
    const inside = event.target.dataset?.path !== undefined;
    const ctrl = event.ctrlKey || event.metaKey;
    const rows = { ArrowUp: () => this.row("Move up"), ArrowDown: () => this.row("Move down"), Delete: () => path?.includes("[") && this.row("Delete"), Backspace: () => path?.includes("[") && this.row("Delete"), KeyR: () => this.row("Add") };
    const alt = { ...rows, KeyB: () => this.act("blank"), KeyN: () => this.act("absent"), KeyP: () => this.act("postpone"), KeyX: () => this.act("reject"), KeyW: () => this.act("words"), KeyO: () => this.act("original"), Minus: () => this.act("out"), Equal: () => this.act("in"), Digit0: () => this.act("fit"), KeyJ: () => this.handlers.step(1), KeyK: () => this.handlers.step(-1) };
    const control = { Enter: () => this.act("accept"), z: () => (event.shiftKey ? this.redo() : this.undo()), Z: () => this.redo(), y: () => this.redo() };
    const plain = {
      Enter: () => (event.shiftKey ? this.skip() : this.ok()),
      Escape: () => this.revert() || (inside || event.target.id === "stage" ? event.target.blur() : this.handlers.list()),
      PageDown: () => this.viewer.turn(this.viewer.number + 1),
      PageUp: () => this.viewer.turn(this.viewer.number - 1),
      ArrowDown: () => this.step(1),
      ArrowUp: () => this.step(-1),
    };
    const action = event.altKey ? alt[event.code] : ctrl ? control[event.key] : plain[event.key];
    if (!action || (event.key === "Enter" && !ctrl && event.target.closest("button, a"))) return false;
    action();
    return true;
  }

  /** Goes to the value above or below. */
  step(by) {
    const paths = [...$("values").querySelectorAll("input[data-path]")].map((input) => input.dataset.path);
    const { path } = this.values;
    const same = path?.includes("[") ? paths.filter((each) => patternOf(each) === patternOf(path)) : paths;
    const column = same[same.indexOf(path) + by];
    const edge = paths[(by > 0 ? paths.indexOf(same.at(-1)) : paths.indexOf(same[0])) + by];
    const to = column ?? edge ?? paths[0];
    if (to) this.values.focus(to);
  }
}

/** Joins the steps of one value's typing into one change. */
function merged(history) {
  const joined = [];
  for (const entry of history) {
    const last = joined.at(-1);
    const paths = Object.keys(entry);
    if (last && paths.length === 1 && same(Object.keys(last), paths) && !last[paths[0]][1]?.ok) last[paths[0]][1] = entry[paths[0]][1];
    else joined.push(structuredClone(entry));
  }
  return joined;
}
