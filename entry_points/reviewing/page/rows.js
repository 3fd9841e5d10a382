// The rows of a table among the leaves of a document, each with its cells by column.

import { Changes } from "./changes.js";
import { rowOf } from "./values.js";

/** What a leaf has that a person has entered. */
export const ENTERED = { confidence: null, grounded: null };

function rowsOf(leaves, table) {
  const found = [];
  for (const [path, leaf] of Object.entries(leaves)) if (path.startsWith(`${table}[`)) (found[rowOf(path)] ??= {})[path.split("].")[1]] = leaf;
  return found.filter(Boolean);
}

/** The change that puts rows in a table's place: leaves by path, null for those that go. */
function withRows(leaves, table, rows) {
  const after = Object.fromEntries(Object.keys(leaves).filter((path) => path.startsWith(`${table}[`)).map((path) => [path, null]));
  rows.forEach((row, at) => Object.entries(row).forEach(([name, leaf]) => (after[`${table}[${at}].${name}`] = leaf)));
  return after;
}

/** A row without values, which a person adds while looking at a page. */
function blankRow(names, page) {
  const leaf = () => ({ raw: null, value: null, status: "absent", page: page || null, box: null, ok: false, origin: "", ...ENTERED });
  return Object.fromEntries(names.map((name) => [name, leaf()]));
}

/** The part of a desk that changes the rows of tables. */
export class Rows extends Changes {
  /** Puts rows in a table's place; `focus` is the row to go to. */
  setRows(table, rows, focus) {
    this.touched = null;
    const column = this.values.path?.startsWith(`${table}[`) ? this.values.path.split("].")[1] : Object.keys(rows[0] ?? {})[0];
    const at = Math.min(focus, rows.length - 1);
    this.values.path = null;
    this.change(withRows(this.doc.leaves, table, rows));
    this.values.rebuild(table);
    if (at >= 0) queueMicrotask(() => this.values.focus(`${table}[${at}].${column}`));
    else this.next();
  }

  row(action, path = this.values.path) {
    const table = path?.includes("[") ? path.split("[")[0] : this.members.find((member) => member.columns)?.path;
    if (!table) return;
    const rows = rowsOf(this.doc.leaves, table);
    const at = path?.includes("[") ? Number(/\[(-?\d+)\]/.exec(path)[1]) : rows.length - 1;
    if (action === "Add") {
      rows.splice(at + 1, 0, blankRow(this.columns(table), this.viewer.number));
      return this.setRows(table, rows, at + 1);
    }
    if (action === "Delete") rows.splice(at, 1);
    const to = action === "Move up" ? at - 1 : action === "Move down" ? at + 1 : at;
    if (to < 0 || (action !== "Delete" && to >= rows.length)) return;
    if (to !== at) [rows[at], rows[to]] = [rows[to], rows[at]];
    this.setRows(table, rows, to);
  }

  columns(table) {
    return this.members.find((member) => member.path === table).columns.map((column) => column.path);
  }

  pasted(path, cells) {
    const [table, rest] = path.split("[");
    const rows = rowsOf(this.doc.leaves, table);
    const names = this.columns(table);
    const first = names.indexOf(rest.split("].")[1]);
    cells.forEach((texts, down) => {
      const row = (rows[rowOf(path) + down] ??= blankRow(names, this.viewer.number));
      texts.slice(0, names.length - first).forEach((text, right) => {
        const name = names[first + right];
        row[name] = { ...row[name], ...ENTERED, raw: text.trim(), status: text.trim() ? "found" : "blank", ok: true };
      });
    });
    this.setRows(table, rows, rowOf(path));
  }
}
