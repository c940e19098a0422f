// The decoded plane of two latents: a grid of pictures that fills the view and follows zoom and pan.

import { failure, settled } from "./dom.js";
import { chart, framesOf, pictorial, pixels } from "./picture.js";

const CELL = 46;
const STREAM = 3;
const MOST = 1000;

export class Manifold {
  constructor(tab) {
    this.tab = tab;
    this.on = false;
    this.later = settled(40, () => this.refresh());
    tab.plane.element.addEventListener("view", () => this.on && this.later());
    addEventListener("resize", () => this.on && this.later(), { signal: tab.signal });
  }

  turn(on) {
    this.on = on;
    if (on) this.refresh();
    else {
      this.tab.plane.under = null;
      this.tab.plane.draw();
    }
  }

  async refresh() {
    const { plane, look } = this.tab;
    if (!this.on || !plane.width) return;
    const { width, height } = plane.view;
    const cell = Math.max(CELL, Math.sqrt((width * height) / MOST) * 1.05);
    const [columns, rows] = [Math.floor(width / cell), Math.floor(height / cell)];
    const corners = [];
    const z = new Float32Array(2 * columns * rows);
    for (let i = 0; i < columns * rows; i++) {
      const [px, py] = [((i % columns) + 0.5) * (width / columns), (Math.floor(i / columns) + 0.5) * (height / rows)];
      const at = plane.view.toPlane(px, py);
      z.set(at, 2 * i);
      corners.push(at);
    }
    try {
      const c = await this.conditions(columns * rows);
      const values = await look.decode(z, columns * rows, c, STREAM);
      if (!values || !this.on) return;
      const side = Math.min(width / columns, height / rows) / plane.view.scale;
      this.show(values, corners, side);
    } catch (error) {
      this.tab.status.replaceChildren(failure(error));
    }
  }

  async conditions(count) {
    const { look, aim, plane } = this.tab;
    if (!look.run.condition) return null;
    const one = aim.condition() ?? (await aim.nearestCondition(plane.view.cx, plane.view.cy));
    const all = new Float32Array(count * one.length);
    for (let i = 0; i < count; i++) all.set(one, i * one.length);
    return all;
  }

  /** Keep the pictures at their places in the plane, so that they move with it until the next ones come. */
  show(values, corners, side) {
    const { run } = this.tab.look;
    const size = this.tab.look.values;
    const tiles = corners.map((_, i) => {
      if (pictorial(run)) {
        const image = run.kind === "image" ? pixels(run, values, i * size, run.event) : framesOf(run, values, i * size)[0];
        const canvas = new OffscreenCanvas(image.width, image.height);
        canvas.getContext("2d").putImageData(image, 0, 0);
        return canvas;
      }
      const canvas = new OffscreenCanvas(64, 64);
      chart(canvas.getContext("2d"), run, values, i * size, 64, 64);
      return canvas;
    });
    this.tab.plane.under = (context, view) => {
      const extent = side * view.scale * 0.94;
      context.imageSmoothingEnabled = false;
      corners.forEach(([x, y], i) => {
        const [px, py] = view.toScreen(x, y);
        context.drawImage(tiles[i], px - extent / 2, py - extent / 2, extent, extent);
      });
    };
    this.tab.plane.draw();
    this.tab.plane.element.dataset.tiles = tiles.length;
  }
}
