// The page picture: zoom, pan, boxes, and words that fill a value.

import { mark } from "./components.js";
import { h, picture, release } from "./api.js";

const SVG = "http://www.w3.org/2000/svg";
const LINE = 26; // px of the screen that a chosen value is high, about
const LEGIBLE = 16; // if it is so high where the page is as wide as its view, that is shown: labels count
const EDGE = 0.06; // part of the view that may stay empty beside a page
const MOST = 8; // px of the screen for one of the page
const calm = matchMedia("(prefers-reduced-motion: reduce)");

const rect = (box, kind, row) => {
  const made = document.createElementNS(SVG, "rect");
  const [x, y, x1, y1] = box;
  for (const [name, value] of Object.entries({ x, y, width: x1 - x, height: y1 - y })) made.setAttribute(name, value);
  made.setAttribute("class", kind);
  if (row !== undefined) made.dataset.row = row;
  return made;
};
const union = (boxes) => [0, 1, 2, 3].map((at) => Math[at < 2 ? "min" : "max"](...boxes.map((box) => box[at])));
const textOf = (words) => words.map((word) => word[0]).join(" ");
const boxOf = (word) => word.slice(1, 5);

export class Viewer {
  constructor(stage, sheet, pages, desk) {
    Object.assign(this, { stage, sheet, pages, desk });
    this.image = h("img", { alt: "", draggable: false });
    this.boxes = document.createElementNS(SVG, "svg");
    sheet.append(this.image, this.boxes);
    this.pointers = new Map();
    stage.addEventListener("pointerdown", (event) => this.down(event));
    stage.addEventListener("pointermove", (event) => this.moved(event));
    for (const kind of ["pointerup", "pointercancel"]) stage.addEventListener(kind, (event) => this.up(event));
    stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    stage.addEventListener("keydown", (event) => this.key(event));
    stage.addEventListener("blur", () => this.choose([]));
    new ResizeObserver(() => this.size && this.place(this.target)).observe(stage);
  }

  /** Shows a document; `ready` are its pictures by page where they are there already. */
  async show(n, count, ready = {}) {
    release(this.ready ?? {});
    Object.assign(this, { n, count, ready, number: 0, leaves: {}, words: [], chosen: [], target: null, size: null });
    this.image.removeAttribute("src");
    this.boxes.replaceChildren();
    if (count) await this.turn(1);
  }

  async turn(number) {
    if (number < 1 || number > this.count || number === this.number) return;
    const { n } = this;
    Object.assign(this, { number, words: [], chosen: [] });
    this.stage.dataset.words = "false";
    this.tabs();
    let shown;
    try {
      shown = await (this.ready[number] ??= picture(n, number));
    } catch (fault) {
      if (n !== this.n) return;
      delete this.ready[number];
      this.number = 0; // to choose the page again tries again
      return this.desk.notice(fault.message);
    }
    if (n !== this.n || number !== this.number) return;
    this.size = [shown.width, shown.height];
    this.image.src = shown.url;
    this.image.alt = `Page ${number} of ${this.count}`;
    this.sheet.style.width = `${shown.width}px`;
    this.sheet.style.height = `${shown.height}px`;
    this.boxes.setAttribute("viewBox", `0 0 ${shown.width} ${shown.height}`);
    this.draw();
    this.place(this.target, true);
    const words = await this.desk.words(number);
    if (n !== this.n || number !== this.number) return;
    this.words = words;
    this.stage.dataset.words = "true";
  }

  tabs() {
    const button = (number) => h("button", { type: "button", ariaPressed: String(number === this.number), onclick: () => this.turn(number) }, `Page ${number}`);
    const all = Array.from({ length: this.count }, (_, at) => button(at + 1));
    this.pages.replaceChildren(...(this.count > 1 ? all : []));
  }

  async original() {
    const { n, number } = this;
    if (!number) return;
    const shown = await (this.ready[`original ${number}`] ??= picture(n, number, true));
    if (n === this.n && number === this.number) this.image.src = shown.url;
  }

