// What report.html and the review page have in common.

/** Turns between light and dark; `kept` keeps the choice for the next visit. */
export function turn(kept = () => {}) {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme ?? (dark ? "dark" : "light");
  document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
  kept(document.documentElement.dataset.theme);
}

/** Marks a row and its boxes, which have the same data-row, and nothing else. */
export function mark(root, row) {
  for (const one of root.querySelectorAll(".hot")) one.classList.remove("hot");
  if (row === undefined) return;
  for (const one of root.querySelectorAll(`[data-row="${CSS.escape(row)}"]`)) one.classList.add("hot");
}

/** Sorts a table's body by what its cells have as data-by, the other way round the second time. */
export function sort(body, header) {
  const column = header.cellIndex;
  const up = header.getAttribute("aria-sort") !== "ascending";
  for (const one of header.parentNode.cells) one.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", up ? "ascending" : "descending");
  const by = (row) => row.cells[column].dataset.by;
  const order = (a, b) => by(a).localeCompare(by(b), undefined, { numeric: true }) * (up ? 1 : -1);
  const numbers = [...body.rows].every((row) => by(row) !== "" && !Number.isNaN(Number(by(row))));
  const byNumber = (a, b) => (by(a) - by(b)) * (up ? 1 : -1);
  body.append(...[...body.rows].sort(numbers ? byNumber : order));
}
