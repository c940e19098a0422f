// The tab Map: all encoded data on a plane, a cursor whose latent is decoded, what lies under the pointer, the lasso.

import { Aim } from "./aim.js";
import { coloured, css, drawScale } from "./colour.js";
import { check, choice, failure, field, h, loading, settled, shown, switcher } from "./dom.js";
import { dropCard } from "./drop.js";
import { Follower } from "./follow.js";
import { Manifold } from "./manifold.js";
import { draw, frame, pictorial } from "./picture.js";
import { Plane } from "./plane.js";
import { selectionCard } from "./selection.js";
import { store } from "./store.js";
import { strangestCard } from "./strangest.js";

/** How far a map in the latents' own units reaches at least: as far as the prior does. */
export const leastOf = (run, way) => (run.bound && ["itself", "pca"].includes(way) ? 3 : 0);

/** Say what the map of latents that carry nothing is worth. */
export function ofNothing({ verdict }, way) {
  if (!["full collapse", "near collapse"].includes(verdict.name)) return "";
  const arranged = ["tsne", "umap"].includes(way);
  return ` These latents carry next to nothing: ${arranged ? "groups that this map shows are noise, whose scale it disregards." : "at the prior's scale all examples are in one place."}`;
}

const SIDE = 224;
const SMALL = 96;

export async function mapTab(app, look, ready, signal) {
  const plane = new Plane({ name: `Map of ${look.run.label}` });
  const legend = h("div", { class: "legend" });
  const method = h("p", { class: "note" });
  const status = h("div", { class: "over-plane" });
  const stage = h("figure", { class: "stage" }, plane.element, status, legend, h("figcaption", {}, method));
  const aside = h("div", { class: "aside" });
  const tab = new MapTab(app, look, ready, signal, { plane, legend, method, status });
  plane.element.append(tab.hint);
  aside.append(tab.aimCard(), tab.hoverCard());
  if (app.can("place")) aside.append(dropCard(tab));
  aside.append(...[strangestCard(tab), selectionCard(tab)].filter(Boolean));
  await tab.colour();
  tab.load();
  return h("div", { class: "map" }, tab.tools(), stage, aside);
}

class MapTab {
  constructor(app, look, ready, signal, parts) {
    Object.assign(this, { app, look, ready, signal }, parts);
    this.hint = h("p", { class: "hint" }, "Drag the ring: what lies under it is decoded beside the map.");
    this.aim = new Aim(this);
    this.manifold = new Manifold(this);
    this.plane.mode = store.get("mode");
    this.plane.showPoints = store.get("points");
    this.plane.element.addEventListener("view", settled(150, () => this.remember()));
    this.plane.element.addEventListener("view", () => this.aim.placed());
    for (const name of ["pointerdown", "keydown"]) this.plane.element.addEventListener(name, () => this.hint.remove(), { once: true });
    addEventListener("theme", () => this.plane.draw(), { signal });
  }

  get way() {
    const wanted = store.get("way");
    return this.ready.ways.includes(wanted) ? wanted : this.ready.ways[0];
  }

  get columnNumber() {
    const place = this.ready.columns.findIndex((column) => column.name === store.get("colour"));
    return Math.max(0, place);
  }

  /** Give the example that is point `index` of the plane. */
  row(index) {
    return this.map.rows ? this.map.rows[index] : index;
  }

  tools() {
    const names = { itself: "latent plane", pca: "PCA", tsne: "t-SNE", umap: "UMAP" };
    const parts = [];
    if (this.ready.ways.length > 1) {
      const ways = this.ready.ways.map((way) => [way, names[way] ?? way]);
      parts.push(field("Map", choice(ways, this.way, (way) => this.turn(way))));
    }
    const columns = this.ready.columns.map(({ name }) => name);
    parts.push(field("Colour", choice(columns, columns[this.columnNumber], (name) => (store.set("colour", name), this.colour()))));
    const { condition } = this.look.run;
    if (condition?.options.length) {
      const options = [["", "of the nearest example"], ...condition.options.map(({ name }, i) => [String(i), name])];
      parts.push(field("Condition", choice(options, store.get("condition"), (value) => (store.set("condition", value), this.aim.again(), this.manifold.refresh()))));
    }
    const modes = [["cursor", "Cursor", "Drag to decode"], ["pan", "Pan", "Drag to move the view"], ["lasso", "Lasso", "Draw around points"]];
    parts.push(switcher("What dragging does", modes, store.get("mode"), (mode) => (store.set("mode", mode), (this.plane.mode = mode))));
    parts.push(check("Points", store.get("points"), (on) => (store.set("points", on), (this.plane.showPoints = on), this.plane.draw())));
    this.grid = check("Decoded grid", store.get("manifold"), (on) => (store.set("manifold", on), this.manifold.turn(on)));
    parts.push(this.grid);
    const buttons = [["−", "Zoom out", () => this.plane.zoomBy(0.7)], ["+", "Zoom in", () => this.plane.zoomBy(1.4)], ["Whole map", "Show the whole map", () => this.plane.reset()]];
    parts.push(h("div", { class: "switcher" }, buttons.map(([text, title, onclick]) => h("button", { type: "button", title, "aria-label": title, onclick }, text))));
    return h("div", { class: "tools" }, parts);
  }

  /** Take another map, on which places mean something else. */
  turn(way) {
    store.set("way", way);
    for (const key of ["x", "y", "cx", "cy"]) store.set(key, null);
    store.set("zoom", 1);
    this.load();
  }

