// The values of a document: rows for fields, grids for tables, and why one needs a person.

import { mark } from "./components.js";
import { h } from "./api.js";

const SIGNS = { right: "✓", misread: "!", invalid: "✕", missed: "•", blank: "∅" };
const SAID = { right: "accepted", misread: "doubtful", invalid: "invalid", missed: "open", blank: "nothing there" };
const TYPES = { string: "text", number: "number", integer: "whole number", boolean: "yes or no", date: "date" };

export const patternOf = (path) => path.replace(/\[\d+\]/g, "[]");
export const rowOf = (path) => Number(/\[(\d+)\]/.exec(path)?.[1] ?? -1);
const show = (value) => (value === null || value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value));

/** The failed checks that use a leaf, each with its numbers. */
export function failures(path, checks) {
  const pattern = patternOf(path);
  return checks.flatMap((check) =>
    check.paths.includes(pattern)
      ? check.failures.filter(([row]) => row === null || row === rowOf(path)).map(([, numbers]) => `${check.text} fails: ${numbers.replace(" == ", " ≠ ")}`)
      : [],
  );
}

/** What a leaf is: the name of its colour. */
export function kindOf(path, leaf, checks) {
  if (leaf.ok) return "right";
  if (leaf.status === "invalid") return "invalid";
  if (leaf.grounded === false || failures(path, checks).length) return "misread";
  return leaf.status === "found" ? "missed" : "blank";
}

/** Orders leaves: what speaks against itself first, then the least confident. */
export function doubt(path, leaf, checks) {
  const rank = { invalid: 0, misread: 1 }[kindOf(path, leaf, checks)] ?? 2;
  return [rank, leaf.confidence ?? 1];
}

export class Values {
  constructor(root, inspector, desk) {
    Object.assign(this, { root, inspector, desk });
    root.addEventListener("focusin", (event) => event.target.dataset.path && this.choose(event.target.dataset.path));
    root.addEventListener("input", (event) => event.target.dataset.path && desk.typed(event.target.dataset.path, event.target.value));
    root.addEventListener("paste", (event) => this.paste(event));
    root.addEventListener("mouseup", (event) => {
      if (event.target.dataset.path && this.fresh) event.preventDefault(); // the whole text stays chosen
      this.fresh = false;
    });
  }

  show(doc, members) {
    Object.assign(this, { doc, members, path: null, fields: {} });
    for (const member of members)
      for (const each of member.columns ?? [member]) this.fields[member.columns ? `${member.path}[].${each.path}` : each.path] = each;
    this.root.replaceChildren(...members.map((member) => (member.columns ? this.table(member) : this.line(member))));
    this.refreshAll();
    this.inspect();
  }

  line(field) {
    return h("div", { className: "value", data: { row: field.path } }, h("i", { className: "sign" }), this.label(field), this.input(field.path), h("output", {}));
  }

  label(field) {
    return h("label", { htmlFor: `v-${field.path}`, title: field.description }, field.path.replaceAll("_", " "), field.critical ? h("b", { title: "critical" }, " ★") : "");
  }

  input(path, name = "") {
    const input = h("input", { id: `v-${path}`, data: { path }, autocomplete: "off", spellcheck: false });
    if (name) input.setAttribute("aria-label", name);
    return input;
  }

  table(member) {
    const section = h("section", { className: "grid", data: { table: member.path } });
    this.fill(section, member);
    return section;
  }

