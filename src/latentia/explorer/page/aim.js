// The cursor's latent: exact where the plane is the latent, else a mean of the neighbours' latents with its spread.

import { h, percent, settled, shown } from "./dom.js";
import { Follower } from "./follow.js";
import { draw } from "./picture.js";
import { store } from "./store.js";

const NEIGHBOURS = 8;
const STREAM = 1;
const KEPT = 8000;
const AHEAD = 96;
const FAR = 30; // pixels to the nearest example beyond which there is none near
const PRIOR = 3; // standard deviations of the prior beyond which it hardly ever draws

export class Aim {
  constructor(tab) {
    this.tab = tab;
    this.known = new Map();
    this.spread = Math.sqrt(tab.ready.dims.reduce((sum, { std }) => sum + std * std, 0)) || 1;
    this.follower = new Follower((result) => this.show(result), (error) => this.fail(error));
    this.remember = settled(200, (x, y) => {
      store.set("x", Number(x.toPrecision(5)));
      store.set("y", Number(y.toPrecision(5)));
    });
    tab.plane.element.addEventListener("aim", ({ detail: { x, y } }) => this.to(x, y));
  }

  to(x, y) {
    this.follower.want(() => this.decoded(x, y));
    this.remember(x, y);
  }

  again() {
    if (this.tab.plane.cursor) this.to(...this.tab.plane.cursor);
  }

  async decoded(x, y) {
    const { look, map } = this.tab;
    const found = map.exact ? { z: Float32Array.of(x, y).subarray(0, look.size) } : await this.mixed(x, y);
    const c = this.condition() ?? found.c ?? (look.run.condition ? await this.nearestCondition(x, y) : null);
    const pixels = await look.decode(found.z, 1, c, STREAM);
    const away = found.away ?? this.distance(x, y);
    return pixels && { ...found, c, pixels, x, y, away };
  }

  condition() {
    const option = this.tab.look.run.condition?.options[Number(store.get("condition") || NaN)];
    return option ? Float32Array.from(option.row) : null;
  }

  async nearestCondition(x, y) {
    const [{ index }] = this.tab.plane.nearest.find(x, y, 1);
    return (await this.tab.look.latent(this.tab.row(index))).c;
  }

  /** Give the pixels from a place to the nearest example. */
  distance(x, y) {
    const { nearest, view } = this.tab.plane;
    return nearest.find(x, y, 1)[0].distance * view.scale;
  }

  /** Say what a place off the data is worth, in words; nothing of one among them. */
  off(x, y, away) {
    const { look, map } = this.tab;
    if (map.exact && look.run.bound && Math.hypot(x, y) > PRIOR) return "Off the map: the prior hardly ever draws so far out, so the decoder was not trained here.";
    if (away <= FAR) return "";
    return map.exact ? "No example is near: the decoder fills a gap." : "No example is near: this is a guess.";
  }

  /** Say whether the ring is in view. */
  placed() {
    const { plane, lost } = this.tab;
    if (lost && plane.cursor) lost.hidden = plane.sees(...plane.cursor);
  }

  /** Give the neighbours' mean, weighted by distance, its spread, and the nearest one's condition. */
  async mixed(x, y) {
    const { look, plane } = this.tab;
    const near = plane.nearest.find(x, y, NEIGHBOURS);
    const rows = near.map(({ index }) => this.tab.row(index));
    if (this.known.size > KEPT) this.known.clear();
    if (!rows.every((row) => this.known.has(row))) {
      // Further ones on the same way: the next steps of the cursor will ask for them.
      const around = plane.nearest.find(x, y, AHEAD).map(({ index }) => this.tab.row(index));
      const missing = around.filter((row) => !this.known.has(row));
      const { z, c } = await look.latents(missing);
      const width = c ? c.length / missing.length : 0;
      missing.forEach((row, i) => {
        this.known.set(row, { z: z.subarray(i * look.size, (i + 1) * look.size), c: c?.subarray(i * width, (i + 1) * width) });
      });
    }
    const reach = near[Math.min(2, near.length - 1)].distance || 1e-9;
    const weights = near.map(({ distance }) => Math.exp(-((distance / reach) ** 2) / 2) + 1e-9);
    const total = weights.reduce((a, b) => a + b);
    const z = new Float32Array(look.size);
    const latents = rows.map((row) => this.known.get(row));
    latents.forEach(({ z: own }, i) => own.forEach((value, d) => (z[d] += (weights[i] / total) * value)));
    let square = 0;
    latents.forEach(({ z: own }, i) => own.forEach((value, d) => (square += (weights[i] / total) * (value - z[d]) ** 2)));
    const away = near[0].distance * plane.view.scale;
    return { z, c: latents[0]?.c, links: near.map(({ index }) => index), uncertainty: Math.sqrt(square) / this.spread, away };
  }

  show({ z, c, pixels, links, uncertainty, away, x, y }) {
    const { tab } = this;
    draw(tab.aimed, tab.look.run, pixels);
    tab.aimed.dataset.count = Number(tab.aimed.dataset.count ?? 0) + 1;
    tab.aimed.dispatchEvent(new Event("drawn"));
    this.latest = { z, c };
    tab.plane.links = links ?? [];
    if (links) tab.plane.paintOver();
    const lines = [h("p", {}, `${tab.map.axes[0] || "x"}: ${shown(x)}, ${tab.map.axes[1] || "y"}: ${shown(y)}`)];
    if (uncertainty !== undefined) {
      const meter = h("meter", { min: 0, max: 1, low: 0.35, high: 0.7, optimum: 0, value: Math.min(1, uncertainty), "aria-label": "Uncertainty" });
      lines.push(h("p", {}, "Uncertainty ", meter, ` ${percent(uncertainty)} of the data's spread.`));
    } else lines.push(h("p", { class: "note" }, "Exact: the plane is the latent itself."));
    const off = this.off(x, y, away);
    if (off) lines.unshift(h("p", { class: "off" }, off));
    tab.words.replaceChildren(...lines);
    this.placed();
  }

  fail(error) {
    this.tab.words.replaceChildren(h("p", { class: "failure", role: "alert" }, error.message));
  }

  /** Hand the latent over to the tab Move. */
  keep() {
    if (!this.latest) return;
    store.set("z", Array.from(this.latest.z, (value) => Number(value.toPrecision(5))).join(","));
    store.set("start", "cursor");
    store.set("tab", "move");
  }
}
