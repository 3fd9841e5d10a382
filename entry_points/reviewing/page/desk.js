// One document under review: what a person does with it, and what comes next.

import { ask, h, picture, release } from "./api.js";
import { merged, same } from "./changes.js";
import { ENTERED, Rows } from "./rows.js";
import { Values, doubt, kindOf, patternOf } from "./values.js";
import { Viewer } from "./viewer.js";

const SAVE_MS = 150; // a pause in typing after which it is saved
const LOOK_MS = 400; // words of a page are read for who stays on it
const KEEP_MS = 20000; // how often a page says that it still has a document
const $ = (id) => document.getElementById(id);

export class Desk extends Rows {
  /** `handlers`: question(title, body, answers, must), decided(n, status), list(), saved(state), pace(ms). */
  constructor(handlers) {
    super();
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

  /** Opens a document of the list; `next` is the one that is fetched meanwhile. */
  async open(one, members, checks, next) {
    const { n, id } = one;
    await this.flush();
    const { doc, pictures } = this.fetch(n);
    const [found, taken] = await Promise.all([doc, ask(`/api/documents/${n}/take`, { doc_id: id })]);
    this.ready.delete(n);
    this.forget(next);
    if (found.version !== taken.version) {
      release(pictures);
      return this.open(one, members, checks, next);
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

  async take(force = false) {
    const { n, doc } = this;
    const { holder, gone } = await ask(`/api/documents/${n}/take`, { doc_id: doc.id, force }).catch((fault) => ({ gone: fault.status === 410 && fault.message }));
    if (n === this.n && (holder || gone)) this.notice(gone || `${holder} has this document open, too.`, holder);
    else if (force) this.notice("");
  }

  notice(text, holder) {
    const take = holder && h("button", { type: "button", onclick: () => this.take(true) }, "Take it over");
    $("notice").replaceChildren(text, " ", take || "");
    $("notice").hidden = !text;
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

  /** How long the chosen value has taken, at most ten minutes. */
  get ms() {
    return Math.min(600000, Math.round(performance.now() - this.since));
  }

  accept(path) {
    const leaf = this.doc.leaves[path];
    if (!leaf || leaf.ok) return;
    const { ms } = this;
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
    this.change({ [path]: { ...this.leaf, ...ENTERED, raw: status === "blank" ? "" : null, value: null, status, ok: true, box: status === "blank" ? this.leaf.box : null } }, { ms: this.ms });
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
    if (n !== this.n || page !== this.viewer.number) return [];
    $("reading").textContent = "Reading words …";
    const words = await ask(`/api/documents/${this.n}/pages/${page}/words`).catch(() => null);
    $("reading").textContent = words ? "" : "Words cannot be read.";
    return words ?? [];
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
    const { doc } = this;
    await this.flush();
    if (doc !== this.doc) return; // it is not what the person has seen
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
