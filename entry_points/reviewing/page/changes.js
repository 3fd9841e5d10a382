// The changes of one document: undo and redo, saving, and two versions of two people.

import { ask, h } from "./api.js";

const RETRY_MS = 1500;
const MOST_MS = 3600000; // what the server takes as the time of one change
export const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/** The part of a desk that changes `doc`. A change is {path: [before, after]}; the verdict's path is "". */
export class Changes {
  /** Returns a document of the server with the texts of its checks. */
  known(found) {
    const checks = found.checks.map((check, at) => ({ ...check, ...this.checks?.[at] }));
    return { ...found, checks };
  }

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
    this.pending = { ...this.pending, ...change, leaves, ms: Math.min(MOST_MS, (this.pending?.ms ?? 0) + change.ms) };
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
        const saved = await ask(`/api/documents/${n}/save`, { ...sent, doc_id: this.doc.id, version: this.version });
        this.version = saved.version;
        this.merge(saved, sent);
        this.handlers.saved(this.pending ? "Saving" : "Saved");
      } catch (fault) {
        const found = fault.status === 422 && (await ask(`/api/documents/${n}`).catch(() => null));
        const all = { ...sent, ...this.pending, leaves: { ...sent.leaves, ...this.pending?.leaves } };
        if (fault.status === 409) {
          this.pending = null;
          await this.settle(fault.data.theirs, all);
        } else if (found) this.refused(fault, found);
        else {
          this.pending = all;
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

  /** Shows a document as the server has it. */
  renew(found) {
    this.doc = this.known(found);
    this.version = found.version;
    this.done = merged(found.history);
    this.undone = [];
    this.values.show(this.doc, this.members);
    this.refresh();
  }

  /** Goes back to what the server has, and on with what was changed since. */
  refused(fault, found) {
    const { pending, values } = this;
    const { path } = values;
    const caret = values.cell(path)?.selectionEnd;
    this.pending = null;
    this.renew(found);
    if (pending) this.change({ ...pending.leaves, ...(pending.verdict && { "": pending.verdict }) }, { ms: pending.ms });
    this.handlers.saved("Not accepted", true);
    this.notice(fault.message);
    values.focus(fault.data.path || path);
    if (pending && path === values.path) values.cell(path)?.setSelectionRange(caret, caret);
  }

  async settle(theirs, sent) {
    const paths = Object.keys(sent.leaves).filter((path) => !same(theirs.leaves[path]?.raw ?? null, sent.leaves[path]?.raw ?? null));
    const text = (leaf) => (leaf ? leaf.raw || leaf.status : "no such row");
    const line = (path) => h("tr", {}, h("th", { scope: "row" }, path), h("td", {}, text(sent.leaves[path])), h("td", {}, text(theirs.leaves[path])));
    const verdicts = sent.verdict ? [h("tr", {}, h("th", { scope: "row" }, "document"), h("td", {}, sent.verdict.status), h("td", {}, theirs.verdict.status))] : [];
    const table = h("table", {}, h("thead", {}, h("tr", {}, h("th", {}, ""), h("th", { scope: "col" }, "yours"), h("th", { scope: "col" }, `${theirs.who}'s`))), h("tbody", {}, ...paths.map(line), ...verdicts));
    const body = h("div", {}, h("p", {}, `${theirs.who} has changed this document since you opened it. Nothing is overwritten until you choose.`), table);
    const mine = await this.handlers.question("Two versions", body, { theirs: `Keep ${theirs.who}'s`, mine: "Keep yours" }, true);
    this.renew(theirs);
    if (mine === "mine") this.change({ ...sent.leaves, ...(sent.verdict && { "": sent.verdict }) });
    this.handlers.saved("Saved");
    this.next();
  }
}

/** Joins the steps of one value's typing into one change. */
export function merged(history) {
  const joined = [];
  for (const entry of history) {
    const last = joined.at(-1);
    const paths = Object.keys(entry);
    if (last && paths.length === 1 && same(Object.keys(last), paths) && !last[paths[0]][1]?.ok) last[paths[0]][1] = entry[paths[0]][1];
    else joined.push(structuredClone(entry));
  }
  return joined;
}