  /** Takes the leaves to mark: {path: {page, box, kind}}. */
  mark(leaves) {
    this.leaves = leaves;
    if (this.size) this.draw();
  }

  draw() {
    const here = Object.entries(this.leaves).filter(([, leaf]) => leaf.box && leaf.page === this.number);
    this.boxes.replaceChildren(...here.map(([path, leaf]) => rect(leaf.box, `read ${leaf.kind}`, path)));
    mark(this.boxes, this.path);
  }

  /** Chooses a leaf: marks its box and moves there. */
  async select(path, leaf) {
    this.path = path;
    this.target = leaf?.box ?? null;
    if (leaf?.page && leaf.page !== this.number && leaf.box) return this.turn(leaf.page);
    mark(this.boxes, path);
    if (this.size) this.place(this.target);
  }

  /** Moves to a box; without one the page stays where it is, or is shown as a whole at first. */
  place(box, atOnce = false) {
    const { clientWidth: width, clientHeight: height } = this.stage;
    const whole = Math.min(width / this.size[0], height / this.size[1]);
    if (!box) {
      if (atOnce || !this.view) this.move(whole, (width - whole * this.size[0]) / 2, Math.max(0, (height - whole * this.size[1]) / 2), atOnce);
      return;
    }
    const [x0, y0, x1, y1] = box;
    const across = width / this.size[0];
    const near = (y1 - y0) * across >= LEGIBLE ? across : LINE / (y1 - y0);
    const scale = Math.max(whole, Math.min(near, (0.8 * width) / (x1 - x0), (0.8 * height) / (y1 - y0), MOST));
    this.move(scale, width / 2 - (scale * (x0 + x1)) / 2, height / 2 - (scale * (y0 + y1)) / 2, atOnce);
  }

  fit() {
    this.view = null;
    if (this.size) this.place(null);
  }

  zoom(times, x = this.stage.clientWidth / 2, y = this.stage.clientHeight / 2) {
    if (!this.view) return;
    const [scale, left, top] = this.view;
    const next = Math.min(MOST, Math.max(0.05, scale * times));
    this.move(next, x - ((x - left) * next) / scale, y - ((y - top) * next) / scale, true);
  }

  move(scale, left, top, atOnce = false) {
    const { clientWidth: width, clientHeight: height } = this.stage;
    const held = (at, size, room) => (size <= room ? (room - size) / 2 : Math.min(room * EDGE, Math.max(room * (1 - EDGE) - size, at)));
    left = held(left, scale * this.size[0], width);
    top = held(top, scale * this.size[1], height);
    this.view = [scale, left, top];
    this.sheet.classList.toggle("gliding", !atOnce && !calm.matches);
    this.sheet.style.setProperty("--scale", scale);
    this.sheet.style.transform = `translate(${left}px, ${top}px) scale(${scale})`;
  }

  wheel(event) {
    event.preventDefault();
    if (!this.view) return;
    const bounds = this.stage.getBoundingClientRect();
    if (event.ctrlKey || event.metaKey) this.zoom(Math.exp(-event.deltaY / 300), event.clientX - bounds.x, event.clientY - bounds.y);
    else this.move(this.view[0], this.view[1] - event.deltaX, this.view[2] - event.deltaY, true);
  }

  at(event) {
    const bounds = this.stage.getBoundingClientRect();
    const [scale, left, top] = this.view;
    return [(event.clientX - bounds.x - left) / scale, (event.clientY - bounds.y - top) / scale];
  }

