// The plane: points, axes, a cursor that is dragged or moved by keys, zoom, pan and lasso. Knows nothing of models.
//
// Events (CustomEvent on `plane.element`): "aim" {x, y} while the cursor moves, "over" {index} | {index: null} when the
// pointer is over a point, "lasso" {inside: Int32Array of point numbers}, "view" after zoom or pan.

import { h } from "./dom.js";
import { Nearest } from "./nearest.js";
import { drawPoints, ticks, View } from "./scatter.js";

const MARGIN = { left: 44, bottom: 34, top: 8, right: 8 };
const STEP = 1 / 60;
const REACH = 14;

export class Plane {
  constructor({ name, still = false }) {
    this.canvas = h("canvas", { class: "points" });
    this.over = h("canvas", { class: "over" });
    this.element = h("div", {
      class: "plane", tabIndex: still ? -1 : 0, role: still ? "img" : "application",
      "aria-label": still ? name : `${name}. Arrow keys move the cursor, with Shift the view; plus and minus zoom, 0 shows all.`,
    }, this.canvas, this.over);
    this.view = new View();
    this.mode = "cursor";
    this.cursor = null;
    this.marks = [];
    this.links = [];
    this.path = null;
    this.under = null;
    this.hovered = null;
    this.showPoints = true;
    this.pointers = new Map();
    new ResizeObserver(() => this.resize()).observe(this.element);
    if (!still) this.listen();
  }

  /** Take points: what `backend.map` gives. */
  show(map, colours) {
    this.map = map;
    this.colours = colours;
    this.nearest = new Nearest(map.points);
    this.fitted = false;
    this.resize();
  }

  recolour(colours) {
    this.colours = colours;
    this.draw();
  }

  get box() {
    return { width: this.width - MARGIN.left - MARGIN.right, height: this.height - MARGIN.top - MARGIN.bottom };
  }

  resize() {
    const { width, height } = this.element.getBoundingClientRect();
    if (!this.map || width < 80 || height < 80) return;
    const ratio = devicePixelRatio || 1;
    const known = this.width;
    Object.assign(this, { width, height, ratio });
    for (const canvas of [this.canvas, this.over]) {
      canvas.width = width * ratio;
      canvas.height = height * ratio;
    }
    const grown = known ? width / known : 1;
    Object.assign(this.view, this.box);
    if (!this.fitted) this.fit();
    else if (grown !== 1) this.view.scale *= grown;
    this.draw();
  }

  /** Show all points, and no less than `least` each way from the origin: what carries nothing looks small. */
  fit() {
    const least = this.least ?? 0;
    const { nearest } = this;
    const [left, low] = [nearest.left, nearest.low].map((end) => (least ? Math.min(end, -least) : end));
    const [right, high] = [nearest.right, nearest.high].map((end) => (least ? Math.max(end, least) : end));
    this.view.cx = (left + right) / 2;
    this.view.cy = (low + high) / 2;
    this.view.scale = 0.92 * Math.min(this.view.width / (right - left || 1), this.view.height / (high - low || 1));
    this.whole = this.view.scale;
    this.fitted = true;
  }

  draw() {
    if (!this.map || !this.width || this.drawing) return;
    this.drawing = requestAnimationFrame(() => {
      this.drawing = 0;
      this.paint();
    });
  }

  paint() {
    const context = this.canvas.getContext("2d");
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    this.axes(context);
    context.save();
    context.translate(MARGIN.left, MARGIN.top);
    context.beginPath();
    context.rect(0, 0, this.view.width, this.view.height);
    context.clip();
    this.under?.(context, this.view);
    if (this.showPoints) {
      const seen = drawPoints(context, this.view, this.map.points, this.colours, this.map.rows, this.ratio);
      this.element.dataset.inside = seen.inside;
      this.element.dataset.drawn = seen.single ? "points" : "density";
    }
    context.restore();
    this.paintOver();
  }