  async load() {
    const bar = loading("Loading the map …");
    this.status.replaceChildren(bar);
    const way = this.way;
    try {
      const map = await this.look.map(way, bar.tick);
      if (this.signal.aborted || way !== this.way) return;
      this.map = map;
      this.status.replaceChildren();
      this.grid.hidden = !map.exact || this.look.size !== 2;
      this.plane.least = leastOf(this.look.run, way);
      this.plane.show(map, this.colours);
      const between = map.exact ? "" : " Between the points a latent is a mean of its neighbours'; how far these lie apart is the uncertainty.";
      this.method.textContent = `${map.title}. ${map.method}${between}${ofNothing(this.look.run, way)}`;
      this.restore();
      this.manifold.turn(store.get("manifold") && map.exact && this.look.size === 2);
      this.plane.element.dataset.ready = way;
    } catch (error) {
      this.status.replaceChildren(failure(error));
    }
  }

  restore() {
    const { plane } = this;
    if (store.get("zoom") !== 1 && store.get("cx") !== null && plane.whole) {
      plane.view.scale = plane.whole * store.get("zoom");
      [plane.view.cx, plane.view.cy] = [store.get("cx"), store.get("cy")];
    }
    const centre = [(plane.nearest.left + plane.nearest.right) / 2, (plane.nearest.low + plane.nearest.high) / 2];
    const [x, y] = store.get("x") === null ? centre : [store.get("x"), store.get("y")];
    plane.aim(x, y);
    plane.draw();
  }

  remember() {
    const { view, whole } = this.plane;
    const zoom = Number((view.scale / whole).toPrecision(4));
    store.set("zoom", zoom);
    store.set("cx", Number(view.cx.toPrecision(5)));
    store.set("cy", Number(view.cy.toPrecision(5)));
  }

  async colour() {
    const number = this.columnNumber;
    const { name, names, unit } = this.ready.columns[number];
    try {
      const values = await this.look.column(number);
      this.colours = coloured(values, names);
      this.labels = number === 0 && names ? { values, names } : this.labels;
    } catch (error) {
      this.status.replaceChildren(failure(error));
      return;
    }
    this.legend.replaceChildren(h("span", { class: "legend-name" }, unit ? `${name} (${unit})` : name));
    if (names) {
      const items = names.slice(0, 40).map((text, i) => {
        const dot = h("i", {});
        dot.style.background = css(this.colours.palette[i % 20]);
        return h("span", {}, dot, text);
      });
      this.legend.append(...items);
    } else {
      const bar = h("canvas", { class: "scale", "aria-hidden": "true" });
      drawScale(bar);
      this.legend.append(h("span", {}, shown(this.colours.low)), bar, h("span", {}, shown(this.colours.high)));
    }
    if (this.map) this.plane.recolour(this.colours);
  }

  aimCard() {
    this.aimed = frame(this.look.run, SIDE, "The latent under the cursor, decoded");
    this.words = h("div", { class: "words", "aria-live": "off" });
    this.lost = h("p", { class: "note", role: "status", hidden: true }, "The ring is outside of the view: Whole map brings it back.");
    const keep = h("button", { type: "button", onclick: () => this.aim.keep() }, "Move from here");
    return h("section", { class: "card aimed" }, h("h2", {}, "Under the ring"), this.aimed, this.lost, this.words, h("div", { class: "buttons" }, keep));
  }

  hoverCard() {
    const { run } = this.look;
    const [input, made] = ["An example", "Its reconstruction"].map((name) => frame(run, pictorial(run) ? SMALL : 132, name));
    const words = h("p", { class: "words" }, "Point at a dot to see its example and the reconstruction.");
    const follower = new Follower(({ x, pixels, text }) => {
      draw(input, run, x);
      draw(made, run, pixels);
      words.textContent = text;
      this.seen = true;
    }, (error) => (words.textContent = error.message));
    const uses = ["a", "b", "c"].map((key) => h("button", { type: "button", onclick: () => this.hoveredRow !== undefined && store.set(key, this.hoveredRow) }, `Use as ${key}`));
    const edit = h("button", { type: "button", onclick: () => this.hoveredRow !== undefined && (store.set("start", String(this.hoveredRow)), store.set("tab", "move")) }, "Edit");
    this.seeRow = (row) => {
      this.hoveredRow = row;
      follower.want(() => this.hovered(row));
    };
    this.plane.element.addEventListener("over", ({ detail: { index } }) => index !== null && this.seeRow(this.row(index)));
    const pair = h("div", { class: "pair" }, h("figure", {}, input, h("figcaption", {}, "input")), h("figure", {}, made, h("figcaption", {}, "reconstruction")));
    return h("section", { class: "card" }, h("h2", {}, "Under the pointer"), pair, words, h("div", { class: "buttons" }, uses, edit));
  }

  /** Show an example as if the pointer were at it, and put the cursor where it lies, if this map has it. */
  point(row) {
    this.seeRow(row);
    const index = this.map.rows ? this.map.rows.indexOf(row) : row;
    if (index < 0) return;
    const [x, y] = this.map.points.slice(2 * index, 2 * index + 2);
    this.plane.marks = [{ x, y, text: String(row) }];
    this.plane.aim(x, y);
  }

  async hovered(row) {
    const [x, { z, c }] = await Promise.all([this.look.examples([row]), this.look.latents([row])]);
    const pixels = await this.look.decode(z, 1, c, 2);
    const parts = [`example ${row}`];
    for (const [i, { name, names, unit }] of this.ready.columns.slice(0, 4).entries()) {
      const value = (await this.look.column(i))[row];
      parts.push(`${name} ${names ? (names[value] ?? "–") : shown(value)}${unit && unit !== "MSE" ? " " + unit : ""}`);
    }
    return pixels && { x, pixels, text: parts.join(", ") };
  }
}