  fill(section, member) {
    const rows = Object.keys(this.doc.leaves).filter((path) => path.startsWith(`${member.path}[`));
    const count = rows.length / member.columns.length;
    const notes = this.doc.notes[member.path] ?? [];
    const tool = (name, sign, row) => h("button", { type: "button", title: name, ariaLabel: `${name}, row ${row + 1}`, tabIndex: -1, onclick: () => this.desk.row(name, `${member.path}[${row}]`) }, sign);
    const body = Array.from({ length: count }, (_, row) =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, String(row + 1)),
        ...member.columns.map((column) => {
          const path = `${member.path}[${row}].${column.path}`;
          return h("td", { data: { row: path } }, h("i", { className: "sign" }), this.input(path, `${column.path.replaceAll("_", " ")}, row ${row + 1}`), h("output", {}));
        }),
        h("td", { className: "row-tools" }, tool("Move up", "↑", row), tool("Move down", "↓", row), tool("Delete", "✕", row)),
      ),
    );
    section.replaceChildren(
      h("div", { className: "tools" }, h("h2", {}, member.path.replaceAll("_", " ")), h("small", {}, `${count} rows`), ...notes.map((note) => h("small", { className: "invalid note" }, note)), h("button", { type: "button", onclick: () => this.desk.row("Add", `${member.path}[${count - 1}]`) }, "Add row ", h("kbd", {}, "Alt R"))),
      h("div", { className: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "row"), ...member.columns.map((column) => h("th", { scope: "col", title: column.description }, column.path.replaceAll("_", " "))), h("td", {}))), h("tbody", {}, ...body))),
    );
  }

  /** Builds a table again after its rows have changed. */
  rebuild(table) {
    const section = this.root.querySelector(`[data-table="${CSS.escape(table)}"]`);
    this.fill(section, this.members.find((member) => member.path === table));
    for (const path of Object.keys(this.doc.leaves)) if (path.startsWith(`${table}[`)) this.refresh(path);
  }

  cell(path) {
    return document.getElementById(`v-${path}`);
  }

  refresh(path) {
    const input = this.cell(path);
    const leaf = this.doc.leaves[path];
    if (!input || !leaf) return;
    const kind = kindOf(path, leaf, this.doc.checks);
    const box = input.parentNode;
    box.className = `${box.tagName === "DIV" ? "value " : ""}${kind}${path === this.path ? " hot" : ""}`;
    const sign = box.querySelector(".sign");
    sign.textContent = SIGNS[kind];
    sign.title = SAID[kind];
    const text = leaf.raw ?? "";
    if (input.value !== text && (document.activeElement !== input || !this.typing)) input.value = text;
    input.placeholder = leaf.status === "absent" ? "not on this document" : leaf.status === "blank" ? "blank" : "";
    input.setAttribute("aria-invalid", String(leaf.status === "invalid"));
    input.setAttribute("aria-description", SAID[kind]);
    const plain = leaf.value === text || (typeof leaf.value === "number" && leaf.value === Number(text));
    box.querySelector("output").textContent = leaf.status === "invalid" ? "no value" : plain ? "" : show(leaf.value);
    if (path === this.path) this.inspect();
  }

  refreshAll() {
    for (const path of Object.keys(this.doc.leaves)) this.refresh(path);
  }

  choose(path) {
    this.fresh = path !== this.path;
    const before = this.path;
    this.path = path;
    mark(this.root, path);
    if (this.fresh) {
      this.typing = false;
      this.cell(path).select();
      if (before) this.refresh(before);
      this.desk.chosen(path, before);
    }
    this.inspect();
  }

  focus(path) {
    this.cell(path)?.focus();
    this.cell(path)?.scrollIntoView({ block: "nearest" });
  }

  inspect() {
    const leaf = this.doc.leaves[this.path];
    if (!leaf) return this.inspector.replaceChildren(h("p", { className: "soft" }, "Choose a value, here or on the page."));
    const field = this.fields[patternOf(this.path)];
    const kind = kindOf(this.path, leaf, this.doc.checks);
    const reasons = [];
    if (leaf.status === "invalid") reasons.push(`no ${TYPES[field.type] ?? field.type}${field.enum.length ? `: one of ${field.enum.join(", ")}` : ""}`);
    if (leaf.grounded === false) reasons.push("not found on the page");
    reasons.push(...failures(this.path, this.doc.checks));
    if (leaf.confidence !== null) reasons.push(`confidence ${Math.round(100 * leaf.confidence)} %`);
    const said = leaf.status === "found" ? show(leaf.value) : leaf.status === "absent" ? "not on this document" : leaf.status;
    const action = (name, label, key) => h("button", { type: "button", data: { do: name } }, label, h("kbd", {}, key));
    this.inspector.className = kind;
    this.inspector.replaceChildren(
      h("div", { className: "name" }, h("i", { className: "sign" }, SIGNS[kind]), h("b", {}, this.path), h("small", {}, TYPES[field.type] ?? field.type), h("span", { className: "soft" }, field.description)),
      h("dl", {}, h("div", {}, h("dt", {}, "as printed"), h("dd", {}, leaf.raw || "—")), h("div", {}, h("dt", {}, "value"), h("dd", { className: leaf.status }, said || "—"))),
      h("ul", { className: "reasons" }, ...reasons.map((reason) => h("li", {}, reason))),
      h("p", { className: "switches" }, action("ok", leaf.ok ? "Next" : "Accept", "⏎"), action("blank", "Blank", "Alt B"), action("absent", "Not on this document", "Alt N"), action("revert", "Revert", "Esc")),
    );
  }

  paste(event) {
    const path = event.target.dataset.path;
    const text = event.clipboardData.getData("text/plain").replace(/\r?\n$/, "");
    if (!path?.includes("[") || !/[\t\n]/.test(text)) return;
    event.preventDefault();
    this.desk.pasted(path, text.split(/\r?\n/).map((line) => line.split("\t")));
  }
}