  down(event) {
    if (!this.view) return;
    event.preventDefault(); // the chosen value keeps the focus
    this.stage.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, event);
    const pans = event.button === 1 || event.pointerType === "touch";
    this.drag = { from: this.at(event), pans, shift: event.shiftKey, ctrl: event.ctrlKey, read: event.altKey, x: event.clientX, y: event.clientY };
  }

  moved(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before || !this.drag) return;
    this.pointers.set(event.pointerId, event);
    if (this.pointers.size === 2) {
      const [one, two] = this.pointers.values();
      const other = one === event ? two : one;
      const span = (a) => Math.hypot(a.clientX - other.clientX, a.clientY - other.clientY);
      const bounds = this.stage.getBoundingClientRect();
      this.zoom(span(event) / Math.max(1, span(before)), event.clientX - bounds.x, event.clientY - bounds.y);
      this.drag.far = true;
      return;
    }
    this.drag.far ||= Math.hypot(event.clientX - this.drag.x, event.clientY - this.drag.y) > 4;
    if (!this.drag.far) return;
    if (this.drag.pans) this.move(this.view[0], this.view[1] + event.clientX - before.clientX, this.view[2] + event.clientY - before.clientY, true);
    else this.frame(union([[...this.drag.from, ...this.drag.from], [...this.at(event), ...this.at(event)]]));
  }

  up(event) {
    if (!this.pointers.delete(event.pointerId) || !this.drag || this.pointers.size) return;
    const { far, pans, from, shift, ctrl, read } = this.drag;
    this.drag = null;
    if (event.type === "pointercancel") return this.frame(null);
    if (far && pans) return;
    if (far) {
      const to = this.at(event);
      return this.fill(union([[...from, ...from], [...to, ...to]]), shift, read);
    }
    const [x, y] = from;
    const within = ([x0, y0, x1, y1]) => x >= x0 && x < x1 && y >= y0 && y < y1;
    const hit = Object.entries(this.leaves).filter(([, leaf]) => leaf.box && leaf.page === this.number && within(leaf.box));
    const word = this.words.find((one) => within(boxOf(one)));
    const another = hit.filter(([path]) => path !== this.path);
    if (another.length && !ctrl && !shift) return this.desk.values.focus(another[0][0]);
    if (word) this.desk.fillIn({ text: word[0], box: boxOf(word), page: this.number }, shift);
  }

  frame(box) {
    this.boxes.querySelector(".frame")?.remove();
    if (box) this.boxes.append(rect(box, "frame"));
  }

  async fill(box, add, read) {
    const middle = (word) => [(word[1] + word[3]) / 2, (word[2] + word[4]) / 2];
    const inside = (word) => middle(word).every((at, axis) => at >= box[axis] && at <= box[axis + 2]);
    const words = read ? [] : this.words.filter(inside);
    if (words.length) {
      this.frame(null);
      return this.desk.fillIn({ text: textOf(words), box: union(words.map(boxOf)), page: this.number }, add);
    }
    const whole = box.map(Math.round);
    const { number } = this;
    const text = await this.desk.read(number, whole);
    this.frame(null);
    this.desk.fillIn({ text, box: whole, page: number }, add);
  }

  choose(words) {
    this.chosen = words;
    for (const one of this.boxes.querySelectorAll(".word")) one.remove();
    this.boxes.append(...words.map((word) => rect(boxOf(word), "word")));
  }

  /** Keys of the page itself: arrows move between words, Shift extends, Enter fills. */
  key(event) {
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: "down", ArrowUp: "up" };
    if (event.altKey || event.ctrlKey || event.metaKey || !this.words.length) return;
    if (event.key === "Enter" && this.chosen.length) {
      const words = this.words.filter((word) => this.chosen.includes(word));
      this.desk.fillIn({ text: textOf(words), box: union(words.map(boxOf)), page: this.number });
    } else if (event.key in steps) {
      const last = this.chosen.at(-1);
      const next = last ? this.neighbour(last, steps[event.key]) : this.words[0];
      this.choose(event.shiftKey ? [...new Set([...this.chosen, next])] : [next]);
      this.place(boxOf(next));
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  neighbour(word, step) {
    if (typeof step === "number") return this.words[Math.min(Math.max(this.words.indexOf(word) + step, 0), this.words.length - 1)];
    const sign = step === "down" ? 1 : -1;
    const height = word[4] - word[2];
    const far = (one) => Math.abs((one[1] + one[3] - word[1] - word[3]) / 2) + 3 * Math.abs(one[2] - word[2]);
    const there = this.words.filter((one) => sign * (one[2] - word[2]) > height / 2);
    return there.reduce((best, one) => (far(one) < far(best) ? one : best), there[0] ?? word);
  }
}