  axes(context) {
    const style = getComputedStyle(this.element);
    const [ink, line] = [style.getPropertyValue("--muted"), style.getPropertyValue("--faint")];
    const { width, height } = this.view;
    const [left, high] = this.view.toPlane(0, 0);
    const [right, low] = this.view.toPlane(width, height);
    context.font = "12px system-ui, sans-serif";
    context.fillStyle = ink;
    context.strokeStyle = line;
    context.textAlign = "center";
    for (const x of ticks(left, right, Math.max(3, width / 80))) {
      const px = this.view.toScreen(x, 0)[0] + MARGIN.left;
      context.fillText(x, px, MARGIN.top + height + 14);
      context.strokeRect(px, MARGIN.top, 0, height);
    }
    context.fillText(this.map.axes[0], MARGIN.left + width / 2, this.height - 4);
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const y of ticks(low, high, Math.max(3, height / 60))) {
      const py = this.view.toScreen(0, y)[1] + MARGIN.top;
      context.fillText(y, MARGIN.left - 4, py);
      context.strokeRect(MARGIN.left, py, width, 0);
    }
    context.save();
    context.translate(10, MARGIN.top + height / 2);
    context.rotate(-Math.PI / 2);
    context.textAlign = "center";
    context.fillText(this.map.axes[1], 0, 0);
    context.restore();
    context.textBaseline = "alphabetic";
  }

  /** Draw what moves: the cursor, its links, the hovered point, marks and the lasso. */
  paintOver() {
    const context = this.over.getContext("2d");
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    const style = getComputedStyle(this.element);
    const ink = style.getPropertyValue("--ink");
    const accent = style.getPropertyValue("--second");
    context.save();
    context.translate(MARGIN.left, MARGIN.top);
    context.beginPath();
    context.rect(0, 0, this.view.width, this.view.height);
    context.clip();
    const at = (index) => this.view.toScreen(this.map.points[2 * index], this.map.points[2 * index + 1]);
    const ring = (px, py, radius, colour, width = 2) => {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.beginPath();
      context.arc(px, py, radius, 0, 7);
      context.stroke();
    };
    if (this.cursor) {
      const [px, py] = this.view.toScreen(...this.cursor);
      context.strokeStyle = ink;
      context.lineWidth = 1;
      context.globalAlpha = 0.55;
      for (const index of this.links) {
        context.beginPath();
        context.moveTo(px, py);
        context.lineTo(...at(index));
        context.stroke();
      }
      context.globalAlpha = 1;
      ring(px, py, 9, style.getPropertyValue("--panel"), 5);
      ring(px, py, 9, accent, 2.5);
      context.strokeStyle = ink;
      context.strokeRect(px - 5, py, 10, 0);
      context.strokeRect(px, py - 5, 0, 10);
    }
    if (this.hovered !== null) ring(...at(this.hovered), 6, ink);
    for (const { x, y, text } of this.marks) {
      const [px, py] = this.view.toScreen(x, y);
      ring(px, py, 7, accent, 3);
      context.fillStyle = ink;
      context.font = "600 12px system-ui, sans-serif";
      context.fillText(text, px + 11, py + 4);
    }
    if (this.path) {
      context.strokeStyle = accent;
      context.lineWidth = 1.5;
      context.beginPath();
      for (const [x, y] of this.path) context.lineTo(...this.view.toScreen(x, y));
      context.closePath();
      context.stroke();
      context.globalAlpha = 0.12;
      context.fillStyle = accent;
      context.fill();
      context.globalAlpha = 1;
    }
    context.restore();
  }

  emit(name, detail) {
    this.element.dispatchEvent(new CustomEvent(name, { detail }));
  }

  /** Put the cursor somewhere and say so. */
  aim(x, y) {
    this.cursor = [x, y];
    this.emit("aim", { x, y });
    this.paintOver();
  }

  moved() {
    this.draw();
    this.emit("view", {});
  }

  zoomBy(factor, px = this.view.width / 2, py = this.view.height / 2) {
    const scale = Math.max(this.whole / 4, Math.min(this.whole * 4000, this.view.scale * factor));
    this.view.zoom(scale / this.view.scale, px, py);
    this.moved();
  }

  /** Whether a place is in view. */
  sees(x, y) {
    const [px, py] = this.view.toScreen(x, y);
    return px >= 0 && py >= 0 && px <= this.view.width && py <= this.view.height;
  }

  reset() {
    this.fit();
    this.moved();
  }

  place(event) {
    const { left, top } = this.over.getBoundingClientRect();
    return [event.clientX - left - MARGIN.left, event.clientY - top - MARGIN.top];
  }

  listen() {
    const { element } = this;
    element.addEventListener("pointerdown", (event) => this.down(event));
    element.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) element.addEventListener(name, (event) => this.up(event));
    element.addEventListener("pointerleave", () => this.hover(null));
    element.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoomBy(Math.exp(-event.deltaY * 0.0015), ...this.place(event));
    }, { passive: false });
    element.addEventListener("keydown", (event) => this.key(event));
  }

  down(event) {
    if (!this.map) return;
    this.element.focus({ preventScroll: true });
    this.element.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, this.place(event));
    this.doing = event.shiftKey || event.button === 1 || this.pointers.size > 1 ? "pan" : this.mode;
    if (this.doing === "lasso") this.path = [this.view.toPlane(...this.place(event))];
    if (this.doing === "cursor") this.aim(...this.view.toPlane(...this.place(event)));
  }

  move(event) {
    if (!this.map) return;
    const [px, py] = this.place(event);
    const before = this.pointers.get(event.pointerId);
    if (!before) {
      const [x, y] = this.view.toPlane(px, py);
      const [best] = this.nearest.find(x, y, 1);
      this.hover(best && best.distance * this.view.scale < REACH ? best.index : null);
      return;
    }
    if (this.doing === "pan") this.pan(event.pointerId, before, [px, py]);
    else if (this.doing === "lasso") {
      this.path.push(this.view.toPlane(px, py));
      this.paintOver();
    } else this.aim(...this.view.toPlane(px, py));
    this.pointers.set(event.pointerId, [px, py]);
  }

  pan(id, before, now) {
    const other = [...this.pointers].find(([key]) => key !== id)?.[1];
    if (other) {
      const far = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]) || 1;
      this.view.zoom(far(now) / far(before), ...other);
    } else {
      this.view.cx -= (now[0] - before[0]) / this.view.scale;
      this.view.cy += (now[1] - before[1]) / this.view.scale;
    }
    this.moved();
  }

  up(event) {
    if (!this.pointers.delete(event.pointerId) || this.doing !== "lasso" || !this.path) return;
    if (this.path.length > 2) this.emit("lasso", { inside: this.inside(this.path) });
    else this.unlasso();
  }

  unlasso() {
    this.path = null;
    this.paintOver();
  }

  hover(index) {
    if (index === this.hovered) return;
    this.hovered = index;
    this.paintOver();
    this.emit("over", { index });
  }

  /** Find the points within a closed path. */
  inside(path) {
    const { points } = this.map;
    const [xs, ys] = [path.map(([x]) => x), path.map(([, y]) => y)];
    const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const found = [];
    for (let i = 0; i < points.length / 2; i++) {
      const [x, y] = [points[2 * i], points[2 * i + 1]];
      if (x < left || x > right || y < low || y > high) continue;
      let odd = false;
      for (let a = 0, b = path.length - 1; a < path.length; b = a++) {
        const crosses = path[a][1] > y !== path[b][1] > y;
        if (crosses && x < ((path[b][0] - path[a][0]) * (y - path[a][1])) / (path[b][1] - path[a][1]) + path[a][0]) odd = !odd;
      }
      if (odd) found.push(i);
    }
    return Int32Array.from(found);
  }

  key(event) {
    if (!this.map || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = STEP * Math.min(this.view.width, this.view.height) / this.view.scale;
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const arrow = arrows[event.key];
    if (arrow && event.shiftKey) {
      this.view.cx += arrow[0] * step * 4;
      this.view.cy += arrow[1] * step * 4;
      this.moved();
    } else if (arrow) {
      const [x, y] = this.cursor ?? [this.view.cx, this.view.cy];
      this.aim(x + arrow[0] * step, y + arrow[1] * step);
    } else if (event.key === "+" || event.key === "=") this.zoomBy(1.25);
    else if (event.key === "-") this.zoomBy(0.8);
    else if (event.key === "0") this.reset();
    else if (event.key === "Escape") this.unlasso();
    else return;
    event.preventDefault();
  }
}
