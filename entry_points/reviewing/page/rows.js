// The rows of a table among the leaves of a document, each with its cells by column.

import { rowOf } from "./values.js";

/** What a leaf has that a person has entered. */
export const ENTERED = { confidence: null, grounded: null };

export function rowsOf(leaves, table) {
  const found = [];
  for (const [path, leaf] of Object.entries(leaves)) if (path.startsWith(`${table}[`)) (found[rowOf(path)] ??= {})[path.split("].")[1]] = leaf;
  return found.filter(Boolean);
}

/** The change that puts rows in a table's place: leaves by path, null for those that go. */
export function withRows(leaves, table, rows) {
  const after = Object.fromEntries(Object.keys(leaves).filter((path) => path.startsWith(`${table}[`)).map((path) => [path, null]));
  rows.forEach((row, at) => Object.entries(row).forEach(([name, leaf]) => (after[`${table}[${at}].${name}`] = leaf)));
  return after;
}

/** A row without values, which a person adds while looking at a page. */
export function blankRow(names, page) {
  const leaf = () => ({ raw: null, value: null, status: "absent", page: page || null, box: null, ok: false, origin: "", ...ENTERED });
  return Object.fromEntries(names.map((name) => [name, leaf()]));
}
