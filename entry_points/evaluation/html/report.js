const overview = document.getElementById("overview");
const detail = document.getElementById("form");
const table = document.querySelector("#forms tbody");
const search = document.getElementById("search");
const shown = { kind: "", hidden: new Set() };

const rows = () => [...table.rows].filter((row) => !row.hidden);
const opened = () => location.hash.slice(1);

function apply() {
  for (const button of detail.querySelectorAll("[data-kind]"))
    button.setAttribute("aria-pressed", button.dataset.kind === shown.kind);
  for (const button of detail.querySelectorAll("[data-side]"))
    button.setAttribute("aria-pressed", !shown.hidden.has(button.dataset.side));
  for (const row of detail.querySelectorAll("tbody tr"))
    row.hidden = shown.kind !== "" && !row.classList.contains(shown.kind);
  for (const box of detail.querySelectorAll("rect"))
    box.classList.toggle(
      "off",
      (shown.kind !== "" && !box.classList.contains(shown.kind)) ||
        [...shown.hidden].some((side) => box.classList.contains(side)),
    );
}

function show() {
  const template = document.getElementById(`form-${opened()}`);
  overview.hidden = template !== null;
  detail.hidden = template === null;
  detail.replaceChildren();
  if (template === null) return;
  detail.append(template.content.cloneNode(true));
  apply();
  window.scrollTo(0, 0);
}

function move(step) {
  const all = rows();
  if (all.length === 0) return;
  const current = detail.hidden ? document.activeElement.closest("tr") : table.querySelector(`[data-form="${opened()}"]`);
  const at = all.indexOf(current);
  const next = all[at < 0 ? 0 : Math.min(Math.max(at + step, 0), all.length - 1)];
  if (detail.hidden) next.querySelector("a").focus();
  else location.hash = next.dataset.form;
}

function toggle(side) {
  if (!shown.hidden.delete(side)) shown.hidden.add(side);
  apply();
}

document.getElementById("theme").addEventListener("click", () => turn());
for (const header of document.querySelectorAll("#forms th"))
  header.querySelector("button")?.addEventListener("click", () => sort(table, header));
table.addEventListener("click", (event) => {
  location.hash = event.target.closest("tr").dataset.form;
});
search.addEventListener("input", () => {
  const wanted = search.value.toLowerCase();
  for (const row of table.rows) row.hidden = !row.cells[0].dataset.by.toLowerCase().includes(wanted);
});
detail.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.side) toggle(button.dataset.side);
  else if (button?.dataset.kind !== undefined) {
    shown.kind = button.dataset.kind;
    apply();
  } else if (event.target.matches("rect")) {
    detail.querySelector(`tr[data-row="${event.target.dataset.row}"]`).focus();
  }
});
for (const kind of ["mouseover", "focusin"])
  detail.addEventListener(kind, (event) => {
    mark(detail, event.target.closest("[data-row]")?.dataset.row);
  });
const keys = {
  j: () => move(1),
  k: () => move(-1),
  ArrowRight: () => detail.hidden || move(1),
  ArrowLeft: () => detail.hidden || move(-1),
  Escape: () => (location.hash = ""),
  d: () => turn(),
  t: () => toggle("true"),
  p: () => toggle("read"),
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target === search) {
    if (event.key === "Escape") search.blur();
    return;
  }
  const buttons = detail.querySelectorAll("[data-kind]");
  if (event.key === "/") {
    event.preventDefault();
    search.focus();
  } else if (event.key in keys) keys[event.key]();
  else if (buttons[event.key]) buttons[event.key].click();
});
window.addEventListener("hashchange", show);
show();
